//! What a message of caller identification in hexadecimal is, whether or not it is to be believed.
//!
//! Owns the verdict on its checksum and the kind of message, for people who look into a capture. Refuses to decide who
//! calls: a message that is wrong here is no caller for [`super::CallerField::parse`] either.

use super::message;

/// A data message as the network sends it (GR-30-CORE 2.4, ETSI EN 300 659-3 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataMessage {
    /// What it is about.
    pub kind: MessageKind,
    /// Whether its checksum is right.
    pub checksum: Checksum,
    /// The types of its parameters in their order; empty where it has none (SDMF).
    pub parameters: Vec<u8>,
}

/// What a data message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// A call, single data message format (04): date, time and number.
    CallSdmf,
    /// A call, multiple data message format (80): parameters.
    CallMdmf,
    /// Messages that wait in a mailbox, single data message format (06).
    WaitingSdmf,
    /// Messages that wait in a mailbox, multiple data message format (82).
    WaitingMdmf,
    /// Advice of charge (86).
    Charge,
    /// A short message (89).
    ShortMessage,
}

/// The verdict on a message's checksum: the sum of all bytes is 0 modulo 256.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// It is right.
    Right,
    /// The modem kept it to itself.
    Absent,
    /// It is wrong: the message was garbled on the line.
    Wrong,
}

impl DataMessage {
    /// Looks into a line that is a whole message in hexadecimal, blanks between its bytes or not; `None` for any other.
    #[must_use]
    pub fn inspect(line: &str) -> Option<Self> {
        let message::Message::Whole(_) = message::parse_line(line) else { return None };
        let bytes = message::from_hexadecimal(&message::without_blanks(line))?;
        let [kind, length, rest @ ..] = bytes.as_slice() else { return None };
        let kind = match kind {
            0x04 => MessageKind::CallSdmf,
            0x06 => MessageKind::WaitingSdmf,
            0x80 => MessageKind::CallMdmf,
            0x82 => MessageKind::WaitingMdmf,
            0x86 => MessageKind::Charge,
            0x89 => MessageKind::ShortMessage,
            _ => return None,
        };
        let (body, after) = rest.split_at_checked(usize::from(*length))?;
        let sum = bytes.iter().take(body.len() + 3).fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        let checksum = match (after, sum) {
            ([], _) => Checksum::Absent,
            (_, 0) => Checksum::Right,
            _ => Checksum::Wrong,
        };
        let parameters = match kind {
            MessageKind::CallSdmf | MessageKind::WaitingSdmf => Vec::new(),
            MessageKind::CallMdmf | MessageKind::WaitingMdmf | MessageKind::Charge | MessageKind::ShortMessage => {
                types(body)
            }
        };
        // A call setup of type 81 announces messages that wait (ETSI EN 300 659-3 5.2.1).
        let mailbox = kind == MessageKind::CallMdmf && body.windows(3).any(|window| window == [0x11, 1, 0x81]);
        let kind = if mailbox { MessageKind::WaitingMdmf } else { kind };
        Some(Self { kind, checksum, parameters })
    }
}

fn types(mut body: &[u8]) -> Vec<u8> {
    let mut types = Vec::new();
    while let [kind, length, rest @ ..] = body {
        types.push(*kind);
        body = rest.get(usize::from(*length)..).unwrap_or_default();
    }
    types
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_gets_its_verdict() {
        let verdict = |line: &str| DataMessage::inspect(line).map(|message| (message.kind, message.checksum));
        let sdmf = "0412303332323234303539313435353132333435";
        assert_eq!(verdict(sdmf), Some((MessageKind::CallSdmf, Checksum::Absent)));
        assert_eq!(verdict("82030B01FF70"), Some((MessageKind::WaitingMdmf, Checksum::Right)));
        let whole = "801901083131323331323130020735353531323132070441".to_owned() + "4E4E45";
        assert_eq!(verdict(&format!("{whole}38")), Some((MessageKind::CallMdmf, Checksum::Right)));
        assert_eq!(verdict(&format!("{whole}39")), Some((MessageKind::CallMdmf, Checksum::Wrong)));
        assert_eq!(DataMessage::inspect(&whole).map(|message| message.parameters), Some(vec![1, 2, 7]));
        for line in ["", "5550001", "0412345678", &whole[..30], "OK", "zz", "é"] {
            assert_eq!(verdict(line), None, "{line}");
        }
    }
}
