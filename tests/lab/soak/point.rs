//! The moments of a wake at which somebody is killed: what the listener says, and all that it puts on the disk.
//!
//! A write is seen as soon as the file has changed, which is before the listener hears that it is durable.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use ringup::budget;
use ringup::journal::{self, Filter, Reader};
use tokio::time::Instant;

use super::super::harness::Lab;

/// A moment of a wake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Point {
    /// The listener says this.
    Event(&'static str),
    /// The wake's row in the journal has come to this step.
    Step(journal::Step),
    /// The journal has an entry of this kind.
    Row(&'static str),
    /// The file with the sequence number was written for this time.
    Seq(u32),
    /// The file with the budget was written for this time.
    Budget(u32),
}

const EVENTS: [&str; 10] =
    ["ring", "accepted", "waking", "dialling", "connected", "up", "registered", "idle", "withdrawn", "ended"];
const ROWS: [&str; 8] = ["call", "wake", "dialled", "up", "registered", "withdrawn", "hung-up", "down"];
/// A registration and a withdrawal.
const SEQS: [u32; 2] = [1, 2];
/// The call is counted, its first minute, and what is given back.
const BUDGETS: [u32; 3] = [1, 2, 3];
/// How long a wake may take to come to any of them.
const WITHIN: Duration = Duration::from_secs(120);
/// How often one looks at the disk.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Every point there is.
pub(super) fn all() -> Vec<Point> {
    let events = EVENTS.map(Point::Event);
    let (seqs, budgets) = (SEQS.map(Point::Seq), BUDGETS.map(Point::Budget));
    [&events[..], &journal::Step::ALL.map(Point::Step), &ROWS.map(Point::Row), &seqs, &budgets].concat()
}

/// The points within which a pppd lives.
pub(super) fn of_pppd() -> Vec<Point> {
    use journal::Step::{Connected, Dialling, Registered, Up};
    let events = ["dialling", "connected", "up", "registered", "idle"].map(Point::Event);
    let (steps, rows) = ([Dialling, Connected, Up, Registered].map(Point::Step), ["up", "registered"].map(Point::Row));
    [&events[..], &steps, &rows, &[Point::Seq(1), Point::Budget(2)]].concat()
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = match self {
            Self::Event(event) => format!("event {event}"),
            Self::Step(step) => format!("step {}", step.as_str()),
            Self::Row(kind) => format!("row {kind}"),
            Self::Seq(time) => format!("seq, write {time}"),
            Self::Budget(time) => format!("budget, write {time}"),
        };
        f.pad(&told)
    }
}

/// What was on the disk before a wake.
pub(super) struct Before {
    state: PathBuf,
    entry: Option<i64>,
    wake: Option<journal::WakeNumber>,
}

impl Before {
    pub(super) fn look(lab: &Lab) -> Self {
        let state = lab.world.folder().join("home-state");
        let reader = Reader::open(&state.join(journal::FILE)).unwrap();
        let last = reader.read(&Filter { last: Some(1), ..Filter::default() }).unwrap();
        let wake = reader.wakes(1).unwrap().first().map(|wake| wake.wake);
        Self { state, entry: last.first().map(|entry| entry.id), wake }
    }

    /// Waits until the wake that begins now has come to a point.
    pub(super) async fn until(&self, point: Point, lab: &mut Lab, moment: usize) {
        match point {
            Point::Event(event) => drop(lab.since(moment, "home", event).await),
            Point::Step(step) => {
                let reader = self.journal();
                let begun = |wake: &journal::Wake| self.wake.is_none_or(|before| wake.wake > before);
                let come = || reader.wakes(1).unwrap().first().is_some_and(|wake| begun(wake) && wake.step >= step);
                self.poll(point, come).await;
            }
            Point::Row(kind) => {
                let reader = self.journal();
                let filter = Filter { kinds: vec![kind.to_owned()], after: self.entry, ..Filter::default() };
                self.poll(point, || !reader.read(&filter).unwrap().is_empty()).await;
            }
            Point::Seq(time) => self.written(point, "seq", time).await,
            Point::Budget(time) => self.written(point, budget::FILE, time).await,
        }
    }

    async fn written(&self, point: Point, file: &str, times: u32) {
        let path = self.state.join(file);
        let read = || std::fs::read(&path).unwrap();
        let (mut last, mut changes) = (read(), 0);
        let come = || {
            let now = read();
            changes += u32::from(now != last);
            last = now;
            changes >= times
        };
        self.poll(point, come).await;
    }

    async fn poll(&self, point: Point, mut come: impl FnMut() -> bool) {
        let deadline = Instant::now() + WITHIN;
        while !come() {
            assert!(Instant::now() < deadline, "the wake does not come to: {point}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn journal(&self) -> Reader {
        Reader::open(&self.state.join(journal::FILE)).unwrap()
    }
}
