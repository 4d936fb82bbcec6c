//! The pool of addresses that a provider lends, in SQLite: no address twice, not even after a crash; a returned one
//! rests before it is lent again, and the one that has rested longest goes first.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

/// The pool. Time is an argument: seconds since 1970.
#[derive(Debug)]
pub struct Pool {
    store: Connection,
    quarantine: Duration,
}

/// Why the pool cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// SQLite failed.
    #[error("the pool's database failed")]
    Store(#[from] rusqlite::Error),
    /// The file belongs to a newer ringup.
    #[error("the pool's database has format {found}, and this ringup knows {SCHEMA} at most; use the newer ringup")]
    Newer {
        /// The file's format.
        found: i64,
    },
}

const SCHEMA: i64 = 1;

impl Pool {
    /// Opens the pool's database and sets it to these addresses. Whatever was out on loan when the last provider
    /// ended counts as returned now: its lines went down with it.
    ///
    /// # Errors
    /// When the database cannot be had or is not ours.
    pub fn open(path: &Path, addresses: &[Ipv4Addr], quarantine: Duration, now: u64) -> Result<Self, PoolError> {
        let mut store = Connection::open(path)?;
        store.pragma_update(None, "journal_mode", "WAL")?;
        store.pragma_update(None, "synchronous", "FULL")?;
        let found: i64 = store.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if found > SCHEMA {
            return Err(PoolError::Newer { found });
        }
        let change = store.transaction()?;
        change.execute_batch(
            "CREATE TABLE IF NOT EXISTS address (
                 address TEXT PRIMARY KEY,
                 line TEXT,               -- who has it; NULL when free
                 returned INTEGER,        -- unix seconds; NULL when never lent
                 offered INTEGER NOT NULL -- 0 once it is no longer part of the pool
             ) STRICT;",
        )?;
        change.execute("UPDATE address SET offered = 0", [])?;
        change
            .execute("UPDATE address SET line = NULL, returned = ?1 WHERE line IS NOT NULL", params![seconds(now)])?;
        for address in addresses {
            change.execute(
                "INSERT INTO address (address, offered) VALUES (?1, 1) ON CONFLICT (address) DO UPDATE SET offered = 1",
                params![address.to_string()],
            )?;
        }
        change.pragma_update(None, "user_version", SCHEMA)?;
        change.commit()?;
        Ok(Self { store, quarantine })
    }

    /// Lends an address to a line, on disk before it is given out; `None` when none is free and rested.
    ///
    /// # Errors
    /// When the database fails; then nothing is lent.
    pub fn lend(&mut self, line: &str, now: u64) -> Result<Option<Ipv4Addr>, PoolError> {
        let rested = now.saturating_sub(self.quarantine.as_secs());
        let change = self.store.transaction()?;
        let found: Option<String> = change
            .query_row(
                "SELECT address FROM address WHERE offered = 1 AND line IS NULL AND (returned IS NULL OR returned <= ?1)
                 ORDER BY returned IS NOT NULL, returned, rowid LIMIT 1",
                params![seconds(rested)],
                |row| row.get(0),
            )
            .optional()?;
        let Some(found) = found else { return Ok(None) };
        change.execute("UPDATE address SET line = ?1 WHERE address = ?2", params![line, found])?;
        change.commit()?;
        Ok(found.parse().ok())
    }

    /// Gives back an address that nobody was told of: it has not to rest.
    ///
    /// # Errors
    /// As [`Pool::take_back`].
    pub fn give_up(&mut self, address: Ipv4Addr) -> Result<(), PoolError> {
        self.store.execute("UPDATE address SET line = NULL WHERE address = ?1", params![address.to_string()])?;
        Ok(())
    }

    /// Takes an address back.
    ///
    /// # Errors
    /// When the database fails; the address then stays out until the next start.
    pub fn take_back(&mut self, address: Ipv4Addr, now: u64) -> Result<(), PoolError> {
        self.store.execute(
            "UPDATE address SET line = NULL, returned = ?1 WHERE address = ?2",
            params![seconds(now), address.to_string()],
        )?;
        Ok(())
    }
}

fn seconds(time: u64) -> i64 {
    i64::try_from(time).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(std::path::PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("ringup-pool-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn pool(&self, count: u8, quarantine: u64, now: u64) -> Pool {
            let addresses: Vec<_> = (1..=count).map(|last| Ipv4Addr::new(203, 0, 113, last)).collect();
            Pool::open(&self.0.join("pool.sqlite"), &addresses, Duration::from_secs(quarantine), now).unwrap()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn no_address_is_lent_twice_and_an_empty_pool_says_so() {
        let folder = Folder::new("twice");
        let mut pool = folder.pool(2, 0, 100);
        let first = pool.lend("a", 100).unwrap().unwrap();
        let second = pool.lend("b", 100).unwrap().unwrap();
        assert_ne!(first, second);
        assert_eq!(pool.lend("c", 100).unwrap(), None);
    }

    #[test]
    fn a_returned_address_rests_and_the_longest_rested_goes_first() {
        let folder = Folder::new("rest");
        let mut pool = folder.pool(2, 60, 100);
        let first = pool.lend("a", 100).unwrap().unwrap();
        pool.take_back(first, 110).unwrap();
        let second = pool.lend("a", 110).unwrap().unwrap();
        assert_ne!(first, second, "a fresh one before the one just returned");
        pool.take_back(second, 120).unwrap();
        assert_eq!(pool.lend("a", 169).unwrap(), None, "both rest");
        assert_eq!(pool.lend("a", 170).unwrap(), Some(first));
    }

    #[test]
    fn an_address_that_nobody_was_told_of_need_not_rest() {
        let folder = Folder::new("given-up");
        let mut pool = folder.pool(1, 60, 0);
        let lent = pool.lend("a", 100).unwrap().unwrap();
        pool.give_up(lent).unwrap();
        assert_eq!(pool.lend("b", 101).unwrap(), Some(lent));
    }

    #[test]
    fn what_was_out_at_a_crash_is_not_lent_again_at_once() {
        let folder = Folder::new("crash");
        let lent = folder.pool(1, 60, 100).lend("a", 100).unwrap().unwrap();
        let mut pool = folder.pool(1, 60, 1000);
        assert_eq!(pool.lend("b", 1059).unwrap(), None);
        assert_eq!(pool.lend("b", 1060).unwrap(), Some(lent));
    }

    #[test]
    fn an_address_that_left_the_pool_is_not_lent() {
        let folder = Folder::new("left");
        folder.pool(2, 0, 100);
        let mut pool = folder.pool(1, 0, 200);
        assert!(pool.lend("a", 200).unwrap().is_some());
        assert_eq!(pool.lend("b", 200).unwrap(), None);
    }

    #[test]
    fn a_newer_database_is_refused() {
        let folder = Folder::new("newer");
        folder.pool(1, 0, 100).store.pragma_update(None, "user_version", 99).unwrap();
        let opened = Pool::open(&folder.0.join("pool.sqlite"), &[], Duration::ZERO, 100);
        assert!(matches!(opened, Err(PoolError::Newer { found: 99 })));
    }
}
