//! What passes on a PPP line, seen from outside: which frames carry packets to somebody, and whether the modem says that
//! the carrier is gone. Sans IO; decodes no more of a frame than its protocol field (RFC 1662 4.2, RFC 1661 2) and where
//! its packet goes: what a router or a host says to all at once, as IPv6 does by itself for as long as a link stands, is no
//! use of the link.

use std::time::{Duration, Instant};

const FLAG: u8 = 0x7e;
const ESCAPE: u8 = 0x7d;
/// Address and control fields of an uncompressed frame (RFC 1662 3.1).
const ALL_STATIONS: u8 = 0xff;
const UNNUMBERED_INFORMATION: u8 = 0x03;
/// Protocols below this carry network-layer packets; those above negotiate and control (RFC 1661 2).
const FIRST_CONTROL_PROTOCOL: u16 = 0x4000;
const IPV4: u16 = 0x0021;
const IPV6: u16 = 0x0057;
/// What a modem in command state says when the other side is gone (V.250 table 1).
const NO_CARRIER: &[u8] = b"\r\nNO CARRIER\r\n";
/// How much of a plain text is kept, in characters: a line or two.
const MOST_WORDS: usize = 160;
/// How long nothing may follow those words, where they may also be part of an unfinished frame's packet.
const QUIET: Duration = Duration::from_secs(1);

/// Follows one direction of a PPP line.
#[derive(Debug, Default)]
pub(super) struct FrameWatch {
    header: Header,
    packets: u64,
    /// How much of [`NO_CARRIER`] the last bytes spell.
    spelt: usize,
    /// Whether those words began right after a flag, where no frame can begin with them.
    between_frames: bool,
    after_flag: bool,
    /// What was said in plain text before the first flag: a banner, a login prompt, a reason to hang up.
    words: String,
    flag_seen: bool,
    spelt_out: Option<Instant>,
}

/// How far into a frame's header the line is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Header {
    /// No flag was seen yet, or the header has been read.
    #[default]
    Passed,
    /// Right after a flag.
    Start,
    /// After the address field.
    Control,
    /// At the protocol field.
    Protocol,
    /// After the first octet of a protocol field of two.
    Second(u8),
    /// In a packet, so many octets before that which tells where it goes.
    Packet(u8, Family),
    /// After an escape, on the way to the state within.
    Escaped(Place),
}

/// The header states that an escape may interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Start,
    Control,
    Protocol,
    Second(u8),
    Packet(u8, Family),
}

/// What kind of packet it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

impl Family {
    /// How many octets stand before the destination (RFC 791 3.1, RFC 8200 3).
    fn before_destination(self) -> u8 {
        match self {
            Self::V4 => 16,
            Self::V6 => 24,
        }
    }

    /// Whether a destination that begins so is many hosts (RFC 5771, RFC 4291 2.7).
    fn is_to_many(self, first: u8) -> bool {
        match self {
            Self::V4 => first >= 224,
            Self::V6 => first == 0xff,
        }
    }
}

impl FrameWatch {
    /// Takes in what passed on the line.
    pub(super) fn handle_bytes(&mut self, bytes: &[u8], now: Instant) {
        for &byte in bytes {
            self.spell(byte, now);
            if byte == FLAG {
                self.flag_seen = true;
                if matches!(self.header, Header::Packet(..) | Header::Escaped(Place::Packet(..))) {
                    self.packets += 1; // it ends before it says where it goes
                }
                self.header = Header::Start;
                self.after_flag = true;
                continue;
            }
            self.after_flag = false;
            self.hear(byte);
            self.header = match self.header {
                Header::Passed => Header::Passed,
                Header::Start if byte == ESCAPE => Header::Escaped(Place::Start),
                Header::Control if byte == ESCAPE => Header::Escaped(Place::Control),
                Header::Protocol if byte == ESCAPE => Header::Escaped(Place::Protocol),
                Header::Second(first) if byte == ESCAPE => Header::Escaped(Place::Second(first)),
                Header::Packet(before, family) if byte == ESCAPE => Header::Escaped(Place::Packet(before, family)),
                Header::Start => self.header_octet(Place::Start, byte),
                Header::Control => self.header_octet(Place::Control, byte),
                Header::Protocol => self.header_octet(Place::Protocol, byte),
                Header::Second(first) => self.header_octet(Place::Second(first), byte),
                Header::Packet(before, family) => self.header_octet(Place::Packet(before, family), byte),
                Header::Escaped(place) => self.header_octet(place, byte ^ 0x20),
            };
        }
    }

    /// How many frames with network-layer packets have passed.
    pub(super) fn packets(&self) -> u64 {
        self.packets
    }

    /// What the other side said before any PPP, in one line.
    pub(super) fn words(&self) -> &str {
        self.words.trim().trim_end_matches("NO CARRIER").trim()
    }

    /// Whether the modem has said that the carrier is gone.
    pub(super) fn carrier_lost(&self, now: Instant) -> bool {
        self.spelt_out.is_some_and(|at| self.between_frames || now.saturating_duration_since(at) >= QUIET)
    }

    /// When to look again.
    pub(super) fn deadline(&self) -> Option<(Instant, &'static str)> {
        self.spelt_out.map(|at| (at + QUIET, "whether NO CARRIER was the last word"))
    }

    fn hear(&mut self, byte: u8) {
        if self.flag_seen || self.words.len() >= MOST_WORDS {
            return;
        }
        match byte {
            b' '..=b'~' => self.words.push(char::from(byte)),
            _ if !self.words.ends_with(' ') => self.words.push(' '),
            _ => {}
        }
    }

    fn header_octet(&mut self, place: Place, octet: u8) -> Header {
        match place {
            Place::Start if octet == ALL_STATIONS => Header::Control,
            Place::Control if octet == UNNUMBERED_INFORMATION => Header::Protocol,
            Place::Control => Header::Passed,
            // An odd octet ends the protocol field: it was compressed (RFC 1661 6.5).
            Place::Start | Place::Protocol if octet & 1 == 1 => self.protocol(u16::from(octet)),
            Place::Start | Place::Protocol => Header::Second(octet),
            Place::Second(first) => self.protocol(u16::from_be_bytes([first, octet])),
            Place::Packet(0, family) => {
                self.packets += u64::from(!family.is_to_many(octet));
                Header::Passed
            }
            Place::Packet(before, family) => Header::Packet(before - 1, family),
        }
    }

    fn protocol(&mut self, protocol: u16) -> Header {
        let family = match protocol {
            IPV4 => Family::V4,
            IPV6 => Family::V6,
            _ => {
                self.packets += u64::from(protocol < FIRST_CONTROL_PROTOCOL);
                return Header::Passed;
            }
        };
        Header::Packet(family.before_destination(), family)
    }

    fn spell(&mut self, byte: u8, now: Instant) {
        self.spelt_out = None;
        if NO_CARRIER.get(self.spelt) != Some(&byte) {
            self.spelt = 0;
        }
        if NO_CARRIER.get(self.spelt) == Some(&byte) {
            if self.spelt == 0 {
                self.between_frames = self.after_flag;
            }
            self.spelt += 1;
        }
        if self.spelt == NO_CARRIER.len() {
            self.spelt = 0;
            self.spelt_out = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(bytes: &[u8]) -> FrameWatch {
        let mut watch = FrameWatch::default();
        watch.handle_bytes(bytes, crate::clock::now());
        watch
    }

    #[test]
    fn an_lcp_echo_is_no_packet() {
        // FF 7D 23 C0 21: control field escaped, as every LCP frame is sent.
        assert_eq!(watch(b"\x7e\xff\x7d\x23\xc0\x21\x7d\x29\x7d\x20\x7e").packets(), 0);
    }

    #[test]
    fn ip_counts_in_full_and_compressed_headers() {
        assert_eq!(watch(b"\x7e\xff\x03\x00\x21\x45\x00\x7e").packets(), 1);
        assert_eq!(watch(b"\x7e\x21\x45\x00\x7e\x21\x45\x7e").packets(), 2);
        assert_eq!(watch(b"\x7e\x2d\x45\x00\x7e").packets(), 1, "Van Jacobson compressed TCP");
        assert_eq!(watch(b"\x7e\xff\x7d\x23\x7d\x20\x21\x45\x7e").packets(), 1, "all of it escaped");
    }

    #[test]
    fn what_is_said_to_all_at_once_is_no_use_of_the_link() {
        let packet = |protocol: u8, before: usize, first: u8| {
            let mut frame = vec![FLAG, protocol];
            frame.resize(frame.len() + before, 0x60);
            frame.extend_from_slice(&[first, 1, 2, 3, FLAG]);
            frame
        };
        assert_eq!(watch(&packet(0x57, 24, 0xff)).packets(), 0, "a router advertisement");
        assert_eq!(watch(&packet(0x57, 24, 0x20)).packets(), 1);
        assert_eq!(watch(&packet(0x21, 16, 224)).packets(), 0, "mDNS");
        assert_eq!(watch(&packet(0x21, 16, 203)).packets(), 1);
    }

    #[test]
    fn ipcp_and_chap_are_control() {
        assert_eq!(watch(b"\x7e\x80\x21\x01\x7e\xff\x03\xc2\x23\x01\x7e").packets(), 0);
    }

    #[test]
    fn a_reason_said_in_plain_text_is_kept_and_packets_are_not() {
        let refusal = watch(b"\r\nringup: no address is free, call again later\r\n\r\nNO CARRIER\r\n");
        assert_eq!(refusal.words(), "ringup: no address is free, call again later");
        assert_eq!(watch(b"\x7e\xff\x03\xc0\x21 secret \x7e").words(), "");
        assert!(watch(&[b'x'; 100_000]).words().len() <= MOST_WORDS);
    }

    #[test]
    fn no_carrier_between_frames_is_believed_at_once() {
        let now = crate::clock::now();
        assert!(watch(b"\x7e\x21\x45\x7e\r\nNO CARRIER\r\n").carrier_lost(now));
    }

    #[test]
    fn no_carrier_in_a_packet_is_believed_only_when_nothing_follows() {
        let now = crate::clock::now();
        let mut watch = FrameWatch::default();
        watch.handle_bytes(b"\x7e\x21\x45\r\nNO CARRIER\r\n", now);
        assert!(!watch.carrier_lost(now));
        assert!(watch.carrier_lost(now + QUIET), "an unfinished frame, then silence");
        watch.handle_bytes(b"more\x7e", now);
        assert!(!watch.carrier_lost(now + QUIET), "somebody sent the words through the link");
    }
}
