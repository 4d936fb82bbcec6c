//! Queries: so many in flight from one thread, sent and received by the dozen.

use std::io::{IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg, setsockopt, sockopt};

/// What was measured.
#[derive(Default)]
pub(crate) struct Rate {
    pub(crate) per_second: f64,
    pub(crate) lost: u64,
    pub(crate) latencies: Vec<Duration>,
}

impl Rate {
    /// The middle one, and the one that one in a hundred exceeds, in microseconds.
    pub(crate) fn latencies(&self) -> String {
        let mut sorted = self.latencies.clone();
        sorted.sort();
        let at = |part: usize| sorted.get(sorted.len() * part / 100).map_or(0, Duration::as_micros);
        format!("{}/{}", at(50), at(99))
    }
}

/// The address that a host has at first.
pub(crate) fn first_address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0a00_0000 + number)
}

/// Writes the query for a host's A record.
pub(crate) fn query(id: u16, number: u32) -> Vec<u8> {
    let mut bytes = id.to_be_bytes().to_vec();
    bytes.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
    bytes.extend(name(number));
    // A, IN; EDNS with 1232 octets.
    bytes.extend([0, 1, 0, 1, 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    bytes
}

/// A host's name on the wire.
pub(crate) fn name(number: u32) -> Vec<u8> {
    let label = format!("h{number}");
    [&[label.len() as u8], label.as_bytes(), b"\x03dyn\x04test\0"].concat()
}

/// Opens a socket to a server, with room for all answers to a batch of a thousand that come at once.
pub(crate) fn connect(server: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BUFFER).unwrap();
    socket.connect(server).unwrap();
    socket
}

/// Asks once.
pub(crate) fn exchange(address: SocketAddr, request: &[u8], patience: Duration) -> Option<Vec<u8>> {
    let socket = connect(address);
    socket.set_read_timeout(Some(patience)).unwrap();
    socket.send(request).ok()?;
    let mut buffer = vec![0; 2048];
    let length = socket.recv(&mut buffer).ok()?;
    buffer.truncate(length);
    Some(buffer)
}

/// Asks for a host's address.
pub(crate) fn address_of(server: SocketAddr, number: u32) -> Option<Ipv4Addr> {
    let answer = exchange(server, &query(1, number), Duration::from_millis(20))?;
    address_in(&answer, number)
}

/// Reads the address out of an answer.
pub(crate) fn address_in(answer: &[u8], number: u32) -> Option<Ipv4Addr> {
    let record = 12 + name(number).len() + 4;
    let data: [u8; 4] = answer.get(record + 12..record + 16)?.try_into().ok()?;
    (answer[7] == 1).then(|| Ipv4Addr::from(data))
}

/// Keeps so many queries in flight for so long.
pub(crate) fn queries(server: SocketAddr, hosts: u32, in_flight: usize, time: Duration) -> Rate {
    let socket = connect(server);
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let queries: Vec<Vec<u8>> = (0..=u16::MAX)
        .map(|id| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let number = (random >> 33) as u32 % hosts;
            // One in ten is for nobody.
            query(id, if random >> 60 == 0 || id % 20 == 0 { hosts + number } else { number })
        })
        .collect();
    let (mut sending, mut receiving) =
        (MultiHeaders::<SockaddrIn>::preallocate(BATCH, None), MultiHeaders::<SockaddrIn>::preallocate(BATCH, None));
    let mut buffers = vec![[0_u8; 2048]; BATCH];
    let mut rate = Rate::default();
    let mut sent_at = vec![Instant::now(); usize::from(u16::MAX) + 1];
    let (mut next, mut outstanding, mut answered, mut found) = (0_usize, 0, 0_u64, 0_u64);
    let begin = Instant::now();
    let mut last = begin;
    while begin.elapsed() < time {
        let count = (in_flight - outstanding).min(BATCH);
        if count > 0 && (outstanding == 0 || count >= BATCH / 4 || in_flight < BATCH) {
            let chosen: Vec<_> = (0..count).map(|at| [IoSlice::new(&queries[(next + at) % queries.len()])]).collect();
            let now = Instant::now();
            (0..count).for_each(|at| sent_at[(next + at) % queries.len()] = now);
            let none = vec![None; count];
            let sent =
                sendmmsg(socket.as_raw_fd(), &mut sending, &chosen, &none, [], MsgFlags::empty()).unwrap().count();
            next = (next + sent) % queries.len();
            outstanding += sent;
        }
        let mut slices: Vec<_> = buffers.iter_mut().map(|bytes| [IoSliceMut::new(bytes)]).collect();
        let got = match recvmmsg(socket.as_raw_fd(), &mut receiving, &mut slices, MsgFlags::MSG_DONTWAIT, None) {
            Ok(messages) => messages.count(),
            Err(nix::errno::Errno::EAGAIN) => 0,
            Err(error) => panic!("{error}"),
        };
        if got > 0 {
            last = Instant::now();
            for answer in &buffers[..got] {
                assert!(matches!(answer[3] & 15, 0 | 3), "an answer with code {}", answer[3] & 15);
                found += u64::from(answer[7]);
                if in_flight == 1 {
                    rate.latencies.push(last - sent_at[usize::from(u16::from_be_bytes([answer[0], answer[1]]))]);
                }
            }
            answered += got as u64;
            outstanding -= got.min(outstanding);
        } else if last.elapsed() > Duration::from_millis(100) {
            rate.lost += outstanding as u64;
            outstanding = 0;
            last = Instant::now();
        }
    }
    assert!(found * 10 > answered * 8, "only {found} of {answered} answers had an address");
    rate.per_second = answered as f64 / begin.elapsed().as_secs_f64();
    rate
}

const BATCH: usize = 64;
const RECEIVE_BUFFER: usize = 4 << 20;
