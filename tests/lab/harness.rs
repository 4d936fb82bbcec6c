//! A world of its own for each test, and what a test does in it: start, ring, connect, listen to what each program says.

use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use futures_util::FutureExt;
use ringup::demo::world::{Ran, World};
use ringup::demo::{Heard, Timings, page_of};
use ringup::exit::Status;
use tokio_util::sync::CancellationToken;

use super::remains::{files_in, gone, keepers, pppd_of, remains};

/// Quicker than the demo, which people watch: British rings, no time for relays to click.
pub(crate) const QUICK: Timings = Timings { home_idle: 60, linger: 20 };

/// One world at a time: its machines have the names of the machine's namespaces.
pub(crate) static ALONE: Mutex<()> = Mutex::new(());

pub(crate) struct Lab {
    pub(crate) world: World,
}

/// Runs a test in a world of its own, and looks behind it.
pub(crate) fn in_lab(timings: Timings, test: impl AsyncFnOnce(&mut Lab)) {
    enter();
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    runtime().block_on(async {
        let world = World::build(
            program(),
            timings,
            |heard| println!("{:>10}  {}", heard.who, heard.fields),
            &CancellationToken::new(),
        )
        .await;
        let mut lab = Lab { world: world.unwrap() };
        lab.hurry();
        let outcome = AssertUnwindSafe(test(&mut lab)).catch_unwind().await;
        if outcome.is_err() {
            for (name, lines) in lab.world.log_tails(40) {
                println!("--- the end of the log of {name}\n{}", lines.join("\n"));
            }
        }
        lab.world.end().await;
        let left = gone(remains).await;
        if let Err(panic) = outcome {
            resume_unwind(panic);
        }
        assert_eq!(left, Vec::<String>::new(), "left behind");
    });
}

pub(crate) fn enter() {
    let inside = std::env::var_os("RINGUP_IN_LAB").is_some();
    assert!(inside, "these tests need the lab: CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER=$PWD/tests/lab/run");
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

pub(crate) fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_ringup"))
}

impl Lab {
    /// Shortens every wait that is not looked at.
    pub(crate) fn hurry(&self) {
        self.edit("exchange", "training = \"1s\"", "training = \"200ms\"\npost-dial = \"200ms\"\ncadence = \"uk\"");
        self.edit("home", "rings = 1", "rings = 1\ncadence = \"3s\"");
        self.edit("client", "ring-for = \"8s\"", "ring-for = \"6s\"\ncalls = 1");
    }

    /// Changes a machine's configuration.
    pub(crate) fn edit(&self, machine: &str, old: &str, new: &str) {
        let path = self.world.folder().join(format!("{machine}.toml"));
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.matches(old).count(), 1, "{old:?} in {text}");
        std::fs::write(&path, text.replace(old, new)).unwrap();
    }

    /// Starts everything but the client, with home asleep.
    pub(crate) async fn start(&mut self) {
        self.world.start_role("exchange", None, "exchange").unwrap();
        for _line in 0..4 {
            self.until("exchange", "line").await;
        }
        self.world.start_role("directory", Some("directory"), "directory").unwrap();
        self.world.start_role("provider", Some("provider"), "provide").unwrap();
        self.until("provider", "ready").await;
        self.start_home().await;
    }

    pub(crate) async fn start_home(&mut self) {
        self.world.start_role("home", Some("home"), "listen").unwrap();
        self.until("home", "listening").await;
    }

    pub(crate) async fn until(&mut self, who: &str, event: &str) -> Heard {
        self.world.until(who, event).await.unwrap()
    }

    /// As [`Lab::until`], but content with what was heard since a moment.
    pub(crate) async fn since(&mut self, moment: usize, who: &str, event: &str) -> Heard {
        match self.heard(moment, who).into_iter().find(|heard| heard.event == event) {
            Some(heard) => heard,
            None => self.until(who, event).await,
        }
    }

    /// The moment to give to [`Lab::since`] and [`Lab::heard`].
    pub(crate) fn moment(&self) -> usize {
        self.world.heard.len()
    }

    /// What one of the programs has said since a moment.
    pub(crate) fn heard(&self, moment: usize, who: &str) -> Vec<Heard> {
        self.world.heard[moment..].iter().filter(|heard| heard.who == who).cloned().collect()
    }

    pub(crate) fn names(&self, moment: usize, who: &str) -> Vec<String> {
        self.heard(moment, who).into_iter().map(|heard| heard.event).collect()
    }

    /// `ringup connect home` at the client, its steps as events.
    pub(crate) async fn connect(&mut self, command: &[&str]) -> Ran {
        let mut arguments = vec!["connect", "home", "--json"];
        arguments.extend(command);
        self.world.run_role("client", "client", &arguments).await.unwrap()
    }

    /// `ringup connect home`, in the background, with its configuration named as people name a file in their folder.
    pub(crate) fn start_connect(&mut self) {
        self.start_connect_as("client", &[]);
    }

    /// The same with a command, and heard by a name of its own.
    pub(crate) fn start_connect_as(&mut self, name: &'static str, arguments: &[&str]) {
        let mut command = self.world.command(Some("client"), Path::new("sh"));
        let script = "exec \"$0\" --config client.toml connect home --json \"$@\" 2>&1";
        command.args(["-c", script]).arg(self.world.program()).args(arguments);
        self.world.start(name, command).unwrap();
    }

    /// Fetches home's page; gives the address that it came from.
    pub(crate) async fn fetch(&mut self) -> IpAddr {
        let moment = self.moment();
        let ran = self.connect(&["--", "curl", "-s", "--max-time", "30", "http://{}/"]).await;
        assert_eq!((ran.status, ran.output), (0, page_of("home")), "{}", ran.errors);
        let online = self.heard(moment, "client").pop().unwrap();
        assert_eq!(online.event, "online");
        online.fields["address"].as_str().unwrap().parse().unwrap()
    }

    /// Waits until the client's own link has lingered long enough.
    pub(crate) async fn free_line(&mut self) {
        while !keepers().is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }

    /// Rings home, and hangs up.
    pub(crate) async fn wake(&mut self) {
        let ran = self.world.run_role("client", "client", &["wake", "home"]).await.unwrap();
        assert_eq!((ran.status, ran.output.as_str()), (0, "rang home\n"), "{}", ran.errors);
    }

    /// Wakes home and waits until it has registered; gives its record's number.
    pub(crate) async fn bring_home_online(&mut self) -> u64 {
        let moment = self.moment();
        self.wake().await;
        number(&self.since(moment, "home", "registered").await, "seq")
    }

    /// Home's record as anybody would read it, asked for where there is no modem to wake anybody with.
    pub(crate) async fn record(&mut self) -> serde_json::Value {
        let mut command = self.world.command(Some("directory"), &program());
        command.args(["--config", "client.toml", "query", "home", "--json"]);
        let ran = self.world.run("query", command).await.unwrap();
        assert_eq!(ran.status, 0, "{}", ran.errors);
        serde_json::from_str(&ran.output).unwrap()
    }

    /// The PPP interfaces of a machine.
    pub(crate) async fn ppp_interfaces(&mut self, machine: &str) -> String {
        let mut command = self.world.command(None, Path::new("ip"));
        command.args(["-n", machine, "-brief", "link", "show", "type", "ppp"]);
        let ran = self.world.run("interfaces", command).await.unwrap();
        assert_eq!(ran.status, 0, "{}", ran.errors);
        ran.output
    }

    /// The lock of a machine's line.
    pub(crate) fn lock(&self, line: &str) -> PathBuf {
        let tty = self.world.folder().join("lines").join(line).canonicalize().unwrap();
        let name = tty.strip_prefix("/dev").unwrap().display().to_string().replace('/', "_");
        Path::new("/run/lock").join(format!("LCK..{name}"))
    }

    /// What a machine still has of a link or a call: processes, interfaces, lock, sockets.
    pub(crate) async fn traces(&mut self, machine: &str) -> Vec<String> {
        let run = format!("{machine}-run");
        let mut traces = gone(|| pppd_of(machine)).await;
        if machine == "client" {
            traces.extend(gone(keepers).await);
        }
        traces.extend(self.ppp_interfaces(machine).await.lines().map(str::to_owned));
        traces.extend(Some(self.lock(machine)).filter(|lock| lock.exists()).map(|lock| lock.display().to_string()));
        let files = files_in(&self.world.folder().join(run)).into_iter();
        // The ears for the hooks of other links and for whoever asks are there as long as the listener is.
        let standing = ["/hooks.sock", ringup::control::SOCKET];
        let expected = |file: &String| file.ends_with(".log") || standing.iter().any(|socket| file.ends_with(socket));
        traces.extend(files.filter(|file| !expected(file)));
        traces
    }
}

pub(crate) fn number(heard: &Heard, field: &str) -> u64 {
    heard.fields[field].as_u64().unwrap_or_else(|| panic!("no {field} in {}", heard.fields))
}

pub(crate) fn code(status: Status) -> i32 {
    status.code().into()
}

/// The events of each call to home, by name.
pub(crate) fn wake_up_calls(exchange: &[Heard]) -> Vec<Vec<String>> {
    let dialled = exchange.iter().filter(|heard| heard.event == "dialled" && heard.text("to") == "5550102");
    let of_call = |call: u64| {
        let events = exchange.iter().filter(move |heard| heard.fields["call"].as_u64() == Some(call));
        events.map(|heard| heard.event.clone()).collect()
    };
    dialled.map(|heard| of_call(number(heard, "call"))).collect()
}
