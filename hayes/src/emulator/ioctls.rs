//! The two ioctls of a pty's master for which nix has no safe function: packet mode, and the slave's speed as a number.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;

/// First byte of a read in packet mode: data follows.
pub(super) const DATA: u8 = 0;

/// Switches packet mode on (TIOCPKT, ioctl_tty(2)): every read of the master then starts with a byte that tells data
/// from control, and a change of the slave's settings is seen where the slave has EXTPROC set.
///
/// # Errors
///
/// Those of ioctl(2).
pub(super) fn switch_on_packet_mode(master: &OwnedFd) -> io::Result<()> {
    let on: libc::c_int = 1;
    #[expect(unsafe_code, reason = "nix offers no safe call for TIOCPKT")]
    // SAFETY: TIOCPKT reads one int through the pointer, which is valid for the call; the descriptor is open.
    let done = unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCPKT, &raw const on) };
    Errno::result(done)?;
    Ok(())
}

/// The slave's speed in bit/s, 0 for B0 (TCGETS2): cfgetospeed(3) knows only named speeds, and clients may set any.
///
/// # Errors
///
/// Those of ioctl(2).
pub(super) fn rate(master: &OwnedFd) -> io::Result<u32> {
    let mut settings = MaybeUninit::<libc::termios2>::uninit();
    #[expect(unsafe_code, reason = "nix offers no safe call for TCGETS2")]
    // SAFETY: TCGETS2 writes a whole termios2 through the pointer, which is valid for the call; the descriptor is open.
    // Where the kernel says that it has, the structure is initialised.
    let settings = unsafe {
        Errno::result(libc::ioctl(master.as_raw_fd(), libc::TCGETS2, settings.as_mut_ptr()))?;
        settings.assume_init()
    };
    Ok(if settings.c_cflag & libc::CBAUD == 0 { 0 } else { settings.c_ospeed })
}
