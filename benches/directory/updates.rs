//! Updates: so many in flight, each signed and answered; and how soon they are seen.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::socket::{MsgFlags, recv};
use ringup::dns::{message, tsig};
use ringup::record::{Record, Seq, SignedRecord};

use super::load::{self, Rate};
use super::server::{Kind, Server, host, key};

/// What kind of update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Update {
    /// An address alone.
    Address,
    /// An address with the host's own statement.
    Statement,
}

impl Update {
    pub(crate) const ALL: [Self; 2] = [Self::Address, Self::Statement];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Address => "addresses/s",
            Self::Statement => "statements/s",
        }
    }

    /// Tells whether a server takes such.
    pub(crate) fn suits(self, kind: Kind) -> bool {
        match (self, kind) {
            (Self::Address, Kind::Ringup | Kind::Bind | Kind::Knot) | (Self::Statement, Kind::Ringup) => true,
            (_, _) => false,
        }
    }

    /// The hosts that are updated so: those that sign are the first half.
    fn host(self, hosts: u32, turn: u32) -> u32 {
        let half = hosts / 2;
        match self {
            Self::Statement => turn % half,
            Self::Address => half + turn % half,
        }
    }
}

/// Writes one signed update, and tells which address it brings to which host.
pub(crate) fn prepare(server: &mut Server, update: Update, turn: u32, id: u16) -> (Vec<u8>, u32, Ipv4Addr) {
    let number = update.host(server.hosts, turn);
    let seq = &mut server.seqs[number as usize];
    *seq += 1;
    let address = Ipv4Addr::from_bits(0x0b00_0000 + number * 16 + *seq % 16);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let mut bytes = match update {
        Update::Address => plain(id, number, address),
        Update::Statement => {
            let seq = Seq::new(u64::from(*seq)).unwrap();
            let record = Record::online(host(number), vec![address.into()], seq, now, 3_000_000).unwrap();
            message::update(id, &"dyn.test".parse().unwrap(), &SignedRecord::sign(record, &server.identity))
        }
    };
    let _mac = tsig::sign_request(&mut bytes, &key(), now);
    (bytes, number, address)
}

/// Writes the update that puts an address in place of those before, as nsupdate would.
fn plain(id: u16, number: u32, address: Ipv4Addr) -> Vec<u8> {
    let mut bytes = id.to_be_bytes().to_vec();
    bytes.extend([0x28, 0, 0, 1, 0, 0, 0, 2, 0, 0]);
    bytes.extend(b"\x03dyn\x04test\0\0\x06\0\x01");
    bytes.extend(load::name(number));
    bytes.extend([0, 1, 0, 255, 0, 0, 0, 0, 0, 0]);
    bytes.extend(load::name(number));
    bytes.extend([0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
    bytes.extend(address.octets());
    bytes
}

/// Keeps so many updates in flight, shared out among so many ports, until the time or what was prepared is over.
pub(crate) fn run(server: &mut Server, update: Update, [in_flight, ports]: [usize; 2], time: Duration) -> Rate {
    let most = match (in_flight, update) {
        (1, _) => 8_000,
        (8, _) => 24_000,
        (_, Update::Address) => 90_000,
        (_, Update::Statement) => 40_000,
    } * time.as_secs() as usize;
    let most = most.min(180_000);
    let prepared: Vec<_> = (0..most).map(|turn| prepare(server, update, turn as u32, turn as u16).0).collect();
    let mut ports: Vec<_> = (0..ports).map(|_| Port::open(server.address, in_flight / ports)).collect();
    let mut rate = Rate::default();
    let mut next = prepared.iter().enumerate();
    let begin = Instant::now();
    while begin.elapsed() < time {
        ports.iter_mut().for_each(|port| port.send(&mut next));
        if ports.iter().all(|port| port.sent_at.is_empty()) {
            break;
        }
        take(&mut ports, &mut rate);
    }
    rate.per_second = rate.answered as f64 / begin.elapsed().as_secs_f64();
    // What is still under way ends before the next begins.
    while ports.iter().any(|port| !port.sent_at.is_empty()) && take(&mut ports, &mut Rate::default()) {}
    rate
}

/// A port that sends updates.
struct Port {
    socket: UdpSocket,
    /// Updates that it may have in flight.
    share: usize,
    /// When each of those in flight was sent, by its ID.
    sent_at: HashMap<u16, Instant>,
}

impl Port {
    fn open(server: SocketAddr, share: usize) -> Self {
        Self { socket: load::connect(server), share, sent_at: HashMap::new() }
    }

    fn send<'a>(&mut self, next: &mut impl Iterator<Item = (usize, &'a Vec<u8>)>) {
        while self.sent_at.len() < self.share
            && let Some((number, bytes)) = next.next()
        {
            self.sent_at.insert(number as u16, Instant::now());
            self.socket.send(bytes).unwrap();
        }
    }

    /// Takes the answers that are there.
    fn receive(&mut self, rate: &mut Rate) {
        let mut buffer = [0; 2048];
        while let Ok(_length) = recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
            assert_eq!(buffer[3] & 15, 0, "an update was answered with code {}", buffer[3] & 15);
            if let Some(sent) = self.sent_at.remove(&u16::from_be_bytes([buffer[0], buffer[1]])) {
                rate.latencies.push(sent.elapsed());
                rate.answered += 1;
            }
        }
    }
}

/// Waits for answers and takes them; gives false where there were none, and counts what is overdue as lost.
fn take(ports: &mut [Port], rate: &mut Rate) -> bool {
    let mut waiting: Vec<_> = ports.iter().map(|port| PollFd::new(port.socket.as_fd(), PollFlags::POLLIN)).collect();
    let ready = poll(&mut waiting, 100_u8).unwrap();
    let ready_ones: Vec<_> = waiting.iter().map(|waiting| waiting.any().unwrap()).collect();
    for (port, is_ready) in ports.iter_mut().zip(ready_ones) {
        if is_ready {
            port.receive(rate);
        } else if ready == 0 {
            let before = port.sent_at.len();
            port.sent_at.retain(|_id, sent| sent.elapsed() <= Duration::from_secs(2));
            rate.lost += (before - port.sent_at.len()) as u64;
        }
    }
    ready > 0
}

/// Measures from sending an update until a query gives its address.
pub(crate) fn visible(server: &mut Server, update: Update, time: Duration) -> Rate {
    let socket = load::connect(server.address);
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut rate = Rate::default();
    let mut buffer = [0; 2048];
    let begin = Instant::now();
    for turn in 0.. {
        let (bytes, number, address) = prepare(server, update, turn, turn as u16);
        let query = load::query(turn as u16, number);
        let sent = Instant::now();
        if sent - begin > time {
            break;
        }
        socket.send(&bytes).unwrap();
        let _length = socket.recv(&mut buffer).expect("the update was not answered");
        loop {
            socket.send(&query).unwrap();
            let length = socket.recv(&mut buffer).expect("the query was not answered");
            if load::address_in(&buffer[..length], number) == Some(address) {
                break;
            }
        }
        rate.latencies.push(sent.elapsed());
    }
    rate
}
