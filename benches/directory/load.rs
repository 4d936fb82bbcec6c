//! Queries: so many in flight from one thread, sent and received by the dozen.

use std::io::{IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmsg, setsockopt, sockopt};

/// What was measured.
#[derive(Default)]
pub(crate) struct Rate {
    pub(crate) per_second: f64,
    pub(crate) answered: u64,
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

/// Keeps so many queries in flight for so long, shared out among so many ports that ask.
pub(crate) fn queries(server: SocketAddr, hosts: u32, [in_flight, ports]: [usize; 2], time: Duration) -> Rate {
    let mut questions = Questions::new(hosts);
    let mut ports: Vec<_> = (0..ports).map(|_| Port::open(server, in_flight / ports)).collect();
    let mut answers = Answers::new();
    let mut rate = Rate::default();
    let (mut answered, mut found) = (0, 0);
    let begin = Instant::now();
    while begin.elapsed() < time {
        for port in &mut ports {
            port.send(&mut questions);
            let got = port.receive(&mut answers, &mut rate);
            for answer in &answers.buffers[..got] {
                assert!(matches!(answer[3] & 15, 0 | 3), "an answer with code {}", answer[3] & 15);
                found += u64::from(answer[7]);
                if in_flight == 1 {
                    rate.latencies.push(port.asked.elapsed());
                }
            }
            answered += got as u64;
        }
    }
    assert!(found * 10 > answered * 8, "only {found} of {answered} answers had an address");
    rate.answered = answered;
    rate.per_second = answered as f64 / begin.elapsed().as_secs_f64();
    rate
}

/// Queries, asked again from the first once all have been.
struct Questions {
    queries: Vec<Vec<u8>>,
    next: usize,
}

impl Questions {
    fn new(hosts: u32) -> Self {
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let queries = (0..=u16::MAX).map(|id| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let number = (random >> 33) as u32 % hosts;
            // One in ten is for nobody.
            query(id, if random >> 60 == 0 || id % 20 == 0 { hosts + number } else { number })
        });
        Self { queries: queries.collect(), next: 0 }
    }

    /// The next so many, those of one length together.
    fn take(&mut self, count: usize) -> Vec<&[u8]> {
        let count = count.min(self.queries.len() - self.next);
        let mut taken: Vec<_> = self.queries[self.next..self.next + count].iter().map(Vec::as_slice).collect();
        self.next = (self.next + count) % self.queries.len();
        taken.sort_unstable_by_key(|query| query.len());
        taken
    }
}

/// A port that asks.
struct Port {
    socket: UdpSocket,
    /// Queries that it may have in flight.
    share: usize,
    in_flight: usize,
    asked: Instant,
    heard: Instant,
}

impl Port {
    fn open(server: SocketAddr, share: usize) -> Self {
        let now = Instant::now();
        Self { socket: connect(server), share, in_flight: 0, asked: now, heard: now }
    }

    /// Asks what it may, once that is worth a call; queries of one length go through the kernel as one, so that the
    /// generator is not what limits the servers.
    fn send(&mut self, questions: &mut Questions) {
        let count = (self.share - self.in_flight).min(BATCH);
        if count == 0 || (self.in_flight > 0 && count < BATCH / 4 && self.share >= BATCH) {
            return;
        }
        self.asked = Instant::now();
        let queries = questions.take(count);
        for alike in queries.chunk_by(|one, other| one.len() == other.len()) {
            let slices: Vec<_> = alike.iter().map(|query| IoSlice::new(query)).collect();
            let cut = [ControlMessage::UdpGsoSegments(&(alike[0].len() as u16))];
            sendmsg(self.socket.as_raw_fd(), &slices, &cut, MsgFlags::empty(), None::<&SockaddrIn>).unwrap();
        }
        self.in_flight += queries.len();
    }

    /// Takes the answers that are there; gives how many.
    fn receive(&mut self, answers: &mut Answers, rate: &mut Rate) -> usize {
        let mut slices: Vec<_> = answers.buffers.iter_mut().map(|bytes| [IoSliceMut::new(bytes)]).collect();
        let got =
            match recvmmsg(self.socket.as_raw_fd(), &mut answers.headers, &mut slices, MsgFlags::MSG_DONTWAIT, None) {
                Ok(messages) => messages.count(),
                Err(nix::errno::Errno::EAGAIN) => 0,
                Err(error) => panic!("{error}"),
            };
        if got > 0 {
            self.heard = Instant::now();
            self.in_flight -= got.min(self.in_flight);
        } else if self.in_flight > 0 && self.heard.max(self.asked).elapsed() > Duration::from_millis(100) {
            rate.lost += self.in_flight as u64;
            self.in_flight = 0;
        }
        got
    }
}

/// Room for answers.
struct Answers {
    headers: MultiHeaders<SockaddrIn>,
    buffers: Vec<[u8; 2048]>,
}

impl Answers {
    fn new() -> Self {
        Self { headers: MultiHeaders::preallocate(BATCH, None), buffers: vec![[0; 2048]; BATCH] }
    }
}

const BATCH: usize = 64;
const RECEIVE_BUFFER: usize = 4 << 20;
