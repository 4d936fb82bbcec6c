//! What the book accepts and refuses.

use super::*;
use crate::directory::fixture::{Fixture, NOW, host};
use crate::dns::name;
use crate::record::{Identity, Record};

fn change(signed: &SignedRecord, time_signed: u64) -> Change {
    let mut steps = vec![Step::DeleteAddresses(Rtype::A), Step::DeleteAddresses(Rtype::AAAA)];
    steps.extend(signed.record().addresses().iter().map(|address| Step::AddAddress(*address)));
    steps.extend([Step::DeleteStatement, Step::AddStatement(signed.to_string())]);
    let seq = u8::try_from(signed.record().seq().number()).unwrap();
    Change {
        by: "home".to_owned(),
        fence: Fence { time_signed, mac: vec![seq; 32] },
        prerequisites: Ok(Vec::new()),
        wanted: Ok(Some(Wanted { host: signed.record().host().clone(), steps })),
    }
}

fn with_steps(steps: Vec<Step>) -> Change {
    Change {
        by: "home".to_owned(),
        fence: Fence { time_signed: NOW, mac: vec![9; 32] },
        prerequisites: Ok(Vec::new()),
        wanted: Ok(Some(Wanted { host: host("home.dyn.test"), steps })),
    }
}

#[test]
fn a_newer_statement_is_accepted_with_its_fence() {
    let mut fixture = Fixture::new();
    let first = change(&fixture.statement(1, &["203.0.113.9"]), NOW);
    let entry = decide(&fixture.view(), &first, NOW + 1).unwrap().unwrap();
    assert_eq!((entry.received, &entry.fence), (NOW + 1, &first.fence));
    fixture.register(4, &["203.0.113.9"]);
    let next = change(&fixture.statement(5, &[]), NOW);
    assert_eq!(decide(&fixture.view(), &next, NOW).unwrap().unwrap().signed, fixture.statement(5, &[]));
}

#[test]
fn the_past_does_not_come_back() {
    let mut fixture = Fixture::new();
    fixture.register(4, &["203.0.113.9"]);
    let seq = |number| Seq::new(number).unwrap();
    for (offered, addresses) in [(3, &["203.0.113.9"][..]), (4, &["203.0.113.10"][..])] {
        let stale = change(&fixture.statement(offered, addresses), NOW);
        let expected = Refusal::Stale { offered: seq(offered), known: seq(4) };
        assert_eq!(decide(&fixture.view(), &stale, NOW), Err(expected));
    }
    let older = change(&fixture.statement(5, &["203.0.113.10"]), NOW - 1);
    assert_eq!(decide(&fixture.view(), &older, NOW), Err(Refusal::Replayed { last: NOW }));
}

#[test]
fn a_repetition_changes_nothing_even_where_its_prerequisites_now_fail() {
    let mut fixture = Fixture::new();
    fixture.register(1, &["203.0.113.9"]);
    let same = change(&fixture.statement(1, &["203.0.113.9"]), NOW + 5);
    assert_eq!(decide(&fixture.view(), &same, NOW), Ok(None));
    let owner = name::of_statement(&host("home.dyn.test"));
    let prerequisites = Ok(vec![Prerequisite { owner, condition: Condition::NameNotInUse }]);
    let fence = Fence { time_signed: NOW, mac: vec![1; 32] };
    let retransmitted = Change { fence, prerequisites: prerequisites.clone(), ..same.clone() };
    assert_eq!(decide(&fixture.view(), &retransmitted, NOW), Ok(None));
    assert_eq!(decide(&fixture.view(), &Change { prerequisites, ..same }, NOW), Err(Refusal::NamePresent));
}

#[test]
fn a_key_changes_its_own_hosts_only() {
    let fixture = Fixture::new();
    let mut foreign = change(&fixture.statement(1, &["203.0.113.9"]), NOW);
    foreign.by = "away".to_owned();
    assert_eq!(decide(&fixture.view(), &foreign, NOW), Err(Refusal::NotBound));
    let record = Record::asleep(host("other.dyn.test"), Seq::FIRST, NOW, 600).unwrap();
    let unbound = change(&SignedRecord::sign(record, &fixture.identity), NOW);
    assert_eq!(decide(&fixture.view(), &unbound, NOW), Err(Refusal::NotBound));
}

#[test]
fn only_the_host_itself_speaks_for_it() {
    let mut fixture = Fixture::new();
    fixture.register(1, &["203.0.113.9"]);
    let stranger = Identity::generate().unwrap();
    let foreign = SignedRecord::sign(fixture.statement(2, &["203.0.113.66"]).record().clone(), &stranger);
    let found = stranger.public_key();
    let refused = decide(&fixture.view(), &change(&foreign, NOW), NOW);
    assert_eq!(refused, Err(Refusal::Unverified(VerifyError::OtherKey { found })));
    let text = fixture.statement(2, &["203.0.113.10"]).to_string().replace(".10", ".66");
    let forged = SignedRecord::parse(&host("home.dyn.test"), &text).unwrap();
    let refused = decide(&fixture.view(), &change(&forged, NOW), NOW);
    assert_eq!(refused, Err(Refusal::Unverified(VerifyError::BadSignature)));
}

#[test]
fn addresses_come_with_the_statement_that_says_so() {
    let mut fixture = Fixture::new();
    fixture.register(1, &["203.0.113.9"]);
    let plain = with_steps(vec![Step::AddAddress("203.0.113.66".parse().unwrap())]);
    assert_eq!(decide(&fixture.view(), &plain, NOW), Err(Refusal::NoStatement));
    let text = fixture.statement(2, &["203.0.113.10"]).to_string();
    let kept = with_steps(vec![Step::AddAddress("203.0.113.10".parse().unwrap()), Step::AddStatement(text.clone())]);
    assert_eq!(decide(&fixture.view(), &kept, NOW), Err(Refusal::AddressesDiffer), "the old address would stay");
    let exact = with_steps(vec![
        Step::DeleteAddress("203.0.113.9".parse().unwrap()),
        Step::AddAddress("203.0.113.10".parse().unwrap()),
        Step::AddStatement(text),
    ]);
    assert!(decide(&fixture.view(), &exact, NOW).unwrap().is_some());
    let garbage = with_steps(vec![Step::AddStatement("v=spf1".to_owned())]);
    assert_eq!(decide(&fixture.view(), &garbage, NOW), Err(Refusal::Statement(StatementError::Foreign)));
}

#[test]
fn prerequisites_are_those_of_the_standard() {
    let mut fixture = Fixture::new();
    fixture.register(1, &["203.0.113.9"]);
    let home = name::of_host(&host("home.dyn.test"));
    let absent = name::of_host(&host("absent.dyn.test"));
    let data = |octets: [u8; 4]| BTreeSet::from([octets.to_vec()]);
    for (owner, condition, expected) in [
        (&home, Condition::NameInUse, Ok(())),
        (&absent, Condition::NameInUse, Err(Refusal::NameMissing)),
        (&home, Condition::NameNotInUse, Err(Refusal::NamePresent)),
        (&absent, Condition::NameNotInUse, Ok(())),
        (&home, Condition::Exists(Rtype::A), Ok(())),
        (&home, Condition::Exists(Rtype::AAAA), Err(Refusal::RecordsMissing)),
        (&home, Condition::Absent(Rtype::A), Err(Refusal::RecordsPresent)),
        (&home, Condition::Absent(Rtype::AAAA), Ok(())),
        (&home, Condition::Equals(Rtype::A, data([203, 0, 113, 9])), Ok(())),
        (&home, Condition::Equals(Rtype::A, data([203, 0, 113, 8])), Err(Refusal::RecordsMissing)),
        (&name::of_host(&host("elsewhere.test")), Condition::NameInUse, Err(Refusal::OutsideZone)),
    ] {
        let prerequisite = Prerequisite { owner: owner.clone(), condition };
        assert_eq!(check(&fixture.view(), &prerequisite, NOW), expected, "{prerequisite:?}");
    }
}
