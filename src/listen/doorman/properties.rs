//! Whatever calls come: the line is never taken while it may still ring, and nobody wakes the machine whom no rule lets.

use hayes::caller::CallerNumber;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::budget::Cap;

/// A call as its caller makes it, on a line that rings at its own pace.
#[derive(Clone, Debug)]
struct Made {
    /// From the end of the call before.
    pause: Duration,
    rings: u32,
    caller: Option<CallerNumber>,
    /// Before the first ring, or so long after it, in hundredths of a cadence.
    told: Option<u32>,
    /// Whether the network says that the caller has gone.
    said_gone: bool,
    online: bool,
    spent: bool,
}

/// Something on the line.
enum Sign {
    Ring,
    Caller(Option<CallerNumber>),
    Gone,
    State { online: bool, spent: bool },
}

const NUMBERS: [&str; 4] = ["5550101", "5550102", "5559999", "+441632960123"];

fn doorman(policy: Policy) -> Doorman {
    let floodgate = Floodgate::new(policy.limits);
    Doorman::new(policy, floodgate)
}

fn any_caller() -> impl Strategy<Value = Option<CallerNumber>> {
    prop_oneof![
        4 => (0..NUMBERS.len()).prop_map(|which| Some(CallerNumber::Known(NUMBERS[which].to_owned()))),
        1 => Just(Some(CallerNumber::Withheld)),
        1 => Just(Some(CallerNumber::Unavailable)),
        1 => Just(None),
    ]
}

fn any_call() -> impl Strategy<Value = Made> {
    (1..200_000u64, 1..6u32, any_caller(), proptest::option::of(5..95u32), any::<[bool; 5]>()).prop_map(
        |(pause, rings, caller, told, [said_gone, spent, also, online, likewise])| Made {
            pause: Duration::from_millis(pause),
            rings,
            caller,
            told,
            said_gone,
            online: online && likewise,
            spent: spent && also,
        },
    )
}

fn any_who() -> impl Strategy<Value = Who> {
    prop_oneof![
        Just(Who::Any),
        Just(Who::Withheld),
        Just(Who::Unknown),
        Just(Who::Number("555-01*".parse().unwrap())),
        (0..NUMBERS.len()).prop_map(|which| Who::Number(NUMBERS[which].parse().unwrap())),
    ]
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let action = prop_oneof![4 => Just(Action::Wake), 1 => Just(Action::Answer), 1 => Just(Action::Ignore)];
    let calls = prop_oneof![2 => Just(Calls::One), 1 => Just(Calls::Two { within: Duration::from_secs(120) })];
    (vec(any_who(), 1..3), 1..4u32, action, calls, 0..60u64).prop_map(|(callers, rings, action, calls, cooldown)| {
        Rule { callers, rings, action, calls, cooldown: Duration::from_secs(cooldown) }
    })
}

/// Everything that happens on the line, in order, with the last moment at which each call still rings.
fn signs(calls: &[Made], cadence: Duration, start: Instant) -> (Vec<(Instant, Sign)>, Vec<(Instant, Instant)>) {
    let (mut signs, mut ringing) = (Vec::new(), Vec::new());
    let mut now = start;
    for made in calls {
        now += made.pause;
        signs.push((now, Sign::State { online: made.online, spent: made.spent }));
        let begins = now;
        match made.told {
            None => {
                signs.push((now, Sign::Caller(made.caller.clone())));
                now += Duration::from_millis(400);
                signs.push((now, Sign::Ring));
            }
            Some(hundredths) => {
                signs.push((now, Sign::Ring));
                if let Some(number) = &made.caller {
                    signs.push((now + cadence * hundredths / 100, Sign::Caller(Some(number.clone()))));
                }
            }
        }
        let mut last = now;
        for ring in 1..made.rings {
            // An exchange keeps its cadence to a few hundredths.
            last = now + cadence * ring + Duration::from_millis(u64::from(ring * 37 % 150));
            signs.push((last, Sign::Ring));
        }
        // Until the next ring would have come, nobody can know that the caller has hung up; but the network.
        now = last + cadence;
        if made.said_gone {
            now = last + cadence * 96 / 100;
            signs.push((now, Sign::Gone));
        }
        ringing.push((begins, now));
        now += Duration::from_millis(1);
    }
    signs.sort_by_key(|(at, _)| *at);
    (signs, ringing)
}

/// Plays the calls; gives what was said and when. The clock is looked at `late` after it was due.
fn play(doorman: &mut Doorman, signs: Vec<(Instant, Sign)>, late: Duration) -> Vec<(Instant, Output)> {
    let mut said = Vec::new();
    let drain = |doorman: &mut Doorman, now: Instant, said: &mut Vec<(Instant, Output)>| {
        said.extend(std::iter::from_fn(|| doorman.poll_output()).map(|output| (now, output)));
    };
    let mut ahead = signs.into_iter().peekable();
    loop {
        let due = doorman.deadline().map(|(at, _)| at + late);
        let next = ahead.peek().map(|(at, _)| *at);
        let now = match (due, next) {
            (None, None) => return said,
            (Some(due), Some(next)) if due < next => due,
            (Some(due), None) => due,
            (_, Some(next)) => next,
        };
        if next.is_none_or(|next| now < next) {
            doorman.handle_timeout(now);
        } else if let Some((_, sign)) = ahead.next() {
            match sign {
                Sign::Ring => doorman.handle_ring(now),
                Sign::Gone => doorman.handle_gone(now),
                Sign::Caller(number) => doorman.handle_caller(&CallerId { number, ..CallerId::default() }, now),
                Sign::State { online, spent } => {
                    doorman.set_online(online);
                    doorman.set_allowance(if spent { Allowance::Refused(Cap::CallsADay) } else { Allowance::Granted });
                }
            }
        }
        drain(doorman, now, &mut said);
    }
}

fn policy(rules: Vec<Rule>, cadence: Duration) -> Policy {
    let limits = Limits { per_caller: 5, in_all: 12, within: Duration::from_secs(3600) };
    Policy { rules, home: None, cadence, limits }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// The promise: a wake, after which the provider is dialled, comes only when every call is over by the line's own
    /// cadence. What the owner configured may be longer than that; what is learnt may shorten it.
    #[test]
    fn nobody_goes_off_hook_while_the_caller_may_still_be_ringing(
        calls in vec(any_call(), 1..12), rules in vec(any_rule(), 0..5), cadence in 2500..7000u64, more in 0..3000u64,
        late in prop_oneof![Just(0), 0..3000u64],
    ) {
        let cadence = Duration::from_millis(cadence);
        let start = crate::clock::now();
        let (signs, ringing) = signs(&calls, cadence, start);
        let mut doorman = doorman(policy(rules, cadence + Duration::from_millis(more)));
        for (at, output) in play(&mut doorman, signs, Duration::from_millis(late)) {
            let rings = ringing.iter().any(|(begins, over)| *begins <= at && at < *over);
            match output {
                Output::Wake { .. } => prop_assert!(!rings, "it may ring at {:?}", at - start),
                Output::Answer { .. } => prop_assert!(rings, "nobody rings at {:?}", at - start),
                Output::Rang(_) | Output::Accepted | Output::Refused { .. } | Output::MoreRefused { .. } => {}
            }
        }
    }

    /// Who wakes or is answered is let in by the first rule that fits him, after as many rings as it takes.
    #[test]
    fn only_those_whom_the_rules_let_in_come_in(
        calls in vec(any_call(), 1..12), rules in vec(any_rule(), 0..5), late in 0..3000u64,
    ) {
        let cadence = Duration::from_secs(3);
        let start = crate::clock::now();
        // Each call a line of its own, so that what is said is said of it; what went before is told by the cooldown.
        let mut before = None;
        for made in calls {
            let (signs, _) = signs(std::slice::from_ref(&made), cadence, start);
            let mut doorman = doorman(policy(rules.clone(), cadence));
            if let Some(woken) = before {
                doorman.note_wake(woken);
            }
            let said = play(&mut doorman, signs, Duration::from_millis(late));
            let fits = |who: &Who| match (who, &made.caller) {
                (Who::Any, _) => true,
                (Who::Withheld, caller) => *caller == Some(CallerNumber::Withheld),
                (Who::Unknown, caller) => matches!(caller, None | Some(CallerNumber::Unavailable)),
                (Who::Number(pattern), Some(CallerNumber::Known(digits))) => pattern.matches(digits, None),
                (Who::Number(_), _) => false,
            };
            let rule = rules.iter().find(|rule| rule.callers.iter().any(fits));
            let woke = said.iter().find(|(_, output)| matches!(output, Output::Wake { .. }));
            let answered = said.iter().any(|(_, output)| matches!(output, Output::Answer { .. }));
            let cool = |rule: &Rule| before.is_none_or(|woken| start + made.pause >= woken + rule.cooldown);
            let wakes = rule.is_some_and(|rule| {
                rule.action == Action::Wake && rule.calls == Calls::One && made.rings >= rule.rings
                    && cool(rule) && !made.online && !made.spent
            });
            // Nobody takes the call that was to be answered here, so it rings on.
            prop_assert!(answered || woke.is_some() == wakes, "{:?} by {:?}: {:?}", made, rule, said);
            if answered {
                prop_assert!(rule.is_some_and(|rule| rule.action == Action::Answer && made.rings >= rule.rings));
            }
            let verdicts = said.iter().filter(|(_, output)| {
                matches!(output, Output::Wake { .. } | Output::Answer { .. } | Output::Refused { .. })
            });
            prop_assert!(answered || verdicts.count() == 1, "one word on each call: {:?}", said);
            before = woke.filter(|_| !answered).map(|(at, _)| *at);
        }
    }

    /// However often it rings, the owner's log gets a line a reason in an hour, and no more wakes than the limits allow.
    #[test]
    fn a_flood_costs_no_more_than_the_limits(rings in vec((1..7000u64, any_caller()), 200..600), rules in vec(any_rule(), 1..4)) {
        let mut doorman = doorman(policy(rules, Duration::from_secs(3)));
        let start = crate::clock::now();
        let mut now = start;
        let mut signs = Vec::new();
        for (pause, caller) in rings {
            now += Duration::from_millis(pause);
            signs.push((now, Sign::Caller(caller)));
            signs.push((now, Sign::Ring));
        }
        let said = play(&mut doorman, signs, Duration::ZERO);
        let lines = said.iter().filter(|(_, output)| {
            matches!(output, Output::Refused { again: false, .. } | Output::MoreRefused { .. })
        });
        let hours = usize::try_from((now - start).as_secs() / 3600).unwrap() + 1;
        let let_in = said.iter().filter(|(_, output)| matches!(output, Output::Wake { .. } | Output::Answer { .. }));
        prop_assert!(lines.count() <= 3 * 13 * hours);
        prop_assert!(let_in.count() <= 2 * 12 * hours);
    }
}
