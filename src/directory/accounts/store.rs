//! The administrator's hosts and credentials on disk: a SQLite file of its own beside the registrations, because it
//! holds secrets, and because a change of it must not wait for them.
//!
//! Of a token only its SHA-256 is kept. A TSIG key's secret is needed as it is, so only the owner may read the file.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, params};

use crate::directory::store::{StoreError, accounts_of, keep_private};

/// A host as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HostRow {
    pub(super) host: String,
    pub(super) identity: Option<String>,
    pub(super) lease: u32,
    pub(super) added: u64,
}

/// A credential as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct CredentialRow {
    pub(super) name: String,
    /// `token`, or a TSIG algorithm.
    pub(super) kind: String,
    /// A token's SHA-256, or a TSIG secret in base64.
    pub(super) secret: Vec<u8>,
    pub(super) added: u64,
    pub(super) enrol_until: Option<u64>,
    pub(super) hosts: Vec<String>,
}

#[derive(Debug)]
pub(super) struct AccountStore {
    connection: Connection,
    path: PathBuf,
}

impl AccountStore {
    /// Opens the file that goes with a database of registrations, or makes a new one.
    pub(super) fn open(database: &Path) -> Result<Self, StoreError> {
        let path = accounts_of(database);
        let failed = |source| StoreError::Sqlite { path: path.clone(), source };
        keep_private(&path)?;
        let mut connection = Connection::open(&path).map_err(failed)?;
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_row| Ok(())).map_err(failed)?;
        connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
        connection.pragma_update(None, "foreign_keys", true).map_err(failed)?;
        let check: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(failed)?;
        if check != "ok" {
            return Err(StoreError::Accounts { path, what: check });
        }
        let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(failed)?;
        let Some(missing) = usize::try_from(found).ok().and_then(|found| MIGRATIONS.get(found..)) else {
            return Err(StoreError::Version { path, found });
        };
        let transaction = connection.transaction().map_err(failed)?;
        for migration in missing {
            transaction.execute_batch(migration).map_err(failed)?;
        }
        let version = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
        transaction.pragma_update(None, "user_version", version).map_err(failed)?;
        transaction.commit().map_err(failed)?;
        Ok(Self { connection, path })
    }

    /// Gives where the accounts are.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn hosts(&self) -> rusqlite::Result<Vec<HostRow>> {
        let mut statement =
            self.connection.prepare_cached("SELECT host, identity, lease, added FROM host ORDER BY host")?;
        statement.query_map([], read_host)?.collect()
    }

    pub(super) fn host(&self, host: &str) -> rusqlite::Result<Option<HostRow>> {
        let mut statement =
            self.connection.prepare_cached("SELECT host, identity, lease, added FROM host WHERE host = ?1")?;
        statement.query_row([host], read_host).optional()
    }

    pub(super) fn credentials(&self) -> rusqlite::Result<Vec<CredentialRow>> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT name, kind, secret, added, enrol_until FROM credential ORDER BY name")?;
        let mut bound =
            self.connection.prepare_cached("SELECT host FROM binding WHERE credential = ?1 ORDER BY host")?;
        let mut found = Vec::new();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let name: String = row.get(0)?;
            let hosts = bound.query_map([&name], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
            let (added, enrol_until): (i64, Option<i64>) = (row.get(3)?, row.get(4)?);
            found.push(CredentialRow {
                name,
                kind: row.get(1)?,
                secret: row.get(2)?,
                added: added.unsigned_abs(),
                enrol_until: enrol_until.map(i64::unsigned_abs),
                hosts,
            });
        }
        Ok(found)
    }

    /// Adds a host, or changes it.
    pub(super) fn put_host(&self, row: &HostRow) -> rusqlite::Result<()> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO host (host, identity, lease, added) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (host) DO UPDATE SET identity = ?2, lease = ?3",
        )?;
        statement.execute(params![row.host, row.identity, row.lease, signed(row.added)]).map(|_rows| ())
    }

    /// Takes a host out with its bindings, and the credentials that are left without any.
    pub(super) fn remove_host(&mut self, host: &str) -> rusqlite::Result<bool> {
        let transaction = self.connection.transaction()?;
        let removed = transaction.execute("DELETE FROM host WHERE host = ?1", [host])?;
        transaction.execute("DELETE FROM credential WHERE name NOT IN (SELECT credential FROM binding)", [])?;
        transaction.commit()?;
        Ok(removed > 0)
    }

    /// Adds a credential with its bindings, or puts it in place of the one of its name.
    pub(super) fn put_credential(&mut self, row: &CredentialRow) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        transaction.execute(
            "INSERT INTO credential (name, kind, secret, added, enrol_until) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (name) DO UPDATE SET kind = ?2, secret = ?3, added = ?4, enrol_until = ?5",
            params![row.name, row.kind, row.secret, signed(row.added), row.enrol_until.map(signed)],
        )?;
        transaction.execute("DELETE FROM binding WHERE credential = ?1", [&row.name])?;
        for host in &row.hosts {
            transaction.execute("INSERT INTO binding (credential, host) VALUES (?1, ?2)", [&row.name, host])?;
        }
        transaction.commit()
    }

    pub(super) fn remove_credential(&self, name: &str) -> rusqlite::Result<bool> {
        Ok(self.connection.execute("DELETE FROM credential WHERE name = ?1", [name])? > 0)
    }
}

fn read_host(row: &rusqlite::Row<'_>) -> rusqlite::Result<HostRow> {
    let added: i64 = row.get(3)?;
    Ok(HostRow { host: row.get(0)?, identity: row.get(1)?, lease: row.get(2)?, added: added.unsigned_abs() })
}

fn signed(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

/// What leads from each version of the schema to the next.
const MIGRATIONS: [&str; 1] = ["
    CREATE TABLE host (
        host TEXT PRIMARY KEY, identity TEXT, lease INTEGER NOT NULL, added INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE credential (
        name TEXT PRIMARY KEY, kind TEXT NOT NULL, secret BLOB NOT NULL, added INTEGER NOT NULL, enrol_until INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE binding (
        credential TEXT NOT NULL REFERENCES credential ON DELETE CASCADE,
        host TEXT NOT NULL REFERENCES host ON DELETE CASCADE,
        PRIMARY KEY (credential, host)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX binding_by_host ON binding (host);
"];
