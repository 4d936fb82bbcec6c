//! How calls move on: training, data, and the end that the other side is told of.

use std::time::Instant;

use super::super::call::{Call, End, Phase};
use super::super::calllog::{CallEventKind, CallId};
use super::super::circuit::Circuit;
use super::super::dce::{LineEvent, Role};
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
                self.drop_end(caller, OutsideEvent::HungUp, now);
                None
            }
            Phase::Seized { callee, .. } => {
                self.dismiss(callee, OutsideEvent::HungUp);
                self.refuse(id, caller, Refusal::NoAnswer, now)
            }
            Phase::Ringing(ringing) => self.ring(id, caller, ringing, now),
            Phase::Answered { callee } => Some(Phase::Answered { callee }),
            Phase::Training { callee, .. } => Some(self.connect(id, caller, callee, now)),
            Phase::Connected { callee, mut to_caller, mut to_callee } => {
                to_caller.advance(now);
                to_callee.advance(now);
                Some(Phase::Connected { callee, to_caller, to_callee })
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
            self.drop_end(survivor, OutsideEvent::HungUp, now);
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
                End::Outside(outside) => self.tell_outside(outside, OutsideEvent::Connected { rate }),
            }
        }
        let circuit = |from: End| {
            if self.is_paced_here(from) {
                Circuit::new(rate, self.plan.bits_per_byte, self.plan.delay)
            } else {
                Circuit::passing()
            }
        };
        Phase::Connected { callee, to_caller: circuit(callee), to_callee: circuit(caller) }
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
                self.lines.get(line.0).is_some_and(|line| line.terminal_ready && line.dce.is_in_data_state())
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
                if let Some(found) = self.lines.get_mut(line.0) {
                    found.dce.handle_received(now);
                }
                self.outputs.push_back(Output::Send { line, bytes });
            }
            End::Outside(outside) => self.tell_outside(outside, OutsideEvent::Data(bytes)),
        }
    }
}
