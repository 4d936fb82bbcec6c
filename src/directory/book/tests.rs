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
        fence: Some(Fence { time_signed, mac: vec![seq; 32] }),
        uncertified: None,
        prerequisites: Ok(Vec::new()),
        wanted: Ok(Some(Wanted { host: signed.record().host().clone(), steps })),
    }
}

fn with_steps(steps: Vec<Step>) -> Change {
    Change {
        by: "home".to_owned(),
        fence: Some(Fence { time_signed: NOW, mac: vec![9; 32] }),
        uncertified: None,
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
    assert_eq!(
        decide(&fixture.view(), &next, NOW).unwrap().unwrap().statement.signed(),
        Some(&fixture.statement(5, &[]))
    );
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
    let fence = Some(Fence { time_signed: NOW, mac: vec![1; 32] });
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
    let first = decide(&fixture.view(), &unsigned(both.to_vec()), NOW).unwrap().unwrap();
    assert_eq!((first.statement.seq(), first.statement.signed()), (1, None));
    fixture.index.insert(first, &fixture.zone);
    let one_family = unsigned(vec![Step::DeleteAddresses(Rtype::A), address("203.0.113.10")]);
    let second = decide(&fixture.view(), &one_family, NOW + 1).unwrap().unwrap();
    let kept: Vec<String> = second.statement.record().unwrap().addresses().iter().map(ToString::to_string).collect();
    assert_eq!((second.statement.seq(), kept), (2, vec!["203.0.113.10".to_owned(), "2001:db8::9".to_owned()]));
    let much_later = decide(&fixture.view(), &one_family, NOW + 601).unwrap().unwrap();
    assert_eq!(much_later.statement.record().unwrap().addresses().len(), 1, "what had expired does not come back");
    fixture.index.insert(second, &fixture.zone);
    let offline = decide(&fixture.view(), &unsigned(vec![Step::DeleteAddresses(Rtype::ANY)]), NOW).unwrap().unwrap();
    assert_eq!(offline.statement.to_string(), format!("uncertified s=asleep q=3 a= t={NOW} l=600"));
}

#[test]
fn a_host_that_has_spoken_for_itself_is_never_again_spoken_for() {
    let mut fixture = Fixture::new();
    let plain = unsigned(vec![address("203.0.113.66")]);
    fixture.index.insert(decide(&fixture.view(), &plain, NOW).unwrap().unwrap(), &fixture.zone);
    let signed = Change { fence: None, ..change(&fixture.statement(1, &["203.0.113.9"]), NOW) };
    let entry = decide(&fixture.view(), &signed, NOW).unwrap().unwrap();
    assert!(entry.statement.signed().is_some(), "its own count begins, whatever ours was");
    fixture.index.insert(entry, &fixture.zone);
    assert_eq!(decide(&fixture.view(), &plain, NOW), Err(Refusal::NoStatement));
}

#[test]
fn a_removed_host_begins_anew() {
    let mut fixture = Fixture::new();
    fixture.register(4, &["203.0.113.9"]);
    let removal = Change { by: "administrator".to_owned(), ..with_steps(vec![Step::Remove]) };
    let entry = decide(&fixture.view(), &removal, NOW).unwrap().unwrap();
    fixture.index.insert(entry, &fixture.zone);
    assert!(fixture.view().entry(&host("home.dyn.test")).is_none());
    assert_eq!(decide(&fixture.view(), &removal, NOW), Ok(None));
    let again = change(&fixture.statement(1, &["203.0.113.9"]), NOW);
    assert!(decide(&fixture.view(), &again, NOW).unwrap().is_some());
}

#[test]
fn a_credential_for_enrolling_takes_no_first_statement_after_its_time() {
    let mut fixture = Fixture::new();
    let mut credential = super::super::roll::Credential::clone(&fixture.zone.credential("home").unwrap());
    credential.enrol_until = Some(NOW + 1);
    fixture.zone.roll_mut().add_credential(credential);
    let first = change(&fixture.statement(1, &["203.0.113.9"]), NOW);
    assert_eq!(decide(&fixture.view(), &first, NOW + 1), Err(Refusal::EnrolmentOver));
    assert!(decide(&fixture.view(), &first, NOW).unwrap().is_some());
    fixture.register(1, &["203.0.113.9"]);
    let next = change(&fixture.statement(2, &["203.0.113.9"]), NOW + 1);
    assert!(decide(&fixture.view(), &next, NOW + 1).unwrap().is_some(), "the enrolled host goes on");
}
