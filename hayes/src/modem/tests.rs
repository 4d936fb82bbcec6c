//! Conversations with the machine: what it sends for what it hears, and when.

use std::time::{Duration, Instant};

use super::{Carrier, Event, Kind, Modem, OUTPUT_LIMIT, Output, Request, Settings, times};
use crate::profile::Catalogue;
use crate::reply::{Connect, RingInfo};

mod answers;
mod finding;
mod properties;
mod setup;

/// A modem machine and everything it wanted, as text.
struct Talk {
    modem: Modem,
    now: Instant,
}

impl Talk {
    fn new() -> Self {
        Self::with(Settings::default())
    }

    #[allow(clippy::disallowed_methods, reason = "an arbitrary instant to count from")]
    fn with(settings: Settings) -> Self {
        Self { modem: Modem::new(settings), now: Instant::now() }
    }

    /// A modem of this kind, which is known.
    fn of_kind(id: &str) -> Self {
        Self::with(Settings::for_kind(Kind::Known(Catalogue::built_in().find(id).unwrap())))
    }

    fn ready() -> Self {
        let mut talk = Self::new();
        assert_eq!(talk.ask(Request::Initialise), ["DTR up", "AT\r"]);
        assert!(talk.hear("\r\nOK\r\n").is_empty());
        assert_eq!(talk.wait("late answers"), ["ATZ\r"]);
        assert_eq!(talk.hear("ATZ\r\r\nOK\r\n"), ["AT\r"]);
        assert_eq!(talk.hear("AT\r\r\nOK\r\n"), ["ATE0V1Q0X4&C1&D2S0=0\r"]);
        assert_eq!(talk.hear("ATE0V1Q0X4&C1&D2S0=0\r\r\nOK\r\n"), ["AT+VCID=1\r"]);
        assert_eq!(talk.hear("\r\nOK\r\n"), ["Ready"]);
        talk
    }

    fn dialling(number: &str) -> Self {
        let mut talk = Self::ready();
        assert_eq!(talk.ask(Request::Dial(number.parse().unwrap())), ["AT\r"]);
        assert_eq!(talk.hear("\r\nOK\r\n").len(), 1);
        talk
    }

    fn online() -> Self {
        let mut talk = Self::dialling("5550002");
        assert_eq!(talk.hear("\r\nCONNECT\r\n").len(), 1);
        talk
    }

    fn ask(&mut self, request: Request) -> Vec<String> {
        self.modem.request(request, self.now).unwrap();
        self.drain()
    }

    fn hear(&mut self, text: &str) -> Vec<String> {
        let taken = self.modem.handle_bytes(text.as_bytes(), self.now);
        assert_eq!(taken, text.len(), "all of {text:?} taken");
        self.drain()
    }

    fn carrier(&mut self, carrier: Carrier) -> Vec<String> {
        self.modem.handle_carrier(carrier, self.now);
        self.drain()
    }

    /// Lets the time pass up to the deadline, which must be for this.
    fn wait(&mut self, reason: &str) -> Vec<String> {
        let (at, why) = self.modem.deadline().unwrap();
        assert!(why.contains(reason), "waiting for {why}, not for {reason}");
        self.now = at;
        self.modem.handle_timeout(at);
        self.drain()
    }

    /// Has a modem answer each command, without its `AT`, or be silent, until the request is done with. Returns all
    /// that was wanted.
    fn play(&mut self, request: Request, mut answer: impl FnMut(&str) -> Option<String>) -> Vec<String> {
        let mut wanted = self.ask(request);
        let mut heard = 0;
        loop {
            match wanted.get(heard).cloned() {
                Some(output) => {
                    heard += 1;
                    let command = output.strip_prefix("AT").and_then(|rest| rest.strip_suffix('\r'));
                    if let Some(text) = command.and_then(&mut answer) {
                        wanted.extend(self.hear(&text));
                    }
                }
                None if self.modem.deadline().is_some() => wanted.extend(self.wait("")),
                None => return wanted,
            }
        }
    }

    fn drain(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.modem.poll_output()).map(|output| describe(&output)).collect()
    }
}

/// A final result code as a modem writes it.
fn ok() -> Option<String> {
    Some("\r\nOK\r\n".to_owned())
}

fn error() -> Option<String> {
    Some("\r\nERROR\r\n".to_owned())
}

/// Information and `OK`.
fn says(text: &str) -> Option<String> {
    Some(format!("\r\n{text}\r\n\r\nOK\r\n"))
}

fn describe(output: &Output) -> String {
    match output {
        Output::Send(bytes) => String::from_utf8(bytes.clone()).unwrap(),
        Output::SetDtr(true) => "DTR up".to_owned(),
        Output::SetDtr(false) => "DTR down".to_owned(),
        Output::SetRate(rate) => format!("rate {rate}"),
        Output::SetFlowControl => "RTS and CTS".to_owned(),
        Output::Report(Event::Recognised(profile)) => format!("Recognised {}", profile.id),
        Output::Report(event) => format!("{event:?}"),
    }
}

#[test]
fn a_modem_is_reset_and_set_up_with_its_echo_on() {
    assert!(Talk::ready().modem.deadline().is_none());
}

#[test]
fn a_late_result_of_the_last_call_is_drained_before_the_reset() {
    let mut talk = Talk::new();
    talk.ask(Request::Initialise);
    assert!(talk.hear("\r\nNO CARRIER\r\n\r\nOK\r\n").is_empty());
    assert!(talk.hear("\r\nOK\r\n").is_empty());
    assert_eq!(talk.wait("late answers"), ["ATZ\r"]);
}

#[test]
fn an_answer_to_the_program_before_is_nobody_elses() {
    let mut talk = Talk::new();
    talk.ask(Request::Initialise);
    assert!(talk.hear("\r\nOK\r\n").is_empty(), "to its AT");
    assert!(talk.hear("\r\nOK\r\n").is_empty(), "to ours");
    assert_eq!(talk.wait("late answers"), ["ATZ\r"]);
    assert_eq!(talk.hear("\r\nOK\r\n"), ["AT\r"]);
}

#[test]
fn a_modem_stuck_in_data_state_is_escaped_from() {
    let mut talk = Talk::new();
    talk.ask(Request::Initialise);
    assert_eq!(talk.wait("OK to AT"), ["AT\r"]);
    assert_eq!(talk.wait("OK to AT"), ["ATE0Q0V1\r"]);
    assert!(talk.wait("OK to AT").is_empty());
    let silence = talk.now;
    assert_eq!(talk.wait("silence"), ["+++"]);
    assert!(talk.now - silence > Duration::from_secs(1));
    assert_eq!(talk.hear("\r\nOK\r\n"), ["ATH\r"]);
    assert_eq!(talk.hear("\r\nOK\r\n"), ["AT\r"]);
    assert_eq!(talk.hear("\r\nOK\r\n"), ["ATZ\r"]);
}

#[test]
fn a_modem_that_never_answers_is_silent_in_bounded_time() {
    let mut talk = Talk::new();
    talk.modem = talk.modem.at_rate(115_200);
    let start = talk.now;
    let mut heard = talk.ask(Request::Initialise);
    while talk.modem.deadline().is_some() {
        heard.extend(talk.wait(""));
    }
    assert_eq!(heard.last().unwrap(), "Silent");
    assert!(talk.now - start <= times::SILENT_LIMIT, "{:?}", talk.now - start);
    let rates: Vec<&str> = heard.iter().filter_map(|output| output.strip_prefix("rate ")).collect();
    assert_eq!(rates, ["57600", "38400", "19200", "9600", "230400", "4800", "2400", "1200", "115200"]);
    assert!(talk.modem.is_idle());
}

#[test]
fn a_refused_setting_is_reported_and_left() {
    let mut talk = Talk::new();
    talk.ask(Request::Initialise);
    talk.hear("\r\nOK\r\n");
    talk.wait("late answers");
    for _ in 0..3 {
        talk.hear("\r\nOK\r\n");
    }
    assert_eq!(talk.hear("\r\nERROR\r\n"), ["CommandRefused(\"+VCID=1\")", "CallerIdOff", "Ready"]);
}

#[test]
fn rings_are_heard_while_setting_up_and_probing() {
    let mut talk = Talk::ready();
    assert_eq!(talk.ask(Request::Probe), ["AT\r"]);
    assert_eq!(talk.modem.request(Request::Probe, talk.now), Err(super::Occupied));
    assert_eq!(talk.hear("\r\nRING\r\n").len(), 1);
    assert_eq!(talk.hear("\r\nOK\r\n"), ["Alive"]);
    assert_eq!(talk.ask(Request::Probe), ["AT\r"]);
    assert_eq!(talk.wait("OK"), ["AT\r"]);
    assert_eq!(talk.wait("OK"), ["ATE0Q0V1\r"]);
    assert_eq!(talk.wait("OK"), ["Silent"]);
}

#[test]
fn nothing_after_connect_is_taken_but_its_linefeed() {
    for (text, left) in
        [("\r\nCONNECT 33600\r\n~\u{7f}}#", 4), ("\r\nCONNECT\r~", 1), ("CONNECT\r\n\n", 1), ("CONNECT\n\n", 1)]
    {
        let mut talk = Talk::dialling("5550002");
        let mut taken = talk.modem.handle_bytes(text.as_bytes(), talk.now);
        taken += talk.modem.handle_bytes(&text.as_bytes()[taken..], talk.now);
        assert_eq!(text.len() - taken, left, "{text:?}");
        assert!(talk.modem.in_data());
        assert_eq!(talk.modem.handle_bytes(b"\nNO CARRIER\r\n", talk.now), 0);
    }
}

#[test]
fn a_numeric_connect_ends_in_cr_alone() {
    let mut talk = Talk::new();
    talk.ask(Request::Answer);
    assert_eq!(talk.modem.handle_bytes(b"1\r\n", talk.now), 2);
    assert!(talk.modem.in_data());
}

#[test]
fn an_unanswered_dial_is_given_up_by_a_character_and_ath() {
    let mut talk = Talk::dialling("5550002");
    assert!(talk.hear("\r\nRINGING\r\n").is_empty());
    assert_eq!(talk.ask(Request::HangUp), ["\r"]);
    assert!(talk.ask(Request::HangUp).is_empty(), "asked twice, done once");
    assert_eq!(talk.hear("\r\nNO CARRIER\r\n"), ["ATH\r"]);
    assert_eq!(talk.hear("\r\nOK\r\n"), ["Ended(RangOut)"]);
}

#[test]
fn what_ends_a_dial_in_the_moment_of_giving_up_is_its_outcome() {
    let mut talk = Talk::dialling("5550002");
    talk.ask(Request::HangUp);
    assert_eq!(talk.hear("\r\nBUSY\r\n"), ["ATH\r"]);
    assert_eq!(talk.hear("\r\nOK\r\n"), ["Ended(Busy)"]);

    let mut talk = Talk::dialling("5550002");
    talk.ask(Request::HangUp);
    assert_eq!(talk.hear("\r\nCONNECT 9600\r\n"), ["DTR down"]);
    assert!(talk.hear("welcome").is_empty());
    assert!(talk.hear("\r\nNO CARRIER\r\n").is_empty());
    assert_eq!(talk.wait("DTR"), ["DTR up"]);
    assert_eq!(talk.wait("DTR"), ["AT\r"]);
    assert_eq!(talk.hear("\r\nOK\r\n"), ["ATH\r"]);
    assert_eq!(talk.hear("\r\nOK\r\n"), ["Ended(RangOut)"]);
}

#[test]
fn a_dial_that_keeps_to_command_state_is_ended_by_ath() {
    let mut talk = Talk::ready();
    talk.ask(Request::Dial("+27821231234;".parse().unwrap()));
    assert_eq!(talk.hear("\r\nOK\r\n"), ["ATDT+27821231234;\r"]);
    assert!(talk.hear("\r\nOK\r\n").is_empty());
    assert_eq!(talk.ask(Request::HangUp), ["ATH\r"]);
    assert_eq!(talk.hear("\r\nOK\r\n"), ["Ended(RangOut)"]);
}

#[test]
fn glare_is_reported_and_the_dial_broken_off() {
    let mut talk = Talk::dialling("5550002");
    assert_eq!(talk.hear("\r\nRING\r\n"), [format!("{:?}", Event::Ring(RingInfo::default())), "\r".to_owned()]);
    assert_eq!(talk.hear("\r\nNO CARRIER\r\n"), ["Ended(Glare)"]);

    let mut talk = Talk::ready();
    talk.ask(Request::Dial("5550002".parse().unwrap()));
    assert_eq!(talk.hear("\r\nRING\r\n")[1..], ["Ended(Glare)"]);
}

#[test]
fn a_dial_without_any_result_ends_by_our_own_limit() {
    let mut talk = Talk::dialling("5550002");
    let start = talk.now;
    assert_eq!(talk.wait("result of dialling"), ["\r"]);
    assert_eq!(talk.now - start, times::DIAL_LIMIT);
    assert_eq!(talk.hear("\r\nOK\r\n"), ["ATH\r"]);
    assert_eq!(talk.hear("\r\nOK\r\n"), ["Ended(Silent)"]);
}

#[test]
fn a_lone_digit_while_dialling_is_no_result_of_a_modem_that_speaks() {
    let mut talk = Talk::dialling("5550002");
    assert!(talk.hear("7\r\n1\r\n").is_empty());
    assert_eq!(talk.hear("\r\nBUSY\r\n"), ["Ended(Busy)"]);
}

#[test]
fn hanging_up_drops_dtr_and_makes_sure() {
    let mut talk = Talk::online();
    assert_eq!(talk.ask(Request::HangUp), ["DTR down"]);
    assert!(talk.wait("notice DTR").is_empty());
    assert!(talk.modem.watches_carrier());
    assert_eq!(talk.hear("~\u{3}}\r\nNO CARRIER\r\n"), ["DTR up"]);
    assert_eq!(talk.wait("DTR rose"), ["AT\r"]);
    assert_eq!(talk.hear("\r\nOK\r\n"), ["ATH\r"]);
    assert_eq!(talk.hear("\r\nOK\r\n"), ["HungUp"]);
}

#[test]
fn carrier_that_falls_after_dtr_ends_the_wait() {
    let mut talk = Talk::online();
    talk.ask(Request::HangUp);
    assert!(talk.carrier(Carrier::Present).is_empty());
    assert!(talk.carrier(Carrier::Unknown).is_empty());
    assert!(talk.carrier(Carrier::Absent).is_empty());
    assert!(!talk.modem.watches_carrier());
    assert_eq!(talk.wait("DTR"), ["DTR up"], "but DTR is held low long enough");
}

#[test]
fn a_modem_that_does_not_care_for_dtr_is_escaped_from() {
    let mut talk = Talk::online();
    talk.ask(Request::HangUp);
    assert!(talk.wait("notice").is_empty());
    assert_eq!(talk.wait("end of the call"), ["DTR up"]);
    assert_eq!(talk.wait("DTR rose"), ["AT\r"]);
    for _ in 0..3 {
        talk.wait("OK to AT");
    }
    assert_eq!(talk.wait("silence"), ["+++"]);
    assert_eq!(talk.hear("\r\nOK\r\n"), ["ATH\r"]);
    assert_eq!(talk.hear("\r\nOK\r\n"), ["HungUp"]);
}

#[test]
fn a_modem_that_died_in_a_call_is_silent_at_last() {
    let mut talk = Talk::online();
    let mut heard = talk.ask(Request::HangUp);
    while talk.modem.deadline().is_some() {
        heard.extend(talk.wait(""));
    }
    assert_eq!(heard.last().unwrap(), "Silent");
}

#[test]
fn carrier_counts_as_lost_only_if_it_was_there() {
    let mut talk = Talk::online();
    assert!(talk.carrier(Carrier::Absent).is_empty());
    assert!(talk.carrier(Carrier::Present).is_empty());
    assert!(talk.carrier(Carrier::Unknown).is_empty());
    assert_eq!(talk.carrier(Carrier::Absent), ["Ended(NoCarrier)"]);
}

#[test]
fn caller_id_comes_by_its_gap_if_nothing_follows() {
    let mut talk = Talk::ready();
    assert!(talk.hear("\r\nDATE = 0321\r\nNMBR = 0555\r\n").is_empty());
    let heard = talk.wait("caller identification");
    assert!(heard[0].starts_with("Caller(") && heard[0].contains("0555"), "{heard:?}");
    assert!(talk.hear("\r\n5551212\r\n").is_empty(), "digits without a ring are no caller");
    talk.hear("\r\nRING\r\n");
    assert!(talk.hear("\r\n5551212\r\n")[0].contains("5551212"));
}

#[test]
fn answering_connects_or_ends() {
    let mut talk = Talk::ready();
    assert_eq!(talk.ask(Request::Answer), ["ATA\r"]);
    assert_eq!(talk.hear("\r\nNO CARRIER\r\n"), ["Ended(NoCarrier)"]);
    talk.ask(Request::Answer);
    let connect = Event::Connected(Connect::from_text("9600"));
    assert_eq!(talk.hear("\r\nCONNECT 9600\r\n"), [format!("{connect:?}")]);
    let mut talk = Talk::ready();
    talk.ask(Request::Answer);
    assert_eq!(talk.ask(Request::HangUp), ["\r"]);
    assert_eq!(talk.hear("\r\nNO CARRIER\r\n"), ["ATH\r"]);
    assert_eq!(talk.hear("\r\nOK\r\n"), ["HungUp"]);
}

#[test]
fn a_modem_that_talks_on_waits_until_it_is_listened_to() {
    let mut talk = Talk::ready();
    let flood = "RING\r\n".repeat(OUTPUT_LIMIT * 3);
    let (mut taken, mut rings) = (0, 0);
    while taken < flood.len() {
        let count = talk.modem.handle_bytes(&flood.as_bytes()[taken..], talk.now);
        assert!(count > 0 && talk.modem.outputs.len() <= OUTPUT_LIMIT);
        taken += count;
        rings += talk.drain().len();
    }
    assert_eq!(rings, OUTPUT_LIMIT * 3);
}
