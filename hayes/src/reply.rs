//! What a modem says: result codes in answer to a command or unasked (V.250 5.7, table 1), and all that comes between.
//!
//! Owns the meaning of one line on its own. Refuses to decide what a line means for a call: that a run of digits is a
//! caller while a line rings and an echo while it dials is for [`crate::modem`] to know.

mod ring;

use std::fmt;

pub use self::ring::{RingInfo, RingVariant};
use crate::caller::{CallerField, CallerNumber};

/// A result code, in verbose (`V1`) or numeric (`V0`) form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResultCode {
    /// `OK`: the command line was carried out.
    Ok,
    /// `CONNECT`: the line is in data state; the text after the word (`33600/ARQ/V34`, `115200`), empty when bare.
    Connect(String),
    /// `RING`: an incoming call is alerting.
    Ring,
    /// `NO CARRIER`: the call ended, or none came about.
    NoCarrier,
    /// `ERROR`: the command line was not understood or not carried out.
    Error,
    /// `NO DIALTONE` or `NO DIAL TONE`: the line is dead.
    NoDialTone,
    /// `BUSY`: the called number is engaged.
    Busy,
    /// `NO ANSWER`: nobody answered within S7.
    NoAnswer,
    /// `RINGING`: the called station is being alerted (not a ring at this end).
    Ringing,
    /// `DELAYED`: the modem's own redial timer forbids this number for now.
    Delayed,
    /// `BLACKLISTED`: the modem refuses to dial this number any more.
    Blacklisted,
    /// `BLACKLISTFULL`: the modem's table of refused numbers is full.
    BlacklistFull,
}

impl ResultCode {
    /// The numeric (`V0`) code: 0–7 and 9 as in common use, 8 for `NO ANSWER`, 88–90 for the blacklist family.
    #[must_use]
    pub fn numeric(&self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Connect(_) => 1,
            Self::Ring => 2,
            Self::NoCarrier => 3,
            Self::Error => 4,
            Self::NoDialTone => 6,
            Self::Busy => 7,
            Self::NoAnswer => 8,
            Self::Ringing => 9,
            Self::Delayed => 88,
            Self::Blacklisted => 89,
            Self::BlacklistFull => 90,
        }
    }
}

impl ResultCode {
    /// Reads a verbose (`V1`) result code, also as vendors spell it; `None` for any other line.
    #[must_use]
    pub fn from_verbose(line: &str) -> Option<Self> {
        Some(match line {
            "OK" => Self::Ok,
            "RING" => Self::Ring,
            "NO CARRIER" => Self::NoCarrier,
            "ERROR" | "UNKNOWN COMMAND" | "COMMAND NOT SUPPORT" | "COMMAND NOT SUPPORTED" => Self::Error,
            // Another telephone on this line is off hook: there is no dial tone to be had.
            "NO DIALTONE" | "NO DIAL TONE" | "PHONE OFF-HOOK" => Self::NoDialTone,
            "BUSY" => Self::Busy,
            "NO ANSWER" => Self::NoAnswer,
            "RINGING" => Self::Ringing,
            "DELAYED" => Self::Delayed,
            "BLACKLISTED" => Self::Blacklisted,
            "BLACKLISTFULL" => Self::BlacklistFull,
            _ if line.starts_with("+CME ERROR") || line.starts_with("+CMS ERROR") => Self::Error,
            _ => {
                let text = line.strip_prefix("CONNECT")?;
                if text.starts_with(|c: char| c.is_ascii_alphabetic()) {
                    return None;
                }
                Self::Connect(text.trim_start().to_owned())
            }
        })
    }

    /// Reads a numeric (`V0`) result code; `None` for any other line.
    ///
    /// Codes from 10 on stand for another rate with every vendor and are not known.
    #[must_use]
    pub fn from_numeric(line: &str) -> Option<Self> {
        Some(match line {
            "0" => Self::Ok,
            "1" => Self::Connect(String::new()),
            "2" => Self::Ring,
            "3" => Self::NoCarrier,
            "4" => Self::Error,
            "5" => Self::Connect("1200".to_owned()),
            "6" => Self::NoDialTone,
            "7" => Self::Busy,
            "8" => Self::NoAnswer,
            "9" => Self::Ringing,
            "88" => Self::Delayed,
            "89" => Self::Blacklisted,
            "90" => Self::BlacklistFull,
            _ => return None,
        })
    }
}

impl fmt::Display for ResultCode {
    /// The verbose (`V1`) text, without its framing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "OK",
            Self::Connect(text) if text.is_empty() => "CONNECT",
            Self::Connect(text) => return write!(f, "CONNECT {text}"),
            Self::Ring => "RING",
            Self::NoCarrier => "NO CARRIER",
            Self::Error => "ERROR",
            Self::NoDialTone => "NO DIALTONE",
            Self::Busy => "BUSY",
            Self::NoAnswer => "NO ANSWER",
            Self::Ringing => "RINGING",
            Self::Delayed => "DELAYED",
            Self::Blacklisted => "BLACKLISTED",
            Self::BlacklistFull => "BLACKLISTFULL",
        })
    }
}

/// What the modem said of the connection it made (`CONNECT 33600/ARQ/V34`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connect {
    /// The text after `CONNECT`, empty when bare.
    pub text: String,
    /// The rate named first in the text, in bit/s; some modems name the rate of the line, some that of the tty.
    pub speed: Option<u32>,
}

impl Connect {
    /// The shortest number taken for a rate, in digits: `V42` and `V90` hold shorter ones.
    const SPEED_DIGITS: usize = 3;

    /// Reads the text after the word `CONNECT`.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        let speed = text
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|word| word.len() >= Self::SPEED_DIGITS)
            .find_map(|word| word.parse().ok());
        Self { text: text.to_owned(), speed }
    }
}

/// One line from a modem, by what kind of thing it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A verbose result code, any but `RING`.
    Result(ResultCode),
    /// A line that is a numeric result code, if the modem speaks in those.
    Numeric(ResultCode),
    /// Something answered that is no data modem: `VOICE`, `VCON`, `FAX`, a fax hang-up.
    Voice,
    /// An incoming call alerts; some modems name the caller in the same breath.
    Ring(RingInfo, Option<CallerNumber>),
    /// A field of caller identification.
    Caller(Vec<CallerField>),
    /// Three digits or more and nothing else: a caller's number, a dialled number echoed, or information.
    Digits(String),
    /// Progress of a call that decides nothing: `DIALING`, `CED`, `CARRIER 33600`, `+MCR: V34`, cadences.
    Progress,
    /// Any other text: information a command asked for, or noise.
    Text,
}

impl Reply {
    /// Reads one line, free of its end and of outer blanks.
    #[must_use]
    pub fn parse(line: &str) -> Self {
        if let Some((info, caller)) = ring::parse(line) {
            Self::Ring(info, caller)
        } else if let Some(code) = ResultCode::from_verbose(line) {
            Self::Result(code)
        } else if let Some(code) = ResultCode::from_numeric(line) {
            Self::Numeric(code)
        } else if is_voice(line) {
            Self::Voice
        } else if is_progress(line) {
            Self::Progress
        } else if let Some(fields) = CallerField::parse(line) {
            Self::Caller(fields)
        } else if line.len() >= 3 && line.bytes().all(|byte| byte.is_ascii_digit()) {
            Self::Digits(line.to_owned())
        } else {
            Self::Text
        }
    }
}

fn is_voice(line: &str) -> bool {
    matches!(line, "VOICE" | "VCON" | "FAX") || line.starts_with("+FHNG:") || line.starts_with("+FHS:")
}

/// Lines between `ATD` or `ATA` and the result code, as Telebit, ZyXEL, Conexant, USR, V.250 6.4.2 and V.253 have them.
fn is_progress(line: &str) -> bool {
    const WORDS: [&str; 7] = ["DIALING", "RRING", "RINGBACK", "CED", "DATA", "DTMF", "MESSAGE-WAITING"];
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
    use super::*;

    const ALL: [ResultCode; 12] = [
        ResultCode::Ok,
        ResultCode::Connect(String::new()),
        ResultCode::Ring,
        ResultCode::NoCarrier,
        ResultCode::Error,
        ResultCode::NoDialTone,
        ResultCode::Busy,
        ResultCode::NoAnswer,
        ResultCode::Ringing,
        ResultCode::Delayed,
        ResultCode::Blacklisted,
        ResultCode::BlacklistFull,
    ];

    #[test]
    fn every_code_reads_back_in_both_forms() {
        for code in ALL {
            assert_eq!(ResultCode::from_verbose(&code.to_string()), Some(code.clone()));
            assert_eq!(ResultCode::from_numeric(&code.numeric().to_string()), Some(code));
        }
        let connect = ResultCode::Connect("33600/ARQ".to_owned());
        assert_eq!(ResultCode::from_verbose(&connect.to_string()), Some(connect));
    }

    #[test]
    fn vendors_spellings_are_known_and_lookalikes_are_not() {
        assert_eq!(Reply::parse("NO DIAL TONE"), Reply::Result(ResultCode::NoDialTone));
        assert_eq!(Reply::parse("+CME ERROR: raspberry"), Reply::Result(ResultCode::Error));
        assert_eq!(Reply::parse("CONNECT57600"), Reply::Result(ResultCode::Connect("57600".to_owned())));
        for text in ["TEST OK", "CONNECTED", "OKAY", "10", "12", "ATI3", "+CIEV: 7,1"] {
            assert_eq!(Reply::parse(text), Reply::Text, "{text}");
        }
    }

    #[test]
    fn the_rate_is_found_in_every_dialect() {
        for (text, speed) in [
            ("", None),
            ("FAX", None),
            ("115200", Some(115_200)),
            ("150000000", Some(150_000_000)),
            ("49333/ARQ/V90/LAPM/V42BIS", Some(49_333)),
            ("37333 V42bis", Some(37_333)),
            ("ARQ/V34/28800", Some(28_800)),
            ("99999999999", None),
        ] {
            assert_eq!(Connect::from_text(text).speed, speed, "{text}");
        }
    }

    #[test]
    fn noise_while_dialling_is_progress() {
        for line in ["DIALING", "RRING", "CED", "+MCR: V34", "CARRIER 33600", "PROTOCOL: LAPM", "DRON=11", "\x10\x03"] {
            assert_eq!(Reply::parse(line), Reply::Progress, "{line:?}");
        }
        assert_eq!(Reply::parse("5550002"), Reply::Digits("5550002".to_owned()));
        assert_eq!(Reply::parse("RINGING"), Reply::Result(ResultCode::Ringing));
        assert_eq!(Reply::parse("VOICE"), Reply::Voice);
    }
}
