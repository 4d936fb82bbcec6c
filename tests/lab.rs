//! The whole road on real PPP, and every way in which it may break off. Each test has a world of its own; after it not
//! a process, interface, lock or file may be left.
//!
//! Runs as root in the lab only:
//!
//! ```text
//! CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER=$PWD/tests/lab/run cargo test --test lab -- --test-threads=1
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests fail by panicking, and print what the harness shows when they do"
)]

use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ringup::demo::world::{Ran, World};
use ringup::demo::{Heard, Timings, page_of, start_page};
use ringup::exit::Status;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Within this, whatever is to go must be gone: a hang-up, pppd's goodbye and the last process's end.
const GONE_WITHIN: Duration = Duration::from_secs(10);
/// How often it is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// What the road consists of; `ip` and `sh` live for moments only.
const PROGRAMS: [&str; 5] = ["ringup", "pppd", "socat", "dnsmasq", "udhcpc"];
/// Quicker than the demo, which people watch: British rings, no time for relays to click.
const QUICK: Timings = Timings { home_idle: 60, linger: 20 };

/// One world at a time: its machines have the names of the machine's namespaces.
static ALONE: Mutex<()> = Mutex::new(());

struct Lab {
    world: World,
}

/// Runs a test in a world of its own, and looks behind it.
fn in_lab(timings: Timings, test: impl AsyncFnOnce(&mut Lab)) {
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

fn enter() {
    let inside = std::env::var_os("RINGUP_IN_LAB").is_some();
    assert!(inside, "these tests need the lab: CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER=$PWD/tests/lab/run");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_ringup"))
}

impl Lab {
    /// Shortens every wait that is not looked at.
    fn hurry(&self) {
        self.edit("exchange", "training = \"1s\"", "training = \"200ms\"\npost-dial = \"200ms\"\ncadence = \"uk\"");
        self.edit("home", "rings = 1", "rings = 1\ncadence = \"3s\"");
        self.edit("client", "ring-for = \"8s\"", "ring-for = \"6s\"\ncalls = 1");
    }

    /// Changes a machine's configuration.
    fn edit(&self, machine: &str, old: &str, new: &str) {
        let path = self.world.folder().join(format!("{machine}.toml"));
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.matches(old).count(), 1, "{old:?} in {text}");
        std::fs::write(&path, text.replace(old, new)).unwrap();
    }

    /// Starts everything but the client, with home asleep.
    async fn start(&mut self) {
        self.world.start_role("exchange", None, "exchange").unwrap();
        for _line in 0..4 {
            self.until("exchange", "line").await;
        }
        self.world.start_role("directory", Some("directory"), "directory").unwrap();
        self.world.start_role("provider", Some("provider"), "provide").unwrap();
        self.until("provider", "ready").await;
        self.start_home().await;
    }

    async fn start_home(&mut self) {
        self.world.start_role("home", Some("home"), "listen").unwrap();
        self.until("home", "listening").await;
    }

    async fn until(&mut self, who: &str, event: &str) -> Heard {
        self.world.until(who, event).await.unwrap()
    }

    /// As [`Lab::until`], but content with what was heard since a moment.
    async fn since(&mut self, moment: usize, who: &str, event: &str) -> Heard {
        match self.heard(moment, who).into_iter().find(|heard| heard.event == event) {
            Some(heard) => heard,
            None => self.until(who, event).await,
        }
    }

    /// The moment to give to [`Lab::since`] and [`Lab::heard`].
    fn moment(&self) -> usize {
        self.world.heard.len()
    }

    /// What one of the programs has said since a moment.
    fn heard(&self, moment: usize, who: &str) -> Vec<Heard> {
        self.world.heard[moment..].iter().filter(|heard| heard.who == who).cloned().collect()
    }

    fn names(&self, moment: usize, who: &str) -> Vec<String> {
        self.heard(moment, who).into_iter().map(|heard| heard.event).collect()
    }

    /// `ringup connect home` at the client, its steps as events.
    async fn connect(&mut self, command: &[&str]) -> Ran {
        let mut arguments = vec!["connect", "home", "--json"];
        arguments.extend(command);
        self.world.run_role("client", "client", &arguments).await.unwrap()
    }

    /// `ringup connect home`, in the background, with its configuration named as people name a file in their folder.
    fn start_connect(&mut self) {
        let mut command = self.world.command(Some("client"), Path::new("sh"));
        command.args(["-c", "exec \"$0\" --config client.toml connect home --json 2>&1"]).arg(self.world.program());
        self.world.start("client", command).unwrap();
    }

    /// Fetches home's page; gives the address that it came from.
    async fn fetch(&mut self) -> IpAddr {
        let moment = self.moment();
        let ran = self.connect(&["--", "curl", "-s", "--max-time", "30", "http://{}/"]).await;
        assert_eq!((ran.status, ran.output), (0, page_of("home")), "{}", ran.errors);
        let online = self.heard(moment, "client").pop().unwrap();
        assert_eq!(online.event, "online");
        online.fields["addresses"][0].as_str().unwrap().parse().unwrap()
    }

    /// Rings home, and hangs up.
    async fn wake(&mut self) {
        let ran = self.world.run_role("client", "client", &["wake", "home"]).await.unwrap();
        assert_eq!((ran.status, ran.output.as_str()), (0, "rang home\n"), "{}", ran.errors);
    }

    /// Wakes home and waits until it has registered; gives its record's number.
    async fn bring_home_online(&mut self) -> u64 {
        let moment = self.moment();
        self.wake().await;
        number(&self.since(moment, "home", "registered").await, "seq")
    }

    /// Home's record as anybody would read it, asked for where there is no modem to wake anybody with.
    async fn record(&mut self) -> serde_json::Value {
        let mut command = self.world.command(Some("directory"), &program());
        command.args(["--config", "client.toml", "query", "home", "--json"]);
        let ran = self.world.run("query", command).await.unwrap();
        assert_eq!(ran.status, 0, "{}", ran.errors);
        serde_json::from_str(&ran.output).unwrap()
    }

    /// The PPP interfaces of a machine.
    async fn ppp_interfaces(&mut self, machine: &str) -> String {
        let mut command = self.world.command(None, Path::new("ip"));
        command.args(["-n", machine, "-brief", "link", "show", "type", "ppp"]);
        let ran = self.world.run("interfaces", command).await.unwrap();
        assert_eq!(ran.status, 0, "{}", ran.errors);
        ran.output
    }

    /// The lock of a machine's line.
    fn lock(&self, line: &str) -> PathBuf {
        let tty = self.world.folder().join("lines").join(line).canonicalize().unwrap();
        let name = tty.strip_prefix("/dev").unwrap().display().to_string().replace('/', "_");
        Path::new("/run/lock").join(format!("LCK..{name}"))
    }

    /// What a machine still has of a link or a call: processes, interfaces, lock, sockets.
    async fn traces(&mut self, machine: &str) -> Vec<String> {
        let run = format!("{machine}-run");
        let mut traces = gone(|| pppd_of(machine)).await;
        if machine == "client" {
            traces.extend(gone(keepers).await);
        }
        traces.extend(self.ppp_interfaces(machine).await.lines().map(str::to_owned));
        traces.extend(Some(self.lock(machine)).filter(|lock| lock.exists()).map(|lock| lock.display().to_string()));
        let files = files_in(&self.world.folder().join(run)).into_iter();
        traces.extend(files.filter(|file| !file.ends_with(".log")));
        traces
    }
}

fn number(heard: &Heard, field: &str) -> u64 {
    heard.fields[field].as_u64().unwrap_or_else(|| panic!("no {field} in {}", heard.fields))
}

/// Looks until nothing is found any more; gives what does not go.
async fn gone<T>(look: impl Fn() -> Vec<T>) -> Vec<T> {
    let deadline = Instant::now() + GONE_WITHIN;
    loop {
        let found = look();
        if found.is_empty() || Instant::now() >= deadline {
            return found;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Every process of a program, with its command line.
fn processes(program: &str) -> Vec<(Pid, String)> {
    let folders = std::fs::read_dir("/proc").unwrap();
    let pids = folders.filter_map(|folder| folder.unwrap().file_name().to_str()?.parse::<i32>().ok());
    let one = |pid: i32| {
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).ok();
        // One that has ended and waits for its parent has no command line any more.
        let command = read("cmdline").filter(|command| !command.is_empty())?;
        (read("comm")?.trim() == program).then(|| (Pid::from_raw(pid), command.replace('\0', " ")))
    };
    pids.filter_map(one).collect()
}

/// The pppds that serve a machine.
fn pppd_of(machine: &str) -> Vec<String> {
    let ours = format!("{machine}-run/");
    processes("pppd").into_iter().map(|(_pid, command)| command).filter(|command| command.contains(&ours)).collect()
}

/// The processes that hold the client's own link.
fn keepers() -> Vec<String> {
    processes("ringup")
        .into_iter()
        .map(|(_pid, command)| command)
        .filter(|command| command.contains("own-link"))
        .collect()
}

fn files_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path().display().to_string()).collect()
}

/// What may never be left when a world has ended.
fn remains() -> Vec<String> {
    let processes = PROGRAMS.into_iter().flat_map(processes).map(|(pid, command)| format!("process {pid}: {command}"));
    let folders = ["/run/netns", "/run/lock", "/run/tmp"];
    processes.chain(folders.into_iter().flat_map(|folder| files_in(Path::new(folder)))).collect()
}

#[test]
fn a_sleeping_host_is_woken_without_an_answer_serves_and_sleeps_again() {
    in_lab(Timings { home_idle: 8, linger: 30 }, async |lab| {
        lab.start().await;
        start_page(&mut lab.world, "home").unwrap();
        let began = lab.moment();
        let first = lab.fetch().await;

        let road = ["own-link-dialling", "own-link-up", "asking", "never-registered", "own-link-down", "ringing"];
        let road = [&road[..], &["call-over", "own-link-dialling", "own-link-up", "waiting", "online"]].concat();
        assert_eq!(lab.names(began, "client"), road);
        lab.since(began, "home", "registered").await;
        let more_rings = |heard: &Heard| heard.event == "ring" && number(heard, "count") > 1;
        let home: Vec<Heard> = lab.heard(began, "home").into_iter().filter(|heard| !more_rings(heard)).collect();
        let steps: Vec<&str> = home.iter().map(|heard| heard.event.as_str()).collect();
        assert_eq!(steps[..5], ["ring", "caller", "accepted", "waking", "dialling"]);
        assert_eq!(steps[5..], ["connected", "up", "registered"]);
        assert_eq!(home[1].fields["number"], true, "caller identification shows the client's number");
        assert_eq!(home[6].text("address"), first.to_string(), "the address that the page came from is the one lent");
        let wake = wake_up_calls(&lab.heard(began, "exchange"));
        assert_eq!(wake.len(), 1);
        assert!(!wake[0].iter().any(|event| event == "answered" || event == "connected"), "toll was due: {wake:?}");
        assert_eq!(wake[0].last().map(String::as_str), Some("hung-up"));

        // A second connect while it is online.
        let again = lab.moment();
        assert_eq!(lab.fetch().await, first);
        assert_eq!(lab.names(again, "client"), ["asking", "online"]);
        assert_eq!(lab.heard(again, "exchange").iter().filter(|heard| heard.event == "dialled").count(), 0);

        // It sleeps again: the record first, then the line.
        lab.until("home", "withdrawn").await;
        assert_eq!(lab.record().await["state"], "asleep");
        lab.since(again, "home", "listening").await;
        let fell_asleep = lab.names(again, "home");
        assert_eq!(fell_asleep, ["idle", "withdrawn", "ended", "listening"]);
        let at = |who: &str, event: &str| {
            lab.world.heard.iter().position(|heard| {
                heard.who == who && heard.event == event && (who != "exchange" || heard.text("by") == "home")
            })
        };
        assert!(at("home", "withdrawn").unwrap() < at("exchange", "hung-up").unwrap(), "the line dropped first");

        // The next wake is as good, at another address.
        let second = lab.fetch().await;
        assert_ne!(second, first);
        let seqs: Vec<u64> = lab.heard(began, "home").iter().filter_map(|heard| heard.fields["seq"].as_u64()).collect();
        assert_eq!(seqs.len(), 3, "registered, withdrawn, registered");
        assert!(seqs.is_sorted_by(|one, next| one < next), "{seqs:?}");
    });
}

/// The events of each call to home, by name.
fn wake_up_calls(exchange: &[Heard]) -> Vec<Vec<String>> {
    let dialled = exchange.iter().filter(|heard| heard.event == "dialled" && heard.text("to") == "5550102");
    let of_call = |call: u64| {
        let events = exchange.iter().filter(move |heard| heard.fields["call"].as_u64() == Some(call));
        events.map(|heard| heard.event.clone()).collect()
    };
    dialled.map(|heard| of_call(number(heard, "call"))).collect()
}

#[test]
fn a_stranger_rings_and_wakes_nobody() {
    in_lab(QUICK, async |lab| {
        lab.edit("home", "callers = [\"555-0101\"]", "callers = [\"555-0777\"]");
        lab.start().await;
        let began = lab.moment();
        lab.wake().await;
        let refused = lab.since(began, "home", "refused").await;
        assert_eq!(refused.text("reason"), "unknown-caller");
        let dialled = lab.heard(began, "exchange").into_iter().filter(|heard| heard.event == "dialled");
        assert_eq!(dialled.map(|heard| heard.text("from")).collect::<Vec<_>>(), ["client"], "home dials nobody");
    });
}

#[test]
fn a_hook_in_the_distributions_ip_up_d_is_heard_and_a_silent_one_is_named() {
    in_lab(QUICK, async |lab| {
        let _restored = DistributionHooks::install();
        lab.start().await;
        let seq = lab.bring_home_online().await;
        assert_eq!(lab.record().await["seq"], serde_json::json!(seq));
        // Only the provider's end reports from here on.
        let deaf = "#!/bin/sh\ncase $4 in 203.0.113.1) exec \"$RINGUP\" ip-up \"$@\" ;; esac\n";
        std::fs::write(DistributionHooks::HOOK, deaf).unwrap();
        lab.world.signal("home", Signal::SIGTERM);
        assert_eq!(lab.world.ended("home").await.unwrap(), 0);
        let ran = lab.connect(&[]).await;
        assert_eq!(ran.status, code(Status::Missing), "{}", ran.errors);
        assert!(ran.errors.contains("hook never reported") && ran.errors.contains("hint: install"), "{}", ran.errors);
        assert_eq!(lab.traces("client").await, Vec::<String>::new());
    });
}

/// /etc/ppp as the distribution has it, with our hook where `make install` puts it; as it was when dropped.
struct DistributionHooks;

impl DistributionHooks {
    const HOOK: &str = "/etc/ppp/ip-up.d/ringup";

    fn install() -> Self {
        std::fs::create_dir("/etc/ppp/ip-up.d").unwrap();
        std::fs::rename("/etc/ppp/ip-up", Self::HOOK).unwrap();
        std::fs::copy("/etc/ppp/distribution/ip-up", "/etc/ppp/ip-up").unwrap();
        Self
    }
}

impl Drop for DistributionHooks {
    fn drop(&mut self) {
        let hook = Path::new(env!("CARGO_MANIFEST_DIR")).join("ppp-scripts/ip-up");
        std::fs::remove_dir_all("/etc/ppp/ip-up.d").unwrap();
        std::fs::copy(hook, "/etc/ppp/ip-up").unwrap();
    }
}

#[test]
fn a_wrong_secret_at_the_provider_is_named_and_nothing_is_left_of_the_call() {
    in_lab(QUICK, async |lab| {
        std::fs::write(lab.world.folder().join("client.secret"), "not the secret\n").unwrap();
        lab.start().await;
        let ran = lab.connect(&[]).await;
        assert_eq!((ran.status, ran.output.as_str()), (code(Status::LinkRefused), ""), "{}", ran.errors);
        let told: Vec<&str> = ran.errors.lines().collect();
        let [.., message, hint] = told[..] else { panic!("{told:?}") };
        assert_eq!(message, "ringup: the provider refused our name or secret");
        assert_eq!(hint, "hint: check isp.user and the file isp.secret");
        assert_eq!(lab.traces("client").await, Vec::<String>::new());
        lab.wake().await;
    });
}

fn code(status: Status) -> i32 {
    status.code().into()
}

#[test]
fn a_wrong_key_at_the_directory_leaves_the_host_online_but_unfound_and_both_say_so() {
    in_lab(QUICK, async |lab| {
        std::fs::copy(lab.world.folder().join("cabin.tsig"), lab.world.folder().join("wrong.tsig")).unwrap();
        lab.edit("home", "home.tsig", "wrong.tsig");
        lab.edit("client", "wait = \"60s\"", "wait = \"10s\"");
        lab.start().await;
        let began = lab.moment();
        let ran = lab.connect(&[]).await;
        assert_eq!(ran.status, code(Status::NotRegistered), "{}", ran.errors);
        assert!(
            ran.errors.contains("ringup: home.dyn.example was rung, but did not come online in time\nhint: "),
            "{}",
            ran.errors
        );
        lab.since(began, "home", "up").await;
        let failed = lab.since(began, "home", "failed").await;
        assert!(failed.text("cause").contains("another secret"), "{}", failed.fields);
        assert!(!lab.names(began, "home").contains(&"registered".to_owned()));
        assert_eq!(lab.traces("client").await, Vec::<String>::new());
    });
}

#[test]
fn a_caller_who_gets_no_address_is_told_and_the_one_who_has_it_keeps_it() {
    in_lab(QUICK, async |lab| {
        lab.edit("provider", "203.0.113.10-203.0.113.15", "203.0.113.10");
        lab.start().await;
        let seq = lab.bring_home_online().await;
        let began = lab.moment();
        let ran = lab.connect(&[]).await;
        assert_eq!(ran.status, code(Status::NoLink), "{}", ran.errors);
        let last = ran.errors.lines().last().unwrap();
        assert!(last.starts_with("ringup: ") && last.contains("no address is free"), "{last}");
        lab.since(began, "provider", "full").await;
        assert_eq!(lab.traces("client").await, Vec::<String>::new());
        let record = lab.record().await;
        assert_eq!((&record["state"], &record["seq"]), (&"online".into(), &seq.into()));
        assert_eq!(record["addresses"], serde_json::json!(["203.0.113.10"]));
        assert_eq!(lab.names(began, "home"), Vec::<String>::new(), "the first caller is disturbed");
    });
}

#[test]
fn a_listener_that_is_told_to_stop_withdraws_its_record_and_leaves_the_line_free() {
    in_lab(QUICK, async |lab| {
        lab.start().await;
        let seq = lab.bring_home_online().await;
        let began = lab.moment();
        lab.world.signal("home", Signal::SIGTERM);
        assert_eq!(lab.world.ended("home").await.unwrap(), 0);
        let withdrawn = lab.since(began, "home", "withdrawn").await;
        assert!(number(&withdrawn, "seq") > seq);
        assert_eq!(lab.record().await["state"], "asleep");
        assert_eq!(lab.traces("home").await, Vec::<String>::new());
    });
}

#[test]
fn a_listener_survives_its_pppd_and_its_line_survives_the_listener() {
    in_lab(QUICK, async |lab| {
        lab.start().await;
        let first = lab.bring_home_online().await;

        let began = lab.moment();
        kill_one("pppd", "home-run/");
        lab.since(began, "home", "ended").await;
        lab.since(began, "home", "listening").await;
        assert_eq!(lab.ppp_interfaces("home").await, "");
        let second = lab.bring_home_online().await;
        assert!(second > first, "{second} after {first}");

        lab.world.signal("home", Signal::SIGKILL);
        assert_eq!(lab.world.ended("home").await.unwrap(), 128 + 9);
        assert_eq!(gone(|| pppd_of("home")).await, Vec::<String>::new());
        assert_eq!(lab.ppp_interfaces("home").await, "");
        lab.start_home().await;
        let third = lab.bring_home_online().await;
        assert!(third > second, "{third} after {second}");
    });
}

/// Kills the one process of a program whose command line has the given words.
fn kill_one(program: &str, words: &str) {
    let found: Vec<_> = processes(program).into_iter().filter(|(_pid, command)| command.contains(words)).collect();
    let [(pid, _command)] = &found[..] else { panic!("not one {program} with {words}: {found:?}") };
    kill(*pid, Signal::SIGKILL).unwrap();
}

#[test]
fn a_directory_that_is_down_is_named_and_our_own_link_goes_down_again() {
    in_lab(QUICK, async |lab| {
        lab.start().await;
        lab.world.stop("directory").await;
        let began = lab.moment();
        let ran = lab.connect(&[]).await;
        assert_eq!(ran.status, code(Status::DirectoryUnreachable), "{}", ran.errors);
        assert!(ran.errors.contains("\nhint: check directory-servers"), "{}", ran.errors);
        assert_eq!(lab.names(began, "client"), ["own-link-dialling", "own-link-up", "asking"]);
        assert_eq!(lab.traces("client").await, Vec::<String>::new());
    });
}

#[test]
fn ctrl_c_hangs_up_whatever_is_being_dialled() {
    in_lab(QUICK, async |lab| {
        lab.start().await;
        // While our own link is being dialled, and the provider's line rings already.
        let began = lab.moment();
        lab.start_connect();
        lab.since(began, "exchange", "dialled").await;
        lab.interrupt_connect(began).await;

        // While home rings.
        let began = lab.moment();
        lab.start_connect();
        lab.since(began, "client", "ringing").await;
        while lab.until("exchange", "dialled").await.text("to") != "5550102" {}
        lab.interrupt_connect(began).await;
        assert!(!wake_up_calls(&lab.heard(began, "exchange"))[0].contains(&"answered".to_owned()));
    });
}

impl Lab {
    /// Sends Ctrl-C to the `ringup connect` in the background, in the middle of its call.
    async fn interrupt_connect(&mut self, began: usize) {
        let interrupted = Instant::now();
        self.world.signal("client", Signal::SIGINT);
        assert_eq!(self.world.ended("client").await.unwrap(), code(Status::Interrupted));
        assert!(interrupted.elapsed() < GONE_WITHIN, "it took {:?}", interrupted.elapsed());
        assert_eq!(self.traces("client").await, Vec::<String>::new());
        let by_client = |heard: &Heard| heard.event == "hung-up" && heard.text("by") == "client";
        let dialled = self.heard(began, "exchange").into_iter().filter(|heard| heard.event == "dialled");
        let calls = dialled.filter(|heard| heard.text("from") == "client").count();
        while self.heard(began, "exchange").into_iter().filter(by_client).count() < calls {
            self.until("exchange", "hung-up").await;
        }
    }
}

#[test]
fn a_demo_that_is_interrupted_leaves_nothing_behind() {
    enter();
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    runtime().block_on(async {
        // Before the world stands, when all its programs have started, and in the middle of the wake-up call.
        for words in ["All of it runs on", "has no route to anywhere", "ppp0"] {
            interrupt_demo(words).await;
        }
    });
}

/// Runs `ringup demo`, sends it Ctrl-C when it has said these words, and looks behind it.
async fn interrupt_demo(words: &str) {
    let command =
        tokio::process::Command::new(program()).arg("demo").stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut demo = command.unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines();
    loop {
        let line = lines.next_line().await.unwrap().unwrap_or_else(|| panic!("it never said {words:?}"));
        println!("      demo  {line}");
        if line.contains(words) {
            break;
        }
    }
    kill(Pid::from_raw(demo.id().unwrap().try_into().unwrap()), Signal::SIGINT).unwrap();
    while let Some(line) = lines.next_line().await.unwrap() {
        println!("      demo  {line}");
    }
    let status = demo.wait().await.unwrap();
    let left = gone(remains).await;
    assert_eq!((status.code(), left), (Some(code(Status::Interrupted)), Vec::new()), "after {words:?}");
}
