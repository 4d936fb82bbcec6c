//! The host's shell: a socket at each address where the host is registered, and nowhere else.
//!
//! A socket of one address knows to which address a challenge came, which is what is signed, and answers from there. Behind
//! a router that passes challenges on, what is signed is the router's address, on a fresh word of who knows it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use super::answerer::Answerer;
use super::wire::CHALLENGE_LENGTH;
use crate::record::{Identity, Reachability};

/// Tells by which address clients know this machine that is behind one of its own, where a router passes on to it what comes
/// there; `None` when nobody is sure. It is asked for each proof, and has to vouch for this moment.
#[derive(Clone)]
pub struct KnownAs(Arc<Ask>);

type Ask = dyn Fn(IpAddr) -> Pin<Box<dyn Future<Output = Option<IpAddr>> + Send>> + Send + Sync;

impl KnownAs {
    /// Asks by this.
    pub fn new<A>(ask: impl Fn(IpAddr) -> A + Send + Sync + 'static) -> Self
    where
        A: Future<Output = Option<IpAddr>> + Send + 'static,
    {
        Self(Arc::new(move |own| Box::pin(ask(own))))
    }
}

impl fmt::Debug for KnownAs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KnownAs")
    }
}

/// Answers challenges at a host's addresses for as long as it is held.
#[derive(Debug)]
pub struct Prover {
    port: u16,
    answerer: Arc<Mutex<Answerer>>,
    known_as: Option<KnownAs>,
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
        Self { port, answerer, known_as: None, stands: Vec::new(), tasks: JoinSet::new() }
    }

    /// The same one, of a machine behind a router: at its addresses that only its own network can reach it proves to be met
    /// at the router's.
    #[must_use]
    pub fn behind(mut self, known_as: KnownAs) -> Self {
        self.known_as = Some(known_as);
        self
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
        let is_hidden = Reachability::of(at.ip()) != Reachability::Public;
        let known_as = self.known_as.clone().filter(|_| is_hidden);
        let task = self.tasks.spawn(answer(socket, here, known_as, answerer));
        self.stands.push(Stand { address: at.ip(), task });
        Ok(here)
    }
}

async fn answer(socket: UdpSocket, here: SocketAddr, known_as: Option<KnownAs>, answerer: Arc<Mutex<Answerer>>) {
    let answerer = || answerer.lock().unwrap_or_else(PoisonError::into_inner);
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
        let nonce = answerer().admit(challenge, client, crate::clock::now());
        let Some(nonce) = nonce else {
            tracing::trace!(turned_away = answerer().turned_away(), "not answered");
            continue;
        };
        let host = match &known_as {
            None => here,
            Some(KnownAs(ask)) => match ask(here.ip()).await {
                Some(address) => SocketAddr::new(address, here.port()),
                None => {
                    tracing::debug!("no proof: nobody is sure of the router's address");
                    continue;
                }
            },
        };
        let answer = answerer().prove(nonce, host, client);
        tracing::trace!("challenged, and proved");
        if let Err(error) = socket.send_to(&answer, client).await {
            tracing::debug!(%error, "a proof did not go out");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::wire::{self, Nonce, Proof};

    #[tokio::test]
    async fn behind_a_router_it_proves_the_routers_address_or_nothing() {
        let identity = Arc::new(Identity::generate().unwrap());
        let router: IpAddr = [203, 0, 113, 9].into();
        let sure = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let word = Arc::clone(&sure);
        let known_as = KnownAs::new(move |_own| {
            let is_sure = word.swap(true, std::sync::atomic::Ordering::Relaxed);
            async move { is_sure.then_some(router) }
        });
        let mut prover = Prover::new(identity, 0).behind(known_as);
        let [place] = prover.stand_at(&[[127, 0, 0, 1].into()])[..] else { panic!("not one place") };
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        client.connect(place).await.unwrap();
        // The first one is not answered: nobody is sure yet.
        for nonce in [5, 6] {
            client.send(&wire::challenge(Nonce::from_bytes([nonce; 32]))).await.unwrap();
        }
        let mut answer = [0; 300];
        let length = client.recv(&mut answer).await.unwrap();
        let proof = Proof::read(&answer[..length]).unwrap();
        assert_eq!((proof.nonce, proof.host.ip()), (Nonce::from_bytes([6; 32]), router));
    }

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
