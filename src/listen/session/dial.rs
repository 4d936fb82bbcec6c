//! The way up: calls the provider, again where that may help, until there is a link.

use std::time::Instant;

use hayes::driver::{Driver, DriverError};
use hayes::modem;

use super::super::BUDGET;
use super::super::line::{CADENCE_MARGIN, next};
use super::{Again, Event, Left, Session, is_to_end};
use crate::exit::Failure;
use crate::link::{self, CallFailure, CallStep, Link, Up};

impl Session<'_> {
    /// Calls the provider, again where that may help.
    pub(super) async fn dial(&mut self, mut line: Option<Driver>) -> Result<(Link, Up), Left> {
        if let Some(refusal) = self.house.provider.refusal(crate::clock::now()) {
            tracing::warn!(line = self.line, "{refusal}");
            self.say(&Event::Failed { cause: refusal });
            return Err(self.leave(line));
        }
        if let Err(error) = line.as_mut().map_or(Ok(()), Driver::lock) {
            tracing::warn!(%error, "somebody else has the line");
            self.say(&Event::Failed { cause: error.to_string() });
            return Err(self.leave(line));
        }
        loop {
            if let Err(cap) = self.house.chronicle.spend(self.line).await {
                let cause = cap.told(BUDGET);
                tracing::warn!(line = self.line, "no call: {cause}");
                self.say(&Event::Spent { cause: format!("refused: {cause}") });
                return Err(self.leave(line));
            }
            self.calls += 1;
            let (failure, left) = match self.call(line).await {
                Some(Ok(linked)) => return Ok(linked),
                Some(Err(failed)) => failed,
                None => return Err(self.leave(None)),
            };
            // A line that failed is opened anew before anything else is done with it.
            line = left.filter(|_line| !matches!(failure, CallFailure::Line(_)));
            let told = Failure::from(&failure);
            tracing::warn!(cause = %told, hint = told.hint.as_deref().unwrap_or_default(), "no link");
            self.say(&Event::Failed { cause: told.to_string() });
            let again = self.after(failure.next(), &told).filter(|_at| self.calls < self.settings.isp.calls);
            match again {
                Some(at) if line.is_none() => {
                    return Err(Left { line, again: Some(Again { at, calls: self.calls }) });
                }
                Some(at) if self.pause(&mut line, at).await => {}
                Some(_) | None => return Err(self.leave(line)),
            }
        }
    }

    /// Calls the provider once; `None` when the call is to end, which closing the line does.
    async fn call(&mut self, line: Option<Driver>) -> Option<Result<(Link, Up), (CallFailure, Option<Driver>)>> {
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
                    house.say(name, &Event::Spent { cause: cap.told(BUDGET) });
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

    /// Waits before the next call, for longer while somebody rings: to dial then would answer. Tells whether the call is
    /// to be made.
    pub(super) async fn pause(&mut self, line: &mut Option<Driver>, mut until: Instant) -> bool {
        loop {
            tokio::select! {
                () = crate::clock::sleep_until(Some(until)) => return true,
                heard = hear(line) => match heard {
                    Ok(modem::Event::Ring(_)) => {
                        let silence = self.settings.policy.cadence + CADENCE_MARGIN;
                        until = until.max(crate::clock::now() + silence);
                    }
                    Ok(_other) => {}
                    Err(error) => {
                        tracing::warn!(line = self.line, %error, "the line is lost");
                        self.say(&Event::Failed { cause: error.to_string() });
                        *line = None;
                    }
                },
                asked = next(self.asks) => if is_to_end(asked) {
                    self.say(&Event::HangingUp);
                    return false;
                },
                () = self.stop.ended() => return false,
            }
        }
    }
}

/// Waits for what the modem says unasked; for ever where there is none.
async fn hear(line: &mut Option<Driver>) -> Result<modem::Event, DriverError> {
    match line {
        Some(line) => line.next_event().await,
        None => std::future::pending().await,
    }
}
