//! What befalls a wake from outside, and that it comes back from there by itself: lines that vanish, providers that are
//! busy, mute, dead or gone, locks that others have left. The table of all faults is in docs/faults.md.

use std::path::Path;

use nix::sys::signal::{Signal, kill};
use ringup::demo::Heard;
use ringup::exit::Status;

use super::harness::{Lab, QUICK, code, in_lab, number, wake_up_calls};
use super::remains::{GONE_WITHIN, gone, pppd_of, processes};

/// From the start of one ring to the start of the next in the lab, in milliseconds.
const CADENCE: i64 = 3000;

impl Lab {
    /// Every line is unplugged at once, as when a hub loses its power.
    async fn unplug(&mut self) {
        self.world.signal("exchange", Signal::SIGKILL);
        assert_eq!(self.world.ended("exchange").await.unwrap(), 128 + 9);
    }

    /// `ringup status` says that the line is unplugged, and what to do.
    async fn waits_for_its_modem(&mut self) {
        let line = loop {
            let standing = self.standing().await;
            let line = standing["lines"].as_object().unwrap().values().next().unwrap().clone();
            if line["phase"] == "lost" {
                break line;
            }
        };
        assert_eq!(line["trouble"]["kind"], "unplugged", "{line}");
        let shown = self.at_home(&["status"]).await.output;
        assert!(shown.contains("unplugged (") && shown.contains("to do: plug it in"), "{shown}");
    }

    /// The lines are there again, under the names that they had, and the provider has noticed.
    async fn plug_in(&mut self) {
        let ready = |lab: &Self| {
            let log = std::fs::read_to_string(lab.world.folder().join("provider.log")).unwrap();
            log.matches("modem ready").count()
        };
        let before = ready(self);
        self.world.start_role("exchange", None, "exchange").unwrap();
        for _line in 0..4 {
            self.until("exchange", "line").await;
        }
        let lines = 2;
        let waiting = async || {
            while ready(self) < before + lines {
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            }
        };
        tokio::time::timeout(6 * GONE_WITHIN, waiting()).await.expect("the provider finds its lines again");
    }

    /// Rings home in the background, for as long as `ringup wake` does.
    fn start_ringing(&self) -> tokio::process::Child {
        let mut command = self.world.command(Some("client"), self.world.program());
        command.args(["--config", "client.toml", "wake", "home"]);
        let quiet = std::process::Stdio::null;
        command.stdin(quiet()).stdout(quiet()).stderr(quiet()).spawn().unwrap()
    }

    /// Has the exchange follow these steps.
    fn scenario(&self, steps: &str) {
        std::fs::write(self.world.folder().join("steps.toml"), steps).unwrap();
        self.edit("exchange", "[exchange]\n", "[exchange]\nscenario = \"steps.toml\"\n");
    }

    /// Home listens after a moment; how it got there is told.
    async fn listens_again(&mut self, moment: usize) -> Vec<String> {
        self.since(moment, "home", "listening").await;
        self.names(moment, "home")
    }
}

/// The moment of an event of the exchange's log, in milliseconds since 1970.
fn logged_at(heard: &Heard) -> i64 {
    heard.text("time").parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

#[test]
fn a_modem_that_is_unplugged_while_it_dials_or_online_is_found_again_by_its_name_without_a_restart() {
    in_lab(QUICK, async |lab| {
        lab.start().await;
        let began = lab.moment();
        let mut caller = lab.start_ringing();
        lab.since(began, "home", "dialling").await;
        caller.wait().await.unwrap();
        lab.unplug().await;
        lab.since(began, "home", "failed").await;
        lab.waits_for_its_modem().await;
        let back = lab.moment();
        lab.plug_in().await;
        let first = number(&lab.since(back, "home", "registered").await, "seq");

        let online = lab.moment();
        lab.unplug().await;
        lab.since(online, "home", "ended").await;
        assert_eq!(gone(|| pppd_of("home")).await, Vec::<String>::new());
        assert_eq!(lab.ppp_interfaces("home").await, "");
        let back = lab.moment();
        lab.plug_in().await;
        let second = number(&lab.since(back, "home", "registered").await, "seq");
        assert!(second > first, "{second} after {first}");
        assert_eq!(wake_up_calls(&lab.heard(began, "exchange")).len(), 1, "somebody had to ring once more");
    });
}

#[test]
fn a_caller_may_let_it_ring_on_and_home_goes_off_hook_a_cadence_after_the_last_ring() {
    in_lab(QUICK, async |lab| {
        lab.edit("client", "ring-for = \"6s\"", "ring-for = \"16s\"");
        lab.start().await;
        let began = lab.moment();
        lab.bring_home_online().await;
        let exchange = lab.heard(began, "exchange");
        let [call] = &wake_up_calls(&exchange)[..] else { panic!("not one call: {exchange:?}") };
        assert!(!call.iter().any(|event| event == "answered" || event == "glare"), "{call:?}");
        let rings: Vec<&Heard> =
            exchange.iter().filter(|heard| heard.event == "ringing" && heard.text("line") == "home").collect();
        assert!(rings.len() >= 3, "it rang {} times", rings.len());
        let dialled = exchange.iter().find(|heard| heard.event == "dialled" && heard.text("from") == "home").unwrap();
        let silence = logged_at(dialled) - logged_at(rings[rings.len() - 1]);
        assert!(silence >= CADENCE, "home dialled {silence} ms after the last ring");
    });
}

#[test]
fn a_provider_that_is_busy_is_called_again_after_a_pause() {
    in_lab(QUICK, async |lab| {
        lab.scenario("[[step]]\nat = \"1ms\"\ndo.calls = { to = \"5550199\", as = \"busy\", count = 2 }\n");
        lab.start().await;
        let began = lab.moment();
        lab.bring_home_online().await;
        let refused = lab.heard(began, "home").into_iter().filter(|heard| heard.event == "failed");
        let causes: Vec<String> = refused.map(|heard| heard.text("cause")).collect();
        assert_eq!(causes.len(), 2, "{causes:?}");
        assert!(causes.iter().all(|cause| cause.contains("the provider is busy")), "{causes:?}");
        let exchange = lab.heard(began, "exchange").into_iter();
        let calls: Vec<i64> = exchange
            .filter(|heard| heard.event == "dialled" && heard.text("from") == "home")
            .map(|heard| logged_at(&heard))
            .collect();
        assert_eq!(calls.len(), 3);
        // Dialling itself takes more than two seconds; the pauses come on top.
        assert!(calls.windows(2).all(|pair| pair[1] - pair[0] > 3000), "{calls:?}");
    });
}

#[test]
fn the_clients_own_provider_that_stays_busy_is_not_called_for_longer_than_the_client_waits() {
    in_lab(QUICK, async |lab| {
        lab.scenario("[[step]]\nat = \"1ms\"\ndo.calls = { to = \"5550199\", as = \"busy\", count = 64 }\n");
        lab.edit("client", "linger =", "calls = 64\nlinger =");
        lab.start().await;
        let ran = lab.connect(&["--wait", "1s"]).await;
        assert_eq!(ran.status, code(Status::Busy), "{}", ran.errors);
        assert!(ran.errors.contains("the provider is busy; there is no time for another call"), "{}", ran.errors);
        assert_eq!(lab.traces("client").await, Vec::<String>::new(), "its keeper dials on");
        // Who is content with less than another keeps nobody from having more.
        let began = lab.moment();
        lab.start_connect_as("other", &["--wait", "600s"]);
        lab.since(began, "other", "own-link-pausing").await;
        let ran = lab.connect(&["--wait", "1s"]).await;
        assert_eq!(ran.status, code(Status::Busy), "{}", ran.errors);
        let moment = lab.moment();
        lab.since(moment, "other", "own-link-dialling").await;
        lab.world.signal("other", Signal::SIGINT);
        assert_eq!(lab.world.ended("other").await.unwrap(), code(Status::Interrupted));
        assert_eq!(lab.traces("client").await, Vec::<String>::new());
    });
}

#[test]
fn the_clients_own_provider_that_is_busy_once_is_called_again_while_somebody_waits() {
    in_lab(QUICK, async |lab| {
        lab.scenario("[[step]]\nat = \"1ms\"\ndo.calls = { to = \"5550199\", as = \"busy\", count = 1 }\n");
        lab.start().await;
        let began = lab.moment();
        let ran = lab.connect(&[]).await;
        assert_eq!(ran.status, 0, "{}", ran.errors);
        let steps = lab.names(began, "client");
        assert_eq!(steps[..4], ["own-link-dialling", "own-link-pausing", "own-link-dialling", "own-link-up"]);
    });
}

#[test]
fn a_provider_whose_modem_answers_but_who_speaks_no_ppp_is_named_and_given_up() {
    in_lab(QUICK, async |lab| {
        lab.scenario("[[party]]\nname = \"mute\"\nnumber = \"5550170\"\nrings = 1\n");
        lab.edit("home", "number = \"555-0199\"\n", "number = \"555-0170\"\nlink-within = \"5s\"\ncalls = 1\n");
        lab.start().await;
        let began = lab.moment();
        lab.wake().await;
        let failed = lab.since(began, "home", "failed").await;
        assert_eq!(failed.text("cause"), "the link did not come up in time");
        lab.listens_again(began).await;
        assert!(!lab.names(began, "home").contains(&"up".to_owned()));
        assert_eq!(lab.traces("home").await, Vec::<String>::new());
    });
}

#[test]
fn a_provider_that_vanishes_is_noticed_by_its_silence_and_one_that_hangs_up_at_once() {
    in_lab(QUICK, async |lab| {
        lab.start().await;
        let first = lab.bring_home_online().await;
        let began = lab.moment();
        lab.world.signal("provider", Signal::SIGSTOP);
        let ended = lab.since(began, "home", "ended").await;
        assert_eq!(ended.text("cause"), "the other side stopped answering");
        lab.world.signal("provider", Signal::SIGCONT);
        lab.since(began, "provider", "ended").await;
        let second = number(&lab.since(began, "home", "registered").await, "seq");
        assert!(second > first, "{second} after {first}");

        let began = lab.moment();
        for (pid, _command) in processes("pppd").into_iter().filter(|(_, command)| command.contains("provider-run/")) {
            kill(pid, Signal::SIGTERM).unwrap();
        }
        let ended = lab.since(began, "home", "ended").await;
        assert!(ended.text("cause").contains("other side"), "{}", ended.fields);
        let third = number(&lab.since(began, "home", "registered").await, "seq");
        assert!(third > second, "{third} after {second}");
    });
}

#[test]
fn a_lock_that_is_empty_or_of_a_dead_program_holds_nobody_up_and_a_second_listener_is_told_who_has_the_line() {
    in_lab(QUICK, async |lab| {
        lab.start().await;
        std::fs::write(lab.lock("home"), "").unwrap();
        let first = lab.bring_home_online().await;
        lab.world.signal("home", Signal::SIGTERM);
        assert_eq!(lab.world.ended("home").await.unwrap(), 0);

        // No process has the greatest number.
        let most = std::fs::read_to_string("/proc/sys/kernel/pid_max").unwrap();
        std::fs::write(lab.lock("home"), format!("{:>10}\n", most.trim())).unwrap();
        lab.start_home().await;
        let began = lab.moment();
        let second = lab.bring_home_online().await;
        assert!(second > first, "{second} after {first}");

        // With a state of its own: what both want is the line.
        let text = std::fs::read_to_string(lab.world.folder().join("home.toml")).unwrap();
        let text = text.replace("\"home-state\"", "\"another-state\"").replace("\"home-run\"", "\"another-run\"");
        std::fs::write(lab.world.folder().join("another.toml"), text).unwrap();
        let mut another = lab.world.command(Some("home"), lab.world.program());
        another.args(["--config", "another.toml", "listen", "--json"]);
        let ran = lab.world.run("another", another).await.unwrap();
        assert_ne!(ran.status, 0, "{}", ran.output);
        let told = ran.errors.lines().find(|line| line.starts_with("ringup: ")).unwrap_or_default();
        assert!(told.contains("is in use by process"), "{}", ran.errors);
        assert_eq!(lab.record().await["seq"], serde_json::json!(second));
        assert!(!lab.names(began, "home").contains(&"ended".to_owned()), "the first one is disturbed");
        assert!(Path::new(&lab.lock("home")).exists(), "the first one's lock is gone");
    });
}
