//! DNS over UDP: threads of their own that take and send datagrams by the dozen.
//!
//! Each thread has a socket of its own on the same port, among which the kernel shares out what comes. A thread reads the
//! index and never waits for the disk: the answer to an update is sent by the writer, once it is stored. Where there is
//! nothing to do it sleeps until there is.

use std::io::{IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::{io, thread};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::EventFd;
use nix::sys::socket::{
    AddressFamily, MsgFlags, MultiHeaders, SockFlag, SockType, SockaddrStorage, bind, recvmmsg, sendmmsg, setsockopt,
    socket, sockopt,
};
use tokio::sync::oneshot;

use super::answer::Transport;
use super::front::{Front, is_update, limited};
use super::limits::Limits;
use super::request::Request;
use super::update::Received;

/// Makes a socket that shares its port with others of this process.
///
/// # Errors
/// What the system says.
pub(super) fn bind_shared(address: SocketAddr) -> io::Result<UdpSocket> {
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let fd = socket(family, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&fd, sockopt::ReusePort, &true)?;
    // As much as the system grants: what waits there is not lost.
    let _smaller = setsockopt(&fd, sockopt::RcvBuf, &RECEIVE_BUFFER);
    bind(fd.as_raw_fd(), &SockaddrStorage::from(address))?;
    Ok(fd.into())
}

/// Starts a thread that answers at a socket until `stop` can be read; `ended` is told, or dropped, then.
///
/// # Errors
/// When the system has no thread for it.
pub(super) fn start(
    front: Arc<Front>,
    socket: UdpSocket,
    stop: Arc<EventFd>,
    answers_a_second: u32,
) -> io::Result<oneshot::Receiver<Errno>> {
    let (ending, ended) = oneshot::channel();
    thread::Builder::new().name("answers".to_owned()).spawn(move || {
        let mut answerer = Answerer {
            front,
            socket: Arc::new(socket),
            stop,
            limits: Limits::new(answers_a_second),
            incoming: vec![[0; LARGEST]; BATCH],
            outgoing: (0..BATCH).map(|_| Vec::with_capacity(ANSWER)).collect(),
        };
        if let Err(error) = answerer.run() {
            // Nobody waits where the directory was dropped rather than shut down.
            let _nobody = ending.send(error);
        }
    })?;
    Ok(ended)
}

struct Answerer {
    front: Arc<Front>,
    socket: Arc<UdpSocket>,
    stop: Arc<EventFd>,
    limits: Limits,
    incoming: Vec<[u8; LARGEST]>,
    outgoing: Vec<Vec<u8>>,
}

type Addresses = Vec<Option<SockaddrStorage>>;

impl Answerer {
    fn run(&mut self) -> Result<(), Errno> {
        let mut receiving = MultiHeaders::<SockaddrStorage>::preallocate(BATCH, None);
        let mut sending = MultiHeaders::<SockaddrStorage>::preallocate(BATCH, None);
        let mut received: Vec<(usize, SockaddrStorage)> = Vec::with_capacity(BATCH);
        let mut addresses: Addresses = Vec::with_capacity(BATCH);
        loop {
            match self.receive(&mut receiving, &mut received) {
                Ok(()) => {}
                Err(Errno::EAGAIN) if self.wait()? => continue,
                Err(Errno::EAGAIN) => return Ok(()),
                Err(Errno::EINTR | Errno::ECONNREFUSED | Errno::EHOSTUNREACH | Errno::ENETUNREACH) => continue,
                // A shortage passes; so does an earlier answer's bounce.
                Err(Errno::ENOMEM | Errno::ENOBUFS) => continue,
                Err(error) => return Err(error),
            }
            let updates = self.answer(&received, &mut addresses);
            self.send(&mut sending, &addresses);
            for at in updates {
                if let (Some(bytes), Some((length, peer))) = (self.incoming.get(at), received.get(at)) {
                    let (bytes, limits) = (bytes.get(..*length).unwrap_or_default(), &mut self.limits);
                    update(&self.front, &self.socket, limits, bytes, *peer);
                }
            }
        }
    }

    /// Takes all that has come, as far as there is room.
    fn receive(
        &mut self,
        headers: &mut MultiHeaders<SockaddrStorage>,
        received: &mut Vec<(usize, SockaddrStorage)>,
    ) -> Result<(), Errno> {
        received.clear();
        let mut slices: Vec<_> = self.incoming.iter_mut().map(|bytes| [IoSliceMut::new(bytes)]).collect();
        let messages = recvmmsg(self.socket.as_raw_fd(), headers, &mut slices, MsgFlags::MSG_DONTWAIT, None)?;
        for message in messages {
            // What came without an address or was cut short is of nobody.
            let is_whole = !message.flags.contains(MsgFlags::MSG_TRUNC);
            let (Some(address), true) = (message.address, is_whole) else {
                received.push((0, SockaddrStorage::from(SocketAddr::from(([0, 0, 0, 0], 0)))));
                continue;
            };
            received.push((message.bytes, address));
        }
        Ok(())
    }

    /// Sleeps until something comes; `false` once it is time to end.
    fn wait(&self) -> Result<bool, Errno> {
        let mut waited =
            [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN), PollFd::new(self.stop.as_fd(), PollFlags::POLLIN)];
        match poll(&mut waited, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => Ok(waited.get(1).and_then(PollFd::any) != Some(true)),
            Err(error) => Err(error),
        }
    }

    /// Answers the queries; gives where the updates are.
    fn answer(&mut self, received: &[(usize, SockaddrStorage)], addresses: &mut Addresses) -> Vec<usize> {
        let (front, now) = (&self.front, self.front.clock.now());
        let mut updates = Vec::new();
        addresses.clear();
        let index = front.read();
        for (at, ((length, peer), bytes)) in received.iter().zip(&self.incoming).enumerate() {
            let Some(request) = Request::read(bytes.get(..*length).unwrap_or_default()) else { continue };
            if is_update(&request) {
                updates.push(at);
                continue;
            }
            let Some(out) = self.outgoing.get_mut(addresses.len()) else { continue };
            out.clear();
            let is_limited = ip(peer).is_some_and(|ip| limited(&request, &mut self.limits, ip, now, out));
            if !is_limited {
                front.query(&request, &index, now, Transport::Udp, out);
            }
            if !out.is_empty() {
                addresses.push(Some(*peer));
            }
        }
        updates
    }

    fn send(&self, headers: &mut MultiHeaders<SockaddrStorage>, addresses: &Addresses) {
        let mut sent = 0;
        while let Some(addresses) = addresses.get(sent..).filter(|addresses| !addresses.is_empty()) {
            let slices: Vec<_> = self.outgoing.iter().skip(sent).map(|answer| [IoSlice::new(answer)]).collect();
            let (fd, flags) = (self.socket.as_raw_fd(), MsgFlags::empty());
            match sendmmsg(fd, headers, &slices, addresses, [], flags) {
                Ok(messages) => sent += messages.count().max(1),
                Err(error) => {
                    // The first of them cannot be sent; its client asks again.
                    tracing::debug!(%error, "sending an answer failed");
                    sent += 1;
                }
            }
        }
    }
}

fn update(front: &Front, socket: &Arc<UdpSocket>, limits: &mut Limits, bytes: &[u8], peer: SockaddrStorage) {
    let (Some(request), Some(to)) = (Request::read(bytes), socket_address(&peer)) else { return };
    match front.receive(&request) {
        Received::Answer(answer) => send(socket, &answer, to),
        Received::Unauthenticated(answer) => {
            if limits.failure(to.ip(), front.clock.now()) {
                send(socket, &answer, to);
            }
        }
        Received::Change(pending) => {
            let socket = Arc::clone(socket);
            front.record(pending, move |answer| send(&socket, &answer, to));
        }
    }
}

fn send(socket: &UdpSocket, answer: &[u8], to: SocketAddr) {
    if !answer.is_empty()
        && let Err(error) = socket.send_to(answer, to)
    {
        tracing::debug!(%error, "sending an answer failed");
    }
}

fn ip(peer: &SockaddrStorage) -> Option<IpAddr> {
    socket_address(peer).map(|address| address.ip())
}

fn socket_address(peer: &SockaddrStorage) -> Option<SocketAddr> {
    let four = peer.as_sockaddr_in().map(|address| SocketAddr::V4((*address).into()));
    four.or_else(|| peer.as_sockaddr_in6().map(|address| SocketAddr::V6((*address).into())))
}

/// Datagrams taken at a time.
const BATCH: usize = 64;
/// The largest request taken by UDP; an update of more goes over TCP.
const LARGEST: usize = 4096;
/// What an answer usually needs.
const ANSWER: usize = 512;
const RECEIVE_BUFFER: usize = 4 << 20;
