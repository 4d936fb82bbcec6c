//! Who is calling: the fields that caller identification carries.
//!
//! Owns the dialects in which modems print them and the gathering of a message out of its lines. A message may come
//! before the first ring, between rings, or never. Refuses to match callers against anybody's list.

mod block;
mod dialect;
mod inspection;
mod message;

pub use self::block::{BLOCK_GAP, CallerBlock};
pub(crate) use self::dialect::{presented, quoted_list};
pub use self::inspection::{Checksum, DataMessage, MessageKind};

/// The caller's number as the network presented it, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallerNumber {
    /// Digits as received: national forms untouched, international ones with their `+` where the modem says that they
    /// are (3GPP TS 27.007 type 145).
    Known(String),
    /// Withheld by the caller (`P`, presentation restricted).
    Withheld,
    /// Not available to the network (`O`, out of area).
    Unavailable,
}

/// Caller identification as delivered before, between or after rings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallerId {
    /// The caller's number, or why there is none; `None` when the message carried no number field at all.
    pub number: Option<CallerNumber>,
    /// The caller's name, if sent.
    pub name: Option<String>,
    /// Month and day as sent, `MMDD`.
    pub date: Option<String>,
    /// Hour and minute as sent, `HHMM`.
    pub time: Option<String>,
    /// The number that was called, where the line has several (ISDN, `NDID`).
    pub called: Option<String>,
    /// The number from which the call was diverted, the last one if there were several.
    pub diverted_from: Option<String>,
}

/// One field of caller identification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallerField {
    /// The caller's number, or why there is none.
    Number(CallerNumber),
    /// A number that is the caller's if no other is (GR-30-CORE), else the called one (ETSI EN 300 659-3).
    Dialable(String),
    /// The caller's name.
    Name(String),
    /// Month and day, `MMDD`.
    Date(String),
    /// Hour and minute, `HHMM`.
    Time(String),
    /// The number called.
    Called(String),
    /// The number from which the call was diverted.
    DivertedFrom(String),
    /// This message is about messages that wait in a mailbox, and not about a call.
    MessageWaiting,
    /// A data message in hexadecimal that goes on in the next line.
    Part(String),
    /// The last of a message that is whole with this line: nothing more belongs to it.
    End,
}

/// How many zeros stand for a withheld number: as many as the shortest whole North American one has digits.
const WITHHELD_ZEROS: usize = 7;

impl CallerNumber {
    /// Reads what a modem put in place of the number; `None` where it is empty or a placeholder (`<NONE>`).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() || text.starts_with('<') {
            return None;
        }
        let spelt = text.to_ascii_uppercase();
        // `Private`, `PrivDirOff`, `Restricted`, `NUMBER WITHHELD`, `ANONYMOUS`, `Caller ID Blocked`.
        let reasons = ["PRIV", "RESTRICT", "WITHHELD", "ANONYM", "BLOCKED"];
        Some(match spelt.as_str() {
            // Some exchanges send zeros in place of a number that the caller keeps back.
            _ if text.len() >= WITHHELD_ZEROS && text.bytes().all(|byte| byte == b'0') => Self::Withheld,
            _ if text.bytes().any(|byte| byte.is_ascii_digit()) => Self::Known(shown(text)),
            "P" => Self::Withheld,
            _ if reasons.iter().any(|reason| spelt.contains(reason)) => Self::Withheld,
            // `O`, `Unavailable`, `OUT OF AREA`: without a digit it is no number.
            _ => Self::Unavailable,
        })
    }
}

impl CallerField {
    /// Reads a line of caller identification in any of the dialects known; `None` for any other line.
    ///
    /// A line whose tag is known but whose value says nothing (`NAME = `, `ANID=<NONE>`) has no fields.
    #[must_use]
    pub fn parse(line: &str) -> Option<Vec<Self>> {
        dialect::parse(line)
    }
}

/// The text without control characters: names come from strangers and end up on screens.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reasons_for_no_number_are_told_apart() {
        for text in [
            "P",
            "p",
            "Private",
            "PRIVATE NUMBER",
            "PrivDirOff",
            "0000000000",
            "Restricted",
            "PRESENTATION RESTRICTED",
            "Number withheld",
            "Anonymous",
            "Caller ID Blocked",
        ] {
            assert_eq!(CallerNumber::parse(text), Some(CallerNumber::Withheld), "{text}");
        }
        for text in ["O", "Unavailable", "OUT OF AREA", "OUT-OF-AREA", "NO TIME", "unknown", "xxxxxxxxxx"] {
            assert_eq!(CallerNumber::parse(text), Some(CallerNumber::Unavailable), "{text}");
        }
        for text in ["", " ", "<NONE>", "<calling number>"] {
            assert_eq!(CallerNumber::parse(text), None, "{text}");
        }
        for text in ["000", "000000", "00000001", "0207####123", "04xxxxxxx7"] {
            assert_eq!(CallerNumber::parse(text), Some(CallerNumber::Known(text.to_owned())), "{text}");
        }
    }
}
