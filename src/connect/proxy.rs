//! `ringup proxy`: standard input and output, joined to a port of a host that has proved to be the one; what ssh calls a
//! ProxyCommand.
//!
//! The two ways are copied by threads that block: standard input may be anything that can be read, and one that nobody
//! closes must not hold up the end.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::exit::{Failure, Status};

/// How long a connection may take to come about, retransmissions of a slow line included.
const CONNECT_WITHIN: Duration = Duration::from_secs(30);

/// Passes bytes between our standard streams and a port, until the other side ends.
///
/// # Errors
/// When nobody listens there, or our own streams cannot be used.
///
/// # Cancel safety
/// When dropped, what is under way may be lost; the connection ends with the process.
pub async fn pass(host: &str, address: IpAddr, port: u16) -> Result<(), Failure> {
    let at = SocketAddr::new(address, port);
    let connected = tokio::time::timeout(CONNECT_WITHIN, tokio::net::TcpStream::connect(at)).await;
    let connected = connected.unwrap_or_else(|_elapsed| Err(io::ErrorKind::TimedOut.into()));
    let stream = connected.and_then(tokio::net::TcpStream::into_std);
    let stream = stream.map_err(|error| not_connected(host, port, &error))?;
    stream.set_nonblocking(false).map_err(|error| broken(&error))?;
    let input = File::from(io::stdin().as_fd().try_clone_to_owned().map_err(|error| broken(&error))?);
    // Not the standard library's: that one keeps back what has no end of line.
    let output = File::from(io::stdout().as_fd().try_clone_to_owned().map_err(|error| broken(&error))?);
    let outwards = stream.try_clone().map_err(|error| broken(&error))?;
    let (over, is_over) = oneshot::channel();
    let _detached = std::thread::spawn(move || forwards(input, outwards));
    let _detached = std::thread::spawn(move || {
        if over.send(backwards(stream, output)).is_err() {
            tracing::debug!("nobody waits for the end");
        }
    });
    match is_over.await {
        Ok(Ok(())) | Err(_) => Ok(()),
        Ok(Err(error)) => Err(broken(&error)),
    }
}

fn not_connected(host: &str, port: u16, error: &io::Error) -> Failure {
    Failure::new(Status::Unreachable, format!("{host} is online, but port {port} cannot be used: {error}"))
        .hint("is the service running there? is the port right?")
}

fn broken(error: &io::Error) -> Failure {
    Failure::new(Status::Internal, format!("cannot pass bytes on: {error}"))
}

/// Every way in which bytes do not pass, for the snapshot of every message.
#[cfg(test)]
pub(in crate::connect) fn every_end() -> Vec<Failure> {
    let host = "home.dyn.example";
    let refused = [io::ErrorKind::ConnectionRefused, io::ErrorKind::TimedOut];
    let refused = refused.map(|kind| not_connected(host, 22, &kind.into()));
    refused.into_iter().chain([broken(&io::ErrorKind::StorageFull.into())]).collect()
}

fn forwards(mut input: File, mut outwards: TcpStream) {
    let sent = copy(&mut input, &mut outwards).and_then(|()| outwards.shutdown(Shutdown::Write));
    if let Err(error) = sent {
        tracing::debug!(%error, "the other side reads no more");
    }
}

fn backwards(mut stream: TcpStream, mut output: File) -> io::Result<()> {
    match copy(&mut stream, &mut output) {
        Err(error) if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => Ok(()),
        copied => copied,
    }
}

/// Passes on what comes, at once. The standard library's copy splices, and a splice that waits for a socket keeps the pipe
/// locked against whoever would read what is in it.
fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut octets = [0; 16 * 1024];
    loop {
        match from.read(&mut octets) {
            Ok(0) => return Ok(()),
            Ok(count) => to.write_all(octets.get(..count).unwrap_or_default())?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
