//! A load of registrations on a directory, and the question afterwards whether what it acknowledged is there, and whole.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ringup::dns::tsig::{self, Algorithm, TsigKey};
use ringup::dns::{Resolver, WallClock};
use ringup::record::{HostName, Identity, Record, Seq, SignedRecord};
use ringup::secret::Secret;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::{BOUND, Scratch};

/// Hosts that sign their records, each registering as fast as it is answered.
const SIGNERS: usize = 24;
/// Pairs of hosts that do not sign, both changed by one update.
const PAIRS: usize = 8;
const SECRET: &str = "bG9hZCBsb2FkIGxvYWQgbG9hZCBsb2Fk";
/// Long enough to be answered by the living; nobody waits for one that is known to be dead.
const PATIENCE: Duration = Duration::from_secs(2);

/// Writes the configuration of a directory that takes the load, its database at a path.
pub fn configuration(folder: &Scratch, database: &str, more: &str) -> PathBuf {
    folder.secret("load.tsig", SECRET);
    let text = format!(
        "[directory]\nlisten = [\"127.0.0.1:0\"]\ndatabase = \"{database}\"\nzone = \"dyn.test\"\n\
         nameserver = \"ns.dyn.test\"\nhistory-days = 1\nupdates-per-minute = 0\n\
         [[directory.key]]\nname = \"load\"\nsecret = \"load.tsig\"\nhosts = [\"*.dyn.test\"]\n\
         uncertified-lease = \"960h\"\n{more}"
    );
    folder.write("directory.toml", &text)
}

/// The key that may change all of it.
pub fn key() -> TsigKey {
    TsigKey::new("load", Algorithm::HmacSha256, &Secret::new(SECRET.as_bytes().to_vec())).unwrap()
}

/// Everybody who registers.
pub struct Load {
    identity: Arc<Identity>,
    signers: Vec<Signer>,
    pairs: Vec<Pair>,
    dice: Dice,
}

impl Load {
    pub fn new(seed: u64) -> Self {
        Self {
            identity: Arc::new(Identity::generate().unwrap()),
            signers: (0..SIGNERS).map(Signer::new).collect(),
            pairs: (0..PAIRS).map(Pair::new).collect(),
            dice: Dice(seed),
        }
    }

    /// A number below a bound, from the seed.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.dice.below(bound)
    }

    /// Begins to register.
    pub fn start(self, address: SocketAddr) -> Running {
        let (told, heard) = mpsc::channel(1);
        let Self { identity, signers, pairs, mut dice } = self;
        let counts = signers
            .iter()
            .map(|signer| Arc::clone(&signer.count))
            .chain(pairs.iter().map(|pair| Arc::clone(&pair.count)));
        let counts = counts.collect();
        let (mut signing, mut pairing) = (JoinSet::new(), JoinSet::new());
        let dead = CancellationToken::new();
        for signer in signers {
            let (identity, dice) = (Arc::clone(&identity), dice.another());
            signing.spawn(signer.register(address, identity, dice, told.clone(), dead.clone()));
        }
        for pair in pairs {
            pairing.spawn(pair.register(address, told.clone(), dead.clone()));
        }
        Running { identity, signing, pairing, dice, dead, heard, counts }
    }

    /// Asks for everybody: each is there with what it was acknowledged last, or something newer that was under way.
    pub async fn inspect(&mut self, address: SocketAddr) {
        let resolver = Resolver::new(vec![address]);
        for signer in &mut self.signers {
            let host = &signer.host;
            let found = resolver.query(host, Instant::now() + BOUND).await.unwrap().record;
            signer.numbers.settle(host.as_str(), found.as_ref().map_or(0, |found| found.record().seq().number()));
            let said = found.as_ref().map(|found| found.record().addresses().to_vec()).unwrap_or_default();
            let plain = resolver.addresses(host, Instant::now() + BOUND).await.unwrap();
            assert_eq!(plain, said, "{host} is there by half");
            assert!(found.is_none_or(|found| found.verify(&self.identity.public_key()).is_ok()), "{host}");
        }
        for pair in &mut self.pairs {
            let mut found = BTreeSet::new();
            for host in &pair.hosts {
                found.insert(resolver.addresses(host, Instant::now() + BOUND).await.unwrap());
            }
            assert_eq!(found.len(), 1, "of {:?} only one was changed: {found:?}", pair.hosts);
            let number = match found.pop_first().unwrap()[..] {
                [] => 0,
                [IpAddr::V4(address)] => u64::from(address.to_bits() - FIRST.to_bits()),
                ref more => panic!("{:?} are at {more:?}", pair.hosts),
            };
            pair.numbers.settle(pair.hosts[0].as_str(), number);
        }
    }
}

/// What is acknowledged of a host's numbers, and what was asked for last.
#[derive(Clone, Copy, Default)]
struct Numbers {
    acknowledged: u64,
    attempted: u64,
}

impl Numbers {
    fn settle(&mut self, host: &str, found: u64) {
        let Self { acknowledged, attempted } = *self;
        let may_be = (acknowledged..=attempted.max(acknowledged)).contains(&found);
        assert!(may_be, "{host}: {acknowledged} was acknowledged, {attempted} under way; {found} is there");
        *self = Self { acknowledged: found, attempted: found };
    }

    fn next(&mut self) -> u64 {
        self.attempted = self.acknowledged + 1;
        self.attempted
    }
}

/// Everybody registering.
pub struct Running {
    identity: Arc<Identity>,
    signing: JoinSet<Signer>,
    pairing: JoinSet<Pair>,
    dice: Dice,
    /// The directory is: nobody waits for its answer any more.
    dead: CancellationToken,
    heard: mpsc::Receiver<()>,
    counts: Vec<Arc<AtomicU64>>,
}

/// What everybody had been acknowledged at one moment.
pub struct Moment(Vec<u64>);

impl Running {
    /// Waits for so many acknowledgements.
    pub async fn hear(&mut self, acknowledgements: u64) {
        for _acknowledgement in 0..acknowledgements {
            timeout(BOUND, self.heard.recv()).await.unwrap().unwrap();
        }
    }

    /// Waits until everybody was refused, or not answered.
    pub async fn exhaust(&mut self) {
        while timeout(BOUND, self.heard.recv()).await.unwrap().is_some() {}
    }

    /// Notes what has been acknowledged: whatever it is, it was before this moment.
    pub fn moment(&self) -> Moment {
        Moment(self.counts.iter().map(|count| count.load(Ordering::SeqCst)).collect())
    }

    /// Ends it, once the directory is dead. Answers that it has sent are heard.
    pub async fn end(self) -> Load {
        let Self { identity, signing, pairing, dice, dead, heard, counts: _ } = self;
        dead.cancel();
        drop(heard);
        let (mut signers, mut pairs) = (signing.join_all().await, pairing.join_all().await);
        signers.sort_by_key(|signer| signer.number);
        pairs.sort_by_key(|pair| pair.number);
        Load { identity, signers, pairs, dice }
    }

    /// As [`Running::end`], where what was acknowledged since a moment may be gone: the power was, though it did not show.
    pub async fn end_since(self, Moment(counts): Moment) -> Load {
        let mut load = self.end().await;
        let signers = load.signers.iter_mut().map(|signer| &mut signer.numbers);
        let numbers = signers.chain(load.pairs.iter_mut().map(|pair| &mut pair.numbers));
        for (numbers, then) in numbers.zip(counts) {
            numbers.attempted = numbers.attempted.max(numbers.acknowledged);
            numbers.acknowledged = then;
        }
        load
    }
}

/// What comes of it, unless the directory dies first.
async fn unless<T>(dead: &CancellationToken, answer: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        answer = answer => Some(answer),
        () = dead.cancelled() => None,
    }
}

/// A host that signs.
struct Signer {
    number: usize,
    host: HostName,
    numbers: Numbers,
    /// The number acknowledged last, for others to see.
    count: Arc<AtomicU64>,
}

impl Signer {
    fn new(number: usize) -> Self {
        let host = format!("h{number}.dyn.test").parse().unwrap();
        Self { number, host, numbers: Numbers::default(), count: Arc::default() }
    }

    /// Registers until it is not answered.
    async fn register(
        mut self,
        address: SocketAddr,
        identity: Arc<Identity>,
        mut dice: Dice,
        told: mpsc::Sender<()>,
        dead: CancellationToken,
    ) -> Self {
        let (resolver, zone, key) = (Resolver::new(vec![address]), "dyn.test".parse().unwrap(), key());
        self.count.store(self.numbers.acknowledged, Ordering::SeqCst);
        loop {
            let number = self.numbers.next();
            let signed = SignedRecord::sign(self.record(number, &mut dice), &identity);
            let update = resolver.update(&zone, &signed, &key, Instant::now() + PATIENCE);
            if !matches!(unless(&dead, update).await, Some(Ok(_accepted))) {
                return self;
            }
            self.numbers.acknowledged = number;
            self.count.store(number, Ordering::SeqCst);
            if told.send(()).await.is_err() {
                return self;
            }
        }
    }

    /// Asleep, or online with IPv4, or with IPv6 as well.
    fn record(&self, number: u64, dice: &mut Dice) -> Record {
        let (seq, now) = (Seq::new(number).unwrap(), WallClock::system().now());
        let octet = u8::try_from(number % 250).unwrap() + 1;
        let four = IpAddr::from([203, 0, 113, octet]);
        let six = IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(octet)]);
        let host = self.host.clone();
        match dice.below(4) {
            0 => Record::asleep(host, seq, now, 3600),
            1 => Record::online(host, vec![four], seq, now, 3600),
            _ => Record::online(host, vec![four, six], seq, now, 3600),
        }
        .unwrap()
    }
}

/// Two hosts that one update changes: both get the address whose number it is.
struct Pair {
    number: usize,
    hosts: [HostName; 2],
    numbers: Numbers,
    count: Arc<AtomicU64>,
}

/// The address with the number 0.
const FIRST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 0);

impl Pair {
    fn new(number: usize) -> Self {
        let hosts = ["a", "b"].map(|side| format!("p{number}{side}.dyn.test").parse().unwrap());
        Self { number, hosts, numbers: Numbers::default(), count: Arc::default() }
    }

    /// Registers until it is not answered.
    async fn register(mut self, address: SocketAddr, told: mpsc::Sender<()>, dead: CancellationToken) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(address).await.unwrap();
        let key = key();
        self.count.store(self.numbers.acknowledged, Ordering::SeqCst);
        loop {
            let number = self.numbers.next();
            let mut update = self.update(u32::try_from(number).unwrap());
            let _mac = tsig::sign_request(&mut update, &key, WallClock::system().now());
            let mut answer = [0; 512];
            let answered = async {
                let _sent = socket.send(&update).await?;
                socket.recv(&mut answer).await
            };
            let answered = matches!(unless(&dead, timeout(PATIENCE, answered)).await, Some(Ok(Ok(_length))));
            // NOERROR, or what a directory says that cannot store it.
            if !answered || answer[3] & 15 == SERVFAIL {
                return self;
            }
            assert_eq!(answer[3] & 15, 0, "a pair was answered with code {}", answer[3] & 15);
            self.numbers.acknowledged = number;
            self.count.store(number, Ordering::SeqCst);
            if told.send(()).await.is_err() {
                return self;
            }
        }
    }

    /// An address in place of those before, for both, as nsupdate would write it.
    fn update(&self, number: u32) -> Vec<u8> {
        let address = Ipv4Addr::from_bits(FIRST.to_bits() + number);
        let [.., high, low] = number.to_be_bytes();
        let mut bytes = vec![high, low, 0x28, 0, 0, 1, 0, 0, 0, 4, 0, 0];
        bytes.extend(b"\x03dyn\x04test\0\0\x06\0\x01");
        for host in &self.hosts {
            let labels = host.labels();
            let labels = labels.flat_map(|label| [&[u8::try_from(label.len()).unwrap()], label.as_bytes()].concat());
            let name: Vec<u8> = labels.chain([0]).collect();
            bytes.extend(&name);
            bytes.extend([0, 1, 0, 255, 0, 0, 0, 0, 0, 0]);
            bytes.extend(&name);
            bytes.extend([0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
            bytes.extend(address.octets());
        }
        bytes
    }
}

const SERVFAIL: u8 = 2;

/// Looks at a database that a directory has left at once.
pub fn consistent(path: &Path) {
    let database = rusqlite::Connection::open(path).unwrap();
    let integrity: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(integrity, "ok");
    let count = |sql: &str| -> i64 { database.query_row(sql, [], |row| row.get(0)).unwrap() };
    let without = "SELECT count(*) FROM host LEFT JOIN history AS last ON last.id = latest
                   WHERE (last.host, last.statement) IS NOT (host.host, host.statement)";
    assert_eq!(count(without), 0, "hosts whose history does not end with what they say");
    let broken =
        "SELECT count(*) FROM (SELECT previous, lag(id) OVER (PARTITION BY host ORDER BY id) AS before FROM history)
                  WHERE previous IS NOT before";
    assert_eq!(count(broken), 0, "rows of the history that do not follow the one before");
    let apart = "SELECT count(*) FROM zone WHERE serial IS NOT (SELECT max(serial) FROM edition)";
    assert_eq!(count(apart), 0, "the zone's serial is not that of its last change");
}

/// A number from the environment.
pub fn number_from(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|number| number.parse().unwrap_or_else(|_| panic!("{variable}={number}")))
}

/// Numbers from a seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn another(&mut self) -> Self {
        Self(self.below(u64::MAX))
    }
}
