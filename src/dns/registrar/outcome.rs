//! What comes of a registration: where it stands, and why it does not.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::dns::{Packets, QueryError, UpdateError};
use crate::record::{RecordError, Seq, SeqError};

/// A registration that a directory has on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The directory, by its zone and its servers' addresses.
    pub directory: Arc<str>,
    /// The record's sequence number.
    pub seq: Seq,
    /// How long it took since it was asked for.
    pub took: Duration,
    /// The packets it took.
    pub packets: Packets,
}

/// What came of a registration, at one directory.
#[derive(Debug)]
pub enum Progress {
    /// The directory has the record on disk.
    Registered(Registered),
    /// It has not, and will be tried again; told once for each cause.
    Failed {
        /// The directory, by its zone and its servers' addresses; none when there is no number to register under.
        directory: Option<Arc<str>>,
        /// Why.
        error: RegisterError,
        /// When it is tried again.
        again: Instant,
    },
}

/// What came of a withdrawal, for every directory.
#[derive(Debug, Default)]
pub struct Withdrawal {
    /// Where the host is known as asleep now.
    pub done: Vec<Registered>,
    /// Where it is not, and its lease must run out; why.
    pub failed: Vec<(Arc<str>, RegisterError)>,
}

/// Why a registration failed for good, or was not finished before its deadline.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The update failed.
    #[error(transparent)]
    Update(#[from] UpdateError),
    /// The directory's last number could not be asked for.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// There is no sequence number to use.
    #[error("cannot number the registration")]
    Seq(#[from] SeqError),
    /// There is no record to send.
    #[error("cannot make the host's record")]
    Record(#[from] RecordError),
    /// The directory has a record of this name by another identity.
    #[error("the directory holds a record of this host by another identity")]
    Foreign,
    /// The program is stopping.
    #[error("stopped while numbering the registration")]
    Stopped,
}

impl RegisterError {
    /// Tells whether trying again later may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Update(error) => error.is_transient() || matches!(error, UpdateError::Stale),
            Self::Query(error) => matches!(error, QueryError::Unreachable { .. }),
            Self::Seq(_) | Self::Record(_) | Self::Foreign | Self::Stopped => false,
        }
    }
}
