//! Calls and online time by local calendar day, as text and in memory. Sans IO.
//!
//! Days never run backwards. A clock that falls back (a dead battery, a wrong time from the network) gives no fresh budget: from
//! then on its days are counted from the last day known, until it has caught up.

use std::collections::BTreeMap;
use std::fmt::Write;

use jiff::civil::Date;
use jiff::{Span, ToSpan};

/// What was spent on a day, or in a month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Outgoing calls.
    pub calls: u32,
    /// Time online in seconds, from CONNECT to hang-up.
    pub seconds: u64,
}

impl Used {
    fn plus(self, other: Self) -> Self {
        Self { calls: self.calls.saturating_add(other.calls), seconds: self.seconds.saturating_add(other.seconds) }
    }
}

/// The days, and how far the clock is behind the last of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    days: BTreeMap<Date, Used>,
    /// Days to add to what the clock says.
    behind: i32,
}

impl Ledger {
    /// The ledger that these days make up, as when it is rebuilt from the journal.
    #[must_use]
    pub fn of_days(days: impl IntoIterator<Item = (Date, Used)>) -> Self {
        let mut ledger = Self::default();
        for (day, used) in days {
            let entry = ledger.days.entry(day).or_default();
            *entry = entry.plus(used);
        }
        ledger.forget_old();
        ledger
    }

    /// The day to count on when the clock shows this one.
    pub fn day(&mut self, clock: Date) -> Date {
        let latest = self.days.last_key_value().map_or(clock, |(day, _used)| *day);
        if clock >= latest {
            self.behind = 0;
            return clock;
        }
        let shifted = clock.checked_add(self.behind.days()).unwrap_or(latest);
        if shifted >= latest {
            return shifted;
        }
        self.behind = clock.until(latest).map_or(0, |span: Span| span.get_days());
        latest
    }

    /// By how many days the clock is behind the last day counted; 0 while it is good.
    #[must_use]
    pub fn behind(&self) -> i32 {
        self.behind
    }

    /// What was spent on a day.
    #[must_use]
    pub fn on(&self, day: Date) -> Used {
        self.days.get(&day).copied().unwrap_or_default()
    }

    /// What was spent in a day's month.
    #[must_use]
    pub fn in_month_of(&self, day: Date) -> Used {
        let month = self.days.range(day.first_of_month()..=day.last_of_month());
        month.fold(Used::default(), |sum, (_day, used)| sum.plus(*used))
    }

    /// Counts on a day.
    pub fn add(&mut self, day: Date, used: Used) {
        let entry = self.days.entry(day).or_default();
        *entry = entry.plus(used);
        self.forget_old();
    }

    /// Takes back what was counted and not used.
    pub fn take_back(&mut self, day: Date, unused: Used) {
        if let Some(entry) = self.days.get_mut(&day) {
            entry.calls = entry.calls.saturating_sub(unused.calls);
            entry.seconds = entry.seconds.saturating_sub(unused.seconds);
        }
    }

    /// Counts on each day no less than another ledger does.
    pub fn raise_to(&mut self, other: &Self) {
        for (day, used) in &other.days {
            let entry = self.days.entry(*day).or_default();
            *entry = Used { calls: entry.calls.max(used.calls), seconds: entry.seconds.max(used.seconds) };
        }
        self.forget_old();
    }

    /// The ledger as text: one line for itself, one a day.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("behind {}\n", self.behind);
        for (day, used) in &self.days {
            // Writing to a string cannot fail.
            let _written = writeln!(text, "{day} {} {}", used.calls, used.seconds);
        }
        text
    }

    /// Reads [`Ledger::to_text`]; `None` when it is no such text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let behind = lines.next()?.strip_prefix("behind ")?.parse().ok()?;
        let mut days = BTreeMap::new();
        for line in lines {
            let mut words = line.split(' ');
            let day: Date = words.next()?.parse().ok()?;
            let used = Used { calls: words.next()?.parse().ok()?, seconds: words.next()?.parse().ok()? };
            if words.next().is_some() || days.insert(day, used).is_some() {
                return None;
            }
        }
        Some(Self { days, behind })
    }

    fn forget_old(&mut self) {
        while self.days.len() > DAYS_KEPT {
            let _oldest = self.days.pop_first();
        }
    }
}

/// A month and a few days, so that the longest is always whole.
pub(super) const DAYS_KEPT: usize = 40;

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn call() -> Used {
        Used { calls: 1, seconds: 60 }
    }

    #[test]
    fn days_and_their_month_are_counted_apart() {
        let mut ledger = Ledger::default();
        ledger.add(date(2026, 10, 31), call());
        ledger.add(date(2026, 11, 1), call());
        ledger.add(date(2026, 11, 26), call());
        assert_eq!(ledger.on(date(2026, 11, 26)), call());
        assert_eq!(ledger.in_month_of(date(2026, 11, 26)), Used { calls: 2, seconds: 120 });
        assert_eq!(ledger.in_month_of(date(2026, 12, 1)), Used::default());
    }

    #[test]
    fn a_clock_that_falls_back_gives_no_fresh_day_and_its_days_go_on_from_the_last_known() {
        let mut ledger = Ledger::default();
        ledger.add(date(2026, 11, 26), call());
        assert_eq!(ledger.day(date(1970, 1, 1)), date(2026, 11, 26));
        let mut ledger = Ledger::parse(&ledger.to_text()).unwrap();
        assert_eq!(ledger.day(date(1970, 1, 1)), date(2026, 11, 26), "after a restart as well");
        assert_eq!(ledger.day(date(1970, 1, 2)), date(2026, 11, 27), "a day later is a day later");
        ledger.add(date(2026, 11, 27), call());
        assert_eq!(ledger.day(date(1970, 1, 1)), date(2026, 11, 27), "it falls back again");
        assert_eq!(ledger.day(date(2026, 11, 28)), date(2026, 11, 28), "it was set right");
        assert_eq!(ledger.behind(), 0);
    }

    #[test]
    fn text_is_read_back_and_what_is_no_ledger_is_not() {
        let mut ledger = Ledger::default();
        for day in 1..=30 {
            ledger.add(date(2026, 11, day), call());
        }
        assert_eq!(Ledger::parse(&ledger.to_text()), Some(ledger));
        for text in ["", "behind x\n", "behind 0\n2026-11-26 1\n", "behind 0\n2026-11-26 1 2 3\n", "behind 0\nno 1 2\n"]
        {
            assert_eq!(Ledger::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn old_days_are_forgotten_and_never_those_of_this_month() {
        let mut ledger = Ledger::default();
        let mut day = date(2025, 1, 1);
        for _day in 0..400 {
            ledger.add(day, call());
            day = day.tomorrow().unwrap();
        }
        let last = date(2026, 1, 31);
        assert_eq!(ledger.in_month_of(last).calls, 31);
        assert!(ledger.to_text().lines().count() <= DAYS_KEPT + 1);
    }
}
