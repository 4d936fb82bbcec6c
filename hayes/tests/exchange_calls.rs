//! Whole calls through the exchange, under a virtual clock.
#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod town;

use std::time::Duration;

use hayes::emulator::exchange::LineId;
use hayes::emulator::plan::{Cadence, HuntGroup, Plan, Presentation};
use proptest::prelude::*;
use town::{Town, plan};

#[test]
fn an_unanswered_call_rings_tells_the_caller_and_rings_again_until_given_up() {
    let mut plan = plan();
    plan.lines[0].caller_name = Some("ALICE".into());
    let mut town = Town::new(plan);
    town.types("alice", "ATDT200\r");
    // Dial tone 1 s, three digits 0.57 s, post-dial 2 s.
    town.wait_ms(3560);
    assert_eq!(town.screen("bob"), "");
    town.wait_ms(20);
    assert_eq!(town.screen("bob"), "\r\nRING\r\n");
    town.wait_ms(3600);
    assert_eq!(town.screen("bob"), "\r\nDATE = 0321\r\nTIME = 1405\r\nNMBR = 100\r\nNAME = ALICE\r\n");
    town.wait_ms(2500);
    assert_eq!(town.screen("bob"), "\r\nRING\r\n");
    town.types("alice", "\r");
    assert_eq!(town.screen("alice"), "\r\nNO CARRIER\r\n");
    town.wait_ms(60_000);
    assert_eq!(town.screen("bob"), "", "the end of ringing is silence");
    assert_eq!(town.log(), ["dialled", "ringing", "caller-id-sent", "ringing", "hung-up"]);
}

#[test]
fn an_answered_call_connects_carries_data_and_ends_at_both_sides() {
    let mut town = Town::connect(plan());
    town.types("alice", "hello");
    town.types("bob", "world!");
    town.wait_ms(30);
    assert_eq!((town.screen("alice"), town.screen("bob")), (String::from("world!"), String::from("hello")));
    town.dtr("alice", false);
    assert_eq!(town.screen("alice"), "\r\nNO CARRIER\r\n");
    town.wait_ms(510);
    assert_eq!(town.screen("bob"), "");
    town.wait_ms(20);
    assert_eq!(town.screen("bob"), "\r\nNO CARRIER\r\n");
    assert_eq!(town.log(), ["dialled", "ringing", "answered", "connected", "hung-up"]);
}

#[test]
fn data_moves_at_the_rate_of_the_slower_modem() {
    let mut plan = plan();
    plan.lines[1].rate = 2400;
    let mut town = Town::new(plan);
    town.types("bob", "ATS0=1\r");
    town.types("alice", "ATDT200\r");
    town.wait_ms(12_000);
    assert!(town.screen("alice").ends_with("\r\nCONNECT 2400\r\n"));
    town.screen("bob");
    town.types("alice", &"x".repeat(480));
    town.wait_ms(1020);
    let halfway = town.screen("bob").len();
    assert!((236..=240).contains(&halfway), "{halfway} bytes in the first second");
    town.wait_ms(1000);
    assert_eq!(halfway + town.screen("bob").len(), 480);
}

#[test]
fn what_was_sent_before_hanging_up_still_arrives() {
    let mut town = Town::connect(plan());
    town.types("bob", &"y".repeat(3000));
    town.dtr("bob", false);
    town.wait_ms(5000);
    let screen = town.screen("alice");
    assert_eq!(screen, format!("{}\r\nNO CARRIER\r\n", "y".repeat(3000)));
}

#[test]
fn a_terminal_that_does_not_read_holds_up_the_far_one_and_loses_nothing() {
    let mut town = Town::connect(plan());
    let (alice, bob) = (town.line("alice"), town.line("bob"));
    town.exchange.handle_flow(bob, false, town.now);
    let mut sent = 0;
    for _ in 0..100 {
        let room = town.exchange.room(alice);
        sent += room;
        town.types("alice", &"z".repeat(room));
        town.wait_ms(100);
    }
    assert_eq!(town.exchange.room(alice), 0);
    assert!(sent < 10_000, "{sent} bytes taken for a terminal that does not read");
    assert_eq!(town.screen("bob"), "");
    town.exchange.handle_flow(bob, true, town.now);
    town.drain();
    town.wait_ms(10_000);
    assert_eq!(town.screen("bob").len(), sent);
    assert!(town.exchange.room(alice) > 0);
}

#[test]
fn the_escape_keeps_the_call_and_what_arrives_meanwhile() {
    let mut town = Town::connect(plan());
    town.wait_ms(1000);
    town.types("alice", "+++");
    town.wait_ms(1100);
    assert_eq!(town.screen("alice"), "\r\nOK\r\n");
    assert_eq!(town.screen("bob"), "+++");
    town.types("bob", "still here");
    town.wait_ms(500);
    assert_eq!(town.screen("alice"), "");
    town.types("alice", "ATO\r");
    town.wait_ms(1);
    assert_eq!(town.screen("alice"), "\r\nCONNECT 33600\r\nstill here");
    town.wait_ms(1000);
    town.types("alice", "+++");
    town.wait_ms(1100);
    town.types("alice", "ATH\r");
    assert_eq!(town.screen("alice"), "\r\nOK\r\n\r\nOK\r\n");
    town.wait_ms(1000);
    assert!(town.screen("bob").ends_with("\r\nNO CARRIER\r\n"));
}

#[test]
fn a_line_in_a_call_or_off_hook_is_busy() {
    let mut town = Town::connect(plan());
    town.types("carol", "ATDT200\r");
    town.wait_ms(5000);
    assert_eq!(town.screen("carol"), "\r\nBUSY\r\n");
    town.types("carol", "ATDT300\r");
    town.wait_ms(5000);
    assert_eq!(town.screen("carol"), "\r\nBUSY\r\n", "calling oneself");

    let mut town = Town::new(plan());
    town.types("bob", "ATH1\r");
    town.types("alice", "ATDT200\r");
    town.wait_ms(5000);
    assert_eq!(town.screen("alice"), "\r\nBUSY\r\n");
    town.types("bob", "ATH0\r");
    town.screen("bob");
    town.types("alice", "ATDT200\r");
    town.wait_ms(5000);
    assert_eq!(town.screen("bob"), "\r\nRING\r\n");
}

#[test]
fn a_hunt_group_rings_its_first_free_line() {
    let group = HuntGroup { number: "700".into(), lines: vec!["bob".into(), "carol".into()] };
    let mut town = Town::new(Plan { hunt_groups: vec![group], ..plan() });
    town.types("bob", "ATH1\r");
    town.screen("bob");
    town.types("alice", "ATDT700\r");
    town.wait_ms(5000);
    assert_eq!((town.screen("bob"), town.screen("carol")), (String::new(), String::from("\r\nRING\r\n")));
}

#[test]
fn s7_ends_a_call_that_nobody_answers() {
    let mut town = Town::new(plan());
    town.types("alice", "ATS7=15\r");
    town.screen("alice");
    town.types("alice", "ATDT200\r");
    town.wait_ms(16_500);
    assert_eq!(town.screen("alice"), "");
    town.wait_ms(100);
    assert_eq!(town.screen("alice"), "\r\nNO CARRIER\r\n");
    town.screen("bob");
    town.wait_ms(60_000);
    assert_eq!(town.screen("bob"), "");
}

#[test]
fn the_exchange_stops_ringing_after_its_limit() {
    let mut town = Town::new(Plan { ring_limit: Duration::from_secs(20), ..plan() });
    town.types("alice", "ATDT200\r");
    town.wait_ms(24_000);
    assert_eq!(town.screen("alice"), "\r\nNO CARRIER\r\n");
    assert_eq!(town.log().last(), Some(&"no-answer"));
    assert_eq!(town.screen("bob").matches("RING").count(), 4);
}

#[test]
fn an_unknown_number_is_no_carrier_and_digits_may_come_in_parts() {
    let mut town = Town::new(plan());
    town.types("alice", "ATDT999\r");
    town.wait_ms(30_000);
    assert_eq!(town.screen("alice"), "\r\nNO CARRIER\r\n");
    assert_eq!(town.log(), ["dialled", "number-unknown", "dropped"]);
    town.types("alice", "ATDT2,00\r");
    town.wait_ms(8000);
    assert!(town.screen("bob").starts_with("\r\nRING\r\n"));
}

#[test]
fn a_dead_line_has_no_dial_tone_and_cannot_be_reached() {
    let mut plan = plan();
    plan.lines[1].dead = true;
    let mut town = Town::new(plan);
    town.types("bob", "ATDT100\r");
    town.types("alice", "ATDT200\r");
    town.wait_ms(5500);
    assert_eq!(town.screen("bob"), "\r\nNO DIALTONE\r\n");
    assert_eq!(town.screen("alice"), "\r\nBUSY\r\n");
}

#[test]
fn a_double_ring_is_one_ring_and_caller_identification_follows_it() {
    let mut plan = Plan { cadence: Cadence::uk(), ..plan() };
    plan.lines[0].presentation = Presentation::Withheld;
    let mut town = Town::new(plan);
    town.types("alice", "ATDT200\r");
    town.wait_ms(3600 + 6000);
    let ring = "\r\nRING\r\n";
    let caller = "\r\nDATE = 0321\r\nTIME = 1405\r\nNMBR = P\r\n";
    assert_eq!(town.screen("bob"), format!("{ring}{caller}{ring}{ring}"));
}

#[test]
fn a_line_without_the_service_is_not_told_who_calls() {
    let mut plan = plan();
    plan.lines[1].caller_id = false;
    let mut town = Town::new(plan);
    town.types("alice", "ATDT200\r");
    town.wait_ms(10_000);
    assert_eq!(town.screen("bob"), "\r\nRING\r\n\r\nRING\r\n");
}

#[test]
fn dialling_out_on_a_line_that_rings_meets_the_caller_and_ends_at_both_sides() {
    let mut town = Town::new(plan());
    town.types("alice", "ATDT200\r");
    town.wait_ms(4000);
    town.screen("bob");
    town.types("bob", "ATDT300\r");
    town.wait_ms(20_000);
    assert_eq!(town.screen("bob"), "\r\nNO CARRIER\r\n");
    assert_eq!(town.screen("alice"), "\r\nNO CARRIER\r\n");
    assert_eq!(town.screen("carol"), "", "the digits went to the caller");
    assert_eq!(town.log(), ["dialled", "ringing", "answered", "glare", "hung-up"]);
}

#[test]
fn a_caller_who_leaves_while_the_modems_train_is_no_carrier_at_the_callee() {
    let mut town = Town::new(plan());
    town.types("bob", "ATS0=1\r");
    town.types("alice", "ATDT200\r");
    town.wait_ms(6000);
    town.screen("bob");
    town.types("alice", " ");
    town.wait_ms(1000);
    assert_eq!(town.screen("bob"), "\r\nNO CARRIER\r\n");
}

#[test]
fn both_sides_may_hang_up_at_once_and_call_again() {
    let mut town = Town::connect(plan());
    for on in [false, true] {
        town.dtr("alice", on);
        town.dtr("bob", on);
    }
    town.wait_ms(2000);
    assert_eq!((town.screen("alice"), town.screen("bob")), ("\r\nNO CARRIER\r\n".into(), "\r\nNO CARRIER\r\n".into()));
    town.types("bob", "ATDT100\r");
    town.wait_ms(5000);
    assert_eq!(town.screen("alice"), "\r\nRING\r\n");
}

#[derive(Clone, Debug)]
enum Happening {
    Types(usize, Vec<u8>),
    Dtr(usize, bool),
    Flow(usize, bool),
    Wait(u16),
}

const LINES: [&str; 10] =
    ["ATDT100\r", "ATDT200\r", "ATDT700\r", "ATDT9;\r", "ATA\r", "ATH\r", "ATH1\r", "ATS0=1\r", "ATZ\r", "ATO\r"];

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        (0_usize..4, proptest::sample::select(&LINES[..])).prop_map(|(l, text)| Happening::Types(l, text.into())),
        (0_usize..4, proptest::collection::vec(any::<u8>(), 0..3000)).prop_map(|(l, bytes)| Happening::Types(l, bytes)),
        (0_usize..4, any::<bool>()).prop_map(|(l, on)| Happening::Dtr(l, on)),
        (0_usize..4, any::<bool>()).prop_map(|(l, on)| Happening::Flow(l, on)),
        any::<u16>().prop_map(Happening::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Nothing panics, time never stands still, and after everybody has gone home each line can be called again.
    #[test]
    fn whatever_happens_the_exchange_comes_to_rest(happenings in proptest::collection::vec(happening(), 0..60)) {
        let group = HuntGroup { number: "700".into(), lines: vec!["bob".into(), "carol".into()] };
        let mut town = Town::new(Plan { hunt_groups: vec![group], ..plan() });
        let lines: Vec<LineId> = town.exchange.lines().map(|(line, _)| line).collect();
        for happening in happenings {
            match happening {
                Happening::Types(line, bytes) => {
                    if let Some(line) = lines.get(line) {
                        town.exchange.handle_bytes(*line, &bytes, town.now);
                    }
                }
                Happening::Dtr(line, on) => {
                    if let Some(line) = lines.get(line) {
                        town.exchange.handle_dtr(*line, on, town.now);
                    }
                }
                Happening::Flow(line, on) => {
                    if let Some(line) = lines.get(line) {
                        town.exchange.handle_flow(*line, on, town.now);
                    }
                }
                Happening::Wait(millis) => town.wait_ms(millis.into()),
            }
            town.drain();
        }
        for line in lines {
            town.exchange.handle_flow(line, true, town.now);
            town.exchange.handle_dtr(line, true, town.now);
            // S2 and S3 may be anything by now: DTR is the one way to be sure.
            town.exchange.handle_dtr(line, false, town.now);
        }
        town.drain();
        town.wait(Duration::from_secs(600));
        prop_assert_eq!(town.exchange.deadline(), None);
    }
}
