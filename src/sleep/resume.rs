//! Tells whether the machine has slept since one last looked. Sans IO.

use std::time::Duration;

/// What the machine says of its sleep so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// How often it has slept, where the kernel counts.
    pub(super) suspends: Option<u64>,
    /// How long it has slept, where its clocks tell.
    pub(super) slept: Duration,
}

/// The two clocks are not read at the same instant, on a loaded machine not even nearly.
const MARGIN: Duration = Duration::from_millis(500);

/// What was seen last, and how many naps were noticed.
#[derive(Debug)]
pub(super) struct Resumes {
    last: Seen,
    naps: u64,
    /// How long the last nap was, as far as the clocks tell.
    length: Duration,
}

impl Resumes {
    /// Begins with what is seen now.
    pub(super) fn new(seen: Seen) -> Self {
        Self { last: seen, naps: 0, length: Duration::ZERO }
    }

    /// Takes in what is seen now; gives how many naps were noticed so far.
    pub(super) fn handle_look(&mut self, seen: Seen) -> u64 {
        let counted = matches!((self.last.suspends, seen.suspends), (Some(last), Some(now)) if now > last);
        if counted || seen.slept > self.last.slept + MARGIN {
            self.naps += 1;
            self.length = seen.slept.saturating_sub(self.last.slept);
        }
        self.last = Seen { slept: seen.slept.max(self.last.slept), ..seen };
        self.naps
    }

    /// How long the last nap was; zero where no clock tells.
    pub(super) fn length(&self) -> Duration {
        self.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(suspends: Option<u64>, slept: u64) -> Seen {
        Seen { suspends, slept: Duration::from_millis(slept) }
    }

    #[test]
    fn a_nap_shows_in_the_count_or_in_the_clocks_and_counts_once() {
        let mut resumes = Resumes::new(seen(Some(3), 100));
        assert_eq!(resumes.handle_look(seen(Some(3), 130)), 0, "the clocks are never read at once");
        assert_eq!(resumes.handle_look(seen(Some(4), 130)), 1, "no gap in the clocks, as in User-mode Linux");
        assert_eq!(resumes.handle_look(seen(Some(5), 60_000)), 2);
        assert_eq!(resumes.length(), Duration::from_millis(59_870));
        assert_eq!(resumes.handle_look(seen(Some(5), 60_010)), 2);
        let mut uncounted = Resumes::new(seen(None, 0));
        assert_eq!(uncounted.handle_look(seen(None, 5000)), 1);
    }

    #[test]
    fn clocks_that_drift_apart_by_a_hair_each_time_are_no_nap() {
        let mut resumes = Resumes::new(seen(None, 0));
        for look in 0..1000 {
            assert_eq!(resumes.handle_look(seen(None, look * 40 % 400)), 0);
        }
    }
}
