//! How links fail: each fault with the cause that is told and with what follows, be it another call or none.

use nix::sys::signal::{Signal, kill};

use super::harness::{Lab, QUICK, in_lab, number};
use super::link::OrdinaryProvider;
use super::remains::{kill_one, processes};

#[test]
fn a_provider_that_refuses_our_name_is_not_called_again_however_often_it_rings_until_the_owner_has_mended_it() {
    in_lab(QUICK, async |lab| {
        let secret = lab.world.folder().join("home.secret");
        let right = std::fs::read_to_string(&secret).unwrap();
        std::fs::write(&secret, "not the secret\n").unwrap();
        lab.start().await;
        let began = lab.moment();
        lab.wake().await;
        let failed = lab.since(began, "home", "failed").await;
        assert_eq!(failed.text("cause"), "the provider refused our name or secret");
        let again_in = number(&lab.since(began, "home", "no-link").await, "again");
        assert!((1..=750_000).contains(&again_in), "{again_in}");
        let again = lab.moment();
        lab.wake().await;
        assert_eq!(lab.since(again, "home", "refused").await.text("reason"), "provider-refused");
        assert_eq!(lab.calls_of_home(began), 1, "the provider is hammered");
        let warning = lab.standing().await["warnings"][0].as_str().unwrap().to_owned();
        assert!(warning.contains("is not called until") && warning.contains("refused our name"), "{warning}");

        std::fs::write(&secret, right).unwrap();
        lab.world.signal("home", Signal::SIGHUP);
        while lab.journal(&["--kind", "reloaded"]).await.is_empty() {}
        assert_eq!(lab.standing().await["warnings"], serde_json::json!([]));
        lab.bring_home_online().await;
    });
}

#[test]
fn a_link_that_is_lost_while_it_is_wanted_comes_back_under_a_newer_record() {
    in_lab(QUICK, async |lab| {
        lab.start().await;
        let first = lab.bring_home_online().await;
        let old = lab.record().await["addresses"].clone();

        // The provider hangs up.
        let began = lab.moment();
        kill_one("pppd", "provider-run/");
        let ended = lab.since(began, "home", "ended").await;
        assert!(
            ["the call was lost", "the other side ended the link"].contains(&ended.text("cause").as_str()),
            "{ended:?}"
        );
        let second = number(&lab.since(began, "home", "registered").await, "seq");
        assert!(second > first);
        let record = lab.record().await;
        assert_eq!(record["seq"], serde_json::json!(second));
        assert_ne!(record["addresses"], old, "a returned address rests");

        // Our own pppd is killed.
        let began = lab.moment();
        kill_one("pppd", "home-run/");
        assert_eq!(lab.since(began, "home", "ended").await.text("cause"), "pppd was killed");
        let third = number(&lab.since(began, "home", "registered").await, "seq");
        assert!(third > second);
        assert_eq!(lab.names(began, "home")[..2], ["ended", "redialling"]);
    });
}

#[test]
fn a_provider_that_falls_silent_is_noticed_by_its_echoes_and_called_again() {
    in_lab(QUICK, async |lab| {
        lab.configure_home("user", "options = [\"lcp-echo-interval 1\"]");
        lab.start().await;
        let first = lab.bring_home_online().await;
        let (frozen, _command) =
            processes("pppd").into_iter().find(|(_pid, command)| command.contains("provider-run/")).unwrap();
        let began = lab.moment();
        kill(frozen, Signal::SIGSTOP).unwrap();
        assert_eq!(lab.since(began, "home", "ended").await.text("cause"), "the other side stopped answering");
        let second = number(&lab.since(began, "home", "registered").await, "seq");
        assert!(second > first);
        // The provider may have ended it by force already.
        kill(frozen, Signal::SIGKILL).ok();
    });
}

#[test]
fn after_a_wake_that_brought_no_link_whoever_rings_again_is_served_at_once() {
    in_lab(QUICK, async |lab| {
        lab.edit("home", "cooldown = \"5s\"", "cooldown = \"10m\"");
        lab.configure_home("user", "calls = 1");
        lab.start_without_provider().await;
        let nobody = OrdinaryProvider::start(lab, "printf 'closed\\n'");
        let began = lab.moment();
        lab.wake().await;
        assert_eq!(number(&lab.since(began, "home", "no-link").await, "again"), 0);
        nobody.end().await;
        let provider = OrdinaryProvider::start(lab, super::link::USUAL);
        lab.bring_home_online().await;
        provider.end().await;
    });
}

/// Wakes home for a call that brings no link; gives the cause.
async fn failed_call(lab: &mut Lab) -> String {
    let began = lab.moment();
    lab.wake().await;
    let failed = lab.since(began, "home", "failed").await;
    lab.since(began, "home", "listening").await;
    assert_eq!(lab.traces("home").await, Vec::<String>::new());
    failed.text("cause")
}

#[test]
fn whoever_answers_without_ppp_and_a_line_that_talks_to_itself_are_told_apart() {
    in_lab(QUICK, async |lab| {
        lab.configure_home("user", "calls = 1");
        lab.start_without_provider().await;
        let silent = OrdinaryProvider::start(lab, "printf 'login: '; sleep 60");
        let cause = failed_call(lab).await;
        assert!(cause.starts_with("the other side answered, but never spoke PPP"), "{cause}");
        assert!(cause.ends_with("the provider said \"login:\""), "{cause}");
        silent.end().await;
        let echo = OrdinaryProvider::start(lab, "cat");
        let cause = failed_call(lab).await;
        assert!(cause.starts_with("the line talks to itself"), "{cause}");
        echo.end().await;
    });
}

#[test]
fn without_ppp_in_the_kernel_rights_to_it_or_pppd_itself_no_call_is_made_in_vain() {
    in_lab(QUICK, async |lab| {
        // As long as with real modems: pppd has that time to find out, however busy the machine is.
        lab.edit("exchange", "training = \"200ms\"", "training = \"20s\"");
        lab.start().await;
        for (prelude, cause) in [
            ("exec setpriv --bounding-set -all --inh-caps -all", "this process may not use the kernel's PPP"),
            ("mount --bind /dev/null /usr/sbin/pppd && exec", "pppd cannot be started"),
        ] {
            lab.world.stop("home").await;
            let mut command = lab.world.command(Some("home"), std::path::Path::new("sh"));
            let ringup = "\"$0\" --config home.toml -v listen --json";
            command.arg("-c").arg(format!("{prelude} {ringup}")).arg(lab.world.program());
            lab.world.start("home", command).unwrap();
            lab.until("home", "listening").await;
            let began = lab.moment();
            let told = failed_call(lab).await;
            assert!(told.starts_with(cause), "{told}");
            let answered = lab.heard(began, "exchange").into_iter().filter(|heard| heard.event == "connected");
            assert_eq!(answered.count(), 0, "the call was made in vain");
        }
    });
}

#[test]
fn a_pppd_that_does_not_listen_is_ended_by_force() {
    in_lab(QUICK, async |lab| {
        lab.start().await;
        lab.bring_home_online().await;
        let (deaf, _command) =
            processes("pppd").into_iter().find(|(_pid, command)| command.contains("home-run/")).unwrap();
        kill(deaf, Signal::SIGSTOP).unwrap();
        lab.world.signal("home", Signal::SIGTERM);
        assert_eq!(lab.world.ended("home").await.unwrap(), 0);
        assert_eq!(lab.traces("home").await, Vec::<String>::new());
    });
}
