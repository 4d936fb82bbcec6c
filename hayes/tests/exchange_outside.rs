//! Calls whose other end is no line of the exchange: two exchanges joined by a trunk, and parties without one.
#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail by panicking")]

mod town;

use std::time::Duration;

use hayes::caller::{CallerId, CallerNumber};
use hayes::emulator::calllog::CallEventKind;
use hayes::emulator::dce::Role;
use hayes::emulator::exchange::fault::{Fault, Treatment};
use hayes::emulator::exchange::outside::{Far, OutsideAct, OutsideCaller, OutsideEvent, OutsideId};
use hayes::emulator::plan::{Plan, TrunkPlan};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use town::{Town, line, plan};

/// Two exchanges with a trunk that carries everything in no time.
struct Pair {
    towns: [Town; 2],
    /// The parties that stand for each other, the first town's first.
    joined: Vec<[OutsideId; 2]>,
}

fn trunk(name: &str, prefix: &str, strip: bool) -> TrunkPlan {
    TrunkPlan { name: name.into(), prefix: prefix.into(), strip, far: Far::Exchange }
}

impl Pair {
    /// Alice 100, Bob 200, Carol 300 in the first town; Dora 400 in the second, reached by 9.
    fn new() -> Self {
        let first = Plan { trunks: vec![trunk("north", "9", true)], ..plan() };
        let second = Plan {
            lines: vec![line("dora", "400")],
            trunks: vec![trunk("south", "", false)],
            training: Duration::from_secs(3),
            ..Plan::default()
        };
        let towns = [Town::new(first), Town::new(second)];
        let mut pair = Self { towns, joined: Vec::new() };
        pair.towns[1].now = pair.towns[0].now;
        pair
    }

    fn carry(&mut self) {
        while let Some(from) = (0..2).find(|town| !self.towns[*town].outside.is_empty()) {
            let (id, event) = self.towns[from].outside.remove(0);
            let far = self.joined.iter().find(|ids| ids[from] == id).map(|ids| ids[1 - from]);
            let town = &mut self.towns[1 - from];
            if let OutsideEvent::Called { trunk, to, caller, rate } = event {
                let caller = OutsideCaller { name: trunk, id: caller, rate, far: Far::Exchange, role: Role::Originate };
                let far = town.exchange.call_from_outside(&to, caller, town.now);
                self.joined.push(if from == 0 { [id, far] } else { [far, id] });
            } else if let Some(far) = far {
                town.exchange.handle_outside(far, act(event), town.now);
            }
            town.drain();
        }
    }

    fn types(&mut self, town: usize, name: &str, text: &str) {
        self.towns[town].types(name, text);
        self.carry();
    }

    fn wait_ms(&mut self, millis: u64) {
        let end = self.towns[0].now + Duration::from_millis(millis);
        loop {
            let next = self.towns.iter().filter_map(|town| town.exchange.deadline()).map(|(at, _)| at).min();
            let until = next.unwrap_or(end).min(end);
            for town in &mut self.towns {
                town.wait(until.saturating_duration_since(town.now));
            }
            self.carry();
            if until == end && self.towns.iter().all(|t| t.exchange.deadline().is_none_or(|(at, _)| at > end)) {
                return;
            }
        }
    }

    /// Alice calls Dora, who answers at the first ring.
    fn connected() -> Self {
        let mut pair = Self::new();
        pair.types(1, "dora", "ATS0=1\r");
        pair.towns[1].screen("dora");
        pair.types(0, "alice", "ATDT9400\r");
        pair.wait_ms(17_000);
        assert_eq!(pair.towns[0].screen("alice"), "\r\nCONNECT 33600\r\n");
        assert!(pair.towns[1].screen("dora").ends_with("RING\r\n\r\nCONNECT 33600\r\n"));
        pair
    }
}

/// What one exchange tells its outside party is what that does at the other exchange.
fn act(event: OutsideEvent) -> OutsideAct {
    match event {
        OutsideEvent::Called { .. } => panic!("a call starts with call_from_outside"),
        OutsideEvent::Ringing => OutsideAct::Ringing,
        OutsideEvent::Busy => OutsideAct::Busy,
        OutsideEvent::Unknown => OutsideAct::Unknown,
        OutsideEvent::NoAnswer => OutsideAct::NoAnswer,
        OutsideEvent::Answered { role, rate } => OutsideAct::Answer { role, rate },
        OutsideEvent::Connected { rate } => OutsideAct::Connected { rate },
        OutsideEvent::Data(bytes) => OutsideAct::Data(bytes),
        OutsideEvent::HungUp => OutsideAct::HangUp,
    }
}

fn caller(far: Far, role: Role) -> OutsideCaller {
    let number = Some(CallerNumber::Known("555".into()));
    let id = CallerId { number, name: Some("EVE".into()), ..CallerId::default() };
    OutsideCaller { name: "eve".into(), id, rate: 14_400, far, role }
}

/// Eve, who has no exchange, calls Bob.
fn called_by_eve(town: &mut Town, role: Role) -> OutsideId {
    let id = town.exchange.call_from_outside("200", caller(Far::Plain, role), town.now);
    town.drain();
    id
}

#[test]
fn a_call_over_a_trunk_tells_the_caller_and_the_number_behind_the_prefix() {
    let mut pair = Pair::new();
    pair.types(0, "alice", "ATDT9400\r");
    pair.wait_ms(10_500);
    let dora = pair.towns[1].screen("dora");
    assert_eq!(dora, "\r\nRING\r\n\r\nDATE = 0321\r\nTIME = 1405\r\nNMBR = 100\r\n");
    assert_eq!(pair.towns[0].log(), ["dialled", "seized", "ringing"]);
    pair.types(0, "alice", " ");
    pair.wait_ms(30_000);
    assert_eq!(pair.towns[1].screen("dora"), "", "the bell stops when the caller hangs up");
    assert_eq!(pair.towns[1].log(), ["dialled", "ringing", "caller-id-sent", "hung-up"]);
}

#[test]
fn both_ends_of_a_trunk_call_connect_at_once_at_the_lower_rate() {
    let mut pair = Pair::new();
    let mut dora = line("dora", "400");
    dora.rate = 9600;
    pair.towns[1] = Town::new(Plan { lines: vec![dora], training: Duration::from_secs(3), ..Plan::default() });
    pair.towns[1].now = pair.towns[0].now;
    pair.types(1, "dora", "ATS0=1\r");
    pair.types(0, "alice", "ATDT9400\r");
    pair.wait_ms(20_000);
    assert!(pair.towns[0].screen("alice").ends_with("CONNECT 9600\r\n"));
    assert!(pair.towns[1].screen("dora").ends_with("CONNECT 9600\r\n"));
    let at = |town: &Town| {
        let (at, _) = town.log.iter().find(|(_, kind)| kind.name() == "connected").unwrap();
        town.start + Duration::from_millis(u64::try_from(*at).unwrap())
    };
    let (first, second) = (at(&pair.towns[0]), at(&pair.towns[1]));
    let apart = first.max(second) - first.min(second);
    assert!(apart <= Duration::from_millis(2), "{apart:?} apart");
}

#[test]
fn data_over_a_trunk_is_paced_once() {
    let mut pair = Pair::connected();
    pair.types(0, "alice", &"x".repeat(3360));
    pair.types(1, "dora", &"y".repeat(3360));
    pair.wait_ms(1000);
    let heard = [pair.towns[0].screen("alice"), pair.towns[1].screen("dora")];
    for heard in &heard {
        assert!((3250..=3360).contains(&heard.len()), "{} bytes in a second at 33600 bit/s", heard.len());
    }
    pair.wait_ms(60);
    assert_eq!(heard[0].len() + pair.towns[0].screen("alice").len(), 3360);
}

#[test]
fn the_end_of_a_trunk_call_reaches_the_other_side_behind_the_last_data() {
    let mut pair = Pair::connected();
    pair.types(1, "dora", &"y".repeat(3000));
    pair.towns[1].dtr("dora", false);
    pair.wait_ms(3000);
    assert_eq!(pair.towns[0].screen("alice"), format!("{}\r\nNO CARRIER\r\n", "y".repeat(3000)));
    pair.wait_ms(60_000);
    assert!(pair.towns.iter().all(|town| town.exchange.deadline().is_none()));
}

#[test]
fn a_terminal_behind_a_trunk_that_does_not_read_holds_up_its_exchange() {
    let mut pair = Pair::connected();
    let dora = pair.towns[1].line("dora");
    let [near, far] = pair.joined[0];
    let now = pair.towns[1].now;
    pair.towns[1].exchange.handle_flow(dora, false, now);
    for _ in 0..400 {
        // The trunk's shell hands over what the far side has room for, and stops the near side at none.
        let ready = pair.towns[1].exchange.outside_room(far) >= 1024;
        let now = pair.towns[0].now;
        pair.towns[0].exchange.handle_outside(near, OutsideAct::Flow(ready), now);
        let alice = pair.towns[0].line("alice");
        let room = pair.towns[0].exchange.room(alice).min(1000);
        pair.types(0, "alice", &"z".repeat(room));
        pair.wait_ms(20);
    }
    let alice = pair.towns[0].line("alice");
    assert_eq!(pair.towns[0].exchange.room(alice), 0);
    assert_eq!(pair.towns[1].screen("dora"), "");
}

#[test]
fn a_number_that_nobody_has_behind_the_trunk_is_no_carrier() {
    let mut pair = Pair::new();
    pair.types(0, "alice", "ATDT9777\r");
    pair.wait_ms(60_000);
    assert_eq!(pair.towns[0].screen("alice"), "\r\nNO CARRIER\r\n");
    assert_eq!(pair.towns[0].log(), ["dialled", "seized", "number-unknown", "dropped"]);
    assert_eq!(pair.towns[1].log(), ["dialled", "number-unknown"]);
}

#[test]
fn a_line_behind_the_trunk_that_is_engaged_is_busy() {
    let mut pair = Pair::new();
    pair.types(1, "dora", "ATH1\r");
    pair.types(0, "alice", "ATDT9400\r");
    pair.wait_ms(10_000);
    assert_eq!(pair.towns[0].screen("alice"), "\r\nBUSY\r\n");
}

#[test]
fn a_call_that_came_over_a_trunk_does_not_leave_over_another() {
    let mut pair = Pair::new();
    pair.types(1, "dora", "ATDT9400\r");
    pair.wait_ms(60_000);
    assert_eq!(pair.towns[1].screen("dora"), "\r\nNO CARRIER\r\n");
    assert_eq!(pair.towns[0].log(), ["dialled", "number-unknown"]);
}

#[test]
fn the_trunk_with_the_longest_prefix_gets_the_call() {
    let trunks = vec![trunk("all", "", false), trunk("city", "030", false), trunk("quarter", "0301", true)];
    let mut town = Town::new(Plan { trunks, ..plan() });
    let mut called = Vec::new();
    for (caller, number) in [("alice", "5"), ("bob", "0305"), ("carol", "03015")] {
        town.types(caller, &format!("ATDT{number}\r"));
        town.wait_ms(6000 + 4000);
        let OutsideEvent::Called { trunk, to, .. } = town.told().remove(0) else { panic!("not called") };
        called.push((trunk, to));
    }
    let expected = [("all", "5"), ("city", "0305"), ("quarter", "5")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(called, expected);
}

#[test]
fn a_trunk_that_never_says_a_word_is_given_up_after_the_ring_limit() {
    let ring_limit = Duration::from_secs(20);
    let mut town = Town::new(Plan { trunks: vec![trunk("north", "9", true)], ring_limit, ..plan() });
    town.types("alice", "ATDT9400\r");
    town.wait_ms(30_000);
    assert_eq!(town.screen("alice"), "\r\nNO CARRIER\r\n");
    assert_eq!(town.told().last(), Some(&OutsideEvent::HungUp));
    assert_eq!(town.log().last(), Some(&"no-answer"));
}

#[test]
fn a_plain_caller_with_a_modem_is_trained_and_paced_here() {
    let mut town = Town::new(plan());
    town.types("bob", "ATS0=1\r");
    town.screen("bob");
    let eve = called_by_eve(&mut town, Role::Originate);
    town.wait_ms(8100);
    let ringing_and_on = [
        OutsideEvent::Ringing,
        OutsideEvent::Answered { role: Role::Answer, rate: 14_400 },
        OutsideEvent::Connected { rate: 14_400 },
    ];
    assert_eq!(town.told(), ringing_and_on);
    assert_eq!(town.screen("bob"), "\r\nRING\r\n\r\nCONNECT 14400\r\n");
    town.exchange.handle_outside(eve, OutsideAct::Data(vec![b'e'; 2880]), town.now);
    town.wait_ms(1020);
    let heard = town.screen("bob").len();
    assert!((1420..=1440).contains(&heard), "{heard} bytes in a second at 14400 bit/s");
    town.types("bob", "hello");
    town.wait_ms(50);
    assert_eq!(town.told(), [OutsideEvent::Data(b"hello".into())]);
    town.exchange.handle_outside(eve, OutsideAct::HangUp, town.now);
    town.wait_ms(3000);
    assert!(town.screen("bob").ends_with("\r\nNO CARRIER\r\n"), "after what was still on its way");
    assert_eq!(town.exchange.outside_room(eve), 0);
}

#[test]
fn a_person_who_calls_a_modem_hears_it_answer_and_never_connects() {
    let mut town = Town::new(plan());
    town.types("bob", "ATS0=1S7=20\r");
    town.screen("bob");
    called_by_eve(&mut town, Role::Silent);
    town.wait_ms(30_000);
    assert_eq!(town.screen("bob"), "\r\nRING\r\n\r\nNO CARRIER\r\n");
    assert_eq!(town.told().last(), Some(&OutsideEvent::HungUp));
}

#[test]
fn a_caller_from_outside_shows_its_number_and_name() {
    let mut town = Town::new(plan());
    called_by_eve(&mut town, Role::Silent);
    town.wait_ms(5000);
    let expected = "\r\nRING\r\n\r\nDATE = 0321\r\nTIME = 1405\r\nNMBR = 555\r\nNAME = EVE\r\n";
    assert_eq!(town.screen("bob"), expected);
}

#[test]
fn a_plain_party_behind_a_trunk_answers_and_is_trained_here() {
    let north = TrunkPlan { far: Far::Plain, ..trunk("north", "9", true) };
    let mut town = Town::new(Plan { trunks: vec![north], ..plan() });
    town.types("alice", "ATDT9400\r");
    town.wait_ms(7000);
    let (id, _) = town.outside.remove(0);
    town.exchange.handle_outside(id, OutsideAct::Answer { role: Role::Answer, rate: 2400 }, town.now);
    town.wait_ms(8000);
    assert_eq!(town.screen("alice"), "\r\nCONNECT 2400\r\n");
    assert_eq!(town.told(), [OutsideEvent::Connected { rate: 2400 }]);
}

#[test]
fn acts_of_a_party_whose_call_is_over_do_nothing() {
    let mut town = Town::new(plan());
    let eve = called_by_eve(&mut town, Role::Originate);
    town.exchange.handle_outside(eve, OutsideAct::HangUp, town.now);
    town.drain();
    town.log();
    for act in [OutsideAct::Answer { role: Role::Answer, rate: 300 }, OutsideAct::HangUp, OutsideAct::Busy] {
        town.exchange.handle_outside(eve, act, town.now);
    }
    town.drain();
    assert!(town.log().is_empty());
    assert_eq!(town.exchange.deadline().map(|(_, why)| why), None);
}

#[test]
fn what_the_log_calls_an_outside_party_cannot_break_a_line_of_it() {
    let mut town = Town::new(plan());
    for (name, logged) in [("ev\"e\"\n-2", "eve-2"), ("\u{e9}\r", "outside")] {
        let caller = OutsideCaller { name: name.into(), ..caller(Far::Plain, Role::Silent) };
        town.exchange.call_from_outside("999\"", caller, town.now);
        town.drain();
        let (_, kind) = town.log.remove(0);
        assert_eq!(kind, CallEventKind::Dialled { from: logged.into(), to: "999".into() });
        town.log.clear();
    }
}

#[test]
fn more_callers_from_outside_than_an_exchange_can_hold_hear_busy() {
    let mut town = Town::new(plan());
    let treatment = Treatment::NoAnswer;
    town.exchange.inject(Fault::Treat { number: None, treatment, calls: None }, "test", town.now);
    for _ in 0..4096 {
        called_by_eve(&mut town, Role::Originate);
    }
    assert!(town.told().is_empty());
    called_by_eve(&mut town, Role::Originate);
    assert_eq!(town.told(), [OutsideEvent::Busy]);
    assert_eq!(town.log.last().map(|(_, kind)| kind), Some(&CallEventKind::Congestion));
}

/// What a subscriber of either town does.
#[derive(Clone, Debug)]
enum Happening {
    Types(bool, &'static str),
    Dtr(bool, bool),
    Fault(bool, u8),
    Wait(u16),
}

const COMMANDS: [&str; 8] =
    ["ATDT9400\r", "ATDT100\r", "ATDT9400;\r", "ATA\r", "ATH\r", "ATS0=1\r", "hello", "ATX0D400\r"];

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => (any::<bool>(), select(&COMMANDS[..])).prop_map(|(there, text)| Happening::Types(there, text)),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(there, on)| Happening::Dtr(there, on)),
        1 => (any::<bool>(), 0_u8..4).prop_map(|(there, which)| Happening::Fault(there, which)),
        4 => any::<u16>().prop_map(Happening::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn two_exchanges_agree_in_the_end_that_every_call_is_over(happenings in vec(happening(), 0..40)) {
        let mut pair = Pair::new();
        for happening in happenings {
            let (there, name) = match &happening {
                Happening::Types(true, _) | Happening::Dtr(true, _) | Happening::Fault(true, _) => (1, "dora"),
                Happening::Types(..) | Happening::Dtr(..) | Happening::Fault(..) | Happening::Wait(_) => (0, "alice"),
            };
            let town = &mut pair.towns[there];
            let (line, now) = (town.line(name), town.now);
            match happening {
                Happening::Types(_, text) => town.types(name, text),
                Happening::Dtr(_, on) => town.dtr(name, on),
                Happening::Fault(_, 0) => town.exchange.inject(Fault::LoopDrop { line }, "test", now),
                Happening::Fault(_, 1) => {
                    town.exchange.inject(Fault::CarrierLoss { line, lasts: None }, "test", now);
                }
                Happening::Fault(_, 2) => town.exchange.inject(Fault::Dead { line }, "test", now),
                Happening::Fault(..) => town.exchange.inject(Fault::Alive { line }, "test", now),
                Happening::Wait(millis) => pair.wait_ms(millis.into()),
            }
            pair.towns.iter_mut().for_each(Town::drain);
            pair.carry();
        }
        for (town, name) in [(0, "alice"), (1, "dora")] {
            pair.towns[town].dtr(name, true);
            pair.towns[town].dtr(name, false);
        }
        pair.carry();
        pair.wait_ms(600_000);
        let joined = pair.joined.clone();
        for (index, town) in pair.towns.iter_mut().enumerate() {
            prop_assert_eq!(town.exchange.deadline(), None);
            town.log();
            for ids in &joined {
                town.exchange.handle_outside(ids[index], OutsideAct::HangUp, town.now);
            }
            town.drain();
            prop_assert_eq!(town.log(), Vec::<&str>::new(), "a call that only one of them ended");
        }
    }
}
