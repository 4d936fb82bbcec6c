//! What the zone held in one moment, and what has changed since another: for those who take copies of it.

use rusqlite::{Connection, OptionalExtension, Transaction};

use crate::directory::statement::Statement;

/// What the zone held in one moment, for those who take copies of it.
pub(in crate::directory) struct Snapshot<'c> {
    transaction: Transaction<'c>,
    pub(in crate::directory) serial: u32,
}

/// A host in a [`Snapshot`]: what it said, and whether its lease had run out.
pub(in crate::directory) type Said = (Statement, bool);

impl<'c> Snapshot<'c> {
    pub(in crate::directory) fn take(connection: &'c mut Connection) -> rusqlite::Result<Self> {
        let transaction = connection.transaction()?;
        let serial = transaction.query_row("SELECT serial FROM zone", [], |row| row.get(0))?;
        Ok(Self { transaction, serial })
    }

    /// Hands out every host.
    pub(in crate::directory) fn all(&self, each: &mut dyn FnMut(Said) -> bool) -> rusqlite::Result<()> {
        let mut hosts = self.transaction.prepare("SELECT host, statement, expired FROM host")?;
        let mut rows = hosts.query([])?;
        while let Some(row) = rows.next()? {
            if let Some(said) = read_said(row)?
                && !each(said)
            {
                break;
            }
        }
        Ok(())
    }

    /// Gives what hosts said at an earlier serial and say now, for those where that differs; `None` if that was too long
    /// ago, or never.
    pub(in crate::directory) fn changes(&self, since: u32) -> rusqlite::Result<Option<Vec<(Option<Said>, Said)>>> {
        let last: Option<i64> = self
            .transaction
            .query_row("SELECT last FROM edition WHERE serial = ?1", [since], |row| row.get(0))
            .optional()?;
        let Some(last) = last else { return Ok(None) };
        let mut changed = self.transaction.prepare(
            "SELECT host.host, host.statement, host.expired, first.previous
             FROM history AS first CROSS JOIN host ON host.host = first.host
             WHERE first.id > ?1 AND coalesce(first.previous, 0) <= ?1 ORDER BY host.host",
        )?;
        let mut before = self.transaction.prepare("SELECT host, statement, expired FROM history WHERE id = ?1")?;
        let mut rows = changed.query([last])?;
        let mut changes = Vec::new();
        while let Some(row) = rows.next()? {
            let Some(now) = read_said(row)? else { return Ok(None) };
            let earlier = match row.get::<_, Option<i64>>(3)? {
                Some(id) => before.query_row([id], read_said)?,
                None => None,
            };
            if changes.len() == MOST_CHANGES {
                return Ok(None);
            }
            changes.push((earlier, now));
        }
        Ok(Some(changes))
    }
}

fn read_said(row: &rusqlite::Row<'_>) -> rusqlite::Result<Option<Said>> {
    let (host, text, expired): (String, String, bool) = (row.get(0)?, row.get(1)?, row.get(2)?);
    Ok(host.parse().ok().and_then(|host| Statement::parse(&host, &text)).map(|statement| (statement, expired)))
}

/// What a secondary is told host by host; it takes the whole zone where it is further behind.
const MOST_CHANGES: usize = 100_000;
