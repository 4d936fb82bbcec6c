//! What registrar and tunnel say, told to whoever follows along and to the log.

use super::Event;
use crate::dns::{Progress, Withdrawal};
use crate::exit::Failure;
use crate::tunnel;

/// Tells how a registration goes; `since_ring` in milliseconds.
pub(super) fn tell(progress: Progress, since_ring: u64, say: impl Fn(&Event)) {
    match progress {
        Progress::Registered(done) => {
            let seq = done.seq.number();
            tracing::info!(directory = &*done.directory, seq, since_ring_ms = since_ring, "registered");
            say(&Event::Registered { seq, since_ring, directory: done.directory.to_string() });
        }
        Progress::Failed { directory, error, again } => {
            let told = Failure::from(&error);
            let again_in = again.saturating_duration_since(tokio::time::Instant::now());
            let (directory, hint) = (directory.as_deref(), told.hint.as_deref().unwrap_or_default());
            tracing::warn!(directory, cause = %told, hint, ?again_in, "not registered");
            let at = directory.map(|directory| format!("{directory}: ")).unwrap_or_default();
            say(&Event::Failed { cause: format!("{at}{told}") });
        }
    }
}

/// Tells where the record says asleep now, and where it does not.
pub(super) fn tell_withdrawal(withdrawal: Withdrawal, say: impl Fn(&Event)) {
    for done in withdrawal.done {
        tracing::info!(directory = &*done.directory, seq = done.seq.number(), "withdrawn");
        say(&Event::Withdrawn { seq: done.seq.number(), directory: done.directory.to_string() });
    }
    for (directory, error) in withdrawal.failed {
        tracing::warn!(directory = &*directory, %error, "not withdrawn; the lease will run out");
    }
}

/// Tells how the tunnel fares.
pub(super) fn tell_tunnel(happened: tunnel::Event, settings: Option<&tunnel::Settings>, say: impl Fn(&Event)) {
    let at = settings.map(|tunnel| tunnel.far_end.to_string()).unwrap_or_default();
    say(&match happened {
        tunnel::Event::Opening => Event::TunnelOpening { at },
        tunnel::Event::Up => Event::TunnelUp { at },
        tunnel::Event::Down { cause, again } => {
            Event::TunnelDown { cause, again_ms: u64::try_from(again.as_millis()).unwrap_or(u64::MAX) }
        }
    });
}
