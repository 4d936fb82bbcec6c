//! What goes into the index comes out of it.

use proptest::prelude::*;

use super::*;
use crate::directory::entry::Fence;
use crate::directory::fixture::{Fixture, NOW, host};
use crate::record::{HostName, Record, Seq, Services, SignedRecord, SshHostKey};

fn entry(statement: Statement) -> Entry {
    Entry { fence: Some(Fence::new(NOW - 2, &[5; 32])), ..Entry::new(statement, NOW, "home") }
}

proptest! {
    #[test]
    fn any_registration_survives_packing(
        addresses in proptest::collection::vec(any::<std::net::IpAddr>(), 0..9), seq in 1..=i64::MAX.unsigned_abs(),
        issued: u64, received: u64, time_signed: u64, lease in 1u32.., signed: bool, expired: bool, fenced: bool,
        pinned: bool
    ) {
        let fixture = Fixture::new();
        let home = host("home.dyn.test");
        let seq = Seq::new(seq).unwrap();
        let record = Record::online(home.clone(), addresses, seq, issued, lease)
            .or_else(|_| Record::asleep(home.clone(), seq, issued, lease)).unwrap();
        let statement = if signed {
            let ssh = pinned.then(|| SshHostKey::from_bytes([7; 32]));
            let record = record.with_services(Services { ssh, ..Services::default() });
            Statement::Signed(SignedRecord::sign(record, &fixture.identity))
        } else {
            Statement::Uncertified(record)
        };
        let fence = fenced.then(|| Fence::new(time_signed, &[7; 64]));
        let entry = Entry { fence, expired, ..Entry::new(statement, received, "home") };
        let mut index = Index::new(1);
        index.insert(&entry, &fixture.zone);
        let kept = index.find(b"\x04home").unwrap();
        prop_assert_eq!(kept.known(&home).map(|known| known.statement), Some(entry.statement.clone()));
        prop_assert_eq!((kept.received, kept.is_expired()), (received, expired));
        let (by, mac) = index.fingerprint("home", &[7; 32]);
        let signed = kept.signatures().map(|signed| (signed.by, signed.time_signed, signed.macs.to_vec()));
        prop_assert_eq!(signed, fenced.then(|| (by, time_signed, vec![mac])));
    }
}

#[test]
fn a_million_certified_hosts_would_fit_150_mebibytes() {
    let fixture = Fixture::new();
    let mut index = Index::new(1);
    for number in 0..1000 {
        let name = host(&format!("h{:07}.dyn.test", 1_000_000 + number));
        let record = Record::online(name, vec!["203.0.113.9".parse().unwrap()], Seq::FIRST, NOW, 3600).unwrap();
        index.insert(&entry(Statement::Signed(SignedRecord::sign(record, &fixture.identity))), &fixture.zone);
    }
    assert_eq!(index.len(), 1000);
    let bytes = index.arena.bytes();
    // The table takes at most eleven bytes more for each.
    assert!(bytes <= 132 * 1000, "{bytes}");
}

#[test]
fn those_who_are_online_are_counted() {
    let mut index = Index::new(1);
    let zone = Fixture::new().zone;
    let (home, site) = (host("home.dyn.test"), host("deep.site.dyn.test"));
    let online = |name: &HostName, seq| {
        let addresses = vec!["203.0.113.9".parse().unwrap()];
        entry(Statement::Uncertified(Record::online(name.clone(), addresses, Seq::new(seq).unwrap(), NOW, 60).unwrap()))
    };
    let asleep = entry(Statement::Uncertified(Record::asleep(home.clone(), Seq::new(2).unwrap(), NOW, 60).unwrap()));
    for (entry, expected) in [
        (online(&home, 1), 1),
        (online(&site, 1), 2),
        (asleep, 1),
        (online(&home, 3), 2),
        (online(&home, 4), 2),
        (entry(Statement::Removed(home)), 1),
    ] {
        index.insert(&entry, &zone);
        assert_eq!(index.online(), expected, "{entry:?}");
    }
    let name = zone.relative(&site).unwrap();
    index.expire(&name);
    index.expire(&name);
    assert_eq!((index.online(), index.len()), (0, 1));
    index.insert(&online(&site, 2), &zone);
    assert_eq!(index.online(), 1);
}

#[test]
fn names_above_registered_hosts_are_known() {
    let fixture = Fixture::new();
    let mut index = Index::new(1);
    let record = Record::asleep(host("a.b.c.dyn.test"), Seq::FIRST, NOW, 60).unwrap();
    index.insert(&entry(Statement::Uncertified(record.clone())), &fixture.zone);
    index.insert(&entry(Statement::Uncertified(record)), &fixture.zone);
    assert!(index.has_below(b"\x01b\x01c") && index.has_below(b"\x01c"));
    assert!(!index.has_below(b"\x01a\x01b\x01c") && !index.has_below(b"") && index.find(b"\x01c").is_none());
    assert_eq!(index.all().count(), 1);
    index.insert(&entry(Statement::Removed(host("a.b.c.dyn.test"))), &fixture.zone);
    assert!(!index.has_below(b"\x01c") && index.find(b"\x01a\x01b\x01c").is_none());
}
