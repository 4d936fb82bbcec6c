//! The account as the rooms share it: asks and counts in memory, writes on a thread of its own.
//!
//! Whoever needs a count on disk waits for it ([`Reservation::durable`]); nobody else does. Writes that wait for the disk are
//! gathered: the newest ledger answers for all before it.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;

use jiff::civil::Date;
use tokio::sync::{oneshot, watch};

use super::account::{Account, Allowance, Cap, Caps, Output, View};
use super::file::{self, FileError, Found, LedgerFile};
use super::ledger::Ledger;

/// The machine's budget; clones are the same one.
#[derive(Clone, Debug)]
pub struct Budget {
    shared: Arc<Shared>,
}

/// What was found when the budget was opened, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// The ledger, or a first start.
    Whole,
    /// The ledger was lost; the journal's days took its place.
    Rebuilt,
    /// The ledger was damaged and there was no journal: the worst was assumed.
    Assumed,
}

#[derive(Debug)]
struct Shared {
    account: Mutex<Account>,
    clock: fn() -> Date,
    orders: mpsc::Sender<Order>,
    /// What went wrong at the last write, if it did.
    trouble: watch::Sender<Option<String>>,
    run_out: watch::Sender<Option<Cap>>,
}

#[derive(Debug)]
struct Order {
    ledger: Ledger,
    done: Option<oneshot::Sender<bool>>,
}

/// A call that was counted and is not yet made.
#[derive(Debug)]
pub struct Reservation {
    shared: Arc<Shared>,
    day: Date,
    written: Option<oneshot::Receiver<bool>>,
    made: bool,
}

impl Budget {
    /// Opens the ledger. `journal` tells the calls and seconds of each day by the journal, where it knows any; it is asked when
    /// the ledger is not there or damaged, so that deleting it brings nobody a new budget.
    ///
    /// # Errors
    /// When the file cannot be had at all.
    pub fn open(
        path: &Path,
        caps: Caps,
        clock: fn() -> Date,
        journal: impl FnOnce() -> Option<Ledger>,
    ) -> Result<(Self, Opened), FileError> {
        let (file, found) = LedgerFile::open(path)?;
        let (ledger, opened) = match found {
            Found::Ledger(ledger) => (Some(ledger), Opened::Whole),
            Found::Nothing => match journal() {
                Some(ledger) => (Some(ledger), Opened::Rebuilt),
                None => (Some(Ledger::default()), Opened::Whole),
            },
            Found::Damage => match journal() {
                Some(ledger) => (Some(ledger), Opened::Rebuilt),
                None => (None, Opened::Assumed),
            },
        };
        let assumed = ledger.is_none();
        let mut account = Account::new(caps, ledger.unwrap_or_default());
        if assumed {
            account.assume_the_worst(clock());
        }
        let (orders, received) = mpsc::channel();
        let trouble = watch::Sender::new(None);
        let run_out = watch::Sender::new(None);
        let shared = Arc::new(Shared { account: Mutex::new(account), clock, orders, trouble, run_out });
        let writer = Writer { file, trouble: shared.trouble.clone() };
        thread::Builder::new()
            .name("budget".to_owned())
            .spawn(move || writer.run(&received))
            .map_err(|source| FileError::Io { path: path.to_owned(), source })?;
        let budget = Self { shared };
        if opened != Opened::Whole {
            budget.shared.store(&budget.shared.account(), None);
        }
        Ok((budget, opened))
    }

    /// Whether a call may be made now. Costs no input or output.
    #[must_use]
    pub fn allowance(&self) -> Allowance {
        self.shared.account().allowance((self.shared.clock)())
    }

    /// Counts a call that is about to be made, if it is allowed. Wait for [`Reservation::durable`] before it is dialled.
    ///
    /// # Errors
    /// With the cap that is reached.
    pub fn reserve(&self) -> Result<Reservation, Cap> {
        let clock = (self.shared.clock)();
        let mut account = self.shared.account();
        if let Allowance::Refused(cap) = account.allowance(clock) {
            return Err(cap);
        }
        let day = account.handle_call(clock);
        let (done, written) = oneshot::channel();
        self.shared.drain(&mut account, Some(done));
        Ok(Reservation { shared: Arc::clone(&self.shared), day, written: Some(written), made: false })
    }

    /// The call was answered.
    pub fn connected(&self) {
        let mut account = self.shared.account();
        account.handle_connected((self.shared.clock)(), crate::clock::now());
        self.shared.drain(&mut account, None);
    }

    /// The line is on hook again.
    pub fn hung_up(&self) {
        let mut account = self.shared.account();
        account.handle_hung_up(crate::clock::now());
        self.shared.run_out.send_replace(None);
        self.shared.drain(&mut account, None);
    }

    /// Charges for the time online, and waits until what is allowed has run out; for ever while there is no link.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped; while it is not awaited nothing is charged.
    pub async fn run_out(&self) -> Cap {
        let mut run_out = self.shared.run_out.subscribe();
        loop {
            if let Some(cap) = *run_out.borrow_and_update() {
                return cap;
            }
            let deadline = self.shared.account().deadline();
            tokio::select! {
                () = crate::clock::sleep_until(deadline.map(|(at, _why)| at)) => {
                    let mut account = self.shared.account();
                    account.handle_timeout((self.shared.clock)(), crate::clock::now());
                    self.shared.drain(&mut account, None);
                }
                _changed = run_out.changed() => {}
            }
        }
    }

    /// The owner has changed the caps.
    pub fn set_caps(&self, caps: Caps) {
        self.shared.account().set_caps(caps);
    }

    /// How the account stands.
    #[must_use]
    pub fn view(&self) -> View {
        self.shared.account().view((self.shared.clock)())
    }

    /// What went wrong at the last write, while it does.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.shared.trouble.borrow().clone()
    }

    /// Waits until everything counted so far is on disk; gives whether it is.
    pub async fn flush(&self) -> bool {
        let (done, written) = oneshot::channel();
        self.shared.store(&self.shared.account(), Some(done));
        written.await.unwrap_or(false)
    }
}

impl Reservation {
    /// Waits until the count is on disk.
    ///
    /// # Errors
    /// [`Cap::NotKept`] when it cannot be written and there are caps: a restart would forget it.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn durable(&mut self) -> Result<(), Cap> {
        let Some(written) = &mut self.written else { return Ok(()) };
        let written = written.await.unwrap_or(false);
        self.written = None;
        if written || !self.shared.account().caps().any() { Ok(()) } else { Err(Cap::NotKept) }
    }

    /// The call is being made: the count stands.
    pub fn made(mut self) {
        self.made = true;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.made {
            let mut account = self.shared.account();
            account.handle_call_dropped(self.day);
            self.shared.drain(&mut account, None);
        }
    }
}

impl Shared {
    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn drain(&self, account: &mut Account, mut done: Option<oneshot::Sender<bool>>) {
        let mut store = false;
        while let Some(output) = account.poll_output() {
            match output {
                Output::Store => store = true,
                Output::RunOut(cap) => drop(self.run_out.send_replace(Some(cap))),
            }
        }
        if store {
            self.store(account, done.take());
        }
    }

    fn store(&self, account: &Account, done: Option<oneshot::Sender<bool>>) {
        if self.orders.send(Order { ledger: account.ledger().clone(), done }).is_err() {
            tracing::error!("the budget's thread is gone");
        }
    }
}

struct Writer {
    file: LedgerFile,
    trouble: watch::Sender<Option<String>>,
}

impl Writer {
    fn run(mut self, orders: &mpsc::Receiver<Order>) {
        while let Ok(first) = orders.recv() {
            let mut waiting = Vec::from_iter(first.done);
            let mut ledger = first.ledger;
            while let Ok(next) = orders.try_recv() {
                ledger = next.ledger;
                waiting.extend(next.done);
            }
            let stored = self.file.store(&ledger);
            self.tell(&stored);
            for done in waiting {
                // Whoever does not wait any more has not dialled.
                let _gone = done.send(stored.is_ok());
            }
        }
    }

    /// Says once when writing begins to fail, and once when it is good again.
    fn tell(&self, stored: &std::io::Result<()>) {
        let now = stored.as_ref().err().map(ToString::to_string);
        let changed = self.trouble.send_if_modified(|trouble| {
            let changed = trouble.is_some() != now.is_some();
            trouble.clone_from(&now);
            changed
        });
        match (changed, now) {
            (true, Some(error)) => tracing::error!(
                error,
                "the count of calls cannot be written to the state directory; with a budget no call is made until it can"
            ),
            (true, None) => tracing::info!("the count of calls is written again"),
            (false, _) => {}
        }
    }
}

/// How the account in a file stands, seen from outside while nobody may have it open.
#[must_use]
pub fn peek(path: &Path, caps: Caps, clock: Date) -> Option<View> {
    match file::peek(path).ok()? {
        Found::Ledger(ledger) => Some(Account::new(caps, ledger).view(clock)),
        Found::Nothing | Found::Damage => None,
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::ledger::Used;
    use super::*;
    use crate::scratch::Scratch;

    const TODAY: Date = date(2026, 11, 26);

    struct Folder(Scratch);

    impl Folder {
        fn new(name: &str) -> Self {
            Self(Scratch::new(name))
        }

        fn open(&self, caps: Caps, journal: Option<&Ledger>) -> (Budget, Opened) {
            let path = self.0.path("budget");
            // The thread of the one before may still be closing the file.
            loop {
                match Budget::open(&path, caps, || TODAY, || journal.cloned()) {
                    Ok(opened) => return opened,
                    Err(FileError::InUse { .. }) => thread::yield_now(),
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }

    fn two_calls() -> Caps {
        Caps { calls_a_day: Some(2), ..Caps::default() }
    }

    #[tokio::test]
    async fn a_call_that_was_dialled_is_counted_after_a_restart_and_one_that_was_not_is_free() {
        let folder = Folder::new("restart");
        let (budget, _) = folder.open(two_calls(), None);
        for made in [true, false, true] {
            let mut reservation = budget.reserve().unwrap();
            reservation.durable().await.unwrap();
            if made {
                reservation.made();
            }
        }
        assert_eq!(budget.reserve().map(|_| ()), Err(Cap::CallsADay));
        assert!(budget.flush().await);
        drop(budget);
        let (budget, opened) = folder.open(two_calls(), None);
        assert_eq!((opened, budget.allowance()), (Opened::Whole, Allowance::Refused(Cap::CallsADay)));
    }

    #[tokio::test]
    async fn a_deleted_ledger_is_rebuilt_and_a_damaged_one_without_a_journal_is_assumed_spent() {
        let folder = Folder::new("rebuilt");
        let journal = Ledger::of_days([(TODAY, Used { calls: 2, seconds: 9 })]);
        let (budget, opened) = folder.open(two_calls(), Some(&journal));
        assert_eq!((opened, budget.allowance()), (Opened::Rebuilt, Allowance::Refused(Cap::CallsADay)));
        assert!(budget.flush().await);
        drop(budget);
        std::fs::write(folder.0.path("budget"), "garbage").unwrap();
        let (budget, opened) = folder.open(two_calls(), None);
        assert_eq!((opened, budget.allowance()), (Opened::Assumed, Allowance::Refused(Cap::CallsADay)));
    }
}
