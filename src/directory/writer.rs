//! The one writer: decides changes in the order they come, commits them in groups, and only then tells anybody.
//!
//! Runs on a thread of its own, so that queries are answered while the disk syncs. Nothing becomes visible, and nothing is
//! acknowledged, before it is on the disk.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;

use tokio::sync::{mpsc, oneshot};

use super::book::{self, Change};
use super::store::Store;
use super::update::Outcome;
use super::waiters::Waiters;
use super::zone::{Entry, Index, View, Zone};
use crate::dns::WallClock;

/// A change on its way to the writer.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) change: Change,
    pub(super) done: oneshot::Sender<Decided>,
}

/// How a change ended, and what it put on the disk, if anything.
#[derive(Debug)]
pub(super) struct Decided {
    pub(super) outcome: Outcome,
    pub(super) entry: Option<Entry>,
}

/// Starts the writer; it ends, and closes the store, when every sender of orders is gone.
pub(super) fn start(
    store: Store,
    zone: Arc<Zone>,
    index: Arc<RwLock<Index>>,
    waiters: Arc<Waiters>,
    clock: WallClock,
) -> std::io::Result<(mpsc::Sender<Order>, oneshot::Receiver<()>)> {
    let (orders, received) = mpsc::channel(QUEUE);
    let (ending, ended) = oneshot::channel();
    thread::Builder::new().name("registrations".to_owned()).spawn(move || {
        Writer { store, zone, index, waiters, clock }.run(received);
        // Nobody waits any more where the directory was dropped rather than shut down.
        let _nobody = ending.send(());
    })?;
    Ok((orders, ended))
}

struct Writer {
    store: Store,
    zone: Arc<Zone>,
    index: Arc<RwLock<Index>>,
    waiters: Arc<Waiters>,
    clock: WallClock,
}

impl Writer {
    fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        while let Some(first) = orders.blocking_recv() {
            let mut batch = vec![first];
            while batch.len() < LARGEST_BATCH
                && let Ok(next) = orders.try_recv()
            {
                batch.push(next);
            }
            self.write(batch);
        }
    }

    fn write(&mut self, batch: Vec<Order>) {
        let now = self.clock.now();
        let mut pending: HashMap<_, Entry> = HashMap::new();
        let mut decided = Vec::with_capacity(batch.len());
        let mut accepted = Vec::new();
        let serial = {
            let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
            for Order { change, done } in batch {
                let view = View { zone: &self.zone, index: &index, pending: Some(&pending) };
                let (outcome, entry) = match book::decide(&view, &change, now) {
                    Ok(entry) => (Outcome::Done, entry),
                    Err(refusal) => (Outcome::Refused(refusal), None),
                };
                if let Some(entry) = &entry {
                    pending.insert(entry.statement.host().clone(), entry.clone());
                    accepted.push(entry.clone());
                }
                decided.push((done, Decided { outcome, entry }));
            }
            index.serial.wrapping_add(u32::from(!accepted.is_empty()))
        };
        if !accepted.is_empty() {
            match self.store.commit(accepted.iter(), serial) {
                Ok(()) => {
                    let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
                    index.serial = serial;
                    for (_, entry) in pending {
                        index.insert(entry, &self.zone);
                    }
                    drop(index);
                    self.waiters.committed(accepted.iter().map(|entry| entry.statement.host()));
                }
                Err(error) => {
                    tracing::error!(%error, changes = accepted.len(), "registrations cannot be stored");
                    // Whatever was decided rested on what is now not so, and is to be asked for again.
                    for (_, decided) in &mut decided {
                        *decided = Decided { outcome: Outcome::Failed, entry: None };
                    }
                }
            }
        }
        for (done, decided) in decided {
            // Whoever does not wait any more asks again.
            let _gone = done.send(decided);
        }
    }
}

/// Orders that wait while the disk syncs; beyond, clients' retransmissions do the waiting.
const QUEUE: usize = 2048;
const LARGEST_BATCH: usize = 512;

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use futures_util::FutureExt;

    use super::super::book::{Refusal, Step, Wanted};
    use super::super::fixture::{Fixture, NOW, host};
    use super::super::store::{self, Store};
    use super::super::zone::Fence;
    use super::*;
    use crate::record::{Seq, SignedRecord};

    struct Scratch(PathBuf);

    impl Drop for Scratch {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn writer(name: &str, zone: Zone) -> (Scratch, Writer) {
        let folder = std::env::temp_dir().join(format!("ringup-writer-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("directory.db");
        let (store, index) = Store::open(&path, store::lock(&path).unwrap(), &zone).unwrap();
        let index = Arc::new(RwLock::new(index));
        (
            Scratch(folder),
            Writer { store, zone: Arc::new(zone), index, waiters: Arc::default(), clock: WallClock::from_fn(|| NOW) },
        )
    }

    fn order(signed: &SignedRecord) -> (Order, oneshot::Receiver<Decided>) {
        let mut steps = vec![Step::DeleteAddresses(domain::base::iana::Rtype::ANY)];
        steps.extend(signed.record().addresses().iter().map(|address| Step::AddAddress(*address)));
        steps.push(Step::AddStatement(signed.to_string()));
        let change = Change {
            by: "home".to_owned(),
            fence: Some(Fence { time_signed: NOW, mac: signed.to_string().into_bytes() }),
            uncertified: None,
            prerequisites: Ok(Vec::new()),
            wanted: Ok(Some(Wanted { host: signed.record().host().clone(), steps })),
        };
        let (done, decided) = oneshot::channel();
        (Order { change, done }, decided)
    }

    fn known(writer: &Writer) -> Option<SignedRecord> {
        let index = writer.index.read().unwrap();
        let view = View { zone: &writer.zone, index: &index, pending: None };
        view.entry(&host("home.dyn.test")).and_then(|entry| entry.statement.signed().cloned())
    }

    #[test]
    fn changes_of_one_batch_see_each_other() {
        let fixture = Fixture::new();
        let [first, rival, next] = [(1, "203.0.113.1"), (1, "203.0.113.66"), (2, "203.0.113.2")]
            .map(|(seq, address)| fixture.statement(seq, &[address]));
        let (_scratch, mut writer) = writer("batch", fixture.zone);
        let (orders, decided): (Vec<_>, Vec<_>) = [&first, &rival, &next, &next].map(order).into_iter().unzip();
        writer.write(orders);
        let outcomes: Vec<_> = decided.into_iter().map(|mut decided| decided.try_recv().unwrap().outcome).collect();
        let stale = Refusal::Stale { offered: Seq::FIRST, known: Seq::FIRST };
        assert_eq!(outcomes, [Outcome::Done, Outcome::Refused(stale), Outcome::Done, Outcome::Done]);
        assert_eq!(known(&writer), Some(next));
        assert_eq!(writer.index.read().unwrap().serial, 2, "one commit, one serial");
    }

    #[test]
    fn a_waiter_is_woken_by_what_the_index_then_shows() {
        let fixture = Fixture::new();
        let signed = fixture.statement(1, &["203.0.113.9"]);
        let (_scratch, mut writer) = writer("waiter", fixture.zone);
        let mut listening = writer.waiters.listen(&host("home.dyn.test"));
        writer.store.set_read_only(true);
        writer.write(vec![order(&signed).0]);
        assert!(listening.changed().now_or_never().is_none(), "nothing was registered");
        writer.store.set_read_only(false);
        writer.write(vec![order(&signed).0]);
        assert!(listening.changed().now_or_never().is_some());
        assert_eq!(known(&writer), Some(signed));
    }

    #[test]
    fn what_cannot_be_stored_fails_and_stays_invisible_until_it_can() {
        let fixture = Fixture::new();
        let signed = fixture.statement(1, &["203.0.113.9"]);
        let (_scratch, mut writer) = writer("failing", fixture.zone);
        for (read_only, expected) in [(true, Outcome::Failed), (false, Outcome::Done)] {
            writer.store.set_read_only(read_only);
            let (order, mut decided) = order(&signed);
            writer.write(vec![order]);
            assert_eq!(decided.try_recv().unwrap().outcome, expected);
            assert_eq!(known(&writer).is_some(), !read_only);
        }
    }
}
