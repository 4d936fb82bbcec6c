//! The journal as it is written: opened, put aside when it is damaged, appended to, pruned.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, params};

use super::note::{Entry, Wake};
use super::reader;
use super::schema::{self, Unusable};

/// The open journal.
#[derive(Debug)]
pub(super) struct Store {
    connection: Connection,
    keep: Duration,
    /// The newest entry when it was opened: no older ones are thrown away than a clock that went astray would say.
    newest: Option<u64>,
    pruned: Option<u64>,
}

/// A journal that was opened, and the damaged one that lay in its place.
pub(super) struct Opened {
    pub(super) store: Store,
    pub(super) aside: Option<(PathBuf, String)>,
}

/// What a commit writes.
#[derive(Debug)]
pub(super) enum Line {
    /// Something happened.
    Entry(Entry),
    /// A wake is so far now.
    Wake(Wake),
}

impl Store {
    /// Opens the journal, or a new one in place of one that cannot be used.
    pub(super) fn open(path: &Path, keep: Duration, now: u64) -> Result<Opened, rusqlite::Error> {
        let (connection, aside) = match schema::open(path) {
            Ok(connection) => (connection, None),
            Err(Unusable::Sqlite(error)) => return Err(error),
            Err(why @ (Unusable::Damaged(_) | Unusable::Foreign { .. })) => {
                let aside = put_aside(path, now).map_err(|error| sqlite_error(&error))?;
                let connection = schema::open(path).map_err(|again| match again {
                    Unusable::Sqlite(error) => error,
                    Unusable::Damaged(_) | Unusable::Foreign { .. } => sqlite_error(&again),
                })?;
                (connection, Some((aside, why.to_string())))
            }
        };
        let newest: Option<i64> = connection.query_row("SELECT max(at) FROM entry", [], |row| row.get(0))?;
        let newest = newest.and_then(|at| u64::try_from(at).ok());
        Ok(Opened { store: Self { connection, keep, newest, pruned: None }, aside })
    }

    /// Writes lines in one transaction; they are on disk when it returns.
    pub(super) fn commit(&mut self, lines: &[Line]) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        for line in lines {
            match line {
                Line::Entry(entry) => append(&transaction, entry)?,
                Line::Wake(wake) => put_wake(&transaction, wake)?,
            }
        }
        transaction.commit()
    }

    /// Throws away what is older than is to be kept, once a day; gives how many entries.
    pub(super) fn prune(&mut self, now: u64) -> rusqlite::Result<usize> {
        if self.pruned.is_some_and(|pruned| now.abs_diff(pruned) < DAY) {
            return Ok(0);
        }
        self.pruned = Some(now);
        let (Some(newest), Ok(keep)) = (self.newest, u64::try_from(self.keep.as_millis())) else { return Ok(0) };
        // A clock that is years ahead would have all of it thrown away.
        let newest = now.min(newest.saturating_add(DAY));
        let before = integer(newest.saturating_sub(keep));
        self.newest = Some(newest);
        let transaction = self.connection.transaction()?;
        let old = transaction.execute("DELETE FROM entry WHERE at < ?1", [before])?;
        let surplus = transaction.execute(
            "DELETE FROM entry WHERE id <= (SELECT id FROM entry ORDER BY id DESC LIMIT 1 OFFSET ?1)",
            [MOST_ENTRIES],
        )?;
        transaction.execute(
            "DELETE FROM wake WHERE begun < ?1 AND step = 'ended' AND wake < (SELECT max(wake) FROM wake)",
            [before],
        )?;
        transaction.commit()?;
        Ok(old + surplus)
    }

    /// The wakes begun last, newest first.
    pub(super) fn wakes(&self, most: usize) -> rusqlite::Result<Vec<Wake>> {
        reader::wakes(&self.connection, most)
    }

    /// Makes every commit fail, as a full disk would, or lets it pass again.
    #[cfg(test)]
    pub(super) fn set_read_only(&self, read_only: bool) {
        self.connection.pragma_update(None, "query_only", read_only).unwrap();
    }
}

/// Renames a file that cannot be used, with what SQLite keeps beside it.
fn put_aside(path: &Path, now: u64) -> std::io::Result<PathBuf> {
    let beside = |path: &Path, suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let aside = beside(path, &format!(".damaged-{}", now / 1000));
    std::fs::rename(path, &aside)?;
    for suffix in ["-wal", "-shm"] {
        match std::fs::rename(beside(path, suffix), beside(&aside, suffix)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(aside)
}

fn sqlite_error(error: &dyn std::error::Error) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(error.to_string().into())
}

fn append(connection: &Connection, entry: &Entry) -> rusqlite::Result<()> {
    let detail = serde_json::to_string(&entry.note).map_err(|error| sqlite_error(&error))?;
    let mut insert =
        connection.prepare_cached("INSERT INTO entry (at, line, wake, kind, detail) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    let wake = entry.wake.map(|wake| wake.0);
    insert.execute(params![integer(entry.at), entry.line, wake, entry.note.kind(), detail]).map(|_rows| ())
}

fn put_wake(connection: &Connection, wake: &Wake) -> rusqlite::Result<()> {
    let mut put = connection.prepare_cached(
        "INSERT OR REPLACE INTO wake (wake, line, begun, step, since, resumed, up, address, seq, asleep, cause)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?;
    put.execute(params![
        wake.wake.0,
        wake.line,
        integer(wake.begun),
        wake.step.as_str(),
        integer(wake.since),
        wake.resumed,
        wake.up.map(integer),
        wake.address.map(|address| address.to_string()),
        wake.seq.map(integer),
        wake.asleep,
        wake.cause,
    ])
    .map(|_rows| ())
}

fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

const DAY: u64 = 86_400_000;
/// However many calls come in, the file stays below some 50 MB.
const MOST_ENTRIES: i64 = 250_000;

#[cfg(test)]
mod tests {
    use super::super::note::{Note, Step, WakeNumber};
    use super::super::reader::{Filter, Reader};
    use super::*;
    use crate::scratch::Scratch;

    /// In 2026.
    const NOW: u64 = 1_790_000_000_000;

    fn file(folder: &Scratch) -> PathBuf {
        folder.path("journal.sqlite")
    }

    fn open(folder: &Scratch, now: u64) -> Opened {
        Store::open(&file(folder), Duration::from_millis(DAY * 10), now).unwrap()
    }

    fn kept(folder: &Scratch) -> Vec<u64> {
        let found = Reader::open(&file(folder)).unwrap().read(&Filter::default()).unwrap();
        found.into_iter().map(|found| found.at).collect()
    }

    fn at(at: u64) -> Line {
        Line::Entry(Entry { at, line: None, wake: None, note: Note::Stopped })
    }

    #[test]
    fn entries_and_wakes_are_there_after_reopening() {
        let folder = Scratch::new("reopen");
        let mut store = open(&folder, NOW).store;
        let mut wake = Wake::begin(WakeNumber(1), "/dev/ttyS0", NOW);
        let note = Note::Registered { seq: 7 };
        let entry = Entry { at: NOW, line: Some("/dev/ttyS0".to_owned()), wake: Some(wake.wake), note: note.clone() };
        store.commit(&[Line::Wake(wake.clone()), Line::Entry(entry)]).unwrap();
        wake.step = Step::Registered;
        wake.address = Some("203.0.113.9".parse().unwrap());
        wake.seq = Some(7);
        store.commit(&[Line::Wake(wake.clone())]).unwrap();
        drop(store);
        assert_eq!(open(&folder, NOW).store.wakes(9).unwrap(), [wake.clone()]);
        let found = Reader::open(&file(&folder)).unwrap().read(&Filter::default()).unwrap();
        assert_eq!((found[0].wake, found[0].note.as_ref().ok()), (Some(wake.wake), Some(&note)));
    }

    #[test]
    fn old_entries_go_and_a_clock_years_ahead_takes_none_that_are_not() {
        let folder = Scratch::new("prune");
        let mut store = open(&folder, NOW).store;
        store.commit(&[at(NOW - 11 * DAY), at(NOW - 8 * DAY), at(NOW)]).unwrap();
        drop(store);
        let mut store = open(&folder, NOW).store;
        assert_eq!(store.prune(NOW + 5000 * DAY).unwrap(), 1, "as of a day after the newest");
        assert_eq!(kept(&folder), [NOW - 8 * DAY, NOW]);
        assert_eq!(store.prune(NOW + 5002 * DAY).unwrap(), 0, "it gains a day at a time, whatever it says");
        drop(store);
        let mut store = open(&folder, NOW).store;
        let pruned = [0, 2, 4, 6].map(|days| store.prune(NOW + days * DAY).unwrap());
        assert_eq!(pruned, [0, 0, 0, 1], "of what is as old as is to be kept, and older");
    }

    #[test]
    fn a_damaged_journal_is_put_aside_whole_and_a_new_one_begun() {
        for (name, bytes) in [("garbage", b"this is no database, and never was one".to_vec()), ("torn", Vec::new())] {
            let folder = Scratch::new(name);
            let mut store = open(&folder, NOW).store;
            store.commit(&(0..2000).map(|step| at(NOW + step)).collect::<Vec<_>>()).unwrap();
            drop(store);
            let good = std::fs::read(file(&folder)).unwrap();
            let mut bad = good.clone();
            let place = bad.len() / 2;
            if bytes.is_empty() {
                bad[4096..place].fill(0xa5);
            } else {
                bad.clone_from(&bytes);
            }
            std::fs::write(file(&folder), &bad).unwrap();
            let mut opened = open(&folder, NOW);
            let (aside, _why) = opened.aside.unwrap();
            assert_eq!(std::fs::read(&aside).unwrap(), bad, "{name}");
            opened.store.commit(&[at(NOW)]).unwrap();
            assert_eq!(kept(&folder), [NOW], "{name}");
        }
    }

    #[test]
    fn a_newer_ringups_journal_is_put_aside_and_not_touched() {
        let folder = Scratch::new("newer");
        open(&folder, NOW).store.connection.execute_batch("PRAGMA user_version = 99").unwrap();
        let opened = open(&folder, NOW);
        assert!(opened.aside.unwrap().1.contains("version 99"));
    }
}
