//! The way to a record: our own link, the call, the wait, and what is tried again.

use super::*;

#[test]
fn a_host_that_is_online_and_proves_itself_gets_no_call() {
    let mut world = World::new(|_, _| {});
    let online = world.online(7);
    world.play(vec![(Way(true), "ask"), (Answer(Some(online)), "prove:7"), (Proof(Ok(HERE)), "found:203.0.113.10")]);
    assert_eq!(world.attempt.deadline(), None);
}

#[test]
fn one_line_serves_our_link_the_call_and_our_link_again() {
    let mut world = World::linked();
    let (asleep, online) = (world.asleep(7), world.online(8));
    world.play(vec![
        (Answer(Some(asleep)), "free"),
        (LineFree { link_went: true }, "ring"),
        (Call(Outcome::RangOut), "way"),
        (Way(false), "up"),
        (OwnLink, "watch>7"),
        (Newer(online), "prove:8"),
        (Proof(Ok(HERE)), "found:203.0.113.10"),
    ]);
}

#[test]
fn our_own_link_comes_up_again_if_it_is_lost_and_what_was_under_way_begins_anew() {
    let mut world = World::linked();
    let (asleep, online) = (world.asleep(7), world.online(8));
    world.play(vec![
        (LinkLost, "lost! way"),
        (Way(false), "up"),
        (OwnLink, "ask"),
        (Answer(Some(asleep)), "free"),
        (LinkLost, ""),
        (LineFree { link_went: true }, "ring"),
        (Call(Outcome::RangOut), "way"),
        (Way(false), "up"),
        (OwnLink, "watch>7"),
        (LinkLost, "lost! way"),
        (Way(false), "up"),
        (OwnLink, ""),
        (Newer(online), "prove:8"),
    ]);
    let failure = world.fails(LinkLost);
    assert_eq!((failure.status, failure.message.as_str()), (Status::NoLink, "our own link was lost 3 times"));
}

#[test]
fn a_host_whose_proof_was_under_way_when_our_link_was_lost_is_looked_up_again() {
    let mut world = World::linked();
    let online = world.online(7);
    world.play(vec![
        (Answer(Some(online.clone())), "prove:7"),
        (LinkLost, "lost! way"),
        (Way(false), "up"),
        (OwnLink, "ask"),
        (Answer(Some(online.clone())), "prove:7"),
        (Unproved, "all>7"),
        (LinkLost, "lost! way"),
        (Way(false), "up"),
        (OwnLink, "ask"),
        (Answer(Some(online)), "prove:7"),
        (Proof(Ok(HERE)), "found:203.0.113.10"),
    ]);
}

#[test]
fn where_there_is_another_way_the_watch_stands_before_the_call_and_a_record_ends_it() {
    let mut world = World::new(|_, _| {});
    let (asleep, online) = (world.asleep(7), world.online(8));
    world.play(vec![
        (Way(true), "ask"),
        (Answer(Some(asleep)), "free"),
        (FREE, "watch>7 ring"),
        (Newer(online), "hang-up prove:8"),
        (Call(Outcome::RangOut), ""),
        (Proof(Ok(HERE)), "found:203.0.113.10"),
    ]);
}

#[test]
fn a_host_that_does_not_come_is_rung_again_and_the_directory_has_the_last_word() {
    let mut world = World::ringing(|_| {});
    world.play(vec![
        (Call(Outcome::RangOut), "way"),
        (Way(true), ""),
        (Wait, "free"),
        (FREE, "ring"),
        (Call(Outcome::RangOut), "way"),
        (Way(true), ""),
        (Wait, "unwatch ask"),
        (Answer(None), "failed:not-registered"),
    ]);
}

#[test]
fn a_record_that_comes_at_the_last_moment_still_counts_and_a_dead_directory_is_told_as_such() {
    for dead in [false, true] {
        let mut world = World::ringing(|plan| plan.calls = 1);
        let online = world.online(8);
        world.play(vec![
            (Call(Outcome::RangOut), "way"),
            (Way(true), ""),
            (Wait, "unwatch ask"),
            if dead { (Unreachable, "failed:directory-unreachable") } else { (Answer(Some(online)), "prove:8") },
        ]);
    }
}

#[test]
fn a_busy_host_is_looked_up_before_it_is_called_again_ever_later() {
    let mut world = World::ringing(|plan| plan.calls = 3);
    let online = world.online(9);
    world.play(vec![
        (Call(Outcome::Busy), "pause:10"),
        (Wait, "way"),
        (Way(true), "ask"),
        (Answer(None), "free"),
        (FREE, "ring"),
        (Call(Outcome::NoCarrier), "pause:20"),
        (Wait, "way"),
        (Way(true), "ask"),
        (Answer(Some(online)), "unwatch prove:9"),
    ]);
}

#[test]
fn a_host_whose_call_broke_off_may_be_waking_and_is_called_again_if_it_is_not() {
    let mut world = World::ringing(|plan| plan.answers = true);
    let online = world.online(8);
    world.play(vec![
        (BrokeOff, "way"),
        (Way(true), ""),
        (Wait, "free"),
        (FREE, "ring"),
        (BrokeOff, "way"),
        (Way(true), ""),
        (Newer(online), "prove:8"),
    ]);
}

#[test]
fn no_more_calls_than_allowed_whatever_happens() {
    let mut world = World::ringing(|plan| plan.calls = 1);
    world.play(vec![(Call(Outcome::Busy), "unwatch failed:busy")]);
}

#[test]
fn what_the_modem_forbids_or_cannot_do_is_not_tried_again() {
    for (outcome, expected) in [
        (Outcome::NoDialTone, "unwatch failed:no-dial-tone"),
        (Outcome::Blacklisted, "unwatch failed:blacklisted"),
        (Outcome::Delayed, "unwatch failed:blacklisted"),
        (Outcome::Silent, "unwatch failed:modem-silent"),
    ] {
        let mut world = World::ringing(|plan| plan.calls = 9);
        world.play(vec![(Call(outcome), expected)]);
    }
}

#[test]
fn asleep_without_a_number_is_said_so() {
    let mut world = World::new(|plan, _| plan.has_number = false);
    let asleep = world.asleep(1);
    world.play(vec![(Way(true), "ask"), (Answer(Some(asleep)), "failed:asleep")]);
}

#[test]
fn without_way_and_provider_the_owner_is_told_what_to_do() {
    let mut world = World::new(|plan, _| plan.has_isp = false);
    world.play(vec![(Way(false), "failed:directory-unreachable")]);
}

#[test]
fn the_whole_ends_when_its_time_is_up_in_whichever_step_it_is() {
    let script = |world: &World| -> Vec<(Step, &'static str)> {
        vec![
            (Way(false), "up"),
            (OwnLink, "ask"),
            (Answer(Some(world.asleep(7))), "free"),
            (LineFree { link_went: true }, "ring"),
            (Call(Outcome::RangOut), "way"),
            (Way(true), "watch>7"),
        ]
    };
    for steps in 0..=6 {
        let mut world = World::new(|plan, now| plan.until = Some(now + Duration::from_secs(30)));
        let whole = script(&world);
        world.play(whole.into_iter().take(steps).collect());
        let failure = world.fails(Wait);
        assert_eq!(failure.status, Status::TimedOut, "after {steps}");
        assert_eq!(world.attempt.deadline(), None);
    }
}

#[test]
fn inputs_that_nobody_waits_for_change_nothing() {
    let mut world = World::new(|_, _| {});
    let online = world.online(8);
    let (call, newer) = (Call(Outcome::Busy), Newer(online));
    for step in [OwnLink, LinkLost, FREE, Answer(None), call, newer, Proof(Ok(HERE)), Unproved, Newest(None)] {
        assert_eq!(world.step(step), []);
    }
    assert_eq!(names(&world.step(Way(true))), "ask");
}
