//! The host's shell: a socket at each address where the host is registered, and nowhere else.
//!
//! A socket of one address knows to which address a challenge came, which is what is signed, and answers from there.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use super::answerer::Answerer;
use super::wire::CHALLENGE_LENGTH;
use crate::record::Identity;

/// Answers challenges at a host's addresses for as long as it is held.
#[derive(Debug)]
pub struct Prover {
    port: u16,
    answerer: Arc<Mutex<Answerer>>,
    stands: Vec<Stand>,
    tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Stand {
    address: IpAddr,
    task: tokio::task::AbortHandle,
}

impl Prover {
    /// Answers with this identity at this UDP port; nowhere yet.
    #[must_use]
    pub fn new(identity: Arc<Identity>, port: u16) -> Self {
        let answerer = Arc::new(Mutex::new(Answerer::new(identity)));
        Self { port, answerer, stands: Vec::new(), tasks: JoinSet::new() }
    }

    /// Answers at these addresses and no others; gives where it does, and tells in the log where it cannot.
    pub fn stand_at(&mut self, addresses: &[IpAddr]) -> Vec<SocketAddr> {
        self.stands.retain(|stand| {
            let stays = addresses.contains(&stand.address) && !stand.task.is_finished();
            if !stays {
                stand.task.abort();
            }
            stays
        });
        let mut at = Vec::new();
        for &address in addresses {
            if self.stands.iter().any(|stand| stand.address == address) {
                continue;
            }
            match self.open(SocketAddr::new(address, self.port)) {
                Ok(place) => at.push(place),
                Err(error) => {
                    let port = self.port;
                    tracing::warn!(port, %error, "cannot prove this host's identity: every client will refuse it");
                    tracing::debug!(%address, "there");
                }
            }
        }
        while self.tasks.try_join_next().is_some() {}
        at
    }

    fn open(&mut self, at: SocketAddr) -> std::io::Result<SocketAddr> {
        let socket = std::net::UdpSocket::bind(at)?;
        socket.set_nonblocking(true)?;
        let here = socket.local_addr()?;
        let socket = UdpSocket::from_std(socket)?;
        let answerer = Arc::clone(&self.answerer);
        let task = self.tasks.spawn(answer(socket, here, answerer));
        self.stands.push(Stand { address: at.ip(), task });
        Ok(here)
    }
}

async fn answer(socket: UdpSocket, here: SocketAddr, answerer: Arc<Mutex<Answerer>>) {
    // One byte more than a challenge has: what is too long is seen to be.
    let mut datagram = [0; CHALLENGE_LENGTH + 1];
    loop {
        let (length, client) = match socket.recv_from(&mut datagram).await {
            Ok(received) => received,
            Err(error) => {
                tracing::debug!(%error, "no longer asked at an address");
                return;
            }
        };
        let challenge = datagram.get(..length).unwrap_or_default();
        let now = crate::clock::now();
        let answer = {
            let mut answerer = answerer.lock().unwrap_or_else(PoisonError::into_inner);
            let answer = answerer.handle_datagram(challenge, here, client, now);
            tracing::trace!(answered = answer.is_some(), turned_away = answerer.turned_away(), "challenged");
            answer
        };
        if let Some(answer) = answer
            && let Err(error) = socket.send_to(&answer, client).await
        {
            tracing::debug!(%error, "a proof did not go out");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::wire::{self, Nonce, Proof};

    #[tokio::test]
    async fn it_answers_where_the_host_is_and_not_where_it_was() {
        let mut prover = Prover::new(Arc::new(Identity::generate().unwrap()), 0);
        let loopback = IpAddr::from([127, 0, 0, 1]);
        let [place] = prover.stand_at(&[loopback])[..] else { panic!("not one place") };
        assert_eq!(prover.stand_at(&[loopback]), [], "it stands there already");
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        client.connect(place).await.unwrap();
        let nonce = Nonce::from_bytes([5; 32]);
        client.send(&wire::challenge(nonce)).await.unwrap();
        let mut answer = [0; 300];
        let length = client.recv(&mut answer).await.unwrap();
        let proof = Proof::read(&answer[..length]).unwrap();
        assert_eq!((proof.nonce, proof.host, proof.client), (nonce, place, client.local_addr().unwrap()));
        prover.stand_at(&[]);
        while prover.tasks.join_next().await.is_some() {}
        let free = UdpSocket::bind(place).await;
        assert!(free.is_ok(), "its port is free again: {free:?}");
    }
}
