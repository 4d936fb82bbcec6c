//! A host's own registration: it signs, numbers, sends, and tries again.
//!
//! Owns the host's identity and its sequence numbers. Retries what time may mend until the deadline it is given, and
//! stops at once at what only a person can mend.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::exchange::Packets;
use super::random;
use super::{QueryError, Resolver, TsigKey, UpdateError};
use crate::record::{HostName, Identity, Record, RecordError, Seq, SeqError, SeqStore, SignedRecord};

/// Registers one host with one directory.
#[derive(Debug)]
pub struct Registrar {
    resolver: Resolver,
    identity: Identity,
    host: HostName,
    zone: HostName,
    key: TsigKey,
    seqs: Arc<Mutex<SeqStore>>,
    lease: u32,
    current: Option<SignedRecord>,
    renew_at: Option<Instant>,
}

/// A registration that the directory has on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The record's sequence number.
    pub seq: Seq,
    /// How long it took, from the call.
    pub took: Duration,
    /// The packets it took.
    pub packets: Packets,
}

impl Registrar {
    /// Makes the registrar of a host, whose records hold for `lease` seconds.
    #[must_use]
    pub fn new(
        resolver: Resolver,
        identity: Identity,
        host: HostName,
        zone: HostName,
        key: TsigKey,
        seqs: SeqStore,
        lease: u32,
    ) -> Self {
        let seqs = Arc::new(Mutex::new(seqs));
        Self { resolver, identity, host, zone, key, seqs, lease, current: None, renew_at: None }
    }

    /// Registers the host as online at these addresses, under a new sequence number.
    ///
    /// # Errors
    /// When the deadline passes first (the last error), or when no retry can help.
    ///
    /// # Cancel safety
    /// Dropping it may cost a sequence number, and leaves open whether the directory has the record.
    pub async fn register(&mut self, addresses: Vec<IpAddr>, deadline: Instant) -> Result<Registered, RegisterError> {
        let (host, lease) = (self.host.clone(), self.lease);
        self.send(deadline, |seq, issued| Record::online(host.clone(), addresses.clone(), seq, issued, lease)).await
    }

    /// Registers the host as asleep, without addresses, under a new sequence number.
    ///
    /// # Errors
    /// As [`Registrar::register`].
    ///
    /// # Cancel safety
    /// As [`Registrar::register`].
    pub async fn withdraw(&mut self, deadline: Instant) -> Result<Registered, RegisterError> {
        let (host, lease) = (self.host.clone(), self.lease);
        self.send(deadline, |seq, issued| Record::asleep(host.clone(), seq, issued, lease)).await
    }

    /// Tells when to register again so that the lease never runs out: a third of it after the last registration.
    #[must_use]
    pub fn renew_at(&self) -> Option<Instant> {
        self.renew_at
    }

    /// Gives the record that the directory has last acknowledged.
    #[must_use]
    pub fn current(&self) -> Option<&SignedRecord> {
        self.current.as_ref()
    }

    /// Gives the host's identity, for whoever proves it to clients.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Counts the packets exchanged with the directory so far.
    #[must_use]
    pub fn packets(&self) -> Packets {
        self.resolver.packets()
    }

    async fn send(
        &mut self,
        deadline: Instant,
        record: impl Fn(Seq, u64) -> Result<Record, RecordError>,
    ) -> Result<Registered, RegisterError> {
        let (began, before) = (Instant::now(), self.packets());
        let mut pause = FIRST_PAUSE;
        let mut floor = None;
        let mut seq = None;
        let (mut clock_followed, mut number_lifted) = (false, false);
        loop {
            let attempt = async {
                if seq.is_none() {
                    seq = Some(self.advance(floor, deadline).await?);
                }
                let Some(seq) = seq else { return Err(RegisterError::Seq(SeqError::UsedUp)) };
                let signed = SignedRecord::sign(record(seq, self.resolver.now())?, &self.identity);
                self.resolver.try_update(&self.zone, &signed, &self.key, deadline).await?;
                Ok((seq, signed))
            };
            let error = match attempt.await {
                Ok((seq, signed)) => {
                    self.current = Some(signed);
                    self.renew_at = Some(Instant::now() + Duration::from_secs(u64::from(self.lease)) / 3);
                    let after = self.packets();
                    let packets =
                        Packets { sent: after.sent - before.sent, received: after.received - before.received };
                    return Ok(Registered { seq, took: began.elapsed(), packets });
                }
                Err(error) => error,
            };
            match &error {
                RegisterError::Update(UpdateError::BadTime { server }) => {
                    self.resolver.follow(*server);
                    if !std::mem::replace(&mut clock_followed, true) {
                        continue;
                    }
                }
                RegisterError::Update(UpdateError::Stale) => {
                    // The directory is ahead of our file: take up its number, if it is really ours.
                    floor = self.known(deadline).await?.max(seq);
                    seq = None;
                    if !std::mem::replace(&mut number_lifted, true) {
                        continue;
                    }
                }
                RegisterError::Update(error) if error.is_transient() => {}
                RegisterError::Query(QueryError::Unreachable { .. }) => {}
                RegisterError::Update(_)
                | RegisterError::Query(_)
                | RegisterError::Seq(_)
                | RegisterError::Record(_)
                | RegisterError::Foreign
                | RegisterError::Stopped => return Err(error),
            }
            let next = Instant::now() + random::jittered(pause);
            if next >= deadline {
                return Err(error);
            }
            sleep_until(next).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    /// Takes the next number; a new or lost file is first lifted to the number that the directory knows.
    async fn advance(&self, floor: Option<Seq>, deadline: Instant) -> Result<Seq, RegisterError> {
        let is_new = self.seqs.lock().unwrap_or_else(PoisonError::into_inner).last().is_none();
        let floor = if is_new && floor.is_none() { self.known(deadline).await? } else { floor };
        let seqs = Arc::clone(&self.seqs);
        // The disk may be slow flash; the runtime has other work meanwhile.
        let advanced =
            tokio::task::spawn_blocking(move || seqs.lock().unwrap_or_else(PoisonError::into_inner).advance(floor));
        Ok(advanced.await.map_err(|_stopped| RegisterError::Stopped)??)
    }

    /// Asks for the number of our own last record in the directory.
    async fn known(&self, deadline: Instant) -> Result<Option<Seq>, RegisterError> {
        match self.resolver.query(&self.host, deadline).await {
            Ok(answer) => match answer.record {
                Some(signed) if signed.verify(&self.identity.public_key()).is_ok() => Ok(Some(signed.record().seq())),
                Some(_) => Err(RegisterError::Foreign),
                None => Ok(None),
            },
            Err(error @ QueryError::Unreachable { .. }) => Err(error.into()),
            // A server that answers updates but no queries from us cannot tell a number.
            Err(QueryError::Refused(_) | QueryError::Garbled) => Ok(None),
        }
    }
}

/// Why a registration failed for good, or was not finished before its deadline.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The update failed.
    #[error(transparent)]
    Update(#[from] UpdateError),
    /// The directory's last number could not be asked for.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// There is no sequence number to use.
    #[error("cannot number the registration")]
    Seq(#[from] SeqError),
    /// There is no record to send.
    #[error("cannot make the host's record")]
    Record(#[from] RecordError),
    /// The directory has a record of this name by another identity.
    #[error("the directory holds a record of this host by another identity")]
    Foreign,
    /// The program is stopping.
    #[error("stopped while numbering the registration")]
    Stopped,
}

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LAST_PAUSE: Duration = Duration::from_secs(8);
