//! How much a stranger gets: answers by UDP, and answers to requests that are not signed as they should be.
//!
//! Pure, and of fixed size: networks share buckets by a keyed hash rather than have one each. Whoever is over the limit is
//! sent to TCP, where nobody can ask in another's name. Queries count whether they are signed or not, before their signature
//! is looked at. An update is looked at in any case, and counts only when its signature is not good: the sender of a
//! datagram can be forged, and nobody is to keep a host from registering.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use super::network::Network;

/// What networks may have, in a bucket each, or in one that they share with few; all threads share the buckets.
#[derive(Debug)]
pub(in crate::directory) struct Limits {
    hasher: RandomState,
    /// How much of a bucket drains in a second; zero where there is no limit.
    rate: u32,
    size: u32,
    levels: Box<[AtomicU64]>,
}

impl Limits {
    /// Allows each network so many answers a second; zero for any number.
    pub(in crate::directory) fn of_answers(rate: u32) -> Self {
        Self::new(rate, rate)
    }

    /// Allows each network some answers to requests that are not signed as they should be.
    pub(in crate::directory) fn of_failures() -> Self {
        Self::new(FAILURES, FAILURES_AT_ONCE)
    }

    fn new(rate: u32, size: u32) -> Self {
        let count = if rate == 0 { 0 } else { BUCKETS };
        Self { hasher: RandomState::new(), rate, size, levels: (0..count).map(|_| AtomicU64::new(0)).collect() }
    }

    /// Counts an answer; tells whether it may go out at a time in Unix seconds.
    pub(in crate::directory) fn take(&self, to: IpAddr, now: u64) -> bool {
        if self.levels.is_empty() {
            return true;
        }
        let hash = self.hasher.hash_one(Network::of_neighbours(to));
        let count = u64::try_from(self.levels.len()).unwrap_or_default();
        let at = hash.checked_rem(count).and_then(|at| usize::try_from(at).ok()).unwrap_or_default();
        let Some(level) = self.levels.get(at) else { return true };
        let poured = level.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |level| {
            let Level { at, level } = Level::read(level);
            let passed = u32::try_from(now.saturating_sub(at)).unwrap_or(u32::MAX);
            let level = level.saturating_sub(passed.saturating_mul(self.rate));
            // What does not fit leaves no trace: another second will let it in.
            (level < self.size).then(|| Level { at: now, level: level + 1 }.write())
        });
        poured.is_ok()
    }
}

/// How full a bucket was, and when, in Unix seconds until 2106: one number, so that threads need no lock.
#[derive(Clone, Copy)]
struct Level {
    at: u64,
    level: u32,
}

impl Level {
    fn read(number: u64) -> Self {
        Self { at: number >> 32, level: u32::try_from(number & u64::from(u32::MAX)).unwrap_or_default() }
    }

    fn write(self) -> u64 {
        self.at << 32 | u64::from(self.level)
    }
}

const BUCKETS: usize = 8192;
/// Answers a second to failed requests of one network, and at once: a machine with a wrong clock needs one.
const FAILURES: u32 = 2;
const FAILURES_AT_ONCE: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_gets_its_answers_a_second_and_no_more() {
        let limits = Limits::of_answers(3);
        let allowed = |from, now| (0..10).filter(|_| limits.take(address(from), now)).count();
        assert_eq!(allowed("198.51.100.1", 100), 3);
        assert_eq!(allowed("198.51.100.200", 100), 0, "the same network");
        assert_eq!(allowed("203.0.113.1", 100), 3, "another one");
        assert_eq!(allowed("::ffff:198.51.100.7", 102), 3);
    }

    #[test]
    fn zero_is_no_limit() {
        let limits = Limits::of_answers(0);
        assert!((0..10_000).all(|_| limits.take(address("198.51.100.1"), 5)));
    }

    #[test]
    fn some_failures_are_answered_at_once_and_few_after_them() {
        let limits = Limits::of_failures();
        let answered = |now| (0..100).filter(|_| limits.take(address("2001:db8::1"), now)).count();
        assert_eq!([5, 6].map(answered), [20, 2]);
    }
}
