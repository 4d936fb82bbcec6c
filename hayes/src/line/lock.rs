//! UUCP lock files: the word that serial programs give each other not to use a tty at once.
//!
//! Owns the HDB form that mgetty, pppd, minicom and cu share (`LCK..ttyS0`, ten characters of process id). A lock
//! whose process is dead, or that holds nothing to read, is taken over. `/dev/pts/3` is `LCK..pts_3` to some and `LCK..3`
//! to others: both are looked at, and both are written.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal;
use nix::unistd::Pid;

use super::{Address, LineError};

/// Where lock files live: the first that exists (Filesystem Hierarchy Standard 5.9; Debian has both).
const DIRECTORIES: [&str; 2] = ["/run/lock", "/var/lock"];
/// How often a lock is fought for before it counts as held.
const TRIES: usize = 4;
/// More than any lock file holds, in bytes.
const READ_LIMIT: u64 = 64;

/// The lock of one tty, held by this process until dropped.
#[derive(Debug)]
pub struct Lock {
    files: Vec<PathBuf>,
}

impl Lock {
    /// Locks the tty in the system's lock directory.
    ///
    /// # Errors
    ///
    /// [`LineError::Busy`] while a living process holds it, [`LineError::Missing`] if there is no such tty,
    /// [`LineError::Denied`] or [`LineError::Io`] where the lock can not be written.
    pub fn take(port: &Path) -> Result<Self, LineError> {
        Self::take_in(&directory(), port)
    }

    /// Locks the tty in this lock directory.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take).
    pub fn take_in(directory: &Path, port: &Path) -> Result<Self, LineError> {
        let mut lock = Self { files: Vec::new() };
        for file in lock_files(directory, port)? {
            take_file(directory, port, &file)?;
            lock.files.push(file);
        }
        Ok(lock)
    }

    /// Returns the living process, other than this one, that holds the tty's lock in the system's lock directory.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take), but for `Busy`.
    pub fn holder(port: &Path) -> Result<Option<u32>, LineError> {
        Self::holder_in(&directory(), port)
    }

    /// Returns the living process, other than this one, that holds the tty's lock in this lock directory.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take), but for `Busy`.
    pub fn holder_in(directory: &Path, port: &Path) -> Result<Option<u32>, LineError> {
        for file in lock_files(directory, port)? {
            let holder = holder_of(&file).map_err(|error| LineError::from_io(&file, error))?;
            if let Some(other) = holder.filter(|pid| *pid != std::process::id()) {
                return Ok(Some(other));
            }
        }
        Ok(None)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        for file in &self.files {
            if matches!(holder_of(file), Ok(Some(pid)) if pid == std::process::id())
                && let Err(error) = fs::remove_file(file)
            {
                tracing::warn!(lock = %file.display(), %error, "lock file left behind");
            }
        }
    }
}

/// Takes one lock file, if need be from a dead process.
fn take_file(directory: &Path, port: &Path, file: &Path) -> Result<(), LineError> {
    let failed = |error| LineError::from_io(file, error);
    let busy = |holder| LineError::Busy { path: port.to_owned(), holder };
    for _ in 0..TRIES {
        match link_new(directory, file) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(error)),
        }
        match holder_of(file).map_err(failed)? {
            Some(pid) if pid == std::process::id() => return Ok(()),
            Some(pid) => return Err(busy(Some(pid))),
            None => remove_stale(directory, file).map_err(failed)?,
        }
    }
    Err(busy(None))
}

/// The system's lock directory.
pub(super) fn directory() -> PathBuf {
    let [first, second] = DIRECTORIES.map(Path::new);
    if first.is_dir() { first.to_owned() } else { second.to_owned() }
}

/// Names the locks of the tty that the path leads to: without `/dev/`, each `/` become `_`, as Debian does; and what is
/// behind the last `/`, where that is another name. A line at a console server has none.
fn lock_files(directory: &Path, port: &Path) -> Result<Vec<PathBuf>, LineError> {
    if !matches!(Address::of(port), Ok(None)) {
        return Ok(Vec::new());
    }
    let tty = port.canonicalize().map_err(|error| LineError::from_io(port, error))?;
    let tty = tty.to_string_lossy();
    let name = tty.strip_prefix("/dev/").unwrap_or(&tty).trim_start_matches('/');
    let mut files = vec![directory.join(format!("LCK..{}", name.replace('/', "_")))];
    if let Some((_, last)) = name.rsplit_once('/') {
        files.push(directory.join(format!("LCK..{last}")));
    }
    Ok(files)
}

/// Makes the lock with its content in one step: a file of another name, linked to the name of the lock.
fn link_new(directory: &Path, file: &Path) -> io::Result<()> {
    let temporary = temporary(directory);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(&temporary)
        .and_then(|mut new| writeln!(new, "{:>10}", std::process::id()))
        .and_then(|()| fs::hard_link(&temporary, file));
    let removed = fs::remove_file(&temporary);
    written.and(removed)
}

fn temporary(directory: &Path) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    directory.join(format!("LTMP.{}.{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)))
}

/// Moves a stale lock out of the way, and back again if another process was faster and it is a living one.
fn remove_stale(directory: &Path, file: &Path) -> io::Result<()> {
    let aside = temporary(directory);
    match fs::rename(file, &aside) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        other => other?,
    }
    if holder_of(&aside)?.is_some() {
        match fs::hard_link(&aside, file) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    fs::remove_file(&aside)
}

/// Returns the living process named in a lock file; `None` if there is no file or it is stale.
fn holder_of(file: &Path) -> io::Result<Option<u32>> {
    let mut content = Vec::new();
    match OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW).open(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
        Ok(open) if open.metadata()?.mode() & libc::S_IFMT != libc::S_IFREG => return Ok(None),
        Ok(open) => open.take(READ_LIMIT).read_to_end(&mut content)?,
    };
    let text = str::from_utf8(&content).ok().map(str::trim);
    let pid = match (text.and_then(|text| text.parse().ok()), <[u8; 4]>::try_from(content.as_slice())) {
        (Some(pid), _) => Some(pid),
        // The older form of UUCP: the number as the machine holds it.
        (None, Ok(binary)) => Some(i32::from_ne_bytes(binary)),
        (None, Err(_)) => None,
    };
    Ok(pid.filter(|pid| *pid > 0 && is_alive(*pid)).and_then(|pid| u32::try_from(pid).ok()))
}

fn is_alive(pid: i32) -> bool {
    signal::kill(Pid::from_raw(pid), None) != Err(Errno::ESRCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory of its own for each test, removed at the end.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new() -> Self {
            let path = temporary(&std::env::temp_dir());
            fs::create_dir(&path).unwrap();
            Self(path)
        }

        fn lock_holding(&self, content: &[u8]) -> PathBuf {
            let file = self.0.join("LCK..null");
            fs::write(&file, content).unwrap();
            file
        }

        fn names(&self) -> Vec<String> {
            fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    const PORT: &str = "/dev/null";

    #[test]
    fn a_lock_is_in_hdb_form_and_goes_when_dropped() {
        let scratch = Scratch::new();
        let lock = Lock::take_in(&scratch.0, Path::new(PORT)).unwrap();
        assert_eq!(fs::read_to_string(&lock.files[0]).unwrap(), format!("{:>10}\n", std::process::id()));
        assert_eq!(scratch.names(), ["LCK..null"]);
        drop(lock);
        assert!(scratch.names().is_empty());
    }

    #[test]
    fn the_lock_has_the_names_of_the_tty_itself() {
        let scratch = Scratch::new();
        let link = scratch.0.join("modem");
        std::os::unix::fs::symlink("/dev/pts/ptmx", &link).unwrap();
        let lock = Lock::take_in(&scratch.0, &link).unwrap();
        let mut names = scratch.names();
        names.sort();
        assert_eq!(names, ["LCK..ptmx", "LCK..pts_ptmx", "modem"]);
        drop(lock);
        assert_eq!(scratch.names(), ["modem"]);
        assert!(matches!(lock_files(&scratch.0, Path::new("/dev/no-modem")), Err(LineError::Missing { .. })));
    }

    #[test]
    fn a_holder_under_either_name_is_respected_and_neither_lock_is_left() {
        let scratch = Scratch::new();
        let tty = Path::new("/dev/pts/ptmx");
        for name in ["LCK..ptmx", "LCK..pts_ptmx"] {
            fs::write(scratch.0.join(name), "         1\n").unwrap();
            assert_eq!(Lock::holder_in(&scratch.0, tty).unwrap(), Some(1));
            assert!(matches!(Lock::take_in(&scratch.0, tty), Err(LineError::Busy { holder: Some(1), .. })));
            assert_eq!(scratch.names(), [name]);
            fs::remove_file(scratch.0.join(name)).unwrap();
        }
    }

    #[test]
    fn a_living_holder_is_respected_and_named() {
        let scratch = Scratch::new();
        for content in [b"         1\n".to_vec(), b"1".to_vec(), 1_i32.to_ne_bytes().to_vec()] {
            let file = scratch.lock_holding(&content);
            let taken = Lock::take_in(&scratch.0, Path::new(PORT));
            assert!(matches!(taken, Err(LineError::Busy { holder: Some(1), .. })), "{taken:?}");
            assert_eq!(Lock::holder_in(&scratch.0, Path::new(PORT)).unwrap(), Some(1));
            assert_eq!(fs::read(file).unwrap(), content);
        }
    }

    #[test]
    fn a_stale_empty_or_garbled_lock_is_taken_over() {
        let scratch = Scratch::new();
        // Above the largest process id that Linux gives out.
        for content in ["   4194305\n", "", "no pid\n", "-1\n", "0\n"] {
            scratch.lock_holding(content.as_bytes());
            let lock = Lock::take_in(&scratch.0, Path::new(PORT)).unwrap();
            assert_eq!(fs::read_to_string(&lock.files[0]).unwrap().trim(), std::process::id().to_string());
            drop(lock);
            assert!(scratch.names().is_empty(), "{content:?} left {:?}", scratch.names());
        }
    }

    #[test]
    fn a_lock_of_this_process_is_fine_and_one_that_was_taken_away_is_left() {
        let scratch = Scratch::new();
        scratch.lock_holding(format!("{:>10}\n", std::process::id()).as_bytes());
        let lock = Lock::take_in(&scratch.0, Path::new(PORT)).unwrap();
        scratch.lock_holding(b"         1\n");
        drop(lock);
        assert_eq!(scratch.names(), ["LCK..null"]);
    }
}
