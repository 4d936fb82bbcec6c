//! Whole calls through the exchange, under a virtual clock.
#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use std::time::{Duration, Instant};

use hayes::emulator::calllog::CallEventKind;
use hayes::emulator::exchange::{Exchange, LineId, Output};
use hayes::emulator::plan::{Cadence, HuntGroup, LinePlan, Plan, Presentation};
use proptest::prelude::*;

/// An exchange, a clock, and for each line what its terminal has shown.
struct Town {
    exchange: Exchange,
    start: Instant,
    now: Instant,
    screens: Vec<(LineId, Vec<u8>)>,
    log: Vec<(u128, CallEventKind)>,
}

fn line(name: &str, number: &str) -> LinePlan {
    LinePlan { name: name.to_owned(), number: number.to_owned(), ..LinePlan::default() }
}

/// Alice 100, Bob 200, Carol 300.
fn plan() -> Plan {
    Plan { lines: vec![line("alice", "100"), line("bob", "200"), line("carol", "300")], ..Plan::default() }
}

impl Town {
    /// Every terminal switched on, without echo.
    fn new(plan: Plan) -> Self {
        let exchange = Exchange::new(plan).unwrap();
        let start = tokio::time::Instant::now().into_std();
        let lines: Vec<LineId> = exchange.lines().map(|(line, _)| line).collect();
        let screens = lines.iter().map(|line| (*line, Vec::new())).collect();
        let mut town = Self { exchange, start, now: start, screens, log: Vec::new() };
        // 2026-03-21 14:05 UTC
        town.exchange.handle_wall_clock(Duration::from_secs(1_774_101_900), start);
        for line in lines {
            town.exchange.handle_dtr(line, true, start);
            town.exchange.handle_bytes(line, b"ATE0+VCID=1\r", start);
        }
        town.drain();
        for (_, screen) in &mut town.screens {
            screen.clear();
        }
        town
    }

    fn line(&self, name: &str) -> LineId {
        self.exchange.line(name).unwrap()
    }

    fn drain(&mut self) {
        while let Some(output) = self.exchange.poll_output() {
            match output {
                Output::Send { line, bytes } => {
                    self.screens.iter_mut().find(|(id, _)| *id == line).unwrap().1.extend(bytes);
                }
                Output::Report(event) => self.log.push(((event.at - self.start).as_millis(), event.kind)),
            }
        }
    }

    fn types(&mut self, name: &str, text: &str) {
        let line = self.line(name);
        self.exchange.handle_bytes(line, text.as_bytes(), self.now);
        self.drain();
    }

    fn dtr(&mut self, name: &str, on: bool) {
        let line = self.line(name);
        self.exchange.handle_dtr(line, on, self.now);
        self.drain();
    }

    /// Lets time pass, timer by timer.
    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some((at, _)) = self.exchange.deadline().filter(|(at, _)| *at <= end) {
            self.now = at.max(self.now);
            self.exchange.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    fn wait_ms(&mut self, millis: u64) {
        self.wait(Duration::from_millis(millis));
    }

    /// What the terminal has shown since the last look.
    fn screen(&mut self, name: &str) -> String {
        let line = self.line(name);
        let screen = &mut self.screens.iter_mut().find(|(id, _)| *id == line).unwrap().1;
        String::from_utf8(std::mem::take(screen)).unwrap()
    }

    /// The names of the logged events since the last look.
    fn log(&mut self) -> Vec<&'static str> {
        self.log.drain(..).map(|(_, kind)| kind.name()).collect()
    }

    /// Alice calls Bob, who answers at the first ring; both screens are clean afterwards.
    fn connect(plan: Plan) -> Self {
        let mut town = Self::new(plan);
        town.types("alice", "ATDT200\r");
        town.wait_ms(5000);
        assert_eq!(town.screen("bob"), "\r\nRING\r\n");
        town.types("bob", "ATA\r");
        town.wait_ms(7900);
        assert_eq!((town.screen("alice"), town.screen("bob")), (String::new(), String::new()));
        town.wait_ms(200);
        assert_eq!(town.screen("bob"), "\r\nCONNECT 33600\r\n");
        assert_eq!(town.screen("alice"), "\r\nCONNECT 33600\r\n");
        town
    }
}

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
