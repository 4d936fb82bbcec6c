//! Result codes: what a modem says in answer to a command, or unasked (V.250 5.7, table 1).

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
