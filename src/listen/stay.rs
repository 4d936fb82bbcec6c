//! How long a wake may last: until nothing has passed for long enough and nothing keeps the link up, or until its owner's
//! limit. Sans IO.

use std::time::{Duration, Instant};

use crate::link::IdleClock;

/// The owner's limits.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How long the link may carry nothing.
    pub idle: Duration,
    /// How long a wake may last, whatever keeps the link up.
    pub session: Option<Duration>,
}

/// Why to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leave {
    /// Nothing has passed, and nothing keeps the link up.
    Idle,
    /// The owner's limit.
    Limit,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Advice {
    /// Stay.
    Stay,
    /// Look whether anything keeps the link up, and say so.
    Look,
    /// Withdraw, and hang up.
    Leave(Leave),
}

/// One link's time.
#[derive(Debug)]
pub(super) struct Stay {
    clock: IdleClock,
    until: Option<Instant>,
    /// Until when it may be unregistered without being idle; `None` once it is registered.
    unregistered_until: Option<Instant>,
    /// When what keeps the link up is looked at again.
    look_at: Option<Instant>,
}

/// How often it is looked whether what keeps an idle link up still does.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// For how long a link on which nobody can find the host yet is not idle: a directory that is slow to answer is asked some
/// times within it.
const UNREGISTERED: Duration = Duration::from_secs(10);

impl Stay {
    /// Begins with the link; the wake, which the owner's limit counts from, may be older.
    pub(super) fn new(limits: &Limits, woken: Instant, now: Instant) -> Self {
        let until = limits.session.map(|session| woken + session);
        let unregistered_until = Some(now + UNREGISTERED);
        Self { clock: IdleClock::new(limits.idle, now), until, unregistered_until, look_at: None }
    }

    /// The host is registered: whoever has rung can find it from now on.
    pub(super) fn handle_registered(&mut self, now: Instant) {
        if self.unregistered_until.take().is_some() {
            self.clock.restart(now);
        }
    }

    /// Takes in the packets that have passed, and how many of them were our own doing; says what to do.
    pub(super) fn handle_packets(&mut self, passed: u64, own: u64, now: Instant) -> Advice {
        self.clock.handle_packets(passed, own, now);
        if self.until.is_some_and(|until| now >= until) {
            return Advice::Leave(Leave::Limit);
        }
        if !self.clock.expired(now) || self.unregistered_until.is_some_and(|until| now < until) {
            self.look_at = None;
            return Advice::Stay;
        }
        if self.look_at.is_some_and(|at| now < at) { Advice::Stay } else { Advice::Look }
    }

    /// For how long nothing has passed.
    pub(super) fn quiet(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.clock.since())
    }

    /// Takes in whether anything keeps the link up.
    pub(super) fn handle_look(&mut self, kept: bool, now: Instant) -> Advice {
        if !kept {
            return Advice::Leave(Leave::Idle);
        }
        self.look_at = Some(now + LOOK_EVERY);
        Advice::Stay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { idle: Duration::from_secs(60), session: Some(Duration::from_secs(300)) };

    fn after(seconds: u64, start: Instant) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn an_idle_link_is_left_unless_something_keeps_it_up_and_then_as_soon_as_that_ends() {
        let start = crate::clock::now();
        let mut stay = Stay::new(&LIMITS, start, start);
        assert_eq!(stay.handle_packets(9, 0, after(10, start)), Advice::Stay);
        assert_eq!(stay.handle_packets(9, 0, after(69, start)), Advice::Stay);
        assert_eq!(stay.handle_packets(9, 0, after(70, start)), Advice::Look);
        assert_eq!(stay.handle_look(true, after(70, start)), Advice::Stay);
        assert_eq!(stay.handle_packets(9, 0, after(74, start)), Advice::Stay, "looked at a moment ago");
        assert_eq!(stay.handle_packets(9, 0, after(75, start)), Advice::Look);
        assert_eq!(stay.handle_look(false, after(75, start)), Advice::Leave(Leave::Idle));
    }

    #[test]
    fn a_link_is_not_idle_before_the_host_is_registered_unless_that_takes_too_long() {
        let start = crate::clock::now();
        let limits = Limits { idle: Duration::from_secs(2), session: None };
        let mut stay = Stay::new(&limits, start, start);
        assert_eq!(stay.handle_packets(0, 0, after(9, start)), Advice::Stay);
        assert_eq!(stay.handle_packets(0, 0, after(10, start)), Advice::Look);

        let mut stay = Stay::new(&limits, start, start);
        stay.handle_registered(after(5, start));
        assert_eq!(stay.handle_packets(0, 0, after(6, start)), Advice::Stay);
        assert_eq!(stay.handle_packets(0, 0, after(7, start)), Advice::Look);
        stay.handle_registered(after(8, start));
        assert_eq!(stay.handle_packets(0, 0, after(8, start)), Advice::Look, "a renewal is no traffic");
    }

    #[test]
    fn a_packet_starts_the_clock_again_even_while_something_keeps_the_link_up() {
        let start = crate::clock::now();
        let mut stay = Stay::new(&LIMITS, start, start);
        assert_eq!(stay.handle_packets(0, 0, after(60, start)), Advice::Look);
        stay.handle_look(true, after(60, start));
        assert_eq!(stay.handle_packets(1, 0, after(64, start)), Advice::Stay);
        assert_eq!(stay.handle_packets(1, 0, after(123, start)), Advice::Stay);
        assert_eq!(stay.handle_packets(1, 0, after(124, start)), Advice::Look);
    }

    #[test]
    fn the_owners_limit_counts_from_the_wake_and_nothing_keeps_the_link_up_beyond_it() {
        let start = crate::clock::now();
        let redialled = after(200, start);
        let mut stay = Stay::new(&LIMITS, start, redialled);
        assert_eq!(stay.handle_packets(5, 0, after(250, start)), Advice::Stay);
        assert_eq!(stay.handle_packets(6, 0, after(300, start)), Advice::Leave(Leave::Limit));
    }
}
