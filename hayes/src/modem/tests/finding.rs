//! Finding a modem that is not where it should be.

use super::{Talk, error, ok};
use crate::modem::{Request, times};

/// A modem that understands at one rate only; elsewhere there is garbage or nothing.
struct Elsewhere {
    talk: Talk,
    rate: u32,
    wanted: Vec<String>,
}

impl Elsewhere {
    fn new() -> Self {
        let mut talk = Talk::new();
        talk.modem = talk.modem.at_rate(115_200);
        Self { talk, rate: 115_200, wanted: Vec::new() }
    }

    /// Plays a modem that answers by the rate and the command.
    fn initialise(&mut self, mut answer: impl FnMut(u32, &str) -> Option<String>) {
        let mut outputs = std::collections::VecDeque::from(self.talk.ask(Request::Initialise));
        loop {
            let Some(output) = outputs.pop_front() else {
                if self.talk.modem.deadline().is_none() {
                    return;
                }
                outputs.extend(self.talk.wait(""));
                continue;
            };
            if let Some(rate) = output.strip_prefix("rate ") {
                self.rate = rate.parse().unwrap();
            }
            let command = output.strip_prefix("AT").and_then(|rest| rest.strip_suffix('\r'));
            if let Some(text) = command.and_then(|command| answer(self.rate, command)) {
                outputs.extend(self.talk.hear(&text));
            }
            self.wanted.push(output);
        }
    }

    fn from(&self, output: &str) -> &[String] {
        let at = self.wanted.iter().position(|wanted| wanted == output);
        &self.wanted[at.unwrap_or_else(|| panic!("no {output} in {:?}", self.wanted))..]
    }
}

#[test]
fn a_modem_at_another_rate_is_found_and_told_to_come_to_the_wanted_one() {
    for elsewhere in [None, Some("\u{1}x\r~\u{7f}\r\n".to_owned())] {
        let mut modem = Elsewhere::new();
        let mut rate = 9600;
        modem.initialise(|at, command| match command {
            _ if at != rate => elsewhere.clone(),
            "+IPR=115200" => {
                rate = 115_200;
                ok()
            }
            _ => ok(),
        });
        assert_eq!(
            modem.from("rate 9600")[..6],
            ["rate 9600", "AT\r", "AT+IPR=115200\r", "rate 115200", "AT\r", "ATZ\r"]
        );
        assert_eq!(modem.wanted.last().unwrap(), "Ready");
        assert_eq!(modem.rate, 115_200);
    }
}

#[test]
fn a_modem_that_does_not_leave_its_rate_is_talked_to_there() {
    let mut modem = Elsewhere::new();
    modem.initialise(|at, command| match command {
        _ if at != 19_200 => None,
        "+IPR=115200" => error(),
        _ => ok(),
    });
    assert!(modem.wanted.contains(&"RateKept { found: 19200, wanted: 115200 }".to_owned()), "{:?}", modem.wanted);
    assert_eq!((modem.rate, modem.wanted.last().unwrap().as_str()), (19_200, "Ready"));
    modem.wanted.clear();
    modem.initialise(|at, _| if at == 19_200 { ok() } else { None });
    assert_eq!(modem.wanted[..3], ["DTR up", "AT\r", "ATZ\r"], "the next time it is where it was");
}

#[test]
fn a_modem_that_says_yes_and_stays_is_gone_back_to() {
    let mut modem = Elsewhere::new();
    modem.initialise(|at, _| if at == 57_600 { ok() } else { None });
    let back = ["rate 57600", "RateKept { found: 57600, wanted: 115200 }", "AT\r"];
    let at = modem.wanted.iter().rposition(|output| output == "rate 57600").unwrap();
    assert_eq!(modem.wanted[at..at + 3], back);
    assert_eq!((modem.rate, modem.wanted.last().unwrap().as_str()), (57_600, "Ready"));
}

#[test]
fn a_modem_that_falls_to_its_stored_rate_when_reset_is_found_again() {
    for mut rate in [115_200, 9600] {
        let mut modem = Elsewhere::new();
        modem.initialise(|at, command| {
            if at != rate {
                return None;
            }
            match command {
                "Z" => rate = 2400,
                "+IPR=115200" => rate = 115_200,
                _ => {}
            }
            ok()
        });
        assert_eq!((modem.rate, modem.wanted.last().unwrap().as_str()), (115_200, "Ready"));
        assert_eq!(modem.wanted.iter().filter(|output| *output == "ATZ\r").count(), 1);
    }
}

#[test]
fn hanging_up_while_looking_goes_back_to_the_wanted_rate() {
    let mut talk = Talk::new();
    talk.modem = talk.modem.at_rate(115_200);
    let mut wanted = talk.ask(Request::Initialise);
    while !wanted.iter().any(|output| output == "rate 38400") {
        wanted.extend(talk.wait(""));
    }
    assert_eq!(talk.ask(Request::HangUp), ["rate 115200", "AT\r"]);
}

#[test]
fn hanging_up_while_dtr_is_low_raises_it() {
    let mut talk = Talk::new();
    let mut wanted = talk.ask(Request::Initialise);
    while wanted.last().is_none_or(|output| output != "DTR down") {
        wanted.extend(talk.wait(""));
    }
    assert_eq!(talk.ask(Request::HangUp), ["DTR up", "AT\r"]);
}

#[test]
fn a_modem_that_hears_but_was_told_to_be_quiet_is_made_to_speak() {
    let mut quiet = true;
    let mut talk = Talk::new();
    let wanted = talk.play(Request::Initialise, |command| {
        quiet = (quiet && command != "E0Q0V1") || command == "Z";
        if quiet { None } else { ok() }
    });
    assert_eq!(wanted[..4], ["DTR up", "AT\r", "AT\r", "ATE0Q0V1\r"]);
    assert_eq!(wanted.last().unwrap(), "Ready");
    assert!(!wanted.contains(&"+++".to_owned()));
}

#[test]
fn a_modem_in_data_state_that_knows_no_escape_is_freed_by_dtr() {
    let mut data = true;
    let mut talk = Talk::new();
    let mut wanted = talk.ask(Request::Initialise);
    let mut heard = 0;
    while let Some(output) = wanted.get(heard).cloned() {
        heard += 1;
        data &= output != "DTR down";
        if !data && output.ends_with('\r') {
            wanted.extend(talk.hear("\r\nOK\r\n"));
        } else if heard == wanted.len() && talk.modem.deadline().is_some() {
            while wanted.len() == heard && talk.modem.deadline().is_some() {
                wanted.extend(talk.wait(""));
            }
        }
    }
    let from = wanted.iter().position(|output| output == "+++").unwrap();
    assert_eq!(wanted[from..from + 6], ["+++", "DTR down", "DTR up", "AT\r", "ATZ\r", "AT\r"]);
    assert_eq!(wanted.last().unwrap(), "Ready");
}

#[test]
fn a_modem_that_only_makes_noise_is_silent_in_bounded_time() {
    let mut talk = Talk::new();
    talk.modem = talk.modem.at_rate(9600);
    let start = talk.now;
    let wanted = talk.play(Request::Initialise, |_| Some("\u{7f}\u{2}U\r\n~~~\r\n".to_owned()));
    assert_eq!(wanted.last().unwrap(), "Silent");
    assert!(talk.now - start <= times::SILENT_LIMIT, "{:?}", talk.now - start);
}

#[test]
fn the_echo_may_be_torn_by_a_late_result() {
    let mut talk = Talk::new();
    talk.ask(Request::Initialise);
    assert!(talk.hear("A\r\nNO CARRIER\r\nT\r\r\nOK\r\n").is_empty());
    assert_eq!(talk.wait("late answers"), ["ATZ\r"]);
}
