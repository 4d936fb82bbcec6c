//! How much a stranger gets: answers by UDP, and answers to requests that are not signed as they should be.
//!
//! Pure, and of fixed size: networks share buckets by a keyed hash rather than have one each. Whoever is over the limit is
//! sent to TCP, where nobody can ask in another's name. A signed request is always looked at: the sender of a datagram can
//! be forged, so a limit on those would let anybody shut anybody out.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

/// The buckets, which all threads share.
#[derive(Debug)]
pub(super) struct Limits {
    hasher: RandomState,
    answers: Buckets,
    failures: Buckets,
}

impl Limits {
    /// Allows each network so many answers a second; zero for any number.
    pub(super) fn new(answers: u32) -> Self {
        let failures = Buckets::new(FAILURES, FAILURES_AT_ONCE);
        Self { hasher: RandomState::new(), answers: Buckets::new(answers, answers), failures }
    }

    /// Counts an answer; tells whether it may go out at a time in Unix seconds.
    pub(super) fn answer(&self, to: IpAddr, now: u64) -> bool {
        self.answers.rate == 0 || to.to_canonical().is_loopback() || self.answers.take(self.bucket(to), now)
    }

    /// Counts an answer to a request that failed its authentication; tells whether it may go out.
    pub(super) fn failure(&self, to: IpAddr, now: u64) -> bool {
        self.failures.take(self.bucket(to), now)
    }

    /// A network is what one customer usually has: an IPv4 /24, an IPv6 /56.
    fn bucket(&self, address: IpAddr) -> u64 {
        self.hasher.hash_one(match address.to_canonical() {
            IpAddr::V4(four) => u64::from(four.to_bits() >> 8),
            IpAddr::V6(six) => {
                let [a, b, c, d, e, f, g, ..] = six.octets();
                u64::from_be_bytes([a, b, c, d, e, f, g, 1])
            }
        })
    }
}

#[derive(Debug)]
struct Buckets {
    rate: u32,
    size: u32,
    levels: Box<[AtomicU64]>,
}

impl Buckets {
    fn new(rate: u32, size: u32) -> Self {
        let count = if rate == 0 { 0 } else { BUCKETS };
        Self { rate, size, levels: (0..count).map(|_| AtomicU64::new(0)).collect() }
    }

    fn take(&self, bucket: u64, now: u64) -> bool {
        let count = u64::try_from(self.levels.len()).unwrap_or_default();
        let at = bucket.checked_rem(count).and_then(|at| usize::try_from(at).ok()).unwrap_or_default();
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
        let limits = Limits::new(3);
        let allowed = |from, now| (0..10).filter(|_| limits.answer(address(from), now)).count();
        assert_eq!(allowed("198.51.100.1", 100), 3);
        assert_eq!(allowed("198.51.100.200", 100), 0, "the same network");
        assert_eq!(allowed("203.0.113.1", 100), 3, "another one");
        assert_eq!(allowed("::ffff:198.51.100.7", 102), 3);
        assert_eq!(allowed("127.0.0.1", 100), 10, "this machine is no stranger");
    }

    #[test]
    fn zero_is_no_limit() {
        let limits = Limits::new(0);
        assert!((0..10_000).all(|_| limits.answer(address("198.51.100.1"), 5)));
    }

    #[test]
    fn failures_have_a_limit_of_their_own() {
        let limits = Limits::new(0);
        let answered = (0..100).filter(|_| limits.failure(address("2001:db8::1"), 5)).count();
        assert_eq!(answered, 20);
        assert!(limits.failure(address("2001:db8::1"), 6));
        assert!(limits.answer(address("2001:db8::1"), 6));
    }
}
