//! Every way in which ringup ends, and the one map from causes to exit statuses.

use std::fmt;

/// The exit statuses, grouped: 1–2 as everywhere, 64–69 what the owner must mend, 70–79 the line, 80–89 the link,
/// 90–109 the directory and the host, from 124 on as shells and timeout(1) have it. docs/outcomes.md is their table.
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
    /// 67: a program, kernel feature, hook or pin that is needed is not there.
    Missing,
    /// 68: no daemon runs that could be asked.
    NotRunning,
    /// 70: the modem's port is not there, or cannot be used.
    NoPort,
    /// 71: somebody else has the line.
    PortBusy,
    /// 72: the modem says nothing.
    ModemSilent,
    /// 73: there is no dial tone.
    NoDialTone,
    /// 74: the called number is busy.
    Busy,
    /// 75: nobody answered.
    NoAnswer,
    /// 76: the call was lost, or never came about.
    NoCarrier,
    /// 77: the modem refuses to dial the number for now.
    Blacklisted,
    /// 78: this machine's own budget allows no more calls.
    Budget,
    /// 80: the call stood, but no PPP link came about.
    NoLink,
    /// 81: the provider did not take our name and secret.
    LinkRefused,
    /// 90: no directory could be reached.
    DirectoryUnreachable,
    /// 91: the directory refused, or answered what cannot be read.
    DirectoryRefused,
    /// 92: the directory does not know the host.
    UnknownHost,
    /// 93: the host was rung, but no newer record came.
    NotRegistered,
    /// 94: the record is not signed by the host's key.
    WrongIdentity,
    /// 95: the host is asleep, and has no number to ring.
    Asleep,
    /// 96: the host answered the call, and refused to wake, or to let us wake it.
    WakeRefused,
    /// 97: whoever answered the call did not speak as a host does, or broke off.
    NoHandshake,
    /// 98: another machine is at the host's address.
    Impostor,
    /// 99: the host is registered, but nothing answers at its address.
    Unreachable,
    /// 100: the directory has an older record than was seen before.
    RolledBack,
    /// 101: the host's address cannot be reached from outside its own network.
    BehindNat,
    /// 102: the record's lease is over, and the host is not where it was.
    Stale,
    /// 124: it took longer than --timeout allows.
    TimedOut,
    /// 126: the command to run is there, and may not be executed.
    NotExecutable,
    /// 127: the command to run is not there.
    NoCommand,
    /// 130: it was interrupted.
    Interrupted,
}

impl Status {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 34] = [
        Self::Internal,
        Self::Configuration,
        Self::Secret,
        Self::UnknownSite,
        Self::Missing,
        Self::NotRunning,
        Self::NoPort,
        Self::PortBusy,
        Self::ModemSilent,
        Self::NoDialTone,
        Self::Busy,
        Self::NoAnswer,
        Self::NoCarrier,
        Self::Blacklisted,
        Self::Budget,
        Self::NoLink,
        Self::LinkRefused,
        Self::DirectoryUnreachable,
        Self::DirectoryRefused,
        Self::UnknownHost,
        Self::NotRegistered,
        Self::WrongIdentity,
        Self::Asleep,
        Self::WakeRefused,
        Self::NoHandshake,
        Self::Impostor,
        Self::Unreachable,
        Self::RolledBack,
        Self::BehindNat,
        Self::Stale,
        Self::TimedOut,
        Self::NotExecutable,
        Self::NoCommand,
        Self::Interrupted,
    ];

    /// The process's exit status.
    #[must_use]
    pub fn code(self) -> u8 {
        self.row().0
    }

    /// The cause in one word, for programs.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// The cause in a few words.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        self.row().2
    }

    /// What to do where the failure itself knows nothing better.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        self.row().3
    }

    /// Number, name, meaning, remedy.
    fn row(self) -> (u8, &'static str, &'static str, &'static str) {
        match self {
            Self::Internal => (
                1,
                "internal",
                "something broke that has no better name",
                "the log tells more with -v; report it if it comes again",
            ),
            Self::Configuration => (
                64,
                "configuration",
                "the configuration is wrong",
                "`ringup check` says what is expected; docs/examples has annotated files",
            ),
            Self::Secret => (
                65,
                "secret",
                "a secret is missing, empty, open to others, or not what it should be",
                "each secret is a file of its own, mode 0600; the message names it",
            ),
            Self::UnknownSite => {
                (66, "unknown-site", "no site of that name is configured", "give it a section in [sites]")
            }
            Self::Missing => (
                67,
                "missing",
                "a program, kernel feature, hook or pin that is needed is not there",
                "install it; the message names it",
            ),
            Self::NotRunning => (68, "not-running", "no daemon runs that could be asked", "start ringup listen"),
            Self::NoPort => (
                70,
                "no-port",
                "the modem's port is not there, or cannot be used",
                "`ringup modem list` shows the ports that are there",
            ),
            Self::PortBusy => {
                (71, "port-busy", "somebody else has the line", "wait until it is free; the message names who has it")
            }
            Self::ModemSilent => {
                (72, "modem-silent", "the modem says nothing", "switch it off and on; `ringup modem probe` tells more")
            }
            Self::NoDialTone => (
                73,
                "no-dial-tone",
                "there is no dial tone",
                "check the cable to the wall, and whether the line is in use",
            ),
            Self::Busy => {
                (74, "busy", "the called number is busy", "try again later; ringup has asked the directory meanwhile")
            }
            Self::NoAnswer => (75, "no-answer", "nobody answered", "is the number right, and the host's modem on?"),
            Self::NoCarrier => (
                76,
                "no-carrier",
                "the call was lost, or never came about",
                "check the number; call it by hand, and listen",
            ),
            Self::Blacklisted => (
                77,
                "blacklisted",
                "the modem refuses to dial the number for now",
                "wait some minutes, or switch the modem off and on",
            ),
            Self::Budget => (
                78,
                "budget",
                "what this machine may spend on calls of its own is spent, or cannot be counted",
                "`ringup status` shows what is spent, and [connect.budget] allows it; it is counted anew each day and month",
            ),
            Self::NoLink => (
                80,
                "no-link",
                "the call stood, but no PPP link came about",
                "the log in runtime-directory tells more; add \"debug\" to isp.options",
            ),
            Self::LinkRefused => (
                81,
                "link-refused",
                "the provider did not take our name and secret",
                "check isp.user and the file isp.secret",
            ),
            Self::DirectoryUnreachable => (
                90,
                "directory-unreachable",
                "no directory could be reached",
                "check directory-servers, and the way to them",
            ),
            Self::DirectoryRefused => (
                91,
                "directory-refused",
                "the directory refused, or answered what cannot be read",
                "the directory's log tells why",
            ),
            Self::UnknownHost => (
                92,
                "unknown-host",
                "the directory does not know the host",
                "check the name; on the directory, a host must be bound to a key",
            ),
            Self::NotRegistered => (
                93,
                "not-registered",
                "the host was rung, but no newer record came",
                "`ringup journal` on the host tells whether it heard the ring, and how far it came",
            ),
            Self::WrongIdentity => (
                94,
                "wrong-identity",
                "the record is not signed by the host's key",
                "nothing was sent; if the host has a new key: ringup trust HOST KEY",
            ),
            Self::Asleep => (
                95,
                "asleep",
                "the host is asleep, and has no number to ring",
                "give it one with `number` in its [sites] section",
            ),
            Self::WakeRefused => (
                96,
                "wake-refused",
                "the host answered the call, and refused to wake, or to let us wake it",
                "the message has its words; its owner decides",
            ),
            Self::NoHandshake => (
                97,
                "no-handshake",
                "whoever answered the call did not speak as a host does, or broke off",
                "is it the right number? does a rule there say do = \"answer\"?",
            ),
            Self::Impostor => (
                98,
                "impostor",
                "another machine is at the host's address",
                "nothing was sent to it; the host is found again once it registers",
            ),
            Self::Unreachable => (
                99,
                "unreachable",
                "the host is registered, but nothing answers at its address",
                "try again in a minute; is its UDP port for proofs filtered on the way?",
            ),
            Self::RolledBack => (
                100,
                "rolled-back",
                "the directory has an older record than was seen before",
                "nothing was sent; was the directory restored from a backup?",
            ),
            Self::BehindNat => (
                101,
                "behind-nat",
                "the host's address cannot be reached from outside its own network",
                "a public address, IPv6, or a tunnel from the host (ssh -R) helps",
            ),
            Self::Stale => (
                102,
                "stale",
                "the record's lease is over, and the host is not where it was",
                "is the host on, and can it reach the directory?",
            ),
            Self::TimedOut => (
                124,
                "timed-out",
                "it took longer than --timeout allows",
                "allow more; a wake takes half a minute, with one line a minute",
            ),
            Self::NotExecutable => (
                126,
                "not-executable",
                "the command to run is there, and may not be executed",
                "the host is online; is the command after -- a program, and executable?",
            ),
            Self::NoCommand => {
                (127, "no-command", "the command to run is not there", "the host is online; check the command after --")
            }
            Self::Interrupted => (130, "interrupted", "it was interrupted", "nothing is left behind; run it again"),
        }
    }
}

/// Whose call it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Callee {
    /// The host, to be woken.
    Host,
    /// Our own provider.
    Provider,
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
    /// Who was called, where it was a call that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callee: Option<Callee>,
    /// What modem, pppd, directory and host have said on the way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
}

impl Failure {
    /// A failure with nothing to advise.
    pub fn new(status: Status, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), hint: None, callee: None, evidence: Vec::new() }
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

    /// The same failure, of a call to this one.
    #[must_use]
    pub fn of_call_to(mut self, callee: Callee) -> Self {
        self.callee = Some(callee);
        self
    }

    /// The same failure with what was heard before it, ahead of what it tells itself.
    #[must_use]
    pub fn heard_before(mut self, mut heard: Vec<String>) -> Self {
        heard.append(&mut self.evidence);
        self.evidence = heard;
        self
    }

    /// What a person is told: what happened, what to do, and what was seen if that is asked for.
    #[must_use]
    pub fn told(&self, with_evidence: bool) -> String {
        let mut told = format!("ringup: {self}\nhint: {}\n", self.advice());
        for heard in self.evidence.iter().filter(|_heard| with_evidence) {
            told.push_str("  seen: ");
            told.push_str(heard);
            told.push('\n');
        }
        told
    }

    /// What to do.
    #[must_use]
    pub fn advice(&self) -> &str {
        self.hint.as_deref().unwrap_or_else(|| self.status.remedy())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_a_number_and_a_name_of_its_own_and_names_are_what_programs_read() {
        for (index, status) in Status::ALL.into_iter().enumerate() {
            let name = serde_json::to_string(&status).unwrap();
            assert_eq!(name, format!("\"{}\"", status.name()));
            let rest = &Status::ALL[index + 1..];
            assert!(rest.iter().all(|other| other.code() > status.code()), "{name} is out of order, or double");
        }
    }

    #[test]
    fn a_failure_without_advice_of_its_own_has_that_of_its_status() {
        let plain = Failure::new(Status::Busy, "home is busy");
        assert_eq!(plain.advice(), Status::Busy.remedy());
        assert_eq!(plain.hint("call tomorrow").advice(), "call tomorrow");
    }

    #[test]
    fn what_was_heard_before_stands_before_what_a_failure_brings_and_is_told_when_asked_for() {
        let heard = |text: &str| vec![text.to_owned()];
        let failure =
            Failure::new(Status::NoLink, "no link").heard_before(heard("pppd: died")).heard_before(heard("RING"));
        assert_eq!(failure.evidence, ["RING", "pppd: died"]);
        let remedy = Status::NoLink.remedy();
        assert_eq!(failure.told(false), format!("ringup: no link\nhint: {remedy}\n"));
        assert_eq!(failure.told(true), format!("ringup: no link\nhint: {remedy}\n  seen: RING\n  seen: pppd: died\n"));
    }
}
