//! The tty a modem hangs on.
//!
//! Owns opening it raw, DTR and carrier, and what its failures are called. Refuses to keep others out: that is for
//! [`Lock`], while something is done with the line, so that a line that only listens stays free to dial out on.

mod claim;
mod lock;
mod signals;
mod usb;
mod visitors;

use std::fs::{File, OpenOptions};
use std::future::poll_fn;
use std::io::{self, ErrorKind, IsTerminal};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use nix::errno::Errno;
use nix::libc;
use nix::sys::termios::{self, BaudRate, ControlFlags, FlushArg, SetArg};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_serial::{SerialPort, SerialStream};

pub use self::lock::Lock;
pub(crate) use self::signals::CarrierWatch;
pub use self::signals::{Signal, Signals};
pub use self::usb::{switch_usb, usb_id};
pub(crate) use self::visitors::Visitors;
pub use crate::modem::Carrier;
use crate::ports::{Machine, Process};

/// Which tty, and how fast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineSettings {
    /// The tty's path; one under `/dev/serial/by-id` survives re-plugging.
    pub port: PathBuf,
    /// The rate between computer and modem, in bit/s; 8 data bits, no parity, 1 stop bit.
    pub rate: u32,
}

/// Why a line can not be used, each saying what to do.
#[derive(Debug, Error)]
pub enum LineError {
    /// There is no such tty.
    #[error("there is no {}; is the modem plugged in? see /dev/serial/by-id", path.display())]
    Missing {
        /// The tty.
        path: PathBuf,
    },
    /// Another program uses the line.
    #[error("{} is in use by {}; try again when it is done", path.display(), Holder(*holder))]
    Busy {
        /// The tty.
        path: PathBuf,
        /// The process that locked it, where it tells.
        holder: Option<u32>,
    },
    /// Another program attends to the line, and waits on it for calls.
    #[error(
        "{} is attended to by {} already; stop that, or give one of the two another line",
        path.display(), Holder(*holder)
    )]
    Attended {
        /// The tty.
        path: PathBuf,
        /// The process, where that can be seen.
        holder: Option<u32>,
    },
    /// This user may not use the tty or write its lock.
    #[error("may not open {}; add this user to the group that owns it (often dialout)", path.display())]
    Denied {
        /// The tty, or the lock file.
        path: PathBuf,
    },
    /// The path leads to something that is no tty, or to a serial port without hardware.
    #[error("{} is not a serial line; name the modem's tty", path.display())]
    NotATty {
        /// The path.
        path: PathBuf,
    },
    /// The line went away while in use.
    #[error("{} went away; was the modem unplugged?", path.display())]
    Gone {
        /// The tty.
        path: PathBuf,
    },
    /// Anything else.
    #[error("{} failed; see the cause", path.display())]
    Io {
        /// The tty, or the lock file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

struct Holder(Option<u32>);

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(pid) => write!(f, "process {pid}"),
            None => f.write_str("another program"),
        }
    }
}

impl LineError {
    /// Tells what an error of the system on this path means.
    pub(crate) fn from_io(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.raw_os_error().map(Errno::from_raw) {
            Some(Errno::ENOENT | Errno::ENOTDIR) => Self::Missing { path },
            Some(Errno::EACCES | Errno::EPERM | Errno::EROFS) => Self::Denied { path },
            Some(Errno::EBUSY) => Self::Busy { path, holder: None },
            Some(Errno::ENOTTY | Errno::EISDIR) => Self::NotATty { path },
            Some(Errno::EIO | Errno::ENXIO | Errno::ENODEV | Errno::EPIPE) => Self::Gone { path },
            _ if matches!(source.kind(), ErrorKind::UnexpectedEof | ErrorKind::WriteZero) => Self::Gone { path },
            _ => Self::Io { path, source },
        }
    }
}

/// An open line. Dropping it closes the tty, which drops DTR (HUPCL).
#[derive(Debug)]
pub struct Line {
    settings: LineSettings,
    stream: SerialStream,
    /// The same tty once more, for what the stream can not do.
    control: File,
    has_modem_lines: bool,
    /// The rate it is at, in bit/s.
    rate: u32,
    flow_control: bool,
}

impl Line {
    /// Opens the tty raw, without echo, 8N1, not waiting for carrier; this raises DTR.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`LineError`], by what stands in the way. A lock by another program is not looked at.
    pub fn open(settings: &LineSettings) -> Result<Self, LineError> {
        let port = &settings.port;
        let control = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK)
            .open(port)
            .map_err(|error| LineError::from_io(port, error))?;
        if !control.is_terminal() {
            return Err(LineError::NotATty { path: port.clone() });
        }
        let builder = tokio_serial::new(port.to_string_lossy(), settings.rate).exclusive(false);
        let mut stream = SerialStream::open(&builder).map_err(|error| match error.kind() {
            // Another program that takes the tty exclusively holds it.
            tokio_serial::ErrorKind::NoDevice => LineError::Busy { path: port.clone(), holder: None },
            tokio_serial::ErrorKind::Io(_)
            | tokio_serial::ErrorKind::InvalidInput
            | tokio_serial::ErrorKind::Unknown => LineError::from_io(port, error.into()),
        })?;
        let has_modem_lines = stream.read_carrier_detect().is_ok();
        let rate = settings.rate;
        let mut line = Self { settings: settings.clone(), stream, control, has_modem_lines, rate, flow_control: false };
        line.share()?;
        line.restore()?;
        Ok(line)
    }

    /// Reports whether the line is a tty of this machine, which other programs may have, too.
    pub(crate) fn is_local(&self) -> bool {
        true
    }

    /// Waits until the line can be used.
    pub(crate) async fn connected(&mut self) -> Result<(), LineError> {
        std::future::ready(Ok(())).await
    }

    /// Keeps other programs from opening the tty (TIOCEXCL, and flock for those that look at it), or lets them again;
    /// the superuser is not kept from it.
    pub(crate) fn set_exclusive(&mut self, exclusive: bool) -> Result<(), LineError> {
        let set = self.stream.set_exclusive(exclusive);
        if !exclusive || set.is_err() {
            self.share()?;
        }
        set.map_err(|error| match error.kind() {
            tokio_serial::ErrorKind::NoDevice => LineError::Busy { path: self.settings.port.clone(), holder: None },
            tokio_serial::ErrorKind::Io(_)
            | tokio_serial::ErrorKind::InvalidInput
            | tokio_serial::ErrorKind::Unknown => self.stream_failed(error),
        })
    }

    /// Lets others open the tty, and lock it as they like: a shared flock would keep out those that want their own.
    fn share(&mut self) -> Result<(), LineError> {
        if self.stream.exclusive() {
            self.stream.set_exclusive(false).map_err(|error| self.stream_failed(error))?;
        }
        claim::unlock(&self.stream).map_err(|errno| self.failed(errno))
    }

    /// Claims the tty for the one program that attends to it, until the line is dropped.
    ///
    /// # Errors
    ///
    /// [`LineError::Attended`] if another has claimed it.
    pub fn claim(&self) -> Result<(), LineError> {
        if claim::take(&self.control).map_err(|errno| self.failed(errno))? {
            return Ok(());
        }
        let own = std::fs::read_to_string("/proc/self/comm").unwrap_or_default();
        let others = self.opened_by();
        let same = others.iter().find(|process| process.name.as_deref() == Some(own.trim()));
        let holder = same.or_else(|| others.first()).map(|process| process.id);
        Err(LineError::Attended { path: self.settings.port.clone(), holder })
    }

    /// The other processes that have the tty open, as far as they can be seen.
    pub(crate) fn opened_by(&self) -> Vec<Process> {
        let tty: Vec<PathBuf> = self.settings.port.canonicalize().into_iter().collect();
        let holders = Machine::here().holders(&tty);
        holders.into_iter().next().map(|holders| holders.open).unwrap_or_default()
    }

    /// Returns what the line was opened with.
    #[must_use]
    pub fn settings(&self) -> &LineSettings {
        &self.settings
    }

    /// Returns the rate between computer and modem, in bit/s: the one it was opened with, unless the modem is elsewhere.
    #[must_use]
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Sets the tty up again, after another program used it.
    ///
    /// # Errors
    ///
    /// [`LineError::Gone`] or [`LineError::Io`].
    pub fn restore(&mut self) -> Result<(), LineError> {
        let flow_control = self.flow_control;
        self.change(|termios| {
            termios::cfmakeraw(termios);
            termios.control_flags -= ControlFlags::CSTOPB;
            termios.control_flags.set(ControlFlags::CRTSCTS, flow_control);
            termios.control_flags |= ControlFlags::CREAD | ControlFlags::CLOCAL | ControlFlags::HUPCL;
        })?;
        self.set_rate(self.rate)
    }

    /// Goes to another rate, in bit/s.
    pub(crate) fn change_rate(&mut self, rate: u32) -> Result<(), LineError> {
        self.set_rate(rate)?;
        self.rate = rate;
        Ok(())
    }

    /// Keeps to flow control by RTS and CTS (V.24 105/133 and 106) from here on.
    pub(crate) fn set_flow_control(&mut self) -> Result<(), LineError> {
        self.flow_control = true;
        self.change(|termios| termios.control_flags |= ControlFlags::CRTSCTS)
    }

    /// Raises or drops DTR; on a tty without modem lines the speed B0 stands for DTR dropped.
    ///
    /// Dropping it throws away what was not sent yet.
    ///
    /// # Errors
    ///
    /// [`LineError::Gone`] or [`LineError::Io`].
    pub fn set_dtr(&mut self, raised: bool) -> Result<(), LineError> {
        if !raised {
            termios::tcflush(&self.control, FlushArg::TCOFLUSH).map_err(|errno| self.failed(errno))?;
        }
        match (self.has_modem_lines, raised) {
            (true, _) => self.stream.write_data_terminal_ready(raised).map_err(|error| self.stream_failed(error)),
            (false, true) => self.set_rate(self.rate),
            (false, false) => self.set_speed(BaudRate::B0),
        }
    }

    /// Reports whether the tty has a modem's signals; a pty has none.
    #[must_use]
    pub fn has_modem_lines(&self) -> bool {
        self.has_modem_lines
    }

    /// Reads the carrier signal.
    pub fn carrier(&mut self) -> Carrier {
        if !self.has_modem_lines {
            return Carrier::Unknown;
        }
        match self.stream.read_carrier_detect() {
            Ok(true) => Carrier::Present,
            Ok(false) => Carrier::Absent,
            Err(_) => Carrier::Unknown,
        }
    }

    /// Reads the modem's signals.
    pub fn signals(&mut self) -> Signals {
        let carrier = self.carrier();
        Signals {
            carrier,
            ring: Signal::read(&self.stream.read_ring_indicator()),
            modem_ready: Signal::read(&self.stream.read_data_set_ready()),
            clear_to_send: Signal::read(&self.stream.read_clear_to_send()),
        }
    }

    /// Duplicates the open tty, for a program that takes it as its standard input.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn duplicate(&self) -> io::Result<OwnedFd> {
        Ok(OwnedFd::from(self.control.try_clone()?))
    }

    /// Reads some of the bytes that have come, at least one.
    ///
    /// # Errors
    ///
    /// [`LineError::Gone`] at the end of the line, or [`LineError::Io`].
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing is lost when the future is dropped.
    pub async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, LineError> {
        let read = poll_fn(|cx| self.poll_read(cx, buffer)).await;
        read.map_err(|error| LineError::from_io(&self.settings.port, error))
    }

    /// Waits until there is something to read, without reading it.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing is lost when the future is dropped.
    pub async fn readable(&mut self) -> Result<(), LineError> {
        self.stream.readable().await.map_err(|error| LineError::from_io(&self.settings.port, error))
    }

    /// Reads; the end of the line is an error.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        Pin::new(&mut self.stream).poll_read(cx, &mut buffer).map(|result| {
            match result.map(|()| buffer.filled().len()) {
                Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
                other => other,
            }
        })
    }

    /// Writes some of the bytes.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn set_rate(&mut self, rate: u32) -> Result<(), LineError> {
        match standard_speed(rate) {
            // Other programs, and whoever watches a pty, know only these constants.
            Some(speed) => self.set_speed(speed),
            None => {
                self.stream.set_baud_rate(rate).map_err(|error| LineError::from_io(&self.settings.port, error.into()))
            }
        }
    }

    fn set_speed(&self, speed: BaudRate) -> Result<(), LineError> {
        let mut outcome = Ok(());
        self.change(|termios| outcome = termios::cfsetspeed(termios, speed))?;
        outcome.map_err(|errno| self.failed(errno))
    }

    fn change(&self, change: impl FnOnce(&mut termios::Termios)) -> Result<(), LineError> {
        let mut termios = termios::tcgetattr(&self.control).map_err(|errno| self.failed(errno))?;
        change(&mut termios);
        termios::tcsetattr(&self.control, SetArg::TCSANOW, &termios).map_err(|errno| self.failed(errno))
    }

    /// The stream's errors have no number: ask the tty again what is wrong with it.
    fn stream_failed(&self, error: tokio_serial::Error) -> LineError {
        match termios::tcgetattr(&self.control) {
            Err(errno) => self.failed(errno),
            Ok(_) => LineError::from_io(&self.settings.port, error.into()),
        }
    }

    fn failed(&self, errno: Errno) -> LineError {
        LineError::from_io(&self.settings.port, errno.into())
    }
}

/// Returns the constant of POSIX and Linux for a rate, where there is one.
fn standard_speed(rate: u32) -> Option<BaudRate> {
    Some(match rate {
        300 => BaudRate::B300,
        600 => BaudRate::B600,
        1200 => BaudRate::B1200,
        2400 => BaudRate::B2400,
        4800 => BaudRate::B4800,
        9600 => BaudRate::B9600,
        19_200 => BaudRate::B19200,
        38_400 => BaudRate::B38400,
        57_600 => BaudRate::B57600,
        115_200 => BaudRate::B115200,
        230_400 => BaudRate::B230400,
        460_800 => BaudRate::B460800,
        921_600 => BaudRate::B921600,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn another_rate_stays_through_dtr_and_through_another_program() {
        let pty = nix::pty::openpty(None, None).unwrap();
        let port = nix::unistd::ttyname(&pty.slave).unwrap();
        let mut line = Line::open(&LineSettings { port, rate: 115_200 }).unwrap();
        let speed = || termios::cfgetospeed(&termios::tcgetattr(&pty.master).unwrap());
        assert_eq!(speed(), BaudRate::B115200);
        line.change_rate(9600).unwrap();
        line.set_flow_control().unwrap();
        assert_eq!((line.rate(), speed()), (9600, BaudRate::B9600));
        line.set_dtr(false).unwrap();
        assert_eq!(speed(), BaudRate::B0);
        line.set_dtr(true).unwrap();
        assert_eq!(speed(), BaudRate::B9600);
        let mut theirs = termios::tcgetattr(&pty.slave).unwrap();
        termios::cfsetspeed(&mut theirs, BaudRate::B300).unwrap();
        theirs.control_flags -= ControlFlags::CRTSCTS;
        termios::tcsetattr(&pty.slave, SetArg::TCSANOW, &theirs).unwrap();
        line.restore().unwrap();
        assert_eq!(speed(), BaudRate::B9600);
        assert!(termios::tcgetattr(&pty.master).unwrap().control_flags.contains(ControlFlags::CRTSCTS));
    }

    #[test]
    fn an_error_says_in_one_line_what_to_do() {
        let path = PathBuf::from("/dev/ttyUSB0");
        let errors = [
            LineError::from_io(&path, Errno::ENOENT.into()),
            LineError::from_io(&path, Errno::EACCES.into()),
            LineError::from_io(&path, Errno::EBUSY.into()),
            LineError::from_io(&path, Errno::ENOTTY.into()),
            LineError::from_io(&path, Errno::EIO.into()),
            LineError::from_io(&path, Errno::EINVAL.into()),
            LineError::Busy { path, holder: Some(12) },
        ];
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert!(texts.iter().all(|text| text.contains("/dev/ttyUSB0") && !text.contains('\n')), "{texts:?}");
        assert!(texts[6].contains("process 12"), "{}", texts[6]);
        assert!(matches!(
            errors.map(|error| std::mem::discriminant(&error)),
            [a, b, c, d, e, f, g] if a != b && b != c && c != d && d != e && e != f && c == g
        ));
    }
}
