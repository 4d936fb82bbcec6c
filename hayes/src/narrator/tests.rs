#![allow(clippy::disallowed_methods, reason = "an arbitrary instant to count from")]

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::framing::LINE_LIMIT;

/// All that a capture tells, each as `place name: meaning`.
fn narrate(capture: &[u8]) -> Vec<String> {
    narrate_in(&[capture])
}

fn narrate_in(parts: &[&[u8]]) -> Vec<String> {
    let now = Instant::now();
    let mut narrator = Narrator::new(now);
    let mut at = 0;
    for part in parts {
        narrator.handle_heard(part, Place::Byte(at), now);
        at += part.len() as u64;
    }
    narrator.handle_end();
    drain(&mut narrator)
}

fn drain(narrator: &mut Narrator) -> Vec<String> {
    let mut told = Vec::new();
    while let Some(next) = narrator.poll_output() {
        let at = next.said.first().map_or_else(
            || "-".to_owned(),
            |said| match said.at {
                Place::Byte(at) => at.to_string(),
                Place::Line(line) => format!("line {line}"),
            },
        );
        told.push(format!("{at} {}: {}", next.statement.name(), next.statement));
    }
    told
}

#[test]
fn a_call_is_told_from_ring_to_end() {
    let capture = b"\r\nRING\r\n\r\nDATE = 1123\r\nTIME = 1210\r\nNMBR = 5551212\r\n\r\nRING\r\n\
        \r\nCONNECT 33600/ARQ/V34/LAPM/V42BIS\r\n~\xff}#\xc0!}!}!} }4~\r\nNO CARRIER\r\n";
    assert_eq!(
        narrate(capture),
        [
            "2 ring: a call comes in: ring 1",
            "10 caller: caller: 5551212, 23 Nov 12:10",
            "54 ring: a call comes in: ring 2",
            "62 connected: connected: line 33600 bit/s, V.34, error control LAPM, compression V.42bis",
            "97 ppp: LCP: PPP has begun",
            "97 data: PPP, 15 bytes",
            "114 call-over: the call is over",
        ]
    );
}

#[test]
fn the_echo_tells_what_was_asked() {
    let capture = b"ATE1X4\r\r\nOK\r\nATI3\r\r\nCX93001-EIS_V0.2013-V92\r\n\r\nOK\r\nAT+VCID?\r\r\n0\r\n\r\nOK\r\n\
        ATS7?\r\r\n050\r\n\r\nOK\r\nATDT5550002\r\r\nNO DIALTONE\r\n";
    let told = narrate(capture);
    for expected in [
        "0 echo: it was asked: echo; wait for dial tone, hear busy",
        "20 answer: the answer to ATI3",
        "- modem: this is a modem of the kind Conexant (profile conexant)",
        "62 answer: caller identification is off: nobody's number will be shown",
        "79 answer: S7 (seconds to wait for a carrier) is 50",
        "90 echo: it was asked: dial 5550002 by tones",
        "104 result: the line is dead, or another telephone on it is off hook",
    ] {
        assert!(told.iter().any(|line| line == expected), "{expected} is not in {told:#?}");
    }
    assert!(!told.iter().any(|line| line.contains("unknown")), "{told:#?}");
}

#[test]
fn a_maker_that_begins_like_a_command_is_an_answer() {
    let told = narrate(b"ATI8\r\r\nAT&T V.34 Datapump Version 2.5\r\n\r\nOK\r\nAT+FMFR?\r\r\nAT&T\r\n\r\nOK\r\n");
    assert_eq!(told.iter().filter(|line| line.contains(" answer: ")).count(), 2, "{told:?}");
}

#[test]
fn digits_are_result_codes_only_where_no_line_feed_follows() {
    assert_eq!(
        narrate(b"ATE1V0\r0\r2\r2\rATA\r1\r~data\r\n"),
        [
            "0 echo: it was asked: echo; result codes as numbers",
            "7 result: OK: done",
            "9 ring: a call comes in: ring 1",
            "11 ring: a call comes in: ring 2",
            "13 echo: it was asked: answer",
            "17 connected: connected; the modem does not say how",
            "19 data: text of the other end, 7 bytes",
        ]
    );
    assert_eq!(narrate(b"67\r24\r")[0], "0 vendor-code: a number that each maker uses for another result code");
}

#[test]
fn hexadecimal_messages_get_their_verdict() {
    let whole = "8019010831313233313231300207353535313231320704414E4E45";
    let told = |message: String| narrate(format!("{message}\r\n").as_bytes()).remove(0);
    assert_eq!(
        told(format!("{whole}38")),
        "0 caller: caller: 5551212, ANNE, 23 Nov 12:10 (MDMF, parameters 01 02 07, checksum right)"
    );
    assert_eq!(
        told(format!("{whole}39")),
        "0 message: MDMF, parameters 01 02 07, checksum wrong: garbled on the line, not to be believed"
    );
    assert_eq!(
        told(whole[..30].to_owned()),
        "0 message: caller identification in hexadecimal, cut short: nothing to be read"
    );
}

#[test]
fn withheld_and_unavailable_callers_are_told_apart() {
    let told = narrate(b"NMBR = P\r\n\r\nRING\r\nNMBR = O\r\n");
    assert_eq!(told[0], "0 caller: caller: somebody who withholds the number");
    assert_eq!(told[2], "18 caller: caller: somebody whose number is not available");
}

#[test]
fn a_capture_that_begins_within_a_call_is_seen_through() {
    assert_eq!(
        narrate(b"!~\xff}#\xc0!}!~\r\nNO CARRIER\r\n\r\nRING\r\n"),
        [
            "1 ppp: LCP: PPP, in a call whose CONNECT is not here",
            "1 data: PPP, 9 bytes",
            "12 call-over: the call is over",
            "26 ring: a call comes in: ring 1",
        ]
    );
}

#[test]
fn words_of_the_modem_within_the_data_are_data_unless_they_stand_alone() {
    let told = narrate(b"CONNECT\r\nlogin: NO CARRIER here\r\nthere is NO CARRIER\r\nOK\r\nbye\r\n\r\nNO CARRIER\r\n");
    assert_eq!(told[1], "9 data: text of the other end, 54 bytes");
    assert_eq!(told.len(), 3, "{told:?}");
}

#[test]
fn the_escape_sequence_leads_back_to_command_state() {
    let now = Instant::now();
    let mut narrator = Narrator::new(now);
    let heard = |narrator: &mut Narrator, bytes: &[u8], line| narrator.handle_heard(bytes, Place::Line(line), now);
    narrator.handle_sent(b"ATD5550002\r", Place::Line(1), now);
    heard(&mut narrator, b"\r\nCONNECT 9600\r\nhello", 2);
    narrator.handle_sent(b"hi", Place::Line(3), now);
    narrator.handle_sent(b"+++", Place::Line(4), now);
    heard(&mut narrator, b"\r\nOK\r\n", 5);
    narrator.handle_sent(b"ATH\r", Place::Line(6), now);
    heard(&mut narrator, b"ATH\r\r\nOK\r\n", 7);
    assert_eq!(
        drain(&mut narrator),
        [
            "line 1 command: dial 5550002",
            "line 2 connected: connected: 9600 bit/s, of the line or of the tty",
            "line 3 typed: 2 bytes to the other end",
            "line 4 escape: escape: asks for command state in the midst of a call",
            "line 2 data: text of the other end, 5 bytes",
            "line 5 command-state: back in command state; the call still stands (ATO goes on with it)",
            "line 6 command: hang up",
            "line 7 echo: echo of what it was sent",
            "line 7 result: done",
        ]
    );
}

#[test]
fn a_message_is_told_when_its_pause_has_passed() {
    let start = Instant::now();
    let mut narrator = Narrator::new(start);
    narrator.handle_heard(b"\r\nNMBR = 5551212\r\n", Place::Byte(0), start);
    assert_eq!(drain(&mut narrator), [""; 0]);
    let (at, _) = narrator.deadline().unwrap();
    narrator.handle_timeout(at);
    assert_eq!(drain(&mut narrator), ["2 caller: caller: 5551212"]);
    assert_eq!(narrator.deadline(), None);
}

#[test]
fn rings_are_counted_for_each_call() {
    let start = Instant::now();
    let mut narrator = Narrator::new(start);
    for (seconds, count) in [(0, 1), (6, 2), (12, 3), (60, 1)] {
        narrator.handle_heard(b"\r\nRING\r\n", Place::Byte(0), start + Duration::from_secs(seconds));
        assert_eq!(drain(&mut narrator), [format!("2 ring: a call comes in: ring {count}")]);
    }
}

#[test]
fn garbage_and_lines_without_end_are_called_so() {
    assert_eq!(narrate(b"\xf8\x80\x00\xe0\r\n")[0], "0 garbage: garbage: no modem says this");
    let mut long = vec![b'x'; LINE_LIMIT * 3];
    long.extend(b"\r\nOK");
    assert_eq!(narrate(&long), ["0 overlong: a line without end; its tail was left out", "1538 result: done"]);
    assert_eq!(narrate(b"\r\nNO CARR"), ["2 unfinished: cut off by the end of the capture"]);
}

#[test]
fn what_is_told_is_fit_for_a_screen() {
    let now = Instant::now();
    let mut narrator = Narrator::new(now);
    narrator.handle_heard(b"NAME = A\x1b[2J\x07B\r\n\x1b[31mX\r\n", Place::Byte(0), now);
    narrator.handle_sent(b"ATQ\x10V1H0\r", Place::Byte(0), now);
    narrator.handle_heard(b"\r\nthings\r\n\r\nOK\r\n", Place::Byte(0), now);
    narrator.handle_end();
    while let Some(told) = narrator.poll_output() {
        let text = format!("{} {:?}", told.statement, told.said.iter().map(|said| &said.text).collect::<Vec<_>>());
        assert!(!text.contains(char::is_control), "{text:?}");
    }
}

fn capture() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        Just("\r\n"),
        Just("\r"),
        Just("\n"),
        Just("OK"),
        Just("RING"),
        Just("NO CARRIER"),
        Just("CONNECT"),
        Just("1"),
        Just("CONNECT 33600\r\n"),
        Just("NMBR = 5551212\r\n"),
        Just("8019010831313233313231300207353535313231"),
        Just("320704414E4E4538\r\n"),
        Just("AT"),
        Just("ATI3\r"),
        Just("ATD5;\r"),
        Just("+CREG: 0,5\r\n"),
        Just("+CLIP: "),
        Just("\u{10}R"),
        Just("\u{10}XDATE=1123\r\n"),
        Just("~"),
        Just("0\r"),
        Just("12\r"),
        Just("MESG = 110181\r\n"),
    ];
    let part = prop_oneof![
        4 => word.prop_map(|word| word.as_bytes().to_vec()),
        1 => Just(b"~\xff}#\xc0!".to_vec()),
        2 => proptest::collection::vec(any::<u8>(), 0..20),
    ];
    proptest::collection::vec(part, 0..40).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn any_capture_is_told_the_same_however_it_is_cut(
        input in capture(),
        cuts in proptest::collection::vec(0_usize..400, 0..12),
    ) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(input.len())).collect();
        cuts.extend([0, input.len()]);
        cuts.sort_unstable();
        let parts: Vec<&[u8]> = cuts.windows(2).map(|pair| &input[pair[0]..pair[1]]).collect();
        let whole = narrate(&input);
        prop_assert!(whole.len() <= 2 * input.len() + 1);
        prop_assert_eq!(narrate_in(&parts), whole);
    }
}
