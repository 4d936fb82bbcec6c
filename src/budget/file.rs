//! The ledger on disk: in two slots of a file of fixed size, so that counting goes on when the disk is full.
//!
//! Owns the lock that keeps a second listener's account away from it, or makes others wait for their turn.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

use super::ledger::Ledger;
use crate::slots::{self, Slots};

/// What a slot begins with, and its format.
const MARK: &str = "ringup budget 1";

/// What the file held when it was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// This ledger.
    Ledger(Ledger),
    /// Nothing: the file is new.
    Nothing,
    /// Something that is no ledger: the disk has lost it.
    Damage,
}

/// Why the ledger's file cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Another listener counts in it.
    #[error("{} is in use: another ringup listen runs with this state-directory", path.display())]
    InUse {
        /// The ledger's file.
        path: PathBuf,
    },
    /// The system does not let us.
    #[error("cannot keep the budget in {}", path.display())]
    Io {
        /// The ledger's file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The open file.
#[derive(Debug)]
pub struct LedgerFile {
    slots: Slots,
    /// Kept for as long as the file is open.
    _lock: Flock<File>,
}

impl LedgerFile {
    /// Opens the file, or makes it, and reads it; for as long as the process lives.
    ///
    /// # Errors
    /// When another process has it, or the system refuses.
    pub fn open(path: &Path) -> Result<(Self, Found), FileError> {
        Self::locked(path, FlockArg::LockExclusiveNonblock)
    }

    /// The same for one charge, once it is nobody else's turn; blocks until then.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn open_in_turn(path: &Path) -> Result<(Self, Found), FileError> {
        Self::locked(path, FlockArg::LockExclusive)
    }

    fn locked(path: &Path, how: FlockArg) -> Result<(Self, Found), FileError> {
        let failed = |source| FileError::Io { path: path.to_owned(), source };
        let mut slots = Slots::open(path, MARK).map_err(failed)?;
        let lock = slots.lock(how).map_err(|error| {
            if error.kind() == io::ErrorKind::WouldBlock {
                FileError::InUse { path: path.to_owned() }
            } else {
                failed(error)
            }
        })?;
        let found = slots.load().map_err(failed)?;
        Ok((Self { slots, _lock: lock }, found.into()))
    }

    /// Writes a ledger over the older of the two; it is on the disk when this returns.
    ///
    /// # Errors
    /// When the disk fails; then the newer of the two still stands.
    pub fn store(&mut self, ledger: &Ledger) -> io::Result<()> {
        self.slots.store(&ledger.to_text())
    }
}

/// Reads the ledger without the lock, as for a look from outside.
pub(super) fn peek(path: &Path) -> io::Result<Found> {
    slots::peek(path, MARK).map(Found::from)
}

impl From<slots::Found> for Found {
    fn from(found: slots::Found) -> Self {
        match found {
            slots::Found::Nothing => Self::Nothing,
            slots::Found::Text(text) => Ledger::parse(&text).map_or(Self::Damage, Self::Ledger),
            slots::Found::Other(_) => Self::Damage,
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::ledger::{DAYS_KEPT, Used};
    use super::*;
    use crate::scratch::Scratch;

    struct Folder(Scratch);

    impl Folder {
        fn new(name: &str) -> Self {
            Self(Scratch::new(name))
        }

        fn file(&self) -> PathBuf {
            self.0.path("budget")
        }

        fn open(&self) -> (LedgerFile, Found) {
            LedgerFile::open(&self.file()).unwrap()
        }
    }

    fn ledger(calls: u32) -> Ledger {
        Ledger::of_days([(date(2026, 11, 26), Used { calls, seconds: 0 })])
    }

    #[test]
    fn what_was_stored_last_is_there_after_reopening() {
        let folder = Folder::new("reopen");
        let (mut file, found) = folder.open();
        assert_eq!(found, Found::Nothing);
        for calls in 1..=3 {
            file.store(&ledger(calls)).unwrap();
        }
        drop(file);
        assert_eq!(folder.open().1, Found::Ledger(ledger(3)));
    }

    #[test]
    fn damage_is_told_from_nothing() {
        let folder = Folder::new("damage");
        std::fs::write(folder.file(), "garbage").unwrap();
        assert_eq!(folder.open().1, Found::Damage);
    }

    #[test]
    fn the_largest_ledger_has_its_place() {
        let folder = Folder::new("size");
        let (mut file, _found) = folder.open();
        let mut day = date(2026, 1, 1);
        let mut largest = Ledger::default();
        for _day in 0..DAYS_KEPT {
            largest.add(day, Used { calls: u32::MAX, seconds: u64::MAX });
            day = day.tomorrow().unwrap();
            file.store(&largest).unwrap();
        }
        drop(file);
        assert_eq!(folder.open().1, Found::Ledger(largest));
    }

    #[test]
    fn a_second_listener_is_kept_away() {
        let folder = Folder::new("second");
        let first = folder.open();
        assert!(matches!(LedgerFile::open(&folder.file()), Err(FileError::InUse { .. })));
        drop(first);
        folder.open();
    }
}
