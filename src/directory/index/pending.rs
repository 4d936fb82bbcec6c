//! What was decided in a batch and is not yet on the disk: the next decision of the batch rests on it.

use std::collections::HashMap;

use super::fences::Fences;
use super::packed::{Kept, Signatures};
use super::{Entry, Index};
use crate::directory::entry::Remembered;

/// The decided registrations, packed, by the part of the host's name before the zone's.
#[derive(Debug, Default)]
pub(in crate::directory) struct Pending {
    packed: HashMap<Box<[u8]>, Vec<u8>>,
    fences: Fences,
}

impl Pending {
    /// Adds a registration that was decided on top of an index and all that was added before.
    pub(in crate::directory) fn add(&mut self, name: &[u8], entry: &Entry, index: &Index) {
        let decided = self.packed.get(name).map(|packed| Index::unpack(packed));
        let before = decided.unwrap_or_else(|| index.find(name));
        let packed = index.pack(entry, before);
        if let Some(last) = before.filter(|_| entry.displaces).and_then(|before| before.signatures()) {
            self.fences.add(name, last);
        }
        self.packed.insert(name.into(), packed);
    }

    /// Adds a signature on what changed nothing.
    pub(in crate::directory) fn remember(&mut self, name: &[u8], remembered: &Remembered, index: &Index) {
        let (by, mac) = index.fingerprint(&remembered.by, &remembered.fence.mac);
        self.fences.add(name, Signatures { by, time_signed: remembered.fence.time_signed, macs: &[mac] });
    }

    /// Finds what was decided of a host: `Some(None)` that it is removed.
    pub(in crate::directory) fn find(&self, name: &[u8]) -> Option<Option<Kept<'_>>> {
        self.packed.get(name).map(|packed| Index::unpack(packed))
    }

    /// Gives the signatures of the batch that are not those of a registration.
    pub(in crate::directory) fn fences(&self, name: &[u8]) -> impl Iterator<Item = Signatures<'_>> + use<'_> {
        self.fences.of(name)
    }
}
