//! The S-registers of a modem.
//!
//! Owns values, ranges and factory defaults (V.250 6.2 and 6.3; S1, S2, S11, S12 and those from S18 on are Hayes and
//! Rockwell). It acts on nothing.

use std::collections::BTreeMap;
use std::time::Duration;

/// The highest register that every kind of modem has.
pub const HIGHEST_REGISTER: u8 = 99;

/// Registers that leave the factory with another value than 0.
const FACTORY: [(u8, u8); 17] = [
    (2, 43),
    (3, 13),
    (4, 10),
    (5, 8),
    (6, 2),
    (7, 50),
    (8, 2),
    (9, 6),
    (10, 14),
    (11, 95),
    (12, 50),
    (25, 5),
    (26, 1),
    (36, 7),
    (38, 20),
    (46, 138),
    (48, 7),
];

/// S-registers 0 to 99, and those beyond that a kind of modem has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registers {
    common: [u8; HIGHEST_REGISTER as usize + 1],
    more: BTreeMap<u8, u8>,
}

impl Default for Registers {
    fn default() -> Self {
        let mut registers = Self { common: [0; HIGHEST_REGISTER as usize + 1], more: BTreeMap::new() };
        for (register, value) in FACTORY {
            registers.set(register, value);
        }
        registers
    }
}

impl Registers {
    /// The register's value, or `None` if there is no such register.
    #[must_use]
    pub fn read(&self, register: u8) -> Option<u8> {
        self.common.get(usize::from(register)).or_else(|| self.more.get(&register)).copied()
    }

    /// Writes the register; answers whether there is one that takes the value (V.250 6.2.1 to 6.2.3: S3 to S5 are
    /// characters of seven bits).
    pub fn set(&mut self, register: u8, value: u8) -> bool {
        if matches!(register, 3..=5) && value > 127 {
            return false;
        }
        match self.common.get_mut(usize::from(register)).or_else(|| self.more.get_mut(&register)) {
            Some(slot) => {
                *slot = value;
                true
            }
            None => false,
        }
    }

    /// Gives the modem a register of its kind, beyond the common ones, with this value.
    pub fn add(&mut self, register: u8, value: u8) {
        if !self.set(register, value) {
            self.more.insert(register, value);
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

    /// S10: how long the carrier may be away, `None` for ever (V.250 6.3.12; tenths of a second, 255 for ever).
    #[must_use]
    pub fn carrier_loss(&self) -> Option<Duration> {
        Some(self.value(10))
            .filter(|tenths| *tenths != 255)
            .map(|tenths| Duration::from_millis(100 * u64::from(tenths)))
    }

    /// S30: how long no data may pass before the modem hangs up, `None` for ever (tens of seconds, 0 for ever).
    #[must_use]
    pub fn inactivity(&self) -> Option<Duration> {
        Some(self.value(30)).filter(|tens| *tens != 0).map(|tens| Duration::from_secs(10 * u64::from(tens)))
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
    fn a_kind_may_have_registers_beyond_the_common_ones() {
        let mut registers = Registers::default();
        registers.add(153, 6);
        assert!(registers.set(153, 7));
        assert_eq!(registers.read(153), Some(7));
    }

    #[test]
    fn the_characters_of_the_terminal_have_seven_bits() {
        let mut registers = Registers::default();
        assert!(registers.set(3, 127) && !registers.set(3, 128) && registers.set(2, 255));
    }

    #[test]
    fn carrier_loss_and_inactivity_may_be_waited_out_for_ever() {
        let mut registers = Registers::default();
        assert_eq!((registers.carrier_loss(), registers.inactivity()), (Some(Duration::from_millis(1400)), None));
        registers.set(10, 255);
        registers.set(30, 6);
        assert_eq!((registers.carrier_loss(), registers.inactivity()), (None, Some(Duration::from_secs(60))));
    }
}
