//! How a line is, in words for its owner.

use std::fmt;

use hayes::driver::DriverError;
use hayes::line::LineError;
use serde::{Deserialize, Serialize};

use crate::exit::{Failure, Status};

/// How a line is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum LineState {
    /// The line is being opened and its modem set up.
    SettingUp,
    /// The modem waits for calls.
    Ready,
    /// As ready, but the carrier signal stays on without a call.
    StuckCarrier,
    /// The modem does not answer: it is being reset.
    Resetting,
    /// A call is made or taken.
    InCall,
    /// Another program has the line for now.
    Lent {
        /// Its process, where that can be seen.
        process: Option<u32>,
    },
    /// The line cannot be had.
    Down {
        /// Why not.
        trouble: Trouble,
        /// The same in one line.
        cause: String,
    },
}

/// Why a line cannot be had; each is tried again, but not equally soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trouble {
    /// The tty is not there, or the console server not reached.
    Missing,
    /// Another program has it, and has not let this one open it.
    Busy,
    /// Another program attends to it.
    Attended,
    /// The modem answers nothing, whatever is tried.
    Silent,
    /// This user may not, or it is no line at all: a person must help.
    Unusable,
}

impl LineState {
    /// Reports whether calls are heard.
    #[must_use]
    pub fn listens(&self) -> bool {
        matches!(self, Self::Ready | Self::StuckCarrier)
    }

    /// What its owner can do about it.
    #[must_use]
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::SettingUp | Self::Ready | Self::InCall => None,
            Self::Resetting => {
                Some("nothing yet: DTR, ATZ, opening it anew and, on the USB, its power are tried in turn")
            }
            Self::Lent { .. } => {
                Some("nothing: the line is taken back once that program ends; until then no call is heard")
            }
            Self::StuckCarrier => {
                Some("DCD should follow the carrier (AT&C1): is the cable wired so? switch the modem off and on")
            }
            Self::Down { trouble, .. } => Some(trouble.advice()),
        }
    }

    /// Why the line cannot be had, as a program's end.
    #[must_use]
    pub fn failure(&self) -> Failure {
        let status = match self {
            Self::Resetting | Self::Down { trouble: Trouble::Silent, .. } => Status::ModemSilent,
            Self::Down { trouble: Trouble::Missing | Trouble::Unusable, .. } => Status::NoPort,
            Self::Down { trouble: Trouble::Busy | Trouble::Attended, .. }
            | Self::SettingUp
            | Self::Ready
            | Self::StuckCarrier
            | Self::InCall
            | Self::Lent { .. } => Status::PortBusy,
        };
        Failure::new(status, self.to_string())
    }
}

impl fmt::Display for LineState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SettingUp => f.write_str("being set up"),
            Self::Ready => f.write_str("ready"),
            Self::StuckCarrier => f.write_str("ready, but its carrier signal is on without a call"),
            Self::Resetting => f.write_str("the modem does not answer, and is being reset"),
            Self::InCall => f.write_str("in a call"),
            Self::Lent { process: Some(process) } => write!(f, "lent to process {process}"),
            Self::Lent { process: None } => f.write_str("lent to another program"),
            Self::Down { cause, .. } => f.write_str(cause),
        }
    }
}

impl Trouble {
    pub(super) fn of(error: &DriverError) -> Self {
        match error {
            DriverError::Silent { .. } | DriverError::Occupied(_) => Self::Silent,
            DriverError::NoQuestion(_) => Self::Unusable,
            DriverError::Line(error) => match error {
                LineError::Missing { .. } | LineError::Gone { .. } | LineError::Unreachable { .. } => Self::Missing,
                LineError::Busy { .. } => Self::Busy,
                LineError::Attended { .. } => Self::Attended,
                LineError::Denied { .. }
                | LineError::NotATty { .. }
                | LineError::NoAddress { .. }
                | LineError::NoComPort { .. }
                | LineError::Io { .. } => Self::Unusable,
            },
        }
    }

    fn advice(self) -> &'static str {
        match self {
            Self::Missing => "plug it in; it is waited for, by this name",
            Self::Busy => "it is tried again until the other program lets go",
            Self::Attended => "one line has one listener: stop the other, or name another port",
            Self::Silent => "switch the modem off and on, and check its cable; it is tried again",
            Self::Unusable => "`ringup modem list` shows the ports and who may use them",
        }
    }
}
