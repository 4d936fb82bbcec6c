//! The claim on a tty: that one program attends to it, and waits on it for calls.
//!
//! Owns the kernel's record lock that shows it: bound to the tty itself, whatever name it was opened by, and gone with
//! the process that holds it. Other programs know nothing of it and are not kept out; a lock file would keep them out.

use std::fs::File;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FlockArg, fcntl};
use nix::libc;

/// Which byte of the tty is locked: one that no program has reason to lock ("ring").
const PLACE: libc::off_t = 0x7269_6e67;

/// Claims the tty for this open file (fcntl(2), open file description locks); `false` if another has done so.
pub(super) fn take(tty: &File) -> Result<bool, Errno> {
    let whole = |kind: libc::c_int| -> Option<libc::flock> {
        Some(libc::flock {
            l_type: kind.try_into().ok()?,
            l_whence: libc::SEEK_SET.try_into().ok()?,
            l_start: PLACE,
            l_len: 1,
            l_pid: 0,
        })
    };
    let lock = whole(libc::F_WRLCK).ok_or(Errno::EINVAL)?;
    match fcntl(tty, FcntlArg::F_OFD_SETLK(&lock)) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Lets go of an open file's flock(2).
pub(super) fn unlock(stream: &impl AsRawFd) -> Result<(), Errno> {
    #[expect(deprecated, reason = "its successor owns the file, which belongs to the stream")]
    nix::fcntl::flock(stream.as_raw_fd(), FlockArg::UnlockNonblock)
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use super::*;

    #[test]
    fn a_tty_is_claimed_once_until_the_claim_is_closed() {
        let pty = nix::pty::openpty(None, None).unwrap();
        let tty = nix::unistd::ttyname(&pty.slave).unwrap();
        let open = || OpenOptions::new().read(true).write(true).open(&tty).unwrap();
        let (first, second) = (open(), open());
        assert_eq!(take(&first), Ok(true));
        assert_eq!(take(&first), Ok(true), "one's own claim is no obstacle");
        assert_eq!(take(&second), Ok(false));
        drop(first);
        assert_eq!(take(&second), Ok(true));
    }
}
