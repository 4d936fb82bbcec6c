//! What a secondary reads in a copy: the whole zone, or the differences in the order of RFC 1995.

use std::sync::Arc;

use domain::base::{Message, MessageBuilder, Name, ParsedName};
use domain::rdata::{AllRecordData, Soa};

use super::*;
use crate::directory::fixture::{Fixture, NOW, host};
use crate::directory::store::{self, Store};
use crate::directory::zone::Entry;
use crate::scratch::Scratch;

/// A database in which one host after another has registered, from serial 2 on.
struct World {
    folder: Scratch,
    fixture: Fixture,
    store: Store,
    serial: u32,
}

impl World {
    fn new(name: &str) -> Self {
        let (folder, fixture) = (Scratch::new(name), Fixture::new());
        let path = folder.path("directory.db");
        let (store, _) = Store::open(&path, store::lock(&path).unwrap(), &fixture.zone).unwrap();
        Self { folder, fixture, store, serial: 1 }
    }

    fn commit(&mut self, entries: &[Entry]) {
        self.serial += 1;
        self.store.commit(entries.iter(), &[], self.serial).unwrap();
    }

    fn signed(&self, seq: u64, addresses: &[&str]) -> Entry {
        Entry::new(Statement::Signed(self.fixture.statement(seq, addresses)), NOW, "home")
    }

    fn plain(name: &str, seq: u64, addresses: &[&str]) -> Entry {
        let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
        let seq = crate::record::Seq::new(seq).unwrap();
        Entry::new(Statement::uncertified(&host(name), addresses, seq, NOW, 600).unwrap(), NOW, "routers")
    }

    /// Asks for a copy, whole or since a serial, and reads its records one a line, over all messages.
    fn copy(self, since: Option<u32>) -> (Vec<String>, String) {
        let Self { folder, fixture, .. } = self;
        let text = fixture.statement(2, &["203.0.113.2"]).to_string();
        let rtype = if since.is_some() { Rtype::IXFR } else { Rtype::AXFR };
        let zone = Arc::new(fixture.zone);
        let mut builder = MessageBuilder::new_vec().question();
        builder.push((Name::<Vec<u8>>::from_chars("dyn.test".chars()).unwrap(), rtype)).unwrap();
        let mut authority = builder.authority();
        if let Some(since) = since {
            let name: Name<Vec<u8>> = "dyn.test".parse().unwrap();
            let zero = domain::base::Ttl::ZERO;
            let soa = Soa::new(name.clone(), name.clone(), since.into(), zero, zero, zero, zero);
            authority.push((name, 0, soa)).unwrap();
        }
        let asked = authority.finish();
        let request = Request::read(&asked).unwrap();
        let question = request.question.unwrap();
        assert_eq!((is_transfer(&request), request.serial), (true, since));
        let copy = Copy {
            zone,
            database: folder.path("directory.db"),
            begin: begin(&request, &question),
            since: request.serial,
        };
        let (messages, mut made) = channel(64);
        copy.make(&messages).unwrap();
        drop(messages);
        let mut lines = Vec::new();
        while let Ok(message) = made.try_recv() {
            let message = Message::from_octets(message).unwrap();
            assert!(message.header().aa() && message.is_answer(&Message::from_octets(asked.as_slice()).unwrap()));
            for record in message.answer().unwrap().into_records::<AllRecordData<_, ParsedName<_>>>() {
                let record = record.unwrap();
                let (owner, ttl, rtype, data) = (record.owner(), record.ttl().as_secs(), record.rtype(), record.data());
                lines.push(if let AllRecordData::Soa(soa) = data {
                    format!("SOA {}", soa.serial())
                } else {
                    format!("{owner} {ttl} {rtype} {data}")
                });
            }
        }
        (lines, text)
    }
}

#[test]
fn a_whole_copy_has_every_record_once_between_two_soas() {
    let mut world = World::new("axfr");
    world.commit(&[world.signed(2, &["203.0.113.2"])]);
    world.commit(&[World::plain("cam.dyn.test", 1, &["203.0.113.7", "2001:db8::7"])]);
    let (lines, text) = world.copy(None);
    assert_eq!(
        lines,
        [
            "SOA 3",
            "dyn.test 3600 NS ns.dyn.test.",
            "ns.dyn.test 3600 A 192.0.2.53",
            "ns.dyn.test 3600 AAAA 2001:db8::53",
            "cam.dyn.test 5 A 203.0.113.7",
            "cam.dyn.test 5 AAAA 2001:db8::7",
            "home.dyn.test 5 A 203.0.113.2",
            &format!("_ringup.home.dyn.test 5 TXT {}", strings_of(&text)),
            "SOA 3"
        ]
    );
}

/// A statement as a TXT record shows it.
fn strings_of(text: &str) -> String {
    let strings: Vec<String> =
        text.as_bytes().chunks(255).map(|part| format!("\"{}\"", String::from_utf8_lossy(part))).collect();
    strings.join(" ")
}

#[test]
fn differences_are_what_was_and_what_is_each_after_its_soa() {
    let mut world = World::new("ixfr");
    world
        .commit(&[World::plain("cam.dyn.test", 1, &["203.0.113.7"]), World::plain("tv.dyn.test", 1, &["203.0.113.8"])]);
    world.commit(&[World::plain("tv.dyn.test", 2, &["203.0.113.9"])]);
    world.commit(&[world.signed(2, &["203.0.113.2"]), World::plain("tv.dyn.test", 3, &["203.0.113.10"])]);
    world.serial += 1;
    world.store.expire(std::iter::once(&host("cam.dyn.test")), NOW + 600, world.serial).unwrap();
    let (lines, text) = world.copy(Some(2));
    assert_eq!(
        lines,
        [
            "SOA 5",
            "SOA 2",
            "cam.dyn.test 5 A 203.0.113.7",
            "tv.dyn.test 5 A 203.0.113.8",
            "SOA 5",
            "home.dyn.test 5 A 203.0.113.2",
            &format!("_ringup.home.dyn.test 5 TXT {}", strings_of(&text)),
            "tv.dyn.test 5 A 203.0.113.10",
            "SOA 5"
        ]
    );
}

#[test]
fn who_is_up_to_date_gets_one_soa_and_who_is_too_far_behind_the_whole_zone() {
    let registered = |name| {
        let mut world = World::new(name);
        world.commit(&[World::plain("cam.dyn.test", 1, &["203.0.113.7"])]);
        world
    };
    assert_eq!(registered("now").copy(Some(2)).0, ["SOA 2"]);
    let (lines, _) = registered("never").copy(Some(77));
    assert_eq!((lines[0].as_str(), lines[1].as_str()), ("SOA 2", "dyn.test 3600 NS ns.dyn.test."));
    assert_eq!(lines.last().unwrap(), "SOA 2");
    let mut pruned = registered("pruned");
    pruned.commit(&[World::plain("cam.dyn.test", 2, &["203.0.113.8"])]);
    assert!(pruned.store.prune(NOW + 1, 100).unwrap() > 0);
    let (lines, _) = pruned.copy(Some(2));
    assert_eq!((lines[0].as_str(), lines[1].as_str()), ("SOA 3", "dyn.test 3600 NS ns.dyn.test."));
}

#[test]
fn a_zone_of_many_hosts_comes_in_several_messages() {
    let mut world = World::new("many");
    let hosts: Vec<_> = (0..2000).map(|at| World::plain(&format!("h{at}.dyn.test"), 1, &["203.0.113.7"])).collect();
    world.commit(&hosts);
    let (lines, _) = world.copy(None);
    assert_eq!(lines.iter().filter(|line| line.ends_with(" A 203.0.113.7")).count(), 2000);
    assert_eq!(lines.len(), 2005);
}
