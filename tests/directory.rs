//! The directory and its client, end to end over loopback: the real server task, the real registrar and resolver.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests; clippy exempts only the tests themselves"
)]

mod support;

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use domain::base::Message;
use domain::base::iana::{Rcode, Rtype};
use domain::rdata::{A, Aaaa};
use ringup::directory::{DirectoryError, KeyBinding, Secondary, Settings, StoreError, run};
use ringup::dns::tsig::{self, Algorithm, TsigKey};
use ringup::dns::{
    Directory, Progress, QueryError, RegisterError, Registrar, Resolver, UpdateError, Waited, WallClock, message, name,
};
use ringup::record::{HostName, Identity, Record, Seq, SeqStore, SignedRecord, State};
use ringup::secret::Secret;
use tokio::net::UdpSocket;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::support::Scratch;

/// A running directory.
struct Server {
    address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinSet<Result<(), DirectoryError>>,
}

impl Server {
    async fn start(settings: Settings) -> Self {
        let (ready, address) = oneshot::channel();
        let (shutdown, mut task) = (CancellationToken::new(), JoinSet::new());
        task.spawn(run(settings, shutdown.clone(), |addresses| ready.send(addresses.dns[0]).unwrap()));
        Self { address: address.await.unwrap(), shutdown, task }
    }

    async fn stop(mut self) {
        self.shutdown.cancel();
        self.task.join_next().await.unwrap().unwrap().unwrap();
    }

    /// Ends it unawares: nothing is told to stop.
    async fn kill(mut self) {
        self.task.abort_all();
        assert!(self.task.join_next().await.unwrap().unwrap_err().is_cancelled());
    }

    fn resolver(&self) -> Resolver {
        Resolver::new(vec![self.address])
    }
}

fn host(name: &str) -> HostName {
    name.parse().unwrap()
}

fn key(name: &str, secret: &str) -> TsigKey {
    TsigKey::new(name, Algorithm::HmacSha256, &Secret::new(secret.as_bytes().to_vec())).unwrap()
}

fn home_key() -> TsigKey {
    key("home", "aG9tZSBob21lIGhvbWUgaG9tZQ==")
}

fn settings(folder: &Scratch) -> Settings {
    let bind = |key, name: &str| KeyBinding { hosts: vec![host(name)], ..KeyBinding::of(key) };
    let listen = vec!["127.0.0.1:0".parse().unwrap()];
    let mut settings = Settings::new(listen, folder.path("directory.db"), host("dyn.test"), host("ns.dyn.test"));
    settings.keys =
        vec![bind(home_key(), "home.dyn.test"), bind(key("away", "YXdheSBhd2F5IGF3YXkgYXdheQ=="), "away.dyn.test")];
    settings
}

fn registrar(resolver: Resolver, folder: &Path, identity: Identity, key: TsigKey) -> Registrar {
    registrar_of(vec![entry(resolver, key)], folder, identity)
}

fn registrar_of(directories: Vec<Directory>, folder: &Path, identity: Identity) -> Registrar {
    Registrar::new(identity, directories, SeqStore::open(&folder.join("seq")).unwrap(), 3600)
}

fn entry(resolver: Resolver, key: TsigKey) -> Directory {
    Directory { resolver, host: host("home.dyn.test"), zone: host("dyn.test"), key }
}

/// A server that hears everything and never says a word.
async fn mute() -> (UdpSocket, Resolver) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let resolver = Resolver::new(vec![socket.local_addr().unwrap()]);
    (socket, resolver)
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

fn addresses(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn statement(identity: &Identity, seq: u64, address: &str) -> SignedRecord {
    let seq = Seq::new(seq).unwrap();
    let now = WallClock::system().now();
    SignedRecord::sign(Record::online(host("home.dyn.test"), addresses(&[address]), seq, now, 600).unwrap(), identity)
}

/// Sends one datagram and gives the answer's response code.
async fn raw(server: SocketAddr, datagram: &[u8]) -> (Rcode, Vec<u8>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(server).await.unwrap();
    let _sent = socket.send(datagram).await.unwrap();
    let mut buffer = vec![0; 4096];
    let length = tokio::time::timeout(Duration::from_secs(10), socket.recv(&mut buffer)).await.unwrap().unwrap();
    buffer.truncate(length);
    (Message::from_octets(&buffer).unwrap().header().rcode(), buffer)
}

async fn plain_addresses(server: SocketAddr, name: &str, rtype: Rtype) -> Vec<IpAddr> {
    let query = message::query(9, &name::of_host(&host(name)), rtype);
    let (rcode, answer) = raw(server, &query).await;
    assert_eq!(rcode, Rcode::NOERROR);
    let answer = Message::from_octets(&answer).unwrap();
    match rtype {
        Rtype::A => {
            answer.answer().unwrap().limit_to::<A>().map(|record| record.unwrap().data().addr().into()).collect()
        }
        _ => answer.answer().unwrap().limit_to::<Aaaa>().map(|record| record.unwrap().data().addr().into()).collect(),
    }
}

fn signed_update(signed: &SignedRecord, key: &TsigKey, now: u64) -> Vec<u8> {
    let mut datagram = message::update(3, &host("dyn.test"), signed);
    let _mac = tsig::sign_request(&mut datagram, key, now);
    datagram
}

#[tokio::test]
async fn a_host_registers_is_found_withdraws_and_is_found_asleep() {
    let folder = Scratch::new();
    let server = Server::start(settings(&folder)).await;
    let resolver = server.resolver();
    let home = host("home.dyn.test");
    let empty = resolver.query(&home, soon()).await.unwrap();
    assert!(empty.record.is_none() && empty.host_exists);
    assert!(!resolver.query(&host("nobody.dyn.test"), soon()).await.unwrap().host_exists);

    let identity = Identity::generate().unwrap();
    let pinned = identity.public_key();
    let mut registrar = registrar(server.resolver(), folder.root(), identity, home_key());
    let (waited, registered) = tokio::join!(
        resolver.newer_than(&home, None, soon()),
        registrar.register(addresses(&["203.0.113.9", "2001:db8::9"]), soon()),
    );
    let registered = registered.unwrap();
    let Ok(Waited::Online(found)) = waited else { panic!("{waited:?}") };
    assert_eq!(found.verify(&pinned), Ok(()));
    assert_eq!((found.record().seq(), found.record().state()), (registered.seq, State::Online));
    assert_eq!(found.record().addresses(), addresses(&["203.0.113.9", "2001:db8::9"]));
    assert_eq!(registered.packets.sent, registered.packets.received);
    assert!(registrar.renew_at().unwrap() <= Instant::now() + Duration::from_secs(1200));
    assert_eq!(plain_addresses(server.address, "home.dyn.test", Rtype::A).await, addresses(&["203.0.113.9"]));
    assert_eq!(plain_addresses(server.address, "home.dyn.test", Rtype::AAAA).await, addresses(&["2001:db8::9"]));

    let withdrawn = registrar.withdraw(soon()).await.done.remove(0);
    assert!(!registrar.is_exposed() && withdrawn.seq > registered.seq);
    assert_eq!(withdrawn.packets.sent, 1, "one datagram each way");
    let asleep = resolver.query(&home, soon()).await.unwrap().record.unwrap();
    assert_eq!((asleep.record().state(), asleep.record().seq()), (State::Asleep, withdrawn.seq));
    assert_eq!(asleep.verify(&pinned), Ok(()));
    assert!(plain_addresses(server.address, "home.dyn.test", Rtype::A).await.is_empty());
    let short = Instant::now() + Duration::from_millis(100);
    assert_eq!(
        resolver.newer_than(&home, None, short).await.unwrap(),
        Waited::TimedOut(resolver.query(&home, soon()).await.unwrap())
    );
    server.stop().await;
}

#[tokio::test]
async fn nothing_is_acknowledged_or_visible_before_it_is_stored() {
    let folder = Scratch::new();
    let server = Server::start(settings(&folder)).await;
    let (resolver, zone, home) = (server.resolver(), host("dyn.test"), host("home.dyn.test"));
    let signed = statement(&Identity::generate().unwrap(), 1, "203.0.113.9");
    // Somebody else's transaction keeps the directory from committing.
    let other = rusqlite::Connection::open(folder.path("directory.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let key = home_key();
    let mut update = Box::pin(resolver.update(&zone, &signed, &key, soon()));
    let early = tokio::time::timeout(Duration::from_millis(300), &mut update).await;
    assert!(early.is_err(), "acknowledged before it was stored: {early:?}");
    assert_eq!(resolver.query(&home, soon()).await.unwrap().record, None);
    other.execute_batch("ROLLBACK").unwrap();
    update.await.unwrap();
    assert_eq!(resolver.query(&home, soon()).await.unwrap().record, Some(signed.clone()));
    let stored: String = other.query_row("SELECT statement FROM host", [], |row| row.get(0)).unwrap();
    assert_eq!(stored, signed.to_string());
    server.stop().await;
}

#[tokio::test]
async fn a_directory_that_is_dropped_leaves_its_database_to_the_next() {
    let folder = Scratch::new();
    let server = Server::start(settings(&folder)).await;
    let signed = statement(&Identity::generate().unwrap(), 1, "203.0.113.9");
    server.resolver().update(&host("dyn.test"), &signed, &home_key(), soon()).await.unwrap();
    server.kill().await;
    let server = Server::start(settings(&folder)).await;
    assert_eq!(server.resolver().query(&host("home.dyn.test"), soon()).await.unwrap().record, Some(signed));
    server.stop().await;
}

#[tokio::test]
async fn a_replayed_update_does_not_bring_an_address_back() {
    let folder = Scratch::new();
    let server = Server::start(settings(&folder)).await;
    let identity = Identity::generate().unwrap();
    let now = WallClock::system().now();
    let first = signed_update(&statement(&identity, 1, "203.0.113.1"), &home_key(), now - 20);
    let second = signed_update(&statement(&identity, 2, "203.0.113.2"), &home_key(), now - 10);
    assert_eq!(raw(server.address, &first).await.0, Rcode::NOERROR);
    assert_eq!(raw(server.address, &first).await.0, Rcode::NOERROR, "a retransmission gets its answer again");
    assert_eq!(raw(server.address, &second).await.0, Rcode::NOERROR);
    assert_eq!(raw(server.address, &first).await.0, Rcode::NOTAUTH);
    let freshly_signed = signed_update(&statement(&identity, 1, "203.0.113.1"), &home_key(), now);
    assert_eq!(raw(server.address, &freshly_signed).await.0, Rcode::YXRRSET, "the number is behind");
    assert_eq!(plain_addresses(server.address, "home.dyn.test", Rtype::A).await, addresses(&["203.0.113.2"]));
    server.kill().await;
    let server = Server::start(settings(&folder)).await;
    assert_eq!(raw(server.address, &first).await.0, Rcode::NOTAUTH, "the fence outlives a crash");
    assert_eq!(raw(server.address, &second).await.0, Rcode::NOERROR, "and so does the answer");
    server.stop().await;
}

#[tokio::test]
async fn only_the_right_key_and_identity_change_a_host() {
    let folder = Scratch::new();
    let mut settings = settings(&folder);
    let identity = Identity::generate().unwrap();
    settings.keys[0].identity = Some(identity.public_key());
    let server = Server::start(settings).await;
    let (resolver, zone) = (server.resolver(), host("dyn.test"));
    let signed = statement(&identity, 1, "203.0.113.9");
    let try_with = async |key: TsigKey, signed: &SignedRecord, zone: &HostName| {
        resolver.update(zone, signed, &key, soon()).await.unwrap_err()
    };
    assert!(matches!(try_with(key("nobody", "AAAA"), &signed, &zone).await, UpdateError::BadKey));
    assert!(matches!(try_with(key("home", "AAAA"), &signed, &zone).await, UpdateError::BadSig));
    let away = key("away", "YXdheSBhd2F5IGF3YXkgYXdheQ==");
    assert!(matches!(try_with(away, &signed, &zone).await, UpdateError::Refused));
    let impostor = statement(&Identity::generate().unwrap(), 9, "203.0.113.66");
    assert!(matches!(try_with(home_key(), &impostor, &zone).await, UpdateError::Refused));
    assert!(matches!(try_with(home_key(), &signed, &host("other.test")).await, UpdateError::NotAuth));
    assert!(resolver.query(&host("home.dyn.test"), soon()).await.unwrap().record.is_none());
    resolver.update(&zone, &signed, &home_key(), soon()).await.unwrap();
    resolver.update(&zone, &signed, &home_key(), soon()).await.unwrap();
    let earlier = statement(&identity, 1, "203.0.113.10");
    assert!(matches!(try_with(home_key(), &earlier, &zone).await, UpdateError::Stale));
    let found = resolver.query(&host("home.dyn.test"), soon()).await.unwrap().record.unwrap();
    assert_eq!(found, signed);
    server.stop().await;
}

#[tokio::test]
async fn a_host_whose_clock_is_wrong_registers_by_the_directorys() {
    let folder = Scratch::new();
    let server = Server::start(settings(&folder)).await;
    let truth = WallClock::system();
    for (name, behind) in [("behind", 500_000_000), ("ahead", -100_000)] {
        let clock = WallClock::from_fn(move || WallClock::system().now().saturating_add_signed(-behind));
        let resolver = Resolver::with_clock(vec![server.address], clock);
        let identity_file = folder.path("identity");
        let identity = Identity::load(&identity_file).or_else(|_absent| Identity::create(&identity_file)).unwrap();
        let mut registrar = registrar(resolver, folder.root(), identity, home_key());
        registrar.register(addresses(&["203.0.113.9"]), soon()).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        let issued = registrar.current().unwrap().record().issued();
        assert!(issued.abs_diff(truth.now()) <= 2, "the record, too, carries the right time");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_lost_sequence_file_is_taken_up_from_the_directory() {
    let folder = Scratch::new();
    let server = Server::start(settings(&folder)).await;
    let identity_file = folder.path("identity");
    let _created = Identity::create(&identity_file).unwrap();
    let make = || registrar(server.resolver(), folder.root(), Identity::load(&identity_file).unwrap(), home_key());
    let mut before = make();
    for _ in 0..3 {
        before.register(addresses(&["203.0.113.9"]), soon()).await.unwrap();
    }
    std::fs::remove_file(folder.path("seq")).unwrap();
    assert_eq!(make().register(addresses(&["203.0.113.10"]), soon()).await.unwrap().seq.number(), 4);
    std::fs::write(folder.path("seq"), "2\n").unwrap();
    let restored = make().withdraw(soon()).await.done.remove(0);
    assert_eq!(restored.seq.number(), 5, "an old copy of the file, too, is lifted");
    let mut foreign = registrar(server.resolver(), folder.root(), Identity::generate().unwrap(), home_key());
    let refused = foreign.register(addresses(&["203.0.113.66"]), soon()).await;
    assert!(matches!(refused, Err(RegisterError::Update(UpdateError::Refused))), "{refused:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_registrar_outlasts_a_directory_that_is_away() {
    let folder = Scratch::new();
    let mut settings = settings(&folder);
    let server = Server::start(settings.clone()).await;
    settings.listen = vec![server.address];
    let mut registrar = registrar(server.resolver(), folder.root(), Identity::generate().unwrap(), home_key());
    registrar.register(addresses(&["203.0.113.8"]), soon()).await.unwrap();
    let resolver = server.resolver();
    server.stop().await;
    let refused = resolver.query(&host("home.dyn.test"), soon()).await;
    assert!(matches!(refused, Err(QueryError::Unreachable { source: Some(_), .. })), "{refused:?}");
    let (registered, server) =
        tokio::join!(registrar.register(addresses(&["203.0.113.9"]), soon()), Server::start(settings));
    assert_eq!(registered.unwrap().seq.number(), 2);
    server.stop().await;
}

#[tokio::test]
async fn a_mute_and_a_refusing_directory_hold_up_neither_the_good_one_nor_its_withdrawal() {
    let (one, other) = (Scratch::new(), Scratch::new());
    let server = Server::start(settings(&one)).await;
    let refusing = Server::start(settings(&other)).await;
    let (socket, mute) = mute().await;
    let entries = [(mute, home_key()), (refusing.resolver(), key("home", "AAAA")), (server.resolver(), home_key())];
    let entries = entries.into_iter().map(|(resolver, key)| entry(resolver, key)).collect();
    std::fs::write(one.path("seq"), "1\n").unwrap();
    let mut registrar = registrar_of(entries, one.root(), Identity::generate().unwrap());

    registrar.announce(addresses(&["203.0.113.9"]));
    let mut failed = Vec::new();
    let registered = loop {
        match registrar.next().await {
            Progress::Registered(registered) => break registered,
            Progress::Failed { error, directory, .. } => failed.push((error, directory)),
        }
    };
    assert!(registered.directory.contains(&server.address.to_string()), "{registered:?}");
    if failed.is_empty() {
        let Progress::Failed { error, directory, .. } = registrar.next().await else { panic!("another registration") };
        failed.push((error, directory));
    }
    let [(RegisterError::Update(UpdateError::BadSig), Some(directory))] = failed.as_slice() else {
        panic!("the mute one was waited for, or: {failed:?}")
    };
    assert!(directory.contains(&refusing.address.to_string()), "{directory}");

    // Every packet is accounted for, those without an answer as well.
    let mut datagram = [0; 1024];
    let mut heard = 1;
    let _first = socket.recv_from(&mut datagram).await.unwrap();
    while socket.try_recv_from(&mut datagram).is_ok() {
        heard += 1;
    }
    assert_eq!((registrar.packets().sent, registrar.packets().received), (heard + 2, 2));

    let bound = Instant::now() + Duration::from_secs(4);
    let withdrawal = registrar.withdraw(bound).await;
    let done: Vec<_> = withdrawal.done.iter().map(|done| Arc::clone(&done.directory)).collect();
    assert_eq!(done, [registered.directory], "and the bound is kept");
    assert_eq!(withdrawal.failed.len(), 2);
    assert!(registrar.is_exposed(), "the mute one may have heard that the host is online");
    let found = server.resolver().query(&host("home.dyn.test"), soon()).await.unwrap().record.unwrap();
    assert_eq!(found.record().state(), State::Asleep);
    assert!(refusing.resolver().query(&host("home.dyn.test"), soon()).await.unwrap().record.is_none());
    refusing.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn each_of_several_directories_has_the_record_under_its_own_name_and_one_number() {
    let (one, other) = (Scratch::new(), Scratch::new());
    let first = Server::start(settings(&one)).await;
    let mut elsewhere = settings(&other);
    (elsewhere.zone, elsewhere.nameserver) = (host("else.test"), host("ns.else.test"));
    let binding = |key, name| KeyBinding { hosts: vec![host(name)], ..KeyBinding::of(key) };
    elsewhere.keys = vec![binding(key("theirs", "AAAA"), "cabin.else.test")];
    let second = Server::start(elsewhere).await;
    let identity = Identity::generate().unwrap();
    let pinned = identity.public_key();
    // The second directory knows the host already, under a greater number than ours.
    let known = Record::online(host("cabin.else.test"), addresses(&["203.0.113.1"]), Seq::new(41).unwrap(), 1, 600);
    let known = SignedRecord::sign(known.unwrap(), &identity);
    second.resolver().update(&host("else.test"), &known, &key("theirs", "AAAA"), soon()).await.unwrap();
    std::fs::write(one.path("seq"), "6\n").unwrap();
    let theirs = Directory {
        resolver: second.resolver(),
        host: host("cabin.else.test"),
        zone: host("else.test"),
        key: key("theirs", "AAAA"),
    };
    let mut registrar = registrar_of(vec![entry(first.resolver(), home_key()), theirs], one.root(), identity);
    registrar.announce(addresses(&["203.0.113.9"]));
    let mut last = std::collections::BTreeMap::new();
    while last.values().filter(|seq| **seq == 42).count() < 2 {
        match registrar.next().await {
            Progress::Registered(done) => last.insert(done.directory, done.seq.number()),
            Progress::Failed { error, .. } => panic!("{error}"),
        };
    }
    for (server, name) in [(&first, "home.dyn.test"), (&second, "cabin.else.test")] {
        let found = server.resolver().query(&host(name), soon()).await.unwrap().record.unwrap();
        assert_eq!(found.verify(&pinned), Ok(()));
        assert_eq!(found.record().seq().number(), 42, "{name}");
        assert_eq!(plain_addresses(server.address, name, Rtype::A).await, addresses(&["203.0.113.9"]));
    }
    let withdrawal = registrar.withdraw(soon()).await;
    assert_eq!(withdrawal.done.iter().map(|done| done.seq.number()).collect::<Vec<_>>(), [43, 43]);
    assert!(!registrar.is_exposed());
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn a_new_address_supersedes_the_one_that_is_still_under_way() {
    let folder = Scratch::new();
    let server = Server::start(settings(&folder)).await;
    std::fs::write(folder.path("seq"), "1\n").unwrap();
    let mut registrar = registrar(server.resolver(), folder.root(), Identity::generate().unwrap(), home_key());
    registrar.announce(addresses(&["203.0.113.8"]));
    let cut = tokio::time::timeout(Duration::ZERO, registrar.next()).await;
    assert!(cut.is_err(), "the first is under way: {cut:?}");
    let registered = registrar.register(addresses(&["203.0.113.9"]), soon()).await.unwrap();
    let found = server.resolver().query(&host("home.dyn.test"), soon()).await.unwrap().record.unwrap();
    assert_eq!(found.record().addresses(), addresses(&["203.0.113.9"]));
    assert_eq!(found.record().seq(), registered.seq);
    server.stop().await;
}

#[tokio::test]
async fn a_clock_that_jumps_between_registrations_changes_neither_order_nor_renewal() {
    let folder = Scratch::new();
    let server = Server::start(settings(&folder)).await;
    let ahead = Arc::new(AtomicU64::new(0));
    let clock = {
        let ahead = Arc::clone(&ahead);
        WallClock::from_fn(move || WallClock::system().now() - 86_400 + ahead.load(Ordering::Relaxed))
    };
    let resolver = Resolver::with_clock(vec![server.address], clock);
    let mut registrar = registrar(resolver, folder.root(), Identity::generate().unwrap(), home_key());
    let mut last = 0;
    // A day behind; put right by NTP; then a month ahead; then back again.
    for jump in [0, 86_400, 31 * 86_400, 86_400] {
        ahead.store(jump, Ordering::Relaxed);
        let registered = registrar.register(addresses(&["203.0.113.9"]), soon()).await.unwrap();
        let seq = registered.seq.number();
        assert!(seq > last, "{seq} after {last}, the clock at {jump}");
        last = seq;
        let renewal = registrar.renew_at().unwrap().saturating_duration_since(Instant::now());
        assert!(renewal <= Duration::from_secs(1200) && renewal > Duration::from_secs(1100), "{renewal:?}");
        let found = server.resolver().query(&host("home.dyn.test"), soon()).await.unwrap().record.unwrap();
        assert_eq!((found.record().seq(), found.record().state()), (registered.seq, State::Online));
        let issued = found.record().issued();
        assert!(issued.abs_diff(WallClock::system().now()) <= 5, "signed by the right time");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_damaged_or_foreign_database_is_never_an_empty_zone() {
    let folder = Scratch::new();
    let settings = settings(&folder);
    let server = Server::start(settings.clone()).await;
    let identity = Identity::generate().unwrap();
    let signed = statement(&identity, 1, "203.0.113.9");
    server.resolver().update(&host("dyn.test"), &signed, &home_key(), soon()).await.unwrap();
    server.stop().await;

    let attempt =
        async |settings: &Settings| run(settings.clone(), CancellationToken::new(), |_| ()).await.unwrap_err();
    let mut other = settings.clone();
    other.zone = host("other.test");
    other.keys.clear();
    let error = attempt(&other).await;
    assert!(matches!(error, DirectoryError::Store(StoreError::OtherZone { .. })), "{error:?}");

    let whole = std::fs::read(&settings.database).unwrap();
    let mut damaged = whole.clone();
    for byte in &mut damaged[4096..] {
        *byte = !*byte;
    }
    for content in [damaged, b"this is no database, whatever it is; it is only long enough to look like one".repeat(20)]
    {
        std::fs::write(&settings.database, content).unwrap();
        let error = attempt(&settings).await;
        assert!(matches!(error, DirectoryError::Store(_)), "{error:?}");
    }
    std::fs::write(&settings.database, whole).unwrap();
    let server = Server::start(settings).await;
    assert_eq!(server.resolver().query(&host("home.dyn.test"), soon()).await.unwrap().record, Some(signed));
    server.stop().await;
}

#[tokio::test]
async fn a_binding_outside_the_zone_is_refused() {
    let folder = Scratch::new();
    let mut wrong = settings(&folder);
    wrong.keys[1].hosts.push(host("home.elsewhere.test"));
    let refused = run(wrong, CancellationToken::new(), |_| ()).await;
    assert!(matches!(refused, Err(DirectoryError::HostOutsideZone { .. })), "{refused:?}");
    let mut twice = settings(&folder);
    twice.keys[1].key = home_key();
    let refused = run(twice, CancellationToken::new(), |_| ()).await;
    assert!(matches!(refused, Err(DirectoryError::DoubleKey { .. })), "{refused:?}");
    let mut shared = settings(&folder);
    let address = "192.0.2.54:53".parse().unwrap();
    shared.secondaries = vec![Secondary { address, name: None, addresses: Vec::new(), key: Some(home_key()) }];
    let refused = run(shared, CancellationToken::new(), |_| ()).await;
    assert!(matches!(refused, Err(DirectoryError::SharedKey { .. })), "{refused:?}");
}
