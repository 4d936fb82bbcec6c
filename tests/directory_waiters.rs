//! Many who wait for one host: all of them are told of a registration, and each costs the directory little.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "helpers of tests; clippy exempts only the tests themselves; it says what it has measured"
)]

mod support;

use std::net::SocketAddr;

use ringup::dns::{Resolver, WallClock};
use ringup::record::{Identity, Record, Seq, SignedRecord};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use self::support::load::{configuration, key};
use self::support::{BOUND, Scratch};

/// How many wait.
const MANY: usize = 2000;
/// What each may cost, in KiB, in a program that is not optimized: less than one of HTTP's two buffers, which are given back.
const EACH: usize = 8;

#[tokio::test]
async fn many_who_wait_are_all_told_and_each_costs_little() {
    let folder = Scratch::new();
    let http = "[directory.http]\nlisten = [\"127.0.0.1:0\"]\nconnections-per-address = 4000\n";
    let config = configuration(&folder, "directory.db", http);
    let (daemon, address) = support::directory(folder.root(), &config).await;
    let ready: serde_json::Value = serde_json::from_str(&daemon.heard[0]).unwrap();
    let http = ready["http"][0].as_str().unwrap().parse().unwrap();
    let (resolver, identity) = (Resolver::new(vec![address]), Identity::generate().unwrap());
    let register = async |seq| {
        let (host, seq) = ("h0.dyn.test".parse().unwrap(), Seq::new(seq).unwrap());
        let addresses = vec!["203.0.113.9".parse().unwrap()];
        let record = Record::online(host, addresses, seq, WallClock::system().now(), 600).unwrap();
        let signed = SignedRecord::sign(record, &identity);
        resolver.update(&"dyn.test".parse().unwrap(), &signed, &key(), Instant::now() + BOUND).await.unwrap();
    };
    register(1).await;
    let files = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: files.maximum, ..files }).unwrap();
    // Whatever is needed but once is there before it is counted.
    let mut waiting = vec![Waiter::new(http).await];
    let before = own_kib(daemon.pid());
    while waiting.len() <= MANY {
        waiting.push(Waiter::new(http).await);
    }
    let each = own_kib(daemon.pid()).saturating_sub(before).div_ceil(MANY);
    println!("waiters: {each} KiB for each of {MANY}");
    assert!(each <= EACH, "{each} KiB for each");
    // The answer goes on to the end of the connection: nothing else is asked on it.
    waiting[0].stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    register(2).await;
    for waiter in &mut waiting {
        assert_eq!(waiter.told().await, "2");
    }
    daemon.terminate().await;
}

struct Waiter {
    stream: TcpStream,
    heard: String,
}

impl Waiter {
    /// Waits for every change of the host, and hears how it is now.
    async fn new(http: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(http).await.unwrap();
        let request = "GET /v1/hosts/h0.dyn.test?wait=change HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut waiter = Self { stream, heard: String::new() };
        assert_eq!(waiter.told().await, "1");
        waiter
    }

    /// The next event's number.
    async fn told(&mut self) -> String {
        let mut buffer = [0; 2048];
        loop {
            if let Some((before, after)) = self.heard.split_once("\n\n")
                && let Some((_, id)) = before.split_once("id: ")
            {
                let id = id.lines().next().unwrap().to_owned();
                self.heard = after.to_owned();
                return id;
            }
            let length = timeout(BOUND, self.stream.read(&mut buffer)).await.unwrap().unwrap();
            assert!(length > 0, "the connection was closed: {}", self.heard);
            self.heard.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
        }
    }
}

/// The memory that a process alone has in use: not what it shares with others, nor its program.
fn own_kib(pid: u32) -> usize {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Anonymous:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}
