//! One line's terminal: what is read from it, what is written to it, who has it open.
//!
//! Owns the pty, its registration with the runtime, and the bytes a slow terminal has not taken yet. A last close that
//! is followed by an open before this task has run leaves no trace on the master; then the order of inotify's events
//! tells. The kernel merges equal events that follow one another, so the count of holders is a lower bound: on a machine
//! too busy to run this task between a close and an open, a drop of DTR may be seen that was none.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::inotify::AddWatchFlags;
use nix::unistd::{read, write};
use tokio::io::unix::AsyncFd;

use super::super::exchange::{Exchange, LineId};
use super::super::ioctls;
use super::super::tty::Tty;
use crate::readiness::register_master;

/// One line's terminal.
#[derive(Debug)]
pub(super) struct Desk {
    line: LineId,
    name: String,
    tty: Tty,
    /// Has this desk looked at.
    waker: Waker,
    /// The master's registration while somebody has the slave open.
    open: Option<AsyncFd<Arc<OwnedFd>>>,
    /// The terminal's speed in bit/s; 0 while it holds DTR down.
    rate: u32,
    /// Bytes the terminal has not taken yet.
    pending: VecDeque<u8>,
    /// There was data but no room for it, so its readiness has been used up.
    stalled: bool,
    /// The terminal was closed before the modem could take all it had written: until when that may still be taken.
    closing: Option<Instant>,
    /// How many times the slave is open, at least.
    holders: u32,
    /// The last of them has closed it, and nobody has opened it since.
    left: bool,
    /// Yet it was open when looked at.
    seen_open: bool,
}

/// What a terminal did.
#[derive(Debug)]
pub(super) enum Input {
    /// Somebody may have opened it.
    Opened,
    /// The last client has closed it.
    Closed,
    /// So it has, but the modem has no room yet for the last that was written.
    Leaving,
    /// It wrote these bytes.
    Bytes(Vec<u8>),
    /// Settings changed, after these bytes.
    Settings(Vec<u8>),
    /// All pending bytes were taken.
    Drained,
}

/// Most bytes read from a terminal at once.
const READ_SIZE: usize = 1024;
/// How long a closed terminal's last bytes may wait for the line, as with the kernel's serial ports (`closing_wait`).
const CLOSING_WAIT: Duration = Duration::from_secs(30);
/// Most bytes kept for a terminal that does not read; a modem without flow control loses the rest as well. Data is never
/// lost: it comes only while nothing is pending, and no more at a time than a modem's buffer holds.
const PENDING_LIMIT: usize = 16 * 1024;

impl Desk {
    /// The desk of `line`, whose terminal nobody has open.
    pub(super) fn new(line: LineId, name: String, tty: Tty, waker: Waker) -> Self {
        Self {
            line,
            name,
            tty,
            waker,
            open: None,
            rate: 0,
            pending: VecDeque::new(),
            stalled: false,
            closing: None,
            holders: 0,
            left: false,
            seen_open: false,
        }
    }

    pub(super) fn line(&self) -> LineId {
        self.line
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The slave's path, `/dev/pts/7`.
    pub(super) fn slave(&self) -> &Path {
        self.tty.slave()
    }

    /// Whether the terminal is read and written.
    pub(super) fn is_served(&self) -> bool {
        self.open.is_some()
    }

    /// Whether it has data for which the line has had no room.
    pub(super) fn is_stalled(&self) -> bool {
        self.stalled
    }

    /// Until when the last bytes of a terminal that was closed may still be taken.
    pub(super) fn closing(&self) -> Option<Instant> {
        self.closing
    }

    /// Takes what the terminal did.
    pub(super) fn handle(&mut self, input: Input, exchange: &mut Exchange, now: Instant) {
        match input {
            Input::Opened => self.take_up(exchange, now),
            Input::Closed => {
                tracing::debug!(line = self.name, "terminal closed");
                self.open = None;
                if self.stalled {
                    self.tty.discard_unheard();
                }
                self.stalled = false;
                self.closing = None;
                self.pending = VecDeque::new();
                self.set_rate(0, exchange, now);
                exchange.handle_flow(self.line, true, now);
                self.left = false;
                if !self.tty.is_open().unwrap_or(false) {
                    self.holders = 0;
                }
                if let Err(error) = self.tty.discard_unread() {
                    tracing::warn!(line = self.name, %error, "unread bytes stay in the terminal");
                }
                // It may have been opened again since.
                self.take_up(exchange, now);
            }
            Input::Leaving => self.closing = Some(now + CLOSING_WAIT),
            Input::Bytes(bytes) => exchange.handle_bytes(self.line, &bytes, now),
            Input::Settings(bytes) => {
                exchange.handle_bytes(self.line, &bytes, now);
                self.read_rate(exchange, now);
            }
            Input::Drained => exchange.handle_flow(self.line, true, now),
        }
    }

    /// Follows opens and closes; answers whether the last holder went and another came while this desk was served.
    pub(super) fn count_holders(&mut self, events: &[AddWatchFlags]) -> bool {
        let mut came_back = false;
        for mask in events {
            if mask.contains(AddWatchFlags::IN_OPEN) {
                came_back |= self.left;
                self.left = false;
                self.holders = self.holders.saturating_add(1);
            } else if mask.intersects(AddWatchFlags::IN_CLOSE) {
                self.holders = self.holders.saturating_sub(1);
                self.left = self.holders == 0;
            }
        }
        came_back && self.open.is_some()
    }

    /// Sees whether the slave is open although all its holders seem to have left.
    pub(super) fn look(&mut self) -> bool {
        self.seen_open = self.left && self.tty.is_open().unwrap_or(false);
        self.seen_open
    }

    /// Puts the count right, if no news has come since [`look`](Self::look) that would explain what was seen.
    pub(super) fn correct_holders(&mut self) {
        if std::mem::take(&mut self.seen_open) && self.left {
            self.holders = 1;
            self.left = false;
        }
    }

    /// Starts to serve the terminal if somebody has it open.
    fn take_up(&mut self, exchange: &mut Exchange, now: Instant) {
        if self.open.is_some() {
            return;
        }
        // Somebody may have come, left a command and gone again.
        let registered = match self.tty.wants_service() {
            Ok(false) => return,
            Ok(true) => register_master(Arc::clone(self.tty.master())),
            Err(error) => Err(error),
        };
        match registered {
            Ok(fd) => {
                tracing::debug!(line = self.name, "terminal opened");
                self.open = Some(fd);
                self.read_rate(exchange, now);
            }
            Err(error) => tracing::warn!(line = self.name, %error, "terminal cannot be served"),
        }
    }

    fn read_rate(&mut self, exchange: &mut Exchange, now: Instant) {
        match self.tty.read_rate() {
            Ok(rate) => self.set_rate(rate, exchange, now),
            Err(error) => tracing::warn!(line = self.name, %error, "settings of the terminal cannot be read"),
        }
    }

    /// Speed B0 drops DTR (termios(3)).
    fn set_rate(&mut self, rate: u32, exchange: &mut Exchange, now: Instant) {
        let before = std::mem::replace(&mut self.rate, rate);
        if rate != 0 && before != rate {
            exchange.handle_rate(self.line, rate, now);
        }
        if (before == 0) != (rate == 0) {
            exchange.handle_dtr(self.line, rate != 0, now);
        }
    }

    /// Gives bytes to the terminal, or keeps them until it reads.
    pub(super) fn send(&mut self, bytes: &[u8], exchange: &mut Exchange, now: Instant) {
        if self.open.is_none() {
            return;
        }
        if !self.pending.is_empty() {
            let room = PENDING_LIMIT.saturating_sub(self.pending.len());
            self.pending.extend(bytes.iter().take(room));
            return;
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            match write(self.tty.master(), rest) {
                Ok(0) | Err(_) => break,
                Ok(taken) => rest = rest.get(taken..).unwrap_or_default(),
            }
        }
        if !rest.is_empty() {
            self.pending.extend(rest);
            self.waker.wake_by_ref();
            exchange.handle_flow(self.line, false, now);
        }
    }

    /// Sees what the terminal did, and is woken when it does more; `room` is what its line takes of it.
    pub(super) fn poll(&mut self, room: usize) -> [Option<Input>; 2] {
        let waker = self.waker.clone();
        let mut cx = Context::from_waker(&waker);
        [self.poll_write(&mut cx), self.poll_read(room, &mut cx)].map(|poll| match poll {
            Poll::Ready(input) => Some(input),
            Poll::Pending => None,
        })
    }

    /// Ready when what was pending has been taken.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Input> {
        let Some(fd) = self.open.as_ref().filter(|_| !self.pending.is_empty()) else { return Poll::Pending };
        while !self.pending.is_empty() {
            let Ok(mut guard) = ready!(fd.poll_write_ready(cx)) else { return Poll::Pending };
            match guard.try_io(|fd| Ok(write(fd.get_ref(), self.pending.as_slices().0)?)) {
                Ok(Ok(taken)) if taken > 0 => drop(self.pending.drain(..taken)),
                // Reading finds out that the terminal is gone.
                Ok(_) => return Poll::Pending,
                Err(_would_block) => {}
            }
        }
        // Hundreds of lines are idle most of the time, and need no buffer then.
        self.pending = VecDeque::new();
        Poll::Ready(Input::Drained)
    }

    /// Reads at most `room` bytes; with no room, still sees settings change and the terminal close.
    fn poll_read(&mut self, room: usize, cx: &mut Context<'_>) -> Poll<Input> {
        let Some(fd) = &self.open else { return Poll::Pending };
        let mut buffer = [0; READ_SIZE + 1];
        let Some(space) = buffer.get_mut(..=room.min(READ_SIZE)) else { return Poll::Pending };
        if self.stalled && room > 0 {
            match read(fd.get_ref(), space) {
                // There may be more, of which no event tells, until a read finds nothing.
                Ok(taken) if taken > 0 => return Poll::Ready(input(fd.get_ref(), space, taken)),
                Err(Errno::EAGAIN) if self.closing.is_none() => self.stalled = false,
                Ok(_) | Err(_) => {
                    self.stalled = false;
                    return Poll::Ready(Input::Closed);
                }
            }
        } else if self.closing.is_some() {
            return Poll::Pending;
        }
        loop {
            let Ok(mut guard) = ready!(fd.poll_read_ready(cx)) else { return Poll::Ready(Input::Closed) };
            let hung_up = guard.ready().is_read_closed();
            let taken = match guard.try_io(|fd| Ok(read(fd.get_ref(), space)?)) {
                Ok(Ok(taken)) => taken,
                Ok(Err(_gone)) => return Poll::Ready(Input::Closed),
                // It was closed and opened again meanwhile; this registration would stay ready for ever.
                Err(_would_block) if hung_up => return Poll::Ready(Input::Closed),
                Err(_would_block) => continue,
            };
            match space.get(..taken).unwrap_or_default() {
                [] => return Poll::Ready(Input::Closed),
                // No room for the last data: the line makes some as time passes.
                [ioctls::DATA] if hung_up => {
                    self.stalled = true;
                    return Poll::Ready(Input::Leaving);
                }
                // No room for the data: the next event is another write, a change or the close.
                [ioctls::DATA] => {
                    self.stalled = true;
                    guard.clear_ready();
                }
                _ => return Poll::Ready(input(fd.get_ref(), space, taken)),
            }
        }
    }
}

/// What a read of the master brought: a control byte, or the data byte and data.
fn input(master: &OwnedFd, space: &mut [u8], taken: usize) -> Input {
    if let Some([ioctls::DATA, bytes @ ..]) = space.get(..taken) {
        return Input::Bytes(bytes.to_vec());
    }
    // A change overtakes the data written before it, so that data is fetched first.
    let taken = read(master, space).unwrap_or(0);
    Input::Settings(space.get(1..taken).unwrap_or_default().to_vec())
}
