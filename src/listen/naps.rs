//! The machine's sleep in the journal: that it goes to sleep, that it woke, and what keeps it from either.

use std::time::Duration;

use crate::control::Front;
use crate::journal::Note;
use crate::sleep::Event;

/// What was noted of the machine's sleep.
#[derive(Debug, Default)]
pub(super) struct Naps {
    /// It was noted that the machine goes to sleep.
    begun: bool,
    /// It was tried, and failed: trying again is no news until it works.
    failing: bool,
}

impl Naps {
    /// Writes down what happened to the machine's sleep.
    pub(super) fn note(&mut self, event: &Event, front: &Front) {
        let journal = &front.journal;
        match event {
            Event::Armed { line, .. } => settle(line, front),
            Event::NotArmed { line, cause } => {
                front.board.warn(&format!("{line}: {CANNOT_WAKE}"), format!("{line}: {cause}"));
                journal.note(Some(line), None, Note::Failed { cause: cause.clone() });
            }
            Event::NotInhibited { cause } => journal.note(None, None, Note::Failed { cause: cause.clone() }),
            Event::Suspending { .. } | Event::SleepAnnounced => {
                if !self.failing && !std::mem::replace(&mut self.begun, true) {
                    journal.note(None, None, Note::Slept);
                }
            }
            Event::NotSuspended { cause } => {
                self.begun = false;
                if !std::mem::replace(&mut self.failing, true) {
                    journal.note(None, None, Note::Failed { cause: cause.clone() });
                }
            }
            Event::Resumed { by, slept } => {
                if !std::mem::take(&mut self.begun) {
                    // Somebody else had it sleep, and nobody announced it.
                    journal.note_ago(Duration::from_secs(*slept), None, None, Note::Slept);
                }
                self.failing = false;
                let slept = Some(*slept).filter(|slept| *slept > 0);
                journal.note(None, None, Note::Resumed { by: by.clone(), slept });
            }
        }
    }
}

/// Whatever was complained of about wake on ring on a line counts no more.
pub(super) fn settle(line: &str, front: &Front) {
    front.board.settle(&format!("{line}: {CANNOT_WAKE}"));
}

/// What every complaint about wake on ring begins with.
const CANNOT_WAKE: &str = "a ring cannot wake this machine";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{Budget, Caps};
    use crate::control::{Board, Desk};
    use crate::journal::{Filter, Journal, Reader};
    use crate::scratch::Scratch;

    /// What the journal says after these events, oldest first.
    async fn journalled(name: &str, events: &[Event]) -> (Vec<(u64, Note)>, Vec<String>) {
        let folder = Scratch::new(name);
        let path = folder.path("journal.sqlite");
        let today = || jiff::civil::date(2026, 11, 26);
        let (budget, _) = Budget::open(&folder.path("budget"), Caps::default(), today, || None).unwrap();
        let journal = Journal::open(&path, Duration::from_secs(86_400), || 100_000).unwrap();
        let front = Front { board: Board::new("home.dyn.test", || 5), desk: Desk::default(), budget, journal };
        let mut naps = Naps::default();
        for event in events {
            naps.note(event, &front);
        }
        front.journal.close().await;
        let found = Reader::open(&path).unwrap().read(&Filter::default()).unwrap();
        (found.into_iter().map(|found| (found.at, found.note.unwrap())).collect(), front.board.standing().warnings)
    }

    fn resumed(slept: u64) -> Event {
        Event::Resumed { by: Some("interrupt 4".to_owned()), slept }
    }

    #[tokio::test]
    async fn a_nap_is_two_entries_and_one_that_nobody_announced_began_when_the_clocks_say() {
        let (notes, _) = journalled("naps", &[Event::Suspending { by: "kernel" }, resumed(0), resumed(30)]).await;
        let awake = |slept| Note::Resumed { by: Some("interrupt 4".to_owned()), slept };
        assert_eq!(
            notes,
            [(100_000, Note::Slept), (100_000, awake(None)), (70_000, Note::Slept), (100_000, awake(Some(30))),]
        );
    }

    #[tokio::test]
    async fn a_machine_that_does_not_go_to_sleep_is_told_of_once_however_often_it_is_tried() {
        let refused = || Event::NotSuspended { cause: "the lid is open".to_owned() };
        let tried = Event::Suspending { by: "kernel" };
        let events = [tried.clone(), refused(), tried.clone(), refused(), tried.clone(), resumed(0), tried];
        let (notes, _) = journalled("naps-refused", &events).await;
        let kinds: Vec<&str> = notes.iter().map(|(_at, note)| note.kind()).collect();
        assert_eq!(kinds, ["slept", "failed", "slept", "resumed", "slept"]);
    }

    #[tokio::test]
    async fn a_port_that_cannot_wake_is_a_warning_until_it_can() {
        let line = || "/dev/ttyS0".to_owned();
        let not_armed = Event::NotArmed { line: line(), cause: format!("{CANNOT_WAKE}: no wire") };
        let (_, warnings) = journalled("naps-armed", std::slice::from_ref(&not_armed)).await;
        assert_eq!(warnings, ["/dev/ttyS0: a ring cannot wake this machine: no wire"]);
        let (_, warnings) = journalled("naps-armed", &[not_armed, Event::Armed { line: line(), hops: 2 }]).await;
        assert_eq!(warnings, Vec::<String>::new());
    }
}
