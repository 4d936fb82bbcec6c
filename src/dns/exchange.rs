//! One request, one answer: retransmission over several servers, until a deadline.
//!
//! Owns the sockets. Each exchange binds its own, so that its port is as hard to guess as its identifier. Fails at once
//! when no server can be sent to at all, because pacing further tries is its caller's business.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::select_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout_at};

use super::{message, random};

/// How many packets went each way, for an idle clock that must not count them. A message over TCP counts as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packets {
    /// Packets sent.
    pub sent: u64,
    /// Packets received.
    pub received: u64,
}

/// The servers to ask, and the count of what passed.
#[derive(Debug)]
pub(super) struct Exchanger {
    servers: Vec<SocketAddr>,
    sent: AtomicU64,
    received: AtomicU64,
}

/// No server gave an answer.
#[derive(Debug)]
pub(super) struct NoAnswer {
    /// The last thing the system said, if it said anything.
    pub(super) source: Option<io::Error>,
}

impl Exchanger {
    pub(super) fn new(servers: Vec<SocketAddr>) -> Self {
        Self { servers, sent: AtomicU64::new(0), received: AtomicU64::new(0) }
    }

    /// The servers' addresses, for a message.
    pub(super) fn servers(&self) -> String {
        let servers: Vec<String> = self.servers.iter().map(SocketAddr::to_string).collect();
        servers.join(" or ")
    }

    pub(super) fn packets(&self) -> Packets {
        Packets { sent: self.sent.load(Ordering::Relaxed), received: self.received.load(Ordering::Relaxed) }
    }

    /// All of them, in their order.
    pub(super) fn all(&self) -> &[SocketAddr] {
        &self.servers
    }

    /// Sends `request` to these servers in turn until an answer to it arrives for which `judge` returns something; other
    /// answers are ignored.
    ///
    /// # Cancel safety
    /// Dropping it forgets the request; the server may have acted on it.
    pub(super) async fn exchange<T>(
        &self,
        servers: &[SocketAddr],
        request: &[u8],
        deadline: Instant,
        mut judge: impl FnMut(&[u8]) -> Option<T>,
    ) -> Result<T, NoAnswer> {
        let mut turn = 0;
        let mut lanes: Vec<Lane> = servers.iter().map(|&server| Lane::Unopened(server)).collect();
        let mut failure = None;
        let mut pause = FIRST_RETRANSMISSION;
        while Instant::now() < deadline {
            let Some(index) = next_lane(&lanes, &mut turn) else { return Err(NoAnswer { source: failure }) };
            if let Some(lane) = lanes.get_mut(index)
                && let Err(error) = self.send(lane, request).await
            {
                failure = Some(error);
                *lane = Lane::Dead;
                continue;
            }
            let until = deadline.min(Instant::now() + random::jittered(pause));
            pause = pause.mul_f64(BACKOFF).min(LAST_RETRANSMISSION);
            match self.listen(&mut lanes, request, until, &mut judge, &mut failure).await {
                Heard::Verdict(verdict) => return Ok(verdict),
                Heard::CutShort(server) => match self.ask_over_tcp(server, request, deadline).await {
                    Ok(answer) if message::answers(&answer, request) => {
                        if let Some(verdict) = judge(&answer) {
                            return Ok(verdict);
                        }
                    }
                    Ok(_) => {}
                    Err(error) => failure = Some(error),
                },
                Heard::Nothing => {}
            }
        }
        Err(NoAnswer { source: failure })
    }

    async fn send(&self, lane: &mut Lane, request: &[u8]) -> io::Result<()> {
        if let Lane::Unopened(server) = *lane {
            let any = match server.ip() {
                IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            };
            let socket = UdpSocket::bind((any, 0)).await?;
            socket.connect(server).await?;
            *lane = Lane::Open(server, socket);
        }
        if let Lane::Open(_, socket) = lane {
            let _length = socket.send(request).await?;
            let _before = self.sent.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Hears every open lane until one gives a verdict, or one dies, or it is time to send again.
    async fn listen<T>(
        &self,
        lanes: &mut [Lane],
        request: &[u8],
        until: Instant,
        judge: &mut impl FnMut(&[u8]) -> Option<T>,
        failure: &mut Option<io::Error>,
    ) -> Heard<T> {
        let mut buffer = [0; 4096];
        loop {
            let readable: Vec<_> = lanes.iter().enumerate().filter_map(|(index, lane)| lane.readable(index)).collect();
            if readable.is_empty() {
                return Heard::Nothing;
            }
            let Ok((index, _, _)) = timeout_at(until, select_all(readable)).await else { return Heard::Nothing };
            let Some(lane) = lanes.get_mut(index) else { return Heard::Nothing };
            let Lane::Open(server, socket) = lane else { return Heard::Nothing };
            let server = *server;
            match socket.try_recv(&mut buffer) {
                Ok(length) => {
                    let _before = self.received.fetch_add(1, Ordering::Relaxed);
                    let datagram = buffer.get(..length).unwrap_or_default();
                    if !message::answers(datagram, request) {
                        continue;
                    }
                    if message::is_truncated(datagram) {
                        return Heard::CutShort(server);
                    }
                    if let Some(verdict) = judge(datagram) {
                        return Heard::Verdict(verdict);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    // The word that nobody is there was a packet too (RFC 792).
                    let _before = self.received.fetch_add(1, Ordering::Relaxed);
                    *failure = Some(error);
                    *lane = Lane::Dead;
                    return Heard::Nothing;
                }
            }
        }
    }

    async fn ask_over_tcp(&self, server: SocketAddr, request: &[u8], deadline: Instant) -> io::Result<Vec<u8>> {
        let length = u16::try_from(request.len()).map_err(io::Error::other)?;
        let asked = async {
            let mut stream = TcpStream::connect(server).await?;
            let framed = [&length.to_be_bytes()[..], request].concat();
            stream.write_all(&framed).await?;
            let _before = self.sent.fetch_add(1, Ordering::Relaxed);
            let mut answer = vec![0; usize::from(stream.read_u16().await?)];
            let _length = stream.read_exact(&mut answer).await?;
            let _before = self.received.fetch_add(1, Ordering::Relaxed);
            Ok(answer)
        };
        timeout_at(deadline, asked).await.unwrap_or_else(|_elapsed| Err(io::ErrorKind::TimedOut.into()))
    }
}

enum Lane {
    Unopened(SocketAddr),
    Open(SocketAddr, UdpSocket),
    Dead,
}

impl Lane {
    fn readable(&self, index: usize) -> Option<impl Future<Output = usize> + Unpin> {
        match self {
            Self::Open(_, socket) => Some(Box::pin(async move {
                // An error here shows again, with its cause, when the socket is read.
                let _readiness = socket.readable().await;
                index
            })),
            Self::Unopened(_) | Self::Dead => None,
        }
    }
}

enum Heard<T> {
    Verdict(T),
    CutShort(SocketAddr),
    Nothing,
}

/// Takes the servers in turn, leaving out the dead ones.
fn next_lane(lanes: &[Lane], turn: &mut usize) -> Option<usize> {
    for _ in 0..lanes.len() {
        let index = turn.checked_rem(lanes.len())?;
        *turn = turn.wrapping_add(1);
        if lanes.get(index).is_some_and(|lane| !matches!(lane, Lane::Dead)) {
            return Some(index);
        }
    }
    None
}

/// Longer than a round trip over a 33.6 kbit/s line with other traffic on it.
const FIRST_RETRANSMISSION: Duration = Duration::from_millis(800);
const LAST_RETRANSMISSION: Duration = Duration::from_secs(5);
const BACKOFF: f64 = 1.7;
