//! Calls, one by one.

use hayes::caller::CallerNumber;

use super::*;
use crate::budget::Cap;

const CADENCE: Duration = Duration::from_secs(6);
/// A cadence, and what a ring may be late.
const SILENCE: Duration = Duration::from_millis(6500);
const SECOND: Duration = Duration::from_secs(1);

fn number(text: &str) -> Who {
    Who::Number(text.parse().unwrap())
}

fn rule(who: Who) -> Rule {
    let cooldown = Duration::from_secs(30);
    Rule { callers: vec![who], rings: 1, action: Action::Wake, calls: Calls::One, cooldown }
}

fn doorman(rules: Vec<Rule>) -> Doorman {
    let limits = Limits { per_caller: 3, in_all: 10, within: Duration::from_secs(3600) };
    Doorman::new(Policy { rules, home: None, cadence: CADENCE, limits }, Floodgate::new(limits))
}

fn known(digits: &str) -> CallerId {
    CallerId { number: Some(CallerNumber::Known(digits.to_owned())), ..CallerId::default() }
}

fn withheld() -> CallerId {
    CallerId { number: Some(CallerNumber::Withheld), ..CallerId::default() }
}

fn outputs(doorman: &mut Doorman) -> Vec<Output> {
    std::iter::from_fn(|| doorman.poll_output()).collect()
}

fn refused(reason: Reason) -> Output {
    Output::Refused { reason, again: false }
}

/// A call of so many rings; gives what was said of it, the rings left out, and when it was over.
fn call(doorman: &mut Doorman, caller: Option<&CallerId>, rings: u32, start: Instant) -> (Vec<Output>, Instant) {
    let mut now = start;
    for ring in 0..rings {
        now = start + CADENCE * ring;
        doorman.handle_ring(now);
        if let (0, Some(caller)) = (ring, caller) {
            doorman.handle_caller(caller, now + SECOND);
        }
    }
    now += SILENCE;
    doorman.handle_timeout(now);
    let said = outputs(doorman).into_iter().filter(|output| !matches!(output, Output::Rang(_)));
    (said.collect(), now)
}

#[test]
fn an_allowed_caller_wakes_one_cadence_after_the_last_ring_and_not_before() {
    let start = crate::clock::now();
    let mut doorman = doorman(vec![rule(number("555-0101"))]);
    doorman.handle_ring(start);
    doorman.handle_caller(&known("5550101"), start + 3 * SECOND);
    assert_eq!(outputs(&mut doorman), [Output::Rang(1), Output::Accepted]);
    doorman.handle_timeout(start + CADENCE);
    assert_eq!(outputs(&mut doorman), [], "the next ring may still come");
    doorman.handle_ring(start + CADENCE);
    doorman.handle_timeout(start + CADENCE + CADENCE);
    assert_eq!(outputs(&mut doorman), [Output::Rang(2)], "it did: wait for the one after");
    doorman.handle_timeout(start + CADENCE + SILENCE);
    assert_eq!(outputs(&mut doorman), [Output::Wake { first_ring: start }]);
}

#[test]
fn identification_before_the_first_ring_counts() {
    let start = crate::clock::now();
    let mut doorman = doorman(vec![rule(number("5550101"))]);
    doorman.handle_caller(&known("5550101"), start);
    assert_eq!(outputs(&mut doorman), [], "it has not rung yet");
    doorman.handle_ring(start + SECOND);
    assert_eq!(outputs(&mut doorman), [Output::Rang(1), Output::Accepted]);
}

#[test]
fn strangers_and_those_without_a_number_do_not_wake_where_no_rule_is_for_them() {
    let start = crate::clock::now();
    for (caller, reason) in [
        (Some(known("5559999")), Reason::UnknownCaller),
        (Some(withheld()), Reason::NoCallerNumber),
        (None, Reason::NoCallerNumber),
    ] {
        let mut doorman = doorman(vec![rule(number("5550101"))]);
        assert_eq!(call(&mut doorman, caller.as_ref(), 1, start).0, [refused(reason)]);
    }
}

#[test]
fn withheld_and_unknown_numbers_have_rules_of_their_own() {
    let start = crate::clock::now();
    let wake = |caller: Option<&CallerId>, who: Who| {
        let said = call(&mut doorman(vec![rule(who)]), caller, 1, start).0;
        said.contains(&Output::Wake { first_ring: start })
    };
    let unavailable = CallerId { number: Some(CallerNumber::Unavailable), ..CallerId::default() };
    assert!(wake(Some(&withheld()), Who::Withheld));
    assert!(!wake(Some(&unavailable), Who::Withheld));
    assert!(!wake(None, Who::Withheld));
    assert!(wake(Some(&unavailable), Who::Unknown));
    assert!(wake(None, Who::Unknown), "it never came");
    assert!(!wake(Some(&known("5550101")), Who::Unknown));
}

#[test]
fn a_number_is_waited_for_no_longer_than_until_the_second_ring() {
    let start = crate::clock::now();
    let mut doorman = doorman(vec![rule(number("5550101")), rule(Who::Any)]);
    doorman.handle_ring(start);
    assert_eq!(outputs(&mut doorman), [Output::Rang(1)], "which of the rules it is cannot be told yet");
    doorman.handle_ring(start + CADENCE);
    assert_eq!(outputs(&mut doorman), [Output::Rang(2), Output::Accepted]);
}

#[test]
fn an_ignored_caller_is_ignored_whoever_else_may_wake() {
    let start = crate::clock::now();
    let ignored = Rule { action: Action::Ignore, ..rule(number("555 01*")) };
    let mut doorman = doorman(vec![ignored, rule(Who::Any)]);
    let (said, over) = call(&mut doorman, Some(&known("5550101")), 3, start);
    assert_eq!(said, [refused(Reason::Ignored)]);
    let said = call(&mut doorman, Some(&known("5559999")), 1, over).0;
    assert_eq!(said, [Output::Accepted, Output::Wake { first_ring: over }]);
}

#[test]
fn a_second_call_right_after_a_wake_is_ignored_until_the_cooldown_is_over() {
    let start = crate::clock::now();
    let mut doorman = doorman(vec![rule(Who::Any)]);
    let woken = call(&mut doorman, None, 1, start).1;
    doorman.note_wake(woken);
    let (said, _) = call(&mut doorman, None, 1, woken + 29 * SECOND);
    assert_eq!(said, [refused(Reason::Cooldown)]);
    let (said, _) = call(&mut doorman, None, 1, woken + 61 * SECOND);
    assert_eq!(said[0], Output::Accepted);
}

#[test]
fn a_wake_that_brought_no_link_starts_no_cooldown() {
    let start = crate::clock::now();
    let mut doorman = doorman(vec![rule(Who::Any)]);
    let over = call(&mut doorman, None, 1, start).1;
    let again = over + SECOND;
    assert_eq!(call(&mut doorman, None, 1, again).0, [Output::Accepted, Output::Wake { first_ring: again }]);
}

#[test]
fn nobody_wakes_a_machine_whose_provider_has_refused_it_until_that_is_over() {
    let start = crate::clock::now();
    let mut doorman = doorman(vec![rule(Who::Any)]);
    doorman.set_provider_refused(true);
    let (said, over) = call(&mut doorman, None, 1, start);
    assert_eq!(said, [refused(Reason::ProviderRefused)]);
    doorman.set_provider_refused(false);
    assert_eq!(call(&mut doorman, None, 1, over).0[0], Output::Accepted);
}

#[test]
fn a_wake_by_another_line_starts_the_cooldown_too_even_of_a_call_that_was_accepted() {
    let start = crate::clock::now();
    let mut doorman = doorman(vec![rule(Who::Any)]);
    doorman.handle_ring(start + SECOND);
    assert_eq!(outputs(&mut doorman), [Output::Rang(1), Output::Accepted]);
    doorman.note_wake(start + 2 * SECOND);
    doorman.handle_timeout(start + SECOND + SILENCE);
    assert_eq!(outputs(&mut doorman), [refused(Reason::Cooldown)]);
}

#[test]
fn too_few_rings_do_not_wake() {
    let start = crate::clock::now();
    let mut doorman = doorman(vec![Rule { rings: 2, ..rule(Who::Any) }]);
    let (said, over) = call(&mut doorman, None, 1, start);
    assert_eq!(said, [refused(Reason::TooFewRings)]);
    assert_eq!(call(&mut doorman, None, 2, over).0[0], Output::Accepted);
}

#[test]
fn a_spent_budget_and_a_machine_that_is_online_are_reasons_and_are_looked_at_again_before_the_wake() {
    let start = crate::clock::now();
    let spent = Allowance::Refused(Cap::CallsADay);
    let mut doorman = doorman(vec![rule(Who::Any)]);
    doorman.set_allowance(spent);
    let (said, over) = call(&mut doorman, None, 1, start);
    assert_eq!(said, [refused(Reason::Budget(Cap::CallsADay))]);
    doorman.set_allowance(Allowance::Granted);
    doorman.set_online(true);
    let (said, over) = call(&mut doorman, None, 1, over);
    assert_eq!(said, [refused(Reason::AlreadyOnline)]);
    doorman.set_online(false);
    doorman.handle_ring(over);
    assert_eq!(outputs(&mut doorman), [Output::Rang(1), Output::Accepted]);
    doorman.set_allowance(spent);
    doorman.handle_timeout(over + SILENCE);
    assert_eq!(
        outputs(&mut doorman),
        [Output::Refused { reason: Reason::Budget(Cap::CallsADay), again: true }],
        "and the owner has been told so before"
    );
}

#[test]
fn two_calls_within_the_time_wake_and_the_first_alone_never_does() {
    let start = crate::clock::now();
    let two = Rule { calls: Calls::Two { within: 120 * SECOND }, ..rule(Who::Any) };
    let mut doorman = doorman(vec![two]);
    let caller = known("5550101");
    let (said, over) = call(&mut doorman, Some(&caller), 3, start);
    assert_eq!(said, [refused(Reason::FirstOfTwo)]);
    let (said, _) = call(&mut doorman, Some(&known("5550102")), 1, over + SECOND);
    assert_eq!(said, [Output::Refused { reason: Reason::FirstOfTwo, again: true }], "another caller's first");
    let again = over + 60 * SECOND;
    let (said, over) = call(&mut doorman, Some(&caller), 1, again);
    assert_eq!(said, [Output::Accepted, Output::Wake { first_ring: again }]);
    // The pair is used up, and too late is a first call anew.
    let later = over + 60 * SECOND;
    let (said, over) = call(&mut doorman, Some(&caller), 1, later);
    assert!(matches!(said[..], [Output::Refused { reason: Reason::FirstOfTwo, .. }]), "{said:?}");
    let (said, _) = call(&mut doorman, Some(&caller), 1, over + 121 * SECOND);
    assert!(matches!(said[..], [Output::Refused { reason: Reason::FirstOfTwo, .. }]), "{said:?}");
}

#[test]
fn a_call_is_answered_while_it_rings_as_soon_as_it_is_known_who_calls() {
    let start = crate::clock::now();
    let answer = |who: Who, rings: u32| vec![Rule { action: Action::Answer, rings, ..rule(who) }];
    let answered = [Output::Rang(1), Output::Answer { first_ring: start }];
    let mut at_once = doorman(answer(Who::Any, 1));
    at_once.handle_ring(start);
    assert_eq!(outputs(&mut at_once), answered);
    assert_eq!(at_once.deadline(), None, "the call is somebody else's now");

    let mut identified = doorman(answer(number("5550101"), 1));
    identified.handle_ring(start);
    identified.handle_caller(&known("5550101"), start + 3 * SECOND);
    assert_eq!(outputs(&mut identified), answered);

    let mut third = doorman(answer(Who::Unknown, 3));
    for ring in 0..3 {
        third.handle_ring(start + CADENCE * ring);
    }
    assert_eq!(
        outputs(&mut third),
        [Output::Rang(1), Output::Rang(2), Output::Rang(3), Output::Answer { first_ring: start }]
    );
}

#[test]
fn whoever_is_to_be_answered_is_answered_by_a_machine_that_is_online_too_but_not_once_he_has_gone() {
    let start = crate::clock::now();
    let mut doorman = doorman(vec![Rule { action: Action::Answer, ..rule(Who::Unknown) }]);
    doorman.set_online(true);
    doorman.set_allowance(Allowance::Refused(Cap::MinutesADay));
    let (said, over) = call(&mut doorman, None, 2, start);
    assert_eq!(said, [Output::Answer { first_ring: start }]);
    let (said, _) = call(&mut doorman, None, 1, over);
    assert_eq!(said, [refused(Reason::GoneBeforeAnswer)], "it rang once, and nobody said who it was");
}

#[test]
fn a_caller_who_has_gone_by_the_networks_word_is_not_waited_for() {
    let start = crate::clock::now();
    let mut doorman = doorman(vec![rule(Who::Any)]);
    doorman.handle_gone(start);
    assert_eq!(outputs(&mut doorman), []);
    doorman.handle_ring(start);
    doorman.handle_gone(start + SECOND);
    assert_eq!(outputs(&mut doorman), [Output::Rang(1), Output::Accepted, Output::Wake { first_ring: start }]);
}

#[test]
fn a_cadence_that_was_learnt_is_waited_for_and_no_other() {
    let start = crate::clock::now();
    let mut doorman = doorman(vec![rule(Who::Any)]);
    for ring in 0..3 {
        doorman.handle_ring(start + 3 * SECOND * ring);
    }
    let last = start + 6 * SECOND;
    assert_eq!(doorman.deadline().unwrap().0, last + Duration::from_millis(3500), "British, whatever was configured");
}

#[test]
fn another_number_is_another_call() {
    let start = crate::clock::now();
    let mut doorman = doorman(vec![Rule { rings: 2, ..rule(number("5550101")) }]);
    doorman.handle_ring(start);
    doorman.handle_caller(&known("5559999"), start + SECOND);
    doorman.handle_caller(&known("5550101"), start + 5 * SECOND);
    doorman.handle_ring(start + CADENCE);
    assert_eq!(outputs(&mut doorman), [Output::Rang(1), refused(Reason::UnknownCaller), Output::Rang(1)]);
}

#[test]
fn a_ring_that_comes_before_the_clock_was_looked_at_puts_the_wake_off() {
    let start = crate::clock::now();
    let late = start + SILENCE + SECOND;
    for who in [Who::Any, Who::Unknown] {
        let mut doorman = doorman(vec![rule(who.clone())]);
        doorman.handle_ring(start);
        doorman.handle_ring(late);
        assert_eq!(outputs(&mut doorman), [Output::Rang(1), Output::Accepted, Output::Rang(2)], "{who:?}");
        doorman.handle_timeout(late + SILENCE + SECOND);
        assert_eq!(outputs(&mut doorman), [Output::Wake { first_ring: start }]);
    }
}

#[test]
fn a_flood_of_calls_by_one_who_may_wake_wakes_no_more_than_the_limit() {
    let mut now = crate::clock::now();
    let mut doorman = doorman(vec![Rule { cooldown: Duration::ZERO, ..rule(Who::Any) }]);
    let mut woken = 0;
    for _call in 0..20 {
        let said;
        (said, now) = call(&mut doorman, Some(&known("5550101")), 1, now + SECOND);
        woken += said.iter().filter(|output| matches!(output, Output::Wake { .. })).count();
    }
    assert_eq!(woken, 3);
    let (said, _) = call(&mut doorman, Some(&known("5550102")), 1, now);
    assert_eq!(said[0], Output::Accepted, "who does not flood is let in");
}

#[test]
fn a_caller_who_was_let_in_wakes_after_the_pause_and_once_nobody_rings() {
    let start = crate::clock::now();
    let mut doorman = doorman(vec![Rule { action: Action::Answer, ..rule(Who::Any) }]);
    let pause = 30 * SECOND;
    doorman.handle_admitted(start, pause, start + 20 * SECOND);
    assert_eq!(doorman.deadline().unwrap().0, start + 50 * SECOND);
    doorman.handle_timeout(start + 49 * SECOND);
    doorman.handle_gone(start + 49 * SECOND);
    assert_eq!(outputs(&mut doorman), []);
    doorman.handle_ring(start + 49 * SECOND);
    assert_eq!(outputs(&mut doorman), [Output::Rang(1)], "whoever calls then is not answered");
    doorman.handle_timeout(start + 50 * SECOND);
    assert_eq!(outputs(&mut doorman), []);
    doorman.handle_timeout(start + 49 * SECOND + SILENCE);
    assert_eq!(outputs(&mut doorman), [Output::Wake { first_ring: start }]);
}

#[test]
fn who_rings_all_lines_in_turn_wakes_no_oftener_than_who_rings_one_and_is_one_series_of_refusals() {
    let start = crate::clock::now();
    let limits = Limits { per_caller: 3, in_all: 10, within: Duration::from_secs(3600) };
    let floodgate = Floodgate::new(limits);
    let rules = vec![rule(number("555-0101"))];
    let policy = Policy { rules, home: None, cadence: CADENCE, limits };
    let mut lines: Vec<Doorman> = (0..4).map(|_line| Doorman::new(policy.clone(), floodgate.clone())).collect();
    let (mut wakes, mut told, mut now) = (0, 0, start);
    for round in 0..8 {
        let (said, over) = call(&mut lines[round % 4], Some(&known("5550101")), 1, now);
        wakes += said.iter().filter(|output| matches!(output, Output::Wake { .. })).count();
        told += said.iter().filter(|output| **output == refused(Reason::TooManyCalls)).count();
        now = over + 31 * SECOND;
    }
    assert_eq!((wakes, told), (3, 1));
    // Whichever line looks first sums it up, and no other does again.
    now += Duration::from_secs(3600);
    let mut sums = Vec::new();
    for line in &mut lines {
        line.handle_timeout(now);
        sums.extend(outputs(line));
    }
    assert_eq!(sums, [Output::MoreRefused { reason: Reason::TooManyCalls, more: 4 }]);
}
