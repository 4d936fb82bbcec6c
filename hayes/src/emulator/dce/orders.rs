//! Carrying out command lines (V.250 6): which commands there are, their ranges, and what they answer.

use std::time::Instant;

use super::{Dce, State};
use crate::command::{Action, Command, commands};
use crate::emulator::dce::{LineSignal, Role};
use crate::emulator::registers::{DtrDrop, Quiet, Switches};
use crate::reply::ResultCode;

/// How far a command got.
enum Obeyed {
    /// It is done, the next one may come.
    Next,
    /// The line ends here with this result.
    End(ResultCode),
    /// The line ends here; the result follows in time, or has been sent.
    Later,
}

const ERROR: Obeyed = Obeyed::End(ResultCode::Error);

/// Commands that a modem without loudspeaker, compression or flow control accepts without effect, with the largest
/// number each takes.
const WITHOUT_EFFECT: [(Option<char>, char, u32); 32] = [
    (None, 'B', 99),
    (None, 'C', 1),
    (None, 'L', 3),
    (None, 'M', 3),
    (None, 'N', 9),
    (None, 'W', 2),
    (None, 'Y', 1),
    (Some('&'), 'A', 3),
    (Some('&'), 'B', 2),
    (Some('&'), 'G', 2),
    (Some('&'), 'H', 3),
    (Some('&'), 'I', 5),
    (Some('&'), 'J', 1),
    (Some('&'), 'K', 6),
    (Some('&'), 'L', 1),
    (Some('&'), 'M', 9),
    (Some('&'), 'N', 99),
    (Some('&'), 'P', 3),
    (Some('&'), 'Q', 9),
    (Some('&'), 'R', 2),
    (Some('&'), 'S', 2),
    (Some('&'), 'X', 2),
    (Some('&'), 'Y', 1),
    (Some('%'), 'C', 3),
    (Some('%'), 'E', 3),
    (Some('\\'), 'A', 3),
    (Some('\\'), 'B', 9),
    (Some('\\'), 'G', 1),
    (Some('\\'), 'J', 1),
    (Some('\\'), 'N', 7),
    (Some('\\'), 'Q', 6),
    (Some('\\'), 'V', 9),
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
            Command::Basic { family: None, letter, value } => self.basic(letter, value, now),
            Command::Basic { family: Some('&'), letter, value } => self.ampersand(letter, value),
            Command::Basic { family, letter, value } => without_effect(family, letter, value),
            Command::Dial(_) if matches!(self.state, State::Escaped { .. }) => ERROR,
            Command::Dial(string) => {
                self.dial(string, now);
                Obeyed::Later
            }
            Command::ReadRegister(register) => match self.profile.registers.read(register) {
                Some(value) => {
                    self.information(&[format!("{value:03}")]);
                    Obeyed::Next
                }
                None => ERROR,
            },
            Command::SetRegister { register, value } => done_if(self.profile.registers.set(register, value)),
            Command::SetRegisterBit { register, bit, on } => match self.profile.registers.read(register) {
                Some(value) => {
                    let mask = 1_u8.checked_shl(bit.into()).unwrap_or(0);
                    done_if(self.profile.registers.set(register, if on { value | mask } else { value & !mask }))
                }
                None => ERROR,
            },
            Command::Extended { name, action } => self.extended(&name, &action),
        }
    }

    fn basic(&mut self, letter: char, value: u32, now: Instant) -> Obeyed {
        match (letter, value) {
            ('A', 0) if matches!(self.state, State::Escaped { .. }) => return ERROR,
            ('A', 0) => {
                self.answer(now);
                return Obeyed::Later;
            }
            ('E', 0 | 1) => self.profile.echo = value == 1,
            ('H', 0) => self.hang_up(),
            ('H', 1) => {
                if matches!(self.state, State::Idle) {
                    self.state = State::OffHook { dialled: false };
                    self.signal(LineSignal::OffHook(Role::Silent));
                }
            }
            ('I', 0..=9) => self.identify(value),
            ('O', 0 | 1) => {
                let State::Escaped { rate } = self.state else { return Obeyed::End(ResultCode::NoCarrier) };
                self.go_online(rate, now);
                return Obeyed::Later;
            }
            ('P', 0) => self.profile.pulse = true,
            ('Q', 0) => self.profile.quiet = Quiet::Off,
            ('Q', 1) => self.profile.quiet = Quiet::On,
            ('Q', 2) => self.profile.quiet = Quiet::WhenAnswering,
            ('T', 0) => self.profile.pulse = false,
            ('V', 0 | 1) => self.profile.verbose = value == 1,
            ('X', 0..=4) => self.profile.call_progress = u8::try_from(value).unwrap_or(4),
            // What follows Z on the line is not looked at (V.250 6.1.1).
            ('Z', 0 | 1) => {
                self.hang_up();
                self.recall(usize::from(value == 1));
                return Obeyed::End(ResultCode::Ok);
            }
            _ => return without_effect(None, letter, value),
        }
        Obeyed::Next
    }

    fn ampersand(&mut self, letter: char, value: u32) -> Obeyed {
        match (letter, value) {
            ('C', 0 | 1) => self.profile.carrier_follows = value == 1,
            ('D', 0) => self.profile.dtr_drop = DtrDrop::Ignore,
            ('D', 1) => self.profile.dtr_drop = DtrDrop::Escape,
            ('D', 2) => self.profile.dtr_drop = DtrDrop::HangUp,
            ('D', 3) => self.profile.dtr_drop = DtrDrop::Reset,
            ('F', 0 | 1) => self.profile = Switches::default(),
            ('V', 0) => self.view(),
            ('W', 0 | 1) => {
                let Some(stored) = self.stored.get_mut(usize::from(value == 1)) else { return ERROR };
                stored.clone_from(&self.profile);
                stored.registers.set(1, 0);
            }
            _ => return without_effect(Some('&'), letter, value),
        }
        Obeyed::Next
    }

    fn extended(&mut self, name: &str, action: &Action) -> Obeyed {
        let asked = match action {
            Action::Execute => name.to_owned(),
            Action::Test => format!("{name}=?"),
            Action::Read | Action::Set(_) => format!("{name}?"),
        };
        if let Some(lines) = self.kind.emulation.answers.get(&asked).cloned() {
            self.information(&lines);
            return Obeyed::Next;
        }
        let text = match (name, action) {
            ("+GMI" | "+GMM" | "+GMR", Action::Test) => return Obeyed::Next,
            ("+FCLASS", Action::Read | Action::Test) => "0".to_owned(),
            ("+FCLASS", Action::Set(value)) => return done_if(value == "0"),
            ("+VCID" | "#CID", Action::Read) => u8::from(self.profile.show_caller).to_string(),
            ("+VCID" | "#CID", Action::Test) => "(0,1)".to_owned(),
            ("+VCID" | "#CID", Action::Set(value)) if value == "0" || value == "1" => {
                self.profile.show_caller = value == "1";
                return Obeyed::Next;
            }
            _ => return ERROR,
        };
        self.information(&[text]);
        Obeyed::Next
    }

    /// `I`: product, checksum, test, model, settings and so on (V.250 6.1.3 leaves the texts to the maker).
    fn identify(&mut self, number: u32) {
        let asked = if number == 0 { "I".to_owned() } else { format!("I{number}") };
        match (number, self.kind.emulation.answers.get(&asked).cloned()) {
            (_, Some(lines)) => self.information(&lines),
            (4, None) => self.view(),
            (_, None) => self.information(&["OK"]),
        }
    }

    /// `&V`: the settings in force and the stored ones.
    fn view(&mut self) {
        let mut lines = vec!["ACTIVE PROFILE:".to_owned(), settings(&self.profile), registers(&self.profile)];
        for (number, stored) in self.stored.iter().enumerate() {
            lines.extend([format!("STORED PROFILE {number}:"), settings(stored), registers(stored)]);
        }
        self.information(&lines);
    }
}

fn done_if(accepted: bool) -> Obeyed {
    if accepted { Obeyed::Next } else { ERROR }
}

fn without_effect(family: Option<char>, letter: char, value: u32) -> Obeyed {
    done_if(WITHOUT_EFFECT.iter().any(|(f, l, most)| (*f, *l) == (family, letter) && value <= *most))
}

fn settings(profile: &Switches) -> String {
    let quiet = match profile.quiet {
        Quiet::Off => 0,
        Quiet::On => 1,
        Quiet::WhenAnswering => 2,
    };
    let dtr = match profile.dtr_drop {
        DtrDrop::Ignore => 0,
        DtrDrop::Escape => 1,
        DtrDrop::HangUp => 2,
        DtrDrop::Reset => 3,
    };
    format!(
        "E{} Q{quiet} V{} X{} {} &C{} &D{dtr} +VCID={}",
        u8::from(profile.echo),
        u8::from(profile.verbose),
        profile.call_progress,
        if profile.pulse { 'P' } else { 'T' },
        u8::from(profile.carrier_follows),
        u8::from(profile.show_caller),
    )
}

fn registers(profile: &Switches) -> String {
    let shown = (0..=12).filter_map(|n| profile.registers.read(n).map(|value| format!("S{n:02}:{value:03}")));
    shown.collect::<Vec<_>>().join(" ")
}
