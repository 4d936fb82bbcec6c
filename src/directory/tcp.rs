//! DNS over TCP (RFC 1035 section 4.2.2, RFC 7766): connections bounded in number, altogether and of one client, and in
//! the time that they may take.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::answer::Transport;
use super::front::{Front, is_update, refuse};
use super::request::Request;
use super::transfer::{self, Transfers};
use super::update::Received;

/// Answers connections until the shutdown.
pub(super) async fn serve(
    front: Arc<Front>,
    transfers: Arc<Transfers>,
    listener: TcpListener,
    shutdown: CancellationToken,
) {
    let places = Arc::new(Places::new());
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            Some(_ended) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                // A connection beyond the limit is closed at once: its client tries again, or over UDP.
                if let Some(place) = places.take(peer.ip()) {
                    let (front, transfers) = (Arc::clone(&front), Arc::clone(&transfers));
                    let shutdown = shutdown.clone();
                    connections.spawn(async move {
                        tokio::select! {
                            () = shutdown.cancelled() => {}
                            () = converse(&front, &transfers, stream, peer) => {}
                        }
                        drop(place);
                    });
                }
            }
            Err(error) => {
                tracing::warn!(%error, "accepting a connection failed");
                tokio::time::sleep(ERROR_PAUSE).await;
            }
        }
    }
    while connections.join_next().await.is_some() {}
}

/// Answers one message after another on a connection, for as long as they keep coming.
async fn converse(front: &Arc<Front>, transfers: &Transfers, mut stream: TcpStream, peer: SocketAddr) {
    while let Ok(Ok(message)) = timeout(IDLE, read_framed(&mut stream)).await {
        let Some(request) = Request::read(&message) else { return };
        if transfer::is_transfer(&request) {
            if transfers.serve(front, &request, peer.ip(), &mut stream).await.is_err() {
                return;
            }
            continue;
        }
        let answer = answer(front, &request).await;
        if answer.is_empty() || write_framed(&mut stream, &answer).await.is_err() {
            return;
        }
    }
}

async fn answer(front: &Arc<Front>, request: &Request<'_>) -> Vec<u8> {
    if !is_update(request) {
        let mut out = Vec::with_capacity(512);
        front.query(request, &front.read(), front.clock.now(), Transport::Tcp, &mut out);
        return out;
    }
    match front.receive(request) {
        Received::Answer(answer) | Received::Unauthenticated(answer) => answer,
        Received::Change(pending) => {
            let (done, answered) = oneshot::channel();
            front.record(pending, move |answer| {
                // A client that went away asks again.
                let _gone = done.send(answer);
            });
            answered.await.unwrap_or_else(|_writer_ended| refuse(request))
        }
    }
}

/// Dropping it half-way drops the connection with it, so nothing is left half-read.
async fn read_framed(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut message = vec![0; usize::from(stream.read_u16().await?)];
    let _length = stream.read_exact(&mut message).await?;
    Ok(message)
}

/// Writes a message with its length before it, in the time that a client has for it.
pub(super) async fn write_framed(stream: &mut TcpStream, message: &[u8]) -> std::io::Result<()> {
    let length = u16::try_from(message.len()).map_err(|_long| std::io::ErrorKind::InvalidData)?;
    let framed = [&length.to_be_bytes()[..], message].concat();
    timeout(IDLE, stream.write_all(&framed)).await.map_err(|_elapsed| std::io::ErrorKind::TimedOut)?
}

/// The places for connections: so many in all, and so many for one address.
struct Places {
    all: Arc<Semaphore>,
    of: Mutex<HashMap<IpAddr, usize>>,
}

struct Place {
    places: Arc<Places>,
    of: IpAddr,
    _permit: OwnedSemaphorePermit,
}

impl Places {
    fn new() -> Self {
        Self { all: Arc::new(Semaphore::new(MOST_CONNECTIONS)), of: Mutex::default() }
    }

    fn take(self: &Arc<Self>, of: IpAddr) -> Option<Place> {
        let permit = Arc::clone(&self.all).try_acquire_owned().ok()?;
        let mut counts = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(of).or_default();
        if *count >= MOST_OF_ONE {
            return None;
        }
        *count += 1;
        Some(Place { places: Arc::clone(self), of, _permit: permit })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.places.of.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.of) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.of);
            }
        }
    }
}

const MOST_CONNECTIONS: usize = 256;
const MOST_OF_ONE: usize = 32;
/// RFC 7766 section 6.2.3 leaves the length to the server.
const IDLE: Duration = Duration::from_secs(10);
const ERROR_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_does_not_take_all_the_places() {
        let places = Arc::new(Places::new());
        let [one, other] = ["198.51.100.1", "198.51.100.2"].map(|text| text.parse::<IpAddr>().unwrap());
        let mut taken: Vec<_> = (0..MOST_OF_ONE).map(|_| places.take(one).unwrap()).collect();
        assert!(places.take(one).is_none() && places.take(other).is_some());
        taken.pop();
        assert!(places.take(one).is_some());
        drop(taken);
        assert!(places.of.lock().unwrap().is_empty());
    }
}
