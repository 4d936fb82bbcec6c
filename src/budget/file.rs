//! The ledger on disk: a file of fixed size with two slots, written in turns.
//!
//! Its blocks are there from the beginning, so that counting goes on when the disk is full; each slot has its checksum, so that
//! a write cut short leaves the one before. Owns the lock that keeps a second listener's account away from it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use nix::fcntl::{Flock, FlockArg};
use ring::digest::{SHA256, digest};

use super::ledger::Ledger;

/// Larger than any ledger of [`super::ledger::DAYS_KEPT`] days.
const SLOT: usize = 4096;
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
    file: Flock<File>,
    generation: u64,
}

impl LedgerFile {
    /// Opens the file, or makes it, and reads it.
    ///
    /// # Errors
    /// When another process has it, or the system refuses.
    pub fn open(path: &Path) -> Result<(Self, Found), FileError> {
        let failed = |source| FileError::Io { path: path.to_owned(), source };
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
        let file = Flock::lock(file.map_err(failed)?, FlockArg::LockExclusiveNonblock).map_err(|(_file, errno)| {
            if errno == nix::errno::Errno::EWOULDBLOCK {
                FileError::InUse { path: path.to_owned() }
            } else {
                failed(errno.into())
            }
        })?;
        let (generation, found) = read(&file).map_err(failed)?;
        if file.metadata().map_err(failed)?.len() < 2 * SLOT as u64 {
            file.write_all_at(&[b'\n'; 2 * SLOT], 0).map_err(failed)?;
            file.sync_all().map_err(failed)?;
            if let Some(folder) = path.parent() {
                File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
            }
        }
        Ok((Self { file, generation }, found))
    }

    /// Writes a ledger over the older of the two; it is on the disk when this returns.
    ///
    /// # Errors
    /// When the disk fails; then the newer of the two still stands.
    pub fn store(&mut self, ledger: &Ledger) -> io::Result<()> {
        let generation = self.generation + 1;
        let mut slot = slot_text(generation, ledger).into_bytes();
        if slot.len() > SLOT {
            return Err(io::Error::other("the ledger is larger than its place"));
        }
        slot.resize(SLOT, b'\n');
        self.file.write_all_at(&slot, generation % 2 * SLOT as u64)?;
        self.file.sync_data()?;
        self.generation = generation;
        Ok(())
    }
}

/// Reads the newer good slot, without the lock, as for a look from outside.
pub(super) fn read(file: &File) -> io::Result<(u64, Found)> {
    let mut bytes = vec![0; 2 * SLOT];
    let mut length = 0;
    while let Some(rest) = bytes.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, length as u64)? {
            0 => break,
            read => length += read,
        }
    }
    bytes.truncate(length);
    let slots = bytes.chunks(SLOT).filter_map(|slot| parse(std::str::from_utf8(slot).ok()?));
    match slots.max_by_key(|(generation, _ledger)| *generation) {
        Some((generation, ledger)) => Ok((generation, Found::Ledger(ledger))),
        None if bytes.iter().all(|byte| *byte == b'\n') => Ok((0, Found::Nothing)),
        None => Ok((0, Found::Damage)),
    }
}

fn slot_text(generation: u64, ledger: &Ledger) -> String {
    let text = format!("{MARK}\ngeneration {generation}\n{}", ledger.to_text());
    let sum = HEXLOWER.encode(digest(&SHA256, text.as_bytes()).as_ref());
    format!("{text}sum {sum}\n")
}

fn parse(slot: &str) -> Option<(u64, Ledger)> {
    let (body, sum) = slot.trim_end_matches('\n').rsplit_once("sum ")?;
    if HEXLOWER.encode(digest(&SHA256, body.as_bytes()).as_ref()) != sum {
        return None;
    }
    let (generation, ledger) = body.strip_prefix(MARK)?.strip_prefix("\ngeneration ")?.split_once('\n')?;
    Some((generation.parse().ok()?, Ledger::parse(ledger)?))
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
    fn a_write_cut_short_leaves_the_one_before_and_damage_is_told_from_nothing() {
        let folder = Folder::new("torn");
        let (mut file, _found) = folder.open();
        file.store(&ledger(1)).unwrap();
        file.store(&ledger(2)).unwrap();
        drop(file);
        let mut bytes = std::fs::read(folder.file()).unwrap();
        bytes[30] ^= 1;
        std::fs::write(folder.file(), &bytes).unwrap();
        let (file, found) = folder.open();
        assert_eq!(found, Found::Ledger(ledger(1)), "the second lies in the first slot");
        drop(file);
        bytes[SLOT + 30] ^= 1;
        std::fs::write(folder.file(), &bytes).unwrap();
        assert_eq!(folder.open().1, Found::Damage);
    }

    #[test]
    fn the_file_never_grows() {
        let folder = Folder::new("size");
        let (mut file, _found) = folder.open();
        let mut day = date(2026, 1, 1);
        let mut largest = Ledger::default();
        for _day in 0..DAYS_KEPT {
            largest.add(day, Used { calls: u32::MAX, seconds: u64::MAX });
            day = day.tomorrow().unwrap();
            file.store(&largest).unwrap();
            assert_eq!(std::fs::metadata(folder.file()).unwrap().len(), 2 * SLOT as u64);
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
