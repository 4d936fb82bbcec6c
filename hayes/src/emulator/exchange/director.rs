//! Carries out a scenario: waits for its moments, plays its callers from outside.
//!
//! Bounded: what would be more than [`MOST_PENDING`] things to do is not done. A step that an event brings about is done
//! a millisecond later at the earliest, so that no loop of events and steps can stop the clock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::call::End;
use super::super::calllog::{CallEventKind, CallId};
use super::super::dce::Role;
use super::super::scenario::{Action, CallFromOutside, On, Scenario, When, Withheld};
use super::fault::Fault;
use super::outside::{Far, Outside, OutsideAct, OutsideCaller, OutsideEvent, OutsideId};
use super::{Exchange, LineId, Party};
use crate::caller::{CallerId, CallerNumber};

/// What the exchange knows of its scenario.
#[derive(Clone, Debug)]
pub(super) struct Director {
    scenario: Option<Arc<Scenario>>,
    /// For each step, how many events have fitted it and how many times it was done.
    counts: Vec<(u32, u32)>,
    pending: BTreeMap<(Instant, u64), Pending>,
    serial: u64,
    parties: BTreeMap<OutsideId, Part>,
    /// Who is in which call, as far as the log tells.
    calls: BTreeMap<CallId, Cast>,
}

/// What a party of the scenario does in a call.
#[derive(Clone, Debug, Default)]
pub(super) struct Part {
    /// It calls and gives up after so many rings, or is called and answers after them.
    rings: Option<u32>,
    voice: bool,
    rate: u32,
    say: Option<String>,
    hang_up_after: Option<Duration>,
}

#[derive(Clone, Debug)]
enum Pending {
    Step { index: usize, line: Option<String> },
    Act(OutsideId, OutsideAct),
    Revive { line: LineId, cause: String },
}

#[derive(Clone, Debug, Default)]
struct Cast {
    from: String,
    to: String,
    callee: Option<String>,
}

const MOST_PENDING: usize = 1024;
const USUAL_RATE: u32 = 33_600;
const MOST_CALLS: usize = 4096;
const AT_THE_EARLIEST: Duration = Duration::from_millis(1);

impl Director {
    pub(super) fn new(scenario: Option<Arc<Scenario>>) -> Self {
        let counts = vec![(0, 0); scenario.as_ref().map_or(0, |scenario| scenario.steps().len())];
        Self { scenario, counts, pending: BTreeMap::new(), serial: 0, parties: BTreeMap::new(), calls: BTreeMap::new() }
    }

    /// Whether this party is one of the scenario's.
    pub(super) fn plays(&self, id: OutsideId) -> bool {
        self.parties.contains_key(&id)
    }

    /// Takes a party to play.
    pub(super) fn adopt(&mut self, id: OutsideId, part: Part) {
        self.parties.insert(id, part);
    }

    /// Who answers at a number, or lets it ring: the log's name and the part.
    pub(super) fn answering(&self, number: &str) -> Option<(String, Part)> {
        let party = self.scenario.as_ref()?.party(number)?;
        let part = Part {
            rings: party.rings,
            voice: party.voice,
            rate: party.rate.unwrap_or(USUAL_RATE),
            say: party.say.clone(),
            hang_up_after: party.hang_up_after.map(|after| after.0),
        };
        Some((party.name.clone(), part))
    }

    fn schedule(&mut self, at: Instant, pending: Pending) {
        if self.pending.len() < MOST_PENDING {
            self.serial += 1;
            self.pending.insert((at, self.serial), pending);
        }
    }

    fn deadline(&self) -> Option<(Instant, &'static str)> {
        self.pending.first_key_value().map(|((at, _), _)| (*at, "the scenario"))
    }

    /// Whether an event fits, and the line it is about.
    fn fits(&mut self, on: &On, call: CallId, kind: &CallEventKind) -> Option<Option<String>> {
        let cast = self.calls.get(&call);
        let own = kind.line().map(str::to_owned);
        let in_call = cast.map(|cast| (cast.callee.clone(), cast.from.clone()));
        let is = |name: &str| match (&own, &in_call) {
            (Some(own), _) => own == name,
            (None, Some((callee, from))) => callee.as_deref() == Some(name) || from == name,
            (None, None) => false,
        };
        let line = on.line.as_deref();
        let number = on.number.as_deref();
        let fits = kind.name() == on.event.0
            && line.is_none_or(is)
            && number.is_none_or(|number| cast.is_some_and(|cast| cast.to == number));
        let about = on.line.clone().or(own).or_else(|| in_call.map(|(callee, from)| callee.unwrap_or(from)));
        fits.then_some(about)
    }

    fn remember(&mut self, call: CallId, kind: &CallEventKind) {
        match kind {
            CallEventKind::Dialled { from, to } => {
                self.calls.insert(call, Cast { from: from.clone(), to: to.clone(), callee: None });
                if self.calls.len() > MOST_CALLS {
                    self.calls.pop_first();
                }
            }
            CallEventKind::Ringing { line, .. } | CallEventKind::Answered { line } => {
                if let Some(cast) = self.calls.get_mut(&call) {
                    cast.callee = Some(line.clone());
                }
            }
            CallEventKind::Started { .. }
            | CallEventKind::Seized { .. }
            | CallEventKind::NumberUnknown
            | CallEventKind::Busy
            | CallEventKind::Congestion
            | CallEventKind::CallerIdSent { .. }
            | CallEventKind::Glare { .. }
            | CallEventKind::Connected { .. }
            | CallEventKind::NoAnswer
            | CallEventKind::HungUp { .. }
            | CallEventKind::Dropped
            | CallEventKind::CallWaiting { .. }
            | CallEventKind::Held { .. }
            | CallEventKind::Resumed { .. }
            | CallEventKind::Retrained { .. }
            | CallEventKind::Fault { .. }
            | CallEventKind::FaultOver { .. } => {}
        }
    }
}

impl Exchange {
    /// Begins the scenario.
    pub(super) fn open_scenario(&mut self, now: Instant) {
        let Some(scenario) = self.director.scenario.clone() else { return };
        for (index, step) in scenario.steps().iter().enumerate() {
            if let When::At { at, .. } = &step.when {
                self.director.schedule(now + at.0, Pending::Step { index, line: None });
            }
        }
        self.agenda.set(Party::Director, self.director.deadline());
    }

    /// Takes notice of what happens.
    pub(super) fn watch(&mut self, call: CallId, kind: &CallEventKind, now: Instant) {
        let Some(scenario) = self.director.scenario.clone() else { return };
        self.director.remember(call, kind);
        for (index, step) in scenario.steps().iter().enumerate() {
            let When::On { on, after } = &step.when else { continue };
            let Some(line) = self.director.fits(on, call, kind) else { continue };
            let Some((fitted, _)) = self.director.counts.get_mut(index) else { continue };
            *fitted = fitted.saturating_add(1);
            if on.nth.is_none_or(|nth| nth == *fitted) {
                self.director.schedule(now + after.0.max(AT_THE_EARLIEST), Pending::Step { index, line });
            }
        }
        self.agenda.set(Party::Director, self.director.deadline());
    }

    /// Does what the scenario wants at this time.
    pub(super) fn direct(&mut self, now: Instant) {
        while let Some(entry) = self.director.pending.first_entry().filter(|entry| entry.key().0 <= now) {
            match entry.remove() {
                Pending::Step { index, line } => self.play(index, line, now),
                Pending::Act(id, act) => self.handle_outside(id, act, now),
                Pending::Revive { line, cause } => self.befall(Fault::Alive { line }, &cause, now),
            }
        }
        self.agenda.set(Party::Director, self.director.deadline());
    }

    fn play(&mut self, index: usize, line: Option<String>, now: Instant) {
        let Some(scenario) = self.director.scenario.clone() else { return };
        let Some(step) = scenario.steps().get(index) else { return };
        let Some((_, done)) = self.director.counts.get_mut(index).filter(|(_, done)| *done < step.times) else {
            return;
        };
        if let When::At { every: Some(every), .. } = &step.when {
            self.director.pending.insert((now + every.0, u64::MAX - index as u64), Pending::Step { index, line: None });
        }
        if step.chance < 1.0 && self.random.rand_float() >= step.chance {
            return;
        }
        *done += 1;
        let line = step.action.line().map(str::to_owned).or(line);
        let line = line.and_then(|line| self.line(&line));
        self.act_out(&step.action, line, &step.name, now);
    }

    fn act_out(&mut self, action: &Action, line: Option<LineId>, cause: &str, now: Instant) {
        let treatment = action.treatment();
        let fault = match (action, line) {
            (Action::Call(call), _) => return self.call_as_told(call, cause, now),
            (Action::Calls { to, count, .. }, _) => {
                let Some(treatment) = treatment else { return };
                Fault::Treat { number: to.clone(), treatment, calls: *count }
            }
            // The event was about a trunk, or a caller from outside.
            (_, None) => return,
            (Action::HangUp { .. }, Some(line)) => return self.let_caller_hang_up(line, now),
            (Action::Drop { .. }, Some(line)) => Fault::LoopDrop { line },
            (Action::CarrierLoss { lasts, .. }, Some(line)) => Fault::CarrierLoss { line, lasts: lasts.map(|l| l.0) },
            (Action::Retrain { lasts, rate, .. }, Some(line)) => Fault::Retrain { line, lasts: lasts.0, rate: *rate },
            (Action::Noise { errors, lasts, .. }, Some(line)) => {
                Fault::Noise { line, errors: *errors, lasts: lasts.map(|lasts| lasts.0) }
            }
            (Action::Dead { lasts, .. }, Some(line)) => {
                if let Some(lasts) = lasts {
                    self.director.schedule(now + lasts.0, Pending::Revive { line, cause: cause.to_owned() });
                }
                Fault::Dead { line }
            }
            (Action::Alive { .. }, Some(line)) => Fault::Alive { line },
            (Action::Glare { number, .. }, Some(line)) => {
                let call = CallFromOutside { number: number.clone(), ..CallFromOutside::default() };
                Fault::Glare { line, caller: call.caller(cause) }
            }
        };
        self.befall(fault, cause, now);
    }

    fn call_as_told(&mut self, told: &CallFromOutside, cause: &str, now: Instant) {
        let caller = told.caller(cause);
        let call = self.new_call_id();
        let role = Some(caller.role);
        let id = self.admit(Outside::new(call, caller, role));
        self.director.adopt(id, told.part());
        self.place(&told.to, id, call, now);
    }

    /// Tells one of the scenario's parties what happens to it.
    pub(super) fn direct_party(&mut self, id: OutsideId, event: &OutsideEvent, now: Instant) {
        let Some(party) = self.director.parties.get(&id).cloned() else { return };
        match event {
            OutsideEvent::Ringing => {
                if let Some(rings) = party.rings {
                    let cadence = &self.plan.cadence;
                    let last = (cadence.round() * rings).saturating_sub(cadence.last_silence() / 2);
                    self.director.schedule(now + last, Pending::Act(id, OutsideAct::HangUp));
                }
            }
            OutsideEvent::Answered { .. } if !party.voice => self.director.forget_rings(id),
            OutsideEvent::Answered { .. } | OutsideEvent::Connected { .. } => {
                self.director.forget_rings(id);
                if let Some(say) = party.say {
                    self.director.schedule(now, Pending::Act(id, OutsideAct::Data(say.into_bytes())));
                }
                if let Some(after) = party.hang_up_after {
                    self.director.schedule(now + after, Pending::Act(id, OutsideAct::HangUp));
                }
            }
            OutsideEvent::Busy | OutsideEvent::Unknown | OutsideEvent::NoAnswer | OutsideEvent::HungUp => {
                self.director.leave(id);
            }
            OutsideEvent::Called { .. } => {
                self.director.schedule(now, Pending::Act(id, OutsideAct::Ringing));
                if let Some(rings) = party.rings {
                    let at = now + self.plan.cadence.round() * rings;
                    let role = if party.voice { Role::Silent } else { Role::Answer };
                    self.director.schedule(at, Pending::Act(id, OutsideAct::Answer { role, rate: party.rate }));
                    if let Some(after) = party.hang_up_after.filter(|_| party.voice) {
                        self.director.schedule(at + after, Pending::Act(id, OutsideAct::HangUp));
                    }
                }
            }
            OutsideEvent::Data(_) => {}
        }
        self.agenda.set(Party::Director, self.director.deadline());
    }

    fn let_caller_hang_up(&mut self, line: LineId, now: Instant) {
        let call = self.lines.get(line.0).and_then(|line| line.call);
        let mut parties = self.director.parties.keys();
        let caller = parties.find(|id| self.outsides.get(id).is_some_and(|outside| Some(outside.call) == call));
        if let Some(id) = caller.copied() {
            self.handle_outside(id, OutsideAct::HangUp, now);
        }
    }

    /// Takes a party that has left its call out of the scenario.
    pub(super) fn let_go(&mut self, end: End) {
        if let End::Outside(id) = end {
            self.director.leave(id);
        }
    }
}

impl Director {
    /// The caller is answered: what was to follow the rings does not.
    fn forget_rings(&mut self, id: OutsideId) {
        self.pending.retain(|_, pending| !matches!(pending, Pending::Act(of, OutsideAct::HangUp) if *of == id));
    }

    fn leave(&mut self, id: OutsideId) {
        self.parties.remove(&id);
        self.pending.retain(|_, pending| !matches!(pending, Pending::Act(of, _) if *of == id));
    }
}

impl CallFromOutside {
    fn part(&self) -> Part {
        Part {
            rings: self.rings,
            voice: self.voice,
            rate: self.rate.unwrap_or(USUAL_RATE),
            say: self.say.clone(),
            hang_up_after: self.hang_up_after.map(|after| after.0),
        }
    }

    fn caller(&self, cause: &str) -> OutsideCaller {
        let number = match (self.presentation, &self.number) {
            (Some(Withheld::Withheld), _) => Some(CallerNumber::Withheld),
            (Some(Withheld::Unavailable), _) | (None, None) => Some(CallerNumber::Unavailable),
            (None, Some(number)) => Some(CallerNumber::Known(number.clone())),
        };
        let name = self.name.clone().filter(|_| self.presentation.is_none());
        OutsideCaller {
            name: cause.to_owned(),
            id: CallerId { number, name, ..CallerId::default() },
            rate: self.rate.unwrap_or(USUAL_RATE),
            far: Far::Plain,
            role: if self.voice { Role::Silent } else { Role::Originate },
        }
    }
}
