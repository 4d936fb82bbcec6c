//! Decides on each call what it does: wake the machine, be answered, or nothing. By who calls, how often it rings, how
//! long ago the last wake was, what the budget leaves. Sans IO; owns no line and dials nothing.
//!
//! A wake is announced only once the line has been silent for a full cadence after the last ring, or the network has said
//! that the caller is gone: to dial while it may still ring would answer the call, and start its toll.

mod cadence;
mod flood;
mod rule;
mod verdict;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use hayes::caller::CallerId;
use hayes::number::CallingCode;

use self::cadence::Cadence;
use self::rule::{Caller, Found, find};
use crate::budget::Allowance;

pub use self::flood::{Floodgate, Limits};
pub use self::rule::{Action, Calls, Rule, Who};
pub use self::verdict::{Output, Reason};

/// By this ring caller identification has come, or does not come any more: it comes before the first ring or between it
/// and the second.
const IDENTIFIED_BY: u32 = 2;
/// The first ring follows this soon where the caller is told before it (BT SIN 227, ETSI EN 300 659-1); it may be another
/// call's.
const RING_AFTER_CALLER: Duration = Duration::from_secs(2);
/// How many first calls of two are remembered; the oldest go first.
const FIRST_CALLS: usize = 32;

/// The owner's rules.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The first that fits the caller decides; without one a call does nothing.
    pub rules: Vec<Rule>,
    /// The country in which the calls come in: national forms of numbers are its own.
    pub home: Option<CallingCode>,
    /// From the start of one ring to the start of the next, until the line has shown it.
    pub cadence: Duration,
    /// How many calls may wake or be answered.
    pub limits: Limits,
}

/// The doorman of one line.
#[derive(Debug)]
pub struct Doorman {
    policy: Policy,
    cadence: Cadence,
    call: Option<Call>,
    /// When the last wake that brought a link began.
    last_wake: Option<Instant>,
    online: bool,
    /// The provider has refused us, and is not called for now.
    provider_refused: bool,
    allowance: Allowance,
    first_calls: VecDeque<FirstCall>,
    floodgate: Floodgate,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
struct Call {
    started: Instant,
    first_ring: Option<Instant>,
    last_ring: Option<Instant>,
    /// When caller identification came last.
    told: Option<Instant>,
    rings: u32,
    caller: Caller,
    /// It will wake, by a rule with this cooldown. Who else calls from then on does not matter.
    accepted: Option<Duration>,
    /// It was answered, and whoever called is let in: the wake comes no sooner.
    admitted: Option<Instant>,
}

/// A call that was the first of two.
#[derive(Debug)]
struct FirstCall {
    caller: Caller,
    last_ring: Instant,
    within: Duration,
}

/// What a call is worth, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Judgement {
    Answer,
    /// Nothing, as things are: it may ring on, and the caller be told.
    Nothing(Reason),
    Wake {
        cooldown: Duration,
    },
}

impl Doorman {
    /// A doorman who has seen no call yet; all of a machine's have one floodgate.
    #[must_use]
    pub fn new(policy: Policy, floodgate: Floodgate) -> Self {
        Self {
            cadence: Cadence::new(policy.cadence),
            policy,
            call: None,
            last_wake: None,
            online: false,
            provider_refused: false,
            allowance: Allowance::Granted,
            first_calls: VecDeque::new(),
            floodgate,
            outputs: VecDeque::new(),
        }
    }

    /// Takes other rules from now on; a call that rings is judged by them. What was learnt and counted is kept, but for
    /// limits that have changed.
    pub fn set_policy(&mut self, policy: Policy) {
        self.floodgate.set_limits(policy.limits);
        self.cadence.set_configured(policy.cadence);
        self.policy = policy;
    }

    /// Whether the machine is online, or on its way there: then nothing has to wake it.
    pub fn set_online(&mut self, online: bool) {
        self.online = online;
    }

    /// Whether the budget leaves room for a wake.
    pub fn set_allowance(&mut self, allowance: Allowance) {
        self.allowance = allowance;
    }

    /// Whether the provider has refused us, so that it is not called for now.
    pub fn set_provider_refused(&mut self, refused: bool) {
        self.provider_refused = refused;
    }

    /// A wake that began at that moment, on whichever line, brought a link: the cooldown counts from it. One that brought none
    /// starts none.
    pub fn note_wake(&mut self, at: Instant) {
        self.last_wake = self.last_wake.max(Some(at));
    }

    /// Tells whether a call is heard at this moment.
    #[must_use]
    pub fn is_in_call(&self) -> bool {
        self.call.is_some()
    }

    /// The line rang.
    pub fn handle_ring(&mut self, now: Instant) {
        // A pause longer than any cadence is none: the clock was looked at too late to end the call.
        let overdue = self.end_if_stale(now);
        let call = call_at(&mut self.call, now);
        match call.last_ring {
            Some(last) if !overdue => self.cadence.note(now.saturating_duration_since(last)),
            Some(_) | None => self.cadence.begin(),
        }
        call.rings += 1;
        call.first_ring.get_or_insert(now);
        call.last_ring = Some(now);
        self.outputs.push_back(Output::Rang(call.rings));
        self.weigh(now);
    }

    /// Caller identification came; before the first ring, between two, or cut short.
    pub fn handle_caller(&mut self, caller: &CallerId, now: Instant) {
        self.end_if_stale(now);
        let caller = Caller::of(caller.number.as_ref());
        // Nobody rings with two numbers: the one before has hung up, and this one called at once.
        let other = |call: &Call| {
            call.accepted.is_none()
                && matches!((&call.caller, &caller), (Caller::Known(one), Caller::Known(two)) if one != two)
        };
        if self.call.as_ref().is_some_and(other) {
            self.supersede(now);
        }
        let call = call_at(&mut self.call, now);
        call.told = Some(now);
        // A message cut short does not make a known caller unknown.
        let known = matches!(call.caller, Caller::Known(_));
        if call.caller == Caller::Awaited || !known && caller != Caller::Unknown {
            call.caller = caller;
        }
        self.weigh(now);
    }

    /// The network says that the caller has gone: there is no further ring to wait for.
    pub fn handle_gone(&mut self, now: Instant) {
        match self.call.as_mut() {
            Some(call) if call.admitted.is_some_and(|at| at > now) => (call.last_ring, call.told) = (None, None),
            Some(_) | None => self.end(now),
        }
    }

    /// A call that was answered is over, and whoever called may wake the machine: after this pause, and once the line is
    /// silent, should it ring again meanwhile.
    pub fn handle_admitted(&mut self, first_ring: Instant, pause: Duration, now: Instant) {
        let call = self.call.insert(Call::new(first_ring));
        call.first_ring = Some(first_ring);
        call.accepted = Some(Duration::ZERO);
        call.admitted = Some(now + pause);
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.call_deadline().is_some_and(|at| at <= now) {
            self.end(now);
        }
        self.outputs.extend(self.floodgate.sum_up(now));
    }

    /// What there is to say; to be drained after each input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Doorman::handle_timeout`] is due, and why.
    #[must_use]
    pub fn deadline(&self) -> Option<(Instant, &'static str)> {
        let call = self.call_deadline().map(|at| (at, "the caller to have hung up"));
        let flood = self.floodgate.deadline().map(|at| (at, "a series of refused calls to end"));
        call.into_iter().chain(flood).min()
    }

    fn call_deadline(&self) -> Option<Instant> {
        let call = self.call.as_ref()?;
        let silent = match (call.admitted, call.last_ring) {
            (Some(at), None) => at,
            (Some(at), Some(last)) => at.max(last + self.cadence.silence()),
            (None, last) => last.unwrap_or(call.started) + self.cadence.silence(),
        };
        Some(call.told.map_or(silent, |told| silent.max(told + RING_AFTER_CALLER)))
    }

    /// Ends a call whose time was over before what comes now; tells whether it was.
    fn end_if_stale(&mut self, now: Instant) -> bool {
        let stale = self.call_deadline().is_some_and(|at| at <= now);
        if stale {
            self.supersede(now);
        }
        stale
    }

    /// Ends a call because another one rings. One that wakes waits on instead: the line is not silent.
    fn supersede(&mut self, now: Instant) {
        let Some(call) = self.call.as_mut().filter(|call| call.accepted.is_none()) else { return };
        call.give_up_waiting();
        match self.judgement(now) {
            Some(Judgement::Wake { cooldown }) => self.accept(cooldown),
            Some(Judgement::Answer | Judgement::Nothing(_)) | None => self.end(now),
        }
    }

    /// Sees whether the call that rings has come to something.
    fn weigh(&mut self, now: Instant) {
        let Some(call) = self.call.as_mut().filter(|call| call.accepted.is_none() && call.rings > 0) else { return };
        if call.rings >= IDENTIFIED_BY {
            call.give_up_waiting();
        }
        match self.judgement(now) {
            Some(Judgement::Nothing(_)) | None => {}
            Some(Judgement::Wake { cooldown }) => self.accept(cooldown),
            Some(Judgement::Answer) => {
                let Some(mut call) = self.call.take() else { return };
                call.give_up_waiting();
                self.floodgate.take(&call.caller, now);
                self.outputs.push_back(Output::Answer { first_ring: call.first_ring.unwrap_or(call.started) });
            }
        }
    }

    /// The call will wake.
    fn accept(&mut self, cooldown: Duration) {
        let Some(call) = self.call.as_mut() else { return };
        tracing::debug!(rings = call.rings, "call accepted");
        call.accepted = Some(cooldown);
        self.first_calls.retain(|first| first.caller != call.caller);
        self.outputs.push_back(Output::Accepted);
    }

    /// The caller has hung up, and the line is silent.
    fn end(&mut self, now: Instant) {
        let Some(call) = self.call.as_mut() else { return };
        call.give_up_waiting();
        if call.accepted.is_none()
            && let Some(Judgement::Wake { cooldown }) = self.judgement(now)
        {
            self.accept(cooldown);
        }
        let Some(call) = self.call.take() else { return };
        let reason = match (call.accepted, self.judge(&call, now)) {
            // Things may have changed while it rang on.
            (Some(cooldown), _) if call.admitted.is_some() => self.unfit(&call, cooldown),
            (Some(cooldown), _) => self.unfit(&call, cooldown).or_else(|| self.flooded(&call, now)),
            (None, Judgement::Answer | Judgement::Wake { .. }) => Some(Reason::GoneBeforeAnswer),
            (None, Judgement::Nothing(reason)) => Some(reason),
        };
        if let Some(reason) = reason {
            if reason == Reason::FirstOfTwo {
                self.remember_first(&call);
            }
            return self.outputs.push_back(self.floodgate.refuse(reason, now));
        }
        if call.admitted.is_none() {
            self.floodgate.take(&call.caller, now);
        }
        self.outputs.push_back(Output::Wake { first_ring: call.first_ring.unwrap_or(call.started) });
    }

    fn judgement(&self, now: Instant) -> Option<Judgement> {
        self.call.as_ref().map(|call| self.judge(call, now))
    }

    fn judge(&self, call: &Call, now: Instant) -> Judgement {
        let rule = match find(&self.policy.rules, &call.caller, self.policy.home) {
            Found::Rule(rule) => rule,
            Found::NotYet => return Judgement::Nothing(Reason::NoCallerNumber),
            Found::NoRule => {
                let known = matches!(call.caller, Caller::Known(_));
                return Judgement::Nothing(if known { Reason::UnknownCaller } else { Reason::NoCallerNumber });
            }
        };
        let unfit = match rule.action {
            Action::Answer => None,
            Action::Ignore => Some(Reason::Ignored),
            Action::Wake => self.unfit(call, rule.cooldown),
        };
        if let Some(reason) = unfit {
            return Judgement::Nothing(reason);
        }
        if call.rings < rule.rings {
            return Judgement::Nothing(Reason::TooFewRings);
        }
        if let (Action::Wake, Calls::Two { .. }) = (rule.action, rule.calls)
            && !self.is_second(call)
        {
            return Judgement::Nothing(Reason::FirstOfTwo);
        }
        if let Some(reason) = self.flooded(call, now) {
            return Judgement::Nothing(reason);
        }
        if rule.action == Action::Answer { Judgement::Answer } else { Judgement::Wake { cooldown: rule.cooldown } }
    }

    /// Why no call wakes the machine now, if none does.
    fn unfit(&self, call: &Call, cooldown: Duration) -> Option<Reason> {
        if self.online {
            return Some(Reason::AlreadyOnline);
        }
        if self.last_wake.is_some_and(|last| call.started < last + cooldown) {
            return Some(Reason::Cooldown);
        }
        if self.provider_refused {
            return Some(Reason::ProviderRefused);
        }
        match self.allowance {
            Allowance::Granted => None,
            Allowance::Refused(cap) => Some(Reason::Budget(cap)),
        }
    }

    fn flooded(&self, call: &Call, now: Instant) -> Option<Reason> {
        // Until it is known who calls it may be anybody.
        let caller = if call.caller == Caller::Awaited { &Caller::Unknown } else { &call.caller };
        (!self.floodgate.has(caller, now)).then_some(Reason::TooManyCalls)
    }

    fn is_second(&self, call: &Call) -> bool {
        self.first_calls
            .iter()
            .any(|first| first.caller == call.caller && call.started <= first.last_ring + first.within)
    }

    fn remember_first(&mut self, call: &Call) {
        let Found::Rule(Rule { calls: Calls::Two { within }, .. }) =
            find(&self.policy.rules, &call.caller, self.policy.home)
        else {
            return;
        };
        self.first_calls.retain(|first| first.caller != call.caller);
        if self.first_calls.len() == FIRST_CALLS {
            self.first_calls.pop_front();
        }
        let last_ring = call.last_ring.unwrap_or(call.started);
        self.first_calls.push_back(FirstCall { caller: call.caller.clone(), last_ring, within: *within });
    }
}

impl Call {
    fn new(started: Instant) -> Self {
        Self {
            started,
            first_ring: None,
            last_ring: None,
            told: None,
            rings: 0,
            caller: Caller::Awaited,
            accepted: None,
            admitted: None,
        }
    }

    /// Caller identification does not come any more.
    fn give_up_waiting(&mut self) {
        if self.caller == Caller::Awaited {
            self.caller = Caller::Unknown;
        }
    }
}

/// The call that there is, or a new one.
fn call_at(call: &mut Option<Call>, now: Instant) -> &mut Call {
    call.get_or_insert_with(|| Call::new(now))
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
