//! When a tunnel that went down is opened again. Sans IO.
//!
//! The first pauses are short, because somebody waits; the longest are longer than most links may be idle for, so that a
//! relay that is away does not keep a link up, which costs money.

use std::time::{Duration, Instant};

/// The first pause.
const FIRST: Duration = Duration::from_secs(2);
/// The longest.
const LONGEST: Duration = Duration::from_secs(1800);
/// A tunnel that has stood for this long was a good one: what follows begins anew.
const GOOD: Duration = Duration::from_secs(60);

/// Paces the openings of one tunnel.
#[derive(Debug)]
pub struct Keeper {
    failures: u32,
    up_since: Option<Instant>,
    jitter: fn(Duration) -> Duration,
}

impl Keeper {
    /// Nothing has been tried yet. `jitter` varies a pause a little: many tunnels may have lost one relay.
    #[must_use]
    pub fn new(jitter: fn(Duration) -> Duration) -> Self {
        Self { failures: 0, up_since: None, jitter }
    }

    /// It is up.
    pub fn handle_up(&mut self, now: Instant) {
        self.up_since = Some(now);
    }

    /// It has ended, or could not be opened; gives how long to wait.
    pub fn handle_end(&mut self, now: Instant) -> Duration {
        if self.up_since.take().is_some_and(|since| now.saturating_duration_since(since) >= GOOD) {
            self.failures = 0;
        }
        let pause = FIRST.saturating_mul(2_u32.saturating_pow(self.failures)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        (self.jitter)(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_half_an_hour_and_begin_anew_after_a_good_tunnel_only() {
        let (mut keeper, start) = (Keeper::new(|pause| pause), crate::clock::now());
        let pauses: Vec<u64> = (0..12).map(|_| keeper.handle_end(start).as_secs()).collect();
        assert_eq!(pauses, [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1800, 1800]);
        keeper.handle_up(start);
        assert_eq!(keeper.handle_end(start + GOOD / 2), LONGEST);
        keeper.handle_up(start);
        assert_eq!(keeper.handle_end(start + GOOD), FIRST);
        (0..100).for_each(|_| assert!(keeper.handle_end(start) <= LONGEST));
    }
}
