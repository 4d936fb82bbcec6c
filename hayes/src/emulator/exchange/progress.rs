//! How calls move on: training, data, and the end that the other side is told of.

use std::time::Instant;

use oorandom::Rand64;

use super::super::call::{Call, End, Phase};
use super::super::calllog::{CallEventKind, CallId};
use super::super::circuit::{Circuit, Quality};
use super::super::dce::{LineEvent, Role};
use super::super::plan::Plan;
use super::outside::{Far, OutsideEvent};
use super::routing::Refusal;
use super::{Exchange, Output};

impl Exchange {
    /// Does what a call wants at this time.
    pub(super) fn attend(&mut self, id: CallId, now: Instant) {
        let Some(mut call) = self.calls.remove(&id) else { return };
        let caller = call.caller;
        let callee = call.callee();
        let next = match call.phase {
            Phase::Dialling { digits, .. } => self.route(id, caller, &digits, now),
            Phase::Tone { .. } => {
                self.report(id, CallEventKind::Dropped, now);
                self.drop_end(caller, id, OutsideEvent::HungUp, now);
                None
            }
            Phase::Lost { .. } => self.refuse(id, caller, Refusal::NoAnswer, now),
            Phase::Seized { callee, .. } => {
                self.dismiss(callee, OutsideEvent::HungUp, now);
                self.refuse(id, caller, Refusal::NoAnswer, now)
            }
            Phase::Ringing(ringing) => self.ring(id, caller, ringing, now),
            Phase::Answered { callee } => Some(Phase::Answered { callee }),
            Phase::Training { callee, .. } => Some(self.connect(id, caller, callee, now)),
            Phase::Connected { callee, mut to_caller, mut to_callee, interruption } => {
                to_caller.advance(now);
                to_callee.advance(now);
                Some(Phase::Connected { callee, to_caller, to_callee, interruption })
            }
            Phase::Releasing(mut releasing) => {
                if let Some(circuit) = &mut releasing.remaining {
                    circuit.advance(now);
                }
                Some(Phase::Releasing(releasing))
            }
        };
        let Some(next) = next else { return self.reschedule(id) };
        call.phase = next;
        let survivor = if let Phase::Releasing(releasing) = &call.phase { Some(releasing.survivor) } else { None };
        self.calls.insert(id, call);
        self.end_interruption(id, now);
        for end in [Some(caller), callee, survivor].into_iter().flatten() {
            self.deliver(id, end, now);
        }
        self.finish_release(id, now);
        self.reschedule(id);
    }

    /// Tells the survivor of a call that its time has come.
    pub(super) fn finish_release(&mut self, id: CallId, now: Instant) {
        let Some(Phase::Releasing(releasing)) = self.calls.get(&id).map(|call| &call.phase) else { return };
        if releasing.is_over(now) {
            let survivor = releasing.survivor;
            self.calls.remove(&id);
            self.drop_end(survivor, id, OutsideEvent::HungUp, now);
        }
    }

    /// Starts training once one modem of an answered call sends the answer tone and the other waits for it.
    pub(super) fn train(&mut self, id: CallId, now: Instant) {
        let Some(call) = self.calls.get(&id) else { return };
        let (caller, Phase::Answered { callee }) = (call.caller, &call.phase) else { return };
        let callee = *callee;
        let roles = (self.role(caller), self.role(callee));
        let fit =
            matches!(roles, (Some(Role::Originate), Some(Role::Answer)) | (Some(Role::Answer), Some(Role::Originate)));
        let until = now + self.plan.training;
        if fit && self.leads(caller, callee) {
            self.calls.insert(id, Call { caller, phase: Phase::Training { callee, until } });
        }
        self.reschedule(id);
    }

    /// Whether this exchange says when the modems are connected, and not the one behind the caller.
    pub(super) fn leads(&self, caller: End, callee: End) -> bool {
        self.is_paced_here(caller) || !self.is_paced_here(callee)
    }

    /// Whether what this end sends enters the network here.
    pub(super) fn is_paced_here(&self, end: End) -> bool {
        match end {
            End::Line(_) => true,
            End::Outside(id) => self.outsides.get(&id).is_some_and(|outside| outside.far == Far::Plain),
        }
    }

    /// Both modems are connected.
    pub(super) fn connect(&mut self, id: CallId, caller: End, callee: End, now: Instant) -> Phase {
        let rate = self.rate(caller).min(self.rate(callee));
        self.report(id, CallEventKind::Connected { rate }, now);
        for end in [callee, caller] {
            match end {
                End::Line(line) => self.tell(line, LineEvent::Connected(rate), now),
                End::Outside(outside) => self.tell_outside(outside, OutsideEvent::Connected { rate }, now),
            }
        }
        let corrected = [caller, callee].into_iter().all(|end| match end {
            End::Line(line) => self.lines.get(line.0).is_some_and(|line| line.dce.corrects_errors()),
            End::Outside(id) => self.outsides.get(&id).is_some_and(|outside| outside.far == Far::Exchange),
        });
        let Plan { delay, jitter, noise, bits_per_byte: bits, .. } = self.plan;
        let quality = Quality { delay, jitter, noise, bits, corrected };
        let mut circuit = |from: End| {
            let random = Rand64::new(u128::from(self.random.rand_u64()));
            let paced = self.is_paced_here(from);
            Box::new(if paced { Circuit::new(rate, quality, random) } else { Circuit::passing(random) })
        };
        Phase::Connected { callee, to_caller: circuit(callee), to_callee: circuit(caller), interruption: None }
    }

    /// Gives both ends of a call what has arrived for them.
    pub(super) fn deliver_all(&mut self, id: CallId, now: Instant) {
        let Some(call) = self.calls.get(&id) else { return };
        for end in [Some(call.caller), call.callee()].into_iter().flatten() {
            self.deliver(id, end, now);
        }
    }

    /// Gives an end what has arrived for it, if it takes data now.
    pub(super) fn deliver(&mut self, id: CallId, to: End, now: Instant) {
        let ready = match to {
            End::Line(line) => {
                let listens = |line: &super::Line| line.call == Some(id) && line.dce.is_in_data_state();
                self.lines.get(line.0).is_some_and(|line| line.terminal_ready && listens(line))
            }
            End::Outside(outside) => self.outsides.get(&outside).is_some_and(super::Outside::is_ready),
        };
        let Some(circuit) = self.calls.get_mut(&id).and_then(|call| call.incoming(to)).filter(|_| ready) else {
            return;
        };
        let bytes = circuit.take_arrived(now);
        if bytes.is_empty() {
            return;
        }
        match to {
            End::Line(line) => {
                let Some(found) = self.lines.get_mut(line.0) else { return };
                found.dce.handle_received(now);
                let bytes = found.dce.over_the_cable(bytes);
                self.outputs.push_back(Output::Send { line, bytes });
            }
            End::Outside(outside) => self.tell_outside(outside, OutsideEvent::Data(bytes), now),
        }
    }
}
