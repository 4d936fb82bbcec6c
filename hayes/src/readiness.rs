//! Registering descriptors with the runtime.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use nix::sys::inotify::Inotify;
use tokio::io::unix::AsyncFd;

/// Inotify as the runtime takes it.
#[derive(Debug)]
pub(crate) struct Opens(pub(crate) Inotify);

impl AsRawFd for Opens {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

/// Registers the master of a pty; needs a runtime.
#[cfg(feature = "emulator")]
pub(crate) fn register_master(
    master: std::sync::Arc<std::os::fd::OwnedFd>,
) -> io::Result<AsyncFd<std::sync::Arc<std::os::fd::OwnedFd>>> {
    #[expect(unsafe_code, reason = "tokio's safe constructor is deprecated as unsound")]
    // SAFETY: the Arc keeps the descriptor open as long as the registration lives, and always names the same one.
    let registered = unsafe { AsyncFd::register(master) };
    Ok(registered?)
}

/// Registers an inotify instance; needs a runtime.
pub(crate) fn register_opens(opens: Opens) -> io::Result<AsyncFd<Opens>> {
    #[expect(unsafe_code, reason = "tokio's safe constructor is deprecated as unsound")]
    // SAFETY: Inotify owns its descriptor, never replaces it, and lives in the registration.
    let registered = unsafe { AsyncFd::register(opens) };
    Ok(registered?)
}
