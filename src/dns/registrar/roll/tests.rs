//! Directories that are slow, dead, ahead of us or against us, under an invented clock.

use super::*;

const LEASE: Duration = Duration::from_secs(600);

fn roll(directories: usize) -> Roll {
    Roll::new(directories, LEASE / 3, false, |pause| pause)
}

fn seq(number: u64) -> Seq {
    Seq::new(number).unwrap()
}

fn outputs(roll: &mut Roll) -> Vec<Output> {
    std::iter::from_fn(|| roll.poll_output()).collect()
}

/// A roll whose statement has a number and is under way to every directory.
fn under_way(directories: usize, number: u64) -> Roll {
    let mut roll = roll(directories);
    roll.want(true);
    assert_eq!(outputs(&mut roll), [Output::Number(None)], "no question before the statement");
    roll.handle_number(seq(number));
    let sent: Vec<Output> = (0..directories).map(|index| Output::Send(index, seq(number))).collect();
    assert_eq!(outputs(&mut roll), sent);
    roll
}

#[test]
fn a_dead_directory_delays_neither_the_other_nor_its_renewal() {
    let start = crate::clock::now();
    let mut now = start;
    let mut roll = under_way(2, 7);
    assert_eq!(roll.handle_sent(1, seq(7), Verdict::Acknowledged, now), Next::Done);
    assert_eq!(roll.renew_at(), Some(start + LEASE / 3));
    let mut tries = 0;
    let renewal = loop {
        let Next::At(again) = roll.handle_sent(0, seq(7), Verdict::Failed, now) else { panic!("given up") };
        assert!(again <= now + PAUSE.1, "a pause is capped");
        tries += 1;
        now = roll.deadline().unwrap().0;
        roll.handle_timeout(now);
        let due = outputs(&mut roll);
        if due != [Output::Send(0, seq(7))] {
            break due;
        }
    };
    assert_eq!((renewal, now), (vec![Output::Number(None)], start + LEASE / 3), "a number of its own");
    assert!((10..15).contains(&tries), "{tries} tries in 200 s");
}

#[test]
fn a_directory_that_comes_back_gets_the_statement_of_now() {
    let now = crate::clock::now();
    let mut roll = under_way(2, 7);
    let _done = roll.handle_sent(0, seq(7), Verdict::Acknowledged, now);
    let _later = roll.handle_sent(1, seq(7), Verdict::Failed, now);
    roll.want(true);
    assert_eq!(outputs(&mut roll), [Output::Number(None)]);
    roll.handle_number(seq(8));
    assert_eq!(outputs(&mut roll), [Output::Send(0, seq(8)), Output::Send(1, seq(8))]);
}

#[test]
fn a_number_that_one_directory_lifts_reaches_those_that_had_the_lower_one() {
    let now = crate::clock::now();
    let mut roll = under_way(3, 7);
    let _done = roll.handle_sent(0, seq(7), Verdict::Acknowledged, now);
    assert_eq!(roll.handle_sent(1, seq(7), Verdict::Stale, now), Next::AtOnce);
    assert_eq!(outputs(&mut roll), [Output::Ask(1)]);
    roll.handle_known(1, Some(seq(41)));
    assert_eq!(outputs(&mut roll), [Output::Number(Some(seq(41)))]);
    roll.handle_number(seq(42));
    assert_eq!(outputs(&mut roll), [0, 1, 2].map(|index| Output::Send(index, seq(42))));
}

#[test]
fn a_number_is_lifted_even_where_the_directory_tells_none() {
    let now = crate::clock::now();
    let mut roll = under_way(1, 7);
    let _at_once = roll.handle_sent(0, seq(7), Verdict::Stale, now);
    assert_eq!(outputs(&mut roll), [Output::Ask(0)]);
    roll.handle_known(0, None);
    assert_eq!(outputs(&mut roll), [Output::Number(Some(seq(7)))]);
    roll.handle_number(seq(8));
    assert_eq!(outputs(&mut roll), [Output::Send(0, seq(8))]);
    assert_eq!(roll.handle_sent(0, seq(8), Verdict::Stale, now), Next::At(now + PAUSE.0), "not without end");
}

#[test]
fn a_new_file_asks_every_directory_and_waits_for_the_first_only() {
    let now = crate::clock::now();
    let mut roll = Roll::new(2, LEASE / 3, true, |pause| pause);
    roll.want(true);
    assert_eq!(outputs(&mut roll), [Output::Ask(0), Output::Ask(1)]);
    roll.handle_known(1, Some(seq(3)));
    assert_eq!(outputs(&mut roll), [Output::Number(Some(seq(3)))]);
    roll.handle_number(seq(4));
    assert_eq!(outputs(&mut roll), [Output::Send(1, seq(4))], "the other has not answered");
    let _done = roll.handle_sent(1, seq(4), Verdict::Acknowledged, now);
    roll.handle_known(0, None);
    assert_eq!(outputs(&mut roll), [Output::Send(0, seq(4))]);
    roll.want(true);
    assert_eq!(outputs(&mut roll), [Output::Number(None)], "the file is no longer new");
}

#[test]
fn two_directories_that_know_different_numbers_end_on_one_above_both() {
    let mut roll = Roll::new(2, LEASE / 3, true, |pause| pause);
    roll.want(true);
    let _asked = outputs(&mut roll);
    roll.handle_known(0, Some(seq(3)));
    roll.handle_known(1, Some(seq(9)));
    assert_eq!(outputs(&mut roll), [Output::Number(Some(seq(3)))]);
    roll.handle_number(seq(4));
    assert_eq!(outputs(&mut roll), [Output::Number(Some(seq(9)))], "4 would be behind in one of them");
    roll.handle_number(seq(10));
    assert_eq!(outputs(&mut roll), [Output::Send(0, seq(10)), Output::Send(1, seq(10))]);
}

#[test]
fn the_clock_is_followed_once_and_then_waited_for() {
    let now = crate::clock::now();
    let mut roll = under_way(1, 7);
    assert_eq!(roll.handle_sent(0, seq(7), Verdict::OtherClock, now), Next::AtOnce);
    assert_eq!(outputs(&mut roll), [Output::Send(0, seq(7))]);
    assert_eq!(roll.handle_sent(0, seq(7), Verdict::OtherClock, now), Next::At(now + PAUSE.0));
}

#[test]
fn a_refusal_is_tried_again_ever_more_rarely() {
    let mut now = crate::clock::now();
    let mut roll = under_way(1, 7);
    for expected in [20, 40, 80, 160, 320, 600, 600] {
        let Next::At(again) = roll.handle_sent(0, seq(7), Verdict::Refused, now) else { panic!("given up") };
        assert_eq!(again.duration_since(now).as_secs(), expected);
        now = again;
        roll.handle_timeout(now);
        assert_eq!(outputs(&mut roll), [Output::Send(0, seq(7))]);
    }
}

#[test]
fn a_full_disk_is_tried_again_and_sends_nothing_meanwhile() {
    let now = crate::clock::now();
    let mut roll = roll(1);
    roll.want(true);
    let _number = outputs(&mut roll);
    let again = roll.handle_no_number(now);
    assert_eq!((outputs(&mut roll), roll.deadline().map(|(at, _)| at)), (Vec::new(), Some(again)));
    roll.handle_timeout(again);
    assert_eq!(outputs(&mut roll), [Output::Number(None)]);
}

#[test]
fn a_link_that_is_gone_ends_all_sending() {
    let now = crate::clock::now();
    let mut roll = under_way(2, 7);
    let _done = roll.handle_sent(0, seq(7), Verdict::Acknowledged, now);
    let _later = roll.handle_sent(1, seq(7), Verdict::Failed, now);
    roll.rest();
    roll.handle_timeout(now + LEASE);
    assert_eq!((outputs(&mut roll), roll.deadline()), (Vec::new(), None));
}
