//! Places for connections: so many in all, and so many for one network.
//!
//! Whoever comes when all are taken gets the place of the connection that has been idle the longest (RFC 9210 section 5.1,
//! RFC 7766 section 6.2.3): nobody shuts others out by connecting often and saying nothing. A connection whose request is
//! under way keeps its place; where all of them do, the newcomer has to go.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::network::Network;

/// The places of one door, or of several together.
#[derive(Debug)]
pub(in crate::directory) struct Places {
    all: usize,
    of_one: usize,
    /// Each speaks for many, and has as many places as there are.
    proxies: Vec<Network>,
    taken: Mutex<Taken>,
}

/// One connection's place, free again when dropped.
#[derive(Debug)]
pub(in crate::directory) struct Place {
    places: Arc<Places>,
    number: u64,
    wanted: Arc<Notify>,
}

/// A request under way: while this lives, nobody else gets the place.
#[derive(Debug)]
pub(in crate::directory) struct Busy<'p>(&'p Place);

impl Places {
    pub(in crate::directory) fn new(all: usize, of_one: usize, proxies: Vec<Network>) -> Arc<Self> {
        Arc::new(Self { all, of_one, proxies, taken: Mutex::default() })
    }

    /// Takes a place, be it that of an idle connection, which has to go; `None` where there is none to be had.
    pub(in crate::directory) fn take(self: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        let network = Network::of_subscriber(peer);
        let is_proxy = self.proxies.iter().any(|proxy| proxy.contains(peer.to_canonical()));
        let mut taken = self.locked();
        let held = taken.networks.get(&network).filter(|held| held.count >= self.of_one && !is_proxy);
        let idlest = match held {
            Some(held) => Some(*held.idle.first()?),
            None if taken.seats.len() >= self.all => Some(*taken.idle.first_key_value()?.0),
            None => None,
        };
        if let Some(number) = idlest.and_then(|since| taken.idle.get(&since).copied()) {
            taken.give_up(number);
        }
        let wanted = Arc::new(Notify::new());
        let number = taken.seat(network, Arc::clone(&wanted));
        Some(Place { places: Arc::clone(self), number, wanted })
    }

    fn locked(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Begins a request.
    pub(in crate::directory) fn busy(&self) -> Busy<'_> {
        self.places.locked().begin(self.number);
        Busy(self)
    }

    /// Waits until somebody else has got the place: this connection is to be closed.
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped.
    pub(in crate::directory) async fn lost(&self) {
        self.wanted.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.locked().give_up(self.number);
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.places.locked().end(self.0.number);
    }
}

#[derive(Debug, Default)]
struct Taken {
    seats: HashMap<u64, Seat>,
    /// Which connections idle, by when they began to.
    idle: BTreeMap<u64, u64>,
    networks: HashMap<Network, Held>,
    /// Numbers connections, and the moments at which they begin to idle.
    next: u64,
}

/// What a network holds.
#[derive(Debug, Default)]
struct Held {
    count: usize,
    /// When its idle ones began to idle.
    idle: BTreeSet<u64>,
}

#[derive(Debug)]
struct Seat {
    network: Network,
    /// When it began to idle; `None` while a request is under way.
    idle_since: Option<u64>,
    wanted: Arc<Notify>,
}

impl Taken {
    fn seat(&mut self, network: Network, wanted: Arc<Notify>) -> u64 {
        let number = self.next();
        self.networks.entry(network).or_default().count += 1;
        self.seats.insert(number, Seat { network, idle_since: None, wanted });
        self.end(number);
        number
    }

    fn next(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn begin(&mut self, number: u64) {
        let Some(seat) = self.seats.get_mut(&number) else { return };
        if let Some(since) = seat.idle_since.take() {
            self.idle.remove(&since);
            if let Some(held) = self.networks.get_mut(&seat.network) {
                held.idle.remove(&since);
            }
        }
    }

    fn end(&mut self, number: u64) {
        let since = self.next();
        let Some(seat) = self.seats.get_mut(&number) else { return };
        seat.idle_since = Some(since);
        self.idle.insert(since, number);
        self.networks.entry(seat.network).or_default().idle.insert(since);
    }

    /// Frees a place; its connection, if it is still there, is told.
    fn give_up(&mut self, number: u64) {
        self.begin(number);
        let Some(seat) = self.seats.remove(&number) else { return };
        seat.wanted.notify_one();
        if let Some(held) = self.networks.get_mut(&seat.network) {
            held.count -= 1;
            if held.count == 0 {
                self.networks.remove(&seat.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn is_lost(place: &Place) -> bool {
        place.lost().now_or_never().is_some()
    }

    #[test]
    fn a_whole_network_has_the_places_of_one_and_its_idlest_makes_room() {
        let places = Places::new(256, 2, Vec::new());
        let [first, second] = ["2001:db8::1", "2001:db8::2"].map(|from| places.take(address(from)).unwrap());
        let other = places.take(address("2001:db8:0:1::1")).unwrap();
        // The first has asked since.
        drop(first.busy());
        let third = places.take(address("2001:db8::3")).unwrap();
        assert_eq!([&first, &second, &third, &other].map(is_lost), [false, true, false, false]);
        assert_eq!(places.locked().seats.len(), 3);
    }

    #[test]
    fn when_all_are_taken_the_idlest_of_all_makes_room_and_no_request_is_cut_short() {
        let places = Places::new(2, 2, Vec::new());
        let [first, second] = ["198.51.100.1", "198.51.100.2"].map(|from| places.take(address(from)).unwrap());
        let under_way = first.busy();
        let third = places.take(address("198.51.100.3")).unwrap();
        assert_eq!([&first, &second, &third].map(is_lost), [false, true, false]);
        let busy = third.busy();
        assert!(places.take(address("198.51.100.4")).is_none(), "somebody was cut short");
        drop((under_way, busy));
        let fourth = places.take(address("198.51.100.4")).unwrap();
        assert_eq!([&first, &third, &fourth].map(is_lost), [true, false, false]);
    }

    #[test]
    fn a_proxy_has_as_many_places_as_there_are() {
        let places = Places::new(3, 1, vec!["192.0.2.0/24".parse().unwrap()]);
        let taken: Vec<_> = (0..3).map(|_| places.take(address("::ffff:192.0.2.7")).unwrap()).collect();
        assert!(!taken.iter().any(is_lost));
    }

    #[test]
    fn nothing_is_left_of_those_who_went() {
        let places = Places::new(2, 1, Vec::new());
        let first = places.take(address("198.51.100.1")).unwrap();
        let second = places.take(address("198.51.100.1")).unwrap();
        drop(first);
        assert_eq!(places.locked().networks.len(), 1, "the place is the second's");
        drop(second);
        let taken = places.locked();
        assert!(taken.seats.is_empty() && taken.idle.is_empty() && taken.networks.is_empty());
    }
}
