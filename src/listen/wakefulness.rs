//! What a line has to do with the machine's sleep: keeps it awake from the first ring on, and tells what sleep cut off.
//!
//! Decides one thing only: whether a ring was lost on wake. The first ring wakes the machine, and its RING is often gone
//! by the time that anybody reads; a ring that comes so soon after a resume is at least the second.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::sleep::{Hold, Moment, Sleep};

/// In how many cadences a caller who rang has rung again: one, and as much again for a machine that is slow to wake.
const RING_AGAIN: u32 = 2;

/// A line's share in the machine's sleep.
#[derive(Debug)]
pub(super) struct Wakefulness {
    sleep: Sleep,
    moments: watch::Receiver<Moment>,
    hold: Option<Hold>,
    /// Naps that this line knows of.
    naps: u64,
    /// When the machine woke up last, until the lost ring has been made up for.
    resumed: Option<Instant>,
    /// Until when whoever has woken the machine may ring again.
    linger: Option<Instant>,
}

/// What happened to the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It has slept: what stood before has fallen, and a call may be ringing.
    Slept,
    /// It will sleep in some seconds, whatever stands.
    Going,
}

impl Wakefulness {
    pub(super) fn new(sleep: &Sleep) -> Self {
        let mut moments = sleep.follow();
        let naps = moments.borrow_and_update().naps;
        Self { sleep: sleep.clone(), moments, hold: None, naps, resumed: None, linger: None }
    }

    /// A ring, or what goes with one, came: the machine stays awake. Gives when the ring before it was lost, if one was;
    /// a caller rings again within two cadences.
    pub(super) fn handle_ring(&mut self, cadence: Duration, now: Instant) -> Option<Instant> {
        self.hold.get_or_insert_with(|| self.sleep.hold());
        // Nobody may have told us yet that the machine has slept.
        let _moment = self.sleep.look();
        self.note(now);
        let resumed = self.resumed.take()?;
        (now.saturating_duration_since(resumed) <= cadence * RING_AGAIN).then_some(resumed)
    }

    /// The machine has woken up: it stays awake until whoever has woken it has had time to ring again. `rings` says that
    /// the modem knows of a call, so that none has to be guessed.
    pub(super) fn handle_resume(&mut self, cadence: Duration, rings: bool, now: Instant) {
        self.hold.get_or_insert_with(|| self.sleep.hold());
        self.linger = Some(now + cadence * RING_AGAIN);
        if rings {
            self.resumed = None;
        }
    }

    /// Lets the machine sleep if neither a call nor the time after a resume keeps it awake.
    pub(super) fn settle(&mut self, is_in_call: bool, now: Instant) {
        self.linger = self.linger.filter(|until| *until > now);
        if !is_in_call && self.linger.is_none() {
            self.hold = None;
        }
    }

    /// When [`Wakefulness::settle`] is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.linger
    }

    /// Waits until something happens to the machine.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(super) async fn change(&mut self) -> Change {
        loop {
            if self.moments.changed().await.is_err() {
                return std::future::pending().await;
            }
            let now = crate::clock::now();
            if self.note(now) {
                return Change::Slept;
            }
            if self.moments.borrow().going {
                return Change::Going;
            }
        }
    }

    /// Tells whether the machine has slept since the last time.
    fn note(&mut self, now: Instant) -> bool {
        let naps = self.moments.borrow().naps;
        let slept = naps != self.naps;
        if slept {
            self.naps = naps;
            self.resumed = Some(now);
        }
        slept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CADENCE: Duration = Duration::from_secs(6);

    /// A copy of the count that the kernel keeps of its sleeps.
    struct Machine {
        folder: std::path::PathBuf,
        sleep: Sleep,
    }

    impl Machine {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("ringup-wakefulness-{}-{name}", std::process::id()));
            std::fs::create_dir_all(folder.join("power/suspend_stats")).unwrap();
            let settings = crate::sleep::Settings {
                suspend_after: None,
                state: "mem".to_owned(),
                inhibit: true,
                wake_on_ring: crate::sleep::WakeOnRing::No,
                stay_awake: folder.join("stay-awake"),
                sys: folder.clone(),
            };
            let machine = Self { sleep: Sleep::new(settings), folder };
            machine.naps(0);
            let _moment = machine.sleep.look();
            machine
        }

        fn naps(&self, naps: u32) {
            std::fs::write(self.folder.join("power/suspend_stats/success"), naps.to_string()).unwrap();
        }
    }

    impl Drop for Machine {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.folder).unwrap();
        }
    }

    #[test]
    fn the_ring_after_a_resume_makes_up_for_the_one_that_was_lost_and_only_that_one() {
        let machine = Machine::new("lost");
        let mut line = Wakefulness::new(&machine.sleep);
        let now = crate::clock::now();
        assert_eq!(line.handle_ring(CADENCE, now), None, "nothing has slept");
        machine.naps(1);
        let rung = now + Duration::from_secs(600);
        assert!(line.handle_ring(CADENCE, rung).is_some(), "nobody had told us of the resume");
        assert_eq!(line.handle_ring(CADENCE, rung + CADENCE), None);
    }

    #[tokio::test]
    async fn a_ring_long_after_a_resume_is_a_first_ring() {
        let machine = Machine::new("later");
        let mut line = Wakefulness::new(&machine.sleep);
        machine.naps(1);
        let _moment = machine.sleep.look();
        assert_eq!(line.change().await, Change::Slept);
        assert_eq!(line.handle_ring(CADENCE, crate::clock::now() + 3 * CADENCE), None);
    }

    #[test]
    fn the_machine_stays_awake_for_a_call_and_for_two_cadences_after_a_resume() {
        let machine = Machine::new("linger");
        let mut line = Wakefulness::new(&machine.sleep);
        let now = crate::clock::now();
        line.handle_resume(CADENCE, false, now);
        line.settle(false, now + CADENCE);
        assert!(line.hold.is_some());
        assert_eq!(line.deadline(), Some(now + 2 * CADENCE));
        line.settle(true, now + 2 * CADENCE);
        assert!(line.hold.is_some(), "somebody rings");
        line.settle(false, now + 3 * CADENCE);
        assert!(line.hold.is_none());
    }
}
