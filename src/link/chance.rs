//! The chance that spreads calls over time; [`super::Redial`] is handed it.

use ring::rand::{SecureRandom, SystemRandom};

/// A random number; the middle one where the system has none.
#[must_use]
pub fn chance() -> u16 {
    let mut bytes = [0; 2];
    match SystemRandom::new().fill(&mut bytes) {
        Ok(()) => u16::from_be_bytes(bytes),
        Err(ring::error::Unspecified) => u16::MAX / 2,
    }
}
