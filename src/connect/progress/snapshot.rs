//! Every step and every verdict as it is told: in words for people, as JSON for programs. A change of either shows in
//! `snapshot.txt` beside this file; RINGUP_BLESS=1 writes it anew.

use domain::base::iana::Rcode;
use hayes::modem::Outcome;

use super::{CallOver, Event};
use crate::budget::{Cap, Fare, Left, Unpaid, View};
use crate::connect::attempt::{every_failure, every_note};
use crate::connect::call::told;
use crate::connect::command::every_command;
use crate::connect::known::KnownError;
use crate::connect::road::not_kept;
use crate::dns::QueryError;
use crate::exit::{Callee, Failure, Status};
use crate::handshake::caller::Answer;
use crate::handshake::{Refusal, Verdict};
use crate::link::{CallFailure, LinkEnd};
use crate::record::{HostName, PublicKey};

fn host() -> String {
    "home.dyn.example".to_owned()
}

/// One of each kind, and each in its variants.
fn every_event() -> Vec<Event> {
    let (v4, v6) = ("203.0.113.10".parse().unwrap(), "2001:db8::10".parse().unwrap());
    let mut events = vec![
        Event::Asking { host: host() },
        Event::OwnLinkDialling,
        Event::OwnLinkPausing { why: "the provider is busy".to_owned(), pause_ms: 5000 },
        Event::OwnLinkUp { interface: "ppp0".to_owned(), address: v4 },
        Event::OwnLinkDown,
        Event::Asleep { host: host(), seq: 7 },
        Event::NeverRegistered { host: host() },
        Event::Ringing { host: host() },
        Event::CallOver { host: host(), outcome: CallOver::RangOut },
        Event::CallOver { host: host(), outcome: CallOver::NoCarrier },
        Event::Told { host: host(), words: "waking: hang up now, it comes online by itself".to_owned() },
        Event::Waiting { host: host(), after: Some(7) },
        Event::Waiting { host: host(), after: None },
        Event::Proving { host: host(), addresses: vec![v6, v4], tunnel: None },
        Event::Proving { host: host(), addresses: vec![v4], tunnel: Some((v6, 2222).into()) },
        Event::AskingAll { host: host(), than: 7 },
        Event::FirstUse { host: host(), key: "ed25519:…".to_owned() },
        Event::Queued { host: host() },
        Event::Online { host: host(), seq: 8, address: v6, port: None, addresses: vec![v4, v6] },
        Event::Online { host: host(), seq: 8, address: v6, port: Some(2222), addresses: vec![v4] },
    ];
    events.extend(every_note().iter().map(|note| Event::of_note(note, host())));
    let failures = every_failure().into_iter().chain(every_call()).chain(every_command()).chain(every_answer());
    events.extend(failures.map(|failure| Event::of_failure(Some(&host()), &failure)));
    events
}

/// What an answered call came to, and a call to our provider.
fn every_call() -> Vec<Failure> {
    let refusals =
        [Refusal::Budget, Refusal::Provider, Refusal::State, Refusal::Time, Refusal::Tries, Refusal::Version];
    let answers = refusals.map(|refusal| Answer::Told(Verdict::Refused(refusal)));
    let answers = answers.into_iter().chain([Answer::Denied, Answer::Silent]);
    let told = answers.filter_map(|answer| told(answer, &host().parse().unwrap()).err());
    let link = |end| CallFailure::Link { end, said: None, log: vec!["Modem hangup".to_owned()] };
    let provider = [
        CallFailure::NoLine,
        CallFailure::Call(Outcome::Busy),
        CallFailure::Call(Outcome::NoDialTone),
        link(LinkEnd::AuthenticationRefused),
        link(LinkEnd::NoKernelPpp),
        link(LinkEnd::NoPpp),
        link(LinkEnd::CarrierLost),
    ];
    let provider = provider.map(|failure| Failure::from(&failure).of_call_to(Callee::Provider));
    let view = View { calls_today: Left { used: 3, cap: Some(3) }, ..View::default() };
    let month = View { minutes_this_month: Left { used: 61, cap: Some(60) }, ..View::default() };
    let trouble = Some("/var/lib/ringup/client-budget: Read-only file system (os error 30)".to_owned());
    let unpaid = [
        Unpaid { cap: Cap::CallsADay, fare: Fare::Rings(2), view, trouble: None },
        Unpaid { cap: Cap::MinutesAMonth, fare: Fare::Talk, view: month, trouble: None },
        Unpaid { cap: Cap::NotKept, fare: Fare::Rings(1), view, trouble },
    ];
    let unpaid = unpaid.iter().map(|unpaid| Failure::from(unpaid).of_call_to(Callee::Host));
    told.map(|failure| failure.of_call_to(Callee::Host)).chain(provider).chain(unpaid).collect()
}

/// What the directory's answer may be, and what is remembered.
fn every_answer() -> Vec<Failure> {
    let (name, key): (HostName, _) = (host().parse().unwrap(), PublicKey::from_bytes([7; 32]));
    let unreachable = QueryError::Unreachable { servers: "198.51.100.53:53".to_owned(), source: None };
    let queries =
        [unreachable, QueryError::Refused(Rcode::REFUSED), QueryError::Refused(Rcode::SERVFAIL), QueryError::Garbled];
    let path = std::path::PathBuf::from("/var/lib/ringup/known/home.dyn.example");
    let denied = || std::io::ErrorKind::PermissionDenied.into();
    let known = [
        KnownError::Unreadable { path: path.clone(), source: denied() },
        KnownError::Damaged { path: path.clone() },
        KnownError::AnotherKey { host: name.clone(), known: key, shown: PublicKey::from_bytes([8; 32]) },
        KnownError::Unwritable { path, source: denied() },
    ];
    let unknown = crate::connect::known(crate::dns::Answer { record: None, host_exists: false }, &name).err();
    let uncertified = crate::connect::uncertified(&name, &["203.0.113.10".parse().unwrap()]);
    let mut failures: Vec<Failure> = queries.iter().map(Failure::from).collect();
    failures.extend(unknown);
    failures.extend([uncertified, crate::connect::interrupted()]);
    failures.extend(known.iter().map(not_kept));
    failures
}

/// Whether an attempt, or what is done with a host that was reached, may end so.
fn is_of_the_client(status: Status) -> bool {
    match status {
        Status::Configuration
        | Status::Missing
        | Status::NoPort
        | Status::PortBusy
        | Status::ModemSilent
        | Status::NoDialTone
        | Status::Busy
        | Status::NoAnswer
        | Status::NoCarrier
        | Status::Blacklisted
        | Status::Budget
        | Status::NoLink
        | Status::LinkRefused
        | Status::DirectoryUnreachable
        | Status::DirectoryRefused
        | Status::UnknownHost
        | Status::NotRegistered
        | Status::WrongIdentity
        | Status::Asleep
        | Status::WakeRefused
        | Status::NoHandshake
        | Status::Impostor
        | Status::Unreachable
        | Status::RolledBack
        | Status::BehindNat
        | Status::Stale
        | Status::TimedOut
        | Status::NotExecutable
        | Status::NoCommand
        | Status::Interrupted => true,
        // Of daemons, of the configuration, of the modem's driver, or of nobody.
        Status::Internal | Status::Secret | Status::UnknownSite | Status::NotRunning => false,
    }
}

#[test]
fn every_status_that_a_client_may_end_with_is_among_what_was_agreed() {
    let told: Vec<String> =
        every_event().iter().map(|event| serde_json::to_value(event).unwrap()["cause"].to_string()).collect();
    for status in Status::ALL.into_iter().filter(|status| is_of_the_client(*status)) {
        assert!(told.contains(&format!("\"{}\"", status.name())), "{} is not told", status.name());
    }
}

#[test]
fn every_step_and_every_failure_is_told_as_it_was_agreed() {
    let mut told = String::new();
    for event in every_event() {
        let (words, json) = (event.words(), serde_json::to_string(&event).unwrap());
        assert!(!words.contains('\n') && !words.ends_with('.'), "{words}");
        told.push_str(&format!("{words}\n    {json}\n"));
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/connect/progress/snapshot.txt");
    if std::env::var_os("RINGUP_BLESS").is_some() {
        std::fs::write(&path, &told).unwrap();
    }
    let agreed = std::fs::read_to_string(&path).unwrap_or_default();
    for (now, then) in told.lines().zip(agreed.lines()) {
        assert_eq!(now, then);
    }
    assert_eq!(told, agreed, "there is more, or less, than was agreed");
}
