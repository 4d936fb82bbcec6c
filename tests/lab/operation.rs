//! A listener that is asked, told, held to its budget, killed and given another configuration.

use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use ringup::demo::world::Ran;
use serde_json::Value;

use super::harness::{Lab, QUICK, code, in_lab, number};
use ringup::exit::Status;

impl Lab {
    /// `ringup` at home, with home's configuration.
    pub(crate) async fn at_home(&mut self, arguments: &[&str]) -> Ran {
        self.world.run_role("home", "home", arguments).await.unwrap()
    }

    pub(crate) async fn standing(&mut self) -> Value {
        let ran = self.at_home(&["status", "--json"]).await;
        assert_eq!(ran.status, 0, "{}", ran.errors);
        serde_json::from_str(&ran.output).unwrap()
    }

    /// What home's one line is about.
    async fn phase(&mut self) -> String {
        let standing = self.standing().await;
        let lines = standing["lines"].as_object().unwrap();
        assert_eq!(lines.len(), 1, "{standing}");
        lines.values().next().unwrap()["phase"].as_str().unwrap().to_owned()
    }

    /// The journal of home, oldest first.
    pub(crate) async fn journal(&mut self, arguments: &[&str]) -> Vec<Value> {
        let ran = self.at_home(&[&["journal", "--json"], arguments].concat()).await;
        assert_eq!(ran.status, 0, "{}", ran.errors);
        ran.output.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn state(&self, file: &str) -> PathBuf {
        self.world.folder().join("home-state").join(file)
    }

    async fn kill_home(&mut self) {
        self.world.signal("home", Signal::SIGKILL);
        assert_eq!(self.world.ended("home").await.unwrap(), 128 + 9);
    }
}

fn kinds(journal: &[Value]) -> Vec<&str> {
    journal.iter().map(|entry| entry["kind"].as_str().unwrap()).collect()
}

#[test]
fn status_shows_each_phase_of_a_wake_and_the_journal_has_all_of_it_afterwards() {
    in_lab(QUICK, async |lab| {
        lab.start().await;
        assert_eq!(lab.phase().await, "listening");
        let began = lab.moment();
        lab.pretend_a_ring().await;
        // On a loaded machine it may be further already by the time it is asked.
        let phases = ["accepted", "waking", "dialling", "connected", "up", "registered"];
        for event in ["accepted", "dialling", "up", "registered"] {
            lab.since(began, "home", event).await;
            let phase = lab.phase().await;
            let place = |name: &str| phases.iter().position(|phase| *phase == name);
            assert!(place(&phase).is_some_and(|at| at >= place(event).unwrap()), "{phase} after {event}");
        }
        let standing = lab.standing().await;
        assert_eq!(standing["record"]["state"], "online");
        assert_eq!(standing["budget"]["calls-today"]["used"], 1);
        assert!(standing["link"]["received"].as_u64().unwrap() > 0, "{standing}");
        let shown = lab.at_home(&["status"]).await.output;
        println!("{shown}");
        assert!(shown.contains("online and registered") && shown.contains("online now"), "{shown}");

        let began = lab.moment();
        let said = lab.at_home(&["hangup"]).await;
        assert_eq!((said.status, said.output.as_str()), (0, "the link is being taken down\n"), "{}", said.errors);
        lab.since(began, "home", "listening").await;
        assert_eq!(lab.names(began, "home"), ["hanging-up", "withdrawn", "ended", "listening"]);
        assert_eq!(lab.record().await["state"], "asleep");
        assert_eq!(lab.traces("home").await, Vec::<String>::new());
        let nothing = lab.at_home(&["hangup"]).await;
        assert_eq!(nothing.status, code(Status::NoLink), "{}", nothing.errors);

        let journal = lab.journal(&["--wake", "1"]).await;
        assert_eq!(
            kinds(&journal),
            ["call", "wake", "dialled", "up", "registered", "withdrawn", "hung-up", "down"],
            "{journal:?}"
        );
        assert_eq!(journal[0]["verdict"], "accepted");
        assert!(!journal[0]["number"].as_str().unwrap().contains("0101"), "{}", journal[0]);
        let whole = lab.journal(&["--kind", "call", "--numbers"]).await;
        assert_eq!(whole[0]["number"], "555-0101");
        assert_eq!(journal[7]["cause"], "told to hang up");
        println!("{}", lab.at_home(&["journal"]).await.output);
        println!("{}", lab.at_home(&["status"]).await.output);
    });
}

#[test]
fn a_ring_that_is_pretended_wakes_and_one_of_a_stranger_does_not() {
    in_lab(QUICK, async |lab| {
        lab.start().await;
        let began = lab.moment();
        let said = lab.at_home(&["ring", "--from", "555-0999"]).await;
        assert_eq!(said.status, 0, "{}", said.errors);
        assert_eq!(lab.since(began, "home", "refused").await.text("reason"), "unknown-caller");
        let began = lab.moment();
        lab.pretend_a_ring().await;
        lab.since(began, "home", "registered").await;
        let calls = lab.journal(&["--kind", "call"]).await;
        let verdicts: Vec<_> = calls.iter().map(|call| (&call["verdict"], &call["pretended"])).collect();
        assert_eq!(verdicts, [(&"unknown-caller".into(), &true.into()), (&"accepted".into(), &true.into())]);
    });
}

#[test]
fn the_call_after_the_last_is_refused_after_a_restart_as_well() {
    in_lab(QUICK, async |lab| {
        lab.edit("home", "[listen]", "[listen.budget]\ncalls-a-day = 1\n\n[listen]");
        lab.start().await;
        lab.bring_home_online().await;
        lab.kill_home().await;
        // A wake that was cut off is gone on with, if the budget lets it.
        let began = lab.moment();
        lab.start_home().await;
        let spent = lab.since(began, "home", "spent").await;
        assert!(spent.text("cause").contains("calls-a-day"), "{}", spent.fields);
        lab.pretend_a_ring().await;
        lab.world.until_any("home", &["refused", "spent"]).await.unwrap();
        let dialled = lab.heard(began, "exchange").into_iter().filter(|heard| heard.event == "dialled");
        assert_eq!(dialled.filter(|heard| heard.text("from") == "home").count(), 0, "it was dialled all the same");
        let standing = lab.standing().await;
        assert_eq!(standing["budget"]["calls-today"], serde_json::json!({ "used": 1, "cap": 1 }));
    });
}

#[test]
fn a_link_whose_minutes_run_out_is_ended_in_good_order() {
    in_lab(QUICK, async |lab| {
        lab.edit("home", "[listen]", "[listen.budget]\nminutes-a-day = 1\n\n[listen]");
        lab.start().await;
        let seq = lab.bring_home_online().await;
        let began = lab.moment();
        lab.keep_busy("home");
        let spent = lab.since(began, "home", "spent").await;
        assert!(spent.text("cause").contains("minutes-a-day"), "{}", spent.fields);
        lab.since(began, "home", "listening").await;
        let record = lab.record().await;
        assert_eq!(record["state"], "asleep");
        assert!(record["seq"].as_u64().unwrap() > seq);
        lab.pretend_a_ring().await;
        lab.world.until_any("home", &["refused", "spent"]).await.unwrap();
    });
}

#[test]
fn a_wake_that_was_cut_off_goes_on_and_its_number_stays() {
    in_lab(QUICK, async |lab| {
        lab.edit("home", "cooldown = \"5s\"", "cooldown = \"1s\"");
        lab.start().await;
        for step in ["waking", "dialling", "connected", "up", "registered"] {
            let began = lab.moment();
            lab.pretend_a_ring().await;
            lab.since(began, "home", step).await;
            lab.kill_home().await;
            let restarted = lab.moment();
            lab.start_home().await;
            lab.since(restarted, "home", "resuming").await;
            lab.since(restarted, "home", "registered").await;
            assert_eq!(lab.record().await["state"], "online", "killed when {step}");
            let standing = lab.standing().await;
            assert_eq!(standing["wakes"][0]["resumed"], 1, "{standing}");
            let journal = lab.journal(&["--kind", "cut-off"]).await;
            assert_eq!(journal.last().unwrap()["resumed"], true);
            let hung_up = lab.moment();
            lab.at_home(&["hangup"]).await;
            lab.since(hung_up, "home", "listening").await;
        }
        assert_eq!(lab.traces("home").await, Vec::<String>::new());
    });
}

#[test]
fn a_good_configuration_comes_into_force_and_a_bad_one_is_named() {
    in_lab(QUICK, async |lab| {
        lab.edit("home", "callers = [\"555-0101\"]", "callers = [\"555-0777\"]");
        lab.start().await;
        let began = lab.moment();
        lab.wake().await;
        assert_eq!(lab.since(began, "home", "refused").await.text("reason"), "unknown-caller");

        lab.edit("home", "callers = [\"555-0777\"]", "callers = [\"555-0101\"]\nwhims = 3");
        lab.world.signal("home", Signal::SIGHUP);
        let warning = lab.reloaded("warnings").await;
        assert!(warning.contains("home.toml:") && warning.contains("whims"), "{warning}");
        let began = lab.moment();
        lab.wake().await;
        assert_eq!(lab.since(began, "home", "refused").await.text("reason"), "unknown-caller");

        lab.edit("home", "\nwhims = 3", "");
        lab.world.signal("home", Signal::SIGHUP);
        while lab.journal(&["--kind", "reloaded"]).await.is_empty() {}
        assert_eq!(lab.standing().await["warnings"], serde_json::json!([]));
        lab.bring_home_online().await;

        // A pty has no wire that could wake a machine; nobody says so until its owner wants the machine to sleep.
        lab.edit(
            "home",
            "[listen]",
            "[sleep]\nmode = \"suspend\"\nafter = \"9h\"\n\n[journal]\nkeep = \"24h\"\n\n[listen]",
        );
        lab.world.signal("home", Signal::SIGHUP);
        while lab.journal(&["--kind", "reloaded"]).await.len() < 2 {}
        let warnings = lab.standing().await["warnings"].as_array().unwrap().clone();
        let warned = |words: &str| warnings.iter().any(|warning| warning.as_str().unwrap().contains(words));
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(warned("a ring cannot wake this machine"), "{warnings:?}");
        assert!(warned("taken up at the next start of ringup listen only: journal.keep"), "{warnings:?}");
        lab.edit("home", "mode = \"suspend\"", "mode = \"never\"");
        lab.edit("home", "keep = \"24h\"", "");
        lab.world.signal("home", Signal::SIGHUP);
        while lab.journal(&["--kind", "reloaded"]).await.len() < 3 {}
        assert_eq!(lab.standing().await["warnings"], serde_json::json!([]));
    });
}

impl Lab {
    /// Waits until a reload has put something there; gives it.
    async fn reloaded(&mut self, key: &str) -> String {
        loop {
            let standing = self.standing().await;
            if let Some(first) = standing[key].as_array().and_then(|all| all.first()) {
                return first.as_str().unwrap().to_owned();
            }
        }
    }

    /// A call that takes no time.
    async fn pretend_a_ring(&mut self) {
        let said = self.at_home(&["ring", "--from", "555-0101"]).await;
        assert_eq!(said.status, 0, "{}", said.errors);
    }

    /// Has packets pass on a machine's link for as long as the world stands.
    fn keep_busy(&mut self, machine: &str) {
        let mut command = self.world.command(Some(machine), Path::new("sh"));
        command.args(["-c", "while :; do echo | socat - UDP:203.0.113.1:9; sleep 1; done"]);
        self.world.start("traffic", command).unwrap();
    }
}

#[test]
fn a_full_disk_keeps_nobody_from_registering_and_a_damaged_journal_holds_nobody_up() {
    in_lab(QUICK, async |lab| {
        let state = lab.world.folder().join("home-state");
        let _small = SmallDisk::mount(&state);
        lab.edit("home", "[listen]", "[listen.budget]\ncalls-a-day = 9\n\n[listen]");
        lab.start().await;
        let before = lab.bring_home_online().await;
        let withdrawn = lab.moment();
        lab.at_home(&["hangup"]).await;
        let withdrawn = number(&lab.since(withdrawn, "home", "withdrawn").await, "seq");
        lab.until("home", "listening").await;
        let filling = std::fs::write(state.join("filling"), vec![0; 2 << 20]);
        assert!(filling.is_err(), "the disk is not full");
        let began = lab.moment();
        lab.pretend_a_ring().await;
        let registered = number(&lab.since(began, "home", "registered").await, "seq");
        assert!(before < withdrawn && withdrawn < registered, "{before} {withdrawn} {registered}");
        let record = lab.record().await;
        assert_eq!((&record["state"], &record["seq"]), (&"online".into(), &registered.into()));
        let standing = lab.standing().await;
        assert!(standing["journal"]["trouble"].as_str().is_some(), "{standing}");
        assert_eq!(standing["budget-trouble"], Value::Null, "its place was taken before");
        // A number that a restart had forgotten would be refused by the directory, or be used twice.
        lab.kill_home().await;
        let restarted = lab.moment();
        lab.start_home().await;
        lab.pretend_a_ring().await;
        let again = number(&lab.since(restarted, "home", "registered").await, "seq");
        assert!(again > registered, "{again} after {registered}");
        lab.at_home(&["hangup"]).await;
        lab.until("home", "listening").await;
        assert_eq!(lab.record().await["state"], "asleep");
        assert_eq!(lab.standing().await["budget"]["calls-today"]["used"], 3, "the full disk forgot a call");

        std::fs::remove_file(state.join("filling")).unwrap();
        lab.world.signal("home", Signal::SIGTERM);
        assert_eq!(lab.world.ended("home").await.unwrap(), 0);
        std::fs::write(lab.state("journal.sqlite"), "a disk's idea of a journal").unwrap();
        lab.start_home().await;
        let standing = lab.standing().await;
        let aside = standing["journal"]["aside"][0].as_str().unwrap_or_else(|| panic!("{standing}"));
        assert_eq!(std::fs::read_to_string(aside).unwrap(), "a disk's idea of a journal");
        assert_eq!(standing["budget"]["calls-today"]["used"], 3);
        lab.world.signal("home", Signal::SIGTERM);
        assert_eq!(lab.world.ended("home").await.unwrap(), 0);
        let not_running = lab.at_home(&["status"]).await;
        assert_eq!(not_running.status, code(Status::NotRunning));
        assert!(not_running.output.contains("is not running"), "{}", not_running.output);
    });
}

/// A file system that a test can fill; gone when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(place: &Path) -> Self {
        std::fs::create_dir_all(place).unwrap();
        let mut mount = std::process::Command::new("mount");
        let status = mount.args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(place).status();
        assert!(status.unwrap().success());
        Self(place.to_owned())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let status = std::process::Command::new("umount").arg("--lazy").arg(&self.0).status();
        assert!(status.unwrap().success());
    }
}
