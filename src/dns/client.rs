//! Asking directories for records, waiting for a newer one, and sending one.
//!
//! Refuses to judge identities: a record comes as it was found, and whoever asked checks it against the pinned key.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use domain::base::Message;
use domain::base::iana::{Rcode, Rtype};
use tokio::time::{Instant, sleep_until};

use super::clock::WallClock;
use super::exchange::{Exchanger, NoAnswer, Packets};
use super::judging::{Enough, Expected};
use super::message::{self, Reading};
use super::tsig::{self, AnswerFault, Mac, TsigKey};
use super::{name, random};
use crate::record::{HostName, PublicKey, Seq, SignedRecord, State};

/// A client of one directory at one or more addresses; clones share their sockets' count and their clock.
#[derive(Clone, Debug)]
pub struct Resolver {
    shared: Arc<Shared>,
    pub(super) expected: Expected,
}

#[derive(Debug)]
struct Shared {
    exchanger: Exchanger,
    clock: WallClock,
    /// How far the directory's clock is ahead of ours, in seconds, once it has told us under its signature.
    skew: AtomicI64,
}

impl Resolver {
    /// Makes a client of the directory at these addresses, the preferred one first.
    #[must_use]
    pub fn new(servers: Vec<SocketAddr>) -> Self {
        Self::with_clock(servers, WallClock::system())
    }

    /// Makes a client with a clock of its own.
    #[must_use]
    pub fn with_clock(servers: Vec<SocketAddr>, clock: WallClock) -> Self {
        let shared = Shared { exchanger: Exchanger::new(servers), clock, skew: AtomicI64::new(0) };
        Self { shared: Arc::new(shared), expected: Expected::default() }
    }

    /// Counts the packets exchanged with directories so far.
    #[must_use]
    pub fn packets(&self) -> Packets {
        self.shared.exchanger.packets()
    }

    /// Gives the servers' addresses, for a message.
    #[must_use]
    pub fn servers(&self) -> String {
        self.shared.exchanger.servers()
    }

    /// Gives the time in Unix seconds, put right by the directory's clock if it has told us that ours is wrong.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.shared.clock.now().saturating_add_signed(self.shared.skew.load(Ordering::Relaxed))
    }

    /// Prefers records by this key, if it is given, and those that are not older than this.
    #[must_use]
    pub fn expecting(mut self, key: Option<PublicKey>, seen: Option<Seq>) -> Self {
        self.expected = Expected { key, seen };
        self
    }

    /// Asks for a host's newest record, in one round trip where the first server has it online. Where that one fails, is
    /// silent, or says anything else, the others are asked as well, and the best answer counts.
    ///
    /// # Errors
    /// When no server gives an answer before the deadline: what the one that tells most has failed of.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub async fn query(&self, host: &HostName, deadline: Instant) -> Result<Answer, QueryError> {
        self.best_of_all(0, host, Enough::Online, deadline).await
    }

    /// Asks all servers at once for a host's record, and gives the newest; those that are later than the quickest by more
    /// than `others_within` are not waited for. With one server it costs what [`Resolver::query`] does.
    ///
    /// # Errors
    /// As those of [`Resolver::query`].
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub async fn newest(
        &self,
        host: &HostName,
        others_within: Duration,
        deadline: Instant,
    ) -> Result<Answer, QueryError> {
        self.best_of_all(0, host, Enough::Newest(others_within), deadline).await
    }

    /// Asks one server.
    pub(super) async fn query_at(
        &self,
        server: SocketAddr,
        host: &HostName,
        deadline: Instant,
    ) -> Result<Answer, QueryError> {
        match self.ask(server, host, &name::of_statement(host), Rtype::TXT, deadline).await? {
            Reading::Statement(signed) => Ok(Answer { record: Some(*signed), host_exists: true }),
            Reading::NoData => Ok(Answer { record: None, host_exists: true }),
            Reading::NoName => {
                // A server that knows nothing of statements may still know the host.
                let plain = self.ask(server, host, &name::of_host(host), Rtype::A, deadline).await?;
                Ok(Answer { record: None, host_exists: plain != Reading::NoName })
            }
            Reading::Failed(rcode) => Err(QueryError::Refused(rcode)),
            Reading::Unreadable | Reading::Garbled => Err(QueryError::Garbled),
        }
    }

    /// Asks for a host's plain addresses: what is answered for one that does not sign, and proves nothing.
    ///
    /// # Errors
    /// When no server answers before the deadline, or the answer is a refusal or cannot be read.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub async fn addresses(&self, host: &HostName, deadline: Instant) -> Result<Vec<IpAddr>, QueryError> {
        let mut found = Vec::new();
        for rtype in [Rtype::A, Rtype::AAAA] {
            let id = random::message_id().map_err(|source| self.unanswered(Some(source)))?;
            let request = message::query(id, &name::of_host(host), rtype);
            // A server that fails is passed over, as if it had said nothing; unless there is no other.
            let exchanger = &self.shared.exchanger;
            let is_alone = exchanger.all().len() == 1;
            let read = |answer: &[u8]| message::read_addresses(answer).map(Some).or_else(|| is_alone.then_some(None));
            let answered = exchanger.exchange(exchanger.all(), &request, deadline, read).await;
            let addresses = answered.map_err(|NoAnswer { source }| self.unanswered(source))?;
            found.extend(addresses.ok_or(QueryError::Garbled)?);
        }
        Ok(found)
    }

    /// Waits until the host is online with a record newer than `after`: asks at once, then ever more slowly.
    ///
    /// Servers that cannot be reached, or fail, are asked again until the deadline. Each question begins with the next
    /// server: a host may have reached only some of several independent directories.
    ///
    /// # Errors
    /// The last error when no server has answered at all, and at once when all refuse.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub async fn newer_than(
        &self,
        host: &HostName,
        after: Option<Seq>,
        deadline: Instant,
    ) -> Result<Waited, QueryError> {
        let mut pause = FIRST_POLL;
        let mut last = None;
        for turn in 0.. {
            let until = deadline.min(Instant::now() + LONGEST_ASK);
            let failure = match self.best_of_all(turn, host, Enough::Known, until).await {
                Ok(Answer { record: Some(signed), .. }) if is_news(&signed, after) => {
                    return Ok(Waited::Online(Box::new(signed)));
                }
                Ok(answer) => {
                    last = Some(answer);
                    None
                }
                Err(error @ QueryError::Refused(rcode)) if rcode != Rcode::SERVFAIL => return Err(error),
                Err(error) => Some(error),
            };
            let next = Instant::now() + pause;
            if next >= deadline {
                sleep_until(deadline).await;
                return match (last, failure) {
                    (Some(answer), _) => Ok(Waited::TimedOut(answer)),
                    (None, Some(error)) => Err(error),
                    (None, None) => Err(self.unanswered(None)),
                };
            }
            sleep_until(next).await;
            pause = (pause * 2).min(LAST_POLL);
        }
        Err(self.unanswered(None))
    }

    /// Puts a host's record in the directory's zone, and returns when the directory has it on disk.
    ///
    /// A directory that finds our clock wrong says so under its signature; the update is then signed once more by its
    /// clock (RFC 8945 section 5.2.3).
    ///
    /// # Errors
    /// When no server answers before the deadline, or why the directory does not take the record.
    ///
    /// # Cancel safety
    /// Dropping it leaves open whether the directory has the record; sending the same record again does no harm.
    pub async fn update(
        &self,
        zone: &HostName,
        signed: &SignedRecord,
        key: &TsigKey,
        deadline: Instant,
    ) -> Result<(), UpdateError> {
        match self.try_update(zone, signed, key, deadline).await {
            Err(UpdateError::BadTime { server }) => {
                self.follow(server);
                self.try_update(zone, signed, key, deadline).await
            }
            other => other,
        }
    }

    /// Sets our time by the server's.
    pub(super) fn follow(&self, server: u64) {
        let ahead = i128::from(server) - i128::from(self.shared.clock.now());
        let skew = i64::try_from(ahead).unwrap_or(0);
        tracing::warn!(seconds = skew, "the directory's clock differs from ours; signing by its clock");
        self.shared.skew.store(skew, Ordering::Relaxed);
    }

    pub(super) async fn try_update(
        &self,
        zone: &HostName,
        signed: &SignedRecord,
        key: &TsigKey,
        deadline: Instant,
    ) -> Result<(), UpdateError> {
        let exchanger = &self.shared.exchanger;
        let unreachable = |source| UpdateError::Unreachable { servers: exchanger.servers(), source };
        let id = random::message_id().map_err(|source| unreachable(Some(source)))?;
        let mut request = message::update(id, zone, signed);
        let mac = tsig::sign_request(&mut request, key, self.now());
        let judged =
            exchanger.exchange(exchanger.all(), &request, deadline, |answer| judge(answer, key, &mac, self.now()));
        match judged.await {
            Ok(outcome) => outcome,
            Err(NoAnswer { source }) => Err(unreachable(source)),
        }
    }

    async fn ask(
        &self,
        server: SocketAddr,
        host: &HostName,
        owner: &domain::base::Name<Vec<u8>>,
        rtype: Rtype,
        deadline: Instant,
    ) -> Result<Reading, QueryError> {
        let id = random::message_id().map_err(|source| self.unanswered(Some(source)))?;
        let request = message::query(id, owner, rtype);
        let read = |answer: &[u8]| Some(message::read(answer, host));
        let answered = self.shared.exchanger.exchange(&[server], &request, deadline, read).await;
        answered.map_err(|NoAnswer { source }| self.unanswered(source))
    }

    pub(super) fn all_servers(&self) -> &[SocketAddr] {
        self.shared.exchanger.all()
    }

    pub(super) fn unanswered(&self, source: Option<io::Error>) -> QueryError {
        QueryError::Unreachable { servers: self.shared.exchanger.servers(), source }
    }
}

/// What a directory says about a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The host's newest record, not yet verified; `None` when it has not registered one.
    pub record: Option<SignedRecord>,
    /// Whether the directory knows the host at all.
    pub host_exists: bool,
}

/// How waiting for a newer record ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waited {
    /// The host is online with a newer record, not yet verified.
    Online(Box<SignedRecord>),
    /// The deadline came; this was the last answer.
    TimedOut(Answer),
}

/// Why there is no answer about a host.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// No server answered before the deadline, or none could be sent to.
    #[error("the directory at {servers} cannot be reached")]
    Unreachable {
        /// The addresses that were tried.
        servers: String,
        /// The last thing the system said, if it said anything.
        source: Option<io::Error>,
    },
    /// A server refuses or fails.
    #[error("the directory answers {0}")]
    Refused(Rcode),
    /// The answer cannot be read, or the host's text there is no record of ours.
    #[error("the directory's answer cannot be read")]
    Garbled,
}

/// Why a record did not get into the directory.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// No server answered before the deadline, or none could be sent to.
    #[error("the directory at {servers} cannot be reached")]
    Unreachable {
        /// The addresses that were tried.
        servers: String,
        /// The last thing the system said, if it said anything.
        source: Option<io::Error>,
    },
    /// The directory does not know the key (BADKEY).
    #[error("the directory does not know this tsig key; check its name and algorithm")]
    BadKey,
    /// The directory has another secret for the key (BADSIG).
    #[error("the directory has another secret for this tsig key")]
    BadSig,
    /// The clocks differ, even after signing by the directory's (BADTIME).
    #[error("the directory's clock differs from ours; its time is {server} s")]
    BadTime {
        /// The directory's time in Unix seconds.
        server: u64,
    },
    /// The key may not register this host, or the directory does not accept the record (REFUSED).
    #[error("the directory refuses this host, key or record; its log says why")]
    Refused,
    /// The server has no such zone (NOTAUTH).
    #[error("the server is not in charge of the zone")]
    NotAuth,
    /// The host is not in the zone (NOTZONE).
    #[error("the host is not in the directory's zone")]
    NotZone,
    /// The directory has a record as new or newer (YXRRSET).
    #[error("the directory has a newer record of this host")]
    Stale,
    /// The directory cannot store anything just now (SERVFAIL).
    #[error("the directory failed to store the record; its log says why")]
    Failed,
    /// Any other response code.
    #[error("the directory answers {0}")]
    Rejected(Rcode),
}

impl UpdateError {
    /// Tells whether trying again later may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Failed | Self::BadTime { .. } => true,
            Self::BadKey
            | Self::BadSig
            | Self::Refused
            | Self::NotAuth
            | Self::NotZone
            | Self::Stale
            | Self::Rejected(_) => false,
        }
    }
}

fn is_news(signed: &SignedRecord, after: Option<Seq>) -> bool {
    signed.record().state() == State::Online && Some(signed.record().seq()) > after
}

/// Judges an answer to an update; `None` leaves it unheard, as anybody could have sent it.
fn judge(answer: &[u8], key: &TsigKey, request: &Mac, now: u64) -> Option<Result<(), UpdateError>> {
    let rcode = Message::from_octets(answer).ok()?.header().rcode();
    match tsig::take_off(answer).ok()? {
        Some(signed) => match tsig::check_answer(&signed, key, request, now) {
            Ok(()) => Some(outcome(rcode)),
            Err(AnswerFault::ServerBadKey) => Some(Err(UpdateError::BadKey)),
            Err(AnswerFault::ServerBadSig) => Some(Err(UpdateError::BadSig)),
            Err(AnswerFault::ServerBadTime { server } | AnswerFault::Late { server }) => {
                Some(Err(UpdateError::BadTime { server }))
            }
            Err(AnswerFault::Forged) => None,
        },
        // An error may come unsigned from a server that cannot sign; a success may not.
        None if rcode == Rcode::NOERROR => None,
        None => Some(outcome(rcode)),
    }
}

fn outcome(rcode: Rcode) -> Result<(), UpdateError> {
    Err(match rcode {
        Rcode::NOERROR => return Ok(()),
        Rcode::REFUSED => UpdateError::Refused,
        Rcode::NOTAUTH => UpdateError::NotAuth,
        Rcode::NOTZONE => UpdateError::NotZone,
        Rcode::YXRRSET => UpdateError::Stale,
        Rcode::SERVFAIL => UpdateError::Failed,
        other => UpdateError::Rejected(other),
    })
}

const FIRST_POLL: Duration = Duration::from_millis(250);
const LAST_POLL: Duration = Duration::from_millis(500);
/// The longest one question of a wait is repeated before the wait asks anew.
const LONGEST_ASK: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests;
