//! The settings of a modem, all that `Z`, `&F` and `&W` move about.
//!
//! Owns which letters take numbers, how large they may be and how they leave the factory. It acts on nothing.

use std::collections::BTreeMap;

use super::parameters;
use crate::command::{Action, Command, commands};
use crate::emulator::registers::{DtrDrop, Registers};
use crate::profile::{Profile, RingStyle};

/// A letter that takes a number and keeps it.
struct Letter {
    family: Option<char>,
    letter: char,
    most: u8,
    factory: u8,
}

const fn letter(family: Option<char>, letter: char, most: u8, factory: u8) -> Letter {
    Letter { family, letter, most, factory }
}

/// The letters of V.250 6.2 and 6.3, of Hayes and of Rockwell, in the order that `&V` lists them; a modem without
/// loudspeaker or flow control of its own keeps most of them without effect.
const LETTERS: [Letter; LETTER_COUNT] = [
    letter(None, 'B', 99, 1),
    letter(None, 'E', 1, 1),
    letter(None, 'L', 3, 2),
    letter(None, 'M', 3, 1),
    letter(None, 'N', 9, 0),
    letter(None, 'Q', 2, 0),
    letter(None, 'V', 1, 1),
    letter(None, 'W', 2, 2),
    letter(None, 'X', 4, 4),
    letter(None, 'Y', 1, 0),
    letter(None, 'C', 1, 1),
    letter(None, 'F', 10, 1),
    letter(Some('&'), 'C', 1, 1),
    letter(Some('&'), 'D', 3, 2),
    letter(Some('&'), 'G', 2, 0),
    letter(Some('&'), 'J', 1, 0),
    letter(Some('&'), 'K', 6, 3),
    letter(Some('&'), 'Q', 9, 5),
    letter(Some('&'), 'R', 2, 1),
    letter(Some('&'), 'S', 2, 0),
    letter(Some('&'), 'T', 8, 5),
    letter(Some('&'), 'X', 2, 0),
    letter(Some('&'), 'Y', 1, 0),
    letter(Some('&'), 'A', 3, 3),
    letter(Some('&'), 'B', 2, 1),
    letter(Some('&'), 'H', 3, 1),
    letter(Some('&'), 'I', 5, 0),
    letter(Some('&'), 'L', 1, 0),
    letter(Some('&'), 'M', 9, 4),
    letter(Some('&'), 'N', 99, 0),
    letter(Some('&'), 'P', 3, 0),
    letter(Some('&'), 'U', 1, 0),
    letter(Some('%'), 'C', 3, 3),
    letter(Some('%'), 'E', 3, 2),
    letter(Some('\\'), 'A', 3, 1),
    letter(Some('\\'), 'B', 9, 3),
    letter(Some('\\'), 'G', 1, 0),
    letter(Some('\\'), 'J', 1, 0),
    letter(Some('\\'), 'K', 5, 5),
    letter(Some('\\'), 'N', 7, 3),
    letter(Some('\\'), 'Q', 6, 3),
    letter(Some('\\'), 'V', 9, 0),
];
const LETTER_COUNT: usize = 42;

/// All that is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// The S-registers.
    pub(super) registers: Registers,
    letters: [u8; LETTER_COUNT],
    /// `P`: pulse dialling until told otherwise.
    pub(super) pulse: bool,
    /// The parameters that were set, by their names: values separated by commas.
    parameters: BTreeMap<Box<str>, Box<str>>,
}

impl Settings {
    /// As this kind of modem leaves the factory.
    pub(super) fn factory(kind: &Profile) -> Self {
        let mut settings = Self {
            registers: Registers::default(),
            letters: LETTERS.map(|letter| letter.factory),
            pulse: false,
            parameters: BTreeMap::new(),
        };
        let emulation = &kind.emulation;
        for entry in
            [&emulation.caller_id_by, &emulation.caller_id_hex_by, &emulation.distinctive_ring_by].into_iter().flatten()
        {
            if let Some(
                Command::SetRegister { register, .. }
                | Command::SetRegisterBit { register, .. }
                | Command::ReadRegister(register)
                | Command::ReadRegisterBit { register, .. },
            ) = the_command(entry)
                && settings.registers.read(register).is_none()
            {
                settings.registers.add(register, 0);
            }
        }
        for (register, value) in &emulation.registers {
            if let Ok(register) = register.parse() {
                settings.registers.add(register, *value);
            }
        }
        if emulation.connect.contains("{dte}") {
            settings.set_letter(None, 'W', 0);
        }
        if emulation.ring == RingStyle::Lettered {
            settings.set_letter(None, 'B', 0);
        }
        settings
    }

    /// The number after this letter; 0 for a letter that keeps none.
    pub(super) fn letter(&self, family: Option<char>, letter: char) -> u8 {
        position(family, letter).and_then(|at| self.letters.get(at)).copied().unwrap_or(0)
    }

    /// Sets a letter's number; answers whether there is such a letter and the number is in its range.
    pub(super) fn set_letter(&mut self, family: Option<char>, letter: char, value: u32) -> bool {
        let Some(at) = position(family, letter) else { return false };
        let (Some(known), Some(slot)) = (LETTERS.get(at), self.letters.get_mut(at)) else { return false };
        match u8::try_from(value) {
            Ok(value) if value <= known.most => {
                *slot = value;
                true
            }
            Ok(_) | Err(_) => false,
        }
    }

    /// What was set for a parameter, if anything was.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(AsRef::as_ref)
    }

    /// Sets a parameter; what it takes is for [`parameters`] to know.
    pub(super) fn set_parameter(&mut self, name: &str, values: &str) {
        self.parameters.insert(name.into(), values.into());
    }

    /// One number of a parameter that stands in the table, as set or as it leaves the factory.
    pub(super) fn number(&self, name: &str, index: usize) -> u32 {
        let field = |values: &str| values.split(',').nth(index).and_then(|value| value.parse().ok());
        let set = self.parameter(name).and_then(field);
        set.or_else(|| parameters::find(name).and_then(|known| field(&known.factory()))).unwrap_or(0)
    }

    /// Whether a setting, written as the command that makes it (`+VCID=1`, `S40.2=1`), is in force.
    pub(super) fn holds(&self, setting: &str) -> bool {
        match the_command(setting) {
            Some(Command::SetRegister { register, value }) => self.registers.read(register) == Some(value),
            Some(Command::SetRegisterBit { register, bit, on }) => {
                self.registers.read(register).is_some_and(|value| (value >> bit & 1 == 1) == on)
            }
            Some(Command::Extended { name, action: Action::Set(values) }) => match self.parameter(&name) {
                Some(set) => set == values,
                None => parameters::find(&name).is_some_and(|known| known.factory() == values),
            },
            Some(Command::Basic { family, letter, value }) => u32::from(self.letter(family, letter)) == value,
            Some(
                Command::Dial(_)
                | Command::ReadRegister(_)
                | Command::ReadRegisterBit { .. }
                | Command::StoreNumber { .. }
                | Command::ReadNumber(_)
                | Command::Extended { .. },
            )
            | None => false,
        }
    }

    /// `E1`: characters typed in command state are echoed.
    pub(super) fn echo(&self) -> bool {
        self.letter(None, 'E') == 1
    }

    /// `V1`: result codes are words.
    pub(super) fn verbose(&self) -> bool {
        self.letter(None, 'V') == 1
    }

    /// `X0` to `X4`: what call progress the modem hears (V.250 6.2.7).
    pub(super) fn call_progress(&self) -> u8 {
        self.letter(None, 'X')
    }

    /// Whether the modem waits for dial tone before it dials (`X2`, `X4`).
    pub(super) fn hears_dial_tone(&self) -> bool {
        matches!(self.call_progress(), 2 | 4)
    }

    /// Whether the modem tells a busy tone from others (`X3`, `X4`).
    pub(super) fn hears_busy(&self) -> bool {
        self.call_progress() >= 3
    }

    /// `&D`.
    pub(super) fn dtr_drop(&self) -> DtrDrop {
        match self.letter(Some('&'), 'D') {
            0 => DtrDrop::Ignore,
            1 => DtrDrop::Escape,
            2 => DtrDrop::HangUp,
            _ => DtrDrop::Reset,
        }
    }

    /// The settings as `&V` lists them: `B1 E1 L2 … T V1 W0 …`; a stored profile has no `&Y`.
    pub(super) fn listing(&self, stored: bool) -> String {
        let listed = if stored { LISTED - 1 } else { LISTED };
        let mut text = String::new();
        for (known, value) in LETTERS.iter().zip(&self.letters).filter(|(known, _)| !unlisted(known)).take(listed) {
            if known.family.is_none() && known.letter == 'V' {
                text.push_str(if self.pulse { "P " } else { "T " });
            }
            text.extend(known.family);
            text.push(known.letter);
            text.push_str(&value.to_string());
            text.push(' ');
        }
        text
    }
}

/// How many letters `&V` lists.
const LISTED: usize = 21;

fn unlisted(letter: &Letter) -> bool {
    letter.family.is_none() && matches!(letter.letter, 'C' | 'F')
}

fn position(family: Option<char>, letter: char) -> Option<usize> {
    LETTERS.iter().position(|known| (known.family, known.letter) == (family, letter))
}

/// The one command that a profile's setting is.
pub(super) fn the_command(setting: &str) -> Option<Command> {
    let mut read = commands(setting.as_bytes());
    let command = read.next()?.ok()?;
    read.next().is_none().then_some(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_keep_numbers_within_their_ranges() {
        let mut settings = Settings::factory(&Profile::default_profile());
        assert!(settings.set_letter(None, 'X', 4) && !settings.set_letter(None, 'X', 5));
        assert!(!settings.set_letter(Some('&'), 'Z', 0) && !settings.set_letter(None, 'B', 1000));
        assert_eq!((settings.letter(None, 'X'), settings.letter(Some('%'), 'C')), (4, 3));
    }

    #[test]
    fn only_x2_and_x4_hear_dial_tone_and_only_x3_and_x4_hear_busy() {
        let mut settings = Settings::factory(&Profile::default_profile());
        let heard: Vec<_> = (0..=4)
            .map(|x| {
                settings.set_letter(None, 'X', x);
                (settings.hears_dial_tone(), settings.hears_busy())
            })
            .collect();
        assert_eq!(heard, [(false, false), (false, false), (true, false), (false, true), (true, true)]);
    }

    #[test]
    fn a_setting_holds_as_register_bit_parameter_or_letter() {
        let kind = Profile::from_toml("id = \"x\"\nname = \"x\"\n[emulation]\ncaller-id-by = [\"S153=6\"]").unwrap();
        let mut settings = Settings::factory(&kind);
        assert!(settings.registers.set(153, 6) && settings.registers.set(40, 4));
        settings.set_parameter("*ID", "1");
        for (setting, holds) in [
            ("S153=6", true),
            ("S153=7", false),
            ("S40.2=1", true),
            ("S40.1=1", false),
            ("S40.1=0", true),
            ("*ID1", true),
            ("*ID=1", true),
            ("+VDR=0,0", true),
            ("+VDR=1,0", false),
            ("&K3", true),
            ("E0", false),
            ("nonsense", false),
        ] {
            assert_eq!(settings.holds(setting), holds, "{setting}");
        }
    }
}
