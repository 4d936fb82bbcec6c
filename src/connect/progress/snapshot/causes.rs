//! A failure for each variant of each typed cause that a client may meet: modem, line, call, pppd, handshake,
//! directory, and what is remembered.

use std::io::{Error, ErrorKind};
use std::path::PathBuf;

use domain::base::iana::Rcode;
use hayes::driver::DriverError;
use hayes::line::{LineError, NoAddress};
use hayes::modem::{Occupied, Outcome, Question};
use hayes::reply::Connect;
use hayes::telnet::com_port::NoComPort;

use super::{CallOver, host};
use crate::budget::{Cap, Fare, Left, Unpaid, View};
use crate::connect::call::{Called, cut_short, told};
use crate::connect::known::KnownError;
use crate::connect::road::not_kept;
use crate::dns::{Answer as Answered, QueryError};
use crate::exit::{Callee, Failure};
use crate::handshake::caller::Answer;
use crate::handshake::{Refusal, Verdict};
use crate::link::{CallFailure, LinkEnd};
use crate::record::{HostName, PublicKey};
use crate::samples::of_each;

pub(super) fn every_call_over() -> Vec<CallOver> {
    of_each! {
        CallOver::BrokeOff => [CallOver::BrokeOff],
        CallOver::Glare => [CallOver::Glare],
        CallOver::Busy => [CallOver::Busy],
        CallOver::Connected => [CallOver::Connected],
        CallOver::Delayed => [CallOver::Delayed],
        CallOver::Blacklisted => [CallOver::Blacklisted],
        CallOver::NoAnswer => [CallOver::NoAnswer],
        CallOver::NoCarrier => [CallOver::NoCarrier],
        CallOver::NoDialTone => [CallOver::NoDialTone],
        CallOver::RangOut => [CallOver::RangOut],
        CallOver::Refused => [CallOver::Refused],
        CallOver::Silent => [CallOver::Silent],
        CallOver::Voice => [CallOver::Voice],
    }
}

pub(super) fn every_refusal() -> Vec<Refusal> {
    of_each! {
        Refusal::Budget => [Refusal::Budget],
        Refusal::Busy => [Refusal::Busy],
        Refusal::Provider => [Refusal::Provider],
        Refusal::State => [Refusal::State],
        Refusal::Time => [Refusal::Time],
        Refusal::Tries => [Refusal::Tries],
        Refusal::Version => [Refusal::Version],
    }
}

/// All of them that are failures.
pub(super) fn every_failure() -> Vec<Failure> {
    [every_answered_call(), every_call_to_the_provider(), every_unpaid(), every_answer(), every_known()].concat()
}

/// What an answered call came to.
fn every_answered_call() -> Vec<Failure> {
    let mut answers = of_each! {
        Answer::BrokenOff => [Answer::BrokenOff],
        Answer::Denied => [Answer::Denied],
        Answer::Silent => [Answer::Silent],
        Answer::Told(_) => [Answer::Told(Verdict::Waking)],
    };
    answers.extend(every_refusal().into_iter().map(|refusal| Answer::Told(Verdict::Refused(refusal))));
    let host: HostName = host().parse().unwrap();
    let failures = answers.into_iter().filter_map(|answer| match told(answer, &host) {
        Err(failure) => Some(failure),
        Ok(Called::BrokeOff) => Some(crate::connect::broke_off(host.as_str())),
        Ok(Called::Told(_) | Called::Ended(_)) => None,
    });
    failures.map(|failure| failure.of_call_to(Callee::Host)).collect()
}

/// What a call to our provider came to: at the modem's line, on the telephone, and at pppd.
fn every_call_to_the_provider() -> Vec<Failure> {
    let link = |end| CallFailure::Link { end, said: None, log: Vec::new() };
    let mut failures = of_each! {
        CallFailure::NoLine => [CallFailure::NoLine],
        CallFailure::Line(_) => [CallFailure::Line(DriverError::Occupied(Occupied))],
        CallFailure::Call(_) => [CallFailure::Call(Outcome::Busy)],
        CallFailure::Link { .. } => [
            CallFailure::Link {
                end: LinkEnd::NoPpp,
                said: Some("account expired".to_owned()),
                log: vec!["Modem hangup".to_owned()],
            },
            CallFailure::Link {
                end: LinkEnd::AuthenticationRefused,
                said: Some("welcome".to_owned()),
                log: Vec::new(),
            },
            CallFailure::Link { end: LinkEnd::CarrierLost, said: Some("account expired".to_owned()), log: Vec::new() },
        ],
    };
    failures.extend(every_driver_error().into_iter().map(CallFailure::Line));
    failures.extend(every_outcome().into_iter().map(CallFailure::Call));
    failures.extend(every_link_end().into_iter().map(link));
    failures.iter().map(|failure| Failure::from(failure).of_call_to(Callee::Provider)).collect()
}

fn every_outcome() -> Vec<Outcome> {
    of_each! {
        Outcome::Connected(_) => [Outcome::Connected(Connect::from_text("33600"))],
        Outcome::RangOut => [Outcome::RangOut],
        Outcome::Busy => [Outcome::Busy],
        Outcome::NoAnswer => [Outcome::NoAnswer],
        Outcome::NoDialTone => [Outcome::NoDialTone],
        Outcome::NoCarrier => [Outcome::NoCarrier],
        Outcome::Voice => [Outcome::Voice],
        Outcome::Refused => [Outcome::Refused],
        Outcome::Delayed => [Outcome::Delayed],
        Outcome::Blacklisted => [Outcome::Blacklisted],
        Outcome::Glare => [Outcome::Glare],
        Outcome::Silent => [Outcome::Silent],
    }
}

fn every_driver_error() -> Vec<DriverError> {
    let mut errors = of_each! {
        DriverError::Line(_) => [DriverError::Line(LineError::Missing { path: tty() })],
        DriverError::Occupied(_) => [DriverError::Occupied(Occupied)],
        DriverError::NoQuestion(_) => [DriverError::NoQuestion("D555".parse::<Question>().unwrap_err())],
        DriverError::Silent { .. } => [DriverError::Silent { port: tty() }],
    };
    errors.extend(every_line_error().into_iter().map(DriverError::Line));
    errors
}

fn every_line_error() -> Vec<LineError> {
    let (path, server) = (tty(), PathBuf::from("tcp://console.example:2217"));
    of_each! {
        LineError::Missing { .. } => [LineError::Missing { path: path.clone() }],
        LineError::Busy { .. } => [
            LineError::Busy { path: path.clone(), holder: Some(NOBODY) },
            LineError::Busy { path: path.clone(), holder: None },
        ],
        LineError::Attended { .. } => [LineError::Attended { path: path.clone(), holder: Some(NOBODY) }],
        LineError::Denied { .. } => [LineError::Denied { path: path.clone() }],
        LineError::NotATty { .. } => [LineError::NotATty { path: path.clone() }],
        LineError::Gone { .. } => [LineError::Gone { path: path.clone() }, LineError::Gone { path: server.clone() }],
        LineError::NoAddress { .. } => [LineError::NoAddress { path: "ftp://modem".into(), source: NoAddress }],
        LineError::Unreachable { .. } => [
            LineError::Unreachable { path: server.clone(), source: ErrorKind::ConnectionRefused.into() },
        ],
        LineError::NoComPort { .. } => [LineError::NoComPort { path: server.clone(), source: NoComPort::NotTelnet }],
        LineError::Io { .. } => [LineError::Io { path: path.clone(), source: ErrorKind::InvalidInput.into() }],
    }
}

/// More than any kernel counts processes to (proc(5), pid_max): a real one would be told by its name.
const NOBODY: u32 = 4_999_999;

fn tty() -> PathBuf {
    "/dev/ttyUSB0".into()
}

fn every_link_end() -> Vec<LinkEnd> {
    let said = |line: &str| line.to_owned();
    of_each! {
        LinkEnd::NoKernelPpp => [LinkEnd::NoKernelPpp],
        LinkEnd::NoRights => [LinkEnd::NoRights],
        LinkEnd::NoPppd(_) => [LinkEnd::NoPppd(said("No such file or directory"))],
        LinkEnd::Options(_) => [LinkEnd::Options(said("unrecognized option 'noauht'"))],
        LinkEnd::LineLocked(_) => [LinkEnd::LineLocked(said("Device ttyUSB0 is locked by pid 4711"))],
        LinkEnd::NoPort(_) => [
            LinkEnd::NoPort(said("Failed to open /dev/ttyUSB0: No such file or directory")),
        ],
        LinkEnd::ScriptFailed(_) => [LinkEnd::ScriptFailed(said("Connect script failed"))],
        LinkEnd::NotAttached => [LinkEnd::NotAttached],
        LinkEnd::AuthenticationRefused => [LinkEnd::AuthenticationRefused],
        LinkEnd::NoCommonAuthentication => [LinkEnd::NoCommonAuthentication],
        LinkEnd::PeerNotAuthenticated => [LinkEnd::PeerNotAuthenticated],
        LinkEnd::NoPpp => [LinkEnd::NoPpp],
        LinkEnd::NotNegotiated => [LinkEnd::NotNegotiated],
        LinkEnd::NoAddress => [LinkEnd::NoAddress],
        LinkEnd::HookMissing => [LinkEnd::HookMissing],
        LinkEnd::TimedOut => [LinkEnd::TimedOut],
        LinkEnd::PeerEnded => [LinkEnd::PeerEnded],
        LinkEnd::CarrierLost => [LinkEnd::CarrierLost],
        LinkEnd::EchoLost => [LinkEnd::EchoLost],
        LinkEnd::Loopback => [LinkEnd::Loopback],
        LinkEnd::Idle => [LinkEnd::Idle],
        LinkEnd::Limit => [LinkEnd::Limit],
        LinkEnd::Stopped => [LinkEnd::Stopped],
        LinkEnd::EndedByOthers => [LinkEnd::EndedByOthers],
        LinkEnd::Killed => [LinkEnd::Killed],
        LinkEnd::Other { .. } => [LinkEnd::Other { status: 127, said: said("Cannot determine ethernet address") }],
    }
}

/// A call that this machine's own budget does not allow, or ends.
fn every_unpaid() -> Vec<Failure> {
    let (spent, month) = (Left { used: 3, cap: Some(3) }, Left { used: 61, cap: Some(60) });
    let view = View {
        calls_today: spent,
        calls_this_month: spent,
        minutes_today: spent,
        minutes_this_month: month,
        clock_behind: 0,
    };
    let unpaid = |cap, fare| Unpaid { cap, fare, view, trouble: None };
    let trouble = Some("/var/lib/ringup/client-budget: Read-only file system (os error 30)".to_owned());
    let caps = of_each! {
        Cap::CallsADay => [Cap::CallsADay],
        Cap::MinutesADay => [Cap::MinutesADay],
        Cap::CallsAMonth => [Cap::CallsAMonth],
        Cap::MinutesAMonth => [Cap::MinutesAMonth],
        Cap::NotKept => [Cap::NotKept],
    };
    let mut failures: Vec<Failure> = caps.iter().map(|cap| Failure::from(&unpaid(*cap, Fare::Talk))).collect();
    failures.push(Failure::from(&unpaid(Cap::CallsADay, Fare::Rings(2))));
    failures.push(Failure::from(&Unpaid { trouble, ..unpaid(Cap::NotKept, Fare::Rings(1)) }));
    failures.push(cut_short(&unpaid(Cap::MinutesAMonth, Fare::Talk)));
    failures.into_iter().map(|failure| failure.of_call_to(Callee::Host)).collect()
}

/// What the directory's answer may be.
fn every_answer() -> Vec<Failure> {
    let name: HostName = host().parse().unwrap();
    let servers = "198.51.100.53:53 or 203.0.113.53:53".to_owned();
    let errors = of_each! {
        QueryError::Unreachable { .. } => [
            QueryError::Unreachable { servers: "198.51.100.53:53".to_owned(), source: None },
            QueryError::Unreachable { servers, source: Some(ErrorKind::ConnectionRefused.into()) },
        ],
        QueryError::Refused(_) => [QueryError::Refused(Rcode::REFUSED), QueryError::Refused(Rcode::SERVFAIL)],
        QueryError::Garbled => [QueryError::Garbled],
    };
    let mut failures: Vec<Failure> = errors.iter().map(Failure::from).collect();
    failures.extend(crate::connect::known(Answered { record: None, host_exists: false }, &name).err());
    failures.push(crate::connect::uncertified(&name, &["203.0.113.10".parse().unwrap()]));
    failures.push(crate::connect::interrupted());
    failures
}

/// What is remembered, and cannot be read or kept.
fn every_known() -> Vec<Failure> {
    let path = PathBuf::from("/var/lib/ringup/known/home.dyn.example");
    let denied = || Error::from(ErrorKind::PermissionDenied);
    let [known, shown] = [[7; 32], [8; 32]].map(PublicKey::from_bytes);
    let errors = of_each! {
        KnownError::Unreadable { .. } => [KnownError::Unreadable { path: path.clone(), source: denied() }],
        KnownError::Damaged { .. } => [KnownError::Damaged { path: path.clone() }],
        KnownError::AnotherKey { .. } => [KnownError::AnotherKey { host: host().parse().unwrap(), known, shown }],
        KnownError::Unwritable { .. } => [KnownError::Unwritable { path: path.clone(), source: denied() }],
    };
    errors.iter().map(not_kept).collect()
}
