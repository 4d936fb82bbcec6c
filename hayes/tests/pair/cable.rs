//! One direction of a serial cable: bytes arrive a little later, cut anywhere, in their order.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::dice::Dice;

/// What may happen to the bytes on their way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// Nothing.
    #[default]
    Sound,
    /// One byte in so many is lost, changed, or followed by one that nobody sent.
    Noisy(u64),
    /// Nothing arrives.
    Unplugged,
}

/// One direction of a cable.
#[derive(Debug, Default)]
pub struct Cable {
    pub condition: Condition,
    under_way: VecDeque<(Instant, Vec<u8>)>,
}

/// The longest that a chunk takes: a USB serial adapter's latency timer.
const LATENCY_MS: u64 = 16;

impl Cable {
    /// Takes bytes at one end.
    pub fn send(&mut self, bytes: &[u8], dice: &mut Dice, now: Instant) {
        let mut bytes = self.spoil(bytes, dice);
        while !bytes.is_empty() {
            let length = dice.up_to(bytes.len().min(64) as u64) as usize;
            let rest = bytes.split_off(length.clamp(1, bytes.len()));
            let fresh = now + Duration::from_micros(dice.below(1000 * LATENCY_MS));
            let at = self.under_way.back().map_or(fresh, |(before, _)| fresh.max(*before));
            self.under_way.push_back((at, std::mem::replace(&mut bytes, rest)));
        }
    }

    /// Hands out what has arrived at the other end.
    pub fn take_arrived(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.under_way.front().filter(|(at, _)| *at <= now)?;
        self.under_way.pop_front().map(|(_, bytes)| bytes)
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.under_way.front().map(|(at, _)| *at)
    }

    /// How many bytes have not arrived yet.
    pub fn len(&self) -> usize {
        self.under_way.iter().map(|(_, bytes)| bytes.len()).sum()
    }

    fn spoil(&self, bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
        let one_in = match self.condition {
            Condition::Sound => return bytes.to_vec(),
            Condition::Unplugged => return Vec::new(),
            Condition::Noisy(one_in) => one_in,
        };
        let mut spoilt = Vec::new();
        for byte in bytes {
            match if dice.one_in(one_in) { dice.below(3) } else { 3 } {
                0 => {}
                1 => spoilt.push(byte ^ (1 << dice.below(8))),
                2 => spoilt.extend([*byte, dice.below(256) as u8]),
                _ => spoilt.push(*byte),
            }
        }
        spoilt
    }
}
