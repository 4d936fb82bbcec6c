//! Setting up by the kind of modem, and turning caller identification on again.

use std::sync::Arc;

use super::{Talk, error, ok, says};
use crate::modem::{Carrier, Country, Kind, Purpose, Request, Settings};
use crate::profile::{Catalogue, Identification};

fn auto() -> Settings {
    Settings::for_kind(Kind::FindOut { catalogue: Arc::new(Catalogue::built_in()), usb: None })
}

fn conexant(command: &str) -> Option<String> {
    match command {
        "I" => says("56000"),
        "I3" => says("CX93001-EIS_V0.2013-V92"),
        "+GMI" => says("CONEXANT"),
        "+VCID?" => says("1"),
        command if Identification::COMMANDS.contains(&command) => error(),
        _ => ok(),
    }
}

#[test]
fn a_modem_is_found_out_once_and_set_up_as_its_kind_wants() {
    let mut talk = Talk::with(auto());
    let wanted = talk.play(Request::Initialise, conexant);
    let asked: Vec<String> = Identification::COMMANDS.iter().map(|command| format!("AT{command}\r")).collect();
    assert_eq!(wanted[..4], ["DTR up", "AT\r", "ATZ\r", "AT\r"]);
    assert_eq!(wanted[4..26], asked);
    assert_eq!(wanted[26..], ["Recognised conexant", "ATE0V1Q0X4&C1&D2S0=0\r", "AT+VCID=1\r", "AT+VCID?\r", "Ready"]);
    assert_eq!(talk.modem.profile().id, "conexant");
    let again = talk.play(Request::Initialise, conexant);
    let setup = ["ATE0V1Q0X4&C1&D2S0=0\r", "AT+VCID=1\r", "AT+VCID?\r", "Ready"];
    assert_eq!(again, [&["DTR up", "AT\r", "ATZ\r", "AT\r"][..], &setup].concat());
}

#[test]
fn the_usb_id_tells_where_the_modem_does_not() {
    let usb = Some("12d1:1001".parse().unwrap());
    let mut talk = Talk::with(Settings::for_kind(Kind::FindOut { catalogue: Arc::new(Catalogue::built_in()), usb }));
    let wanted = talk.play(Request::Initialise, |command| if command == "+CLIP?" { says("+CLIP: 1,1") } else { ok() });
    assert!(wanted.contains(&"Recognised huawei".to_owned()), "{wanted:?}");
    assert_eq!(wanted[wanted.len() - 4..], ["AT+CRC=1\r", "AT+CLIP=1\r", "AT+CLIP?\r", "Ready"]);
}

#[test]
fn a_modem_of_digits_is_told_to_use_words_before_it_is_asked_anything() {
    let mut talk = Talk::with(auto());
    let mut words = false;
    let wanted = talk.play(Request::Initialise, |command| {
        words = (words || command == "E0Q0V1") && command != "Z";
        if words { conexant(command) } else { Some("0\r".to_owned()) }
    });
    assert_eq!(wanted[..6], ["DTR up", "AT\r", "ATZ\r", "AT\r", "ATE0Q0V1\r", "ATI\r"]);
    assert!(wanted.contains(&"Recognised conexant".to_owned()), "{wanted:?}");
}

#[test]
fn a_modem_that_only_dials_is_neither_asked_nor_told_of_callers() {
    let mut talk = Talk::with(Settings { purpose: Purpose::DialOnly, distinctive_ring: true, ..auto() });
    let wanted = talk.play(Request::Initialise, conexant);
    assert_eq!(wanted, ["DTR up", "AT\r", "ATZ\r", "AT\r", "ATE0V1Q0X4&C1&D2S0=0\r", "Ready"]);
    let kind = Kind::FindOut { catalogue: Arc::new(Catalogue::built_in()), usb: "1e0e:9001".parse().ok() };
    let settings = Settings { purpose: Purpose::DialOnly, ..Settings::for_kind(kind) };
    let wanted = Talk::with(settings).play(Request::Initialise, |_| ok());
    assert_eq!(wanted[4..6], ["ATE0V1Q0\r", "ATX4\r"], "what the USB id says is known unasked");
}

#[test]
fn the_owners_wishes_are_told_and_the_tty_follows_what_the_modem_accepts() {
    let kind = Kind::Known(Catalogue::built_in().find("conexant").unwrap());
    let settings = Settings {
        flow_control: true,
        country: Some(Country(0xb4)),
        extra: vec!["M0".to_owned()],
        caller_id: Some(vec!["+VCID=2".to_owned()]),
        ..Settings::for_kind(kind)
    };
    let wanted = Talk::with(settings.clone()).play(Request::Initialise, conexant);
    assert_eq!(
        wanted[5..],
        ["AT&K3\r", "RTS and CTS", "AT+GCI=B4\r", "ATM0\r", "AT+VCID=2\r", "Ready"],
        "what the kind's check asks is not asked of another command"
    );
    let refusing = |command: &str| if command == "&K3" { error() } else { conexant(command) };
    let wanted = Talk::with(settings).play(Request::Initialise, refusing);
    assert!(wanted.contains(&"CommandRefused(\"&K3\")".to_owned()) && !wanted.contains(&"RTS and CTS".to_owned()));
}

#[test]
fn caller_identification_that_did_not_hold_is_turned_on_once_more() {
    let mut asked = 0;
    let wanted = Talk::of_kind("conexant").play(Request::Initialise, |command| match command {
        "+VCID?" => {
            asked += 1;
            says(if asked == 1 { "+VCID: 0" } else { "+VCID: 1" })
        }
        _ => ok(),
    });
    assert_eq!(wanted[5..], ["AT+VCID=1\r", "AT+VCID?\r", "AT+VCID=1\r", "AT+VCID?\r", "Ready"]);
}

#[test]
fn caller_identification_that_never_holds_is_told_and_no_failure() {
    for answer in [says("0"), ok(), error()] {
        let wanted = Talk::of_kind("conexant")
            .play(Request::Initialise, |command| if command == "+VCID?" { answer.clone() } else { ok() });
        let turned_on = wanted.iter().filter(|output| *output == "AT+VCID=1\r").count();
        assert_eq!((turned_on, &wanted[wanted.len() - 2..]), (2, &["CallerIdOff".to_owned(), "Ready".to_owned()][..]));
    }
}

#[test]
fn of_several_commands_one_that_is_accepted_is_enough() {
    let refuse =
        |refused: &'static [&str]| move |command: &str| if refused.contains(&command) { error() } else { ok() };
    let wanted = Talk::of_kind("elsa-isdn").play(Request::Initialise, refuse(&["S153=6"]));
    assert_eq!(wanted[wanted.len() - 2..], ["CommandRefused(\"S153=6\")", "Ready"]);
    let wanted = Talk::of_kind("elsa-isdn").play(Request::Initialise, refuse(&["S153=6", "$JSCID=4,1"]));
    assert_eq!(wanted[wanted.len() - 2..], ["CallerIdOff", "Ready"]);
    let wanted = Talk::of_kind("isdn").play(Request::Initialise, |_| ok());
    assert!(!wanted.contains(&"CallerIdOff".to_owned()), "where it is always on there is nothing to turn on");
}

#[test]
fn a_setting_without_an_answer_is_left_and_the_modem_asked_whether_it_is_still_there() {
    for silent in ["E0V1Q0X4&C1&D2S0=0", "+VCID=1", "+VCID?"] {
        let mut talk = Talk::of_kind("conexant");
        let wanted = talk.play(Request::Initialise, |command| match command {
            command if command == silent => None,
            "+VCID?" => says("1"),
            _ => ok(),
        });
        let at = wanted.iter().position(|output| *output == format!("AT{silent}\r")).unwrap();
        assert!(wanted[at..].contains(&"AT\r".to_owned()), "{wanted:?}");
        assert_eq!(wanted.last().unwrap(), "Ready", "{wanted:?}");
    }
    let mut gone = false;
    let wanted = Talk::of_kind("conexant").play(Request::Initialise, |command| {
        gone |= command == "+VCID=1";
        if gone { None } else { ok() }
    });
    assert_eq!(wanted.last().unwrap(), "Silent");
}

/// A modem that forgets caller identification, ready.
fn forgetful() -> Talk {
    let mut talk = Talk::of_kind("conexant");
    assert_eq!(talk.play(Request::Initialise, conexant).last().unwrap(), "Ready");
    talk
}

fn dial() -> Request {
    Request::Dial("5550002".parse().unwrap())
}

const AGAIN: [&str; 3] = ["AT\r", "AT+VCID=1\r", "AT+VCID?\r"];

#[test]
fn what_a_call_made_the_modem_forget_is_turned_on_before_the_call_is_over() {
    let busy = |command: &str| match command {
        "DT5550002" => Some("\r\nBUSY\r\n".to_owned()),
        command => conexant(command),
    };
    assert_eq!(forgetful().play(dial(), busy)[2..], [&AGAIN[..], &["Ended(Busy)"]].concat());
    let wanted = forgetful().play(Request::HangUp, conexant);
    assert_eq!(wanted, [&["AT\r", "ATH\r"][..], &AGAIN, &["HungUp"]].concat());
    let forgotten = |command: &str| if command == "+VCID?" { says("0") } else { busy(command) };
    let wanted = forgetful().play(dial(), forgotten);
    assert_eq!(wanted[wanted.len() - 2..], ["Ended(Busy)", "CallerIdOff"], "the call is told of all the same");
    let mut talk = forgetful();
    talk.ask(dial());
    talk.hear("\r\nOK\r\n");
    talk.hear("\r\nBUSY\r\n");
    let mut last = Vec::new();
    while talk.modem.deadline().is_some() {
        last = talk.wait("");
    }
    assert_eq!(last, ["Ended(Busy)", "CallerIdOff"]);
}

#[test]
fn a_ring_while_it_is_turned_on_is_heard() {
    let mut talk = forgetful();
    talk.ask(dial());
    talk.hear("\r\nOK\r\n");
    assert_eq!(talk.hear("\r\nBUSY\r\n"), ["AT\r"]);
    assert!(!talk.modem.is_idle());
    assert!(talk.hear("\r\nRING\r\n")[0].starts_with("Ring("));
    assert_eq!(talk.hear("\r\nOK\r\n"), ["AT+VCID=1\r"]);
    assert!(talk.hear("\r\nNMBR = 5550001\r\n\r\nOK\r\n")[0].contains("5550001"));
    assert!(talk.hear("\r\nRING\r\n")[0].starts_with("Ring("));
    assert!(talk.ask(Request::HangUp).is_empty(), "the call is over already");
    assert_eq!(talk.hear("\r\n1\r\n\r\nOK\r\n"), ["Ended(Busy)"]);
    assert!(talk.modem.is_idle());
}

#[test]
fn a_carrier_that_falls_ends_the_call_in_the_same_way() {
    let mut talk = forgetful();
    talk.ask(Request::Answer);
    talk.hear("\r\nCONNECT 9600\r\n");
    talk.carrier(Carrier::Present);
    assert_eq!(talk.carrier(Carrier::Absent), ["AT\r"]);
    assert!(talk.hear("\r\nNO CARRIER\r\n\r\nOK\r\n").is_empty(), "late");
    assert_eq!(talk.wait("late answers"), ["AT+VCID=1\r"]);
    talk.hear("\r\nOK\r\n");
    assert_eq!(talk.hear("\r\n1\r\n\r\nOK\r\n"), ["Ended(NoCarrier)"]);
}
