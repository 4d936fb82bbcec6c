//! Carrying out command lines (V.250 6): letters and registers; extended commands are in `extended`.

use std::time::Instant;

use super::{Dce, LineSignal, Role, State};
use crate::command::{Action, Command, commands};
use crate::emulator::dce::settings::Settings;
use crate::reply::ResultCode;

/// How far a command got.
pub(super) enum Obeyed {
    /// It is done, the next one may come.
    Next,
    /// The line ends here with this result.
    End(ResultCode),
    /// The line ends here; the result follows in time, or has been sent.
    Later,
}

pub(super) const ERROR: Obeyed = Obeyed::End(ResultCode::Error);

/// Letters of error control and compression, and the parameter of V.250 that says the same: `\N0` is `+ES=1`.
const SAME_AS: [(Option<char>, char, &str, &[&str]); 3] = [
    (Some('\\'), 'N', "+ES", &["1,0,1", "0,0,1", "3,0,4", "3,0,2", "2,0,4", "4,0,6"]),
    (Some('&'), 'Q', "+ES", &["1,0,1", "", "", "", "", "3,0,2", "1,0,1", "", "4,0,5", "4,0,5"]),
    (Some('%'), 'C', "+DS", &["0,0,2048,32", "3,0,2048,32", "3,0,2048,32", "3,0,2048,32"]),
];

impl Dce {
    /// Carries out the commands of a line up to the first that fails, and answers with one final result code.
    pub(super) fn carry_out(&mut self, body: &[u8], now: Instant) {
        self.ordered_at = Some(now);
        for command in commands(body) {
            let obeyed = match command {
                Ok(command) => self.obey(command, now),
                Err(_malformed) => ERROR,
            };
            match obeyed {
                Obeyed::Next => {}
                Obeyed::End(code) => return self.result(&code),
                Obeyed::Later => return,
            }
        }
        self.result(&ResultCode::Ok);
    }

    fn obey(&mut self, command: Command, now: Instant) -> Obeyed {
        match command {
            Command::Basic { family, letter, value } => self.basic(family, letter, value, now),
            Command::Dial(_) if matches!(self.state, State::Escaped { .. }) => ERROR,
            Command::Dial(string) => later_or(self.dial(string, now)),
            Command::ReadRegister(register) => match self.settings.registers.read(register) {
                Some(value) => self.tell(format!("{value:03}")),
                None => ERROR,
            },
            Command::ReadRegisterBit { register, bit } => match self.settings.registers.read(register) {
                Some(value) => self.tell(format!("{}", value >> bit & 1)),
                None => ERROR,
            },
            Command::SetRegister { register, value } => done_if(self.settings.registers.set(register, value)),
            Command::SetRegisterBit { register, bit, on } => match self.settings.registers.read(register) {
                Some(value) => {
                    let mask = 1_u8.checked_shl(bit.into()).unwrap_or(0);
                    done_if(self.settings.registers.set(register, if on { value | mask } else { value & !mask }))
                }
                None => ERROR,
            },
            Command::StoreNumber { place, number } => self.store_number(place, &number),
            Command::ReadNumber(place) => {
                let number = self.numbers.get(&place).map(ToString::to_string).unwrap_or_default();
                if place < PLACES { self.tell(number) } else { ERROR }
            }
            Command::Extended { name, action } => self.extended(&name, &action),
        }
    }

    fn basic(&mut self, family: Option<char>, letter: char, value: u32, now: Instant) -> Obeyed {
        match (family, letter, value) {
            (None, 'A', 0) if matches!(self.state, State::Escaped { .. }) => return ERROR,
            (None, 'A', 0) => return later_or(self.answer(now)),
            (None, 'H', 0) => self.hang_up("HANG UP"),
            (None, 'H', 1) => self.pick_up(),
            (None, 'I', 0..=9) => return self.identify(value),
            (None, 'O', 0 | 1) => {
                let State::Escaped { carrier } = self.state else { return Obeyed::End(ResultCode::NoCarrier) };
                self.resume(carrier, now);
                return Obeyed::Later;
            }
            (None, 'P' | 'T', 0) => self.settings.pulse = letter == 'P',
            // What follows Z on the line is not looked at (V.250 6.1.1).
            (None, 'Z', 0 | 1) => {
                self.hang_up("RESET");
                self.recall(usize::from(value == 1));
                return Obeyed::End(ResultCode::Ok);
            }
            (Some('&'), 'F', 0..=2) => {
                let rings = self.settings.registers.read(1).unwrap_or(0);
                self.settings = Settings::factory(&self.kind);
                self.settings.registers.set(1, rings);
                // Without flow control, by the lines of the cable, or by characters: U.S. Robotics' templates.
                if value > 0 {
                    self.settings.set_letter(Some('&'), 'K', value + 2);
                }
            }
            (Some('&'), 'V', 0 | 1) => self.view(value),
            (Some('&'), 'W', 0 | 1) => {
                let Some(stored) = self.stored.get_mut(usize::from(value == 1)) else { return ERROR };
                let stored = stored.insert(Box::new(self.settings.clone()));
                stored.registers.set(1, 0);
            }
            (Some('*'), 'B' | 'D', 0) => {
                let Some(rules) = self.kind.emulation.blacklisting else { return ERROR };
                let list = &mut self.blacklist;
                let lines = if letter == 'B' { list.listing(&rules, now) } else { list.delayed(&rules, now) };
                self.information(&lines);
            }
            _ => return self.set_letter(family, letter, value),
        }
        Obeyed::Next
    }

    /// A letter that keeps its number, or one that only this kind knows an answer to.
    fn set_letter(&mut self, family: Option<char>, letter: char, value: u32) -> Obeyed {
        if self.settings.set_letter(family, letter, value) {
            let same = SAME_AS.iter().find(|(f, l, ..)| (*f, *l) == (family, letter));
            let values = usize::try_from(value).ok().zip(same).and_then(|(at, same)| Some((same.2, *same.3.get(at)?)));
            if let Some((parameter, values)) = values.filter(|(_, values)| !values.is_empty()) {
                self.settings.set_parameter(parameter, values);
            }
            return Obeyed::Next;
        }
        let number = if value == 0 { String::new() } else { value.to_string() };
        let asked = format!("{}{letter}{number}", family.map(String::from).unwrap_or_default());
        match self.kind.emulation.answers.get(&asked).cloned() {
            Some(lines) => {
                self.information(&lines);
                Obeyed::Next
            }
            None => ERROR,
        }
    }

    /// `H1`: off hook without a call.
    pub(super) fn pick_up(&mut self) {
        if matches!(self.state, State::Idle) {
            self.state = State::OffHook { dialled: false };
            self.signal(LineSignal::OffHook(Role::Silent));
        }
    }

    /// `&Zn=`: the number is kept as it would be dialled; an empty one clears its place.
    fn store_number(&mut self, place: u8, number: &str) -> Obeyed {
        if place >= PLACES || number.len() > LONGEST_NUMBER {
            return ERROR;
        }
        if number.is_empty() {
            self.numbers.remove(&place);
        } else {
            self.numbers.insert(place, number.into());
        }
        Obeyed::Next
    }

    /// Answers with a line of information text and goes on.
    pub(super) fn tell(&mut self, text: String) -> Obeyed {
        self.information(&[text]);
        Obeyed::Next
    }

    /// The text with which this kind of modem answers a question, if it has one.
    pub(super) fn known_answer(&self, name: &str, action: &Action) -> Option<Vec<String>> {
        let asked = match action {
            Action::Execute => name.to_owned(),
            Action::Test => format!("{name}=?"),
            Action::Read => format!("{name}?"),
            Action::Set(_) => return None,
        };
        self.kind.emulation.answers.get(&asked).cloned()
    }
}

/// How many telephone numbers `&Z` stores, and how long one may be.
pub(super) const PLACES: u8 = 10;
const LONGEST_NUMBER: usize = 48;

pub(super) fn done_if(accepted: bool) -> Obeyed {
    if accepted { Obeyed::Next } else { ERROR }
}

fn later_or(result: Option<ResultCode>) -> Obeyed {
    result.map_or(Obeyed::Later, Obeyed::End)
}
