//! The way up: calls the provider, again where that may help, until there is a link.

use std::time::Duration;

use hayes::driver::Driver;
use hayes::modem::Outcome;

use super::super::line::next;
use super::{Event, Session, is_to_end};
use crate::exit::Failure;
use crate::link::{self, CallFailure, CallStep, Link, LinkEnd, Up};

/// How often the provider is called for one wake, and the pauses between: a busy or noisy line often clears at once,
/// and the caller gives up after a minute or so.
const REDIAL_AFTER: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(15)];

impl Session<'_> {
    /// Calls the provider, again where that may help. `Err` holds the line, if it is still there.
    pub(super) async fn dial(&mut self, mut line: Driver) -> Result<(Link, Up), Option<Driver>> {
        if let Err(error) = line.lock() {
            tracing::warn!(%error, "somebody else has the line");
            self.say(&Event::Failed { cause: error.to_string() });
            return Err(Some(line));
        }
        let mut pauses = REDIAL_AFTER.into_iter();
        loop {
            if let Err(cap) = self.house.chronicle.spend(self.line).await {
                tracing::warn!(line = self.line, "no call: {cap}");
                self.say(&Event::Spent { cause: format!("refused: {cap}") });
                line.unlock();
                return Err(Some(line));
            }
            let (failure, left) = match self.call(line).await {
                Some(Ok(linked)) => return Ok(linked),
                Some(Err(failed)) => failed,
                None => return Err(None),
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
            if !self.pause(pause).await {
                return Err(None);
            }
        }
    }

    /// Calls the provider once; `None` when the call is to end, which closing the line does.
    async fn call(&mut self, line: Driver) -> Option<Result<(Link, Up), (CallFailure, Option<Driver>)>> {
        let (house, name, stop) = (self.house, self.line, self.stop.clone());
        let step = |step| match step {
            CallStep::Dialling => house.say(name, &Event::Dialling),
            CallStep::Connected => house.say(name, &Event::Connected),
        };
        let call = link::call(line, &self.settings.isp, step);
        tokio::pin!(call);
        loop {
            tokio::select! {
                called = &mut call => return Some(called),
                cap = house.front().budget.run_out() => {
                    house.say(name, &Event::Spent { cause: cap.to_string() });
                    return None;
                }
                asked = next(self.asks) => if is_to_end(asked) {
                    house.say(name, &Event::HangingUp);
                    return None;
                },
                () = stop.ended() => return None,
            }
        }
    }

    /// Waits before the next call; tells whether it still is to be made.
    async fn pause(&mut self, pause: Duration) -> bool {
        let until = crate::clock::now() + pause;
        loop {
            tokio::select! {
                () = crate::clock::sleep_until(Some(until)) => return true,
                asked = next(self.asks) => if is_to_end(asked) {
                    self.say(&Event::HangingUp);
                    return false;
                },
                () = self.stop.ended() => return false,
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
