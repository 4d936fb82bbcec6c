//! Other programs that open the tty, as inotify tells: also those that know no lock files, and those that came and went
//! between two looks.
//!
//! Owns the watch and the count. The kernel tells of two opens in a row once: where the system shows who has the tty open
//! that is believed, not the count. An open for reading alone changes nothing on a modem: only who could write used it.

use std::io;
use std::path::{Path, PathBuf};

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use tokio::io::unix::AsyncFd;

use crate::ports::Machine;
use crate::readiness::{Opens, register_opens};

/// The other programs at one tty. What this process opened before does not count.
#[derive(Debug)]
pub(crate) struct Visitors {
    /// `None` where the system has no more watches: then only locks tell.
    opens: Option<AsyncFd<Opens>>,
    tty: PathBuf,
    /// How often this process had it open when the watch began.
    own: usize,
    present: usize,
    used: bool,
}

impl Visitors {
    /// Watches a tty from now on; needs a runtime.
    pub(crate) fn watch(tty: &Path) -> Self {
        let watch = || -> io::Result<_> {
            let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
            inotify.add_watch(tty, AddWatchFlags::IN_OPEN | AddWatchFlags::IN_CLOSE)?;
            register_opens(Opens(inotify))
        };
        let opens = watch().inspect_err(|error| {
            tracing::warn!(tty = %tty.display(), %error, "programs that take it without a lock will not be noticed");
        });
        let tty = tty.canonicalize().unwrap_or_else(|_| tty.to_owned());
        Self { opens: opens.ok(), own: opened_here(&tty), tty, present: 0, used: false }
    }

    /// Watches nothing: the line has no other users.
    pub(crate) fn none() -> Self {
        Self { opens: None, tty: PathBuf::new(), own: 0, present: 0, used: false }
    }

    /// Waits until a program opens or closes the tty.
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing is lost when the future is dropped.
    pub(crate) async fn stirred(&mut self) {
        loop {
            if self.look() {
                return;
            }
            let Some(opens) = &self.opens else { return std::future::pending().await };
            match opens.readable().await {
                Ok(mut guard) => guard.clear_ready(),
                Err(_) => return std::future::pending().await,
            }
        }
    }

    /// Reports whether any program has the tty open now.
    pub(crate) fn present(&mut self) -> bool {
        self.look();
        self.present > 0
    }

    /// Reports, once, whether a program that could write has closed the tty.
    pub(crate) fn take_used(&mut self) -> bool {
        self.look();
        std::mem::take(&mut self.used)
    }

    /// Takes in what has happened; reports whether anything has.
    fn look(&mut self) -> bool {
        let Self { opens: Some(opens), tty, own, present, used } = self else { return false };
        if !take(opens.get_ref(), present, used) {
            return false;
        }
        let holders = Machine::here().holders(std::slice::from_ref(tty)).pop().unwrap_or_default();
        if !holders.open.is_empty() || !holders.more_may_be {
            *present = holders.open.len() + opened_here(tty).saturating_sub(*own);
        }
        true
    }
}

/// How often this process has the tty open.
fn opened_here(tty: &Path) -> usize {
    let entries = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    entries.filter(|entry| std::fs::read_link(entry.path()).is_ok_and(|target| target == tty)).count()
}

/// Takes in what has happened; reports whether anything has.
fn take(opens: &Opens, present: &mut usize, used: &mut bool) -> bool {
    let mut stirred = false;
    while let Ok(events) = opens.0.read_events() {
        for event in events {
            stirred = true;
            if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                (*present, *used) = (0, true);
            } else if event.mask.contains(AddWatchFlags::IN_OPEN) {
                *present += 1;
            } else if event.mask.intersects(AddWatchFlags::IN_CLOSE) {
                *present = present.saturating_sub(1);
                *used |= event.mask.contains(AddWatchFlags::IN_CLOSE_WRITE);
            }
        }
    }
    stirred
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use super::*;

    #[tokio::test]
    async fn a_program_is_seen_although_another_came_and_went_behind_it() {
        let pty = nix::pty::openpty(None, None).unwrap();
        let tty = nix::unistd::ttyname(&pty.slave).unwrap();
        let mut visitors = Visitors::watch(&tty);
        let mut holder = std::process::Command::new("cat")
            .stdin(OpenOptions::new().read(true).open(&tty).unwrap())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        drop(OpenOptions::new().read(true).open(&tty).unwrap());
        visitors.stirred().await;
        assert!(visitors.present(), "two opens in a row are told of once");
        holder.kill().unwrap();
        holder.wait().unwrap();
        drop(OpenOptions::new().read(true).open(&tty).unwrap());
        visitors.stirred().await;
        assert!(!visitors.present());
    }

    #[tokio::test]
    async fn who_could_write_has_used_the_tty_and_who_only_looked_has_not() {
        let pty = nix::pty::openpty(None, None).unwrap();
        let tty = nix::unistd::ttyname(&pty.slave).unwrap();
        let mut visitors = Visitors::watch(&tty);
        assert!(!visitors.present() && !visitors.take_used());
        let reader = OpenOptions::new().read(true).open(&tty).unwrap();
        visitors.stirred().await;
        assert!(visitors.present());
        drop(reader);
        visitors.stirred().await;
        assert!(!visitors.present() && !visitors.take_used());
        // Came and went before anybody looked.
        drop(OpenOptions::new().write(true).open(&tty).unwrap());
        visitors.stirred().await;
        assert!(!visitors.present());
        assert!(visitors.take_used() && !visitors.take_used());
    }
}
