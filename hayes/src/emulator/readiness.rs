//! Registering descriptors with the runtime.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use nix::sys::inotify::Inotify;
use tokio::io::unix::AsyncFd;

/// Inotify as the runtime takes it.
#[derive(Debug)]
pub(super) struct Opens(pub(super) Inotify);

impl AsRawFd for Opens {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

/// Registers the master of a pty; needs a runtime.
pub(super) fn register_master(master: Arc<OwnedFd>) -> io::Result<AsyncFd<Arc<OwnedFd>>> {
    #[expect(unsafe_code, reason = "tokio's safe constructor is deprecated as unsound")]
    // SAFETY: the Arc keeps the descriptor open as long as the registration lives, and always names the same one.
    let registered = unsafe { AsyncFd::register(master) };
    Ok(registered?)
}

/// Registers an inotify instance; needs a runtime.
pub(super) fn register_opens(opens: Opens) -> io::Result<AsyncFd<Opens>> {
    #[expect(unsafe_code, reason = "tokio's safe constructor is deprecated as unsound")]
    // SAFETY: Inotify owns its descriptor, never replaces it, and lives in the registration.
    let registered = unsafe { AsyncFd::register(opens) };
    Ok(registered?)
}
