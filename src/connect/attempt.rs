//! Decides what to do next on the way to a host: ask, bring our own link up, free the line, ring, wait for a record
//! newer than this wake, ring again or give up. Sans IO.
//!
//! One line for both the wake-up call and our own link is the normal case: the link goes down for the call and comes
//! up again after it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use hayes::modem::Outcome;

use super::call::Called;
use crate::exit::{Failure, Status};
use crate::link::call_failure;
use crate::record::{HostName, PublicKey, Seq, SignedRecord, State as HostState};

/// How long to wait before a busy number is called again: long enough for a call to end, too long to annoy.
const BUSY_PAUSE: Duration = Duration::from_secs(10);

/// What is known of the host before the first step.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its name.
    pub host: HostName,
    /// The key that its record must bear.
    pub identity: PublicKey,
    /// Whether it has a number to ring.
    pub has_number: bool,
    /// Whether it is to answer the call, and not only to hear it.
    pub answers: bool,
    /// How many wake-up calls at the most.
    pub calls: u32,
    /// How long to wait after a ring for its new record, the time that our own link takes included.
    pub wait: Duration,
    /// Whether we have a provider of our own to dial.
    pub has_isp: bool,
}

/// What the shell is to do; it answers each with the input of the same name.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Find out whether there is a way to the directory now: [`Attempt::handle_way`].
    FindWay,
    /// Bring our own link up: [`Attempt::handle_own_link`].
    BringUp,
    /// Take our own link down, if there is one, so that the line is free: [`Attempt::handle_line_free`].
    FreeLine,
    /// Ask the directory: [`Attempt::handle_answer`].
    Ask,
    /// Ring the host: [`Attempt::handle_call`].
    Ring,
    /// Wait for a record newer than this: [`Attempt::handle_newer`], or [`Attempt::handle_timeout`] at the deadline.
    Await(Option<Seq>),
    /// The host is there.
    Found(Box<SignedRecord>),
    /// There is no more to try.
    Failed(Failure),
}

/// An attempt to reach one host.
#[derive(Debug)]
pub struct Attempt {
    plan: Plan,
    state: State,
    /// The newest record seen before ringing.
    before: Option<Seq>,
    calls: u32,
    outputs: VecDeque<Output>,
}

/// What the attempt waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Whether there is a way to the directory, and then the given step.
    Finding(Then),
    /// Our own link, and then the given step.
    Linking(Then),
    /// The directory's answer.
    Asking,
    /// The line to be free.
    Freeing,
    /// The call to the host.
    Ringing,
    /// A newer record, until the given moment.
    Awaiting(Instant),
    /// The pause before another call.
    Pausing(Instant),
    /// Nothing any more.
    Done,
}

/// What to do once there is a way to the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Ask,
    /// Wait until the moment given.
    Await(Instant),
}

impl Attempt {
    /// Starts an attempt; the first output is there at once.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        let mut attempt = Self { plan, state: State::Done, before: None, calls: 0, outputs: VecDeque::new() };
        attempt.go(State::Finding(Then::Ask), Output::FindWay);
        attempt
    }

    /// What to do next; to be drained after each input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Attempt::handle_timeout`] is due, and why.
    #[must_use]
    pub fn deadline(&self) -> Option<(Instant, &'static str)> {
        match self.state {
            State::Awaiting(at) => Some((at, "the host to register")),
            State::Pausing(at) => Some((at, "the number to be free")),
            State::Finding(_) | State::Linking(_) | State::Asking | State::Freeing | State::Ringing | State::Done => {
                None
            }
        }
    }

    /// Whether there is a way to the directory.
    pub fn handle_way(&mut self, there_is: bool, now: Instant) {
        let State::Finding(then) = self.state else { return };
        if there_is {
            self.proceed(then, now);
        } else if self.plan.has_isp {
            self.go(State::Linking(then), Output::BringUp);
        } else {
            let failure = Failure::new(Status::DirectoryUnreachable, "there is no way to the directory from here");
            self.fail(failure.hint("connect to the Internet, or configure a provider to dial in [isp]"));
        }
    }

    /// Our own link came up, or did not.
    pub fn handle_own_link(&mut self, result: Result<(), Failure>, now: Instant) {
        let State::Linking(then) = self.state else { return };
        match result {
            Ok(()) => self.proceed(then, now),
            Err(failure) => self.fail(failure),
        }
    }

    /// The directory answered: the host's record, if it has one.
    pub fn handle_answer(&mut self, answer: Result<Option<SignedRecord>, Failure>) {
        if self.state != State::Asking {
            return;
        }
        let record = match answer {
            Ok(record) => record,
            Err(failure) => return self.fail(failure),
        };
        if let Some(signed) = record {
            if let Err(failure) = self.check(&signed) {
                return self.fail(failure);
            }
            if signed.record().state() == HostState::Online && !signed.record().addresses().is_empty() {
                return self.go(State::Done, Output::Found(Box::new(signed)));
            }
            self.before = self.before.max(Some(signed.record().seq()));
        }
        self.ring_or(|host| {
            Failure::new(Status::Asleep, format!("{host} is asleep, and has no number to ring"))
                .hint("give it one with `number` in its [sites] section")
        });
    }

    /// The line is free for the call, or cannot be had.
    pub fn handle_line_free(&mut self, result: Result<(), Failure>) {
        if self.state != State::Freeing {
            return;
        }
        match result {
            Ok(()) => {
                self.calls += 1;
                self.go(State::Ringing, Output::Ring);
            }
            Err(failure) => self.fail(failure),
        }
    }

    /// The wake-up call is over.
    pub fn handle_call(&mut self, result: Result<Called, Failure>, now: Instant) {
        if self.state != State::Ringing {
            return;
        }
        match result {
            // A host that does not answer may be one that only now is switched on.
            Ok(Called::Ended(Outcome::RangOut | Outcome::NoAnswer)) if self.plan.answers => {
                self.call_again_or(|host| not_answered(host.as_str()), now);
            }
            Ok(
                Called::Ended(Outcome::RangOut | Outcome::NoAnswer | Outcome::Connected(_) | Outcome::Voice)
                | Called::Told(_),
            ) => self.go(State::Finding(Then::Await(now + self.plan.wait)), Output::FindWay),
            // A busy host may well be online: its line is what it is online with. A call that came in just then may be
            // the host's own.
            Ok(Called::Ended(outcome @ (Outcome::Busy | Outcome::Glare))) => {
                self.call_again_or(|host| call_failure(&outcome, host.as_str()), now);
            }
            Ok(Called::Ended(
                outcome @ (Outcome::NoCarrier
                | Outcome::NoDialTone
                | Outcome::Refused
                | Outcome::Delayed
                | Outcome::Blacklisted
                | Outcome::Silent),
            )) => self.fail(call_failure(&outcome, self.plan.host.as_str())),
            Err(failure) => self.fail(failure),
        }
    }

    /// A record came that is newer than the one before.
    pub fn handle_newer(&mut self, result: Result<SignedRecord, Failure>) {
        let State::Awaiting(_) = self.state else { return };
        match result {
            Ok(signed) => match self.check(&signed) {
                Ok(()) => self.go(State::Done, Output::Found(Box::new(signed))),
                Err(failure) => self.fail(failure),
            },
            Err(failure) => self.fail(failure),
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        match self.state {
            // Cold machines may need two calls.
            State::Awaiting(at) if now >= at => self.ring_or(|host| {
                Failure::new(Status::NotRegistered, format!("{host} was rung, but did not come online in time"))
                    .hint("its log tells whether it heard the ring: ringup listen on the host")
            }),
            State::Pausing(at) if now >= at => self.go(State::Finding(Then::Ask), Output::FindWay),
            State::Awaiting(_)
            | State::Pausing(_)
            | State::Finding(_)
            | State::Linking(_)
            | State::Asking
            | State::Freeing
            | State::Ringing
            | State::Done => {}
        }
    }

    fn proceed(&mut self, then: Then, now: Instant) {
        match then {
            Then::Ask => self.go(State::Asking, Output::Ask),
            Then::Await(until) => {
                // However long our own link took, the directory is asked for a while.
                let until = until.max(now + LEAST_WAIT);
                self.go(State::Awaiting(until), Output::Await(self.before));
            }
        }
    }

    fn ring_or(&mut self, otherwise: impl FnOnce(&HostName) -> Failure) {
        if self.plan.has_number && self.calls < self.plan.calls {
            self.go(State::Freeing, Output::FreeLine);
        } else {
            let failure = otherwise(&self.plan.host);
            self.fail(failure);
        }
    }

    /// Looks the host up after a pause, and calls again if it is still asleep; unless there were calls enough.
    fn call_again_or(&mut self, otherwise: impl FnOnce(&HostName) -> Failure, now: Instant) {
        if self.calls < self.plan.calls {
            self.state = State::Pausing(now + BUSY_PAUSE);
        } else {
            let failure = otherwise(&self.plan.host);
            self.fail(failure);
        }
    }

    fn check(&self, signed: &SignedRecord) -> Result<(), Failure> {
        if *signed.record().host() != self.plan.host {
            let other = signed.record().host();
            return Err(Failure::new(
                Status::WrongIdentity,
                format!("the directory gave a record of {other} for {}", self.plan.host),
            ));
        }
        signed.verify(&self.plan.identity).map_err(|error| {
            Failure::caused(Status::WrongIdentity, &error).hint(
                "nothing was sent to it; compare `identity` in [sites] with what `ringup identity` prints on the host",
            )
        })
    }

    fn fail(&mut self, failure: Failure) {
        self.go(State::Done, Output::Failed(failure));
    }

    fn go(&mut self, state: State, output: Output) {
        tracing::debug!(from = ?self.state, to = ?state, "attempt");
        self.state = state;
        self.outputs.push_back(output);
    }
}

/// The failure of a host that was to answer, and did not.
pub(super) fn not_answered(host: &str) -> Failure {
    Failure::new(Status::NoAnswer, format!("{host} did not answer"))
        .hint("does a rule there say do = \"answer\" for this number? is `answer-within` long enough?")
}

/// The least time to wait for a record, once there is a way to ask for it.
const LEAST_WAIT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::record::{Identity, Record};

    struct World {
        identity: Identity,
        start: Instant,
    }

    impl World {
        fn new() -> Self {
            Self { identity: Identity::generate().unwrap(), start: crate::clock::now() }
        }

        fn attempt(&self, change: impl FnOnce(&mut Plan)) -> Attempt {
            let mut plan = Plan {
                host: host(),
                identity: self.identity.public_key(),
                has_number: true,
                answers: false,
                calls: 2,
                wait: Duration::from_secs(60),
                has_isp: true,
            };
            change(&mut plan);
            Attempt::new(plan)
        }

        fn asleep(&self, seq: u64) -> SignedRecord {
            let record = Record::asleep(host(), Seq::new(seq).unwrap(), 1_000, 600).unwrap();
            SignedRecord::sign(record, &self.identity)
        }

        fn online(&self, seq: u64) -> SignedRecord {
            online_by(&self.identity, seq)
        }
    }

    fn online_by(identity: &Identity, seq: u64) -> SignedRecord {
        let address = IpAddr::from([203, 0, 113, 10]);
        let record = Record::online(host(), vec![address], Seq::new(seq).unwrap(), 1_000, 600).unwrap();
        SignedRecord::sign(record, identity)
    }

    fn host() -> HostName {
        "home.dyn.example".parse().unwrap()
    }

    fn next(attempt: &mut Attempt) -> Output {
        let output = attempt.poll_output().unwrap();
        assert_eq!(attempt.poll_output(), None);
        output
    }

    fn status(output: Output) -> Status {
        let Output::Failed(failure) = output else { panic!("expected a failure, not {output:?}") };
        failure.status
    }

    #[test]
    fn a_host_that_is_online_gets_no_call() {
        let world = World::new();
        let mut attempt = world.attempt(|_| {});
        assert_eq!(next(&mut attempt), Output::FindWay);
        attempt.handle_way(true, world.start);
        assert_eq!(next(&mut attempt), Output::Ask);
        attempt.handle_answer(Ok(Some(world.online(7))));
        assert_eq!(next(&mut attempt), Output::Found(Box::new(world.online(7))));
    }

    #[test]
    fn one_line_serves_our_link_the_call_and_our_link_again() {
        let world = World::new();
        let mut attempt = world.attempt(|_| {});
        let mut steps = vec![next(&mut attempt)];
        attempt.handle_way(false, world.start);
        steps.push(next(&mut attempt));
        attempt.handle_own_link(Ok(()), world.start);
        steps.push(next(&mut attempt));
        attempt.handle_answer(Ok(Some(world.asleep(7))));
        steps.push(next(&mut attempt));
        attempt.handle_line_free(Ok(()));
        steps.push(next(&mut attempt));
        attempt.handle_call(Ok(Called::Ended(Outcome::RangOut)), world.start);
        steps.push(next(&mut attempt));
        attempt.handle_way(false, world.start);
        steps.push(next(&mut attempt));
        attempt.handle_own_link(Ok(()), world.start);
        steps.push(next(&mut attempt));
        use Output::{Ask, Await, BringUp, FindWay, FreeLine, Ring};
        assert_eq!(steps, [FindWay, BringUp, Ask, FreeLine, Ring, FindWay, BringUp, Await(Seq::new(7))]);
        attempt.handle_newer(Ok(world.online(8)));
        assert_eq!(next(&mut attempt), Output::Found(Box::new(world.online(8))));
    }

    fn rung(world: &World, attempt: &mut Attempt) {
        next(attempt);
        attempt.handle_way(true, world.start);
        next(attempt);
        attempt.handle_answer(Ok(None));
        next(attempt);
        attempt.handle_line_free(Ok(()));
        assert_eq!(next(attempt), Output::Ring);
    }

    #[test]
    fn a_host_that_does_not_come_is_rung_again_and_then_given_up() {
        let world = World::new();
        let mut attempt = world.attempt(|_| {});
        rung(&world, &mut attempt);
        let mut now = world.start;
        for last in [false, true] {
            attempt.handle_call(Ok(Called::Ended(Outcome::RangOut)), now);
            next(&mut attempt);
            attempt.handle_way(true, now);
            assert_eq!(next(&mut attempt), Output::Await(None));
            let (deadline, _why) = attempt.deadline().unwrap();
            assert_eq!(deadline, now + Duration::from_secs(60));
            now = deadline;
            attempt.handle_timeout(now);
            if !last {
                assert_eq!(next(&mut attempt), Output::FreeLine);
                attempt.handle_line_free(Ok(()));
                assert_eq!(next(&mut attempt), Output::Ring);
            }
        }
        assert_eq!(status(next(&mut attempt)), Status::NotRegistered);
    }

    #[test]
    fn a_busy_host_is_looked_up_before_it_is_called_again() {
        let world = World::new();
        let mut attempt = world.attempt(|_| {});
        rung(&world, &mut attempt);
        attempt.handle_call(Ok(Called::Ended(Outcome::Busy)), world.start);
        assert_eq!(attempt.poll_output(), None, "never at once");
        attempt.handle_timeout(world.start + BUSY_PAUSE);
        assert_eq!(next(&mut attempt), Output::FindWay);
        attempt.handle_way(true, world.start);
        assert_eq!(next(&mut attempt), Output::Ask);
        attempt.handle_answer(Ok(Some(world.online(9))));
        assert_eq!(next(&mut attempt), Output::Found(Box::new(world.online(9))));
    }

    #[test]
    fn no_more_calls_than_allowed() {
        let world = World::new();
        let mut attempt = world.attempt(|plan| plan.calls = 1);
        rung(&world, &mut attempt);
        attempt.handle_call(Ok(Called::Ended(Outcome::Busy)), world.start);
        assert_eq!(status(next(&mut attempt)), Status::Busy);
    }

    #[test]
    fn a_record_by_another_key_is_refused() {
        let world = World::new();
        let mut attempt = world.attempt(|_| {});
        next(&mut attempt);
        attempt.handle_way(true, world.start);
        next(&mut attempt);
        attempt.handle_answer(Ok(Some(online_by(&Identity::generate().unwrap(), 7))));
        assert_eq!(status(next(&mut attempt)), Status::WrongIdentity);
    }

    #[test]
    fn no_dial_tone_ends_it_at_once() {
        let world = World::new();
        let mut attempt = world.attempt(|_| {});
        rung(&world, &mut attempt);
        attempt.handle_call(Ok(Called::Ended(Outcome::NoDialTone)), world.start);
        assert_eq!(status(next(&mut attempt)), Status::NoDialTone);
    }

    #[test]
    fn asleep_without_a_number_is_said_so() {
        let world = World::new();
        let mut attempt = world.attempt(|plan| plan.has_number = false);
        next(&mut attempt);
        attempt.handle_way(true, world.start);
        next(&mut attempt);
        attempt.handle_answer(Ok(Some(world.asleep(1))));
        assert_eq!(status(next(&mut attempt)), Status::Asleep);
    }

    #[test]
    fn without_way_and_provider_the_owner_is_told_what_to_do() {
        let world = World::new();
        let mut attempt = world.attempt(|plan| plan.has_isp = false);
        next(&mut attempt);
        attempt.handle_way(false, world.start);
        assert_eq!(status(next(&mut attempt)), Status::DirectoryUnreachable);
    }
}
