//! Collecting a command line as it is typed (V.250 5.2.1, 5.2.4).
//!
//! Finds the prefix, deletes by S5, ends at S3, and keeps at most [`LONGEST_BODY`] characters. What the line means is
//! [`crate::command`]'s business.

/// The longest body of a command line; V.250 5.2.1 demands at least 40 characters.
const LONGEST_BODY: usize = 256;

/// What a typed character completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// Nothing yet.
    Nothing,
    /// A command line with this body.
    Line(Vec<u8>),
    /// A command line that was longer than the modem can hold.
    Overflow,
    /// `A/`: the last line again (V.250 5.2.4).
    Repeat,
}

/// A command line in the making.
#[derive(Clone, Debug, Default)]
pub(super) struct Typing(State);

#[derive(Clone, Debug, Default)]
enum State {
    /// Looking for the prefix.
    #[default]
    Idle,
    /// Saw `A` or `a`, kept to demand the same case of the `T`.
    SawA(u8),
    /// After the prefix.
    Body(Vec<u8>),
    /// After the prefix, too long: waits for S3.
    TooLong,
}

impl Typing {
    /// Takes one character; `end` is S3, `delete` is S5. The eighth bit does not count (V.250 5.1).
    pub(super) fn push(&mut self, byte: u8, end: u8, delete: u8) -> Typed {
        let byte = byte & 0x7f;
        match (&mut self.0, byte) {
            (State::SawA(_), b'/') => {
                self.0 = State::Idle;
                return Typed::Repeat;
            }
            (State::SawA(b'A'), b'T') | (State::SawA(b'a'), b't') => self.0 = State::Body(Vec::new()),
            (State::Idle | State::SawA(_), b'A' | b'a') => self.0 = State::SawA(byte),
            (State::Idle | State::SawA(_), _) => self.0 = State::Idle,
            (State::Body(body), _) if byte == end => {
                let body = std::mem::take(body);
                self.0 = State::Idle;
                return Typed::Line(body);
            }
            (State::Body(body), _) if byte == delete => {
                body.pop();
            }
            (State::Body(body), _) if body.len() < LONGEST_BODY => body.push(byte),
            (State::Body(_), _) => self.0 = State::TooLong,
            (State::TooLong, _) if byte == end => {
                self.0 = State::Idle;
                return Typed::Overflow;
            }
            (State::TooLong, _) => {}
        }
        Typed::Nothing
    }

    /// Forgets what was typed so far.
    pub(super) fn clear(&mut self) {
        self.0 = State::Idle;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &[u8]) -> Vec<Typed> {
        let mut typing = Typing::default();
        text.iter().map(|byte| typing.push(*byte, 13, 8)).filter(|typed| *typed != Typed::Nothing).collect()
    }

    #[test]
    fn a_line_starts_at_its_prefix_whatever_stands_before_it() {
        assert_eq!(typed(b"noise\r\nAATE0\r"), [Typed::Line(b"E0".to_vec())]);
        assert_eq!(typed(b"atz\r"), [Typed::Line(b"z".to_vec())]);
    }

    #[test]
    fn a_prefix_of_mixed_case_is_none() {
        assert_eq!(typed(b"At\raT\r"), []);
    }

    #[test]
    fn backspace_deletes_and_stops_at_the_prefix() {
        assert_eq!(typed(b"ATX\x08\x08\x08E1\r"), [Typed::Line(b"E1".to_vec())]);
    }

    #[test]
    fn the_repeat_command_needs_no_end_of_line() {
        assert_eq!(typed(b"A/a/"), [Typed::Repeat, Typed::Repeat]);
    }

    #[test]
    fn parity_bits_are_ignored() {
        assert_eq!(typed(&[b'A' | 0x80, b'T', b'I' | 0x80, 0x8d]), [Typed::Line(b"I".to_vec())]);
    }

    #[test]
    fn a_line_beyond_the_bound_overflows_and_the_next_one_is_read_again() {
        let mut text = b"AT".to_vec();
        text.extend([b'E'; LONGEST_BODY + 1]);
        text.extend(b"\rATI\r");
        assert_eq!(typed(&text), [Typed::Overflow, Typed::Line(b"I".to_vec())]);
    }
}
