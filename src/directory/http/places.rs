//! Places for connections: so many in all, and so many for one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::HttpSettings;

/// How many connections there are, and from where.
#[derive(Debug, Default)]
pub(super) struct Places {
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// One connection's place, free again when dropped.
pub(super) struct Place {
    places: Arc<Places>,
    peer: IpAddr,
}

impl Places {
    /// Takes a place; `None` when there is none left, or none for this address. A proxy speaks for many.
    pub(super) fn take(self: &Arc<Self>, peer: IpAddr, settings: &HttpSettings) -> Option<Place> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let is_proxy = settings.trusted_proxies.iter().any(|network| network.contains(peer));
        let from_there = taken.by_address.get(&peer).copied().unwrap_or(0);
        if taken.all >= settings.connections || (!is_proxy && from_there >= settings.connections_per_address) {
            return None;
        }
        taken.all += 1;
        taken.by_address.insert(peer, from_there + 1);
        Some(Place { places: Arc::clone(self), peer })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all -= 1;
        match taken.by_address.get_mut(&self.peer) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) | None => {
                taken.by_address.remove(&self.peer);
            }
        }
    }
}
