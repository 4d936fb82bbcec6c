//! How many failed logins a network, or a login's name, may cost us. Pure: time is an argument.
//!
//! Only failures are counted, and a good credential always passes: nobody can lock its owner out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::directory::bounds::network::Network;

/// Counts failures; bounded, whatever strangers do.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    buckets: HashMap<Subject, Bucket>,
}

/// Whose failures are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Subject {
    Network(Network),
    Name(String),
    /// Those of whom a proxy tells nothing.
    Unknown,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// When it is empty again.
    empty_at: Instant,
}

impl Throttle {
    /// Counts a failure; tells whether it is one too many, which is to be answered without a word in the log.
    pub(super) fn failed(&mut self, peer: Option<IpAddr>, name: Option<&str>, now: Instant) -> bool {
        let mut too_many = false;
        let from = peer.map_or(Subject::Unknown, |peer| Subject::Network(Network::of_subscriber(peer)));
        let name = name.map(|name| Subject::Name(name.chars().take(64).collect()));
        for subject in [from].into_iter().chain(name) {
            too_many |= self.count(subject, now);
        }
        too_many
    }

    fn count(&mut self, subject: Subject, now: Instant) -> bool {
        if self.buckets.len() >= MOST_SUBJECTS && !self.buckets.contains_key(&subject) {
            self.buckets.retain(|_, bucket| bucket.empty_at > now);
            if self.buckets.len() >= MOST_SUBJECTS {
                return true;
            }
        }
        let bucket = self.buckets.entry(subject).or_insert(Bucket { empty_at: now });
        let filled = bucket.empty_at.max(now) + DRAIN;
        if filled.saturating_duration_since(now) > DRAIN * FAILURES {
            return true;
        }
        bucket.empty_at = filled;
        false
    }
}

/// Failures in a row that are answered as such.
const FAILURES: u32 = 10;
/// How long until one of them is forgotten.
const DRAIN: Duration = Duration::from_secs(6);
/// Beyond, failures of newcomers are all too many.
const MOST_SUBJECTS: usize = 8192;

#[cfg(test)]
mod tests {
    use super::*;

    fn count(throttle: &mut Throttle, peer: &str, name: &str, now: Instant) -> usize {
        (0..100).take_while(|_| !throttle.failed(peer.parse().ok(), Some(name), now)).count()
    }

    #[test]
    fn failures_are_forgotten_one_after_another() {
        let (mut throttle, now) = (Throttle::default(), crate::clock::now());
        assert_eq!(count(&mut throttle, "203.0.113.9", "a", now), 10);
        assert_eq!(count(&mut throttle, "203.0.113.9", "b", now + DRAIN * 3), 3);
        assert_eq!(count(&mut throttle, "203.0.113.10", "c", now), 10, "another address");
        assert_eq!(count(&mut throttle, "203.0.113.11", "c", now), 0, "the same name from yet another");
    }

    #[test]
    fn a_whole_v6_network_counts_as_one() {
        let (mut throttle, now) = (Throttle::default(), crate::clock::now());
        assert_eq!(count(&mut throttle, "2001:db8::1", "a", now), 10);
        assert_eq!(count(&mut throttle, "2001:db8::2", "b", now), 0);
        assert_eq!(count(&mut throttle, "2001:db8:0:1::2", "d", now), 10);
    }

    #[test]
    fn those_of_whom_nothing_is_known_count_as_one() {
        let (mut throttle, now) = (Throttle::default(), crate::clock::now());
        assert_eq!((0..100).take_while(|_| !throttle.failed(None, None, now)).count(), 10);
        assert_eq!(count(&mut throttle, "203.0.113.9", "a", now), 10);
    }

    #[test]
    fn memory_is_bounded_and_room_comes_back() {
        let (mut throttle, now) = (Throttle::default(), crate::clock::now());
        for number in 0..20_000_u32 {
            let peer = IpAddr::from(number.to_be_bytes());
            throttle.failed(Some(peer), None, now);
        }
        assert_eq!(throttle.buckets.len(), MOST_SUBJECTS);
        assert!(throttle.failed("203.0.113.9".parse().ok(), None, now));
        assert!(!throttle.failed("203.0.113.9".parse().ok(), None, now + DRAIN * 2));
    }
}
