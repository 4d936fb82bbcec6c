//! Calls and connections of the client that break off: each break is named, or mended, and nothing is left of it.

use nix::sys::signal::Signal;
use ringup::demo::start_page;
use ringup::exit::Status;

use super::harness::{Lab, QUICK, code, in_lab};
use super::remains::{kill_one, pppd_of};

impl Lab {
    /// `ringup connect home` is to fail so, with nothing left of it.
    async fn breaks(&mut self, status: Status, message: &str) {
        let began = self.moment();
        let ran = self.connect(&["--", "touch", "ran"]).await;
        assert_eq!((ran.status, ran.output.as_str()), (code(status), ""), "{}", ran.errors);
        let told: Vec<&str> = ran.errors.lines().collect();
        let [.., said, hint] = told[..] else { panic!("{told:?}") };
        assert_eq!(said, format!("ringup: {message}"));
        assert!(hint.starts_with("hint: "), "{hint}");
        let failed = self.heard(began, "client").pop().unwrap();
        let cause = (failed.event.as_str(), failed.text("cause"), failed.text("message"));
        assert_eq!(cause, ("failed", status.name().to_owned(), message.to_owned()));
        assert!(!self.world.folder().join("ran").exists());
        assert_eq!(self.traces("client").await, Vec::<String>::new());
    }
}

/// Kills the one pppd of the provider's; while it starts a hook there are two of its name.
async fn kill_providers_pppd() {
    while pppd_of("provider").len() != 1 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    kill_one("pppd", "provider-run/");
}

#[test]
fn a_carrier_lost_on_the_way_to_our_provider_is_named_and_a_link_lost_later_comes_up_again() {
    in_lab(QUICK, async |lab| {
        lab.edit("exchange", "training = \"200ms\"", "training = \"1s\"\nscenario = \"breaks.scenario\"");
        lab.edit("client", "wait = \"60s\"", "wait = \"10s\"");
        lab.edit("client", "[isp]\n", "[isp]\ncalls = 1\n");
        // Before CONNECT; after it, before PPP.
        let scenario = "[[step]]\non = { event = \"answered\", nth = 1 }\nafter = \"100ms\"\ndo.drop = { line = \"client\" }\n\
                        [[step]]\non = { event = \"connected\", nth = 1 }\nafter = \"20ms\"\ndo.drop = { line = \"client\" }\n";
        std::fs::write(lab.world.folder().join("breaks.scenario"), scenario).unwrap();
        lab.start().await;
        lab.world.stop("home").await;
        lab.breaks(Status::NoCarrier, "the provider could not be reached: no carrier").await;
        lab.breaks(Status::NoCarrier, "the call to the provider was lost before the link was up").await;

        // While the directory is asked; while the host is waited for, who does not come.
        lab.world.signal("directory", Signal::SIGSTOP);
        let began = lab.moment();
        lab.start_connect();
        lab.since(began, "client", "asking").await;
        kill_providers_pppd().await;
        lab.since(began, "client", "own-link-lost").await;
        lab.until("client", "own-link-up").await;
        lab.world.signal("directory", Signal::SIGCONT);
        lab.until("client", "ringing").await;
        lab.until("client", "waiting").await;
        let waiting = lab.moment();
        kill_providers_pppd().await;
        lab.since(waiting, "client", "own-link-lost").await;
        assert_eq!(lab.world.ended("client").await.unwrap(), code(Status::NotRegistered));
        let up_again = ["own-link-lost", "own-link-dialling", "own-link-up", "waiting"];
        let told = [&up_again[..], &["asking", "never-registered", "failed"]].concat();
        assert_eq!(lab.names(waiting, "client"), told);
        assert_eq!(lab.traces("client").await, Vec::<String>::new());
    });
}

#[test]
fn a_directory_that_fails_while_home_registers_is_tried_again_by_home_and_asked_again_by_the_client() {
    in_lab(QUICK, async |lab| {
        lab.edit("client", "wait = \"60s\"", "wait = \"120s\"");
        lab.start().await;
        start_page(&mut lab.world, "home").unwrap();
        let began = lab.moment();
        lab.start_connect();
        lab.since(began, "home", "waking").await;
        lab.world.stop("directory").await;
        let failed = lab.since(began, "home", "failed").await;
        assert!(failed.text("cause").contains("cannot be reached"), "{}", failed.fields);
        lab.since(began, "client", "waiting").await;
        lab.world.start_role("directory", Some("directory"), "directory").unwrap();
        assert_eq!(lab.world.ended("client").await.unwrap(), 0);
        let names = lab.names(began, "home");
        assert!(names.contains(&"registered".to_owned()), "{names:?}");
        lab.free_line().await;

        // Kept up by nobody, home goes again, and says so.
        lab.world.signal("home", Signal::SIGTERM);
        assert_eq!(lab.world.ended("home").await.unwrap(), 0);
        assert_eq!(lab.record().await["state"], "asleep");
        assert_eq!(lab.traces("client").await, Vec::<String>::new());
    });
}
