//! Every way in which ringup ends, and the one map from causes to exit statuses.

use std::fmt;

/// The exit statuses, grouped: 1–2 as everywhere, 64–69 what the owner must mend, 70–79 the line, 80–89 the link,
/// 90–99 the directory and the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// 1: something broke that has no better name.
    Internal,
    /// 64: the configuration is wrong.
    Configuration,
    /// 65: a secret is missing, empty, open to others, or not what it should be.
    Secret,
    /// 66: no site of that name is configured.
    UnknownSite,
    /// 67: a program, kernel feature or hook that is needed is not there.
    Missing,
    /// 68: no daemon runs that could be asked.
    NotRunning,
    /// 70: the modem's port is not there, or cannot be used.
    NoPort,
    /// 71: somebody else has the line.
    PortBusy,
    /// 72: the modem says nothing.
    ModemSilent,
    /// 73: no dial tone.
    NoDialTone,
    /// 74: the called number is busy.
    Busy,
    /// 75: nobody answered.
    NoAnswer,
    /// 76: the call was lost or never came about.
    NoCarrier,
    /// 77: the modem refuses to dial the number for now.
    Blacklisted,
    /// 80: the call stood, but no PPP link came about.
    NoLink,
    /// 81: the provider did not take our name and secret.
    LinkRefused,
    /// 90: no directory could be reached.
    DirectoryUnreachable,
    /// 91: the directory refused.
    DirectoryRefused,
    /// 92: the directory does not know the host.
    UnknownHost,
    /// 93: the host was rung, but no newer record came.
    NotRegistered,
    /// 94: the record is not the host's own.
    WrongIdentity,
    /// 95: the host is asleep, and has no number to ring.
    Asleep,
    /// 96: the host answered the call, and refused to wake, or to let us wake it.
    WakeRefused,
    /// 97: whoever answered the call did not speak as a host does, or broke off.
    NoHandshake,
    /// 127: the command to run is not there.
    NoCommand,
    /// 130: interrupted.
    Interrupted,
}

impl Status {
    /// The process's exit status.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Internal => 1,
            Self::Configuration => 64,
            Self::Secret => 65,
            Self::UnknownSite => 66,
            Self::Missing => 67,
            Self::NotRunning => 68,
            Self::NoPort => 70,
            Self::PortBusy => 71,
            Self::ModemSilent => 72,
            Self::NoDialTone => 73,
            Self::Busy => 74,
            Self::NoAnswer => 75,
            Self::NoCarrier => 76,
            Self::Blacklisted => 77,
            Self::NoLink => 80,
            Self::LinkRefused => 81,
            Self::DirectoryUnreachable => 90,
            Self::DirectoryRefused => 91,
            Self::UnknownHost => 92,
            Self::NotRegistered => 93,
            Self::WrongIdentity => 94,
            Self::Asleep => 95,
            Self::WakeRefused => 96,
            Self::NoHandshake => 97,
            Self::NoCommand => 127,
            Self::Interrupted => 130,
        }
    }
}

/// Why a command failed: one line of what happened, one of what to do.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Failure {
    /// The exit status.
    pub status: Status,
    /// What happened: where, and what was expected.
    pub message: String,
    /// What to do, when that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Failure {
    /// A failure with nothing to advise.
    pub fn new(status: Status, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), hint: None }
    }

    /// A failure told by an error and all its causes, in one line.
    pub fn caused(status: Status, error: &dyn std::error::Error) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            let text = inner.to_string();
            if !message.contains(&text) {
                message.push_str(": ");
                message.push_str(&text);
            }
            cause = inner.source();
        }
        Self::new(status, message)
    }

    /// The same failure with what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
