//! The directory: an authoritative name server in one process, whose records are the hosts' own signed statements.
//!
//! A key changes its own hosts and no others, a host's past never comes back, and nothing is acknowledged before it is on
//! the disk. A host speaks for itself by signed statements (docs/record.md); what cannot sign is kept as uncertified. The
//! cores (`zone`, `index`, `book`, `answer`, `update`, `limits`) decide; the shells (`store`, `writer`, `udp`, `tcp`,
//! `transfer`, `notify`) act. `docs/directory.md` tells how it is run.

mod accounts;
mod answer;
mod authentication;
mod book;
mod bounds;
mod entry;
mod figures;
#[cfg(test)]
mod fixture;
mod front;
#[doc(hidden)]
pub mod fuzzing;
mod http;
mod index;
mod notify;
mod request;
mod roll;
mod room;
mod sockets;
mod statement;
mod store;
mod tcp;
mod transfer;
mod udp;
mod update;
mod waiters;
mod writer;
mod zone;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::Duration;
use std::{io, thread};

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use self::accounts::Accounts;
pub use self::accounts::{CredentialInfo, Made, NewCredential, NewHost};
use self::bounds::failures::Failures;
use self::bounds::limits::Limits;
pub use self::bounds::network::Network;
use self::bounds::pace::Pace;
use self::figures::Figures;
use self::front::Front;
use self::http::Desk;
pub use self::http::{DoorError, HttpSettings, TlsError, socket_of, token_hash};
pub use self::roll::TokenHash;
use self::store::Store;
pub use self::store::StoreError;
use self::transfer::Transfers;
use self::waiters::Waiters;
use self::writer::Writer;
use self::zone::Zone;
use crate::dns::{TsigKey, WallClock};
use crate::record::{HostName, PublicKey};

/// What a directory serves, and from where.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The addresses to answer at, over UDP and TCP; port 0 takes a free one.
    pub listen: Vec<SocketAddr>,
    /// The file of the database; made when it does not exist.
    pub database: PathBuf,
    /// The zone to answer for.
    pub zone: HostName,
    /// The name of this server, as the zone's NS record gives it.
    pub nameserver: HostName,
    /// The addresses of this server under that name, where it is in the zone.
    pub nameserver_addresses: Vec<IpAddr>,
    /// Who may register what.
    pub keys: Vec<KeyBinding>,
    /// Where to speak HTTP; the administrator has his socket all the same.
    pub http: HttpSettings,
    /// Who has copies of the zone.
    pub secondaries: Vec<Secondary>,
    /// How many answers a network of strangers gets by UDP in a second; zero for any number.
    pub answers_a_second: u32,
    /// How often a host may change in a minute, and at once; zero for any number.
    pub updates_a_minute: u32,
    /// How long what hosts said before is remembered; `None` for ever.
    pub history: Option<Duration>,
}

impl Settings {
    /// A directory for a zone without keys, secondaries and limits.
    #[must_use]
    pub fn new(listen: Vec<SocketAddr>, database: PathBuf, zone: HostName, nameserver: HostName) -> Self {
        Self {
            nameserver_addresses: listen
                .iter()
                .map(SocketAddr::ip)
                .filter(|address| !address.is_unspecified())
                .collect(),
            listen,
            database,
            zone,
            nameserver,
            keys: Vec::new(),
            http: HttpSettings::default(),
            secondaries: Vec::new(),
            answers_a_second: 0,
            updates_a_minute: 0,
            history: None,
        }
    }
}

/// A server that has a copy of the zone.
#[derive(Clone, Debug)]
pub struct Secondary {
    /// Where it is told of changes, and, without a key, where it may come from.
    pub address: SocketAddr,
    /// Its name, for the zone's NS records; without one it stays unknown.
    pub name: Option<HostName>,
    /// The addresses under that name, where it is in the zone.
    pub addresses: Vec<IpAddr>,
    /// The key that signs what passes between it and us.
    pub key: Option<TsigKey>,
}

/// What the holder of a key may register.
#[derive(Clone, Debug)]
pub struct KeyBinding {
    /// The key that signs the updates.
    pub key: TsigKey,
    /// The hosts it may change, all in the zone.
    pub hosts: Vec<HostName>,
    /// Names below which it may change every host, all in the zone.
    pub below: Vec<HostName>,
    /// For how many seconds an address holds that its host did not sign; `None` where every host has to sign.
    pub uncertified_lease: Option<u32>,
    /// The identity that signs the hosts' statements; without it, the first one seen of each host is kept.
    pub identity: Option<PublicKey>,
}

impl KeyBinding {
    /// A key that may change nothing yet.
    #[must_use]
    pub fn of(key: TsigKey) -> Self {
        Self { key, hosts: Vec::new(), below: Vec::new(), uncertified_lease: None, identity: None }
    }
}

/// Serves until the shutdown; calls `ready` with the addresses it answers at once it does.
///
/// # Errors
/// When the settings contradict themselves, an address or the database cannot be had, or a part of it ends early.
///
/// # Cancel safety
/// Dropping it stops it as a crash would: whatever was acknowledged stays.
pub async fn run(
    settings: Settings,
    shutdown: CancellationToken,
    ready: impl FnOnce(&Addresses),
) -> Result<(), DirectoryError> {
    if settings.listen.is_empty() {
        return Err(DirectoryError::NoListen);
    }
    let zone = Arc::new(Zone::new(&settings)?);
    let (store, index) = open(&settings, &zone).await?;
    let accounts = Accounts::open(&settings.database, Arc::clone(&zone))?;
    let mut bound = Vec::new();
    for &address in &settings.listen {
        bound.push(sockets::bind(address, threads()).map_err(|source| DirectoryError::Bind { address, source })?);
    }
    room::make_for(settings.http.connections);
    let doors = http::open_doors(&settings.http, &socket_of(&settings.database))?;
    let clock = WallClock::system();
    let (serials, told) = watch::channel(index.serial);
    let index = Arc::new(RwLock::new(index));
    let waiters = Arc::new(Waiters::default());
    let figures = Arc::new(Figures::new(&settings.secondaries));
    let (orders, written) = writer::start(Writer {
        store,
        figures: Arc::clone(&figures),
        pace: Pace::new(settings.updates_a_minute),
        zone: Arc::clone(&zone),
        index: Arc::clone(&index),
        waiters: Arc::clone(&waiters),
        clock: clock.clone(),
        serials,
        history: settings.history.map(|history| history.as_secs()),
    })
    .map_err(|source| DirectoryError::Thread { source })?;
    let front = Arc::new(Front { zone, index, orders, waiters, clock, failures: Failures::new(), figures });
    let transfers = Transfers {
        database: settings.database.clone(),
        secondaries: settings.secondaries.clone(),
        places: Semaphore::new(transfer::MOST_AT_A_TIME),
    };
    let hall = Arc::new(tcp::Hall::new(Arc::clone(&front), transfers));
    let stop = udp::Stop::new().map_err(|source| DirectoryError::Thread { source })?;
    let limits = Arc::new(Limits::of_answers(settings.answers_a_second));
    let mut tasks = JoinSet::new();
    let mut addresses = Vec::new();
    for (address, udp, tcp) in bound {
        addresses.push(address);
        for socket in udp {
            let ended = udp::start(Arc::clone(&front), Arc::clone(&limits), socket, &stop)
                .map_err(|source| DirectoryError::Thread { source })?;
            tasks.spawn(async move { ended.await.ok().map(io::Error::from) });
        }
        let tcp = tcp::serve(Arc::clone(&hall), tcp, shutdown.clone());
        tasks.spawn(async move {
            tcp.await;
            None
        });
    }
    let http = doors.addresses.clone();
    let desk = Desk::new(Arc::clone(&front), accounts, settings.http, settings.database, shutdown.clone());
    let serving = http::serve(Arc::new(desk), doors);
    tasks.spawn(async move {
        serving.await;
        None
    });
    for (secondary, figures) in settings.secondaries.into_iter().zip(&front.figures.secondaries) {
        let (zone, clock) = (Arc::clone(&front.zone), front.clock.clone());
        let telling = notify::tell(secondary, zone, told.clone(), clock, Arc::clone(figures), shutdown.clone());
        tasks.spawn(async move {
            telling.await;
            None
        });
    }
    drop((front, hall, told));
    tracing::info!(zone = %settings.zone, listen = ?addresses, ?http, "the directory answers");
    ready(&Addresses { dns: addresses, http });
    let early = tokio::select! {
        () = shutdown.cancelled() => None,
        // Told to stop, they end as well, and may be seen first.
        ended = tasks.join_next() => ended.filter(|_ended| !shutdown.is_cancelled()),
    };
    drop(stop);
    if let Some(ended) = early {
        return Err(match ended {
            Ok(source) => DirectoryError::EndedEarly { source },
            Err(panicked) => DirectoryError::EndedEarly { source: Some(io::Error::other(panicked)) },
        });
    }
    while tasks.join_next().await.is_some() {}
    // The last front is gone with the tasks and threads, so the writer commits what it has and closes the store.
    drop(written.await);
    Ok(())
}

/// Where a directory answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// DNS, over UDP and TCP.
    pub dns: Vec<SocketAddr>,
    /// HTTP.
    pub http: Vec<SocketAddr>,
}

/// Copies a directory's database, also while it is in use, to a file that does not exist yet, and its accounts to one
/// beside that, with `.accounts` after its name.
///
/// # Errors
/// When it cannot be read, or the copy cannot be written.
pub fn back_up(database: &Path, copy: &Path) -> Result<(), StoreError> {
    store::back_up(database, copy)
}

/// Why a directory does not serve.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// No address to answer at.
    #[error("the directory has no address to answer at; expected at least one in listen")]
    NoListen,
    /// A key bound to a host of another zone.
    #[error("host {host} is not in the zone {zone}")]
    HostOutsideZone {
        /// The host.
        host: HostName,
        /// The zone.
        zone: HostName,
    },
    /// Two bindings of one key.
    #[error("key {key} is bound twice; expected one entry with all its hosts")]
    DoubleKey {
        /// The key's name.
        key: String,
    },
    /// A key that registers hosts and is a secondary's as well.
    #[error("key {key} is a secondary's and bound to hosts as well; expected a key of its own for each")]
    SharedKey {
        /// The key's name.
        key: String,
    },
    /// An address that cannot be had.
    #[error("cannot answer at {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A door for HTTP that cannot be opened.
    #[error(transparent)]
    Door(#[from] DoorError),
    /// The database cannot be had.
    #[error("cannot serve without the registrations")]
    Store(#[from] StoreError),
    /// No thread for the writer.
    #[error("cannot start the writer's thread")]
    Thread {
        /// What the system said.
        source: io::Error,
    },
    /// A part of the directory stopped by itself.
    #[error("a part of the directory ended early")]
    EndedEarly {
        /// How it ended, if it did not just return.
        source: Option<io::Error>,
    },
}

/// Opens the database, waiting a moment for a predecessor that is just closing it.
async fn open(settings: &Settings, zone: &Arc<Zone>) -> Result<(Store, zone::Index), DirectoryError> {
    let deadline = Instant::now() + HAND_OVER;
    let lock = loop {
        match store::lock(&settings.database) {
            Ok(lock) => break lock,
            Err(StoreError::InUse { .. }) if Instant::now() < deadline => sleep(HAND_OVER_PAUSE).await,
            Err(error) => return Err(error.into()),
        }
    };
    let (path, zone) = (settings.database.clone(), Arc::clone(zone));
    let opened = tokio::task::spawn_blocking(move || Store::open(&path, lock, &zone));
    Ok(opened.await.map_err(|source| DirectoryError::EndedEarly { source: Some(io::Error::other(source)) })??)
}

/// How many threads answer datagrams at each address.
fn threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS)
}

/// Threads for each address: beyond that many, something else is short.
const MOST_THREADS: usize = 8;
const HAND_OVER: Duration = Duration::from_secs(5);
const HAND_OVER_PAUSE: Duration = Duration::from_millis(20);
