//! From digits to a bell that rings: which line or trunk a number leads to, and who is told what before the answer.

use std::time::{Duration, Instant};

use super::super::call::{Call, End, Phase, Ringing};
use super::super::calllog::{CallEventKind, CallId, WallTime};
use super::super::dce::LineEvent;
use super::super::plan::{Cadence, CallerIdTime, Presentation, TrunkPlan};
use super::director::Part;
use super::fault::Treatment;
use super::outside::{Far, Outside, OutsideCaller, OutsideEvent};
use super::waiting::TONE_REPEATS;
use super::{Exchange, LineId};
use crate::caller::{CallerId, CallerNumber};
use crate::emulator::dce::Role;
use crate::profile::CallerIdMoment;

/// The longest number that the exchange collects.
const LONGEST_NUMBER: usize = 64;
/// From the reversal of the line until the modem has been told who calls, and from there to the first ring: BT SIN 227
/// has 200 ms and more for the latter.
const BEFORE_FIRST_RING: Duration = Duration::from_millis(800);
const THEN_RINGS: Duration = Duration::from_millis(400);

/// Why a call does not come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The line is engaged.
    Busy,
    /// The network is full; modems take fast busy for busy.
    Congestion,
    /// Nobody answered in time.
    NoAnswer,
    /// Nobody has the number.
    Unknown,
}

impl Exchange {
    pub(super) fn dial(&mut self, id: LineId, digits: &str, now: Instant) {
        let Some(line) = self.lines.get_mut(id.0).filter(|line| !line.dead) else { return };
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
            let known = self.directory.contains_key(dialled.as_str()) || self.director.answering(dialled).is_some();
            *until = now + if known { self.plan.dialling.post_dial } else { self.plan.dialling.interdigit };
        }
        self.reschedule(call_id);
    }

    /// Finds a free line, or a trunk, for a dialled number; `None` when the call is over.
    pub(super) fn route(&mut self, id: CallId, caller: End, digits: &str, now: Instant) -> Option<Phase> {
        let from = self.name(caller);
        let lines = self.directory.get(digits).cloned();
        self.report(id, CallEventKind::Dialled { from, to: digits.to_owned() }, now);
        let treatments = self.treatments_of(id, digits, now);
        let refused = treatments.iter().find_map(|treatment| match treatment {
            Treatment::Busy => Some(Refusal::Busy),
            Treatment::Congestion => Some(Refusal::Congestion),
            Treatment::Unknown => Some(Refusal::Unknown),
            Treatment::Normal
            | Treatment::NoAnswer
            | Treatment::DelayedRing(_)
            | Treatment::NoCallerId
            | Treatment::GarbledCallerId => None,
        });
        if let Some(refusal) = refused {
            return self.refuse(id, caller, refusal, now);
        }
        if treatments.contains(&Treatment::NoAnswer) {
            return Some(Phase::Lost { until: now + self.plan.ring_limit });
        }
        let Some(lines) = lines else {
            let (trunk, part) = match self.director.answering(digits) {
                Some((name, part)) => (Some(TrunkPlan { name, far: Far::Plain, ..TrunkPlan::default() }), Some(part)),
                None => (self.plan.trunk_to(digits).cloned(), None),
            };
            return match trunk.filter(|_| matches!(caller, End::Line(_))) {
                Some(trunk) => Some(self.seize(id, caller, &trunk, part, digits, now)),
                None => self.refuse(id, caller, Refusal::Unknown, now),
            };
        };
        let free = |(id, _): &&(LineId, u8)| {
            self.lines.get(id.0).is_some_and(|line| line.role.is_none() && line.call.is_none() && !line.dead)
        };
        let waiting = |(line, _): &&(LineId, u8)| caller != End::Line(*line) && self.takes_a_second_call(*line);
        let found = lines.iter().find(free).map(|found| (found, false));
        let found = found.or_else(|| lines.iter().find(waiting).map(|found| (found, true)));
        let Some((&(callee, pattern), waiting)) = found else {
            return self.refuse(id, caller, Refusal::Busy, now);
        };
        let line = self.lines.get_mut(callee.0)?;
        if waiting {
            line.other = Some(id);
        } else {
            line.call = Some(id);
        }
        let number = if pattern == 0 { line.plan.number.clone() } else { digits.to_owned() };
        let mut ringing = self.bell(callee, number, pattern, now);
        ringing.waiting = waiting;
        for treatment in treatments {
            match treatment {
                Treatment::DelayedRing(by) => ringing.delay(by),
                Treatment::NoCallerId => ringing.caller_id_at = None,
                Treatment::GarbledCallerId => ringing.garbled = true,
                Treatment::Normal
                | Treatment::Busy
                | Treatment::Congestion
                | Treatment::Unknown
                | Treatment::NoAnswer => {}
            }
        }
        Some(Phase::Ringing(ringing))
    }

    /// The bell of a line that is about to ring.
    pub(super) fn bell(&self, callee: LineId, number: String, pattern: u8, now: Instant) -> Ringing {
        let line = self.lines.get(callee.0).map(|line| &line.plan);
        let told = line.is_some_and(|line| line.caller_id);
        let own_time = line.and_then(|line| line.caller_id_time);
        let time = own_time.unwrap_or(self.plan.caller_id_time);
        // An ISDN or cellular network tells the caller as it offers the call (Q.931 5.2.1, 3GPP TS 24.008 5.2.2.1).
        let moment = line.map(|line| line.modem.emulation.caller_id_moment);
        let digital = own_time.is_none() && moment == Some(CallerIdMoment::EveryRing);
        let cadence = self.cadence(pattern);
        let first_ring = cadence.round().saturating_sub(cadence.last_silence());
        let (caller_id_at, next_ring) = match time {
            _ if digital => (now, now),
            CallerIdTime::AfterFirstRing => (now + first_ring + self.plan.caller_id_after, now),
            CallerIdTime::BeforeFirstRing if told => (now + BEFORE_FIRST_RING, now + BEFORE_FIRST_RING + THEN_RINGS),
            CallerIdTime::BeforeFirstRing => (now, now),
        };
        Ringing {
            callee,
            number,
            pattern,
            waiting: false,
            garbled: false,
            rings: 0,
            next_ring,
            caller_id_at: Some(caller_id_at).filter(|_| told),
            until: now + self.plan.ring_limit,
        }
    }

    fn cadence(&self, pattern: u8) -> Cadence {
        if pattern == 0 { self.plan.cadence.clone() } else { Cadence::distinctive(pattern) }
    }

    /// Tells a caller why the call does not come about; a line then hears a tone for a while.
    pub(super) fn refuse(&mut self, id: CallId, caller: End, why: Refusal, now: Instant) -> Option<Phase> {
        let (kind, event, tone) = match why {
            Refusal::Busy => (CallEventKind::Busy, OutsideEvent::Busy, Some(LineEvent::BusyTone)),
            Refusal::Congestion => (CallEventKind::Congestion, OutsideEvent::Busy, Some(LineEvent::BusyTone)),
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
                self.drop_end(caller, id, event, now);
                None
            }
        }
    }

    /// Sends a call out over a trunk, or to a party of the scenario.
    fn seize(
        &mut self,
        id: CallId,
        caller: End,
        trunk: &TrunkPlan,
        part: Option<Part>,
        digits: &str,
        now: Instant,
    ) -> Phase {
        let to = digits.strip_prefix(&trunk.prefix).filter(|_| trunk.strip).unwrap_or(digits).to_owned();
        let (name, rate) = (trunk.name.clone(), self.rate(caller));
        let party = OutsideCaller { name, id: CallerId::default(), rate: u32::MAX, far: trunk.far, role: Role::Silent };
        let callee = self.admit(Outside::new(id, party, None));
        if let Some(part) = part {
            self.director.adopt(callee, part);
        }
        self.report(id, CallEventKind::Seized { trunk: trunk.name.clone() }, now);
        let caller = self.caller_id(caller, now);
        self.tell_outside(callee, OutsideEvent::Called { trunk: trunk.name.clone(), to, caller, rate }, now);
        Phase::Seized { callee, until: now + self.plan.ring_limit }
    }

    /// Does what a ringing bell wants at this time.
    pub(super) fn ring(&mut self, id: CallId, caller: End, mut ringing: Ringing, now: Instant) -> Option<Phase> {
        let line = self.name(End::Line(ringing.callee));
        if ringing.until <= now {
            self.free(ringing.callee, id);
            return self.refuse(id, caller, Refusal::NoAnswer, now);
        }
        if ringing.caller_id_at.take_if(|at| *at <= now).is_some() && !ringing.waiting {
            let mut identification = self.caller_id(caller, now);
            if ringing.garbled {
                self.garble(&mut identification);
            }
            self.report(id, CallEventKind::CallerIdSent { line: line.clone() }, now);
            let called = ringing.number.clone();
            self.tell(ringing.callee, LineEvent::CallerId { caller: identification, called }, now);
        }
        if ringing.next_ring <= now {
            ringing.rings += 1;
            if let End::Outside(outside) = caller
                && ringing.rings == 1
            {
                self.tell_outside(outside, OutsideEvent::Ringing, now);
            }
            if ringing.waiting {
                ringing.next_ring += TONE_REPEATS;
                self.sound_waiting_tone(id, ringing.callee, caller, now);
            } else {
                ringing.next_ring += self.cadence(ringing.pattern).round();
                self.report(id, CallEventKind::Ringing { line, ring: ringing.rings }, now);
                self.tell(ringing.callee, LineEvent::Ring { pattern: ringing.pattern }, now);
            }
        }
        Some(Phase::Ringing(ringing))
    }

    /// What caller identification tells of an end.
    pub(super) fn caller_id(&self, caller: End, now: Instant) -> CallerId {
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

impl Ringing {
    fn delay(&mut self, by: Duration) {
        self.next_ring += by;
        self.caller_id_at = self.caller_id_at.map(|at| at + by);
        self.until += by;
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
