//! The doors: TCP, TLS over it, and the administrator's socket; each connection bounded in time, all of them in number.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use hyper::Method;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use nix::sys::socket::{setsockopt, sockopt};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::auth::Peer;
use super::places::Places;
use super::router::router;
use super::tls::{Certificate, TlsError};
use super::wait::Follower;
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
        let (desk, router, certificate) = (Arc::clone(&desk), router.clone(), certificate.clone());
        let places = Arc::clone(&places);
        tasks.spawn(async move {
            let visitor = || async {
                let (stream, peer) = listener.accept().await?;
                let Some(place) = places.take(peer.ip().to_canonical(), &desk.settings) else {
                    desk.metrics.refused_connection();
                    return Ok(None);
                };
                let (desk, router, certificate) = (Arc::clone(&desk), router.clone(), certificate.clone());
                Ok(Some(async move {
                    welcome(&desk, router, stream, peer.ip(), certificate.as_deref()).await;
                    drop(place);
                }))
            };
            attend(&desk, visitor).await;
        });
    }
    let administrator = doors.administrator;
    tasks.spawn(async move {
        let visitor = || async {
            let (stream, _) = administrator.accept().await?;
            let (desk, router) = (Arc::clone(&desk), router.clone());
            Ok(Some(async move { converse(&desk, router, stream, Peer::Administrator).await }))
        };
        attend(&desk, visitor).await;
    });
    while tasks.join_next().await.is_some() {}
}

/// Lets in, one after another, whoever comes to a door, until the shutdown; those within may end then.
async fn attend<V, C>(desk: &Desk, visitor: impl Fn() -> V)
where
    V: Future<Output = io::Result<Option<C>>>,
    C: Future<Output = ()> + Send + 'static,
{
    let mut conversations = JoinSet::new();
    loop {
        let visitor = tokio::select! {
            () = desk.shutdown.cancelled() => break,
            Some(_ended) = conversations.join_next() => continue,
            visitor = visitor() => visitor,
        };
        match visitor {
            Ok(Some(conversation)) => drop(conversations.spawn(conversation)),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "accepting a connection failed");
                sleep(ERROR_PAUSE).await;
            }
        }
    }
    while conversations.join_next().await.is_some() {}
}

async fn welcome(desk: &Desk, router: Router, stream: TcpStream, peer: IpAddr, certificate: Option<&Certificate>) {
    // Whoever takes nothing of what is sent is cut, be it that he is gone or that he means it.
    if let Err(error) = setsockopt(&stream, sockopt::TcpUserTimeout, &UNTAKEN_MILLISECONDS) {
        tracing::debug!(%error, "no limit for what is not taken");
    }
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "answers may be held back");
    }
    let Some(certificate) = certificate else { return converse(desk, router, stream, Peer::Address(peer)).await };
    let shaking = certificate.acceptor(crate::clock::now()).accept(stream);
    match timeout(HANDSHAKE_WITHIN, shaking).await {
        // Far larger than one without: those are not to have its size.
        Ok(Ok(stream)) => Box::pin(converse(desk, router, stream, Peer::Address(peer))).await,
        Ok(Err(error)) => tracing::debug!(%error, "no TLS came about"),
        Err(_elapsed) => tracing::debug!("TLS took too long"),
    }
}

/// Speaks with one client until either has enough.
async fn converse<S>(desk: &Desk, router: Router, stream: S, peer: Peer)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    desk.metrics.opened();
    // What HTTP needs is given back before the wait for events, which may be long.
    let answered = Box::pin(answer(desk, router, stream, peer)).await;
    match answered {
        Ok((mut stream, follower)) => {
            let farewell = async {
                if let Some(follower) = follower {
                    follower.tell(&mut stream).await;
                }
                stream.shutdown().await
            };
            let ended = tokio::select! {
                ended = farewell => ended,
                () = cut_off(desk) => Ok(()),
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a client was gone already");
            }
        }
        Err(error) => tracing::debug!(%error, "a connection ended in the middle"),
    }
    desk.metrics.closed();
}

/// The end of what is under way when the directory is told to stop.
async fn cut_off(desk: &Desk) {
    desk.shutdown.cancelled().await;
    sleep(FAREWELL).await;
}

/// Answers one request after another; gives the connection back when it is through, and who is still to be told of events.
async fn answer<S>(desk: &Desk, router: Router, stream: S, peer: Peer) -> hyper::Result<(S, Option<Follower>)>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let handed_over = Arc::new(OnceLock::new());
    let service = service_fn(|mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer);
        let (mut router, handed_over) = (router.clone(), Arc::clone(&handed_over));
        // To HEAD nothing follows.
        let is_get = request.method() == Method::GET;
        Box::pin(async move {
            let mut answer = tower_service::Service::call(&mut router, request.map(axum::body::Body::new)).await;
            if let Ok(response) = &mut answer {
                desk.metrics.answered(response.status().as_u16());
                if let Some(follower) = response.extensions_mut().remove::<Arc<Follower>>().filter(|_| is_get) {
                    let _only = handed_over.set(follower);
                }
            }
            answer
        })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_buf_size(LONGEST_HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    let ended = tokio::select! {
        ended = poll_fn(|context| connection.poll_without_shutdown(context)) => Some(ended),
        () = desk.shutdown.cancelled() => None,
    };
    match ended {
        Some(ended) => ended?,
        None => {
            Pin::new(&mut connection).graceful_shutdown();
            let ending = poll_fn(|context| connection.poll_without_shutdown(context));
            timeout(FAREWELL, ending).await.unwrap_or(Ok(()))?;
        }
    }
    let stream = connection.into_parts().io.into_inner();
    let follower = Arc::into_inner(handed_over).and_then(OnceLock::into_inner).and_then(Arc::into_inner);
    Ok((stream, follower))
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
