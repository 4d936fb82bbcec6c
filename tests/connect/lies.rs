//! A directory that lies, and strangers at the addresses that it gives: refused by name, and nothing is sent to them.

use std::net::SocketAddr;

use domain::base::iana::{Rcode, Rtype};
use domain::base::{Message, MessageBuilder, Name, Ttl};
use domain::rdata::{A, Txt};
use ringup::exit::Status;
use ringup::record::{Identity, Record, Seq, SignedRecord};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::world::{NO_NUMBER, RUNG, World};

/// What the directory says.
#[derive(Clone, Debug, Default)]
struct Lie {
    statement: Option<String>,
    address: Option<std::net::Ipv4Addr>,
}

/// A directory that says whatever it is told to.
pub struct Liar {
    pub address: SocketAddr,
    says: watch::Sender<Lie>,
    _task: JoinSet<()>,
}

impl Liar {
    pub async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let (says, lie) = watch::channel(Lie::default());
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut datagram = [0; 1500];
            loop {
                let (length, from) = socket.recv_from(&mut datagram).await.unwrap();
                let answer = answer(&datagram[..length], &lie.borrow().clone());
                socket.send_to(&answer, from).await.unwrap();
            }
        });
        Self { address, says, _task: task }
    }

    pub fn says(&self, statement: &str) {
        self.says.send(Lie { statement: Some(statement.to_owned()), address: None }).unwrap();
    }

    /// Gives an address that nobody has signed.
    pub fn says_address(&self, address: std::net::Ipv4Addr) {
        self.says.send(Lie { statement: None, address: Some(address) }).unwrap();
    }
}

fn answer(query: &[u8], lie: &Lie) -> Vec<u8> {
    let query = Message::from_octets(query).unwrap();
    let question = query.sole_question().unwrap();
    let owner: Name<Vec<u8>> = question.qname().to_string().parse().unwrap();
    let mut answer = MessageBuilder::new_vec().start_answer(&query, Rcode::NOERROR).unwrap();
    match (question.qtype(), &lie.statement, lie.address) {
        (Rtype::TXT, Some(text), _) => {
            let text = Txt::<Vec<u8>>::build_from_slice(text.as_bytes()).unwrap();
            answer.push((&owner, Ttl::from_secs(0), text)).unwrap();
        }
        (Rtype::A, _, Some(address)) => answer.push((&owner, Ttl::from_secs(0), A::new(address))).unwrap(),
        _ => {}
    }
    answer.finish()
}

/// A machine at an address, with a service at a port and nothing to prove.
struct Stranger {
    proofs: UdpSocket,
    service: TcpListener,
}

impl Stranger {
    async fn at(address: &str) -> Self {
        let service = TcpListener::bind((address, 0)).await.unwrap();
        let proofs = UdpSocket::bind(service.local_addr().unwrap()).await.unwrap();
        Self { proofs, service }
    }

    fn place(&self) -> SocketAddr {
        self.proofs.local_addr().unwrap()
    }

    /// The command that would tell it something.
    fn command(&self) -> Vec<String> {
        let script = format!("echo secret >/dev/tcp/$0/{0}; echo secret >/dev/udp/$0/{0}", self.place().port());
        ["bash", "-c", &script, "{}"].map(str::to_owned).to_vec()
    }

    /// How many challenges it got; anything else it got is too much.
    async fn got(&self) -> usize {
        let mut challenges = 0;
        let mut datagram = [0; 1500];
        while let Ok(length) = self.proofs.try_recv(&mut datagram) {
            assert!(ringup::identity::wire::read_challenge(&datagram[..length]).is_some(), "it got {length} bytes");
            challenges += 1;
        }
        let connection = timeout(std::time::Duration::from_millis(1), self.service.accept()).await;
        assert!(connection.is_err(), "somebody connected to it");
        challenges
    }
}

/// The host is to be refused so, with nothing sent to the stranger but this.
async fn refuses(world: &mut World, stranger: &Stranger, challenged: bool, status: Status, message: &str, hint: &str) {
    let command = stranger.command();
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let ended = world.connect(&command).end().await;
    ended.failed(status, message, hint);
    assert_eq!(stranger.got().await > 0, challenged, "{ended:?}");
    world.leaves_nothing().await;
}

#[tokio::test]
async fn whatever_a_directory_makes_up_is_refused_and_nothing_is_sent_to_its_addresses() {
    let mut world = World::without_telephone(NO_NUMBER).await;
    let (liar, stranger) = (Liar::start().await, Stranger::at("127.0.0.9").await);
    world.client_of(liar.address, NO_NUMBER);
    let record = |seq| world.host.record(seq, stranger.place());
    let (genuine, other) = (SignedRecord::sign(record(7), &world.host.identity), Identity::generate().unwrap());

    // Signed by another key; a signature that is no signature; another host's record, which the same key has signed.
    let by_another = SignedRecord::sign(record(7), &other).to_string();
    let altered = SignedRecord::from_parts(record(8), *genuine.key(), *genuine.signature()).to_string();
    let elsewhere =
        Record::online("office.dyn.example".parse().unwrap(), vec![stranger.place().ip()], Seq::FIRST, 1, 600);
    let of_another = SignedRecord::sign(elsewhere.unwrap(), &world.host.identity).to_string();
    for (lie, words) in [(by_another, "signed by another identity"), (altered, "signature"), (of_another, "signature")]
    {
        liar.says(&lie);
        refuses(&mut world, &stranger, false, Status::WrongIdentity, words, "nothing was sent").await;
    }

    // Text that is no statement, and an address that nobody has signed.
    liar.says("seq=9 state=online");
    refuses(&mut world, &stranger, false, Status::DirectoryRefused, "cannot be read", "check directory-servers").await;
    liar.says_address("127.0.0.9".parse().unwrap());
    let words = "home.dyn.example is at 127.0.0.9, but its record is uncertified";
    refuses(&mut world, &stranger, false, Status::WrongIdentity, words, "without proof").await;

    // The host's own record, whose address was lent to a stranger meanwhile: he is challenged, and gets nothing else.
    liar.says(&genuine.to_string());
    let words =
        "home.dyn.example is registered at 127.0.0.9 (record 7), where its own network alone can reach it (local)";
    refuses(&mut world, &stranger, true, Status::BehindNat, words, "at the host").await;

    // The host's own, and once it was seen an older one.
    liar.says(&world.host.online(9).to_string());
    world.connect(&[]).end().await.found();
    liar.says(&genuine.to_string());
    let words = "the directory has an old record of home.dyn.example: number 7, and 9 was seen before";
    refuses(&mut world, &stranger, false, Status::RolledBack, words, "restored from a backup").await;
}

#[tokio::test]
async fn a_lie_that_comes_after_the_ring_is_no_better_than_one_before_it() {
    let world = World::new(RUNG, "", "").await;
    let (liar, stranger) = (Liar::start().await, Stranger::at("127.0.0.10").await);
    world.client_of(liar.address, RUNG);
    let command = stranger.command();
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let mut client = world.connect(&command);
    client.until("ringing").await;
    let record = world.host.record(7, stranger.place());
    liar.says(&SignedRecord::sign(record, &Identity::generate().unwrap()).to_string());
    client.end().await.failed(Status::WrongIdentity, "signed by another identity", "nothing was sent");
    assert_eq!(stranger.got().await, 0);
    world.leaves_nothing().await;
}

#[tokio::test]
async fn an_address_that_nobody_signed_is_called_so_even_after_the_host_was_rung() {
    let mut world = World::new(RUNG, "", "").await;
    let liar = Liar::start().await;
    world.client_of(liar.address, RUNG);
    liar.says_address("127.0.0.9".parse().unwrap());
    let words = "home.dyn.example is at 127.0.0.9, but its record is uncertified";
    let ended = world.fails(Status::WrongIdentity, words, "without proof").await;
    assert!(ended.steps().contains(&"ringing"), "it may sign once it is woken: {ended:?}");
}

#[tokio::test]
async fn a_key_that_is_trusted_while_a_host_is_on_its_way_is_not_overwritten_by_what_it_shows() {
    let world = World::new(RUNG, "", "").await;
    let trusting = std::fs::read_to_string(world.folder.path("client.toml")).unwrap();
    let trusting = trusting.replace(&format!("identity = \"{}\"\n", world.host.identity.public_key()), "");
    world.folder.write("client.toml", &trusting.replace("wait = \"5s\"", "wait = \"90s\""));
    let mut client = world.connect(&["touch", "ran"]);
    client.until("waiting").await;
    let key = Identity::generate().unwrap().public_key().to_string();
    let trusted = world.client(&["trust", "home", &key]).end().await;
    assert_eq!(trusted.status, Some(0), "{trusted:?}");
    world.host.register(&world.host.online(1)).await;
    let ended = client.end().await;
    ended.failed(Status::WrongIdentity, &format!("is known by {key}"), "ringup trust HOST KEY");
    assert!(!world.folder.path("ran").exists());
    let known = std::fs::read_to_string(world.folder.path("client-state/known/home.dyn.example")).unwrap();
    assert_eq!(known, format!("{key} 0\n"));
}

#[tokio::test]
async fn whoever_answers_in_the_hosts_place_is_refused_by_what_he_is() {
    let mut world = World::without_telephone(NO_NUMBER).await;
    let other = std::sync::Arc::new(Identity::generate().unwrap());
    let mut prover = ringup::identity::Prover::new(other.clone(), 0);
    let place = prover.stand_at(&["127.0.0.11".parse().unwrap()])[0];
    let service = TcpListener::bind(place).await.unwrap();
    world.host.register(&SignedRecord::sign(world.host.record(1, place), &world.host.identity)).await;
    let words = format!("another machine is there, which has the key {}", other.public_key());
    world.fails(Status::Impostor, &words, "many networks have that address (local)").await;

    // Nobody there who knows of challenges; and one who passes them on to the host itself.
    drop(prover);
    let relay = loop {
        if let Ok(relay) = UdpSocket::bind(place).await {
            break relay;
        }
        tokio::task::yield_now().await;
    };
    let behind = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    behind.connect(world.host.place).await.unwrap();
    let mut relaying = JoinSet::new();
    relaying.spawn(async move {
        let mut datagram = [0; 1500];
        loop {
            let (length, from) = relay.recv_from(&mut datagram).await.unwrap();
            behind.send(&datagram[..length]).await.unwrap();
            let length = behind.recv(&mut datagram).await.unwrap();
            relay.send_to(&datagram[..length], from).await.unwrap();
        }
    });
    world.fails(Status::Impostor, "passes on what the host says elsewhere", "many networks have").await;
    relaying.shutdown().await;
    world.fails(Status::Impostor, "a machine is there that does not prove to be anybody", "many networks").await;
    let connection = timeout(std::time::Duration::from_millis(1), service.accept()).await;
    assert!(connection.is_err(), "somebody connected to him");
}
