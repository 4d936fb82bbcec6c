//! A pty whose slave looks like a serial port with a modem on it.
//!
//! Owns the master, the stable symlink to the slave, and what of the modem lines a pty can show: DTR is up while
//! somebody has the slave open at a speed other than B0. Two limits come with ptys: a speed that is changed twice
//! before the master looks shows only its last value, and a client that replaces the settings without EXTPROC gets it
//! put back, which can undo a second change made in the microseconds between.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::stat::Mode;
use nix::sys::termios::{
    ControlFlags, FlushArg, LocalFlags, SetArg, SpecialCharacterIndices, Termios, cfmakeraw, tcflush, tcgetattr,
    tcsetattr,
};
use nix::unistd::read;

use super::ioctls;

/// A pty in packet mode and its symlink, which goes with it.
#[derive(Debug)]
pub(super) struct Tty {
    master: std::sync::Arc<OwnedFd>,
    slave: PathBuf,
    link: PathBuf,
}

impl Tty {
    /// Opens a pty, raw, with `link` pointing at its slave; a link that is there is replaced.
    pub(super) fn open(link: PathBuf) -> io::Result<Self> {
        let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let slave = PathBuf::from(ptsname_r(&master)?);
        let master = OwnedFd::from(master);
        ioctls::switch_on_packet_mode(&master)?;
        let mut settings = tcgetattr(&master)?;
        cfmakeraw(&mut settings);
        settings.control_flags |= ControlFlags::CREAD | ControlFlags::HUPCL | ControlFlags::CLOCAL;
        if let Some(least) = settings.control_chars.get_mut(SpecialCharacterIndices::VMIN as usize) {
            *least = 1;
        }
        set_with_extproc(&master, settings)?;
        // The first close makes the master see that nobody has the slave open, as every later one does.
        drop(open_slave(&slave)?);
        // What was set above waits on the master as a control byte: taken for a client's, it would have the line served
        // before anybody is there, and the next client's coming seen as one more close. A read of one byte takes no data.
        while read(&master, &mut [0]).is_ok_and(|taken| taken > 0) {}
        let fresh = link.with_extension(format!("{}.new", std::process::id()));
        remove_if_there(&fresh)?;
        symlink(&slave, &fresh)?;
        let tty = Self { master: std::sync::Arc::new(master), slave, link };
        fs::rename(&fresh, &tty.link)?;
        Ok(tty)
    }

    /// The master; non-blocking.
    pub(super) fn master(&self) -> &std::sync::Arc<OwnedFd> {
        &self.master
    }

    /// The slave's path, `/dev/pts/7`.
    pub(super) fn slave(&self) -> &Path {
        &self.slave
    }

    /// Whether anybody has the slave open.
    pub(super) fn is_open(&self) -> io::Result<bool> {
        Ok(!self.state()?.contains(PollFlags::POLLHUP))
    }

    /// Whether anybody has the slave open, or has left something to read.
    pub(super) fn wants_service(&self) -> io::Result<bool> {
        let state = self.state()?;
        Ok(state.contains(PollFlags::POLLIN) || !state.contains(PollFlags::POLLHUP))
    }

    fn state(&self) -> io::Result<PollFlags> {
        let mut fds = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO)?;
        let [fd] = fds;
        Ok(fd.revents().unwrap_or(PollFlags::empty()))
    }

    /// Reads the slave's speed in bit/s, 0 for B0, and makes sure that the next change will be seen.
    pub(super) fn read_rate(&self) -> io::Result<u32> {
        let rate = ioctls::rate(&self.master)?;
        let settings = tcgetattr(&self.master)?;
        if !settings.local_flags.contains(LocalFlags::EXTPROC) {
            set_with_extproc(&self.master, settings)?;
        }
        Ok(rate)
    }

    /// Throws away what the last client left unread, as a serial port does on close.
    pub(super) fn discard_unread(&self) -> io::Result<()> {
        tcflush(open_slave(&self.slave)?, FlushArg::TCIFLUSH)?;
        // The flush leaves a control byte; a read of one byte takes that and never data.
        match read(&self.master, &mut [0]) {
            Ok(_) | Err(Errno::EAGAIN | Errno::EIO) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Throws away what the last client wrote and the modem had no room for.
    pub(super) fn discard_unheard(&self) {
        let mut buffer = [0; 4096];
        // No pty holds more than this; a client that writes on meanwhile does not keep us here.
        for _ in 0..64 {
            if read(&self.master, &mut buffer).is_err() {
                return;
            }
        }
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        if fs::read_link(&self.link).is_ok_and(|target| target == self.slave)
            && let Err(error) = fs::remove_file(&self.link)
        {
            tracing::warn!(link = %self.link.display(), %error, "symlink of a line left behind");
        }
    }
}

fn set_with_extproc(master: &OwnedFd, mut settings: Termios) -> io::Result<()> {
    settings.local_flags |= LocalFlags::EXTPROC;
    tcsetattr(master, SetArg::TCSANOW, &settings)?;
    Ok(())
}

fn open_slave(slave: &Path) -> io::Result<OwnedFd> {
    Ok(open(slave, OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC, Mode::empty())?)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_wants_service_from_its_first_client_on() {
        let link = std::env::temp_dir().join(format!("hayes-tty-{}", std::process::id()));
        let tty = Tty::open(link).unwrap();
        assert!(!tty.wants_service().unwrap(), "nobody has been there yet");
        let client = open_slave(tty.slave()).unwrap();
        assert!(tty.wants_service().unwrap());
        drop(client);
        assert!(!tty.wants_service().unwrap(), "and left nothing");
    }
}
