//! What is known of a host before the first step, and what an attempt may do and cost.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::record::{HostName, PublicKey, Seq};

/// What is known of the host before the first step.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its name.
    pub host: HostName,
    /// The key that its record must bear; `None` if the first one that it proves to hold is to be believed.
    pub identity: Option<PublicKey>,
    /// The newest record that was ever seen of it: nothing older counts.
    pub seen: Option<Seq>,
    /// Whether it has a number to ring.
    pub has_number: bool,
    /// Whether it is to answer the call, and not only to hear it.
    pub answers: bool,
    /// How many wake-up calls at the most.
    pub calls: u32,
    /// How long to wait after a ring for its new record, the time that our own link takes included.
    pub wait: Duration,
    /// When all of it must be over.
    pub until: Option<Instant>,
    /// Whether we have a provider of our own to dial.
    pub has_isp: bool,
}

/// The least time to wait for a record, once there is a way to ask for it.
pub(super) const LEAST_WAIT: Duration = Duration::from_secs(10);

/// How often our own link may be lost before there is no trusting it: each time costs a call.
pub(super) const MOST_LOSSES: u32 = 2;

/// How long before a number that could not be reached is called again: long enough for a call to end, too long to
/// annoy; and longer each time.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LAST_PAUSE: Duration = Duration::from_secs(60);

/// Varies a pause a little, so that two clients that met on a busy line do not meet again.
pub type Jitter = fn(Duration) -> Duration;

/// Whether the kernel has a way to an address at all, such as to one of IPv6.
pub type HasWay = fn(IpAddr) -> bool;

/// The pauses between calls that did not come about.
#[derive(Debug)]
pub(super) struct Redial {
    next: Duration,
    jitter: Jitter,
}

impl Redial {
    pub(super) fn new(jitter: Jitter) -> Self {
        Self { next: FIRST_PAUSE, jitter }
    }

    /// The pause before the next call.
    pub(super) fn pause(&mut self) -> Duration {
        let pause = (self.jitter)(self.next);
        self.next = (self.next * 2).min(LAST_PAUSE);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_minute() {
        let mut redial = Redial::new(|pause| pause);
        let pauses: Vec<u64> = (0..5).map(|_| redial.pause().as_secs()).collect();
        assert_eq!(pauses, [10, 20, 40, 60, 60]);
    }
}
