//! One call's connection: a trunk's end and the socket below it.
//!
//! Owns the socket and what it has not taken yet. Flow control runs through: of data no more is read than the modem
//! here has room for, and a socket that is full holds up the modem. The two directions never wait for each other.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::super::exchange::outside::OutsideId;
use super::super::trunk::signal::Request;
use super::super::trunk::{Trunk, TrunkOutput};

/// A connection that will be, or fail.
pub(super) type Connecting = Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>;

/// One call's connection.
pub(super) struct Connection {
    /// Who it is to the exchange, as long as the call lasts.
    pub(super) party: Option<OutsideId>,
    link: Link,
    /// Has this connection looked at.
    waker: Waker,
    /// What the socket has not taken yet.
    outgoing: Vec<u8>,
    /// How much of that answers what the peer said, and not data.
    answers: usize,
    /// The modem here has been told to wait.
    held_up: bool,
    /// Data came for which the modem here has had no room.
    stalled: bool,
    /// All is said; until when the peer may take it in.
    finish_by: Option<Instant>,
}

enum Link {
    /// To an exchange, of which this is asked once it greets, or to a plain program.
    Connecting(Connecting, Option<Request>),
    Open {
        stream: TcpStream,
        trunk: Box<Trunk>,
        /// Nothing more will be sent.
        shut: bool,
    },
}

/// What a connection did.
#[derive(Debug)]
pub(super) enum Event {
    /// Somebody has made it, and is to be greeted.
    LetIn,
    /// It stands, or it has failed.
    Connected(io::Result<TcpStream>),
    /// The peer sent these bytes.
    Bytes(Vec<u8>),
    /// The socket has taken all there was.
    Drained,
    /// The peer has closed, or is gone.
    Ended,
    /// A deadline has passed.
    Late,
}

/// Most bytes read at once; less than what a modem that has just connected has room for.
const READ_SIZE: usize = 2048;
/// Of signalling, after which data may follow.
const READ_SIGNALLING: usize = 512;
/// How long a peer may take to take in the last that was said, and to close.
const LINGER: Duration = Duration::from_secs(20);
/// A peer that asks more than this without listening is not worth listening to.
const MOST_ANSWERS: usize = 4096;
/// A silent peer is asked after this, ...
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
/// ... so often, ...
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// ... and given up after this many questions, or when it has acknowledged nothing for as long altogether.
const KEEPALIVE_COUNT: u32 = 3;

impl Connection {
    /// A connection about to be made.
    pub(super) fn calling(to: Connecting, request: Option<Request>, party: OutsideId, waker: Waker) -> Self {
        Self::new(Link::Connecting(to, request), Some(party), waker)
    }

    /// A connection that somebody has made.
    pub(super) fn called(stream: TcpStream, waker: Waker, now: Instant) -> Self {
        prepare(&stream);
        Self::new(Link::Open { stream, trunk: Box::new(Trunk::called(now)), shut: false }, None, waker)
    }

    fn new(link: Link, party: Option<OutsideId>, waker: Waker) -> Self {
        waker.wake_by_ref();
        Self { party, link, waker, outgoing: Vec::new(), answers: 0, held_up: false, stalled: false, finish_by: None }
    }

    /// Takes the connection that was to be made.
    pub(super) fn open(&mut self, stream: TcpStream, now: Instant) {
        if let Link::Connecting(_, request) = &mut self.link {
            prepare(&stream);
            let trunk = request.take().map_or_else(Trunk::plain, |request| Trunk::calling(request, now));
            self.link = Link::Open { stream, trunk: Box::new(trunk), shut: false };
        }
    }

    /// The trunk's end, once there is a connection.
    pub(super) fn trunk(&mut self) -> Option<&mut Trunk> {
        match &mut self.link {
            Link::Connecting(..) => None,
            Link::Open { trunk, .. } => Some(trunk),
        }
    }

    /// The next thing the trunk wants done.
    pub(super) fn poll_output(&mut self) -> Option<TrunkOutput> {
        self.trunk()?.poll_output()
    }

    /// Whether data waits for room.
    pub(super) fn is_stalled(&self) -> bool {
        self.stalled
    }

    /// When the connection is late with something.
    pub(super) fn deadline(&self) -> Option<(Instant, &'static str)> {
        match &self.link {
            Link::Connecting(..) => None,
            Link::Open { trunk, .. } => {
                self.finish_by.map(|at| (at, "end of a connection")).or_else(|| trunk.deadline())
            }
        }
    }

    /// Whether the peer has had its time to close.
    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        self.finish_by.is_some_and(|at| at <= now)
    }

    /// Sends, as far as the socket takes it now.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        let Link::Open { stream, .. } = &self.link else { return };
        let taken = if self.outgoing.is_empty() { stream.try_write(bytes).unwrap_or(0) } else { 0 };
        self.outgoing.extend(bytes.get(taken..).unwrap_or_default());
        if !self.outgoing.is_empty() {
            self.waker.wake_by_ref();
        }
    }

    /// Counts what was sent unasked for; answers whether the peer still listens.
    pub(super) fn count_answer(&mut self, bytes: usize) -> bool {
        self.answers = if self.outgoing.is_empty() { 0 } else { self.answers + bytes };
        self.answers <= MOST_ANSWERS
    }

    /// Whether the modem here is now to be told to wait.
    pub(super) fn hold_up(&mut self) -> bool {
        !self.outgoing.is_empty() && !std::mem::replace(&mut self.held_up, true)
    }

    /// Whether the modem here is now to be told to go on.
    pub(super) fn release(&mut self) -> bool {
        std::mem::take(&mut self.held_up)
    }

    /// Closes when all has been sent.
    pub(super) fn finish(&mut self, now: Instant) {
        self.finish_by = Some(now + LINGER);
        self.waker.wake_by_ref();
    }

    /// Sees what the peer did, and is woken when it does more; `room` is what the modem here takes of its data.
    pub(super) fn poll(&mut self, room: usize) -> [Option<Event>; 2] {
        let waker = self.waker.clone();
        let mut cx = Context::from_waker(&waker);
        if let Link::Connecting(to, _) = &mut self.link {
            return match to.as_mut().poll(&mut cx) {
                Poll::Ready(connected) => [Some(Event::Connected(connected)), None],
                Poll::Pending => [None, None],
            };
        }
        match self.poll_write(&mut cx) {
            Poll::Ready(Event::Ended) => [Some(Event::Ended), None],
            Poll::Ready(event) => [Some(event), self.poll_read(room, &mut cx)],
            Poll::Pending => [None, self.poll_read(room, &mut cx)],
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        let Link::Open { stream, shut, .. } = &mut self.link else { return Poll::Pending };
        let mut stream = Pin::new(stream);
        let mut sent = 0;
        while let Some(rest) = self.outgoing.get(sent..).filter(|rest| !rest.is_empty()) {
            match stream.as_mut().poll_write(cx, rest) {
                Poll::Ready(Ok(taken)) if taken > 0 => sent += taken,
                Poll::Ready(Ok(_) | Err(_)) => return Poll::Ready(Event::Ended),
                Poll::Pending => {
                    self.outgoing.drain(..sent);
                    return Poll::Pending;
                }
            }
        }
        self.outgoing = Vec::new();
        self.answers = 0;
        if self.finish_by.is_some() && !*shut {
            *shut = stream.poll_shutdown(cx).is_ready();
        }
        if sent > 0 { Poll::Ready(Event::Drained) } else { Poll::Pending }
    }

    fn poll_read(&mut self, room: usize, cx: &mut Context<'_>) -> Option<Event> {
        let Link::Open { stream, trunk, .. } = &mut self.link else { return None };
        let mut stream = Pin::new(stream);
        let mut buffer = [0; READ_SIZE];
        self.stalled = false;
        let most = if self.finish_by.is_some() {
            READ_SIZE
        } else if !trunk.is_receiving_data() {
            READ_SIGNALLING
        } else if room > 0 {
            room.min(READ_SIZE)
        } else {
            // What is there waits, but an end is seen.
            let mut space = ReadBuf::new(buffer.get_mut(..1)?);
            return match stream.poll_peek(cx, &mut space) {
                Poll::Ready(Ok(1..)) => {
                    self.stalled = true;
                    None
                }
                Poll::Ready(Ok(0) | Err(_)) => Some(Event::Ended),
                Poll::Pending => None,
            };
        };
        let mut space = ReadBuf::new(buffer.get_mut(..most)?);
        match stream.as_mut().poll_read(cx, &mut space) {
            Poll::Ready(Ok(())) if space.filled().is_empty() => Some(Event::Ended),
            Poll::Ready(Ok(())) => Some(Event::Bytes(space.filled().to_vec())),
            Poll::Ready(Err(_)) => Some(Event::Ended),
            Poll::Pending => None,
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("party", &self.party).finish_non_exhaustive()
    }
}

/// Has the socket send at once, and notice a peer that is gone.
fn prepare(stream: &TcpStream) {
    let keepalive =
        TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL).with_retries(KEEPALIVE_COUNT);
    let patience = KEEPALIVE_IDLE + KEEPALIVE_INTERVAL * KEEPALIVE_COUNT;
    let socket = SockRef::from(stream);
    let prepared = socket
        .set_tcp_nodelay(true)
        .and_then(|()| socket.set_tcp_keepalive(&keepalive))
        .and_then(|()| socket.set_tcp_user_timeout(Some(patience)));
    if let Err(error) = prepared {
        tracing::debug!(%error, "the system will not tell when this trunk's peer is gone");
    }
}
