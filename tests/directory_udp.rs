//! The directory over UDP where things are not as they should be: asked at one of several addresses, flooded, unread.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests; clippy exempts only the tests themselves"
)]

mod support;

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use domain::base::iana::{Rcode, Rtype};
use domain::base::{Message, MessageBuilder};
use nix::fcntl::{FcntlArg, fcntl};
use ringup::dns::{Resolver, WallClock, message, name};
use ringup::record::{HostName, Identity, Record, Seq, SignedRecord};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout};

use self::support::load::{configuration, key};
use self::support::{BOUND, Scratch, directory};

fn home() -> HostName {
    "home.dyn.test".parse().unwrap()
}

fn statement(identity: &Identity, seq: u64) -> SignedRecord {
    let (seq, addresses) = (Seq::new(seq).unwrap(), vec!["203.0.113.9".parse().unwrap()]);
    SignedRecord::sign(Record::online(home(), addresses, seq, WallClock::system().now(), 600).unwrap(), identity)
}

/// Writes the configuration of a directory at an address.
fn listening(folder: &Scratch, address: &str) -> std::path::PathBuf {
    let config = configuration(folder, "directory.db", "");
    let text = std::fs::read_to_string(&config).unwrap().replace("127.0.0.1:0", address);
    folder.write("directory.toml", &text)
}

/// Asks from a socket that hears only whom it asked.
async fn code_of(server: SocketAddr, message: &[u8]) -> Rcode {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(server).await.unwrap();
    let _sent = socket.send(message).await.unwrap();
    let mut buffer = vec![0; 4096];
    let length = timeout(BOUND, socket.recv(&mut buffer)).await.unwrap().unwrap();
    Message::from_octets(&buffer[..length]).unwrap().header().rcode()
}

#[tokio::test]
async fn an_answer_comes_from_the_address_that_was_asked() {
    let folder = Scratch::new();
    let (daemon, bound) = directory(folder.root(), &listening(&folder, "0.0.0.0:0")).await;
    let query = message::query(7, &name::of_host(&home()), Rtype::A);
    for asked in ["127.0.0.1", "127.8.0.2", "127.8.0.3"] {
        let server = SocketAddr::new(asked.parse().unwrap(), bound.port());
        assert_eq!(code_of(server, &query).await, Rcode::NXDOMAIN, "{asked}");
    }
    // What the writer answers once it is on the disk, too, and what is refused.
    let server = SocketAddr::new("127.8.0.4".parse().unwrap(), bound.port());
    let mut update = message::update(8, &"dyn.test".parse().unwrap(), &statement(&Identity::generate().unwrap(), 1));
    assert_eq!(code_of(server, &update).await, Rcode::REFUSED);
    let _mac = ringup::dns::tsig::sign_request(&mut update, &key(), WallClock::system().now());
    assert_eq!(code_of(server, &update).await, Rcode::NOERROR);
    daemon.terminate().await;
}

#[tokio::test]
async fn a_flood_does_not_keep_it_from_ending() {
    let folder = Scratch::new();
    let (daemon, server) = directory(folder.root(), &listening(&folder, "127.0.0.1:0")).await;
    let (ended, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let floods: Vec<_> = (0..4)
        .map(|_| {
            let (ended, asked) = (Arc::clone(&ended), Arc::clone(&asked));
            let query = MessageBuilder::new_vec().question().finish();
            std::thread::spawn(move || {
                let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
                // More than it can answer, for as long as a test may take, or until it is gone.
                let begun = Instant::now();
                while !ended.load(Ordering::Relaxed) && begun.elapsed() < BOUND {
                    let _refused = socket.send_to(&query, server);
                    asked.fetch_add(1, Ordering::Relaxed);
                }
                begun.elapsed() < BOUND
            })
        })
        .collect();
    while asked.load(Ordering::Relaxed) < 10_000 {
        tokio::task::yield_now().await;
    }
    let (status, log) = daemon.terminate().await;
    ended.store(true, Ordering::Relaxed);
    assert!(floods.into_iter().all(|flood| flood.join().unwrap()), "it ended only with the flood");
    assert!(status.success(), "{status}: {log}");
}

#[tokio::test]
async fn whoever_does_not_read_the_log_does_not_hold_up_the_registrations() {
    let folder = Scratch::new();
    let config = listening(&folder, "127.0.0.1:0");
    let config = config.to_str().unwrap();
    let mut command = support::ringup(folder.root(), &["directory", "--json", "--config", config]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let unread = child.stderr.take().unwrap().into_owned_fd().unwrap();
    // The smallest there is: some dozens of lines.
    fcntl(&unread, FcntlArg::F_SETPIPE_SZ(4096)).unwrap();
    let mut events = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready = timeout(BOUND, events.next_line()).await.unwrap().unwrap().unwrap();
    let ready: serde_json::Value = serde_json::from_str(&ready).unwrap();
    let resolver = Resolver::new(vec![ready["addresses"][0].as_str().unwrap().parse().unwrap()]);
    let identity = Identity::generate().unwrap();
    for seq in 1..=200 {
        let deadline = Instant::now() + Duration::from_secs(60);
        let stored = resolver.update(&"dyn.test".parse().unwrap(), &statement(&identity, seq), &key(), deadline).await;
        assert!(stored.is_ok(), "registration {seq}: {stored:?}");
    }
    let pid = nix::unistd::Pid::from_raw(child.id().unwrap().try_into().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert!(timeout(BOUND, child.wait()).await.unwrap().unwrap().success());
    drop(unread);
}
