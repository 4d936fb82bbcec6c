//! The one signal to stop, from Ctrl-C or SIGTERM to every room.
//!
//! A signal that we were started with as ignored stays so: `nohup` keeps a program running after its terminal is gone, and
//! a shell keeps Ctrl-C from what it runs in the background.

use std::io;

use nix::sys::signal::Signal;
use tokio::signal::unix::{self, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Cancels the token at the first SIGINT or SIGTERM, and at a SIGHUP unless that is to mean `reload`.
///
/// # Errors
/// When the signals cannot be caught.
pub fn on_signals(tasks: &mut JoinSet<()>, reload: Option<mpsc::Sender<()>>) -> io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let mut signals = Signals::catch()?;
    if reload.is_some() {
        // Whoever asks a daemon to read its configuration again is no terminal that goes away.
        signals.hang_up = Some(signal(SignalKind::hangup())?);
    }
    let stop = token.clone();
    tasks.spawn(async move {
        while let (Signal::SIGHUP, Some(reload)) = (signals.next().await, &reload) {
            // One that waits already will find all that has changed.
            let _queued = reload.try_send(());
        }
        tracing::debug!("told to stop");
        stop.cancel();
    });
    Ok(token)
}

/// What ends a program that does nothing about it, as far as it is not ignored.
#[derive(Debug)]
pub struct Signals {
    interrupt: Option<unix::Signal>,
    terminate: Option<unix::Signal>,
    hang_up: Option<unix::Signal>,
}

impl Signals {
    /// Catches them from now on.
    ///
    /// # Errors
    /// When they cannot be caught.
    pub fn catch() -> io::Result<Self> {
        let ignored = ignored();
        let catch = |number: Signal, kind| match ignored & (1 << (number as i32 - 1)) {
            0 => signal(kind).map(Some),
            _ => Ok(None),
        };
        Ok(Self {
            interrupt: catch(Signal::SIGINT, SignalKind::interrupt())?,
            terminate: catch(Signal::SIGTERM, SignalKind::terminate())?,
            hang_up: catch(Signal::SIGHUP, SignalKind::hangup())?,
        })
    }

    /// Waits for the next one.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            () = came(&mut self.interrupt) => Signal::SIGINT,
            () = came(&mut self.terminate) => Signal::SIGTERM,
            () = came(&mut self.hang_up) => Signal::SIGHUP,
        }
    }
}

async fn came(signal: &mut Option<unix::Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// The signals that are ignored, a bit each (proc(5), SigIgn).
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}
