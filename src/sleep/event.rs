//! What happens to the machine's sleep, for whoever follows along.

use serde::Serialize;

/// What happens to the machine's sleep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Event {
    /// A ring on this line wakes the machine, as far as its devices tell.
    Armed {
        /// The line's port.
        line: String,
        /// How many devices on the way were told.
        hops: usize,
    },
    /// A ring on this line cannot wake the machine, though its owner wants it to sleep.
    NotArmed {
        /// The line's port.
        line: String,
        /// Why not, and what helps.
        cause: String,
    },
    /// Sleep could not be held off.
    NotInhibited {
        /// Why not, and what helps.
        cause: String,
    },
    /// Somebody has the machine sleep though there is a link: it is given up in good order.
    SleepAnnounced,
    /// The machine goes to sleep, since nothing has happened for long enough.
    Suspending {
        /// Through whom: `logind` or `kernel`.
        by: &'static str,
    },
    /// It does not, after all.
    NotSuspended {
        /// Why not, and what helps.
        cause: String,
    },
    /// The machine has slept, and is awake again.
    Resumed {
        /// What woke it, as far as the kernel tells.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// How many seconds it slept, as far as its clocks tell.
        slept: u64,
    },
}
