//! What is remembered of hosts: the key that each was first seen with, and the newest record. One small file a host, in
//! the state directory.
//!
//! The key is what the host is known by ever after, and the number fences off the past: a directory that was set back to
//! an old record is caught by it. Refuses to replace a key by itself.

use std::path::{Path, PathBuf};

use crate::durable;
use crate::record::{HostName, PublicKey, Seq};

/// The hosts that are known from before.
#[derive(Clone, Debug)]
pub struct KnownHosts {
    folder: PathBuf,
}

/// What is remembered of one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acquaintance {
    /// Its key.
    pub key: PublicKey,
    /// The number of its newest record, if it has shown one.
    pub seq: Option<Seq>,
}

/// Why what is remembered cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum KnownError {
    /// The file cannot be read.
    #[error("cannot read what is known of a host in {}", path.display())]
    Unreadable {
        /// The host's file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file holds something else.
    #[error("{} is damaged; expected a key and a number; `ringup trust` writes it anew", path.display())]
    Damaged {
        /// The host's file.
        path: PathBuf,
    },
    /// It cannot be kept.
    #[error("cannot keep what is known of a host in {}", path.display())]
    Unwritable {
        /// The host's file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl KnownHosts {
    /// Those in a state directory.
    #[must_use]
    pub fn new(state_directory: &Path) -> Self {
        Self { folder: state_directory.join("known") }
    }

    /// What is remembered of a host; `None` if it was never seen.
    ///
    /// # Errors
    /// When its file cannot be read, or holds something else.
    pub fn find(&self, host: &HostName) -> Result<Option<Acquaintance>, KnownError> {
        let path = self.path(host);
        match std::fs::read_to_string(&path) {
            Ok(text) => read(&text).map(Some).ok_or(KnownError::Damaged { path }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(KnownError::Unreadable { path, source }),
        }
    }

    /// Remembers a host, in place of what was remembered of it.
    ///
    /// # Errors
    /// When it cannot be written; what was there before is there still, then.
    pub fn remember(&self, host: &HostName, known: &Acquaintance) -> Result<(), KnownError> {
        let seq = known.seq.map_or(0, Seq::number);
        self.write(&self.path(host), &format!("{} {seq}\n", known.key))
    }

    /// Remembers that a host was seen with a record, if that is news.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note(&self, host: &HostName, key: PublicKey, seq: Seq) -> Result<(), KnownError> {
        let before = self.find(host).ok().flatten();
        if before.is_some_and(|before| before.key == key && before.seq >= Some(seq)) {
            return Ok(());
        }
        self.remember(host, &Acquaintance { key, seq: Some(seq) })
    }

    /// A known_hosts file for ssh with this one line in it; without a line, the one that ssh has begun by itself.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn for_ssh(&self, host: &HostName, line: Option<&str>) -> Result<PathBuf, KnownError> {
        let path = self.folder.join(format!("{host}.ssh"));
        match line {
            Some(line) if std::fs::read_to_string(&path).is_ok_and(|text| text == line) => {}
            Some(line) => self.write(&path, line)?,
            None => self.make_folder(&path)?,
        }
        Ok(path)
    }

    fn path(&self, host: &HostName) -> PathBuf {
        self.folder.join(host.as_str())
    }

    fn write(&self, path: &Path, text: &str) -> Result<(), KnownError> {
        self.make_folder(path)?;
        durable::replace(path, text.as_bytes(), 0o600)
            .map_err(|source| KnownError::Unwritable { path: path.to_owned(), source })
    }

    fn make_folder(&self, path: &Path) -> Result<(), KnownError> {
        std::fs::create_dir_all(&self.folder).map_err(|source| KnownError::Unwritable { path: path.to_owned(), source })
    }
}

fn read(text: &str) -> Option<Acquaintance> {
    let (key, seq) = text.strip_suffix('\n')?.split_once(' ')?;
    let seq: u64 = seq.parse().ok()?;
    Some(Acquaintance { key: key.parse().ok()?, seq: if seq == 0 { None } else { Some(Seq::new(seq)?) } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Identity;
    use crate::scratch::Scratch;

    fn host() -> HostName {
        "home.dyn.example".parse().unwrap()
    }

    fn key() -> PublicKey {
        Identity::generate().unwrap().public_key()
    }

    #[test]
    fn a_host_is_remembered_with_its_key_and_newest_number() {
        let folder = Scratch::new("known");
        let known = KnownHosts::new(folder.root());
        assert_eq!(known.find(&host()).unwrap(), None);
        let (key, seq) = (key(), |number| Seq::new(number).unwrap());
        known.remember(&host(), &Acquaintance { key, seq: None }).unwrap();
        assert_eq!(known.find(&host()).unwrap(), Some(Acquaintance { key, seq: None }));
        known.note(&host(), key, seq(7)).unwrap();
        known.note(&host(), key, seq(5)).unwrap();
        assert_eq!(known.find(&host()).unwrap(), Some(Acquaintance { key, seq: Some(seq(7)) }), "it only rises");
    }

    #[test]
    fn a_damaged_file_is_named_and_never_taken_for_an_unknown_host() {
        let folder = Scratch::new("known-damaged");
        let known = KnownHosts::new(folder.root());
        for text in ["", "ed25519:x 7\n", "7\n", &format!("{} 7", key()), &format!("{} -7\n", key())] {
            folder.write("known/home.dyn.example", text);
            let error = known.find(&host()).unwrap_err();
            assert!(matches!(error, KnownError::Damaged { .. }), "{text:?}: {error}");
        }
    }

    #[test]
    fn ssh_gets_a_file_of_its_own() {
        let folder = Scratch::new("known-ssh");
        let known = KnownHosts::new(folder.root());
        let path = known.for_ssh(&host(), None).unwrap();
        assert!(!path.exists(), "ssh makes it by itself");
        known.for_ssh(&host(), Some("home.dyn.example ssh-ed25519 AAAA\n")).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "home.dyn.example ssh-ed25519 AAAA\n");
    }
}
