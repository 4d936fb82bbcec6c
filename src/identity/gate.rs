//! How many challenges are answered: few from one network, and not many from all of them. Bounded memory.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// How many at once, and how long until there is one more, for one network: some clients behind one address, each with
/// retransmissions.
const ONE: Allowance = Allowance { burst: 10, every: Duration::from_millis(500) };
/// The same for all networks together: a signature takes some tens of microseconds, on a small machine ten times that.
const ALL: Allowance = Allowance { burst: 50, every: Duration::from_millis(20) };
/// Of how many networks it is remembered what they had.
const MOST_NETWORKS: usize = 1024;

#[derive(Clone, Copy, Debug)]
struct Allowance {
    burst: u32,
    every: Duration,
}

/// Lets challenges in, or not.
#[derive(Debug, Default)]
pub struct Gate {
    all: Bucket,
    networks: BTreeMap<Network, Bucket>,
}

/// An IPv4 address, or the 64 bits of IPv6 that one household has.
type Network = u64;

impl Gate {
    /// Whether a challenge from this address is answered now.
    pub fn admits(&mut self, from: IpAddr, now: Instant) -> bool {
        if !self.all.has_one(ALL, now) {
            return false;
        }
        let network = network(from);
        if !self.networks.contains_key(&network) && self.networks.len() >= MOST_NETWORKS {
            self.networks.retain(|_network, bucket| !bucket.is_whole(now));
            if self.networks.len() >= MOST_NETWORKS {
                return false;
            }
        }
        let admitted = self.networks.entry(network).or_default().take(ONE, now);
        admitted && self.all.take(ALL, now)
    }
}

/// Credit that grows with time (GCRA, ITU-T I.371): the moment at which it is whole again says it all.
#[derive(Debug, Default)]
struct Bucket {
    whole_at: Option<Instant>,
}

impl Bucket {
    fn owed(&self, now: Instant) -> Duration {
        self.whole_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now))
    }

    fn has_one(&self, allowance: Allowance, now: Instant) -> bool {
        self.owed(now) + allowance.every <= allowance.every * allowance.burst
    }

    fn is_whole(&self, now: Instant) -> bool {
        self.owed(now).is_zero()
    }

    fn take(&mut self, allowance: Allowance, now: Instant) -> bool {
        let has_one = self.has_one(allowance, now);
        if has_one {
            self.whole_at = Some(now + self.owed(now) + allowance.every);
        }
        has_one
    }
}

fn network(address: IpAddr) -> Network {
    match address.to_canonical() {
        IpAddr::V4(address) => u64::from(u32::from(address)),
        // Never an IPv4 one's: no global prefix begins with 32 zero bits.
        IpAddr::V6(address) => u64::try_from(u128::from(address) >> 64).unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_network_gets_its_burst_and_then_two_a_second() {
        let (mut gate, start) = (Gate::default(), crate::clock::now());
        let from = IpAddr::from([203, 0, 113, 1]);
        let at_once = (0..100).filter(|_| gate.admits(from, start)).count();
        assert_eq!(at_once, 10);
        assert!(gate.admits(IpAddr::from([203, 0, 113, 2]), start), "another one is not held up by it");
        let later = start + Duration::from_secs(2);
        assert_eq!((0..100).filter(|_| gate.admits(from, later)).count(), 4);
    }

    #[test]
    fn all_addresses_of_one_ipv6_network_count_as_one() {
        let (mut gate, start) = (Gate::default(), crate::clock::now());
        let from = |last: u16| IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, last]);
        assert_eq!((0..100).filter(|last| gate.admits(from(*last), start)).count(), 10);
    }

    #[test]
    fn a_flood_from_everywhere_costs_fifty_a_second_and_bounded_memory() {
        let (mut gate, start) = (Gate::default(), crate::clock::now());
        let mut admitted = 0;
        for step in 0..100_000_u32 {
            let now = start + Duration::from_micros(100) * step;
            admitted += usize::from(gate.admits(IpAddr::from(step.to_be_bytes()), now));
            assert!(gate.networks.len() <= MOST_NETWORKS);
        }
        assert!((500..=550).contains(&admitted), "{admitted} in ten seconds");
        assert!(gate.admits(IpAddr::from([203, 0, 113, 1]), start + Duration::from_secs(60)), "it is over");
    }
}
