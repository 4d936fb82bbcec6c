//! Other programs that open the tty, as inotify tells: also those that know no lock files, and those that came and went
//! between two looks.
//!
//! Owns the watch and the count. An open for reading alone changes nothing on a modem: only who could write used it.

use std::io;
use std::path::Path;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use tokio::io::unix::AsyncFd;

use crate::readiness::{Opens, register_opens};

/// The other programs at one tty. What this process opened before does not count.
#[derive(Debug)]
pub(crate) struct Visitors {
    /// `None` where the system has no more watches: then only locks tell.
    opens: Option<AsyncFd<Opens>>,
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
        Self { opens: opens.ok(), present: 0, used: false }
    }

    /// Watches nothing: the line has no other users.
    pub(crate) fn none() -> Self {
        Self { opens: None, present: 0, used: false }
    }

    /// Waits until a program opens or closes the tty.
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing is lost when the future is dropped.
    pub(crate) async fn stirred(&mut self) {
        let Self { opens: Some(opens), present, used } = self else { return std::future::pending().await };
        loop {
            if take(opens.get_ref(), present, used) {
                return;
            }
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

    fn look(&mut self) {
        if let Self { opens: Some(opens), present, used } = self {
            take(opens.get_ref(), present, used);
        }
    }
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
