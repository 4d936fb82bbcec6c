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
    let mut partial = path.as_os_str().to_owned();
    partial.push(format!(".{}.new", std::process::id()));
    let partial = PathBuf::from(partial);
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
    fn a_file_is_made_once() {
        let folder = Scratch::new("durable");
        let path = folder.path("file");
        create(&path, b"one").unwrap();
        assert_eq!(create(&path, b"two").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        assert_eq!(std::fs::read_dir(folder.root()).unwrap().count(), 1, "no partial file is left");
        assert!(create(&folder.path("absent/file"), b"").is_err());
    }
}
