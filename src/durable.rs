//! Files that are there whole or not at all, also after a power cut: written beside their place, synced, moved in. What
//! changes later is kept in [`crate::slots`], where a full disk is no matter.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Writes a file of mode 0600 that did not exist.
///
/// # Errors
/// Those of the system; `AlreadyExists` when there is one of that name.
pub fn create(path: &Path, content: &[u8]) -> io::Result<()> {
    let partial = beside(path);
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial)?;
        file.write_all(content)?;
        file.sync_all()?;
        // A link fails where a rename would overwrite.
        std::fs::hard_link(&partial, path)
    })();
    let removed = std::fs::remove_file(&partial);
    written?;
    removed?;
    sync_folder(path)
}

/// Writes a file of this mode in place of the one that is there, if there is one.
///
/// # Errors
/// Those of the system; the old file is there as it was, then.
pub fn replace(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let partial = beside(path);
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&partial)?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&partial, path)
    })();
    if written.is_err()
        && let Err(error) = std::fs::remove_file(&partial)
    {
        tracing::debug!(%error, "no partial file to remove");
    }
    written?;
    sync_folder(path)
}

fn beside(path: &Path) -> PathBuf {
    let mut partial = path.as_os_str().to_owned();
    partial.push(format!(".{}.new", std::process::id()));
    PathBuf::from(partial)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_file_is_made_once_and_replaced_whole() {
        let folder = Scratch::new("durable");
        let path = folder.path("file");
        create(&path, b"one").unwrap();
        assert_eq!(create(&path, b"two").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        replace(&path, b"three", 0o600).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"three");
        assert!(replace(&folder.path("absent/file"), b"", 0o600).is_err());
        assert_eq!(std::fs::read_dir(folder.root()).unwrap().count(), 1, "no partial file is left");
        assert!(create(&folder.path("absent/file"), b"").is_err());
    }
}
