//! The driver by kinds of modems, on a pty with a scripted modem at the other end.

#![cfg(feature = "driver")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code outside of #[test]")]

mod far_end;

use std::sync::Arc;

use hayes::driver::DriverError;
use hayes::modem::{Event, Kind, Settings};
use hayes::profile::{Catalogue, Identification};
use hayes::reply::CallState;
use nix::sys::termios::{self, ControlFlags};

use self::far_end::FarEnd;

fn known(id: &str) -> Settings {
    Settings::for_kind(Kind::Known(Catalogue::built_in().find(id).unwrap()))
}

/// Answers what a Conexant modem does, the echo still on.
fn tell_what_it_is(far: &mut FarEnd) {
    for command in Identification::COMMANDS {
        far.hear(format!("AT{command}\r").as_bytes());
        let answer = match command {
            "I3" => "CX93001-EIS_V0.2013-V92\r\n\r\nOK",
            // A ring in the midst of it.
            "I4" => "ERROR\r\n\r\nRING",
            "+GMI" => "CONEXANT\r\n\r\nOK",
            _ => "ERROR",
        };
        far.say(format!("AT{command}\r\r\n{answer}\r\n").as_bytes());
    }
}

#[tokio::test]
async fn a_modem_is_found_out_while_it_is_set_up_and_flow_control_is_the_ttys_too() {
    let kind = Kind::FindOut { catalogue: Arc::new(Catalogue::built_in()), usb: None };
    let (far, mut driver) = FarEnd::open_with(Settings { flow_control: true, ..Settings::for_kind(kind) });
    let modem = far.play(|far| {
        for command in ["AT\r", "ATZ\r", "AT\r"] {
            far.answer(command, "OK");
        }
        tell_what_it_is(far);
        far.answer("ATE0V1Q0X4&C1&D2S0=0\r", "OK");
        far.answer("AT&K3\r", "OK");
        for held in ["0", "1"] {
            far.answer("AT+VCID=1\r", "OK");
            far.answer("AT+VCID?\r", &format!("+VCID: {held}\r\n\r\nOK"));
        }
    });
    driver.initialise().await.unwrap();
    let (far, ()) = modem.join().unwrap();
    assert_eq!(driver.profile().id, "conexant");
    assert!(termios::tcgetattr(&far.master).unwrap().control_flags.contains(ControlFlags::CRTSCTS));
    assert!(matches!(driver.next_event().await.unwrap(), Event::Ring(_)), "a ring while setting up is kept");
}

#[tokio::test]
async fn caller_identification_that_is_not_to_be_had_is_an_event_and_no_failure() {
    let (far, mut driver) = FarEnd::open_with(known("conexant"));
    let modem = far.play(|far| {
        for command in ["AT\r", "ATZ\r", "AT\r", "ATE0V1Q0X4&C1&D2S0=0\r"] {
            far.answer(command, "OK");
        }
        for _ in 0..2 {
            far.answer("AT+VCID=1\r", "OK");
            far.answer("AT+VCID?\r", "0\r\n\r\nOK");
        }
    });
    driver.initialise().await.unwrap();
    assert_eq!(driver.next_event().await.unwrap(), Event::CallerIdOff);
    modem.join().unwrap();
}

#[tokio::test]
async fn a_modem_tells_what_it_is_before_it_is_set_up_and_answers_questions() {
    let (far, mut driver) = FarEnd::open();
    let modem = far.play(|far| {
        far.answer("AT\r", "OK");
        tell_what_it_is(far);
        far.answer("AT+FCLASS=?\r", "0,1,1.0,2,8\r\n\r\nOK");
        far.answer("AT*B\r", "ERROR");
    });
    let seen = driver.identify().await.unwrap();
    assert_eq!(seen.answers["+GMI"], ["CONEXANT"]);
    assert_eq!(Catalogue::built_in().recognise(&seen).id, "conexant");
    let answer = driver.ask("+FCLASS=?").await.unwrap();
    assert_eq!((answer.lines, answer.accepted), (vec!["0,1,1.0,2,8".to_owned()], Some(true)));
    assert_eq!(driver.ask("*B").await.unwrap().accepted, Some(false));
    for command in ["A", "D5550002", "O", "ATI3", "&F"] {
        assert!(matches!(driver.ask(command).await, Err(DriverError::NoQuestion(_))), "{command}");
    }
    assert_eq!(driver.list_calls().await.unwrap(), None, "a plain modem has no list");
    assert!(matches!(driver.next_event().await.unwrap(), Event::Ring(_)));
    modem.join().unwrap();
}

#[tokio::test]
async fn calls_are_listed_and_one_that_waits_is_an_event() {
    let (far, mut driver) = FarEnd::open_with(known("gsm"));
    let modem = far.play(|far| {
        far.answer("AT\r", "OK");
        far.hear(b"AT+CLCC\r");
        far.say(b"\r\n+CCWA: \"+441234567890\",145,1\r\n");
        far.say(b"\r\n+CLCC: 1,0,0,1,0,\"27821231234\",145\r\n+CLCC: 2,1,5,0,0\r\n\r\nOK\r\n");
        far.answer("AT+CLCC\r", "+CME ERROR: 4");
    });
    let calls = driver.list_calls().await.unwrap().unwrap();
    let states: Vec<CallState> = calls.iter().map(|call| call.state).collect();
    assert_eq!(states, [CallState::Active, CallState::Waiting]);
    assert!(matches!(driver.next_event().await.unwrap(), Event::CallWaiting(_)));
    assert_eq!(driver.list_calls().await.unwrap(), None);
    modem.join().unwrap();
}
