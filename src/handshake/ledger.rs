//! Which codes are used: one number in a file, on the disk before a code is accepted. Its place there is taken from the
//! beginning: a full disk keeps nobody out.
//!
//! Without the file every code would be good again, so its loss is no fresh start but an error.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::code::Counter;
use crate::slots::{self, Found, Slots};

/// What a slot begins with, and its format.
const MARK: &str = "ringup codes 1";

/// The number of the first code that is not used, shared by all lines of this process.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    next: Mutex<Counter>,
}

impl Ledger {
    /// Reads the count of used codes.
    ///
    /// # Errors
    /// When the file is missing, cannot be read, or holds something else.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let found = slots::peek(path, MARK).map_err(|source| {
            if source.kind() == std::io::ErrorKind::NotFound {
                LedgerError::Missing { path: path.to_owned() }
            } else {
                LedgerError::Unreadable { path: path.to_owned(), source }
            }
        })?;
        let next = match found {
            Found::Nothing => None,
            // Before there were slots the number stood alone in the file.
            Found::Text(text) | Found::Other(text) => text.trim_end().parse().ok().and_then(Counter::new),
        };
        let next = next.ok_or_else(|| LedgerError::Malformed { path: path.to_owned() })?;
        Ok(Self { path: path.to_owned(), next: Mutex::new(next) })
    }

    /// Begins the count for a secret that is new: none of its codes is used. A count that is there already goes on.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn begin(path: &Path) -> Result<(), LedgerError> {
        let begin = || {
            let mut slots = Slots::open(path, MARK)?;
            match slots.load()? {
                Found::Nothing => slots.store(&line(Counter::FIRST)),
                Found::Text(_) | Found::Other(_) => Ok(()),
            }
        };
        begin().map_err(|source| LedgerError::Unwritable { path: path.to_owned(), source })
    }

    /// The number of the first code that is not used.
    #[must_use]
    pub fn next(&self) -> Counter {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Uses a code up, and all before it; on the disk when it returns.
    ///
    /// # Errors
    /// When it was used already, or that it is used cannot be written down: it is not to be accepted then.
    pub fn spend(&self, counter: Counter) -> Result<(), SpendError> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        if counter < *next {
            return Err(SpendError::Used);
        }
        let after = counter.after(1);
        let store = || {
            let mut slots = Slots::open(&self.path, MARK)?;
            slots.load()?;
            slots.store(&line(after))
        };
        store().map_err(|source| SpendError::Unwritable { path: self.path.clone(), source })?;
        *next = after;
        Ok(())
    }
}

fn line(next: Counter) -> String {
    format!("{}\n", next.number())
}

/// Why the count of used codes could not be had.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file is not there.
    #[error(
        "{} is missing, which says which codes are used; old ones could be used again: remove the secret, and have \
         `ringup code` make a new one", path.display()
    )]
    Missing {
        /// The count's file.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("cannot read which codes are used in {}", path.display())]
    Unreadable {
        /// The count's file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file holds something else.
    #[error("{} does not say which codes are used; expected one number", path.display())]
    Malformed {
        /// The count's file.
        path: PathBuf,
    },
    /// The file cannot be written.
    #[error("cannot write which codes are used to {}", path.display())]
    Unwritable {
        /// The count's file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Why a code is not accepted, right as it may be.
#[derive(Debug, thiserror::Error)]
pub enum SpendError {
    /// It was used before.
    #[error("the code was used before")]
    Used,
    /// That it is used cannot be written down.
    #[error("cannot write to {} that the code is used", path.display())]
    Unwritable {
        /// The count's file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    fn counter(number: u64) -> Counter {
        Counter::new(number).unwrap()
    }

    #[test]
    fn a_code_is_used_once_and_never_again_not_after_a_restart_either() {
        let folder = Scratch::new("code-ledger");
        let path = folder.path("codes");
        Ledger::begin(&path).unwrap();
        let ledger = Ledger::open(&path).unwrap();
        assert_eq!(ledger.next(), Counter::FIRST);
        ledger.spend(counter(3)).unwrap();
        for used in [1, 2, 3] {
            assert!(matches!(ledger.spend(counter(used)), Err(SpendError::Used)));
            assert!(matches!(Ledger::open(&path).unwrap().spend(counter(used)), Err(SpendError::Used)));
        }
        Ledger::begin(&path).unwrap();
        assert_eq!(Ledger::open(&path).unwrap().next(), counter(4), "the count goes on");
    }

    #[test]
    fn a_count_from_before_there_were_slots_goes_on() {
        let folder = Scratch::new("code-ledger-old");
        let path = folder.path("codes");
        std::fs::write(&path, "7\n").unwrap();
        let ledger = Ledger::open(&path).unwrap();
        assert!(matches!(ledger.spend(counter(6)), Err(SpendError::Used)));
        ledger.spend(counter(7)).unwrap();
        assert_eq!(Ledger::open(&path).unwrap().next(), counter(8));
    }

    #[test]
    fn a_count_that_is_lost_or_damaged_is_no_fresh_start() {
        let folder = Scratch::new("code-ledger-lost");
        let path = folder.path("codes");
        assert!(matches!(Ledger::open(&path), Err(LedgerError::Missing { .. })));
        for bad in ["", "0", "-1", "x", "18446744073709551615"] {
            std::fs::write(&path, bad).unwrap();
            assert!(matches!(Ledger::open(&path), Err(LedgerError::Malformed { .. })), "{bad:?}");
        }
    }

    #[test]
    fn a_code_that_cannot_be_noted_as_used_is_not_accepted_and_stays_good() {
        let folder = Scratch::new("code-ledger-full");
        let inner = folder.path("inner");
        std::fs::create_dir(&inner).unwrap();
        Ledger::begin(&inner.join("codes")).unwrap();
        let ledger = Ledger::open(&inner.join("codes")).unwrap();
        std::fs::remove_dir_all(&inner).unwrap();
        assert!(matches!(ledger.spend(counter(1)), Err(SpendError::Unwritable { .. })));
        assert_eq!(ledger.next(), counter(1));
    }
}
