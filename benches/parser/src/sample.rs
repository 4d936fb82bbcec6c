//! What is read.

use std::path::Path;

/// What the modems of all transcripts said, one after the other, over and over.
pub fn transcripts(length: usize) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../hayes/tests/transcripts");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("the transcripts are there").map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file).expect("a transcript");
        for said in text.lines().filter_map(|line| line.strip_prefix("< ")) {
            unescape(said, &mut all);
        }
    }
    repeated(&all, length)
}

/// What a cellular modem says of calls and in answer to commands, in words of 3GPP TS 27.007 that any parser knows.
pub fn chatter(length: usize) -> Vec<u8> {
    const SAID: &[u8] = b"\r\n+CRING: VOICE\r\n\r\n+CLIP: \"+27821231234\",145,,,,0\r\n\r\nOK\r\n\
        \r\n+CRING: VOICE\r\n\r\n+CLIP: \"+27821231234\",145,,,,0\r\n\r\nNO CARRIER\r\n\r\nERROR\r\n\r\nRING\r\n\
        \r\n+CCWA: \"+27821231234\",145,1,,0\r\n\r\nBUSY\r\n";
    repeated(SAID, length)
}

/// How many reports and result codes there are in it: each is a line.
pub fn events(chatter: &[u8]) -> usize {
    chatter.split(|byte| matches!(byte, b'\r' | b'\n')).filter(|line| !line.is_empty()).count()
}

fn repeated(bytes: &[u8], length: usize) -> Vec<u8> {
    bytes.iter().copied().cycle().take(length / bytes.len() * bytes.len()).collect()
}

/// Undoes the escapes of a transcript: `\r`, `\n`, `\\`, `\xHH`.
fn unescape(text: &str, to: &mut Vec<u8>) {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match (byte, byte == b'\\') {
            (_, false) => to.push(byte),
            (_, true) => match bytes.next() {
                Some(b'r') => to.push(b'\r'),
                Some(b'n') => to.push(b'\n'),
                Some(b'x') => {
                    let digits: String = bytes.by_ref().take(2).map(char::from).collect();
                    to.extend(u8::from_str_radix(&digits, 16));
                }
                Some(other) => to.push(other),
                None => {}
            },
        }
    }
}
