//! The one signal to stop, from Ctrl-C or SIGTERM to every room.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Cancels the token at the first SIGINT, SIGTERM or SIGHUP.
///
/// # Errors
/// When the signals cannot be caught.
pub fn on_signals(tasks: &mut JoinSet<()>) -> io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let stop = token.clone();
    tasks.spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
        tracing::debug!("told to stop");
        stop.cancel();
    });
    Ok(token)
}
