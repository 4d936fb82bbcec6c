//! Decides when a machine that has nothing to do may sleep. Sans IO; suspends nothing itself.

use std::time::{Duration, Instant};

/// After an attempt that failed: the first pause, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(600));

/// When to sleep.
#[derive(Debug)]
pub(super) struct Doze {
    /// How long nothing must have happened; `None`: never sleep.
    after: Option<Duration>,
    held: bool,
    quiet_since: Instant,
    failures: u32,
    not_before: Option<Instant>,
    due: bool,
}

impl Doze {
    /// A machine that has just been started.
    pub(super) fn new(after: Option<Duration>, now: Instant) -> Self {
        Self { after, held: false, quiet_since: now, failures: 0, not_before: None, due: false }
    }

    /// Something is going on, or nothing any more: a ring, a call, a link.
    pub(super) fn handle_held(&mut self, held: bool, now: Instant) {
        if self.held || held {
            self.quiet_since = now;
            self.due = false;
        }
        self.held = held;
    }

    /// The machine has slept, and is awake again: whoever woke it has time to show himself.
    pub(super) fn handle_woken(&mut self, now: Instant) {
        self.quiet_since = now;
        self.failures = 0;
        self.not_before = None;
        self.due = false;
    }

    /// The owner wants another time; it begins now.
    pub(super) fn set_after(&mut self, after: Option<Duration>, now: Instant) {
        if self.after != after {
            (self.after, self.quiet_since) = (after, now);
            (self.not_before, self.failures, self.due) = (None, 0, false);
        }
    }

    /// A wake-up event came in between: as if something had been going on until now.
    pub(super) fn handle_raced(&mut self, now: Instant) {
        self.quiet_since = now;
        self.due = false;
    }

    /// The machine did not go to sleep; gives when it is tried again.
    pub(super) fn handle_failed(&mut self, now: Instant) -> Instant {
        let pause = RETRY.0.saturating_mul(1 << self.failures.min(8)).min(RETRY.1);
        self.failures = self.failures.saturating_add(1);
        self.due = false;
        *self.not_before.insert(now + pause)
    }

    /// Time has passed.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.due |= self.deadline().is_some_and(|(at, _why)| at <= now);
    }

    /// Whether the machine is to sleep now; told once.
    pub(super) fn poll_output(&mut self) -> bool {
        std::mem::take(&mut self.due)
    }

    /// When [`Doze::handle_timeout`] is due, and why.
    pub(super) fn deadline(&self) -> Option<(Instant, &'static str)> {
        if self.held {
            return None;
        }
        let at = self.quiet_since + self.after?;
        Some((self.not_before.map_or(at, |not_before| at.max(not_before)), "nothing to have happened for long enough"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AFTER: Duration = Duration::from_secs(60);

    #[test]
    fn a_machine_sleeps_once_nothing_has_happened_for_long_enough() {
        let start = crate::clock::now();
        let mut doze = Doze::new(Some(AFTER), start);
        doze.handle_timeout(start + AFTER / 2);
        assert!(!doze.poll_output());
        doze.handle_timeout(start + AFTER);
        assert!(doze.poll_output());
        assert!(!doze.poll_output(), "told once");
    }

    #[test]
    fn a_ring_holds_sleep_off_until_its_link_is_down_and_the_time_starts_again() {
        let start = crate::clock::now();
        let mut doze = Doze::new(Some(AFTER), start);
        doze.handle_held(true, start + AFTER / 2);
        assert_eq!(doze.deadline(), None);
        doze.handle_timeout(start + 10 * AFTER);
        assert!(!doze.poll_output());
        doze.handle_held(false, start + 10 * AFTER);
        assert_eq!(doze.deadline().map(|(at, _)| at), Some(start + 11 * AFTER));
    }

    #[test]
    fn a_ring_between_the_decision_and_its_poll_takes_the_decision_back() {
        let start = crate::clock::now();
        let mut doze = Doze::new(Some(AFTER), start);
        doze.handle_timeout(start + AFTER);
        doze.handle_held(true, start + AFTER);
        assert!(!doze.poll_output());
    }

    #[test]
    fn who_woke_the_machine_has_time_to_show_himself() {
        let start = crate::clock::now();
        let mut doze = Doze::new(Some(AFTER), start);
        let woken = start + Duration::from_secs(86_400);
        doze.handle_woken(woken);
        assert_eq!(doze.deadline().map(|(at, _)| at), Some(woken + AFTER));
    }

    #[test]
    fn what_cannot_be_is_tried_ever_more_rarely_and_a_race_soon_again() {
        let start = crate::clock::now();
        let mut now = start + AFTER;
        let mut doze = Doze::new(Some(AFTER), start);
        for seconds in [30, 60, 120, 240, 480, 600, 600] {
            let again = doze.handle_failed(now);
            assert_eq!(again.duration_since(now).as_secs(), seconds);
            assert_eq!(doze.deadline().map(|(at, _)| at), Some(again));
            now = again;
        }
        doze.handle_woken(now);
        doze.handle_raced(now + AFTER);
        assert_eq!(doze.deadline().map(|(at, _)| at), Some(now + AFTER + AFTER));
    }

    #[test]
    fn a_machine_that_is_never_to_sleep_has_no_deadline_until_its_owner_changes_his_mind() {
        let start = crate::clock::now();
        let mut doze = Doze::new(None, start);
        assert_eq!(doze.deadline(), None);
        let later = start + 100 * AFTER;
        doze.set_after(Some(AFTER), later);
        assert_eq!(doze.deadline().map(|(at, _)| at), Some(later + AFTER), "not at once");
        doze.set_after(Some(AFTER), later + AFTER / 2);
        assert_eq!(doze.deadline().map(|(at, _)| at), Some(later + AFTER), "nothing has changed");
        doze.handle_timeout(later + AFTER);
        doze.set_after(None, later + AFTER);
        assert!(!doze.poll_output());
    }
}
