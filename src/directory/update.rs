//! Dynamic updates on the wire (RFC 2136 section 3): from bytes to a [`Change`], and from its outcome to an answer.
//!
//! Pure. Authenticates before it looks at anything else, so that nobody without a key learns what the zone holds, and
//! answers the unsigned with as few bytes as they sent.

use std::collections::BTreeSet;
use std::net::IpAddr;

use domain::base::iana::{Class, Opcode, Rcode, Rtype};
use domain::base::name::ToName;
use domain::base::{Message, Name, ParsedRecord, Ttl};
use domain::rdata::{A, Aaaa, AllRecordData, Txt};

use super::answer::failure;
use super::book::{Change, Condition, Prerequisite, Refusal, Step, Wanted};
use super::zone::{Fence, Zone, canonical};
use crate::dns::tsig::{self, Rejected, Signed};
use crate::dns::{TsigKey, name};
use crate::record::HostName;

/// What a message with the operation UPDATE comes to.
#[derive(Debug)]
pub(super) enum Received {
    /// It is answered at once.
    Answer(Vec<u8>),
    /// It is for the book to decide.
    Change(Box<Pending>),
    /// It gets no answer.
    Nothing,
}

/// An authenticated update that waits for its outcome.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) change: Change,
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

/// Tells whether a message is for this module.
pub(super) fn is_update(message: &[u8]) -> bool {
    Message::from_octets(message).is_ok_and(|message| message.header().opcode() == Opcode::UPDATE)
}

/// Authenticates and reads an update at a time in Unix seconds.
pub(super) fn receive(bytes: &[u8], zone: &Zone, now: u64) -> Received {
    let fail = |rcode| failure(bytes, rcode).map_or(Received::Nothing, Received::Answer);
    let signed = match tsig::take_off(bytes) {
        Ok(Some(signed)) => signed,
        Ok(None) => return fail(Rcode::REFUSED),
        Err(tsig::Malformed) => return fail(Rcode::FORMERR),
    };
    let unauthenticated = |error| {
        let answer = failure(bytes, Rcode::NOTAUTH).map(|mut answer| {
            tsig::append_unsigned(&mut answer, &signed.tsig, error);
            answer
        });
        answer.map_or(Received::Nothing, Received::Answer)
    };
    let known = zone.key_of(&signed.tsig);
    let key = match tsig::check_request(&signed, known.as_slice(), now) {
        Ok(key) => key.clone(),
        Err(Rejected::BadKey) => return unauthenticated(tsig::Error::BadKey),
        Err(Rejected::BadSig) => return unauthenticated(tsig::Error::BadSig),
        Err(Rejected::BadTime(key)) => {
            return bad_time(&signed, key, now).map_or(Received::Nothing, Received::Answer);
        }
    };
    let Ok(message) = Message::from_octets(signed.message.as_slice()) else { return Received::Nothing };
    if let Err(rcode) = check_zone(message, zone) {
        let answer = failure(&signed.message, rcode).map(|mut answer| {
            tsig::sign_answer(&mut answer, &key, signed.tsig.mac(), now);
            answer
        });
        return answer.map_or(Received::Nothing, Received::Answer);
    }
    let change = Change {
        by: key.name().to_owned(),
        fence: Some(Fence { time_signed: signed.tsig.time_signed(), mac: signed.tsig.mac().as_bytes().to_vec() }),
        uncertified: None,
        prerequisites: read_prerequisites(message),
        wanted: read_updates(message, zone),
    };
    Received::Change(Box::new(Pending { change, request: signed, key }))
}

impl Pending {
    /// Writes the signed answer that tells how the change ended; `None` where there is nobody to tell.
    pub(super) fn answer(&self, outcome: &Outcome, now: u64) -> Option<Vec<u8>> {
        let rcode = match outcome {
            Outcome::Done => Rcode::NOERROR,
            Outcome::Failed => Rcode::SERVFAIL,
            // The later of the two times is one that the client's next signature is accepted with.
            Outcome::Refused(Refusal::Replayed { last }) => return bad_time(&self.request, &self.key, now.max(*last)),
            Outcome::Refused(refusal) => rcode_of(refusal),
        };
        let mut answer = failure(&self.request.message, rcode)?;
        tsig::sign_answer(&mut answer, &self.key, self.request.tsig.mac(), now);
        Some(answer)
    }
}

/// The one map from refusals to response codes (RFC 2136 section 2.2).
fn rcode_of(refusal: &Refusal) -> Rcode {
    match refusal {
        Refusal::Malformed => Rcode::FORMERR,
        Refusal::OutsideZone => Rcode::NOTZONE,
        Refusal::NameMissing => Rcode::NXDOMAIN,
        Refusal::NamePresent => Rcode::YXDOMAIN,
        Refusal::RecordsMissing => Rcode::NXRRSET,
        Refusal::RecordsPresent => Rcode::YXRRSET,
        // "Some RRset that ought not to exist, does exist": the newer statement.
        Refusal::Stale { .. } => Rcode::YXRRSET,
        Refusal::Replayed { .. } => Rcode::NOTAUTH,
        Refusal::NotBound
        | Refusal::SeveralHosts
        | Refusal::OtherRecords
        | Refusal::EnrolmentOver
        | Refusal::NoStatement
        | Refusal::Record(_)
        | Refusal::Statement(_)
        | Refusal::Unverified(_)
        | Refusal::AddressesDiffer => Rcode::REFUSED,
    }
}

fn bad_time(request: &Signed, key: &TsigKey, server_time: u64) -> Option<Vec<u8>> {
    let mut answer = failure(&request.message, Rcode::NOTAUTH)?;
    tsig::sign_bad_time(&mut answer, key, &request.tsig, server_time);
    Some(answer)
}

/// Checks the zone section (RFC 2136 section 3.1).
fn check_zone(message: Message<&[u8]>, zone: &Zone) -> Result<(), Rcode> {
    let named = message.sole_question().map_err(|_several| Rcode::FORMERR)?;
    if named.qtype() != Rtype::SOA {
        return Err(Rcode::FORMERR);
    }
    if named.qclass() == Class::IN && *named.qname() == zone.apex_name { Ok(()) } else { Err(Rcode::NOTAUTH) }
}

/// Reads the prerequisite section (RFC 2136 section 3.2).
fn read_prerequisites(message: Message<&[u8]>) -> Result<Vec<Prerequisite>, Refusal> {
    let mut prerequisites: Vec<Prerequisite> = Vec::new();
    for record in message.answer().map_err(|_parse| Refusal::Malformed)? {
        let record = record.map_err(|_parse| Refusal::Malformed)?;
        let (owner, rtype): (Name<Vec<u8>>, _) = (record.owner().to_name(), record.rtype());
        if record.ttl() != Ttl::ZERO {
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
    Ok(prerequisites)
}

/// Reads the update section and scans it for what no update may hold (RFC 2136 section 3.4.1).
fn read_updates(message: Message<&[u8]>, zone: &Zone) -> Result<Option<Wanted>, Refusal> {
    let mut wanted: Option<Wanted> = None;
    let mut refusal = None;
    for record in message.authority().map_err(|_parse| Refusal::Malformed)? {
        let record = record.map_err(|_parse| Refusal::Malformed)?;
        if !record.owner().ends_with(&zone.apex_name) {
            return Err(Refusal::OutsideZone);
        }
        match read_update(&record)? {
            Some((host, step)) => match &mut wanted {
                None => wanted = Some(Wanted { host, steps: vec![step] }),
                Some(wanted) if wanted.host == host => wanted.steps.push(step),
                Some(_) => refusal = Some(Refusal::SeveralHosts),
            },
            None => refusal = Some(Refusal::OtherRecords),
        }
    }
    // The scan goes to the end first: a malformed update is malformed, whoever sent it.
    refusal.map_or(Ok(wanted), Err)
}

/// Reads one record of the update section; `None` for what hosts here do not have.
fn read_update(record: &ParsedRecord<'_, &[u8]>) -> Result<Option<(HostName, Step)>, Refusal> {
    let (class, rtype) = (record.class(), record.rtype());
    let is_meta = matches!(rtype.to_int(), 128..=255) || rtype == Rtype::OPT;
    let is_fine = match class {
        Class::IN => !is_meta,
        Class::ANY => record.ttl() == Ttl::ZERO && record.rdlen() == 0 && (!is_meta || rtype == Rtype::ANY),
        Class::NONE => record.ttl() == Ttl::ZERO && !is_meta,
        _ => false,
    };
    if !is_fine {
        return Err(Refusal::Malformed);
    }
    let owner = record.owner();
    if let Some(host) = name::to_statement_host(&owner) {
        let step = match (class, rtype) {
            (Class::IN, Rtype::TXT) => Step::AddStatement(read_text(record)?),
            (Class::ANY | Class::NONE, Rtype::TXT) | (Class::ANY, Rtype::ANY) => Step::DeleteStatement,
            (_, _) => return Ok(None),
        };
        return Ok(Some((host, step)));
    }
    let Some(host) = name::to_host(&owner) else { return Ok(None) };
    let step = match (class, rtype) {
        (Class::IN, Rtype::A | Rtype::AAAA) => Step::AddAddress(read_address(record)?),
        (Class::NONE, Rtype::A | Rtype::AAAA) => Step::DeleteAddress(read_address(record)?),
        (Class::ANY, Rtype::A | Rtype::AAAA | Rtype::ANY) => Step::DeleteAddresses(rtype),
        (_, _) => return Ok(None),
    };
    Ok(Some((host, step)))
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

#[cfg(test)]
mod tests;
