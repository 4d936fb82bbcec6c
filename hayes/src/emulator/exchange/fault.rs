//! What goes wrong on purpose: on a line, in a call, or with the next calls to a number.
//!
//! Every fault is written into the log of calls with its cause. A fault that cannot be (no call to disturb) does nothing
//! but stand there.

use std::time::{Duration, Instant};

use super::super::call::{End, Interruption, Phase};
use super::super::calllog::{CallEventKind, CallId};
use super::super::dce::LineEvent;
use super::director::Part;
use super::outside::{OutsideCaller, OutsideEvent, log_name};
use super::{Exchange, LineId};
use crate::caller::{CallerId, CallerNumber};

/// Something to go wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The line's loop current fails for a moment: its call ends.
    LoopDrop {
        /// The line.
        line: LineId,
    },
    /// The modems of the line's call do not hear each other, for a time or for good.
    CarrierLoss {
        /// The line.
        line: LineId,
        /// How long.
        lasts: Option<Duration>,
    },
    /// The modems of the line's call train again; data waits meanwhile.
    Retrain {
        /// The line.
        line: LineId,
        /// How long that takes.
        lasts: Duration,
        /// The rate in bit/s from then on; the present one if none is given.
        rate: Option<u32>,
    },
    /// There is noise on the line's call, in both directions.
    Noise {
        /// The line.
        line: LineId,
        /// Bit errors in a million bits, at most 100000.
        errors: u32,
        /// How long; to the end of the call if no time is given.
        lasts: Option<Duration>,
    },
    /// The line goes dead: no dial tone, no ring, the end of its call.
    Dead {
        /// The line.
        line: LineId,
    },
    /// The line works again.
    Alive {
        /// The line.
        line: LineId,
    },
    /// The next time the line goes off hook to dial, it meets this caller, who is told nothing and does nothing.
    Glare {
        /// The line.
        line: LineId,
        /// Who.
        caller: OutsideCaller,
    },
    /// Calls to a number are treated so.
    Treat {
        /// The number; every one if none is given.
        number: Option<String>,
        /// How.
        treatment: Treatment,
        /// How many calls; all that follow if no number is given.
        calls: Option<u32>,
    },
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// It is put through after all: earlier treatments of the number are over.
    Normal,
    /// The caller hears busy tone.
    Busy,
    /// The caller hears fast busy.
    Congestion,
    /// The network does not know the number.
    Unknown,
    /// The caller hears it ring, but no telephone does.
    NoAnswer,
    /// The first ring comes late by so much.
    DelayedRing(Duration),
    /// The called line is not told who calls.
    NoCallerId,
    /// The called line is told a number with wrong characters in it.
    GarbledCallerId,
}

/// A treatment that is in force.
#[derive(Clone, Debug)]
pub(super) struct Treated {
    number: Option<String>,
    treatment: Treatment,
    calls: Option<u32>,
    cause: String,
}

/// More treatments than a scenario needs; the oldest makes room.
const MOST_TREATMENTS: usize = 64;
/// No fault with an end lasts longer.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

impl Treatment {
    fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Busy => "busy",
            Self::Congestion => "congestion",
            Self::Unknown => "unknown",
            Self::NoAnswer => "no-answer",
            Self::DelayedRing(_) => "delayed-ring",
            Self::NoCallerId => "no-caller-id",
            Self::GarbledCallerId => "garbled-caller-id",
        }
    }
}

impl Exchange {
    /// Makes something go wrong; `cause`, of which only `[a-z0-9-]` is kept, stands in the log of calls.
    pub fn inject(&mut self, fault: Fault, cause: &str, now: Instant) {
        self.befall(fault, cause, now);
        self.settle(now);
    }

    /// Makes something go wrong, within what the exchange is doing.
    pub(super) fn befall(&mut self, fault: Fault, cause: &str, now: Instant) {
        let cause = log_name(cause.to_owned(), "unknown");
        match fault {
            Fault::LoopDrop { line } => {
                self.log_fault(line, "loop-drop", cause, now);
                self.cut(line, now);
            }
            Fault::CarrierLoss { line, lasts } => {
                self.log_fault(line, "carrier-loss", cause, now);
                self.interrupt(line, "carrier-loss", lasts, None, now);
            }
            Fault::Retrain { line, lasts, rate } => {
                self.log_fault(line, "retrain", cause, now);
                let rate = rate.or_else(|| self.rate_of_call(line));
                self.interrupt(line, "retrain", Some(lasts), rate, now);
            }
            Fault::Noise { line, errors, lasts } => {
                self.log_fault(line, "noise", cause, now);
                let until = lasts.map(|lasts| now + lasts.min(LONGEST));
                let call = self.call_of(line);
                let call = call.and_then(|id| self.calls.get_mut(&id));
                if let Some(Phase::Connected { to_caller, to_callee, .. }) = call.map(|call| &mut call.phase) {
                    to_caller.disturb(errors, until);
                    to_callee.disturb(errors, until);
                }
            }
            Fault::Dead { line } => {
                self.log_fault(line, "dead", cause, now);
                if let Some(line) = self.lines.get_mut(line.0) {
                    line.dead = true;
                }
                self.cut(line, now);
            }
            Fault::Alive { line } => {
                self.log_fault(line, "alive", cause, now);
                let Some(found) = self.lines.get_mut(line.0).filter(|line| line.dead) else { return };
                found.dead = false;
                if found.role.is_some() && found.call.is_none() {
                    self.tell(line, LineEvent::DialTone, now);
                }
            }
            Fault::Glare { line, caller } => {
                self.log_fault(line, "glare", cause, now);
                if let Some(line) = self.lines.get_mut(line.0) {
                    line.glare = Some(caller);
                }
            }
            Fault::Treat { number, treatment, calls } => self.treat(number, treatment, calls, cause),
        }
    }

    fn treat(&mut self, number: Option<String>, treatment: Treatment, calls: Option<u32>, cause: String) {
        if treatment == Treatment::Normal {
            return self.treatments.retain(|treated| number.is_some() && treated.number != number);
        }
        if self.treatments.len() >= MOST_TREATMENTS {
            self.treatments.remove(0);
        }
        self.treatments.push(Treated { number, treatment, calls, cause });
    }

    /// How a call to a number is treated, which counts as one call.
    pub(super) fn treatments_of(&mut self, call: CallId, number: &str, now: Instant) -> Vec<Treatment> {
        let mut found = Vec::new();
        for treated in &mut self.treatments {
            if treated.number.as_deref().is_none_or(|treated| treated == number) && treated.calls != Some(0) {
                treated.calls = treated.calls.map(|calls| calls - 1);
                found.push((treated.treatment, treated.cause.clone()));
            }
        }
        self.treatments.retain(|treated| treated.calls != Some(0));
        for (treatment, cause) in &found {
            let kind = CallEventKind::Fault { fault: treatment.name(), line: None, cause: cause.clone() };
            self.report(call, kind, now);
        }
        found.into_iter().map(|(treatment, _)| treatment).collect()
    }

    /// Stops the data of the call that a line is in.
    pub(super) fn interrupt(
        &mut self,
        line: LineId,
        name: &'static str,
        lasts: Option<Duration>,
        retrain: Option<u32>,
        now: Instant,
    ) {
        if let Some(id) = self.call_of(line) {
            self.interrupt_call(id, line, name, lasts, retrain, now);
        }
    }

    pub(super) fn interrupt_call(
        &mut self,
        id: CallId,
        line: LineId,
        name: &'static str,
        lasts: Option<Duration>,
        retrain: Option<u32>,
        now: Instant,
    ) {
        let line = self.name(End::Line(line));
        let Some(call) = self.calls.get_mut(&id) else { return };
        let caller = call.caller;
        let Phase::Connected { callee, to_caller, to_callee, interruption } = &mut call.phase else { return };
        let callee = *callee;
        to_caller.hold();
        to_callee.hold();
        let until = lasts.map(|lasts| now + lasts.min(LONGEST));
        *interruption = Some(Interruption { until, retrain, name, line });
        if retrain.is_none() {
            self.tell_ends([caller, callee], &LineEvent::CarrierLost, now);
        }
        self.reschedule(id);
    }

    /// Ends an interruption whose time has come.
    pub(super) fn end_interruption(&mut self, id: CallId, now: Instant) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let caller = call.caller;
        let Phase::Connected { callee, to_caller, to_callee, interruption } = &mut call.phase else { return };
        let callee = *callee;
        let due = |interruption: &mut Interruption| interruption.until.is_some_and(|until| until <= now);
        let Some(Interruption { retrain, name, line, .. }) = interruption.take_if(due) else { return };
        if let Some(rate) = retrain {
            to_caller.set_rate(rate);
            to_callee.set_rate(rate);
        }
        to_caller.go_on(now);
        to_callee.go_on(now);
        match retrain {
            Some(rate) => {
                self.report(id, CallEventKind::Retrained { rate }, now);
                self.tell_ends([caller, callee], &LineEvent::Connected(rate), now);
            }
            None => {
                self.report(id, CallEventKind::FaultOver { fault: name, line }, now);
                self.tell_ends([caller, callee], &LineEvent::CarrierBack, now);
            }
        }
    }

    fn tell_ends(&mut self, ends: [End; 2], event: &LineEvent, now: Instant) {
        for end in ends {
            if let End::Line(line) = end {
                self.tell(line, event.clone(), now);
            }
        }
    }

    /// Takes the loop current from a line.
    fn cut(&mut self, line: LineId, now: Instant) {
        let Some(found) = self.lines.get_mut(line.0) else { return };
        let (call, other) = (found.call.take(), found.other.take());
        for call in [call, other].into_iter().flatten() {
            let name = self.name(End::Line(line));
            self.hang_up(call, End::Line(line), name, now);
        }
        self.tell(line, LineEvent::Dropped, now);
    }

    fn rate_of_call(&self, line: LineId) -> Option<u32> {
        match &self.calls.get(&self.call_of(line)?)?.phase {
            Phase::Connected { to_caller, to_callee, .. } => to_caller.rate().or_else(|| to_callee.rate()),
            Phase::Dialling { .. }
            | Phase::Tone { .. }
            | Phase::Lost { .. }
            | Phase::Seized { .. }
            | Phase::Ringing(_)
            | Phase::Answered { .. }
            | Phase::Training { .. }
            | Phase::Releasing(_) => None,
        }
    }

    fn call_of(&self, line: LineId) -> Option<CallId> {
        self.lines.get(line.0).and_then(|line| line.call)
    }

    fn log_fault(&mut self, line: LineId, fault: &'static str, cause: String, now: Instant) {
        let call = self.call_of(line).unwrap_or(CallId(0));
        let line = Some(self.name(End::Line(line)));
        self.report(call, CallEventKind::Fault { fault, line, cause }, now);
    }

    /// A caller who meets a line that is about to dial.
    pub(super) fn meet(&mut self, line: LineId, caller: OutsideCaller, now: Instant) -> CallId {
        let call = self.new_call_id();
        let role = Some(caller.role);
        let id = self.admit(super::Outside::new(call, caller, role));
        self.director.adopt(id, Part::default());
        let number = self.lines.get(line.0).map(|line| line.plan.number.clone()).unwrap_or_default();
        let from = self.name(End::Outside(id));
        self.report(call, CallEventKind::Dialled { from, to: number.clone() }, now);
        self.tell_outside(id, OutsideEvent::Ringing, now);
        let phase = self.bell(line, number, 0, now);
        self.calls.insert(call, super::Call { caller: End::Outside(id), phase: Phase::Ringing(phase) });
        call
    }

    /// Puts wrong characters into a number, as noise does to a message whose checksum the modem does not look at.
    pub(super) fn garble(&mut self, id: &mut CallerId) {
        let Some(CallerNumber::Known(number)) = &mut id.number else { return };
        let mut garbled = String::new();
        for digit in number.chars() {
            // Printable, so that no modem's answer can come of it.
            let wrong = char::from(u8::try_from(self.random.rand_range(0x21..0x7f)).unwrap_or(b'?'));
            garbled.push(if self.random.rand_range(0..3) == 0 { wrong } else { digit });
        }
        if garbled == *number {
            garbled.push('?');
        }
        *number = garbled;
    }
}
