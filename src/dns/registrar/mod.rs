//! A host's own registration: it signs, numbers, sends to every directory, tries again, and renews.
//!
//! Owns the host's identity and its sequence numbers. Which directory is due for what is the [`roll`]'s to decide. Sends
//! only while somebody polls it, so nothing goes out over a link that its owner has given up.

mod outcome;
mod requests;
mod roll;

use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

pub use self::outcome::{Progress, RegisterError, Registered, Withdrawal};
use self::requests::{Answer, Request, Slot};
use self::roll::{Next, Output, Roll, Verdict};
use super::exchange::Packets;
use super::random;
use super::{Resolver, TsigKey, UpdateError};
use crate::identity::Prover;
use crate::record::{HostName, Identity, Record, RecordError, Seq, SeqStore, Services, SignedRecord};

/// How long one attempt with one directory goes on, retransmissions included, before a pause.
const TRY_WITHIN: Duration = Duration::from_secs(20);

/// A directory that a host registers with, and the host as it knows it.
#[derive(Debug)]
pub struct Directory {
    /// Where it answers.
    pub resolver: Resolver,
    /// The host's name there.
    pub host: HostName,
    /// The zone that the name is in.
    pub zone: HostName,
    /// The key that it knows the host by.
    pub key: TsigKey,
}

/// Registers one host with its directories, all at the same time and each at its own pace.
pub struct Registrar {
    identity: Arc<Identity>,
    services: Services,
    seqs: Arc<Mutex<SeqStore>>,
    lease: u32,
    lanes: Vec<Lane>,
    roll: Roll,
    numbering: Slot<Result<Seq, RegisterError>>,
    wanted: Wanted,
    began: Instant,
    current: Option<SignedRecord>,
    exposed: bool,
}

/// A directory and what is under way to it.
struct Lane {
    directory: Arc<Directory>,
    label: Arc<str>,
    request: Slot<Answer>,
    signed: Option<Arc<SignedRecord>>,
    before: Packets,
    told: Option<String>,
}

#[derive(Clone, Debug)]
enum Wanted {
    Online(Vec<IpAddr>),
    Asleep,
}

impl Registrar {
    /// Makes the registrar of a host, whose records hold for `lease` seconds.
    #[must_use]
    pub fn new(identity: Identity, directories: Vec<Directory>, seqs: SeqStore, lease: u32) -> Self {
        let renew_after = Duration::from_secs(u64::from(lease)) / 3;
        let lane = |directory: Directory| Lane {
            label: format!("{} at {}", directory.zone, directory.resolver.servers()).into(),
            before: directory.resolver.packets(),
            directory: Arc::new(directory),
            request: Slot::empty(),
            signed: None,
            told: None,
        };
        Self {
            identity: Arc::new(identity),
            services: Services::default(),
            roll: Roll::new(directories.len(), renew_after, seqs.last().is_none(), random::jittered),
            seqs: Arc::new(Mutex::new(seqs)),
            lease,
            lanes: directories.into_iter().map(lane).collect(),
            numbering: Slot::empty(),
            wanted: Wanted::Asleep,
            began: Instant::now(),
            current: None,
            exposed: false,
        }
    }

    /// The same registrar, whose records say this of the host's services.
    #[must_use]
    pub fn with_services(mut self, services: Services) -> Self {
        self.services = services;
        self
    }

    /// Wants the host known as online at these addresses, by every directory, under a new sequence number, and kept so.
    ///
    /// It happens while [`Registrar::next`] is polled. What was wanted before is given up.
    pub fn announce(&mut self, addresses: Vec<IpAddr>) {
        self.want(Wanted::Online(addresses));
    }

    /// Waits for what comes of it next, at any of the directories, and renews in time; for ever when nothing is wanted.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing; requests under way go on when it is called again.
    pub async fn next(&mut self) -> Progress {
        loop {
            let Step { lane, progress } = self.step().await;
            if let Progress::Failed { directory, error, again } = &progress {
                let told = crate::exit::Failure::from(error).to_string();
                let again_in = again.saturating_duration_since(Instant::now());
                tracing::debug!(directory = directory.as_deref(), error = told, ?again_in, "no registration");
                if let Some(lane) = lane.and_then(|lane| self.lanes.get_mut(lane))
                    && lane.told.replace(told.clone()) == Some(told)
                {
                    continue;
                }
            }
            return progress;
        }
    }

    /// Gives up whatever is wanted: the link is gone. What the directories have stays there until its lease is over.
    pub fn rest(&mut self) {
        self.roll.rest();
        self.numbering.clear();
        for lane in &mut self.lanes {
            lane.request.clear();
            lane.told = None;
        }
    }

    /// Registers the host as online, and waits until the first directory has it; the others go on in [`Registrar::next`].
    ///
    /// # Errors
    /// The last error when the deadline passes first, or when every directory refuses what only a person can mend.
    ///
    /// # Cancel safety
    /// As [`Registrar::next`].
    pub async fn register(&mut self, addresses: Vec<IpAddr>, deadline: Instant) -> Result<Registered, RegisterError> {
        self.announce(addresses);
        let mut refused = vec![false; self.lanes.len()];
        let mut last = None;
        while let Ok(Step { lane, progress }) = timeout_at(deadline, self.step()).await {
            let error = match progress {
                Progress::Registered(registered) => return Ok(registered),
                Progress::Failed { error, .. } => error,
            };
            for (index, refused) in refused.iter_mut().enumerate() {
                if lane.is_none_or(|lane| lane == index) {
                    *refused = !error.is_transient();
                }
            }
            if refused.iter().all(|refused| *refused) {
                return Err(error);
            }
            last = Some(error);
        }
        Err(last.unwrap_or_else(|| self.unanswered()))
    }

    /// Registers the host as asleep with every directory, as far as that is possible before the deadline; then rests.
    ///
    /// # Cancel safety
    /// Dropping it leaves open which directories have the record.
    pub async fn withdraw(&mut self, deadline: Instant) -> Withdrawal {
        self.want(Wanted::Asleep);
        let mut ends: Vec<End> = self.lanes.iter().map(|_lane| End::Open(None)).collect();
        while ends.iter().any(|end| matches!(end, End::Open(_))) {
            let Ok(Step { lane, progress }) = timeout_at(deadline, self.step()).await else { break };
            let end = match progress {
                Progress::Registered(done) => End::Done(done),
                Progress::Failed { error, .. } if error.is_transient() => End::Open(Some(error)),
                Progress::Failed { error, .. } => End::Failed(error),
            };
            match lane.and_then(|lane| ends.get_mut(lane)) {
                Some(place) => *place = end,
                // There is no number for any of them, and no time to wait for one.
                None => {
                    if let Some(place) = ends.first_mut() {
                        *place = end;
                    }
                    break;
                }
            }
        }
        self.rest();
        let mut withdrawal = Withdrawal::default();
        for (lane, end) in self.lanes.iter().zip(ends) {
            let error = match end {
                End::Done(done) => {
                    withdrawal.done.push(done);
                    continue;
                }
                End::Failed(error) | End::Open(Some(error)) => error,
                End::Open(None) => lane.unanswered(),
            };
            withdrawal.failed.push((Arc::clone(&lane.label), error));
        }
        self.exposed = !withdrawal.failed.is_empty();
        withdrawal
    }

    /// Tells whether a directory may know the host as online: something was sent, and not withdrawn from all of them.
    #[must_use]
    pub fn is_exposed(&self) -> bool {
        self.exposed
    }

    /// Tells when the record is renewed so that the lease never runs out: a third of it after the first
    /// acknowledgement.
    #[must_use]
    pub fn renew_at(&self) -> Option<Instant> {
        self.roll.renew_at().map(Instant::from_std)
    }

    /// Gives the record that a directory has last acknowledged.
    #[must_use]
    pub fn current(&self) -> Option<&SignedRecord> {
        self.current.as_ref()
    }

    /// Makes what proves the host's identity at its addresses, as its records say.
    #[must_use]
    pub fn prover(&self) -> Prover {
        Prover::new(Arc::clone(&self.identity), self.services.proof_port.get())
    }

    /// Gives the host's identity, for what else has to prove it.
    #[must_use]
    pub fn identity(&self) -> Arc<Identity> {
        Arc::clone(&self.identity)
    }

    /// Counts the packets exchanged with the directories so far.
    #[must_use]
    pub fn packets(&self) -> Packets {
        let lanes = self.lanes.iter().map(|lane| lane.directory.resolver.packets());
        lanes.fold(Packets::default(), |sum, one| Packets {
            sent: sum.sent + one.sent,
            received: sum.received + one.received,
        })
    }

    fn want(&mut self, wanted: Wanted) {
        self.rest();
        let lasts = matches!(wanted, Wanted::Online(_));
        self.wanted = wanted;
        self.began = Instant::now();
        for lane in &mut self.lanes {
            lane.before = lane.directory.resolver.packets();
        }
        self.roll.want(lasts);
    }

    /// Does what is due until something comes of it.
    async fn step(&mut self) -> Step {
        loop {
            while let Some(output) = self.roll.poll_output() {
                if let Some(step) = self.start(output) {
                    return step;
                }
            }
            let deadline = self.roll.deadline().map(|(at, _why)| at);
            let finished = tokio::select! {
                finished = first(&mut self.numbering, &mut self.lanes) => Some(finished),
                () = crate::clock::sleep_until(deadline) => None,
            };
            let now = crate::clock::now();
            let step = match finished {
                None => {
                    let due = self.roll.renew_at().is_some_and(|at| at <= now);
                    self.roll.handle_timeout(now);
                    if due {
                        self.began = Instant::now();
                    }
                    None
                }
                Some(Finished::Number(Ok(seq))) => {
                    self.roll.handle_number(seq);
                    None
                }
                Some(Finished::Number(Err(error))) => {
                    let again = Instant::from_std(self.roll.handle_no_number(now));
                    Some(Step { lane: None, progress: Progress::Failed { directory: None, error, again } })
                }
                Some(Finished::Lane(index, answer)) => self.heard(index, answer),
            };
            if let Some(step) = step {
                return step;
            }
        }
    }

    /// Starts what the roll wants done; gives what is already known to fail.
    fn start(&mut self, output: Output) -> Option<Step> {
        match output {
            Output::Number(floor) => {
                self.numbering.start(requests::number(Arc::clone(&self.seqs), floor));
                None
            }
            Output::Ask(index) => {
                let lane = self.lanes.get_mut(index)?;
                lane.request.start(Request::Ask.send(Arc::clone(&lane.directory), Arc::clone(&self.identity)));
                None
            }
            Output::Send(index, seq) => {
                let (wanted, lease, services) = (self.wanted.clone(), self.lease, self.services);
                let lane = self.lanes.get_mut(index)?;
                let kept = lane.signed.take().filter(|signed| signed.record().seq() == seq);
                let signed = match kept
                    .map_or_else(|| lane.sign(&wanted, seq, lease, services, &self.identity).map(Arc::new), Ok)
                {
                    Ok(signed) => signed,
                    Err(error) => {
                        let next = self.roll.handle_sent(index, seq, Verdict::Refused, crate::clock::now());
                        return self.failed(index, next, error.into());
                    }
                };
                self.exposed |= matches!(wanted, Wanted::Online(_));
                lane.signed = Some(Arc::clone(&signed));
                lane.request
                    .start(Request::Update(signed).send(Arc::clone(&lane.directory), Arc::clone(&self.identity)));
                None
            }
        }
    }

    /// Takes in what a directory answered.
    fn heard(&mut self, index: usize, answer: Answer) -> Option<Step> {
        let now = crate::clock::now();
        let lane = self.lanes.get_mut(index)?;
        let (next, error) = match answer {
            Answer::Known(known) => {
                self.roll.handle_known(index, known);
                return None;
            }
            Answer::Unknown(error) => {
                let verdict = if error.is_transient() { Verdict::Failed } else { Verdict::Refused };
                (self.roll.handle_unknown(index, verdict, now), error)
            }
            Answer::Acknowledged(signed) => {
                let seq = signed.record().seq();
                let _done = self.roll.handle_sent(index, seq, Verdict::Acknowledged, now);
                let after = lane.directory.resolver.packets();
                let packets =
                    Packets { sent: after.sent - lane.before.sent, received: after.received - lane.before.received };
                lane.before = after;
                lane.told = None;
                self.current = Some(SignedRecord::clone(&signed));
                let directory = Arc::clone(&lane.label);
                let registered = Registered { directory, seq, took: self.began.elapsed(), packets };
                return Some(Step { lane: Some(index), progress: Progress::Registered(registered) });
            }
            Answer::NotAcknowledged(seq, error) => {
                let verdict = match &error {
                    UpdateError::BadTime { server } => {
                        lane.directory.resolver.follow(*server);
                        // The record carries the right time, too.
                        lane.signed = None;
                        Verdict::OtherClock
                    }
                    UpdateError::Stale => Verdict::Stale,
                    UpdateError::Unreachable { .. } | UpdateError::Failed => Verdict::Failed,
                    UpdateError::BadKey
                    | UpdateError::BadSig
                    | UpdateError::Refused
                    | UpdateError::NotAuth
                    | UpdateError::NotZone
                    | UpdateError::Rejected(_) => Verdict::Refused,
                };
                (self.roll.handle_sent(index, seq, verdict, now), error.into())
            }
        };
        self.failed(index, next, error)
    }

    /// Tells a failure, unless it is being mended at once.
    fn failed(&self, index: usize, next: Next, error: RegisterError) -> Option<Step> {
        let Next::At(again) = next else { return None };
        let directory = Some(Arc::clone(&self.lanes.get(index)?.label));
        let progress = Progress::Failed { directory, error, again: Instant::from_std(again) };
        Some(Step { lane: Some(index), progress })
    }

    /// What to say when no directory has answered in time.
    fn unanswered(&self) -> RegisterError {
        let servers: Vec<String> = self.lanes.iter().map(|lane| lane.directory.resolver.servers()).collect();
        UpdateError::Unreachable { servers: servers.join(", or "), source: None }.into()
    }
}

impl std::fmt::Debug for Registrar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registrar").field("wanted", &self.wanted).field("roll", &self.roll).finish_non_exhaustive()
    }
}

impl Lane {
    /// What to say of a directory that has not answered in time.
    fn unanswered(&self) -> RegisterError {
        UpdateError::Unreachable { servers: self.directory.resolver.servers(), source: None }.into()
    }

    fn sign(
        &self,
        wanted: &Wanted,
        seq: Seq,
        lease: u32,
        services: Services,
        identity: &Identity,
    ) -> Result<SignedRecord, RecordError> {
        let (host, issued) = (self.directory.host.clone(), self.directory.resolver.now());
        let record = match wanted {
            Wanted::Online(addresses) => Record::online(host, addresses.clone(), seq, issued, lease)?,
            Wanted::Asleep => Record::asleep(host, seq, issued, lease)?,
        };
        Ok(SignedRecord::sign(record.with_services(services), identity))
    }
}

/// What came of something, and at which directory.
struct Step {
    lane: Option<usize>,
    progress: Progress,
}

/// How far a withdrawal has come at one directory.
enum End {
    Open(Option<RegisterError>),
    Done(Registered),
    Failed(RegisterError),
}

enum Finished {
    Number(Result<Seq, RegisterError>),
    Lane(usize, Answer),
}

/// Waits for the first request to finish, and takes it out.
async fn first(numbering: &mut Slot<Result<Seq, RegisterError>>, lanes: &mut [Lane]) -> Finished {
    poll_fn(|context| {
        if let Poll::Ready(number) = numbering.poll(context) {
            return Poll::Ready(Finished::Number(number));
        }
        for (index, lane) in lanes.iter_mut().enumerate() {
            if let Poll::Ready(answer) = lane.request.poll(context) {
                return Poll::Ready(Finished::Lane(index, answer));
            }
        }
        Poll::Pending
    })
    .await
}
