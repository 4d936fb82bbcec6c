//! What goes wrong on purpose, and how modems and programs see it.
#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail by panicking")]

mod town;

use std::time::Duration;

use hayes::caller::{CallerId, CallerNumber};
use hayes::emulator::calllog::CallEventKind;
use hayes::emulator::dce::Role;
use hayes::emulator::exchange::fault::{Fault, Treatment};
use hayes::emulator::exchange::outside::{Far, OutsideCaller};
use hayes::emulator::plan::{HuntGroup, Plan};
use town::{Town, plan};

const NO_CARRIER: &str = "\r\nNO CARRIER\r\n";

fn inject(town: &mut Town, fault: Fault) {
    town.exchange.inject(fault, "test", town.now);
    town.drain();
}

fn treat(town: &mut Town, treatment: Treatment, calls: Option<u32>) {
    inject(town, Fault::Treat { number: Some("200".into()), treatment, calls });
}

fn faults(town: &mut Town) -> Vec<String> {
    let told = |kind: CallEventKind| {
        let CallEventKind::Fault { fault, line, cause } = kind else { return None };
        Some(format!("{fault} {} {cause}", line.unwrap_or_default()))
    };
    town.log.drain(..).filter_map(|(_, kind)| told(kind)).collect()
}

fn eve() -> OutsideCaller {
    let number = Some(CallerNumber::Known("555".into()));
    let id = CallerId { number, ..CallerId::default() };
    OutsideCaller { name: "eve".into(), id, rate: 33_600, far: Far::Plain, role: Role::Originate }
}

#[test]
fn a_short_loss_of_carrier_is_waited_out_and_loses_no_data() {
    let mut town = Town::connect(plan());
    let line = town.line("alice");
    town.types("alice", "ab");
    inject(&mut town, Fault::CarrierLoss { line, lasts: Some(Duration::from_secs(1)) });
    town.types("alice", "cd");
    town.wait_ms(900);
    assert!(!town.screen("bob").contains("cd"));
    town.wait_ms(200);
    assert_eq!((town.screen("bob"), town.screen("alice")), ("cd".into(), String::new()));
    let log = town.log();
    assert_eq!(log[log.len() - 2..], ["fault", "fault-over"]);
}

#[test]
fn a_carrier_that_stays_away_ends_the_call_after_s10() {
    let mut town = Town::connect(plan());
    let line = town.line("bob");
    inject(&mut town, Fault::CarrierLoss { line, lasts: None });
    town.wait_ms(1300);
    assert_eq!((town.screen("alice"), town.screen("bob")), (String::new(), String::new()));
    town.wait_ms(200);
    assert_eq!((town.screen("alice"), town.screen("bob")), (NO_CARRIER.into(), NO_CARRIER.into()));
    town.wait_ms(60_000);
    assert_eq!(town.exchange.deadline(), None);
}

#[test]
fn data_waits_while_the_modems_train_again_and_goes_on_at_the_new_rate() {
    let mut town = Town::connect(plan());
    let line = town.line("alice");
    inject(&mut town, Fault::Retrain { line, lasts: Duration::from_secs(5), rate: Some(2400) });
    town.types("alice", &"x".repeat(480));
    town.wait_ms(4900);
    assert_eq!(town.screen("bob"), "");
    town.wait_ms(1150);
    let halfway = town.screen("bob").len();
    assert!((236..=252).contains(&halfway), "{halfway} bytes in 1.05 s");
    town.wait_ms(1100);
    assert_eq!(halfway + town.screen("bob").len(), 480);
    assert_eq!(town.screen("alice"), "", "modems do not tell of it");
    assert!(town.log().contains(&"retrained"));
}

#[test]
fn noise_garbles_data_between_modems_that_correct_no_errors() {
    let received = |setup: &str| {
        let mut town = Town::new(plan());
        town.types("alice", setup);
        town.types("bob", setup);
        town.types("bob", "ATS0=1\r");
        town.types("alice", "ATDT200\r");
        town.wait_ms(13_000);
        assert!(town.screen("alice").ends_with("CONNECT 33600\r\n"));
        town.screen("bob");
        let line = town.line("bob");
        inject(&mut town, Fault::Noise { line, errors: 2000, lasts: Some(Duration::from_secs(1)) });
        town.types("alice", &"U".repeat(2000));
        town.wait_ms(20_000);
        town.bytes("bob")
    };
    let wrong = |bytes: &[u8]| bytes.iter().filter(|byte| **byte != b'U').count();
    let (plain, corrected) = (received("AT\\N0\r"), received("AT\\N3\r"));
    assert_eq!((plain.len(), corrected.len()), (2000, 2000));
    assert!((10..80).contains(&wrong(&plain)), "{} of about 32 bytes", wrong(&plain));
    assert_eq!(wrong(&corrected), 0);
}

#[test]
fn a_loop_that_drops_ends_the_call_at_once_here_and_soon_over_there() {
    let mut town = Town::connect(plan());
    let line = town.line("alice");
    inject(&mut town, Fault::LoopDrop { line });
    assert_eq!((town.screen("alice"), town.screen("bob")), (NO_CARRIER.into(), String::new()));
    town.wait_ms(600);
    assert_eq!(town.screen("bob"), NO_CARRIER);
    town.types("alice", "ATDT200\r");
    town.wait_ms(5000);
    assert_eq!(town.screen("bob"), "\r\nRING\r\n", "the line works again");
}

#[test]
fn a_line_that_goes_dead_ends_its_call_and_works_again_when_it_is_alive() {
    let mut town = Town::connect(plan());
    let line = town.line("bob");
    inject(&mut town, Fault::Dead { line });
    town.wait_ms(1000);
    assert_eq!((town.screen("alice"), town.screen("bob")), (NO_CARRIER.into(), NO_CARRIER.into()));
    town.types("alice", "ATDT200\r");
    town.types("bob", "ATDT100\r");
    town.wait_ms(6000);
    assert_eq!(town.screen("alice"), "\r\nBUSY\r\n");
    assert_eq!(town.screen("bob"), "\r\nNO DIALTONE\r\n");
    inject(&mut town, Fault::Alive { line });
    town.types("bob", "ATDT100\r");
    town.wait_ms(5000);
    assert_eq!(town.screen("alice"), "\r\nRING\r\n");
    assert_eq!(faults(&mut town), ["dead bob test", "alive bob test"]);
}

#[test]
fn a_line_that_goes_dead_while_it_rings_leaves_the_caller_listening() {
    let mut town = Town::new(Plan { ring_limit: Duration::from_secs(20), ..plan() });
    town.types("alice", "ATDT200\r");
    town.wait_ms(5000);
    let line = town.line("bob");
    inject(&mut town, Fault::Dead { line });
    town.screen("bob");
    town.wait_ms(15_000);
    assert_eq!((town.screen("alice"), town.screen("bob")), (String::new(), String::new()));
    town.wait_ms(10_000);
    assert_eq!(town.screen("alice"), NO_CARRIER);
}

#[test]
fn the_next_calls_to_a_number_are_busy_and_then_no_more() {
    let mut town = Town::new(plan());
    treat(&mut town, Treatment::Busy, Some(2));
    for answer in ["\r\nBUSY\r\n", "\r\nBUSY\r\n", ""] {
        town.types("alice", "ATDT200\r");
        town.wait_ms(5000);
        assert_eq!(town.screen("alice"), answer);
    }
    assert_eq!(town.screen("bob"), "\r\nRING\r\n");
    assert_eq!(faults(&mut town), ["busy  test", "busy  test"]);
}

#[test]
fn congestion_sounds_like_busy_to_a_modem_and_stands_in_the_log() {
    let mut town = Town::new(plan());
    inject(&mut town, Fault::Treat { number: None, treatment: Treatment::Congestion, calls: Some(1) });
    town.types("alice", "ATDT200\r");
    town.wait_ms(5000);
    assert_eq!(town.screen("alice"), "\r\nBUSY\r\n");
    assert_eq!(town.log()[..3], ["dialled", "fault", "congestion"]);
}

#[test]
fn a_number_that_the_network_forgets_is_unknown_until_it_is_normal_again() {
    let mut town = Town::new(plan());
    treat(&mut town, Treatment::Unknown, None);
    town.types("alice", "ATDT200\r");
    town.wait_ms(40_000);
    assert_eq!(town.screen("alice"), NO_CARRIER);
    treat(&mut town, Treatment::Normal, None);
    town.types("alice", "ATDT200\r");
    town.wait_ms(5000);
    assert_eq!(town.screen("bob"), "\r\nRING\r\n");
}

#[test]
fn a_lost_call_rings_for_the_caller_only() {
    let mut town = Town::new(Plan { ring_limit: Duration::from_secs(20), ..plan() });
    treat(&mut town, Treatment::NoAnswer, Some(1));
    town.types("alice", "ATDT200\r");
    town.wait_ms(23_000);
    assert_eq!((town.screen("alice"), town.screen("bob")), (String::new(), String::new()));
    town.wait_ms(1000);
    assert_eq!(town.screen("alice"), NO_CARRIER);
    assert_eq!(town.log().last(), Some(&"no-answer"));
}

#[test]
fn a_ring_may_come_late_and_the_caller_be_garbled_or_missing() {
    let called = |treatment| {
        let mut town = Town::new(plan());
        treat(&mut town, treatment, Some(1));
        town.types("alice", "ATDT200\r");
        town.wait_ms(3600 + 5000);
        town.screen("bob")
    };
    assert_eq!(called(Treatment::DelayedRing(Duration::from_secs(4))), "\r\nRING\r\n");
    assert_eq!(called(Treatment::NoCallerId), "\r\nRING\r\n");
    let garbled = called(Treatment::GarbledCallerId);
    assert!(garbled.contains("NMBR = ") && !garbled.contains("NMBR = 100\r"), "{garbled}");
    assert_eq!(garbled.lines().count(), 6, "{garbled:?}");
}

#[test]
fn glare_meets_the_next_dialling_whenever_it_comes() {
    let mut town = Town::new(plan());
    let line = town.line("bob");
    inject(&mut town, Fault::Glare { line, caller: eve() });
    town.wait_ms(60_000);
    assert_eq!(town.screen("bob"), "", "the bell does not ring");
    town.types("bob", "ATDT300\r");
    town.wait_ms(20_000);
    assert_eq!(town.screen("bob"), NO_CARRIER);
    assert_eq!(town.log(), ["fault", "dialled", "answered", "glare", "hung-up"]);
    assert!(town.told().is_empty(), "nobody outside knows of this caller");
    town.types("bob", "ATDT300\r");
    town.wait_ms(5000);
    assert_eq!(town.screen("carol"), "\r\nRING\r\n", "only once");
}

#[test]
fn a_fault_without_a_call_to_disturb_stands_in_the_log_and_does_nothing() {
    let mut town = Town::new(plan());
    let line = town.line("alice");
    for fault in [
        Fault::CarrierLoss { line, lasts: None },
        Fault::Retrain { line, lasts: Duration::from_secs(1), rate: None },
        Fault::Noise { line, errors: 1, lasts: None },
        Fault::LoopDrop { line },
    ] {
        inject(&mut town, fault);
    }
    assert_eq!(town.log(), ["fault"; 4]);
    assert_eq!((town.screen("alice"), town.exchange.deadline()), (String::new(), None));
}

#[test]
fn treatments_of_a_hunt_group_are_those_of_its_number() {
    let group = HuntGroup { number: "700".into(), lines: vec!["bob".into()] };
    let mut town = Town::new(Plan { hunt_groups: vec![group], ..plan() });
    inject(&mut town, Fault::Treat { number: Some("700".into()), treatment: Treatment::Busy, calls: None });
    town.types("alice", "ATDT700\r");
    town.wait_ms(5000);
    assert_eq!(town.screen("alice"), "\r\nBUSY\r\n");
    town.types("alice", "ATDT200\r");
    town.wait_ms(5000);
    assert_eq!(town.screen("bob"), "\r\nRING\r\n");
}

#[test]
fn the_same_seed_makes_the_same_noise_and_another_another() {
    let run = |seed| {
        let mut town = Town::new(Plan { seed, noise: 1000, jitter: Duration::from_millis(50), ..plan() });
        for name in ["alice", "bob"] {
            town.types(name, "AT\\N0\r");
            town.screen(name);
        }
        town.types("bob", "ATS0=1\r");
        town.types("alice", "ATDT200\r");
        town.wait_ms(13_000);
        town.types("alice", &"U".repeat(2000));
        town.wait_ms(5000);
        town.bytes("bob")
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}
