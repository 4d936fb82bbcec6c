//! What a host has registered, the newest first, read beside the writer on a connection of its own.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use serde::Serialize;

use crate::directory::statement::Statement;
use crate::record::HostName;

/// One change in a host's history.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Past {
    /// When the directory received it, in Unix seconds.
    received: u64,
    /// The credential that it came with.
    by: String,
    /// `online`, `asleep`, or `removed`.
    state: &'static str,
    certified: bool,
    seq: u64,
    addresses: Vec<std::net::IpAddr>,
}

/// Reads a host's history.
pub(super) fn read(database: &Path, host: &HostName, most: u32) -> rusqlite::Result<Vec<Past>> {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(std::time::Duration::from_secs(2))?;
    let mut statement =
        connection.prepare("SELECT received, key, statement FROM history WHERE host = ?1 ORDER BY id DESC LIMIT ?2")?;
    let mut rows = statement.query(rusqlite::params![host.as_str(), most])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (received, by, text): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        // What no version of this program wrote is not shown.
        let Some(statement) = Statement::parse(host, &text) else { continue };
        let record = statement.record();
        found.push(Past {
            received: received.unsigned_abs(),
            by,
            state: record.map_or("removed", |record| record.state().as_str()),
            certified: statement.signed().is_some(),
            seq: statement.seq(),
            addresses: record.map(|record| record.addresses().to_vec()).unwrap_or_default(),
        });
    }
    Ok(found)
}
