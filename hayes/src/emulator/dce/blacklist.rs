//! The numbers a modem refuses to dial because calls to them failed (national approval rules of the nineties).
//!
//! Owns the counts and the times. A number that succeeds is forgotten, and so is one whose time is over; switching the
//! modem off forgets them all.

use std::time::{Duration, Instant};

use crate::profile::Blacklisting;
use crate::reply::ResultCode;

/// The failed calls of a modem.
#[derive(Clone, Debug, Default)]
pub(super) struct Blacklist(Vec<Entry>);

#[derive(Clone, Debug)]
struct Entry {
    number: Box<str>,
    failures: u32,
    last: Instant,
}

impl Blacklist {
    /// Why the modem does not dial this number now, if it does not.
    pub(super) fn refusal(&mut self, rules: &Blacklisting, number: &str, now: Instant) -> Option<ResultCode> {
        self.forget(rules, now);
        let Some(entry) = self.0.iter().find(|entry| &*entry.number == number) else {
            return (self.0.len() >= rules.numbers).then_some(ResultCode::BlacklistFull);
        };
        if entry.failures >= rules.attempts {
            return Some(ResultCode::Blacklisted);
        }
        (entry.delay(rules, now) > Duration::ZERO).then_some(ResultCode::Delayed)
    }

    /// Takes a call that failed.
    pub(super) fn failed(&mut self, rules: &Blacklisting, number: &str, now: Instant) {
        self.forget(rules, now);
        if let Some(entry) = self.0.iter_mut().find(|entry| &*entry.number == number) {
            entry.failures = entry.failures.saturating_add(1);
            entry.last = now;
        } else if self.0.len() < rules.numbers {
            self.0.push(Entry { number: number.into(), failures: 1, last: now });
        }
    }

    /// Takes a call that came about.
    pub(super) fn succeeded(&mut self, number: &str) {
        self.0.retain(|entry| &*entry.number != number);
    }

    /// `*B`: place, failed calls, `*` or the minutes for which the number is refused, the number.
    pub(super) fn listing(&mut self, rules: &Blacklisting, now: Instant) -> Vec<String> {
        self.forget(rules, now);
        let mut lines = vec!["No.  Called  Blocked  Phone".to_owned()];
        for (index, entry) in self.0.iter().enumerate() {
            let blocked = match (entry.failures >= rules.attempts, entry.delay(rules, now)) {
                (true, _) => "*".to_owned(),
                (false, Duration::ZERO) => String::new(),
                (false, left) => minutes(left),
            };
            lines.push(format!("{:<3}  {:<6}  {blocked:<7}  {}", index + 1, entry.failures, entry.number));
        }
        lines
    }

    /// `*D`: the numbers that are delayed, and for how long.
    pub(super) fn delayed(&mut self, rules: &Blacklisting, now: Instant) -> Vec<String> {
        self.forget(rules, now);
        let mut lines = vec!["No.  Delay  Phone".to_owned()];
        let delayed = self.0.iter().filter(|entry| entry.failures < rules.attempts);
        let waiting = delayed.map(|entry| (entry, entry.delay(rules, now))).filter(|(_, left)| !left.is_zero());
        for (index, (entry, left)) in waiting.enumerate() {
            lines.push(format!("{:<3}  {:<5}  {}", index + 1, minutes(left), entry.number));
        }
        lines
    }

    fn forget(&mut self, rules: &Blacklisting, now: Instant) {
        if rules.lasts > 0 {
            let lasts = Duration::from_secs(rules.lasts.max(rules.delay));
            self.0.retain(|entry| now.saturating_duration_since(entry.last) < lasts);
        }
    }
}

impl Entry {
    /// How long the number is still delayed.
    fn delay(&self, rules: &Blacklisting, now: Instant) -> Duration {
        Duration::from_secs(rules.delay).saturating_sub(now.saturating_duration_since(self.last))
    }
}

/// Whole minutes, begun ones included.
fn minutes(left: Duration) -> String {
    format!("{}min", left.as_secs().div_ceil(60).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Blacklisting = Blacklisting { attempts: 3, delay: 60, lasts: 7200, numbers: 2 };

    #[test]
    fn a_failed_number_is_delayed_then_blacklisted_then_forgotten() {
        let start = crate::emulator::an_instant();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut list = Blacklist::default();
        assert_eq!(list.refusal(&RULES, "1", at(0)), None);
        list.failed(&RULES, "1", at(0));
        assert_eq!(list.refusal(&RULES, "1", at(59)), Some(ResultCode::Delayed));
        assert_eq!(list.refusal(&RULES, "2", at(59)), None);
        assert_eq!(list.refusal(&RULES, "1", at(60)), None);
        list.failed(&RULES, "1", at(60));
        list.failed(&RULES, "1", at(120));
        assert_eq!(list.refusal(&RULES, "1", at(7319)), Some(ResultCode::Blacklisted));
        assert_eq!(list.refusal(&RULES, "1", at(7320)), None);
    }

    #[test]
    fn success_clears_a_number_and_a_full_list_refuses_new_ones() {
        let start = crate::emulator::an_instant();
        let mut list = Blacklist::default();
        list.failed(&RULES, "1", start);
        list.failed(&RULES, "2", start);
        assert_eq!(list.refusal(&RULES, "3", start), Some(ResultCode::BlacklistFull));
        list.succeeded("1");
        assert_eq!(list.refusal(&RULES, "3", start), None);
        list.failed(&RULES, "3", start);
        list.failed(&RULES, "4", start);
        assert_eq!(list.listing(&RULES, start).len(), 3, "the list is bounded");
    }

    #[test]
    fn without_a_time_a_number_stays_until_the_modem_is_switched_off() {
        let start = crate::emulator::an_instant();
        let rules = Blacklisting { attempts: 1, delay: 0, lasts: 0, numbers: 5 };
        let mut list = Blacklist::default();
        list.failed(&rules, "1", start);
        let later = start + Duration::from_secs(1_000_000);
        assert_eq!(list.refusal(&rules, "1", later), Some(ResultCode::Blacklisted));
        assert_eq!(list.listing(&rules, later), ["No.  Called  Blocked  Phone", "1    1       *        1"]);
        assert_eq!(list.delayed(&rules, later), ["No.  Delay  Phone"]);
    }
}
