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
        let Some(call_id) = line.call else {
            if was_on_hook && !line.plan.dead {
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
            self.tell_outside(caller, OutsideEvent::Answered { role, rate });
        }
        self.train(call_id, now);
    }

    pub(super) fn on_hook(&mut self, id: LineId, now: Instant) {
        let Some(line) = self.lines.get_mut(id.0) else { return };
        line.role = None;
        let by = line.plan.name.clone();
        let Some(call_id) = line.call.take() else { return };
        self.hang_up(call_id, End::Line(id), by, now);
    }

    /// Ends a call, for an end that has left it.
    pub(super) fn hang_up(&mut self, call_id: CallId, by: End, name: String, now: Instant) {
        let Some(call) = self.calls.remove(&call_id) else { return };
        let notice = self.notice(by);
        if let End::Outside(id) = by {
            self.outsides.remove(&id);
        }
        let dialled = !matches!(call.phase, Phase::Dialling { .. });
        let caller = call.caller;
        let other = |callee: End| if by == callee { caller } else { callee };
        let releasing = match call.phase {
            Phase::Dialling { .. } | Phase::Tone { .. } | Phase::Releasing(_) => None,
            Phase::Seized { callee, .. } if by == caller => {
                self.dismiss(callee, OutsideEvent::HungUp);
                None
            }
            Phase::Seized { .. } => Some((caller, None)),
            Phase::Ringing(ringing) => {
                self.free(ringing.callee);
                None
            }
            Phase::Answered { callee } | Phase::Training { callee, .. } => Some((other(callee), None)),
            Phase::Connected { callee, to_caller, to_callee } => {
                Some((other(callee), Some(if by == callee { to_caller } else { to_callee })))
            }
        };
        if dialled {
            self.report(call_id, CallEventKind::HungUp { by: name }, now);
        }
        if let Some((survivor, remaining)) = releasing {
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

    /// Takes a line out of its call without telling its modem.
    pub(super) fn free(&mut self, id: LineId) {
        if let Some(line) = self.lines.get_mut(id.0) {
            line.call = None;
        }
    }

    /// Takes an end out of its call and lets it notice.
    pub(super) fn drop_end(&mut self, end: End, event: OutsideEvent, now: Instant) {
        match end {
            End::Line(id) => {
                self.free(id);
                self.tell(id, LineEvent::Dropped, now);
            }
            End::Outside(id) => self.dismiss(id, event),
        }
    }
}
