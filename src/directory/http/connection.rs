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
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::auth::Peer;
use super::router::router;
use super::tls::{Certificate, TlsError};
use super::wait::Follower;
use super::{Desk, HttpSettings};
use crate::directory::bounds::places::{Place, Places};
use crate::directory::sockets::bind_tcp;

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
pub(in crate::directory) fn open_doors(settings: &HttpSettings, socket: &Path) -> Result<Doors, DoorError> {
    let certificate = match &settings.tls {
        Some((certificate, key)) => Some(Certificate::load(certificate, key, crate::clock::now())?),
        None => None,
    };
    let (mut addresses, mut tcp) = (Vec::new(), Vec::new());
    for &address in &settings.listen {
        let bound = bind_tcp(address).and_then(|listener| Ok((listener.local_addr()?, listener)));
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
    let settings = &desk.settings;
    let places = Places::new(settings.connections, settings.connections_per_address, settings.trusted_proxies.clone());
    let mut tasks = JoinSet::new();
    for listener in doors.tcp {
        let (desk, router, certificate) = (Arc::clone(&desk), router.clone(), certificate.clone());
        let places = Arc::clone(&places);
        tasks.spawn(async move {
            let visitor = || async {
                let (stream, peer) = listener.accept().await?;
                let Some(place) = places.take(peer.ip()) else {
                    desk.metrics.refused_connection();
                    return Ok(None);
                };
                let (desk, router, certificate) = (Arc::clone(&desk), router.clone(), certificate.clone());
                Ok(Some(async move {
                    tokio::select! {
                        () = place.lost() => desk.metrics.refused_connection(),
                        () = welcome(&desk, router, stream, peer.ip(), certificate.as_deref(), &place) => {}
                    }
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
            Ok(Some(async move { converse(&desk, router, stream, Peer::Administrator, None).await }))
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

async fn welcome(
    desk: &Desk,
    router: Router,
    stream: TcpStream,
    peer: IpAddr,
    certificate: Option<&Certificate>,
    place: &Place,
) {
    prepare(&stream);
    let (peer, place) = (Peer::Address(peer), Some(place));
    let Some(certificate) = certificate else { return converse(desk, router, stream, peer, place).await };
    if let Some(stream) = shake_hands(certificate.acceptor(crate::clock::now()), stream).await {
        // Far larger than one without: those are not to have its size.
        Box::pin(converse(desk, router, stream, peer, place)).await;
    }
}

fn prepare(stream: &TcpStream) {
    // Whoever takes nothing of what is sent is cut, be it that he is gone or that he means it.
    if let Err(error) = setsockopt(stream, sockopt::TcpUserTimeout, &UNTAKEN_MILLISECONDS) {
        tracing::debug!(%error, "no limit for what is not taken");
    }
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "answers may be held back");
    }
}

/// Begins TLS; `None` where none comes about.
async fn shake_hands<S: AsyncRead + AsyncWrite + Unpin>(acceptor: TlsAcceptor, stream: S) -> Option<TlsStream<S>> {
    match timeout(HANDSHAKE_WITHIN, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => return Some(stream),
        Ok(Err(error)) => tracing::debug!(%error, "no TLS came about"),
        Err(_elapsed) => tracing::debug!("TLS took too long"),
    }
    None
}

/// Speaks with one client until either has enough.
async fn converse<S>(desk: &Desk, router: Router, stream: S, peer: Peer, place: Option<&Place>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let _open = desk.metrics.open();
    // What HTTP needs is given back before the wait for events, which may be long.
    let answered = Box::pin(answer(desk, router, stream, peer, place)).await;
    match answered {
        Ok((mut stream, follower)) => {
            let _busy = place.filter(|_| follower.is_some()).map(Place::busy);
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
}

/// The end of what is under way when the directory is told to stop.
async fn cut_off(desk: &Desk) {
    desk.shutdown.cancelled().await;
    sleep(FAREWELL).await;
}

/// Answers one request after another; gives the connection back when it is through, and who is still to be told of events.
async fn answer<S>(
    desk: &Desk,
    router: Router,
    stream: S,
    peer: Peer,
    place: Option<&Place>,
) -> hyper::Result<(S, Option<Follower>)>
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
            let _busy = place.map(Place::busy);
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

#[cfg(test)]
mod tests {
    use nix::sys::socket::getsockopt;
    use tokio::io::{AsyncReadExt, DuplexStream, duplex};
    use tokio::time::Instant;
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::server::ResolvesServerCertUsingSni;

    use super::*;
    use crate::directory::fixture::Fixture;
    use crate::directory::http::fixture::World;

    /// Begins to say something; gives what is answered to that by the end of the connection, and when that comes.
    async fn until_the_end(said: &str) -> (String, Duration) {
        let world = World::new("slow", Fixture::new());
        let desk = &world.desk;
        let (mut client, server) = duplex(1 << 16);
        client.write_all(said.as_bytes()).await.unwrap();
        let began = Instant::now();
        converse(desk, router(Arc::clone(desk)), server, Peer::Administrator, None).await;
        let took = began.elapsed();
        (heard(&mut client).await, took)
    }

    async fn heard(client: &mut DuplexStream) -> String {
        let mut heard = String::new();
        client.read_to_string(&mut heard).await.unwrap();
        heard
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_come_to_the_end_of_the_headers_is_cut() {
        for said in ["", "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "] {
            let (heard, took) = until_the_end(said).await;
            assert_eq!((heard.as_str(), took), ("", HEADERS_WITHIN), "{said}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_more_after_an_answer_is_cut() {
        let (heard, took) = until_the_end("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(heard.starts_with("HTTP/1.1 200 OK\r\n") && heard.ends_with("ok\n"), "{heard}");
        assert_eq!(took, HEADERS_WITHIN);
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_come_to_the_end_of_a_body_is_told_so() {
        let (heard, took) = until_the_end("PUT /v1/hosts HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{").await;
        assert!(heard.starts_with("HTTP/1.1 408 ") && heard.contains("too-slow"), "{heard}");
        // What is left of the body may still come, for as long as headers may take.
        assert!(took >= crate::directory::http::BODY_WITHIN && took <= Duration::from_secs(30), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_come_to_speak_tls_is_cut() {
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let nothing = Arc::new(ResolvesServerCertUsingSni::new());
        let acceptor = TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_cert_resolver(nothing)));
        let (mut client, server) = duplex(1 << 16);
        client.write_all(&[0x16, 3, 1]).await.unwrap();
        let began = Instant::now();
        assert!(shake_hands(acceptor, server).await.is_none());
        assert_eq!(began.elapsed(), HANDSHAKE_WITHIN);
        assert_eq!(heard(&mut client).await, "");
    }

    #[tokio::test]
    async fn who_takes_nothing_is_for_the_system_to_cut() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (stream, _client) =
            tokio::try_join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept()).unwrap();
        prepare(&stream);
        assert_eq!(getsockopt(&stream, sockopt::TcpUserTimeout).unwrap(), 30_000);
    }
}
