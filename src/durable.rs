//! Files that are there whole or not at all, also after a power cut: written beside their place, synced, moved in.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Writes a file of mode 0600 that did not exist.
///
/// # Errors
/// Those of the system; `AlreadyExists` when there is one of that name.
pub fn create(path: &Path, content: &[u8]) -> io::Result<()> {
    let partial = beside(path, &format!(".{}.new", std::process::id()));
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

/// Writes a file in place of the one that is there, if there is one.
///
/// # Errors
/// Those of the system; the old file is there as it was, then.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let partial = beside(path, ".new");
    let mut file = File::create(&partial)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&partial, path)?;
    sync_folder(path)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut partial = path.as_os_str().to_owned();
    partial.push(ending);
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
        replace(&path, b"three").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"three");
        assert_eq!(std::fs::read_dir(folder.root()).unwrap().count(), 1, "no partial file is left");
        assert!(replace(&folder.path("absent/file"), b"").is_err());
    }
}
