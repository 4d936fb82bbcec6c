//! What was signed once does not count twice: not after another key, a login, the administrator or a restart.

use super::*;
use crate::directory::entry::Fence;
use crate::directory::fixture::{Fixture, NOW, host};
use crate::directory::index::Pending;
use crate::directory::store::{self, Store};
use crate::scratch::Scratch;

/// A directory in which two keys may change a host that does not sign: on disk and in memory.
struct World {
    folder: Scratch,
    fixture: Fixture,
    store: Option<Store>,
}

impl World {
    fn new(name: &str) -> Self {
        let (folder, fixture) = (Scratch::new(name), Fixture::new());
        for name in ["one", "other"] {
            let mut credential = Credential::clone(&fixture.zone.credential("home").unwrap());
            (credential.name, credential.uncertified_lease) = (name.to_owned(), Some(600));
            fixture.zone.roll_mut().add_credential(credential);
        }
        let mut world = Self { folder, fixture, store: None };
        world.restart();
        world
    }

    fn restart(&mut self) {
        drop(self.store.take());
        let path = self.folder.path("directory.db");
        let (store, index) = Store::open(&path, store::lock(&path).unwrap(), &self.fixture.zone).unwrap();
        (self.store, self.fixture.index) = (Some(store), index);
    }

    /// Has changes decided as one batch, each on top of the ones before, and keeps them.
    fn batch(&mut self, changes: &[&Change]) -> Vec<Result<usize, Refusal>> {
        let mut pending = Pending::default();
        let mut outcomes = Vec::new();
        let (mut accepted, mut remembered) = (Vec::new(), Vec::new());
        for change in changes {
            let view = View { zone: &self.fixture.zone, index: &self.fixture.index, pending: Some(&pending) };
            let decided = decide(&view, change, NOW);
            for left in remember(&view, change, &decided) {
                pending.remember(b"\x04home", &left, &self.fixture.index);
                remembered.push(left);
            }
            outcomes.push(decided.as_ref().map(Vec::len).map_err(Clone::clone));
            for entry in decided.into_iter().flatten() {
                let name = self.fixture.zone.relative(entry.statement.host()).unwrap();
                pending.add(&name, &entry, &self.fixture.index);
                accepted.push(entry);
            }
        }
        self.store.as_mut().unwrap().commit(accepted.iter(), &remembered, 2).unwrap();
        let Fixture { index, zone, .. } = &mut self.fixture;
        accepted.iter().for_each(|entry| index.insert(entry, zone));
        remembered.iter().for_each(|left| index.fence(&left.host, &left.by, &left.fence, zone));
        outcomes
    }

    fn change(&mut self, change: &Change) -> Result<usize, Refusal> {
        self.batch(&[change]).remove(0)
    }

    fn address(&self) -> Option<String> {
        let known = self.fixture.view().entry(&host("home.dyn.test"))?;
        known.statement.record()?.addresses().first().map(ToString::to_string)
    }
}

/// An address in place of those before, as a key signs it; by no key, as a login says it.
fn update(by: &str, time_signed: Option<u64>, address: &str) -> Change {
    let steps = vec![Step::DeleteAddresses(Rtype::ANY), Step::AddAddress(address.parse().unwrap())];
    Change {
        fence: time_signed.map(|time| Fence::new(time, format!("{by} {time} {address} and so on, 64").as_bytes())),
        uncertified: time_signed.is_none().then_some(600),
        ..Change::of(by, vec![Wanted { host: host("home.dyn.test"), steps }])
    }
}

#[test]
fn another_key_or_a_login_in_between_brings_no_address_back() {
    for by in ["other", "login"] {
        let mut world = World::new(by);
        let mut credential = Credential::clone(&world.fixture.zone.credential("one").unwrap());
        credential.name = "login".to_owned();
        world.fixture.zone.roll_mut().add_credential(credential);
        let first = update("one", Some(NOW - 100), "203.0.113.1");
        let second = update(by, (by == "other").then_some(NOW - 50), "203.0.113.2");
        assert_eq!(world.batch(&[&first, &second, &first]), [Ok(1), Ok(1), Ok(0)]);
        assert_eq!(world.address().unwrap(), "203.0.113.2");
        for _restarts in 0..2 {
            assert_eq!(world.change(&first), Ok(0), "what was answered is answered again");
            let held_back = update("one", Some(NOW - 101), "203.0.113.3");
            assert_eq!(world.change(&held_back), Err(Refusal::Replayed { last: NOW - 100 }));
            assert_eq!(world.address().unwrap(), "203.0.113.2");
            world.restart();
        }
        assert_eq!(world.change(&update("one", Some(NOW - 99), "203.0.113.4")), Ok(1));
        assert_eq!(world.address().unwrap(), "203.0.113.4");
    }
}

#[test]
fn several_updates_of_one_second_are_taken_once_each() {
    let mut world = World::new("second");
    let [first, second, third] = ["203.0.113.1", "203.0.113.2", "203.0.113.3"].map(|to| update("one", Some(NOW), to));
    assert_eq!(world.batch(&[&first, &second]), [Ok(1), Ok(1)]);
    assert_eq!(world.change(&first), Ok(0));
    assert_eq!(world.change(&third), Ok(1));
    world.restart();
    for replayed in [&first, &second, &third] {
        assert_eq!(world.change(replayed), Ok(0));
        assert_eq!(world.address().unwrap(), "203.0.113.3");
    }
    // Another key's turn, and back within the same second.
    assert_eq!(world.change(&update("other", Some(NOW), "203.0.113.4")), Ok(1));
    let fourth = update("one", Some(NOW), "203.0.113.5");
    assert_eq!(world.change(&fourth), Ok(1));
    assert_eq!(world.change(&update("other", Some(NOW + 1), "203.0.113.6")), Ok(1));
    for _restarts in 0..2 {
        for replayed in [&first, &second, &third, &fourth, &update("other", Some(NOW + 1), "203.0.113.6")] {
            assert_eq!(world.change(replayed), Ok(0));
        }
        assert_eq!(world.address().unwrap(), "203.0.113.6");
        world.restart();
    }
}

#[test]
fn whoever_signs_too_much_in_one_second_is_told_the_next() {
    let mut world = World::new("crowd");
    for number in 0..MOST_A_SECOND {
        assert_eq!(world.change(&update("one", Some(NOW), &format!("203.0.113.{number}"))), Ok(1));
    }
    let one_more = update("one", Some(NOW), "203.0.113.200");
    assert_eq!(world.change(&one_more), Err(Refusal::Replayed { last: NOW + 1 }));
    assert_eq!(world.change(&update("one", Some(NOW + 1), "203.0.113.200")), Ok(1));
}

#[test]
fn a_removed_host_is_not_brought_back_by_what_was_signed_before() {
    let mut world = World::new("removed");
    let updates = [update("one", Some(NOW - 1), "203.0.113.1"), update("other", Some(NOW - 1), "203.0.113.2")];
    let wanted = vec![Wanted { host: host("home.dyn.test"), steps: vec![Step::Remove] }];
    let removal = Change::of("administrator", wanted);
    assert_eq!(world.batch(&[&updates[0], &updates[1], &removal]), [Ok(1), Ok(1), Ok(1)]);
    for _restarts in 0..2 {
        assert_eq!(updates.each_ref().map(|replayed| world.change(replayed)), [Ok(0), Ok(0)]);
        assert_eq!(world.address(), None);
        world.restart();
    }
    assert_eq!(world.change(&update("one", Some(NOW), "203.0.113.3")), Ok(1));
}

#[test]
fn what_was_refused_for_the_moment_is_never_done_later_unasked() {
    let mut world = World::new("refused");
    let prerequisite = Prerequisite { owner: b"\x04home\x03dyn\x04test".to_vec(), condition: Condition::NameInUse };
    let conditional =
        |time| Change { prerequisites: vec![prerequisite.clone()], ..update("one", Some(time), "203.0.113.1") };
    let refused = conditional(NOW - 9);
    assert_eq!(world.batch(&[&refused, &refused]), [Err(Refusal::NameMissing), Err(Refusal::NameMissing)]);
    assert_eq!(world.change(&update("other", Some(NOW - 8), "203.0.113.2")), Ok(1));
    for _restarts in 0..2 {
        assert_eq!(world.change(&refused), Err(Refusal::Replayed { last: NOW - 8 }), "it has to be asked anew");
        assert_eq!(world.address().unwrap(), "203.0.113.2");
        world.restart();
    }
    assert_eq!(world.change(&conditional(NOW - 8)), Ok(1));
    assert_eq!(world.address().unwrap(), "203.0.113.1");
}

#[test]
fn what_came_to_nothing_does_not_come_to_something_later() {
    let mut world = World::new("nothing");
    let steps = vec![Step::DeleteAddresses(Rtype::ANY)];
    let delete =
        Change { wanted: vec![Wanted { host: host("home.dyn.test"), steps }], ..update("one", Some(NOW), "0.0.0.0") };
    assert_eq!(world.batch(&[&delete, &delete]), [Ok(0), Ok(0)]);
    assert_eq!(world.change(&update("other", Some(NOW), "203.0.113.2")), Ok(1));
    for _restarts in 0..2 {
        assert_eq!(world.change(&delete), Ok(0));
        assert_eq!(world.change(&update("one", Some(NOW - 1), "203.0.113.9")), Err(Refusal::Replayed { last: NOW }));
        assert_eq!(world.address().unwrap(), "203.0.113.2");
        world.restart();
    }
}
