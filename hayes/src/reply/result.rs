//! Result codes: what a modem answers to a command line, or says unasked (V.250 5.7 and table 1).
//!
//! Owns their words and their numbers, also as vendors spell them. Refuses numbers that mean one thing with one maker
//! and another with the next.

use std::fmt;

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

    /// Reads a verbose (`V1`) result code, also as vendors spell it; `None` for any other line.
    #[must_use]
    pub fn from_verbose(line: &str) -> Option<Self> {
        Some(match line {
            "OK" => Self::Ok,
            "RING" => Self::Ring,
            "ERROR" | "UNKNOWN COMMAND" | "COMMAND NOT SUPPORT" | "COMMAND NOT SUPPORTED" => Self::Error,
            // Silicon Laboratories: tones were to be dialled on a line that takes pulses only.
            "UN-OBTAINABLE NUMBER" => Self::Error,
            "NO DIALTONE" | "NO DIAL TONE" | "NO LINE" => Self::NoDialTone,
            // Another telephone on this line is off hook: there is no dial tone to be had.
            "PHONE OFF-HOOK" | "LINE IN USE" => Self::NoDialTone,
            "BUSY" => Self::Busy,
            "NO ANSWER" => Self::NoAnswer,
            "RINGING" => Self::Ringing,
            "DELAYED" => Self::Delayed,
            "BLACKLISTED" => Self::Blacklisted,
            "BLACKLISTFULL" | "BLACKLIST FULL" => Self::BlacklistFull,
            _ if line.starts_with("+CME ERROR") || line.starts_with("+CMS ERROR") => Self::Error,
            // ISDN adapters add the cause: `NO CARRIER (E0010)`, `NO CARRIER/34D8`.
            _ if with_text(line, "NO CARRIER").is_some() => Self::NoCarrier,
            _ => Self::Connect(with_text(line, "CONNECT")?.to_owned()),
        })
    }

    /// Reads a numeric (`V0`) result code; `None` for any other line.
    ///
    /// From 10 on every maker counts on for himself. Where all of them mean a connection of some rate (10, 13 to 23
    /// and 25 to 31, as in the manuals of Rockwell, U.S. Robotics, Lucent, ZyXEL, Paradyne, Precidia and Multi-Tech)
    /// that is what it is, the rate unknown. The rest decides nothing: 11 is `CONNECT 4800` or `RINGING`, 12 is
    /// `CONNECT 9600` or `VOICE`, 24 a rate or `DELAYED`, 32 a rate or `BLACKLISTED`, 46 `CARRIER 1200`, 67
    /// `COMPRESSION: V.42BIS` or a rate.
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
            "10" | "13" | "14" | "15" | "16" | "17" | "18" | "19" | "20" | "21" | "22" | "23" => {
                Self::Connect(String::new())
            }
            "25" | "26" | "27" | "28" | "29" | "30" | "31" => Self::Connect(String::new()),
            "88" => Self::Delayed,
            "89" => Self::Blacklisted,
            "90" => Self::BlacklistFull,
            _ => return None,
        })
    }
}

/// The text behind these words, unless they only begin a longer word.
fn with_text<'a>(line: &'a str, words: &str) -> Option<&'a str> {
    line.strip_prefix(words).filter(|text| !text.starts_with(|c: char| c.is_alphabetic())).map(str::trim)
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
        for (line, code) in [
            ("NO DIAL TONE", ResultCode::NoDialTone),
            ("LINE IN USE", ResultCode::NoDialTone),
            ("BLACKLIST FULL", ResultCode::BlacklistFull),
            ("+CME ERROR: raspberry", ResultCode::Error),
            ("+CMS ERROR: 500", ResultCode::Error),
            ("NO CARRIER (E0010)", ResultCode::NoCarrier),
            ("NO CARRIER/34D8", ResultCode::NoCarrier),
            ("CONNECT57600", ResultCode::Connect("57600".to_owned())),
        ] {
            assert_eq!(ResultCode::from_verbose(line), Some(code), "{line}");
        }
        for line in ["TEST OK", "CONNECTED", "CONNECTÉ", "OKAY", "NO CARRIERS", "ok", "OK OK", "BUSY 2"] {
            assert_eq!(ResultCode::from_verbose(line), None, "{line}");
        }
    }

    #[test]
    fn a_number_on_which_makers_agree_is_a_connection_of_unknown_rate() {
        for line in ["10", "13", "18", "23", "25", "31"] {
            assert_eq!(ResultCode::from_numeric(line), Some(ResultCode::Connect(String::new())), "{line}");
        }
        for line in ["11", "12", "24", "32", "46", "67", "77", "87", "91", "010", "00", "5550002", "", "1 ", "+1"] {
            assert_eq!(ResultCode::from_numeric(line), None, "{line}");
        }
    }
}
