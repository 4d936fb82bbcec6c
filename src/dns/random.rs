//! Unpredictable numbers for message identifiers and jitter.

use std::io;
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};

/// Gives a message identifier that nobody off the path can guess (RFC 5452 section 9.2).
pub(super) fn message_id() -> io::Result<u16> {
    let mut bytes = [0; 2];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|ring::error::Unspecified| io::Error::other("the system gave no random numbers"))?;
    Ok(u16::from_be_bytes(bytes))
}

/// Gives a duration between three and five quarters of `pause`.
#[must_use]
pub fn jittered(pause: Duration) -> Duration {
    let chance = message_id().unwrap_or(u16::MAX / 2);
    let part = f64::from(chance) / f64::from(u16::MAX);
    pause.mul_f64(0.75 + part / 2.0)
}
