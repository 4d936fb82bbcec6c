//! Authoritative answers to queries. Pure: a query and a view of the zone in, a message out.
//!
//! Refuses other people's zones, classes but IN, transfers over UDP and recursion, and answers ANY with one RRset
//! (RFC 8482). No wildcards: a name that nobody registered does not exist.

use domain::base::iana::Rtype;

use super::request::{HEADER, Question, Request};
use super::zone::{Place, SLEEPING_TTL, View};
use crate::dns::message::UDP_PAYLOAD;

/// How an answer travels, which limits its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Tcp,
    Udp,
}

/// A response code (RFC 1035 section 4.1.1, RFC 2136 section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Code(pub(super) u8);

impl Code {
    pub(super) const NOERROR: Self = Self(0);
    pub(super) const FORMERR: Self = Self(1);
    pub(super) const NXDOMAIN: Self = Self(3);
    pub(super) const NOTIMP: Self = Self(4);
    pub(super) const REFUSED: Self = Self(5);
}

/// Answers a request that is no update, at a time in Unix seconds, into `out`, leaving room for `reserved` bytes.
pub(super) fn answer(
    request: &Request<'_>,
    view: &View<'_>,
    now: u64,
    transport: Transport,
    reserved: usize,
    out: &mut Vec<u8>,
) {
    let edns_length = if request.edns.is_some() { OPT_LENGTH } else { 0 };
    let limit = match transport {
        Transport::Tcp => usize::from(u16::MAX),
        Transport::Udp => request.edns.map_or(SMALLEST, |edns| edns.payload.clamp(SMALLEST, UDP_PAYLOAD)).into(),
    };
    let mut answer = Answer { request, limit: limit.saturating_sub(edns_length + reserved), out, counts: [0; 2] };
    answer.begin();
    match (request.opcode, &request.question) {
        _ if request.is_garbled => answer.set_code(Code::FORMERR),
        (QUERY, Some(_)) if request.edns.is_some_and(|edns| edns.version != 0) => return answer.finish(BADVERS),
        (QUERY, Some(question)) => find(&mut answer, view, question, now, transport),
        (QUERY, None) => answer.set_code(Code::FORMERR),
        (_, _) => answer.set_code(Code::NOTIMP),
    }
    answer.finish(0);
}

/// Writes the shortest answer with a response code.
pub(super) fn failure(request: &Request<'_>, code: Code, out: &mut Vec<u8>) {
    let mut answer = Answer { request, limit: usize::from(u16::MAX), out, counts: [0; 2] };
    answer.begin();
    answer.set_code(code);
    answer.finish(0);
}

/// Writes the answer that sends a client to TCP, no longer than its query.
pub(super) fn over_tcp(request: &Request<'_>, out: &mut Vec<u8>) {
    let mut answer = Answer { request, limit: usize::from(u16::MAX), out, counts: [0; 2] };
    answer.begin();
    answer.truncate();
    answer.finish(0);
}

fn find(answer: &mut Answer<'_, '_>, view: &View<'_>, question: &Question<'_>, now: u64, transport: Transport) {
    let place = view.place(question.name.as_slice());
    if matches!(place, Place::Outside) || question.class != IN {
        return answer.set_code(Code::REFUSED);
    }
    let mut rtype = question.rtype;
    match rtype {
        // What has changed does not fit; over TCP it will (RFC 1995 section 2).
        Rtype::IXFR if transport == Transport::Udp => rtype = Rtype::SOA,
        Rtype::AXFR | Rtype::IXFR => return answer.set_code(Code::REFUSED),
        Rtype::OPT => return answer.set_code(Code::FORMERR),
        _ if is_meta(rtype) => return answer.set_code(Code::NOTIMP),
        _ => {}
    }
    answer.set_authoritative();
    if matches!(place, Place::Missing) {
        answer.set_code(Code::NXDOMAIN);
    }
    let mut chosen = None;
    view.records(place, rtype, now, &mut |rtype, ttl, data| {
        if *chosen.get_or_insert(rtype) == rtype {
            answer.push(Section::Answer, QNAME, rtype, ttl, data);
        }
    });
    if chosen.is_none() {
        answer.push(Section::Authority, apex_of(question, view), Rtype::SOA, SLEEPING_TTL, &view.soa());
    }
}

/// Types that are questions and never data (RFC 6895 section 3.1), but ANY.
pub(super) fn is_meta(rtype: Rtype) -> bool {
    rtype == Rtype::OPT || (matches!(rtype.to_int(), 128..=255) && rtype != Rtype::ANY)
}

/// The zone's name is the end of the question's.
fn apex_of(question: &Question<'_>, view: &View<'_>) -> u16 {
    let before = question.name.as_slice().len().saturating_sub(view.zone.apex_wire.len());
    QNAME.saturating_add(u16::try_from(before).unwrap_or_default())
}

#[derive(Clone, Copy)]
enum Section {
    Answer,
    Authority,
}

/// A message in the making.
struct Answer<'a, 'm> {
    request: &'a Request<'m>,
    limit: usize,
    out: &'a mut Vec<u8>,
    /// Records in the answer and authority sections.
    counts: [u16; 2],
}

impl Answer<'_, '_> {
    fn begin(&mut self) {
        self.out.clear();
        let [id0, id1, flags, ..] = self.request.bytes.first_chunk::<HEADER>().copied().unwrap_or_default();
        let questions = u8::from(self.request.question.is_some());
        // Recursion is not available; whether it was desired is repeated.
        self.out.extend([id0, id1, RESPONSE | (flags & (OPCODE | RECURSION_DESIRED)), 0, 0, questions]);
        self.out.extend([0; 6]);
        if let Some(question) = &self.request.question {
            self.out.extend_from_slice(question.bytes);
        }
    }

    fn set_code(&mut self, Code(code): Code) {
        self.flag(3, code);
    }

    fn set_authoritative(&mut self) {
        self.flag(2, AUTHORITATIVE);
    }

    fn flag(&mut self, at: usize, bits: u8) {
        if let Some(byte) = self.out.get_mut(at) {
            *byte |= bits;
        }
    }

    fn is_truncated(&self) -> bool {
        self.out.get(2).is_some_and(|flags| flags & TRUNCATED != 0)
    }

    /// What does not fit goes over TCP, all of it (RFC 2181 section 9).
    fn truncate(&mut self) {
        self.flag(2, TRUNCATED);
        self.counts = [0; 2];
        self.out.truncate(HEADER + self.request.question.map_or(0, |question| question.bytes.len()));
    }

    fn push(&mut self, section: Section, owner: u16, rtype: Rtype, ttl: u32, data: &[u8]) {
        if self.is_truncated() {
            return;
        }
        if self.out.len() + RECORD_LENGTH + data.len() > self.limit {
            return self.truncate();
        }
        self.out.extend((POINTER | owner).to_be_bytes());
        self.out.extend(rtype.to_int().to_be_bytes());
        self.out.extend(IN.to_be_bytes());
        self.out.extend(ttl.to_be_bytes());
        self.out.extend(u16::try_from(data.len()).unwrap_or_default().to_be_bytes());
        self.out.extend_from_slice(data);
        let [answers, authorities] = &mut self.counts;
        match section {
            Section::Answer => *answers += 1,
            Section::Authority => *authorities += 1,
        }
    }

    fn finish(self, extended_code: u8) {
        let [[a0, a1], [b0, b1]] = self.counts.map(u16::to_be_bytes);
        let additional = u8::from(self.request.edns.is_some());
        if let Some(counts) = self.out.get_mut(6..HEADER) {
            counts.copy_from_slice(&[a0, a1, b0, b1, 0, additional]);
        }
        if let Some(edns) = self.request.edns {
            let [size0, size1] = UDP_PAYLOAD.to_be_bytes();
            let flags = if edns.dnssec_ok { 128 } else { 0 };
            self.out.extend([0, 0, 41, size0, size1, extended_code, 0, flags, 0, 0, 0]);
        }
    }
}

const QUERY: u8 = 0;
pub(super) const UPDATE: u8 = 5;
const IN: u16 = 1;
/// Where the question's name stands, and a pointer to a place (RFC 1035 section 4.1.4).
const QNAME: u16 = 12;
const POINTER: u16 = 0xc000;
/// A record's octets beside its data, with its owner as a pointer.
const RECORD_LENGTH: usize = 12;
const RESPONSE: u8 = 128;
const OPCODE: u8 = 0x78;
const AUTHORITATIVE: u8 = 4;
const TRUNCATED: u8 = 2;
const RECURSION_DESIRED: u8 = 1;
/// The upper bits of BADVERS, 16 (RFC 6891 section 6.1.3).
const BADVERS: u8 = 1;
/// What every resolver takes (RFC 1035 section 2.3.4).
const SMALLEST: u16 = 512;
/// The length of an OPT record without options (RFC 6891 section 6.1.2).
const OPT_LENGTH: usize = 11;

#[cfg(test)]
mod tests;
