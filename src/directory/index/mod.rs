//! The registered part of the zone in memory, small enough for millions of hosts.
//!
//! Owns no threads and knows no clock: readers share it while the writer syncs the disk, and the writer changes it in one
//! short stroke afterwards. A registration costs about as many bytes as its signature, key, name and addresses have.

mod arena;
mod fences;
mod packed;
mod pending;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use self::arena::{Arena, Place};
use self::fences::Fences;
pub(super) use self::packed::{Kept, MacPrint, Signatures};
pub(super) use self::pending::Pending;
use super::entry::{Entry, Fence};
use super::statement::Statement;
use super::zone::{Zone, wire};
use crate::record::HostName;

/// The registered part, in memory.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// The zone's serial number (RFC 1982).
    pub(super) serial: u32,
    table: HashTable<Place>,
    arena: Arena,
    hasher: RandomState,
    /// How many have a lease that has not been seen to run out.
    leased: usize,
    /// Names without a registration of their own that have some below them, and how many.
    above: HashMap<Box<[u8]>, usize>,
    fences: Fences,
}

impl Index {
    pub(super) fn new(serial: u32) -> Self {
        Self { serial, ..Self::default() }
    }

    /// Puts a host's registration in place of the one before, or takes it out.
    pub(super) fn insert(&mut self, entry: &Entry, zone: &Zone) {
        let Some(name) = zone.relative(entry.statement.host()) else { return };
        let before = self.find(&name);
        let packed = self.pack(entry, before);
        if entry.displaces
            && let Some(last) = before.and_then(|before| before.signatures())
        {
            let last = (last.by, last.time_signed, last.macs.to_vec());
            self.fences.add(&name, Signatures { by: last.0, time_signed: last.1, macs: &last.2 });
        }
        if matches!(entry.statement, Statement::Removed(_)) {
            return self.remove(&name);
        }
        let hash = self.hasher.hash_one(&*name);
        let (arena, hasher) = (&mut self.arena, &self.hasher);
        self.leased += usize::from(packed::is_leased(&packed));
        if let Some(place) = self.table.find_mut(hash, |place| arena.name(*place) == &*name) {
            self.leased -= usize::from(packed::is_leased(arena.value(*place)));
            *place = arena.replace(*place, &name, &packed);
            return;
        }
        let place = arena.add(&name, &packed);
        let arena = &self.arena;
        let _entry = self.table.insert_unique(hash, place, |place| hasher.hash_one(arena.name(*place)));
        for above in wire::ancestors(&name) {
            *self.above.entry(above.into()).or_default() += 1;
        }
    }

    /// Marks a host's lease as run out.
    pub(super) fn expire(&mut self, name: &[u8]) {
        let hash = self.hasher.hash_one(name);
        if let Some(place) = self.table.find(hash, |place| self.arena.name(*place) == name).copied() {
            let value = self.arena.value_mut(place);
            self.leased -= usize::from(packed::is_leased(value));
            packed::expire(value);
        }
    }

    fn remove(&mut self, name: &[u8]) {
        let hash = self.hasher.hash_one(name);
        let Ok(found) = self.table.find_entry(hash, |place| self.arena.name(*place) == name) else { return };
        let (place, _vacant) = found.remove();
        self.leased -= usize::from(packed::is_leased(self.arena.value(place)));
        self.arena.free(place);
        for above in wire::ancestors(name) {
            if let Some(count) = self.above.get_mut(above) {
                *count -= 1;
                if *count == 0 {
                    self.above.remove(above);
                }
            }
        }
    }

    /// Finds a host by the part of its name before the zone's, lower case, in wire format.
    pub(super) fn find(&self, name: &[u8]) -> Option<Kept<'_>> {
        let hash = self.hasher.hash_one(name);
        let place = self.table.find(hash, |place| self.arena.name(*place) == name)?;
        packed::unpack(self.arena.value(*place))
    }

    /// Packs a registration that follows another as [`Index::unpack`] reads it.
    pub(super) fn pack(&self, entry: &Entry, before: Option<Kept<'_>>) -> Vec<u8> {
        packed::pack(entry, before, &self.hasher)
    }

    /// Gives the last signatures of a host's keys that are not those of its registration.
    pub(super) fn fences(&self, name: &[u8]) -> impl Iterator<Item = Signatures<'_>> + use<'_> {
        self.fences.of(name)
    }

    /// Remembers such a signature.
    pub(super) fn fence(&mut self, host: &HostName, by: &str, fence: &Fence, zone: &Zone) {
        let Some(name) = zone.relative(host) else { return };
        let (by, mac) = self.fingerprint(by, &fence.mac);
        self.fences.add(&name, Signatures { by, time_signed: fence.time_signed, macs: &[mac] });
    }

    /// Reads a packed registration; `None` for a removal.
    pub(super) fn unpack(packed: &[u8]) -> Option<Kept<'_>> {
        packed::unpack(packed)
    }

    /// Tells whether there are registrations below a name.
    pub(super) fn has_below(&self, name: &[u8]) -> bool {
        self.above.contains_key(name)
    }

    /// Gives every host's name, as [`Index::find`] takes it, with its registration.
    pub(super) fn all(&self) -> impl Iterator<Item = (&[u8], Kept<'_>)> {
        let kept = |place| Some((self.arena.name(place), packed::unpack(self.arena.value(place))?));
        self.table.iter().filter_map(move |place| kept(*place))
    }

    /// Gives what is kept of a fence, to compare with: of the key, and of the signature.
    pub(super) fn fingerprint(&self, by: &str, mac: &[u8]) -> (u32, MacPrint) {
        packed::fingerprint(&self.hasher, by, mac)
    }

    /// Gives how many hosts are online; the writer sees within seconds that a lease has run out.
    pub(super) fn online(&self) -> usize {
        self.leased
    }

    /// Gives how many hosts have registered.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }
}

#[cfg(test)]
mod tests;
