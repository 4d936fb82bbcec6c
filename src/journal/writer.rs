//! The journal's one writer: commits what has come in groups, keeps it in memory while the disk refuses, and says so once.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use super::health::Health;
use super::schema;
use super::store::{Line, Opened, Store};

/// A line on its way, or the question whether all before it are on disk.
#[derive(Debug)]
pub(super) enum Order {
    Line(Line),
    Flush(oneshot::Sender<bool>),
    Close(oneshot::Sender<bool>),
}

/// Writes until every sender of orders is gone.
pub(super) struct Writer {
    pub(super) path: PathBuf,
    pub(super) keep: Duration,
    pub(super) store: Option<Store>,
    pub(super) health: watch::Sender<Health>,
    pub(super) clock: fn() -> u64,
    pub(super) backlog: VecDeque<Line>,
    pub(super) closing: bool,
}

impl Writer {
    pub(super) fn run(mut self, orders: &Receiver<Order>) {
        while let Ok(first) = orders.recv() {
            let mut waiting = Vec::new();
            self.take(first, &mut waiting);
            while self.backlog.len() < MOST_WAITING
                && let Ok(next) = orders.try_recv()
            {
                self.take(next, &mut waiting);
            }
            let written = self.write();
            if std::mem::take(&mut self.closing) {
                self.store = None;
            }
            for done in waiting {
                // Whoever does not wait any more has nothing to do with the answer.
                let _gone = done.send(written);
            }
        }
    }

    fn take(&mut self, order: Order, waiting: &mut Vec<oneshot::Sender<bool>>) {
        match order {
            Order::Line(line) => self.backlog.push_back(line),
            Order::Flush(done) => waiting.push(done),
            Order::Close(done) => {
                self.closing = true;
                waiting.push(done);
            }
        }
    }

    /// Writes all there is; tells whether it is on disk now.
    pub(super) fn write(&mut self) -> bool {
        if self.backlog.is_empty() {
            return true;
        }
        let outcome = self.try_write();
        let mut lost = 0;
        if outcome.is_ok() {
            self.backlog.clear();
        } else {
            while self.backlog.len() >= MOST_WAITING {
                let _oldest = self.backlog.pop_front();
                lost += 1;
            }
        }
        self.tell(outcome.as_ref().err(), lost);
        outcome.is_ok()
    }

    fn try_write(&mut self) -> rusqlite::Result<()> {
        let lines = self.backlog.make_contiguous();
        if let Some(store) = &mut self.store {
            match store.commit(lines) {
                Err(error) if schema::is_damage(&error) => {
                    tracing::error!(%error, "the journal is damaged");
                    self.store = None;
                }
                committed => {
                    committed?;
                    let pruned = store.prune((self.clock)())?;
                    if pruned > 0 {
                        tracing::debug!(pruned, "old entries of the journal were thrown away");
                    }
                    return Ok(());
                }
            }
        }
        let Opened { store, aside } = Store::open(&self.path, self.keep, (self.clock)())?;
        self.health.send_if_modified(|health| health.note_aside(aside));
        self.store.insert(store).commit(lines)
    }

    /// Says once when writing begins to fail, and once when it is good again.
    fn tell(&self, error: Option<&rusqlite::Error>, lost: u64) {
        let now = error.map(ToString::to_string);
        let mut lost_in_all = 0;
        let changed = self.health.send_if_modified(|health| {
            let changed = health.trouble.is_some() != now.is_some();
            health.trouble.clone_from(&now);
            health.lost += lost;
            lost_in_all = health.lost;
            changed
        });
        match (changed, now) {
            (true, Some(error)) => tracing::error!(
                error,
                path = %self.path.display(),
                "the journal cannot be written; ringup goes on without it until it can: is the disk full?"
            ),
            (true, None) => tracing::info!(lost = lost_in_all, "the journal is written again"),
            (false, _) => {}
        }
    }
}

/// Lines that wait for a disk that refuses: days of an ordinary machine.
const MOST_WAITING: usize = 4096;

#[cfg(test)]
mod tests {
    use super::super::note::{Entry, Note};
    use super::super::reader::{Filter, Reader};
    use super::*;
    use crate::scratch::Scratch;

    const NOW: u64 = 1_790_000_000_000;

    fn writer(folder: &Scratch) -> Writer {
        let (path, keep) = (folder.path("journal.sqlite"), Duration::from_secs(86_400));
        let store = Some(Store::open(&path, keep, NOW).unwrap().store);
        let health = watch::Sender::new(Health::default());
        Writer { path, keep, store, health, clock: || NOW, backlog: VecDeque::new(), closing: false }
    }

    fn kept(folder: &Scratch) -> usize {
        Reader::open(&folder.path("journal.sqlite")).unwrap().read(&Filter::default()).unwrap().len()
    }

    fn line() -> Line {
        Line::Entry(Entry { at: NOW, line: None, wake: None, note: Note::Stopped })
    }

    #[test]
    fn what_a_full_disk_refuses_is_written_when_it_takes_it() {
        let folder = Scratch::new("full");
        let mut writer = writer(&folder);
        writer.store.as_ref().unwrap().set_read_only(true);
        for _line in 0..3 {
            writer.backlog.push_back(line());
            assert!(!writer.write());
        }
        assert!(writer.health.borrow().trouble.is_some());
        writer.store.as_ref().unwrap().set_read_only(false);
        writer.backlog.push_back(line());
        assert!(writer.write());
        assert_eq!((kept(&folder), writer.health.borrow().clone()), (4, Health::default()));
    }

    #[test]
    fn what_waits_for_the_disk_is_bounded_and_what_is_lost_is_counted() {
        let folder = Scratch::new("bounded");
        let mut writer = writer(&folder);
        writer.store.as_ref().unwrap().set_read_only(true);
        writer.backlog.extend((0..MOST_WAITING + 9).map(|_line| line()));
        assert!(!writer.write());
        assert!(writer.backlog.len() < MOST_WAITING);
        assert_eq!(writer.health.borrow().lost, 10);
    }

    #[test]
    fn a_journal_damaged_while_it_is_open_is_put_aside_and_nothing_new_is_lost() {
        let folder = Scratch::new("damaged");
        let mut writer = writer(&folder);
        writer.backlog.push_back(line());
        assert!(writer.write());
        writer.store = None;
        std::fs::write(&writer.path, b"a disk's idea of a journal, which is none").unwrap();
        writer.backlog.push_back(line());
        assert!(writer.write());
        assert!(writer.health.borrow().aside.is_some());
        assert_eq!(kept(&folder), 1);
    }
}
