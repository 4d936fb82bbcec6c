//! The annunciator: which of many parties want to be looked at, so that the cost of a turn follows what happened.
//!
//! Owns a waker for each party and the list of those that were woken, in the order they were. Knows nothing of what a
//! party is; looking at one that wants nothing must be harmless.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Wake, Waker};

/// The board on which a drop falls for each party that stirs.
#[derive(Clone, Debug)]
pub(super) struct Annunciator<K> {
    board: Arc<Mutex<Board<K>>>,
}

#[derive(Debug)]
struct Board<K> {
    fallen: Vec<K>,
    down: BTreeSet<K>,
    operator: Option<Waker>,
}

/// One party's drop.
struct Drop<K> {
    party: K,
    board: Arc<Mutex<Board<K>>>,
}

impl<K: Ord + Copy + Send + Sync + 'static> Annunciator<K> {
    pub(super) fn new() -> Self {
        let board = Board { fallen: Vec::new(), down: BTreeSet::new(), operator: None };
        Self { board: Arc::new(Mutex::new(board)) }
    }

    /// What wakes the task on behalf of `party`.
    pub(super) fn waker(&self, party: K) -> Waker {
        Waker::from(Arc::new(Drop { party, board: Arc::clone(&self.board) }))
    }

    /// Has `party` looked at on the next [`take`](Self::take), which must come without waiting.
    pub(super) fn note(&self, party: K) {
        lock(&self.board).note(party);
    }

    /// Moves everybody who stirred to the end of `parties`, and has `cx` woken when somebody stirs again.
    pub(super) fn take(&self, cx: &Context<'_>, parties: &mut Vec<K>) {
        let mut board = lock(&self.board);
        board.down.clear();
        parties.append(&mut board.fallen);
        if board.operator.as_ref().is_none_or(|operator| !operator.will_wake(cx.waker())) {
            board.operator = Some(cx.waker().clone());
        }
    }
}

impl<K: Ord + Copy> Board<K> {
    fn note(&mut self, party: K) {
        if self.down.insert(party) {
            self.fallen.push(party);
        }
    }
}

impl<K: Ord + Copy + Send + Sync + 'static> Wake for Drop<K> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let operator = {
            let mut board = lock(&self.board);
            board.note(self.party);
            board.operator.clone()
        };
        if let Some(operator) = operator {
            operator.wake();
        }
    }
}

/// A list is as good after a panic as before.
fn lock<K>(board: &Mutex<Board<K>>) -> MutexGuard<'_, Board<K>> {
    board.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn each_party_that_stirred_is_told_once_in_order_and_wakes_the_task() {
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let task = Waker::from(Arc::clone(&count));
        let cx = Context::from_waker(&task);
        let annunciator = Annunciator::new();
        let (five, two) = (annunciator.waker(5), annunciator.waker(2));
        let mut parties = Vec::new();
        annunciator.take(&cx, &mut parties);
        assert_eq!(parties, []);
        five.wake_by_ref();
        two.wake_by_ref();
        five.wake_by_ref();
        annunciator.note(2);
        annunciator.note(1);
        annunciator.take(&cx, &mut parties);
        assert_eq!(parties, [5, 2, 1]);
        assert!(count.0.load(Ordering::Relaxed) >= 1);
        annunciator.take(&cx, &mut parties);
        assert_eq!(parties, [5, 2, 1]);
        five.wake();
        annunciator.take(&cx, &mut parties);
        assert_eq!(parties, [5, 2, 1, 5]);
    }
}
