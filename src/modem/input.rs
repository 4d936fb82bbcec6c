//! Bytes as they come, from a file, a pipe or a tty.
//!
//! A thread of its own waits for them: standard input belongs to others, too, who would not like it to be set to
//! O_NONBLOCK. The thread ends with the input, or with the process.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::sync::mpsc;

/// How much is read at once, in bytes.
const CHUNK: usize = 4096;
/// How many reads may wait to be looked at.
const AHEAD: usize = 4;

/// Where bytes come from.
#[derive(Debug)]
pub(super) struct Input {
    reads: mpsc::Receiver<io::Result<Vec<u8>>>,
}

impl Input {
    /// Opens a file; a tty without waiting for carrier, and without becoming its process group's terminal.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Self::of(OpenOptions::new().read(true).custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK).open(path)?)
    }

    /// Standard input.
    pub(super) fn standard() -> io::Result<Self> {
        Self::of(File::from(io::stdin().as_fd().try_clone_to_owned()?))
    }

    fn of(mut file: File) -> io::Result<Self> {
        if file.metadata()?.is_dir() {
            return Err(ErrorKind::IsADirectory.into());
        }
        let (sender, reads) = mpsc::channel(AHEAD);
        std::thread::Builder::new().name("input".to_owned()).spawn(move || {
            loop {
                let read = read(&mut file);
                let over = !matches!(&read, Ok(bytes) if !bytes.is_empty());
                if sender.blocking_send(read).is_err() || over {
                    return;
                }
            }
        })?;
        Ok(Self { reads })
    }

    /// The next bytes; none at the end.
    ///
    /// # Cancel safety
    /// No byte is lost when the future is dropped.
    pub(super) async fn read(&mut self) -> io::Result<Vec<u8>> {
        self.reads.recv().await.unwrap_or_else(|| Ok(Vec::new()))
    }
}

fn read(file: &mut File) -> io::Result<Vec<u8>> {
    let mut chunk = vec![0; CHUNK];
    loop {
        match poll(&mut [PollFd::new(file.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        match file.read(&mut chunk) {
            Ok(count) => {
                chunk.truncate(count);
                return Ok(chunk);
            }
            // The other end of a pty is gone.
            Err(error) if error.raw_os_error() == Some(libc::EIO) => return Ok(Vec::new()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
    }
}
