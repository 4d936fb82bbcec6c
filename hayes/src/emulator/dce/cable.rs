//! The serial cable between modem and terminal: what one hears of the other when their rates differ.
//!
//! A modem finds out its terminal's rate by itself unless `+IPR` fixes it (V.250 6.2.10). Then each samples the other's
//! bits at its own rate, as UARTs do, and reads something else.

use super::Dce;

/// Start bit, eight data bits, stop bit.
const FRAME: u64 = 10;

impl Dce {
    /// What arrives at the other end of the cable of what is sent from here or from there.
    pub(in crate::emulator) fn over_the_cable(&self, bytes: Vec<u8>, from_the_terminal: bool) -> Vec<u8> {
        match self.terminal_rate {
            Some(terminal) if self.fixed_rate != 0 && self.fixed_rate != terminal => {
                let (sent, heard) =
                    if from_the_terminal { (terminal, self.fixed_rate) } else { (self.fixed_rate, terminal) };
                misheard(&bytes, sent, heard)
            }
            Some(_) | None => bytes,
        }
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
