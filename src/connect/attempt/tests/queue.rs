//! Turns: a line that somebody else has, and a host that another command is waking.

use super::*;

#[test]
fn a_line_that_somebody_else_has_is_waited_for_and_then_rung_on() {
    let mut world = World::ringing(|plan| plan.calls = 1);
    let online = world.online(8);
    world.play(vec![
        (Busy, "busy! line"),
        (Turn, "ring"),
        // Another was quicker.
        (Busy, "line"),
        (Turn, "ring"),
        (Call(Outcome::RangOut), "way"),
        (Way(true), ""),
        (Newer(online), "prove:8"),
    ]);
}

#[test]
fn a_host_that_comes_online_while_the_line_is_waited_for_needs_no_call() {
    let mut world = World::ringing(|_| {});
    let online = world.online(8);
    world.play(vec![(Busy, "busy! line"), (Newer(online), "prove:8"), (Proof(Ok(HERE)), "found:203.0.113.10")]);
}

#[test]
fn a_line_that_does_not_become_free_is_waited_for_no_longer_than_a_record() {
    let mut world = World::ringing(|_| {});
    let began = world.now;
    world.play(vec![(Busy, "busy! line")]);
    world.now += Duration::from_secs(40);
    world.play(vec![(Turn, "ring"), (Busy, "line")]);
    let failure = world.fails(Wait);
    assert_eq!((failure.status, failure.callee), (Status::PortBusy, Some(Callee::Host)));
    assert!(failure.message.contains("process 4711 (minicom)"), "{failure}");
    assert_eq!(world.now - began, Duration::from_secs(60), "from the first moment on");
}

#[test]
fn our_provider_is_dialled_once_the_line_is_free() {
    let mut world = World::new(|_, _| {});
    world.play(vec![(Way(false), "up"), (BusyForLink, "busy! line"), (Turn, "up"), (OwnLink, "ask")]);
    let mut world = World::new(|_, _| {});
    world.play(vec![(Way(false), "up"), (BusyForLink, "busy! line")]);
    let failure = world.fails(Wait);
    assert_eq!((failure.status, failure.callee), (Status::PortBusy, Some(Callee::Provider)));
}

#[test]
fn who_finds_another_waking_the_host_rings_only_if_that_brought_nothing() {
    let mut world = World::ringing(|plan| plan.calls = 1);
    let online = world.online(8);
    world.play(vec![(OtherWakes, "other! waker"), (Newer(online), "prove:8")]);

    let mut world = World::ringing(|plan| plan.calls = 1);
    let online = world.online(8);
    world.play(vec![
        (OtherWakes, "other! waker"),
        (Turn, "way"),
        (Way(true), "ask"),
        (Answer(None), "free"),
        (FREE, "ring"),
        (Call(Outcome::RangOut), "way"),
        (Way(true), ""),
        (Newer(online), "prove:8"),
    ]);

    let mut world = World::ringing(|_| {});
    world.play(vec![(OtherWakes, "other! waker"), (Wait, "unwatch way"), (Way(true), "ask")]);
    assert_eq!(world.fails(Answer(None)).status, Status::NotRegistered);
}

#[test]
fn a_provider_that_cannot_be_reached_is_called_again_until_the_wait_is_over_and_no_longer() {
    let mut world = World::new(|_, _| {});
    let began = world.now;
    world.play(vec![(Way(false), "up")]);
    assert_eq!(world.attempt.deadline(), None, "the first call has times of its own");
    world.now += Duration::from_secs(40);
    world.play(vec![(Redial, "")]);
    world.now += Duration::from_secs(5);
    world.play(vec![(Redial, "")]);
    world.play(vec![(Wait, "let-go failed:busy")]);
    assert_eq!(world.now - began, Duration::from_secs(60));
    // A first call that took all of it.
    let mut world = World::new(|_, _| {});
    world.play(vec![(Way(false), "up")]);
    world.now += Duration::from_secs(70);
    let failure = world.fails(Redial);
    assert_eq!((failure.status, failure.callee), (Status::Busy, Some(Callee::Provider)));
    assert_eq!(failure.message, "the provider is busy; there is no time for another call");
}

#[test]
fn after_a_ring_the_time_for_our_own_link_is_what_is_left_of_the_wait() {
    let mut world = World::linked();
    let asleep = world.asleep(7);
    world.play(vec![
        (Answer(Some(asleep)), "free"),
        (LineFree { link_went: true }, "ring"),
        (Call(Outcome::RangOut), "way"),
    ]);
    let rung = world.now;
    world.now += Duration::from_secs(20);
    world.play(vec![(Way(false), "up"), (Redial, ""), (Wait, "let-go failed:busy")]);
    assert_eq!(world.now - rung, Duration::from_secs(60));
}

#[test]
fn who_reaches_the_provider_after_all_goes_on() {
    let mut world = World::new(|_, _| {});
    world.play(vec![(Way(false), "up"), (Redial, ""), (OwnLink, "ask")]);
    assert_eq!(world.attempt.deadline(), None);
}

#[test]
fn while_others_use_our_own_link_the_directory_is_watched_over_it_and_then_the_line_is_rung_on() {
    let mut world = World::linked();
    let (asleep, online) = (world.asleep(7), world.online(8));
    world.play(vec![
        (Answer(Some(asleep.clone())), "free"),
        (LinkUsed, "busy! watch>7"),
        (LineFree { link_went: true }, "unwatch ring"),
    ]);
    let mut world = World { identity: world.identity, ..World::linked() };
    world.attempt.plan.identity = Some(world.identity.public_key());
    world.play(vec![
        (Answer(Some(asleep.clone())), "free"),
        (LinkUsed, "busy! watch>7"),
        (Newer(online), "keep prove:8"),
    ]);
    let mut world = World { identity: world.identity, ..World::linked() };
    world.attempt.plan.identity = Some(world.identity.public_key());
    world.play(vec![(Answer(Some(asleep)), "free"), (LinkUsed, "busy! watch>7")]);
    let failure = world.fails(Wait);
    assert_eq!(failure.status, Status::PortBusy);
    assert_eq!(failure.message, "the line carries our own link, and another ringup uses it");
}
