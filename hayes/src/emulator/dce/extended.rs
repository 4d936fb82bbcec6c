//! Extended commands (V.250 5.4): what the kind of modem answers, its own settings, parameters, and a few actions.
//!
//! A name that nobody knows is one `ERROR`, never a string of letters.

use super::Dce;
use super::orders::{ERROR, Obeyed, done_if};
use super::parameters::{self, Modems, Parameter, TERMINAL_RATES};
use super::settings::the_command;
use crate::command::{Action, Command, values};
use crate::reply::ResultCode;

/// Names for the same question: what fax and mobile standards ask, and V.250 too.
const SAME_QUESTIONS: [(&str, &str); 10] = [
    ("+CGMI", "+GMI"),
    ("+CGMM", "+GMM"),
    ("+CGMR", "+GMR"),
    ("+CGSN", "+GSN"),
    ("+FMI?", "+GMI"),
    ("+FMM?", "+GMM"),
    ("+FMR?", "+GMR"),
    ("+FMFR?", "+GMI"),
    ("+FMDL?", "+GMM"),
    ("+FREV?", "+GMR"),
];

impl Dce {
    /// Carries out one extended command.
    pub(super) fn extended(&mut self, name: &str, action: &Action) -> Obeyed {
        let was_set = *action == Action::Read && self.settings.parameter(name).is_some();
        if let Some(answer) = self.known_answer(name, action).filter(|_| !was_set) {
            self.information(&answer);
            return Obeyed::Next;
        }
        if let Some(obeyed) = self.identification(name, action) {
            return obeyed;
        }
        if let Some(known) = parameters::find(name).filter(|known| self.has(known.modems)) {
            return self.parameter(known, action);
        }
        let switch = self.switch_values(name);
        if !switch.is_empty() {
            return self.switch(name, &switch, action);
        }
        match (name, action) {
            ("+FCLASS", _) => self.class(action),
            ("+VRID", Action::Set(value)) if self.knows_callers() && matches!(value.as_str(), "0" | "1") => {
                self.repeat_caller(value == "1");
                Obeyed::Next
            }
            ("+VRID", Action::Test) if self.knows_callers() => self.tell("(0,1)".to_owned()),
            ("+VLS", _) if self.has(Modems::Voice) => self.voice_line(action),
            (_, _) if self.is_cellular() => self.cellular(name, action),
            (_, _) => ERROR,
        }
    }

    /// Whether the modem is of those.
    pub(super) fn has(&self, modems: Modems) -> bool {
        match modems {
            Modems::All => true,
            Modems::Wired => !self.is_cellular(),
            Modems::Cellular => self.is_cellular(),
            Modems::Voice => self.classes().any(|class| class == "8"),
            Modems::Fax => self.classes().any(|class| !matches!(class, "0" | "8" | "80")),
        }
    }

    /// `+FCLASS=8` holds.
    pub(super) fn is_in_voice_mode(&self) -> bool {
        self.settings.parameter("+FCLASS") == Some("8")
    }

    /// Who made the modem and what it is (V.250 6.1.4 to 6.1.9, T.31, T.32, 3GPP TS 27.007).
    fn identification(&mut self, name: &str, action: &Action) -> Option<Obeyed> {
        let answers = &self.kind.emulation.answers;
        let asked = if matches!(action, Action::Read) { format!("{name}?") } else { name.to_owned() };
        let plain = SAME_QUESTIONS.iter().find(|(other, _)| *other == asked).map_or(name, |(_, plain)| plain);
        let allowed = match name.get(..2) {
            Some("+C") => self.is_cellular(),
            Some("+F") => self.has(Modems::Fax),
            _ => name.starts_with("+G"),
        };
        // `+GMI?` is no question of V.250, yet programs ask it and modems answer.
        let lines = answers.get(plain).filter(|_| allowed)?.clone();
        match action {
            Action::Execute | Action::Read => self.information(&lines),
            Action::Test => {}
            Action::Set(_) => return None,
        }
        Some(Obeyed::Next)
    }

    fn parameter(&mut self, known: &'static Parameter, action: &Action) -> Obeyed {
        match action {
            Action::Execute => ERROR,
            Action::Read if known.name == "+CLIP" => {
                let text = format!("+CLIP: {},1", self.settings.number("+CLIP", 0));
                self.tell(text)
            }
            Action::Read if matches!(known.name, "+CREG" | "+CGREG") => {
                let text = format!("{}: {},1", known.name, self.settings.number(known.name, 0));
                self.tell(text)
            }
            Action::Read => self.tell(known.read(&self.settings)),
            Action::Test if known.name == "+IPR" => {
                let rates = TERMINAL_RATES.map(|rate| rate.to_string()).join(",");
                self.tell(format!("+IPR: ({rates}),({rates})"))
            }
            Action::Test => self.tell(known.test()),
            Action::Set(text) => {
                let factory = known.factory();
                let present = self.settings.parameter(known.name).unwrap_or(&factory);
                match values(text).map(|given| known.take(&given, present)) {
                    Ok(Ok(taken)) => {
                        self.settings.set_parameter(known.name, &taken);
                        Obeyed::Next
                    }
                    Ok(Err(_out_of_range)) => self.refuse(),
                    Err(_malformed) => ERROR,
                }
            }
        }
    }

    /// The values with which the kind's own settings of this name turn something on.
    fn switch_values(&self, name: &str) -> Vec<String> {
        let emulation = &self.kind.emulation;
        let lists = [&emulation.caller_id_by, &emulation.caller_id_hex_by, &emulation.distinctive_ring_by];
        let of_this_name = |entry: &String| match the_command(entry) {
            Some(Command::Extended { name: known, action: Action::Set(value) }) if known == name => Some(value),
            Some(_) | None => None,
        };
        let mut values: Vec<_> = lists.into_iter().flatten().filter_map(of_this_name).collect();
        values.sort();
        values.dedup();
        values
    }

    /// A setting that only this kind has: `#CID`, `*ID`, `$JSCID`; 0 turns it off.
    fn switch(&mut self, name: &str, on: &[String], action: &Action) -> Obeyed {
        let bare = |text: String| if name.starts_with("+C") { format!("{name}: {text}") } else { text };
        match action {
            Action::Execute => ERROR,
            Action::Read => {
                let present = self.settings.parameter(name).unwrap_or("0").to_owned();
                self.tell(bare(present))
            }
            Action::Test => {
                let values = if on.iter().map(String::as_str).eq(["1", "2"]) {
                    "0-2".to_owned()
                } else {
                    format!("0,{}", on.join(","))
                };
                self.tell(bare(format!("({values})")))
            }
            Action::Set(value) => {
                let off = !value.is_empty() && value.bytes().all(|c| matches!(c, b'0' | b','));
                let accepted = off || on.contains(value);
                if accepted {
                    self.settings.set_parameter(name, value);
                }
                done_if(accepted)
            }
        }
    }

    /// Whether callers are told by a setting of V.253, so that there is one to repeat.
    fn knows_callers(&self) -> bool {
        !self.switch_values("+VCID").is_empty()
    }

    /// `+FCLASS`: the classes are those that the kind answers `+FCLASS=?` with.
    fn class(&mut self, action: &Action) -> Obeyed {
        match action {
            Action::Execute => ERROR,
            Action::Read => {
                let class = self.settings.parameter("+FCLASS").unwrap_or("0").to_owned();
                self.tell(class)
            }
            Action::Test => self.tell("0".to_owned()),
            Action::Set(value) => {
                let accepted = self.classes().any(|class| class == value);
                if accepted {
                    self.settings.set_parameter("+FCLASS", value);
                }
                done_if(accepted)
            }
        }
    }

    /// The modes that `+FCLASS` sets: `0`, `1`, `2.0`, `8`.
    fn classes(&self) -> impl Iterator<Item = &str> {
        let told = self.kind.emulation.answers.get("+FCLASS=?").and_then(|lines| lines.first());
        let told = told.map_or("0", String::as_str);
        told.split(|c: char| !c.is_ascii_digit() && c != '.').filter(|class| !class.is_empty())
    }

    /// `+VLS`: on hook, or off hook in voice mode (V.253).
    fn voice_line(&mut self, action: &Action) -> Obeyed {
        let off_hook = matches!(self.state, super::State::OffHook { .. });
        match action {
            Action::Execute => return ERROR,
            Action::Read => return self.tell(u8::from(off_hook).to_string()),
            Action::Test => {
                let lines = ["0,\"\",00000000,00000000,00000000", "1,\"T\",00000000,00000000,00000000"];
                self.information(&lines);
            }
            Action::Set(value) => match value.as_str() {
                "0" => self.hang_up("HANG UP"),
                "1" if self.is_in_voice_mode() => self.pick_up(),
                _ => return ERROR,
            },
        }
        Obeyed::Next
    }

    /// Refuses values out of range: `ERROR`, or more of it where a mobile modem was asked to.
    fn refuse(&mut self) -> Obeyed {
        match self.settings.number("+CMEE", 0) {
            1 if self.is_cellular() => self.unasked("+CME ERROR: 50"),
            2 if self.is_cellular() => self.unasked("+CME ERROR: Incorrect parameters"),
            _ => return Obeyed::End(ResultCode::Error),
        }
        Obeyed::Later
    }
}
