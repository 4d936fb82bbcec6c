//! Answers that leave together by one socket, each from the address that its client asked.

use std::io::IoSlice;

use nix::sys::socket::{MultiHeaders, SockaddrStorage};

use super::Way;
use super::socket::{Socket, Source};

/// Answers to several clients; the room for them is used again.
pub(super) struct Batch {
    socket: Socket,
    headers: MultiHeaders<SockaddrStorage>,
    answers: Vec<Vec<u8>>,
    peers: Vec<Option<SockaddrStorage>>,
    sources: Vec<Source>,
}

impl Batch {
    /// Datagrams sent, or taken, at a time.
    pub(super) const MOST: usize = 64;

    /// An empty one.
    pub(super) fn of(socket: Socket) -> Self {
        let headers = socket.headers(Self::MOST);
        let answers = (0..Self::MOST).map(|_| Vec::with_capacity(ANSWER)).collect();
        Self {
            socket,
            headers,
            answers,
            peers: Vec::with_capacity(Self::MOST),
            sources: Vec::with_capacity(Self::MOST),
        }
    }

    /// Adds the answer that is written into the room that is given; nothing where it stays empty. What was added before goes
    /// first, if there is no room left.
    pub(super) fn add(&mut self, way: Way, write: impl FnOnce(&mut Vec<u8>)) {
        if self.peers.len() == Self::MOST {
            self.send();
        }
        let Some(answer) = self.answers.get_mut(self.peers.len()) else { return };
        answer.clear();
        write(answer);
        if !answer.is_empty() {
            self.peers.push(Some(way.peer));
            self.sources.push(way.source);
        }
    }

    /// Sends them; one that cannot be sent is asked for again.
    pub(super) fn send(&mut self) {
        let answers: Vec<_> = self.answers.iter().take(self.peers.len()).map(|answer| [IoSlice::new(answer)]).collect();
        let mut begin = 0;
        // Mostly all of them go from one address.
        for group in self.sources.chunk_by(PartialEq::eq) {
            let end = begin + group.len();
            while let (Some(answers), Some(peers), Some(source)) =
                (answers.get(begin..end), self.peers.get(begin..end), group.first())
                && !answers.is_empty()
            {
                match self.socket.send_all(&mut self.headers, answers, peers, *source) {
                    Ok(sent) => begin += sent.max(1),
                    Err(error) => {
                        tracing::debug!(%error, "sending an answer failed");
                        begin += 1;
                    }
                }
            }
        }
        self.peers.clear();
        self.sources.clear();
    }
}

/// Answers by several sockets that leave together: those that the writer has, once a group of changes is on the disk.
#[derive(Default)]
pub(in crate::directory) struct Outbox(Vec<Batch>);

impl Outbox {
    /// Adds one, which leaves with the next [`Outbox::send`] at the latest.
    pub(super) fn add(&mut self, socket: &Socket, way: Way, answer: Vec<u8>) {
        let known = self.0.iter_mut().position(|batch| batch.socket.is(socket));
        let at = known.unwrap_or_else(|| {
            self.0.push(Batch::of(socket.clone()));
            self.0.len() - 1
        });
        if let Some(batch) = self.0.get_mut(at) {
            batch.add(way, |room| *room = answer);
        }
    }

    /// Sends all of them.
    pub(in crate::directory) fn send(&mut self) {
        self.0.iter_mut().for_each(Batch::send);
    }
}

/// What an answer usually needs.
const ANSWER: usize = 512;
