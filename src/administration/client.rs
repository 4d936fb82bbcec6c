//! One request to the directory that runs on this machine, over the socket that only its owner may open.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::exit::{Failure, Status};

/// Asks, and gives the answer's JSON; `null` for an answer without a body.
///
/// # Errors
/// When the directory does not run here, or refuses.
pub(super) async fn ask(socket: &Path, method: &str, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
    let asked = timeout(WITHIN, exchange(socket, method, path, body)).await;
    let answer = match asked {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return Err(unreachable(socket, &error)),
        Err(_elapsed) => return Err(unreachable(socket, &ErrorKind::TimedOut.into())),
    };
    let garbled = || Failure::new(Status::DirectoryRefused, "the directory's answer cannot be read");
    let (status, body) = read(&answer).ok_or_else(garbled)?;
    let value: Value =
        if body.is_empty() { Value::Null } else { serde_json::from_slice(body).map_err(|_no_json| garbled())? };
    if (200..300).contains(&status) {
        return Ok(value);
    }
    let told = value.get("message").and_then(Value::as_str).unwrap_or("the directory refused").to_owned();
    Err(Failure::new(if status == 404 { Status::UnknownHost } else { Status::DirectoryRefused }, told))
}

async fn exchange(socket: &Path, method: &str, path: &str, body: Option<&Value>) -> std::io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(socket).await?;
    let body = body.map(Value::to_string).unwrap_or_default();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: directory\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer)
}

/// Status and body of an answer that ends with its connection.
fn read(answer: &[u8]) -> Option<(u16, &[u8])> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let (head, body) = answer.split_at_checked(end + 4)?;
    let status = std::str::from_utf8(head).ok()?.split(' ').nth(1)?.parse().ok()?;
    Some((status, body))
}

fn unreachable(socket: &Path, error: &std::io::Error) -> Failure {
    let told = format!("cannot ask the directory at {}: {error}", socket.display());
    let hint = if error.kind() == ErrorKind::PermissionDenied {
        "run this as the user that the directory runs as, or as root"
    } else {
        "the directory must be running on this machine: ringup directory --config FILE, with the same file"
    };
    Failure::new(Status::DirectoryUnreachable, told).hint(hint)
}

const WITHIN: Duration = Duration::from_secs(30);
