//! The keeper's socket, and who comes to it.

use std::io::Write;
use std::path::Path;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::connect::own_link::{READY, Want};
use crate::exit::{Failure, Status};

/// More lessees than anybody has terminals.
pub(super) const MOST_LESSEES: usize = 64;

/// What a lessee did.
#[derive(Debug)]
pub(super) enum Told {
    Joined(u64, OwnedWriteHalf),
    Wants(u64, Want),
    Left(u64),
}

/// Opens the socket, unless another keeper answers on it.
pub(super) async fn open_socket(path: &Path) -> Result<Option<UnixListener>, Failure> {
    let broken = |error: std::io::Error| Failure::new(Status::Internal, format!("{}: {error}", path.display()));
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(broken)?;
    }
    if UnixStream::connect(path).await.is_ok() {
        return Ok(None);
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(broken(error)),
        Ok(()) | Err(_) => {}
    }
    UnixListener::bind(path).map(Some).map_err(broken)
}

/// Tells whoever started us that the socket is open. Whoever does not hear it any more is gone, as the lifeline tells.
pub(super) fn say_ready() {
    let mut stdout = std::io::stdout();
    if let Err(error) = writeln!(stdout, "{READY}").and_then(|()| stdout.flush()) {
        tracing::debug!(%error, "nobody hears that the keeper is ready");
    }
}

/// Tells of those who come, and of all that they want.
pub(super) async fn accept(listener: UnixListener, tell: mpsc::Sender<Told>) {
    let mut readers = JoinSet::new();
    let mut lessee = 0;
    loop {
        let Ok((stream, _address)) = listener.accept().await else { return };
        while readers.try_join_next().is_some() {}
        if readers.len() >= MOST_LESSEES {
            continue;
        }
        lessee += 1;
        let (reader, writer) = stream.into_split();
        if tell.send(Told::Joined(lessee, writer)).await.is_err() {
            return;
        }
        let tell = tell.clone();
        readers.spawn(async move {
            let mut lines = BufReader::new(reader).lines();
            while let Ok(Some(text)) = lines.next_line().await {
                let Ok(want) = serde_json::from_str(&text) else { break };
                if tell.send(Told::Wants(lessee, want)).await.is_err() {
                    return;
                }
            }
            if tell.send(Told::Left(lessee)).await.is_err() {
                tracing::debug!("the keeper has ended");
            }
        });
    }
}
