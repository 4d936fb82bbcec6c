//! Whether strangers can reach an address, judged by the address alone.
//!
//! Refuses to hope: an address that only a carrier's or a household's own network can route is called so.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How far an address, or the best of a record's addresses, can be reached from; better ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reachability {
    /// There is no address at all.
    Nowhere,
    /// Only from the same machine or the same wire (RFC 1122 3.2.1.3, RFC 3927, RFC 4291 2.5).
    Local,
    /// Only from inside a carrier's network: shared address space behind its NAT, 100.64.0.0/10 (RFC 6598).
    CarrierNat,
    /// Only from inside a private network (RFC 1918, RFC 4193).
    Private,
    /// From anywhere on the Internet, as far as an address can tell.
    Public,
}

impl Reachability {
    /// Judges one address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => of_v6(address),
        }
    }

    /// Judges a set of addresses by the best among them.
    #[must_use]
    pub fn best_of(addresses: &[IpAddr]) -> Self {
        addresses.iter().map(|&address| Self::of(address)).max().unwrap_or(Self::Nowhere)
    }

    /// Gives the one word used in output for programs: `nowhere`, `local`, `carrier-nat`, `private` or `public`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nowhere => "nowhere",
            Self::Local => "local",
            Self::CarrierNat => "carrier-nat",
            Self::Private => "private",
            Self::Public => "public",
        }
    }

    /// Tells the owner of a host with no better address what that means and what helps; `None` when nothing is wrong.
    #[must_use]
    pub fn advice(self) -> Option<&'static str> {
        match self {
            Self::Public => None,
            Self::CarrierNat => Some(
                "the provider lends an address behind its carrier-grade NAT (100.64.0.0/10): nobody outside can connect to \
                 it; ask the provider for a public address or for IPv6, or let the host open a tunnel ([host.tunnel], ssh -R)",
            ),
            Self::Private => Some(
                "the address is a private one: nobody outside that network can connect to it; ask the provider for a \
                 public address or for IPv6, or let the host open a tunnel ([host.tunnel], ssh -R)",
            ),
            Self::Local | Self::Nowhere => Some(
                "the link has no address that another network could reach; look at what the provider assigns (IPCP)",
            ),
        }
    }
}

impl fmt::Display for Reachability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn of_v4(address: Ipv4Addr) -> Reachability {
    let [first, second, ..] = address.octets();
    if first == 0 || first >= 224 || address.is_loopback() || address.is_link_local() {
        Reachability::Local
    } else if first == 100 && second & 0xc0 == 64 {
        Reachability::CarrierNat
    } else if address.is_private() {
        Reachability::Private
    } else {
        Reachability::Public
    }
}

fn of_v6(address: Ipv6Addr) -> Reachability {
    if address.is_unspecified() || address.is_loopback() || address.is_multicast() || address.is_unicast_link_local() {
        Reachability::Local
    } else if address.is_unique_local() {
        Reachability::Private
    } else {
        Reachability::Public
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_judged_by_their_range() {
        for (address, expected) in [
            ("203.0.113.9", Reachability::Public),
            ("100.63.255.255", Reachability::Public),
            ("100.64.0.1", Reachability::CarrierNat),
            ("100.127.255.255", Reachability::CarrierNat),
            ("100.128.0.1", Reachability::Public),
            ("10.1.2.3", Reachability::Private),
            ("172.31.0.1", Reachability::Private),
            ("172.32.0.1", Reachability::Public),
            ("192.168.1.1", Reachability::Private),
            ("169.254.1.1", Reachability::Local),
            ("127.0.0.1", Reachability::Local),
            ("::ffff:100.64.0.1", Reachability::CarrierNat),
            ("fd00::1", Reachability::Private),
            ("fe80::1", Reachability::Local),
            ("2001:db8::1", Reachability::Public),
        ] {
            assert_eq!(Reachability::of(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn an_address_that_strangers_cannot_reach_comes_with_advice() {
        let advice = |address: &str| Reachability::of(address.parse().unwrap()).advice();
        assert_eq!(advice("203.0.113.9"), None);
        assert!(advice("100.64.0.1").is_some_and(|advice| advice.contains("carrier-grade NAT")));
        assert!(advice("192.168.1.1").is_some_and(|advice| advice.contains("private")));
        assert!(advice("169.254.1.1").is_some());
    }

    #[test]
    fn the_best_address_counts() {
        let addresses = ["100.64.0.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        assert_eq!(Reachability::best_of(&addresses), Reachability::Public);
        assert_eq!(Reachability::best_of(&addresses[..1]), Reachability::CarrierNat);
        assert_eq!(Reachability::best_of(&[]), Reachability::Nowhere);
    }
}
