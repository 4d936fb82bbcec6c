//! The directory and the programs that people use with name servers: `dig`, `nsupdate`, and BIND as a secondary.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests; clippy exempts only the tests themselves"
)]

mod support;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;

use ringup::dns::WallClock;
use ringup::record::{Identity, Record, Seq, SignedRecord};
use tokio::io::AsyncWriteExt;
use tokio::net::UdpSocket;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use self::support::{BOUND, Daemon, Scratch};

const SECRET: &str = "aG9tZSBob21lIGhvbWUgaG9tZSBob21lIGhvbWUgaG9tZSBob21lIGhvbWU=";

/// A directory with a host that signs (`home`), and others that need not (`*.routers`).
async fn directory(folder: &Scratch, secondary: Option<SocketAddr>) -> (Daemon, SocketAddr) {
    let config = configure(folder, secondary);
    support::directory(folder.root(), &config).await
}

fn configure(folder: &Scratch, secondary: Option<SocketAddr>) -> PathBuf {
    for name in ["home", "routers", "transfer"] {
        folder.secret(&format!("{name}.tsig"), SECRET);
    }
    let mut text = "[directory]\nlisten = [\"127.0.0.1:0\"]\ndatabase = \"directory.db\"\nzone = \"dyn.test\"\n\
         nameserver = \"ns.dyn.test\"\n\
         [[directory.key]]\nname = \"home\"\nsecret = \"home.tsig\"\nhosts = [\"home.dyn.test\"]\n\
         [[directory.key]]\nname = \"routers\"\nalgorithm = \"hmac-sha512\"\nsecret = \"routers.tsig\"\n\
         hosts = [\"*.routers.dyn.test\"]\nuncertified-lease = \"960h\"\n"
        .to_owned();
    if let Some(address) = secondary {
        text.push_str(&format!(
            "[[directory.secondary]]\naddress = \"{address}\"\nname = \"ns2.dyn.test\"\n\
             key = {{ name = \"transfer\", secret = \"transfer.tsig\" }}\n"
        ));
    }
    folder.write("directory.toml", &text)
}

/// What `dig` says, with these further arguments.
async fn dig(server: SocketAddr, arguments: &[&str]) -> String {
    let port = server.port().to_string();
    let mut command = Command::new("dig");
    command.args(["@127.0.0.1", "-p", &port, "+tries=5", "+timeout=10"]).args(arguments);
    let output = timeout(BOUND, command.output()).await.unwrap().expect("dig: apt-get install bind9-dnsutils");
    String::from_utf8(output.stdout).unwrap()
}

/// What `nsupdate` says to a script, signing with a key of this algorithm and name; its status tells of success.
async fn nsupdate(server: SocketAddr, key: &str, script: &str) -> (bool, String) {
    let script = format!("server 127.0.0.1 {}\nzone dyn.test\n{script}\nsend\n", server.port());
    let mut command = Command::new("nsupdate");
    command.args(["-t", "60", "-y", key]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("nsupdate: apt-get install bind9-dnsutils");
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(script.as_bytes()).await.unwrap();
    drop(stdin);
    let output = timeout(BOUND, child.wait_with_output()).await.unwrap().unwrap();
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

fn routers() -> String {
    format!("hmac-sha512:routers:{SECRET}")
}

/// The lines of an update that registers `home` as nsupdate takes them.
fn statement(identity: &Identity, seq: u64, address: &str) -> String {
    let addresses = vec![address.parse().unwrap()];
    let (home, seq) = ("home.dyn.test".parse().unwrap(), Seq::new(seq).unwrap());
    let record = Record::online(home, addresses, seq, WallClock::system().now(), 600).unwrap();
    let signed = SignedRecord::sign(record, identity);
    format!(
        "update delete home.dyn.test A\nupdate delete home.dyn.test AAAA\nupdate add home.dyn.test 60 A {address}\n\
         update delete _ringup.home.dyn.test TXT\nupdate add _ringup.home.dyn.test 60 TXT \"{signed}\""
    )
}

#[tokio::test]
async fn dig_reads_every_kind_of_answer() {
    let folder = Scratch::new();
    let (daemon, server) = directory(&folder, None).await;
    let (done, said) = nsupdate(server, &routers(), "update add cam.routers.dyn.test 60 A 203.0.113.9").await;
    assert!(done, "{said}");
    for (arguments, expected) in [
        (&["CAM.routers.dyn.test", "A", "+noall", "+answer"][..], "203.0.113.9"),
        (&["cam.routers.dyn.test", "A", "+tcp", "+short"], "203.0.113.9\n"),
        (&["cam.routers.dyn.test", "A", "+noedns", "+short"], "203.0.113.9\n"),
        (&["cam.routers.dyn.test", "A", "+edns=1", "+noednsneg"], "status: BADVERS"),
        (&["cam.routers.dyn.test", "A", "+dnssec"], "flags: do; udp: 1232"),
        (&["cam.routers.dyn.test", "ANY", "+notcp", "+short"], "203.0.113.9\n"),
        (&["cam.routers.dyn.test", "MX"], "status: NOERROR"),
        (&["cam.routers.dyn.test", "TYPE1234"], "ANSWER: 0, AUTHORITY: 1"),
        (&["other.routers.dyn.test"], "status: NXDOMAIN"),
        (&["dyn.test", "SOA", "+short"], "ns.dyn.test. hostmaster.dyn.test. 2 300 60 14400 5\n"),
        (&["dyn.test", "NS", "+short"], "ns.dyn.test.\n"),
        (&["ns.dyn.test", "A", "+short"], "127.0.0.1\n"),
        (&["-c", "CH", "version.bind", "TXT"], "status: REFUSED"),
        (&["elsewhere.test"], "status: REFUSED"),
        (&["dyn.test", "AXFR"], "Transfer failed"),
        (&["+opcode=NOTIFY", "dyn.test", "SOA"], "status: NOTIMP"),
        (&["-y", &routers(), "cam.routers.dyn.test"], "TSIG"),
    ] {
        let said = dig(server, arguments).await;
        assert!(said.contains(expected), "{arguments:?}: {said}");
        assert!(!said.contains("malformed") && !said.contains("Couldn't verify"), "{arguments:?}: {said}");
    }
    daemon.terminate().await;
}

#[tokio::test]
async fn nsupdate_is_told_what_the_standard_says() {
    let folder = Scratch::new();
    let (daemon, server) = directory(&folder, None).await;
    let routers = routers();
    let home = format!("hmac-sha256:home:{SECRET}");
    let add = "update add cam.routers.dyn.test 60 A 203.0.113.9";
    for (key, script, refusal) in [
        (routers.as_str(), add, None),
        (&routers, &format!("prereq yxdomain cam.routers.dyn.test\n{add}"), None),
        (&routers, &format!("prereq yxrrset cam.routers.dyn.test A\n{add}"), None),
        (&routers, &format!("prereq yxrrset cam.routers.dyn.test A 203.0.113.9\n{add}"), None),
        (&routers, &format!("prereq nxrrset cam.routers.dyn.test AAAA\n{add}"), None),
        (&routers, &format!("prereq nxdomain cam.routers.dyn.test\n{add}"), Some("YXDOMAIN")),
        (&routers, &format!("prereq yxdomain no.routers.dyn.test\n{add}"), Some("NXDOMAIN")),
        (&routers, &format!("prereq yxrrset cam.routers.dyn.test AAAA\n{add}"), Some("NXRRSET")),
        (&routers, &format!("prereq yxrrset cam.routers.dyn.test A 203.0.113.8\n{add}"), Some("NXRRSET")),
        (&routers, &format!("prereq nxrrset cam.routers.dyn.test A\n{add}"), Some("YXRRSET")),
        (&routers, "update add home.dyn.test 60 A 203.0.113.9", Some("REFUSED")),
        (&routers, "update add cam.routers.dyn.test 60 MX 5 mail.dyn.test.", Some("REFUSED")),
        (&home, "update add home.dyn.test 60 A 203.0.113.9", Some("REFUSED")),
        // What no host has is deleted without a word.
        (&routers, "update delete cam.routers.dyn.test MX", None),
        (&routers, "update delete cam.routers.dyn.test TXT \"something\"", None),
        (&routers, "update delete never.routers.dyn.test", None),
        (&home, "update delete home.dyn.test MX", None),
        (&home, "update delete home.dyn.test A", Some("REFUSED")),
        ("hmac-sha256:stranger:AAAA", add, Some("BADKEY")),
        ("hmac-sha512:routers:AAAA", add, Some("BADSIG")),
        // One of two hosts may not be changed, so neither is.
        (&routers, "update delete cam.routers.dyn.test\nupdate add home.dyn.test 60 A 203.0.113.9", Some("REFUSED")),
    ] {
        let (done, said) = nsupdate(server, key, script).await;
        assert_eq!(done, refusal.is_none(), "{script}: {said}");
        assert!(refusal.is_none_or(|refusal| said.contains(refusal)), "{script}: {said}");
    }
    assert_eq!(dig(server, &["cam.routers.dyn.test", "+short"]).await, "203.0.113.9\n");
    assert!(dig(server, &["never.routers.dyn.test"]).await.contains("status: NXDOMAIN"));
    let both = "update delete cam.routers.dyn.test\nupdate add tv.routers.dyn.test 60 AAAA 2001:db8::9";
    assert!(nsupdate(server, &routers, both).await.0);
    assert_eq!(dig(server, &["cam.routers.dyn.test", "+short"]).await, "");
    assert_eq!(dig(server, &["tv.routers.dyn.test", "AAAA", "+short"]).await, "2001:db8::9\n");
    let identity = Identity::generate().unwrap();
    let (done, said) = nsupdate(server, &home, &statement(&identity, 5, "203.0.113.1")).await;
    assert!(done, "{said}");
    let (done, said) = nsupdate(server, &home, &statement(&identity, 4, "203.0.113.2")).await;
    assert!(!done && said.contains("YXRRSET"), "{said}");
    let (done, said) = nsupdate(server, &home, &statement(&Identity::generate().unwrap(), 6, "203.0.113.66")).await;
    assert!(!done && said.contains("REFUSED"), "{said}");
    assert_eq!(dig(server, &["home.dyn.test", "+short"]).await, "203.0.113.1\n");
    daemon.terminate().await;
}

/// The library that gives a program another time. BIND's own programs do not run with it, so it is the directory's clock
/// that differs from nsupdate's.
fn libfaketime() -> String {
    let architectures = std::fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path());
    let mut found = architectures.map(|folder| folder.join("faketime/libfaketime.so.1")).filter(|path| path.exists());
    found.next().expect("libfaketime: apt-get install faketime").into_os_string().into_string().unwrap()
}

#[tokio::test]
async fn nsupdate_is_told_that_the_clocks_differ_too_much() {
    let library = libfaketime();
    for (offset, is_taken) in [("-280s", true), ("+280s", true), ("-400s", false), ("+400s", false)] {
        let folder = Scratch::new();
        let config = configure(&folder, None);
        let clock = [("LD_PRELOAD", library.as_str()), ("FAKETIME", offset), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
        let (daemon, server) = support::directory_in(folder.root(), &config, &clock).await;
        let (done, said) = nsupdate(server, &routers(), "update add cam.routers.dyn.test 60 A 203.0.113.9").await;
        assert_eq!(done, is_taken, "{offset}: {said}");
        assert!(is_taken || said.contains("NOTAUTH(BADTIME)"), "{offset}: {said}");
        daemon.terminate().await;
    }
}

#[tokio::test]
async fn what_nsupdate_said_once_does_not_count_when_somebody_says_it_again() {
    let folder = Scratch::new();
    let (daemon, server) = directory(&folder, None).await;
    let change =
        |address: &str| format!("update delete cam.routers.dyn.test\nupdate add cam.routers.dyn.test 60 A {address}");
    // Somebody on the way hears the first one.
    let (near, far) = (UdpSocket::bind("127.0.0.1:0").await.unwrap(), UdpSocket::bind("127.0.0.1:0").await.unwrap());
    far.connect(server).await.unwrap();
    let between = near.local_addr().unwrap();
    let eavesdrop = async {
        let mut buffer = [0; 4096];
        let (length, client) = near.recv_from(&mut buffer).await.unwrap();
        let heard = buffer[..length].to_vec();
        far.send(&heard).await.unwrap();
        let length = far.recv(&mut buffer).await.unwrap();
        near.send_to(&buffer[..length], client).await.unwrap();
        heard
    };
    let first = change("203.0.113.1");
    let key = routers();
    let (heard, (done, said)) = tokio::join!(timeout(BOUND, eavesdrop), nsupdate(between, &key, &first));
    assert!(done, "{said}");
    assert_eq!(dig(server, &["cam.routers.dyn.test", "+short"]).await, "203.0.113.1\n");
    let (done, said) = nsupdate(server, &key, &change("203.0.113.2")).await;
    assert!(done, "{said}");
    far.send(&heard.unwrap()).await.unwrap();
    let mut answer = [0; 512];
    timeout(BOUND, far.recv(&mut answer)).await.unwrap().unwrap();
    // Answered once more, if both were signed within one second, or refused; but not done.
    assert!(matches!(answer[3] & 15, 0 | 9), "{}", answer[3] & 15);
    assert_eq!(dig(server, &["cam.routers.dyn.test", "+short"]).await, "203.0.113.2\n");
    daemon.terminate().await;
}

/// BIND with a copy of the zone.
struct Secondary {
    child: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl Secondary {
    /// Starts it at an address, for a directory at another.
    fn start(folder: &Scratch, address: SocketAddr, primary: SocketAddr) -> Self {
        let (place, port) = (folder.root().display(), address.port());
        let config = format!(
            "options {{ directory \"{place}\"; pid-file none; session-keyfile \"{place}/session.key\"; \
             listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion no; dnssec-validation no; }};\n\
             controls {{ }};\nkey transfer {{ algorithm hmac-sha256; secret \"{SECRET}\"; }};\n\
             zone \"dyn.test\" {{ type secondary; file \"{place}/copy\"; masterfile-format text; \
             primaries {{ 127.0.0.1 port {} key transfer; }}; allow-notify {{ key transfer; 127.0.0.1; }}; }};\n",
            primary.port()
        );
        let config = folder.write("named.conf", &config);
        let log = folder.path("named.log");
        let mut command = Command::new("/usr/sbin/named");
        command.args(["-g", "-n", "1", "-c"]).arg(config).kill_on_drop(true);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(std::fs::File::create(&log).unwrap());
        Self { child: child.spawn().expect("named: apt-get install bind9"), address, log }
    }

    /// Waits until it says this.
    async fn says(&self, arguments: &[&str], expected: &str) {
        let waited = timeout(BOUND, async {
            while dig(self.address, arguments).await != expected {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        });
        let said = waited.await;
        assert!(said.is_ok(), "{arguments:?} is not {expected:?}: {}", self.said());
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

#[tokio::test]
async fn bind_follows_as_a_secondary() {
    let folder = Scratch::new();
    let address = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (daemon, server) = directory(&folder, Some(address)).await;
    let add = |name: &str, address: &str| format!("update add {name}.routers.dyn.test 60 A {address}");
    for number in 1..=3 {
        assert!(nsupdate(server, &routers(), &add(&format!("r{number}"), &format!("203.0.113.{number}"))).await.0);
    }
    let mut secondary = Secondary::start(&folder, address, server);
    secondary.says(&["r3.routers.dyn.test", "+short"], "203.0.113.3\n").await;
    secondary
        .says(&["dyn.test", "NS", "+short", "+noall", "+answer"], &dig(server, &["dyn.test", "NS", "+short"]).await)
        .await;
    // Its own name has its address, in the zone and in its copy.
    for server in [server, address] {
        assert_eq!(dig(server, &["ns2.dyn.test", "+short"]).await, "127.0.0.1\n");
    }
    // From here on it learns by NOTIFY and IXFR.
    let home = format!("hmac-sha256:home:{SECRET}");
    assert!(nsupdate(server, &home, &statement(&Identity::generate().unwrap(), 1, "203.0.113.77")).await.0);
    secondary.says(&["home.dyn.test", "+short"], "203.0.113.77\n").await;
    let text = ["_ringup.home.dyn.test", "TXT", "+short"];
    secondary.says(&text, &dig(server, &text).await).await;
    let change = "update delete r1.routers.dyn.test\nupdate delete r2.routers.dyn.test\n".to_owned()
        + &add("r2", "203.0.113.22");
    assert!(nsupdate(server, &routers(), &change).await.0);
    secondary.says(&["r2.routers.dyn.test", "+short"], "203.0.113.22\n").await;
    secondary.says(&["r1.routers.dyn.test", "+short"], "").await;
    secondary.says(&["dyn.test", "SOA", "+short"], &dig(server, &["dyn.test", "SOA", "+short"]).await).await;
    let said = secondary.said();
    assert_eq!(said.matches("AXFR").count(), 0, "{said}");
    assert!(said.contains("received notify") && !said.contains("failed while receiving"), "{said}");
    let unsigned = dig(server, &["dyn.test", "AXFR"]).await;
    assert!(unsigned.contains("Transfer failed"), "{unsigned}");
    let key = format!("hmac-sha256:transfer:{SECRET}");
    let signed = dig(server, &["-y", &key, "dyn.test", "AXFR"]).await;
    assert!(signed.contains("ns2.dyn.test") && signed.contains("XFR size: ") && !signed.contains("verify"), "{signed}");
    secondary.child.kill().await.unwrap();
    daemon.terminate().await;
}
