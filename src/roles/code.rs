//! `ringup code`: the next one-time codes, for a sheet of paper.

use super::print;
use crate::config::CodeFiles;
use crate::exit::{Failure, Status};
use crate::handshake::Ledger;
use crate::handshake::code::CodeKey;

/// Prints so many codes that are not used.
pub(super) fn run(files: &CodeFiles, count: u16) -> Result<(), Failure> {
    let failed = |error: &dyn std::error::Error| Failure::caused(Status::Secret, error);
    let key = if files.secret.exists() {
        CodeKey::load(&files.secret)
    } else {
        // The count first: a secret without one would be refused.
        if let Some(folder) = files.used.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|error| Failure::new(Status::Internal, format!("{}: {error}", folder.display())))?;
        }
        Ledger::begin(&files.used).map_err(|error| failed(&error))?;
        CodeKey::create(&files.secret)
    };
    let key = key.map_err(|error| failed(&error))?;
    let next = Ledger::open(&files.used).map_err(|error| failed(&error))?.next();
    for ahead in 0..u64::from(count) {
        let counter = next.after(ahead);
        print(&format!("{:6}  {}", counter.number(), key.code(counter)))?;
    }
    Ok(())
}
