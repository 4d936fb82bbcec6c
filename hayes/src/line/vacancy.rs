//! A line that another program has, waited for without touching it: to open it would disturb whoever has it.
//!
//! Owns the watch: the end of a lock file and the closing of the tty, as inotify tells. Refuses to take the line: of several
//! who wait, the first that locks it has it.

use std::io;
use std::path::Path;
use std::time::Duration;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use tokio::io::unix::AsyncFd;

use super::{Address, Lock, lock};
use crate::ports::Machine;
use crate::readiness::{Opens, register_opens};

/// How often a line is looked at of which nothing tells: one at a console server, or one whose lock's holder has died without
/// having the tty open.
const LOOK: Duration = Duration::from_secs(5);

/// Waits until a line that was found busy may be free: no living process holds its lock any more; or, where it is taken
/// without a lock, somebody has opened or closed it, or some time has passed.
///
/// Needs a runtime.
///
/// # Cancel safety
///
/// Safe: nothing is lost when the future is dropped.
pub async fn vacated(port: &Path) {
    let mut stirs = Stirs::watch(port, lock::directory().as_path());
    if !is_locked(port) && is_taken_unlocked(port) {
        stirs.next().await;
    }
    while is_locked(port) {
        stirs.next().await;
    }
}

fn is_locked(port: &Path) -> bool {
    matches!(Lock::holder(port), Ok(Some(_)))
}

/// Whether others may have the line, as far as can be seen, although it has no lock.
fn is_taken_unlocked(port: &Path) -> bool {
    if !matches!(Address::of(port), Ok(None)) {
        return true;
    }
    let Ok(tty) = port.canonicalize() else { return false };
    Machine::here().holders(&[tty]).pop().is_some_and(|holders| !holders.open.is_empty() || holders.more_may_be)
}

/// What happens to a tty and to the locks.
struct Stirs(Option<AsyncFd<Opens>>);

impl Stirs {
    /// Watches from now on; where the system has no more watches only time tells.
    fn watch(port: &Path, locks: &Path) -> Self {
        let watch = || -> io::Result<_> {
            let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
            let gone = AddWatchFlags::IN_DELETE | AddWatchFlags::IN_MOVED_FROM;
            inotify.add_watch(locks, gone)?;
            if port.exists() {
                inotify.add_watch(port, AddWatchFlags::IN_CLOSE)?;
            }
            register_opens(Opens(inotify))
        };
        Self(watch().inspect_err(|error| tracing::debug!(%error, "no watch on the line")).ok())
    }

    /// Waits for something to happen, or for the next look.
    async fn next(&mut self) {
        tokio::select! {
            () = self.told() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }

    /// Waits until something is told; for ever where nothing is.
    async fn told(&mut self) {
        let Some(opens) = &self.0 else { return std::future::pending().await };
        match opens.readable().await {
            Ok(mut guard) => {
                while opens.get_ref().0.read_events().is_ok() {}
                guard.clear_ready();
            }
            Err(_) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// A tty, and its lock, which process 1 has.
    fn locked_tty() -> (nix::pty::OpenptyResult, PathBuf, PathBuf) {
        let pty = nix::pty::openpty(None, None).unwrap();
        let tty = nix::unistd::ttyname(&pty.slave).unwrap();
        let name = tty.strip_prefix("/dev").unwrap().display().to_string().replace('/', "_");
        let file = lock::directory().join(format!("LCK..{name}"));
        std::fs::write(&file, format!("{:>10}\n", 1)).unwrap();
        (pty, tty, file)
    }

    #[tokio::test]
    async fn the_end_of_a_lock_and_the_closing_of_the_tty_are_told() {
        let (_pty, tty, file) = locked_tty();
        // Far longer than it takes: without it a watch that tells nothing would not end.
        let told = async |stirs: &mut Stirs| tokio::time::timeout(LOOK * 12, stirs.told()).await.unwrap();
        let mut stirs = Stirs::watch(&tty, &lock::directory());
        std::fs::remove_file(&file).unwrap();
        told(&mut stirs).await;
        let mut stirs = Stirs::watch(&tty, Path::new("/nonexistent"));
        assert!(stirs.0.is_none(), "only time tells");
        stirs = Stirs::watch(&tty, &std::env::temp_dir());
        drop(std::fs::File::open(&tty).unwrap());
        told(&mut stirs).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_is_waited_for_while_its_holder_lives_and_not_longer() {
        let (_pty, tty, file) = locked_tty();
        let mut waits = std::pin::pin!(vacated(&tty));
        assert!(tokio::time::timeout(LOOK * 3, waits.as_mut()).await.is_err(), "process 1 is alive");
        // No process has such a number: as after kill -9.
        std::fs::write(&file, "   4194305\n").unwrap();
        waits.await;
        std::fs::remove_file(&file).unwrap();
    }
}
