//! DNS over UDP: threads of their own that take and send datagrams by the dozen.
//!
//! Each thread has a socket of its own on the same port, among which the kernel shares out what comes. A thread reads the
//! index and never waits for the disk: the answer to an update is sent by the writer, once it is stored. Where there is
//! nothing to do it sleeps until there is.

mod socket;
mod stop;

use std::io::{IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::{io, thread};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg};
use tokio::sync::oneshot;

pub(super) use self::socket::Socket;
use self::socket::Source;
use self::stop::Signal;
pub(super) use self::stop::Stop;
use super::answer::Transport;
use super::bounds::limits::Limits;
use super::figures::Tally;
use super::front::{Front, Taken, is_update, limited};
use super::request::Request;

/// Starts a thread that answers at a socket until it is told to stop; gives where its end is told, with an error or without.
///
/// # Errors
/// When the system has no thread for it.
pub(super) fn start(
    front: Arc<Front>,
    limits: Arc<Limits>,
    socket: Socket,
    stop: &Stop,
) -> io::Result<oneshot::Receiver<Errno>> {
    let (ending, ended) = oneshot::channel();
    let stop = stop.signal();
    thread::Builder::new().name("answers".to_owned()).spawn(move || {
        let mut answerer = Answerer {
            front,
            limits,
            socket,
            stop,
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
    limits: Arc<Limits>,
    socket: Socket,
    stop: Arc<Signal>,
    incoming: Vec<[u8; LARGEST]>,
    outgoing: Vec<Vec<u8>>,
}

/// Where a message came from, and to.
#[derive(Clone, Copy)]
struct Way {
    peer: SockaddrStorage,
    source: Source,
}

/// Where the answers of a batch go, and from which address of ours each.
#[derive(Default)]
struct Ways {
    peers: Vec<Option<SockaddrStorage>>,
    sources: Vec<Source>,
}

impl Answerer {
    fn run(&mut self) -> Result<(), Errno> {
        let (mut receiving, mut sending) = (self.socket.headers(BATCH), self.socket.headers(BATCH));
        let mut received: Vec<(usize, Way)> = Vec::with_capacity(BATCH);
        let mut ways = Ways::default();
        while !self.stop.is_given() {
            match self.receive(&mut receiving, &mut received) {
                Ok(()) => {}
                Err(Errno::EAGAIN) => {
                    let socket = PollFd::new(self.socket.as_fd(), PollFlags::POLLIN);
                    wait(&mut [self.end(), socket], PollTimeout::NONE)?;
                    continue;
                }
                // A shortage passes.
                Err(Errno::ENOMEM | Errno::ENOBUFS) => {
                    wait(&mut [self.end()], PollTimeout::from(SHORTAGE_PAUSE))?;
                    continue;
                }
                // So does an earlier answer's bounce.
                Err(Errno::EINTR | Errno::ECONNREFUSED | Errno::EHOSTUNREACH | Errno::ENETUNREACH) => continue,
                Err(error) => return Err(error),
            }
            let updates = self.answer(&received, &mut ways);
            self.send(&mut sending, &ways);
            for at in updates {
                if let (Some(bytes), Some((length, way))) = (self.incoming.get(at), received.get(at)) {
                    self.update(bytes.get(..*length).unwrap_or_default(), *way);
                }
            }
        }
        Ok(())
    }

    /// Takes all that has come, as far as there is room.
    fn receive(
        &mut self,
        headers: &mut MultiHeaders<SockaddrStorage>,
        received: &mut Vec<(usize, Way)>,
    ) -> Result<(), Errno> {
        received.clear();
        let mut slices: Vec<_> = self.incoming.iter_mut().map(|bytes| [IoSliceMut::new(bytes)]).collect();
        let messages = recvmmsg(self.socket.as_raw_fd(), headers, &mut slices, MsgFlags::MSG_DONTWAIT, None)?;
        for message in messages {
            let source = Source::of(&message);
            // What came without an address or was cut short is of nobody.
            let (length, peer) = match message.address {
                Some(address) if !message.flags.contains(MsgFlags::MSG_TRUNC) => (message.bytes, address),
                Some(_) | None => (0, SockaddrStorage::from(SocketAddr::from(([0, 0, 0, 0], 0)))),
            };
            received.push((length, Way { peer, source }));
        }
        Ok(())
    }

    fn end(&self) -> PollFd<'_> {
        PollFd::new(self.stop.as_fd(), PollFlags::POLLIN)
    }

    /// Answers the queries; gives where the updates are.
    fn answer(&mut self, received: &[(usize, Way)], ways: &mut Ways) -> Vec<usize> {
        let (front, now) = (&self.front, self.front.clock.now());
        let (mut updates, mut tally) = (Vec::new(), Tally::default());
        ways.peers.clear();
        ways.sources.clear();
        let index = front.read();
        for (at, ((length, way), bytes)) in received.iter().zip(&self.incoming).enumerate() {
            let Some(request) = Request::read(bytes.get(..*length).unwrap_or_default()) else { continue };
            if is_update(&request) {
                updates.push(at);
                continue;
            }
            let Some(out) = self.outgoing.get_mut(ways.peers.len()) else { continue };
            out.clear();
            let Some(from) = ip(&way.peer) else { continue };
            let is_limited = limited(&request, &self.limits, from, now, out);
            if !is_limited {
                front.query(&request, &index, now, Transport::Udp, from, out);
            }
            tally.answered(out, is_limited);
            if !out.is_empty() {
                ways.peers.push(Some(way.peer));
                ways.sources.push(way.source);
            }
        }
        front.figures.queries(Transport::Udp).add(&tally);
        updates
    }

    fn send(&self, headers: &mut MultiHeaders<SockaddrStorage>, ways: &Ways) {
        let answers: Vec<_> =
            self.outgoing.iter().take(ways.peers.len()).map(|answer| [IoSlice::new(answer)]).collect();
        let mut begin = 0;
        // Mostly all of them go from one address.
        for group in ways.sources.chunk_by(PartialEq::eq) {
            let end = begin + group.len();
            while let (Some(answers), Some(peers), Some(source)) =
                (answers.get(begin..end), ways.peers.get(begin..end), group.first())
                && !answers.is_empty()
            {
                match self.socket.send_all(headers, answers, peers, *source) {
                    Ok(sent) => begin += sent.max(1),
                    Err(error) => {
                        // The first of them cannot be sent; its client asks again.
                        tracing::debug!(%error, "sending an answer failed");
                        begin += 1;
                    }
                }
            }
        }
    }

    fn update(&self, bytes: &[u8], way: Way) {
        let Way { peer, source } = way;
        let (Some(request), Some(ip)) = (Request::read(bytes), ip(&peer)) else { return };
        match self.front.receive(&request, ip, Transport::Udp) {
            Taken::Answer(answer) => self.socket.send(&answer, peer, source),
            Taken::Change(pending) => {
                let socket = self.socket.clone();
                self.front.record(pending, move |answer| socket.send(&answer, peer, source));
            }
        }
    }
}

/// Sleeps until one of them can be read.
fn wait(awaited: &mut [PollFd<'_>], longest: PollTimeout) -> Result<(), Errno> {
    match poll(awaited, longest) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(error),
    }
}

fn ip(peer: &SockaddrStorage) -> Option<IpAddr> {
    let four = peer.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
    four.or_else(|| peer.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
}

/// Datagrams taken at a time.
const BATCH: usize = 64;
/// The largest request taken by UDP; an update of more goes over TCP.
const LARGEST: usize = 4096;
/// What an answer usually needs.
const ANSWER: usize = 512;
/// Milliseconds.
const SHORTAGE_PAUSE: u8 = 10;
