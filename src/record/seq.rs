//! The sequence number that fences off a host's past, and the file that makes it only ever rise.
//!
//! A number is on the disk before anybody hears of it, so one lost to a crash is skipped and none is used twice. Its place
//! there is taken from the beginning: a full disk keeps no machine from registering.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

use crate::slots::{Found, Slots};

/// A record's place in the history of its host: a later record has a greater one. At least 1 and at most 2^63 - 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(u64);

impl Seq {
    /// The first number a host uses.
    pub const FIRST: Self = Self(1);

    /// Takes a number, or `None` when it is outside the range of sequence numbers.
    #[must_use]
    pub fn new(number: u64) -> Option<Self> {
        (1..=i64::MAX.unsigned_abs()).contains(&number).then_some(Self(number))
    }

    /// Gives the bare number.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }

    /// Gives the next number, or `None` at the end of the range.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        Self::new(self.0.saturating_add(1))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What a slot begins with, and its format.
const MARK: &str = "ringup seq 1";

/// The last sequence number a host has used, kept in a file of its own.
#[derive(Debug)]
pub struct SeqStore {
    path: PathBuf,
    last: Option<Seq>,
}

impl SeqStore {
    /// Reads the last number used, and takes the file's place on the disk; a new file means none.
    ///
    /// # Errors
    /// When the file cannot be had, or holds something else.
    pub fn open(path: &Path) -> Result<Self, SeqError> {
        let (_slots, last) = load(path)?;
        Ok(Self { path: path.to_owned(), last })
    }

    /// Gives the last number used, or `None` when the file is new or was lost.
    #[must_use]
    pub fn last(&self) -> Option<Seq> {
        self.last
    }

    /// Takes the next number above the last one used, by whichever process, and above `floor`; puts it on the disk before
    /// returning it.
    ///
    /// # Errors
    /// When it cannot be made durable (the number is then not used), or the range is used up.
    pub fn advance(&mut self, floor: Option<Seq>) -> Result<Seq, SeqError> {
        let (mut slots, on_disk) = load(&self.path)?;
        let next = match on_disk.max(self.last).max(floor) {
            None => Seq::FIRST,
            Some(last) => last.next().ok_or(SeqError::UsedUp)?,
        };
        let stored = slots.slots.store(&format!("{next}\n"));
        stored.map_err(|source| SeqError::Unwritable { path: self.path.clone(), source })?;
        self.last = Some(next);
        Ok(next)
    }
}

/// The file, kept from other processes.
struct Locked {
    slots: Slots,
    _lock: Flock<File>,
}

fn load(path: &Path) -> Result<(Locked, Option<Seq>), SeqError> {
    let unreadable = |source| SeqError::Unreadable { path: path.to_owned(), source };
    let mut slots = Slots::open(path, MARK).map_err(unreadable)?;
    let lock = slots.lock(FlockArg::LockExclusive).map_err(unreadable)?;
    let last = match slots.load().map_err(unreadable)? {
        Found::Nothing => None,
        // Before there were slots the number stood alone in the file.
        Found::Text(text) | Found::Other(text) => {
            Some(read_line(&text).ok_or_else(|| SeqError::Malformed { path: path.to_owned() })?)
        }
    };
    Ok((Locked { slots, _lock: lock }, last))
}

/// Why a sequence number could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SeqError {
    /// The file cannot be had.
    #[error("cannot keep the last sequence number in {}", path.display())]
    Unreadable {
        /// The number's file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file holds something else.
    #[error("{} holds no sequence number; remove it, and the directory's number is taken up", path.display())]
    Malformed {
        /// The number's file.
        path: PathBuf,
    },
    /// The number cannot be made durable.
    #[error("cannot write the next sequence number to {}", path.display())]
    Unwritable {
        /// The number's file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is no greater number.
    #[error("the sequence numbers of this host are used up; give it a new identity and a new name")]
    UsedUp,
}

fn read_line(text: &str) -> Option<Seq> {
    text.trim_end().parse().ok().and_then(Seq::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    fn seq(number: u64) -> Seq {
        Seq::new(number).unwrap()
    }

    #[test]
    fn a_number_is_on_the_disk_before_it_is_given_out() {
        let folder = Scratch::new("seq");
        let path = folder.path("seq");
        let mut store = SeqStore::open(&path).unwrap();
        assert_eq!(store.last(), None);
        assert_eq!(store.advance(None).unwrap(), Seq::FIRST);
        assert_eq!(SeqStore::open(&path).unwrap().last(), Some(Seq::FIRST));
        assert_eq!(store.advance(None).unwrap(), seq(2));
        assert_eq!(SeqStore::open(&path).unwrap().advance(None).unwrap(), seq(3));
    }

    #[test]
    fn a_floor_lifts_a_lost_file_and_never_lowers_a_kept_one() {
        let folder = Scratch::new("seq-floor");
        let path = folder.path("seq");
        let mut store = SeqStore::open(&path).unwrap();
        assert_eq!(store.advance(Some(seq(41))).unwrap(), seq(42));
        assert_eq!(store.advance(Some(seq(7))).unwrap(), seq(43));
    }

    #[test]
    fn what_another_process_has_used_is_not_used_again() {
        let folder = Scratch::new("seq-two");
        let path = folder.path("seq");
        let (mut one, mut two) = (SeqStore::open(&path).unwrap(), SeqStore::open(&path).unwrap());
        assert_eq!([one.advance(None), two.advance(None), one.advance(None)].map(Result::unwrap), [1, 2, 3].map(seq));
    }

    #[test]
    fn a_number_that_cannot_be_written_is_not_used() {
        let folder = Scratch::new("seq-lost");
        let inner = folder.path("inner");
        std::fs::create_dir(&inner).unwrap();
        let mut store = SeqStore::open(&inner.join("seq")).unwrap();
        std::fs::remove_dir_all(&inner).unwrap();
        assert!(matches!(store.advance(None), Err(SeqError::Unreadable { .. })));
        assert_eq!(store.last(), None);
    }

    #[test]
    fn a_file_from_before_there_were_slots_goes_on() {
        let folder = Scratch::new("seq-old");
        let path = folder.path("seq");
        std::fs::write(&path, "41\n").unwrap();
        assert_eq!(SeqStore::open(&path).unwrap().last(), Some(seq(41)));
        assert_eq!(SeqStore::open(&path).unwrap().advance(None).unwrap(), seq(42));
        assert_eq!(SeqStore::open(&path).unwrap().last(), Some(seq(42)));
    }

    #[test]
    fn a_damaged_file_is_refused_and_the_range_ends() {
        let folder = Scratch::new("seq-damaged");
        let path = folder.path("seq");
        for bad in ["x", "0", "-1", "9223372036854775808"] {
            std::fs::write(&path, bad).unwrap();
            assert!(matches!(SeqStore::open(&path), Err(SeqError::Malformed { .. })), "{bad:?}");
        }
        std::fs::write(&path, "9223372036854775807\n").unwrap();
        assert!(matches!(SeqStore::open(&path).unwrap().advance(None), Err(SeqError::UsedUp)));
    }
}
