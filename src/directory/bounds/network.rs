//! Networks of addresses: as the configuration writes them, and as every limit counts them.
//!
//! Whoever has an address of IPv6 has at least the /64 around it, and may speak from any of its addresses: a limit for one
//! address would be none. So limits count networks, by one of the two rules here, and never single addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A network of addresses, written `192.0.2.0/24`, or `192.0.2.1` for one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network {
    /// Without what is behind `length`.
    base: IpAddr,
    length: u32,
}

impl Network {
    /// What one subscriber has, at the least: an IPv4 address, an IPv6 /64. Counts those who show that they are where they
    /// say, by a connection or a signature.
    pub(in crate::directory) fn of_subscriber(address: IpAddr) -> Self {
        Self::around(address, 32, 64)
    }

    /// What lies behind one line, more or less: an IPv4 /24, an IPv6 /56. Counts datagrams, whose senders may be forged to
    /// have the answers go to somebody else: it is his line that is to be spared.
    pub(in crate::directory) fn of_neighbours(address: IpAddr) -> Self {
        Self::around(address, 24, 56)
    }

    fn around(address: IpAddr, four: u32, six: u32) -> Self {
        let address = address.to_canonical();
        Self::new(address, if address.is_ipv4() { four } else { six })
    }

    fn new(address: IpAddr, length: u32) -> Self {
        let base = match address {
            IpAddr::V4(four) => {
                let mask = u32::MAX.checked_shl(32_u32.saturating_sub(length)).unwrap_or(0);
                Ipv4Addr::from(four.to_bits() & mask).into()
            }
            IpAddr::V6(six) => {
                let mask = u128::MAX.checked_shl(128_u32.saturating_sub(length)).unwrap_or(0);
                Ipv6Addr::from(six.to_bits() & mask).into()
            }
        };
        Self { base, length }
    }

    pub(in crate::directory) fn contains(self, address: IpAddr) -> bool {
        self.base.is_ipv4() == address.is_ipv4() && Self::new(address, self.length) == self
    }
}

impl std::str::FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("`{text}` is no network; expected such as \"192.0.2.1\" or \"2001:db8::/48\"");
        let (base, length) = text.split_once('/').map_or((text, None), |(base, length)| (base, Some(length)));
        let base: IpAddr = base.parse().map_err(|_no_address| expected())?;
        let longest = if base.is_ipv4() { 32 } else { 128 };
        let length = match length {
            Some(length) => length.parse().ok().filter(|length| *length <= longest).ok_or_else(expected)?,
            None => longest,
        };
        Ok(Self::new(base, length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn networks_hold_what_their_length_says() {
        let all: Network = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains(address("203.0.113.9")) && !all.contains(address("::1")));
        let some: Network = "192.0.2.77/24".parse().unwrap();
        assert!(some.contains(address("192.0.2.1")) && !some.contains(address("192.0.3.1")));
        for bad in ["", "192.0.2.1/33", "192.0.2/24", "host", "::/129"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_subscriber_has_one_address_or_a_64_and_neighbours_share_a_line() {
        let same = |rule: fn(IpAddr) -> Network, one, other| rule(address(one)) == rule(address(other));
        assert!(same(Network::of_subscriber, "2001:db8::1", "2001:db8::ffff:1"));
        assert!(!same(Network::of_subscriber, "2001:db8::1", "2001:db8:0:1::1"));
        assert!(same(Network::of_subscriber, "::ffff:198.51.100.1", "198.51.100.1"));
        assert!(!same(Network::of_subscriber, "198.51.100.1", "198.51.100.2"));
        assert!(same(Network::of_neighbours, "2001:db8::1", "2001:db8:0:ff::1"));
        assert!(!same(Network::of_neighbours, "2001:db8::1", "2001:db8:0:100::1"));
        assert!(same(Network::of_neighbours, "198.51.100.1", "198.51.100.200"));
        assert!(!same(Network::of_neighbours, "198.51.100.1", "198.51.101.1"));
    }
}
