//! Every step and every verdict as it is told: in words for people, as JSON for programs. A change of either shows in
//! `snapshot.txt` beside this file. Of each typed cause every variant is in it: a new one does not compile without.

mod causes;

use super::{CallOver, Event};
use crate::agreed::agreed;
use crate::connect::attempt::{Note, every_failure, every_note};
use crate::connect::command::every_command;
use crate::connect::enquiry::{self, every_looked};
use crate::connect::{own_link, proxy};
use crate::exit::{Failure, Status};
use crate::handshake::Verdict;
use crate::record::Reachability;
use crate::samples::of_each;

fn host() -> String {
    "home.dyn.example".to_owned()
}

/// One of each kind, and each in its variants.
fn every_event() -> Vec<Event> {
    let (v4, v6) = ("203.0.113.10".parse().unwrap(), "2001:db8::10".parse().unwrap());
    let told = |verdict: Verdict| Event::Told { host: host(), words: verdict.to_string() };
    let mut events = of_each! {
        Event::Asking { .. } => [Event::Asking { host: host() }],
        Event::OwnLinkDialling => [Event::OwnLinkDialling],
        Event::OwnLinkPausing { .. } => [
            Event::OwnLinkPausing { why: "the provider is busy".to_owned(), pause_ms: 5000 },
        ],
        Event::OwnLinkUp { .. } => [Event::OwnLinkUp { interface: "ppp0".to_owned(), address: v4 }],
        Event::OwnLinkDown => [Event::OwnLinkDown],
        Event::OwnLinkLost => [Event::OwnLinkLost],
        Event::LineBusy { .. } => [
            Event::LineBusy { host: host(), why: "/dev/ttyUSB0 is in use by process 4711 (ringup)".to_owned() },
        ],
        Event::OtherWakes { .. } => [
            Event::OtherWakes { host: host(), process: Some(4711) },
            Event::OtherWakes { host: host(), process: None },
        ],
        Event::Asleep { .. } => [Event::Asleep { host: host(), seq: 7 }],
        Event::NeverRegistered { .. } => [Event::NeverRegistered { host: host() }],
        Event::RolledBack { .. } => [Event::RolledBack { host: host(), seq: 7, seen: 9 }],
        Event::Ringing { .. } => [Event::Ringing { host: host() }],
        Event::CallOver { .. } => [Event::CallOver { host: host(), outcome: CallOver::RangOut }],
        Event::Told { .. } => [told(Verdict::Waking), told(Verdict::Online(v4))],
        Event::Pausing { .. } => [
            Event::Pausing { host: host(), why: "home.dyn.example is busy".to_owned(), pause_ms: 10_000 },
        ],
        Event::Waiting { .. } => [
            Event::Waiting { host: host(), after: Some(7) },
            Event::Waiting { host: host(), after: None },
        ],
        Event::Proving { .. } => [
            Event::Proving { host: host(), addresses: vec![v6, v4], tunnel: None },
            Event::Proving { host: host(), addresses: vec![v4], tunnel: Some((v6, 2222).into()) },
        ],
        Event::AskingAll { .. } => [Event::AskingAll { host: host(), than: 7 }],
        Event::Unreachable { .. } => [
            Event::of_note(&Note::Unreachable(Reachability::Local), host()),
        ],
        Event::Gone { .. } => [
            Event::Gone { host: host(), why: "203.0.113.10 is not home.dyn.example any more".to_owned() },
        ],
        Event::FirstUse { .. } => [Event::FirstUse { host: host(), key: "ed25519:…".to_owned() }],
        Event::Queued { .. } => [Event::Queued { host: host() }],
        Event::Online { .. } => [
            Event::Online { host: host(), seq: 8, address: v6, port: None, addresses: vec![v4, v6] },
            Event::Online { host: host(), seq: 8, address: v6, port: Some(2222), addresses: vec![v4] },
        ],
        Event::Failed { .. } => [
            Event::of_failure(None, &Failure::new(Status::Internal, "it is no host's affair")),
        ],
    };
    events.extend(every_note().iter().map(|note| Event::of_note(note, host())));
    events.extend(causes::every_call_over().into_iter().map(|outcome| Event::CallOver { host: host(), outcome }));
    events.extend(causes::every_refusal().into_iter().map(|refusal| told(Verdict::Refused(refusal))));
    let by_hand = every_failure().into_iter().chain(every_command()).chain(proxy::every_end());
    let failures = by_hand.chain(own_link::every_end()).chain(enquiry::every_end()).chain(causes::every_failure());
    events.extend(failures.map(|failure| Event::of_failure(Some(&host()), &failure)));
    events
}

/// Whether an attempt, or what is done with a host that was reached, may end so.
fn is_of_the_client(status: Status) -> bool {
    match status {
        Status::Internal
        | Status::Configuration
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
        // Of daemons, or of the configuration.
        Status::Secret | Status::UnknownSite | Status::NotRunning => false,
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
        let entry = format!("{words}\n    {json}\n");
        // Some are met on several ways.
        if !told.contains(&entry) {
            told.push_str(&entry);
        }
    }
    let (looked, now) = every_looked();
    for looked in looked {
        told.push_str(&format!("{}\n    {}\n", looked.in_words(now), looked.to_json()));
    }
    agreed("src/connect/progress/snapshot.txt", &told);
}
