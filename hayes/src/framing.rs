//! Bytes from a modem into lines.
//!
//! Owns the tolerance that real modems need: CR and LF in any arrangement, leading blanks, NULs, overlong garbage and
//! echo. Refuses to give lines a meaning ([`crate::reply`] does), and never takes a byte past the end of a line, so
//! that what follows `CONNECT` stays with whoever owns the data.

use std::collections::VecDeque;

/// The longest line kept, in bytes; the rest of a longer one is dropped and the line is marked.
pub const LINE_LIMIT: usize = 512;

/// How many command lines are remembered to recognise their echo.
const ECHO_LINES: usize = 4;
/// The longest command line remembered, in bytes; modems take 40 to 60, nothing sent here comes near this.
const ECHO_LIMIT: usize = 256;
/// The shortest tail of a command line that counts as its echo: shorter ones may be numeric result codes.
const ECHO_TAIL: usize = 3;

const CR: u8 = b'\r';
const LF: u8 = b'\n';

/// One line from the modem, without its end and outer blanks, never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The text; bytes that are no UTF-8 are replaced.
    pub text: String,
    /// Set where the line was longer than [`LINE_LIMIT`] and its tail is missing.
    pub truncated: bool,
}

/// Cuts the bytes of a modem in command state into lines.
#[derive(Debug, Default)]
pub struct Framer {
    partial: Vec<u8>,
    truncated: bool,
    linefeed_due: bool,
    sent: VecDeque<Vec<u8>>,
    sent_open: bool,
}

impl Framer {
    /// Makes a framer that has seen and sent nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes up to and including the end of the first line that is neither empty nor echo.
    ///
    /// Returns how many bytes were taken, and the line, if one ended. A line ends at its CR or LF; the LF of a CR LF
    /// pair is left, for [`swallow_linefeed`](Self::swallow_linefeed) or the next call.
    pub fn take_line(&mut self, bytes: &[u8]) -> (usize, Option<Line>) {
        for (index, &byte) in bytes.iter().enumerate() {
            self.linefeed_due = byte == CR;
            match byte {
                CR | LF => {
                    if let Some(line) = self.finish() {
                        return (index + 1, Some(line));
                    }
                }
                0 => {}
                b' ' | b'\t' if self.partial.is_empty() => {}
                _ if self.partial.len() < LINE_LIMIT => self.partial.push(byte),
                _ => self.truncated = true,
            }
        }
        (bytes.len(), None)
    }

    /// Returns 1 if the last line ended in CR and these bytes begin with the LF that completes it, else 0.
    ///
    /// V.250 5.7.1 ends a verbose result code with CR LF, but the LF of `CONNECT` may come in a later read or never:
    /// it is taken where it is next, and not waited for. Asks once: whatever came first settles it.
    pub fn swallow_linefeed(&mut self, bytes: &[u8]) -> usize {
        match bytes.first() {
            Some(&first) if std::mem::take(&mut self.linefeed_due) => usize::from(first == LF),
            _ => 0,
        }
    }

    /// Reports whether an LF that comes next still belongs to the last line.
    #[must_use]
    pub fn linefeed_due(&self) -> bool {
        self.linefeed_due
    }

    /// Forgets that an LF may follow: a numeric result code ends in CR alone (V.250 5.7.1).
    pub(crate) fn expect_no_linefeed(&mut self) {
        self.linefeed_due = false;
    }

    /// Notes bytes on their way to the modem, so that their echo is dropped.
    pub fn note_sent(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|&byte| byte == CR) {
            let (text, ended) = match part.strip_suffix(&[CR]) {
                Some(text) => (text, true),
                None => (part, false),
            };
            if !self.sent_open {
                if self.sent.len() == ECHO_LINES {
                    self.sent.pop_front();
                }
                self.sent.push_back(Vec::new());
            }
            if let Some(line) = self.sent.back_mut() {
                let room = ECHO_LIMIT.saturating_sub(line.len());
                line.extend(text.iter().take(room));
            }
            self.sent_open = !ended;
        }
    }

    /// Forgets what was sent: no echo is to come any more.
    pub fn forget_sent(&mut self) {
        self.sent.clear();
        self.sent_open = false;
    }

    fn finish(&mut self) -> Option<Line> {
        let bytes = std::mem::take(&mut self.partial);
        let truncated = std::mem::take(&mut self.truncated);
        let bytes = bytes.trim_ascii_end();
        if bytes.is_empty() || self.is_echo(bytes) {
            return None;
        }
        Some(Line { text: String::from_utf8_lossy(bytes).into_owned(), truncated })
    }

    /// Matches whole command lines and their tails: an unasked result code may fall into the echo and eat its start.
    fn is_echo(&mut self, line: &[u8]) -> bool {
        let long_enough = line.len() >= ECHO_TAIL || line.eq_ignore_ascii_case(b"AT");
        let found = self.sent.iter().position(|sent| long_enough && sent.ends_with(line));
        if let Some(index) = found {
            self.sent.drain(..=index);
            self.sent_open &= !self.sent.is_empty();
        }
        found.is_some()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(framer: &mut Framer, mut bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        while !bytes.is_empty() {
            let (taken, line) = framer.take_line(bytes);
            bytes = &bytes[taken..];
            lines.extend(line.map(|line| line.text));
        }
        lines
    }

    #[test]
    fn every_arrangement_of_line_ends_gives_the_same_lines() {
        for input in ["\r\nOK\r\n", "\nOK\r\n", "OK\n", "OK\r", "\r\r\nOK\r\r\n", "\n\rOK\n\r", "  \0O\0K \r\n"] {
            assert_eq!(lines(&mut Framer::new(), input.as_bytes()), ["OK"], "{input:?}");
        }
    }

    #[test]
    fn nothing_after_the_line_that_ended_is_taken() {
        let mut framer = Framer::new();
        let input = b"\r\nCONNECT 33600\r\n\n~\xff}#";
        let (taken, line) = framer.take_line(input);
        assert_eq!(line.unwrap().text, "CONNECT 33600");
        assert_eq!(&input[taken..], b"\n\n~\xff}#");
        assert_eq!(framer.swallow_linefeed(&input[taken..]), 1);
        assert_eq!(framer.swallow_linefeed(&input[taken + 1..]), 0, "the second line feed is data");
    }

    #[test]
    fn the_linefeed_may_come_later_or_not_at_all() {
        let mut framer = Framer::new();
        assert_eq!(framer.take_line(b"CONNECT\r").0, 8);
        assert_eq!(framer.swallow_linefeed(b""), 0);
        assert!(framer.linefeed_due());
        assert_eq!(framer.swallow_linefeed(b"\n~"), 1);

        framer.take_line(b"CONNECT\r");
        assert_eq!(framer.swallow_linefeed(b"~\n"), 0);
        assert_eq!(framer.swallow_linefeed(b"\n"), 0);

        framer.take_line(b"CONNECT\n");
        assert_eq!(framer.swallow_linefeed(b"\n"), 0);
    }

    #[test]
    fn an_overlong_line_is_marked_and_the_next_one_is_whole() {
        let mut framer = Framer::new();
        let mut input = vec![b'x'; LINE_LIMIT + 1];
        input.extend(b"\r\nOK\r\n");
        let (taken, line) = framer.take_line(&input);
        let line = line.unwrap();
        assert!(line.truncated && line.text.len() == LINE_LIMIT);
        assert_eq!(framer.take_line(&input[taken..]).1, Some(Line { text: "OK".to_owned(), truncated: false }));
    }

    #[test]
    fn echo_is_dropped_whole_or_cut_and_only_once() {
        let mut framer = Framer::new();
        framer.note_sent(b"ATDT0860007249\r");
        assert_eq!(lines(&mut framer, b"NO CARRIER\r\n860007249\r\n\r\nBUSY\r\n"), ["NO CARRIER", "BUSY"]);
        assert_eq!(lines(&mut framer, b"860007249\r\n"), ["860007249"]);

        framer.note_sent(b"AT\r");
        assert_eq!(lines(&mut framer, b"AT\r\r\nOK\r\n"), ["OK"]);

        framer.note_sent(b"+++");
        framer.note_sent(b"ATH\r");
        assert_eq!(lines(&mut framer, b"\r\nOK\r\nATH\r\r\nOK\r\n"), ["OK", "OK"]);

        framer.note_sent(b"ATDT5550000\r");
        assert_eq!(lines(&mut framer, b"0\r"), ["0"], "a numeric result code is no echo");
        framer.forget_sent();
        assert_eq!(lines(&mut framer, b"5550000\r\n"), ["5550000"]);
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_lines_and_bounded_memory(
            input in proptest::collection::vec(prop_oneof![Just(CR), Just(LF), Just(b' '), any::<u8>()], 0..2000),
            cuts in proptest::collection::vec(0_usize..2000, 0..20),
        ) {
            let whole = lines(&mut Framer::new(), &input);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(input.len())).collect();
            cuts.sort_unstable();
            cuts.push(input.len());
            let mut framer = Framer::new();
            let (mut start, mut parts) = (0, Vec::new());
            for cut in cuts {
                framer.note_sent(b"");
                parts.extend(lines(&mut framer, &input[start..cut]));
                prop_assert!(framer.partial.len() <= LINE_LIMIT);
                start = cut;
            }
            prop_assert_eq!(whole, parts);
        }

        #[test]
        fn what_is_remembered_of_commands_is_bounded(sent in proptest::collection::vec(any::<Vec<u8>>(), 0..20)) {
            let mut framer = Framer::new();
            for bytes in &sent {
                framer.note_sent(bytes);
            }
            prop_assert!(framer.sent.len() <= ECHO_LINES && framer.sent.iter().all(|line| line.len() <= ECHO_LIMIT));
        }
    }
}
