//! Memory for many small things in chunks, so that none is copied when there is need for more, and little is wasted.
//!
//! A slot holds a name and a value. One that outgrows its slot moves; the slot it leaves waits for the next of its size.

use std::collections::BTreeMap;

/// Where a slot is, in units from the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u32);

/// The chunks, and which slots in them are free.
#[derive(Debug, Default)]
pub(super) struct Arena {
    chunks: Vec<Box<[u8]>>,
    /// How much of the last chunk is taken, in bytes.
    taken: usize,
    free: BTreeMap<u8, Vec<Place>>,
}

impl Arena {
    /// Stores a name, at most 255 bytes, and a value; together with three bytes more they are to fit [`LARGEST`].
    pub(super) fn add(&mut self, name: &[u8], value: &[u8]) -> Place {
        let units = units_for(name, value);
        let place = match self.free.get_mut(&units).and_then(Vec::pop) {
            Some(place) => place,
            None => self.grow(units),
        };
        self.write(place, units, name, value);
        place
    }

    /// Stores another value under a name; gives where it is now.
    pub(super) fn replace(&mut self, place: Place, name: &[u8], value: &[u8]) -> Place {
        let capacity = self.slot(place).first().copied().unwrap_or_default();
        if units_for(name, value) <= capacity {
            self.write(place, capacity, name, value);
            return place;
        }
        self.free(place);
        self.add(name, value)
    }

    /// Gives a slot back.
    pub(super) fn free(&mut self, place: Place) {
        let capacity = self.slot(place).first().copied().unwrap_or_default();
        self.free.entry(capacity).or_default().push(place);
    }

    pub(super) fn name(&self, place: Place) -> &[u8] {
        split(self.slot(place)).0
    }

    pub(super) fn value(&self, place: Place) -> &[u8] {
        split(self.slot(place)).1
    }

    /// Gives how many bytes are taken, or wait to be used again.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.chunks.len().saturating_sub(1) * CHUNK + self.taken
    }

    pub(super) fn value_mut(&mut self, place: Place) -> &mut [u8] {
        let skipped = HEAD + self.name(place).len();
        let at = place.0 as usize * UNIT;
        let slot = self.chunks.get_mut(at / CHUNK).and_then(|chunk| chunk.get_mut(at % CHUNK..)).unwrap_or_default();
        slot.get_mut(skipped..).unwrap_or_default()
    }

    fn grow(&mut self, units: u8) -> Place {
        let wanted = usize::from(units) * UNIT;
        if self.chunks.is_empty() || self.taken + wanted > CHUNK {
            self.chunks.push(vec![0; CHUNK].into());
            self.taken = 0;
        }
        let at = (self.chunks.len() - 1) * CHUNK + self.taken;
        self.taken += wanted;
        // 16 GiB of registrations: more hosts than IPv4 has addresses for.
        Place(u32::try_from(at / UNIT).unwrap_or(u32::MAX))
    }

    fn slot(&self, Place(unit): Place) -> &[u8] {
        let at = unit as usize * UNIT;
        self.chunks.get(at / CHUNK).and_then(|chunk| chunk.get(at % CHUNK..)).unwrap_or_default()
    }

    fn write(&mut self, Place(unit): Place, units: u8, name: &[u8], value: &[u8]) {
        let at = unit as usize * UNIT;
        let slot = self.chunks.get_mut(at / CHUNK).and_then(|chunk| chunk.get_mut(at % CHUNK..)).unwrap_or_default();
        let head = [units, u8::try_from(name.len()).unwrap_or(u8::MAX)];
        for (to, from) in slot.iter_mut().zip(head.iter().chain(name).chain(value)) {
            *to = *from;
        }
    }
}

fn split(slot: &[u8]) -> (&[u8], &[u8]) {
    match slot {
        [units, length, rest @ ..] => {
            let rest = rest.get(..(usize::from(*units) * UNIT).saturating_sub(HEAD)).unwrap_or(rest);
            rest.split_at_checked(usize::from(*length)).unwrap_or_default()
        }
        _ => Default::default(),
    }
}

fn units_for(name: &[u8], value: &[u8]) -> u8 {
    u8::try_from((HEAD + name.len() + value.len()).div_ceil(UNIT)).unwrap_or(u8::MAX)
}

const UNIT: usize = 4;
const HEAD: usize = 2;
/// What a chunk holds; a slot does not cross its end.
const CHUNK: usize = 1 << 20;
/// The largest slot, in bytes: more than the longest name and eight IPv6 addresses need.
#[cfg(test)]
const LARGEST: usize = 255 * UNIT;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_outgrows_its_slot_moves_and_the_slot_is_used_again() {
        let mut arena = Arena::default();
        let first = arena.add(b"\x04home", &[1; 30]);
        let second = arena.add(b"\x04away", &[2; 30]);
        assert_eq!(arena.replace(first, b"\x04home", &[3; 20]), first);
        assert_eq!(arena.value(first).get(..20), Some(&[3; 20][..]));
        let moved = arena.replace(first, b"\x04home", &[4; 60]);
        assert_ne!(moved, first);
        assert_eq!(arena.add(b"\x04next", &[5; 30]), first);
        assert_eq!((arena.name(second), arena.value(second).get(..30)), (&b"\x04away"[..], Some(&[2; 30][..])));
        assert_eq!(arena.name(moved), b"\x04home");
    }

    #[test]
    fn no_slot_crosses_a_chunk() {
        let mut arena = Arena::default();
        let places: Vec<_> = (0..3000u32).map(|at| arena.add(&at.to_be_bytes(), &[7; LARGEST - 6])).collect();
        assert_eq!(arena.chunks.len(), 3);
        for (place, at) in places.iter().zip(0u32..) {
            assert_eq!((arena.name(*place), arena.value(*place)), (&at.to_be_bytes()[..], &[7; LARGEST - 6][..]));
        }
    }
}
