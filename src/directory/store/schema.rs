//! The tables of the database, and how each version becomes the next.

use rusqlite::{Connection, Transaction};

use crate::record::HostName;

/// Tells which version a database has: 0 for a new one, -1 for one of another program.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    let id: i64 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    // A new file has neither mark nor table; every other without our mark is somebody else's.
    Ok(if id == APPLICATION || (id == 0 && version == 0 && tables == 0) { version } else { -1 })
}

/// Brings a database from one version to the newest, all the way or not at all.
pub(super) fn migrate(connection: &mut Connection, from: i64, apex: &HostName) -> rusqlite::Result<()> {
    if from >= VERSION {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    for (step, to) in STEPS.iter().zip(1..) {
        if to > from {
            step(&transaction, apex)?;
        }
    }
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

type Step = fn(&Transaction<'_>, &HostName) -> rusqlite::Result<()>;

/// How to each version from the one before.
const STEPS: [Step; 5] = [registrations, editions, fences, configurations, chains];

/// The version of the schema this program writes.
pub(in crate::directory) const VERSION: i64 = 5;

/// The zone, what is known of each host, and all that was.
fn registrations(transaction: &Transaction<'_>, apex: &HostName) -> rusqlite::Result<()> {
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
    Ok(())
}

/// What secondaries need: leases that ran out, and up to where the history goes at each serial of the zone.
fn editions(transaction: &Transaction<'_>, _apex: &HostName) -> rusqlite::Result<()> {
    transaction.execute_batch(
        "ALTER TABLE host ADD COLUMN expired INTEGER NOT NULL DEFAULT 0;
         ALTER TABLE history ADD COLUMN expired INTEGER NOT NULL DEFAULT 0;
         CREATE TABLE edition (serial INTEGER PRIMARY KEY, last INTEGER NOT NULL) STRICT;
         INSERT INTO edition (serial, last)
             SELECT serial, (SELECT coalesce(max(id), 0) FROM history) FROM zone;",
    )
}

/// Signatures of keys that were not the last to change their host; of each code as much as the shortest has.
fn fences(transaction: &Transaction<'_>, _apex: &HostName) -> rusqlite::Result<()> {
    transaction.execute_batch(
        "UPDATE host SET mac = substr(mac, 1, 32) WHERE length(mac) > 32;
         CREATE TABLE fence (
             host TEXT NOT NULL, key TEXT NOT NULL, time_signed INTEGER NOT NULL, mac BLOB NOT NULL,
             PRIMARY KEY (host, key)
         ) STRICT, WITHOUT ROWID;",
    )
}

/// The fingerprint of what the zone has beside its hosts.
fn configurations(transaction: &Transaction<'_>, _apex: &HostName) -> rusqlite::Result<()> {
    transaction.execute_batch("ALTER TABLE zone ADD COLUMN configured BLOB;")
}

/// Each row of the history names the one before it of its host, and the host the last of them: that costs a registration no
/// page of an index beside the two that it writes anyway.
fn chains(transaction: &Transaction<'_>, _apex: &HostName) -> rusqlite::Result<()> {
    transaction.execute_batch(
        "ALTER TABLE history ADD COLUMN previous INTEGER;
         ALTER TABLE host ADD COLUMN latest INTEGER;
         UPDATE history SET previous = (
             SELECT max(earlier.id) FROM history AS earlier WHERE earlier.host = history.host AND earlier.id < history.id);
         UPDATE host SET latest = (SELECT max(id) FROM history WHERE history.host = host.host);
         DROP INDEX history_by_host;",
    )
}

/// "RNG1", the mark of our databases in their header.
const APPLICATION: i64 = 0x524e_4731;

/// Makes a database of the first version, at serial 7, with one host in it that spoke twice.
#[cfg(test)]
pub(super) fn first_version(connection: &Connection, statement: &str) {
    connection
        .execute_batch(
            "CREATE TABLE zone (zone TEXT NOT NULL, serial INTEGER NOT NULL) STRICT;
             CREATE TABLE host (
                 host TEXT PRIMARY KEY, statement TEXT NOT NULL, received INTEGER NOT NULL, key TEXT NOT NULL,
                 time_signed INTEGER NOT NULL, mac BLOB NOT NULL
             ) STRICT, WITHOUT ROWID;
             CREATE TABLE history (
                 id INTEGER PRIMARY KEY, host TEXT NOT NULL, seq INTEGER NOT NULL, received INTEGER NOT NULL,
                 key TEXT NOT NULL, statement TEXT NOT NULL
             ) STRICT;
             CREATE INDEX history_by_host ON history (host, id);
             INSERT INTO zone VALUES ('dyn.test', 7);
             PRAGMA application_id = 1380861745; PRAGMA user_version = 1;",
        )
        .unwrap();
    connection.execute("INSERT INTO host VALUES ('home.dyn.test', ?1, 5, 'home', 5, x'01')", [statement]).unwrap();
    for id in 1..=2 {
        let row = rusqlite::params![id, statement];
        connection.execute("INSERT INTO history VALUES (?1, 'home.dyn.test', 5, 5, 'home', ?2)", row).unwrap();
    }
}
