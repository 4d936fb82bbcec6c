//! Why the registrations cannot be had, and what to do about it.

use std::io;
use std::path::PathBuf;

use super::schema;
use crate::record::HostName;

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
        source: io::Error,
    },
    /// It cannot be opened, or made.
    #[error("cannot open the database {}", path.display())]
    Open {
        /// The database's file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
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
    #[error(
        "the database {} is damaged: {what}; it was moved to {}; put a copy in its place (ringup directory --backup makes \
         them), or remove the damaged file to begin with no registrations at all", path.display(), moved.display()
    )]
    Damaged {
        /// The database's file.
        path: PathBuf,
        /// What is wrong.
        what: String,
        /// Where it is now.
        moved: PathBuf,
    },
    /// The hosts and credentials that were made while it ran do not make sense.
    #[error(
        "the accounts in {} are damaged: {what}; put a copy in their place, or remove them to begin without the hosts and \
         credentials that were made by ringup host and ringup credential", path.display()
    )]
    Accounts {
        /// Their file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// There is none, but there was one that was damaged.
    #[error(
        "there is no database {}, but a damaged one, {}; put a copy in its place (ringup directory --backup makes them), \
         or remove the damaged file to begin with no registrations at all", path.display(), damaged.display()
    )]
    Quarantined {
        /// The database's file.
        path: PathBuf,
        /// The damaged one.
        damaged: PathBuf,
    },
    /// The damaged database cannot be moved out of the way.
    #[error("the database {} is damaged, and cannot be moved out of the way", path.display())]
    Immovable {
        /// The database's file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A copy cannot be made.
    #[error("cannot copy the database {} to {}", path.display(), copy.display())]
    Backup {
        /// The database's file.
        path: PathBuf,
        /// Where the copy was to be.
        copy: PathBuf,
        /// What the system or SQLite said.
        source: io::Error,
    },
    /// It is of another program, or a newer one.
    #[error("{} is not a database of this version of ringup (version {found}, expected at most {})", path.display(), schema::VERSION)]
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
