//! The sockets: DNS over UDP and TCP (RFC 1035 section 4.2, RFC 7766), bounded in number and in time.
//!
//! Owns what passes between the wire and the cores, and the one log line a change gets.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::answer::{self, Transport};
use super::book::Change;
use super::update::{self, Outcome, Pending, Received};
use super::waiters::Waiters;
use super::writer::{Decided, Order};
use super::zone::{Index, View, Zone};
use crate::dns::WallClock;
use crate::record::HostName;

/// What every socket of the directory answers from.
#[derive(Debug)]
pub(super) struct Front {
    pub(super) zone: Arc<Zone>,
    pub(super) index: Arc<RwLock<Index>>,
    pub(super) orders: mpsc::Sender<Order>,
    pub(super) waiters: Arc<Waiters>,
    pub(super) clock: WallClock,
}

/// Answers datagrams until the shutdown.
pub(super) async fn serve_udp(front: Arc<Front>, socket: UdpSocket, shutdown: CancellationToken) {
    let socket = Arc::new(socket);
    let mut updates = JoinSet::new();
    let mut buffer = vec![0; usize::from(u16::MAX)];
    loop {
        let received = tokio::select! {
            () = shutdown.cancelled() => break,
            Some(_ended) = updates.join_next() => continue,
            received = socket.recv_from(&mut buffer) => received,
        };
        let (length, peer) = match received {
            Ok(received) => received,
            Err(error) => {
                // On Linux this is an earlier answer's bounce, or a shortage that passes.
                tracing::debug!(%error, "receiving failed");
                tokio::time::sleep(ERROR_PAUSE).await;
                continue;
            }
        };
        match front.hear(buffer.get(..length).unwrap_or_default(), Transport::Udp) {
            Received::Answer(answer) => send(&socket, &answer, peer).await,
            Received::Change(pending) if updates.len() < MOST_UPDATES => {
                let (front, socket) = (Arc::clone(&front), Arc::clone(&socket));
                updates.spawn(async move {
                    if let Some(answer) = front.record(&pending).await {
                        send(&socket, &answer, peer).await;
                    }
                });
            }
            // The client sends again, and finds us less busy.
            Received::Change(_) => tracing::debug!("too many updates at a time; one was dropped"),
            Received::Nothing => {}
        }
    }
    while updates.join_next().await.is_some() {}
}

/// Answers connections until the shutdown.
pub(super) async fn serve_tcp(front: Arc<Front>, listener: TcpListener, shutdown: CancellationToken) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            Some(_ended) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _peer)) => {
                // A connection beyond the limit is closed at once: its client tries again, or over UDP.
                if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
                    let (front, shutdown) = (Arc::clone(&front), shutdown.clone());
                    connections.spawn(async move {
                        converse(&front, stream, &shutdown).await;
                        drop(place);
                    });
                }
            }
            Err(error) => {
                tracing::warn!(%error, "accepting a connection failed");
                tokio::time::sleep(ERROR_PAUSE).await;
            }
        }
    }
    while connections.join_next().await.is_some() {}
}

impl Front {
    /// Answers a message from memory, or finds that it is a change to be recorded.
    fn hear(&self, message: &[u8], transport: Transport) -> Received {
        let now = self.clock.now();
        if update::is_update(message) {
            return update::receive(message, &self.zone, now);
        }
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let view = View { zone: &self.zone, index: &index, pending: None };
        answer::answer(message, &view, now, transport).map_or(Received::Nothing, Received::Answer)
    }

    /// Has a change decided and put on the disk, and writes its answer.
    async fn record(&self, pending: &Pending) -> Option<Vec<u8>> {
        let decided = self.order(pending.change.clone()).await;
        pending.answer(&decided.outcome, self.clock.now())
    }

    /// Has a change decided, and put on the disk if it is accepted.
    ///
    /// # Cancel safety
    /// Dropping it leaves open whether the change was made.
    pub(super) async fn order(&self, change: Change) -> Decided {
        let (done, decided) = oneshot::channel();
        let by = change.by.clone();
        let host = change.wanted.as_ref().ok().and_then(Option::as_ref).map(|wanted| wanted.host.clone());
        let decided = match self.orders.send(Order { change, done }).await {
            Ok(()) => decided.await.ok(),
            Err(_closed) => None,
        };
        let decided = decided.unwrap_or(Decided { outcome: Outcome::Failed, entry: None });
        report(&by, host.as_ref(), &decided);
        decided
    }
}

fn report(key: &str, host: Option<&HostName>, decided: &Decided) {
    if let Some(record) = decided.entry.as_ref().and_then(|entry| entry.statement.record()) {
        tracing::info!(host = %record.host(), seq = %record.seq(), state = %record.state(), key, "registered");
        tracing::debug!(host = %record.host(), addresses = ?record.addresses(), "registered addresses");
    }
    if let Outcome::Refused(refusal) = &decided.outcome {
        let host = host.map(tracing::field::display);
        tracing::warn!(host, key, reason = %refusal, "update refused");
    }
}

async fn send(socket: &UdpSocket, answer: &[u8], peer: SocketAddr) {
    if let Err(error) = socket.send_to(answer, peer).await {
        tracing::debug!(%error, "sending an answer failed");
    }
}

/// Answers one message after another on a connection, for as long as they keep coming.
async fn converse(front: &Front, mut stream: TcpStream, shutdown: &CancellationToken) {
    loop {
        let asked = tokio::select! {
            () = shutdown.cancelled() => return,
            asked = timeout(IDLE, read_framed(&mut stream)) => asked,
        };
        let Ok(Ok(message)) = asked else { return };
        let answer = match front.hear(&message, Transport::Tcp) {
            Received::Answer(answer) => Some(answer),
            Received::Change(pending) => front.record(&pending).await,
            Received::Nothing => None,
        };
        let Some(answer) = answer else { return };
        let Ok(length) = u16::try_from(answer.len()) else { return };
        let framed = [&length.to_be_bytes()[..], &answer].concat();
        match timeout(IDLE, stream.write_all(&framed)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
}

/// Dropping it half-way drops the connection with it, so nothing is left half-read.
async fn read_framed(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut message = vec![0; usize::from(stream.read_u16().await?)];
    let _length = stream.read_exact(&mut message).await?;
    Ok(message)
}

/// Updates of one socket that wait for the disk at a time.
const MOST_UPDATES: usize = 1024;
const MOST_CONNECTIONS: usize = 64;
/// RFC 7766 section 6.2.3 leaves the length to the server.
const IDLE: Duration = Duration::from_secs(10);
const ERROR_PAUSE: Duration = Duration::from_millis(100);
