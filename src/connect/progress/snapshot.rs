//! Every step and every verdict as it is told: in words for people, as JSON for programs. A change of either shows in
//! `snapshot.txt` beside this file; RINGUP_BLESS=1 writes it anew.

use super::Event;
use crate::connect::attempt::{every_failure, every_note};

fn host() -> String {
    "home.dyn.example".to_owned()
}

/// One of each kind, and each in its variants.
fn every_event() -> Vec<Event> {
    let (v4, v6) = ("203.0.113.10".parse().unwrap(), "2001:db8::10".parse().unwrap());
    let mut events = vec![
        Event::Asking { host: host() },
        Event::OwnLinkDialling,
        Event::OwnLinkUp { interface: "ppp0".to_owned(), address: v4 },
        Event::OwnLinkDown,
        Event::Asleep { host: host(), seq: 7 },
        Event::NeverRegistered { host: host() },
        Event::Ringing { host: host() },
        Event::CallOver { host: host(), outcome: "rang-out" },
        Event::CallOver { host: host(), outcome: "no-carrier" },
        Event::Told { host: host(), words: "waking: hang up now, it comes online by itself".to_owned() },
        Event::Waiting { host: host(), after: Some(7) },
        Event::Waiting { host: host(), after: None },
        Event::Proving { host: host(), addresses: vec![v6, v4], tunnel: None },
        Event::Proving { host: host(), addresses: vec![v4], tunnel: Some((v6, 2222).into()) },
        Event::FirstUse { host: host(), key: "ed25519:…".to_owned() },
        Event::Online { host: host(), seq: 8, address: v6, port: None, addresses: vec![v4, v6] },
        Event::Online { host: host(), seq: 8, address: v6, port: Some(2222), addresses: vec![v4] },
    ];
    events.extend(every_note().iter().map(|note| Event::of_note(note, host())));
    events.extend(every_failure().iter().map(|failure| Event::of_failure(&host(), failure)));
    events
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
