//! The other end of the socket, for `ringup status` and its like.

use std::io;
use std::path::Path;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::protocol::{self, Answer, LONGEST_ANSWER, Request};
use crate::exit::{Failure, Status};

/// A question that was put to a daemon.
#[derive(Debug)]
pub(super) struct Client {
    stream: UnixStream,
    buffer: Vec<u8>,
}

impl Client {
    /// Asks; `None` when no daemon runs there.
    ///
    /// # Errors
    /// When one may, but it cannot be asked.
    pub(super) async fn ask(socket: &Path, request: &Request) -> Result<Option<Self>, Failure> {
        let failed = |error: &io::Error| {
            let failure = Failure::new(Status::Internal, format!("cannot ask at {}: {error}", socket.display()));
            if error.kind() == io::ErrorKind::PermissionDenied {
                return failure.hint("ask as root, or as a member of the socket's group");
            }
            failure
        };
        let mut stream = match UnixStream::connect(socket).await {
            Ok(stream) => stream,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                return Ok(None);
            }
            Err(error) => return Err(failed(&error)),
        };
        stream.write_all(&protocol::line(request)).await.map_err(|error| failed(&error))?;
        Ok(Some(Self { stream, buffer: Vec::new() }))
    }

    /// Waits for the next answer; `None` when the daemon has gone.
    ///
    /// # Errors
    /// With the daemon's refusal.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(super) async fn next(&mut self) -> Result<Option<Answer>, Failure> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return match protocol::answer(&line)? {
                    Answer::Refused(refusal) => Err(refusal),
                    answer @ (Answer::Standing(_) | Answer::Done(_)) => Ok(Some(answer)),
                };
            }
            if self.buffer.len() > LONGEST_ANSWER {
                return Err(Failure::new(Status::Internal, "the daemon's answer does not end"));
            }
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(0) | Err(_) => return Ok(None),
                Ok(_more) => {}
            }
        }
    }
}
