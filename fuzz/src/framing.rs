//! Bytes into lines: nothing lost, nothing taken too far, no matter how the bytes are cut.

use hayes::framing::{Framer, LINE_LIMIT, Line};

/// Takes, one after the other: how many bytes a read has, what was sent (up to a zero byte), what the modem says.
pub fn run(data: &[u8]) {
    let Some((&step, rest)) = data.split_first() else { return };
    let (sent, heard) = rest.iter().position(|byte| *byte == 0).map_or((&[][..], rest), |at| rest.split_at(at));
    let step = usize::from(step % 32) + 1;

    let whole = lines(sent, [heard]);
    let cut = lines(sent, heard.chunks(step));
    assert_eq!(whole, cut, "the lines depend on how the bytes are cut");

    for line in &whole {
        assert!(!line.text.is_empty(), "an empty line");
        assert_eq!(line.text, line.text.trim_end_matches([' ', '\t', '\r', '\n']), "a line with its end");
        assert!(line.text.chars().count() <= LINE_LIMIT, "a line without bound");
        assert!(!line.text.contains(['\r', '\n', '\0']), "a line with a line end inside");
    }
    let ends = heard.iter().filter(|byte| matches!(byte, b'\r' | b'\n' | 0x10)).count();
    assert!(whole.len() <= ends, "more lines than ends of lines");
}

fn lines<'a>(sent: &[u8], reads: impl IntoIterator<Item = &'a [u8]>) -> Vec<Line> {
    let mut framer = Framer::new();
    framer.note_sent(sent);
    let mut lines = Vec::new();
    for mut read in reads {
        while !read.is_empty() {
            let (taken, line) = framer.take_line(read);
            assert!(taken > 0 && taken <= read.len(), "{taken} bytes of {} taken", read.len());
            assert!(line.is_some() || taken == read.len(), "bytes left without a line");
            read = &read[taken..];
            if line.is_some() {
                let next = framer.swallow_linefeed(read);
                assert!(next == 0 || read.first() == Some(&b'\n'), "data taken for a line feed");
            }
            lines.extend(line);
        }
    }
    lines
}
