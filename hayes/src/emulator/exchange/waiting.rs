//! Call waiting: a second caller for a line in a call, and the flash of the hook that goes from one to the other.
//!
//! The line's other call is one that waits, or one that is held. Hanging up ends the call and the held one; a caller who
//! waits then rings the bell.

use std::time::{Duration, Instant};

use super::super::call::{End, Phase};
use super::super::calllog::{CallEventKind, CallId};
use super::super::dce::LineEvent;
use super::super::plan::CallWaiting;
use super::outside::OutsideEvent;
use super::{Exchange, LineId};

/// The tone is repeated after this (GR-571-CORE: once more after ten seconds).
pub(super) const TONE_REPEATS: Duration = Duration::from_secs(10);
/// How long the tone keeps disturbed modems from hearing each other.
const DISTURBANCE: Duration = Duration::from_secs(2);
/// From the end of a call until the bell rings for the one that waited.
const RING_BACK: Duration = Duration::from_secs(1);

impl Exchange {
    /// Whether a second call gets through to a line that is engaged.
    pub(super) fn takes_a_second_call(&self, id: LineId) -> bool {
        let Some(line) = self.lines.get(id.0) else { return false };
        let call = line.call.and_then(|call| self.calls.get(&call));
        let talks = matches!(
            call.map(|call| &call.phase),
            Some(Phase::Answered { .. } | Phase::Training { .. } | Phase::Connected { .. })
        );
        line.plan.call_waiting != CallWaiting::Off && line.other.is_none() && line.role.is_some() && talks
    }

    /// The tone in the ear of a line in a call.
    pub(super) fn sound_waiting_tone(&mut self, id: CallId, line: LineId, caller: End, now: Instant) {
        let identification = self.caller_id(caller, now);
        let name = self.name(End::Line(line));
        let disturbs = self.lines.get(line.0).is_some_and(|line| line.plan.call_waiting == CallWaiting::Disturbing);
        self.report(id, CallEventKind::CallWaiting { line: name }, now);
        self.tell(line, LineEvent::CallWaiting(identification), now);
        if disturbs {
            self.interrupt(line, "call-waiting-tone", Some(DISTURBANCE), None, now);
        }
    }

    /// Goes from a line's call to its other one.
    pub(super) fn flash(&mut self, id: LineId, now: Instant) {
        let Some(line) = self.lines.get_mut(id.0) else { return };
        let (Some(to), role) = (line.other, line.role) else { return };
        let from = line.call.replace(to);
        line.other = from;
        let name = line.plan.name.clone();
        if let Some(from) = from {
            self.put_on_hold(from, now);
            self.report(from, CallEventKind::Held { line: name.clone() }, now);
        }
        let Some(call) = self.calls.get_mut(&to) else { return };
        let caller = call.caller;
        match &mut call.phase {
            Phase::Ringing(_) => {
                call.phase = Phase::Answered { callee: End::Line(id) };
                self.report(to, CallEventKind::Answered { line: name }, now);
                if let (End::Outside(outside), Some(role)) = (caller, role) {
                    let rate = self.rate(End::Line(id)).min(self.rate(caller));
                    self.tell_outside(outside, OutsideEvent::Answered { role, rate }, now);
                }
            }
            Phase::Connected { interruption, .. } => {
                if let Some(interruption) = interruption {
                    interruption.until = Some(now);
                }
                self.report(to, CallEventKind::Resumed { line: name }, now);
                self.end_interruption(to, now);
            }
            Phase::Dialling { .. }
            | Phase::Tone { .. }
            | Phase::Lost { .. }
            | Phase::Seized { .. }
            | Phase::Answered { .. }
            | Phase::Training { .. }
            | Phase::Releasing(_) => self.report(to, CallEventKind::Resumed { line: name }, now),
        }
        self.train(to, now);
        self.reschedule(to);
    }

    fn put_on_hold(&mut self, id: CallId, now: Instant) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let caller = call.caller;
        match call.phase {
            Phase::Training { callee, .. } => call.phase = Phase::Answered { callee },
            Phase::Connected { callee, .. } => {
                let line = [caller, callee].into_iter().find_map(|end| match end {
                    End::Line(line) => Some(line),
                    End::Outside(_) => None,
                });
                if let Some(line) = line {
                    self.interrupt_call(id, line, "held", None, None, now);
                }
            }
            Phase::Dialling { .. }
            | Phase::Tone { .. }
            | Phase::Lost { .. }
            | Phase::Seized { .. }
            | Phase::Ringing(_)
            | Phase::Answered { .. }
            | Phase::Releasing(_) => {}
        }
        self.reschedule(id);
    }

    /// What becomes of a line's other call when it hangs up.
    pub(super) fn leave_other(&mut self, line: LineId, other: CallId, now: Instant) {
        let Some(call) = self.calls.get_mut(&other) else { return };
        if let Phase::Ringing(ringing) = &mut call.phase {
            ringing.waiting = false;
            ringing.next_ring = now + RING_BACK;
            if let Some(line) = self.lines.get_mut(line.0) {
                line.call = Some(other);
            }
            return self.reschedule(other);
        }
        let name = self.name(End::Line(line));
        self.hang_up(other, End::Line(line), name, now);
    }
}
