//! A desk for the tests of what is said at it: a zone with a host, a writer, a clock that is set by hand.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Desk, HttpSettings};
use crate::directory::accounts::Accounts;
use crate::directory::bounds::failures::Failures;
use crate::directory::bounds::pace::Pace;
use crate::directory::figures::Figures;
use crate::directory::fixture::{Fixture, NOW};
use crate::directory::front::Front;
use crate::directory::store::{self, Store};
use crate::directory::writer::{self, Writer};
use crate::dns::WallClock;
use crate::scratch::Scratch;

pub(super) struct World {
    pub(super) desk: Arc<Desk>,
    now: Arc<AtomicU64>,
    _folder: Scratch,
}

impl World {
    /// Makes one of what is registered.
    pub(super) fn new(name: &str, fixture: Fixture) -> Self {
        let folder = Scratch::new(name);
        let database = folder.path("directory.db");
        let (store, _empty) = Store::open(&database, store::lock(&database).unwrap(), &fixture.zone).unwrap();
        let (zone, index, waiters) =
            (Arc::new(fixture.zone), Arc::new(RwLock::new(fixture.index)), Arc::<_>::default());
        let now = Arc::new(AtomicU64::new(NOW));
        let read = Arc::clone(&now);
        let clock = WallClock::from_fn(move || read.load(Ordering::Relaxed));
        let accounts = Accounts::open(&database, Arc::clone(&zone)).unwrap();
        let figures = Arc::new(Figures::default());
        let (orders, _ended) = writer::start(Writer {
            store,
            figures: Arc::clone(&figures),
            pace: Pace::new(60),
            zone: Arc::clone(&zone),
            index: Arc::clone(&index),
            waiters: Arc::clone(&waiters),
            clock: clock.clone(),
            serials: watch::channel(1).0,
            history: None,
        })
        .unwrap();
        let front = Arc::new(Front { zone, index, orders, waiters, clock, failures: Failures::new(), figures });
        let desk = Desk::new(front, accounts, HttpSettings::default(), database, CancellationToken::new());
        Self { desk: Arc::new(desk), now, _folder: folder }
    }

    /// Sets the clock on.
    pub(super) fn pass(&self, seconds: u64) {
        self.now.fetch_add(seconds, Ordering::Relaxed);
    }
}
