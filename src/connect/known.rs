//! What is remembered of hosts: the key that each was first seen with, and the newest record. One small file a host, in
//! the state directory.
//!
//! The key is what the host is known by ever after, and the number fences off the past: a directory that was set back to
//! an old record is caught by it. Refuses to replace a key by itself, also when several programs learn of a host at once.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

use crate::durable;
use crate::record::{HostName, PublicKey, Seq, SshHostKey};

/// What whoever writes holds; no host has a name like it.
const LOCK: &str = ".lock";

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

/// Who says which key a host has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authority {
    /// The configuration: what it says is newer than what is remembered.
    Configuration,
    /// What is remembered, or nobody yet.
    Memory,
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
    #[error("{} is damaged; expected a key and a number; `ringup trust HOST KEY` writes it anew", path.display())]
    Damaged {
        /// The host's file.
        path: PathBuf,
    },
    /// Another key was remembered meanwhile.
    #[error("{host} has shown the key {shown}, and is known by {known} since a moment ago")]
    AnotherKey {
        /// The host.
        host: HostName,
        /// The key that is remembered.
        known: PublicKey,
        /// The key that it has shown.
        shown: PublicKey,
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

    /// Remembers that a host is known by this key, whatever it was known by before; the newest record of that key is kept.
    /// Gives another key that it was known by.
    ///
    /// # Errors
    /// When it cannot be written; what was there before is there still, then.
    pub fn trust(&self, host: &HostName, key: PublicKey) -> Result<Option<PublicKey>, KnownError> {
        let _held = self.lock()?;
        let before = self.find(host).ok().flatten();
        // A host that has lost its key may have lost its number, too: what was seen with the old one counts no more.
        let seq = before.filter(|before| before.key == key).and_then(|before| before.seq);
        self.replace(host, before, &Acquaintance { key, seq })?;
        Ok(before.map(|before| before.key).filter(|before| *before != key))
    }

    /// Remembers that a host has shown this key with this record, if that is news. The number only rises.
    ///
    /// # Errors
    /// When it cannot be written; or when it has become known by another key, unless the configuration says that this is
    /// the one.
    pub fn note(&self, host: &HostName, key: PublicKey, seq: Seq, by: Authority) -> Result<(), KnownError> {
        let _held = self.lock()?;
        let before = match by {
            Authority::Configuration => self.find(host).ok().flatten(),
            Authority::Memory => self.find(host)?,
        };
        match before {
            Some(before) if before.key == key && before.seq >= Some(seq) => Ok(()),
            Some(Acquaintance { key: known, .. }) if known != key && by == Authority::Memory => {
                Err(KnownError::AnotherKey { host: host.clone(), known, shown: key })
            }
            Some(_) | None => self.replace(host, before, &Acquaintance { key, seq: Some(seq) }),
        }
    }

    /// A known_hosts file for ssh with the host's key in it alone, under the host's name; without a key, the one that ssh
    /// has begun by itself.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn for_ssh(&self, host: &HostName, key: Option<SshHostKey>) -> Result<PathBuf, KnownError> {
        let path = self.ssh_path(host);
        match key.map(|key| format!("{host} {key}\n")) {
            Some(line) if std::fs::read_to_string(&path).is_ok_and(|text| text == line) => {}
            Some(line) => self.write(&path, &line)?,
            None => self.make_folder()?,
        }
        Ok(path)
    }

    /// The file that whoever is waking a host holds.
    #[must_use]
    pub fn turn_path(&self, host: &HostName) -> PathBuf {
        self.folder.join(format!(".{host}.waking"))
    }

    fn lock(&self) -> Result<Flock<File>, KnownError> {
        self.make_folder()?;
        let path = self.folder.join(LOCK);
        let unwritable = |source| KnownError::Unwritable { path: path.clone(), source };
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(unwritable)?;
        // Held for as long as a small file takes to be written.
        Flock::lock(file, FlockArg::LockExclusive).map_err(|(_file, errno)| unwritable(errno.into()))
    }

    fn replace(&self, host: &HostName, before: Option<Acquaintance>, now: &Acquaintance) -> Result<(), KnownError> {
        if before.is_none_or(|before| before.key != now.key) {
            // What ssh has learnt of it was of the machine that had the other key.
            let path = self.ssh_path(host);
            match std::fs::remove_file(&path) {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    return Err(KnownError::Unwritable { path, source });
                }
                Ok(()) | Err(_) => {}
            }
        }
        self.write(&self.path(host), &format!("{} {}\n", now.key, now.seq.map_or(0, Seq::number)))
    }

    fn ssh_path(&self, host: &HostName) -> PathBuf {
        self.folder.join(format!("{host}.ssh"))
    }

    fn path(&self, host: &HostName) -> PathBuf {
        self.folder.join(host.as_str())
    }

    fn write(&self, path: &Path, text: &str) -> Result<(), KnownError> {
        self.make_folder()?;
        durable::replace(path, text.as_bytes(), 0o600)
            .map_err(|source| KnownError::Unwritable { path: path.to_owned(), source })
    }

    fn make_folder(&self) -> Result<(), KnownError> {
        std::fs::create_dir_all(&self.folder)
            .map_err(|source| KnownError::Unwritable { path: self.folder.clone(), source })
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

    fn seq(number: u64) -> Seq {
        Seq::new(number).unwrap()
    }

    #[test]
    fn a_host_is_remembered_with_its_key_and_newest_number() {
        let folder = Scratch::new("known");
        let known = KnownHosts::new(folder.root());
        assert_eq!(known.find(&host()).unwrap(), None);
        let key = key();
        known.trust(&host(), key).unwrap();
        assert_eq!(known.find(&host()).unwrap(), Some(Acquaintance { key, seq: None }));
        known.note(&host(), key, seq(7), Authority::Memory).unwrap();
        known.note(&host(), key, seq(5), Authority::Memory).unwrap();
        let expected = Some(Acquaintance { key, seq: Some(seq(7)) });
        assert_eq!(known.find(&host()).unwrap(), expected, "it only rises");
        known.trust(&host(), key).unwrap();
        assert_eq!(known.find(&host()).unwrap(), expected, "the same key fences off the same past");
    }

    #[test]
    fn a_key_that_was_trusted_meanwhile_is_not_replaced_by_one_that_a_host_shows() {
        let folder = Scratch::new("known-meanwhile");
        let known = KnownHosts::new(folder.root());
        let (trusted, shown) = (key(), key());
        known.trust(&host(), trusted).unwrap();
        let error = known.note(&host(), shown, seq(7), Authority::Memory).unwrap_err();
        assert!(matches!(error, KnownError::AnotherKey { known, .. } if known == trusted), "{error}");
        assert_eq!(known.find(&host()).unwrap(), Some(Acquaintance { key: trusted, seq: None }));
        known.note(&host(), shown, seq(7), Authority::Configuration).unwrap();
        assert_eq!(known.find(&host()).unwrap(), Some(Acquaintance { key: shown, seq: Some(seq(7)) }));
    }

    #[test]
    fn of_many_who_learn_of_a_host_at_once_one_decides_its_key_and_the_newest_number_stays() {
        let folder = Scratch::new("known-at-once");
        let known = KnownHosts::new(folder.root());
        let keys = [key(), key()];
        std::thread::scope(|scope| {
            for number in 1..=40 {
                let (known, key) = (&known, *keys.iter().cycle().nth(number).unwrap());
                scope.spawn(move || known.note(&host(), key, seq(number.try_into().unwrap()), Authority::Memory));
            }
        });
        let found = known.find(&host()).unwrap().unwrap();
        let newest = if found.key == keys[0] { 40 } else { 39 };
        assert_eq!(found.seq, Some(seq(newest)));
    }

    #[test]
    fn with_a_new_key_what_ssh_had_learnt_by_the_old_one_is_gone() {
        let folder = Scratch::new("known-ssh-gone");
        let known = KnownHosts::new(folder.root());
        let path = known.for_ssh(&host(), Some(SshHostKey::from_bytes([7; 32]))).unwrap();
        let key = key();
        known.trust(&host(), key).unwrap();
        assert!(!path.exists());
        known.for_ssh(&host(), Some(SshHostKey::from_bytes([8; 32]))).unwrap();
        known.note(&host(), key, seq(1), Authority::Memory).unwrap();
        assert!(path.exists(), "the key is the same");
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
        let key = SshHostKey::from_bytes([7; 32]);
        known.for_ssh(&host(), Some(key)).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("home.dyn.example {key}\n"));
    }
}
