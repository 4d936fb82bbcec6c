//! Decides what becomes of a wake that was cut off, by `kill -9`, a crash or a power cut. Sans IO.

use std::time::Duration;

use super::note::{Step, Wake};

/// A caller waits a minute or two for the machine, then rings again: up to here a wake is worth going on with.
const RECENT: Duration = Duration::from_secs(300);
/// A wake that brings the program down each time must not dial for ever.
const MOST_RESUMES: u32 = 3;

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// Dial again: somebody waits for the machine.
    Again,
    /// Note it as lost.
    GiveUp,
}

/// Decides by how far the wake had come, how long ago that was, and how often it was taken up already; `now` is in
/// milliseconds since 1970.
#[must_use]
pub fn decide(wake: &Wake, now: u64) -> Resume {
    let recent = now.checked_sub(wake.since).is_some_and(|age| Duration::from_millis(age) <= RECENT);
    match wake.step {
        Step::Begun | Step::Dialling | Step::Connected | Step::Up | Step::Registered
            if recent && wake.resumed < MOST_RESUMES =>
        {
            Resume::Again
        }
        Step::Begun | Step::Dialling | Step::Connected | Step::Up | Step::Registered => Resume::GiveUp,
        // It was on its way to sleep.
        Step::Withdrawn | Step::Ended => Resume::GiveUp,
    }
}

#[cfg(test)]
mod tests {
    use super::super::note::WakeNumber;
    use super::*;

    const NOW: u64 = 1_790_000_000_000;

    fn cut_off(step: Step, seconds_ago: u64, resumed: u32) -> Wake {
        let since = NOW - seconds_ago * 1000;
        Wake { step, since, resumed, ..Wake::begin(WakeNumber(1), "/dev/ttyS0", since) }
    }

    #[test]
    fn a_wake_cut_off_a_moment_ago_is_taken_up_again_unless_it_was_going_to_sleep() {
        for step in Step::ALL {
            let expected = if step < Step::Withdrawn { Resume::Again } else { Resume::GiveUp };
            assert_eq!(decide(&cut_off(step, 5, 0), NOW), expected, "{step:?}");
        }
    }

    #[test]
    fn one_that_is_long_past_or_in_the_future_is_given_up() {
        assert_eq!(decide(&cut_off(Step::Dialling, 301, 0), NOW), Resume::GiveUp);
        assert_eq!(decide(&cut_off(Step::Dialling, 0, 0), NOW - 1), Resume::GiveUp, "the clock fell back");
    }

    #[test]
    fn one_that_ends_the_program_each_time_is_given_up() {
        assert_eq!(decide(&cut_off(Step::Dialling, 5, 2), NOW), Resume::Again);
        assert_eq!(decide(&cut_off(Step::Dialling, 5, 3), NOW), Resume::GiveUp);
    }
}
