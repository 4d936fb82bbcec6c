//! Whom a client takes for home: nobody but home, whatever the directory says and whoever has home's old address.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use nix::sys::signal::Signal;
use ringup::demo::{page_of, start_page};
use ringup::exit::Status;
use tokio::process::{Child, Command};

use super::harness::{Lab, QUICK, code, in_lab};
use super::remains::{gone, pppd_of};

/// The address that home is lent first.
const OLD: &str = "203.0.113.10";

/// Programs on the provider's machine, which end with the test.
pub(crate) struct Helpers(Vec<Child>);

impl Helpers {
    pub(crate) fn none() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn start(&mut self, mut command: Command) {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn();
        self.0.push(child.unwrap());
    }

    pub(crate) async fn stop_last(&mut self) {
        self.0.pop().unwrap().kill().await.unwrap();
    }

    pub(crate) async fn stop(mut self) {
        while !self.0.is_empty() {
            self.stop_last().await;
        }
    }
}

impl Lab {
    /// Brings home online at its first address, and cuts it off there: its record stands, and the address is free.
    async fn lose_home(&mut self) {
        self.bring_home_online().await;
        assert_eq!(self.record().await["addresses"], serde_json::json!([OLD]));
        self.world.signal("home", Signal::SIGKILL);
        assert_eq!(self.world.ended("home").await.unwrap(), 128 + 9);
        assert_eq!(gone(|| pppd_of("home")).await, Vec::<String>::new());
        self.until("provider", "ended").await;
    }

    /// Gives home's old address to the provider's own machine, where an ssh and a web server wait.
    async fn lend_old_address(&mut self) -> Helpers {
        self.on_provider("ip", &["address", "add", &format!("{OLD}/32"), "dev", "lo"]).await;
        let mut helpers = Helpers::none();
        for (port, banner) in [(22, "SSH-2.0-OpenSSH_9.2"), (80, "HTTP/1.0 200 OK")] {
            let mut server = self.world.command(Some("provider"), Path::new("socat"));
            server.arg(format!("TCP-LISTEN:{port},bind={OLD},reuseaddr,fork")).arg(format!("SYSTEM:echo {banner}"));
            helpers.start(server);
        }
        helpers
    }

    pub(crate) async fn on_provider(&mut self, program: &str, arguments: &[&str]) -> String {
        self.on("provider", program, arguments).await
    }

    pub(crate) async fn on(&mut self, machine: &str, program: &str, arguments: &[&str]) -> String {
        let mut command = self.world.command(Some(machine), Path::new(program));
        command.args(arguments);
        let ran = self.world.run("somebody's", command).await.unwrap();
        assert_eq!(ran.status, 0, "{program} {arguments:?}: {}", ran.errors);
        ran.output
    }

    /// Passes challenges at home's old address on to another one.
    fn relay_to(&self, helpers: &mut Helpers, address: &str) {
        let mut relay = self.world.command(Some("provider"), Path::new("socat"));
        relay.arg(format!("UDP4-RECVFROM:7464,bind={OLD},fork")).arg(format!("UDP4-SENDTO:{address}:7464"));
        helpers.start(relay);
    }

    /// Writes down what passes the provider's machine to or from an address.
    pub(crate) async fn capture(&mut self, address: &str) -> (Helpers, PathBuf) {
        let capture = self.world.folder().join("impostor.pcap");
        let mut tcpdump = self.world.command(Some("provider"), Path::new("tcpdump"));
        tcpdump.args(["-ni", "any", "-U", "-s0", "--immediate-mode", "-Z", "root", "-w"]);
        tcpdump.arg(&capture).args(["host", address]);
        let mut capturing = Helpers::none();
        capturing.start(tcpdump);
        while std::fs::metadata(&capture).map_or(0, |file| file.len()) < 24 {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        (capturing, capture)
    }

    /// What was sent to the address, by whomever, is challenges, and nothing else.
    pub(crate) async fn got_challenges_alone(&mut self, capture: &Path, address: &str, least: usize) {
        let seen = self.on_provider("tcpdump", &["-nr", &capture.display().to_string()]).await;
        let is_challenge = |line: &&str| line.contains(&format!("> {address}.7464: UDP, length 192"));
        // A late answer that nobody waits for any more comes back from the kernel, with its own bytes.
        let is_refusal = |line: &str| line.contains(": ICMP ") && line.contains(" udp port ");
        let to_it = seen.lines().filter(|line| line.contains(&format!("> {address}")) && !is_refusal(line));
        let (challenges, other): (Vec<&str>, Vec<&str>) = to_it.partition(is_challenge);
        assert!(challenges.len() >= least, "the capture is blind: {seen}");
        assert_eq!(other, Vec::<&str>::new(), "something else was sent there");
    }

    /// Waits until a UDP port is open on the provider's machine, or a TCP one listens.
    pub(crate) async fn until_open(&mut self, address: &str, kind: &str, port: u16) {
        let filter = format!("sport = :{port}");
        while !self.on_provider("ss", &["-Hn", kind, "-a", &filter]).await.contains(address) {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }

    /// `ringup connect home` is to fail so, and to run nothing.
    async fn refuses(&mut self, status: Status, words: &str) {
        let moment = self.moment();
        let ran = self.connect(&["--", "curl", "-s", "--data", "a secret", "http://{}/"]).await;
        assert_eq!((ran.status, ran.output.as_str()), (code(status), ""), "{}", ran.errors);
        assert!(ran.errors.contains(words), "{}", ran.errors);
        let failed = self.heard(moment, "client").pop().unwrap();
        assert_eq!((failed.event.as_str(), failed.text("cause").as_str()), ("failed", status.name()));
    }
}

#[test]
fn a_stranger_at_homes_old_address_is_refused_every_time_and_gets_nothing_but_challenges() {
    in_lab(QUICK, async |lab| {
        let number = "number = \"555-0102\"\n";
        lab.edit("client", number, "");
        let with_number = |lab: &Lab| lab.edit("client", "ring-for", &format!("{number}ring-for"));
        lab.start().await;
        with_number(lab);
        lab.lose_home().await;
        lab.edit("client", number, "");
        let mut helpers = lab.lend_old_address().await;
        lab.until_open(OLD, "-t", 22).await;
        lab.until_open(OLD, "-t", 80).await;
        let (capturing, capture) = lab.capture(OLD).await;

        // A machine that knows nothing of ringup.
        lab.refuses(Status::Impostor, &format!("{OLD} is not home.dyn.example any more")).await;

        // Another host of ringup's: cabin, for as long as it is on the directory's machine.
        lab.edit("cabin", "interface = \"cable0\"", "interface = \"to-internet\"");
        lab.world.start_role("cabin", Some("directory"), "watch").unwrap();
        lab.until("cabin", "registered").await;
        lab.relay_to(&mut helpers, "192.0.2.6");
        lab.until_open(OLD, "-u", 7464).await;
        lab.refuses(Status::Impostor, "another machine is there, which has the key ed25519:").await;
        helpers.stop_last().await;

        // One that passes challenges on to home itself, which is online elsewhere, and which the directory does not know.
        let servers = "directory-servers = [\"192.0.2.6:53\"]";
        lab.edit("home", servers, "directory-servers = [\"192.0.2.6:5999\"]");
        let began = lab.moment();
        lab.world.start_role("home", Some("home"), "listen").unwrap();
        let elsewhere = lab.since(began, "home", "up").await.text("address");
        assert_ne!(elsewhere, OLD);
        lab.relay_to(&mut helpers, &elsewhere);
        lab.until_open(OLD, "-u", 7464).await;
        lab.refuses(Status::Impostor, "passes on what the host says elsewhere").await;
        helpers.stop_last().await;
        lab.world.signal("home", Signal::SIGTERM);
        assert_eq!(lab.world.ended("home").await.unwrap(), 0);

        // What it got, with everybody counted who sent anything there.
        capturing.stop().await;
        lab.got_challenges_alone(&capture, OLD, 3).await;

        lab.on_provider("ip", &["address", "delete", &format!("{OLD}/32"), "dev", "lo"]).await;

        // Home has a number after all: it is rung, has a newer record, and is the one.
        with_number(lab);
        lab.edit("home", "directory-servers = [\"192.0.2.6:5999\"]", servers);
        lab.start_home().await;
        start_page(&mut lab.world, "home").unwrap();
        let began = lab.moment();
        assert_ne!(lab.fetch().await.to_string(), OLD);
        assert!(lab.names(began, "client").contains(&"gone".to_owned()), "{:?}", lab.names(began, "client"));
        helpers.stop().await;
    });
}

#[test]
fn a_directory_that_was_set_back_is_named_and_the_next_registration_mends_it() {
    in_lab(QUICK, async |lab| {
        lab.start().await;
        start_page(&mut lab.world, "home").unwrap();
        lab.bring_home_online().await;
        lab.world.stop("directory").await;
        let folder = lab.world.folder().to_owned();
        let files = || ["", "-wal", "-shm"].map(|ending| folder.join(format!("directory.sqlite{ending}")));
        let kept = |path: &Path| path.with_extension(format!("{}.kept", path.extension().unwrap().display()));
        for file in files().iter().filter(|file| file.exists()) {
            std::fs::copy(file, kept(file)).unwrap();
        }
        lab.world.start_role("directory", Some("directory"), "directory").unwrap();
        lab.until("directory", "ready").await;
        lab.world.signal("home", Signal::SIGTERM);
        assert_eq!(lab.world.ended("home").await.unwrap(), 0);
        lab.start_home().await;
        lab.fetch().await;

        lab.world.stop("directory").await;
        for file in files() {
            drop(std::fs::remove_file(&file));
            if kept(&file).exists() {
                std::fs::copy(kept(&file), &file).unwrap();
            }
        }
        lab.world.start_role("directory", Some("directory"), "directory").unwrap();
        lab.until("directory", "ready").await;
        lab.edit("client", "number = \"555-0102\"\n", "");
        lab.refuses(Status::RolledBack, "the directory has an old record of home.dyn.example").await;
        lab.edit("client", "ring-for", "number = \"555-0102\"\nring-for");
        lab.world.signal("home", Signal::SIGTERM);
        assert_eq!(lab.world.ended("home").await.unwrap(), 0);
        lab.start_home().await;
        lab.fetch().await;
    });
}

#[test]
fn a_host_whose_key_is_not_configured_is_remembered_by_the_first_that_it_proves_to_hold() {
    in_lab(QUICK, async |lab| {
        let config = std::fs::read_to_string(lab.world.folder().join("client.toml")).unwrap();
        let pin = config.lines().find(|line| line.starts_with("identity = ")).unwrap();
        lab.edit("client", &format!("{pin}\nnumber"), "number");
        lab.start().await;
        start_page(&mut lab.world, "home").unwrap();
        let began = lab.moment();
        lab.fetch().await;
        assert!(lab.names(began, "client").contains(&"first-use".to_owned()));
        let again = lab.moment();
        lab.fetch().await;
        assert_eq!(lab.names(again, "client"), ["asking", "proving", "online"]);

        // Plain programs get to it as well, by the host's own name.
        let script = "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | \"$0\" --config client.toml proxy HOME.dyn.example. 80";
        let mut command = lab.world.command(Some("client"), Path::new("sh"));
        command.args(["-c", script]).arg(lab.world.program());
        let ran = lab.world.run("proxy", command).await.unwrap();
        assert_eq!(ran.status, 0, "{}", ran.errors);
        assert!(ran.output.ends_with(&page_of("home")), "{}", ran.output);

        let other = "ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let ran = lab.world.run_role("client", "client", &["trust", "home", other]).await.unwrap();
        assert_eq!(ran.status, 0, "{}", ran.errors);
        lab.refuses(Status::WrongIdentity, "ringup trust home.dyn.example KEY").await;
    });
}

#[test]
fn a_host_that_cannot_be_reached_from_outside_is_said_to_be_so_at_once() {
    in_lab(QUICK, async |lab| {
        lab.edit("provider", "203.0.113.10-203.0.113.15", "100.64.0.10-100.64.0.15");
        let mut route = lab.world.command(None, Path::new("ip"));
        route.args(["-n", "internet", "route", "add", "100.64.0.0/10", "via", "192.0.2.2"]);
        assert_eq!(lab.world.run("route", route).await.unwrap().status, 0);
        let mut none = lab.world.command(None, Path::new("ip"));
        none.args(["-n", "client", "route", "add", "unreachable", "100.64.0.0/10"]);
        assert_eq!(lab.world.run("route", none).await.unwrap().status, 0);
        lab.start().await;
        lab.bring_home_online().await;
        let began = lab.moment();
        lab.refuses(
            Status::BehindNat,
            "where its own network alone can reach it (carrier-nat), and there is no way to it",
        )
        .await;
        assert!(lab.names(began, "client").contains(&"unreachable".to_owned()));
        assert_eq!(lab.heard(began, "exchange").iter().filter(|one| one.text("to") == "5550102").count(), 0);
    });
}
