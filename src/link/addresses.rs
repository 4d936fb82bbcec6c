//! The IPv6 addresses of a link: they come from the peer's router advertisements (RFC 4862), seconds after the link.

use std::net::{IpAddr, Ipv6Addr};

/// Global scope (/proc/net/if_inet6, fourth column; RFC 4291 2.7 has the numbers of the scopes).
const GLOBAL: u8 = 0x00;
/// Flags of an address that cannot be used (linux/if_addr.h): duplicate, deprecated, or not yet known to be unique.
const UNUSABLE: u8 = 0x08 | 0x20 | 0x40;

/// Follows one interface's addresses.
#[derive(Debug, Default)]
pub(super) struct Ipv6Watch {
    addresses: Vec<Ipv6Addr>,
}

impl Ipv6Watch {
    /// Looks at the kernel's table; tells whether the addresses are others than last time.
    pub(super) fn look(&mut self, interface: &str) -> bool {
        let table = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
        self.handle_table(&table, interface)
    }

    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.addresses.iter().copied().map(IpAddr::V6)
    }

    fn handle_table(&mut self, table: &str, interface: &str) -> bool {
        let mut addresses: Vec<Ipv6Addr> = table.lines().filter_map(|line| usable(line, interface)).collect();
        addresses.sort_unstable();
        let changed = addresses != self.addresses;
        self.addresses = addresses;
        changed
    }
}

/// Reads a line: address, index, prefix length, scope, flags, interface.
fn usable(line: &str, interface: &str) -> Option<Ipv6Addr> {
    let mut words = line.split_whitespace();
    let address = u128::from_str_radix(words.next()?, 16).ok()?;
    let mut hexadecimal = words.skip(2).map(|word| u8::from_str_radix(word, 16).ok());
    let (scope, flags) = (hexadecimal.next()??, hexadecimal.next()??);
    let on_it = line.split_whitespace().last() == Some(interface);
    (on_it && scope == GLOBAL && flags & UNUSABLE == 0).then(|| Ipv6Addr::from_bits(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
fe8000000000000035a1b20c55cc0d0e 07 80 20 80     ppp0
20010db8000100000000000000000010 07 40 00 40     ppp0
20010db8000100000000000000000011 07 40 00 00     ppp0
20010db8000900000000000000000001 03 40 00 00    ppp01
00000000000000000000000000000001 01 80 10 80       lo
";

    #[test]
    fn only_a_global_address_of_this_very_interface_that_may_be_used_counts() {
        let mut watch = Ipv6Watch::default();
        assert!(watch.handle_table(TABLE, "ppp0"));
        let expected: IpAddr = "2001:db8:1::11".parse().unwrap();
        assert_eq!(watch.addresses().collect::<Vec<_>>(), [expected]);
        assert!(!watch.handle_table(TABLE, "ppp0"), "nothing is new");
        assert!(watch.handle_table("", "ppp0"), "it went");
    }

    #[test]
    fn a_table_that_is_no_table_has_no_addresses() {
        assert!(!Ipv6Watch::default().handle_table("\n1 2\nzz 07 40 00 00 ppp0\n", "ppp0"));
    }
}
