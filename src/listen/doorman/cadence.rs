//! How long a line must be silent before the caller is sure to have hung up.
//!
//! Owns what was learnt from the rings heard. The owner's own figure holds, and is the least, until three rings in a row
//! came in step; from then on what is heard counts, and never less than the longest pause that was heard.

use std::collections::VecDeque;
use std::time::Duration;

/// How late a ring may come after its time before the caller counts as gone: exchanges keep a cadence to a tenth.
const MARGIN: Duration = Duration::from_millis(500);
/// Rings that follow sooner are the bursts of one, told one by one: no exchange has a cadence that short.
const BURST: Duration = Duration::from_secs(2);
/// How many pauses are remembered: some calls' worth, so that one ring missed is forgotten some day.
const REMEMBERED: usize = 16;

/// The rhythm of a line's bell.
#[derive(Debug)]
pub(super) struct Cadence {
    configured: Duration,
    /// From the start of one ring to the start of the next, the newest last.
    heard: VecDeque<Duration>,
    /// The pause before the last ring of this call.
    last: Option<Duration>,
    /// Two pauses of one call in a row were the same. The first alone may be the rest of a cadence that was running when
    /// the caller came in.
    learnt: bool,
}

impl Cadence {
    pub(super) fn new(configured: Duration) -> Self {
        Self { configured, heard: VecDeque::new(), last: None, learnt: false }
    }

    /// The owner says otherwise.
    pub(super) fn set_configured(&mut self, configured: Duration) {
        self.configured = configured;
    }

    /// A call begins.
    pub(super) fn begin(&mut self) {
        self.last = None;
    }

    /// The line rang again in the same call, so long after the ring before.
    pub(super) fn note(&mut self, pause: Duration) {
        if pause < BURST {
            return;
        }
        if self.last.is_some_and(|last| last.abs_diff(pause) <= MARGIN) && !self.learnt {
            self.learnt = true;
            tracing::debug!(?pause, "the cadence of the line is learnt");
        }
        self.last = Some(pause);
        if self.heard.len() == REMEMBERED {
            self.heard.pop_front();
        }
        self.heard.push_back(pause);
    }

    /// How long after a ring the next one would have come.
    pub(super) fn silence(&self) -> Duration {
        let heard = self.heard.iter().max().copied().unwrap_or_default();
        let cadence = if self.learnt { heard } else { heard.max(self.configured) };
        cadence + MARGIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    /// The silence after calls with these pauses on a line said to ring each 6 s.
    fn silence_after(calls: &[&[f64]]) -> Duration {
        let mut cadence = Cadence::new(seconds(6.0));
        for call in calls {
            cadence.begin();
            call.iter().for_each(|pause| cadence.note(seconds(*pause)));
        }
        cadence.silence().saturating_sub(MARGIN)
    }

    #[test]
    fn what_the_owner_said_holds_until_three_rings_came_in_step() {
        assert_eq!(silence_after(&[]), seconds(6.0));
        assert_eq!(silence_after(&[&[3.0]]), seconds(6.0));
        assert_eq!(silence_after(&[&[3.0], &[3.0]]), seconds(6.0), "each the end of a cadence that ran");
        assert_eq!(silence_after(&[&[3.0, 3.1]]), seconds(3.1));
    }

    #[test]
    fn it_is_never_less_than_the_longest_pause_heard() {
        assert_eq!(silence_after(&[&[7.5]]), seconds(7.5));
        assert_eq!(silence_after(&[&[3.0, 3.0, 9.0]]), seconds(9.0));
        assert_eq!(silence_after(&[&[2.5, 6.0, 6.0], &[6.0]]), seconds(6.0));
    }

    #[test]
    fn the_bursts_of_one_ring_are_no_cadence() {
        assert_eq!(silence_after(&[&[0.6, 0.6, 0.6, 0.6]]), seconds(6.0));
    }

    #[test]
    fn a_ring_that_was_missed_once_is_forgotten() {
        let steady = [3.0; REMEMBERED];
        assert_eq!(silence_after(&[&[3.0, 3.0, 6.0], &steady]), seconds(3.0));
    }
}
