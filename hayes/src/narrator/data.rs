//! The bytes of a call, between `CONNECT` and its end.
//!
//! Owns how many there are, what they look like, and the words of the modem that end them. Keeps the first few bytes
//! and the line that comes, and nothing else.

use super::{CR, Content, LF, Place};

/// How many of the first bytes are kept, to say what they look like.
const SAMPLE: usize = 64;
/// The longest word of the modem that is looked for.
const WORD: usize = 10;
/// How much of the framing before a result code is the modem's and no data: CR LF (V.250 5.7.1).
const FRAMING: u64 = 2;
/// LCP's first frame (RFC 1662): the flag, all stations, unnumbered information with and without its escape, LCP.
const LCP: [&[u8]; 2] = [b"\x7e\xff\x7d\x23\xc0\x21", b"\x7e\xff\x03\xc0\x21"];

/// How long the longer of them is; the shorter one lacks a byte.
pub(super) const LCP_HEADER: usize = 6;

/// Looks for the beginning of PPP, byte by byte.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PppStart {
    last: [u8; LCP_HEADER],
}

impl PppStart {
    /// Takes the next byte; reports whether it completes the header of an LCP frame.
    pub(super) fn begins_with(&mut self, byte: u8) -> bool {
        self.last.rotate_left(1);
        if let Some(last) = self.last.last_mut() {
            *last = byte;
        }
        LCP.iter().any(|header| self.last.ends_with(header))
    }
}

/// What a byte was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Data, or perhaps the beginning of a word of the modem.
    Data,
    /// The end of `NO CARRIER`, which began there.
    Ended(Place),
    /// The end of `OK` after the escape sequence.
    Returned(Place),
    /// The end of `RING`: the call ended without a word.
    Ring(Place),
}

/// A call in data state.
#[derive(Debug)]
pub(super) struct Data {
    /// Where the first byte stands.
    pub(super) began: Option<Place>,
    /// How many bytes there were.
    pub(super) bytes: u64,
    /// An LF that comes first completes the line of `CONNECT`.
    pub(super) linefeed_due: bool,
    /// The terminal sent the escape sequence.
    pub(super) escape: bool,
    sample: Vec<u8>,
    readable: u64,
    ppp: bool,
    line: Vec<u8>,
    line_began: Option<Place>,
    /// The line is longer than any word.
    long: bool,
    /// CR and LF right before the line.
    framing: u64,
}

impl Data {
    pub(super) fn new() -> Self {
        Self {
            began: None,
            bytes: 0,
            linefeed_due: false,
            escape: false,
            sample: Vec::new(),
            readable: 0,
            ppp: false,
            line: Vec::new(),
            line_began: None,
            long: false,
            framing: 0,
        }
    }

    /// The capture shows PPP from here on, with its first header behind it.
    pub(super) fn begin_with_ppp(&mut self, at: Place) {
        self.began = Some(at);
        self.bytes = LCP_HEADER as u64;
        self.ppp = true;
        self.long = true;
    }

    pub(super) fn set_ppp(&mut self) {
        self.ppp = true;
    }

    pub(super) fn is_ppp(&self) -> bool {
        self.ppp
    }

    /// Takes the next byte.
    pub(super) fn hear(&mut self, byte: u8, at: Place) -> Heard {
        if std::mem::take(&mut self.linefeed_due) && byte == LF {
            return Heard::Data;
        }
        self.began = self.began.or(Some(at));
        self.bytes = self.bytes.saturating_add(1);
        self.readable += u64::from(byte.is_ascii_graphic() || matches!(byte, b' ' | b'\t' | CR | LF));
        if self.sample.len() < SAMPLE {
            self.sample.push(byte);
        }
        if matches!(byte, CR | LF) {
            let heard = self.word();
            if heard == Heard::Data {
                let blank = self.line.is_empty() && !self.long;
                self.framing = if blank { (self.framing + 1).min(FRAMING) } else { 1 };
                self.clear_line();
            } else {
                self.leave_out(1);
            }
            return heard;
        }
        if self.line.is_empty() && !self.long {
            self.line_began = Some(at);
        }
        if self.line.len() < WORD {
            self.line.push(byte);
        } else {
            self.long = true;
        }
        Heard::Data
    }

    /// Ends with the capture; gives where `NO CARRIER` stands if that is its last word.
    pub(super) fn finish(mut self) -> (Self, Option<Place>) {
        match self.word() {
            Heard::Ended(at) => {
                self.leave_out(0);
                (self, Some(at))
            }
            Heard::Data | Heard::Returned(_) | Heard::Ring(_) => (self, None),
        }
    }

    /// What the bytes look like.
    pub(super) fn content(&self) -> Content {
        if self.ppp {
            Content::Ppp
        } else if self.readable == self.bytes {
            Content::Text
        } else {
            Content::Binary
        }
    }

    /// The first of it, as far as it is fit to be read.
    pub(super) fn excerpt(&self) -> String {
        if self.ppp {
            return String::new();
        }
        String::from_utf8_lossy(&self.sample).trim().to_owned()
    }

    /// Whether the line so far is a word of the modem that ends the data.
    fn word(&self) -> Heard {
        let Some(at) = self.line_began.filter(|_| !self.long) else { return Heard::Data };
        let alone = self.bytes <= FRAMING + self.line.len() as u64 + 1;
        match self.line.trim_ascii_end() {
            b"NO CARRIER" => Heard::Ended(at),
            b"OK" if self.escape || alone => Heard::Returned(at),
            b"RING" if self.ppp || alone => Heard::Ring(at),
            _ => Heard::Data,
        }
    }

    /// The line was the modem's: it, its framing and so many bytes behind it are no data.
    fn leave_out(&mut self, behind: u64) {
        let own = self.framing + self.line.len() as u64 + behind;
        self.bytes = self.bytes.saturating_sub(own);
        if let Ok(kept) = usize::try_from(self.bytes) {
            self.sample.truncate(kept);
        }
        // Framing and result codes are readable.
        self.readable = self.readable.saturating_sub(own);
    }

    fn clear_line(&mut self) {
        self.line.clear();
        self.line_began = None;
        self.long = false;
    }
}
