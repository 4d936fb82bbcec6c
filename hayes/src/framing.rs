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

/// The shortest start of a command line that counts as its echo, cut off by a result code: longer than `AT`, with which
/// more than command lines begin.
const ECHO_START: usize = 4;
/// The longest numeric result code, which may stand right behind an echo that it cut off.
const NUMERIC_CODE: usize = 2;
/// How a longer report begins in voice mode: DLE and X (V.253).
const EVENT: [u8; 2] = [0x10, b'X'];

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
    sent: VecDeque<Sent>,
    sent_open: bool,
}

/// A command line whose echo may come.
#[derive(Debug, Default)]
struct Sent {
    text: Vec<u8>,
    /// Only the rest of the echo is still to come: however short, that is it.
    cut: bool,
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
        let mut rest = bytes;
        while let Some((&first, after)) = rest.split_first() {
            self.linefeed_due = first == CR;
            let ended = if matches!(first, CR | LF) {
                rest = after;
                true
            } else if self.partial.len() < EVENT.len() {
                rest = after;
                self.begin(first);
                self.partial.len() == EVENT.len() && is_event(&self.partial)
            } else {
                let end = rest.iter().position(|byte| matches!(*byte, CR | LF)).unwrap_or(rest.len());
                let (text, after) = rest.split_at(end);
                rest = after;
                self.keep(text);
                false
            };
            if ended && let Some(line) = self.finish() {
                return (bytes.len() - rest.len(), Some(line));
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
                self.sent.push_back(Sent::default());
            }
            if let Some(line) = self.sent.back_mut() {
                let room = ECHO_LIMIT.saturating_sub(line.text.len());
                line.text.extend(text.iter().take(room));
            }
            self.sent_open = !ended;
        }
    }

    /// Forgets what was sent: no echo is to come any more.
    pub fn forget_sent(&mut self) {
        self.sent.clear();
        self.sent_open = false;
    }

    /// Takes one of the first bytes of a line.
    fn begin(&mut self, byte: u8) {
        if !(byte == 0 || self.partial.is_empty() && matches!(byte, b' ' | b'\t')) {
            self.partial.push(byte);
        }
    }

    /// Takes more of a line that has begun, as much as there is room for.
    fn keep(&mut self, text: &[u8]) {
        let mut room = LINE_LIMIT.saturating_sub(self.partial.len());
        if room == 0 {
            self.truncated |= text.iter().any(|byte| *byte != 0);
            return;
        }
        for part in text.split(|byte| *byte == 0) {
            let kept = part.get(..room).unwrap_or(part);
            self.partial.extend_from_slice(kept);
            self.truncated |= kept.len() < part.len();
            room -= kept.len();
        }
    }

    fn finish(&mut self) -> Option<Line> {
        if self.partial.is_empty() {
            return None;
        }
        let truncated = std::mem::take(&mut self.truncated);
        let mut partial = std::mem::take(&mut self.partial);
        let bytes = partial.trim_ascii_end();
        let text = bytes.get(self.echoed(bytes)..).filter(|text| !text.is_empty());
        let line = text.map(|text| Line { text: String::from_utf8_lossy(text).into_owned(), truncated });
        partial.clear();
        self.partial = partial;
        line
    }

    /// Returns how much of a line is echo: all of it, none, or the start, where a result code cut the echo short.
    ///
    /// Matches whole command lines and their tails: an unasked result code may fall into the echo and eat its start.
    pub(crate) fn echoed(&mut self, line: &[u8]) -> usize {
        let long_enough = line.len() >= ECHO_TAIL || line.eq_ignore_ascii_case(b"AT");
        let whole = |sent: &Sent| sent.cut && sent.text == line || long_enough && sent.text.ends_with(line);
        if let Some(index) = self.sent.iter().position(whole) {
            self.sent.drain(..=index);
            self.sent_open &= !self.sent.is_empty();
            return line.len();
        }
        for sent in &mut self.sent {
            let common = sent.text.iter().zip(line).take_while(|(sent, heard)| sent == heard).count();
            let behind = line.get(common..).unwrap_or_default();
            let code = behind.len() <= NUMERIC_CODE && behind.iter().all(u8::is_ascii_digit);
            if common >= ECHO_START && common < sent.text.len() && code {
                sent.text.drain(..common);
                sent.cut = true;
                return common;
            }
        }
        0
    }
}

/// Whether a line is an event of voice mode already, which has no end of line: DLE and one character (V.253), unless
/// that begins a longer report.
fn is_event(line: &[u8]) -> bool {
    line.first() == Some(&EVENT[0]) && line.get(1) != Some(&EVENT[1])
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

    #[test]
    fn the_rest_of_an_echo_that_was_cut_is_dropped_however_short() {
        let mut framer = Framer::new();
        framer.note_sent(b"ATDT5550013\r");
        assert_eq!(lines(&mut framer, b"ATDT55500\r\nNO CARRIER\r\n13\r\r\nBUSY\r\n"), ["NO CARRIER", "BUSY"]);

        framer.note_sent(b"ATDT5550013\r");
        assert_eq!(lines(&mut framer, b"ATDT55500" as &[u8]), [""; 0]);
        assert_eq!(lines(&mut framer, b"3\r13\r7\r"), ["3", "7"], "a numeric result code in the echo");

        framer.note_sent(b"ATI3\r");
        assert_eq!(lines(&mut framer, b"AT&T Paradyne\r\n"), ["AT&T Paradyne"]);
    }

    #[test]
    fn events_of_voice_mode_need_no_line_end() {
        let mut framer = Framer::new();
        assert_eq!(lines(&mut framer, b"\x10R\x10R\r\n\x10h\nRING\r\n"), ["\x10R", "\x10R", "\x10h", "RING"]);
        assert_eq!(lines(&mut framer, b"\x10"), [""; 0]);
        assert_eq!(lines(&mut framer, b"RRING\r\n"), ["\x10R", "RING"]);
        assert_eq!(lines(&mut framer, b"\x10XNMBR=1\r\n\x10.OK\r\n"), ["\x10XNMBR=1", "\x10.", "OK"]);
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_lines_and_bounded_memory(
            input in proptest::collection::vec(prop_oneof![Just(CR), Just(LF), Just(b' '), Just(0), Just(0x10), any::<u8>()], 0..800),
            cuts in proptest::collection::vec(0_usize..800, 0..20),
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
            prop_assert!(framer.sent.len() <= ECHO_LINES && framer.sent.iter().all(|line| line.text.len() <= ECHO_LIMIT));
        }
    }
}
