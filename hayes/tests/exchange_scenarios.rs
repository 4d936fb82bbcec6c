//! Scenarios, carried out.
#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail by panicking")]

mod town;

use std::sync::Arc;

use hayes::emulator::calllog::CallEventKind;
use hayes::emulator::plan::Plan;
use hayes::emulator::scenario::Scenario;
use town::{Town, plan};

const NO_CARRIER: &str = "\r\nNO CARRIER\r\n";
const RING: &str = "\r\nRING\r\n";

fn town_of(plan: Plan, scenario: &str) -> Town {
    let scenario = Scenario::from_toml(scenario).unwrap();
    scenario.check(&plan).unwrap();
    Town::new(Plan { scenario: Some(Arc::new(scenario)), ..plan })
}

fn town(scenario: &str) -> Town {
    town_of(plan(), scenario)
}

/// Alice calls Bob, who answers at once; both are connected afterwards.
fn connect(town: &mut Town) {
    town.types("bob", "ATS0=1\r");
    town.types("alice", "ATDT200\r");
    town.wait_ms(12_000);
    assert!(town.screen("alice").ends_with("CONNECT 33600\r\n"));
    town.screen("bob");
}

#[test]
fn the_seed_stands_first_in_the_log() {
    let seeded = Plan { seed: 42, ..plan() };
    let town = town_of(seeded, "");
    assert_eq!(town.log.first().map(|(_, kind)| kind), Some(&CallEventKind::Started { seed: 42 }));
}

#[test]
fn somebody_calls_at_a_time_for_so_many_rings() {
    let mut town =
        town("[[step]]\nat = \"10s\"\ndo.call = { to = \"200\", number = \"5551\", name = \"EVE\", rings = 2 }\n");
    town.wait_ms(9900);
    assert_eq!(town.screen("bob"), "");
    town.wait_ms(60_000);
    let caller = "\r\nDATE = 0321\r\nTIME = 1405\r\nNMBR = 5551\r\nNAME = EVE\r\n";
    assert_eq!(town.screen("bob"), format!("{RING}{caller}{RING}"));
    assert_eq!(town.log(), ["started", "dialled", "ringing", "caller-id-sent", "ringing", "hung-up"]);
    assert!(town.told().is_empty(), "the scenario's callers are its own");
}

#[test]
fn a_caller_may_withhold_the_number() {
    let mut town =
        town("[[step]]\nat = \"1s\"\ndo.call = { to = \"200\", number = \"5551\", presentation = \"withheld\" }\n");
    town.wait_ms(6000);
    assert!(town.screen("bob").ends_with("NMBR = P\r\n"));
}

#[test]
fn a_caller_with_a_modem_connects_sends_a_text_and_hangs_up() {
    let text = "[[step]]\nat = \"1s\"\ndo.call = { to = \"200\", rate = 2400, say = \"hello\\r\\n\", hang-up-after = \"3s\" }\n";
    let mut town = town(text);
    town.types("bob", "ATS0=1\r");
    town.screen("bob");
    town.wait_ms(9015);
    assert!(town.screen("bob").ends_with("CONNECT 2400\r\n"));
    town.wait_ms(2900);
    assert_eq!(town.screen("bob"), "hello\r\n");
    town.wait_ms(1000);
    assert_eq!(town.screen("bob"), NO_CARRIER);
}

#[test]
fn a_caller_who_rings_twice_stays_when_answered() {
    let mut town = town("[[step]]\nat = \"1s\"\ndo.call = { to = \"200\", rings = 2 }\n");
    town.wait_ms(2000);
    town.types("bob", "ATA\r");
    town.wait_ms(60_000);
    assert!(town.screen("bob").ends_with("CONNECT 33600\r\n"));
}

#[test]
fn a_person_hears_the_modem_and_hangs_up() {
    let mut town = town("[[step]]\nat = \"1s\"\ndo.call = { to = \"200\", voice = true, hang-up-after = \"5s\" }\n");
    town.types("bob", "ATS0=1\r");
    town.screen("bob");
    town.wait_ms(8000);
    assert_eq!(town.screen("bob"), format!("{RING}{NO_CARRIER}"));
}

#[test]
fn an_event_on_a_line_brings_a_fault_about_after_a_while() {
    let text =
        "[[step]]\nname = \"flaky\"\non = { event = \"connected\", line = \"bob\" }\nafter = \"5s\"\ndo.drop = {}\n";
    let mut town = town(text);
    connect(&mut town);
    town.wait_ms(4000);
    assert_eq!(town.screen("bob"), "");
    town.wait_ms(2000);
    assert_eq!(town.screen("bob"), NO_CARRIER);
    let fault = CallEventKind::Fault { fault: "loop-drop", line: Some("bob".into()), cause: "flaky".into() };
    assert!(town.log.iter().any(|(_, kind)| *kind == fault));
}

#[test]
fn an_event_of_another_line_or_number_does_not() {
    let text = "[[step]]\non = { event = \"connected\", line = \"carol\" }\ndo.drop = {}\n\
                [[step]]\non = { event = \"connected\", number = \"300\" }\ndo.drop = {}\n";
    let mut town = town(text);
    connect(&mut town);
    town.wait_ms(60_000);
    assert_eq!((town.screen("alice"), town.screen("bob")), (String::new(), String::new()));
}

#[test]
fn only_the_nth_event_counts_where_one_is_named() {
    let text = "[[step]]\non = { event = \"ringing\", line = \"bob\", nth = 3 }\ndo.dead = { lasts = \"20s\" }\n";
    let mut town = town(text);
    town.types("alice", "ATDT200\r");
    town.wait_ms(30_000);
    assert_eq!(town.screen("bob").matches("RING").count(), 3);
    town.types("alice", " ");
    town.screen("alice");
    town.wait_ms(10_000);
    town.types("alice", "ATDT200\r");
    town.wait_ms(5000);
    assert_eq!(town.screen("bob"), RING, "the line is alive again");
}

#[test]
fn the_next_calls_to_a_number_are_treated_as_told() {
    let mut town = town("[[step]]\nat = \"0s\"\ndo.calls = { to = \"200\", count = 1, as = \"busy\" }\n");
    town.wait_ms(10);
    for answer in ["\r\nBUSY\r\n", ""] {
        town.types("alice", "ATDT200\r");
        town.wait_ms(5000);
        assert_eq!(town.screen("alice"), answer);
    }
}

#[test]
fn a_line_goes_dead_and_comes_back_in_its_time() {
    let mut town =
        town("[[step]]\nat = \"1s\"\nevery = \"1m\"\ntimes = 2\ndo.dead = { line = \"bob\", lasts = \"10s\" }\n");
    town.wait_ms(200_000);
    let faults: Vec<_> = town.log.drain(..).filter(|(_, kind)| kind.name() == "fault").map(|(at, _)| at).collect();
    assert_eq!(faults, [1000, 11_000, 61_000, 71_000]);
    assert_eq!(town.exchange.deadline(), None, "the step is used up");
}

#[test]
fn glare_comes_exactly_when_the_line_goes_off_hook_to_dial() {
    let mut town = town("[[step]]\nat = \"0s\"\ndo.glare = { line = \"bob\", number = \"5551\" }\n");
    town.wait_ms(10);
    town.types("bob", "ATDT300\r");
    town.wait_ms(20_000);
    assert_eq!(town.screen("bob"), NO_CARRIER);
    assert!(town.log().contains(&"glare"));
}

#[test]
fn the_scenarios_caller_hangs_up_when_told_to() {
    let text = "[[step]]\nat = \"1s\"\ndo.call = { to = \"200\" }\n\
                [[step]]\non = { event = \"connected\" }\nafter = \"2s\"\ndo.hang-up = { line = \"bob\" }\n";
    let mut town = town(text);
    town.types("bob", "ATS0=1\r");
    town.wait_ms(9100);
    town.screen("bob");
    town.wait_ms(3000);
    assert_eq!(town.screen("bob"), NO_CARRIER);
}

#[test]
fn carrier_noise_and_retrains_befall_the_call_of_the_event() {
    for (action, over) in [
        ("carrier-loss = { lasts = \"1s\" }", "fault-over"),
        ("retrain = { lasts = \"3s\", rate = 9600 }", "retrained"),
        ("noise = { errors = 100 }", "fault"),
    ] {
        let mut town = town(&format!("[[step]]\non = {{ event = \"connected\", line = \"alice\" }}\ndo.{action}\n"));
        connect(&mut town);
        town.wait_ms(5000);
        assert_eq!(town.log().last(), Some(&over), "{action}");
        assert_eq!(town.screen("alice"), "", "{action}");
    }
}

#[test]
fn chance_is_the_seeds() {
    let text = "[[step]]\nat = \"1s\"\nevery = \"10s\"\ntimes = 20\nchance = 0.3\n\
                do.call = { to = \"200\", rings = 1 }\n";
    let run = |seed| {
        let mut town = town_of(Plan { seed, ..plan() }, text);
        town.wait_ms(1_200_000);
        town.log.drain(..).filter(|(_, kind)| kind.name() == "ringing").map(|(at, _)| at).collect::<Vec<_>>()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
    assert_eq!(run(1).len(), 20, "each time counts only when it happens");
}

#[test]
fn a_loop_of_events_and_steps_does_not_stop_the_clock() {
    let mut town = town("[[step]]\non = { event = \"dialled\" }\ndo.call = { to = \"999\" }\n");
    town.types("alice", "ATDT200\r");
    town.wait_ms(5000);
    let dialled = town.log().into_iter().filter(|event| *event == "dialled").count();
    assert!((1000..2000).contains(&dialled), "{dialled} calls in 1.4 s");
}

#[test]
fn a_party_answers_with_its_modem_sends_its_text_and_hangs_up() {
    let text = "[[party]]\nname = \"bbs\"\nnumber = \"800\"\nrings = 1\nrate = 2400\nsay = \"login: \"\n\
                hang-up-after = \"5s\"\n";
    let mut town = town(text);
    town.types("alice", "ATDT800\r");
    // Dialling 3.57 s, a ring 6 s, training 8 s.
    town.wait_ms(17_580);
    assert_eq!(town.screen("alice"), "\r\nCONNECT 2400\r\n");
    town.wait_ms(4900);
    assert_eq!(town.screen("alice"), "login: ");
    town.wait_ms(1000);
    assert_eq!(town.screen("alice"), NO_CARRIER);
    assert_eq!(town.log(), ["started", "dialled", "seized", "ringing", "answered", "connected", "hung-up"]);
}

#[test]
fn a_party_that_never_answers_rings_and_a_person_is_no_modem() {
    let text = "[[party]]\nname = \"nobody\"\nnumber = \"800\"\n\
                [[party]]\nname = \"person\"\nnumber = \"801\"\nrings = 1\nvoice = true\nhang-up-after = \"3s\"\n";
    let mut town = town(text);
    town.types("alice", "ATDT800\r");
    town.wait_ms(40_000);
    assert_eq!(town.screen("alice"), "");
    town.types("alice", " ");
    assert_eq!(town.screen("alice"), NO_CARRIER);
    town.types("alice", "ATDT801\r");
    town.wait_ms(12_000);
    assert_eq!(town.screen("alice"), "");
    town.wait_ms(2000);
    assert_eq!(town.screen("alice"), NO_CARRIER, "the person hung up");
    town.wait_ms(60_000);
    assert_eq!(town.exchange.deadline(), None);
}
