//! Questions, and what is part of the answer.

use super::{Talk, error, ok, says};
use crate::modem::answers::LINES_KEPT;
use crate::modem::{Request, times};
use crate::profile::Identification;

fn question(text: &str) -> Request {
    Request::Ask(text.parse().unwrap())
}

#[test]
fn an_answer_is_its_lines_and_whether_it_was_accepted() {
    let mut talk = Talk::ready();
    let answered =
        |lines: &str, accepted: &str| format!("Answered(Answer {{ lines: [{lines}], accepted: {accepted} }})");
    assert_eq!(
        talk.play(question("+FCLASS=?"), |_| says("0,1,2\r\n8")),
        ["AT+FCLASS=?\r".to_owned(), answered("\"0,1,2\", \"8\"", "Some(true)")]
    );
    assert_eq!(talk.play(question("*B"), |_| error())[1], answered("", "Some(false)"));
    assert_eq!(talk.play(question("S7?"), |_| says("0"))[1], answered("\"0\"", "Some(true)"), "a digit is no result");
    assert_eq!(talk.play(question("I1"), |_| says("2"))[1], answered("\"2\"", "Some(true)"), "nor a ring");
}

#[test]
fn an_answer_without_its_end_is_given_its_time_and_the_next_one_is_not_mixed_up_with_it() {
    let mut talk = Talk::ready();
    assert_eq!(talk.ask(question("I3")), ["ATI3\r"]);
    assert!(talk.hear("\r\nWAVECOM\r\n").is_empty());
    assert_eq!(talk.wait("answer to a question"), ["AT\r"]);
    assert!(talk.hear("\r\nlate\r\nOK\r\n\r\nOK\r\n").is_empty());
    assert_eq!(talk.wait("late answers"), ["Answered(Answer { lines: [\"WAVECOM\"], accepted: None })"]);
    assert_eq!(talk.ask(question("I3")), ["ATI3\r"]);
    talk.wait("answer to a question");
    talk.wait("OK to AT");
    talk.wait("OK to AT");
    assert_eq!(talk.wait("OK to AT"), ["Silent"]);
}

#[test]
fn what_comes_unasked_is_no_part_of_an_answer() {
    let mut talk = Talk::ready();
    talk.ask(question("&V"));
    assert!(talk.hear("\r\nRING\r\n")[0].starts_with("Ring("));
    assert!(talk.hear("E1 V1\r\n").is_empty());
    assert!(talk.hear("+CLIP: \"5550001\",129\r\n^RSSI:14\r\n+CREG: 1\r\n")[0].contains("5550001"));
    assert!(talk.hear("S0:000\r\n")[..].is_empty());
    let answer = talk.hear("OK\r\n");
    assert_eq!(answer, ["Answered(Answer { lines: [\"E1 V1\", \"S0:000\"], accepted: Some(true) })"]);
    let asked = talk.play(question("+CREG?"), |_| says("+CREG: 0,1"));
    assert!(asked[1].contains("+CREG: 0,1"), "asked for, it is");
}

#[test]
fn an_answer_without_end_is_cut_in_length_and_in_time() {
    let mut talk = Talk::ready();
    let start = talk.now;
    talk.ask(question("+CLAC"));
    for _ in 0..LINES_KEPT * 2 {
        assert!(talk.hear("noise\r\n").is_empty());
    }
    assert_eq!(talk.modem.deadline().unwrap().0, start + times::ANSWER_WAIT, "talking on brings no more time");
    let answer = talk.hear("OK\r\n");
    assert_eq!(answer[0].matches("noise").count(), LINES_KEPT);
}

#[test]
fn a_modem_tells_what_it_is_without_being_set_up() {
    let mut talk = Talk::new();
    let wanted = talk.play(Request::Identify, |command| match command {
        "I3" => Some("ATI3\r\r\nCX93001\r\n\r\nOK\r\n".to_owned()),
        "+GMI" => None,
        "" => ok(),
        _ => error(),
    });
    assert_eq!(wanted[..3], ["AT\r", "ATI\r", "ATI1\r"]);
    let seen = wanted.last().unwrap();
    assert_eq!(seen, "Identified(Identification { answers: {\"I3\": [\"CX93001\"]}, usb: None })");
    assert!(wanted.iter().filter(|output| *output == "AT\r").count() == 2, "asked again after the silence");
}

#[test]
fn a_modem_that_answers_no_question_is_not_asked_for_longer_than_the_limit() {
    let mut talk = Talk::new();
    let start = talk.now;
    let wanted = talk.play(Request::Identify, |command| if command.is_empty() { ok() } else { None });
    assert!(wanted.last().unwrap().starts_with("Identified("));
    assert!(talk.now - start < times::INQUIRY_LIMIT + times::INQUIRY_WAIT * 2, "{:?}", talk.now - start);
    let asked = wanted.iter().filter(|output| output.len() > 3).count();
    assert!(asked < Identification::COMMANDS.len(), "{asked}");
}

#[test]
fn calls_are_listed_where_the_kind_has_a_list() {
    let mut talk = Talk::of_kind("gsm");
    let wanted = talk.play(Request::Initialise, |command| if command == "+CLIP?" { says("+CLIP: 1,1") } else { ok() });
    assert_eq!(wanted.last().unwrap(), "Ready");
    let list = "+CLCC: 1,0,0,1,0,\"27821231234\",145\r\n+CLCC: 2,1,5,0,0";
    let wanted = talk.play(Request::ListCalls, |_| says(list));
    assert_eq!(wanted[0], "AT+CLCC\r");
    assert!(wanted[1].contains("+27821231234") && wanted[2].contains("Waiting"), "{wanted:?}");
    assert_eq!(wanted[3..], ["CallsListed(true)"]);
    assert_eq!(talk.play(Request::ListCalls, |_| error()), ["AT+CLCC\r", "CallsListed(false)"]);
    assert_eq!(Talk::ready().ask(Request::ListCalls), ["CallsListed(false)"]);
}

#[test]
fn a_call_that_waits_is_told_and_is_no_ring() {
    let mut talk = Talk::ready();
    let wanted = talk.hear("\r\n+CCWA: \"+441234567890\",145,1\r\n");
    assert!(wanted[0].starts_with("CallWaiting(") && wanted[0].contains("+441234567890"), "{wanted:?}");
}

#[test]
fn a_caller_who_has_gone_is_told_of_once_and_only_after_a_ring() {
    let mut talk = Talk::ready();
    assert!(talk.hear("\r\nNO CARRIER\r\n").is_empty(), "nobody rang");
    talk.hear("\r\n+CRING: VOICE\r\n\r\n+CLIP: \"+27821231234\",145\r\n");
    assert_eq!(talk.hear("\r\nNO CARRIER\r\n").last().unwrap(), "CallerGone");
    assert!(talk.hear("\r\nNO CARRIER\r\n").is_empty());
}
