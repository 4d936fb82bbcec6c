//! The shell of the exchange: a pty for every line, one task, the clock.
//!
//! Owns descriptors, symlinks and sleeping; decides nothing. No slave is kept open here, so that the last close of a
//! client is seen (EIO on the master) and drops DTR. While nobody has a line open its modem lives on, rings are
//! counted, and what it says is lost. The next open is learnt from inotify on the slave's device: a pty master cannot
//! wait for it, and a timer would cost wake-ups for every idle line.
//!
//! A last close that is followed by an open before this task has run leaves no trace on the master; then the order of
//! inotify's events tells. The kernel merges equal events that follow one another, so the count of holders is a lower
//! bound: on a machine too busy to run this task between a close and an open, a drop of DTR may be seen that was none.

use std::collections::VecDeque;
use std::future::{Future, pending, poll_fn};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant, SystemTime};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use nix::unistd::{read, write};
use tokio::io::unix::AsyncFd;

use super::calllog::CallEvent;
use super::exchange::outside::OutsideAct;
use super::exchange::{Exchange, LineId, Output};
use super::packet_mode;
use super::plan::{Plan, PlanError};
use super::readiness::{Opens, register_master, register_opens};
use super::tty::Tty;

/// An exchange on ptys, ready to [`run`](Self::run). Dropping it removes its symlinks.
#[derive(Debug)]
pub struct Switchboard {
    exchange: Exchange,
    desks: Vec<Desk>,
    opens: Inotify,
}

/// Why a switchboard could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum SwitchboardError {
    /// The plan contradicts itself.
    #[error("the plan of the exchange is not usable")]
    Plan(#[from] PlanError),
    /// A line's pty or its symlink could not be made.
    #[error("no terminal for line {line:?} at {}", path.display())]
    Terminal {
        /// The line's name.
        line: String,
        /// The symlink.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The kernel does not tell when terminals are opened.
    #[error("terminals cannot be watched for being opened")]
    Watch(#[source] io::Error),
}

/// One line's terminal.
#[derive(Debug)]
struct Desk {
    line: LineId,
    name: String,
    tty: Tty,
    watch: WatchDescriptor,
    /// The master's registration while somebody has the slave open.
    open: Option<AsyncFd<Arc<OwnedFd>>>,
    dtr: bool,
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
enum Input {
    Opened,
    Closed,
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
/// Most bytes kept for a terminal that does not read; a modem without flow control loses the rest as well.
const PENDING_LIMIT: usize = 16 * 1024;

impl Switchboard {
    /// Opens a pty for every line of `plan`, with a symlink `directory/<name>` to each; needs no runtime yet.
    ///
    /// # Errors
    ///
    /// The plan is not usable, or the system refuses a pty, a symlink or a watch.
    pub fn open(plan: Plan, directory: &Path) -> Result<Self, SwitchboardError> {
        let exchange = Exchange::new(plan)?;
        let watch_error = |errno: Errno| SwitchboardError::Watch(errno.into());
        let opens = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).map_err(watch_error)?;
        let mut desks = Vec::new();
        for (line, name) in exchange.lines() {
            let path = directory.join(name);
            let terminal_error =
                |source| SwitchboardError::Terminal { line: name.to_owned(), path: path.clone(), source };
            let tty = Tty::open(path.clone()).map_err(terminal_error)?;
            let watch =
                opens.add_watch(tty.slave(), AddWatchFlags::IN_OPEN | AddWatchFlags::IN_CLOSE).map_err(watch_error)?;
            let name = name.to_owned();
            desks.push(Desk {
                line,
                name,
                tty,
                watch,
                open: None,
                dtr: false,
                pending: VecDeque::new(),
                stalled: false,
                closing: None,
                holders: 0,
                left: false,
                seen_open: false,
            });
        }
        Ok(Self { exchange, desks, opens })
    }

    /// Every line's name and its slave, `/dev/pts/7`.
    pub fn paths(&self) -> impl Iterator<Item = (&str, &Path)> {
        self.desks.iter().map(|desk| (desk.name.as_str(), desk.tty.slave()))
    }

    /// Runs the exchange until `shutdown` is ready, then closes all lines.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes all lines and loses nothing but the calls in progress.
    pub async fn run(self, shutdown: impl Future<Output = ()>, mut on_event: impl FnMut(&CallEvent)) {
        let Self { mut exchange, mut desks, opens } = self;
        let opens = match register_opens(Opens(opens)) {
            Ok(opens) => opens,
            Err(error) => return tracing::error!(%error, "terminals cannot be watched for being opened"),
        };
        let mut shutdown = pin!(shutdown);
        let mut inputs: Vec<(usize, Input)> = (0..desks.len()).map(|desk| (desk, Input::Opened)).collect();
        loop {
            let now = tokio::time::Instant::now().into_std();
            exchange.handle_wall_clock(since_1970(), now);
            exchange.handle_timeout(now);
            for (index, input) in inputs.drain(..) {
                if let Some(desk) = desks.get_mut(index) {
                    desk.handle(input, &mut exchange, now);
                }
            }
            deliver(&mut exchange, &mut desks, now, &mut on_event);
            let closing = desks.iter().filter_map(|desk| desk.closing);
            let deadline = exchange.deadline().map(|(at, _reason)| at).into_iter().chain(closing).min();
            let timer = async {
                match deadline {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => pending().await,
                }
            };
            inputs = tokio::select! {
                biased;
                () = &mut shutdown => return,
                inputs = poll_fn(|cx| poll_terminals(&mut desks, &opens, &exchange, cx)) => inputs,
                () = timer => Vec::new(),
            };
        }
    }
}

/// Carries out what the exchange wants.
fn deliver(exchange: &mut Exchange, desks: &mut [Desk], now: Instant, on_event: &mut impl FnMut(&CallEvent)) {
    while let Some(output) = exchange.poll_output() {
        match output {
            Output::Send { line, bytes } => {
                if let Some(desk) = desks.iter_mut().find(|desk| desk.line == line) {
                    desk.send(&bytes, exchange, now);
                }
            }
            // This shell has no trunks.
            Output::Outside { id, .. } => exchange.handle_outside(id, OutsideAct::Unknown, now),
            Output::Report(event) => {
                tracing::debug!(%event, "call");
                on_event(&event);
            }
        }
    }
}

/// Waits until any terminal did something.
fn poll_terminals(
    desks: &mut [Desk],
    opens: &AsyncFd<Opens>,
    exchange: &Exchange,
    cx: &mut Context<'_>,
) -> Poll<Vec<(usize, Input)>> {
    let mut inputs = Vec::new();
    for (index, desk) in desks.iter_mut().enumerate() {
        if let Poll::Ready(()) = desk.poll_write(cx) {
            inputs.push((index, Input::Drained));
        }
        if let Poll::Ready(input) = desk.poll_read(exchange.room(desk.line), cx) {
            inputs.push((index, input));
        }
    }
    // Looked at after the terminals were read, and handled before: what was read may be a new client's first command,
    // and must not reach a modem that still serves the one before.
    let mut all = Vec::new();
    poll_opens(desks, opens, cx, &mut all);
    all.append(&mut inputs);
    if all.is_empty() { Poll::Pending } else { Poll::Ready(all) }
}

/// Takes in which terminals were opened and closed. The kernel is asked each time, for the runtime passes its word on
/// only when this task waits, while a terminal once found readable is read without waiting.
fn poll_opens(desks: &mut [Desk], opens: &AsyncFd<Opens>, cx: &mut Context<'_>, inputs: &mut Vec<(usize, Input)>) {
    let mut looked = false;
    loop {
        let events = match opens.get_ref().0.read_events() {
            Ok(events) => events,
            Err(Errno::EAGAIN) if !looked && desks.iter_mut().map(Desk::look).fold(false, std::ops::BitOr::bitor) => {
                looked = true;
                continue;
            }
            Err(Errno::EAGAIN) => {
                desks.iter_mut().for_each(Desk::correct_holders);
                let Poll::Ready(Ok(mut guard)) = opens.poll_read_ready(cx) else { return };
                guard.clear_ready();
                continue;
            }
            Err(error) => return tracing::warn!(%error, "opening of terminals may have been missed"),
        };
        looked = false;
        let overflow = events.iter().any(|event| event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW));
        for (index, desk) in desks.iter_mut().enumerate() {
            let watch = desk.watch;
            let mut masks = events.iter().filter(|event| event.wd == watch).map(|event| event.mask).peekable();
            if desk.open.is_none() && (overflow || masks.peek().is_some()) {
                inputs.push((index, Input::Opened));
            }
            if desk.count_holders(masks) {
                inputs.push((index, Input::Closed));
            }
        }
    }
}

impl Desk {
    fn handle(&mut self, input: Input, exchange: &mut Exchange, now: Instant) {
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
                self.pending.clear();
                self.set_dtr(false, exchange, now);
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
            Input::Bytes(bytes) => exchange.handle_bytes(self.line, &bytes, now),
            Input::Settings(bytes) => {
                exchange.handle_bytes(self.line, &bytes, now);
                self.read_dtr(exchange, now);
            }
            Input::Drained => exchange.handle_flow(self.line, true, now),
        }
    }

    /// Follows opens and closes; answers whether the last holder went and another came while this desk was served.
    fn count_holders(&mut self, events: impl Iterator<Item = AddWatchFlags>) -> bool {
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
    fn look(&mut self) -> bool {
        self.seen_open = self.left && self.tty.is_open().unwrap_or(false);
        self.seen_open
    }

    /// Puts the count right, if no news has come since [`look`](Self::look) that would explain what was seen.
    fn correct_holders(&mut self) {
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
                self.read_dtr(exchange, now);
            }
            Err(error) => tracing::warn!(line = self.name, %error, "terminal cannot be served"),
        }
    }

    fn read_dtr(&mut self, exchange: &mut Exchange, now: Instant) {
        match self.tty.read_dtr() {
            Ok(dtr) => self.set_dtr(dtr, exchange, now),
            Err(error) => tracing::warn!(line = self.name, %error, "settings of the terminal cannot be read"),
        }
    }

    fn set_dtr(&mut self, dtr: bool, exchange: &mut Exchange, now: Instant) {
        if self.dtr != dtr {
            self.dtr = dtr;
            exchange.handle_dtr(self.line, dtr, now);
        }
    }

    /// Gives bytes to the terminal, or keeps them until it reads.
    fn send(&mut self, bytes: &[u8], exchange: &mut Exchange, now: Instant) {
        if self.open.is_none() {
            return;
        }
        let had_pending = !self.pending.is_empty();
        let room = PENDING_LIMIT.saturating_sub(self.pending.len());
        self.pending.extend(bytes.iter().take(room));
        if had_pending {
            return;
        }
        while !self.pending.is_empty() {
            match write(self.tty.master(), self.pending.as_slices().0) {
                Ok(0) | Err(_) => break,
                Ok(taken) => drop(self.pending.drain(..taken)),
            }
        }
        if !self.pending.is_empty() {
            exchange.handle_flow(self.line, false, now);
        }
    }

    /// Ready when what was pending has been taken.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<()> {
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
        Poll::Ready(())
    }

    /// Reads at most `room` bytes; with no room, still sees settings change and the terminal close.
    fn poll_read(&mut self, room: usize, cx: &mut Context<'_>) -> Poll<Input> {
        let Some(fd) = &self.open else { return Poll::Pending };
        let mut buffer = [0; READ_SIZE + 1];
        let Some(space) = buffer.get_mut(..=room.min(READ_SIZE)) else { return Poll::Pending };
        if self.closing.is_some_and(|until| until <= tokio::time::Instant::now().into_std()) {
            return Poll::Ready(Input::Closed);
        }
        if self.stalled && room > 0 {
            match read(fd.get_ref(), space) {
                Ok(taken) if taken > 0 => {
                    self.stalled = self.closing.is_some();
                    return Poll::Ready(input(fd.get_ref(), space, taken));
                }
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
                [packet_mode::DATA] if hung_up => {
                    self.stalled = true;
                    self.closing = Some(tokio::time::Instant::now().into_std() + CLOSING_WAIT);
                    return Poll::Pending;
                }
                // No room for the data: the next event is another write, a change or the close.
                [packet_mode::DATA] => {
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
    if let Some([packet_mode::DATA, bytes @ ..]) = space.get(..taken) {
        return Input::Bytes(bytes.to_vec());
    }
    // A change overtakes the data written before it, so that data is fetched first.
    let taken = read(master, space).unwrap_or(0);
    Input::Settings(space.get(1..taken).unwrap_or_default().to_vec())
}

#[expect(clippy::disallowed_methods, reason = "the one place where this shell reads the wall clock")]
fn since_1970() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
