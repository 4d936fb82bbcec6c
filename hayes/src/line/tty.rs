//! A tty of this machine, opened raw: ttyS, ttyUSB, ttyACM, a pty.

mod discipline;

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, IsTerminal};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use nix::errno::Errno;
use nix::libc;
use nix::sys::termios::{self, BaudRate, ControlFlags, FlushArg, SetArg};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_serial::{SerialPort, SerialStream};

use super::{LineError, Signal, Signals, claim, counters};
use crate::modem::Carrier;
use crate::ports::{Machine, Process};

/// An open tty. Dropping it closes it, which drops DTR (HUPCL).
#[derive(Debug)]
pub(super) struct Tty {
    path: PathBuf,
    stream: SerialStream,
    /// The same tty once more, for what the stream can not do.
    control: File,
    has_modem_lines: bool,
}

impl Tty {
    /// Opens it, not waiting for carrier; this raises DTR.
    pub(super) fn open(path: &Path, rate: u32) -> Result<Self, LineError> {
        let control = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK)
            .open(path)
            .map_err(|error| LineError::from_io(path, error))?;
        if !control.is_terminal() {
            return Err(LineError::NotATty { path: path.to_owned() });
        }
        // Before anybody waits for it: whoever begins to wait on a tty in another discipline is never told.
        discipline::set_terminals_own(&control).map_err(|error| LineError::from_io(path, error))?;
        let builder = tokio_serial::new(path.to_string_lossy(), rate).exclusive(false);
        let mut stream = SerialStream::open(&builder).map_err(|error| match error.kind() {
            // Another program that takes the tty exclusively holds it.
            tokio_serial::ErrorKind::NoDevice => LineError::Busy { path: path.to_owned(), holder: None },
            tokio_serial::ErrorKind::Io(_)
            | tokio_serial::ErrorKind::InvalidInput
            | tokio_serial::ErrorKind::Unknown => LineError::from_io(path, error.into()),
        })?;
        let has_modem_lines = stream.read_carrier_detect().is_ok();
        let mut tty = Self { path: path.to_owned(), stream, control, has_modem_lines };
        tty.share()?;
        Ok(tty)
    }

    pub(super) fn set_exclusive(&mut self, exclusive: bool) -> Result<(), LineError> {
        let set = self.stream.set_exclusive(exclusive);
        if !exclusive || set.is_err() {
            self.share()?;
        }
        set.map_err(|error| match error.kind() {
            tokio_serial::ErrorKind::NoDevice => LineError::Busy { path: self.path.clone(), holder: None },
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

    pub(super) fn claim(&self) -> Result<(), LineError> {
        if claim::take(&self.control).map_err(|errno| self.failed(errno))? {
            return Ok(());
        }
        let own = std::fs::read_to_string("/proc/self/comm").unwrap_or_default();
        let others = self.opened_by();
        let same = others.iter().find(|process| process.name.as_deref() == Some(own.trim()));
        let holder = same.or_else(|| others.first()).map(|process| process.id);
        Err(LineError::Attended { path: self.path.clone(), holder })
    }

    pub(super) fn rings_counted(&self) -> Option<u32> {
        counters::rings(&self.control)
    }

    pub(super) fn opened_by(&self) -> Vec<Process> {
        let tty: Vec<PathBuf> = self.path.canonicalize().into_iter().collect();
        let holders = Machine::here().holders(&tty);
        holders.into_iter().next().map(|holders| holders.open).unwrap_or_default()
    }

    /// Makes it raw, without echo, 8N1, in a terminal's own line discipline.
    pub(super) fn restore(&mut self, rate: u32, flow_control: bool) -> Result<(), LineError> {
        discipline::set_terminals_own(&self.control).map_err(|error| LineError::from_io(&self.path, error))?;
        self.change(|termios| {
            termios::cfmakeraw(termios);
            termios.control_flags -= ControlFlags::CSTOPB;
            termios.control_flags.set(ControlFlags::CRTSCTS, flow_control);
            termios.control_flags |= ControlFlags::CREAD | ControlFlags::CLOCAL | ControlFlags::HUPCL;
        })?;
        self.set_rate(rate)
    }

    pub(super) fn set_rate(&mut self, rate: u32) -> Result<(), LineError> {
        match standard_speed(rate) {
            // Other programs, and whoever watches a pty, know only these constants.
            Some(speed) => self.set_speed(speed),
            None => self.stream.set_baud_rate(rate).map_err(|error| LineError::from_io(&self.path, error.into())),
        }
    }

    pub(super) fn set_flow_control(&mut self) -> Result<(), LineError> {
        self.change(|termios| termios.control_flags |= ControlFlags::CRTSCTS)
    }

    /// Raises or drops DTR; without modem lines the speed B0 stands for DTR dropped.
    pub(super) fn set_dtr(&mut self, raised: bool, rate: u32) -> Result<(), LineError> {
        if !raised {
            termios::tcflush(&self.control, FlushArg::TCOFLUSH).map_err(|errno| self.failed(errno))?;
        }
        match (self.has_modem_lines, raised) {
            (true, _) => self.stream.write_data_terminal_ready(raised).map_err(|error| self.stream_failed(error)),
            (false, true) => self.set_rate(rate),
            (false, false) => self.set_speed(BaudRate::B0),
        }
    }

    pub(super) fn has_modem_lines(&self) -> bool {
        self.has_modem_lines
    }

    pub(super) fn signals(&mut self) -> Signals {
        let carrier = match self.has_modem_lines.then(|| self.stream.read_carrier_detect()) {
            Some(Ok(true)) => Carrier::Present,
            Some(Ok(false)) => Carrier::Absent,
            Some(Err(_)) | None => Carrier::Unknown,
        };
        Signals {
            carrier,
            ring: Signal::read(&self.stream.read_ring_indicator()),
            modem_ready: Signal::read(&self.stream.read_data_set_ready()),
            clear_to_send: Signal::read(&self.stream.read_clear_to_send()),
        }
    }

    pub(super) fn duplicate(&self) -> io::Result<OwnedFd> {
        Ok(OwnedFd::from(self.control.try_clone()?))
    }

    pub(super) async fn readable(&self) -> io::Result<()> {
        self.stream.readable().await
    }

    /// Reads; the end of the line is an error.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        Pin::new(&mut self.stream).poll_read(cx, &mut buffer).map(|result| {
            match result.map(|()| buffer.filled().len()) {
                Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
                other => other,
            }
        })
    }

    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
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
            Ok(_) => LineError::from_io(&self.path, error.into()),
        }
    }

    fn failed(&self, errno: Errno) -> LineError {
        LineError::from_io(&self.path, errno.into())
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
