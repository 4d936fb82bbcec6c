//! DNS over TCP (RFC 1035 section 4.2.2, RFC 7766): connections bounded in number, altogether and of one network, and in
//! the time that they may take.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::answer::Transport;
use super::bounds::places::{Place, Places};
use super::figures::Tally;
use super::front::{Front, Taken, is_update, refuse};
use super::request::Request;
use super::transfer::{self, Transfers};

/// What all connections are answered from, at whichever address they come.
#[derive(Debug)]
pub(super) struct Hall {
    front: Arc<Front>,
    transfers: Transfers,
    places: Arc<Places>,
}

impl Hall {
    pub(super) fn new(front: Arc<Front>, transfers: Transfers) -> Self {
        Self { front, transfers, places: Places::new(MOST_CONNECTIONS, MOST_OF_ONE, Vec::new()) }
    }
}

/// Answers connections until the shutdown.
pub(super) async fn serve(hall: Arc<Hall>, listener: TcpListener, shutdown: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            Some(_ended) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                // One for whom there is no place is closed at once: its client tries again, or over UDP.
                if let Some(place) = hall.places.take(peer.ip()) {
                    let (hall, shutdown) = (Arc::clone(&hall), shutdown.clone());
                    connections.spawn(async move {
                        tokio::select! {
                            () = shutdown.cancelled() => {}
                            () = place.lost() => {}
                            () = converse(&hall, stream, peer.ip(), &place) => {}
                        }
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
async fn converse(hall: &Hall, mut stream: TcpStream, peer: IpAddr, place: &Place) {
    while let Ok(message) = read_framed(&mut stream).await {
        let _busy = place.busy();
        let Some(request) = Request::read(&message) else { return };
        if transfer::is_transfer(&request) {
            if hall.transfers.serve(&hall.front, &request, peer, &mut stream).await.is_err() {
                return;
            }
            continue;
        }
        let answer = answer(&hall.front, &request, peer).await;
        if answer.is_empty() || write_framed(&mut stream, &answer).await.is_err() {
            return;
        }
    }
}

async fn answer(front: &Front, request: &Request<'_>, peer: IpAddr) -> Vec<u8> {
    if !is_update(request) {
        let mut out = Vec::with_capacity(512);
        front.query(request, &front.read(), front.clock.now(), Transport::Tcp, peer, &mut out);
        let mut tally = Tally::default();
        tally.answered(&out, false);
        front.figures.queries(Transport::Tcp).add(&tally);
        return out;
    }
    match front.receive(request, peer, Transport::Tcp) {
        Taken::Answer(answer) => answer,
        Taken::Change(pending) => {
            let (done, answered) = oneshot::channel();
            front.record(pending, move |answer, _outbox| {
                // A client that went away asks again.
                let _gone = done.send(answer);
            });
            answered.await.unwrap_or_else(|_writer_ended| refuse(request))
        }
    }
}

/// Reads a message, in the time that a client has for it. Dropping it half-way drops the connection with it, so nothing is
/// left half-read.
async fn read_framed<S: AsyncRead + Unpin>(stream: &mut S) -> std::io::Result<Vec<u8>> {
    let read = async {
        let mut message = vec![0; usize::from(stream.read_u16().await?)];
        let _length = stream.read_exact(&mut message).await?;
        Ok(message)
    };
    timeout(IDLE, read).await.map_err(|_elapsed| std::io::ErrorKind::TimedOut)?
}

/// Writes a message with its length before it, in the time that a client has for it.
pub(super) async fn write_framed<S: AsyncWrite + Unpin>(stream: &mut S, message: &[u8]) -> std::io::Result<()> {
    let length = u16::try_from(message.len()).map_err(|_long| std::io::ErrorKind::InvalidData)?;
    let framed = [&length.to_be_bytes()[..], message].concat();
    timeout(IDLE, stream.write_all(&framed)).await.map_err(|_elapsed| std::io::ErrorKind::TimedOut)?
}

const MOST_CONNECTIONS: usize = 256;
const MOST_OF_ONE: usize = 32;
/// RFC 7766 section 6.2.3 leaves the length to the server.
const IDLE: Duration = Duration::from_secs(10);
const ERROR_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use tokio::io::duplex;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_does_not_come_to_the_end_of_a_message_is_cut() {
        for said in [&[][..], &[0], &[0, 40, 1, 2, 3]] {
            let (mut client, mut server) = duplex(64);
            client.write_all(said).await.unwrap();
            let began = Instant::now();
            let ended = read_framed(&mut server).await.unwrap_err();
            assert_eq!((ended.kind(), began.elapsed()), (std::io::ErrorKind::TimedOut, IDLE), "{said:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_take_an_answer_is_cut() {
        let (_client, mut server) = duplex(64);
        let began = Instant::now();
        let ended = write_framed(&mut server, &[7; 100]).await.unwrap_err();
        assert_eq!((ended.kind(), began.elapsed()), (std::io::ErrorKind::TimedOut, IDLE));
    }
}
