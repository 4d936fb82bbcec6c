//! The directory: an authoritative name server in one process, whose records are the hosts' own signed statements.
//!
//! A key changes its own hosts and no others, a host's past never comes back, and nothing is acknowledged before it is on
//! the disk. A host speaks for itself by signed statements (docs/record.md); what cannot sign is kept as uncertified. The cores (`zone`, `book`, `answer`,
//! `update`) decide; the shells (`store`, `writer`, `server`) act.

mod accounts;
mod answer;
mod book;
#[cfg(test)]
mod fixture;
mod http;
mod roll;
mod server;
mod statement;
mod store;
mod update;
mod waiters;
mod writer;
mod zone;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use self::accounts::Accounts;
pub use self::accounts::{CredentialInfo, Made, NewCredential, NewHost};
use self::http::Desk;
pub use self::http::{DoorError, HttpSettings, Network, TlsError, socket_of, token_hash};
pub use self::roll::TokenHash;
use self::server::{Front, serve_tcp, serve_udp};
use self::store::Store;
pub use self::store::StoreError;
use self::waiters::Waiters;
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
    /// Who may register what.
    pub keys: Vec<KeyBinding>,
    /// Where to speak HTTP; the administrator has his socket all the same.
    pub http: HttpSettings,
}

/// What the holder of a key may register.
#[derive(Clone, Debug)]
pub struct KeyBinding {
    /// The key that signs the updates.
    pub key: TsigKey,
    /// The hosts it may change, all in the zone.
    pub hosts: Vec<HostName>,
    /// The identity that signs the hosts' statements; without it, the first one seen of each host is kept.
    pub identity: Option<PublicKey>,
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
    let mut sockets = Vec::new();
    for &address in &settings.listen {
        sockets.push(bind(address).await.map_err(|source| DirectoryError::Bind { address, source })?);
    }
    let doors = http::open_doors(&settings.http, &socket_of(&settings.database)).await?;
    let clock = WallClock::system();
    let index = Arc::new(RwLock::new(index));
    let waiters = Arc::new(Waiters::default());
    let (orders, written) =
        writer::start(store, Arc::clone(&zone), Arc::clone(&index), Arc::clone(&waiters), clock.clone())
            .map_err(|source| DirectoryError::Thread { source })?;
    let front = Arc::new(Front { zone, index, orders, waiters, clock });
    let mut tasks = JoinSet::new();
    let mut addresses = Vec::new();
    for (address, udp, tcp) in sockets {
        addresses.push(address);
        tasks.spawn(serve_udp(Arc::clone(&front), udp, shutdown.clone()));
        tasks.spawn(serve_tcp(Arc::clone(&front), tcp, shutdown.clone()));
    }
    let http = doors.addresses.clone();
    let desk = Desk::new(Arc::clone(&front), accounts, settings.http, settings.database, shutdown.clone());
    tasks.spawn(http::serve(Arc::new(desk), doors));
    drop(front);
    tracing::info!(zone = %settings.zone, listen = ?addresses, ?http, "the directory answers");
    ready(&Addresses { dns: addresses, http });
    while let Some(ended) = tasks.join_next().await {
        if !shutdown.is_cancelled() {
            return Err(DirectoryError::EndedEarly { source: ended.err() });
        }
    }
    // The last front is gone with the tasks, so the writer commits what it has and closes the store.
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
        source: Option<tokio::task::JoinError>,
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
    Ok(opened.await.map_err(|source| DirectoryError::EndedEarly { source: Some(source) })??)
}

/// Binds UDP and TCP to one port; where any port will do, tries until one is free for both.
async fn bind(address: SocketAddr) -> io::Result<(SocketAddr, UdpSocket, TcpListener)> {
    let mut tries = if address.port() == 0 { 16 } else { 1 };
    loop {
        let udp = UdpSocket::bind(address).await?;
        let bound = udp.local_addr()?;
        tries -= 1;
        match TcpListener::bind(bound).await {
            Ok(tcp) => return Ok((bound, udp, tcp)),
            Err(error) if tries == 0 => return Err(error),
            Err(_taken) => {}
        }
    }
}

const HAND_OVER: Duration = Duration::from_secs(5);
const HAND_OVER_PAUSE: Duration = Duration::from_millis(20);
