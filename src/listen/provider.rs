//! What a machine remembers of its provider from one wake to the next: how its calls went, and a refusal that stands.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::exit::Failure;
use crate::link::{Next, Redial, Verdict, chance};

/// How whatever is said of a refusal that stands begins.
pub(super) const NOT_CALLED: &str = "the provider is not called";

/// The pace of the calls to the one provider, whichever line they are made on.
#[derive(Debug, Default)]
pub(super) struct Provider {
    memory: Mutex<(Redial, String)>,
}

impl Provider {
    /// The link is up.
    pub(super) fn handle_up(&self, now: Instant) {
        self.with(|(redial, _said)| redial.handle_up(now));
    }

    /// A call or a link has ended; gives the moment at which to call again, if that may help.
    pub(super) fn handle_end(&self, next: Next, told: &Failure, now: Instant) -> Option<Instant> {
        let chance = chance();
        self.with(|(redial, said)| {
            said.clone_from(&told.message);
            match redial.handle_end(next, chance, now) {
                Verdict::CallAt(at) => Some(at),
                Verdict::StopUntil(_) | Verdict::Sleep => None,
            }
        })
    }

    /// The owner may have mended what was refused.
    pub(super) fn forgive(&self) {
        self.with(|(redial, _said)| redial.forgive());
    }

    /// Until when nobody may call, if a refusal still stands.
    pub(super) fn refused_until(&self, now: Instant) -> Option<Instant> {
        self.with(|(redial, _said)| redial.stopped_until(now))
    }

    /// Why nobody may call now, if a refusal still stands.
    pub(super) fn refusal(&self, now: Instant) -> Option<String> {
        self.with(|(redial, said)| {
            let left = redial.stopped_until(now)?.saturating_duration_since(now);
            let until = crate::clock::local().saturating_add(left).strftime("%F %H:%M");
            Some(format!("{NOT_CALLED} until {until}: {said}; mend that, and reload ringup"))
        })
    }

    fn with<T>(&self, done: impl FnOnce(&mut (Redial, String)) -> T) -> T {
        done(&mut self.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
