//! What is counted of the directory since its start, whichever way requests come; `http/metrics.rs` writes it down.
//!
//! Counting is to cost next to nothing: single numbers, in no order to one another, and of queries a batch at a time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::Secondary;
use super::answer::Transport;
use super::request::HEADER;
use super::update::Outcome;

/// The figures.
#[derive(Debug, Default)]
pub(super) struct Figures {
    by_udp: Queries,
    by_tcp: Queries,
    changes: [Ends; Via::ALL.len()],
    transfers: [Ends; Kind::ALL.len()],
    pub(super) commits: Commits,
    pub(super) secondaries: Vec<Arc<Told>>,
}

/// A number that only rises.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, more: u64) {
        if more > 0 {
            self.0.fetch_add(more, Ordering::Relaxed);
        }
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The way that a change comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Via {
    Administrator,
    Dns,
    Dyndns2,
    Json,
}

impl Via {
    pub(super) const ALL: [Self; 4] = [Self::Administrator, Self::Dns, Self::Dyndns2, Self::Json];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Dns => "dns",
            Self::Dyndns2 => "dyndns2",
            Self::Json => "json",
        }
    }
}

/// What kind of copy a secondary asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The whole zone.
    Axfr,
    /// What has changed.
    Ixfr,
}

impl Kind {
    pub(super) const ALL: [Self; 2] = [Self::Axfr, Self::Ixfr];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Axfr => "axfr",
            Self::Ixfr => "ixfr",
        }
    }
}

/// How something ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Done,
    Failed,
    Refused,
}

impl End {
    const ALL: [Self; 3] = [Self::Done, Self::Failed, Self::Refused];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Refused => "refused",
        }
    }
}

impl From<&Outcome> for End {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::Done,
            Outcome::Failed => Self::Failed,
            Outcome::Refused(_) => Self::Refused,
        }
    }
}

/// Counts by the way that something ends.
#[derive(Debug, Default)]
pub(super) struct Ends([Count; End::ALL.len()]);

impl Ends {
    fn add(&self, end: End) {
        if let Some((_, count)) = End::ALL.iter().zip(&self.0).find(|(other, _)| **other == end) {
            count.add(1);
        }
    }

    pub(super) fn counts(&self) -> impl Iterator<Item = (End, u64)> {
        End::ALL.into_iter().zip(self.0.iter().map(Count::get))
    }
}

impl Figures {
    pub(super) fn new(secondaries: &[Secondary]) -> Self {
        let told = |secondary: &Secondary| Arc::new(Told::new(secondary.address));
        Self { secondaries: secondaries.iter().map(told).collect(), ..Self::default() }
    }

    pub(super) fn queries(&self, transport: Transport) -> &Queries {
        match transport {
            Transport::Tcp => &self.by_tcp,
            Transport::Udp => &self.by_udp,
        }
    }

    /// Counts a change that was asked for.
    pub(super) fn changed(&self, via: Via, outcome: &Outcome) {
        if let Some((_, ends)) = Via::ALL.iter().zip(&self.changes).find(|(other, _)| **other == via) {
            ends.add(outcome.into());
        }
    }

    pub(super) fn changes(&self) -> impl Iterator<Item = (Via, &Ends)> {
        Via::ALL.into_iter().zip(&self.changes)
    }

    /// Counts a copy of the zone that was asked for.
    pub(super) fn transferred(&self, kind: Kind, end: End) {
        if let Some((_, ends)) = Kind::ALL.iter().zip(&self.transfers).find(|(other, _)| **other == kind) {
            ends.add(end);
        }
    }

    pub(super) fn transfers(&self) -> impl Iterator<Item = (Kind, &Ends)> {
        Kind::ALL.into_iter().zip(&self.transfers)
    }
}

/// The queries of one transport.
#[derive(Debug, Default)]
pub(super) struct Queries {
    codes: [Count; CODES],
    pub(super) truncated: Count,
    pub(super) limited: Count,
}

impl Queries {
    /// Adds a batch.
    pub(super) fn add(&self, tally: &Tally) {
        for (count, more) in self.codes.iter().zip(tally.codes) {
            count.add(more.into());
        }
        self.truncated.add(tally.truncated.into());
        self.limited.add(tally.limited.into());
    }

    /// The response codes that queries get, by name.
    pub(super) fn codes(&self) -> impl Iterator<Item = (&'static str, &Count)> {
        NAMES.into_iter().zip(&self.codes).filter(|(name, _)| !name.is_empty())
    }
}

/// The queries of one batch.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    codes: [u32; CODES],
    truncated: u32,
    limited: u32,
}

impl Tally {
    /// Counts an answer; an empty one is none. One too many of its network counts as such.
    pub(super) fn answered(&mut self, answer: &[u8], is_limited: bool) {
        self.limited += u32::from(is_limited);
        let Some([_, _, flags, code, ..]) = answer.first_chunk::<HEADER>() else { return };
        if let Some(count) = self.codes.get_mut(usize::from(code & 15)) {
            *count += 1;
        }
        self.truncated += u32::from(flags & TRUNCATED != 0);
    }
}

/// What became durable.
#[derive(Debug, Default)]
pub(super) struct Commits {
    pub(super) changes: Count,
    pub(super) microseconds: Count,
    /// By how long they took: those within each of [`WITHIN`] and no less, then those beyond.
    counts: [Count; WITHIN.len() + 1],
}

impl Commits {
    /// Counts a commit of some changes, and how long it took.
    pub(super) fn add(&self, changes: usize, took: Duration) {
        self.changes.add(u64::try_from(changes).unwrap_or(u64::MAX));
        self.microseconds.add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        let within = WITHIN.iter().position(|(_, within)| took <= *within).unwrap_or(WITHIN.len());
        if let Some(count) = self.counts.get(within) {
            count.add(1);
        }
    }

    /// How many took at most so long, in seconds: cumulative, as Prometheus has it, the last one all of them.
    pub(super) fn buckets(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let bounds = WITHIN.iter().map(|(name, _)| *name).chain(["+Inf"]);
        bounds.zip(self.counts.iter().scan(0, |sum, count| {
            *sum += count.get();
            Some(*sum)
        }))
    }
}

/// What a secondary has been told of the zone.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) address: SocketAddr,
    /// The serial that it has last said to have heard; 0 for none.
    serial: AtomicU32,
    /// How often it has been told since, in vain.
    unanswered: AtomicU32,
}

impl Told {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self { address, serial: AtomicU32::new(0), unanswered: AtomicU32::new(0) }
    }

    pub(super) fn heard(&self, serial: u32) {
        self.serial.store(serial, Ordering::Relaxed);
        self.unanswered.store(0, Ordering::Relaxed);
    }

    pub(super) fn silent(&self) {
        self.unanswered.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn serial(&self) -> u32 {
        self.serial.load(Ordering::Relaxed)
    }

    pub(super) fn unanswered(&self) -> u32 {
        self.unanswered.load(Ordering::Relaxed)
    }
}

const CODES: usize = 16;
/// Of RFC 1035 section 4.1.1, and what the unauthenticated get; others no query gets.
const NAMES: [&str; 10] = ["noerror", "formerr", "servfail", "nxdomain", "notimp", "refused", "", "", "", "notauth"];
const TRUNCATED: u8 = 2;
/// From a disk that caches to one that is in trouble, in seconds.
const WITHIN: [(&str, Duration); 7] = [
    ("0.001", Duration::from_millis(1)),
    ("0.003", Duration::from_millis(3)),
    ("0.01", Duration::from_millis(10)),
    ("0.03", Duration::from_millis(30)),
    ("0.1", Duration::from_millis(100)),
    ("0.3", Duration::from_millis(300)),
    ("1", Duration::from_secs(1)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_counted_by_response_code_truncation_and_limit() {
        let (figures, mut tally) = (Figures::default(), Tally::default());
        let answer = |flags, code| [0, 7, flags, code, 0, 0, 0, 0, 0, 0, 0, 0];
        tally.answered(&answer(0x84, 0), false);
        tally.answered(&answer(0x84, 3), false);
        tally.answered(&answer(0x86, 0), true);
        tally.answered(&[], true);
        figures.queries(Transport::Udp).add(&tally);
        figures.queries(Transport::Udp).add(&tally);
        let udp = figures.queries(Transport::Udp);
        let counted = |name| udp.codes().find(|(other, _)| *other == name).unwrap().1.get();
        assert_eq!([counted("noerror"), counted("nxdomain"), counted("refused")], [4, 2, 0]);
        assert_eq!([udp.truncated.get(), udp.limited.get()], [2, 4]);
        assert!(figures.queries(Transport::Tcp).codes().all(|(_, count)| count.get() == 0));
    }

    #[test]
    fn commits_are_counted_in_cumulative_buckets() {
        let commits = Commits::default();
        for milliseconds in [0, 1, 2, 50, 5000] {
            commits.add(10, Duration::from_millis(milliseconds));
        }
        let counts: Vec<u64> = commits.buckets().map(|(_, count)| count).collect();
        assert_eq!(counts, [2, 3, 3, 3, 4, 4, 4, 5]);
        assert_eq!((commits.changes.get(), commits.microseconds.get()), (50, 5_053_000));
    }

    #[test]
    fn changes_are_counted_by_the_way_that_they_come() {
        let figures = Figures::default();
        figures.changed(Via::Dns, &Outcome::Done);
        figures.changed(Via::Dns, &Outcome::Failed);
        let counted = |via| {
            let (_, ends) = figures.changes().find(|(other, _)| *other == via).unwrap();
            ends.counts().map(|(end, count)| (end.as_str(), count)).collect::<Vec<_>>()
        };
        assert_eq!(counted(Via::Dns), [("done", 1), ("failed", 1), ("refused", 0)]);
        assert!(counted(Via::Json).iter().all(|(_, count)| *count == 0));
    }
}
