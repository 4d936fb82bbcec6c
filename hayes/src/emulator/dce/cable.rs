//! The serial cable between modem and terminal: what one hears of the other when their rates differ.
//!
//! A modem finds out its terminal's rate by itself unless `+IPR` fixes it (V.250 6.2.10). Then each samples the other's
//! bits at its own rate, as UARTs do, and reads something else.

use super::Dce;

/// Start bit, eight data bits, stop bit.
const FRAME: u64 = 10;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    ToModem,
    ToTerminal,
}

impl Dce {
    /// What the terminal hears of bytes that are sent to it.
    pub(in crate::emulator) fn over_the_cable(&self, bytes: Vec<u8>) -> Vec<u8> {
        self.misheard(&bytes, Direction::ToTerminal).unwrap_or(bytes)
    }

    /// What is heard in place of these bytes, where the rates differ.
    pub(super) fn misheard(&self, bytes: &[u8], direction: Direction) -> Option<Vec<u8>> {
        let (terminal, modem) = (self.terminal_rate?, self.fixed_rate);
        if modem == 0 || modem == terminal {
            return None;
        }
        Some(match direction {
            Direction::ToModem => misheard(bytes, terminal, modem),
            Direction::ToTerminal => misheard(bytes, modem, terminal),
        })
    }

    /// Takes in what commands and resets have made of `+IPR`; the result code of the command still goes out at the old
    /// rate.
    pub(super) fn settle_rate(&mut self) {
        self.fixed_rate = self.settings.number("+IPR", 0);
    }
}

/// What a receiver at one rate makes of bytes that were sent at another.
fn misheard(bytes: &[u8], sent: u32, heard: u32) -> Vec<u8> {
    let (sent, heard) = (u64::from(sent.max(1)), u64::from(heard.max(1)));
    let bit = |bit: u64| {
        let byte = usize::try_from(bit / FRAME).ok().and_then(|byte| bytes.get(byte));
        match (byte, bit % FRAME) {
            (None, _) => true,
            (Some(_), 0) => false,
            (Some(byte), place @ 1..=8) => byte >> (place - 1) & 1 == 1,
            (Some(_), _) => true,
        }
    };
    // Time is counted in parts of a second of which both bits have a whole number.
    let level = |time: u64| bit(time / heard);
    let end = bytes.len() as u64 * FRAME;
    let mut read = Vec::new();
    let mut next = 0;
    while let Some(edge) = (next..end).find(|at| !bit(*at) && (*at == 0 || bit(*at - 1))) {
        let start = edge * heard;
        let byte = (0..8).fold(0, |byte, place| byte | u8::from(level(start + sent * (3 + 2 * place) / 2)) << place);
        read.push(byte);
        next = ((start + sent * 19 / 2) / heard).max(edge + 1);
    }
    read
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_one_rate_everything_is_heard() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(misheard(&all, 9600, 9600), all);
        assert_eq!(misheard(&all, 9600, 9700), all, "UARTs bear a difference of some percent");
    }

    #[test]
    fn at_another_rate_garbage_is_heard_and_not_much_of_it() {
        for (sent, heard) in [(115_200, 9600), (9600, 115_200), (2400, 1200), (300, 921_600)] {
            let read = misheard(b"AT+GMM\r", sent, heard);
            assert_ne!(read, b"AT+GMM\r");
            assert!(read.len() <= 5 * 7, "{} bytes", read.len());
        }
    }
}
