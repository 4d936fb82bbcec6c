//! DNS over UDP: threads of their own that take and send datagrams by the dozen.
//!
//! Each thread has a socket of its own on the same port, among which the kernel shares out what comes. A thread reads the
//! index and never waits for the disk: the answer to an update is sent by the writer, with those of its group, once it is
//! stored. Where there is nothing to do it sleeps until there is.

mod batch;
mod parcel;
mod socket;
mod stop;

use std::io::IoSliceMut;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::{io, thread};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg};
use tokio::sync::oneshot;

use self::batch::Batch;
pub(super) use self::batch::Outbox;
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
        let mut answerer = Answerer { front, limits, socket, stop, incoming: vec![[0; LARGEST]; Batch::MOST] };
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
}

/// Where a message came from, and to.
#[derive(Clone, Copy)]
struct Way {
    peer: SocketAddr,
    source: Source,
}

impl Answerer {
    fn run(&mut self) -> Result<(), Errno> {
        let (mut receiving, mut sending) = (self.socket.headers(Batch::MOST), Batch::of(self.socket.clone()));
        let mut received: Vec<(usize, Way)> = Vec::with_capacity(Batch::MOST);
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
            let updates = self.answer(&received, &mut sending);
            sending.send();
            for at in updates {
                if let (Some(bytes), Some((length, way))) = (self.incoming.get(at), received.get(at)) {
                    self.update(bytes.get(..*length).unwrap_or_default(), *way, &mut sending);
                }
            }
            sending.send();
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
            let (length, peer) = match message.address.as_ref().and_then(peer) {
                Some(peer) if !message.flags.contains(MsgFlags::MSG_TRUNC) => (message.bytes, peer),
                Some(_) | None => (0, NOBODY),
            };
            received.push((length, Way { peer, source }));
        }
        Ok(())
    }

    fn end(&self) -> PollFd<'_> {
        PollFd::new(self.stop.as_fd(), PollFlags::POLLIN)
    }

    /// Answers the queries; gives where the updates are.
    fn answer(&self, received: &[(usize, Way)], answers: &mut Batch) -> Vec<usize> {
        let (front, now) = (&self.front, self.front.clock.now());
        let (mut updates, mut tally) = (Vec::new(), Tally::default());
        let index = front.read();
        for (at, ((length, way), bytes)) in received.iter().zip(&self.incoming).enumerate() {
            let Some(request) = Request::read(bytes.get(..*length).unwrap_or_default()) else { continue };
            if is_update(&request) {
                updates.push(at);
                continue;
            }
            let from = way.peer.ip();
            answers.add(*way, |out| {
                let is_limited = limited(&request, &self.limits, from, now, out);
                if !is_limited {
                    front.query(&request, &index, now, Transport::Udp, from, out);
                }
                tally.answered(out, is_limited);
            });
        }
        front.figures.queries(Transport::Udp).add(&tally);
        updates
    }

    /// Has an update decided, or answers it.
    fn update(&self, bytes: &[u8], way: Way, answers: &mut Batch) {
        let Some(request) = Request::read(bytes) else { return };
        match self.front.receive(&request, way.peer.ip(), Transport::Udp) {
            Taken::Answer(answer) => answers.add(way, |out| *out = answer),
            Taken::Change(pending) => {
                let socket = self.socket.clone();
                self.front.record(pending, move |answer, outbox| outbox.add(&socket, way, answer));
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

fn peer(address: &SockaddrStorage) -> Option<SocketAddr> {
    let four = address.as_sockaddr_in().map(|address| SocketAddrV4::from(*address).into());
    four.or_else(|| address.as_sockaddr_in6().map(|address| SocketAddrV6::from(*address).into()))
}

const NOBODY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// The largest request taken by UDP; an update of more goes over TCP.
const LARGEST: usize = 4096;
/// Milliseconds.
const SHORTAGE_PAUSE: u8 = 10;
