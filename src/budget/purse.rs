//! The account as several processes pay from it that come and go: each charge opens the ledger, under a lock that is held for
//! as long as a small file takes to be written, and never for as long as a call lasts.
//!
//! Owns the waiting for the disk, which is done on a thread of its own, and what is said when a call is not allowed. A charge
//! that cannot be written down stands in the memory of whoever made it until the next one can; with caps no call is begun then.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use jiff::civil::Date;
use tokio::sync::oneshot;

use super::account::{Account, Allowance, Cap, Caps, Output, View};
use super::file::{self, FileError, Found, LedgerFile};
use super::ledger::Ledger;

/// A ledger that many processes count in, and what its owner allows.
#[derive(Clone, Debug)]
pub struct Purse {
    path: PathBuf,
    caps: Caps,
    clock: fn() -> Date,
}

/// What is to be paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fare {
    /// So many calls that nobody is to answer.
    Rings(u32),
    /// One call that is to be answered: it takes a whole minute at least.
    Talk,
}

impl Fare {
    fn calls(self) -> u32 {
        match self {
            Self::Rings(calls) => calls,
            Self::Talk => 1,
        }
    }
}

/// Why no call may be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Unpaid {
    /// The cap that is reached.
    pub cap: Cap,
    /// What was to be paid for.
    pub fare: Fare,
    /// How the account stands.
    pub view: View,
    /// Why the ledger cannot be kept, where that is the matter.
    pub trouble: Option<String>,
}

/// The section of the configuration that caps what is paid from a purse.
const SECTION: &str = "connect.budget";

impl fmt::Display for Unpaid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let left = match self.cap {
            Cap::CallsADay => self.view.calls_today,
            Cap::MinutesADay => self.view.minutes_today,
            Cap::CallsAMonth => self.view.calls_this_month,
            Cap::MinutesAMonth => self.view.minutes_this_month,
            Cap::NotKept => {
                let trouble = self.trouble.as_deref().unwrap_or("the disk does not take it");
                return write!(f, "the count of calls cannot be kept: {trouble}");
            }
        };
        write!(f, "{}", self.cap.told(SECTION))?;
        if let Some(cap) = left.cap {
            write!(f, ": {} of {cap}", left.used)?;
        }
        match self.fare.calls() {
            0 | 1 => Ok(()),
            calls => write!(f, ", and this takes {calls} calls"),
        }
    }
}

/// Calls that are counted. Those that are not [made](Toll::made) are given back when it is dropped, and so is what is left of the
/// last minute.
#[derive(Debug)]
pub struct Toll {
    purse: Purse,
    book: Arc<Mutex<Book>>,
    day: Date,
    unmade: u32,
    /// When the line was on hook again, once it was.
    over: Option<Instant>,
}

/// The account as one process sees it.
#[derive(Debug)]
struct Book {
    account: Account,
    /// Why the last charge is not on the disk.
    trouble: Option<String>,
    run_out: Option<Cap>,
}

impl Purse {
    /// The ledger in this file, which need not be there yet; `clock` tells the local day.
    #[must_use]
    pub fn new(path: PathBuf, caps: Caps, clock: fn() -> Date) -> Self {
        Self { path, caps, clock }
    }

    /// Counts calls that are about to be made; they are on disk when this returns. Where nothing is capped they may be made
    /// although they cannot be counted.
    ///
    /// # Errors
    /// With the cap that is reached; nothing is counted then.
    ///
    /// # Cancel safety
    /// What is counted for a future that was dropped is given back.
    pub async fn pay(&self, fare: Fare) -> Result<Toll, Unpaid> {
        let purse = self.clone();
        let paid = aside(move || purse.pay_at_once(fare)).await;
        paid.unwrap_or_else(|| Err(self.unpaid(Cap::NotKept, fare, View::default(), Some("no thread".to_owned()))))
    }

    /// How the account stands; `None` when that cannot be told. One that nobody has paid from yet has spent nothing.
    #[must_use]
    pub fn view(&self) -> Option<View> {
        let ledger = match file::peek(&self.path) {
            Ok(Found::Ledger(ledger)) => ledger,
            Ok(Found::Nothing) => Ledger::default(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ledger::default(),
            Ok(Found::Damage) | Err(_) => return None,
        };
        Some(Account::new(self.caps, ledger).view((self.clock)()))
    }

    fn pay_at_once(&self, fare: Fare) -> Result<Toll, Unpaid> {
        let mut book = Book { account: Account::new(self.caps, Ledger::default()), trouble: None, run_out: None };
        let calls = fare.calls();
        let (counted, view) = self.settle(&mut book, |account, clock| {
            let counted = count(account, fare, clock);
            (counted, account.view(clock))
        });
        let day = counted.map_err(|cap| self.unpaid(cap, fare, view, None))?;
        tracing::info!(
            today = view.calls_today.used,
            this_month = view.calls_this_month.used,
            "calls of this client, with the one to be made"
        );
        match &book.trouble {
            Some(trouble) if self.caps.any() => Err(self.unpaid(Cap::NotKept, fare, view, Some(trouble.clone()))),
            Some(trouble) => {
                tracing::debug!(trouble, "the count of calls cannot be kept; nothing is capped");
                Ok(self.toll(book, day, calls))
            }
            None => Ok(self.toll(book, day, calls)),
        }
    }

    fn toll(&self, book: Book, day: Date, unmade: u32) -> Toll {
        Toll { purse: self.clone(), book: Arc::new(Mutex::new(book)), day, unmade, over: None }
    }

    fn unpaid(&self, cap: Cap, fare: Fare, view: View, trouble: Option<String>) -> Unpaid {
        Unpaid { cap, fare, view, trouble }
    }

    /// Does one thing with the account, while nobody else does anything with the ledger.
    fn settle<T>(&self, book: &mut Book, act: impl FnOnce(&mut Account, Date) -> T) -> T {
        let clock = (self.clock)();
        let opened = open(&self.path);
        match &opened {
            Ok((_, Found::Ledger(ledger))) if book.trouble.is_none() => book.account.take_up(ledger.clone()),
            // What could not be written before is in none but this one.
            Ok((_, Found::Ledger(ledger))) => {
                let mut ledger = ledger.clone();
                ledger.raise_to(book.account.ledger());
                book.account.take_up(ledger);
            }
            Ok((_, Found::Damage)) if self.caps.any() => {
                tracing::warn!(path = %self.path.display(), "the count of calls was damaged: today's budget counts as used up");
                book.account.assume_the_worst(clock);
            }
            Ok((_, Found::Nothing | Found::Damage)) | Err(_) => {}
        }
        let done = act(&mut book.account, clock);
        if book.drain() {
            let stored = opened.map_err(|error| told(&error)).and_then(|(mut file, _found)| {
                file.store(book.account.ledger()).map_err(|error| format!("{}: {error}", self.path.display()))
            });
            book.trouble = stored.err();
        }
        done
    }
}

/// Counts the calls of a fare, all of them or none; gives the day that they count on.
fn count(account: &mut Account, fare: Fare, clock: Date) -> Result<Date, Cap> {
    let mut day = clock;
    for counted in 0..fare.calls() {
        let allowance = match fare {
            Fare::Rings(_) => account.allowance_to_ring(clock),
            Fare::Talk => account.allowance(clock),
        };
        if let Allowance::Refused(cap) = allowance {
            (0..counted).for_each(|_call| account.handle_call_dropped(day));
            return Err(cap);
        }
        day = account.handle_call(clock);
    }
    Ok(day)
}

impl Book {
    /// Takes what the account has to say; gives whether the ledger is to be written down.
    fn drain(&mut self) -> bool {
        let mut store = false;
        while let Some(output) = self.account.poll_output() {
            match output {
                Output::Store => store = true,
                Output::RunOut(cap) => self.run_out = Some(cap),
            }
        }
        store
    }
}

impl Toll {
    /// One of the calls is being made: its count stands.
    pub fn made(&mut self) {
        self.unmade = self.unmade.saturating_sub(1);
    }

    /// The call was answered: from now on it costs. Told twice it counts once.
    pub async fn connected(&self) {
        let once = |account: &mut Account, clock: Date, now: Instant| {
            if !account.is_online() {
                account.handle_connected(clock, now);
            }
        };
        self.charge(once).await;
    }

    /// Charges for the time online, and waits until what is allowed has run out; for ever while nobody has answered.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped; while it is not awaited nothing is charged.
    pub async fn run_out(&self) -> Unpaid {
        loop {
            let (run_out, deadline, view) = {
                let mut book = self.book();
                let view = book.account.view((self.purse.clock)());
                (book.run_out, book.account.deadline(), view)
            };
            if let Some(cap) = run_out {
                return self.purse.unpaid(cap, Fare::Talk, view, None);
            }
            crate::clock::sleep_until(deadline.map(|(at, _why)| at)).await;
            self.charge(Account::handle_timeout).await;
        }
    }

    /// The line is on hook again: what is left of the last minute is given back.
    pub async fn hung_up(mut self) {
        self.over = Some(crate::clock::now());
        aside(move || drop(self)).await;
    }

    async fn charge(&self, handle: fn(&mut Account, Date, Instant)) {
        let (purse, book, now) = (self.purse.clone(), Arc::clone(&self.book), crate::clock::now());
        aside(move || purse.settle(&mut locked(&book), |account, clock| handle(account, clock, now))).await;
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        locked(&self.book)
    }
}

impl Drop for Toll {
    fn drop(&mut self) {
        // Where the ledger was taken away there is nothing to give back to; to make a new one would bring back its folder.
        if !self.purse.path.exists() {
            return;
        }
        let (now, day, unmade) = (self.over.unwrap_or_else(crate::clock::now), self.day, self.unmade);
        self.purse.settle(&mut locked(&self.book), |account, _clock| {
            (0..unmade).for_each(|_call| account.handle_call_dropped(day));
            account.handle_hung_up(now);
        });
    }
}

fn locked(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open(path: &Path) -> Result<(LedgerFile, Found), FileError> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|source| FileError::Io { path: path.to_owned(), source })?;
    }
    LedgerFile::open_in_turn(path)
}

/// An error of the file's, with what the system said.
fn told(error: &FileError) -> String {
    match error {
        FileError::Io { source, .. } => format!("{error}: {source}"),
        FileError::InUse { .. } => error.to_string(),
    }
}

/// Does on a thread of its own what waits for a disk; `None` where there can be none.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (done, is_done) = oneshot::channel();
    let spawned = thread::Builder::new().name("purse".to_owned()).spawn(move || {
        // Whoever does not wait any more has what was paid for given back.
        drop(done.send(work()));
    });
    spawned.ok()?;
    is_done.await.ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use jiff::civil::date;

    use super::super::ledger::Used;
    use super::*;
    use crate::scratch::Scratch;

    const TODAY: Date = date(2026, 11, 26);

    fn purse(folder: &Scratch, caps: Caps) -> Purse {
        Purse::new(folder.path("state/client-budget"), caps, || TODAY)
    }

    fn calls(cap: u32) -> Caps {
        Caps { calls_a_day: Some(cap), ..Caps::default() }
    }

    fn used(purse: &Purse) -> (u64, u64) {
        let view = purse.view().unwrap();
        (view.calls_today.used, view.minutes_today.used)
    }

    #[tokio::test]
    async fn however_many_pay_at_once_no_call_more_is_granted_than_there_is() {
        let folder = Scratch::new("purse-many");
        let purses: Vec<Purse> = (0..8).map(|_process| purse(&folder, calls(5))).collect();
        let paid = futures_util::future::join_all(purses.iter().map(|purse| async {
            let mut paid = purse.pay(Fare::Rings(1)).await;
            paid.iter_mut().for_each(Toll::made);
            paid.map(drop)
        }));
        let paid = paid.await;
        assert_eq!(paid.iter().filter(|paid| paid.is_ok()).count(), 5);
        let refused = paid.into_iter().find_map(Result::err).unwrap();
        assert_eq!(refused.cap, Cap::CallsADay);
        assert_eq!(refused.to_string(), "today's calls are used up (connect.budget.calls-a-day): 5 of 5");
        assert_eq!(used(&purses[0]), (5, 0));
    }

    #[tokio::test]
    async fn a_call_is_counted_before_it_is_made_and_given_back_if_it_is_not() {
        let folder = Scratch::new("purse-unmade");
        let (one, other) = (purse(&folder, calls(2)), purse(&folder, calls(2)));
        let mut both = one.pay(Fare::Rings(2)).await.unwrap();
        assert_eq!(used(&other), (2, 0), "another process sees it before a digit is dialled");
        assert!(other.pay(Fare::Talk).await.is_err());
        both.made();
        drop(both);
        assert_eq!(used(&other), (1, 0), "the second of the two was not made");
        let refused = other.pay(Fare::Rings(2)).await.unwrap_err();
        let told = "today's calls are used up (connect.budget.calls-a-day): 1 of 2, and this takes 2 calls";
        assert_eq!((refused.to_string().as_str(), used(&other)), (told, (1, 0)), "all of them or none");
    }

    #[tokio::test]
    async fn a_process_that_is_killed_gains_no_call() {
        let folder = Scratch::new("purse-killed");
        let purse = purse(&folder, calls(1));
        // As after kill -9: nothing of it is undone.
        std::mem::forget(purse.pay(Fare::Rings(1)).await.unwrap());
        assert_eq!(purse.pay(Fare::Rings(1)).await.unwrap_err().cap, Cap::CallsADay);
    }

    #[tokio::test(start_paused = true)]
    async fn minutes_of_two_processes_come_from_the_same_cap_and_the_link_is_told_in_time() {
        let folder = Scratch::new("purse-minutes");
        let caps = Caps { minutes_a_day: Some(4), ..Caps::default() };
        let (one, other) = (purse(&folder, caps), purse(&folder, caps));
        let (mut first, mut second) = (one.pay(Fare::Talk).await.unwrap(), other.pay(Fare::Talk).await.unwrap());
        first.made();
        second.made();
        first.connected().await;
        second.connected().await;
        assert_eq!(used(&one), (2, 2), "each has begun a minute");
        for (after, minutes) in [(50, 4), (60, 4)] {
            tokio::time::advance(Duration::from_secs(after)).await;
            first.charge(Account::handle_timeout).await;
            second.charge(Account::handle_timeout).await;
            assert_eq!(used(&one).1, minutes);
        }
        // Two minutes each, less the time that a goodbye takes.
        assert_eq!((first.run_out().await.cap, second.run_out().await.cap), (Cap::MinutesADay, Cap::MinutesADay));
        first.hung_up().await;
        drop(second);
        assert_eq!(one.view().unwrap().minutes_today.used, 4);
        assert_eq!(one.pay(Fare::Talk).await.unwrap_err().cap, Cap::MinutesADay);
        assert!(one.pay(Fare::Rings(1)).await.is_ok(), "a ring takes no minutes");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_left_of_the_last_minute_is_given_back_without_a_word() {
        let folder = Scratch::new("purse-rest");
        let purse = purse(&folder, Caps::default());
        let mut toll = purse.pay(Fare::Talk).await.unwrap();
        toll.made();
        toll.connected().await;
        tokio::time::advance(Duration::from_secs(7)).await;
        drop(toll);
        let Ok(Found::Ledger(ledger)) = file::peek(&purse.path) else { panic!("no ledger") };
        assert_eq!(ledger.on(TODAY), Used { calls: 1, seconds: 7 });
    }

    #[tokio::test]
    async fn where_nothing_can_be_written_a_cap_allows_no_call_and_without_one_calls_are_made() {
        let folder = Scratch::new("purse-unwritable");
        // A file in the folder's place: not even root can write below it.
        folder.write("state", "");
        let refused = purse(&folder, calls(9)).pay(Fare::Talk).await.unwrap_err();
        assert_eq!(refused.cap, Cap::NotKept);
        assert!(refused.to_string().starts_with("the count of calls cannot be kept: cannot keep the budget in "));
        assert!(purse(&folder, Caps::default()).pay(Fare::Talk).await.is_ok());
        assert_eq!(purse(&folder, calls(9)).view(), None, "nobody knows");
    }

    #[tokio::test]
    async fn a_ledger_that_was_taken_away_is_not_brought_back_to_give_something_back() {
        let folder = Scratch::new("purse-gone");
        let toll = purse(&folder, calls(3)).pay(Fare::Talk).await.unwrap();
        std::fs::remove_dir_all(folder.path("state")).unwrap();
        drop(toll);
        assert!(!folder.path("state").exists());
    }

    #[tokio::test]
    async fn a_damaged_ledger_counts_as_spent_where_there_are_caps() {
        let folder = Scratch::new("purse-damaged");
        let purse = purse(&folder, calls(3));
        drop(purse.pay(Fare::Talk).await.unwrap());
        let mode = std::fs::metadata(&purse.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(&purse.path, "garbage").unwrap();
        assert_eq!(purse.pay(Fare::Talk).await.unwrap_err().cap, Cap::CallsADay);
        assert_eq!(used(&purse), (3, 0));
    }

    #[tokio::test]
    async fn what_could_not_be_written_is_counted_with_the_next_that_can() {
        let folder = Scratch::new("purse-later");
        folder.write("state", "");
        let purse = purse(&folder, Caps::default());
        let mut toll = purse.pay(Fare::Talk).await.unwrap();
        toll.made();
        std::fs::remove_file(folder.path("state")).unwrap();
        toll.connected().await;
        assert_eq!(used(&purse), (1, 1));
    }
}
