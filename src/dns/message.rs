//! The two requests a client makes, and the reading of their answers. Pure: bytes in, bytes out.
//!
//! Every message here is small on purpose: it may be the first packet over a slow line. Refuses to read an answer that
//! does not belong to its request.

use std::net::IpAddr;

use domain::base::iana::{Class, Opcode, Rcode, Rtype};
use domain::base::message_builder::{AuthorityBuilder, PushError};
use domain::base::{Message, MessageBuilder, Name, StaticCompressor, Ttl, UnknownRecordData};
use domain::rdata::{A, Aaaa, Txt};

use super::name;
use crate::record::{HostName, SignedRecord};

/// The UDP payload size we offer and accept: what passes everywhere unfragmented (RFC 9715).
pub const UDP_PAYLOAD: u16 = 1232;

/// The longest time to live of anything about a host, in seconds: what a wake may have to wait for in somebody's cache.
pub const LONGEST_TTL: u32 = 60;

/// Writes the query for a name's records of one type.
#[must_use]
pub fn query(id: u16, name: &Name<Vec<u8>>, rtype: Rtype) -> Vec<u8> {
    let built: Result<_, PushError> = (|| {
        let mut builder = builder(id);
        builder.header_mut().set_rd(true);
        let mut question = builder.question();
        question.push((name, rtype))?;
        let mut additional = question.additional();
        additional.opt(|opt| {
            opt.set_udp_payload_size(UDP_PAYLOAD);
            Ok(())
        })?;
        Ok(additional.finish().into_target())
    })();
    built.unwrap_or_default()
}

/// Writes the update, not yet signed, that puts a host's record in place of the one before (RFC 2136 section 2).
///
/// It deletes the host's A, AAAA and statement, and adds those of the record: what every RFC 2136 server understands.
#[must_use]
pub fn update(id: u16, zone: &HostName, signed: &SignedRecord) -> Vec<u8> {
    let record = signed.record();
    let ttl = Ttl::from_secs(record.lease().min(LONGEST_TTL));
    let host = name::of_host(record.host());
    let statement = name::of_statement(record.host());
    let built: Result<_, PushError> = (|| {
        let mut builder = builder(id);
        builder.header_mut().set_opcode(Opcode::UPDATE);
        let mut zones = builder.question();
        zones.push((name::of_host(zone), Rtype::SOA))?;
        let mut updates = zones.authority();
        delete(&mut updates, &host, Rtype::A)?;
        delete(&mut updates, &host, Rtype::AAAA)?;
        for address in record.addresses() {
            match address {
                IpAddr::V4(address) => updates.push((&host, Class::IN, ttl, A::new(*address)))?,
                IpAddr::V6(address) => updates.push((&host, Class::IN, ttl, Aaaa::new(*address)))?,
            }
        }
        delete(&mut updates, &statement, Rtype::TXT)?;
        let text =
            Txt::<Vec<u8>>::build_from_slice(signed.to_string().as_bytes()).map_err(|_long| PushError::ShortBuf)?;
        updates.push((&statement, Class::IN, ttl, text))?;
        Ok(updates.finish().into_target())
    })();
    built.unwrap_or_default()
}

/// Tells whether a datagram answers a request: same identifier, same operation, same question in any case.
#[must_use]
pub fn answers(datagram: &[u8], request: &[u8]) -> bool {
    let (Ok(answer), Ok(request)) = (Message::from_octets(datagram), Message::from_octets(request)) else {
        return false;
    };
    let (theirs, ours) = (answer.header(), request.header());
    if !theirs.qr() || theirs.id() != ours.id() || theirs.opcode() != ours.opcode() {
        return false;
    }
    // A server may leave the question out of an error or of the answer to an update (RFC 2136 section 3.8).
    let may_omit = theirs.opcode() == Opcode::UPDATE || theirs.rcode() != Rcode::NOERROR;
    if answer.header_counts().qdcount() == 0 {
        return may_omit;
    }
    match (answer.sole_question(), request.sole_question()) {
        (Ok(theirs), Ok(ours)) => theirs == ours,
        _ => false,
    }
}

/// Tells whether an answer was cut short to fit its datagram.
#[must_use]
pub fn is_truncated(answer: &[u8]) -> bool {
    Message::from_octets(answer).is_ok_and(|answer| answer.header().tc())
}

/// What an answer about a host's statement says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// The newest statement among those that can be read.
    Statement(Box<SignedRecord>),
    /// There is text, but none that can be read as a statement.
    Unreadable,
    /// The name exists and has no statement.
    NoData,
    /// The name does not exist.
    NoName,
    /// The server refuses or fails, with this response code.
    Failed(Rcode),
    /// The answer cannot be read.
    Garbled,
}

/// Reads the answer to the query for a host's statement, or for any other of its records.
#[must_use]
pub fn read(answer: &[u8], host: &HostName) -> Reading {
    read_records(answer, host).unwrap_or(Reading::Garbled)
}

/// Reads the plain addresses in an answer, which nobody signed; `None` for an answer that tells nothing.
#[must_use]
pub fn read_addresses(answer: &[u8]) -> Option<Vec<IpAddr>> {
    let message = Message::from_octets(answer).ok()?;
    if !matches!(message.header().rcode(), Rcode::NOERROR | Rcode::NXDOMAIN) {
        return None;
    }
    let mut found: Vec<IpAddr> = Vec::new();
    for address in message.answer().ok()?.limit_to_in::<A>() {
        found.push(address.ok()?.data().addr().into());
    }
    for address in message.answer().ok()?.limit_to_in::<Aaaa>() {
        found.push(address.ok()?.data().addr().into());
    }
    Some(found)
}

fn read_records(answer: &[u8], host: &HostName) -> Option<Reading> {
    let message = Message::from_octets(answer).ok()?;
    match message.header().rcode() {
        Rcode::NOERROR => {}
        Rcode::NXDOMAIN => return Some(Reading::NoName),
        other => return Some(Reading::Failed(other)),
    }
    let (mut newest, mut unreadable) = (None::<SignedRecord>, false);
    for text in message.answer().ok()?.limit_to_in::<Txt<_>>() {
        let text: Vec<u8> = text.ok()?.data().try_text().ok()?;
        let parsed = std::str::from_utf8(&text).ok().and_then(|text| SignedRecord::parse(host, text).ok());
        match parsed {
            Some(signed) if newest.as_ref().is_none_or(|best| best.record().seq() < signed.record().seq()) => {
                newest = Some(signed);
            }
            Some(_) => {}
            None => unreadable = true,
        }
    }
    Some(match newest {
        Some(signed) => Reading::Statement(Box::new(signed)),
        None if unreadable => Reading::Unreadable,
        None => Reading::NoData,
    })
}

fn builder(id: u16) -> MessageBuilder<StaticCompressor<Vec<u8>>> {
    let mut builder = match MessageBuilder::from_target(StaticCompressor::new(Vec::with_capacity(512))) {
        Ok(builder) => builder,
        Err(never) => match never {},
    };
    builder.header_mut().set_id(id);
    builder
}

/// Deletes an RRset (RFC 2136 section 2.5.2).
fn delete(
    updates: &mut AuthorityBuilder<StaticCompressor<Vec<u8>>>,
    owner: &Name<Vec<u8>>,
    rtype: Rtype,
) -> Result<(), PushError> {
    let nothing = UnknownRecordData::from_octets(rtype, &[][..]).map_err(|_long| PushError::ShortBuf)?;
    updates.push((owner, Class::ANY, Ttl::ZERO, nothing))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dns::tsig::{Algorithm, TsigKey, sign_request};
    use crate::record::{Identity, Record, Seq};
    use crate::secret::Secret;

    fn host() -> HostName {
        "home.dyn.test".parse().unwrap()
    }

    fn signed(addresses: &[&str]) -> SignedRecord {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        let record = Record::online(host(), addresses, Seq::new(17).unwrap(), 1_789_000_000, 3600).unwrap();
        SignedRecord::sign(record, &Identity::generate().unwrap())
    }

    fn statement_answer(request: &[u8], texts: &[String]) -> Vec<u8> {
        let request = Message::from_octets(request).unwrap();
        let mut answer = MessageBuilder::new_vec().start_answer(&request, Rcode::NOERROR).unwrap();
        for text in texts {
            let text = Txt::<Vec<u8>>::build_from_slice(text.as_bytes()).unwrap();
            answer.push((name::of_statement(&host()), 60, text)).unwrap();
        }
        answer.finish()
    }

    #[test]
    fn a_signed_registration_is_one_small_datagram() {
        let zone: HostName = "dyn.test".parse().unwrap();
        let mut message = update(7, &zone, &signed(&["203.0.113.9"]));
        let key = TsigKey::new("home", Algorithm::HmacSha256, &Secret::new(b"AAAA".to_vec())).unwrap();
        let _mac = sign_request(&mut message, &key, 1_789_000_000);
        assert!(message.len() <= 400, "{} bytes", message.len());
    }

    #[test]
    fn an_answer_must_belong_to_its_request() {
        let request = query(7, &name::of_statement(&host()), Rtype::TXT);
        let fine = statement_answer(&request, &[]);
        assert!(answers(&fine, &request));
        assert!(!answers(&request, &request), "a question is no answer");
        let stranger = query(7, &name::of_statement(&"away.dyn.test".parse().unwrap()), Rtype::TXT);
        assert!(!answers(&statement_answer(&stranger, &[]), &request));
        let other_id = query(8, &name::of_statement(&host()), Rtype::TXT);
        assert!(!answers(&statement_answer(&other_id, &[]), &request));
    }

    #[test]
    fn the_newest_readable_statement_counts() {
        let request = query(7, &name::of_statement(&host()), Rtype::TXT);
        let identity = Identity::generate().unwrap();
        let at = |seq| SignedRecord::sign(Record::asleep(host(), Seq::new(seq).unwrap(), 0, 60).unwrap(), &identity);
        let texts = ["v=spf1 -all".to_owned(), at(9).to_string(), at(11).to_string(), at(10).to_string()];
        assert_eq!(read(&statement_answer(&request, &texts), &host()), Reading::Statement(Box::new(at(11))));
        assert_eq!(read(&statement_answer(&request, &texts[..1]), &host()), Reading::Unreadable);
        assert_eq!(read(&statement_answer(&request, &[]), &host()), Reading::NoData);
        assert_eq!(read(&[1, 2, 3], &host()), Reading::Garbled);
    }

    #[test]
    fn a_statement_longer_than_one_string_survives() {
        let request = query(7, &name::of_statement(&host()), Rtype::TXT);
        let addresses: Vec<String> =
            (0..8).map(|last| format!("2001:db8:1234:5678:9abc:def0:1234:567{last}")).collect();
        let long = signed(&addresses.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(long.to_string().len() > 255);
        let answer = statement_answer(&request, &[long.to_string()]);
        assert_eq!(read(&answer, &host()), Reading::Statement(Box::new(long)));
    }

    proptest! {
        #[test]
        fn no_answer_panics(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let request = query(7, &name::of_statement(&host()), Rtype::TXT);
            let _unused = (answers(&bytes, &request), is_truncated(&bytes), read(&bytes, &host()));
        }

        #[test]
        fn no_damaged_answer_panics(at in 0usize..100, to: u8) {
            let request = query(7, &name::of_statement(&host()), Rtype::TXT);
            let mut bytes = statement_answer(&request, &[signed(&["203.0.113.9"]).to_string()]);
            bytes[at] = to;
            let _unused = (answers(&bytes, &request), is_truncated(&bytes), read(&bytes, &host()));
        }
    }
}
