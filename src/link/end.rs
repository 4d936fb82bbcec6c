//! Why a link ended, or never came up: joined from pppd's status, what it logged, and what was known before; and what is
//! to be done next.

use std::fmt;

use super::log::LogFacts;
use crate::exit::{Failure, Status};

/// The end of a PPP link, by cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEnd {
    /// The kernel has no PPP.
    NoKernelPpp,
    /// The kernel has PPP, but we may not use it.
    NoRights,
    /// pppd itself is not installed or cannot be started.
    NoPppd(String),
    /// pppd did not accept its options.
    Options(String),
    /// Another program has the line that pppd was to take.
    LineLocked(String),
    /// The tty that pppd was to take cannot be had.
    NoPort(String),
    /// The peers file's own script for dialling or setting the modem up failed.
    ScriptFailed(String),
    /// The kernel does not attach the line to PPP.
    NotAttached,
    /// The provider did not take our name and secret.
    AuthenticationRefused,
    /// The provider asks for a kind of authentication that we do not give.
    NoCommonAuthentication,
    /// The caller did not prove who it is.
    PeerNotAuthenticated,
    /// The other side never spoke PPP.
    NoPpp,
    /// The two sides could not agree.
    NotNegotiated,
    /// The other side has no address for us.
    NoAddress,
    /// The link is up, but neither pppd's log nor the ip-up hook told us its addresses.
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
    /// pppd's own options say that it was idle for long enough.
    Idle,
    /// pppd's own options allow no longer or no more.
    Limit,
    /// We ended it.
    Stopped,
    /// Somebody else told pppd to end.
    EndedByOthers,
    /// Somebody killed pppd.
    Killed,
    /// pppd failed in a way that has no name here.
    Other {
        /// Its exit status.
        status: i32,
        /// Its last word.
        said: String,
    },
}

/// What to do once a link has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Dial again after a while, if the link is still wanted: it may well work then.
    Redial,
    /// Do not dial again before a person has mended something: more calls would cost money, or lock an account.
    Stop,
    /// It ended as it was meant to: back to sleep.
    Sleep,
}

/// What the kernel says of /dev/ppp, where pppd says only that it has no PPP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KernelPpp {
    There,
    Forbidden,
    Missing,
}

impl LinkEnd {
    /// What to do next.
    #[must_use]
    pub fn next(&self) -> Next {
        match self {
            Self::NoKernelPpp
            | Self::NoRights
            | Self::NoPppd(_)
            | Self::Options(_)
            | Self::NoPort(_)
            | Self::AuthenticationRefused
            | Self::NoCommonAuthentication
            | Self::PeerNotAuthenticated
            | Self::HookMissing => Next::Stop,
            Self::LineLocked(_)
            | Self::ScriptFailed(_)
            | Self::NotAttached
            | Self::NoPpp
            | Self::NotNegotiated
            | Self::NoAddress
            | Self::TimedOut
            | Self::PeerEnded
            | Self::CarrierLost
            | Self::EchoLost
            | Self::Loopback
            | Self::Killed
            | Self::Other { .. } => Next::Redial,
            Self::Idle | Self::Limit | Self::Stopped | Self::EndedByOthers => Next::Sleep,
        }
    }
}

/// Joins pppd's exit status, its log and our own knowledge into one cause. An LCP time-out and a lost echo both end in
/// status 16, so the log decides before the number does.
pub(super) fn classify(
    status: Option<i32>,
    facts: &LogFacts,
    was_up: bool,
    stopped: bool,
    kernel: impl FnOnce() -> KernelPpp,
) -> LinkEnd {
    if stopped {
        return LinkEnd::Stopped;
    }
    let said = || facts.last_line.clone();
    if facts.no_kernel || status == Some(4) {
        return if kernel() == KernelPpp::Forbidden { LinkEnd::NoRights } else { LinkEnd::NoKernelPpp };
    }
    if facts.refused || status == Some(19) {
        return LinkEnd::AuthenticationRefused;
    }
    if facts.peer_refused || status == Some(11) {
        return LinkEnd::PeerNotAuthenticated;
    }
    if facts.no_common_authentication {
        return LinkEnd::NoCommonAuthentication;
    }
    if facts.loopback || status == Some(17) {
        return LinkEnd::Loopback;
    }
    if !was_up && facts.lcp_timeout {
        return LinkEnd::NoPpp;
    }
    if !was_up && facts.no_address {
        return LinkEnd::NoAddress;
    }
    if !was_up && facts.ipcp_timeout {
        return LinkEnd::NotNegotiated;
    }
    if facts.echo_lost || status == Some(15) {
        return LinkEnd::EchoLost;
    }
    if facts.idle || status == Some(12) {
        return LinkEnd::Idle;
    }
    if facts.time_limit || matches!(status, Some(13 | 20)) {
        return LinkEnd::Limit;
    }
    if facts.peer_terminated {
        return LinkEnd::PeerEnded;
    }
    match status {
        Some(0) => LinkEnd::PeerEnded,
        Some(1) if facts.not_attached => LinkEnd::NotAttached,
        // A tty that is not there is an option that is wrong, to pppd.
        Some(2) if facts.last_line.contains("No such file or directory") => LinkEnd::NoPort(said()),
        Some(2) => LinkEnd::Options(said()),
        Some(3) => LinkEnd::NoRights,
        Some(5) => LinkEnd::EndedByOthers,
        Some(6) => LinkEnd::LineLocked(said()),
        Some(7) => LinkEnd::NoPort(said()),
        Some(8 | 9 | 14 | 18) => LinkEnd::ScriptFailed(said()),
        Some(10) => LinkEnd::NotNegotiated,
        Some(16) => LinkEnd::CarrierLost,
        Some(status) => LinkEnd::Other { status, said: said() },
        None => LinkEnd::Killed,
    }
}

impl fmt::Display for LinkEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoKernelPpp => "this kernel has no PPP",
            Self::NoRights => "this process may not use the kernel's PPP",
            Self::NoPppd(why) => return write!(f, "pppd cannot be started: {why}"),
            Self::Options(line) => return write!(f, "pppd did not accept its options: {line}"),
            Self::LineLocked(line) => return write!(f, "another program has pppd's line: {line}"),
            Self::NoPort(line) => return write!(f, "pppd cannot open its line: {line}"),
            Self::ScriptFailed(line) => return write!(f, "a script of the peers file failed: {line}"),
            Self::NotAttached => "the kernel does not attach the line to PPP",
            Self::AuthenticationRefused => "the provider refused our name or secret",
            Self::NoCommonAuthentication => "the provider asks for an authentication that is not allowed here",
            Self::PeerNotAuthenticated => "the caller did not give a name and secret that are known",
            Self::NoPpp => "the other side answered, but never spoke PPP",
            Self::NotNegotiated => "the two sides could not agree on a link",
            Self::NoAddress => "the other side lends no address",
            Self::HookMissing => "the link is up, but the ip-up hook never reported it",
            Self::TimedOut => "the link did not come up in time",
            Self::PeerEnded => "the other side ended the link",
            Self::CarrierLost => "the call was lost",
            Self::EchoLost => "the other side stopped answering",
            Self::Loopback => "the line talks to itself",
            Self::Idle => "pppd's own idle limit has ended the link",
            Self::Limit => "pppd's own limit of time or traffic has ended the link",
            Self::Stopped => "the link was taken down",
            Self::EndedByOthers => "somebody else told pppd to end the link",
            Self::Killed => "pppd was killed",
            Self::Other { status, said } => return write!(f, "pppd ended with status {status}: {said}"),
        })
    }
}

impl From<&LinkEnd> for Failure {
    fn from(end: &LinkEnd) -> Self {
        let (status, hint) = match end {
            LinkEnd::NoKernelPpp => (Status::Missing, Some("load ppp_async, or run on a kernel that has it")),
            LinkEnd::NoRights => (Status::Missing, Some("run ringup as root, or with CAP_NET_ADMIN as root")),
            LinkEnd::NoPppd(_) => (Status::Missing, Some("install the package ppp")),
            LinkEnd::HookMissing => {
                (Status::Missing, Some("install ppp-scripts/ip-up and ip-down into /etc/ppp/ip-up.d and ip-down.d"))
            }
            LinkEnd::AuthenticationRefused => (Status::LinkRefused, Some("check isp.user and the file isp.secret")),
            LinkEnd::NoCommonAuthentication => {
                (Status::LinkRefused, Some("ask the provider which it needs, and name it in isp.auth"))
            }
            LinkEnd::PeerNotAuthenticated => (Status::LinkRefused, Some("check /etc/ppp/chap-secrets")),
            LinkEnd::Options(_) => (Status::NoLink, Some("check isp.options, or the peers file")),
            LinkEnd::LineLocked(_) => (Status::PortBusy, Some("wait until it is done; see /run/lock")),
            LinkEnd::NoPort(_) => (Status::NoPort, Some("is the modem plugged in? check the peers file")),
            LinkEnd::ScriptFailed(_) => (Status::NoCarrier, Some("run `pppd call PEER nodetach debug` to see why")),
            LinkEnd::NotAttached => (Status::NoLink, Some("does another pppd have the line? see `fuser` of its tty")),
            LinkEnd::NoPpp => (Status::NoLink, Some("is it really the provider's number? call it and listen")),
            LinkEnd::NotNegotiated => (Status::NoLink, Some("add \"debug\" to isp.options, and read the log")),
            LinkEnd::NoAddress => (Status::NoLink, Some("the provider may be full; or give yours in isp.options")),
            LinkEnd::Loopback => (Status::NoLink, Some("the modem echoes: is it in data mode, is a plug on the line?")),
            LinkEnd::Killed => (Status::NoLink, Some("see the system's log for who killed it: out of memory?")),
            LinkEnd::TimedOut
            | LinkEnd::PeerEnded
            | LinkEnd::EchoLost
            | LinkEnd::Idle
            | LinkEnd::Limit
            | LinkEnd::EndedByOthers
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

    fn end(status: Option<i32>, lines: &[&str], was_up: bool) -> LinkEnd {
        let mut facts = LogFacts::default();
        lines.iter().for_each(|line| drop(facts.handle_line(line)));
        classify(status, &facts, was_up, false, || KernelPpp::Missing)
    }

    #[test]
    fn status_16_is_told_apart_by_the_log() {
        let silent = ["LCP: timeout sending Config-Requests", "Connection terminated.", "Modem hangup"];
        assert_eq!(end(Some(16), &silent, false), LinkEnd::NoPpp);
        let dead = ["No response to 3 echo-requests", "Serial link appears to be disconnected.", "Modem hangup"];
        assert_eq!(end(Some(16), &dead, true), LinkEnd::EchoLost);
        assert_eq!(end(Some(16), &["Modem hangup"], true), LinkEnd::CarrierLost);
    }

    #[test]
    fn a_refusal_is_laid_at_the_right_door() {
        let ours = ["CHAP authentication failed: Access denied", "CHAP authentication failed"];
        assert_eq!(end(Some(19), &ours, false), LinkEnd::AuthenticationRefused);
        assert_eq!(end(Some(11), &["Peer home failed CHAP authentication"], false), LinkEnd::PeerNotAuthenticated);
        // pppd ends in 16 when the provider hangs up on the refusal sooner than pppd does.
        assert_eq!(
            end(Some(16), &["PAP authentication failed", "Modem hangup"], false),
            LinkEnd::AuthenticationRefused
        );
    }

    #[test]
    fn a_provider_that_wants_what_we_refuse_is_not_taken_for_a_caller_that_refuses_us() {
        let ours = ["LCP terminated by peer (peer refused to authenticate)", "Connection terminated."];
        assert_eq!(end(Some(16), &ours, false), LinkEnd::NoCommonAuthentication);
        let theirs = ["peer refused to authenticate: terminating link"];
        assert_eq!(end(Some(11), &theirs, false), LinkEnd::PeerNotAuthenticated);
    }

    #[test]
    fn what_we_stopped_is_not_blamed_on_the_peer_and_a_strangers_signal_not_on_us() {
        let mut facts = LogFacts::default();
        facts.handle_line("LCP terminated by peer");
        assert_eq!(classify(Some(5), &facts, true, true, || KernelPpp::There), LinkEnd::Stopped);
        assert_eq!(end(Some(5), &["Terminating on signal 15"], true), LinkEnd::EndedByOthers);
        assert_eq!(end(None, &[], true), LinkEnd::Killed);
    }

    #[test]
    fn status_4_without_rights_is_not_called_a_kernel_without_ppp() {
        let forbidden = classify(Some(4), &LogFacts::default(), false, false, || KernelPpp::Forbidden);
        assert_eq!(forbidden, LinkEnd::NoRights);
        assert_eq!(end(Some(4), &["Sorry - this system lacks PPP kernel support"], false), LinkEnd::NoKernelPpp);
    }

    #[test]
    fn every_status_of_the_manual_has_its_cause() {
        let said = String::new;
        let locked = "Device ttyS0 is locked by pid 12";
        let causes = [
            (0, LinkEnd::PeerEnded),
            (2, LinkEnd::Options(said())),
            (3, LinkEnd::NoRights),
            (5, LinkEnd::EndedByOthers),
            (6, LinkEnd::LineLocked(said())),
            (7, LinkEnd::NoPort(said())),
            (8, LinkEnd::ScriptFailed(said())),
            (9, LinkEnd::ScriptFailed(said())),
            (10, LinkEnd::NotNegotiated),
            (11, LinkEnd::PeerNotAuthenticated),
            (12, LinkEnd::Idle),
            (13, LinkEnd::Limit),
            (14, LinkEnd::ScriptFailed(said())),
            (15, LinkEnd::EchoLost),
            (16, LinkEnd::CarrierLost),
            (17, LinkEnd::Loopback),
            (18, LinkEnd::ScriptFailed(said())),
            (19, LinkEnd::AuthenticationRefused),
            (20, LinkEnd::Limit),
            (1, LinkEnd::Other { status: 1, said: said() }),
        ];
        for (status, cause) in causes {
            assert_eq!(end(Some(status), &[], false), cause, "status {status}");
        }
        assert_eq!(end(Some(6), &[locked], false), LinkEnd::LineLocked(locked.to_owned()));
        assert_eq!(end(Some(1), &["Couldn't attach to PPP unit 0: Invalid argument"], false), LinkEnd::NotAttached);
        let missing = "Couldn't stat /dev/ttyUSB0: No such file or directory";
        assert_eq!(end(Some(2), &[missing], false), LinkEnd::NoPort(missing.to_owned()));
    }

    #[test]
    fn nobody_hammers_a_provider_that_refuses_us_and_an_end_that_was_wanted_is_left_alone() {
        assert_eq!(LinkEnd::AuthenticationRefused.next(), Next::Stop);
        assert_eq!(LinkEnd::PeerNotAuthenticated.next(), Next::Stop);
        assert_eq!(LinkEnd::Idle.next(), Next::Sleep);
        assert_eq!(LinkEnd::EndedByOthers.next(), Next::Sleep);
        for lost in [LinkEnd::CarrierLost, LinkEnd::EchoLost, LinkEnd::PeerEnded, LinkEnd::Killed] {
            assert_eq!(lost.next(), Next::Redial, "{lost}");
        }
    }
}
