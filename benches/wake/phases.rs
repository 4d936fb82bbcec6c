//! The moments of a wake, and the table of all that were measured.

use std::time::Duration;

use super::calls::{CADENCE, Calls};
use super::floor::Floor;
use super::table::Table;

/// How late a ring may come before nobody can hold that the caller is still there: what ringup allows for.
const MARGIN: f64 = 0.5;
/// The share of the mgetty stack's overhead that ringup may have.
const GOAL: f64 = 0.1;

/// One wake, in seconds after the first RING at the woken line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wake {
    pub(crate) last_ring: f64,
    pub(crate) caller_gone: f64,
    pub(crate) dialled: f64,
    pub(crate) connect: f64,
    pub(crate) address: f64,
    pub(crate) registered: f64,
}

impl Wake {
    /// From both calls' moments, and those of the hook and of the directory's answer, in milliseconds since 1970.
    pub(crate) fn new(calls: &Calls, address: u64, registered: u64) -> Self {
        let after = |at: u64| Duration::from_millis(at.saturating_sub(calls.first_ring)).as_secs_f64();
        Self {
            last_ring: after(calls.last_ring),
            caller_gone: after(calls.caller_gone),
            dialled: after(calls.dialled),
            connect: after(calls.connected),
            address: after(address),
            registered: after(registered),
        }
    }
}

/// What was measured.
#[derive(Default)]
pub(crate) struct Figures {
    pub(crate) floor: Vec<Floor>,
    /// Seconds that an UPDATE's and its answer's bytes are on the line.
    pub(crate) round_trips: Vec<f64>,
    pub(crate) ours: Vec<Wake>,
    pub(crate) ours_bind: Vec<Wake>,
    pub(crate) stack: Vec<Wake>,
    pub(crate) ours_first: Vec<Wake>,
    pub(crate) stack_first: Vec<Wake>,
    /// When the client knew, after the first RING.
    pub(crate) client: Option<f64>,
}

type Phase = fn(&Wake) -> f64;

const PHASES: [(&str, Phase); 5] = [
    ("the caller hangs up", |wake| wake.caller_gone),
    ("dials", |wake| wake.dialled),
    ("CONNECT", |wake| wake.connect),
    ("address", |wake| wake.address),
    ("registered", |wake| wake.registered),
];

impl Figures {
    /// The lowest that each phase could have been: each part is what it takes by itself.
    fn lowest(&self) -> Vec<Wake> {
        let of = |part: fn(&Floor) -> f64| least(self.floor.iter().map(part));
        let one = |wake: &Wake| {
            let silent = wake.last_ring + Duration::from_millis(CADENCE).as_secs_f64() + MARGIN;
            let dialled = silent + of(|floor| floor.to_dialled);
            let connect = dialled + of(|floor| floor.to_connect);
            let address = connect + of(|floor| floor.to_address);
            let registered = address + least(self.round_trips.iter().copied());
            Wake { dialled, connect, address, registered, ..*wake }
        };
        self.ours.iter().map(one).collect()
    }

    pub(crate) fn table(&self) -> String {
        let lowest = self.lowest();
        let columns: [(&str, &[Wake]); 6] = [
            ("floor", &lowest),
            ("ringup", &self.ours),
            ("ringup with BIND", &self.ours_bind),
            ("mgetty stack", &self.stack),
            ("ringup, spoken to", &self.ours_first),
            ("stack, spoken to", &self.stack_first),
        ];
        let each = |phase: Phase| columns.map(|(_name, wakes)| wakes.iter().map(phase).collect());
        let mut table = Table::new(columns.map(|(name, _wakes)| name));
        table.heading("seconds after the first RING");
        for (label, phase) in PHASES {
            table.row(label, each(phase));
        }
        table.heading("seconds from one to the next");
        table.row("caller gone -> dials", each(|wake| wake.dialled - wake.caller_gone));
        table.row("dials -> CONNECT", each(|wake| wake.connect - wake.dialled));
        table.row("CONNECT -> address", each(|wake| wake.address - wake.connect));
        table.row("address -> registered", each(|wake| wake.registered - wake.address));

        let floor = median(lowest.iter().map(|wake| wake.registered));
        let over = |wakes: &[Wake]| median(wakes.iter().map(|wake| wake.registered)) - floor;
        let mut text = format!("{table}\nSeconds over the floor until registered, medians:\n");
        for (name, ours, theirs) in [
            ("ringup", &self.ours, &self.stack),
            ("ringup with BIND", &self.ours_bind, &self.stack),
            ("ringup, the provider speaks first", &self.ours_first, &self.stack_first),
        ] {
            let (ours, theirs) = (over(ours), over(theirs));
            let share = ours / theirs;
            let verdict = if share <= GOAL { "met" } else { "MISSED" };
            text.push_str(&format!(
                "  {name:34} {ours:5.2}, mgetty stack {theirs:5.2}: {:.0} % (at most {:.0} %: {verdict})\n",
                share * 100.0,
                GOAL * 100.0
            ));
        }
        text.push_str("In no wake of ringup's did the line go off hook within a cadence after its last RING.\n");
        if let Some(client) = self.client {
            text.push_str(&format!("The client that rang has the record {client:.2} s after the first RING, 1 run.\n"));
        }
        text
    }
}

fn least(figures: impl Iterator<Item = f64>) -> f64 {
    figures.reduce(f64::min).unwrap_or(f64::NAN)
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = figures.collect();
    sorted.sort_by(f64::total_cmp);
    super::table::median(&sorted).unwrap_or(f64::NAN)
}
