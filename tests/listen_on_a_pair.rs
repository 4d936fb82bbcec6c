//! `ringup listen` on one end of a socat pair, and a person's part played by hand on the other: what the modem would
//! print, typed, and what ringup says to it, read.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests; clippy exempts only the tests themselves")]

mod support;

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread::JoinHandle;
use std::time::Duration;

use hayes::profile::Identification;
use ringup::record::Identity;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use self::support::{BOUND, Daemon, Scratch};

/// From the start of one ring to the start of the next: enough for a loaded machine to have typed the second in time.
const CADENCE: Duration = Duration::from_secs(4);

/// Two ttys, each the other's far end: A is the modem's as ringup sees it, B is where the modem is played.
struct Pair {
    socat: Child,
    a: PathBuf,
    b: PathBuf,
}

impl Pair {
    async fn open(folder: &Path) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let (a, b) = (folder.join("A"), folder.join("B"));
        let end = |link: &Path| format!("PTY,raw,echo=0,link={}", link.display());
        let mut socat = Command::new("socat")
            .args(["-d", "-d", &end(&a), &end(&b)])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("this test needs socat (Debian: apt-get install socat): {error}"));
        let mut log = BufReader::new(socat.stderr.take().unwrap()).lines();
        loop {
            let line = timeout(BOUND, log.next_line()).await.unwrap().unwrap();
            let line = line.unwrap_or_else(|| panic!("socat ended without making a pair"));
            if line.contains("starting data transfer loop") {
                break;
            }
        }
        Self { socat, a, b }
    }

    /// The lock of A, as every program that honours one names it.
    fn lock(&self) -> PathBuf {
        let tty = std::fs::canonicalize(&self.a).unwrap();
        let tty = tty.strip_prefix("/dev").unwrap().to_string_lossy().replace('/', "_");
        let locks = ["/run/lock", "/var/lock"].map(Path::new);
        locks.into_iter().find(|folder| folder.is_dir()).unwrap().join(format!("LCK..{tty}"))
    }

    /// Ends the pair, and with it whoever still reads on it.
    async fn close(mut self) {
        self.socat.kill().await.unwrap();
    }
}

/// What a person does on B: reads each command, answers OK to all but a call, and types.
struct Hand {
    keyboard: File,
    commands: mpsc::UnboundedReceiver<String>,
    reader: JoinHandle<()>,
}

impl Hand {
    fn on(tty: &Path) -> Self {
        let open = || File::options().read(true).write(true).custom_flags(nix::libc::O_NOCTTY).open(tty).unwrap();
        let (keyboard, screen, mut answers) = (open(), open(), open());
        let (said, commands) = mpsc::unbounded_channel();
        let reader = std::thread::spawn(move || {
            let mut command = Vec::new();
            for byte in std::io::BufReader::new(screen).bytes().map_while(Result::ok) {
                if byte != b'\r' {
                    command.push(byte);
                    continue;
                }
                let line = String::from_utf8_lossy(&std::mem::take(&mut command)).into_owned();
                if !line.starts_with("ATD") && answers.write_all(b"\r\nOK\r\n").is_err() {
                    return;
                }
                if said.send(line).is_err() {
                    return;
                }
            }
        });
        Self { keyboard, commands, reader }
    }

    fn type_in(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).unwrap();
    }

    /// The commands by which it is set up: all up to the one that turns caller identification on.
    async fn set_up(&mut self) -> Vec<String> {
        let mut commands = Vec::new();
        while commands.last().is_none_or(|last| last != "AT+VCID=1") {
            commands.push(timeout(BOUND, self.commands.recv()).await.unwrap().unwrap());
        }
        commands
    }

    /// Reads on until a call is dialled; gives the command.
    async fn dialled(&mut self) -> String {
        loop {
            let command = timeout(BOUND, self.commands.recv()).await.unwrap().unwrap();
            if command.starts_with("ATD") {
                return command;
            }
        }
    }

    /// Everything that was sent and not yet looked at, once the pair is closed.
    async fn rest(mut self) -> Vec<String> {
        drop(self.keyboard);
        let mut rest = Vec::new();
        while let Some(command) = timeout(BOUND, self.commands.recv()).await.unwrap() {
            rest.push(command);
        }
        self.reader.join().unwrap();
        rest
    }
}

/// A home server whose modem is A, and which lets these callers wake it at the first ring.
fn home(folder: &Scratch, pair: &Pair, kind: &str, callers: &str) -> PathBuf {
    folder.secret("home.isp", "an invented secret\n");
    folder.secret("home.tsig", "aG9tZSBob21lIGhvbWUgaG9tZQ==\n");
    let _created = Identity::create(&folder.path("home.identity")).unwrap();
    let text = format!(
        "directory-servers = [\"127.0.0.1:9\"]\nstate-directory = \"state\"\nruntime-directory = \"run\"\n\
         [modem]\nport = \"{}\"\nkind = \"{kind}\"\n\
         [isp]\nnumber = \"555-0199\"\nuser = \"home\"\nsecret = \"home.isp\"\n\
         [host]\nname = \"home.dyn.example\"\nzone = \"dyn.example\"\nidentity = \"home.identity\"\n\
         tsig = {{ name = \"home\", secret = \"home.tsig\" }}\n\
         [sleep]\nwake-on-ring = false\n\
         [listen]\ncallers = [\"{callers}\"]\nrings = 1\ncadence = \"{}s\"\ncooldown = \"1s\"\n",
        pair.a.display(),
        CADENCE.as_secs(),
    );
    folder.write("home.toml", &text)
}

/// The same with a second modem, on the other pair.
fn home_with_two_lines(folder: &Scratch, pairs: [&Pair; 2]) -> PathBuf {
    let path = home(folder, pairs[0], "default", "any");
    let line = |pair: &Pair| format!("[[listen.line]]\nport = \"{}\"\nkind = \"default\"\n", pair.a.display());
    let text = std::fs::read_to_string(&path).unwrap();
    folder.write("home.toml", &format!("{text}{}", pairs.map(line).concat()));
    path
}

/// A message of caller identification as many modems print it, with the empty line that ends it.
fn caller(number: &str) -> String {
    format!("\r\nDATE = 0321\r\n\r\nTIME = 1405\r\n\r\nNMBR = {number}\r\n\r\nNAME = A CALLER\r\n\r\n")
}

#[tokio::test]
async fn a_typed_ring_has_the_provider_dialled_once_the_line_is_silent() {
    let folder = Scratch::new();
    let pair = Pair::open(folder.root()).await;
    let mut hand = Hand::on(&pair.b);
    let mut home = Daemon::start(folder.root(), &home(&folder, &pair, "auto", "any"), "listen");
    home.expect("listening").await;
    assert!(!pair.lock().exists(), "a line that only listens is free for others");
    let questions = Identification::COMMANDS.map(|command| format!("AT{command}"));
    let set_up = [
        &["AT", "ATZ", "AT"].map(str::to_owned)[..],
        &questions,
        &["ATE0V1Q0X4&C1&D2S0=0", "AT+VCID=1"].map(str::to_owned),
    ];
    assert_eq!(hand.set_up().await, set_up.concat(), "and docs/by-hand.md shows the same");

    let rung = Instant::now();
    hand.type_in("RING\r\n");
    assert_eq!(home.expect("ring").await["count"], 1);
    home.expect("accepted").await;
    let waking = home.expect("waking").await;
    assert!(waking["since_ring"].as_u64().unwrap() >= 4000, "{waking}");
    home.expect("dialling").await;
    assert_eq!(hand.dialled().await, "ATDT5550199");
    assert!(rung.elapsed() >= CADENCE, "dialled after {:?}, while it might still have rung", rung.elapsed());
    let holder = std::fs::read_to_string(pair.lock()).unwrap();
    assert_eq!(holder.trim(), home.pid().to_string(), "the line is not locked while it is used");

    hand.type_in("\r\nBUSY\r\n");
    assert_eq!(home.expect("failed").await["cause"], "the provider is busy");
    home.expect("dialling").await;
    assert_eq!(hand.dialled().await, "ATDT5550199", "a busy provider is called again");
    hand.type_in("\r\nBUSY\r\n");
    home.expect("failed").await;

    let (status, log) = home.terminate().await;
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(!pair.lock().exists(), "its lock is left behind");
    assert!(log.contains("kind=\"default\""), "which kind of modem it is belongs in the log: {log}");
    assert!(!log.contains("5550199") && !log.contains("555-0199"), "{log}");
    pair.close().await;
    assert!(hand.rest().await.iter().all(|command| !command.starts_with("ATD")));
}

#[tokio::test]
async fn a_listed_caller_wakes_once_its_number_has_come_between_two_rings() {
    let folder = Scratch::new();
    let pair = Pair::open(folder.root()).await;
    let mut hand = Hand::on(&pair.b);
    let mut home = Daemon::start(folder.root(), &home(&folder, &pair, "default", "555-0101"), "listen");
    home.expect("listening").await;

    hand.type_in("RING\r\n");
    home.expect("ring").await;
    hand.type_in(&caller("5550101"));
    assert_eq!(home.expect("caller").await["number"], true);
    home.expect("accepted").await;
    let rung = Instant::now();
    hand.type_in("\r\nRING\r\n");
    assert_eq!(home.expect("ring").await["count"], 2);
    home.expect("waking").await;
    home.expect("dialling").await;
    assert_eq!(hand.dialled().await, "ATDT5550199");
    assert!(rung.elapsed() >= CADENCE, "the second ring did not put it off: {:?}", rung.elapsed());

    assert!(home.heard.iter().all(|line| !line.contains("5550101")), "{:?}", home.heard);
    let (status, log) = home.terminate().await;
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(!log.contains("5550101"), "a caller's number is in the log: {log}");
    assert!(!pair.lock().exists(), "its lock is left behind");
    pair.close().await;
    hand.rest().await;
}

#[tokio::test]
async fn an_unlisted_caller_is_refused_and_nobody_is_dialled() {
    let folder = Scratch::new();
    let pair = Pair::open(folder.root()).await;
    let mut hand = Hand::on(&pair.b);
    let mut home = Daemon::start(folder.root(), &home(&folder, &pair, "default", "555-0101"), "listen");
    home.expect("listening").await;

    for (number, reason) in [("5550166", "unknown-caller"), ("P", "no-caller-number")] {
        hand.type_in("RING\r\n");
        assert_eq!(home.expect("ring").await["count"], 1);
        hand.type_in(&caller(number));
        assert_eq!(home.expect("caller").await["number"], number != "P");
        hand.type_in("\r\nRING\r\n");
        assert_eq!(home.expect("ring").await["count"], 2);
        assert_eq!(home.expect("refused").await["reason"], reason);
    }

    let (status, log) = home.terminate().await;
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(!log.contains("5550166"), "a caller's number is in the log: {log}");
    pair.close().await;
    let commands = hand.rest().await;
    assert!(commands.iter().all(|command| !command.starts_with("ATD")), "{commands:?}");
}

#[tokio::test]
async fn of_two_lines_the_one_that_rang_dials_and_the_other_then_wakes_nobody() {
    let folder = Scratch::new();
    let pairs = [Pair::open(&folder.path("first")).await, Pair::open(&folder.path("second")).await];
    let mut hands = [Hand::on(&pairs[0].b), Hand::on(&pairs[1].b)];
    let config = home_with_two_lines(&folder, [&pairs[0], &pairs[1]]);
    let mut home = Daemon::start(folder.root(), &config, "listen");
    home.expect("listening").await;
    home.expect("listening").await;

    hands[1].type_in("RING\r\n");
    for event in ["ring", "accepted", "waking", "dialling"] {
        assert_eq!(home.expect(event).await["line"], pairs[1].a.display().to_string());
    }
    assert_eq!(hands[1].dialled().await, "ATDT5550199");
    hands[0].type_in("RING\r\n");
    home.expect("ring").await;
    let refused = home.expect("refused").await;
    assert_eq!(refused["line"], pairs[0].a.display().to_string());
    assert_eq!(refused["reason"], "already-online");

    let (status, log) = home.terminate().await;
    assert_eq!(status.code(), Some(0), "{log}");
    let [first, second] = pairs;
    assert!(!first.lock().exists() && !second.lock().exists(), "a lock is left behind");
    first.close().await;
    second.close().await;
    let [first, _second] = hands;
    assert!(first.rest().await.iter().all(|command| !command.starts_with("ATD")), "the first line dialled");
}

#[tokio::test]
async fn a_modem_that_does_not_keep_caller_identification_on_is_warned_of_and_listened_to() {
    let folder = Scratch::new();
    let pair = Pair::open(folder.root()).await;
    let mut hand = Hand::on(&pair.b);
    let mut home = Daemon::start(folder.root(), &home(&folder, &pair, "conexant", "any"), "listen");
    home.expect("listening").await;
    hand.type_in("RING\r\n");
    home.expect("ring").await;

    let (status, log) = home.terminate().await;
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("caller identification could not be turned on") && log.contains("kind=\"conexant\""), "{log}");
    pair.close().await;
    let told = ["AT", "ATZ", "AT", "ATE0V1Q0X4&C1&D2S0=0", "AT&K3", "AT+VCID=1", "AT+VCID?", "AT+VCID=1", "AT+VCID?"];
    assert_eq!(hand.rest().await, told, "a kind that is named is not asked for");
}
