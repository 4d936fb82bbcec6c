//! Why a link ended, or never came up: joined from pppd's status, what it logged, and what was known before.

use std::fmt;

use crate::exit::{Failure, Status};

/// The end of a PPP link, by cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEnd {
    /// The kernel has no PPP.
    NoKernelPpp,
    /// pppd itself is not installed or cannot be started.
    NoPppd(String),
    /// pppd did not accept its options.
    Options(String),
    /// The provider did not take our name and secret.
    AuthenticationRefused,
    /// The caller did not prove who it is.
    PeerNotAuthenticated,
    /// The other side never spoke PPP.
    NoPpp,
    /// The two sides could not agree.
    NotNegotiated,
    /// The link is up, but the ip-up hook never told us.
    HookMissing,
    /// It took longer than allowed.
    TimedOut,
    /// The other side ended it.
    PeerEnded,
    /// The call was lost.
    CarrierLost,
    /// The other side stopped answering echoes.
    EchoLost,
    /// The line talks to itself.
    Loopback,
    /// We ended it.
    Stopped,
    /// pppd ended in a way that has no name here.
    Other {
        /// Its exit status, if it was not killed by a signal.
        status: Option<i32>,
    },
}

/// What pppd's log lines have told so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LogFacts {
    pub(super) address: bool,
    no_kernel: bool,
    lcp_timeout: bool,
    lcp_up: bool,
    echo_lost: bool,
    peer_terminated: bool,
    refused: bool,
    peer_refused: bool,
}

impl LogFacts {
    /// Takes in one line of pppd's log (2.4.9's words; 2.5 has the same).
    pub(super) fn handle_line(&mut self, line: &str) {
        let has = |words: &str| line.contains(words);
        self.address |= has("local  IP address");
        self.no_kernel |= has("lacks kernel support for PPP");
        self.lcp_timeout |= has("LCP: timeout sending Config-Requests");
        self.echo_lost |= has("No response to") && has("echo-requests");
        self.peer_terminated |= has("LCP terminated by peer");
        self.refused |= has("authentication failed") && !has("Peer");
        self.peer_refused |= has("failed CHAP authentication") || has("failed PAP authentication");
        self.lcp_up |= self.address || has("authentication succeeded") || has("authentication failed");
    }
}

/// Joins pppd's exit status, its log and our own knowledge into one cause. An LCP time-out and a lost echo both end
/// in status 16, so the log decides before the number does.
pub(super) fn classify(status: Option<i32>, facts: LogFacts, was_up: bool, stopped: bool, last_line: &str) -> LinkEnd {
    if stopped {
        return LinkEnd::Stopped;
    }
    if facts.no_kernel || status == Some(4) {
        return LinkEnd::NoKernelPpp;
    }
    if facts.refused || status == Some(19) {
        return LinkEnd::AuthenticationRefused;
    }
    if facts.peer_refused || status == Some(11) {
        return LinkEnd::PeerNotAuthenticated;
    }
    if !was_up && facts.lcp_timeout {
        return LinkEnd::NoPpp;
    }
    if facts.echo_lost {
        return LinkEnd::EchoLost;
    }
    if facts.peer_terminated {
        return LinkEnd::PeerEnded;
    }
    match status {
        Some(2) => LinkEnd::Options(last_line.to_owned()),
        Some(10) => LinkEnd::NotNegotiated,
        Some(16) => LinkEnd::CarrierLost,
        Some(17) => LinkEnd::Loopback,
        Some(0) => LinkEnd::PeerEnded,
        other => LinkEnd::Other { status: other },
    }
}

impl fmt::Display for LinkEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoKernelPpp => "this kernel has no PPP",
            Self::NoPppd(why) => return write!(f, "pppd cannot be started: {why}"),
            Self::Options(line) => return write!(f, "pppd did not accept its options: {line}"),
            Self::AuthenticationRefused => "the provider refused our name or secret",
            Self::PeerNotAuthenticated => "the caller did not give a name and secret that are known",
            Self::NoPpp => "the other side answered, but never spoke PPP",
            Self::NotNegotiated => "the two sides could not agree on a link",
            Self::HookMissing => "the link is up, but the ip-up hook never reported it",
            Self::TimedOut => "the link did not come up in time",
            Self::PeerEnded => "the other side ended the link",
            Self::CarrierLost => "the call was lost",
            Self::EchoLost => "the other side stopped answering",
            Self::Loopback => "the line talks to itself",
            Self::Stopped => "the link was taken down",
            Self::Other { status: Some(status) } => return write!(f, "pppd ended with status {status}"),
            Self::Other { status: None } => "pppd was killed",
        })
    }
}

impl From<&LinkEnd> for Failure {
    fn from(end: &LinkEnd) -> Self {
        let (status, hint) = match end {
            LinkEnd::NoKernelPpp => (Status::Missing, Some("load ppp_async, or run on a kernel that has it")),
            LinkEnd::NoPppd(_) => (Status::Missing, Some("install the package ppp")),
            LinkEnd::HookMissing => {
                (Status::Missing, Some("install ppp-scripts/ip-up and ip-down into /etc/ppp/ip-up.d and ip-down.d"))
            }
            LinkEnd::AuthenticationRefused => (Status::LinkRefused, Some("check isp.user and the file isp.secret")),
            LinkEnd::PeerNotAuthenticated => (Status::LinkRefused, Some("check /etc/ppp/chap-secrets")),
            LinkEnd::Options(_)
            | LinkEnd::NoPpp
            | LinkEnd::NotNegotiated
            | LinkEnd::TimedOut
            | LinkEnd::PeerEnded
            | LinkEnd::EchoLost
            | LinkEnd::Loopback
            | LinkEnd::Other { .. } => (Status::NoLink, None),
            LinkEnd::CarrierLost => (Status::NoCarrier, None),
            LinkEnd::Stopped => (Status::Interrupted, None),
        };
        let failure = Self::new(status, end.to_string());
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(lines: &[&str]) -> LogFacts {
        let mut facts = LogFacts::default();
        lines.iter().for_each(|line| facts.handle_line(line));
        facts
    }

    #[test]
    fn status_16_is_told_apart_by_the_log() {
        let silent = facts(&["LCP: timeout sending Config-Requests", "Connection terminated.", "Modem hangup"]);
        assert_eq!(classify(Some(16), silent, false, false, ""), LinkEnd::NoPpp);
        let dead =
            facts(&["No response to 3 echo-requests", "Serial link appears to be disconnected.", "Modem hangup"]);
        assert_eq!(classify(Some(16), dead, true, false, ""), LinkEnd::EchoLost);
        assert_eq!(classify(Some(16), facts(&["Modem hangup"]), true, false, ""), LinkEnd::CarrierLost);
    }

    #[test]
    fn a_refusal_is_laid_at_the_right_door() {
        let ours = facts(&["CHAP authentication failed: Access denied", "CHAP authentication failed"]);
        assert_eq!(classify(Some(19), ours, false, false, ""), LinkEnd::AuthenticationRefused);
        let theirs = facts(&["Peer home failed CHAP authentication"]);
        assert_eq!(classify(Some(11), theirs, false, false, ""), LinkEnd::PeerNotAuthenticated);
    }

    #[test]
    fn what_we_stopped_is_not_blamed_on_the_peer() {
        assert_eq!(classify(Some(5), facts(&["LCP terminated by peer"]), true, true, ""), LinkEnd::Stopped);
    }
}
