//! Whose turn it is to wake a host: of several commands at once, one rings, and the others wait for what comes of it.
//!
//! Whoever is about to ring holds a lock on a file of the host's, until it has met the host or given up; it falls with the
//! process that holds it, however that ends. Refuses to hold anybody up where such a file cannot be had.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::thread;

use nix::fcntl::{Flock, FlockArg};
use tokio::sync::oneshot;

/// Our turn to wake a host, until it is dropped.
#[derive(Debug)]
pub struct Turn {
    /// None where there can be none, and nobody is kept away.
    _held: Option<Flock<File>>,
}

/// Why it is not our turn: another command's it is.
#[derive(Debug)]
pub struct Taken {
    file: File,
    /// Its process, where it tells.
    pub process: Option<u32>,
}

impl Turn {
    /// Takes the turn that this file stands for.
    ///
    /// # Errors
    /// When another command has it.
    pub fn take(path: &Path) -> Result<Self, Taken> {
        let file = match open(path) {
            Ok(file) => file,
            Err(error) => {
                tracing::debug!(%error, path = %path.display(), "two commands may ring the host at once");
                return Ok(Self { _held: None });
            }
        };
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(held) => Ok(Self::with(held)),
            Err((mut file, nix::errno::Errno::EWOULDBLOCK)) => {
                let mut text = String::new();
                let process = file.read_to_string(&mut text).ok().and_then(|_length| text.trim().parse().ok());
                Err(Taken { file, process })
            }
            Err((_file, _errno)) => Ok(Self { _held: None }),
        }
    }

    fn with(mut held: Flock<File>) -> Self {
        let named =
            held.set_len(0).and_then(|()| held.rewind()).and_then(|()| writeln!(held, "{}", std::process::id()));
        if let Err(error) = named {
            tracing::debug!(%error, "who waits does not know for whom");
        }
        Self { _held: Some(held) }
    }
}

impl Taken {
    /// Waits until it is our turn.
    ///
    /// # Cancel safety
    /// When dropped, the turn is let go as soon as it comes.
    pub async fn over(self) -> Turn {
        let (done, is_done) = oneshot::channel();
        // The kernel tells nobody but who waits for the lock itself.
        let waiting = thread::Builder::new().name("turn".to_owned()).spawn(move || {
            let turn = match Flock::lock(self.file, FlockArg::LockExclusive) {
                Ok(held) => Turn::with(held),
                Err((_file, _errno)) => Turn { _held: None },
            };
            drop(done.send(turn));
        });
        match waiting {
            Ok(_detached) => is_done.await.unwrap_or(Turn { _held: None }),
            Err(_no_thread) => std::future::pending().await,
        }
    }
}

/// Opens the file, or makes it; one that is another user's is only read.
fn open(path: &Path) -> std::io::Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let written = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    written.or_else(|_another| File::open(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[tokio::test]
    async fn one_has_the_turn_and_the_next_knows_who_and_gets_it_when_that_one_is_gone() {
        let folder = Scratch::new("turn");
        let path = folder.path("known/.home.waking");
        let first = Turn::take(&path).unwrap();
        let taken = Turn::take(&path).unwrap_err();
        assert_eq!(taken.process, Some(std::process::id()));
        let mut over = Box::pin(taken.over());
        let soon = futures_util::future::poll_immediate(&mut over).await;
        assert!(soon.is_none());
        drop(first);
        let second = over.await;
        assert!(Turn::take(&path).is_err());
        drop(second);
        Turn::take(&path).unwrap();
    }

    #[test]
    fn where_no_turns_can_be_kept_nobody_is_held_up() {
        let folder = Scratch::new("turn-none");
        folder.write("known", "");
        for _command in 0..2 {
            Turn::take(&folder.path("known/.home.waking")).unwrap();
        }
    }
}
