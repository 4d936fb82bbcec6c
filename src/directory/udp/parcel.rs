//! Answers of one size to one client leave as one datagram, which is cut into them on its way out (`UDP_SEGMENT`, udp(7)).
//!
//! Whoever asks much by one port, as what spreads the load over several directories does, then costs the kernel one way
//! through it in place of a way for each answer.

use std::io::IoSlice;
use std::net::SocketAddr;

use super::Way;
use super::socket::{Socket, Source};
use crate::dns::message::UDP_PAYLOAD;

/// An answer that is to leave.
pub(super) struct Answer<'a> {
    pub(super) way: Way,
    pub(super) bytes: &'a [u8],
}

impl Answer<'_> {
    /// What those of one parcel have in common.
    fn kind(&self) -> (Source, SocketAddr, usize) {
        (self.way.source, self.way.peer, self.bytes.len())
    }
}

/// Divides answers, whose order does not matter, into what can leave as one datagram.
pub(super) fn parcels<'a, 'b>(answers: &'b mut [Answer<'a>]) -> impl Iterator<Item = &'b [Answer<'a>]> {
    answers.sort_unstable_by_key(Answer::kind);
    answers.chunk_by(|one, other| one.kind() == other.kind()).flat_map(|alike| {
        let size = alike.first().map_or(1, |answer| answer.bytes.len()).clamp(1, LARGEST);
        alike.chunks(LARGEST / size)
    })
}

/// Sends a parcel; gives false where its answers have to be sent each by itself.
pub(super) fn sent_as_one(socket: &Socket, parcel: &[Answer<'_>]) -> bool {
    let [first, _, ..] = parcel else { return false };
    // What may be larger than the path takes has to be cut otherwise: into fragments.
    let Some(size) = u16::try_from(first.bytes.len()).ok().filter(|size| *size <= UDP_PAYLOAD) else { return false };
    let bytes: Vec<_> = parcel.iter().map(|answer| IoSlice::new(answer.bytes)).collect();
    // A kernel before 4.18 does not know how, nor does every network card.
    socket.send_cut(&bytes, size, first.way.peer, first.way.source).is_ok()
}

/// Octets, as many as one datagram carries.
const LARGEST: usize = 65_507;
