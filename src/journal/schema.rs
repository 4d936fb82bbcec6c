//! The journal's tables, and how an older file becomes a newer one.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

/// The version of the schema this program writes.
pub(super) const VERSION: i64 = 1;
/// "RNGJ", the mark of a journal in its header.
const APPLICATION: i64 = 0x524e_474a;

/// Why a file is not used as the journal.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    /// Its pages do not make sense, or it is no database.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// It is another program's, or a newer ringup's.
    #[error("it is not a journal of this version of ringup (version {found}, expected at most {VERSION})")]
    Foreign {
        /// The version found.
        found: i64,
    },
    /// The disk or its rights stand in the way; that is no fault of the file's.
    #[error(transparent)]
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Unusable {
    fn from(error: rusqlite::Error) -> Self {
        if is_damage(&error) { Self::Damaged(error.to_string()) } else { Self::Sqlite(error) }
    }
}

/// Whether the error says that the file itself is bad.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}

/// Opens the journal for writing: checked, migrated, every commit synced before it returns.
pub(super) fn open(path: &Path) -> Result<Connection, Unusable> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(std::time::Duration::from_secs(2))?;
    let found = version(&connection)?;
    if !(0..=VERSION).contains(&found) {
        return Err(Unusable::Foreign { found });
    }
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_row| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    let check: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if check != "ok" {
        return Err(Unusable::Damaged(check));
    }
    migrate(&mut connection, found)?;
    Ok(connection)
}

/// Opens the journal to read it, while a daemon may be writing.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, Unusable> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(std::time::Duration::from_secs(2))?;
    let found = version(&connection)?;
    if !(1..=VERSION).contains(&found) {
        return Err(Unusable::Foreign { found });
    }
    Ok(connection)
}

/// The file's version; 0 for a new one, -1 for what is not ours.
fn version(connection: &Connection) -> rusqlite::Result<i64> {
    let id: i64 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(if id == APPLICATION || (id == 0 && version == 0 && tables == 0) { version } else { -1 })
}

fn migrate(connection: &mut Connection, from: i64) -> rusqlite::Result<()> {
    if from >= VERSION {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    transaction.execute_batch(
        "CREATE TABLE entry (
             id INTEGER PRIMARY KEY, at INTEGER NOT NULL, line TEXT, wake INTEGER, kind TEXT NOT NULL, detail TEXT NOT NULL
         ) STRICT;
         CREATE INDEX entry_by_time ON entry (at);
         CREATE INDEX entry_by_wake ON entry (wake) WHERE wake IS NOT NULL;
         CREATE TABLE wake (
             wake INTEGER PRIMARY KEY, line TEXT NOT NULL, begun INTEGER NOT NULL, step TEXT NOT NULL,
             since INTEGER NOT NULL, resumed INTEGER NOT NULL, up INTEGER, address TEXT, seq INTEGER,
             asleep INTEGER NOT NULL, cause TEXT
         ) STRICT;",
    )?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}
