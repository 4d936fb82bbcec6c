//! Attempts by script: what happens on the left, what is to be done next on the right.

mod every;
mod proofs;
mod queue;
mod way;

use std::net::SocketAddr;

use super::*;
use crate::identity::Finding;
use crate::record::{FarEnd, Identity, PublicKey, Record, Services};

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
    /// Somebody else has the line.
    Busy,
    /// The same, to dial our provider.
    BusyForLink,
    OtherWakes,
    LinkUsed,
    Turn,
    /// Our provider is busy, and is called again after a pause.
    Redial,
    Newer(SignedRecord),
    /// A proof at this address; or none at [`HERE`], and this was found there, and the directory knows of nothing newer.
    Proof(Result<&'static str, Finding>),
    /// The latter at another address.
    ProofAt(&'static str, Finding),
    /// No proof, and the directory is still to be asked.
    Unproved,
    Newest(Option<SignedRecord>),
    /// To the deadline.
    Wait,
}

use Step::{
    Answer, BrokeOff, Busy, BusyForLink, Call, LineFree, LinkLost, LinkUsed, Newer, Newest, OtherWakes, OwnLink, Proof,
    ProofAt, Redial, Turn, Unproved, Unreachable, Wait, Way,
};

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
        let mut world = Self { identity, now, attempt: Attempt::new(plan, |pause| pause, |_address| true) };
        assert_eq!(names(&world.outputs()), "way");
        world
    }

    /// One with another way to the directory, which knows of no record: the host is rung.
    fn ringing(change: impl FnOnce(&mut Plan)) -> Self {
        let mut world = Self::new(|plan, _now| change(plan));
        world.play(vec![(Way(true), "ask"), (Answer(None), "free"), (FREE, "watch>0 ring")]);
        world
    }

    /// One whose own link is its way to the directory.
    fn linked() -> Self {
        let mut world = Self::new(|_, _| {});
        world.play(vec![(Way(false), "up"), (OwnLink, "ask")]);
        world
    }

    /// One on a machine that has no IPv6.
    fn without_ipv6() -> Self {
        let mut world = Self::new(|_, _| {});
        world.attempt.has_way = |address| address.is_ipv4();
        world
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
            Busy => attempt.handle_call(Err(busy()), self.now),
            BusyForLink => attempt.handle_own_link(Err(busy()), self.now),
            OtherWakes => attempt.handle_other_wakes(Some(4711), self.now),
            LinkUsed => attempt.handle_link_used(self.now),
            Turn => attempt.handle_turn(),
            Redial => attempt.handle_redial(Failure::new(Status::Busy, "the provider is busy"), self.now),
            BrokeOff => attempt.handle_call(Ok(Called::BrokeOff), self.now),
            Newer(record) => attempt.handle_newer(Ok(record), ISSUED),
            Proof(Ok(address)) => {
                let at = address.parse().unwrap_or_else(|_| SocketAddr::new(address.parse().unwrap(), 7464));
                attempt.handle_proof(Ok(at));
            }
            Proof(Err(finding)) => return self.step(ProofAt("203.0.113.10:7464", finding)),
            ProofAt(at, finding) => {
                attempt.handle_proof(Err(Unproven(vec![(at.parse().unwrap(), finding)])));
                let asked = attempt.poll_output();
                assert!(matches!(asked, None | Some(Output::AskAll(..))), "{asked:?}");
                attempt.handle_newest(None, ISSUED);
            }
            Unproved => {
                let at = SocketAddr::new(HERE.parse().unwrap(), 7464);
                attempt.handle_proof(Err(Unproven(vec![(at, Finding::NoAnswerer)])));
            }
            Newest(record) => attempt.handle_newest(record, ISSUED),
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

    /// Plays a script, or goes on with it: each step, and what is to be done next, by name, blanks between.
    fn play(&mut self, script: Vec<(Step, &str)>) {
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
        Output::KeepLink => "keep".to_owned(),
        Output::LetLinkGo => "let-go".to_owned(),
        Output::AwaitLine => "line".to_owned(),
        Output::AwaitWaker => "waker".to_owned(),
        Output::Note(Note::LineBusy { .. }) => "busy!".to_owned(),
        Output::Note(Note::OtherWakes { .. }) => "other!".to_owned(),
        Output::Prove(record, _patience) => format!("prove:{}", record.record().seq()),
        Output::AskAll(_key, than) => format!("all>{than}"),
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

fn busy() -> Failure {
    Failure::new(Status::PortBusy, "/dev/ttyUSB0 is in use by process 4711 (minicom); try again when it is done")
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

pub(in crate::connect) use self::every::{every_failure, every_note};
