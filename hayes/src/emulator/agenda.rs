//! Who wants to be woken when: one deadline for each key, the earliest first.

use std::collections::BTreeMap;
use std::time::Instant;

/// The deadlines of many parties.
#[derive(Clone, Debug)]
pub(super) struct Agenda<K> {
    by_time: BTreeMap<(Instant, K), &'static str>,
    by_key: BTreeMap<K, Instant>,
}

impl<K: Ord + Copy> Agenda<K> {
    pub(super) fn new() -> Self {
        Self { by_time: BTreeMap::new(), by_key: BTreeMap::new() }
    }

    /// Replaces the deadline of `key`; `None` removes it.
    pub(super) fn set(&mut self, key: K, deadline: Option<(Instant, &'static str)>) {
        if let Some(at) = self.by_key.remove(&key) {
            self.by_time.remove(&(at, key));
        }
        if let Some((at, reason)) = deadline {
            self.by_key.insert(key, at);
            self.by_time.insert((at, key), reason);
        }
    }

    /// When the deadline of `key` is.
    pub(super) fn of(&self, key: K) -> Option<Instant> {
        self.by_key.get(&key).copied()
    }

    /// Takes out the earliest key whose deadline has come.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<K> {
        let entry = self.by_time.first_entry()?;
        let (at, key) = *entry.key();
        if at > now {
            return None;
        }
        entry.remove();
        self.by_key.remove(&key);
        Some(key)
    }

    /// The earliest deadline and what it is for.
    pub(super) fn first(&self) -> Option<(Instant, &'static str)> {
        self.by_time.first_key_value().map(|((at, _), reason)| (*at, *reason))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_earliest_comes_first_and_a_new_deadline_replaces_the_old() {
        let start = crate::emulator::an_instant();
        let at = |s| start + Duration::from_secs(s);
        let mut agenda = Agenda::new();
        agenda.set('a', Some((at(1), "one")));
        agenda.set('b', Some((at(2), "two")));
        agenda.set('a', Some((at(3), "three")));
        assert_eq!(agenda.first(), Some((at(2), "two")));
        assert_eq!(agenda.pop_due(at(1)), None);
        assert_eq!([agenda.pop_due(at(9)), agenda.pop_due(at(9)), agenda.pop_due(at(9))], [Some('b'), Some('a'), None]);
    }
}
