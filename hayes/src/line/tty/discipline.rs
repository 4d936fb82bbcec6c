//! The tty's line discipline: what the kernel makes of its bytes.
//!
//! A pppd that is killed leaves the tty in PPP's while anybody else has it open, as whoever listens has, or the other side
//! of a pty. Then nothing can be read on it, poll(2) never tells of it, and the next pppd cannot attach, until somebody
//! sets it back.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::libc;

/// A terminal's own discipline (linux/tty.h).
const N_TTY: libc::c_int = 0;

/// Sets the tty back to a terminal's own discipline (TIOCSETD with N_TTY, ioctl_tty(2)); does nothing where it is in it.
///
/// # Errors
///
/// Those of ioctl(2).
pub(super) fn set_terminals_own(tty: &File) -> io::Result<()> {
    let discipline = N_TTY;
    #[expect(unsafe_code, reason = "nix offers no safe call for TIOCSETD")]
    // SAFETY: TIOCSETD reads one int through the pointer, which is valid for the call; the descriptor is open.
    let done = unsafe { libc::ioctl(tty.as_raw_fd(), libc::TIOCSETD, &raw const discipline) };
    Errno::result(done)?;
    Ok(())
}
