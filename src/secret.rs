//! Secrets in files of their own: read once, never printed, refused when others may read them.

use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Bytes that cannot be printed, logged or compared by accident.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Wraps secret bytes that did not come from a file.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Reads a secret from a file of its own, with the white space at its ends taken off.
    ///
    /// # Errors
    /// When the file is missing, empty, or readable by anybody but its owner.
    pub fn read(path: &Path) -> Result<Self, SecretError> {
        let unreadable = |source| SecretError::Unreadable { path: path.to_owned(), source };
        let metadata = std::fs::metadata(path).map_err(unreadable)?;
        if metadata.is_dir() {
            return Err(unreadable(std::io::ErrorKind::IsADirectory.into()));
        }
        let mode = metadata.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(SecretError::Exposed { path: path.to_owned(), mode: mode & 0o777 });
        }
        let bytes = std::fs::read(path).map_err(unreadable)?.trim_ascii().to_vec();
        if bytes.is_empty() {
            return Err(SecretError::Empty { path: path.to_owned() });
        }
        Ok(Self(bytes))
    }

    /// The secret bytes, for the one place that needs them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Why a secret could not be had from its file.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file is missing or cannot be read.
    #[error("cannot read the secret in {}", path.display())]
    Unreadable {
        /// The secret's file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Somebody other than the owner may read it.
    #[error("{} is open to others (mode {mode:04o}); expected 0600: chmod 600 {}", path.display(), path.display())]
    Exposed {
        /// The secret's file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file holds nothing.
    #[error("{} is empty; expected a secret on one line", path.display())]
    Empty {
        /// The secret's file.
        path: PathBuf,
    },
}
