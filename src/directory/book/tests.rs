//! What the book accepts and refuses.

use super::*;
use crate::directory::fixture::{Fixture, NOW, host};
use crate::directory::zone::wire;
use crate::record::{Identity, Record, SignedRecord};

fn change(signed: &SignedRecord, time_signed: u64) -> Change {
    let mut steps = vec![Step::DeleteAddresses(Rtype::A), Step::DeleteAddresses(Rtype::AAAA)];
    steps.extend(signed.record().addresses().iter().map(|address| Step::AddAddress(*address)));
    steps.extend([
        Step::DeleteStatement,
        Step::AddStatement(Certified::read(signed.record().host(), &signed.to_string())),
    ]);
    let seq = u8::try_from(signed.record().seq().number()).unwrap();
    Change {
        fence: Some(Fence::new(time_signed, &[seq; 32])),
        ..Change::of("home", vec![Wanted { host: signed.record().host().clone(), steps }])
    }
}

fn with_steps(steps: Vec<Step>) -> Change {
    Change {
        fence: Some(Fence::new(NOW, &[9; 32])),
        ..Change::of("home", vec![Wanted { host: host("home.dyn.test"), steps }])
    }
}

fn added(text: &str) -> Step {
    Step::AddStatement(Certified::read(&host("home.dyn.test"), text))
}

/// The one entry that a change came to.
fn one(decided: Result<Vec<Entry>, Refusal>) -> Entry {
    let [entry] = <[Entry; 1]>::try_from(decided.unwrap()).unwrap();
    entry
}

#[test]
fn a_newer_statement_is_accepted_with_its_fence() {
    let mut fixture = Fixture::new();
    let first = change(&fixture.statement(1, &["203.0.113.9"]), NOW);
    let entry = one(decide(&fixture.view(), &first, NOW + 1));
    assert_eq!((entry.received, &entry.fence), (NOW + 1, &first.fence));
    fixture.register(4, &["203.0.113.9"]);
    let next = change(&fixture.statement(5, &[]), NOW);
    assert_eq!(one(decide(&fixture.view(), &next, NOW)).statement.signed(), Some(&fixture.statement(5, &[])));
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
    assert_eq!(decide(&fixture.view(), &same, NOW), Ok(Vec::new()));
    let owner = wire::from_text("_ringup.home.dyn.test");
    let prerequisites = vec![Prerequisite { owner, condition: Condition::NameNotInUse }];
    let fence = Some(Fence::new(NOW, &[1; 32]));
    let retransmitted = Change { fence, prerequisites: prerequisites.clone(), ..same.clone() };
    assert_eq!(decide(&fixture.view(), &retransmitted, NOW), Ok(Vec::new()));
    assert_eq!(decide(&fixture.view(), &Change { prerequisites, ..same }, NOW), Err(Refusal::NamePresent));
}

#[test]
fn a_key_changes_its_own_hosts_only() {
    let fixture = Fixture::new();
    let mut foreign = change(&fixture.statement(1, &["203.0.113.9"]), NOW);
    foreign.by = "away".into();
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
    let steps =
        vec![Step::DeleteAddresses(Rtype::ANY), Step::AddAddress("203.0.113.66".parse().unwrap()), added(&text)];
    let refused = decide(&fixture.view(), &with_steps(steps), NOW);
    assert_eq!(refused, Err(Refusal::Unverified(VerifyError::BadSignature)));
}

#[test]
fn addresses_come_with_the_statement_that_says_so() {
    let mut fixture = Fixture::new();
    fixture.register(1, &["203.0.113.9"]);
    let plain = with_steps(vec![Step::AddAddress("203.0.113.66".parse().unwrap())]);
    assert_eq!(decide(&fixture.view(), &plain, NOW), Err(Refusal::NoStatement));
    let text = fixture.statement(2, &["203.0.113.10"]).to_string();
    let kept = with_steps(vec![Step::AddAddress("203.0.113.10".parse().unwrap()), added(&text)]);
    assert_eq!(decide(&fixture.view(), &kept, NOW), Err(Refusal::AddressesDiffer), "the old address would stay");
    let exact = with_steps(vec![
        Step::DeleteAddress("203.0.113.9".parse().unwrap()),
        Step::AddAddress("203.0.113.10".parse().unwrap()),
        added(&text),
    ]);
    assert!(!decide(&fixture.view(), &exact, NOW).unwrap().is_empty());
    let garbage = with_steps(vec![added("v=spf1")]);
    assert_eq!(decide(&fixture.view(), &garbage, NOW), Err(Refusal::Statement(StatementError::Foreign)));
}

#[test]
fn prerequisites_are_those_of_the_standard() {
    let mut fixture = Fixture::new();
    fixture.register(1, &["203.0.113.9"]);
    let home = wire::from_text("home.dyn.test");
    let absent = wire::from_text("absent.dyn.test");
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
        (&wire::from_text("elsewhere.test"), Condition::NameInUse, Err(Refusal::OutsideZone)),
    ] {
        let prerequisites = vec![Prerequisite { owner: owner.clone(), condition }];
        let change = Change { prerequisites, ..Change::of("home", Vec::new()) };
        assert_eq!(decide(&fixture.view(), &change, NOW).map(|_| ()), expected, "{:?}", change.prerequisites);
    }
}

/// What a router asks for: these steps, without a statement.
fn unsigned(steps: Vec<Step>) -> Change {
    Change { fence: None, uncertified: Some(600), ..with_steps(steps) }
}

fn address(text: &str) -> Step {
    Step::AddAddress(text.parse().unwrap())
}

#[test]
fn a_host_that_cannot_sign_is_kept_as_uncertified_and_numbered_by_us() {
    let mut fixture = Fixture::new();
    let both = [Step::DeleteAddresses(Rtype::ANY), address("203.0.113.9"), address("2001:db8::9")];
    let first = one(decide(&fixture.view(), &unsigned(both.to_vec()), NOW));
    assert_eq!((first.statement.seq(), first.statement.signed()), (1, None));
    fixture.index.insert(&first, &fixture.zone);
    let one_family = unsigned(vec![Step::DeleteAddresses(Rtype::A), address("203.0.113.10")]);
    let second = one(decide(&fixture.view(), &one_family, NOW + 1));
    let kept: Vec<String> = second.statement.record().unwrap().addresses().iter().map(ToString::to_string).collect();
    assert_eq!((second.statement.seq(), kept), (2, vec!["203.0.113.10".to_owned(), "2001:db8::9".to_owned()]));
    let much_later = one(decide(&fixture.view(), &one_family, NOW + 601));
    assert_eq!(much_later.statement.record().unwrap().addresses().len(), 1, "what had expired does not come back");
    fixture.index.insert(&second, &fixture.zone);
    let offline = one(decide(&fixture.view(), &unsigned(vec![Step::DeleteAddresses(Rtype::ANY)]), NOW));
    assert_eq!(offline.statement.to_string(), format!("uncertified s=asleep q=3 a= t={NOW} l=600"));
}

#[test]
fn a_host_that_has_spoken_for_itself_is_never_again_spoken_for() {
    let mut fixture = Fixture::new();
    let plain = unsigned(vec![address("203.0.113.66")]);
    fixture.index.insert(&one(decide(&fixture.view(), &plain, NOW)), &fixture.zone);
    let signed = Change { fence: None, ..change(&fixture.statement(1, &["203.0.113.9"]), NOW) };
    let entry = one(decide(&fixture.view(), &signed, NOW));
    assert!(entry.statement.signed().is_some(), "its own count begins, whatever ours was");
    fixture.index.insert(&entry, &fixture.zone);
    assert_eq!(decide(&fixture.view(), &plain, NOW), Err(Refusal::NoStatement));
}

#[test]
fn a_removed_host_begins_anew() {
    let mut fixture = Fixture::new();
    fixture.register(4, &["203.0.113.9"]);
    let removal = Change { by: "administrator".into(), ..with_steps(vec![Step::Remove]) };
    let entry = one(decide(&fixture.view(), &removal, NOW));
    fixture.index.insert(&entry, &fixture.zone);
    assert!(fixture.view().entry(&host("home.dyn.test")).is_none());
    assert_eq!(decide(&fixture.view(), &removal, NOW), Ok(Vec::new()));
    let again = change(&fixture.statement(1, &["203.0.113.9"]), NOW + 1);
    assert!(!decide(&fixture.view(), &again, NOW).unwrap().is_empty());
}

#[test]
fn a_credential_for_enrolling_takes_no_first_statement_after_its_time() {
    let mut fixture = Fixture::new();
    let mut credential = Credential::clone(&fixture.zone.credential("home").unwrap());
    credential.enrol_until = Some(NOW + 1);
    fixture.zone.roll_mut().add_credential(credential);
    let first = change(&fixture.statement(1, &["203.0.113.9"]), NOW);
    assert_eq!(decide(&fixture.view(), &first, NOW + 1), Err(Refusal::EnrolmentOver));
    assert!(!decide(&fixture.view(), &first, NOW).unwrap().is_empty());
    fixture.register(1, &["203.0.113.9"]);
    let next = change(&fixture.statement(2, &["203.0.113.9"]), NOW + 1);
    assert!(!decide(&fixture.view(), &next, NOW + 1).unwrap().is_empty(), "the enrolled host goes on");
}

#[test]
fn deleting_what_was_never_there_makes_nothing() {
    let mut fixture = Fixture::new();
    for steps in [vec![Step::DeleteAddresses(Rtype::ANY)], vec![Step::DeleteStatement], vec![]] {
        assert_eq!(decide(&fixture.view(), &unsigned(steps), NOW), Ok(Vec::new()));
    }
    fixture.register_uncertified(1, &["203.0.113.9"]);
    for steps in [vec![Step::DeleteStatement], vec![]] {
        assert_eq!(decide(&fixture.view(), &unsigned(steps), NOW), Ok(Vec::new()));
    }
    fixture.register(1, &["203.0.113.9"]);
    assert_eq!(decide(&fixture.view(), &unsigned(vec![]), NOW), Ok(Vec::new()));
    let silenced = decide(&fixture.view(), &unsigned(vec![Step::DeleteStatement]), NOW);
    assert_eq!(silenced, Err(Refusal::NoStatement));
}

#[test]
fn a_renewal_is_one_only_if_nothing_else_changes() {
    let mut fixture = Fixture::new();
    fixture.register_uncertified(1, &["203.0.113.9"]);
    let renews = |change: &Change, now| one(decide(&fixture.view(), change, now)).renews;
    let same = unsigned(vec![address("203.0.113.9")]);
    assert!(renews(&same, NOW + 599));
    assert!(!renews(&same, NOW + 600), "it had run out");
    assert!(!renews(&unsigned(vec![address("203.0.113.10")]), NOW));
    assert!(!renews(&unsigned(vec![Step::DeleteAddresses(Rtype::ANY)]), NOW));
    assert!(!renews(&Change { uncertified: Some(90), ..same }, NOW));
    fixture.register_uncertified(2, &[]);
    let asleep = one(decide(&fixture.view(), &unsigned(vec![Step::DeleteAddresses(Rtype::ANY)]), NOW + 900));
    assert!(asleep.renews, "it sleeps on");
}

#[test]
fn once_it_has_been_said_that_a_lease_ran_out_it_has_whatever_the_clock_says() {
    let mut fixture = Fixture::new();
    fixture.register(1, &["203.0.113.9"]);
    fixture.index.expire(b"\x04home");
    let known = fixture.view().entry(&host("home.dyn.test")).unwrap();
    assert_eq!((known.remaining(NOW), fixture.view().kept(&host("home.dyn.test")).unwrap().remaining(NOW)), (0, 0));
}
