//! The way up: calls the provider, again where that may help, until there is a link.

use std::time::Duration;

use hayes::driver::Driver;
use hayes::modem::Outcome;

use super::{Event, Session};
use crate::exit::Failure;
use crate::link::{self, CallFailure, CallStep, Link, LinkEnd, Up};

/// How often the provider is called for one wake, and the pauses between: a busy or noisy line often clears at once,
/// and the caller gives up after a minute or so.
const REDIAL_AFTER: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(15)];

impl Session<'_> {
    /// Calls the provider, again where that may help. `Err` holds the line, if it is still there.
    pub(super) async fn dial(&self, mut line: Driver) -> Result<(Link, Up), Option<Driver>> {
        if let Err(error) = line.lock() {
            tracing::warn!(%error, "somebody else has the line");
            self.say(&Event::Failed { cause: error.to_string() });
            return Err(Some(line));
        }
        let mut pauses = REDIAL_AFTER.into_iter();
        loop {
            let step = |step| match step {
                CallStep::Dialling => self.say(&Event::Dialling),
                CallStep::Connected => self.say(&Event::Connected),
            };
            let (failure, left) = tokio::select! {
                called = link::call(line, &self.house.settings.isp, step) => match called {
                    Ok(linked) => return Ok(linked),
                    Err((failure, left)) => (failure, left),
                },
                () = self.stop.ended() => return Err(None),
            };
            let told = Failure::from(&failure);
            tracing::warn!(cause = %told, hint = told.hint.as_deref().unwrap_or_default(), "no link");
            self.say(&Event::Failed { cause: told.to_string() });
            let Some(left) = left else { return Err(None) };
            line = left;
            let pause = if worth_redialling(&failure) { pauses.next() } else { None };
            let Some(pause) = pause else {
                line.unlock();
                return Err(Some(line));
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stop.ended() => return Err(None),
            }
        }
    }
}

/// A refused secret, a missing program or a blacklisted number does not get better by calling again.
fn worth_redialling(failure: &CallFailure) -> bool {
    match failure {
        CallFailure::Line(_) => false,
        CallFailure::Call(outcome) => {
            matches!(
                outcome,
                Outcome::Busy | Outcome::NoAnswer | Outcome::RangOut | Outcome::NoCarrier | Outcome::Glare
            )
        }
        CallFailure::Link { end, .. } => {
            matches!(
                end,
                LinkEnd::NoPpp
                    | LinkEnd::NotNegotiated
                    | LinkEnd::TimedOut
                    | LinkEnd::PeerEnded
                    | LinkEnd::CarrierLost
                    | LinkEnd::EchoLost
            )
        }
    }
}
