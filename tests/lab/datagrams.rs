//! Many questions by one port at once, whose answers leave together: at each kind of address that a directory listens at,
//! and over a path that takes less than an answer.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::process::Command;

use domain::base::iana::Rtype;
use ringup::dns::{message, name};

use super::harness::{enter, runtime};
use super::support::load::configuration;
use super::support::{BOUND, Scratch, directory};

/// What is asked: of three sizes, and their answers, too.
const HOSTS: [&str; 3] = ["a.dyn.test", "attic.dyn.test", "a-house-by-the-sea.dyn.test"];
/// Questions at once; more than are answered at a time.
const QUESTIONS: u16 = 100;

fn ask(id: u16) -> Vec<u8> {
    let host = HOSTS[usize::from(id) % HOSTS.len()].parse().unwrap();
    message::query(id, &name::of_host(&host), Rtype::TXT)
}

/// Asks all of it at once, again and again; each answer has to be what the same question brings alone.
fn answers_are_whole(client: &str, server: SocketAddr) {
    let socket = UdpSocket::bind(client).unwrap();
    socket.connect(server).unwrap();
    socket.set_read_timeout(Some(BOUND)).unwrap();
    let mut buffer = [0; 4096];
    let mut hear = || {
        let length =
            socket.recv(&mut buffer).unwrap_or_else(|error| panic!("{client} hears nothing of {server}: {error}"));
        buffer[..length].to_vec()
    };
    let mut alone = BTreeMap::new();
    for id in 0..QUESTIONS {
        socket.send(&ask(id)).unwrap();
        alone.insert(id, hear());
    }
    for _ in 0..20 {
        for id in 0..QUESTIONS {
            socket.send(&ask(id)).unwrap();
        }
        let mut together = BTreeMap::new();
        for _ in 0..QUESTIONS {
            let answer = hear();
            together.insert(u16::from_be_bytes([answer[0], answer[1]]), answer);
        }
        assert_eq!(together, alone, "{client} asks {server}");
    }
}

#[test]
fn many_answers_to_one_port_arrive_whole_from_the_address_that_was_asked() {
    enter();
    let folder = Scratch::new();
    let config = configuration(&folder, "directory.db", "");
    let text = std::fs::read_to_string(&config).unwrap();
    // A path by which no answer fits into one packet.
    let narrow = ["route", "add", "local", "127.0.0.77", "dev", "lo", "table", "local", "mtu", "68"];
    assert!(Command::new("ip").args(narrow).status().unwrap().success());
    for (listens, asks) in [
        ("127.0.0.1:0", &[("127.0.0.1:0", "127.0.0.1"), ("127.0.0.77:0", "127.0.0.1")][..]),
        ("0.0.0.0:0", &[("127.0.0.1:0", "127.0.0.3"), ("127.0.0.77:0", "127.0.0.3")]),
        ("[::1]:0", &[("[::1]:0", "::1")]),
        ("[::]:0", &[("[::1]:0", "::1")]),
    ] {
        let config = folder.write(
            "directory.toml",
            &text.replace("127.0.0.1:0", listens).replace("[directory]\n", "[directory]\nanswers-per-second = 0\n"),
        );
        runtime().block_on(async {
            let (daemon, bound) = directory(folder.root(), &config).await;
            for (client, server) in asks {
                let server = SocketAddr::new(server.parse().unwrap(), bound.port());
                answers_are_whole(client, server);
            }
            daemon.terminate().await;
        });
    }
    let gone = ["route", "del", "local", "127.0.0.77", "dev", "lo", "table", "local"];
    assert!(Command::new("ip").args(gone).status().unwrap().success());
}
