//! The journal as it is read: by its filters, and for the budget.

use std::path::{Path, PathBuf};

use jiff::civil::Date;
use rusqlite::{Connection, Row, params};

use super::note::{Note, Step, Wake, WakeNumber};
use super::schema::{self, Unusable};
use crate::budget::{Ledger, Used};

/// A journal that is open for reading.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    path: PathBuf,
}

/// Why a journal cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// There is none.
    #[error("there is no journal at {}: ringup listen has not run here yet", path.display())]
    None {
        /// Where it would be.
        path: PathBuf,
    },
    /// It is there, but cannot be used.
    #[error("cannot read the journal {}: {why}", path.display())]
    Unusable {
        /// The journal's file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

/// Which entries.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// None before this moment, in milliseconds since 1970.
    pub since: Option<u64>,
    /// Of these kinds only; empty for all.
    pub kinds: Vec<String>,
    /// Of this wake only.
    pub wake: Option<WakeNumber>,
    /// None up to this entry.
    pub after: Option<i64>,
    /// The last so many of them; all when `None`.
    pub last: Option<u32>,
}

/// An entry that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its place in the journal.
    pub id: i64,
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// On which line.
    pub line: Option<String>,
    /// In which wake.
    pub wake: Option<WakeNumber>,
    /// The kind's name.
    pub kind: String,
    /// What; as it is written, where this program does not know the kind.
    pub note: Result<Note, String>,
}

impl Reader {
    /// Opens the journal beside a daemon that may be writing it.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        if !path.exists() {
            return Err(JournalError::None { path: path.to_owned() });
        }
        match schema::open_to_read(path) {
            Ok(connection) => Ok(Self { connection, path: path.to_owned() }),
            Err(why) => Err(unusable(path, &why)),
        }
    }

    /// Gives the entries, oldest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&self, filter: &Filter) -> Result<Vec<Found>, JournalError> {
        entries(&self.connection, filter).map_err(|error| unusable(&self.path, &error.into()))
    }

    /// Gives the wakes begun last, newest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn wakes(&self, most: usize) -> Result<Vec<Wake>, JournalError> {
        wakes(&self.connection, most).map_err(|error| unusable(&self.path, &error.into()))
    }

    /// Gives what was spent by the journal's account, by local days; `None` when it knows of nothing at all.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn spent(&self, day: impl Fn(u64) -> Date) -> Result<Option<Ledger>, JournalError> {
        spent(&self.connection, day).map_err(|error| unusable(&self.path, &error.into()))
    }
}

fn unusable(path: &Path, why: &Unusable) -> JournalError {
    JournalError::Unusable { path: path.to_owned(), why: why.to_string() }
}

fn entries(connection: &Connection, filter: &Filter) -> rusqlite::Result<Vec<Found>> {
    let kinds = serde_json::to_string(&filter.kinds).unwrap_or_default();
    let mut select = connection.prepare_cached(
        "SELECT id, at, line, wake, kind, detail FROM (
             SELECT * FROM entry
             WHERE (?1 IS NULL OR at >= ?1) AND (?2 = '[]' OR kind IN (SELECT value FROM json_each(?2)))
               AND (?3 IS NULL OR wake = ?3) AND (?4 IS NULL OR id > ?4)
             ORDER BY id DESC LIMIT ?5
         ) ORDER BY id",
    )?;
    let since = filter.since.map(|since| i64::try_from(since).unwrap_or(i64::MAX));
    let last = filter.last.map_or(-1, i64::from);
    let rows = select.query_map(params![since, kinds, filter.wake.map(|wake| wake.0), filter.after, last], found)?;
    rows.collect()
}

fn found(row: &Row<'_>) -> rusqlite::Result<Found> {
    let detail: String = row.get(5)?;
    Ok(Found {
        id: row.get(0)?,
        at: row.get::<_, i64>(1)?.unsigned_abs(),
        line: row.get(2)?,
        wake: row.get::<_, Option<i64>>(3)?.map(WakeNumber),
        kind: row.get(4)?,
        note: serde_json::from_str(&detail).map_err(|_newer| detail),
    })
}

/// The wakes begun last, newest first.
pub(super) fn wakes(connection: &Connection, most: usize) -> rusqlite::Result<Vec<Wake>> {
    let mut select = connection.prepare_cached(
        "SELECT wake, line, begun, step, since, resumed, up, address, seq, asleep, cause
         FROM wake ORDER BY wake DESC LIMIT ?1",
    )?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let rows = select.query_map([most], |row| {
        let step: String = row.get(3)?;
        let address: Option<String> = row.get(7)?;
        Ok(Wake {
            wake: WakeNumber(row.get(0)?),
            line: row.get(1)?,
            begun: row.get::<_, i64>(2)?.unsigned_abs(),
            step: Step::parse(&step).unwrap_or(Step::Ended),
            since: row.get::<_, i64>(4)?.unsigned_abs(),
            resumed: row.get(5)?,
            up: row.get::<_, Option<i64>>(6)?.map(i64::unsigned_abs),
            address: address.and_then(|address| address.parse().ok()),
            seq: row.get::<_, Option<i64>>(8)?.map(i64::unsigned_abs),
            asleep: row.get(9)?,
            cause: row.get(10)?,
        })
    })?;
    rows.collect()
}

fn spent(connection: &Connection, day: impl Fn(u64) -> Date) -> rusqlite::Result<Option<Ledger>> {
    let known: bool = connection.query_row("SELECT EXISTS (SELECT 1 FROM entry)", [], |row| row.get(0))?;
    if !known {
        return Ok(None);
    }
    let filter = Filter { kinds: vec!["dialled".to_owned(), "hung-up".to_owned()], ..Filter::default() };
    let days = entries(connection, &filter)?.into_iter().filter_map(|found| {
        let used = match found.note {
            Ok(Note::Dialled) => Used { calls: 1, seconds: 0 },
            Ok(Note::HungUp { seconds }) => Used { calls: 0, seconds },
            Ok(_) | Err(_) => return None,
        };
        Some((day(found.at), used))
    });
    Ok(Some(Ledger::of_days(days)))
}
