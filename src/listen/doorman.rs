//! Decides on each call whether it wakes the machine: who calls, how often it rings, how long ago the last wake was.
//! Sans IO; owns no line and dials nothing.
//!
//! A wake is announced only once the line has been silent for a full cadence after the last ring: to dial while it may
//! still ring would answer the call, and start its toll.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use hayes::caller::{CallerId, CallerNumber};
use hayes::number::Number;

/// How late a ring may come after its time before the caller counts as gone: exchanges keep a cadence to a tenth.
const CADENCE_MARGIN: Duration = Duration::from_millis(500);

/// Who may wake the machine.
#[derive(Clone, Debug)]
pub enum Callers {
    /// Whoever rings often enough.
    Any,
    /// These numbers, as caller identification shows them.
    Numbers(Vec<Number>),
}

/// The owner's rules.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Who may wake.
    pub callers: Callers,
    /// How many rings it takes.
    pub rings: u32,
    /// How long after one wake the next is ignored.
    pub cooldown: Duration,
    /// From the start of one ring to the start of the next.
    pub cadence: Duration,
}

/// Why a call did not wake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The caller is not on the list.
    UnknownCaller,
    /// The caller withheld the number, or the network had none, or caller identification never came.
    NoCallerNumber,
    /// It rang less often than it takes.
    TooFewRings,
    /// The last wake was too short a time ago.
    Cooldown,
    /// The machine is online, or on its way there.
    AlreadyOnline,
}

/// What the doorman has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// The line rang, for the given time in this call.
    Rang(u32),
    /// The call will wake the machine as soon as the line is silent.
    Accepted,
    /// The call is over, and does not wake.
    Refused(Reason),
    /// The line is silent: wake now. The first ring of the call was at the given instant.
    Wake {
        /// When the call first rang.
        first_ring: Instant,
    },
}

/// The doorman of one line.
#[derive(Debug)]
pub struct Doorman {
    policy: Policy,
    call: Option<Call>,
    last_wake: Option<Instant>,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
struct Call {
    started: Instant,
    first_ring: Option<Instant>,
    last_sign: Instant,
    rings: u32,
    caller: Option<CallerId>,
    accepted: bool,
}

impl Doorman {
    /// A doorman who has seen no call yet.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self { policy, call: None, last_wake: None, outputs: VecDeque::new() }
    }

    /// The line rang.
    pub fn handle_ring(&mut self, now: Instant) {
        let call = self.call_at(now);
        call.rings += 1;
        call.first_ring.get_or_insert(now);
        call.last_sign = now;
        let rings = call.rings;
        self.outputs.push_back(Output::Rang(rings));
        self.weigh(now);
    }

    /// Caller identification came; before the first ring, between two, or cut short.
    pub fn handle_caller(&mut self, caller: CallerId, now: Instant) {
        self.call_at(now).caller = Some(caller);
        self.weigh(now);
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.deadline().is_none_or(|(at, _why)| now < at) {
            return;
        }
        let Some(call) = self.call.take() else { return };
        match self.judge(&call) {
            Ok(()) => {
                self.last_wake = Some(now);
                self.outputs.push_back(Output::Wake { first_ring: call.first_ring.unwrap_or(call.started) });
            }
            Err(reason) => self.outputs.push_back(Output::Refused(reason)),
        }
    }

    /// What there is to say; to be drained after each input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Doorman::handle_timeout`] is due, and why.
    #[must_use]
    pub fn deadline(&self) -> Option<(Instant, &'static str)> {
        let call = self.call.as_ref()?;
        Some((call.last_sign + self.policy.cadence + CADENCE_MARGIN, "the caller to have hung up"))
    }

    fn call_at(&mut self, now: Instant) -> &mut Call {
        self.call.get_or_insert(Call {
            started: now,
            first_ring: None,
            last_sign: now,
            rings: 0,
            caller: None,
            accepted: false,
        })
    }

    fn weigh(&mut self, now: Instant) {
        let Some(call) = self.call.as_ref() else { return };
        if call.accepted || self.judge(call).is_err() {
            return;
        }
        tracing::debug!(rings = call.rings, after = ?now.saturating_duration_since(call.started), "call accepted");
        if let Some(call) = self.call.as_mut() {
            call.accepted = true;
        }
        self.outputs.push_back(Output::Accepted);
    }

    fn judge(&self, call: &Call) -> Result<(), Reason> {
        if self.last_wake.is_some_and(|last| call.started < last + self.policy.cooldown) {
            return Err(Reason::Cooldown);
        }
        if let Callers::Numbers(allowed) = &self.policy.callers {
            let Some(CallerNumber::Known(digits)) = call.caller.as_ref().and_then(|caller| caller.number.as_ref())
            else {
                return Err(Reason::NoCallerNumber);
            };
            let known =
                digits.parse::<Number>().is_ok_and(|number| allowed.iter().any(|one| one.same_line_as(&number)));
            if !known {
                return Err(Reason::UnknownCaller);
            }
        }
        if call.rings < self.policy.rings { Err(Reason::TooFewRings) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CADENCE: Duration = Duration::from_secs(6);

    fn doorman(callers: Callers) -> Doorman {
        Doorman::new(Policy { callers, rings: 1, cooldown: Duration::from_secs(30), cadence: CADENCE })
    }

    fn from(digits: &str) -> CallerId {
        CallerId { number: Some(CallerNumber::Known(digits.to_owned())), ..CallerId::default() }
    }

    fn only(number: &str) -> Callers {
        Callers::Numbers(vec![number.parse().unwrap()])
    }

    fn outputs(doorman: &mut Doorman) -> Vec<Output> {
        std::iter::from_fn(|| doorman.poll_output()).collect()
    }

    #[test]
    fn an_allowed_caller_wakes_one_cadence_after_the_last_ring_and_not_before() {
        let start = crate::clock::now();
        let mut doorman = doorman(only("555-0101"));
        doorman.handle_ring(start);
        doorman.handle_caller(from("5550101"), start + Duration::from_secs(3));
        assert_eq!(outputs(&mut doorman), [Output::Rang(1), Output::Accepted]);
        doorman.handle_timeout(start + CADENCE);
        assert_eq!(outputs(&mut doorman), [], "the next ring may still come");
        doorman.handle_ring(start + CADENCE);
        doorman.handle_timeout(start + CADENCE + CADENCE);
        assert_eq!(outputs(&mut doorman), [Output::Rang(2)], "it did: wait for the one after");
        doorman.handle_timeout(start + CADENCE + CADENCE + CADENCE_MARGIN);
        assert_eq!(outputs(&mut doorman), [Output::Wake { first_ring: start }]);
    }

    #[test]
    fn identification_before_the_first_ring_counts() {
        let start = crate::clock::now();
        let mut doorman = doorman(only("5550101"));
        doorman.handle_caller(from("5550101"), start);
        assert_eq!(outputs(&mut doorman), [], "it has not rung yet");
        doorman.handle_ring(start + Duration::from_secs(1));
        assert_eq!(outputs(&mut doorman), [Output::Rang(1), Output::Accepted]);
    }

    #[test]
    fn strangers_and_withheld_numbers_do_not_wake() {
        let start = crate::clock::now();
        for (caller, reason) in [
            (Some(from("5559999")), Reason::UnknownCaller),
            (Some(CallerId { number: Some(CallerNumber::Withheld), ..CallerId::default() }), Reason::NoCallerNumber),
            (None, Reason::NoCallerNumber),
        ] {
            let mut doorman = doorman(only("5550101"));
            doorman.handle_ring(start);
            if let Some(caller) = caller {
                doorman.handle_caller(caller, start);
            }
            doorman.handle_timeout(start + CADENCE + CADENCE_MARGIN);
            assert_eq!(outputs(&mut doorman), [Output::Rang(1), Output::Refused(reason)]);
        }
    }

    #[test]
    fn a_second_call_right_after_a_wake_is_ignored_until_the_cooldown_is_over() {
        let start = crate::clock::now();
        let mut doorman = doorman(Callers::Any);
        doorman.handle_ring(start);
        let woken = start + CADENCE + CADENCE_MARGIN;
        doorman.handle_timeout(woken);
        doorman.handle_ring(woken + Duration::from_secs(29));
        doorman.handle_timeout(woken + Duration::from_secs(60));
        assert!(outputs(&mut doorman).contains(&Output::Refused(Reason::Cooldown)));
        doorman.handle_ring(woken + Duration::from_secs(61));
        assert!(outputs(&mut doorman).contains(&Output::Accepted));
    }

    #[test]
    fn too_few_rings_do_not_wake() {
        let start = crate::clock::now();
        let mut doorman = Doorman::new(Policy {
            callers: Callers::Any,
            rings: 2,
            cooldown: Duration::from_secs(30),
            cadence: CADENCE,
        });
        doorman.handle_ring(start);
        doorman.handle_timeout(start + CADENCE + CADENCE_MARGIN);
        assert_eq!(outputs(&mut doorman), [Output::Rang(1), Output::Refused(Reason::TooFewRings)]);
    }
}
