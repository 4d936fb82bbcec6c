//! Copies of the zone for secondaries: whole (AXFR, RFC 5936), or what has changed since they looked (IXFR, RFC 1995).
//!
//! Refuses everybody who is not a configured secondary, by key or, without one, by address. What a copy holds comes from
//! one moment of the database, so that it fits its serial number; the history tells what has changed since another.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use domain::base::iana::{Class, Rtype};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::Secondary;
use super::answer::{Code, Transport, failure};
use super::authentication::authenticate;
use super::figures::{End, Kind};
use super::front::Front;
use super::request::{HEADER, Question, Request};
use super::statement::Statement;
use super::store::{Said, Snapshot, open_to_read};
use super::tcp::write_framed;
use super::update::{NOTAUTH, SERVFAIL};
use super::zone::{CONFIGURED_TTL, COPIED_TTL, Each, STATEMENT, Zone, soa, strings};
use crate::dns::TsigKey;
use crate::dns::tsig::{self, Mac};

/// Tells whether a request asks for a copy.
pub(super) fn is_transfer(request: &Request<'_>) -> bool {
    let asks = |question: &Question<'_>| matches!(question.rtype, Rtype::AXFR | Rtype::IXFR);
    request.opcode == 0 && !request.is_garbled && request.question.as_ref().is_some_and(asks)
}

/// What gives out copies.
#[derive(Debug)]
pub(super) struct Transfers {
    pub(super) database: PathBuf,
    pub(super) secondaries: Vec<Secondary>,
    /// How many are given out at a time.
    pub(super) places: tokio::sync::Semaphore,
}

/// How many copies are given out at a time.
pub(super) const MOST_AT_A_TIME: usize = 4;

impl Transfers {
    /// Answers a request for a copy on a connection.
    ///
    /// # Errors
    /// When the connection fails, or its other end is too slow.
    pub(super) async fn serve(
        &self,
        front: &Front,
        request: &Request<'_>,
        from: IpAddr,
        stream: &mut TcpStream,
    ) -> io::Result<()> {
        let now = front.clock.now();
        let (signer, bare) = if request.is_signed {
            match authenticate(request, &front.zone, now) {
                Ok((signed, key)) => (Some((key, signed.tsig.mac().clone())), signed.message),
                Err(failed) => match front.failures.answer(*failed, from, Transport::Tcp, now) {
                    Some(answer) => return write_framed(stream, &answer).await,
                    None => return Err(io::ErrorKind::PermissionDenied.into()),
                },
            }
        } else {
            (None, request.bytes.to_vec())
        };
        let Some(request) = Request::read(&bare) else { return Ok(()) };
        let Some(question) = request.question else { return Ok(()) };
        let refusal = if question.class != Class::IN.to_int() || question.name.as_slice() != front.zone.apex_wire {
            Some(NOTAUTH)
        } else if !self.allows(signer.as_ref().map(|(key, _)| key), from) {
            front.failures.refused_transfer(from, now);
            Some(Code::REFUSED)
        } else {
            None
        };
        let mut signer = Signer { signer, is_first: true };
        let kind = if question.rtype == Rtype::IXFR { Kind::Ixfr } else { Kind::Axfr };
        if let Some(code) = refusal {
            front.figures.transferred(kind, End::Refused);
            let mut answer = Vec::new();
            failure(&request, code, &mut answer);
            signer.sign(&mut answer, now);
            return write_framed(stream, &answer).await;
        }
        let Ok(_place) = self.places.acquire().await else { return Ok(()) };
        let (messages, mut made) = channel(4);
        let copy = Copy {
            zone: std::sync::Arc::clone(&front.zone),
            database: self.database.clone(),
            begin: begin(&request, &question),
            since: request.serial.filter(|_| question.rtype == Rtype::IXFR),
        };
        let making = tokio::task::spawn_blocking(move || copy.make(&messages));
        if let Err(error) = send(&mut made, &mut signer, front, stream).await {
            front.figures.transferred(kind, End::Failed);
            return Err(error);
        }
        // The maker has ended, or it would still hold its end of the channel.
        let made = making.await;
        front.figures.transferred(kind, if matches!(made, Ok(Ok(()))) { End::Done } else { End::Failed });
        match made {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                tracing::error!(%error, "the zone cannot be read for a transfer");
                let mut answer = Vec::new();
                failure(&request, SERVFAIL, &mut answer);
                signer.sign(&mut answer, now);
                write_framed(stream, &answer).await
            }
            Err(_panicked) => Err(io::ErrorKind::Other.into()),
        }
    }

    fn allows(&self, key: Option<&TsigKey>, from: IpAddr) -> bool {
        self.secondaries.iter().any(|secondary| match &secondary.key {
            Some(expected) => key.is_some_and(|key| key.name() == expected.name()),
            None => secondary.address.ip() == from.to_canonical(),
        })
    }
}

async fn send(
    made: &mut Receiver<Vec<u8>>,
    signer: &mut Signer,
    front: &Front,
    stream: &mut TcpStream,
) -> io::Result<()> {
    while let Some(mut message) = made.recv().await {
        signer.sign(&mut message, front.clock.now());
        write_framed(stream, &message).await?;
    }
    Ok(())
}

/// Signs one message after another (RFC 8945 section 5.3.1), where the request was signed.
struct Signer {
    signer: Option<(TsigKey, Mac)>,
    is_first: bool,
}

impl Signer {
    fn sign(&mut self, message: &mut Vec<u8>, now: u64) {
        let Some((key, last)) = &mut self.signer else { return };
        *last = if self.is_first {
            tsig::sign_answer(message, key, last, now)
        } else {
            tsig::sign_next(message, key, last, now)
        };
        self.is_first = false;
    }
}

/// One copy in the making.
struct Copy {
    zone: std::sync::Arc<Zone>,
    database: PathBuf,
    /// What every message begins with: header and question.
    begin: Vec<u8>,
    /// The serial of what the secondary has.
    since: Option<u32>,
}

impl Copy {
    fn make(&self, messages: &Sender<Vec<u8>>) -> rusqlite::Result<()> {
        let mut connection = open_to_read(&self.database)?;
        let snapshot = Snapshot::take(&mut connection)?;
        let mut composer = Composer { begin: &self.begin, message: self.begin.clone(), count: 0, messages };
        let now = soa(&self.zone, snapshot.serial);
        let start = |composer: &mut Composer<'_>, soa: &[u8]| composer.push(&[], Rtype::SOA, CONFIGURED_TTL, soa);
        let _goes_on = start(&mut composer, &now);
        let changes = match self.since {
            Some(since) if since == snapshot.serial => {
                composer.flush();
                return Ok(());
            }
            Some(since) => snapshot.changes(since)?,
            None => None,
        };
        match (self.since, changes) {
            (Some(since), Some(changes)) => {
                let _goes_on = start(&mut composer, &soa(&self.zone, since));
                for before in changes.iter().filter_map(|(before, _)| before.as_ref()) {
                    records(&self.zone, before, &mut |owner, rtype, ttl, data| composer.push(owner, rtype, ttl, data));
                }
                let _goes_on = start(&mut composer, &now);
                for (_, after) in &changes {
                    records(&self.zone, after, &mut |owner, rtype, ttl, data| composer.push(owner, rtype, ttl, data));
                }
            }
            _ => {
                self.zone.configured(&mut |owner, rtype, ttl, data| composer.push(owner, rtype, ttl, data));
                snapshot.all(&mut |said| {
                    records(&self.zone, &said, &mut |owner, rtype, ttl, data| composer.push(owner, rtype, ttl, data));
                    !messages.is_closed()
                })?;
            }
        }
        let _goes_on = start(&mut composer, &now);
        composer.flush();
        Ok(())
    }
}

/// Hands out the records of a host, whatever the clock says: a lease that runs out makes a new serial.
fn records(zone: &Zone, (statement, expired): &Said, each: Each<'_>) {
    let host = statement.host();
    let (Some(relative), Some(record)) = (zone.relative(host).filter(|_| !zone.is_own(host)), statement.record())
    else {
        return;
    };
    let ttl = record.lease().min(COPIED_TTL);
    for address in record.addresses().iter().filter(|_| !expired) {
        match address {
            IpAddr::V4(address) => each(&relative, Rtype::A, ttl, &address.octets()),
            IpAddr::V6(address) => each(&relative, Rtype::AAAA, ttl, &address.octets()),
        };
    }
    if let Statement::Signed(signed) = statement {
        let owner = [STATEMENT, &*relative].concat();
        each(&owner, Rtype::TXT, ttl, &strings(&signed.to_string()));
    }
}

/// Puts records into messages, and hands these on when they are full.
struct Composer<'c> {
    begin: &'c [u8],
    message: Vec<u8>,
    count: u16,
    messages: &'c Sender<Vec<u8>>,
}

impl Composer<'_> {
    /// Adds a record; `false` when nobody wants any more.
    fn push(&mut self, owner: &[u8], rtype: Rtype, ttl: u32, data: &[u8]) -> bool {
        if self.message.len() + owner.len() + data.len() + 12 > FULL {
            self.flush();
        }
        self.message.extend_from_slice(owner);
        // The question is about the zone, whose name ends all of ours.
        self.message.extend([0xc0, 12]);
        self.message.extend(rtype.to_int().to_be_bytes());
        self.message.extend(Class::IN.to_int().to_be_bytes());
        self.message.extend(ttl.to_be_bytes());
        self.message.extend(u16::try_from(data.len()).unwrap_or_default().to_be_bytes());
        self.message.extend_from_slice(data);
        self.count += 1;
        !self.messages.is_closed()
    }

    fn flush(&mut self) {
        if let Some(count) = self.message.get_mut(6..8) {
            count.copy_from_slice(&self.count.to_be_bytes());
        }
        let message = std::mem::replace(&mut self.message, self.begin.to_vec());
        self.count = 0;
        // A secondary that went away needs nothing.
        let _gone = self.messages.blocking_send(message);
    }
}

/// Writes what every message of an answer begins with.
fn begin(request: &Request<'_>, question: &Question<'_>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(FULL + 512);
    bytes.extend(request.bytes.get(..2).unwrap_or(&[0, 0]));
    // An authoritative response; one question, nothing else yet.
    bytes.extend([0x84, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    bytes.truncate(HEADER);
    bytes.extend_from_slice(question.bytes);
    bytes
}

/// When a message is full: well below what pointers and lengths can say.
const FULL: usize = 15_000;

#[cfg(test)]
mod tests;
