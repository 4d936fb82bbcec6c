//! Whatever lines, scenarios, terminals and far exchanges do: no panic, bounded memory, an end, and the same again.
#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail by panicking")]

mod town;

use std::sync::Arc;
use std::time::Duration;

use hayes::caller::CallerId;
use hayes::emulator::dce::Role;
use hayes::emulator::exchange::fault::{Fault, Treatment};
use hayes::emulator::exchange::outside::{Far, OutsideAct, OutsideCaller, OutsideEvent, OutsideId};
use hayes::emulator::exchange::{LineId, Output};
use hayes::emulator::plan::{CallWaiting, CallerIdTime, Distinctive, HuntGroup, Plan, TrunkPlan};
use hayes::emulator::scenario::Scenario;
use proptest::prelude::*;
use proptest::sample::select;
use town::{Town, plan};

#[derive(Clone, Debug)]
enum Happening {
    Types(usize, Vec<u8>),
    Dtr(usize, bool),
    Flow(usize, bool),
    Rate(usize, u32),
    Fault(usize, u8, u16),
    Call(usize, bool),
    /// By the n-th party that is known of.
    Act(usize, OutsideAct),
    Wait(u16),
}

const COMMANDS: [&str; 15] = [
    "ATDT100\r",
    "ATDT200\r",
    "ATDT201\r",
    "ATDT700\r",
    "ATDT9400\r",
    "ATDT800\r",
    "ATDT200;\r",
    "ATX3D!;\r",
    "ATA\r",
    "ATH\r",
    "ATH1\r",
    "ATS0=1\r",
    "ATZ\r",
    "ATO\r",
    "AT+IPR=9600\r",
];
const ACTIONS: [&str; 14] = [
    "call = { to = \"200\", rings = 2 }",
    "call = { to = \"700\", say = \"hello\", hang-up-after = \"2s\" }",
    "call = { to = \"100\", voice = true, hang-up-after = \"1s\" }",
    "hang-up = { line = \"bob\" }",
    "drop = { line = \"alice\" }",
    "carrier-loss = { line = \"bob\", lasts = \"1s\" }",
    "carrier-loss = { line = \"alice\" }",
    "retrain = { line = \"bob\", lasts = \"3s\", rate = 300 }",
    "noise = { line = \"bob\", errors = 5000 }",
    "dead = { line = \"carol\", lasts = \"5s\" }",
    "glare = { line = \"alice\" }",
    "calls = { count = 2, as = \"garbled-caller-id\" }",
    "calls = { to = \"200\", count = 1, as = \"no-answer\" }",
    "calls = { as = \"delayed-ring\", by = \"2s\", count = 3 }",
];
const EVENTS: [&str; 8] =
    ["dialled", "ringing", "answered", "connected", "hung-up", "busy", "call-waiting", "caller-id-sent"];

fn step() -> impl Strategy<Value = String> {
    let moment = prop_oneof![
        (0_u32..60).prop_map(|at| format!("at = \"{at}s\"\nevery = \"7s\"\ntimes = 3\n")),
        (select(&EVENTS[..]), 0_u32..3000)
            .prop_map(|(event, after)| format!("on = {{ event = \"{event}\" }}\nafter = \"{after}ms\"\ntimes = 20\n")),
    ];
    (moment, select(&ACTIONS[..]), select(&["", "chance = 0.5\n"][..]))
        .prop_map(|(moment, action, chance)| format!("[[step]]\n{moment}{chance}do.{action}\n"))
}

fn act() -> impl Strategy<Value = OutsideAct> {
    prop_oneof![
        select(vec![
            OutsideAct::Ringing,
            OutsideAct::Busy,
            OutsideAct::Unknown,
            OutsideAct::NoAnswer,
            OutsideAct::Answer { role: Role::Answer, rate: 9600 },
            OutsideAct::Answer { role: Role::Silent, rate: 0 },
            OutsideAct::Connected { rate: 0 },
            OutsideAct::Flow(false),
            OutsideAct::Flow(true),
            OutsideAct::HangUp,
        ]),
        (0_usize..3000).prop_map(|length| OutsideAct::Data(vec![b'd'; length])),
    ]
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        3 => (0_usize..3, select(&COMMANDS[..])).prop_map(|(line, text)| Happening::Types(line, text.into())),
        1 => (0_usize..3, proptest::collection::vec(any::<u8>(), 0..2000)).prop_map(|(l, b)| Happening::Types(l, b)),
        1 => (0_usize..3, any::<bool>()).prop_map(|(line, on)| Happening::Dtr(line, on)),
        1 => (0_usize..3, any::<bool>()).prop_map(|(line, on)| Happening::Flow(line, on)),
        1 => (0_usize..3, select(&[300, 9600, 115_200][..])).prop_map(|(line, rate)| Happening::Rate(line, rate)),
        2 => (0_usize..3, 0_u8..9, any::<u16>()).prop_map(|(line, which, much)| Happening::Fault(line, which, much)),
        1 => (0_usize..4, any::<bool>()).prop_map(|(to, plain)| Happening::Call(to, plain)),
        3 => (0_usize..4, act()).prop_map(|(party, act)| Happening::Act(party, act)),
        3 => any::<u16>().prop_map(Happening::Wait),
    ]
}

fn network(seed: u64, scenario: &str) -> Plan {
    let mut plan = plan();
    plan.lines[1].call_waiting = CallWaiting::Tone;
    plan.lines[1].distinctive = vec![Distinctive { number: "201".into(), pattern: 2 }];
    plan.lines[2].call_waiting = CallWaiting::Disturbing;
    plan.lines[2].caller_id_time = Some(CallerIdTime::BeforeFirstRing);
    let trunk = TrunkPlan { name: "north".into(), prefix: "9".into(), strip: true, far: Far::Exchange };
    let scenario = Scenario::from_toml(scenario).unwrap();
    Plan {
        hunt_groups: vec![HuntGroup { number: "700".into(), lines: vec!["bob".into(), "carol".into()] }],
        trunks: vec![trunk],
        jitter: Duration::from_millis(30),
        noise: 10,
        seed,
        scenario: Some(Arc::new(scenario)),
        ..plan
    }
}

fn fault(line: LineId, which: u8, much: u16) -> Fault {
    let lasts = Some(Duration::from_millis(much.into()));
    let treat = |treatment| Fault::Treat { number: None, treatment, calls: Some(1) };
    match which {
        0 => Fault::LoopDrop { line },
        1 => Fault::CarrierLoss { line, lasts },
        2 => Fault::Retrain { line, lasts: Duration::from_millis(much.into()), rate: Some(much.into()) },
        3 => Fault::Noise { line, errors: u32::from(much) * 1000, lasts },
        4 => Fault::Dead { line },
        5 => Fault::Alive { line },
        6 => Fault::Glare { line, caller: caller(true) },
        7 => treat(Treatment::NoAnswer),
        _ => treat(Treatment::GarbledCallerId),
    }
}

fn caller(plain: bool) -> OutsideCaller {
    let far = if plain { Far::Plain } else { Far::Exchange };
    OutsideCaller { name: "\"eve\"\n".into(), id: CallerId::default(), rate: 14_400, far, role: Role::Originate }
}

/// A town that writes down all that it puts out.
struct Watched {
    town: Town,
    said: Vec<String>,
    parties: Vec<OutsideId>,
}

impl Watched {
    /// Takes what the exchange puts out for one thing that happened.
    fn drain(&mut self) {
        let mut bytes = 0;
        let mut events = 0;
        while let Some(output) = self.town.exchange.poll_output() {
            match &output {
                Output::Send { bytes: sent, .. } => bytes += sent.len(),
                Output::Outside { id, event } => {
                    if matches!(event, OutsideEvent::Called { .. }) {
                        self.parties.push(*id);
                    }
                    bytes += if let OutsideEvent::Data(data) = event { data.len() } else { 1 };
                }
                Output::Report(event) => {
                    events += 1;
                    let json = event.to_json();
                    assert!(json.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{json}");
                }
            }
            self.said.push(match output {
                Output::Report(event) => format!("{:?} {:?}", event.at - self.town.start, event.kind),
                other @ (Output::Send { .. } | Output::Outside { .. }) => format!("{other:?}"),
            });
        }
        assert!(bytes <= 64 * 1024 && events <= 256, "{bytes} bytes and {events} events at a time");
    }

    fn wait(&mut self, time: Duration) {
        let end = self.town.now + time;
        while let Some((at, why)) = self.town.exchange.deadline().filter(|(at, _)| *at <= end) {
            self.town.now = at.max(self.town.now);
            self.town.exchange.handle_timeout(self.town.now);
            self.drain();
            let stuck = self.town.exchange.deadline().is_some_and(|(next, _)| next <= self.town.now);
            assert!(!stuck, "{why}: a deadline that does not pass");
        }
        self.town.now = end;
    }

    fn happen(&mut self, happening: Happening) {
        let lines: Vec<LineId> = self.town.exchange.lines().map(|(line, _)| line).collect();
        let now = self.town.now;
        let exchange = &mut self.town.exchange;
        match happening {
            Happening::Types(line, bytes) => exchange.handle_bytes(lines[line], &bytes, now),
            Happening::Dtr(line, on) => exchange.handle_dtr(lines[line], on, now),
            Happening::Flow(line, on) => exchange.handle_flow(lines[line], on, now),
            Happening::Rate(line, rate) => exchange.handle_rate(lines[line], rate, now),
            Happening::Fault(line, which, much) => exchange.inject(fault(lines[line], which, much), "test", now),
            Happening::Call(to, plain) => {
                let number = ["100", "200", "201", "999"][to];
                let party = exchange.call_from_outside(number, caller(plain), now);
                self.parties.push(party);
            }
            Happening::Act(party, act) => {
                if let Some(party) = self.parties.iter().rev().nth(party) {
                    exchange.handle_outside(*party, act, now);
                    assert!(exchange.outside_room(*party) <= 4096);
                }
            }
            Happening::Wait(millis) => self.wait(Duration::from_millis(millis.into())),
        }
        self.drain();
    }

    /// Everybody goes home.
    fn close(&mut self) {
        let lines: Vec<LineId> = self.town.exchange.lines().map(|(line, _)| line).collect();
        let now = self.town.now;
        for party in std::mem::take(&mut self.parties) {
            self.town.exchange.handle_outside(party, OutsideAct::HangUp, now);
        }
        for line in lines {
            self.town.exchange.handle_flow(line, true, now);
            self.town.exchange.handle_dtr(line, true, now);
            self.town.exchange.handle_dtr(line, false, now);
        }
        self.drain();
        self.wait(Duration::from_secs(3600));
    }
}

/// All that the exchange puts out, without the clock's own moment.
fn run(seed: u64, scenario: &str, happenings: &[Happening]) -> Vec<String> {
    let town = Town::new(network(seed, scenario));
    let mut watched = Watched { town, said: Vec::new(), parties: Vec::new() };
    for happening in happenings {
        watched.happen(happening.clone());
    }
    // Once to end the calls of now, and once more for those that the scenario made meanwhile.
    watched.close();
    watched.close();
    let rest = watched.town.exchange.deadline();
    assert_eq!(rest, None, "it comes to rest");
    watched.said
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn whatever_happens_it_ends_and_happens_again_from_the_same_seed(
        seed in any::<u64>(),
        steps in proptest::collection::vec(step(), 0..6),
        happenings in proptest::collection::vec(happening(), 0..50),
    ) {
        let party = "[[party]]\nname = \"bbs\"\nnumber = \"800\"\nrings = 1\nsay = \"hello\"\n";
        let scenario = format!("{party}{}", steps.concat());
        let first = run(seed, &scenario, &happenings);
        prop_assert_eq!(first, run(seed, &scenario, &happenings));
    }

    #[test]
    fn no_text_makes_the_scenario_reader_panic(text in "(\\[\\[step\\]\\]|at|on|do|=|\\{|\\}|\"|\n|[a-z0-9. ]){0,80}") {
        if let Err(error) = Scenario::from_toml(&text) {
            prop_assert!(error.line >= 1 && !error.what.is_empty());
        }
    }
}
