//! The last signatures of keys that are not those of a host's registration: another key came after them, or a login, or the
//! administrator, or they changed nothing. What such a key signed before them is a replay all the same.
//!
//! Hosts that only ever have one key, which are nearly all, cost nothing here.

use std::collections::HashMap;

use super::packed::{MacPrint, Signatures};

/// The signatures, by the part of the host's name before the zone's.
#[derive(Clone, Debug, Default)]
pub(in crate::directory) struct Fences(HashMap<Box<[u8]>, Vec<Past>>);

/// What one key signed in its last second.
#[derive(Clone, Debug)]
struct Past {
    by: u32,
    time_signed: u64,
    macs: Vec<MacPrint>,
}

impl Fences {
    /// Remembers a key's signatures in place of its earlier ones.
    pub(in crate::directory) fn add(&mut self, name: &[u8], last: Signatures<'_>) {
        let kept = self.0.entry(name.into()).or_default();
        match kept.iter_mut().find(|past| past.by == last.by) {
            Some(past) if past.time_signed == last.time_signed => past.macs.extend(last.macs),
            Some(past) if past.time_signed > last.time_signed => {}
            Some(past) => (past.time_signed, past.macs) = (last.time_signed, last.macs.to_vec()),
            None => kept.push(Past { by: last.by, time_signed: last.time_signed, macs: last.macs.to_vec() }),
        }
    }

    /// Gives what the keys of a host signed last.
    pub(in crate::directory) fn of(&self, name: &[u8]) -> impl Iterator<Item = Signatures<'_>> + use<'_> {
        let kept = self.0.get(name).map(Vec::as_slice).unwrap_or_default();
        kept.iter().map(|past| Signatures { by: past.by, time_signed: past.time_signed, macs: &past.macs })
    }
}
