//! Those who wait for hosts over HTTP: each for a host of its own, on a connection of its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, setsockopt, socket, sockopt};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::HOSTS;
use super::load::{self, Rate};
use super::server::{Kind, Server};
use super::updates::{self, Update};

/// Whoever waits.
#[derive(Default)]
pub(crate) struct Waiting {
    streams: Vec<TcpStream>,
    /// The server's memory without them, in KiB.
    before: Option<u64>,
}

impl Waiting {
    /// Has so many wait.
    pub(crate) fn grow(&mut self, server: &Server, count: u32) {
        self.before.get_or_insert_with(|| server.resident_kib());
        for first in (self.streams.len()..count as usize).step_by(AT_ONCE) {
            let these = first..(first + AT_ONCE).min(count as usize);
            self.streams.extend(these.map(|number| wait(server.http, number as u32)));
            self.streams[first..].iter_mut().for_each(event);
        }
    }

    /// Registers hosts that are waited for, one after another, and measures until it is told.
    pub(crate) fn wake(&mut self, server: &mut Server, time: Duration) -> Rate {
        let socket = load::connect(server.address);
        let mut rate = Rate::default();
        let begin = Instant::now();
        for turn in 0.. {
            if self.streams.len() < FEW {
                // A directory takes some dozens of signatures of one key, for one host, in a second.
                std::thread::sleep(Duration::from_millis(20));
            }
            // Every so many, so that they are not neighbours.
            let chosen = turn * 7919 % self.streams.len() as u32;
            let (bytes, number, _address) = updates::prepare(server, Update::Statement, chosen, turn as u16);
            let sent = Instant::now();
            if sent - begin > time {
                break;
            }
            socket.send(&bytes).unwrap();
            event(&mut self.streams[number as usize]);
            rate.latencies.push(sent.elapsed());
            let mut answer = [0; 2048];
            let _length = socket.recv(&mut answer).unwrap();
            assert_eq!(answer[3] & 15, 0, "an update was answered with code {}", answer[3] & 15);
        }
        rate
    }

    /// What the server has more of since they wait.
    pub(crate) fn kib_for_each(&self, server: &Server) -> String {
        let more = server.resident_kib().saturating_sub(self.before.unwrap_or_default());
        format!("{:.1}", more as f64 / self.streams.len() as f64)
    }
}

/// Tells whether so many may have a file open each, and makes it so.
pub(crate) fn have_room_for(count: u32) -> bool {
    let files = u64::from(count) + 1_000;
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.map(|most| most.max(files));
    limit.current.is_none_or(|current| current >= files)
        || setrlimit(Resource::Nofile, Rlimit { current: Some(files), maximum: most }).is_ok()
}

/// Measures in a guest kernel, which sets its own limits: when so many are woken, and KiB for each.
pub(crate) fn in_another_kernel(count: u32) -> [String; 2] {
    let mut guest = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/run"));
    guest
        .arg(std::env::current_exe().unwrap())
        .args([ALONE, &count.to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    let guest = guest.env("RINGUP_LAB", "guest").env("RINGUP_LAB_MEMORY", "6G").output().unwrap();
    let said = String::from_utf8(guest.stdout).unwrap();
    assert!(guest.status.success(), "the guest ended with {}: {said}", guest.status);
    let figures: Vec<&str> = said.lines().last().unwrap_or_default().split_whitespace().collect();
    let [woken, each] = figures[..] else { panic!("no figures: {said}") };
    [woken.to_owned(), each.to_owned()]
}

/// As [`in_another_kernel`], in this one.
pub(crate) fn alone(count: u32) -> [String; 2] {
    assert!(have_room_for(count), "no room for {count} open files");
    let mut server = Server::start(Kind::Ringup, HOSTS);
    let mut waiting = Waiting::default();
    waiting.grow(&server, count);
    let woken = waiting.wake(&mut server, Duration::from_secs(5));
    [woken.latencies(), waiting.kib_for_each(&server)]
}

/// So few that each is woken many times in a second.
const FEW: usize = 100;

/// What the bench is told to do this and nothing else.
pub(crate) const ALONE: &str = "waiters";

/// Connections made before the first events on them are read: fewer than may wait for the server to accept them.
const AT_ONCE: usize = 500;

/// Waits for every change of a host, whose record comes first.
fn wait(server: SocketAddr, number: u32) -> TcpStream {
    let SocketAddr::V4(server) = server else { panic!("{server} is no IPv4 address") };
    let fd = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
    // An address has some 28,000 ports for this.
    let [.., high, low] = (1 + number / 20_000).to_be_bytes();
    // Its port is chosen with the connection: to find one that nobody has to any server takes ever longer.
    setsockopt(&fd, sockopt::IpBindAddressNoPort, &true).unwrap();
    bind(fd.as_raw_fd(), &SockaddrIn::new(127, 9, high, low, 0)).unwrap();
    connect(fd.as_raw_fd(), &SockaddrIn::from(server)).unwrap();
    let mut stream = TcpStream::from(fd);
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let request = format!(
        "GET /v1/hosts/h{number}.dyn.test?wait=change HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

/// Reads one event to its end.
fn event(stream: &mut TcpStream) {
    let mut heard = Vec::new();
    let mut buffer = [0; 2048];
    loop {
        let length = stream.read(&mut buffer).expect("nothing was told");
        assert!(length > 0, "the connection was closed");
        heard.extend_from_slice(&buffer[..length]);
        let text = String::from_utf8_lossy(&heard);
        if let Some(at) = text.find("event: record")
            && text[at..].contains("\n\n")
        {
            return;
        }
    }
}
