//! Lines that go off hook and on hook, and what that makes of their calls.

use std::time::{Duration, Instant};

use super::super::call::{Call, End, Phase, Releasing};
use super::super::calllog::{CallEventKind, CallId};
use super::super::dce::{LineEvent, Role};
use super::outside::OutsideEvent;
use super::{Exchange, LineId};

/// How long a modem tries to hand over what it has received after the far side hung up (S38's usual value).
const FORCED_DISCONNECT: Duration = Duration::from_secs(20);

impl Exchange {
    pub(super) fn off_hook(&mut self, id: LineId, role: Role, now: Instant) {
        let Some(line) = self.lines.get_mut(id.0) else { return };
        let was_on_hook = line.role.replace(role).is_none();
        if was_on_hook
            && role == Role::Originate
            && line.call.is_none()
            && !line.dead
            && let Some(caller) = line.glare.take()
        {
            let call = self.meet(id, caller, now);
            if let Some(line) = self.lines.get_mut(id.0) {
                line.call = Some(call);
            }
        }
        let Some(line) = self.lines.get_mut(id.0) else { return };
        let Some(call_id) = line.call else {
            if was_on_hook && !line.dead {
                self.tell(id, LineEvent::DialTone, now);
            }
            return;
        };
        let name = line.plan.name.clone();
        let Some(call) = self.calls.get_mut(&call_id) else { return };
        if matches!(&call.phase, Phase::Ringing(ringing) if ringing.callee == id) {
            call.phase = Phase::Answered { callee: End::Line(id) };
            self.report(call_id, CallEventKind::Answered { line: name.clone() }, now);
            if role == Role::Originate {
                self.report(call_id, CallEventKind::Glare { line: name }, now);
                self.tell(id, LineEvent::Collision, now);
            }
        }
        if let Some(Call { caller: End::Outside(caller), phase: Phase::Answered { callee } }) = self.calls.get(&call_id)
        {
            let (caller, callee) = (*caller, *callee);
            let rate = self.rate(callee).min(self.rate(End::Outside(caller)));
            self.tell_outside(caller, OutsideEvent::Answered { role, rate }, now);
        }
        self.train(call_id, now);
    }

    pub(super) fn on_hook(&mut self, id: LineId, now: Instant) {
        let Some(line) = self.lines.get_mut(id.0) else { return };
        line.role = None;
        let by = line.plan.name.clone();
        let other = line.other.take();
        if let Some(call) = line.call.take() {
            self.hang_up(call, End::Line(id), by, now);
        }
        if let Some(other) = other {
            self.leave_other(id, other, now);
        }
    }

    /// Ends a call, for an end that has left it.
    pub(super) fn hang_up(&mut self, call_id: CallId, by: End, name: String, now: Instant) {
        let Some(call) = self.calls.remove(&call_id) else { return };
        let notice = self.notice(by);
        if let End::Outside(id) = by {
            self.outsides.remove(&id);
        }
        self.let_go(by);
        let dialled = !matches!(call.phase, Phase::Dialling { .. });
        let caller = call.caller;
        let other = |callee: End| if by == callee { caller } else { callee };
        let releasing = match call.phase {
            Phase::Dialling { .. } | Phase::Tone { .. } | Phase::Lost { .. } | Phase::Releasing(_) => None,
            Phase::Seized { callee, .. } if by == caller => {
                self.dismiss(callee, OutsideEvent::HungUp, now);
                None
            }
            Phase::Seized { .. } => Some((caller, None)),
            // The telephone is cut off while it rings: the caller goes on hearing it.
            Phase::Ringing(ringing) if by == End::Line(ringing.callee) => {
                self.calls.insert(call_id, Call { caller, phase: Phase::Lost { until: ringing.until } });
                return self.reschedule(call_id);
            }
            Phase::Ringing(ringing) => {
                self.drop_end(End::Line(ringing.callee), call_id, OutsideEvent::HungUp, now);
                None
            }
            Phase::Answered { callee } | Phase::Training { callee, .. } => Some((other(callee), None)),
            Phase::Connected { callee, to_caller, to_callee, interruption } => {
                let mut remaining = if by == callee { to_caller } else { to_callee };
                let lost = interruption.is_some_and(|interruption| interruption.retrain.is_none());
                remaining.go_on(now);
                Some((other(callee), Some(remaining).filter(|_| !lost)))
            }
        };
        if dialled {
            self.report(call_id, CallEventKind::HungUp { by: name }, now);
        }
        let held = |end| match end {
            End::Line(line) => self.lines.get(line.0).is_some_and(|line| line.other == Some(call_id)),
            End::Outside(_) => false,
        };
        if let Some((survivor, _)) = releasing.as_ref().filter(|(survivor, _)| held(*survivor)) {
            // It listens to its other call.
            if let End::Line(line) = *survivor {
                self.free(line, call_id);
            }
        } else if let Some((survivor, remaining)) = releasing {
            let heard = match survivor {
                End::Line(line) => self.lines.get(line.0).is_some_and(|line| line.dce.is_in_data_state()),
                End::Outside(_) => true,
            };
            let phase = Phase::Releasing(Releasing {
                survivor,
                remaining: remaining.filter(|_| heard),
                notice: now
                    + notice
                    + if let End::Line(_) = survivor { self.plan.disconnect_notice } else { Duration::ZERO },
                forced: now + FORCED_DISCONNECT,
            });
            self.calls.insert(call_id, Call { caller, phase });
        }
        self.reschedule(call_id);
    }

    /// How long it takes until the exchange's other side knows that this end has hung up: the delay counts where the
    /// end's data enters the network.
    fn notice(&self, by: End) -> Duration {
        if self.is_paced_here(by) { self.plan.delay } else { Duration::ZERO }
    }

    /// Takes a line out of a call without telling its modem; answers whether it is the call the line listens to.
    pub(super) fn free(&mut self, id: LineId, call: CallId) -> bool {
        let Some(line) = self.lines.get_mut(id.0) else { return false };
        line.other.take_if(|other| *other == call);
        line.call.take_if(|current| *current == call).is_some()
    }

    /// Takes an end out of a call and lets it notice.
    pub(super) fn drop_end(&mut self, end: End, call: CallId, event: OutsideEvent, now: Instant) {
        match end {
            End::Line(id) => {
                if self.free(id, call) {
                    self.tell(id, LineEvent::Dropped, now);
                }
            }
            End::Outside(id) => self.dismiss(id, event, now),
        }
    }
}
