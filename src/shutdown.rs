//! The one signal to stop, from Ctrl-C or SIGTERM to every room.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Cancels the token at the first SIGINT or SIGTERM, and at a SIGHUP unless that is to mean `reload`.
///
/// # Errors
/// When the signals cannot be caught.
pub fn on_signals(tasks: &mut JoinSet<()>, reload: Option<mpsc::Sender<()>>) -> io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let stop = token.clone();
    tasks.spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
                _ = hang_up.recv() => match &reload {
                    // One that waits already will find all that has changed.
                    Some(reload) => drop(reload.try_send(())),
                    None => break,
                },
            }
        }
        tracing::debug!("told to stop");
        stop.cancel();
    });
    Ok(token)
}
