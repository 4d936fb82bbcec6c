//! What becomes of a damaged database: it is moved out of the way whole, and nothing takes its place unasked.

use std::path::{Path, PathBuf};
use std::{fs, io};

use rusqlite::ErrorCode;

use super::StoreError;

/// Tells whether SQLite found the file itself at fault.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Refuses to begin with an empty database where a damaged one was moved away from.
pub(super) fn refuse_to_replace(path: &Path) -> Result<(), StoreError> {
    if path.exists() {
        return Ok(());
    }
    match damaged(path).into_iter().next() {
        Some(damaged) => Err(StoreError::Quarantined { path: path.to_owned(), damaged }),
        None => Ok(()),
    }
}

/// Moves a damaged database away, with what has not yet been written back to it.
pub(super) fn move_away(path: &Path, what: String) -> StoreError {
    let taken = damaged(path).len();
    let moved = beside(path, &format!("{DAMAGED}{}", taken + 1));
    let rename = |suffix: &str| match fs::rename(beside(path, suffix), beside(&moved, suffix)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Err(_) | Ok(()) => Ok(()),
    };
    match rename("-wal").and_then(|()| rename("-shm")).and_then(|()| rename("")) {
        Ok(()) => StoreError::Damaged { path: path.to_owned(), what, moved },
        Err(source) => StoreError::Immovable { path: path.to_owned(), source },
    }
}

/// Gives the damaged databases beside a path.
fn damaged(path: &Path) -> Vec<PathBuf> {
    (1..).map(|number| beside(path, &format!("{DAMAGED}{number}"))).take_while(|path| path.exists()).collect()
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

const DAMAGED: &str = ".damaged-";
