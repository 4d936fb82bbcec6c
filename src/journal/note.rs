//! What is noted, and the state of a wake.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// The number of a wake, rising for the whole life of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WakeNumber(pub(super) i64);

impl fmt::Display for WakeNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<u32> for WakeNumber {
    fn from(number: u32) -> Self {
        Self(number.into())
    }
}

/// How far a wake has come. Each is written down as it is reached, so each is a point at which it may be taken up again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// A call woke the machine.
    Begun,
    /// The provider is being called.
    Dialling,
    /// The modems have agreed.
    Connected,
    /// The link is up.
    Up,
    /// The address is in the directory.
    Registered,
    /// The record says asleep.
    Withdrawn,
    /// The line is on hook.
    Ended,
}

impl Step {
    /// Every step, in order.
    pub const ALL: [Self; 7] =
        [Self::Begun, Self::Dialling, Self::Connected, Self::Up, Self::Registered, Self::Withdrawn, Self::Ended];

    /// The step's name, as the journal has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Dialling => "dialling",
            Self::Connected => "connected",
            Self::Up => "up",
            Self::Registered => "registered",
            Self::Withdrawn => "withdrawn",
            Self::Ended => "ended",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.as_str() == name)
    }
}

/// A wake, as far as it has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Wake {
    /// Its number.
    pub wake: WakeNumber,
    /// The line that rang.
    pub line: String,
    /// When it began, in milliseconds since 1970.
    pub begun: u64,
    /// How far it has come.
    pub step: Step,
    /// Since when, in milliseconds since 1970.
    pub since: u64,
    /// How often it was taken up again after a crash.
    pub resumed: u32,
    /// When the link came up, in milliseconds since 1970.
    #[serde(default)]
    pub up: Option<u64>,
    /// The address it was lent last.
    #[serde(default)]
    pub address: Option<IpAddr>,
    /// The sequence number of its last record.
    #[serde(default)]
    pub seq: Option<u64>,
    /// Whether that record says asleep.
    #[serde(default)]
    pub asleep: bool,
    /// Why it ended, or what went wrong last.
    #[serde(default)]
    pub cause: Option<String>,
}

impl Wake {
    pub(super) fn begin(wake: WakeNumber, line: &str, now: u64) -> Self {
        Self {
            wake,
            line: line.to_owned(),
            begun: now,
            step: Step::Begun,
            since: now,
            resumed: 0,
            up: None,
            address: None,
            seq: None,
            asleep: false,
            cause: None,
        }
    }
}

/// Who called, as far as the network told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Caller {
    /// The number; shown in full only to whoever asks for numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// Why there is none, in a word or two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withheld: Option<String>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Note {
    /// The daemon started.
    Started {
        /// Which ringup.
        version: String,
    },
    /// The daemon stopped in good order.
    Stopped,
    /// A line changed its state.
    Line {
        /// To what: `listening`, `lost`, …
        state: String,
        /// Why, where there is a reason.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<String>,
    },
    /// A call came in, and ended so.
    Call {
        /// Who called.
        #[serde(flatten)]
        caller: Caller,
        /// How often it rang.
        rings: u32,
        /// `accepted`, or why it did not wake; `answered-…` with what the caller was told.
        verdict: String,
        /// Who has proven to be allowed to wake the machine, where it was answered: the name of the key, or `code` and its
        /// number.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// Whether somebody only pretended that it rang (`ringup ring`).
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        pretended: bool,
    },
    /// The machine was woken.
    Wake {
        /// Milliseconds from the first ring.
        since_ring: u64,
    },
    /// A wake that was cut off.
    CutOff {
        /// How far it had come.
        step: Step,
        /// Whether it was taken up again, or given up.
        resumed: bool,
    },
    /// The provider is called.
    Dialled,
    /// An outgoing call is over.
    HungUp {
        /// How long it was connected, in seconds.
        seconds: u64,
    },
    /// The link is up.
    Up {
        /// The PPP interface.
        interface: String,
        /// The address that was lent.
        address: IpAddr,
    },
    /// The link is down.
    Down {
        /// Why.
        cause: String,
        /// Octets received.
        received: u64,
        /// Octets sent.
        sent: u64,
    },
    /// The address is in the directory.
    Registered {
        /// The record's sequence number.
        seq: u64,
    },
    /// The record says asleep.
    Withdrawn {
        /// The record's sequence number.
        seq: u64,
    },
    /// The tunnel came up, or went down.
    Tunnel {
        /// Where it ends, while it is up.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<String>,
        /// Why it is down.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<String>,
    },
    /// The budget refused a call or ended a link.
    Budget {
        /// What is used up.
        cause: String,
    },
    /// The machine goes to sleep, or is put to sleep.
    Slept,
    /// The machine woke from sleep.
    Resumed {
        /// What woke it, as far as can be told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// How many seconds it slept, where its clocks tell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        slept: Option<u64>,
    },
    /// A new configuration is in force.
    Reloaded,
    /// Something failed.
    Failed {
        /// What, in one line.
        cause: String,
    },
}

impl Note {
    /// The kind's name, as `ringup journal --kind` has it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::Stopped => "stopped",
            Self::Line { .. } => "line",
            Self::Call { .. } => "call",
            Self::Wake { .. } => "wake",
            Self::CutOff { .. } => "cut-off",
            Self::Dialled => "dialled",
            Self::HungUp { .. } => "hung-up",
            Self::Up { .. } => "up",
            Self::Down { .. } => "down",
            Self::Registered { .. } => "registered",
            Self::Withdrawn { .. } => "withdrawn",
            Self::Tunnel { .. } => "tunnel",
            Self::Budget { .. } => "budget",
            Self::Slept => "slept",
            Self::Resumed { .. } => "resumed",
            Self::Reloaded => "reloaded",
            Self::Failed { .. } => "failed",
        }
    }
}

/// A note with its circumstances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// On which line, if on one.
    pub line: Option<String>,
    /// In which wake, if in one.
    pub wake: Option<WakeNumber>,
    /// What.
    pub note: Note,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_called_the_same_in_the_column_and_in_json() {
        let notes = [
            Note::Stopped,
            Note::Call {
                caller: Caller::default(),
                rings: 2,
                verdict: "accepted".to_owned(),
                by: None,
                pretended: false,
            },
            Note::CutOff { step: Step::Up, resumed: true },
            Note::HungUp { seconds: 3 },
            Note::Tunnel { at: None, cause: None },
            Note::Resumed { by: None, slept: Some(9) },
        ];
        for note in notes {
            assert_eq!(serde_json::to_value(&note).unwrap()["kind"], note.kind());
        }
    }
}
