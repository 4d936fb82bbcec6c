//! When to call the provider again. Sans IO; the one place that paces calls, for everybody who needs a link.
//!
//! What has failed for a while is tried again with growing pauses; what only a person can mend stops all calls, for
//! longer each time, so that neither a wrong secret nor a dead number is hammered by whoever rings.

use std::time::{Duration, Instant};

use hayes::modem::Outcome;

use super::end::Next;
use super::isp::CallFailure;

/// The first pause; a busy or noisy line often clears at once, and whoever waits gives up after a minute or so.
const FIRST: Duration = Duration::from_secs(5);
/// The longest pause between two calls.
const LONGEST: Duration = Duration::from_secs(300);
/// How long a refusal stops all calls at first; a person needs that long to mend it.
const FIRST_REFUSAL: Duration = Duration::from_secs(600);
/// How long it stops them at most: once a day somebody may have mended it.
const LONGEST_REFUSAL: Duration = Duration::from_secs(86_400);
/// A link that has stood for this long was a good one: what follows begins anew.
const GOOD: Duration = Duration::from_secs(60);

/// Paces the calls to one provider.
#[derive(Debug, Default)]
pub struct Redial {
    failures: u32,
    refusals: u32,
    up_since: Option<Instant>,
    refused_until: Option<Instant>,
}

/// What follows the end of a call or a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Call again then, if the link is still wanted.
    CallAt(Instant),
    /// No more calls before this moment.
    StopUntil(Instant),
    /// It ended as it was meant to.
    Sleep,
}

impl Redial {
    /// Nothing has been tried yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The link is up.
    pub fn handle_up(&mut self, now: Instant) {
        self.up_since = Some(now);
        self.refusals = 0;
        self.refused_until = None;
    }

    /// A call or a link has ended. `chance` is a random number, which spreads the calls of many machines that lost their
    /// links at one moment.
    pub fn handle_end(&mut self, next: Next, chance: u16, now: Instant) -> Verdict {
        let was_good = self.up_since.take().is_some_and(|since| now.saturating_duration_since(since) >= GOOD);
        if was_good {
            self.failures = 0;
        }
        match next {
            Next::Sleep => {
                self.failures = 0;
                Verdict::Sleep
            }
            Next::Redial => {
                let pause = doubled(FIRST, self.failures, LONGEST);
                self.failures = self.failures.saturating_add(1);
                Verdict::CallAt(now + jittered(pause, chance))
            }
            Next::Stop => {
                let until = now + doubled(FIRST_REFUSAL, self.refusals, LONGEST_REFUSAL);
                self.refusals = self.refusals.saturating_add(1);
                self.refused_until = Some(until);
                Verdict::StopUntil(until)
            }
        }
    }

    /// Until when nobody may call, if a refusal still stands.
    #[must_use]
    pub fn stopped_until(&self, now: Instant) -> Option<Instant> {
        self.refused_until.filter(|until| *until > now)
    }

    /// Lets the next call pass: a person has asked for it, or has changed the configuration.
    pub fn forgive(&mut self) {
        *self = Self { up_since: self.up_since, ..Self::default() };
    }
}

impl CallFailure {
    /// What to do next.
    #[must_use]
    pub fn next(&self) -> Next {
        match self {
            // The line's own supervision mends it, or tells that it cannot.
            Self::NoLine | Self::Line(_) => Next::Redial,
            Self::Call(outcome) => match outcome {
                Outcome::Connected(_)
                | Outcome::Busy
                | Outcome::NoAnswer
                | Outcome::RangOut
                | Outcome::NoCarrier
                | Outcome::NoDialTone
                | Outcome::Glare
                | Outcome::Delayed
                | Outcome::Silent => Next::Redial,
                // A stranger is not to be woken each minute; a number that the modem refuses is wrong.
                Outcome::Voice | Outcome::Refused | Outcome::Blacklisted => Next::Stop,
            },
            Self::Link { end, .. } => end.next(),
        }
    }
}

fn doubled(first: Duration, times: u32, most: Duration) -> Duration {
    first.saturating_mul(1_u32.checked_shl(times.min(20)).unwrap_or(u32::MAX)).min(most)
}

/// Between three and five quarters of a pause.
fn jittered(pause: Duration, chance: u16) -> Duration {
    pause.mul_f64(0.75 + f64::from(chance) / f64::from(u16::MAX) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Leaves a pause as it is.
    const MIDDLE: u16 = u16::MAX / 2;

    fn pause(verdict: Verdict, now: Instant) -> u64 {
        match verdict {
            Verdict::CallAt(at) | Verdict::StopUntil(at) => (at - now + Duration::from_millis(500)).as_secs(),
            Verdict::Sleep => panic!("asleep"),
        }
    }

    #[test]
    fn pauses_grow_to_five_minutes_and_no_further() {
        let now = crate::clock::now();
        let mut redial = Redial::new();
        let pauses: Vec<u64> = (0..9).map(|_call| pause(redial.handle_end(Next::Redial, MIDDLE, now), now)).collect();
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
    }

    #[test]
    fn chance_spreads_the_calls_by_a_quarter_either_way() {
        let now = crate::clock::now();
        let at = |chance| pause(Redial { failures: 3, ..Redial::new() }.handle_end(Next::Redial, chance, now), now);
        assert_eq!((at(0), at(u16::MAX)), (30, 50));
    }

    #[test]
    fn a_link_that_stood_for_a_minute_begins_anew_and_a_fleeting_one_does_not() {
        let now = crate::clock::now();
        let mut redial = Redial { failures: 4, ..Redial::new() };
        redial.handle_up(now);
        assert_eq!(pause(redial.handle_end(Next::Redial, MIDDLE, now), now), 80);
        redial.handle_up(now);
        let later = now + GOOD;
        assert_eq!(pause(redial.handle_end(Next::Redial, MIDDLE, later), later), 5);
    }

    #[test]
    fn a_refusal_stops_all_calls_for_longer_each_time_until_a_link_came_up_or_somebody_forgives() {
        let now = crate::clock::now();
        let mut redial = Redial::new();
        let pauses: Vec<u64> = (0..9).map(|_call| pause(redial.handle_end(Next::Stop, MIDDLE, now), now)).collect();
        assert_eq!(pauses, [600, 1200, 2400, 4800, 9600, 19_200, 38_400, 76_800, 86_400]);
        assert!(redial.stopped_until(now).is_some());
        assert_eq!(redial.stopped_until(now + LONGEST_REFUSAL), None);
        redial.forgive();
        assert_eq!(redial.stopped_until(now), None);
        assert_eq!(pause(redial.handle_end(Next::Stop, MIDDLE, now), now), 600);
    }

    #[test]
    fn an_end_that_was_meant_needs_no_call() {
        let mut redial = Redial::new();
        assert_eq!(redial.handle_end(Next::Sleep, MIDDLE, crate::clock::now()), Verdict::Sleep);
    }
}
