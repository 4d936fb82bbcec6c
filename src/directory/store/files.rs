//! The files beside the database: copies of it, the accounts that go with it, and who may read them.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::{StoreError, open_to_read};

/// Copies a database and the accounts that go with it, also while a directory serves from them, to files that do not exist
/// yet and that nobody else may read.
pub(in crate::directory) fn back_up(path: &Path, copy: &Path) -> Result<(), StoreError> {
    let accounts = accounts_of(path);
    let pairs = [(path, copy.to_owned()), (&accounts, accounts_of(copy))];
    let mut made = Vec::new();
    for (path, copy) in pairs.into_iter().filter(|(path, _)| path.exists() || *path != accounts) {
        let result = copy_one(path, &copy, &mut made);
        if let Err(source) = result {
            // Half a copy is none.
            made.iter().for_each(|made| drop(fs::remove_file(made)));
            return Err(StoreError::Backup { path: path.to_owned(), copy, source });
        }
    }
    Ok(())
}

fn copy_one(path: &Path, copy: &Path, made: &mut Vec<PathBuf>) -> io::Result<()> {
    let connection = open_to_read(path).map_err(io::Error::other)?;
    drop(OpenOptions::new().write(true).create_new(true).mode(OWNERS).open(copy)?);
    made.push(copy.to_owned());
    let copy = copy.to_string_lossy();
    connection.execute("VACUUM INTO ?1", [copy.as_ref()]).map(drop).map_err(io::Error::other)
}

/// Gives where the accounts are that go with a database.
pub(in crate::directory) fn accounts_of(database: &Path) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(".accounts");
    path.into()
}

/// Makes a database's file if there is none, and keeps it and what SQLite has beside it from all but their owner: what it
/// would make itself, others could read.
pub(in crate::directory) fn keep_private(path: &Path) -> Result<(), StoreError> {
    let made = OpenOptions::new().create(true).append(true).mode(OWNERS).open(path);
    made.map_err(|source| StoreError::Open { path: path.to_owned(), source })?;
    for suffix in ["", "-wal", "-shm"] {
        let mut path = path.as_os_str().to_owned();
        path.push(suffix);
        let Ok(mut permissions) = fs::metadata(&path).map(|found| found.permissions()) else { continue };
        if permissions.mode() & !OWNERS & 0o777 != 0 {
            permissions.set_mode(OWNERS);
            if let Err(error) = fs::set_permissions(&path, permissions) {
                tracing::warn!(%error, path = %Path::new(&path).display(), "others can read this file; chmod 600 it");
            }
        }
    }
    Ok(())
}

const OWNERS: u32 = 0o600;
