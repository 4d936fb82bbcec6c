//! What the modem tells of itself: `I`, `&V` (V.250 6.1.3 leaves the texts to the maker).

use super::connect::modulation;
use super::orders::{ERROR, Obeyed};
use super::settings::Settings;
use super::{Dce, State};
use crate::profile::RingStyle;

/// The registers that `&V` lists of the active profile, and of a stored one, as Rockwell has them.
const ACTIVE: [u8; 21] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 18, 25, 26, 36, 38, 46, 48, 95];
const STORED: [u8; 15] = [0, 2, 6, 7, 8, 9, 10, 11, 12, 18, 36, 40, 41, 46, 95];
const A_ROW: usize = 10;

impl Dce {
    /// `I`: product, checksum, test, model, settings, diagnostics and so on.
    pub(super) fn identify(&mut self, number: u32) -> Obeyed {
        let answers = &self.kind.emulation.answers;
        let known = match number {
            0 => answers.get("I").or_else(|| answers.get("I0")),
            _ => answers.get(&format!("I{number}")),
        };
        let known = known.cloned();
        let robotics = self.kind.emulation.ring == RingStyle::Lettered;
        match (number, known) {
            // Its settings stand in there, so the text of the kind gives the heading only.
            (4, known) if robotics => {
                let heading = known.and_then(|lines| lines.into_iter().next());
                self.view_in_short(&heading.unwrap_or_else(|| format!("{} Settings...", self.kind.name)));
            }
            (_, Some(lines)) => self.information(&lines),
            (_, None) if self.is_cellular() => return ERROR,
            (4, None) => self.view(0),
            (6, None) => self.view_last_call(),
            (_, None) => {}
        }
        Obeyed::Next
    }

    /// `&V`: the settings in force and the stored ones; `&V1`: the last call.
    pub(super) fn view(&mut self, which: u32) {
        if which == 1 {
            return self.view_last_call();
        }
        let mut lines = vec!["ACTIVE PROFILE:".to_owned()];
        lines.push(self.settings.listing(false).trim_end().to_owned());
        lines.extend(registers(&self.settings, &ACTIVE));
        let factory = Settings::factory(&self.kind);
        for (number, stored) in self.stored.iter().enumerate() {
            let stored = stored.as_deref().unwrap_or(&factory);
            lines.extend([String::new(), format!("STORED PROFILE {number}:"), stored.listing(true)]);
            lines.extend(registers(stored, &STORED));
        }
        if !self.numbers.is_empty() {
            lines.extend([String::new(), "TELEPHONE NUMBERS:".to_owned()]);
            lines.extend(self.numbers.iter().map(|(place, number)| format!("{place}={number}")));
        }
        self.information(&lines);
    }

    /// `I4` of U.S. Robotics.
    fn view_in_short(&mut self, heading: &str) {
        let shown = |letter: char| format!("{letter}{}", self.settings.letter(None, letter));
        let letters = ['B', 'E', 'F', 'L', 'M', 'Q', 'V', 'X', 'Y'].map(shown).join("  ");
        let dial = if self.settings.pulse { "PULSE" } else { "TONE" };
        let hook = if matches!(self.state, State::Idle) { "ON HOOK" } else { "OFF HOOK" };
        let lines = [
            heading.to_owned(),
            String::new(),
            format!("   {letters}"),
            format!("   BAUD={}  PARITY=N  WORDLEN=8", self.rate_of_terminal()),
            format!("   DIAL={dial:<8}{hook}"),
        ];
        self.information(&lines);
    }

    /// `I6`, `&V1`: the call there is, or the last one.
    fn view_last_call(&mut self) {
        let present = match &self.state {
            State::Data { carrier, .. } | State::Escaped { carrier } => Some((carrier.rate, "NONE")),
            State::Idle
            | State::OffHook { .. }
            | State::Dialling(_)
            | State::Awaiting { .. }
            | State::Collided { .. } => None,
        };
        let (rate, cause) = present.or(self.last_call).unwrap_or((0, "NONE"));
        let told = |text: &str| if rate == 0 { "NONE".to_owned() } else { text.to_owned() };
        let lines = [
            format!("TERMINATION REASON.......... {cause}"),
            format!("LAST TX rate................ {rate} BPS"),
            format!("LAST RX rate................ {rate} BPS"),
            format!("MODULATION.................. {}", told(&modulation(rate))),
            format!("PROTOCOL.................... {}", told(self.error_control())),
            format!("COMPRESSION................. {}", told(self.compression())),
        ];
        self.information(&lines);
    }
}

/// Registers in rows of ten; a row that is not full ends with a blank.
fn registers(settings: &Settings, which: &[u8]) -> Vec<String> {
    let shown = |register: &u8| settings.registers.read(*register).map(|value| format!("S{register:02}:{value:03}"));
    let row = |registers: &[u8]| {
        let text = registers.iter().filter_map(shown).collect::<Vec<_>>().join(" ");
        if registers.len() < A_ROW { format!("{text} ") } else { text }
    };
    which.chunks(A_ROW).map(row).collect()
}
