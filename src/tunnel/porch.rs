//! Receives what comes through the tunnel: a challenge is answered in the name of the tunnel's far end, and everything
//! else is passed on to one service of this machine. So the very port that a client is to use is the one that is proved.
//!
//! Listens on the loopback address only.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::identity::answerer::Answerer;
use crate::identity::wire::{CHALLENGE_LENGTH, begins_challenge};
use crate::record::Identity;

/// How many connections there may be at a time; more wait at the relay.
const MOST_GUESTS: usize = 64;
/// How long a guest may take to say what he is; one who waits for the service to speak first is passed on then. Longer
/// than a round trip over a modem whose queue is full.
const SILENCE: Duration = Duration::from_secs(5);
/// How long a challenge may take from its first byte to its last.
const CHALLENGE_WITHIN: Duration = Duration::from_secs(10);

/// Receives guests for as long as it is held.
#[derive(Debug)]
pub(super) struct Porch {
    port: u16,
    _task: JoinSet<()>,
}

impl Porch {
    /// Receives at a port of its own, proves to be met at `far_end`, and passes on to `service`.
    pub(super) fn open(identity: Arc<Identity>, far_end: SocketAddr, service: SocketAddr) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let host = Arc::new(Host { answerer: Mutex::new(Answerer::new(identity)), far_end, service });
        let mut task = JoinSet::new();
        task.spawn(receive_all(TcpListener::from_std(listener)?, host));
        Ok(Self { port, _task: task })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

struct Host {
    answerer: Mutex<Answerer>,
    far_end: SocketAddr,
    service: SocketAddr,
}

async fn receive_all(listener: TcpListener, host: Arc<Host>) {
    let mut guests = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if guests.len() < MOST_GUESTS => match accepted {
                Ok((stream, from)) => {
                    let host = Arc::clone(&host);
                    guests.spawn(async move {
                        if let Err(error) = receive(stream, from, &host).await {
                            tracing::debug!(%error, "a connection through the tunnel broke off");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "nothing is received from the tunnel for a moment");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            },
            Some(_ended) = guests.join_next() => {}
        }
    }
}

async fn receive(mut guest: TcpStream, from: SocketAddr, host: &Host) -> io::Result<()> {
    let mut heard = Vec::with_capacity(CHALLENGE_LENGTH);
    let is_challenge = timeout(SILENCE, async {
        loop {
            if let Some(is_challenge) = begins_challenge(&heard) {
                return Ok::<_, io::Error>(is_challenge);
            }
            if guest.read_buf(&mut heard).await? == 0 {
                return Ok(false);
            }
        }
    });
    if is_challenge.await.unwrap_or(Ok(false))? {
        return timeout(CHALLENGE_WITHIN, answer(guest, heard, from, host)).await?;
    }
    let mut service = TcpStream::connect(host.service).await.inspect_err(|error| {
        tracing::debug!(service = %host.service, %error, "a guest came through the tunnel, and nobody serves him");
    })?;
    service.write_all(&heard).await?;
    copy_bidirectional(&mut guest, &mut service).await.map(|_octets| ())
}

async fn answer(mut guest: TcpStream, mut heard: Vec<u8>, from: SocketAddr, host: &Host) -> io::Result<()> {
    while heard.len() < CHALLENGE_LENGTH {
        if guest.read_buf(&mut heard).await? == 0 {
            return Ok(());
        }
    }
    let answer = {
        let mut answerer = host.answerer.lock().unwrap_or_else(PoisonError::into_inner);
        answerer.handle_datagram(&heard, host.far_end, from, crate::clock::now())
    };
    if let Some(answer) = answer {
        guest.write_all(&answer).await?;
    }
    guest.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity;
    use crate::identity::Finding;

    const PATIENCE: Duration = Duration::from_secs(60);

    /// A service that says each time what it has heard.
    async fn echo() -> (SocketAddr, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let mut task = JoinSet::new();
        task.spawn(async move {
            loop {
                let (mut stream, _from) = listener.accept().await.unwrap();
                let (mut reader, mut writer) = stream.split();
                drop(tokio::io::copy(&mut reader, &mut writer).await);
            }
        });
        (at, task)
    }

    #[tokio::test]
    async fn whoever_challenges_gets_a_proof_of_the_far_end_and_everybody_else_the_service() {
        let identity = Arc::new(Identity::generate().unwrap());
        let (service, _task) = echo().await;
        // The far end of a tunnel that takes no way at all.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let porch = Porch::open(Arc::clone(&identity), free, service).unwrap();
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, porch.port()));
        let unproven = identity::challenge(identity.public_key(), &[], Some(here), PATIENCE).await.unwrap_err();
        assert_eq!(unproven.foremost(), Some((here, Finding::Relayed(free))), "it is not met here, but there");

        let mut guest = TcpStream::connect(here).await.unwrap();
        guest.write_all(b"RGSSH-2.0-x\r\n").await.unwrap();
        guest.shutdown().await.unwrap();
        let mut said = Vec::new();
        guest.read_to_end(&mut said).await.unwrap();
        assert_eq!(said, b"RGSSH-2.0-x\r\n");
    }

    #[tokio::test]
    async fn what_begins_as_a_challenge_and_is_none_reaches_nobody() {
        let (service, _task) = echo().await;
        let porch = Porch::open(Arc::new(Identity::generate().unwrap()), service, service).unwrap();
        let mut guest = TcpStream::connect((Ipv4Addr::LOCALHOST, porch.port())).await.unwrap();
        guest.write_all(&[&b"RGUP"[..], &[9; CHALLENGE_LENGTH]].concat()).await.unwrap();
        let mut said = Vec::new();
        drop(guest.read_to_end(&mut said).await);
        assert_eq!(said, b"");
    }
}
