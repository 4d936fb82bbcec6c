//! The journal as the rooms share it: notes are handed over and forgotten, wakes are kept track of.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use super::health::Health;
use super::note::{Entry, Note, Step, Wake, WakeNumber};
use super::store::{Line, Opened, Store};
use super::writer::{Order, Writer};

/// How many wakes are remembered for whoever asks how things stand.
const WAKES: usize = 10;
/// Notes that wait for the writer while the disk syncs.
const QUEUE: usize = 1024;

/// The machine's journal; clones are the same one.
#[derive(Clone, Debug)]
pub struct Journal {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    orders: SyncSender<Order>,
    health: watch::Sender<Health>,
    /// Newest first.
    wakes: Mutex<VecDeque<Wake>>,
    clock: fn() -> u64,
}

impl Journal {
    /// Opens the journal, or begins a new one; `clock` tells milliseconds since 1970. When the disk refuses, that is said, and
    /// tried again with each note.
    ///
    /// # Errors
    /// When no thread is to be had.
    pub fn open(path: &Path, keep: Duration, clock: fn() -> u64) -> std::io::Result<Self> {
        let mut health = Health::default();
        let mut wakes = VecDeque::new();
        let store = match Store::open(path, keep, clock()) {
            Ok(Opened { store, aside }) => {
                health.note_aside(aside);
                wakes.extend(store.wakes(WAKES).unwrap_or_default());
                Some(store)
            }
            Err(error) => {
                tracing::error!(%error, path = %path.display(), "the journal cannot be opened; ringup goes on without it");
                health.trouble = Some(error.to_string());
                None
            }
        };
        let health = watch::Sender::new(health);
        let (orders, received) = sync_channel(QUEUE);
        let writer = Writer {
            path: path.to_owned(),
            keep,
            store,
            health: health.clone(),
            clock,
            backlog: VecDeque::new(),
            closing: false,
        };
        thread::Builder::new().name("journal".to_owned()).spawn(move || writer.run(&received))?;
        Ok(Self { shared: Arc::new(Shared { orders, health, wakes: Mutex::new(wakes), clock }) })
    }

    /// Notes what happened, now.
    pub fn note(&self, line: Option<&str>, wake: Option<WakeNumber>, note: Note) {
        self.note_ago(Duration::ZERO, line, wake, note);
    }

    /// Notes what happened so long ago, and is known only now.
    pub fn note_ago(&self, ago: Duration, line: Option<&str>, wake: Option<WakeNumber>, note: Note) {
        let ago = u64::try_from(ago.as_millis()).unwrap_or(u64::MAX);
        let entry = Entry { at: (self.shared.clock)().saturating_sub(ago), line: line.map(str::to_owned), wake, note };
        self.shared.order(Order::Line(Line::Entry(entry)));
    }

    /// Begins a wake, and gives it its number.
    pub fn begin(&self, line: &str) -> WakeNumber {
        let mut wakes = self.shared.wakes();
        let number = WakeNumber(wakes.front().map_or(0, |last| last.wake.0) + 1);
        let wake = Wake::begin(number, line, (self.shared.clock)());
        wakes.push_front(wake.clone());
        wakes.truncate(WAKES);
        self.shared.order(Order::Line(Line::Wake(wake)));
        number
    }

    /// A wake has come so far; `change` adds what goes with it.
    pub fn step(&self, number: WakeNumber, step: Step, change: impl FnOnce(&mut Wake)) {
        let now = (self.shared.clock)();
        self.change(number, |wake| {
            wake.step = step;
            wake.since = now;
            change(wake);
        });
    }

    /// A wake is where it was, and still alive: after a crash it is to be taken up again.
    pub fn alive(&self, number: WakeNumber) {
        let now = (self.shared.clock)();
        self.change(number, |wake| wake.since = now);
    }

    /// Something about a wake has changed.
    pub fn change(&self, number: WakeNumber, change: impl FnOnce(&mut Wake)) {
        let mut wakes = self.shared.wakes();
        let Some(wake) = wakes.iter_mut().find(|wake| wake.wake == number) else { return };
        change(wake);
        let wake = wake.clone();
        self.shared.order(Order::Line(Line::Wake(wake)));
    }

    /// The wakes that were cut off, newest first: those that have not ended, as long as none was begun by this program.
    #[must_use]
    pub fn unfinished(&self) -> Vec<Wake> {
        self.shared.wakes().iter().filter(|wake| wake.step != Step::Ended).cloned().collect()
    }

    /// The last wakes, newest first.
    #[must_use]
    pub fn wakes(&self) -> Vec<Wake> {
        self.shared.wakes().iter().cloned().collect()
    }

    /// How the journal fares.
    #[must_use]
    pub fn health(&self) -> Health {
        self.shared.health.borrow().clone()
    }

    /// Waits until everything noted so far is on disk; gives whether it is.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn flush(&self) -> bool {
        let (done, written) = oneshot::channel();
        self.shared.order(Order::Flush(done));
        written.await.unwrap_or(false)
    }

    /// As [`Journal::flush`], and closes the file; a further note opens it again.
    pub async fn close(&self) -> bool {
        let (done, written) = oneshot::channel();
        self.shared.order(Order::Close(done));
        written.await.unwrap_or(false)
    }
}

impl Shared {
    fn wakes(&self) -> MutexGuard<'_, VecDeque<Wake>> {
        self.wakes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Never waits: a disk that hangs must not hold up a call.
    fn order(&self, order: Order) {
        match self.orders.try_send(order) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.health.send_modify(|health| health.lost += 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    const NOW: u64 = 1_790_000_000_000;

    fn open(folder: &Scratch) -> Journal {
        Journal::open(&folder.path("journal.sqlite"), Duration::from_secs(86_400), || NOW).unwrap()
    }

    #[tokio::test]
    async fn a_wake_that_did_not_end_is_found_after_a_restart_where_it_was_cut_off() {
        let folder = Scratch::new("cut-off");
        let journal = open(&folder);
        let ended = journal.begin("a");
        journal.step(ended, Step::Ended, |wake| wake.cause = Some("idle".to_owned()));
        let cut_off = journal.begin("b");
        journal.step(cut_off, Step::Registered, |wake| wake.seq = Some(7));
        assert!(journal.flush().await);
        // Not dropped in good order: what was flushed is on disk as after kill -9.
        let again = open(&folder);
        let unfinished = again.unfinished();
        assert_eq!(unfinished.len(), 1);
        let wake = &unfinished[0];
        assert_eq!((wake.wake, wake.line.as_str(), wake.step, wake.seq), (cut_off, "b", Step::Registered, Some(7)));
        assert!(again.begin("a") > cut_off, "numbers never come twice");
    }

    #[tokio::test]
    async fn a_journal_in_a_folder_that_is_not_there_says_so_and_holds_nobody_up() {
        let folder = Scratch::new("nowhere");
        let journal = Journal::open(&folder.path("no/journal.sqlite"), Duration::from_secs(86_400), || NOW).unwrap();
        let wake = journal.begin("a");
        journal.note(Some("a"), Some(wake), Note::Dialled);
        assert!(!journal.flush().await);
        assert!(journal.health().trouble.is_some());
        assert_eq!(journal.wakes().len(), 1);
        std::fs::create_dir(folder.path("no")).unwrap();
        journal.note(Some("a"), Some(wake), Note::Dialled);
        assert!(journal.flush().await, "once there is a folder");
        assert_eq!(journal.health(), Health::default());
    }
}
