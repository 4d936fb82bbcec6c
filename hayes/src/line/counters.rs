//! What the driver of a serial port has counted of its wires (TIOCGICOUNT): a ring leaves its trace there though nobody
//! has heard of it, as while the machine slept, or where the modem says no RING.

use std::os::fd::AsFd;
use std::os::fd::AsRawFd;

use nix::libc;

/// The kernel's `struct serial_icounter_struct` (linux/serial.h): CTS, DSR, RI, DCD, seven of bytes and errors, and room
/// for nine more.
const FIELDS: usize = 20;
/// The place of RI.
const RING: usize = 2;

/// How often RI has fallen, wrapping; `None` where the driver does not count: ptys, and some USB modems.
pub(super) fn rings(tty: &impl AsFd) -> Option<u32> {
    let mut counters: [libc::c_int; FIELDS] = [0; FIELDS];
    #[expect(unsafe_code, reason = "nix offers no safe call for TIOCGICOUNT")]
    // SAFETY: TIOCGICOUNT writes one serial_icounter_struct, which is FIELDS ints, through the pointer, which is valid for
    // the call; the descriptor is open.
    let done = unsafe { libc::ioctl(tty.as_fd().as_raw_fd(), libc::TIOCGICOUNT, counters.as_mut_ptr()) };
    if done != 0 {
        return None;
    }
    counters.get(RING).map(|rings| rings.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pty_and_what_is_no_tty_have_no_counters() {
        let pty = nix::pty::openpty(None, None).unwrap();
        assert_eq!(rings(&pty.slave), None);
        assert_eq!(rings(&std::fs::File::open("/dev/null").unwrap()), None);
    }
}
