//! The doors: TCP, TLS over it, and the administrator's socket; each connection bounded in time, all of them in number.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use nix::sys::socket::{setsockopt, sockopt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::auth::Peer;
use super::router::router;
use super::tls::{Certificate, TlsError};
use super::{Desk, HttpSettings};

/// The sockets, open.
#[derive(Debug)]
pub(in crate::directory) struct Doors {
    pub(in crate::directory) addresses: Vec<SocketAddr>,
    tcp: Vec<TcpListener>,
    certificate: Option<Certificate>,
    administrator: UnixListener,
    _socket: SocketFile,
}

/// Why a door cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// An address that cannot be had.
    #[error("cannot answer at {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The socket beside the database cannot be made.
    #[error("cannot make the administrator's socket {}", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// The administrator's socket in the file system, gone with us.
#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::debug!(%error, "the socket was gone already");
        }
    }
}

/// Opens every door. The database's lock is held, so a socket that is there is one that a crash left.
pub(in crate::directory) async fn open_doors(settings: &HttpSettings, socket: &Path) -> Result<Doors, DoorError> {
    let certificate = match &settings.tls {
        Some((certificate, key)) => Some(Certificate::load(certificate, key, crate::clock::now())?),
        None => None,
    };
    let (mut addresses, mut tcp) = (Vec::new(), Vec::new());
    for &address in &settings.listen {
        let bound = TcpListener::bind(address).await.and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (bound, listener) = bound.map_err(|source| DoorError::Bind { address, source })?;
        addresses.push(bound);
        tcp.push(listener);
    }
    let failed = |source| DoorError::Socket { path: socket.to_owned(), source };
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        Ok(()) | Err(_) => {}
    }
    let administrator = bind_private(socket).map_err(failed)?;
    Ok(Doors { addresses, tcp, certificate, administrator, _socket: SocketFile(socket.to_owned()) })
}

/// Nobody connects before the mode is set: it is put in its place only then.
fn bind_private(socket: &Path) -> io::Result<UnixListener> {
    let mut early = socket.as_os_str().to_owned();
    early.push(".new");
    let early = PathBuf::from(early);
    match std::fs::remove_file(&early) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(&early)?;
    std::fs::set_permissions(&early, std::fs::Permissions::from_mode(0o600))?;
    std::fs::rename(&early, socket)?;
    Ok(listener)
}

/// Answers at every door until the shutdown.
pub(in crate::directory) async fn serve(desk: Arc<Desk>, doors: Doors) {
    let router = router(Arc::clone(&desk));
    let certificate = doors.certificate.map(Arc::new);
    let places = Arc::new(Places::default());
    let mut tasks = JoinSet::new();
    for listener in doors.tcp {
        tasks.spawn(serve_tcp(Arc::clone(&desk), router.clone(), listener, certificate.clone(), Arc::clone(&places)));
    }
    tasks.spawn(serve_administrator(desk, router, doors.administrator));
    while tasks.join_next().await.is_some() {}
}

async fn serve_tcp(
    desk: Arc<Desk>,
    router: Router,
    listener: TcpListener,
    certificate: Option<Arc<Certificate>>,
    places: Arc<Places>,
) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = desk.shutdown.cancelled() => break,
            Some(_ended) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let Some(place) = places.take(peer.ip().to_canonical(), &desk.settings) else {
                    desk.metrics.refused_connection();
                    continue;
                };
                let (desk, router, certificate) = (Arc::clone(&desk), router.clone(), certificate.clone());
                connections.spawn(async move {
                    welcome(&desk, router, stream, peer.ip(), certificate.as_deref()).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "accepting a connection failed");
                sleep(ERROR_PAUSE).await;
            }
        }
    }
    while connections.join_next().await.is_some() {}
}

async fn serve_administrator(desk: Arc<Desk>, router: Router, listener: UnixListener) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = desk.shutdown.cancelled() => break,
            Some(_ended) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let (desk, router) = (Arc::clone(&desk), router.clone());
                connections.spawn(async move { converse(&desk, router, stream, Peer::Administrator).await });
            }
            Err(error) => {
                tracing::warn!(%error, "accepting a connection failed");
                sleep(ERROR_PAUSE).await;
            }
        }
    }
    while connections.join_next().await.is_some() {}
}

async fn welcome(desk: &Desk, router: Router, stream: TcpStream, peer: IpAddr, certificate: Option<&Certificate>) {
    // Whoever takes nothing of what is sent is cut, be it that he is gone or that he means it.
    if let Err(error) = setsockopt(&stream, sockopt::TcpUserTimeout, &UNTAKEN_MILLISECONDS) {
        tracing::debug!(%error, "no limit for what is not taken");
    }
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "answers may be held back");
    }
    match certificate {
        None => converse(desk, router, stream, Peer::Address(peer)).await,
        Some(certificate) => {
            let shaken = timeout(HANDSHAKE_WITHIN, certificate.acceptor(crate::clock::now()).accept(stream)).await;
            match shaken {
                Ok(Ok(stream)) => converse(desk, router, stream, Peer::Address(peer)).await,
                Ok(Err(error)) => tracing::debug!(%error, "no TLS came about"),
                Err(_elapsed) => tracing::debug!("TLS took too long"),
            }
        }
    }
}

/// Answers one request after another on a connection.
async fn converse<S>(desk: &Desk, router: Router, stream: S, peer: Peer)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    desk.metrics.opened();
    let service = service_fn(|mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer);
        let mut router = router.clone();
        async move {
            let answer = tower_service::Service::call(&mut router, request.map(axum::body::Body::new)).await;
            if let Ok(response) = &answer {
                desk.metrics.answered(response.status().as_u16());
            }
            answer
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_buf_size(LONGEST_HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = desk.shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            timeout(FAREWELL, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended in the middle");
    }
    desk.metrics.closed();
}

/// How many connections there are, and from where.
#[derive(Debug, Default)]
struct Places {
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// One connection's place, free again when dropped.
struct Place {
    places: Arc<Places>,
    peer: IpAddr,
}

impl Places {
    /// Takes a place; `None` when there is none left, or none for this address. A proxy speaks for many.
    fn take(self: &Arc<Self>, peer: IpAddr, settings: &HttpSettings) -> Option<Place> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let is_proxy = settings.trusted_proxies.iter().any(|network| network.contains(peer));
        let from_there = taken.by_address.get(&peer).copied().unwrap_or(0);
        if taken.all >= settings.connections || (!is_proxy && from_there >= settings.connections_per_address) {
            return None;
        }
        taken.all += 1;
        taken.by_address.insert(peer, from_there + 1);
        Some(Place { places: Arc::clone(self), peer })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all -= 1;
        match taken.by_address.get_mut(&self.peer) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) | None => {
                taken.by_address.remove(&self.peer);
            }
        }
    }
}

/// Also how long a connection may idle between two requests.
const HEADERS_WITHIN: Duration = Duration::from_secs(15);
/// The least that hyper takes.
const LONGEST_HEADERS: usize = 8192;
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
const UNTAKEN_MILLISECONDS: u32 = 30_000;
/// How long an answer under way may take once we are told to stop.
const FAREWELL: Duration = Duration::from_secs(1);
const ERROR_PAUSE: Duration = Duration::from_millis(100);
