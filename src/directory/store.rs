//! The registrations on disk: SQLite in WAL mode, every commit synced before it returns.
//!
//! Refuses to open what another directory has open, what is damaged (which it moves out of the way), and what belongs to
//! another zone or a newer program: an empty zone is never served by mistake.

mod damage;
mod error;
mod files;
mod schema;
mod snapshot;

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use rusqlite::{Connection, OpenFlags, Transaction, params};

pub use self::error::StoreError;
pub(super) use self::files::{accounts_of, back_up, keep_private};
pub(super) use self::snapshot::{Said, Snapshot};
use super::entry::Remembered;
use super::statement::Statement;
use super::writer::next_serial;
use super::zone::{Entry, Fence, Index, Zone};
use crate::record::HostName;

/// The open database, with its lock.
#[derive(Debug)]
pub(super) struct Store {
    connection: Connection,
    path: PathBuf,
    _lock: Flock<File>,
}

/// Takes the lock that keeps a second directory away; it goes with the process, however that ends.
///
/// # Errors
/// [`StoreError::InUse`] while somebody else has it.
pub(super) fn lock(database: &Path) -> Result<Flock<File>, StoreError> {
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    let path = PathBuf::from(path);
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
    let file = file.map_err(|source| StoreError::Lock { path: path.clone(), source })?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_file, errno)| {
        if errno == nix::errno::Errno::EWOULDBLOCK {
            StoreError::InUse { path: database.to_owned() }
        } else {
            StoreError::Lock { path, source: errno.into() }
        }
    })
}

/// How a key's signatures are remembered beside its earlier ones: the later second's, and all of one second.
macro_rules! later {
    () => {
        "ON CONFLICT (host, key) DO UPDATE
         SET mac = CASE WHEN time_signed = excluded.time_signed
                   THEN CAST(mac || excluded.mac AS BLOB) ELSE excluded.mac END,
             time_signed = excluded.time_signed
         WHERE time_signed <= excluded.time_signed"
    };
}

impl Store {
    /// Opens the database, or makes a new one, and reads all of it.
    pub(super) fn open(path: &Path, lock: Flock<File>, zone: &Zone) -> Result<(Self, Index), StoreError> {
        damage::refuse_to_replace(path)?;
        keep_private(path)?;
        match Self::read(path, zone) {
            Ok((connection, index)) => Ok((Self { connection, path: path.to_owned(), _lock: lock }, index)),
            Err(Unread::Refused(error)) => Err(error),
            Err(Unread::Sqlite(source)) if damage::is_damage(&source) => {
                Err(damage::move_away(path, source.to_string()))
            }
            Err(Unread::Sqlite(source)) => Err(StoreError::Sqlite { path: path.to_owned(), source }),
            Err(Unread::Damaged(what)) => Err(damage::move_away(path, what)),
        }
    }

    /// Whoever calls it closes the connection, if it is not given, before the file is moved.
    fn read(path: &Path, zone: &Zone) -> Result<(Connection, Index), Unread> {
        let mut connection = Connection::open(path)?;
        prepare(&connection)?;
        let check: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if check != "ok" {
            return Err(Unread::Damaged(check));
        }
        let found = schema::version(&connection)?;
        if !(0..=schema::VERSION).contains(&found) {
            return Err(Unread::Refused(StoreError::Version { path: path.to_owned(), found }));
        }
        schema::migrate(&mut connection, found, &zone.apex)?;
        let (apex, serial): (String, u32) =
            connection.query_row("SELECT zone, serial FROM zone", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if apex != zone.apex.as_str() {
            let (path, expected) = (path.to_owned(), zone.apex.clone());
            return Err(Unread::Refused(StoreError::OtherZone { path, found: apex, expected }));
        }
        let serial = follow(&mut connection, serial, &zone.fingerprint(), found == 0)?;
        let index = read_all(&connection, serial, zone)?.map_err(Unread::Damaged)?;
        // It has all gone through the cache once, and most of it is not needed there again.
        connection.execute_batch("PRAGMA shrink_memory")?;
        Ok((connection, index))
    }

    /// Writes a batch of new entries, what is remembered beside them, and the zone's new serial in one transaction; they are
    /// on disk when it returns.
    pub(super) fn commit<'e>(
        &mut self,
        entries: impl Iterator<Item = &'e Entry>,
        remembered: &[Remembered],
        serial: u32,
    ) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        {
            let mut host = transaction.prepare_cached(
                "INSERT INTO host (host, statement, received, key, time_signed, mac, latest)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                 ON CONFLICT (host) DO UPDATE
                 SET statement = ?2, received = ?3, key = ?4, time_signed = ?5, expired = 0, latest = coalesce(?7, latest),
                     mac = CASE WHEN length(?6) > 0 AND key = ?4 AND time_signed = ?5
                           THEN CAST(mac || ?6 AS BLOB) ELSE ?6 END",
            )?;
            // What a key has signed is remembered beside what has come in its place.
            let mut displaced = transaction.prepare_cached(concat!(
                "INSERT INTO fence (host, key, time_signed, mac)
                 SELECT host, key, time_signed, mac FROM host WHERE host = ?1 AND length(mac) > 0 ",
                later!()
            ))?;
            let mut beside = transaction.prepare_cached(concat!(
                "INSERT INTO fence (host, key, time_signed, mac) VALUES (?1, ?2, ?3, ?4) ",
                later!()
            ))?;
            for Remembered { host, by, fence } in remembered {
                let signed = i64::try_from(fence.time_signed).unwrap_or(i64::MAX);
                beside.execute(params![host.as_str(), &**by, signed, fence.mac])?;
            }
            let mut history = transaction.prepare_cached(
                "INSERT INTO history (host, seq, received, key, statement, previous)
                 VALUES (?1, ?2, ?3, ?4, ?5, (SELECT latest FROM host WHERE host = ?1))",
            )?;
            for entry in entries {
                let (name, statement) = (entry.statement.host().as_str(), entry.statement.to_string());
                let received = i64::try_from(entry.received).unwrap_or(i64::MAX);
                let (signed, mac) =
                    entry.fence.as_ref().map_or((0, &[][..]), |fence| (fence.time_signed, fence.mac.as_slice()));
                let signed = i64::try_from(signed).unwrap_or(i64::MAX);
                let seq = i64::try_from(entry.statement.seq()).unwrap_or(i64::MAX);
                if entry.displaces {
                    displaced.execute([name])?;
                }
                let latest = if entry.renews {
                    None
                } else {
                    Some(history.insert(params![name, seq, received, &*entry.key, statement])?)
                };
                host.execute(params![name, statement, received, &*entry.key, signed, mac, latest])?;
            }
        }
        finish(transaction, serial)
    }

    /// Writes down that the leases of these hosts ran out, and the zone's new serial.
    pub(super) fn expire<'h>(
        &mut self,
        hosts: impl Iterator<Item = &'h HostName>,
        now: u64,
        serial: u32,
    ) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        {
            let now = i64::try_from(now).unwrap_or(i64::MAX);
            let mut history = transaction.prepare_cached(
                "INSERT INTO history (host, seq, received, key, statement, expired, previous)
                 SELECT host, 0, ?2, key, statement, 1, latest FROM host WHERE host = ?1",
            )?;
            let mut mark = transaction.prepare_cached("UPDATE host SET expired = 1, latest = ?2 WHERE host = ?1")?;
            for host in hosts {
                if history.execute(params![host.as_str(), now])? > 0 {
                    mark.execute(params![host.as_str(), transaction.last_insert_rowid()])?;
                }
            }
        }
        finish(transaction, serial)
    }

    /// Finds out whether anything can be stored, and changes nothing.
    pub(super) fn probe(&mut self) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        transaction.execute("UPDATE zone SET serial = serial", [])?;
        transaction.commit()
    }

    /// Forgets, of what was received before a time, what is not a host's newest then: at most so many rows at once; gives
    /// how many. What secondaries can be brought up to date from begins after it.
    pub(super) fn prune(&mut self, before: u64, most: u32) -> rusqlite::Result<usize> {
        let before = i64::try_from(before).unwrap_or(i64::MAX);
        let transaction = self.connection.transaction()?;
        let old: Vec<(i64, i64)> = transaction
            .prepare_cached(
                "SELECT newer.id, old.id FROM history AS newer JOIN history AS old ON old.id = newer.previous
                 WHERE newer.received < ?1 AND old.received < ?1 ORDER BY newer.id LIMIT ?2",
            )?
            .query_map(params![before, most], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        {
            let mut pass_over = transaction.prepare_cached(
                "UPDATE history SET previous = (SELECT old.previous FROM history AS old WHERE old.id = ?2) WHERE id = ?1",
            )?;
            let mut forget = transaction.prepare_cached("DELETE FROM history WHERE id = ?1")?;
            for (newer, old) in &old {
                pass_over.execute([newer, old])?;
                forget.execute([old])?;
            }
        }
        // What was committed last before the time can still be told apart from what came later.
        transaction.execute(
            "DELETE FROM edition WHERE last < (
                 SELECT coalesce(max(id), 0) FROM history WHERE received < ?1)",
            [before],
        )?;
        transaction.execute("DELETE FROM fence WHERE time_signed < ?1", [before])?;
        transaction.commit()?;
        Ok(old.len())
    }

    /// Gives where the database is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// Gives the zone a new serial where its configured part is another than before, unless nobody has a copy of it yet. The
/// history does not tell what was configured, so a copy is to be had whole then.
fn follow(connection: &mut Connection, serial: u32, configured: &[u8; 32], is_new: bool) -> rusqlite::Result<u32> {
    let known: Option<Vec<u8>> = connection.query_row("SELECT configured FROM zone", [], |row| row.get(0))?;
    if known.as_deref() == Some(configured) {
        return Ok(serial);
    }
    let serial = next_serial(serial, usize::from(!is_new));
    let transaction = connection.transaction()?;
    transaction.execute("UPDATE zone SET configured = ?1", [configured])?;
    transaction.execute("DELETE FROM edition", [])?;
    finish(transaction, serial)?;
    Ok(serial)
}

fn finish(transaction: Transaction<'_>, serial: u32) -> rusqlite::Result<()> {
    transaction.prepare_cached("UPDATE zone SET serial = ?1")?.execute([serial])?;
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO edition (serial, last) VALUES (?1, (SELECT coalesce(max(id), 0) FROM history))",
        )?
        .execute([serial])?;
    transaction.commit()
}

/// Opens a database beside its directory, to read.
pub(super) fn open_to_read(path: &Path) -> rusqlite::Result<Connection> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(std::time::Duration::from_secs(2))?;
    Ok(connection)
}

/// Why a database could not be read.
enum Unread {
    Damaged(String),
    Refused(StoreError),
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Unread {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

#[cfg(test)]
impl Store {
    /// Has the disk full, or not any more.
    pub(super) fn set_full(&self, full: bool) {
        let pages: i64 = self.connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        let most = if full { pages } else { 1 << 30 };
        self.connection.pragma_update_and_check(None, "max_page_count", most, |_row| Ok(())).unwrap();
    }

    /// Makes every commit fail, or lets it pass again.
    pub(super) fn set_read_only(&self, read_only: bool) {
        self.connection.pragma_update(None, "query_only", read_only).unwrap();
    }
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(std::time::Duration::from_secs(2))?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_row| Ok(()))?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT)?;
    connection.pragma_update(None, "synchronous", "FULL")
}

/// Pages in the log before they go to the database (16 MiB): under load many are the same page, which then goes once.
const CHECKPOINT: u32 = 4096;

fn read_all(connection: &Connection, serial: u32, zone: &Zone) -> rusqlite::Result<Result<Index, String>> {
    let mut index = Index::new(serial);
    let mut statement =
        connection.prepare("SELECT host, statement, received, key, time_signed, mac, expired FROM host")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let host: String = row.get(0)?;
        let text: String = row.get(1)?;
        let statement = host.parse::<HostName>().ok().and_then(|host| Statement::parse(&host, &text));
        let Some(statement) = statement.filter(|statement| statement.host().is_within(&zone.apex)) else {
            return Ok(Err(format!("the row of {} holds no statement of a host in the zone", host.escape_default())));
        };
        let (key, received, expired) = (row.get::<_, String>(3)?, row.get::<_, i64>(2)?.unsigned_abs(), row.get(6)?);
        let unsigned = Entry { expired, ..Entry::new(statement, received, key) };
        let signatures: Vec<Fence> = fences(row, 4)?.collect();
        if signatures.is_empty() {
            index.insert(&unsigned, zone);
        }
        for fence in signatures {
            index.insert(&Entry { fence: Some(fence), ..unsigned.clone() }, zone);
        }
    }
    let mut statement = connection.prepare("SELECT host, key, time_signed, mac FROM fence")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (host, key): (String, String) = (row.get(0)?, row.get(1)?);
        let Ok(host) = host.parse::<HostName>() else {
            return Ok(Err(format!("the signatures of {} are no host's", host.escape_default())));
        };
        fences(row, 2)?.for_each(|fence| index.fence(&host, &key, &fence, zone));
    }
    Ok(Ok(index))
}

/// Reads the signatures of one second out of two columns: when, and the codes one after another.
fn fences(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<impl Iterator<Item = Fence> + use<>> {
    let time_signed = row.get::<_, i64>(at)?.unsigned_abs();
    let codes: Vec<u8> = row.get(at + 1)?;
    let codes: Vec<_> = codes.chunks(Fence::KEPT).map(|code| Fence::new(time_signed, code)).collect();
    Ok(codes.into_iter())
}

#[cfg(test)]
mod tests;
