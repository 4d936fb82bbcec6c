//! Attempts by script: what happens on the left, what is to be done next on the right.

use std::net::SocketAddr;

use super::*;
use crate::identity::Finding;
use crate::record::{Identity, PublicKey, Record, Services};

/// When every record here was signed, and the wall clock.
const ISSUED: u64 = 1_789_000_000;

struct World {
    identity: Identity,
    now: Instant,
    attempt: Attempt,
}

/// A step of the world's.
enum Step {
    Way(bool),
    OwnLink,
    LinkLost,
    LineFree {
        link_went: bool,
    },
    Answer(Option<SignedRecord>),
    Unreachable,
    Call(Outcome),
    BrokeOff,
    Newer(SignedRecord),
    Proof(Result<&'static str, Finding>),
    /// To the deadline.
    Wait,
}

use Step::{Answer, BrokeOff, Call, LineFree, LinkLost, Newer, OwnLink, Proof, Unreachable, Wait, Way};

impl World {
    fn new(change: impl FnOnce(&mut Plan, Instant)) -> Self {
        let (identity, now) = (Identity::generate().unwrap(), crate::clock::now());
        let mut plan = Plan {
            host: host(),
            identity: Some(identity.public_key()),
            seen: None,
            has_number: true,
            answers: false,
            calls: 2,
            wait: Duration::from_secs(60),
            until: None,
            has_isp: true,
        };
        change(&mut plan, now);
        Self { identity, now, attempt: Attempt::new(plan, |pause| pause) }
    }

    /// One whose key is not known yet.
    fn strange() -> Self {
        Self::new(|plan, _now| plan.identity = None)
    }

    fn asleep(&self, seq: u64) -> SignedRecord {
        SignedRecord::sign(Record::asleep(host(), number(seq), ISSUED, 600).unwrap(), &self.identity)
    }

    fn online(&self, seq: u64) -> SignedRecord {
        online_by(&self.identity, seq, "203.0.113.10", ISSUED)
    }

    /// Does a step; gives the names of what is to be done next.
    fn step(&mut self, step: Step) -> Vec<Output> {
        let attempt = &mut self.attempt;
        match step {
            Way(there_is) => attempt.handle_way(there_is, self.now),
            LinkLost => attempt.handle_link_lost(),
            OwnLink => attempt.handle_own_link(Ok(()), self.now),
            LineFree { link_went } => attempt.handle_line_free(Ok(link_went)),
            Answer(record) => attempt.handle_answer(Ok(record), ISSUED),
            Unreachable => {
                attempt.handle_answer(Err(Failure::new(Status::DirectoryUnreachable, "no directory")), ISSUED);
            }
            Call(outcome) => attempt.handle_call(Ok(Called::Ended(outcome)), self.now),
            BrokeOff => attempt.handle_call(Ok(Called::BrokeOff), self.now),
            Newer(record) => attempt.handle_newer(Ok(record), ISSUED),
            Proof(Ok(address)) => {
                let at = address.parse().unwrap_or_else(|_| SocketAddr::new(address.parse().unwrap(), 7464));
                attempt.handle_proof(Ok(at), ISSUED);
            }
            Proof(Err(finding)) => {
                let at: SocketAddr = "203.0.113.10:7464".parse().unwrap();
                attempt.handle_proof(Err(Unproven(vec![(at, finding)])), ISSUED);
            }
            Wait => {
                self.now = attempt.deadline().unwrap().0;
                attempt.handle_timeout(self.now);
            }
        }
        self.outputs()
    }

    fn outputs(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.attempt.poll_output()).collect()
    }

    /// Plays a script: each step, and what is to be done next, by name, blanks between.
    fn play(&mut self, script: Vec<(Step, &str)>) {
        assert_eq!(names(&self.outputs()), "way");
        for (line, (step, expected)) in script.into_iter().enumerate() {
            let outputs = self.step(step);
            assert_eq!(names(&outputs), expected, "line {line}: {outputs:?}");
        }
    }

    /// The failure that the next step ends in.
    fn fails(&mut self, step: Step) -> Failure {
        let outputs = self.step(step);
        match outputs.into_iter().next_back() {
            Some(Output::Failed(failure)) => failure,
            other => panic!("no failure: {other:?}"),
        }
    }
}

fn names(outputs: &[Output]) -> String {
    let name = |output: &Output| match output {
        Output::FindWay => "way".to_owned(),
        Output::BringUp => "up".to_owned(),
        Output::FreeLine => "free".to_owned(),
        Output::Ask => "ask".to_owned(),
        Output::Watch(after) => format!("watch>{}", after.map_or(0, Seq::number)),
        Output::StopWatching => "unwatch".to_owned(),
        Output::Ring => "ring".to_owned(),
        Output::StopRinging => "hang-up".to_owned(),
        Output::Prove(record, _patience) => format!("prove:{}", record.record().seq()),
        Output::Note(Note::RolledBack { .. }) => "rolled-back!".to_owned(),
        Output::Note(Note::Unreachable(_)) => "unreachable!".to_owned(),
        Output::Note(Note::LinkLost) => "lost!".to_owned(),
        Output::Note(Note::Gone { .. }) => "gone!".to_owned(),
        Output::Note(Note::Pausing { pause, .. }) => format!("pause:{}", pause.as_secs()),
        Output::Found(found) => format!("found:{}", found.address),
        Output::Failed(failure) => format!("failed:{}", failure.status.name()),
    };
    outputs.iter().map(name).collect::<Vec<_>>().join(" ")
}

fn online_by(identity: &Identity, seq: u64, address: &str, issued: u64) -> SignedRecord {
    let address: IpAddr = address.parse().unwrap();
    SignedRecord::sign(Record::online(host(), vec![address], number(seq), issued, 600).unwrap(), identity)
}

/// A host that only its tunnel leads to.
fn behind_tunnel(identity: &Identity, seq: u64, end: FarEnd) -> SignedRecord {
    let address: IpAddr = "100.64.0.9".parse().unwrap();
    let record = Record::online(host(), vec![address], number(seq), ISSUED, 600).unwrap();
    let services = Services { tunnel: Some(end), ..Services::default() };
    SignedRecord::sign(record.with_services(services), identity)
}

fn host() -> HostName {
    "home.dyn.example".parse().unwrap()
}

fn number(seq: u64) -> Seq {
    Seq::new(seq).unwrap()
}

fn stranger() -> PublicKey {
    Identity::generate().unwrap().public_key()
}

const HERE: &str = "203.0.113.10";
const FREE: Step = LineFree { link_went: false };

#[test]
fn a_host_that_is_online_and_proves_itself_gets_no_call() {
    let mut world = World::new(|_, _| {});
    let online = world.online(7);
    world.play(vec![(Way(true), "ask"), (Answer(Some(online)), "prove:7"), (Proof(Ok(HERE)), "found:203.0.113.10")]);
    assert_eq!(world.attempt.deadline(), None);
}

#[test]
fn one_line_serves_our_link_the_call_and_our_link_again() {
    let mut world = World::new(|_, _| {});
    let (asleep, online) = (world.asleep(7), world.online(8));
    world.play(vec![
        (Way(false), "up"),
        (OwnLink, "ask"),
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
    let mut world = World::new(|_, _| {});
    let (asleep, online) = (world.asleep(7), world.online(8));
    world.play(vec![
        (Way(false), "up"),
        (OwnLink, "ask"),
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
    let mut world = World::new(|_, _| {});
    let online = world.online(7);
    world.play(vec![
        (Way(false), "up"),
        (OwnLink, "ask"),
        (Answer(Some(online.clone())), "prove:7"),
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
    let mut world = World::new(|_, _| {});
    world.play(vec![
        (Way(true), "ask"),
        (Answer(None), "free"),
        (FREE, "watch>0 ring"),
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
        let mut world = World::new(|plan, _| plan.calls = 1);
        let online = world.online(8);
        world.play(vec![
            (Way(true), "ask"),
            (Answer(None), "free"),
            (FREE, "watch>0 ring"),
            (Call(Outcome::RangOut), "way"),
            (Way(true), ""),
            (Wait, "unwatch ask"),
            if dead { (Unreachable, "failed:directory-unreachable") } else { (Answer(Some(online)), "prove:8") },
        ]);
    }
}

#[test]
fn a_busy_host_is_looked_up_before_it_is_called_again_ever_later() {
    let mut world = World::new(|plan, _| plan.calls = 3);
    let online = world.online(9);
    world.play(vec![
        (Way(true), "ask"),
        (Answer(None), "free"),
        (FREE, "watch>0 ring"),
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
    let mut world = World::new(|plan, _| plan.answers = true);
    let online = world.online(8);
    world.play(vec![
        (Way(true), "ask"),
        (Answer(None), "free"),
        (FREE, "watch>0 ring"),
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
    let mut world = World::new(|plan, _| plan.calls = 1);
    world.play(vec![
        (Way(true), "ask"),
        (Answer(None), "free"),
        (FREE, "watch>0 ring"),
        (Call(Outcome::Busy), "unwatch failed:busy"),
    ]);
}

#[test]
fn what_the_modem_forbids_or_cannot_do_is_not_tried_again() {
    for (outcome, expected) in [
        (Outcome::NoDialTone, "unwatch failed:no-dial-tone"),
        (Outcome::Blacklisted, "unwatch failed:blacklisted"),
        (Outcome::Delayed, "unwatch failed:blacklisted"),
        (Outcome::Silent, "unwatch failed:modem-silent"),
    ] {
        let mut world = World::new(|plan, _| plan.calls = 9);
        world.play(vec![(Way(true), "ask"), (Answer(None), "free"), (FREE, "watch>0 ring"), (Call(outcome), expected)]);
    }
}

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
    let mut world = World::new(|plan, _| plan.calls = 9);
    let online = world.online(8);
    world.play(vec![
        (Way(true), "ask"),
        (Answer(None), "free"),
        (FREE, "watch>0 ring"),
        (Newer(online), "hang-up prove:8"),
        (Proof(Err(Finding::Silence)), "failed:unreachable"),
    ]);
}

#[test]
fn a_record_by_another_key_or_of_another_host_is_refused_wherever_it_comes_from() {
    let other = Identity::generate().unwrap();
    let mut world = World::new(|_, _| {});
    world.play(vec![(Way(true), "ask"), (Answer(Some(online_by(&other, 7, HERE, ISSUED))), "failed:wrong-identity")]);
    let mut world = World::new(|_, _| {});
    world.play(vec![
        (Way(true), "ask"),
        (Answer(None), "free"),
        (FREE, "watch>0 ring"),
        (Newer(online_by(&other, 7, HERE, ISSUED)), "failed:wrong-identity"),
    ]);
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
    world.outputs();
    for step in [OwnLink, LinkLost, FREE, Answer(None), Call(Outcome::Busy), Newer(online), Proof(Ok(HERE))] {
        assert_eq!(world.step(step), []);
    }
    assert_eq!(names(&world.step(Way(true))), "ask");
}

/// One note of each kind.
pub(in crate::connect) fn every_note() -> Vec<Note> {
    let pause = Duration::from_secs(10);
    vec![
        Note::RolledBack { found: number(7), seen: number(9) },
        Note::Unreachable(Reachability::CarrierNat),
        Note::Unreachable(Reachability::Private),
        Note::LinkLost,
        Note::Gone { why: "203.0.113.10 is not home.dyn.example any more".to_owned() },
        Note::Pausing { why: "home.dyn.example is busy".to_owned(), pause },
    ]
}

#[test]
fn a_host_behind_a_nat_is_met_through_its_tunnel_and_given_the_time_to_open_it() {
    let end: FarEnd = "198.51.100.50:2222/22".parse().unwrap();
    let mut world = World::new(|_, _| {});
    world.play(vec![(Way(true), "ask"), (Answer(None), "free"), (FREE, "watch>0 ring")]);
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

/// Every failure that an attempt ends in by itself, each by a script of its own.
pub(in crate::connect) fn every_failure() -> Vec<Failure> {
    let key = PublicKey::from_bytes([7; 32]);
    let mut failures = Vec::new();
    // What is found at the address of a record: one that counts, one of a NAT, one whose lease is over.
    let relayed = Finding::Relayed("203.0.113.99:7464".parse().unwrap());
    let findings =
        [Finding::Another(key), relayed, Finding::Forged, Finding::NoAnswerer, Finding::Silence, Finding::NoWay];
    for (address, issued) in [(HERE, ISSUED), ("100.64.0.9", ISSUED), (HERE, ISSUED - 7200)] {
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
        let mut world = World::new(|plan, _| plan.calls = 1);
        world.play(vec![(Way(true), "ask"), (Answer(None), "free"), (FREE, "watch>0 ring")]);
        failures.push(world.fails(Call(outcome)));
    }
    let mut answers = World::new(|plan, _| (plan.calls, plan.answers) = (1, true));
    answers.play(vec![(Way(true), "ask"), (Answer(None), "free"), (FREE, "watch>0 ring")]);
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
    let mut nowhere = World::new(|plan, _| plan.has_isp = false);
    nowhere.outputs();
    failures.push(nowhere.fails(Way(false)));
    let mut silent = World::new(|plan, _| plan.calls = 1);
    silent.play(vec![
        (Way(true), "ask"),
        (Answer(None), "free"),
        (FREE, "watch>0 ring"),
        (Call(Outcome::RangOut), "way"),
        (Way(true), ""),
        (Wait, "unwatch ask"),
    ]);
    failures.push(silent.fails(Answer(None)));
    let mut torn = World::new(|plan, _| (plan.calls, plan.answers) = (1, true));
    torn.play(vec![
        (Way(true), "ask"),
        (Answer(None), "free"),
        (FREE, "watch>0 ring"),
        (BrokeOff, "way"),
        (Way(true), ""),
        (Wait, "unwatch ask"),
    ]);
    failures.push(torn.fails(Answer(None)));
    let mut lossy = World::new(|_, _| {});
    lossy.play(vec![
        (Way(false), "up"),
        (OwnLink, "ask"),
        (LinkLost, "lost! way"),
        (Way(false), "up"),
        (OwnLink, "ask"),
        (LinkLost, "lost! way"),
        (Way(false), "up"),
        (OwnLink, "ask"),
    ]);
    failures.push(lossy.fails(LinkLost));
    let mut late = World::new(|plan, now| plan.until = Some(now + Duration::from_secs(30)));
    late.play(vec![(Way(true), "ask")]);
    failures.push(late.fails(Wait));
    failures
}
