//! A small durable state in a file of fixed size: two slots, written in turns.
//!
//! Both have their place on the disk from the beginning, so that the state is kept when the disk is full; each has its
//! checksum, so that a write cut short leaves the one before. Knows nothing of what it keeps but that it is text.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use data_encoding::HEXLOWER;
use nix::fcntl::{Flock, FlockArg};
use ring::digest::{SHA256, digest};

/// A block of every usual file system: writing one slot cannot hurt the other.
const SLOT: usize = 4096;

/// What the slots hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The text that was stored last.
    Text(String),
    /// Nothing: the file is new.
    Nothing,
    /// Something else, of which this is the beginning, as text as far as it is any: a format before this one, or damage.
    Other(String),
}

/// An open file of two slots.
#[derive(Debug)]
pub struct Slots {
    file: File,
    /// What a slot begins with: the format's name and number.
    mark: &'static str,
    /// How often it was stored.
    generation: u64,
    /// Whether both slots have their place on the disk.
    placed: bool,
}

impl Slots {
    /// Opens the file, or makes it with mode 0600. It is to be [read](Self::load) before anything is stored.
    ///
    /// # Errors
    /// Those of the system.
    pub fn open(path: &Path, mark: &'static str) -> io::Result<Self> {
        let open = |create| OpenOptions::new().read(true).write(true).create_new(create).mode(0o600).open(path);
        let file = match open(true) {
            Ok(file) => {
                sync_folder_of(path)?;
                file
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => open(false)?,
            Err(error) => return Err(error),
        };
        Ok(Self { file, mark, generation: 0, placed: false })
    }

    /// Keeps every other process from locking the file, until the lock is dropped.
    ///
    /// # Errors
    /// Those of the system; `WouldBlock` when another has it and `how` says not to wait.
    pub fn lock(&self, how: FlockArg) -> io::Result<Flock<File>> {
        // The lock is the open file's, whichever descriptor took it.
        Flock::lock(self.file.try_clone()?, how).map_err(|(_file, errno)| errno.into())
    }

    /// Reads what was stored last, and takes both slots' place on the disk if that was not done.
    ///
    /// # Errors
    /// When the file cannot be read. A place that cannot be had is an error of [`Slots::store`].
    pub fn load(&mut self) -> io::Result<Found> {
        let (generation, found, length) = read(&self.file, self.mark)?;
        self.generation = generation;
        self.placed = length >= 2 * SLOT;
        if let Err(error) = self.take_place() {
            tracing::debug!(%error, mark = self.mark, "no place for a second slot yet");
        }
        Ok(found)
    }

    /// Writes over the older of the two slots; it is on the disk when this returns.
    ///
    /// # Errors
    /// When the disk fails, or the text is larger than its place; then what was stored before still stands.
    pub fn store(&mut self, text: &str) -> io::Result<()> {
        self.take_place()?;
        let generation = self.generation + 1;
        let mut slot = slot(self.mark, generation, text).into_bytes();
        if slot.len() > SLOT {
            return Err(io::Error::other("the state is larger than its place"));
        }
        slot.resize(SLOT, b'\n');
        self.file.write_all_at(&slot, generation % 2 * SLOT as u64)?;
        self.file.sync_data()?;
        self.generation = generation;
        Ok(())
    }

    /// Makes the file as large as it will ever be. What it holds stays: the first store goes to the second slot.
    fn take_place(&mut self) -> io::Result<()> {
        if self.placed {
            return Ok(());
        }
        let length = self.file.metadata()?.len();
        let missing = (2 * SLOT as u64).saturating_sub(length);
        let blank = vec![b'\n'; usize::try_from(missing).unwrap_or(2 * SLOT)];
        self.file.write_all_at(&blank, length)?;
        self.file.sync_all()?;
        self.placed = true;
        Ok(())
    }
}

/// Reads what a file holds, for a look from outside; the file is left as it is.
///
/// # Errors
/// Those of the system.
pub fn peek(path: &Path, mark: &str) -> io::Result<Found> {
    read(&File::open(path)?, mark).map(|(_generation, found, _length)| found)
}

/// The newer good slot, and how long the file is, as far as that matters.
fn read(file: &File, mark: &str) -> io::Result<(u64, Found, usize)> {
    let mut bytes = vec![0; 2 * SLOT];
    let mut length = 0;
    while let Some(rest) = bytes.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, length as u64)? {
            0 => break,
            read => length += read,
        }
    }
    bytes.truncate(length);
    let slots = bytes.chunks(SLOT).filter_map(|slot| parse(mark, std::str::from_utf8(slot).ok()?));
    if let Some((generation, text)) = slots.max_by_key(|(generation, _text)| *generation) {
        return Ok((generation, Found::Text(text.to_owned()), length));
    }
    // A write cut short may leave zeros.
    let blank = |byte: &u8| matches!(byte, b'\n' | 0);
    if bytes.iter().all(blank) {
        return Ok((0, Found::Nothing, length));
    }
    let first = bytes.chunks(SLOT).next().unwrap_or_default();
    let text = String::from_utf8_lossy(first).trim_end_matches(['\n', '\0']).to_owned();
    Ok((0, Found::Other(text), length))
}

fn slot(mark: &str, generation: u64, text: &str) -> String {
    let body = format!("{mark}\ngeneration {generation}\n{text}");
    let sum = HEXLOWER.encode(digest(&SHA256, body.as_bytes()).as_ref());
    format!("{body}sum {sum}\n")
}

fn parse<'slot>(mark: &str, slot: &'slot str) -> Option<(u64, &'slot str)> {
    let (body, sum) = slot.trim_end_matches('\n').rsplit_once("sum ")?;
    if HEXLOWER.encode(digest(&SHA256, body.as_bytes()).as_ref()) != sum {
        return None;
    }
    let (generation, text) = body.strip_prefix(mark)?.strip_prefix("\ngeneration ")?.split_once('\n')?;
    Some((generation.parse().ok()?, text))
}

/// Has the name of a new file survive a power cut.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::scratch::Scratch;

    const MARK: &str = "ringup test 1";

    struct Folder(Scratch);

    impl Folder {
        fn file(&self) -> PathBuf {
            self.0.path("state")
        }

        fn open(&self) -> (Slots, Found) {
            let mut slots = Slots::open(&self.file(), MARK).unwrap();
            let found = slots.load().unwrap();
            (slots, found)
        }
    }

    fn text(text: &str) -> Found {
        Found::Text(text.to_owned())
    }

    #[test]
    fn what_was_stored_last_is_there_after_reopening_and_the_file_never_grows() {
        let folder = Folder(Scratch::new("slots-reopen"));
        let (mut slots, found) = folder.open();
        assert_eq!(found, Found::Nothing);
        for stored in ["one\n", "two\n", "three\n"] {
            slots.store(stored).unwrap();
            assert_eq!(std::fs::metadata(folder.file()).unwrap().len(), 2 * SLOT as u64);
            assert_eq!(folder.open().1, text(stored));
        }
        assert!(slots.store(&"x".repeat(SLOT)).is_err(), "larger than its place");
        assert_eq!(peek(&folder.file(), MARK).unwrap(), text("three\n"));
    }

    #[test]
    fn a_write_cut_short_leaves_the_one_before_and_damage_is_told_from_nothing() {
        let folder = Folder(Scratch::new("slots-torn"));
        let (mut slots, _found) = folder.open();
        slots.store("one\n").unwrap();
        slots.store("two\n").unwrap();
        let mut bytes = std::fs::read(folder.file()).unwrap();
        bytes[30] ^= 1;
        std::fs::write(folder.file(), &bytes).unwrap();
        assert_eq!(folder.open().1, text("one\n"), "the second lies in the first slot");
        bytes[SLOT + 30] ^= 1;
        std::fs::write(folder.file(), &bytes).unwrap();
        assert!(matches!(folder.open().1, Found::Other(_)));
    }

    #[test]
    fn a_file_that_lacks_its_end_gets_it_back_and_what_another_format_left_stays_until_something_is_stored() {
        let folder = Folder(Scratch::new("slots-other"));
        std::fs::write(folder.file(), "42\n").unwrap();
        for _time in 0..2 {
            assert_eq!(folder.open().1, Found::Other("42".to_owned()));
        }
        // As the second slot's store leaves it that was cut short.
        let (slots, _found) = folder.open();
        slots.file.write_all_at(b"ringup test 1\ngenerat", SLOT as u64).unwrap();
        let (mut slots, found) = folder.open();
        assert_eq!(found, Found::Other("42".to_owned()));
        slots.store("43\n").unwrap();
        assert_eq!(folder.open().1, text("43\n"));
    }

    #[test]
    fn a_lock_keeps_others_away_until_it_is_dropped() {
        let folder = Folder(Scratch::new("slots-lock"));
        let ((one, _), (two, _)) = (folder.open(), folder.open());
        let lock = one.lock(FlockArg::LockExclusiveNonblock).unwrap();
        let kept_away = two.lock(FlockArg::LockExclusiveNonblock).unwrap_err();
        assert_eq!(kept_away.kind(), io::ErrorKind::WouldBlock);
        drop(lock);
        two.lock(FlockArg::LockExclusiveNonblock).unwrap();
    }
}
