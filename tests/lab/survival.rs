//! What a listener survives, and what it leaves when it is told to stop.

use nix::sys::signal::Signal;

use super::harness::{QUICK, in_lab, number};
use super::remains::{gone, pppd_of};

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
fn the_line_survives_a_listener_that_is_killed_while_online() {
    in_lab(QUICK, async |lab| {
        lab.start().await;
        let first = lab.bring_home_online().await;
        lab.world.signal("home", Signal::SIGKILL);
        assert_eq!(lab.world.ended("home").await.unwrap(), 128 + 9);
        assert_eq!(gone(|| pppd_of("home")).await, Vec::<String>::new());
        assert_eq!(lab.ppp_interfaces("home").await, "");
        let restarted = lab.moment();
        lab.start_home().await;
        // Somebody waits for the machine: the wake that was cut off goes on by itself.
        let second = number(&lab.since(restarted, "home", "registered").await, "seq");
        assert!(second > first, "{second} after {first}");
    });
}
