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
use ringup::dns::{UpdateError, WallClock, message};
use ringup::record::{HostName, Identity, Record, Seq, SignedRecord};
use ringup::secret::Secret;
use tokio::io::AsyncReadExt;
use tokio::task::JoinSet;
use tokio::time::timeout;

use self::support::BOUND;
use self::support::http::{ADMINISTRATOR, Directory, curl};

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

#[tokio::test]
async fn a_host_that_changes_without_end_is_asked_to_wait_and_the_log_says_so_once() {
    let directory = Directory::start_limited("updates-per-minute = 5\n").await;
    let password = directory.login("router", &["cam.dyn.test", "nas.dyn.test"]).await;
    let login = format!("router:{password}");
    let update = async |host: &str, last: u32| {
        let path = format!("/nic/update?hostname={host}.dyn.test&myip=203.0.113.{last}");
        directory.curl(&path, &["--user", &login]).await
    };
    let mut refused = None;
    // Five at once and one in twelve seconds.
    for last in 0..200 {
        let answer = update("cam", last).await;
        if answer.status != 200 {
            refused = Some((last, answer));
            break;
        }
    }
    let (last, answer) = refused.expect("a flood goes through");
    assert!(last >= 5 && answer.headers.contains("retry-after: "), "{answer:?}");
    assert_eq!((answer.status, answer.body.as_str()), (503, "911\n"), "never 429");
    assert_eq!(update("nas", 1).await.body, "good 203.0.113.1\n", "another host has its own");

    // A host's own statements, by DNS and as JSON, count alike.
    let key =
        TsigKey::new("home", Algorithm::HmacSha256, &Secret::new(b"aG9tZSBob21lIGhvbWUgaG9tZQ==".to_vec())).unwrap();
    let (resolver, identity) = (directory.resolver(), Identity::generate().unwrap());
    let token = directory.login("home-token", &["home.dyn.test"]).await;
    let statement = |seq: u64| {
        let (seq, now) = (Seq::new(seq).unwrap(), WallClock::system().now());
        let record = Record::online(home(), vec!["203.0.113.9".parse().unwrap()], seq, now, 600).unwrap();
        SignedRecord::sign(record, &identity)
    };
    let mut seq = 0;
    let failed = loop {
        seq += 1;
        let deadline = tokio::time::Instant::now() + BOUND;
        let done = resolver.update(&"dyn.test".parse().unwrap(), &statement(seq), &key, deadline).await;
        match done {
            Ok(_) if seq < 200 => {}
            other => break other,
        }
    };
    assert!(matches!(failed, Err(UpdateError::Failed)), "{failed:?}");
    let bearer = format!("Authorization: Bearer {token}");
    let mut answer =
        directory.curl("/v1/hosts/home.dyn.test", &["-H", &bearer, "--data-binary", &statement(500).to_string()]).await;
    while answer.status == 200 {
        seq += 1;
        let statement = statement(500 + seq).to_string();
        answer = directory.curl("/v1/hosts/home.dyn.test", &["-H", &bearer, "--data-binary", &statement]).await;
    }
    assert_eq!((answer.status, answer.json()["error"].as_str().unwrap()), (429, "too-many"), "{answer:?}");
    assert!(answer.headers.contains("retry-after: "), "{answer:?}");

    let figures = directory.curl("/metrics", &[]).await.body;
    for figure in [
        "ringup_registrations_total{front=\"dyndns2\",outcome=\"refused\"} 1\n",
        "ringup_registrations_total{front=\"json\",outcome=\"refused\"} 1\n",
        "ringup_hosts_online 3\n",
        "ringup_commit_seconds_bucket{le=\"+Inf\"} ",
    ] {
        assert!(figures.contains(figure), "{figure}: {figures}");
    }
    // A datagram that was sent twice counts twice.
    assert!(figures.contains("{front=\"dns\",outcome=\"refused\"}"), "{figures}");
    assert!(!figures.contains("{front=\"dns\",outcome=\"refused\"} 0\n"), "{figures}");
    let (_status, log) = directory.daemon.terminate().await;
    assert!((2..=4).contains(&log.matches("changes too often").count()), "{log}");
}

#[tokio::test]
async fn the_status_page_tells_strangers_numbers_and_the_administrator_names() {
    let directory = Directory::start().await;
    let page = directory.curl("/", &[]).await;
    assert!(page.status == 200 && page.headers.contains("content-type: text/html"), "{page:?}");
    assert!(page.body.contains("registrations are taken") && !page.body.contains("home.dyn.test"), "{page:?}");
    let administrator = format!("Authorization: Bearer {ADMINISTRATOR}");
    assert!(directory.curl("/", &["-H", &administrator]).await.body.contains("home.dyn.test"));
    assert_eq!(directory.curl("/openapi.json", &[]).await.json()["openapi"], "3.1.0");
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
