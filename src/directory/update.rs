//! Dynamic updates on the wire (RFC 2136 section 3): from bytes to a [`Change`], and from its outcome to an answer.
//!
//! Pure. Authenticates before it looks at anything else, so that nobody without a key learns what the zone holds, and
//! answers the unsigned with as few bytes as they sent.

use std::collections::BTreeSet;
use std::net::IpAddr;

use domain::base::iana::{Class, Rtype};
use domain::base::name::ToName;
use domain::base::rdata::ComposeRecordData;
use domain::base::{Message, ParsedRecord, Ttl};
use domain::rdata::{A, Aaaa, AllRecordData, Txt};

use super::answer::{Code, failure, is_meta};
use super::authentication::{Unauthenticated, authenticate, bad_time};
use super::book::{Change, Condition, MOST_HOSTS, Prerequisite, Refusal, Step, Wanted};
use super::entry::{Certified, Fence};
use super::request::Request;
use super::zone::{Zone, wire};
use crate::dns::TsigKey;
use crate::dns::name::{self, Part};
use crate::dns::tsig::{self, Signed};
use crate::record::HostName;

/// What a message with the operation UPDATE comes to.
#[derive(Debug)]
pub(super) enum Received {
    /// It was not signed as it should be, or at all.
    Unauthenticated(Box<Unauthenticated>),
    /// It is answered at once.
    Answer(Vec<u8>),
    /// It is for the book to decide.
    Change(Box<Pending>),
}

/// An authenticated update that waits for its outcome.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) change: Change,
    pub(super) asker: Asker,
}

/// Who gets the answer to an update, signed.
#[derive(Debug)]
pub(super) struct Asker {
    request: Signed,
    key: TsigKey,
}

/// How a change ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is on the disk, or was before.
    Done,
    /// It is refused.
    Refused(Refusal),
    /// It could not be stored.
    Failed,
}

/// Authenticates and reads an update at a time in Unix seconds.
pub(super) fn receive(request: &Request<'_>, zone: &Zone, now: u64) -> Received {
    let (signed, key) = match authenticate(request, zone, now) {
        Ok(authenticated) => authenticated,
        Err(failed) => return Received::Unauthenticated(failed),
    };
    let Some(outline) = Request::read(&signed.message) else { return Received::Answer(Vec::new()) };
    let Ok(message) = Message::from_octets(signed.message.as_slice()) else { return Received::Answer(Vec::new()) };
    if let Err(code) = check_zone(&outline, zone) {
        return Received::Answer(signed_failure(&outline, code, &signed, &key, now));
    }
    let mut change = Change::of(key.shared_name(), Vec::new());
    change.fence = Some(Fence::new(signed.tsig.time_signed(), signed.tsig.mac().as_bytes()));
    change.premise = read_prerequisites(message, &mut change.prerequisites);
    change.form = read_updates(message, zone, &mut change.wanted);
    Received::Change(Box::new(Pending { change, asker: Asker { request: signed, key } }))
}

impl Asker {
    /// Writes the signed answer that tells how the change ended.
    pub(super) fn answer(&self, outcome: &Outcome, now: u64) -> Vec<u8> {
        let code = match outcome {
            Outcome::Done => Code::NOERROR,
            Outcome::Failed => SERVFAIL,
            // The later of the two times is one that the client's next signature is accepted with.
            Outcome::Refused(Refusal::Replayed { last }) => return bad_time(&self.request, &self.key, now.max(*last)),
            Outcome::Refused(refusal) => code_of(refusal),
        };
        Request::read(&self.request.message)
            .map(|outline| signed_failure(&outline, code, &self.request, &self.key, now))
            .unwrap_or_default()
    }
}

fn signed_failure(outline: &Request<'_>, code: Code, signed: &Signed, key: &TsigKey, now: u64) -> Vec<u8> {
    let mut answer = Vec::with_capacity(192);
    failure(outline, code, &mut answer);
    tsig::sign_answer(&mut answer, key, signed.tsig.mac(), now);
    answer
}

/// The one map from refusals to response codes (RFC 2136 section 2.2).
fn code_of(refusal: &Refusal) -> Code {
    match refusal {
        Refusal::Malformed => Code::FORMERR,
        Refusal::OutsideZone => NOTZONE,
        Refusal::NameMissing => Code::NXDOMAIN,
        Refusal::NamePresent => YXDOMAIN,
        Refusal::RecordsMissing => NXRRSET,
        Refusal::RecordsPresent => YXRRSET,
        // "Some RRset that ought not to exist, does exist": the newer statement.
        Refusal::Stale { .. } => YXRRSET,
        Refusal::Replayed { .. } => NOTAUTH,
        // It passes: the client asks again.
        Refusal::TooOften { .. } => SERVFAIL,
        Refusal::NotBound
        | Refusal::TooManyHosts
        | Refusal::OtherRecords
        | Refusal::EnrolmentOver
        | Refusal::Record(_)
        | Refusal::NoStatement
        | Refusal::Statement(_)
        | Refusal::Unverified(_)
        | Refusal::AddressesDiffer => Code::REFUSED,
    }
}

/// Checks the zone section (RFC 2136 section 3.1).
fn check_zone(outline: &Request<'_>, zone: &Zone) -> Result<(), Code> {
    let named = outline.question.filter(|_| !outline.is_garbled).ok_or(Code::FORMERR)?;
    if named.rtype != Rtype::SOA {
        return Err(Code::FORMERR);
    }
    let is_ours = named.class == Class::IN.to_int() && named.name.as_slice() == zone.apex_wire;
    if is_ours { Ok(()) } else { Err(NOTAUTH) }
}

/// Reads the prerequisite section up to its end, or to where it cannot be read (RFC 2136 section 3.2).
fn read_prerequisites(message: Message<&[u8]>, prerequisites: &mut Vec<Prerequisite>) -> Result<(), Refusal> {
    for record in message.answer().map_err(|_parse| Refusal::Malformed)? {
        let record = record.map_err(|_parse| Refusal::Malformed)?;
        let (owner, rtype) = (lowered(&record.owner()), record.rtype());
        if record.ttl() != Ttl::ZERO {
            return Err(Refusal::Malformed);
        }
        if is_meta(rtype) || (rtype == Rtype::ANY && record.class() == Class::IN) {
            return Err(Refusal::Malformed);
        }
        let condition = match (record.class(), rtype) {
            (Class::ANY | Class::NONE, _) if record.rdlen() != 0 => return Err(Refusal::Malformed),
            (Class::ANY, Rtype::ANY) => Condition::NameInUse,
            (Class::NONE, Rtype::ANY) => Condition::NameNotInUse,
            (Class::ANY, rtype) => Condition::Exists(rtype),
            (Class::NONE, rtype) => Condition::Absent(rtype),
            (Class::IN, rtype) => {
                let data = record.to_any_record::<AllRecordData<_, _>>().map_err(|_parse| Refusal::Malformed)?;
                let data = canonical(data.data());
                // Records of one RRset are one condition together.
                let same = prerequisites.iter_mut().find_map(|earlier| match &mut earlier.condition {
                    Condition::Equals(other, set) if *other == rtype && earlier.owner == owner => Some(set),
                    Condition::Equals(..)
                    | Condition::NameInUse
                    | Condition::NameNotInUse
                    | Condition::Exists(_)
                    | Condition::Absent(_) => None,
                });
                if let Some(set) = same {
                    set.insert(data);
                    continue;
                }
                Condition::Equals(rtype, BTreeSet::from([data]))
            }
            (_, _) => return Err(Refusal::Malformed),
        };
        prerequisites.push(Prerequisite { owner, condition });
    }
    Ok(())
}

/// Reads the update section to its end, since every host in it must be the key's to change. Tells what it asks for that
/// nobody may, and then what no update may hold (RFC 2136 section 3.4.1).
fn read_updates(message: Message<&[u8]>, zone: &Zone, wanted: &mut Vec<Wanted>) -> Result<(), Refusal> {
    let (mut policy, mut form) = (Ok(()), Ok(()));
    for record in message.authority().map_err(|_parse| Refusal::Malformed)? {
        let Ok(record) = record else {
            form = form.and(Err(Refusal::Malformed));
            break;
        };
        let owner = record.owner();
        if wire::before(&lowered(&owner), &zone.apex_wire).is_none() {
            form = form.and(Err(Refusal::OutsideZone));
            continue;
        }
        let named = match name::read(&owner) {
            Some((host, part)) => {
                let Some(wanted) = wanted_of(wanted, host) else {
                    policy = policy.and(Err(Refusal::TooManyHosts));
                    continue;
                };
                Some((wanted, part))
            }
            None => None,
        };
        let read = read_update(&record, named.as_ref().map(|(wanted, part)| (&wanted.host, *part)));
        match read {
            Ok(Read::Step(step)) => named.into_iter().for_each(|(wanted, _)| wanted.steps.push(step.clone())),
            Ok(Read::Nothing) => {}
            Ok(Read::Other) => policy = policy.and(Err(Refusal::OtherRecords)),
            Err(refusal) => form = form.and(Err(refusal)),
        }
    }
    policy.and(form)
}

/// Finds what is wanted of a host, or begins with it; `None` where it is one host too many.
fn wanted_of(wanted: &mut Vec<Wanted>, host: HostName) -> Option<&mut Wanted> {
    let at = wanted.iter().position(|wanted| wanted.host == host).unwrap_or(wanted.len());
    if at == MOST_HOSTS {
        return None;
    }
    if at == wanted.len() {
        wanted.push(Wanted { host, steps: Vec::new() });
    }
    wanted.get_mut(at)
}

/// What a record of the update section comes to.
enum Read {
    Step(Step),
    /// Nothing: it deletes what hosts here do not have (RFC 2136 sections 3.4.2.3 and 3.4.2.4).
    Nothing,
    /// It adds what hosts here do not have, or is about a name that no host has.
    Other,
}

/// Reads one record of the update section, under a host's name if it has one.
fn read_update(record: &ParsedRecord<'_, &[u8]>, named: Option<(&HostName, Part)>) -> Result<Read, Refusal> {
    let (class, rtype) = (record.class(), record.rtype());
    let is_meta = is_meta(rtype) || rtype == Rtype::ANY;
    let is_fine = match class {
        Class::IN => !is_meta,
        Class::ANY => record.ttl() == Ttl::ZERO && record.rdlen() == 0 && (!is_meta || rtype == Rtype::ANY),
        Class::NONE => record.ttl() == Ttl::ZERO && !is_meta,
        _ => false,
    };
    if !is_fine {
        return Err(Refusal::Malformed);
    }
    let Some((host, part)) = named else { return Ok(Read::Other) };
    if part == Part::Statement {
        return Ok(match (class, rtype) {
            (Class::IN, Rtype::TXT) => Read::Step(Step::AddStatement(Certified::read(host, &read_text(record)?))),
            (Class::ANY | Class::NONE, Rtype::TXT) | (Class::ANY, Rtype::ANY) => Read::Step(Step::DeleteStatement),
            (Class::ANY | Class::NONE, _) => Read::Nothing,
            (_, _) => Read::Other,
        });
    }
    Ok(match (class, rtype) {
        (Class::IN, Rtype::A | Rtype::AAAA) => Read::Step(Step::AddAddress(read_address(record)?)),
        (Class::NONE, Rtype::A | Rtype::AAAA) => Read::Step(Step::DeleteAddress(read_address(record)?)),
        (Class::ANY, Rtype::A | Rtype::AAAA | Rtype::ANY) => Read::Step(Step::DeleteAddresses(rtype)),
        (Class::ANY | Class::NONE, _) => Read::Nothing,
        (_, _) => Read::Other,
    })
}

fn read_address(record: &ParsedRecord<'_, &[u8]>) -> Result<IpAddr, Refusal> {
    if let Ok(Some(v4)) = record.to_record::<A>() {
        return Ok(v4.data().addr().into());
    }
    match record.to_record::<Aaaa>() {
        Ok(Some(v6)) => Ok(v6.data().addr().into()),
        Ok(None) | Err(_) => Err(Refusal::Malformed),
    }
}

fn read_text(record: &ParsedRecord<'_, &[u8]>) -> Result<String, Refusal> {
    let Ok(Some(text)) = record.to_record::<Txt<_>>() else { return Err(Refusal::Malformed) };
    let text: Vec<u8> = text.data().try_text().map_err(|_append| Refusal::Malformed)?;
    // What is no text is no statement, and refused as such.
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Gives a name in lower case, without its root.
fn lowered<N: ToName>(name: &N) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64);
    for label in name.iter_labels().filter(|label| !label.is_root()) {
        bytes.push(u8::try_from(label.len()).unwrap_or_default());
        bytes.extend(label.as_slice().iter().map(u8::to_ascii_lowercase));
    }
    bytes
}

/// Gives record data in canonical form (RFC 4034 section 6.2).
fn canonical<D: ComposeRecordData>(data: &D) -> Vec<u8> {
    let mut bytes = Vec::new();
    match data.compose_canonical_rdata(&mut bytes) {
        Ok(()) => bytes,
        Err(never) => match never {},
    }
}

pub(super) const SERVFAIL: Code = Code(2);
const YXDOMAIN: Code = Code(6);
const YXRRSET: Code = Code(7);
const NXRRSET: Code = Code(8);
pub(super) const NOTAUTH: Code = Code(9);
const NOTZONE: Code = Code(10);

#[cfg(test)]
mod tests;
