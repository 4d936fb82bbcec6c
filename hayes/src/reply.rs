//! What a modem says: result codes in answer to a command or unasked (V.250 5.7, table 1), and all that comes between.
//!
//! Owns the meaning of one line on its own. Refuses to decide what a line means for a call: that a run of digits is a
//! caller while a line rings and an echo while it dials is for [`crate::modem`] to know.

mod cellular;
mod connect;
mod result;
mod ring;

pub use self::cellular::{CallDirection, CallMode, CallState, ListedCall};
pub use self::connect::{CarrierReport, Compression, Connect, ErrorControl, Modulation};
pub use self::result::ResultCode;
pub use self::ring::{RingInfo, RingVariant};
use crate::caller::{CallerField, CallerId, CallerNumber};

/// One line from a modem, by what kind of thing it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A verbose result code, any but `RING`.
    Result(ResultCode),
    /// A line that is a numeric result code, if the modem speaks in those.
    Numeric(ResultCode),
    /// Something answered that is no data modem: `VOICE`, `VCON`, `FAX`, `CONNECT FAX`, a fax hang-up.
    Voice,
    /// An incoming call alerts; some modems name the caller in the same breath.
    Ring(RingInfo, Option<CallerNumber>),
    /// Fields of caller identification.
    Caller(Vec<CallerField>),
    /// Another call comes in while one stands (`+CCWA`).
    CallWaiting(CallerId),
    /// One call in a list that was asked for (`+CLCC`).
    CallListed(ListedCall),
    /// Three to [`DIGITS_LIMIT`] digits and nothing else: a caller's number, a dialled number echoed, or information.
    Digits(String),
    /// Progress of a call that decides nothing: `DIALING`, `CED`, cadences. What it tells of the connection that is
    /// being made (`CARRIER 33600`, `+MCR: V34`) is for [`CarrierReport::note`].
    Progress,
    /// Any other text: information a command asked for, or noise.
    Text,
}

/// The longest number that a line of digits can be: 15 digits and what exchanges put before them (E.164).
pub const DIGITS_LIMIT: usize = 20;
/// The shortest one: shorter lines may be numeric result codes.
const DIGITS_FLOOR: usize = 3;

impl Reply {
    /// Reads one line, free of its end and of outer blanks.
    #[must_use]
    pub fn parse(line: &str) -> Self {
        // In voice mode caller identification comes between `<DLE>X` and `<DLE>.` (V.253).
        let line = line.strip_prefix("\x10X").unwrap_or(line);
        let line = line.strip_suffix("\x10.").unwrap_or(line).trim();
        if let Some((info, caller)) = ring::parse(line) {
            Self::Ring(info, caller)
        } else if is_voice(line) {
            Self::Voice
        } else if let Some(code) = ResultCode::from_verbose(line) {
            // A fax answered; what follows is no data.
            if code == ResultCode::Connect("FAX".to_owned()) { Self::Voice } else { Self::Result(code) }
        } else if let Some(code) = ResultCode::from_numeric(line) {
            Self::Numeric(code)
        } else if is_progress(line) {
            Self::Progress
        } else if let Some(caller) = cellular::call_waiting(line) {
            Self::CallWaiting(caller)
        } else if let Some(call) = ListedCall::parse(line) {
            Self::CallListed(call)
        } else if let Some(fields) = CallerField::parse(line) {
            Self::Caller(fields)
        } else if (DIGITS_FLOOR..=DIGITS_LIMIT).contains(&line.len()) && line.bytes().all(|byte| byte.is_ascii_digit())
        {
            Self::Digits(line.to_owned())
        } else {
            Self::Text
        }
    }
}

fn is_voice(line: &str) -> bool {
    const STARTS: [&str; 3] = ["+FHNG:", "+FHS:", "+FCERROR"];
    matches!(line, "VOICE" | "VCON" | "FAX") || STARTS.iter().any(|start| line.starts_with(start))
}

/// Lines between `ATD` or `ATA` and the result code, as Telebit, ZyXEL, Conexant, USR, Silicon Laboratories, V.250
/// 6.4.2 and V.253 have them.
fn is_progress(line: &str) -> bool {
    const WORDS: [&str; 12] = [
        "",
        "DIALING",
        "RRING",
        "RINGBACK",
        "CED",
        "DATA",
        "DTMF",
        "MESSAGE-WAITING",
        "STAS",
        "POLARITY REVERSAL",
        "NO POLARITY REVERSAL",
        "CARRIER",
    ];
    const STARTS: [&str; 15] = [
        "\x10",
        "+A8",
        "+F34:",
        "+F4",
        "+FDB:",
        "+MCR:",
        "+MRR:",
        "+ER:",
        "+DR:",
        "+ILRR:",
        "DRON=",
        "DROF=",
        "CARRIER ",
        "PROTOCOL:",
        "COMPRESSION:",
    ];
    WORDS.contains(&line) || STARTS.iter().any(|start| line.starts_with(start))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn noise_while_dialling_is_progress() {
        for line in ["DIALING", "RRING", "CED", "+MCR: V34", "CARRIER 33600", "PROTOCOL: LAPM", "DRON=11", "\x10\x03"] {
            assert_eq!(Reply::parse(line), Reply::Progress, "{line:?}");
        }
        assert_eq!(Reply::parse("5550002"), Reply::Digits("5550002".to_owned()));
        assert_eq!(Reply::parse("RINGING"), Reply::Result(ResultCode::Ringing));
        for line in ["VOICE", "CONNECT FAX", "CONNECT  FAX", "+FHNG: 0", "+FCERROR"] {
            assert_eq!(Reply::parse(line), Reply::Voice, "{line}");
        }
    }

    #[test]
    fn what_nobody_asked_for_is_text() {
        for line in ["+CIEV: 7,1", "^RSSI:14", "^MODE:5,4", "TEST OK", "CONNECTED", "11", "12", "ATI3", "+CREG: 0,5"] {
            assert_eq!(Reply::parse(line), Reply::Text, "{line}");
        }
        assert_eq!(Reply::parse(&"1".repeat(DIGITS_LIMIT + 1)), Reply::Text, "too long for a number");
    }

    #[test]
    fn what_voice_mode_shields_is_read_all_the_same() {
        for line in ["\x10XNMBR = 5551212", "NMBR = 5551212\x10.", "\x10XNMBR=5551212\x10."] {
            let number = CallerField::Number(CallerNumber::Known("5551212".to_owned()));
            assert_eq!(Reply::parse(line), Reply::Caller(vec![number]), "{line:?}");
        }
        for line in ["\x10X", "\x10.", "\x10h", "\x10H", "\x10P", "\x10p", "\x10s"] {
            assert_eq!(Reply::parse(line), Reply::Progress, "{line:?}");
        }
        assert!(matches!(Reply::parse("\x10R"), Reply::Ring(..)));
    }

    proptest! {
        #[test]
        fn any_line_means_something(line in "[ -~]{0,40}|(\\PC|\\x10){0,40}") {
            if let Reply::Result(code) = Reply::parse(&line) {
                prop_assert_eq!(Reply::parse(&code.to_string()), Reply::Result(code));
            }
        }
    }
}
