//! A client with a modem, an exchange, a directory, and a host that registers when the test says so.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ringup::dns::tsig::{Algorithm, TsigKey};
use ringup::dns::{Resolver, WallClock};
use ringup::exit::Status;
use ringup::identity::Prover;
use ringup::record::{HostName, Identity, Record, Seq, Services, SignedRecord};
use ringup::secret::Secret;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout};
use tokio::time::{Instant, timeout};

use crate::support::{BOUND, Daemon, Scratch, directory, minding_signals, ringup};

/// The host's name.
pub const HOST: &str = "home.dyn.example";
/// Another host's.
pub const OFFICE: &str = "office.dyn.example";
/// Its site, with no number.
pub const NO_NUMBER: &str = "";
/// Its site, to be rung once.
pub const RUNG: &str = "number = \"555-0102\"\nring-for = \"3s\"\nwait = \"5s\"\ncalls = 1\n";

const SECRET: &str = "aG9tZSBob21lIGhvbWUgaG9tZQ==";

/// All of it.
pub struct World {
    pub folder: Scratch,
    pub host: Host,
    /// Another host.
    pub office: Host,
    exchange: Option<Exchange>,
    directory: Option<Daemon>,
    address: SocketAddr,
    config: PathBuf,
}

struct Exchange {
    daemon: Daemon,
    door: SocketAddr,
}

impl World {
    /// Where nobody needs a telephone.
    pub async fn without_telephone(site: &str) -> Self {
        let folder = Scratch::new();
        folder.secret("home.tsig", SECRET);
        let [home, office] = ["home", "office"]
            .map(|name| Arc::new(Identity::create(&folder.path(&format!("{name}.identity"))).unwrap()));
        let config = directory_config(&folder, "directory", "127.0.0.1:0", [&home, &office]);
        let (daemon, address) = directory(folder.root(), &config).await;
        let [host, office] =
            [(HOST, home), (OFFICE, office)].map(|(name, identity)| Host::new(name, identity, address));
        let world = Self { folder, host, office, exchange: None, directory: Some(daemon), address, config };
        world.site(site);
        world
    }

    /// With an exchange: what its lines have, the client's own first, and what befalls it.
    pub async fn new(site: &str, exchange: &str, scenario: &str) -> Self {
        let mut world = Self::without_telephone(site).await;
        world.folder.write("day.scenario", scenario);
        let text = format!(
            "[exchange]\ndirectory = \"lines\"\ntraining = \"200ms\"\npost-dial = \"100ms\"\ncadence = \"uk\"\n\
             scenario = \"day.scenario\"\ntrunk-listen = \"127.0.0.1:0\"\n\
             [[exchange.line]]\nname = \"home\"\nnumber = \"555-0102\"\n\
             [[exchange.line]]\nname = \"client\"\nnumber = \"555-0101\"\n{exchange}"
        );
        let config = world.folder.write("exchange.toml", &text);
        let mut daemon = Daemon::start(world.folder.root(), &config, "exchange");
        let door = daemon.expect("trunk-listen").await["address"].as_str().unwrap().parse().unwrap();
        for _line in 0..2 {
            daemon.expect("line").await;
        }
        world.exchange = Some(Exchange { daemon, door });
        world
    }

    /// Where the directory answers.
    pub fn directory_at(&self) -> SocketAddr {
        self.address
    }

    /// Writes the client's configuration.
    pub fn site(&self, site: &str) {
        self.client_of(self.address, site);
    }

    /// The same for another directory.
    pub fn client_of(&self, directory: SocketAddr, site: &str) {
        self.client_of_all(&[directory], site);
    }

    /// The same for several servers.
    pub fn client_of_all(&self, servers: &[SocketAddr], site: &str) {
        let (port, key) = (self.folder.path("lines/client"), self.host.identity.public_key());
        let servers: Vec<String> = servers.iter().map(SocketAddr::to_string).collect();
        let text = format!(
            "directory-servers = {servers:?}\nstate-directory = \"client-state\"\n\
             runtime-directory = \"client-run\"\n[modem]\nport = \"{}\"\nkind = \"default\"\n\
             [sites.home]\nhost = \"{HOST}\"\nidentity = \"{key}\"\n{site}",
            port.display()
        );
        self.folder.write("client.toml", &text);
    }

    /// Adds a site to the client's configuration, of the host that is called the office.
    pub fn add_office(&self, site: &str) {
        let client = std::fs::read_to_string(self.folder.path("client.toml")).unwrap();
        let key = self.office.identity.public_key();
        let section = format!("[sites.office]\nhost = \"{OFFICE}\"\nidentity = \"{key}\"\n{site}");
        self.folder.write("client.toml", &format!("{client}{section}"));
    }

    /// Starts `ringup connect home`, its steps as events.
    pub fn connect(&self, command: &[&str]) -> Client {
        self.connect_with(&[], command)
    }

    /// The same with options.
    pub fn connect_with(&self, options: &[&str], command: &[&str]) -> Client {
        let mut arguments = vec!["--config", "client.toml", "connect", "home", "--json"];
        arguments.extend(options);
        if !command.is_empty() {
            arguments.push("--");
            arguments.extend(command);
        }
        self.start(&arguments)
    }

    /// Starts the program with the client's configuration.
    pub fn client(&self, arguments: &[&str]) -> Client {
        self.start(&[&["--config", "client.toml"], arguments].concat())
    }

    fn start(&self, arguments: &[&str]) -> Client {
        Self::started(ringup(self.folder.root(), arguments))
    }

    /// Starts another program, where the client would be.
    pub fn start_other(&self, program: &str, arguments: &[&str]) -> Client {
        let mut running = minding_signals(program);
        running.args(arguments).current_dir(self.folder.root()).kill_on_drop(true).env_remove("RUST_LOG");
        Self::started(running)
    }

    fn started(mut running: tokio::process::Command) -> Client {
        running.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = running.spawn().unwrap();
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let stderr = BufReader::new(child.stderr.take().unwrap()).lines();
        Client { child, stdin, stdout, stderr, events: Vec::new(), words: String::new() }
    }

    /// Starts `ringup wake home`, its steps as events.
    pub fn wake(&self) -> Client {
        self.start(&["--config", "client.toml", "wake", "home", "--json"])
    }

    /// Starts `ringup proxy home`.
    pub fn proxy(&self, port: u16) -> Client {
        self.start(&["--config", "client.toml", "proxy", "home", &port.to_string()])
    }

    /// Waits for an event of the exchange's.
    pub async fn exchange_says(&mut self, event: &str) -> Value {
        let exchange = self.exchange.as_mut().unwrap();
        loop {
            let said = exchange.daemon.event().await;
            if said["event"] == event {
                return said;
            }
        }
    }

    /// Has the client's calls cost no more than this.
    pub fn allow(&self, caps: &str) {
        let client = std::fs::read_to_string(self.folder.path("client.toml")).unwrap();
        self.folder.write("client.toml", &format!("{client}[connect.budget]\n{caps}\n"));
    }

    /// How many calls to a number were dialled until now.
    pub async fn calls_made_to(&mut self, number: &str) -> usize {
        self.leaves_nothing().await;
        // The exchange tells of calls in the order in which they come.
        let exchange = self.exchange.as_mut().unwrap();
        while exchange.daemon.event().await["line"] != "client" {}
        self.calls_to(number)
    }

    /// What the exchange has said so far of calls to a number.
    pub fn calls_to(&self, number: &str) -> usize {
        let heard = self.exchange.as_ref().map_or(&[][..], |exchange| &exchange.daemon.heard);
        heard
            .iter()
            .filter(|line| line.contains("\"dialled\"") && line.contains(&format!("\"to\":\"{number}\"")))
            .count()
    }

    pub async fn stop_directory(&mut self) {
        self.directory.take().unwrap().kill().await;
    }

    /// Starts the directory again where it was.
    pub async fn start_directory(&mut self) {
        let hosts = [&*self.host.identity, &*self.office.identity];
        directory_config(&self.folder, "directory", &self.address.to_string(), hosts);
        let (daemon, address) = directory(self.folder.root(), &self.config).await;
        assert_eq!(address, self.address);
        self.directory = Some(daemon);
    }

    /// Starts another directory, which knows of the same hosts, and of no record yet; it ends with what is given.
    pub async fn another_directory(&self) -> (Daemon, SocketAddr) {
        let hosts = [&*self.host.identity, &*self.office.identity];
        let config = directory_config(&self.folder, "another", "127.0.0.1:0", hosts);
        directory(self.folder.root(), &config).await
    }

    /// The line is free for programs, and nothing runs.
    pub fn has_let_go(&self) {
        let run = std::fs::read_dir(self.folder.path("client-run")).into_iter().flatten();
        let is_log = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "log");
        let run = run.map(|entry| entry.unwrap().path()).filter(|path| !is_log(path));
        assert_eq!(run.collect::<Vec<_>>(), Vec::<PathBuf>::new());
        if self.exchange.is_none() {
            return;
        }
        let lock = self.lock_file();
        assert!(!lock.exists(), "{} is left behind", lock.display());
    }

    /// The lock of the client's line.
    pub fn lock_file(&self) -> PathBuf {
        let tty = self.folder.path("lines/client").canonicalize().unwrap();
        let tty = tty.strip_prefix("/dev").unwrap().display().to_string().replace('/', "_");
        let folders = ["/run/lock", "/var/lock"].map(PathBuf::from);
        folders.into_iter().find(|folder| folder.is_dir()).unwrap().join(format!("LCK..{tty}"))
    }

    /// Nothing is left of a call: the line is free for programs, and for callers.
    pub async fn leaves_nothing(&self) {
        self.has_let_go();
        let Some(exchange) = &self.exchange else { return };
        // Until the exchange has seen it, the line may be off hook still.
        let mut answer = "busy".to_owned();
        let began = Instant::now();
        while answer.trim() == "busy" && began.elapsed() < BOUND {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let mut caller = BufReader::new(TcpStream::connect(exchange.door).await.unwrap());
            let mut line = String::new();
            caller.read_line(&mut line).await.unwrap();
            caller.get_mut().write_all(b"call 5550101 from 5559876\r\n").await.unwrap();
            answer.clear();
            timeout(BOUND, caller.read_line(&mut answer)).await.unwrap().unwrap();
        }
        assert_eq!(answer.trim(), "ringing", "the modem is off hook");
    }

    /// Runs `ringup connect home` to an end that is to be this failure, with nothing run and nothing left.
    pub async fn fails(&mut self, status: Status, message: &str, hint: &str) -> Ended {
        let mark = self.folder.path("ran");
        let ended = self.connect(&["touch", &mark.display().to_string()]).end().await;
        assert!(!mark.exists(), "the command was run");
        ended.failed(status, message, hint);
        self.leaves_nothing().await;
        ended
    }
}

fn directory_config(folder: &Scratch, name: &str, listen: &str, [home, office]: [&Identity; 2]) -> PathBuf {
    let mut text = format!(
        "[directory]\nlisten = [\"{listen}\"]\ndatabase = \"{name}.db\"\nzone = \"dyn.example\"\n\
         nameserver = \"ns.dyn.example\"\n"
    );
    for (name, identity) in [(HOST, home), (OFFICE, office)] {
        let key = name.split('.').next().unwrap();
        text.push_str(&format!(
            "[[directory.key]]\nname = \"{key}\"\nsecret = \"home.tsig\"\nhosts = [\"{name}\"]\nidentity = \"{}\"\n",
            identity.public_key()
        ));
    }
    folder.write(&format!("{name}.toml"), &text)
}

/// A host, as far as it shows on the Internet.
pub struct Host {
    name: HostName,
    pub identity: Arc<Identity>,
    _prover: Prover,
    /// Where it proves who it is.
    pub place: SocketAddr,
    resolver: Resolver,
}

impl Host {
    fn new(name: &str, identity: Arc<Identity>, directory: SocketAddr) -> Self {
        let mut prover = Prover::new(Arc::clone(&identity), 0);
        let place = prover.stand_at(&[[127, 0, 0, 1].into()])[0];
        Self { name: name.parse().unwrap(), identity, _prover: prover, place, resolver: Resolver::new(vec![directory]) }
    }

    /// Registers that it is asleep.
    pub async fn fall_asleep(&self, seq: u64) {
        let (seq, now) = (Seq::new(seq).unwrap(), WallClock::system().now());
        let record = Record::asleep(self.name.clone(), seq, now, 600).unwrap();
        self.register(&SignedRecord::sign(record, &self.identity)).await;
    }

    /// Its record with this number.
    pub fn online(&self, seq: u64) -> SignedRecord {
        SignedRecord::sign(self.record(seq, self.place), &self.identity)
    }

    pub fn record(&self, seq: u64, at: SocketAddr) -> Record {
        let (seq, now) = (Seq::new(seq).unwrap(), WallClock::system().now());
        let services = Services { proof_port: at.port().try_into().unwrap(), ..Services::default() };
        Record::online(self.name.clone(), vec![at.ip()], seq, now, 600).unwrap().with_services(services)
    }

    /// Registers until the directory has it.
    pub async fn register(&self, signed: &SignedRecord) {
        self.register_by(&self.resolver, signed).await;
    }

    /// Registers with another directory alone.
    pub async fn register_at(&self, directory: SocketAddr, signed: &SignedRecord) {
        self.register_by(&Resolver::new(vec![directory]), signed).await;
    }

    async fn register_by(&self, resolver: &Resolver, signed: &SignedRecord) {
        let key = self.name.labels().next().unwrap();
        let key = TsigKey::new(key, Algorithm::HmacSha256, &Secret::new(SECRET.as_bytes().to_vec())).unwrap();
        let until = Instant::now() + BOUND;
        resolver.update(&"dyn.example".parse().unwrap(), signed, &key, until).await.unwrap();
    }
}

/// Where a process's parent stands in what [`processes`] looks at.
pub const PARENT: usize = 1;
/// Where its session does.
pub const SESSION: usize = 3;

/// The processes that have a parent, or are of a session: for each its number, name and more, as proc(5) has them.
pub fn processes(field: usize, number: u32) -> Vec<String> {
    let stat = |entry: std::fs::DirEntry| std::fs::read_to_string(entry.path().join("stat")).ok();
    let all = std::fs::read_dir("/proc").unwrap().filter_map(|entry| stat(entry.unwrap()));
    // The name may have blanks in it.
    let has = |stat: &str| stat.rsplit_once(')')?.1.split_whitespace().nth(field)?.parse().ok();
    all.filter(|stat| has(stat) == Some(number)).collect()
}

/// A `ringup connect` that runs.
pub struct Client {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: Lines<BufReader<ChildStderr>>,
    events: Vec<Value>,
    words: String,
}

impl Client {
    /// Waits for one of its events.
    pub async fn until(&mut self, event: &str) -> Value {
        loop {
            match self.event().await {
                Some(said) if said["event"] == event => return said,
                Some(_other) => {}
                None => panic!("it ended before {event}: {:?}\n{}", self.events, self.words),
            }
        }
    }

    async fn event(&mut self) -> Option<Value> {
        while let Some(line) = timeout(BOUND, self.stderr.next_line()).await.unwrap().unwrap() {
            if let Ok(event) = serde_json::from_str::<Value>(&line) {
                self.events.push(event.clone());
                return Some(event);
            }
            self.words.push_str(&line);
            self.words.push('\n');
        }
        None
    }

    /// The next line of its standard output.
    pub async fn says(&mut self) -> String {
        timeout(BOUND, self.stdout.next_line()).await.unwrap().unwrap().unwrap()
    }

    /// Closes its standard input.
    pub fn hangs_up(&mut self) {
        self.stdin = None;
    }

    pub async fn types(&mut self, text: &str) {
        self.stdin.as_mut().unwrap().write_all(text.as_bytes()).await.unwrap();
    }

    /// Sends a signal to it alone.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid().try_into().unwrap()), signal).unwrap();
    }

    pub fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// Waits for its end.
    pub async fn end(mut self) -> Ended {
        while self.event().await.is_some() {}
        let mut output = String::new();
        let mut stdout = self.stdout.into_inner();
        timeout(BOUND, stdout.read_to_string(&mut output)).await.unwrap().unwrap();
        let status = timeout(BOUND, self.child.wait()).await.unwrap().unwrap().code();
        Ended { status, output, events: self.events, words: self.words }
    }
}

/// How it ended.
#[derive(Debug)]
pub struct Ended {
    pub status: Option<i32>,
    pub output: String,
    pub events: Vec<Value>,
    /// Standard error, without the events.
    pub words: String,
}

impl Ended {
    /// It is to have ended by this failure: by its status, and by its event as the last, with no word beside the events.
    pub fn failed(&self, status: Status, message: &str, hint: &str) {
        assert_eq!((self.status, self.output.as_str()), (Some(status.code().into()), ""), "{self:?}");
        assert_eq!(self.words, "", "a program that reads events finds words");
        let event = self.events.last().unwrap();
        assert_eq!((&event["event"], &event["cause"]), (&"failed".into(), &status.name().into()), "{event}");
        assert_eq!((&event["status"], &event["host"]), (&status.code().into(), &HOST.into()), "{event}");
        let says = |key: &str, words: &str| event[key].as_str().is_some_and(|said| said.contains(words));
        assert!(says("message", message) && says("hint", hint), "{event}");
    }

    /// It is to have reached the host.
    pub fn found(&self) {
        assert_eq!(self.status, Some(0), "{self:?}");
        assert_eq!(self.events.last().unwrap()["event"], "online");
    }

    /// The names of its steps.
    pub fn steps(&self) -> Vec<&str> {
        self.events.iter().map(|event| event["event"].as_str().unwrap()).collect()
    }
}
