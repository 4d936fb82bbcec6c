//! The host's side: which datagrams are answered, and with what. Everything that is no challenge meets silence.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use super::gate::Gate;
use super::wire::{Nonce, Proof, read_challenge};
use crate::record::Identity;

/// Answers challenges with one host's key.
#[derive(Debug)]
pub struct Answerer {
    identity: Arc<Identity>,
    gate: Gate,
    turned_away: u64,
}

impl Answerer {
    /// Answers for this identity.
    #[must_use]
    pub fn new(identity: Arc<Identity>) -> Self {
        Self { identity, gate: Gate::default(), turned_away: 0 }
    }

    /// Takes a datagram that came from `client` to `host`, an address of this machine; gives what to send back, if
    /// anything.
    pub fn handle_datagram(
        &mut self,
        datagram: &[u8],
        host: SocketAddr,
        client: SocketAddr,
        now: Instant,
    ) -> Option<Vec<u8>> {
        let nonce = self.admit(datagram, client, now)?;
        Some(self.prove(nonce, host, client))
    }

    /// Takes a datagram, and gives the nonce that is to be signed, if any; for a host that has to make sure first by which
    /// address it is known.
    pub fn admit(&mut self, datagram: &[u8], client: SocketAddr, now: Instant) -> Option<Nonce> {
        let nonce = read_challenge(datagram)?;
        if !self.gate.admits(client.ip(), now) {
            self.turned_away = self.turned_away.saturating_add(1);
            return None;
        }
        Some(nonce)
    }

    /// Signs the nonce of an admitted challenge.
    #[must_use]
    pub fn prove(&self, nonce: Nonce, host: SocketAddr, client: SocketAddr) -> Vec<u8> {
        Proof::sign(&self.identity, nonce, host, client)
    }

    /// How many challenges were too many.
    #[must_use]
    pub fn turned_away(&self) -> u64 {
        self.turned_away
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::wire;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_challenge_is_answered_with_both_its_ends_and_anything_else_with_silence() {
        let identity = Arc::new(Identity::generate().unwrap());
        let (mut answerer, now) = (Answerer::new(Arc::clone(&identity)), crate::clock::now());
        let (host, client) = (at("203.0.113.10:7464"), at("198.51.100.7:40000"));
        let nonce = Nonce::from_bytes([3; 32]);
        let answer = answerer.handle_datagram(&wire::challenge(nonce), host, client, now).unwrap();
        let proof = Proof::read(&answer).unwrap();
        assert!(proof.is_genuine());
        assert_eq!((proof.key, proof.nonce), (identity.public_key(), nonce));
        assert_eq!((proof.host, proof.client), (host, client));
        for other in [&answer[..], b"", b"RGUP", &[0; 192]] {
            assert_eq!(answerer.handle_datagram(other, host, client, now), None);
        }
    }

    #[test]
    fn who_asks_too_often_is_not_answered_and_counted() {
        let (mut answerer, now) = (Answerer::new(Arc::new(Identity::generate().unwrap())), crate::clock::now());
        let challenge = wire::challenge(Nonce::from_bytes([3; 32]));
        let mut ask = || answerer.handle_datagram(&challenge, at("203.0.113.10:7464"), at("198.51.100.7:1"), now);
        let answered = (0..100).filter_map(|_| ask()).count();
        assert_eq!((answered, answerer.turned_away()), (10, 90));
    }
}
