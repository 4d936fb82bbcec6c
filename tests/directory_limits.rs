//! What strangers cannot have of the directory: others' places, others' addresses, more answers than are good.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests; clippy exempts only the tests themselves"
)]

mod support;

use std::io::{Error, Read, Write};
use std::net::TcpStream;

use ringup::dns::tsig::{self, Algorithm, TsigKey};
use ringup::dns::{WallClock, message};
use ringup::record::{HostName, Identity, Record, Seq, SignedRecord};
use ringup::secret::Secret;
use tokio::io::AsyncReadExt;
use tokio::task::JoinSet;
use tokio::time::timeout;

use self::support::BOUND;
use self::support::http::{Directory, curl};

#[tokio::test]
async fn a_client_behind_a_proxy_is_never_taken_for_the_proxy() {
    let directory = Directory::start_with("trusted-proxies = [\"127.0.0.1\"]\n").await;
    let password = directory.login("router", &["cam.dyn.test"]).await;
    let login = format!("router:{password}");
    let from = async |path: &str, forwarded: &str| {
        let forwarded = format!("X-Forwarded-For: {forwarded}");
        directory.curl(path, &["--user", &login, "-H", &forwarded]).await
    };
    for forwarded in
        ["203.0.113.5", "x, 203.0.113.5", "127.0.0.1, 203.0.113.5", "203.0.113.5:4711", "x", "203.0.113.5, x"]
    {
        assert_eq!(from("/metrics", forwarded).await.status, 403, "{forwarded}");
    }
    assert_eq!(directory.curl("/metrics", &[]).await.status, 200, "the proxy's own machine asks");
    let update = "/nic/update?hostname=cam.dyn.test";
    assert_eq!(from(update, "x, 203.0.113.5:4711").await.body, "good 203.0.113.5\n");
    assert_eq!(from(update, "[2001:db8::5]:4711").await.body, "good 2001:db8::5\n");
    for unknown in ["unknown", "203.0.113.5, x"] {
        assert_eq!(from(update, unknown).await.body, "dnserr\n", "{unknown}");
    }
    assert_eq!(from("/nic/update?hostname=cam.dyn.test&myip=203.0.113.6", "unknown").await.body, "good 203.0.113.6\n");
}

#[tokio::test]
async fn an_idle_connection_makes_room_for_a_newcomer() {
    let directory = Directory::start_with("connections-per-address = 2\n").await;
    let held: Vec<TcpStream> = (0..2).map(|_| TcpStream::connect(directory.http).unwrap()).collect();
    assert_eq!(directory.curl("/healthz", &[]).await.status, 200, "the newcomer is served");
    ended(held, 1).await;
    let socket = directory.folder.path("directory.db.socket");
    let unbounded = curl("http://directory/healthz", &["--unix-socket", socket.to_str().unwrap()]).await;
    assert_eq!(unbounded.status, 200);
}

#[tokio::test]
async fn whoever_holds_all_the_places_for_dns_keeps_nobody_out() {
    let directory = Directory::start().await;
    let held: Vec<TcpStream> = (0..40).map(|_| TcpStream::connect(directory.dns).unwrap()).collect();
    let mut newcomer = TcpStream::connect(directory.dns).unwrap();
    let query = message::query(7, &ringup::dns::name::of_host(&home()), domain::base::iana::Rtype::A);
    let answer = tokio::task::spawn_blocking(move || exchange(&mut newcomer, &query)).await.unwrap();
    assert_eq!(answer.unwrap()[..2], [0, 7]);
    // One network has 32 places.
    ended(held, 9).await;
}

#[tokio::test]
async fn wrong_signatures_over_one_connection_are_not_answered_for_ever_and_the_log_tells_whose_they_are() {
    let directory = Directory::start().await;
    let wrong = TsigKey::new("home", Algorithm::HmacSha256, &Secret::new(b"d3Jvbmcgd3Jvbmc=".to_vec())).unwrap();
    let now = WallClock::system().now();
    let record = Record::online(home(), vec!["203.0.113.9".parse().unwrap()], Seq::FIRST, now, 600).unwrap();
    let statement = SignedRecord::sign(record, &Identity::generate().unwrap());
    let unsigned = message::update(3, &"dyn.test".parse().unwrap(), &statement);
    let mut update = unsigned.clone();
    let _mac = tsig::sign_request(&mut update, &wrong, now);
    let mut stream = TcpStream::connect(directory.dns).unwrap();
    let answers = tokio::task::spawn_blocking(move || {
        let answers = (0..2000).take_while(|_| exchange(&mut stream, &update).is_ok()).count();
        let mut other = TcpStream::connect(stream.peer_addr().unwrap()).unwrap();
        let _answered = exchange(&mut other, &unsigned);
        answers
    });
    // Twenty at once and two a second: two thousand would take a quarter of an hour.
    let answers = timeout(BOUND, answers).await.unwrap().unwrap();
    assert!((20..2000).contains(&answers), "{answers} answers");
    let figures = directory.curl("/metrics", &[]).await.body;
    let counted = format!("ringup_dns_unauthenticated_total{{reason=\"badsig\"}} {}\n", answers + 1);
    assert!(figures.contains(&counted), "{counted}: {figures}");
    let (_status, log) = directory.daemon.terminate().await;
    let told = |what: &str| log.lines().filter(|line| line.contains(what)).count();
    assert!((1..=5).contains(&told("the key's secret is another here")), "{log}");
    assert!(log.contains("home") && told("it is not signed") == 1, "{log}");
    assert!(!log.contains("127.0.0.1:") || told("refused for its signature") < 10, "{log}");
}

fn home() -> HostName {
    "home.dyn.test".parse().unwrap()
}

/// Sends a message, and gives what is answered.
fn exchange(stream: &mut TcpStream, message: &[u8]) -> std::io::Result<Vec<u8>> {
    stream.write_all(&u16::try_from(message.len()).map_err(Error::other)?.to_be_bytes())?;
    stream.write_all(message)?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut answer = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

/// Waits until so many of these connections are closed by the other side, and sees that the others are not.
async fn ended(held: Vec<TcpStream>, expected: usize) {
    let mut reading = JoinSet::new();
    for stream in held {
        stream.set_nonblocking(true).unwrap();
        let mut stream = tokio::net::TcpStream::from_std(stream).unwrap();
        reading.spawn(async move { stream.read(&mut [0; 1]).await.unwrap_or_default() });
    }
    for _ in 0..expected {
        assert_eq!(timeout(BOUND, reading.join_next()).await.unwrap().unwrap().unwrap(), 0);
    }
    assert!(reading.try_join_next().is_none(), "more than {expected} had to go");
}
