//! What the writer does with what it is given, and without being told.

use std::sync::atomic::AtomicU64;

use futures_util::FutureExt;

use super::*;
use crate::directory::book::{Condition, Prerequisite, Refusal, Step, Wanted};
use crate::directory::entry::{Certified, Fence};
use crate::directory::fixture::{Fixture, NOW, host};
use crate::directory::statement::Statement;
use crate::directory::store::{self, Store};
use crate::record::{Seq, SignedRecord};
use crate::scratch::Scratch;

fn writer(name: &str, zone: Zone) -> (Scratch, Duties) {
    writer_at(name, zone, WallClock::from_fn(|| NOW))
}

fn writer_at(name: &str, zone: Zone, clock: WallClock) -> (Scratch, Duties) {
    let folder = Scratch::new(name);
    let path = folder.path("directory.db");
    let (store, index) = Store::open(&path, store::lock(&path).unwrap(), &zone).unwrap();
    let index = Arc::new(RwLock::new(index));
    let (serials, _) = watch::channel(1);
    let (zone, waiters) = (Arc::new(zone), Arc::default());
    let (figures, pace) = (Arc::default(), Pace::new(0));
    let writer = Writer { store, figures, pace, zone, index, waiters, clock, serials, history: Some(3600) };
    (folder, Duties::new(writer, Arc::new(AtomicBool::new(true))))
}

fn order(signed: &SignedRecord) -> (Box<Order>, oneshot::Receiver<Decided>) {
    let mut steps = vec![Step::DeleteAddresses(domain::base::iana::Rtype::ANY)];
    steps.extend(signed.record().addresses().iter().map(|address| Step::AddAddress(*address)));
    steps.push(Step::AddStatement(Certified::read(signed.record().host(), &signed.to_string())));
    let change = Change {
        fence: Some(Fence::new(NOW, signed.signature().as_bytes())),
        ..Change::of("home", vec![Wanted { host: signed.record().host().clone(), steps }])
    };
    let (done, decided) = oneshot::channel();
    (Box::new(Order { change, done: Box::new(|told, _outbox| drop(done.send(told))) }), decided)
}

fn known(duties: &Duties) -> Option<SignedRecord> {
    let index = duties.writer.index.read().unwrap();
    let view = View { zone: &duties.writer.zone, index: &index, pending: None };
    view.entry(&host("home.dyn.test")).and_then(|entry| entry.statement.signed().cloned())
}

#[test]
fn changes_of_one_batch_see_each_other() {
    let fixture = Fixture::new();
    let [first, rival, next] = [(1, "203.0.113.1"), (1, "203.0.113.66"), (2, "203.0.113.2")]
        .map(|(seq, address)| fixture.statement(seq, &[address]));
    let (_scratch, mut writer) = writer("batch", fixture.zone);
    let (orders, decided): (Vec<_>, Vec<_>) = [&first, &rival, &next, &next].map(order).into_iter().unzip();
    writer.write(orders, &mut Outbox::default());
    let outcomes: Vec<_> = decided.into_iter().map(|mut decided| decided.try_recv().unwrap().outcome).collect();
    let stale = Refusal::Stale { offered: Seq::FIRST, known: Seq::FIRST };
    assert_eq!(outcomes, [Outcome::Done, Outcome::Refused(stale), Outcome::Done, Outcome::Done]);
    assert_eq!(known(&writer), Some(next));
    assert_eq!(writer.writer.index.read().unwrap().serial, 2, "one commit, one serial");
}

#[test]
fn a_waiter_is_woken_by_what_the_index_then_shows() {
    let fixture = Fixture::new();
    let signed = fixture.statement(1, &["203.0.113.9"]);
    let (_scratch, mut writer) = writer("waiter", fixture.zone);
    let mut listening = writer.writer.waiters.listen(&host("home.dyn.test"));
    writer.writer.store.set_read_only(true);
    writer.write(vec![order(&signed).0], &mut Outbox::default());
    assert!(listening.changed().now_or_never().is_none(), "nothing was registered");
    writer.writer.store.set_read_only(false);
    writer.write(vec![order(&signed).0], &mut Outbox::default());
    assert!(listening.changed().now_or_never().is_some());
    assert_eq!(known(&writer), Some(signed));
}

#[test]
fn what_cannot_be_stored_fails_and_stays_invisible_until_it_can() {
    let fixture = Fixture::new();
    let signed = fixture.statement(1, &["203.0.113.9"]);
    let (_scratch, mut writer) = writer("failing", fixture.zone);
    for (read_only, expected) in [(true, Outcome::Failed), (false, Outcome::Done)] {
        writer.writer.store.set_read_only(read_only);
        let (order, mut decided) = order(&signed);
        writer.write(vec![order], &mut Outbox::default());
        assert_eq!(decided.try_recv().unwrap().outcome, expected);
        assert_eq!(known(&writer).is_some(), !read_only);
    }
}

#[test]
fn a_full_disk_takes_nothing_acknowledges_nothing_and_is_used_again_when_there_is_room() {
    let fixture = Fixture::new();
    let (_scratch, mut writer) = writer("full", Fixture::new().zone);
    writer.writer.store.set_full(true);
    let mut stored = None;
    let mut failed = false;
    for seq in 1..2000 {
        let signed = fixture.statement(seq, &["203.0.113.9"]);
        let (order, mut decided) = order(&signed);
        writer.write(vec![order], &mut Outbox::default());
        match decided.try_recv().unwrap().outcome {
            Outcome::Done => stored = Some(signed),
            Outcome::Failed => {
                failed = true;
                break;
            }
            Outcome::Refused(refusal) => panic!("{refusal}"),
        }
        assert_eq!(known(&writer), stored);
    }
    assert!(failed, "the disk never was full");
    assert_eq!(known(&writer), stored, "what was acknowledged, and nothing else");
    writer.writer.store.set_full(false);
    let signed = fixture.statement(3000, &["203.0.113.10"]);
    let (order, mut decided) = order(&signed);
    writer.write(vec![order], &mut Outbox::default());
    assert_eq!((decided.try_recv().unwrap().outcome, known(&writer)), (Outcome::Done, Some(signed)));
}

/// A clock that is set by hand.
fn settable() -> (Arc<AtomicU64>, WallClock) {
    let now = Arc::new(AtomicU64::new(NOW));
    let clock = Arc::clone(&now);
    (now, WallClock::from_fn(move || clock.load(Ordering::Relaxed)))
}

#[test]
fn room_is_found_again_though_nobody_registers() {
    let (now, clock) = settable();
    let (_scratch, mut writer) = writer_at("probe", Fixture::new().zone, clock);
    writer.writer.store.set_read_only(true);
    writer.write(vec![order(&Fixture::new().statement(1, &["203.0.113.9"])).0], &mut Outbox::default());
    writer.writer.store.set_read_only(false);
    writer.tidy();
    assert!(!writer.taken.load(Ordering::Relaxed), "tried too soon");
    assert!(writer.rest() <= Duration::from_secs(FAILURE_PAUSE));
    now.fetch_add(FAILURE_PAUSE, Ordering::Relaxed);
    writer.tidy();
    assert!(writer.taken.load(Ordering::Relaxed));
    assert_eq!(writer.writer.index.read().unwrap().serial, 1, "the zone is as it was");
}

#[test]
fn a_lease_that_runs_out_makes_a_new_serial_once() {
    let fixture = Fixture::new();
    let (now, clock) = settable();
    let (_scratch, mut writer) = writer_at("lease", Fixture::new().zone, clock);
    assert_eq!(writer.next_end, None);
    writer.write(vec![order(&fixture.statement(1, &["203.0.113.9"])).0], &mut Outbox::default());
    assert_eq!(writer.next_end, Some(NOW + 600));
    let serial = |writer: &Duties| writer.writer.index.read().unwrap().serial;
    writer.expire();
    assert_eq!(serial(&writer), 2, "not yet");
    now.store(NOW + 600, Ordering::Relaxed);
    writer.expire();
    writer.expire();
    assert_eq!((serial(&writer), writer.next_end), (3, None));
    writer.write(vec![order(&fixture.statement(2, &["203.0.113.9"])).0], &mut Outbox::default());
    assert_eq!((serial(&writer), writer.next_end), (4, Some(NOW + 1200)));
}

#[test]
fn many_leases_that_run_out_at_once_leave_turns_to_those_who_register() {
    let (now, clock) = settable();
    let (_scratch, mut writer) = writer_at("many", Fixture::new().zone, clock);
    writer.write(vec![order(&Fixture::new().statement(1, &[])).0], &mut Outbox::default());
    for number in 0..=EXPIRED_AT_ONCE {
        let (name, addresses) = (host(&format!("h{number}.dyn.test")), vec!["203.0.113.9".parse().unwrap()]);
        let statement = Statement::uncertified(&name, addresses, Seq::FIRST, NOW, 60).unwrap();
        let entry = Entry::new(statement, NOW, "home");
        writer.writer.index.write().unwrap().insert(&entry, &writer.writer.zone);
    }
    let leased =
        |writer: &Duties| writer.writer.index.read().unwrap().all().filter(|(_, kept)| kept.is_leased()).count();
    let then = now.fetch_add(60, Ordering::Relaxed) + 60;
    writer.expire();
    assert_eq!(leased(&writer), 1);
    assert!(writer.next_end.is_some_and(|next| next >= then));
    writer.expire();
    assert_eq!((leased(&writer), writer.next_end), (0, None));
}

#[test]
fn a_host_that_changes_without_end_is_held_up_and_a_replay_costs_it_nothing() {
    let (now, clock) = settable();
    let fixture = Fixture::new();
    let (_scratch, mut writer) = writer_at("pace", Fixture::new().zone, clock);
    writer.writer.pace = Pace::new(10);
    let mut outcome = |seq| {
        let (order, decided) = order(&fixture.statement(seq, &["203.0.113.9"]));
        writer.write(vec![order], &mut Outbox::default());
        decided.now_or_never().unwrap().unwrap().outcome
    };
    assert!((1..=10).all(|seq| outcome(seq) == Outcome::Done));
    assert!((0..100).all(|_| outcome(10) == Outcome::Done), "the same once more is no change");
    for is_news in [true, false] {
        assert_eq!(outcome(11), Outcome::Refused(Refusal::TooOften { again_in: 6, is_news }));
    }
    now.fetch_add(6, Ordering::Relaxed);
    assert_eq!(outcome(11), Outcome::Done);
    assert_eq!(writer.writer.figures.commits.changes.get(), 11);
}

#[test]
fn a_refusal_for_the_moment_leaves_its_signature_in_memory_and_on_the_disk_and_no_serial() {
    let fixture = Fixture::new();
    let (mut order, mut decided) = order(&fixture.statement(1, &["203.0.113.9"]));
    let (scratch, mut writer) = writer("remembered", fixture.zone);
    let owner = b"\x04home\x03dyn\x04test".to_vec();
    order.change.prerequisites = vec![Prerequisite { owner, condition: Condition::NameInUse }];
    writer.write(vec![order], &mut Outbox::default());
    assert_eq!(decided.try_recv().unwrap().outcome, Outcome::Refused(Refusal::NameMissing));
    let index = writer.writer.index.read().unwrap();
    assert_eq!((index.fences(b"\x04home").count(), index.serial), (1, 1));
    let rows = rusqlite::Connection::open(scratch.path("directory.db")).unwrap();
    let kept = |sql: &str| -> i64 { rows.query_row(sql, [], |row| row.get(0)).unwrap() };
    assert_eq!(kept("SELECT count(*) FROM fence WHERE host = 'home.dyn.test' AND key = 'home'"), 1);
    assert_eq!(kept("SELECT count(*) FROM history"), 0);
}

#[test]
fn a_renewal_that_says_nothing_new_is_durable_and_otherwise_unheard() {
    let zone = Fixture::new().zone;
    let mut credential = crate::directory::roll::Credential::clone(&zone.credential("home").unwrap());
    credential.uncertified_lease = Some(600);
    zone.roll_mut().add_credential(credential);
    let (now, clock) = settable();
    let (scratch, mut writer) = writer_at("renewal", zone, clock);
    let mut told = writer.writer.serials.subscribe();
    let mut update = |writer: &mut Duties, address: &str, time_signed| {
        let steps =
            vec![Step::DeleteAddresses(domain::base::iana::Rtype::ANY), Step::AddAddress(address.parse().unwrap())];
        let fence = Some(Fence::new(time_signed, address.as_bytes()));
        let change = Change { fence, ..Change::of("home", vec![Wanted { host: host("home.dyn.test"), steps }]) };
        let (done, mut decided) = oneshot::channel();
        writer.write(
            vec![Box::new(Order { change, done: Box::new(|told, _outbox| drop(done.send(told))) })],
            &mut Outbox::default(),
        );
        assert_eq!(decided.try_recv().unwrap().outcome, Outcome::Done);
        let rows = rusqlite::Connection::open(scratch.path("directory.db")).unwrap();
        let rows: i64 = rows.query_row("SELECT count(*) FROM history", [], |row| row.get(0)).unwrap();
        let is_told = told.has_changed().unwrap();
        told.mark_unchanged();
        (rows, writer.writer.index.read().unwrap().serial, is_told)
    };
    assert_eq!(update(&mut writer, "203.0.113.9", NOW), (1, 2, true));
    now.store(NOW + 500, Ordering::Relaxed);
    assert_eq!(update(&mut writer, "203.0.113.9", NOW + 500), (1, 2, false));
    now.store(NOW + 700, Ordering::Relaxed);
    writer.expire();
    let path = scratch.path("directory.db");
    let zone = Fixture::new().zone;
    drop(writer);
    let (store, index) = Store::open(&path, store::lock(&path).unwrap(), &zone).unwrap();
    let kept = index.find(b"\x04home").unwrap();
    assert_eq!((kept.remaining(NOW + 700), kept.is_expired(), kept.seq), (400, false, 2));
    drop(store);
}
