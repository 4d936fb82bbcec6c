//! A connection to the system's D-Bus: calls with their replies, file descriptors among them, and signals.
//!
//! Owns the socket. Just what talking to logind takes: a client that calls, one call at a time, and listens.

pub(super) mod message;

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::time::timeout;

use self::message::{Argument, Body, Call, Kind, Message, PREFIX, whole_length};

/// How long the bus and logind may take to answer; polkit may be asked in between.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How many signals wait to be heard while a reply is awaited; the oldest go first.
const SIGNALS: usize = 64;
/// How many file descriptors one message may bring.
const DESCRIPTORS: usize = 4;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum BusError {
    /// There is no bus, or it went away.
    #[error("the system's D-Bus at {address}: {source}")]
    Gone {
        /// Where it was looked for.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The other side refuses.
    #[error("{name}: {text}")]
    Refused {
        /// The error's name.
        name: String,
        /// What it says of it.
        text: String,
    },
}

/// A signal that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signal {
    pub(super) interface: String,
    pub(super) member: String,
    pub(super) body: Body,
}

/// The reply to a call.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) body: Body,
    /// The file descriptors that came with it.
    pub(super) descriptors: Vec<OwnedFd>,
}

/// A client of the system's bus.
#[derive(Debug)]
pub(super) struct Bus {
    stream: UnixStream,
    address: String,
    incoming: Vec<u8>,
    descriptors: Vec<OwnedFd>,
    signals: VecDeque<Signal>,
    serial: u32,
}

impl Bus {
    /// Connects to the system's bus, and introduces this program to it.
    pub(super) async fn connect() -> Result<Self, BusError> {
        let path = path();
        let address = path.display().to_string();
        let gone = |source| BusError::Gone { address: address.clone(), source };
        let stream = UnixStream::connect(&path).await.map_err(gone)?;
        let mut bus = Self {
            stream,
            address: address.clone(),
            incoming: Vec::new(),
            descriptors: Vec::new(),
            signals: VecDeque::new(),
            serial: 0,
        };
        let greeted = timeout(ANSWER_WITHIN, bus.greet()).await.unwrap_or_else(|_elapsed| Err(late()));
        greeted.map_err(gone)?;
        let _our_name = bus.call(&bus_method("Hello"), &[]).await?;
        Ok(bus)
    }

    /// Calls a method, and waits for its reply.
    ///
    /// # Cancel safety
    /// Dropping it leaves open whether the method was called.
    pub(super) async fn call(&mut self, call: &Call<'_>, arguments: &[Argument<'_>]) -> Result<Reply, BusError> {
        self.serial = self.serial.wrapping_add(1).max(1);
        let serial = self.serial;
        self.descriptors.clear();
        let bytes = call.write(serial, arguments);
        let answered = timeout(ANSWER_WITHIN, async {
            self.stream.write_all(&bytes).await?;
            loop {
                let Message { kind, body } = self.message().await?;
                match kind {
                    Kind::Reply(to) if to == serial => return Ok(Ok(body)),
                    Kind::Error(to, name) if to == serial => {
                        let text = body.text().unwrap_or_default();
                        return Ok(Err(BusError::Refused { name, text }));
                    }
                    Kind::Signal { interface, member } => self.keep(Signal { interface, member, body }),
                    // A late reply to a call that was given up.
                    Kind::Reply(_) | Kind::Error(..) | Kind::Call => self.descriptors.clear(),
                }
            }
        });
        let answered = answered.await.unwrap_or_else(|_elapsed| Err(late()));
        let body = answered.map_err(|source| self.gone(source))??;
        Ok(Reply { body, descriptors: std::mem::take(&mut self.descriptors) })
    }

    /// Asks the bus for signals that match a rule.
    pub(super) async fn listen_for(&mut self, rule: &str) -> Result<(), BusError> {
        self.call(&bus_method("AddMatch"), &[Argument::Text(rule)]).await.map(drop)
    }

    /// Waits for the next signal.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(super) async fn signal(&mut self) -> Result<Signal, BusError> {
        loop {
            if let Some(signal) = self.signals.pop_front() {
                return Ok(signal);
            }
            let Message { kind, body } = self.message().await.map_err(|source| self.gone(source))?;
            if let Kind::Signal { interface, member } = kind {
                self.keep(Signal { interface, member, body });
            }
        }
    }

    fn keep(&mut self, signal: Signal) {
        if self.signals.len() == SIGNALS {
            self.signals.pop_front();
        }
        self.signals.push_back(signal);
    }

    fn gone(&self, source: io::Error) -> BusError {
        BusError::Gone { address: self.address.clone(), source }
    }

    /// Proves who we are by our user, and asks for file descriptors to be passed.
    async fn greet(&mut self) -> io::Result<()> {
        let user = rustix::process::geteuid().as_raw().to_string();
        let user = data_encoding::HEXLOWER.encode(user.as_bytes());
        self.stream.write_all(format!("\0AUTH EXTERNAL {user}\r\n").as_bytes()).await?;
        self.expect("OK ").await?;
        self.stream.write_all(b"NEGOTIATE_UNIX_FD\r\n").await?;
        self.expect("AGREE_UNIX_FD").await?;
        self.stream.write_all(b"BEGIN\r\n").await
    }

    async fn expect(&mut self, start: &str) -> io::Result<()> {
        loop {
            if let Some(end) = self.incoming.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.incoming.drain(..end + 2).collect();
                let line = String::from_utf8_lossy(&line);
                return if line.starts_with(start) {
                    Ok(())
                } else {
                    Err(io::Error::other(format!("the bus answers {:?}", line.trim_end())))
                };
            }
            if self.incoming.len() > LONGEST_LINE {
                return Err(io::Error::other("the bus answers without end"));
            }
            self.receive().await?;
        }
    }

    /// Reads one message; what has come of it so far is kept in `self`.
    async fn message(&mut self) -> io::Result<Message> {
        loop {
            if let Some(prefix) = self.incoming.first_chunk::<PREFIX>() {
                let length = whole_length(prefix).map_err(io::Error::other)?;
                if self.incoming.len() >= length {
                    let bytes: Vec<u8> = self.incoming.drain(..length).collect();
                    return Message::read(&bytes).map_err(io::Error::other);
                }
            }
            self.receive().await?;
        }
    }

    async fn receive(&mut self) -> io::Result<()> {
        let mut buffer = [0; 4096];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            self.stream.readable().await?;
            let receive = || {
                let mut slices = [IoSliceMut::new(&mut buffer)];
                Ok(recvmsg(&self.stream, &mut slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?)
            };
            match self.stream.try_io(Interest::READABLE, receive) {
                Ok(received) => break received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        };
        if received.bytes == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                self.descriptors.extend(descriptors);
            }
        }
        self.descriptors.truncate(DESCRIPTORS);
        self.incoming.extend_from_slice(buffer.get(..received.bytes).unwrap_or_default());
        Ok(())
    }
}

/// Where the system's bus is: what the environment names, else its usual place.
fn path() -> PathBuf {
    let named = std::env::var("DBUS_SYSTEM_BUS_ADDRESS").unwrap_or_default();
    let named = named.split(';').find_map(|one| one.strip_prefix("unix:path="));
    let named = named.map(|path| path.split(',').next().unwrap_or(path));
    PathBuf::from(named.unwrap_or("/run/dbus/system_bus_socket"))
}

fn bus_method(member: &str) -> Call<'_> {
    Call {
        destination: "org.freedesktop.DBus",
        path: "/org/freedesktop/DBus",
        interface: "org.freedesktop.DBus",
        member,
    }
}

fn late() -> io::Error {
    io::ErrorKind::TimedOut.into()
}

/// The longest line of the greeting; the specification's own is 16 KiB.
const LONGEST_LINE: usize = 16 << 10;
