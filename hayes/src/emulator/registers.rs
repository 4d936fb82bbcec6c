//! The settings of a modem: S-registers and the switches that `E`, `V`, `Q`, `X`, `&C`, `&D` set.
//!
//! Owns values, ranges and factory defaults (V.250 6.2 and 6.3; S1, S2, S11 and S12 are Hayes). It acts on nothing.

use std::time::Duration;

/// The highest register a modem of this kind has.
pub const HIGHEST_REGISTER: u8 = 99;

/// S-registers 0 to 99.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registers([u8; HIGHEST_REGISTER as usize + 1]);

impl Default for Registers {
    fn default() -> Self {
        let mut registers = Self([0; HIGHEST_REGISTER as usize + 1]);
        for (register, value) in
            [(2, 43), (3, 13), (4, 10), (5, 8), (6, 2), (7, 50), (8, 2), (9, 6), (10, 14), (11, 95), (12, 50), (38, 20)]
        {
            registers.set(register, value);
        }
        registers
    }
}

impl Registers {
    /// The register's value, or `None` if there is no such register.
    #[must_use]
    pub fn read(&self, register: u8) -> Option<u8> {
        self.0.get(usize::from(register)).copied()
    }

    /// Writes the register; answers whether there is one.
    pub fn set(&mut self, register: u8, value: u8) -> bool {
        match self.0.get_mut(usize::from(register)) {
            Some(slot) => {
                *slot = value;
                true
            }
            None => false,
        }
    }

    fn value(&self, register: u8) -> u8 {
        self.read(register).unwrap_or(0)
    }

    /// S0: rings before the modem answers by itself, 0 for never (V.250 6.3.8).
    #[must_use]
    pub fn auto_answer_rings(&self) -> u8 {
        self.value(0)
    }

    /// S2: the escape character; above 127 there is none.
    #[must_use]
    pub fn escape_character(&self) -> u8 {
        self.value(2)
    }

    /// S3: the character that ends a command line (V.250 6.2.1).
    #[must_use]
    pub fn line_termination(&self) -> u8 {
        self.value(3)
    }

    /// S4: the second character of the framing of responses (V.250 6.2.2).
    #[must_use]
    pub fn response_formatting(&self) -> u8 {
        self.value(4)
    }

    /// S5: the character that deletes the one before it (V.250 6.2.3).
    #[must_use]
    pub fn line_editing(&self) -> u8 {
        self.value(5)
    }

    /// S6: the pause before blind dialling, at least two seconds (V.250 6.3.9).
    #[must_use]
    pub fn blind_dial_pause(&self) -> Duration {
        Duration::from_secs(u64::from(self.value(6).max(2)))
    }

    /// S7: how long to wait for a carrier, at least one second (V.250 6.3.10).
    #[must_use]
    pub fn completion_timeout(&self) -> Duration {
        Duration::from_secs(u64::from(self.value(7).max(1)))
    }

    /// S8: the pause of a `,` (V.250 6.3.11).
    #[must_use]
    pub fn comma_pause(&self) -> Duration {
        Duration::from_secs(u64::from(self.value(8)))
    }

    /// S11: a tone digit and the gap behind it, each this long (Hayes, milliseconds, at least 50).
    #[must_use]
    pub fn tone_digit(&self) -> Duration {
        Duration::from_millis(2 * u64::from(self.value(11).max(50)))
    }

    /// S12: the silence around the escape sequence (Hayes, units of 20 ms).
    #[must_use]
    pub fn escape_guard(&self) -> Duration {
        Duration::from_millis(20 * u64::from(self.value(12)))
    }
}

/// How the modem takes a drop of DTR (V.250 6.2.9, `&D`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DtrDrop {
    /// `&D0`: ignores it.
    Ignore,
    /// `&D1`: returns to online command state.
    Escape,
    /// `&D2`: hangs up.
    #[default]
    HangUp,
    /// `&D3`: hangs up and resets as by `Z`.
    Reset,
}

/// Which result codes are sent (V.250 6.2.5, `Q`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quiet {
    /// `Q0`: all.
    #[default]
    Off,
    /// `Q1`: none.
    On,
    /// `Q2`: all but those of an incoming call.
    WhenAnswering,
}

/// All settings that `Z`, `&F` and `&W` move about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switches {
    /// The S-registers.
    pub registers: Registers,
    /// `E1`: characters typed in command state are echoed.
    pub echo: bool,
    /// `V1`: result codes are words.
    pub verbose: bool,
    /// `Q`.
    pub quiet: Quiet,
    /// `X0` to `X4`: what call progress the modem hears (V.250 6.2.7).
    pub call_progress: u8,
    /// `&C1`: carrier detect follows the carrier (V.250 6.2.8).
    pub carrier_follows: bool,
    /// `&D`.
    pub dtr_drop: DtrDrop,
    /// `P`: pulse dialling until told otherwise.
    pub pulse: bool,
    /// `+VCID=1` or `#CID=1`: caller identification is shown.
    pub show_caller: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            registers: Registers::default(),
            echo: true,
            verbose: true,
            quiet: Quiet::Off,
            call_progress: 4,
            carrier_follows: true,
            dtr_drop: DtrDrop::HangUp,
            pulse: false,
            show_caller: false,
        }
    }
}

impl Switches {
    /// Whether the modem waits for dial tone before it dials (`X2`, `X4`).
    #[must_use]
    pub fn hears_dial_tone(&self) -> bool {
        matches!(self.call_progress, 2 | 4)
    }

    /// Whether the modem tells a busy tone from others (`X3`, `X4`).
    #[must_use]
    pub fn hears_busy(&self) -> bool {
        self.call_progress >= 3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factory_registers_are_those_of_the_standard_and_of_hayes() {
        let registers = Registers::default();
        let values: Vec<_> = (0..=12).filter_map(|n| registers.read(n)).collect();
        assert_eq!(values, [0, 0, 43, 13, 10, 8, 2, 50, 2, 6, 14, 95, 50]);
        assert_eq!(registers.escape_guard(), Duration::from_secs(1));
    }

    #[test]
    fn there_is_no_register_beyond_the_highest() {
        let mut registers = Registers::default();
        assert!(registers.set(99, 7));
        assert!(!registers.set(100, 7));
        assert_eq!(registers.read(100), None);
    }

    #[test]
    fn only_x2_and_x4_hear_dial_tone_and_only_x3_and_x4_hear_busy() {
        let heard: Vec<_> = (0..=4)
            .map(|call_progress| Switches { call_progress, ..Switches::default() })
            .map(|profile| (profile.hears_dial_tone(), profile.hears_busy()))
            .collect();
        assert_eq!(heard, [(false, false), (false, false), (true, false), (false, true), (true, true)]);
    }
}
