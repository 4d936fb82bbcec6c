//! A line at a console server, over TCP: by RFC 2217, or as bytes that pass as they are.
//!
//! Owns the connection, its keep-alive and what waits to be sent. It is made by the first use of the line; a server that
//! cannot be reached, is no serial server, or whose port is in use, is told of then. Nobody else can use the line while
//! it is connected: there is no lock file.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::address::Address;
use super::{Signal, Signals};
use crate::modem::Carrier;
use crate::telnet::com_port::{ComPort, ComPortOutput, NoComPort};

/// How long a connection may take to come about, the server's name included.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// After so long a silence the kernel asks whether the server is there (TCP keep-alive), and how often it asks again.
const KEEP_ALIVE: (Duration, Duration, u32) = (Duration::from_secs(60), Duration::from_secs(15), 4);
/// How long what was sent may stay unacknowledged until the server counts as gone: as long as keep-alive would take.
const UNHEARD: Duration = Duration::from_secs(60);
/// How much may wait to be sent, and to be read, in bytes.
const LIMIT: usize = 4096;

/// The line.
pub(super) struct Remote {
    connection: Connection,
    /// The protocol once there is a connection; `None` where bytes pass as they are.
    port: Option<ComPort>,
    raw: bool,
    name: String,
    rate: u32,
    outgoing: Vec<u8>,
    incoming: VecDeque<u8>,
    /// The server has closed the connection.
    ended: bool,
    timer: Option<Pin<Box<Sleep>>>,
}

type Connecting = Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send + Sync>>;

enum Connection {
    Connecting(Connecting),
    Up(TcpStream),
    Failed,
}

/// Why a server gives no line; carried in an [`io::Error`].
#[derive(Debug, Error)]
pub(super) enum Refused {
    #[error("{0}")]
    Unreachable(io::Error),
    #[error(transparent)]
    NoComPort(NoComPort),
    #[error("{0}")]
    InUse(String),
}

impl From<Refused> for io::Error {
    fn from(refused: Refused) -> Self {
        Self::other(refused)
    }
}

impl Remote {
    /// A line that is connected by its first use.
    pub(super) fn new(address: Address, name: String, rate: u32) -> Self {
        let raw = address.raw;
        Self {
            connection: Connection::Connecting(Box::pin(connect(address))),
            port: None,
            raw,
            name,
            rate,
            outgoing: Vec::new(),
            incoming: VecDeque::new(),
            ended: false,
            timer: None,
        }
    }

    pub(super) fn set_rate(&mut self, rate: u32) {
        self.rate = rate;
        self.tell(|port| port.set_rate(rate));
    }

    pub(super) fn set_flow_control(&mut self, on: bool) {
        self.tell(|port| port.set_flow_control(on));
    }

    pub(super) fn set_dtr(&mut self, raised: bool) {
        self.tell(|port| port.set_dtr(raised));
    }

    pub(super) fn restore(&mut self) {
        self.tell(ComPort::restore);
    }

    pub(super) fn has_modem_lines(&self) -> bool {
        self.port.as_ref().is_some_and(|port| port.modem_state().is_some())
    }

    pub(super) fn signals(&self) -> Signals {
        let state = self.port.as_ref().and_then(ComPort::modem_state);
        let signal = |on: Option<bool>| match on {
            Some(true) => Signal::On,
            Some(false) => Signal::Off,
            None => Signal::Unknown,
        };
        Signals {
            carrier: match state.map(|state| state.carrier) {
                Some(true) => Carrier::Present,
                Some(false) => Carrier::Absent,
                None => Carrier::Unknown,
            },
            ring: signal(state.map(|state| state.ring)),
            modem_ready: signal(state.map(|state| state.modem_ready)),
            clear_to_send: signal(state.map(|state| state.clear_to_send)),
        }
    }

    /// Is ready once the line can be used.
    pub(super) fn poll_connected(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.work(cx)?;
        if self.is_open() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// Is ready once there is something to read; the end of the line is an error.
    pub(super) fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.work(cx)?;
        if !self.incoming.is_empty() {
            return Poll::Ready(Ok(()));
        }
        if self.ended { Poll::Ready(Err(ErrorKind::UnexpectedEof.into())) } else { Poll::Pending }
    }

    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.incoming.is_empty() {
            ready!(self.poll_readable(cx))?;
        }
        let count = self.incoming.len().min(buffer.len());
        for (place, byte) in buffer.iter_mut().zip(self.incoming.drain(..count)) {
            *place = byte;
        }
        Poll::Ready(Ok(count))
    }

    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.work(cx)?;
        let suspended = self.port.as_ref().is_some_and(ComPort::is_suspended);
        if !self.is_open() || suspended || self.outgoing.len() >= LIMIT {
            return Poll::Pending;
        }
        if self.ended {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        let bytes = bytes.get(..bytes.len().min(LIMIT)).unwrap_or_default();
        match &mut self.port {
            Some(port) => port.write(bytes),
            None => self.outgoing.extend_from_slice(bytes),
        }
        self.work(cx)?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn is_open(&self) -> bool {
        match (&self.connection, &self.port) {
            (Connection::Up(_), Some(port)) => port.is_open(),
            (Connection::Up(_), None) => self.raw,
            (Connection::Connecting(_) | Connection::Failed, _) => false,
        }
    }

    fn tell(&mut self, command: impl FnOnce(&mut ComPort)) {
        // Before there is a connection only the rate can have changed, and is told when there is.
        if let Some(port) = &mut self.port {
            command(port);
        }
    }

    /// Does all that needs no waiting, and has this task woken when more can be done.
    fn work(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if let Connection::Connecting(connecting) = &mut self.connection {
            let Poll::Ready(connected) = connecting.as_mut().poll(cx) else { return Ok(()) };
            self.connection = Connection::Failed;
            self.connection = Connection::Up(connected?);
            if !self.raw {
                self.port = Some(ComPort::new(self.rate, Instant::now().into_std()));
            }
        }
        match self.talk(cx) {
            // It has closed the connection and not read what we sent: as ser2net does that of a port in use.
            Err(error) if !self.is_open() && is_closed(&error) => self.ended = true,
            talked => talked?,
        }
        if self.ended && !self.is_open() {
            let said = self.port.as_ref().map(ComPort::refusal).unwrap_or_default();
            return Err(Refused::InUse(said).into());
        }
        Ok(())
    }

    /// Reads and writes what can be, and keeps the protocol's time.
    fn talk(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        loop {
            self.read(cx)?;
            let timed_out = self.time_out(cx)?;
            self.drain();
            self.flush(cx)?;
            if !timed_out {
                return Ok(());
            }
        }
    }

    fn read(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let Connection::Up(stream) = &mut self.connection else { return Err(ErrorKind::NotConnected.into()) };
        let mut bytes = [0; 1024];
        while !self.ended && self.incoming.len() < LIMIT {
            let mut buffer = ReadBuf::new(&mut bytes);
            let Poll::Ready(read) = Pin::new(&mut *stream).poll_read(cx, &mut buffer) else { break };
            read?;
            match (buffer.filled(), &mut self.port) {
                ([], _) => self.ended = true,
                (came, None) => self.incoming.extend(came),
                (came, Some(port)) => {
                    port.handle_bytes(came, Instant::now().into_std()).map_err(Refused::NoComPort)?;
                    drain(port, &self.name, &mut self.outgoing, &mut self.incoming);
                }
            }
        }
        Ok(())
    }

    /// Reports whether the protocol's deadline has come; has this task woken when it comes.
    fn time_out(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let Some((at, _why)) = self.port.as_ref().and_then(ComPort::deadline) else {
            self.timer = None;
            return Ok(false);
        };
        let at = Instant::from_std(at);
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        if timer.deadline() != at {
            timer.as_mut().reset(at);
        }
        if timer.as_mut().poll(cx).is_pending() {
            return Ok(false);
        }
        if let Some(port) = &mut self.port {
            port.handle_timeout(at.into_std()).map_err(Refused::NoComPort)?;
        }
        Ok(true)
    }

    fn drain(&mut self) {
        if let Some(port) = &mut self.port {
            drain(port, &self.name, &mut self.outgoing, &mut self.incoming);
        }
    }

    fn flush(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let Connection::Up(stream) = &mut self.connection else { return Ok(()) };
        while !self.outgoing.is_empty() {
            let Poll::Ready(written) = Pin::new(&mut *stream).poll_write(cx, &self.outgoing) else { break };
            self.outgoing.drain(..written?);
        }
        Ok(())
    }
}

fn is_closed(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted)
}

/// Takes what the protocol wants done.
fn drain(port: &mut ComPort, name: &str, outgoing: &mut Vec<u8>, incoming: &mut VecDeque<u8>) {
    while let Some(output) = port.poll_output() {
        match output {
            ComPortOutput::Send(bytes) => outgoing.extend(bytes),
            ComPortOutput::Data(bytes) => incoming.extend(bytes),
            ComPortOutput::Open => {
                if !port.commands() {
                    tracing::warn!(
                        port = name,
                        "this telnet server knows no RFC 2217: rate, DTR and carrier are out of reach"
                    );
                }
                if !port.is_transparent() {
                    tracing::warn!(port = name, "this telnet server does not pass eight bits: PPP will not work");
                }
            }
        }
    }
}

/// Connects to the server, and has the kernel notice when it is gone.
async fn connect(address: Address) -> io::Result<TcpStream> {
    let connect = TcpStream::connect((address.host.as_str(), address.port));
    let connected = match tokio::time::timeout(CONNECT_WITHIN, connect).await {
        Ok(connected) => connected,
        Err(_elapsed) => Err(ErrorKind::TimedOut.into()),
    };
    let stream = connected.map_err(Refused::Unreachable)?;
    let (time, interval, retries) = KEEP_ALIVE;
    let keep_alive = TcpKeepalive::new().with_time(time).with_interval(interval).with_retries(retries);
    let socket = SockRef::from(&stream);
    socket.set_tcp_keepalive(&keep_alive)?;
    socket.set_tcp_user_timeout(Some(UNHEARD))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl Drop for Remote {
    /// Hangs up: not every server drops DTR when a connection is closed.
    fn drop(&mut self) {
        self.tell(|port| port.set_dtr(false));
        self.drain();
        if let Connection::Up(stream) = &self.connection
            && !self.outgoing.is_empty()
            && let Err(error) = stream.try_write(&self.outgoing)
        {
            tracing::debug!(port = self.name, %error, "the server could not be told to drop DTR");
        }
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("name", &self.name).field("port", &self.port).finish_non_exhaustive()
    }
}
