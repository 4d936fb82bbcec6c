//! Answers that leave together by one socket, each from the address that its client asked.

use std::io::IoSlice;

use nix::sys::socket::{MultiHeaders, SockaddrStorage};

use super::Way;
use super::parcel::{Answer, parcels, sent_as_one};
use super::socket::Socket;

/// Answers to several clients; the room for them is used again.
pub(super) struct Batch {
    socket: Socket,
    headers: MultiHeaders<SockaddrStorage>,
    answers: Vec<Vec<u8>>,
    ways: Vec<Way>,
}

impl Batch {
    /// Datagrams sent, or taken, at a time.
    pub(super) const MOST: usize = 64;

    /// An empty one.
    pub(super) fn of(socket: Socket) -> Self {
        let headers = socket.headers(Self::MOST);
        let answers = (0..Self::MOST).map(|_| Vec::with_capacity(ANSWER)).collect();
        Self { socket, headers, answers, ways: Vec::with_capacity(Self::MOST) }
    }

    /// Adds the answer that is written into the room that is given; nothing where it stays empty. What was added before goes
    /// first, if there is no room left.
    pub(super) fn add(&mut self, way: Way, write: impl FnOnce(&mut Vec<u8>)) {
        if self.ways.len() == Self::MOST {
            self.send();
        }
        let Some(answer) = self.answers.get_mut(self.ways.len()) else { return };
        answer.clear();
        write(answer);
        if !answer.is_empty() {
            self.ways.push(way);
        }
    }

    /// Sends them, in whatever order costs least; one that cannot be sent is asked for again.
    pub(super) fn send(&mut self) {
        let answers = self.ways.drain(..).zip(&self.answers).map(|(way, answer)| Answer { way, bytes: answer });
        let mut answers: Vec<_> = answers.collect();
        let mut single = Vec::with_capacity(answers.len());
        for parcel in parcels(&mut answers) {
            if !sent_as_one(&self.socket, parcel) {
                single.extend(parcel);
            }
        }
        // Mostly all of them go from one address.
        for group in single.chunk_by(|one, other| one.way.source == other.way.source) {
            send_singly(&self.socket, &mut self.headers, group);
        }
    }
}

fn send_singly(socket: &Socket, headers: &mut MultiHeaders<SockaddrStorage>, answers: &[&Answer<'_>]) {
    let bytes: Vec<_> = answers.iter().map(|answer| [IoSlice::new(answer.bytes)]).collect();
    let peers: Vec<_> = answers.iter().map(|answer| Some(SockaddrStorage::from(answer.way.peer))).collect();
    let mut begin = 0;
    while let (Some(bytes), Some(peers), Some(first)) = (bytes.get(begin..), peers.get(begin..), answers.get(begin)) {
        match socket.send_all(headers, bytes, peers, first.way.source) {
            Ok(sent) => begin += sent.max(1),
            Err(error) => {
                tracing::debug!(%error, "sending an answer failed");
                begin += 1;
            }
        }
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

#[cfg(test)]
mod tests;
