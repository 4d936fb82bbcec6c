//! From digits to a bell that rings: which line or trunk a number leads to, and who is told what before the answer.

use std::time::{Duration, Instant};

use super::super::call::{Call, End, Phase, Ringing};
use super::super::calllog::{CallEventKind, CallId, WallTime};
use super::super::dce::LineEvent;
use super::super::plan::{Presentation, TrunkPlan};
use super::outside::{Outside, OutsideCaller, OutsideEvent};
use super::{Exchange, LineId};
use crate::caller::{CallerId, CallerNumber};
use crate::emulator::dce::Role;

/// The longest number that the exchange collects.
const LONGEST_NUMBER: usize = 64;

/// Why a call does not come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The line is engaged.
    Busy,
    /// Nobody answered in time.
    NoAnswer,
    /// Nobody has the number.
    Unknown,
}

impl Exchange {
    pub(super) fn dial(&mut self, id: LineId, digits: &str, now: Instant) {
        let Some(line) = self.lines.get_mut(id.0).filter(|line| !line.plan.dead) else { return };
        let call_id = *line.call.get_or_insert_with(|| {
            self.last_call += 1;
            CallId(self.last_call)
        });
        let call = self.calls.entry(call_id).or_insert_with(|| Call {
            caller: End::Line(id),
            phase: Phase::Dialling { digits: String::new(), until: now },
        });
        if let Phase::Dialling { digits: dialled, until } = &mut call.phase {
            let room = LONGEST_NUMBER.saturating_sub(dialled.len());
            dialled.extend(digits.chars().take(room));
            let known = self.directory.contains_key(dialled.as_str());
            *until = now + if known { self.plan.dialling.post_dial } else { self.plan.dialling.interdigit };
        }
        self.reschedule(call_id);
    }

    /// Finds a free line, or a trunk, for a dialled number; `None` when the call is over.
    pub(super) fn route(&mut self, id: CallId, caller: End, digits: &str, now: Instant) -> Option<Phase> {
        let from = self.name(caller);
        let lines = self.directory.get(digits).cloned();
        self.report(id, CallEventKind::Dialled { from, to: digits.to_owned() }, now);
        let Some(lines) = lines else {
            let trunk = self.plan.trunk_to(digits).filter(|_| matches!(caller, End::Line(_))).cloned();
            return match trunk {
                Some(trunk) => Some(self.seize(id, caller, &trunk, digits, now)),
                None => self.refuse(id, caller, Refusal::Unknown, now),
            };
        };
        let free = |id: &LineId| {
            self.lines.get(id.0).is_some_and(|line| line.role.is_none() && line.call.is_none() && !line.plan.dead)
        };
        let Some(callee) = lines.into_iter().find(free) else {
            return self.refuse(id, caller, Refusal::Busy, now);
        };
        if let Some(line) = self.lines.get_mut(callee.0) {
            line.call = Some(id);
        }
        let told = self.lines.get(callee.0).is_some_and(|line| line.plan.caller_id);
        let first_ring = self.plan.cadence.round().saturating_sub(self.plan.cadence.last_silence());
        Some(Phase::Ringing(Ringing {
            callee,
            rings: 0,
            next_ring: now,
            caller_id_at: told.then(|| now + first_ring + self.plan.caller_id_after),
            until: now + self.plan.ring_limit,
        }))
    }

    /// Tells a caller why the call does not come about; a line then hears a tone for a while.
    pub(super) fn refuse(&mut self, id: CallId, caller: End, why: Refusal, now: Instant) -> Option<Phase> {
        let (kind, event, tone) = match why {
            Refusal::Busy => (CallEventKind::Busy, OutsideEvent::Busy, Some(LineEvent::BusyTone)),
            Refusal::NoAnswer => (CallEventKind::NoAnswer, OutsideEvent::NoAnswer, None),
            Refusal::Unknown => (CallEventKind::NumberUnknown, OutsideEvent::Unknown, None),
        };
        self.report(id, kind, now);
        match caller {
            End::Line(line) if why != Refusal::NoAnswer => {
                if let Some(tone) = tone {
                    self.tell(line, tone, now);
                }
                Some(Phase::Tone { until: now + self.plan.tone_limit })
            }
            End::Line(_) | End::Outside(_) => {
                self.drop_end(caller, event, now);
                None
            }
        }
    }

    /// Sends a call out over a trunk.
    fn seize(&mut self, id: CallId, caller: End, trunk: &TrunkPlan, digits: &str, now: Instant) -> Phase {
        let to = digits.strip_prefix(&trunk.prefix).filter(|_| trunk.strip).unwrap_or(digits).to_owned();
        let (name, rate) = (trunk.name.clone(), self.rate(caller));
        let party = OutsideCaller { name, id: CallerId::default(), rate: u32::MAX, far: trunk.far, role: Role::Silent };
        let callee = self.admit(Outside::new(id, party, None));
        self.report(id, CallEventKind::Seized { trunk: trunk.name.clone() }, now);
        let caller = self.caller_id(caller, now);
        self.tell_outside(callee, OutsideEvent::Called { trunk: trunk.name.clone(), to, caller, rate });
        Phase::Seized { callee, until: now + self.plan.ring_limit }
    }

    /// Does what a ringing bell wants at this time.
    pub(super) fn ring(&mut self, id: CallId, caller: End, mut ringing: Ringing, now: Instant) -> Option<Phase> {
        let line = self.name(End::Line(ringing.callee));
        if ringing.until <= now {
            self.free(ringing.callee);
            return self.refuse(id, caller, Refusal::NoAnswer, now);
        }
        if ringing.caller_id_at.take_if(|at| *at <= now).is_some() {
            let identification = self.caller_id(caller, now);
            self.report(id, CallEventKind::CallerIdSent { line: line.clone() }, now);
            let called = self.lines.get(ringing.callee.0).map(|line| line.plan.number.clone()).unwrap_or_default();
            self.tell(ringing.callee, LineEvent::CallerId { caller: identification, called }, now);
        }
        if ringing.next_ring <= now {
            ringing.rings += 1;
            ringing.next_ring += self.plan.cadence.round();
            if let End::Outside(outside) = caller
                && ringing.rings == 1
            {
                self.tell_outside(outside, OutsideEvent::Ringing);
            }
            self.report(id, CallEventKind::Ringing { line, ring: ringing.rings }, now);
            self.tell(ringing.callee, LineEvent::Ring { pattern: 0 }, now);
        }
        Some(Phase::Ringing(ringing))
    }

    /// What caller identification tells of an end.
    fn caller_id(&self, caller: End, now: Instant) -> CallerId {
        let mut told = match caller {
            End::Line(id) => self.lines.get(id.0).map(|line| line.plan.identification()),
            End::Outside(id) => self.outsides.get(&id).map(|outside| outside.id.clone()),
        }
        .unwrap_or_default();
        let offset = Duration::from_secs(60 * u64::from(self.plan.utc_offset_minutes.unsigned_abs()));
        let utc = self.wall_time(now).0;
        let local = if self.plan.utc_offset_minutes < 0 { utc.saturating_sub(offset) } else { utc + offset };
        let civil = WallTime(local).civil();
        told.date.get_or_insert_with(|| format!("{:02}{:02}", civil.month, civil.day));
        told.time.get_or_insert_with(|| format!("{:02}{:02}", civil.hour, civil.minute));
        told
    }
}

impl super::LinePlan {
    /// What this line presents when it calls.
    fn identification(&self) -> CallerId {
        let number = match self.presentation {
            Presentation::Allowed => CallerNumber::Known(self.number.clone()),
            Presentation::Withheld => CallerNumber::Withheld,
            Presentation::Unavailable => CallerNumber::Unavailable,
        };
        let name = self.caller_name.clone().filter(|_| self.presentation == Presentation::Allowed);
        CallerId { number: Some(number), name, ..CallerId::default() }
    }
}
