//! Decides when an interface's addresses have changed for good: one registration a change, however many messages the
//! kernel sends about it. Sans IO.

use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Compares snapshots of an interface's addresses.
#[derive(Debug)]
pub(super) struct Settle {
    time: Duration,
    /// What was last announced; `None` before the first.
    announced: Option<Vec<IpAddr>>,
    pending: Option<(Vec<IpAddr>, Instant)>,
}

impl Settle {
    /// Nothing is known yet.
    pub(super) fn new(time: Duration) -> Self {
        Self { time, announced: None, pending: None }
    }

    /// Takes in a snapshot, in whatever order the kernel lists it.
    pub(super) fn handle_snapshot(&mut self, mut addresses: Vec<IpAddr>, now: Instant) {
        addresses.sort_unstable();
        addresses.dedup();
        if self.announced.as_ref() == Some(&addresses) {
            self.pending = None;
        } else if self.pending.as_ref().is_none_or(|(seen, _since)| *seen != addresses) {
            self.pending = Some((addresses, now));
        }
    }

    /// The addresses to announce, once they have stood for long enough.
    pub(super) fn poll_change(&mut self, now: Instant) -> Option<Vec<IpAddr>> {
        self.pending.take_if(|(_, since)| now >= *since + self.time).map(|(addresses, _since)| {
            self.announced = Some(addresses.clone());
            addresses
        })
    }

    /// When to ask again.
    pub(super) fn deadline(&self) -> Option<(Instant, &'static str)> {
        self.pending.as_ref().map(|(_, since)| (*since + self.time, "the addresses to settle"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_millis(500);

    fn address(last: u8) -> IpAddr {
        IpAddr::from([203, 0, 113, last])
    }

    #[test]
    fn a_change_is_announced_once_it_has_settled_and_only_once() {
        let start = crate::clock::now();
        let mut settle = Settle::new(TIME);
        settle.handle_snapshot(vec![address(1)], start);
        assert_eq!(settle.poll_change(start), None);
        settle.handle_snapshot(vec![address(1)], start + TIME / 2);
        assert_eq!(settle.poll_change(start + TIME), Some(vec![address(1)]), "the same again starts no new wait");
        settle.handle_snapshot(vec![address(1)], start + TIME * 2);
        assert_eq!(settle.deadline(), None);
    }

    #[test]
    fn an_address_that_goes_and_comes_back_at_once_is_no_change() {
        let start = crate::clock::now();
        let mut settle = Settle::new(TIME);
        settle.handle_snapshot(vec![address(1)], start);
        settle.poll_change(start + TIME);
        settle.handle_snapshot(vec![], start + TIME);
        settle.handle_snapshot(vec![address(1)], start + TIME + TIME / 2);
        assert_eq!(settle.poll_change(start + TIME * 3), None);
    }

    #[test]
    fn a_lost_address_is_announced_as_none() {
        let start = crate::clock::now();
        let mut settle = Settle::new(TIME);
        settle.handle_snapshot(vec![address(1)], start);
        settle.poll_change(start + TIME);
        settle.handle_snapshot(vec![], start + TIME);
        assert_eq!(settle.poll_change(start + TIME * 2), Some(vec![]));
    }
}
