//! The shell around an attempt: does one thing at a time for it, and watches the directory meanwhile.

use std::cell::RefCell;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hayes::line::vacated;
use tokio::sync::{OwnedMutexGuard, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::attempt::{Attempt, Found, Output};
use super::call::Called;
use super::known::KnownError;
use super::own_link::Step;
use super::turn::{Taken, Turn};
use super::{Event, Progress, Settings, Shared, interrupted, known, uncertified};
use crate::dns::{Answer, Resolver, Waited, jittered};
use crate::exit::{Failure, Status};
use crate::identity::{self, Unproven};
use crate::record::{PROOF_PORT, PublicKey, Reachability, Seq, SignedRecord, State};

/// How long the directory may take to answer one question, retransmissions included.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// How much later than the quickest of the directory's servers the others may be, where the newest record of all is
/// looked for: a packet of theirs may be lost and sent again.
const OTHERS_WITHIN: Duration = Duration::from_secs(3);
/// How long that may take when none answers: they had time before.
const NEWEST_WITHIN: Duration = Duration::from_secs(5);
/// How long it may take until it shows that our own link, whose route is gone, is down.
const LOSS_SHOWS_WITHIN: Duration = Duration::from_secs(10);
/// For how long the directory is watched at a stretch; the attempt gives up long before.
const WATCH_FOR: Duration = Duration::from_secs(86_400);

/// A host that was reached, and how.
#[derive(Debug)]
pub struct Reached {
    /// The host.
    pub found: Found,
    /// Whether our own link leads to it, which another call over the same line takes down.
    pub over_own_link: bool,
}

/// Reaches a host, waking it if need be, and has it prove that it is the one. Our own link stays as it is then.
///
/// # Errors
/// With the one cause, typed, and no call left under way.
pub async fn reach(
    settings: &Settings,
    shared: &Shared,
    progress: &Progress,
    shutdown: &CancellationToken,
) -> Result<Reached, Failure> {
    let road = Road {
        settings,
        shared,
        progress,
        resolver: Resolver::new(settings.directory.clone()).expecting(settings.plan.identity, settings.plan.seen),
        link_turn: RefCell::default(),
        turn: RefCell::default(),
        taken: RefCell::default(),
        evidence: RefCell::default(),
    };
    let result = tokio::select! {
        result = road.walk() => result,
        () = shutdown.cancelled() => Err(interrupted()),
    };
    let result = result.and_then(|found| road.remember(found));
    let over_own_link = road.link_turn.take().is_some();
    let evidence = road.evidence.take();
    result.map(|found| Reached { found, over_own_link }).map_err(|failure| failure.heard_before(evidence))
}

/// What was done for the attempt, to be handed to it.
enum Did {
    Way(bool),
    OwnLink(Result<(), Failure>),
    /// Our provider could not be reached, and is called again after a pause.
    Redial(Failure),
    /// Other commands use our own link.
    LinkUsed,
    LinkLost,
    LineFree(Result<bool, Failure>),
    Answer(Result<Option<SignedRecord>, Failure>),
    Call(Result<Called, Failure>),
    OtherWakes(Option<u32>),
    Turn,
    Newer(Result<SignedRecord, Failure>),
    Proof(Result<SocketAddr, Unproven>),
    Newest(Option<SignedRecord>),
}

type Doing<'run> = Option<Pin<Box<dyn Future<Output = Did> + 'run>>>;

struct Road<'run> {
    settings: &'run Settings,
    shared: &'run Shared,
    progress: &'run Progress,
    resolver: Resolver,
    /// Held from the moment at which our own link is the way.
    link_turn: RefCell<Option<OwnedMutexGuard<()>>>,
    /// Our turn to wake the host, from the first call until the host is met or given up.
    turn: RefCell<Option<Turn>>,
    /// Another command's.
    taken: RefCell<Option<Taken>>,
    /// What modem, pppd, directory and host have said.
    evidence: RefCell<Vec<String>>,
}

impl Road<'_> {
    async fn walk(&self) -> Result<Found, Failure> {
        let mut attempt = Attempt::new(self.settings.plan.clone(), jittered, |address| {
            has_route(&SocketAddr::new(address, PROOF_PORT.get()))
        });
        // What is being done, and the look-out for a newer record. What is dropped is undone: a call hangs up.
        let (mut work, mut watch): (Doing<'_>, Doing<'_>) = (None, None);
        let (mut newer_than, mut told_of_waiting) = (None, false);
        let (tell, mut told) = mpsc::unbounded_channel();
        loop {
            while let Some(output) = attempt.poll_output() {
                match output {
                    Output::FindWay => work = Some(Box::pin(async { Did::Way(self.way_to_directory().await) })),
                    Output::BringUp => {
                        let tell = tell.clone();
                        work = Some(Box::pin(async move { Did::OwnLink(self.bring_up(&tell).await) }));
                    }
                    Output::KeepLink => {
                        work = None;
                        self.own_link_is_up().await;
                    }
                    Output::LetLinkGo => {
                        work = None;
                        self.shared.quit().await;
                    }
                    Output::FreeLine => {
                        let tell = tell.clone();
                        work = Some(Box::pin(async move { Did::LineFree(self.free_line(&tell).await) }));
                    }
                    Output::Ask => {
                        let may_ring = attempt.may_ring();
                        work = Some(Box::pin(async move { Did::Answer(self.ask(may_ring).await) }));
                    }
                    Output::Ring => work = Some(Box::pin(self.ring_in_turn())),
                    Output::AwaitLine => work = Some(Box::pin(self.await_line())),
                    Output::AwaitWaker => work = Some(Box::pin(self.await_waker())),
                    Output::StopRinging => work = None,
                    Output::Watch(after) => {
                        newer_than = after;
                        watch = Some(Box::pin(async move { Did::Newer(self.newer_than(after).await) }));
                    }
                    Output::StopWatching => watch = None,
                    Output::Prove(record, patience) => {
                        work = Some(Box::pin(async move { Did::Proof(self.prove(&record, patience).await) }));
                    }
                    Output::AskAll(key, than) => {
                        work = Some(Box::pin(async move { Did::Newest(self.ask_all(key, than).await) }));
                    }
                    Output::Note(note) => self.say(&Event::of_note(&note, self.host())),
                    Output::Found(found) => return Ok(*found),
                    Output::Failed(failure) => return Err(failure),
                }
            }
            // It may have been watched for during the call already: then the call was what somebody waited for.
            if !std::mem::replace(&mut told_of_waiting, attempt.awaits()) && told_of_waiting {
                self.say(&Event::Waiting { host: self.host(), after: newer_than.map(Seq::number) });
            }
            let deadline = attempt.deadline().map(|(at, _why)| at);
            let did = tokio::select! {
                did = done(&mut work) => Some(did),
                did = done(&mut watch) => Some(did),
                Some(did) = told.recv() => Some(did),
                () = self.link_lost(), if attempt.wants_link() => Some(Did::LinkLost),
                () = crate::clock::sleep_until(deadline) => None,
            };
            let (now, unix_now) = (crate::clock::now(), crate::clock::unix_seconds());
            match did {
                Some(Did::Way(there_is)) => attempt.handle_way(there_is, now),
                Some(Did::OwnLink(result)) => attempt.handle_own_link(result, now),
                Some(Did::Redial(why)) => attempt.handle_redial(why, now),
                Some(Did::LinkUsed) => attempt.handle_link_used(now),
                Some(Did::LinkLost) => {
                    // What was asked over it is not answered any more.
                    work = None;
                    attempt.handle_link_lost();
                }
                Some(Did::LineFree(result)) => attempt.handle_line_free(result),
                Some(Did::Answer(answer)) => attempt.handle_answer(answer, unix_now),
                Some(Did::Call(result)) => attempt.handle_call(result, now),
                Some(Did::OtherWakes(process)) => attempt.handle_other_wakes(process, now),
                Some(Did::Turn) => attempt.handle_turn(),
                Some(Did::Newer(result)) => attempt.handle_newer(result, unix_now),
                Some(Did::Proof(result)) => attempt.handle_proof(result),
                Some(Did::Newest(newest)) => attempt.handle_newest(newest, unix_now),
                None => attempt.handle_timeout(now),
            }
        }
    }

    /// Keeps what is to be known of the host next time.
    fn remember(&self, found: Found) -> Result<Found, Failure> {
        let (record, key) = (found.record.record(), *found.record.key());
        match self.settings.known.note(record.host(), key, record.seq(), self.settings.authority) {
            Ok(()) if found.first_use => {
                self.say(&Event::FirstUse { host: self.host(), key: key.to_string() });
            }
            Ok(()) => {}
            // A key that is not kept would be believed anew each time, whoever has it.
            Err(error) if found.first_use || matches!(error, KnownError::AnotherKey { .. }) => {
                return Err(not_kept(&error));
            }
            Err(error) => tracing::debug!(%error, "an old record would not be known as such next time"),
        }
        Ok(found)
    }

    /// Whether the kernel has a route to any of the directory's servers: asking it costs no packet.
    async fn way_to_directory(&self) -> bool {
        // If that way is our own link, it must not end under us.
        if self.own_link_is_up().await {
            self.take_link_turn().await;
        }
        self.settings.directory.iter().any(has_route)
    }

    async fn own_link_is_up(&self) -> bool {
        let Some(own_link) = &self.shared.own_link else { return false };
        let mut own_link = own_link.lock().await;
        own_link.join().await;
        own_link.is_up()
    }

    /// Waits until no other attempt of this command uses our own link.
    async fn take_link_turn(&self) {
        if self.link_turn.borrow().is_none() {
            let turn = Arc::clone(&self.shared.link_turn).lock_owned().await;
            self.link_turn.replace(Some(turn));
        }
    }

    async fn bring_up(&self, tell: &mpsc::UnboundedSender<Did>) -> Result<(), Failure> {
        let Some(own_link) = &self.shared.own_link else {
            return Err(Failure::new(Status::Internal, "no provider is configured"));
        };
        self.take_link_turn().await;
        let told = |step| {
            self.say(&Event::of_own_link(&step));
            if let Step::Pausing { why, .. } = step
                && tell.send(Did::Redial(why)).is_err()
            {
                tracing::debug!("nobody waits for our own link");
            }
        };
        let up = own_link.lock().await.bring_up(told).await?;
        self.note(format!("our own link: {} on {}", up.local, up.interface));
        self.say(&Event::OwnLinkUp { interface: up.interface, address: up.local });
        Ok(())
    }

    /// Waits until our own link, where it is our way, goes down by itself.
    async fn link_lost(&self) {
        let is_our_way = self.link_turn.borrow().is_some();
        match &self.shared.own_link {
            Some(own_link) if is_our_way => own_link.lock().await.lost().await,
            Some(_) | None => std::future::pending().await,
        }
    }

    /// Where the way to the directory is gone, our own link is going down: what failed over it decides nothing then, and
    /// [`Road::link_lost`] is about to tell.
    async fn let_loss_show(&self) {
        if self.shared.own_link.is_some() && !self.settings.directory.iter().any(has_route) {
            tokio::time::sleep(LOSS_SHOWS_WITHIN).await;
        }
    }

    async fn free_line(&self, tell: &mpsc::UnboundedSender<Did>) -> Result<bool, Failure> {
        if self.own_link_is_up().await {
            self.take_link_turn().await;
        }
        let went = match &self.shared.own_link {
            Some(own_link) => {
                let used = || {
                    if tell.send(Did::LinkUsed).is_err() {
                        tracing::debug!("nobody waits for the line");
                    }
                };
                own_link.lock().await.free_line(used).await?
            }
            None => false,
        };
        if went {
            self.say(&Event::OwnLinkDown);
        }
        Ok(went)
    }

    /// What the directory knows. A host that does not sign, and cannot be called either, is told of at once.
    async fn ask(&self, may_ring: bool) -> Result<Option<SignedRecord>, Failure> {
        let host = &self.settings.plan.host;
        self.say(&Event::Asking { host: self.host() });
        let answer = self.resolver.query(host, Instant::now() + ANSWER_WITHIN).await;
        if answer.is_err() {
            self.let_loss_show().await;
        }
        let answer = answer.map_err(|error| {
            self.note(format!("the directory: {error}"));
            Failure::from(&error)
        })?;
        let record = known(answer, host)?;
        if record.is_none() && !may_ring {
            let deadline = Instant::now() + ANSWER_WITHIN;
            let plain = self.resolver.addresses(host, deadline).await.map_err(|error| Failure::from(&error))?;
            if !plain.is_empty() {
                return Err(uncertified(host, &plain));
            }
        }
        self.note(match &record {
            Some(signed) => format!("the directory: {signed}"),
            None => "the directory knows the host, and has no record of it".to_owned(),
        });
        match &record {
            None => self.say(&Event::NeverRegistered { host: self.host() }),
            Some(signed) if signed.record().state() == State::Asleep => {
                self.say(&Event::Asleep { host: self.host(), seq: signed.record().seq().number() });
            }
            Some(_online) => {}
        }
        Ok(record)
    }

    /// Rings the host, unless another command is waking it.
    async fn ring_in_turn(&self) -> Did {
        if self.turn.borrow().is_none() {
            match Turn::take(&self.settings.known.turn_path(&self.settings.plan.host)) {
                Ok(turn) => drop(self.turn.replace(Some(turn))),
                Err(taken) => {
                    let process = taken.process;
                    self.taken.replace(Some(taken));
                    return Did::OtherWakes(process);
                }
            }
        }
        Did::Call(self.ring().await)
    }

    async fn await_waker(&self) -> Did {
        let taken = self.taken.take();
        if let Some(taken) = taken {
            let turn = taken.over().await;
            self.turn.replace(Some(turn));
        }
        Did::Turn
    }

    async fn await_line(&self) -> Did {
        let port = match (&self.settings.call, &self.shared.own_link) {
            (Some(call), _) => Some(call.line.port.clone()),
            (None, Some(own_link)) => Some(own_link.lock().await.port().to_owned()),
            (None, None) => None,
        };
        if let Some(port) = port {
            vacated(&port).await;
        }
        Did::Turn
    }

    async fn ring(&self) -> Result<Called, Failure> {
        let Some(call) = &self.settings.call else {
            return Err(Failure::new(Status::Internal, "there is no number to ring"));
        };
        let _turn = self.shared.line_turn.lock().await;
        let rung = async {
            let line = call.open()?;
            self.say(&Event::Ringing { host: self.host() });
            call.make(line).await
        };
        let called = rung.await.inspect_err(|failure| self.note(format!("the call: {failure}")))?;
        self.note(match &called {
            Called::Ended(outcome) => format!("the modem: {}", outcome.name()),
            Called::Told(verdict) => format!("the host on the telephone: {verdict}"),
            Called::BrokeOff => "the host on the telephone: broke off after it had asked who we are".to_owned(),
        });
        self.say(&Event::of_call(&called, self.host()));
        Ok(called)
    }

    async fn newer_than(&self, after: Option<Seq>) -> Result<SignedRecord, Failure> {
        let host = &self.settings.plan.host;
        loop {
            match self.resolver.newer_than(host, after, Instant::now() + WATCH_FOR).await {
                Ok(Waited::Online(record)) => {
                    self.note(format!("the directory: {record}"));
                    return Ok(*record);
                }
                Ok(Waited::TimedOut(_answer)) => {}
                Err(error) => return Err(Failure::from(&error)),
            }
        }
    }

    /// Challenges the host at its addresses, those of IPv6 first, and before others those that anybody can reach; then where
    /// its tunnel ends.
    async fn prove(&self, signed: &SignedRecord, patience: Duration) -> Result<SocketAddr, Unproven> {
        let record = signed.record();
        let mut addresses = record.addresses().to_vec();
        let last = |address: &IpAddr| (Reachability::of(*address) != Reachability::Public, address.is_ipv4());
        addresses.sort_by_key(last);
        let tunnel = record.services().tunnel.map(|tunnel| tunnel.at());
        self.say(&Event::Proving { host: self.host(), addresses: addresses.clone(), tunnel });
        let port = record.services().proof_port.get();
        let at: Vec<SocketAddr> = addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect();
        let proved = identity::challenge(*signed.key(), &at, tunnel, patience).await;
        if proved.is_err() {
            self.let_loss_show().await;
        }
        match &proved {
            Ok(at) => self.note(format!("{at} has proved to hold {}", signed.key())),
            Err(Unproven(findings)) => {
                findings.iter().for_each(|(at, finding)| self.note(format!("{at}: {finding}")));
            }
        }
        proved
    }

    /// The newest record by this key that any of the directory's servers has; what they do not tell changes nothing.
    async fn ask_all(&self, key: PublicKey, than: Seq) -> Option<SignedRecord> {
        let plan = &self.settings.plan;
        self.say(&Event::AskingAll { host: self.host(), than: than.number() });
        let resolver = self.resolver.clone().expecting(Some(key), plan.seen);
        let answer = resolver.newest(&plan.host, OTHERS_WITHIN, Instant::now() + NEWEST_WITHIN).await;
        if answer.is_err() {
            self.let_loss_show().await;
        }
        self.note(match &answer {
            Ok(Answer { record: Some(signed), .. }) if signed.record().seq() > than => {
                format!("the directory, all servers asked: {signed}")
            }
            Ok(_older) => "the directory, all servers asked: nothing newer".to_owned(),
            Err(error) => format!("the directory, all servers asked: {error}"),
        });
        answer.ok()?.record
    }

    fn host(&self) -> String {
        self.settings.plan.host.to_string()
    }

    fn say(&self, event: &Event) {
        self.progress.say(self.settings.plan.host.as_str(), event);
    }

    fn note(&self, evidence: String) {
        self.evidence.borrow_mut().push(evidence);
    }
}

/// The failure of a host whose key cannot be kept, or is another than the one that became known meanwhile.
pub(super) fn not_kept(error: &KnownError) -> Failure {
    if matches!(error, KnownError::AnotherKey { .. }) {
        return Failure::caused(Status::WrongIdentity, error).hint(
            "nothing was sent; which key is the host's? compare with `ringup identity` there, then: ringup trust HOST KEY",
        );
    }
    let hint =
        "put the host's key in `identity` in its [sites] section, or let this user read and write state-directory";
    let failure = Failure::caused(Status::Configuration, error);
    // How that is mended it says itself, but not by which key.
    if matches!(error, KnownError::Damaged { .. }) {
        return failure.hint(
            "the host's key is what `ringup identity` prints there; or put it in `identity` in its [sites] section",
        );
    }
    failure.hint(hint)
}

/// Waits for what is being done, and takes it out; for ever when nothing is.
async fn done(doing: &mut Doing<'_>) -> Did {
    match doing {
        Some(future) => {
            let did = future.await;
            *doing = None;
            did
        }
        None => std::future::pending().await,
    }
}

/// Whether the kernel has a route to a server: asking it costs no packet.
#[must_use]
pub fn has_route(server: &SocketAddr) -> bool {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (std::net::Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    std::net::UdpSocket::bind(any).and_then(|socket| socket.connect(server)).is_ok()
}
