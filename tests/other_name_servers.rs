//! BIND and Knot as the directory: the home side registers with them, and the client finds the host there, with the same
//! code as with `ringup directory`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests; clippy exempts only the tests themselves"
)]

mod support;

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use ringup::dns::tsig::{Algorithm, TsigKey};
use ringup::dns::{Directory, Registrar, Resolver, UpdateError, Waited, WallClock};
use ringup::record::{HostName, Identity, SeqStore, State};
use ringup::secret::Secret;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use self::support::{BOUND, Scratch, run};

const SECRET: &str = "aG9tZSBob21lIGhvbWUgaG9tZSBob21lIGhvbWUgaG9tZSBob21lIGhvbWU=";
const ZONE_NAME: &str = "dyn.test";
const ZONE: &str = "$ORIGIN dyn.test.\n$TTL 60\n@ SOA ns hostmaster 1 300 60 604800 5\n@ NS ns\nns A 127.0.0.1\nhome A \
                    203.0.113.1\n";

/// A name server of another house, primary for `dyn.test`, where the key `home` may change home and what is below it.
struct Primary {
    _child: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl Primary {
    /// Starts BIND.
    async fn bind(folder: &Scratch) -> Self {
        let address = free();
        let (place, port) = (folder.root().display(), address.port());
        let config = format!(
            "options {{ directory \"{place}\"; pid-file none; session-keyfile \"{place}/session.key\"; \
             listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion no; dnssec-validation no; \
             notify no; }};\ncontrols {{ }};\nkey home {{ algorithm hmac-sha256; secret \"{SECRET}\"; }};\n\
             zone \"dyn.test\" {{ type primary; file \"{place}/zone\"; \
             update-policy {{ grant home name home.dyn.test A AAAA; grant home name _ringup.home.dyn.test TXT; }}; }};\n"
        );
        folder.write("zone", ZONE);
        let config = folder.write("named.conf", &config);
        let mut command = Command::new("/usr/sbin/named");
        command.args(["-g", "-n", "1", "-c"]).arg(config);
        Self::start(folder, command, address, "bind9").await
    }

    /// Starts Knot.
    async fn knot(folder: &Scratch) -> Self {
        let address = free();
        let (place, port) = (folder.root().display(), address.port());
        let config = format!(
            "server:\n  rundir: {place}\n  listen: 127.0.0.1@{port}\n  udp-workers: 1\n  tcp-workers: 1\n\
             \x20 background-workers: 1\nlog:\n  - target: stderr\n    any: info\n\
             control:\n  listen: {place}/control\ndatabase:\n  storage: {place}\n\
             key:\n  - id: home\n    algorithm: hmac-sha256\n    secret: {SECRET}\n\
             acl:\n  - id: home\n    key: home\n    action: update\n    update-type: [A, AAAA, TXT]\n\
             \x20   update-owner: name\n    update-owner-match: sub-or-equal\n    update-owner-name: home.dyn.test.\n\
             zone:\n  - domain: dyn.test\n    storage: {place}\n    file: zone\n    acl: home\n    zonefile-sync: -1\n\
             \x20   zonefile-load: whole\n    journal-content: changes\n"
        );
        folder.write("zone", ZONE);
        let config = folder.write("knot.conf", &config);
        let mut command = Command::new("/usr/sbin/knotd");
        command.arg("-c").arg(config);
        Self::start(folder, command, address, "knot").await
    }

    async fn start(folder: &Scratch, mut command: Command, address: SocketAddr, package: &str) -> Self {
        let log = folder.path("log");
        let file = std::fs::File::create(&log).unwrap();
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file).kill_on_drop(true);
        let child = command.spawn().unwrap_or_else(|error| panic!("{error}: apt-get install {package}"));
        let server = Self { _child: child, address, log };
        let answering = timeout(BOUND, async {
            let short = || Instant::now() + Duration::from_secs(1);
            while server.resolver().addresses(&home(), short()).await.is_err() {
                sleep(Duration::from_millis(50)).await;
            }
        });
        assert!(answering.await.is_ok(), "it does not answer: {}", server.said());
        server
    }

    fn resolver(&self) -> Resolver {
        Resolver::new(vec![self.address])
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// A registrar of home, with the clock of its machine.
    fn registrar(&self, folder: &Scratch, identity: Identity, clock: WallClock) -> Registrar {
        let resolver = Resolver::with_clock(vec![self.address], clock);
        let directory = Directory { resolver, host: home(), zone: ZONE_NAME.parse().unwrap(), key: key(SECRET) };
        Registrar::new(identity, vec![directory], SeqStore::open(&folder.path("seq")).unwrap(), 3600)
    }
}

fn free() -> SocketAddr {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn home() -> HostName {
    "home.dyn.test".parse().unwrap()
}

fn key(secret: &str) -> TsigKey {
    TsigKey::new("home", Algorithm::HmacSha256, &Secret::new(secret.as_bytes().to_vec())).unwrap()
}

fn addresses(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn soon() -> Instant {
    Instant::now() + BOUND
}

/// A whole life of a host, as it is with `ringup directory`.
async fn a_host_lives_with(server: &Primary, folder: &Scratch) {
    let identity = Identity::generate().unwrap();
    let pinned = identity.public_key();
    let (resolver, home) = (server.resolver(), home());
    let before = resolver.query(&home, soon()).await.unwrap();
    assert!(before.record.is_none() && before.host_exists, "it has an address that nobody signed");

    // The clock of a machine just woken is a month behind: the server says so under its signature.
    let truth = WallClock::system();
    let late = WallClock::from_fn(move || WallClock::system().now() - 31 * 86_400);
    let mut registrar = server.registrar(folder, identity, late);
    let (waited, registered) = tokio::join!(
        resolver.newer_than(&home, None, soon()),
        registrar.register(addresses(&["203.0.113.9", "2001:db8::9"]), soon()),
    );
    let registered = registered.unwrap_or_else(|error| panic!("{error}: {}", server.said()));
    let Ok(Waited::Online(found)) = waited else { panic!("{waited:?}") };
    assert_eq!((found.verify(&pinned), found.record().seq()), (Ok(()), registered.seq));
    assert!(found.record().issued().abs_diff(truth.now()) <= 60, "signed by the right time");
    let plain = resolver.addresses(&home, soon()).await.unwrap();
    assert_eq!(plain, addresses(&["203.0.113.9", "2001:db8::9"]), "the old address is gone, the new ones are there");

    // What its owner sees of it.
    let config = format!(
        "directory-servers = [\"{}\"]\n[modem]\nport = \"/dev/null\"\n[sites.home]\nhost = \"home.dyn.test\"\n\
         identity = \"{pinned}\"\nnumber = \"555-0102\"\n",
        server.address
    );
    let config = folder.write("client.toml", &config);
    let said = run(folder.root(), &["--config", config.to_str().unwrap(), "query", "home", "--json"]).await;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let shown: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!((&shown["state"], &shown["seq"]), (&"online".into(), &registered.seq.number().into()), "{shown}");

    let withdrawn = registrar.withdraw(soon()).await.done.remove(0);
    let asleep = resolver.query(&home, soon()).await.unwrap().record.unwrap();
    assert_eq!((asleep.record().state(), asleep.record().seq()), (State::Asleep, withdrawn.seq));
    assert_eq!(asleep.verify(&pinned), Ok(()));
    assert_eq!(resolver.addresses(&home, soon()).await.unwrap(), addresses(&[]));

    let again = registrar.register(addresses(&["203.0.113.10"]), soon()).await.unwrap();
    assert!(again.seq > withdrawn.seq);
    assert_eq!(resolver.addresses(&home, soon()).await.unwrap(), addresses(&["203.0.113.10"]));

    // A wrong secret is told apart from everything else.
    let (zone, signed) = (ZONE_NAME.parse().unwrap(), registrar.current().unwrap().clone());
    let refused = resolver.update(&zone, &signed, &key("AAAA"), soon()).await;
    assert!(matches!(refused, Err(UpdateError::BadSig)), "{refused:?}: {}", server.said());
    assert_eq!(resolver.addresses(&home, soon()).await.unwrap(), addresses(&["203.0.113.10"]));
}

#[tokio::test]
async fn bind_is_a_directory_as_well() {
    let folder = Scratch::new();
    let server = Primary::bind(&folder).await;
    a_host_lives_with(&server, &folder).await;
}

#[tokio::test]
async fn knot_is_a_directory_as_well() {
    let folder = Scratch::new();
    let server = Primary::knot(&folder).await;
    a_host_lives_with(&server, &folder).await;
}
