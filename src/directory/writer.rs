//! The one writer: decides changes in the order they come, commits them in groups, and only then tells anybody.
//!
//! Runs on a thread of its own, so that queries are answered while the disk syncs. Nothing becomes visible, and nothing is
//! acknowledged, before it is on the disk. When nothing comes it sleeps until a lease runs out or history is to be
//! forgotten.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use super::book::{self, Change};
use super::bounds::pace::Pace;
use super::figures::Figures;
use super::statement::Statement;
use super::store::Store;
use super::udp::Outbox;
use super::update::Outcome;
use super::waiters::Waiters;
use super::zone::{Entry, Index, Pending, View, Zone};
use crate::dns::WallClock;
use crate::record::{HostName, State};

/// A change on its way to the writer.
pub(super) struct Order {
    pub(super) change: Change,
    /// What is called on the writer's thread once it is decided, and on the disk: it must not wait for anything. What it has
    /// to send leaves with what the others of the group have.
    pub(super) done: Box<dyn FnOnce(Decided, &mut Outbox) + Send>,
}

/// How a change ended, and what it put on the disk.
#[derive(Debug)]
pub(super) struct Decided {
    pub(super) outcome: Outcome,
    pub(super) entries: Vec<Entry>,
}

impl Decided {
    /// It could not be stored.
    pub(super) fn failed() -> Self {
        Self { outcome: Outcome::Failed, entries: Vec::new() }
    }
}

/// The way to the writer.
#[derive(Clone)]
pub(super) struct Orders {
    sender: SyncSender<Box<Order>>,
    taken: Arc<AtomicBool>,
}

impl Orders {
    /// Hands over a change without waiting; gives it back where too many wait already, or the writer is gone.
    pub(super) fn give(&self, order: Box<Order>) -> Result<(), Box<Order>> {
        self.sender.try_send(order).map_err(|full| match full {
            TrySendError::Full(order) | TrySendError::Disconnected(order) => order,
        })
    }

    /// Tells whether the last change that there was to be stored could be; none can once the writer is gone.
    pub(super) fn are_taken(&self) -> bool {
        self.taken.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Orders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Orders").field("taken", &self.taken).finish_non_exhaustive()
    }
}

/// What a writer works with.
pub(super) struct Writer {
    pub(super) store: Store,
    pub(super) figures: Arc<Figures>,
    pub(super) pace: Pace,
    pub(super) zone: Arc<Zone>,
    pub(super) index: Arc<RwLock<Index>>,
    pub(super) waiters: Arc<Waiters>,
    pub(super) clock: WallClock,
    /// Where each new serial of the zone is told.
    pub(super) serials: watch::Sender<u32>,
    /// How long what a host said before is remembered, in seconds; `None` for ever.
    pub(super) history: Option<u64>,
}

/// Starts the writer; it ends, and closes the store, when every way to it is gone.
pub(super) fn start(writer: Writer) -> std::io::Result<(Orders, oneshot::Receiver<()>)> {
    let (orders, received) = sync_channel(QUEUE);
    let (ending, ended) = oneshot::channel();
    let taken = Arc::new(AtomicBool::new(true));
    let duties = Duties::new(writer, Arc::clone(&taken));
    thread::Builder::new().name("registrations".to_owned()).spawn(move || {
        duties.run(&received);
        // Nobody waits any more where the directory was dropped rather than shut down.
        let _nobody = ending.send(());
    })?;
    Ok((Orders { sender: orders, taken }, ended))
}

/// A writer, and what it has to do without being told.
struct Duties {
    writer: Writer,
    /// When the next lease runs out, in Unix seconds.
    next_end: Option<u64>,
    /// When history is forgotten next, in Unix seconds.
    next_pruning: u64,
    /// When it was last said that nothing can be stored, if it cannot: it is said, and tried, once a minute.
    failing: Option<u64>,
    /// What others are told of that.
    taken: Arc<AtomicBool>,
}

impl Duties {
    fn new(writer: Writer, taken: Arc<AtomicBool>) -> Self {
        let next_end = earliest_end(&writer.index.read().unwrap_or_else(PoisonError::into_inner));
        let next_pruning = writer.clock.now();
        Self { writer, next_end, next_pruning, failing: None, taken }
    }

    fn run(mut self, orders: &Receiver<Box<Order>>) {
        let mut outbox = Outbox::default();
        loop {
            match orders.recv_timeout(self.rest()) {
                Ok(first) => {
                    let mut batch = Vec::with_capacity(64);
                    batch.push(first);
                    batch.extend(orders.try_iter().take(LARGEST_BATCH - 1));
                    self.write(batch, &mut outbox);
                }
                Err(RecvTimeoutError::Timeout) => self.tidy(),
                Err(RecvTimeoutError::Disconnected) => {
                    self.taken.store(false, Ordering::Relaxed);
                    return;
                }
            }
            if self.next_end.is_some_and(|end| end <= self.writer.clock.now()) {
                self.expire();
            }
        }
    }

    /// How long there is nothing to be done.
    fn rest(&self) -> Duration {
        let pruning = self.writer.history.map(|_| self.next_pruning);
        let trying = self.failing.map(|said| said + FAILURE_PAUSE);
        let next = self.next_end.into_iter().chain(pruning).chain(trying).min();
        next.map_or(LONGEST_REST, |next| {
            // The wall clock may be set meanwhile.
            Duration::from_secs(next.saturating_sub(self.writer.clock.now())).clamp(SHORTEST_REST, LONGEST_REST)
        })
    }

    #[expect(clippy::vec_box, reason = "what the channel carries, as it comes")]
    fn write(&mut self, batch: Vec<Box<Order>>, outbox: &mut Outbox) {
        let writer = &mut self.writer;
        let now = writer.clock.now();
        let mut pending = Pending::default();
        let mut decided = Vec::with_capacity(batch.len());
        let (mut accepted, mut news) = (0, 0);
        let mut remembered = Vec::new();
        let serial = {
            let index = writer.index.read().unwrap_or_else(PoisonError::into_inner);
            for order in batch {
                let Order { change, done } = *order;
                let view = View { zone: &writer.zone, index: &index, pending: Some(&pending) };
                let taken = book::decide(&view, &change, now).and_then(|entries| {
                    writer.pace.take(paced(&entries), now)?;
                    Ok(entries)
                });
                let left = book::remember(&view, &change, &taken);
                for left in left {
                    if let Some(relative) = writer.zone.relative(&left.host) {
                        pending.remember(&relative, &left, &index);
                    }
                    remembered.push(left);
                }
                let (outcome, entries) = match taken {
                    Ok(entries) => (Outcome::Done, entries),
                    Err(refusal) => (Outcome::Refused(refusal), Vec::new()),
                };
                for entry in &entries {
                    if let Some(relative) = writer.zone.relative(entry.statement.host()) {
                        pending.add(&relative, entry, &index);
                    }
                    accepted += 1;
                    news += usize::from(!entry.renews);
                }
                decided.push((done, Decided { outcome, entries }));
            }
            next_serial(index.serial, news)
        };
        if accepted + remembered.len() > 0 {
            let entries = || decided.iter().flat_map(|(_, decided)| &decided.entries);
            let began = crate::clock::now();
            match writer.store.commit(entries(), &remembered, serial) {
                Ok(()) => {
                    writer.figures.commits.add(accepted, crate::clock::now().saturating_duration_since(began));
                    {
                        let mut index = writer.index.write().unwrap_or_else(PoisonError::into_inner);
                        index.serial = serial;
                        entries().for_each(|entry| index.insert(entry, &writer.zone));
                        remembered.iter().for_each(|left| index.fence(&left.host, &left.by, &left.fence, &writer.zone));
                    }
                    self.next_end = self.next_end.into_iter().chain(entries().filter_map(end_of)).min();
                    writer.waiters.committed(entries().map(|entry| entry.statement.host()));
                    writer.serials.send_if_modified(|told| std::mem::replace(told, serial) != serial);
                    self.succeed();
                }
                Err(error) => {
                    self.fail(&error, accepted + remembered.len());
                    // Whatever was decided rested on what is now not so, and is to be asked for again.
                    for (_, decided) in &mut decided {
                        *decided = Decided::failed();
                    }
                }
            }
        }
        for (done, decided) in decided {
            done(decided, outbox);
        }
        outbox.send();
    }

    fn succeed(&mut self) {
        if self.failing.take().is_some() {
            self.taken.store(true, Ordering::Relaxed);
            tracing::info!("registrations can be stored again");
        }
    }

    fn fail(&mut self, error: &rusqlite::Error, changes: usize) {
        self.taken.store(false, Ordering::Relaxed);
        let now = self.writer.clock.now();
        if self.failing.is_none_or(|said| now.saturating_sub(said) >= FAILURE_PAUSE) {
            let path = self.writer.store.path().display();
            tracing::error!(
                %error, changes, %path, "registrations cannot be stored and are not acknowledged; queries are answered; \
                 make room, or see to the disk"
            );
            self.failing = Some(now);
        }
    }

    /// Tells the zone, and those who have copies of it, whose lease ran out: so many at once, and then whoever registers.
    fn expire(&mut self) {
        let began = crate::clock::now();
        let writer = &mut self.writer;
        let now = writer.clock.now();
        let (mut ended, mut next) = (Vec::new(), None);
        let serial = {
            let index = writer.index.read().unwrap_or_else(PoisonError::into_inner);
            for (name, kept) in index.all().filter(|(_, kept)| kept.is_leased()) {
                if ended.len() == EXPIRED_AT_ONCE {
                    next = Some(now);
                    break;
                }
                if kept.ends() > now {
                    next = next.into_iter().chain([kept.ends()]).min();
                } else if let Some(host) = writer.zone.host(name) {
                    ended.push((Box::<[u8]>::from(name), host));
                }
            }
            next_serial(index.serial, ended.len())
        };
        // Through a large zone it takes a while: it is to be a small part of the writer's time.
        let took = crate::clock::now().saturating_duration_since(began);
        self.next_end = next.map(|end| end.max(now + (took * REST_OF_LOOKING).as_secs()));
        if ended.is_empty() {
            return;
        }
        if let Err(error) = writer.store.expire(ended.iter().map(|(_, host)| host), now, serial) {
            // The answers go by the clock anyway.
            self.next_end = Some(now + FAILURE_PAUSE);
            return self.fail(&error, ended.len());
        }
        {
            let mut index = writer.index.write().unwrap_or_else(PoisonError::into_inner);
            index.serial = serial;
            ended.iter().for_each(|(name, _)| index.expire(name));
        }
        ended.iter().for_each(|(_, host)| tracing::info!(%host, "the lease ran out"));
        writer.waiters.committed(ended.iter().map(|(_, host)| host));
        writer.serials.send_replace(serial);
    }

    /// Finds out whether there is room again, and forgets what is older than the history is to be, a little at a time.
    fn tidy(&mut self) {
        let now = self.writer.clock.now();
        if self.failing.is_some_and(|said| said + FAILURE_PAUSE <= now) {
            match self.writer.store.probe() {
                Ok(()) => self.succeed(),
                Err(error) => self.fail(&error, 0),
            }
        }
        let Some(history) = self.writer.history.filter(|_| self.next_pruning <= now) else { return };
        match self.writer.store.prune(now.saturating_sub(history), PRUNED_AT_ONCE) {
            Ok(forgotten) => {
                let more = u32::try_from(forgotten).is_ok_and(|forgotten| forgotten == PRUNED_AT_ONCE);
                self.next_pruning = if more { now } else { now + PRUNING_PAUSE };
            }
            Err(error) => {
                tracing::warn!(%error, "history cannot be forgotten");
                self.next_pruning = now + PRUNING_PAUSE;
            }
        }
    }
}

/// The hosts whose changes are counted: to take one out is the administrator's.
fn paced(entries: &[Entry]) -> impl Iterator<Item = &HostName> + Clone {
    let is_removal = |entry: &&Entry| matches!(entry.statement, Statement::Removed(_));
    entries.iter().filter(move |entry| !is_removal(entry)).map(|entry| entry.statement.host())
}

/// Serial numbers go round and never are zero (RFC 1982; RFC 2136 section 7.11).
pub(super) fn next_serial(serial: u32, changes: usize) -> u32 {
    match (changes, serial.wrapping_add(1)) {
        (0, _) => serial,
        (_, next) => next.max(1),
    }
}

fn end_of(entry: &Entry) -> Option<u64> {
    let record = entry.statement.record().filter(|record| record.state() == State::Online)?;
    Some(entry.received.saturating_add(u64::from(record.lease())))
}

fn earliest_end(index: &Index) -> Option<u64> {
    index.all().filter(|(_, kept)| kept.is_leased()).map(|(_, kept)| kept.ends()).min()
}

/// Orders that wait while the disk syncs; beyond, they fail, and their clients ask again.
const QUEUE: usize = 4096;
const LARGEST_BATCH: usize = 512;
const SHORTEST_REST: Duration = Duration::from_millis(200);
const LONGEST_REST: Duration = Duration::from_secs(3600);
/// Seconds between two lines in the log, and two tries, while the disk does not take anything.
const FAILURE_PAUSE: u64 = 60;
const PRUNED_AT_ONCE: u32 = 500;
const EXPIRED_AT_ONCE: usize = 2000;
/// How many times as long as a look at all leases took the next one is put off.
const REST_OF_LOOKING: u32 = 20;
const PRUNING_PAUSE: u64 = 6 * 3600;

#[cfg(test)]
mod tests;
