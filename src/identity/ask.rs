//! The client's shell: a socket an address, and connections to the end of a tunnel, from the first challenge to the last
//! answer.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;

use futures_util::future::select_all;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use super::challenger::{Challenger, Finding, Output, Unproven};
use super::wire::{Nonce, PROOF_LENGTH, Proof};
use crate::record::PublicKey;

/// How long one connection to the end of a tunnel may take from its first packet to the proof.
const CONNECTION_WITHIN: Duration = Duration::from_secs(15);

/// Challenges a host at these addresses, the preferred one first, and at the end of its tunnel, for `patience` at the
/// most; gives the place at which it proved to hold the key.
///
/// # Errors
/// When none did: what is at each of them, as far as it showed.
///
/// # Cancel safety
/// Dropping it loses nothing.
pub async fn challenge(
    pinned: PublicKey,
    at: &[SocketAddr],
    tunnel: Option<SocketAddr>,
    patience: Duration,
) -> Result<SocketAddr, Unproven> {
    let targets: Vec<_> = at.iter().filter_map(|at| with_nonce(*at)).collect();
    let tunnel = tunnel.and_then(with_nonce);
    let mut challenger = Challenger::new(pinned, &targets, tunnel, patience, crate::clock::now());
    let mut connection: Connection = None;
    let mut lanes: Vec<(SocketAddr, UdpSocket)> = Vec::new();
    let mut datagram = [0; PROOF_LENGTH + 1];
    loop {
        while let Some(output) = challenger.poll_output() {
            match output {
                Output::Send(to, bytes) => {
                    if let Err(error) = send(&mut lanes, to, &bytes).await {
                        tracing::debug!(%to, %error, "a challenge did not go out");
                        challenger.handle_refused(to, finding(&error), crate::clock::now());
                    }
                }
                Output::Connect(to, bytes) => {
                    if connection.is_none() {
                        connection = Some(Box::pin(async move { (to, through_tunnel(to, &bytes).await) }));
                    }
                }
                Output::Done(result) => {
                    tracing::debug!(?result, "challenged");
                    return result;
                }
            }
        }
        let deadline = challenger.deadline().map(|(at, _why)| at);
        let heard = tokio::select! {
            heard = first(&lanes, &mut datagram) => Some(heard),
            (from, said) = ended(&mut connection) => {
                let now = crate::clock::now();
                match said {
                    Ok(said) => challenger.handle_datagram(from, &said, now),
                    Err(finding) => challenger.handle_refused(from, finding, now),
                }
                continue;
            }
            () = crate::clock::sleep_until(deadline) => None,
        };
        let now = crate::clock::now();
        match heard {
            Some((from, Ok(length))) => {
                challenger.handle_datagram(from, datagram.get(..length).unwrap_or_default(), now);
            }
            Some((from, Err(error))) if error.kind() == io::ErrorKind::WouldBlock => {
                tracing::trace!(%from, "nothing there after all");
            }
            Some((from, Err(error))) => {
                tracing::debug!(%from, %error, "a challenge came to nobody");
                lanes.retain(|(at, _socket)| *at != from);
                challenger.handle_refused(from, finding(&error), now);
            }
            None => challenger.handle_timeout(now),
        }
    }
}

fn with_nonce(at: SocketAddr) -> Option<(SocketAddr, Nonce)> {
    let mut nonce = [0; 32];
    match SystemRandom::new().fill(&mut nonce) {
        Ok(()) => Some((at, Nonce::from_bytes(nonce))),
        Err(ring::error::Unspecified) => {
            tracing::error!("the system gave no random numbers for a challenge");
            None
        }
    }
}

/// A connection to the end of a tunnel, and what came of it.
type Connection = Option<Pin<Box<dyn Future<Output = (SocketAddr, Result<Vec<u8>, Finding>)> + Send>>>;

/// Waits for the end of a connection; for ever when there is none.
async fn ended(connection: &mut Connection) -> (SocketAddr, Result<Vec<u8>, Finding>) {
    match connection {
        Some(future) => {
            let came = future.await;
            *connection = None;
            came
        }
        None => std::future::pending().await,
    }
}

/// Puts a challenge to whatever is at the end of a tunnel; gives a proof's worth of what it says.
async fn through_tunnel(to: SocketAddr, challenge: &[u8]) -> Result<Vec<u8>, Finding> {
    let ask = async {
        let mut stream = TcpStream::connect(to).await?;
        stream.write_all(challenge).await?;
        let mut said = Vec::with_capacity(PROOF_LENGTH);
        let length = u64::try_from(PROOF_LENGTH).unwrap_or(u64::MAX);
        // An end that comes early may be the tunnel's, which came up or went down just now.
        let _length = stream.take(length).read_to_end(&mut said).await?;
        Ok::<_, io::Error>(said)
    };
    match tokio::time::timeout(CONNECTION_WITHIN, ask).await {
        Ok(Ok(said)) if said.is_empty() => Err(Finding::NoTunnel),
        Ok(Ok(said)) if said.len() == PROOF_LENGTH && Proof::read(&said).is_some() => Ok(said),
        Ok(Ok(_other)) => Err(Finding::NoAnswerer),
        Ok(Err(error)) => {
            tracing::debug!(%to, %error, "no proof through a tunnel");
            let is_there = matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset);
            Err(if is_there { Finding::NoTunnel } else { Finding::NoWay })
        }
        Err(_elapsed) => Err(Finding::Silence),
    }
}

async fn send(lanes: &mut Vec<(SocketAddr, UdpSocket)>, to: SocketAddr, bytes: &[u8]) -> io::Result<()> {
    if !lanes.iter().any(|(at, _socket)| *at == to) {
        let any: IpAddr = match to {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0)).await?;
        socket.connect(to).await?;
        lanes.push((to, socket));
    }
    for (_at, socket) in lanes.iter().filter(|(at, _socket)| *at == to) {
        let _length = socket.send(bytes).await?;
    }
    Ok(())
}

/// Hears whoever says something first.
async fn first(lanes: &[(SocketAddr, UdpSocket)], datagram: &mut [u8]) -> (SocketAddr, io::Result<usize>) {
    if lanes.is_empty() {
        return std::future::pending().await;
    }
    let readable = lanes.iter().map(|(at, socket)| {
        Box::pin(async move {
            // An error here shows again, with its cause, when the socket is read.
            let _readiness = socket.readable().await;
            (*at, socket)
        })
    });
    let ((at, socket), _index, _others) = select_all(readable).await;
    (at, socket.try_recv(datagram))
}

/// What the system's word about an address means (RFC 1122 section 3.2.2.1).
fn finding(error: &io::Error) -> Finding {
    if error.kind() == io::ErrorKind::ConnectionRefused { Finding::NoAnswerer } else { Finding::NoWay }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::identity::Prover;
    use crate::record::Identity;

    const PATIENCE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn the_host_is_found_at_whichever_of_its_addresses_it_is() {
        let identity = Arc::new(Identity::generate().unwrap());
        let mut prover = Prover::new(Arc::clone(&identity), 0);
        let place = prover.stand_at(&[[127, 0, 0, 1].into()])[0];
        // Held, and silent.
        let silent = UdpSocket::bind("127.0.0.2:0").await.unwrap();
        let at = [silent.local_addr().unwrap(), place];
        assert_eq!(challenge(identity.public_key(), &at, None, PATIENCE).await, Ok(place));
    }

    #[tokio::test]
    async fn an_impostor_and_a_machine_without_an_answerer_are_told_apart() {
        let (pinned, other) = (Identity::generate().unwrap().public_key(), Arc::new(Identity::generate().unwrap()));
        let mut prover = Prover::new(Arc::clone(&other), 0);
        let place = prover.stand_at(&[[127, 0, 0, 1].into()])[0];
        let unproven = challenge(pinned, &[place], None, PATIENCE).await.unwrap_err();
        assert_eq!(unproven.foremost(), Some((place, Finding::Another(other.public_key()))));
        let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let unproven = challenge(pinned, &[nobody], None, PATIENCE).await.unwrap_err();
        assert_eq!(unproven.foremost(), Some((nobody, Finding::NoAnswerer)));
    }
}
