//! Decides what to do next on the way to a host: ask, bring our own link up, free the line, watch for a newer record,
//! ring, prove, ring again or give up. Sans IO; `docs/states.md` has the table.
//!
//! One line for both the wake-up call and our own link is the normal case: the link goes down for the call and comes
//! up again after it. Where there is another way to the directory it is watched while the host is rung, so that a record
//! which comes during the call is seen at once. Refuses to hand out an address that has not proved to be the host's.

mod output;
mod plan;
mod queue;
mod state;
#[cfg(test)]
mod tests;
mod verdict;

#[cfg(test)]
pub(super) use self::tests::{every_failure, every_note};

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use hayes::modem::Outcome;

pub use self::output::{Found, Note, Output};
pub use self::plan::{HasWay, Jitter, Plan};
use self::plan::{LEAST_WAIT, MOST_LOSSES, Redial};
use self::state::{Queue, State, Then, Why};
pub(super) use self::verdict::{not_answered, not_its_own, rolled_back};
use super::call::Called;
use crate::exit::{Callee, Failure, Status};
use crate::identity::Unproven;
use crate::link::call_failure;
use crate::record::{HostName, Reachability, Seq, SignedRecord, State as HostState};

/// How long a host may take to prove itself: some round trips over two modems, with other traffic on the line.
const PROVE_WITHIN: Duration = Duration::from_secs(10);
/// The same where nothing speaks for it: the address cannot be reached from outside, or the record's lease is over.
const PROVE_UNLIKELY: Duration = Duration::from_secs(3);
/// The same where it may be that a tunnel has to come up first: ssh exchanges some 5 kB before it stands, and over a slow
/// modem that takes ten seconds.
const PROVE_THROUGH: Duration = Duration::from_secs(45);

/// An attempt to reach one host.
#[derive(Debug)]
pub struct Attempt {
    plan: Plan,
    state: State,
    /// The newest record known before ringing.
    before: Option<Seq>,
    /// A record that the directory gave and that is older than one seen before.
    rolled_back: Option<Seq>,
    /// Why the host was rung although its record said that it is online.
    gone: Option<Failure>,
    calls: u32,
    /// Whether the last call broke off while the host asked who we are.
    broke_off: bool,
    /// How often our own link was lost while it was wanted.
    losses: u32,
    /// Until when our own provider may be called again, while our own link is waited for.
    redial_until: Option<Instant>,
    /// Why it could not be reached, the last time.
    refused: Option<Failure>,
    /// Until when our turn is waited for, if it is.
    queued_until: Option<Instant>,
    /// Who has the line, as it was told last.
    told_busy: Option<String>,
    redial: Redial,
    has_way: HasWay,
    /// Whether a newer record is being looked out for.
    watching: bool,
    outputs: VecDeque<Output>,
}

impl Attempt {
    /// Starts an attempt; the first output is there at once.
    #[must_use]
    pub fn new(plan: Plan, jitter: Jitter, has_way: HasWay) -> Self {
        let before = plan.seen;
        let mut attempt = Self {
            plan,
            state: State::Done,
            before,
            rolled_back: None,
            gone: None,
            calls: 0,
            broke_off: false,
            losses: 0,
            redial_until: None,
            refused: None,
            queued_until: None,
            told_busy: None,
            redial: Redial::new(jitter),
            has_way,
            watching: false,
            outputs: VecDeque::new(),
        };
        attempt.go(State::Finding(Then::Ask(Why::ToKnow)), Output::FindWay);
        attempt
    }

    /// What to do next; to be drained after each input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Attempt::handle_timeout`] is due, and why.
    #[must_use]
    pub fn deadline(&self) -> Option<(Instant, &'static str)> {
        let own = match self.state {
            State::Awaiting(at) => Some((at, "the host to register")),
            State::Pausing(at) => Some((at, "the number to be free")),
            State::Queueing(_, at) => Some((at, "our turn")),
            // The first call has times of its own.
            State::Linking(_) if self.refused.is_some() => {
                self.redial_until.map(|at| (at, "our own provider to be reached"))
            }
            State::Finding(_)
            | State::Linking(_)
            | State::Asking(_)
            | State::Freeing
            | State::Ringing
            | State::Proving { .. }
            | State::Doubting { .. }
            | State::Done => None,
        };
        let over = self.plan.until.filter(|_at| self.state != State::Done).map(|at| (at, "the time that it may take"));
        own.into_iter().chain(over).min_by_key(|(at, _why)| *at)
    }

    /// Whether there is a way to the directory.
    pub fn handle_way(&mut self, there_is: bool, now: Instant) {
        let State::Finding(then) = self.state else { return };
        if there_is {
            self.proceed(then, now);
        } else if self.plan.has_isp {
            self.redial_until = Some(match then {
                Then::Ask(_why) => now + self.plan.wait,
                Then::Await(until) => until,
            });
            self.refused = None;
            self.go(State::Linking(then), Output::BringUp);
        } else {
            let failure = Failure::new(Status::DirectoryUnreachable, "there is no way to the directory from here");
            self.fail(failure.hint("connect to the Internet, or configure a provider to dial in [isp]"));
        }
    }

    /// Our own link came up, or did not.
    pub fn handle_own_link(&mut self, result: Result<(), Failure>, now: Instant) {
        let State::Linking(then) = self.state else { return };
        match result {
            Ok(()) => {
                self.had_turn();
                self.proceed(then, now);
            }
            Err(busy) if busy.status == Status::PortBusy => self.queue_for_line(Queue::ToDial(busy, then), now),
            Err(failure) => self.fail(failure.of_call_to(Callee::Provider)),
        }
    }

    /// Whether our own link, if it is what leads to the directory, is to stay up just now.
    #[must_use]
    pub fn wants_link(&self) -> bool {
        matches!(self.state, State::Asking(_) | State::Awaiting(_) | State::Proving { .. } | State::Doubting { .. })
    }

    /// Whether the host's new record is what everything waits for.
    #[must_use]
    pub fn awaits(&self) -> bool {
        matches!(self.state, State::Awaiting(_))
    }

    /// Our own link went down although it was wanted: it comes up again, and what was under way begins anew.
    pub fn handle_link_lost(&mut self) {
        let then = match self.state {
            State::Asking(why) => Then::Ask(why),
            State::Awaiting(until) => Then::Await(until),
            // Whatever was found at the address was found over a link that was breaking.
            State::Proving { .. } | State::Doubting { .. } => Then::Ask(Why::ToKnow),
            State::Finding(_)
            | State::Linking(_)
            | State::Freeing
            | State::Ringing
            | State::Pausing(_)
            | State::Queueing(..)
            | State::Done => return,
        };
        self.losses += 1;
        if self.losses > MOST_LOSSES {
            let failure = Failure::new(Status::NoLink, format!("our own link was lost {} times", self.losses));
            return self.fail(failure.hint("its log, own-link.log in runtime-directory, tells more"));
        }
        self.outputs.push_back(Output::Note(Note::LinkLost));
        self.go(State::Finding(then), Output::FindWay);
    }

    /// The directory answered: the host's record, if it has one. `unix_now` is the wall clock in seconds since 1970.
    pub fn handle_answer(&mut self, answer: Result<Option<SignedRecord>, Failure>, unix_now: u64) {
        let State::Asking(why) = self.state else { return };
        let record = match answer {
            Ok(record) => record,
            Err(failure) => return self.fail(failure),
        };
        if let Some(signed) = record {
            if let Err(failure) = self.check(&signed) {
                return self.fail(failure);
            }
            let seq = signed.record().seq();
            if self.plan.seen.is_some_and(|seen| seq < seen) {
                self.note_rollback(seq);
            } else if is_online(&signed) && (why == Why::ToKnow || self.before < Some(seq)) {
                return self.prove(signed, why == Why::ToTell, unix_now);
            } else {
                self.before = self.before.max(Some(seq));
            }
        }
        match why {
            Why::ToTell => self.fail(self.not_registered()),
            Why::ToKnow => self.ring_or(Self::asleep),
        }
    }

    /// The wake-up call is over.
    pub fn handle_call(&mut self, result: Result<Called, Failure>, now: Instant) {
        if self.state != State::Ringing {
            return;
        }
        if result.is_ok() {
            self.had_turn();
        }
        self.broke_off = result == Ok(Called::BrokeOff);
        match result {
            // A host that does not answer may be one that only now is switched on.
            Ok(Called::Ended(Outcome::RangOut | Outcome::NoAnswer)) if self.plan.answers => {
                self.call_again_or(not_answered(self.plan.host.as_str()), now);
            }
            Ok(
                Called::Ended(Outcome::RangOut | Outcome::NoAnswer | Outcome::Connected(_) | Outcome::Voice)
                | Called::Told(_)
                // It may have understood us, and be waking.
                | Called::BrokeOff,
            ) => self.go(State::Finding(Then::Await(now + self.plan.wait)), Output::FindWay),
            // A busy host may well be online: its line is what it is online with. A call that came in just then may be
            // the host's own. No carrier is what a bad line says, and what some exchanges say for busy.
            Ok(Called::Ended(outcome @ (Outcome::Busy | Outcome::Glare | Outcome::NoCarrier))) => {
                self.call_again_or(call_failure(&outcome, self.plan.host.as_str()), now);
            }
            // What the modem forbids is not tried again (V.250 has it say so; national rules have it count).
            Ok(Called::Ended(
                outcome @ (Outcome::NoDialTone
                | Outcome::Refused
                | Outcome::Delayed
                | Outcome::Blacklisted
                | Outcome::Silent),
            )) => self.fail(call_failure(&outcome, self.plan.host.as_str()).of_call_to(Callee::Host)),
            Err(busy) if busy.status == Status::PortBusy => self.queue_for_line(Queue::ToRing(busy), now),
            Err(failure) => self.fail(failure.of_call_to(Callee::Host)),
        }
    }

    /// A record came that is newer than the one before. `unix_now` is the wall clock in seconds since 1970.
    pub fn handle_newer(&mut self, result: Result<SignedRecord, Failure>, unix_now: u64) {
        if !std::mem::replace(&mut self.watching, false) {
            return;
        }
        let signed = match result {
            Ok(signed) => signed,
            Err(failure) => return self.fail(failure),
        };
        match self.check(&signed) {
            Ok(()) => {
                if self.state == State::Ringing {
                    self.outputs.push_back(Output::StopRinging);
                }
                self.keep_link();
                self.prove(signed, true, unix_now);
            }
            Err(failure) => self.fail(failure),
        }
    }

    /// The machine at one of the addresses, or at the far end of the tunnel, has proved to be the host, or none has.
    pub fn handle_proof(&mut self, result: Result<SocketAddr, Unproven>) {
        let State::Proving { record, fresh } = self.state.clone() else { return };
        let tunnel = record.record().services().tunnel;
        match result {
            Ok(at) => {
                let (address, first_use) = (at.ip(), self.plan.identity.is_none());
                let tunnel = tunnel.filter(|tunnel| tunnel.at() == at);
                self.finish(Output::Found(Box::new(Found { record: *record, address, tunnel, first_use })));
            }
            // Of several servers the first that has it online is believed, and it may lag behind the others; or the host
            // has moved just now.
            Err(unproven) => {
                let asked = Output::AskAll(*record.key(), record.record().seq());
                self.go(State::Doubting { record, fresh, unproven }, asked);
            }
        }
    }

    /// Every server was asked: the newest record that any of them has, or none where none has answered.
    pub fn handle_newest(&mut self, newest: Option<SignedRecord>, unix_now: u64) {
        let State::Doubting { record, fresh, unproven } = self.state.clone() else { return };
        let seq = record.record().seq();
        let is_news = |newer: &SignedRecord| {
            newer.record().seq() > seq && newer.key() == record.key() && self.check(newer).is_ok()
        };
        if let Some(newer) = newest.filter(is_news) {
            if is_online(&newer) {
                return self.prove(newer, fresh, unix_now);
            }
            self.before = self.before.max(Some(newer.record().seq()));
            return self.ring_or(Self::asleep);
        }
        let failure = verdict::unproven(&record, &unproven, unix_now);
        // A host that lost its link could not withdraw its record; its address may be somebody else's by now.
        if !fresh && verdict::is_gone(&record, &unproven, unix_now) && self.may_ring() {
            self.before = self.before.max(Some(seq));
            self.outputs.push_back(Output::Note(Note::Gone { why: failure.message.clone() }));
            self.gone = Some(failure);
            self.go(State::Freeing, Output::FreeLine);
        } else {
            self.fail(failure);
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let (Some(until), false) = (self.plan.until, self.state == State::Done)
            && now >= until
        {
            let failure = self.out_of_time();
            self.let_link_go();
            return self.fail(failure);
        }
        match self.state {
            // Cold machines may need two calls.
            State::Awaiting(at) if now >= at => {
                if self.may_ring() {
                    self.go(State::Freeing, Output::FreeLine);
                } else {
                    self.stop_watching();
                    self.go(State::Asking(Why::ToTell), Output::Ask);
                }
            }
            State::Queueing(ref queue, at) if now >= at => {
                let queue = queue.clone();
                self.leave_queue(queue);
            }
            State::Linking(_) => self.stop_redialling(now),
            State::Pausing(at) if now >= at => self.go(State::Finding(Then::Ask(Why::ToKnow)), Output::FindWay),
            State::Awaiting(_)
            | State::Pausing(_)
            | State::Queueing(..)
            | State::Finding(_)
            | State::Asking(_)
            | State::Freeing
            | State::Ringing
            | State::Proving { .. }
            | State::Doubting { .. }
            | State::Done => {}
        }
    }

    fn proceed(&mut self, then: Then, now: Instant) {
        match then {
            Then::Ask(why) => self.go(State::Asking(why), Output::Ask),
            Then::Await(until) => {
                // However long our own link took, the directory is asked for a while.
                self.state = State::Awaiting(until.max(now + LEAST_WAIT));
                self.watch();
            }
        }
    }

    fn prove(&mut self, signed: SignedRecord, fresh: bool, unix_now: u64) {
        self.stop_watching();
        let reachability = signed.record().reachability();
        let has_tunnel = signed.record().services().tunnel.is_some();
        if reachability != Reachability::Public && !has_tunnel {
            self.outputs.push_back(Output::Note(Note::Unreachable(reachability)));
        }
        let from_here: Vec<IpAddr> =
            signed.record().addresses().iter().copied().filter(|address| (self.has_way)(*address)).collect();
        let unlikely = Reachability::best_of(&from_here) != Reachability::Public || verdict::is_over(&signed, unix_now);
        let patience = match (has_tunnel, unlikely) {
            // A tunnel that was opened before stands already, or not any more.
            (true, _) if fresh => PROVE_THROUGH,
            (false, true) => PROVE_UNLIKELY,
            (true | false, _) => PROVE_WITHIN,
        };
        let record = Box::new(signed);
        self.go(State::Proving { record: record.clone(), fresh }, Output::Prove(record, patience));
    }

    fn watch(&mut self) {
        if !std::mem::replace(&mut self.watching, true) {
            self.outputs.push_back(Output::Watch(self.before));
        }
    }

    fn stop_watching(&mut self) {
        if std::mem::replace(&mut self.watching, false) {
            self.outputs.push_back(Output::StopWatching);
        }
    }

    fn note_rollback(&mut self, found: Seq) {
        let known = self.rolled_back.replace(found);
        if let Some(seen) = self.plan.seen.filter(|_seen| known.is_none()) {
            self.outputs.push_back(Output::Note(Note::RolledBack { found, seen }));
        }
    }

    /// Whether a call to the host is left.
    pub(in crate::connect) fn may_ring(&self) -> bool {
        self.plan.has_number && self.calls < self.plan.calls
    }

    fn ring_or(&mut self, otherwise: impl FnOnce(&Self) -> Failure) {
        if self.may_ring() {
            self.go(State::Freeing, Output::FreeLine);
        } else {
            let failure = otherwise(self);
            self.fail(failure);
        }
    }

    /// Looks the host up after a pause, and calls again if it is still asleep; unless there were calls enough.
    fn call_again_or(&mut self, failure: Failure, now: Instant) {
        let failure = failure.of_call_to(Callee::Host);
        if self.calls < self.plan.calls {
            let pause = self.redial.pause();
            let why = failure.message;
            self.state = State::Pausing(now + pause);
            self.outputs.push_back(Output::Note(Note::Pausing { why, pause }));
        } else {
            self.fail(self.not_called(failure));
        }
    }

    fn fail(&mut self, failure: Failure) {
        self.finish(Output::Failed(failure));
    }

    fn finish(&mut self, output: Output) {
        self.stop_watching();
        self.go(State::Done, output);
    }

    fn go(&mut self, state: State, output: Output) {
        tracing::debug!(from = self.state.name(), to = state.name(), "attempt");
        self.state = state;
        self.outputs.push_back(output);
    }
}

fn is_online(signed: &SignedRecord) -> bool {
    signed.record().state() == HostState::Online && !signed.record().addresses().is_empty()
}
