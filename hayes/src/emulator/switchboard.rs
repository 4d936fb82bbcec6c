//! The shell of the exchange: a pty for every line, one task, the clock.
//!
//! Owns descriptors, symlinks and sleeping; decides nothing. No slave is kept open here, so that the last close of a
//! client is seen (EIO on the master) and drops DTR. While nobody has a line open its modem lives on, rings are
//! counted, and what it says is lost. The next open is learnt from inotify on the slave's device: a pty master cannot
//! wait for it, and a timer would cost wake-ups for every idle line.
//! A turn costs what happened in it, however many lines there are: [`annunciator`] tells which terminals stirred, and
//! nothing is asked of the others. With all lines idle nothing wakes this task.

mod annunciator;
mod desk;
mod opens;

use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use self::annunciator::Annunciator;
use self::desk::{Desk, Input};
use self::opens::{Doorkeeper, Watches};
use super::agenda::Agenda;
use super::calllog::CallEvent;
use super::exchange::outside::OutsideAct;
use super::exchange::{Exchange, Output};
use super::plan::{Plan, PlanError};
use super::tty::Tty;

/// An exchange on ptys, ready to [`run`](Self::run). Dropping it removes its symlinks.
#[derive(Debug)]
pub struct Switchboard {
    exchange: Exchange,
    desks: Vec<Desk>,
    watches: Watches,
    annunciator: Annunciator<usize>,
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

impl Switchboard {
    /// Opens a pty for every line of `plan`, with a symlink `directory/<name>` to each; needs no runtime yet.
    ///
    /// # Errors
    ///
    /// The plan is not usable, or the system refuses a pty, a symlink or a watch.
    pub fn open(plan: Plan, directory: &Path) -> Result<Self, SwitchboardError> {
        let exchange = Exchange::new(plan)?;
        let mut watches = Watches::new().map_err(SwitchboardError::Watch)?;
        let annunciator = Annunciator::new();
        let mut desks = Vec::new();
        for (index, (line, name)) in exchange.lines().enumerate() {
            let path = directory.join(name);
            let terminal_error =
                |source| SwitchboardError::Terminal { line: name.to_owned(), path: path.clone(), source };
            let tty = Tty::open(path.clone()).map_err(terminal_error)?;
            watches.add(tty.slave(), index).map_err(SwitchboardError::Watch)?;
            desks.push(Desk::new(line, name.to_owned(), tty, annunciator.waker(index)));
        }
        Ok(Self { exchange, desks, watches, annunciator })
    }

    /// Every line's name and its slave, `/dev/pts/7`.
    pub fn paths(&self) -> impl Iterator<Item = (&str, &Path)> {
        self.desks.iter().map(|desk| (desk.name(), desk.slave()))
    }

    /// Runs the exchange until `shutdown` is ready, then closes all lines.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes all lines and loses nothing but the calls in progress.
    pub async fn run(self, shutdown: impl Future<Output = ()>, on_event: impl FnMut(&CallEvent)) {
        let Self { exchange, desks, watches, annunciator } = self;
        let doorkeeper = match watches.register() {
            Ok(doorkeeper) => doorkeeper,
            Err(error) => return tracing::error!(%error, "terminals cannot be watched for being opened"),
        };
        let inputs = (0..desks.len()).map(|desk| (desk, Input::Opened)).collect();
        let (stalled, closing) = (BTreeSet::new(), Agenda::new());
        let mut shift =
            Shift { exchange, desks, doorkeeper, annunciator, stirred: Vec::new(), inputs, stalled, closing, on_event };
        let mut shutdown = pin!(shutdown);
        let mut timer = pin!(tokio::time::sleep_until(tokio::time::Instant::now()));
        loop {
            let now = tokio::time::Instant::now().into_std();
            shift.act(now);
            let deadline = shift.deadline();
            if let Some(at) = deadline.filter(|at| *at != timer.deadline().into_std()) {
                timer.as_mut().reset(at.into());
            }
            tokio::select! {
                biased;
                () = &mut shutdown => return,
                () = poll_fn(|cx| shift.poll(cx)) => {}
                () = &mut timer, if deadline.is_some() => {}
            }
        }
    }
}

/// The exchange at work.
struct Shift<F> {
    exchange: Exchange,
    desks: Vec<Desk>,
    doorkeeper: Doorkeeper,
    annunciator: Annunciator<usize>,
    /// Desks to look at.
    stirred: Vec<usize>,
    /// What they were seen to have done.
    inputs: Vec<(usize, Input)>,
    /// Desks whose terminal waits for room on the line.
    stalled: BTreeSet<usize>,
    /// Until when closed terminals may still be read.
    closing: Agenda<usize>,
    on_event: F,
}

impl<F: FnMut(&CallEvent)> Shift<F> {
    /// Has the exchange take in all that happened, and carries out what it wants.
    fn act(&mut self, now: Instant) {
        self.exchange.handle_wall_clock(since_1970(), now);
        self.exchange.handle_timeout(now);
        while let Some(index) = self.closing.pop_due(now) {
            self.inputs.push((index, Input::Closed));
        }
        for (index, input) in self.inputs.drain(..) {
            if let Some(desk) = self.desks.get_mut(index) {
                desk.handle(input, &mut self.exchange, now);
                // Whoever did something may have done more.
                self.annunciator.note(index);
                self.closing.set(index, desk.closing().map(|at| (at, "the last bytes of a closed terminal")));
            }
        }
        self.deliver(now);
        for index in &self.stalled {
            if self.desks.get(*index).is_some_and(|desk| self.exchange.room(desk.line()) > 0) {
                self.annunciator.note(*index);
            }
        }
    }

    /// Carries out what the exchange wants.
    fn deliver(&mut self, now: Instant) {
        while let Some(output) = self.exchange.poll_output() {
            match output {
                Output::Send { line, bytes } => {
                    if let Some(desk) = self.desks.get_mut(line.0) {
                        desk.send(&bytes, &mut self.exchange, now);
                    }
                }
                // This shell has no trunks.
                Output::Outside { id, .. } => self.exchange.handle_outside(id, OutsideAct::Unknown, now),
                Output::Report(event) => {
                    tracing::debug!(%event, "call");
                    (self.on_event)(&event);
                }
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let exchange = self.exchange.deadline().map(|(at, _reason)| at);
        let closing = self.closing.first().map(|(at, _reason)| at);
        exchange.into_iter().chain(closing).min()
    }

    /// Waits until any terminal did something. Only those that stirred are looked at.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.annunciator.take(cx, &mut self.stirred);
        let mut seen = Vec::new();
        for index in self.stirred.drain(..) {
            let Some(desk) = self.desks.get_mut(index) else { continue };
            let (written, read) = desk.poll(self.exchange.room(desk.line()));
            seen.extend([written, read].into_iter().filter_map(|poll| match poll {
                Poll::Ready(input) => Some((index, input)),
                Poll::Pending => None,
            }));
            if desk.is_stalled() {
                self.stalled.insert(index);
            } else {
                self.stalled.remove(&index);
            }
        }
        // Looked at after the terminals were read, and handled before: what was read may be a new client's first
        // command, and must not reach a modem that still serves the one before.
        self.doorkeeper.poll(&mut self.desks, cx, &mut self.inputs);
        self.inputs.append(&mut seen);
        if self.inputs.is_empty() { Poll::Pending } else { Poll::Ready(()) }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where this shell reads the wall clock")]
fn since_1970() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
