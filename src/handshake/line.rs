//! Lines of text on a line that garbles some: 7-bit, at most 72 columns, and with a checksum where no person typed them.
//!
//! Owns the checksum and how bytes become lines. A parity bit does not matter: a terminal program may send one.

use super::base32;

/// The longest line, in characters, without its end.
pub const LINE_LIMIT: usize = 72;

/// Stands between a line's text and its checksum.
const MARK: &str = " *";
/// The characters of a checksum.
const CHECKSUM: usize = 4;
const BACKSPACE: u8 = 0x08;
const DELETE: u8 = 0x7f;
const CANCEL: u8 = 0x18;

/// Adds the checksum: the first 20 bits of the text's SHA-256.
#[must_use]
pub fn checked(text: &str) -> String {
    format!("{text}{MARK}{}", checksum(text))
}

/// Takes the checksum off, if it is that of the text.
#[must_use]
pub fn unchecked(line: &str) -> Option<&str> {
    let (text, sum) = line.rsplit_once(MARK)?;
    (sum == checksum(text)).then_some(text)
}

fn checksum(text: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let mut sum = base32::encode(digest.as_ref());
    sum.truncate(CHECKSUM);
    sum
}

/// Makes lines of bytes.
#[derive(Debug, Default)]
pub struct LineReader {
    line: Vec<u8>,
    /// The line is longer than any that is valid; its rest is skipped.
    overlong: bool,
}

/// What a byte did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// It stands in the line.
    Character(char),
    /// It took the last character away.
    Erased,
    /// It ended a line that is not empty; `None` if it was too long.
    Line(Option<String>),
    /// Nothing.
    Nothing,
}

impl LineReader {
    /// Takes bytes; gives the lines that they complete. One that is too long is an empty text, which is no valid line.
    pub fn lines(&mut self, bytes: &[u8]) -> Vec<String> {
        let typed = bytes.iter().map(|byte| self.push(*byte));
        let lines = typed.filter_map(|typed| match typed {
            Typed::Line(line) => Some(line.unwrap_or_default()),
            Typed::Character(_) | Typed::Erased | Typed::Nothing => None,
        });
        lines.collect()
    }

    /// Takes a byte. Blanks at a line's ends are no part of it.
    pub(super) fn push(&mut self, byte: u8) -> Typed {
        match byte & 0x7f {
            b'\r' | b'\n' => self.end(),
            BACKSPACE | DELETE if self.line.pop().is_some() => Typed::Erased,
            CANCEL => {
                *self = Self::default();
                Typed::Nothing
            }
            character @ b' '..=b'~' if self.line.len() < LINE_LIMIT => {
                self.line.push(character);
                Typed::Character(char::from(character))
            }
            b' '..=b'~' => {
                self.overlong = true;
                Typed::Nothing
            }
            _ => Typed::Nothing,
        }
    }

    fn end(&mut self) -> Typed {
        let line = std::mem::take(&mut self.line);
        let overlong = std::mem::take(&mut self.overlong);
        let text = String::from_utf8_lossy(&line).trim().to_owned();
        match (overlong, text.is_empty()) {
            (true, _) => Typed::Line(None),
            (false, true) => Typed::Nothing,
            (false, false) => Typed::Line(Some(text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_checksum_is_the_beginning_of_the_texts_sha256() {
        // printf 'RINGUP 1' | sha256sum
        assert_eq!(checked("RINGUP 1"), "RINGUP 1 *QZMA");
        assert_eq!(unchecked(&checked("RINGUP 1")), Some("RINGUP 1"));
        assert_eq!(unchecked(&checked("A *B")), Some("A *B"));
    }

    #[test]
    fn every_wrong_character_is_noticed() {
        let line = checked("CHALLENGE 0123456789ABCDEFGHJKMNPQRS");
        for place in 0..line.len() {
            for other in b' '..=b'~' {
                let mut bytes = line.clone().into_bytes();
                if std::mem::replace(&mut bytes[place], other) != other {
                    let garbled = String::from_utf8(bytes).unwrap();
                    assert_eq!(unchecked(&garbled), None, "{garbled}");
                }
            }
        }
    }

    #[test]
    fn lines_end_in_any_way_and_parity_and_control_characters_do_not_matter() {
        let mut reader = LineReader::default();
        assert_eq!(reader.lines(b"one\r\ntwo\n\n three \r"), ["one", "two", "three"]);
        assert_eq!(reader.lines(&[b'a' | 0x80, 0, b'b', b'\r' | 0x80]), ["ab"]);
        assert_eq!(reader.lines(b"12x\x0834\x7f5\r"), ["1235"]);
        assert_eq!(reader.lines(b"nonsense\x18right\r"), ["right"]);
        assert!(reader.lines(b"half").is_empty());
        assert_eq!(reader.lines(b" a line\r"), ["half a line"]);
    }

    #[test]
    fn a_line_that_does_not_end_is_not_kept() {
        let mut reader = LineReader::default();
        for _ in 0..1000 {
            assert!(reader.lines(&[b'x'; 100]).is_empty());
        }
        assert!(reader.line.len() <= LINE_LIMIT);
        assert_eq!(reader.lines(b"\rnext\r"), ["", "next"]);
    }

    proptest! {
        #[test]
        fn whatever_comes_lines_are_short_and_plain(bytes: Vec<u8>) {
            for line in LineReader::default().lines(&bytes) {
                prop_assert!(line.len() <= LINE_LIMIT && line.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            }
        }
    }
}
