//! What a copy of the zone has beside its hosts, and a fingerprint of it by which a changed configuration is noticed.

use std::net::IpAddr;

use domain::base::iana::Rtype;
use ring::digest::{Context, SHA256};

use super::{CONFIGURED_TTL, COPIED_TTL, SLEEPING_TTL, Zone, soa};

/// Takes a record: the part of its owner before the zone's name, its type, its time to live and its data; tells whether
/// more are wanted.
pub(in crate::directory) type Each<'e> = &'e mut dyn FnMut(&[u8], Rtype, u32, &[u8]) -> bool;

impl Zone {
    /// Hands out what the zone has beside its hosts, without its SOA.
    pub(in crate::directory) fn configured(&self, each: Each<'_>) {
        for name in &self.nameservers {
            each(&[], Rtype::NS, CONFIGURED_TTL, name);
        }
        for (own, addresses) in &self.own {
            for address in addresses {
                match address {
                    IpAddr::V4(address) => each(own, Rtype::A, CONFIGURED_TTL, &address.octets()),
                    IpAddr::V6(address) => each(own, Rtype::AAAA, CONFIGURED_TTL, &address.octets()),
                };
            }
        }
    }

    /// Gives what changes whenever a copy would be another though no host has changed.
    pub(in crate::directory) fn fingerprint(&self) -> [u8; 32] {
        let mut context = Context::new(&SHA256);
        let mut add = |part: &[u8]| {
            context.update(&part.len().to_be_bytes());
            context.update(part);
        };
        add(&soa(self, 0));
        add(&[COPIED_TTL.to_be_bytes(), SLEEPING_TTL.to_be_bytes()].concat());
        self.configured(&mut |owner, rtype, ttl, data| {
            add(owner);
            add(&rtype.to_int().to_be_bytes());
            add(&ttl.to_be_bytes());
            add(data);
            true
        });
        let mut fingerprint = [0; 32];
        fingerprint.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
        fingerprint
    }
}
