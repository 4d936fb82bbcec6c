//! Which directory has which of a host's numbers, and what is to be done about each. Sans IO; sends nothing itself.
//!
//! Every directory goes its own way: one that is slow, dead or refuses holds up none of the others. What they share is
//! the statement's number, so that whoever asks any of them can tell the newest statement.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::record::Seq;

/// After a failure that time may mend: the first pause, and the longest. A directory that is away for days is asked
/// once a minute, which an idle link does not feel.
const PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(60));
/// After a failure that only a person can mend, which will not happen by the second.
const REFUSED: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(600));

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// Ask a directory for the number that it knows.
    Ask(usize),
    /// Take the next number, above this one.
    Number(Option<Seq>),
    /// Send a directory the statement under this number.
    Send(usize, Seq),
}

/// What came of a request, as far as it matters to what is done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The directory has it on disk.
    Acknowledged,
    /// The directory's clock differs from ours, and it has told us its time.
    OtherClock,
    /// The directory has a newer statement.
    Stale,
    /// Time may mend it.
    Failed,
    /// Only a person can mend it.
    Refused,
}

/// What is done next about a directory, for its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing: it has the statement.
    Done,
    /// It is tried once more at once; nothing has failed yet.
    AtOnce,
    /// It is tried again then.
    At(Instant),
}

/// The directories of a host, and the statement that they are to have.
#[derive(Debug)]
pub(super) struct Roll {
    lanes: Vec<Lane>,
    /// How long after its first acknowledgement a statement is renewed.
    renew_after: Duration,
    jitter: fn(Duration) -> Duration,
    /// Nothing is on file yet, so a directory may know a number that we do not.
    is_new: bool,
    wanted: Option<Wanted>,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
struct Wanted {
    lasts: bool,
    seq: Option<Seq>,
    floor: Option<Seq>,
    numbering: Numbering,
    renew_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Numbering {
    Idle,
    Busy,
    Failed(Instant),
}

#[derive(Clone, Debug)]
struct Lane {
    stage: Stage,
    failed: u32,
    clock_followed: bool,
    number_lifted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Its number is being asked for.
    Asking,
    /// The statement has no number yet.
    Waiting,
    /// The statement is under way.
    Sending,
    /// To be sent again, or asked again.
    Pausing { until: Instant, ask: bool },
    /// It has the statement.
    Done,
}

impl Lane {
    const NEW: Self = Self { stage: Stage::Waiting, failed: 0, clock_followed: false, number_lifted: false };
}

impl Roll {
    /// The roll of so many directories, none of which is to have anything yet.
    pub(super) fn new(
        directories: usize,
        renew_after: Duration,
        is_new: bool,
        jitter: fn(Duration) -> Duration,
    ) -> Self {
        Self {
            lanes: vec![Lane::NEW; directories],
            renew_after,
            jitter,
            is_new,
            wanted: None,
            outputs: VecDeque::new(),
        }
    }

    /// All directories are to have a new statement; one that lasts is renewed in time.
    pub(super) fn want(&mut self, lasts: bool) {
        self.outputs.clear();
        self.lanes.fill(Lane::NEW);
        self.wanted = Some(Wanted { lasts, seq: None, floor: None, numbering: Numbering::Idle, renew_at: None });
        if self.is_new {
            for (index, lane) in self.lanes.iter_mut().enumerate() {
                lane.stage = Stage::Asking;
                self.outputs.push_back(Output::Ask(index));
            }
        } else {
            self.number();
        }
    }

    /// Nothing is to be sent any more: the link is gone.
    pub(super) fn rest(&mut self) {
        self.outputs.clear();
        self.lanes.fill(Lane::NEW);
        self.wanted = None;
    }

    /// A directory knows this number of ours, or none.
    pub(super) fn handle_known(&mut self, index: usize, known: Option<Seq>) {
        let Some(wanted) = &mut self.wanted else { return };
        let Some(lane) = self.lanes.get_mut(index) else { return };
        wanted.floor = wanted.floor.max(known);
        lane.stage = Stage::Waiting;
        match wanted.seq {
            Some(seq) if Some(seq) > wanted.floor => self.send(index, seq),
            Some(_) | None => self.number(),
        }
    }

    /// A directory cannot tell its number, or has one that is not ours.
    pub(super) fn handle_unknown(&mut self, index: usize, verdict: Verdict, now: Instant) -> Next {
        self.pause(index, verdict, true, now)
    }

    /// The number is on disk.
    pub(super) fn handle_number(&mut self, seq: Seq) {
        let Some(wanted) = &mut self.wanted else { return };
        self.is_new = false;
        wanted.numbering = Numbering::Idle;
        wanted.seq = Some(seq);
        if wanted.floor >= Some(seq) {
            return self.number();
        }
        wanted.floor = None;
        for index in 0..self.lanes.len() {
            let stage = self.lanes.get(index).map(|lane| lane.stage);
            match stage {
                // A directory that has the statement already gets the greater number, too: nobody may find an older one.
                Some(Stage::Waiting | Stage::Sending | Stage::Done) => self.send(index, seq),
                Some(Stage::Asking | Stage::Pausing { .. }) | None => {}
            }
        }
    }

    /// No number could be had; gives when it is tried again.
    pub(super) fn handle_no_number(&mut self, now: Instant) -> Instant {
        let at = now + (self.jitter)(REFUSED.0);
        if let Some(wanted) = &mut self.wanted {
            wanted.numbering = Numbering::Failed(at);
        }
        at
    }

    /// A directory has judged the statement.
    pub(super) fn handle_sent(&mut self, index: usize, seq: Seq, verdict: Verdict, now: Instant) -> Next {
        let Some(wanted) = &mut self.wanted else { return Next::Done };
        let Some(lane) = self.lanes.get_mut(index) else { return Next::Done };
        match verdict {
            Verdict::Acknowledged => {
                lane.stage = Stage::Done;
                lane.failed = 0;
                if wanted.lasts {
                    wanted.renew_at.get_or_insert(now + self.renew_after);
                }
                Next::Done
            }
            Verdict::OtherClock if !std::mem::replace(&mut lane.clock_followed, true) => {
                self.send(index, seq);
                Next::AtOnce
            }
            Verdict::Stale if !std::mem::replace(&mut lane.number_lifted, true) => {
                lane.stage = Stage::Asking;
                wanted.floor = wanted.floor.max(Some(seq));
                self.outputs.push_back(Output::Ask(index));
                Next::AtOnce
            }
            Verdict::Stale => self.pause(index, Verdict::Failed, true, now),
            Verdict::OtherClock | Verdict::Failed => self.pause(index, Verdict::Failed, false, now),
            Verdict::Refused => self.pause(index, Verdict::Refused, false, now),
        }
    }

    /// Time has passed.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        let Some(wanted) = &mut self.wanted else { return };
        if wanted.renew_at.is_some_and(|at| at <= now) {
            return self.want(true);
        }
        if matches!(wanted.numbering, Numbering::Failed(until) if until <= now) {
            wanted.numbering = Numbering::Idle;
            self.number();
        }
        for index in 0..self.lanes.len() {
            let Some(lane) = self.lanes.get_mut(index) else { continue };
            let Stage::Pausing { until, ask } = lane.stage else { continue };
            if until > now {
                continue;
            }
            match self.wanted.as_ref().and_then(|wanted| wanted.seq) {
                Some(seq) if !ask => self.send(index, seq),
                Some(_) | None => {
                    lane.stage = Stage::Asking;
                    self.outputs.push_back(Output::Ask(index));
                }
            }
        }
    }

    /// What there is to do; to be drained after each input.
    pub(super) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Roll::handle_timeout`] is due, and why.
    pub(super) fn deadline(&self) -> Option<(Instant, &'static str)> {
        let wanted = self.wanted.as_ref()?;
        let renewal = wanted.renew_at.map(|at| (at, "a third of the lease to pass"));
        let number = match wanted.numbering {
            Numbering::Failed(at) => Some((at, "another try at a number")),
            Numbering::Idle | Numbering::Busy => None,
        };
        let lanes = self.lanes.iter().filter_map(|lane| match lane.stage {
            Stage::Pausing { until, .. } => Some((until, "another try at a directory")),
            Stage::Asking | Stage::Waiting | Stage::Sending | Stage::Done => None,
        });
        lanes.chain(renewal).chain(number).min()
    }

    /// When the statement will be renewed.
    pub(super) fn renew_at(&self) -> Option<Instant> {
        self.wanted.as_ref()?.renew_at
    }

    fn number(&mut self) {
        let Some(wanted) = &mut self.wanted else { return };
        if wanted.numbering == Numbering::Idle {
            wanted.numbering = Numbering::Busy;
            self.outputs.push_back(Output::Number(wanted.floor));
        }
    }

    fn send(&mut self, index: usize, seq: Seq) {
        if let Some(lane) = self.lanes.get_mut(index) {
            lane.stage = Stage::Sending;
            self.outputs.push_back(Output::Send(index, seq));
        }
    }

    fn pause(&mut self, index: usize, verdict: Verdict, ask: bool, now: Instant) -> Next {
        let Some(lane) = self.lanes.get_mut(index) else { return Next::Done };
        let (first, longest) = if verdict == Verdict::Refused { REFUSED } else { PAUSE };
        let pause = first.saturating_mul(1 << lane.failed.min(16)).min(longest);
        let until = now + (self.jitter)(pause);
        lane.failed = lane.failed.saturating_add(1);
        lane.stage = Stage::Pausing { until, ask };
        Next::At(until)
    }
}

#[cfg(test)]
mod tests;
