//! The registrations on disk: SQLite in WAL mode, every commit synced before it returns.
//!
//! Owns the schema and its migrations. Refuses to open what another directory has open, what is damaged, and what belongs
//! to another zone or a newer program: an empty zone is never served by mistake.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use rusqlite::{Connection, params};

use super::statement::Statement;
use super::zone::{Entry, Fence, Index, Zone};
use crate::record::HostName;

/// The open database, with its lock.
#[derive(Debug)]
pub(super) struct Store {
    connection: Connection,
    _lock: Flock<File>,
}

/// Why the registrations cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another directory serves from this database.
    #[error("{} is in use by another directory", path.display())]
    InUse {
        /// The database's file.
        path: PathBuf,
    },
    /// The lock file cannot be opened.
    #[error("cannot open the database's lock file {}", path.display())]
    Lock {
        /// The lock's file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// SQLite cannot open, read or migrate it.
    #[error("cannot use the database {}", path.display())]
    Sqlite {
        /// The database's file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// Its pages or rows do not make sense.
    #[error("the database {} is damaged: {what}; restore it from a copy", path.display())]
    Damaged {
        /// The database's file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// It is of another program, or a newer one.
    #[error("{} is not a database of this version of ringup (version {found}, expected at most {VERSION})", path.display())]
    Version {
        /// The database's file.
        path: PathBuf,
        /// The version found.
        found: i64,
    },
    /// It holds another zone.
    #[error("the database {} holds the zone {found}; expected {expected}", path.display())]
    OtherZone {
        /// The database's file.
        path: PathBuf,
        /// The zone found.
        found: String,
        /// The zone configured.
        expected: HostName,
    },
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

impl Store {
    /// Opens the database, or makes a new one, and reads all of it.
    pub(super) fn open(path: &Path, lock: Flock<File>, zone: &Zone) -> Result<(Self, Index), StoreError> {
        let failed = |source| StoreError::Sqlite { path: path.to_owned(), source };
        let mut connection = Connection::open(path).map_err(failed)?;
        prepare(&connection).map_err(failed)?;
        let check: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(failed)?;
        if check != "ok" {
            return Err(StoreError::Damaged { path: path.to_owned(), what: check });
        }
        let found = version(&connection).map_err(failed)?;
        if !(0..=VERSION).contains(&found) {
            return Err(StoreError::Version { path: path.to_owned(), found });
        }
        migrate(&mut connection, found, &zone.apex).map_err(failed)?;
        let (apex, serial): (String, u32) = connection
            .query_row("SELECT zone, serial FROM zone", [], |row| Ok((row.get(0)?, row.get(1)?)))
            .map_err(failed)?;
        if apex != zone.apex.as_str() {
            return Err(StoreError::OtherZone { path: path.to_owned(), found: apex, expected: zone.apex.clone() });
        }
        let index = read_all(&connection, serial, zone)
            .map_err(failed)?
            .map_err(|what| StoreError::Damaged { path: path.to_owned(), what })?;
        Ok((Self { connection, _lock: lock }, index))
    }

    /// Writes a batch of new entries and the zone's new serial in one transaction; they are on disk when it returns.
    pub(super) fn commit<'e>(&mut self, entries: impl Iterator<Item = &'e Entry>, serial: u32) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        {
            let mut host = transaction.prepare_cached(
                "INSERT INTO host (host, statement, received, key, time_signed, mac) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (host) DO UPDATE SET statement = ?2, received = ?3, key = ?4, time_signed = ?5, mac = ?6",
            )?;
            let mut history = transaction.prepare_cached(
                "INSERT INTO history (host, seq, received, key, statement) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            for entry in entries {
                let (name, statement) = (entry.statement.host().as_str(), entry.statement.to_string());
                let received = i64::try_from(entry.received).unwrap_or(i64::MAX);
                let (signed, mac) =
                    entry.fence.as_ref().map_or((0, &[][..]), |fence| (fence.time_signed, fence.mac.as_slice()));
                let signed = i64::try_from(signed).unwrap_or(i64::MAX);
                let seq = i64::try_from(entry.statement.seq()).unwrap_or(i64::MAX);
                host.execute(params![name, statement, received, entry.key, signed, mac])?;
                history.execute(params![name, seq, received, entry.key, statement])?;
            }
            transaction.prepare_cached("UPDATE zone SET serial = ?1")?.execute([serial])?;
        }
        transaction.commit()
    }
}

#[cfg(test)]
impl Store {
    /// Makes every commit fail, as a full disk would, or lets it pass again.
    pub(super) fn set_read_only(&self, read_only: bool) {
        self.connection.pragma_update(None, "query_only", read_only).unwrap();
    }
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(std::time::Duration::from_secs(2))?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_row| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    let id: i64 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    // A new file has neither mark nor table; every other without our mark is somebody else's.
    Ok(if id == APPLICATION || (id == 0 && version == 0 && tables == 0) { version } else { -1 })
}

fn migrate(connection: &mut Connection, from: i64, apex: &HostName) -> rusqlite::Result<()> {
    if from >= 1 {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    transaction.execute_batch(
        "CREATE TABLE zone (zone TEXT NOT NULL, serial INTEGER NOT NULL) STRICT;
         CREATE TABLE host (
             host TEXT PRIMARY KEY, statement TEXT NOT NULL, received INTEGER NOT NULL, key TEXT NOT NULL,
             time_signed INTEGER NOT NULL, mac BLOB NOT NULL
         ) STRICT, WITHOUT ROWID;
         CREATE TABLE history (
             id INTEGER PRIMARY KEY, host TEXT NOT NULL, seq INTEGER NOT NULL, received INTEGER NOT NULL,
             key TEXT NOT NULL, statement TEXT NOT NULL
         ) STRICT;
         CREATE INDEX history_by_host ON history (host, id);",
    )?;
    transaction.execute("INSERT INTO zone (zone, serial) VALUES (?1, 1)", [apex.as_str()])?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

fn read_all(connection: &Connection, serial: u32, zone: &Zone) -> rusqlite::Result<Result<Index, String>> {
    let mut index = Index::new(serial);
    let mut statement = connection.prepare("SELECT host, statement, received, key, time_signed, mac FROM host")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let host: String = row.get(0)?;
        let text: String = row.get(1)?;
        let statement = host.parse::<HostName>().ok().and_then(|host| Statement::parse(&host, &text));
        let Some(statement) = statement.filter(|statement| statement.host().is_within(&zone.apex)) else {
            return Ok(Err(format!("the row of {} holds no statement of a host in the zone", host.escape_default())));
        };
        let fence = Fence { time_signed: row.get::<_, i64>(4)?.unsigned_abs(), mac: row.get(5)? };
        // Without a signature there is no code.
        let fence = Some(fence).filter(|fence| !fence.mac.is_empty());
        let entry = Entry { statement, received: row.get::<_, i64>(2)?.unsigned_abs(), key: row.get(3)?, fence };
        index.insert(entry, zone);
    }
    Ok(Ok(index))
}

/// The version of the schema this program writes.
const VERSION: i64 = 1;
/// "RNG1", the mark of our databases in their header.
const APPLICATION: i64 = 0x524e_4731;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::fixture::{Fixture, NOW, host};

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("ringup-store-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }

        fn open(&self, zone: &Zone) -> Result<(Store, Index), StoreError> {
            let path = self.0.join("directory.db");
            Store::open(&path, lock(&path)?, zone)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn entries_and_their_history_are_there_after_reopening() {
        let (folder, mut fixture) = (Scratch::new("reopen"), Fixture::new());
        let (mut store, _) = folder.open(&fixture.zone).unwrap();
        for seq in 1..=3 {
            fixture.register(seq, &["203.0.113.9"]);
            let entry = fixture.view().entry(&host("home.dyn.test")).unwrap().clone();
            store.commit(std::iter::once(&entry), u32::try_from(seq).unwrap() + 40).unwrap();
        }
        drop(store);
        let (store, index) = folder.open(&fixture.zone).unwrap();
        let view = crate::directory::zone::View { zone: &fixture.zone, index: &index, pending: None };
        let entry = view.entry(&host("home.dyn.test")).unwrap();
        assert_eq!((entry.statement.signed(), entry.received), (Some(&fixture.statement(3, &["203.0.113.9"])), NOW));
        assert_eq!(Some(entry), fixture.view().entry(&host("home.dyn.test")));
        assert_eq!(index.serial, 43);
        let kept: i64 = store.connection.query_row("SELECT count(*) FROM history", [], |row| row.get(0)).unwrap();
        assert_eq!(kept, 3);
    }

    #[test]
    fn a_second_directory_is_kept_away() {
        let (folder, fixture) = (Scratch::new("second"), Fixture::new());
        let first = folder.open(&fixture.zone).unwrap();
        assert!(matches!(folder.open(&fixture.zone), Err(StoreError::InUse { .. })));
        drop(first);
        assert!(folder.open(&fixture.zone).is_ok());
    }

    #[test]
    fn other_versions_other_programs_and_bad_rows_are_refused() {
        let (folder, fixture) = (Scratch::new("versions"), Fixture::new());
        let change = |sql: &str| {
            let (store, _) = folder.open(&fixture.zone).unwrap();
            store.connection.execute_batch(sql).unwrap();
            drop(store);
            folder.open(&fixture.zone).map(|_| ())
        };
        let bad_row = "INSERT INTO host VALUES ('home.dyn.test', 'ringup1 s=online', 1, 'home', 1, x'00')";
        assert!(matches!(change(bad_row), Err(StoreError::Damaged { .. })));
        for (name, pragma) in [("newer", "PRAGMA user_version = 99"), ("other", "PRAGMA application_id = 7")] {
            let folder = Scratch::new(name);
            let (store, _) = folder.open(&fixture.zone).unwrap();
            store.connection.execute_batch(pragma).unwrap();
            drop(store);
            assert!(matches!(folder.open(&fixture.zone), Err(StoreError::Version { .. })), "{name}");
        }
    }
}
