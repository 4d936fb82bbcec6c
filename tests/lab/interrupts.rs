//! Ctrl-C at every moment: whoever is interrupted hangs up, and leaves nothing.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::sync::PoisonError;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ringup::demo::{Heard, page_of, start_page};
use ringup::exit::Status;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::Instant;

use super::harness::{ALONE, Lab, QUICK, code, enter, in_lab, number, program, runtime, wake_up_calls};
use super::remains::{GONE_WITHIN, LOOK_EVERY, gone, processes, remains};

#[test]
fn ctrl_c_hangs_up_whatever_is_being_dialled() {
    in_lab(QUICK, async |lab| {
        lab.start().await;
        // While our own link is being dialled, and the provider's line rings already.
        let began = lab.moment();
        lab.start_connect();
        lab.since(began, "exchange", "dialled").await;
        lab.interrupt_connect(began, Signal::SIGINT).await;

        // While home rings.
        let began = lab.moment();
        lab.start_connect();
        lab.since(began, "client", "ringing").await;
        while lab.until("exchange", "dialled").await.text("to") != "5550102" {}
        lab.interrupt_connect(began, Signal::SIGINT).await;
        assert!(!wake_up_calls(&lab.heard(began, "exchange"))[0].contains(&"answered".to_owned()));
    });
}

#[test]
fn our_own_link_goes_down_at_once_whatever_is_done_over_it() {
    in_lab(QUICK, async |lab| {
        lab.start().await;
        // Nobody comes who is rung.
        lab.world.stop("home").await;
        let steps = [("own-link-dialling", Signal::SIGTERM), ("asking", Signal::SIGTERM), ("waiting", Signal::SIGINT)];
        for (step, signal) in steps {
            if step == "asking" {
                lab.world.stop("directory").await;
            }
            let began = lab.moment();
            lab.start_connect();
            lab.since(began, "client", step).await;
            lab.interrupt_connect(began, signal).await;
            if step == "asking" {
                lab.world.start_role("directory", Some("directory"), "directory").unwrap();
                lab.until("directory", "ready").await;
            }
        }
    });
}

#[test]
fn of_two_that_share_our_own_link_the_one_keeps_it_when_the_other_is_interrupted_and_it_goes_with_the_last() {
    in_lab(QUICK, async |lab| {
        lab.start().await;
        start_page(&mut lab.world, "home").unwrap();
        // Both wait for the same call to the provider.
        let began = lab.moment();
        lab.start_connect();
        lab.since(began, "client", "own-link-dialling").await;
        lab.start_connect_as("other", &[]);
        lab.until_lessees(2).await;
        lab.ends_by("client", Signal::SIGINT, code(Status::Interrupted)).await;
        lab.since(began, "other", "online").await;
        assert_eq!(lab.world.ended("other").await.unwrap(), 0);
        let calls = |lab: &Lab| lab.heard(began, "exchange").iter().filter(|one| one.event == "dialled").count();
        let so_far = calls(lab);

        // Each runs a command over it.
        let began = lab.moment();
        lab.start_connect_as("client", &["--", "sleep", "1000"]);
        let page = lab.world.folder().join("page");
        let script = "until test -e go; do sleep 0.2; done; curl -s http://{}/ >page; exec sleep 1000";
        lab.start_connect_as("other", &["--", "sh", "-c", script]);
        for name in ["client", "other"] {
            lab.since(began, name, "online").await;
        }
        lab.until_lessees(2).await;
        while processes("sleep").iter().all(|(_pid, command)| command.trim() != "sleep 1000") {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        lab.ends_by("client", Signal::SIGINT, 128 + Signal::SIGINT as i32).await;
        lab.until_lessees(1).await;
        std::fs::write(lab.world.folder().join("go"), "").unwrap();
        while std::fs::read_to_string(&page).unwrap_or_default() != page_of("home") {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        assert_eq!(lab.names(began, "other"), ["asking", "proving", "online"]);
        assert_eq!(calls(lab), so_far, "nobody had to dial again");
        lab.ends_by("other", Signal::SIGTERM, 128 + Signal::SIGTERM as i32).await;
        assert_eq!(lab.traces("client").await, Vec::<String>::new());
    });
}

impl Lab {
    /// Waits until so many programs hold our own link.
    async fn until_lessees(&mut self, count: usize) {
        let held = |told: &str| told.lines().filter(|line| line.contains("own-link.sock")).count();
        loop {
            let mut command = self.world.command(Some("client"), Path::new("ss"));
            command.args(["-Hx", "state", "established"]);
            if held(&self.world.run("ss", command).await.unwrap().output) == count {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Sends a signal to a program in the background, which is to end with this status.
    async fn ends_by(&mut self, name: &str, signal: Signal, status: i32) {
        self.world.signal(name, signal);
        assert_eq!(self.world.ended(name).await.unwrap(), status, "{name}");
    }

    /// Sends Ctrl-C or SIGTERM to the `ringup connect` in the background, in the middle of what it does.
    async fn interrupt_connect(&mut self, began: usize, signal: Signal) {
        let interrupted = Instant::now();
        self.world.signal("client", signal);
        assert_eq!(self.world.ended("client").await.unwrap(), code(Status::Interrupted));
        assert!(interrupted.elapsed() < GONE_WITHIN, "it took {:?}", interrupted.elapsed());
        assert_eq!(self.traces("client").await, Vec::<String>::new());
        // The other side of a call may be the first to hang up.
        let calls = |exchange: Vec<Heard>, event: &str, mine: bool| -> BTreeSet<u64> {
            let these =
                exchange.iter().filter(|heard| heard.event == event && (!mine || heard.text("from") == "client"));
            these.map(|heard| number(heard, "call")).collect()
        };
        let dialled = calls(self.heard(began, "exchange"), "dialled", true);
        while !calls(self.heard(began, "exchange"), "hung-up", false).is_superset(&dialled) {
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
