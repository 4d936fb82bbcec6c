//! Packet mode of a pty master (TIOCPKT, tty_ioctl(4)): the one ioctl here for which nix has no safe function.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

/// First byte of a read in packet mode: data follows.
pub(super) const DATA: u8 = 0;

/// Switches packet mode on: every read of the master then starts with a byte that tells data from control, and a
/// change of the slave's settings is seen where the slave has EXTPROC set.
///
/// # Errors
///
/// Those of ioctl(2).
pub(super) fn switch_on(master: &OwnedFd) -> io::Result<()> {
    let on: nix::libc::c_int = 1;
    #[expect(unsafe_code, reason = "nix offers no safe call for TIOCPKT")]
    // SAFETY: TIOCPKT reads one int through the pointer, which is valid for the call; the descriptor is open.
    let done = unsafe { nix::libc::ioctl(master.as_raw_fd(), nix::libc::TIOCPKT, &raw const on) };
    nix::errno::Errno::result(done)?;
    Ok(())
}
