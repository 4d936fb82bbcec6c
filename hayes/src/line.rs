//! The line a modem hangs on: a tty, or a port of a console server.
//!
//! Owns opening it raw, DTR and carrier, and what its failures are called. Refuses to keep others out: that is for
//! [`Lock`], while something is done with the line, so that a line that only listens stays free to dial out on.

mod address;
mod claim;
mod counters;
mod lock;
mod remote;
mod signals;
mod tty;
mod usb;
mod vacancy;
mod visitors;

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};

use nix::errno::Errno;
use thiserror::Error;

pub use self::address::{Address, NoAddress};
pub use self::lock::Lock;
use self::remote::{Refused, Remote};
pub(crate) use self::signals::CarrierWatch;
pub use self::signals::{Signal, Signals};
use self::tty::Tty;
pub use self::usb::{switch_usb, usb_id};
pub use self::vacancy::vacated;
pub(crate) use self::visitors::Visitors;
pub use crate::modem::Carrier;
use crate::ports::Process;
use crate::telnet::com_port::NoComPort;

/// Which line, and how fast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineSettings {
    /// The tty's path; one under `/dev/serial/by-id` survives re-plugging. Or a console server's, as [`Address`] has it.
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
    #[error("{} went away; {}", path.display(), suspicion(path))]
    Gone {
        /// The tty.
        path: PathBuf,
    },
    /// The name is neither a tty's nor a server's.
    #[error("{} names no line: {source}", path.display())]
    NoAddress {
        /// The name.
        path: PathBuf,
        /// What was expected.
        source: NoAddress,
    },
    /// The console server can not be reached.
    #[error("{} cannot be reached: {source}; is the console server on, and are its name and port right?", path.display())]
    Unreachable {
        /// The server.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What answers there is no server that RFC 2217 could be spoken with.
    #[error("{} is no RFC 2217 server: {source}; one that passes bytes as they are is named tcp+raw://host:port", path.display())]
    NoComPort {
        /// The server.
        path: PathBuf,
        /// How it shows.
        source: NoComPort,
    },
    /// Anything else.
    #[error("{} failed: {source}", path.display())]
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
            Some(id) => match Process::of(id).name {
                Some(name) => write!(f, "process {id} ({name})"),
                None => write!(f, "process {id}"),
            },
            None => f.write_str("another program"),
        }
    }
}

/// What has most likely happened to a line that went away.
fn suspicion(path: &Path) -> &'static str {
    match Address::of(path) {
        Ok(Some(_)) => "is the console server still on?",
        Ok(None) | Err(_) => "was the modem unplugged?",
    }
}

impl LineError {
    /// Tells what an error of the system on this path means.
    pub(crate) fn from_io(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        let source = match source.downcast::<Refused>() {
            Ok(Refused::Unreachable(source)) => return Self::Unreachable { path, source },
            Ok(Refused::NoComPort(source)) => return Self::NoComPort { path, source },
            Ok(Refused::InUse(said)) => {
                tracing::debug!(port = %path.display(), said, "the server closed the connection at once");
                return Self::Busy { path, holder: None };
            }
            Err(source) => source,
        };
        match source.raw_os_error().map(Errno::from_raw) {
            Some(Errno::ENOENT | Errno::ENOTDIR) => Self::Missing { path },
            Some(Errno::EACCES | Errno::EPERM | Errno::EROFS) => Self::Denied { path },
            Some(Errno::EBUSY) => Self::Busy { path, holder: None },
            Some(Errno::ENOTTY | Errno::EISDIR) => Self::NotATty { path },
            Some(Errno::EIO | Errno::ENXIO | Errno::ENODEV | Errno::EPIPE) => Self::Gone { path },
            Some(Errno::ECONNRESET | Errno::ECONNABORTED | Errno::ETIMEDOUT) => Self::Gone { path },
            Some(Errno::EHOSTUNREACH | Errno::ENETUNREACH | Errno::ENETDOWN) => Self::Gone { path },
            _ if ENDS.contains(&source.kind()) => Self::Gone { path },
            _ => Self::Io { path, source },
        }
    }
}

/// How the end of a line shows.
const ENDS: [ErrorKind; 4] =
    [ErrorKind::UnexpectedEof, ErrorKind::WriteZero, ErrorKind::BrokenPipe, ErrorKind::NotConnected];

/// An open line. Dropping it closes it, which drops DTR (HUPCL, or by the console server).
#[derive(Debug)]
pub struct Line {
    settings: LineSettings,
    place: Place,
    /// The rate it is at, in bit/s.
    rate: u32,
    flow_control: bool,
}

#[derive(Debug)]
enum Place {
    Tty(Tty),
    Remote(Box<Remote>),
}

impl Line {
    /// Opens a tty raw, without echo, 8N1, not waiting for carrier; this raises DTR. A console server is connected to by
    /// the first use of the line, which then fails if it can not be.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`LineError`], by what stands in the way. A lock by another program is not looked at.
    pub fn open(settings: &LineSettings) -> Result<Self, LineError> {
        let port = &settings.port;
        let no_address = |source| LineError::NoAddress { path: port.clone(), source };
        let place = match Address::of(port).map_err(no_address)? {
            None => Place::Tty(Tty::open(port, settings.rate)?),
            Some(address) => Place::Remote(Box::new(Remote::new(address, port.display().to_string(), settings.rate))),
        };
        let mut line = Self { settings: settings.clone(), place, rate: settings.rate, flow_control: false };
        line.restore()?;
        Ok(line)
    }

    /// Waits until the line can be used, which takes a while at a console server.
    ///
    /// # Errors
    ///
    /// [`LineError::Unreachable`], [`LineError::NoComPort`], or [`LineError::Busy`] if the server closes the connection
    /// at once.
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing is lost when the future is dropped.
    pub async fn connected(&mut self) -> Result<(), LineError> {
        match &mut self.place {
            Place::Tty(_) => Ok(()),
            Place::Remote(remote) => {
                let connected = poll_fn(|cx| remote.poll_connected(cx)).await;
                connected.map_err(|error| LineError::from_io(&self.settings.port, error))
            }
        }
    }

    /// Keeps other programs from opening a tty (TIOCEXCL, and flock for those that look at it), or lets them again; the
    /// superuser is not kept from it.
    pub(crate) fn set_exclusive(&mut self, exclusive: bool) -> Result<(), LineError> {
        match &mut self.place {
            Place::Tty(tty) => tty.set_exclusive(exclusive),
            Place::Remote(_) => Ok(()),
        }
    }

    /// Claims the line for the one program that attends to it, until it is dropped; one at a console server has but one
    /// user anyway.
    ///
    /// # Errors
    ///
    /// [`LineError::Attended`] if another has claimed it.
    pub fn claim(&self) -> Result<(), LineError> {
        match &self.place {
            Place::Tty(tty) => tty.claim(),
            Place::Remote(_) => Ok(()),
        }
    }

    /// Watches for other programs that open the line.
    pub(crate) fn visitors(&self) -> Visitors {
        match &self.place {
            Place::Tty(_) => Visitors::watch(&self.settings.port),
            Place::Remote(_) => Visitors::none(),
        }
    }

    /// The other processes that have the tty open, as far as they can be seen.
    pub(crate) fn opened_by(&self) -> Vec<Process> {
        match &self.place {
            Place::Tty(tty) => tty.opened_by(),
            Place::Remote(_) => Vec::new(),
        }
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

    /// Sets the line up again, after another program used it.
    ///
    /// # Errors
    ///
    /// [`LineError::Gone`] or [`LineError::Io`].
    pub fn restore(&mut self) -> Result<(), LineError> {
        match &mut self.place {
            Place::Tty(tty) => tty.restore(self.rate, self.flow_control),
            Place::Remote(remote) => {
                remote.restore();
                Ok(())
            }
        }
    }

    /// Goes to another rate, in bit/s.
    pub(crate) fn change_rate(&mut self, rate: u32) -> Result<(), LineError> {
        match &mut self.place {
            Place::Tty(tty) => tty.set_rate(rate)?,
            Place::Remote(remote) => remote.set_rate(rate),
        }
        self.rate = rate;
        Ok(())
    }

    /// Keeps to flow control by RTS and CTS (V.24 105/133 and 106) from here on.
    pub(crate) fn set_flow_control(&mut self) -> Result<(), LineError> {
        self.flow_control = true;
        match &mut self.place {
            Place::Tty(tty) => tty.set_flow_control(),
            Place::Remote(remote) => {
                remote.set_flow_control(true);
                Ok(())
            }
        }
    }

    /// Raises or drops DTR; on a tty without modem lines the speed B0 stands for DTR dropped, and a server without RFC
    /// 2217 can not be told to.
    ///
    /// Dropping it throws away what was not sent yet.
    ///
    /// # Errors
    ///
    /// [`LineError::Gone`] or [`LineError::Io`].
    pub fn set_dtr(&mut self, raised: bool) -> Result<(), LineError> {
        match &mut self.place {
            Place::Tty(tty) => tty.set_dtr(raised, self.rate),
            Place::Remote(remote) => {
                remote.set_dtr(raised);
                Ok(())
            }
        }
    }

    /// Reports whether the line shows a modem's signals; a pty has none.
    #[must_use]
    pub fn has_modem_lines(&self) -> bool {
        match &self.place {
            Place::Tty(tty) => tty.has_modem_lines(),
            Place::Remote(remote) => remote.has_modem_lines(),
        }
    }

    /// Reads the carrier signal.
    pub fn carrier(&mut self) -> Carrier {
        self.signals().carrier
    }

    /// Reads the modem's signals.
    pub fn signals(&mut self) -> Signals {
        match &mut self.place {
            Place::Tty(tty) => tty.signals(),
            Place::Remote(remote) => remote.signals(),
        }
    }

    /// How often the line has rung by its RI wire since the machine was started, wrapping; `None` where nobody counts.
    #[must_use]
    pub fn rings_counted(&self) -> Option<u32> {
        match &self.place {
            Place::Tty(tty) => tty.rings_counted(),
            Place::Remote(_) => None,
        }
    }

    /// Duplicates the open tty, for a program that takes it as its standard input.
    ///
    /// # Errors
    ///
    /// Those of the system; `Unsupported` for a line at a console server.
    pub fn duplicate(&self) -> io::Result<OwnedFd> {
        match &self.place {
            Place::Tty(tty) => tty.duplicate(),
            Place::Remote(_) => Err(ErrorKind::Unsupported.into()),
        }
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
        let readable = match &mut self.place {
            Place::Tty(tty) => tty.readable().await,
            Place::Remote(remote) => poll_fn(|cx| remote.poll_readable(cx)).await,
        };
        readable.map_err(|error| LineError::from_io(&self.settings.port, error))
    }

    /// Reads; the end of the line is an error.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match &mut self.place {
            Place::Tty(tty) => tty.poll_read(cx, buffer),
            Place::Remote(remote) => remote.poll_read(cx, buffer),
        }
    }

    /// Writes some of the bytes.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.place {
            Place::Tty(tty) => tty.poll_write(cx, bytes),
            Place::Remote(remote) => remote.poll_write(cx, bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use nix::sys::termios::{self, BaudRate, ControlFlags, SetArg};

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
