//! The shell of the exchange: a pty for every line, one task, the clock.
//!
//! Owns descriptors, symlinks and sleeping; decides nothing. No slave is kept open here, so that the last close of a
//! client is seen (EIO on the master) and drops DTR. While nobody has a line open its modem lives on, rings are
//! counted, and what it says is lost. The next open is learnt from inotify on the slave's device: a pty master cannot
//! wait for it, and a timer would cost wake-ups for every idle line.
//! A turn costs what happened in it, however many lines there are: `annunciator` tells which terminals stirred, and
//! nothing is asked of the others. With all lines idle nothing wakes this task.

mod annunciator;
mod connection;
mod desk;
mod opens;
mod shift;
mod trunks;

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::pin::pin;

use self::annunciator::Annunciator;
use self::desk::Desk;
use self::opens::Watches;
use self::shift::Shift;
pub use self::trunks::TrunkAddresses;
use self::trunks::{ConnectionId, Route, Trunks};
use super::calllog::CallEvent;
use super::exchange::Exchange;
use super::plan::{Plan, PlanError, TrunkPlan};
use super::tty::Tty;

/// An exchange on ptys, ready to [`run`](Self::run). Dropping it removes its symlinks.
#[derive(Debug)]
pub struct Switchboard {
    exchange: Exchange,
    desks: Vec<Desk>,
    watches: Watches,
    annunciator: Annunciator<Party>,
    trunks: Vec<TrunkPlan>,
    door: Option<TcpListener>,
    routes: BTreeMap<String, Route>,
}

/// Who may have done something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Party {
    /// The terminal at the desk of this index.
    Desk(usize),
    /// Somebody who wants to come in by a trunk.
    Door,
    /// A call's connection.
    Connection(ConnectionId),
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
    /// Other exchanges cannot call in.
    #[error("cannot listen for trunks at {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The addresses are for other trunks than the plan's.
    #[error("the plan has no trunk {0:?}")]
    UnknownTrunk(String),
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
        let trunks = plan.trunks.clone();
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
            desks.push(Desk::new(line, name.to_owned(), tty, annunciator.waker(Party::Desk(index))));
        }
        Ok(Self { exchange, desks, watches, annunciator, trunks, door: None, routes: BTreeMap::new() })
    }

    /// Says where the trunks lead, and listens for other exchanges if that is wanted; needs no runtime yet. A trunk
    /// that leads nowhere is busy.
    ///
    /// # Errors
    ///
    /// The address is in use or not this machine's, or the plan does not know a trunk.
    pub fn with_trunks(mut self, addresses: &TrunkAddresses) -> Result<Self, SwitchboardError> {
        if let Some(unknown) = addresses.routes.keys().find(|name| self.trunks.iter().all(|trunk| trunk.name != **name))
        {
            return Err(SwitchboardError::UnknownTrunk(unknown.clone()));
        }
        self.routes = trunks::routes(&self.trunks, &addresses.routes);
        if let Some(address) = addresses.listen {
            let listen_error = |source| SwitchboardError::Listen { address, source };
            let door = TcpListener::bind(address).map_err(listen_error)?;
            door.set_nonblocking(true).map_err(listen_error)?;
            self.door = Some(door);
        }
        Ok(self)
    }

    /// Where other exchanges may call in.
    #[must_use]
    pub fn trunk_address(&self) -> Option<SocketAddr> {
        self.door.as_ref().and_then(|door| door.local_addr().ok())
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
        let Self { exchange, desks, watches, annunciator, door, routes, trunks: _ } = self;
        let doorkeeper = match watches.register() {
            Ok(doorkeeper) => doorkeeper,
            Err(error) => return tracing::error!(%error, "terminals cannot be watched for being opened"),
        };
        let trunks = match Trunks::new(door, routes, annunciator.clone()) {
            Ok(trunks) => trunks,
            Err(error) => return tracing::error!(%error, "other exchanges cannot be waited for"),
        };
        let mut shift = Shift::new(exchange, desks, doorkeeper, trunks, annunciator, on_event);
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
            // Busy lines always have more to say; without this the runtime would not see who else stirs.
            tokio::task::yield_now().await;
        }
    }
}
