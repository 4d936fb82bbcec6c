//! What a subscriber may have beyond a number: call waiting, distinctive rings, a country's bell.
#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail by panicking")]

mod town;

use std::time::Duration;

use hayes::emulator::calllog::CallEventKind;
use hayes::emulator::plan::{CallWaiting, CallerIdTime, Country, Distinctive, Plan};
use hayes::profile::Catalogue;
use town::{Town, plan};

const NO_CARRIER: &str = "\r\nNO CARRIER\r\n";

fn with_call_waiting(call_waiting: CallWaiting) -> Plan {
    let mut plan = plan();
    plan.lines[1].call_waiting = call_waiting;
    plan
}

/// Bob has call waiting and talks to Alice, person to person.
fn talking() -> Town {
    let mut plan = with_call_waiting(CallWaiting::Tone);
    plan.lines[1].modem = Catalogue::built_in().find("conexant").unwrap();
    let mut town = Town::new(plan);
    town.types("alice", "ATDT200;\r");
    town.wait_ms(5000);
    town.types("bob", "AT+FCLASS=8;X3A\r");
    town.wait_ms(1000);
    assert_eq!(town.log(), ["dialled", "ringing", "answered"]);
    town.screen("alice");
    town.screen("bob");
    town
}

#[test]
fn a_second_caller_hears_ringing_and_the_modems_bear_the_tone() {
    let mut town = Town::connect(with_call_waiting(CallWaiting::Tone));
    town.types("carol", "ATDT200\r");
    town.wait_ms(5000);
    town.types("alice", "hello");
    town.wait_ms(100);
    assert_eq!((town.screen("carol"), town.screen("bob")), (String::new(), "hello".into()));
    town.wait_ms(10_000);
    let told = town.log().into_iter().filter(|event| *event == "call-waiting").count();
    assert_eq!(told, 2, "the tone is repeated after ten seconds");
}

#[test]
fn without_the_service_a_second_caller_hears_busy() {
    let mut town = Town::connect(with_call_waiting(CallWaiting::Off));
    town.types("carol", "ATDT200\r");
    town.wait_ms(5000);
    assert_eq!(town.screen("carol"), "\r\nBUSY\r\n");
}

#[test]
fn a_third_caller_hears_busy() {
    let mut plan = with_call_waiting(CallWaiting::Tone);
    plan.lines.push(town::line("dora", "400"));
    let mut town = Town::connect(plan);
    town.types("carol", "ATDT200\r");
    town.wait_ms(5000);
    town.types("dora", "ATDT200\r");
    town.wait_ms(5000);
    assert_eq!((town.screen("carol"), town.screen("dora")), (String::new(), "\r\nBUSY\r\n".into()));
}

#[test]
fn a_disturbing_tone_costs_the_call_its_carrier() {
    let mut town = Town::connect(with_call_waiting(CallWaiting::Disturbing));
    town.types("carol", "ATDT200\r");
    town.wait_ms(5500);
    assert_eq!((town.screen("alice"), town.screen("bob")), (NO_CARRIER.into(), NO_CARRIER.into()));
    town.wait_ms(1000);
    assert!(town.screen("bob").starts_with("\r\nRING\r\n"), "then the bell rings for the one who waits");
}

#[test]
fn a_patient_modem_survives_a_disturbing_tone() {
    let mut town = Town::new(with_call_waiting(CallWaiting::Disturbing));
    for name in ["alice", "bob"] {
        town.types(name, "ATS10=50S0=1\r");
    }
    town.types("alice", "ATDT200\r");
    town.wait_ms(13_000);
    town.screen("alice");
    town.types("carol", "ATDT200\r");
    town.wait_ms(8000);
    assert_eq!(town.screen("alice"), "");
    town.screen("bob");
    town.types("alice", "still here");
    town.wait_ms(100);
    assert_eq!(town.screen("bob"), "still here");
}

#[test]
fn who_hangs_up_is_rung_by_the_one_who_waited() {
    let mut town = Town::connect(with_call_waiting(CallWaiting::Tone));
    town.types("carol", "ATDT200\r");
    town.wait_ms(5000);
    town.dtr("bob", false);
    town.dtr("bob", true);
    town.wait_ms(1500);
    assert_eq!(town.screen("bob"), format!("{NO_CARRIER}\r\nRING\r\n"));
    assert_eq!(town.screen("alice"), NO_CARRIER);
    town.types("bob", "ATA\r");
    town.wait_ms(9000);
    assert!(town.screen("carol").ends_with("CONNECT 33600\r\n"));
}

#[test]
fn a_flash_takes_the_waiting_call_and_another_goes_back() {
    let mut town = talking();
    town.types("carol", "ATDT200;\r");
    town.wait_ms(5000);
    town.types("bob", "ATD!;\r");
    town.wait_ms(3000);
    let of = |town: &mut Town| town.log.drain(..).map(|(_, kind)| kind).collect::<Vec<_>>();
    let held = CallEventKind::Held { line: "bob".into() };
    let answered = CallEventKind::Answered { line: "bob".into() };
    assert!(of(&mut town).ends_with(&[held.clone(), answered]));
    town.types("bob", "ATD!;\r");
    town.wait_ms(3000);
    assert_eq!(of(&mut town), [held, CallEventKind::Resumed { line: "bob".into() }]);
    town.types("bob", "ATH\r");
    town.wait_ms(3000);
    assert_eq!(town.log(), ["hung-up", "hung-up"], "hanging up ends both");
    town.types("carol", "ATH\r");
    town.types("alice", "ATH\r");
    town.wait_ms(60_000);
    assert_eq!(town.exchange.deadline(), None);
}

#[test]
fn a_waiting_caller_who_gives_up_leaves_the_call_alone() {
    let mut town = Town::connect(with_call_waiting(CallWaiting::Tone));
    town.types("carol", "ATDT200\r");
    town.wait_ms(5000);
    town.types("carol", " ");
    town.wait_ms(20_000);
    town.types("bob", "still here");
    town.wait_ms(100);
    assert_eq!(town.screen("alice"), "still here");
    town.types("carol", "ATDT200\r");
    town.wait_ms(5000);
    assert_eq!(town.log().last(), Some(&"call-waiting"), "there is room for another");
}

#[test]
fn a_held_caller_who_hangs_up_leaves_the_other_call_alone() {
    let mut town = talking();
    town.types("carol", "ATDT200;\r");
    town.wait_ms(5000);
    town.types("bob", "ATD!;\r");
    town.wait_ms(3000);
    town.types("alice", "ATH\r");
    town.wait_ms(3000);
    town.log();
    town.types("bob", "ATH\r");
    town.wait_ms(3000);
    assert_eq!(town.log(), ["hung-up"], "one call was left");
}

#[test]
fn a_second_number_rings_with_its_own_pattern_and_cadence() {
    let mut plan = plan();
    plan.lines[1].distinctive = vec![Distinctive { number: "201".into(), pattern: 3 }];
    let mut town = Town::new(plan);
    town.types("bob", "AT-SDR=7\r");
    town.screen("bob");
    town.types("alice", "ATDT201\r");
    town.wait_ms(3600);
    assert_eq!(town.screen("bob"), "\r\nRING 3\r\n");
    town.wait_ms(5900);
    town.screen("bob");
    town.wait_ms(200);
    assert_eq!(town.screen("bob"), "\r\nRING 3\r\n", "six seconds later");
}

#[test]
fn an_isdn_adapter_is_told_which_of_its_numbers_was_called() {
    let mut plan = plan();
    plan.lines[1].modem = Catalogue::built_in().find("isdn4linux").unwrap();
    plan.lines[1].distinctive = vec![Distinctive { number: "201".into(), pattern: 1 }];
    plan.lines[1].caller_id_time = Some(CallerIdTime::BeforeFirstRing);
    let mut town = Town::new(plan);
    town.screen("bob");
    town.types("alice", "ATDT201\r");
    town.wait_ms(6000);
    assert!(town.screen("bob").starts_with("\r\nRING/201\r\n"));
}

#[test]
fn a_british_line_is_told_who_calls_before_it_rings() {
    let uk: Country = "uk".parse().unwrap();
    let plan = Plan { cadence: uk.cadence(), caller_id_time: uk.caller_id_time(), ..plan() };
    let mut town = Town::new(plan);
    town.types("alice", "ATDT200\r");
    town.wait_ms(3560 + 850);
    assert_eq!(town.screen("bob"), "\r\nDATE = 0321\r\nTIME = 1405\r\nNMBR = 100\r\n");
    town.wait_ms(400);
    assert_eq!(town.screen("bob"), "\r\nRING\r\n");
    town.wait_ms(3000);
    assert_eq!(town.screen("bob"), "\r\nRING\r\n");
}

#[test]
fn a_line_may_be_told_who_calls_at_another_moment_than_the_others() {
    let mut plan = plan();
    plan.lines[1].caller_id_time = Some(CallerIdTime::BeforeFirstRing);
    let mut town = Town::new(plan);
    town.types("alice", "ATDT200\r");
    town.wait_ms(5000);
    assert!(town.screen("bob").ends_with("NMBR = 100\r\n\r\nRING\r\n"));
    town.types("alice", " ");
    town.types("alice", "ATDT300\r");
    town.wait_ms(5000);
    assert_eq!(town.screen("carol"), "\r\nRING\r\n");
}

#[test]
fn every_country_rings_with_its_own_cadence() {
    for (code, round) in [("us", 6000), ("fr", 5000), ("es", 4500), ("jp", 3000), ("se", 6000), ("hu", 5000)] {
        let country: Country = code.parse().unwrap();
        let mut town = Town::new(Plan { cadence: country.cadence(), ..plan() });
        town.types("alice", "ATDT200\r");
        town.wait(Duration::from_secs(30));
        let rings: Vec<u128> =
            town.log.iter().filter(|(_, kind)| kind.name() == "ringing").map(|(at, _)| *at).collect();
        assert!(rings.windows(2).all(|two| two[1] - two[0] == round), "{code}: {rings:?}");
        assert!(rings.len() > 3, "{code}");
    }
}

#[test]
fn a_connection_runs_at_the_rate_that_the_terminal_allows() {
    let mut town = Town::new(plan());
    town.types("bob", "AT+MS=V22B\rATS0=1\r");
    town.types("alice", "ATDT200\r");
    town.wait_ms(13_000);
    assert_eq!(town.screen("alice"), "\r\nCONNECT 2400\r\n");
}

#[test]
fn a_modem_whose_rate_is_fixed_and_its_terminal_hear_garbage_at_another() {
    let mut town = Town::connect(plan());
    let line = town.line("bob");
    town.exchange.handle_rate(line, 9600, town.now);
    town.types("alice", "to bob");
    town.wait_ms(50);
    assert_eq!(town.screen("bob"), "to bob", "a modem follows its terminal");
    town.dtr("bob", false);
    town.dtr("bob", true);
    town.wait_ms(2000);
    town.screen("bob");
    town.screen("alice");
    town.types("bob", "AT+IPR=9600\r");
    assert_eq!(town.screen("bob"), "\r\nOK\r\n");
    town.exchange.handle_rate(line, 115_200, town.now);
    town.types("bob", "AT\r");
    assert!(!String::from_utf8_lossy(&town.bytes("bob")).contains("OK"));
    town.types("alice", "ATDT200\r");
    town.wait_ms(5000);
    let heard = town.bytes("bob");
    assert!(!heard.is_empty() && !String::from_utf8_lossy(&heard).contains("RING"), "{heard:?}");
    town.exchange.handle_rate(line, 9600, town.now);
    town.wait_ms(6000);
    assert!(town.screen("bob").ends_with("\r\nRING\r\n"));
    town.types("bob", "AT\r");
    assert_eq!(town.screen("bob"), "\r\nOK\r\n");
}

#[test]
fn what_is_received_keeps_the_inactivity_timer_from_running_out() {
    let mut town = Town::new(plan());
    town.types("bob", "ATS0=1S30=2\r");
    town.types("alice", "ATDT200\r");
    town.wait_ms(13_000);
    town.screen("bob");
    for _ in 0..6 {
        town.types("alice", "x");
        town.wait_ms(10_000);
    }
    assert_eq!(town.screen("bob"), "xxxxxx");
    town.wait_ms(11_000);
    assert_eq!(town.screen("bob"), NO_CARRIER);
}
