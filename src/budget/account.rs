//! Decides whether a call may be made and how long a link may stay, and counts both. Sans IO; owns no clock and no file.
//!
//! Time online is charged ahead, a block at a time, and what is left of the last block is given back at the end. So what is on
//! disk is never less than what was spent.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::ledger::{Ledger, Used};

/// What is charged ahead at a time: a `kill -9` loses no more than this.
const BLOCK: Duration = Duration::from_secs(60);
/// How long before the minutes run out a link is told to end: the record's withdrawal may take five seconds, pppd's goodbye
/// as many.
const WIND_UP: Duration = Duration::from_secs(10);

/// What the owner allows; `None` allows any number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Caps {
    /// Outgoing calls a day.
    pub calls_a_day: Option<u32>,
    /// Minutes online a day.
    pub minutes_a_day: Option<u32>,
    /// Outgoing calls a month.
    pub calls_a_month: Option<u32>,
    /// Minutes online a month.
    pub minutes_a_month: Option<u32>,
}

impl Caps {
    /// Whether anything is capped at all.
    #[must_use]
    pub fn any(&self) -> bool {
        *self != Self::default()
    }
}

/// The cap that is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cap {
    /// The day's calls.
    CallsADay,
    /// The day's minutes.
    MinutesADay,
    /// The month's calls.
    CallsAMonth,
    /// The month's minutes.
    MinutesAMonth,
    /// None, but the count cannot be written down, and so not be kept.
    NotKept,
}

impl Cap {
    /// Tells that it is reached, and the key that sets it in this section of the configuration.
    #[must_use]
    pub fn told(self, section: &str) -> String {
        let (used_up, key) = match self {
            Self::CallsADay => ("today's calls", "calls-a-day"),
            Self::MinutesADay => ("today's minutes", "minutes-a-day"),
            Self::CallsAMonth => ("this month's calls", "calls-a-month"),
            Self::MinutesAMonth => ("this month's minutes", "minutes-a-month"),
            Self::NotKept => {
                return "the count of calls cannot be written to the state directory; is the disk failing or read-only?"
                    .to_owned();
            }
        };
        format!("{used_up} are used up ({section}.{key})")
    }
}

/// Whether a call may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowance {
    /// It may.
    Granted,
    /// It may not.
    Refused(Cap),
}

/// What the shell is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Write the ledger down.
    Store,
    /// End the link in good order; there is time for it.
    RunOut(Cap),
}

/// What is used and what is allowed of one thing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// How much is used.
    pub used: u64,
    /// How much is allowed; `None` for any number.
    pub cap: Option<u32>,
}

/// How the account stands, for people. Minutes are begun ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct View {
    /// Calls today.
    pub calls_today: Left,
    /// Minutes online today.
    pub minutes_today: Left,
    /// Calls this month.
    pub calls_this_month: Left,
    /// Minutes online this month.
    pub minutes_this_month: Left,
    /// By how many days the clock is behind the last day that was counted.
    pub clock_behind: i32,
}

/// The machine's account: what it may spend, and what it has.
#[derive(Debug)]
pub struct Account {
    caps: Caps,
    ledger: Ledger,
    online: Option<Online>,
    outputs: VecDeque<Output>,
}

/// A link that is being charged for.
#[derive(Debug)]
struct Online {
    /// Until when it is paid for.
    until: Instant,
    /// On which day the last block was charged.
    day: Date,
    run_out: bool,
}

impl Account {
    /// An account with these caps, and this spent already.
    #[must_use]
    pub fn new(caps: Caps, ledger: Ledger) -> Self {
        Self { caps, ledger, online: None, outputs: VecDeque::new() }
    }

    /// The owner has changed the caps.
    pub fn set_caps(&mut self, caps: Caps) {
        self.caps = caps;
    }

    /// The caps.
    #[must_use]
    pub fn caps(&self) -> Caps {
        self.caps
    }

    /// Others have counted in the same ledger meanwhile: goes on from what they have left.
    pub fn take_up(&mut self, ledger: Ledger) {
        self.ledger = ledger;
    }

    /// What was spent so far.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Whether a call may be made now: one is left, and a whole minute to talk.
    pub fn allowance(&mut self, clock: Date) -> Allowance {
        let day = self.ledger.day(clock);
        match (self.allowance_to_ring(clock), self.time_left(day)) {
            (Allowance::Granted, Some((left, cap))) if left < BLOCK => Allowance::Refused(cap),
            (allowance, _) => allowance,
        }
    }

    /// Whether a call may be made now that nobody is to answer, and that takes no minutes.
    pub fn allowance_to_ring(&mut self, clock: Date) -> Allowance {
        let day = self.ledger.day(clock);
        let (today, month) = (self.ledger.on(day), self.ledger.in_month_of(day));
        let full = |used: u32, cap: Option<u32>| cap.is_some_and(|cap| used >= cap);
        if full(today.calls, self.caps.calls_a_day) {
            return Allowance::Refused(Cap::CallsADay);
        }
        if full(month.calls, self.caps.calls_a_month) {
            return Allowance::Refused(Cap::CallsAMonth);
        }
        Allowance::Granted
    }

    /// A call is about to be made; gives the day that it counts on.
    pub fn handle_call(&mut self, clock: Date) -> Date {
        let day = self.ledger.day(clock);
        self.ledger.add(day, Used { calls: 1, seconds: 0 });
        self.outputs.push_back(Output::Store);
        day
    }

    /// The call that was counted on this day was not made after all.
    pub fn handle_call_dropped(&mut self, day: Date) {
        self.ledger.take_back(day, Used { calls: 1, seconds: 0 });
        self.outputs.push_back(Output::Store);
    }

    /// The call was answered: from now on it costs.
    pub fn handle_connected(&mut self, clock: Date, now: Instant) {
        let day = self.ledger.day(clock);
        self.online = Some(Online { until: now, day, run_out: false });
        self.charge(clock, now);
    }

    /// Whether a link is being charged for.
    #[must_use]
    pub fn is_online(&self) -> bool {
        self.online.is_some()
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, clock: Date, now: Instant) {
        if self.deadline().is_some_and(|(at, _why)| now >= at) {
            self.charge(clock, now);
        }
    }

    /// The line is on hook again.
    pub fn handle_hung_up(&mut self, now: Instant) {
        let Some(online) = self.online.take() else { return };
        let unused = online.until.saturating_duration_since(now).as_secs();
        self.ledger.take_back(online.day, Used { calls: 0, seconds: unused });
        // The goodbye may have taken longer than was paid for.
        let owed = now.saturating_duration_since(online.until).as_secs();
        self.ledger.add(online.day, Used { calls: 0, seconds: owed });
        self.outputs.push_back(Output::Store);
    }

    /// What there is to do; to be drained after each input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Account::handle_timeout`] is due, and why.
    #[must_use]
    pub fn deadline(&self) -> Option<(Instant, &'static str)> {
        let online = self.online.as_ref().filter(|online| !online.run_out)?;
        let at = online.until.checked_sub(WIND_UP).unwrap_or(online.until);
        Some((at, "the minutes that are paid for to run out"))
    }

    /// How the account stands.
    pub fn view(&mut self, clock: Date) -> View {
        let day = self.ledger.day(clock);
        let (today, month) = (self.ledger.on(day), self.ledger.in_month_of(day));
        let minutes = |used: Used| used.seconds.div_ceil(60);
        View {
            calls_today: Left { used: today.calls.into(), cap: self.caps.calls_a_day },
            minutes_today: Left { used: minutes(today), cap: self.caps.minutes_a_day },
            calls_this_month: Left { used: month.calls.into(), cap: self.caps.calls_a_month },
            minutes_this_month: Left { used: minutes(month), cap: self.caps.minutes_a_month },
            clock_behind: self.ledger.behind(),
        }
    }

    /// Nobody knows what was spent: today counts as used up, and of the month as much as its days so far would have had at an
    /// even pace.
    pub fn assume_the_worst(&mut self, clock: Date) {
        let spent = |cap: Option<u32>| u64::from(cap.unwrap_or(0));
        let (day, days) = (u64::try_from(clock.day()).unwrap_or(1), u64::try_from(clock.days_in_month()).unwrap_or(31));
        let pace = |cap: Option<u32>| (spent(cap) * day).div_ceil(days);
        let share = |a_day: Option<u32>, a_month: Option<u32>| (spent(a_day), pace(a_month));
        let (calls_today, calls_month) = share(self.caps.calls_a_day, self.caps.calls_a_month);
        let (minutes_today, minutes_month) = share(self.caps.minutes_a_day, self.caps.minutes_a_month);
        let used =
            |calls: u64, minutes: u64| Used { calls: u32::try_from(calls).unwrap_or(u32::MAX), seconds: minutes * 60 };
        self.ledger = Ledger::default();
        self.ledger.add(clock, used(calls_today, minutes_today));
        // What the month has besides goes to another of its days; on its first day there is none that is over.
        let rest = used(calls_month.saturating_sub(calls_today), minutes_month.saturating_sub(minutes_today));
        if let Ok(before) = clock.yesterday()
            && before.month() == clock.month()
        {
            self.ledger.add(before, rest);
        }
        self.outputs.push_back(Output::Store);
    }

    /// Charges until the next block is paid for, or nothing is left.
    fn charge(&mut self, clock: Date, now: Instant) {
        let day = self.ledger.day(clock);
        while let Some(online) = self.online.as_ref()
            && online.until.checked_sub(WIND_UP).unwrap_or(online.until) <= now
        {
            let left = self.time_left(day);
            let block = left.map_or(BLOCK, |(left, _cap)| left.min(BLOCK));
            let Some(online) = self.online.as_mut() else { return };
            if block.is_zero() {
                if let Some((_left, cap)) = left
                    && !std::mem::replace(&mut online.run_out, true)
                {
                    self.outputs.push_back(Output::RunOut(cap));
                }
                return;
            }
            online.until += block;
            online.day = day;
            self.ledger.add(day, Used { calls: 0, seconds: block.as_secs() });
            self.outputs.push_back(Output::Store);
        }
    }

    /// How long a link may still be up on this day, and what ends it; `None` while no time is capped.
    fn time_left(&self, day: Date) -> Option<(Duration, Cap)> {
        let left = |used: Used, cap: Option<u32>, which: Cap| {
            let cap = cap?;
            Some((Duration::from_secs((u64::from(cap) * 60).saturating_sub(used.seconds)), which))
        };
        let today = left(self.ledger.on(day), self.caps.minutes_a_day, Cap::MinutesADay);
        let month = left(self.ledger.in_month_of(day), self.caps.minutes_a_month, Cap::MinutesAMonth);
        today.into_iter().chain(month).min_by_key(|(left, _cap)| *left)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    const TODAY: Date = date(2026, 11, 26);

    fn account(caps: Caps) -> Account {
        Account::new(caps, Ledger::default())
    }

    fn outputs(account: &mut Account) -> Vec<Output> {
        std::iter::from_fn(|| account.poll_output()).collect()
    }

    fn after(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_call_after_the_last_is_refused_until_the_next_day() {
        let mut account = account(Caps { calls_a_day: Some(2), ..Caps::default() });
        for _call in 0..2 {
            assert_eq!(account.allowance(TODAY), Allowance::Granted);
            account.handle_call(TODAY);
        }
        assert_eq!(account.allowance(TODAY), Allowance::Refused(Cap::CallsADay));
        let mut again = Account::new(account.caps(), Ledger::parse(&account.ledger().to_text()).unwrap());
        assert_eq!(again.allowance(TODAY), Allowance::Refused(Cap::CallsADay), "a restart changes nothing");
        assert_eq!(again.allowance(TODAY.tomorrow().unwrap()), Allowance::Granted);
    }

    #[test]
    fn a_months_calls_outlast_its_days() {
        let mut account = account(Caps { calls_a_month: Some(1), ..Caps::default() });
        account.handle_call(date(2026, 11, 1));
        assert_eq!(account.allowance(TODAY), Allowance::Refused(Cap::CallsAMonth));
        assert_eq!(account.allowance(date(2026, 12, 1)), Allowance::Granted);
    }

    #[test]
    fn a_call_that_was_not_made_is_given_back() {
        let mut account = account(Caps { calls_a_day: Some(1), ..Caps::default() });
        let day = account.handle_call(TODAY);
        account.handle_call_dropped(day);
        assert_eq!(account.allowance(TODAY), Allowance::Granted);
        assert_eq!(outputs(&mut account), [Output::Store, Output::Store]);
    }

    #[test]
    fn minutes_are_charged_before_they_begin_and_the_rest_is_given_back() {
        let start = crate::clock::now();
        let mut account = account(Caps::default());
        account.handle_connected(TODAY, start);
        assert_eq!(account.ledger().on(TODAY).seconds, 60, "before a second has passed");
        let mut now = start;
        while now < start + after(150) {
            now = account.deadline().unwrap().0;
            account.handle_timeout(TODAY, now);
        }
        assert_eq!(account.ledger().on(TODAY).seconds, 240, "at 170 s the fourth is charged");
        account.handle_hung_up(start + after(171));
        assert_eq!(account.ledger().on(TODAY).seconds, 171);
        assert_eq!(account.deadline(), None);
    }

    #[test]
    fn a_link_is_told_to_end_while_there_is_time_for_it() {
        let start = crate::clock::now();
        let mut account = account(Caps { minutes_a_day: Some(2), ..Caps::default() });
        account.handle_connected(TODAY, start);
        account.handle_timeout(TODAY, start + after(50));
        assert!(!outputs(&mut account).contains(&Output::RunOut(Cap::MinutesADay)));
        account.handle_timeout(TODAY, start + after(109));
        assert_eq!(outputs(&mut account), []);
        account.handle_timeout(TODAY, start + after(110));
        assert_eq!(outputs(&mut account), [Output::RunOut(Cap::MinutesADay)]);
        account.handle_timeout(TODAY, start + after(111));
        assert_eq!((outputs(&mut account), account.deadline()), (vec![], None), "once is enough");
        account.handle_hung_up(start + after(115));
        assert_eq!(account.ledger().on(TODAY).seconds, 115);
        assert_eq!(account.allowance(TODAY), Allowance::Refused(Cap::MinutesADay), "5 s are no call");
    }

    #[test]
    fn a_link_over_midnight_is_charged_to_both_days() {
        let start = crate::clock::now();
        let tomorrow = TODAY.tomorrow().unwrap();
        let mut account = account(Caps { minutes_a_day: Some(1), ..Caps::default() });
        account.handle_connected(TODAY, start);
        account.handle_timeout(tomorrow, start + after(50));
        assert!(!outputs(&mut account).contains(&Output::RunOut(Cap::MinutesADay)));
        account.handle_hung_up(start + after(80));
        assert_eq!((account.ledger().on(TODAY).seconds, account.ledger().on(tomorrow).seconds), (60, 20));
    }

    #[test]
    fn an_unknown_past_uses_up_today_and_leaves_the_month_its_pace() {
        let caps = Caps { calls_a_day: Some(5), calls_a_month: Some(30), ..Caps::default() };
        let mut account = account(caps);
        account.assume_the_worst(date(2026, 11, 15));
        assert_eq!(account.allowance(date(2026, 11, 15)), Allowance::Refused(Cap::CallsADay));
        assert_eq!(account.allowance(date(2026, 11, 16)), Allowance::Granted);
        assert_eq!(account.view(date(2026, 11, 16)).calls_this_month, Left { used: 15, cap: Some(30) });
    }

    #[test]
    fn an_account_without_caps_counts_and_refuses_nothing() {
        let start = crate::clock::now();
        let mut account = account(Caps::default());
        for _call in 0..1000 {
            account.handle_call(TODAY);
        }
        account.handle_connected(TODAY, start);
        account.handle_timeout(TODAY, start + after(86_400));
        assert_eq!(account.allowance(TODAY), Allowance::Granted);
        assert!(outputs(&mut account).iter().all(|output| *output == Output::Store));
        assert_eq!(account.view(TODAY).calls_today.used, 1000);
    }
}
