//! One of each of what an attempt says and ends in, for the snapshot of every message.

use super::*;
use crate::samples::of_each;

/// One note of each kind.
pub(in crate::connect) fn every_note() -> Vec<Note> {
    let pause = Duration::from_secs(10);
    let mut notes = of_each! {
        Note::RolledBack { .. } => [Note::RolledBack { found: number(7), seen: number(9) }],
        Note::Unreachable(_) => [Note::Unreachable(Reachability::Local)],
        Note::LinkLost => [Note::LinkLost],
        Note::LineBusy { .. } => [
            Note::LineBusy { why: "/dev/ttyUSB0 is in use by process 4711 (ringup)".to_owned() },
        ],
        Note::OtherWakes { .. } => [Note::OtherWakes { process: Some(4711) }, Note::OtherWakes { process: None }],
        Note::Gone { .. } => [Note::Gone { why: "203.0.113.10 is not home.dyn.example any more".to_owned() }],
        Note::Pausing { .. } => [Note::Pausing { why: "home.dyn.example is busy".to_owned(), pause }],
    };
    notes.extend([Note::Unreachable(Reachability::CarrierNat), Note::Unreachable(Reachability::Private)]);
    notes
}

/// Every failure that an attempt ends in by itself, each by a script of its own.
pub(in crate::connect) fn every_failure() -> Vec<Failure> {
    let key = PublicKey::from_bytes([7; 32]);
    let mut failures = Vec::new();
    // What is found at the address of a record: one that counts, one of a NAT, two whose lease is over.
    let relayed = Finding::Relayed("203.0.113.99:7464".parse().unwrap());
    let findings = of_each! {
        Finding::Another(_) => [Finding::Another(key)],
        Finding::Relayed(_) => [relayed],
        Finding::Forged => [Finding::Forged],
        Finding::NoAnswerer => [Finding::NoAnswerer],
        Finding::NoTunnel => [Finding::NoTunnel],
        Finding::Silence => [Finding::Silence],
        Finding::NoWay => [Finding::NoWay],
    };
    for (address, issued) in
        [(HERE, ISSUED), ("100.64.0.9", ISSUED), (HERE, ISSUED - 7200), ("100.64.0.9", ISSUED - 7200)]
    {
        let record = online_by(&Identity::generate().unwrap(), 7, address, issued);
        let at = SocketAddr::new(address.parse().unwrap(), 7464);
        let fails = |finding: &Finding| verdict::unproven(&record, &Unproven(vec![(at, *finding)]), ISSUED);
        failures.extend(findings.iter().map(fails));
    }
    let end: FarEnd = "198.51.100.50:2222/22".parse().unwrap();
    let record = behind_tunnel(&Identity::generate().unwrap(), 7, end);
    let own = SocketAddr::new("100.64.0.9".parse().unwrap(), 7464);
    for finding in [Finding::Another(key), Finding::NoAnswerer, Finding::NoTunnel, Finding::Silence] {
        let unproven = Unproven(vec![(own, Finding::NoWay), (end.at(), finding)]);
        failures.push(verdict::unproven(&record, &unproven, ISSUED));
    }
    // Where it is reached by IPv6 alone; and what is said once it was rung all the same.
    let of_v6 = online_by(&Identity::generate().unwrap(), 7, "2001:db8::9", ISSUED);
    let at = "[2001:db8::9]:7464".parse().unwrap();
    failures.push(verdict::unproven(&of_v6, &Unproven(vec![(at, Finding::NoWay)]), ISSUED));
    for busy in [true, false] {
        let mut gone = World::new(|plan, _| plan.calls = 1);
        let record = gone.online(7);
        gone.play(vec![(Way(true), "ask"), (Answer(Some(record.clone())), "prove:7")]);
        gone.play(vec![(Proof(Err(Finding::Silence)), "gone! free"), (FREE, "watch>7 ring")]);
        if busy {
            failures.push(gone.fails(Call(Outcome::Busy)));
        } else {
            gone.play(vec![(Call(Outcome::RangOut), "way"), (Way(true), ""), (Wait, "unwatch ask")]);
            failures.push(gone.fails(Answer(Some(record))));
        }
    }
    for outcome in [
        Outcome::Busy,
        Outcome::Glare,
        Outcome::NoCarrier,
        Outcome::NoDialTone,
        Outcome::Refused,
        Outcome::Delayed,
        Outcome::Blacklisted,
        Outcome::Silent,
    ] {
        let mut world = World::ringing(|plan| plan.calls = 1);
        failures.push(world.fails(Call(outcome)));
    }
    let mut answers = World::ringing(|plan| (plan.calls, plan.answers) = (1, true));
    failures.push(answers.fails(Call(Outcome::RangOut)));
    let unrung = |world: &mut World, record: SignedRecord| {
        world.play(vec![(Way(true), "ask")]);
        world.fails(Answer(Some(record)))
    };
    let no_number = |plan: &mut Plan, _now| plan.has_number = false;
    let mut asleep = World::new(no_number);
    let record = asleep.asleep(7);
    failures.push(unrung(&mut asleep, record));
    let mut set_back = World::new(|plan, _| (plan.has_number, plan.seen) = (false, Seq::new(9)));
    let record = set_back.online(7);
    failures.push(unrung(&mut set_back, record));
    let mut lied_to = World::new(no_number);
    let mut forged = online_by(&lied_to.identity, 7, HERE, ISSUED);
    forged = SignedRecord::from_parts(forged.record().clone(), key, *forged.signature());
    failures.push(unrung(&mut lied_to, forged));
    let mut misled = World::new(no_number);
    let elsewhere = Record::asleep("office.dyn.example".parse().unwrap(), number(7), ISSUED, 600).unwrap();
    let elsewhere = SignedRecord::sign(elsewhere, &misled.identity);
    failures.push(unrung(&mut misled, elsewhere));
    let mut uncalled = World::new(|plan, _| plan.calls = 0);
    let record = uncalled.asleep(7);
    failures.push(unrung(&mut uncalled, record));
    let mut nowhere = World::new(|plan, _| plan.has_isp = false);
    failures.push(nowhere.fails(Way(false)));
    let mut silent = World::ringing(|plan| plan.calls = 1);
    silent.play(vec![(Call(Outcome::RangOut), "way"), (Way(true), ""), (Wait, "unwatch ask")]);
    failures.push(silent.fails(Answer(None)));
    let mut torn = World::ringing(|plan| (plan.calls, plan.answers) = (1, true));
    torn.play(vec![(BrokeOff, "way"), (Way(true), ""), (Wait, "unwatch ask")]);
    failures.push(torn.fails(Answer(None)));
    let mut lossy = World::linked();
    lossy.play(vec![
        (LinkLost, "lost! way"),
        (Way(false), "up"),
        (OwnLink, "ask"),
        (LinkLost, "lost! way"),
        (Way(false), "up"),
        (OwnLink, "ask"),
    ]);
    failures.push(lossy.fails(LinkLost));
    for until in [10, 300] {
        let mut refused = World::new(|plan, now| plan.until = Some(now + Duration::from_secs(until)));
        refused.play(vec![(Way(false), "up"), (Redial, "")]);
        failures.push(refused.fails(Wait));
        let mut taken = World::new(|plan, now| plan.until = Some(now + Duration::from_secs(until)));
        taken.play(vec![(Way(true), "ask"), (Answer(None), "free"), (FREE, "watch>0 ring"), (Busy, "busy! line")]);
        failures.push(taken.fails(Wait));
    }
    failures.extend(every_late());
    failures
}

/// What is said when the time is over, of each step.
fn every_late() -> Vec<Failure> {
    let world = || World::new(|plan, now| plan.until = Some(now + Duration::from_secs(5)));
    let steps = |world: &World| -> Vec<(Step, &'static str)> {
        vec![
            (Way(false), "up"),
            (OwnLink, "ask"),
            (Answer(Some(world.asleep(7))), "free"),
            (LineFree { link_went: true }, "ring"),
            (Call(Outcome::RangOut), "way"),
            (Way(true), "watch>7"),
            (Newer(world.online(8)), "prove:8"),
            (Unproved, "all>8"),
        ]
    };
    let mut failures = Vec::new();
    for count in 0..=steps(&world()).len() {
        let mut late = world();
        let until_then = steps(&late).into_iter().take(count).collect();
        late.play(until_then);
        failures.push(late.fails(Wait));
    }
    let mut pausing = world();
    let until_then = steps(&pausing).into_iter().take(4).collect();
    pausing.play(until_then);
    pausing.play(vec![(Call(Outcome::Busy), "pause:10")]);
    failures.push(pausing.fails(Wait));
    failures
}
