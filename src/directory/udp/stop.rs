//! How the threads that answer are told to end: between two batches, and out of their sleep.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::eventfd::{EfdFlags, EventFd};

/// What a thread looks at.
#[derive(Debug)]
pub(super) struct Signal {
    given: AtomicBool,
    /// Can be read once it is given.
    event: EventFd,
}

impl Signal {
    /// Tells whether it is time to end: those who are asked without a pause have to look for themselves.
    pub(super) fn is_given(&self) -> bool {
        self.given.load(Ordering::Relaxed)
    }
}

impl AsFd for Signal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

/// What ends the threads; dropping it does.
pub(in crate::directory) struct Stop(Arc<Signal>);

impl Stop {
    /// # Errors
    /// When the system has no descriptor for it.
    pub(in crate::directory) fn new() -> io::Result<Self> {
        let event = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        Ok(Self(Arc::new(Signal { given: AtomicBool::new(false), event })))
    }

    pub(super) fn signal(&self) -> Arc<Signal> {
        Arc::clone(&self.0)
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.given.store(true, Ordering::Relaxed);
        if let Err(error) = self.0.event.write(1) {
            tracing::error!(%error, "the threads of the directory cannot be told to end");
        }
    }
}
