//! What a record and a proof are worth: keys, numbers, addresses that others have, NATs and tunnels.

use super::*;

#[test]
fn a_host_that_is_not_where_it_was_is_rung_and_only_a_newer_record_counts() {
    for finding in [Finding::Silence, Finding::NoAnswerer, Finding::Another(stranger())] {
        let mut world = World::new(|_, _| {});
        let (old, new) = (world.online(7), world.online(8));
        world.play(vec![
            (Way(true), "ask"),
            (Answer(Some(old)), "prove:7"),
            (Proof(Err(finding)), "gone! free"),
            (FREE, "watch>7 ring"),
            (Call(Outcome::RangOut), "way"),
            (Way(true), ""),
            (Newer(new), "prove:8"),
            (Proof(Ok(HERE)), "found:203.0.113.10"),
        ]);
    }
}

#[test]
fn a_directory_that_lags_is_not_the_last_word_while_another_server_knows_a_newer_record() {
    let mut world = World::new(|_, _| {});
    let (old, new) = (world.online(7), world.online(9));
    world.play(vec![
        (Way(true), "ask"),
        (Answer(Some(old)), "prove:7"),
        (Unproved, "all>7"),
        (Newest(Some(new)), "prove:9"),
        (Proof(Ok("203.0.113.20")), "found:203.0.113.20"),
    ]);
}

#[test]
fn a_newer_record_that_nobody_proves_either_is_the_one_that_a_wake_has_to_exceed() {
    let mut world = World::new(|_, _| {});
    let (old, new) = (world.online(7), world.online(9));
    world.play(vec![
        (Way(true), "ask"),
        (Answer(Some(old)), "prove:7"),
        (Unproved, "all>7"),
        (Newest(Some(new.clone())), "prove:9"),
        (Unproved, "all>9"),
        (Newest(Some(new)), "gone! free"),
        (FREE, "watch>9 ring"),
    ]);
}

#[test]
fn a_newer_record_by_which_the_host_is_asleep_has_it_rung_or_called_asleep() {
    for (has_number, expected) in [(true, "free"), (false, "failed:asleep")] {
        let mut world = World::new(|plan, _| plan.has_number = has_number);
        let (old, asleep) = (world.online(7), world.asleep(8));
        world.play(vec![
            (Way(true), "ask"),
            (Answer(Some(old)), "prove:7"),
            (Unproved, "all>7"),
            (Newest(Some(asleep)), expected),
        ]);
        if has_number {
            world.play(vec![(FREE, "watch>8 ring")]);
        }
    }
}

#[test]
fn after_the_ring_too_the_newest_record_counts_and_no_call_is_made_for_it() {
    let mut world = World::ringing(|plan| plan.calls = 9);
    let (old, new) = (world.online(8), world.online(9));
    world.play(vec![
        (Newer(old), "hang-up prove:8"),
        (Unproved, "all>8"),
        (Newest(Some(new)), "prove:9"),
        (Unproved, "all>9"),
        (Newest(None), "failed:impostor"),
    ]);
}

#[test]
fn nothing_older_or_by_another_key_is_taken_for_newer_also_where_no_key_was_known() {
    let other = Identity::generate().unwrap();
    for by_other in [false, true] {
        let mut world = World::strange();
        let old = world.online(7);
        let newest = if by_other { online_by(&other, 9, HERE, ISSUED) } else { old.clone() };
        world.play(vec![
            (Way(true), "ask"),
            (Answer(Some(old)), "prove:7"),
            (Unproved, "all>7"),
            (Newest(Some(newest)), "gone! free"),
            (FREE, "watch>7 ring"),
        ]);
    }
}

#[test]
fn whoever_does_not_prove_to_be_the_host_is_refused_by_what_he_is() {
    for (finding, status) in [
        (Finding::Another(stranger()), Status::Impostor),
        (Finding::Relayed("203.0.113.99:7464".parse().unwrap()), Status::Impostor),
        (Finding::Forged, Status::Impostor),
        (Finding::NoAnswerer, Status::Impostor),
        (Finding::Silence, Status::Unreachable),
        (Finding::NoWay, Status::Unreachable),
    ] {
        let mut world = World::new(|plan, _| plan.has_number = false);
        let online = world.online(7);
        world.play(vec![(Way(true), "ask"), (Answer(Some(online)), "prove:7")]);
        let failure = world.fails(Proof(Err(finding)));
        assert_eq!(failure.status, status, "{finding:?}");
        assert!(failure.message.contains("203.0.113.10"), "{failure}");
    }
}

#[test]
fn a_record_fresh_from_the_wake_that_nobody_proves_is_no_reason_to_ring_again() {
    let mut world = World::ringing(|plan| plan.calls = 9);
    let online = world.online(8);
    world.play(vec![(Newer(online), "hang-up prove:8"), (Proof(Err(Finding::Silence)), "failed:unreachable")]);
}

#[test]
fn a_record_by_another_key_or_of_another_host_is_refused_wherever_it_comes_from() {
    let other = Identity::generate().unwrap();
    let mut world = World::new(|_, _| {});
    world.play(vec![(Way(true), "ask"), (Answer(Some(online_by(&other, 7, HERE, ISSUED))), "failed:wrong-identity")]);
    let mut world = World::ringing(|_| {});
    world.play(vec![(Newer(online_by(&other, 7, HERE, ISSUED)), "failed:wrong-identity")]);
}

#[test]
fn a_key_that_was_not_known_is_believed_once_it_is_proved_and_never_before() {
    let mut world = World::strange();
    let online = world.online(7);
    world.play(vec![(Way(true), "ask"), (Answer(Some(online.clone())), "prove:7")]);
    let outputs = world.step(Proof(Ok(HERE)));
    let address = HERE.parse().unwrap();
    assert_eq!(outputs, [Output::Found(Box::new(Found { record: online, address, tunnel: None, first_use: true }))]);
}

#[test]
fn a_directory_that_was_set_back_is_told_of_and_its_record_does_not_count() {
    let seen = |plan: &mut Plan, _now| plan.seen = Seq::new(9);
    let mut world = World::new(seen);
    let (old, new) = (world.online(7), world.online(10));
    world.play(vec![
        (Way(true), "ask"),
        (Answer(Some(old)), "rolled-back! free"),
        (FREE, "watch>9 ring"),
        (Newer(new), "hang-up prove:10"),
    ]);
    let mut world = World::new(|plan, now| {
        seen(plan, now);
        plan.has_number = false;
    });
    let old = world.online(7);
    world.play(vec![(Way(true), "ask"), (Answer(Some(old)), "rolled-back! failed:rolled-back")]);
}

#[test]
fn a_host_behind_a_carriers_nat_is_said_to_be_so_at_once_and_not_rung() {
    let mut world = World::new(|_, _| {});
    let online = online_by(&world.identity, 7, "100.64.0.9", ISSUED);
    world.play(vec![(Way(true), "ask"), (Answer(Some(online)), "unreachable! prove:7")]);
    let failure = world.fails(Proof(Err(Finding::Silence)));
    assert_eq!(failure.status, Status::BehindNat);
    assert!(failure.advice().contains("ssh -R"), "{:?}", failure.hint);
}

#[test]
fn a_private_address_is_another_machines_in_another_network_and_a_host_to_ring_in_its_own() {
    let record = |world: &World| online_by(&world.identity, 7, "192.168.1.9", ISSUED);
    let mut world = World::new(|plan, _| plan.has_number = false);
    let online = record(&world);
    world.play(vec![(Way(true), "ask"), (Answer(Some(online)), "unreachable! prove:7")]);
    let failure = world.fails(ProofAt("192.168.1.9:7464", Finding::NoAnswerer));
    assert_eq!(failure.status, Status::Impostor);
    assert!(failure.message.starts_with("192.168.1.9 is not home.dyn.example, as seen from here"), "{failure}");
    assert!(failure.advice().contains("you are not in the host's; or it is lent to somebody else"), "{failure:?}");

    let mut world = World::new(|_, _| {});
    let online = record(&world);
    world.play(vec![
        (Way(true), "ask"),
        (Answer(Some(online)), "unreachable! prove:7"),
        (ProofAt("192.168.1.9:7464", Finding::Another(stranger())), "gone! free"),
    ]);
}

#[test]
fn a_record_whose_lease_is_over_is_no_reason_not_to_ring_a_host_behind_a_nat() {
    let old = |world: &World| online_by(&world.identity, 7, "100.64.0.9", ISSUED - 7200);
    let mut world = World::new(|_, _| {});
    let (online, new) = (old(&world), world.online(8));
    world.play(vec![
        (Way(true), "ask"),
        (Answer(Some(online)), "unreachable! prove:7"),
        (ProofAt("100.64.0.9:7464", Finding::Silence), "gone! free"),
        (FREE, "watch>7 ring"),
        (Newer(new), "hang-up prove:8"),
        (Proof(Ok(HERE)), "found:203.0.113.10"),
    ]);
    let mut world = World::new(|plan, _| plan.has_number = false);
    let online = old(&world);
    world.play(vec![(Way(true), "ask"), (Answer(Some(online)), "unreachable! prove:7")]);
    let failure = world.fails(ProofAt("100.64.0.9:7464", Finding::Silence));
    assert_eq!(failure.status, Status::Stale);
    assert!(failure.advice().contains("once it is online again: the provider lends"), "{failure:?}");
}

#[test]
fn a_host_that_was_gone_and_does_not_come_when_it_is_rung_is_told_of_by_both() {
    for (finding, status) in [(Finding::Silence, Status::Unreachable), (Finding::Another(stranger()), Status::Impostor)]
    {
        let mut world = World::new(|plan, _| plan.calls = 1);
        let online = world.online(7);
        world.play(vec![
            (Way(true), "ask"),
            (Answer(Some(online.clone())), "prove:7"),
            (Proof(Err(finding)), "gone! free"),
            (FREE, "watch>7 ring"),
            (Call(Outcome::RangOut), "way"),
            (Way(true), ""),
            (Wait, "unwatch ask"),
        ]);
        let failure = world.fails(Answer(Some(online)));
        assert_eq!(failure.status, status);
        assert!(failure.message.ends_with("; it was rung, and did not come online anew in time"), "{failure}");
        assert!(failure.advice().starts_with("`ringup journal` on the host"), "{failure:?}");
    }
}

#[test]
fn a_host_whose_number_is_busy_is_online_by_its_record_and_it_is_its_address_that_is_told() {
    for (finding, status) in [(Finding::Silence, Status::Unreachable), (Finding::NoAnswerer, Status::Busy)] {
        let mut world = World::new(|plan, _| plan.calls = 1);
        let online = world.online(7);
        world.play(vec![
            (Way(true), "ask"),
            (Answer(Some(online)), "prove:7"),
            (Proof(Err(finding)), "gone! free"),
            (FREE, "watch>7 ring"),
        ]);
        assert_eq!(world.fails(Call(Outcome::Busy)).status, status, "{finding:?}");
    }
}

#[test]
fn of_several_addresses_the_one_that_anybody_can_reach_is_told_of() {
    let addresses = vec!["192.168.1.9".parse().unwrap(), "2001:db8::9".parse().unwrap()];
    let record = Record::online(host(), addresses, number(7), ISSUED, 600).unwrap();
    let record = SignedRecord::sign(record, &Identity::generate().unwrap());
    let unproven = |findings: [(&str, Finding); 2]| {
        let findings = findings.map(|(at, finding)| (at.parse().unwrap(), finding));
        verdict::unproven(&record, &Unproven(findings.to_vec()), ISSUED)
    };
    let (v4, v6) = ("192.168.1.9:7464", "[2001:db8::9]:7464");
    let failure = unproven([(v6, Finding::NoWay), (v4, Finding::Silence)]);
    assert_eq!(failure.status, Status::BehindNat);
    assert!(failure.message.contains("at 2001:db8::9 (record 7): it has IPv6, and this machine has none"), "{failure}");
    let failure = unproven([(v6, Finding::NoWay), (v4, Finding::NoAnswerer)]);
    assert!(failure.message.starts_with("192.168.1.9 is not home.dyn.example, as seen from here"), "{failure}");
}

#[test]
fn a_host_that_ipv6_alone_leads_to_is_not_rung_from_where_there_is_none_nor_waited_for() {
    let mut world = World::without_ipv6();
    let addresses = vec!["100.64.0.9".parse().unwrap(), "2001:db8::9".parse().unwrap()];
    let record = Record::online(host(), addresses, number(7), ISSUED, 600).unwrap();
    let online = SignedRecord::sign(record, &world.identity);
    world.play(vec![(Way(true), "ask")]);
    let [Output::Prove(_, patience)] = &world.step(Answer(Some(online)))[..] else { panic!("it is not to be proved") };
    assert_eq!(*patience, PROVE_UNLIKELY);
    assert_eq!(world.fails(ProofAt("[2001:db8::9]:7464", Finding::NoWay)).status, Status::BehindNat);
}

#[test]
fn a_host_behind_a_nat_that_we_are_behind_too_is_reached() {
    let mut world = World::new(|_, _| {});
    let online = online_by(&world.identity, 7, "192.168.1.9", ISSUED);
    world.play(vec![
        (Way(true), "ask"),
        (Answer(Some(online)), "unreachable! prove:7"),
        (Proof(Ok("192.168.1.9")), "found:192.168.1.9"),
    ]);
}

#[test]
fn an_old_record_of_a_host_that_nobody_can_ring_is_called_stale() {
    let mut world = World::new(|plan, _| plan.has_number = false);
    let online = online_by(&world.identity, 7, HERE, ISSUED - 7200);
    world.play(vec![(Way(true), "ask"), (Answer(Some(online)), "prove:7")]);
    let failure = world.fails(Proof(Err(Finding::Silence)));
    assert_eq!(failure.status, Status::Stale);
    assert!(failure.message.contains("until 110 min ago"), "{failure}");
}

#[test]
fn a_host_behind_a_nat_is_met_through_its_tunnel_and_given_the_time_to_open_it() {
    let end: FarEnd = "198.51.100.50:2222/22".parse().unwrap();
    let mut world = World::ringing(|_| {});
    let record = behind_tunnel(&world.identity, 7, end);
    let outputs = world.step(Newer(record.clone()));
    assert_eq!(names(&outputs), "hang-up prove:7", "it is not said to be out of reach");
    assert!(outputs.contains(&Output::Prove(Box::new(record.clone()), PROVE_THROUGH)));
    let outputs = world.step(Proof(Ok("198.51.100.50:2222")));
    let [Output::Found(found)] = &outputs[..] else { panic!("{outputs:?}") };
    assert_eq!((found.tunnel, found.place()), (Some(end), "198.51.100.50:2222".to_owned()));
    assert_eq!((found.port(22), found.port(80).unwrap_err().status), (Ok(2222), Status::BehindNat));

    // At one of its own addresses it is met as ever.
    let mut world = World::new(|_, _| {});
    world.play(vec![(Way(true), "ask")]);
    let record = behind_tunnel(&world.identity, 7, end);
    world.step(Answer(Some(record)));
    let outputs = world.step(Proof(Ok("100.64.0.9")));
    let [Output::Found(found)] = &outputs[..] else { panic!("{outputs:?}") };
    assert_eq!((found.tunnel, found.port(80)), (None, Ok(80)));

    // A tunnel that is gone is a host to ring.
    let mut world = World::new(|_, _| {});
    world.play(vec![(Way(true), "ask")]);
    let record = behind_tunnel(&world.identity, 7, end);
    world.step(Answer(Some(record)));
    assert_eq!(names(&world.step(Proof(Err(Finding::NoTunnel)))), "gone! free");
}
