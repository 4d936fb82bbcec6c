//! The escape from data to command state: three S2 characters with S12 of silence before and after (Hayes).

use std::time::{Duration, Instant};

/// Watches the data a terminal sends for the escape sequence.
#[derive(Clone, Debug)]
pub(super) struct EscapeWatch {
    last: Instant,
    seen: u8,
}

impl EscapeWatch {
    /// Starts watching as data state is entered.
    pub(super) fn new(now: Instant) -> Self {
        Self { last: now, seen: 0 }
    }

    /// Takes data from the terminal; `character` is S2, `guard` is S12.
    pub(super) fn observe(&mut self, bytes: &[u8], character: u8, guard: Duration, now: Instant) {
        for byte in bytes {
            let pause = now.saturating_duration_since(self.last);
            self.seen = match self.seen {
                _ if character > 127 || *byte != character => 0,
                0 if pause >= guard => 1,
                seen @ 1..=2 if pause <= guard || guard.is_zero() => seen + 1,
                _ => 0,
            };
            self.last = now;
        }
    }

    /// When the silence after the third character is long enough, if it has come to that.
    pub(super) fn deadline(&self, guard: Duration) -> Option<Instant> {
        (self.seen == 3).then(|| self.last + guard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUARD: Duration = Duration::from_secs(1);

    fn after(typed: &[(u64, &[u8])]) -> Option<u64> {
        let start = crate::emulator::an_instant();
        let mut watch = EscapeWatch::new(start);
        for (at, bytes) in typed {
            watch.observe(bytes, b'+', GUARD, start + Duration::from_millis(*at));
        }
        watch.deadline(GUARD).map(|at| u64::try_from((at - start).as_millis()).unwrap())
    }

    #[test]
    fn three_characters_amid_silence_escape_one_guard_time_later() {
        assert_eq!(after(&[(1000, b"+++")]), Some(2000));
        assert_eq!(after(&[(1500, b"+"), (2000, b"+"), (2900, b"+")]), Some(3900));
    }

    #[test]
    fn too_early_too_slow_or_anything_else_between_is_no_escape() {
        assert_eq!(after(&[(999, b"+++")]), None);
        assert_eq!(after(&[(1000, b"+"), (2100, b"++")]), None);
        assert_eq!(after(&[(1000, b"++x+")]), None);
    }

    #[test]
    fn another_byte_after_the_third_takes_it_back() {
        assert_eq!(after(&[(1000, b"+++"), (1900, b"A")]), None);
        assert_eq!(after(&[(1000, b"++++")]), None);
    }

    #[test]
    fn a_character_above_127_switches_the_escape_off() {
        let start = crate::emulator::an_instant();
        let mut watch = EscapeWatch::new(start);
        watch.observe(&[200; 3], 200, GUARD, start + GUARD);
        assert_eq!(watch.deadline(GUARD), None);
    }
}
