//! The opening of LCP, so that no Configure-Request is thrown away. Sans IO.
//!
//! pppd stands ready before the call does: what it asks for meanwhile is held, the latest request alone, and goes out at
//! CONNECT. Whoever answers may start its own pppd only then, and that throws away what came before: our request goes
//! out once more ahead of the first one that the peer is heard to send, for then the peer surely listens. A peer that
//! had it already acknowledges it twice, which is harmless (RFC 1661 4.1: it cannot have opened before our
//! acknowledgement, and that follows).

use std::time::{Duration, Instant};

const FLAG: u8 = 0x7e;
const ESCAPE: u8 = 0x7d;
/// Address, control and protocol fields of every LCP frame, which are never compressed (RFC 1661 6.5, 6.6).
const LCP: [u8; 4] = [0xff, 0x03, 0xc0, 0x21];
const CONFIGURE_REQUEST: u8 = 1;
/// Configure-Ack, -Nak and -Reject: what answers a request.
const ANSWERS: std::ops::RangeInclusive<u8> = 2..=4;
/// The same request is not passed on again sooner: pppd's own timer (lcp-restart 1) ran on while nothing could answer.
const RESTART: Duration = Duration::from_millis(900);
/// Longer than any LCP frame with every octet escaped (RFC 1661 6.1: an MRU of 1500 until it is agreed).
const LONGEST: usize = 3100;

/// Stands between pppd and the line until something other than LCP is said.
#[derive(Debug, Default)]
pub(super) struct Opening {
    from_pppd: Splitter,
    from_line: Splitter,
    /// pppd's latest request, as it goes over the line, without its flags.
    request: Vec<u8>,
    passed_on: Option<Instant>,
    phase: Phase,
    heard: Heard,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// There is no line yet.
    #[default]
    Holding,
    /// LCP is being agreed.
    Agreeing,
    /// Whatever comes passes.
    Over,
}

/// What the peer has said of PPP so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Heard {
    #[default]
    Nothing,
    Lcp,
}

impl Opening {
    /// Takes in what pppd says; adds to `line` what of it goes out now.
    pub(super) fn handle_pppd(&mut self, bytes: &[u8], now: Instant, line: &mut Vec<u8>) {
        for (index, &byte) in bytes.iter().enumerate() {
            if self.phase == Phase::Over {
                line.extend(bytes.get(index..).unwrap_or_default());
                return;
            }
            let Some(frame) = self.from_pppd.take(byte) else { continue };
            match (self.phase, lcp_code(&frame)) {
                (Phase::Holding, Some(CONFIGURE_REQUEST)) => self.request = frame,
                (Phase::Holding, _) => {}
                (Phase::Agreeing | Phase::Over, Some(CONFIGURE_REQUEST)) => self.pass_on(frame, now, line),
                (Phase::Agreeing | Phase::Over, Some(_)) => flagged(&frame, line),
                (Phase::Agreeing | Phase::Over, None) => {
                    flagged(&frame, line);
                    self.phase = Phase::Over;
                }
            }
        }
    }

    /// There is a line: adds to `line` what was held.
    pub(super) fn handle_connect(&mut self, now: Instant, line: &mut Vec<u8>) {
        self.phase = Phase::Agreeing;
        if !self.request.is_empty() {
            flagged(&self.request, line);
            self.passed_on = Some(now);
        }
    }

    /// Takes in what the peer says; adds to `line` what must go out before pppd hears it.
    pub(super) fn handle_line(&mut self, bytes: &[u8], now: Instant, line: &mut Vec<u8>) {
        if self.phase == Phase::Over {
            return;
        }
        for &byte in bytes {
            let Some(code) = self.from_line.take(byte).as_deref().and_then(lcp_code) else { continue };
            let first = std::mem::replace(&mut self.heard, Heard::Lcp) == Heard::Nothing;
            if first && !ANSWERS.contains(&code) && self.passed_on.is_some() {
                flagged(&self.request, line);
                self.passed_on = Some(now);
            }
        }
    }

    /// Whether the peer has spoken LCP.
    pub(super) fn peer_speaks_lcp(&self) -> bool {
        self.heard == Heard::Lcp
    }

    /// Whether everything passes from here on.
    pub(super) fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    fn pass_on(&mut self, request: Vec<u8>, now: Instant, line: &mut Vec<u8>) {
        let fresh = self.passed_on.is_some_and(|at| now.saturating_duration_since(at) < RESTART);
        if fresh && request == self.request {
            return;
        }
        flagged(&request, line);
        self.request = request;
        self.passed_on = Some(now);
    }
}

fn flagged(frame: &[u8], line: &mut Vec<u8>) {
    line.push(FLAG);
    line.extend_from_slice(frame);
    line.push(FLAG);
}

/// The code of an LCP packet; `None` when the frame is no such packet.
fn lcp_code(frame: &[u8]) -> Option<u8> {
    let mut octets = frame.iter();
    let mut next = || match octets.next().copied()? {
        ESCAPE => octets.next().map(|octet| octet ^ 0x20),
        octet => Some(octet),
    };
    LCP.iter().all(|field| next() == Some(*field)).then(next)?
}

/// Takes a stream of octets apart at its flags (RFC 1662 4.1).
#[derive(Debug, Default)]
struct Splitter {
    frame: Vec<u8>,
    flag_seen: bool,
}

impl Splitter {
    /// Takes in one octet; gives the frame that it ends. What comes before the first flag is no frame.
    fn take(&mut self, byte: u8) -> Option<Vec<u8>> {
        if byte != FLAG {
            if self.flag_seen && self.frame.len() <= LONGEST {
                self.frame.push(byte);
            }
            return None;
        }
        self.flag_seen = true;
        let frame = std::mem::take(&mut self.frame);
        (!frame.is_empty()).then_some(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames as pppd sends them before anything is agreed: control characters escaped.
    const REQUEST: &[u8] = b"\x7e\xff\x7d\x23\xc0\x21\x7d\x21\x7d\x21\x7d\x20\x7d\x24\xaa\xbb\x7e";
    const OTHER_REQUEST: &[u8] = b"\x7e\xff\x7d\x23\xc0\x21\x7d\x21\x7d\x22\x7d\x20\x7d\x24\xcc\xdd\x7e";
    const ACK: &[u8] = b"\x7e\xff\x7d\x23\xc0\x21\x7d\x22\x7d\x21\x7d\x20\x7d\x24\xee\xff\x7e";
    const CHAP: &[u8] = b"\x7e\xff\x03\xc2\x23\x01\x05\x7e";

    struct Stand {
        opening: Opening,
        now: Instant,
    }

    impl Stand {
        fn new() -> Self {
            Self { opening: Opening::default(), now: crate::clock::now() }
        }

        fn later(&mut self, milliseconds: u64) -> &mut Self {
            self.now += Duration::from_millis(milliseconds);
            self
        }

        fn pppd(&mut self, bytes: &[u8]) -> Vec<u8> {
            let mut line = Vec::new();
            self.opening.handle_pppd(bytes, self.now, &mut line);
            line
        }

        fn connect(&mut self) -> Vec<u8> {
            let mut line = Vec::new();
            self.opening.handle_connect(self.now, &mut line);
            line
        }

        fn peer(&mut self, bytes: &[u8]) -> Vec<u8> {
            let mut line = Vec::new();
            self.opening.handle_line(bytes, self.now, &mut line);
            line
        }
    }

    #[test]
    fn the_latest_request_alone_goes_out_at_connect() {
        let mut stand = Stand::new();
        assert_eq!(stand.pppd(REQUEST), b"");
        assert_eq!(stand.later(1000).pppd(OTHER_REQUEST), b"");
        assert_eq!(stand.later(1000).connect(), OTHER_REQUEST);
    }

    #[test]
    fn a_retransmission_that_only_the_timer_asks_for_is_not_sent() {
        let mut stand = Stand::new();
        stand.pppd(REQUEST);
        stand.later(950).connect();
        assert_eq!(stand.later(50).pppd(REQUEST), b"", "it went out 50 ms ago");
        assert_eq!(stand.later(1000).pppd(REQUEST), REQUEST, "nobody has answered for a second");
        assert_eq!(stand.later(50).pppd(OTHER_REQUEST), OTHER_REQUEST, "another request is no retransmission");
    }

    #[test]
    fn a_peer_that_starts_after_connect_gets_the_request_that_it_threw_away_once_more_and_once_only() {
        let mut stand = Stand::new();
        stand.pppd(REQUEST);
        stand.connect();
        assert_eq!(stand.later(300).peer(OTHER_REQUEST), REQUEST);
        assert_eq!(stand.later(10).peer(OTHER_REQUEST), b"");
        assert_eq!(stand.pppd(ACK), ACK, "our answer follows it");
    }

    #[test]
    fn a_peer_that_has_answered_needs_no_second_request() {
        let mut stand = Stand::new();
        stand.pppd(REQUEST);
        stand.connect();
        assert_eq!(stand.later(100).peer(ACK), b"");
        assert_eq!(stand.later(100).peer(OTHER_REQUEST), b"");
        assert!(stand.opening.peer_speaks_lcp());
    }

    #[test]
    fn a_pppd_that_is_later_than_the_call_has_its_first_request_passed_on_at_once() {
        let mut stand = Stand::new();
        assert_eq!(stand.connect(), b"");
        assert_eq!(stand.peer(OTHER_REQUEST), b"", "there is nothing to send yet");
        assert_eq!(stand.later(200).pppd(REQUEST), REQUEST);
    }

    #[test]
    fn everything_passes_once_lcp_has_been_agreed() {
        let mut stand = Stand::new();
        stand.connect();
        let mut said = CHAP.to_vec();
        said.extend_from_slice(b"\x21\x45\x00\x7e\x21");
        assert_eq!(stand.pppd(&said), said, "half a frame of IP too");
        assert!(stand.opening.is_over());
        assert_eq!(stand.pppd(b"\x45\x7e"), b"\x45\x7e");
    }

    #[test]
    fn a_banner_is_no_lcp_and_an_endless_frame_fills_no_memory() {
        let mut stand = Stand::new();
        stand.pppd(REQUEST);
        stand.connect();
        assert_eq!(stand.peer(b"\r\nlogin: \xc0\x21\x01"), b"");
        assert!(!stand.opening.peer_speaks_lcp());
        stand.peer(&[FLAG]);
        stand.peer(&vec![b'x'; 100_000]);
        assert!(stand.opening.from_line.frame.len() <= LONGEST + 1);
    }

    #[test]
    fn frames_in_pieces_are_put_together() {
        let mut stand = Stand::new();
        for byte in REQUEST {
            assert_eq!(stand.pppd(&[*byte]), b"");
        }
        stand.connect();
        let sent: Vec<u8> = OTHER_REQUEST.iter().flat_map(|byte| stand.peer(&[*byte])).collect();
        assert_eq!(sent, REQUEST);
    }
}
