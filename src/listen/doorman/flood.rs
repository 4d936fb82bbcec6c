//! What keeps a flood of calls from costing anything: buckets of tokens for calls that would wake or be answered, and
//! one line in the log for a series of refused ones. A machine has one [`Floodgate`] for all its lines: whoever rings all of
//! them in turn gets no further than who rings one.
//!
//! A flood of refused calls takes no tokens, or it would shut the door to those who may come in.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::rule::Caller;
use super::verdict::{Output, Reason};

/// How long it must be quiet for a series of refused calls to be over.
const QUIET: Duration = Duration::from_secs(10 * 60);
/// How often the owner is told of a series that does not end.
const RECOUNT: Duration = Duration::from_secs(60 * 60);

/// How many calls may wake or be answered; so many at once, and then as they come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// By one caller; all whose number is withheld count as one, as do all whose number is unknown.
    pub per_caller: u32,
    /// By all together.
    pub in_all: u32,
    /// Within this time.
    pub within: Duration,
}

/// What all doormen of a machine know of floods; clones are the same one.
#[derive(Clone, Debug)]
pub struct Floodgate(Arc<Mutex<Flood>>);

#[derive(Debug)]
struct Flood {
    buckets: Buckets,
    refusals: Refusals,
}

impl Floodgate {
    /// A gate that nobody has come to yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self(Arc::new(Mutex::new(Flood { buckets: Buckets::new(limits), refusals: Refusals::default() })))
    }

    /// Other limits from now on. What was counted is kept, but for limits that have changed.
    pub(super) fn set_limits(&self, limits: Limits) {
        let mut flood = self.flood();
        if flood.buckets.limits != limits {
            flood.buckets = Buckets::new(limits);
        }
    }

    /// Whether there is a token for this caller.
    pub(super) fn has(&self, caller: &Caller, now: Instant) -> bool {
        self.flood().buckets.has(caller, now)
    }

    /// Takes a token for this caller, if there is one.
    pub(super) fn take(&self, caller: &Caller, now: Instant) {
        self.flood().buckets.take(caller, now);
    }

    /// Takes a refused call; gives what to say.
    pub(super) fn refuse(&self, reason: Reason, now: Instant) -> Output {
        self.flood().refusals.refuse(reason, now)
    }

    /// Gives what is to be summed up by now, on whichever line asks first.
    pub(super) fn sum_up(&self, now: Instant) -> Vec<Output> {
        self.flood().refusals.sum_up(now)
    }

    /// When [`Floodgate::sum_up`] is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.flood().refusals.deadline()
    }

    fn flood(&self) -> MutexGuard<'_, Flood> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Buckets of tokens, each as the moment at which it will be full again.
#[derive(Debug)]
struct Buckets {
    limits: Limits,
    all: Option<Instant>,
    /// Not more of them than `in_all` lets in before the first is full again.
    each: Vec<(Caller, Instant)>,
}

impl Buckets {
    fn new(limits: Limits) -> Self {
        Self { limits, all: None, each: Vec::new() }
    }

    fn has(&self, caller: &Caller, now: Instant) -> bool {
        let one = self.each.iter().find(|(who, _)| who == caller).map(|(_, full)| *full);
        self.taken(self.all, self.limits.in_all, now).is_some()
            && self.taken(one, self.limits.per_caller, now).is_some()
    }

    fn take(&mut self, caller: &Caller, now: Instant) {
        self.each.retain(|(_, full)| *full > now);
        let place = self.each.iter().position(|(who, _)| who == caller);
        let one = place.and_then(|place| self.each.get(place)).map(|(_, full)| *full);
        let (Some(all), Some(one)) =
            (self.taken(self.all, self.limits.in_all, now), self.taken(one, self.limits.per_caller, now))
        else {
            return;
        };
        self.all = Some(all);
        match place.and_then(|place| self.each.get_mut(place)) {
            Some((_, full)) => *full = one,
            None => self.each.push((caller.clone(), one)),
        }
    }

    /// When a bucket would be full again with one token less in it; `None` if it has none left.
    fn taken(&self, full: Option<Instant>, tokens: u32, now: Instant) -> Option<Instant> {
        let token = self.limits.within.checked_div(tokens)?;
        let full = full.map_or(now, |full| full.max(now)) + token;
        (full <= now + self.limits.within).then_some(full)
    }
}

/// A series of calls refused for one reason.
#[derive(Debug)]
struct Series {
    last: Instant,
    /// When the owner was told.
    told: Instant,
    /// How many came since.
    more: u32,
}

/// Which refused calls the owner has been told of.
#[derive(Debug, Default)]
struct Refusals {
    series: BTreeMap<Reason, Series>,
}

impl Refusals {
    fn refuse(&mut self, reason: Reason, now: Instant) -> Output {
        let again = match self.series.get_mut(&reason) {
            Some(series) if now.saturating_duration_since(series.last) < QUIET => {
                series.last = now;
                series.more = series.more.saturating_add(1);
                true
            }
            Some(_) | None => {
                self.series.insert(reason, Series { last: now, told: now, more: 0 });
                false
            }
        };
        Output::Refused { reason, again }
    }

    fn sum_up(&mut self, now: Instant) -> Vec<Output> {
        let mut outputs = Vec::new();
        self.series.retain(|reason, series| {
            let due = series.due() <= now;
            if due && series.more > 0 {
                outputs.push(Output::MoreRefused { reason: *reason, more: series.more });
                series.more = 0;
                series.told = now;
            }
            series.last + QUIET > now
        });
        outputs
    }

    fn deadline(&self) -> Option<Instant> {
        self.series.values().map(Series::due).min()
    }
}

impl Series {
    fn due(&self) -> Instant {
        let over = self.last + QUIET;
        if self.more > 0 { over.min(self.told + RECOUNT) } else { over }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn caller(digits: &str) -> Caller {
        Caller::Known(digits.to_owned())
    }

    fn admits(buckets: &mut Buckets, who: &Caller, now: Instant) -> bool {
        let has = buckets.has(who, now);
        buckets.take(who, now);
        has
    }

    #[test]
    fn a_caller_has_so_many_calls_at_once_and_then_one_by_one() {
        let start = crate::clock::now();
        let mut buckets = Buckets::new(Limits { per_caller: 3, in_all: 100, within: 30 * MINUTE });
        let who = caller("5550101");
        let at_once = (0..5).filter(|_| admits(&mut buckets, &who, start)).count();
        assert_eq!(at_once, 3);
        assert!(admits(&mut buckets, &caller("5550102"), start), "another caller is not concerned");
        assert!(!admits(&mut buckets, &who, start + 9 * MINUTE));
        assert!(admits(&mut buckets, &who, start + 10 * MINUTE), "a third of the time, a third of the tokens");
        assert!(!admits(&mut buckets, &who, start + 11 * MINUTE));
    }

    #[test]
    fn all_callers_together_have_a_bucket_and_what_is_remembered_of_them_is_bounded() {
        let start = crate::clock::now();
        let mut buckets = Buckets::new(Limits { per_caller: 3, in_all: 10, within: 10 * MINUTE });
        let admitted = (0..1000).filter(|number| admits(&mut buckets, &caller(&number.to_string()), start)).count();
        assert_eq!(admitted, 10);
        assert!(buckets.each.len() <= 10);
        assert!(admits(&mut buckets, &caller("late"), start + MINUTE));
    }

    #[test]
    fn no_tokens_at_all_admit_nobody() {
        let mut buckets = Buckets::new(Limits { per_caller: 0, in_all: 10, within: MINUTE });
        assert!(!admits(&mut buckets, &Caller::Withheld, crate::clock::now()));
    }

    #[test]
    fn a_flood_is_told_of_at_its_start_each_hour_and_at_its_end() {
        let start = crate::clock::now();
        let mut refusals = Refusals::default();
        let mut told = Vec::new();
        let mut now = start;
        for _call in 0..90 {
            if let refused @ Output::Refused { again: false, .. } = refusals.refuse(Reason::UnknownCaller, now) {
                told.push(refused);
            }
            now += MINUTE;
            while refusals.deadline().is_some_and(|due| due <= now) {
                told.extend(refusals.sum_up(now));
            }
        }
        told.extend(refusals.sum_up(now + QUIET));
        assert_eq!(
            told,
            [
                Output::Refused { reason: Reason::UnknownCaller, again: false },
                Output::MoreRefused { reason: Reason::UnknownCaller, more: 59 },
                Output::MoreRefused { reason: Reason::UnknownCaller, more: 30 },
            ]
        );
        assert_eq!(refusals.deadline(), None);
    }

    #[test]
    fn a_flood_does_not_hide_a_call_that_was_refused_for_another_reason() {
        let start = crate::clock::now();
        let mut refusals = Refusals::default();
        refusals.refuse(Reason::UnknownCaller, start);
        assert_eq!(
            refusals.refuse(Reason::Cooldown, start),
            Output::Refused { reason: Reason::Cooldown, again: false }
        );
        assert_eq!(refusals.sum_up(start + QUIET), [], "one call each: there is no more to tell");
    }
}
