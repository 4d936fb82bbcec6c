//! The whole road: a sleeping host is woken, serves, and sleeps again.

use ringup::demo::{Heard, Timings, start_page};

use super::harness::{in_lab, number, wake_up_calls};

#[test]
fn a_sleeping_host_is_woken_without_an_answer_serves_and_sleeps_again() {
    in_lab(Timings { home_idle: 8, linger: 30 }, async |lab| {
        lab.start().await;
        start_page(&mut lab.world, "home").unwrap();
        let began = lab.moment();
        let first = lab.fetch().await;

        let road = ["own-link-dialling", "own-link-up", "asking", "never-registered", "own-link-down", "ringing"];
        let road =
            [&road[..], &["call-over", "own-link-dialling", "own-link-up", "waiting", "proving", "online"]].concat();
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
        assert_eq!(lab.names(again, "client"), ["asking", "proving", "online"]);
        assert_eq!(lab.heard(again, "exchange").iter().filter(|heard| heard.event == "dialled").count(), 0);

        // It sleeps again: the record first, then the line.
        lab.until("home", "withdrawn").await;
        assert_eq!(lab.record().await["state"], "asleep");
        lab.since(again, "home", "listening").await;
        let fell_asleep = lab.names(again, "home");
        assert_eq!(fell_asleep, ["idle", "withdrawn", "ended", "listening"]);
        // Whoever hangs up first.
        let heard = &lab.world.heard;
        let dialled = heard.iter().find(|heard| heard.event == "dialled" && heard.text("from") == "home").unwrap();
        let call = number(dialled, "call");
        let withdrawn = heard.iter().position(|heard| heard.who == "home" && heard.event == "withdrawn");
        let hung_up =
            heard.iter().position(|heard| heard.event == "hung-up" && heard.fields["call"].as_u64() == Some(call));
        assert!(withdrawn.unwrap() < hung_up.unwrap(), "the line dropped first");

        // The next wake is as good, at another address.
        let second = lab.fetch().await;
        assert_ne!(second, first);
        let seqs: Vec<u64> = lab.heard(began, "home").iter().filter_map(|heard| heard.fields["seq"].as_u64()).collect();
        assert_eq!(seqs.len(), 3, "registered, withdrawn, registered");
        assert!(seqs.is_sorted_by(|one, next| one < next), "{seqs:?}");
    });
}
