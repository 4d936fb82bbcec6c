//! What has passed on a link so far, and since when nothing has.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Counts that the relay keeps and others read.
#[derive(Debug, Default)]
pub(super) struct Meter {
    packets: AtomicU64,
    lcp: AtomicBool,
    words: Mutex<String>,
}

impl Meter {
    pub(super) fn add_packets(&self, count: u64) {
        self.packets.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn packets(&self) -> u64 {
        self.packets.load(Ordering::Relaxed)
    }

    pub(super) fn note_lcp(&self) {
        self.lcp.store(true, Ordering::Relaxed);
    }

    /// Whether the other side has spoken LCP.
    pub(super) fn lcp_heard(&self) -> bool {
        self.lcp.load(Ordering::Relaxed)
    }

    pub(super) fn note_words(&self, words: &str) {
        words.clone_into(&mut self.words.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What the other side said before any PPP, if it said anything.
    pub(super) fn words(&self) -> Option<String> {
        let words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        (!words.is_empty()).then(|| words.clone())
    }
}

/// How many packets an interface of this machine has carried, both ways; none once it is gone.
pub(super) fn interface_packets(interface: &str) -> u64 {
    std::fs::read_to_string("/proc/net/dev").map_or(0, |table| packets_of(&table, interface))
}

/// Reads an interface's line of /proc/net/dev: eight counts of what was received, then as many of what was sent; the
/// second of each are packets (proc(5)).
fn packets_of(table: &str, interface: &str) -> u64 {
    let line = table.lines().find_map(|line| line.trim().strip_prefix(interface)?.strip_prefix(':'));
    let counts: Vec<u64> =
        line.into_iter().flat_map(str::split_whitespace).filter_map(|word| word.parse().ok()).collect();
    [1, 9].iter().filter_map(|index| counts.get(*index)).sum()
}

/// Decides when a link is idle: no packet but our own registrations for a given time. Sans IO.
#[derive(Debug)]
pub struct IdleClock {
    limit: Duration,
    others: u64,
    since: Instant,
}

impl IdleClock {
    /// Starts counting now.
    #[must_use]
    pub fn new(limit: Duration, now: Instant) -> Self {
        Self { limit, others: 0, since: now }
    }

    /// Takes in the packets that have passed on the link, and how many of them were our own doing.
    pub fn handle_packets(&mut self, passed: u64, own: u64, now: Instant) {
        let others = passed.saturating_sub(own);
        if others > self.others {
            self.others = others;
            self.since = now;
        }
    }

    /// Starts counting anew.
    pub fn restart(&mut self, now: Instant) {
        self.since = now;
    }

    /// When something passed last that was not our own doing; when the counting began, until then.
    #[must_use]
    pub fn since(&self) -> Instant {
        self.since
    }

    /// When the link will have been idle for long enough, if nothing passes until then.
    #[must_use]
    pub fn deadline(&self) -> (Instant, &'static str) {
        (self.since + self.limit, "the link to have been idle long enough")
    }

    /// Whether it has been idle for long enough.
    #[must_use]
    pub fn expired(&self, now: Instant) -> bool {
        now >= self.deadline().0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interfaces_packets_are_those_received_and_those_sent() {
        let table = "Inter-|   Receive  |  Transmit\n face |bytes packets errs\n\
                     ppp10: 1 100 0 0 0 0 0 0 1 100 0 0 0 0 0 0\n  ppp1: 600 7 0 0 0 0 0 0 900 5 0 0 0 0 0 0\n";
        assert_eq!(packets_of(table, "ppp1"), 12);
        assert_eq!(packets_of(table, "ppp2"), 0);
    }

    #[test]
    fn our_own_registrations_do_not_keep_the_link_up() {
        let start = crate::clock::now();
        let mut clock = IdleClock::new(Duration::from_secs(60), start);
        clock.handle_packets(2, 2, start + Duration::from_secs(50));
        assert!(clock.expired(start + Duration::from_secs(60)));
    }

    #[test]
    fn a_packet_of_somebody_elses_starts_the_clock_again() {
        let start = crate::clock::now();
        let mut clock = IdleClock::new(Duration::from_secs(60), start);
        clock.handle_packets(3, 2, start + Duration::from_secs(50));
        assert!(!clock.expired(start + Duration::from_secs(109)));
        assert!(clock.expired(start + Duration::from_secs(110)));
    }
}
