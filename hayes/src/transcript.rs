//! The text form of a dialogue with a modem.
//!
//! Owns the grammar of a line: `# name: value` about the dialogue, `> ` what the terminal sent, `< ` what the modem
//! said, with the escapes of C for bytes that are no text. Refuses to know what any of it means.

/// One line of a transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    /// `# name: value`: about the dialogue.
    Header(&'a str, &'a str),
    /// `> `: bytes that the terminal sent.
    Sent(Vec<u8>),
    /// `< `: bytes that the modem said.
    Heard(Vec<u8>),
    /// An empty line, or `#` and a remark.
    Blank,
    /// None of these.
    Malformed,
}

impl<'a> Entry<'a> {
    /// Reads a line, without its end.
    #[must_use]
    pub fn parse(line: &'a str) -> Self {
        let Some((mark, rest)) = line.split_at_checked(1) else {
            return if line.is_empty() { Self::Blank } else { Self::Malformed };
        };
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        match mark {
            "#" => rest.split_once(": ").map_or(Self::Blank, |(name, value)| Self::Header(name, value)),
            ">" => Self::Sent(unescape(rest)),
            "<" => Self::Heard(unescape(rest)),
            _ if line.trim().is_empty() => Self::Blank,
            _ => Self::Malformed,
        }
    }
}

/// Whether bytes begin as a transcript does; `None` while there are too few of them to tell.
///
/// No modem begins with `# `, `> ` or `< `.
#[must_use]
pub fn is_transcript(bytes: &[u8]) -> Option<bool> {
    match bytes {
        [] => None,
        [b'#' | b'<' | b'>', rest @ ..] => rest.first().map(|second| *second == b' '),
        _ => Some(false),
    }
}

/// Resolves the escapes of C: `\r`, `\n`, `\t`, `\\`, `\"`, `\a`, `\b`, `\e`, `\0` to `\377` and `\x00` to `\xff`. A
/// backslash before anything else is itself.
#[must_use]
pub fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let (byte, used) = if first == b'\\' { escape(after) } else { (first, 0) };
        bytes.push(byte);
        rest = after.get(used..).unwrap_or_default();
    }
    bytes
}

/// Reads what stands behind a backslash: the byte, and how much of the text it took.
fn escape(text: &[u8]) -> (u8, usize) {
    const LETTERS: [(u8, u8); 11] = [
        (b'r', b'\r'),
        (b'n', b'\n'),
        (b't', b'\t'),
        (b'\\', b'\\'),
        (b'"', b'"'),
        (b'\'', b'\''),
        (b'a', 7),
        (b'b', 8),
        (b'e', 27),
        (b'f', 12),
        (b'v', 11),
    ];
    let letter = |letter: &u8| LETTERS.iter().find(|(known, _)| known == letter).map(|(_, byte)| (*byte, 1));
    match text {
        [b'x', high, low, ..] => {
            let hexadecimal =
                std::str::from_utf8(&[*high, *low]).ok().and_then(|text| u8::from_str_radix(text, 16).ok());
            hexadecimal.map_or((b'\\', 0), |byte| (byte, 3))
        }
        [b'0'..=b'7', ..] => octal(text),
        [other, ..] => letter(other).unwrap_or((b'\\', 0)),
        [] => (b'\\', 0),
    }
}

fn octal(text: &[u8]) -> (u8, usize) {
    let mut byte: u8 = 0;
    let mut used = 0;
    for digit in text.iter().take(3).take_while(|digit| matches!(digit, b'0'..=b'7')) {
        let Some(next) = byte.checked_mul(8).and_then(|byte| byte.checked_add(digit - b'0')) else { break };
        byte = next;
        used += 1;
    }
    (byte, used)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_kind_of_line_is_read() {
        assert_eq!(Entry::parse("# source: a manual"), Entry::Header("source", "a manual"));
        assert_eq!(Entry::parse("> ATZ\\r"), Entry::Sent(b"ATZ\r".to_vec()));
        assert_eq!(Entry::parse("<  OK"), Entry::Heard(b" OK".to_vec()));
        assert_eq!(Entry::parse(">"), Entry::Sent(Vec::new()));
        assert_eq!(Entry::parse("# a remark"), Entry::Blank);
        assert_eq!(Entry::parse(""), Entry::Blank);
        assert_eq!(Entry::parse("OK"), Entry::Malformed);
        assert_eq!(Entry::parse("é"), Entry::Malformed);
    }

    #[test]
    fn escapes_are_those_of_c() {
        assert_eq!(unescape("a\\r\\n\\t\\\\\\x10\\xfF\\0\\33\\377\\400"), b"a\r\n\t\\\x10\xff\0\x1b\xff\x200");
        assert_eq!(unescape("\\q\\xg1\\"), b"\\q\\xg1\\");
    }

    #[test]
    fn a_transcript_is_told_from_what_a_modem_says() {
        assert_eq!(is_transcript(b""), None);
        assert_eq!(is_transcript(b"#"), None);
        for text in ["# source: x", "< OK", "> AT"] {
            assert_eq!(is_transcript(text.as_bytes()), Some(true), "{text}");
        }
        for text in ["\r\nOK\r\n", "RING", "#CID: 1", "~", ">login"] {
            assert_eq!(is_transcript(text.as_bytes()), Some(false), "{text}");
        }
    }

    proptest! {
        #[test]
        fn bytes_written_as_escapes_read_back(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let text: String = bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect();
            prop_assert_eq!(unescape(&text), bytes);
        }

        #[test]
        fn any_line_is_read(line in "\\PC{0,40}|[#<> \\\\x0-9a-z]{0,20}") {
            prop_assert!(line.starts_with(['<', '>', '#']) || matches!(Entry::parse(&line), Entry::Blank | Entry::Malformed));
        }
    }
}
