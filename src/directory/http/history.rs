//! What a host has registered, the newest first, read beside the writer on a connection of its own.

use std::path::Path;

use serde::Serialize;

use crate::directory::statement::Statement;
use crate::directory::store::open_to_read;
use crate::record::HostName;

/// One change in a host's history.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Past {
    /// When the directory received it, in Unix seconds.
    received: u64,
    /// The credential that it came with.
    by: String,
    /// `online`, `asleep`, `expired` when its lease ran out, or `removed`.
    state: &'static str,
    certified: bool,
    seq: u64,
    addresses: Vec<std::net::IpAddr>,
}

/// Reads a host's history.
pub(super) fn read(database: &Path, host: &HostName, most: u32) -> rusqlite::Result<Vec<Past>> {
    let connection = open_to_read(database)?;
    let mut statement = connection.prepare(
        "WITH RECURSIVE past (id) AS (
             SELECT latest FROM host WHERE host = ?1
             UNION ALL SELECT previous FROM past JOIN history USING (id))
         SELECT received, key, statement, expired FROM past CROSS JOIN history USING (id) LIMIT ?2",
    )?;
    let mut rows = statement.query(rusqlite::params![host.as_str(), most])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (received, by, text): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let expired: bool = row.get(3)?;
        // What no version of this program wrote is not shown.
        let Some(statement) = Statement::parse(host, &text) else { continue };
        let record = statement.record();
        found.push(Past {
            received: received.unsigned_abs(),
            by,
            state: match record {
                Some(_) if expired => "expired",
                Some(record) => record.state().as_str(),
                None => "removed",
            },
            certified: statement.signed().is_some(),
            seq: statement.seq(),
            addresses: record.filter(|_| !expired).map(|record| record.addresses().to_vec()).unwrap_or_default(),
        });
    }
    Ok(found)
}
