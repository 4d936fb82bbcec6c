//! Authoritative answers to queries. Pure: a query and a view of the zone in, a message out.
//!
//! Refuses other people's zones, zone transfer and recursion, and answers ANY with one RRset (RFC 8482).

use domain::base::iana::{Class, Opcode, OptRcode, Rcode, Rtype};
use domain::base::message_builder::{AdditionalBuilder, PushError};
use domain::base::{Message, MessageBuilder, ParsedName, Question, StaticCompressor, Ttl};
use domain::rdata::{A, Aaaa};

use super::zone::{Data, Place, View, text};
use crate::dns::message::UDP_PAYLOAD;

/// How an answer travels, which limits its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Tcp,
    Udp,
}

type Target = StaticCompressor<Vec<u8>>;

/// Answers a query at a time in Unix seconds; `None` for what is no query and gets no answer.
pub(super) fn answer(query: &[u8], view: &View<'_>, now: u64, transport: Transport) -> Option<Vec<u8>> {
    let message = Message::from_octets(query).ok()?;
    if message.header().qr() {
        return None;
    }
    let edns = message.opt();
    let limit = match transport {
        Transport::Tcp => usize::from(u16::MAX),
        Transport::Udp => {
            usize::from(edns.as_ref().map_or(SMALLEST, |opt| opt.udp_payload_size().clamp(SMALLEST, UDP_PAYLOAD)))
        }
    };
    let request = Request { message, has_edns: edns.is_some(), limit };
    let built = match (message.header().opcode(), message.sole_question()) {
        (Opcode::QUERY, Ok(_)) if edns.is_some_and(|opt| opt.version() != 0) => request.fail(Rcode::NOERROR, true),
        (Opcode::QUERY, Ok(question)) => find(&request, view, &question, now),
        (Opcode::QUERY, Err(_)) => request.fail(Rcode::FORMERR, false),
        (_, _) => request.fail(Rcode::NOTIMP, false),
    };
    built.ok()
}

/// Writes the shortest answer with a response code, to whatever has a header (RFC 1035 section 4.1.1).
pub(super) fn failure(request: &[u8], rcode: Rcode) -> Option<Vec<u8>> {
    let message = Message::from_octets(request).ok()?;
    if message.header().qr() {
        return None;
    }
    Request { message, has_edns: false, limit: usize::from(u16::MAX) }.fail(rcode, false).ok()
}

struct Request<'q> {
    message: Message<&'q [u8]>,
    has_edns: bool,
    limit: usize,
}

impl Request<'_> {
    fn start(&self) -> MessageBuilder<Target> {
        let mut builder = match MessageBuilder::from_target(StaticCompressor::new(Vec::with_capacity(512))) {
            Ok(builder) => builder,
            Err(never) => match never {},
        };
        builder.set_push_limit(self.limit - if self.has_edns { OPT_LENGTH } else { 0 });
        builder
    }

    fn fail(&self, rcode: Rcode, bad_version: bool) -> Result<Vec<u8>, PushError> {
        let answer = self.start().start_error(&self.message, rcode);
        self.finish(answer.additional(), bad_version)
    }

    fn finish(&self, mut answer: AdditionalBuilder<Target>, bad_version: bool) -> Result<Vec<u8>, PushError> {
        if self.has_edns {
            answer.clear_push_limit();
            answer.opt(|opt| {
                opt.set_udp_payload_size(UDP_PAYLOAD);
                if bad_version {
                    opt.set_rcode(OptRcode::BADVERS);
                }
                Ok(())
            })?;
        }
        Ok(answer.finish().into_target())
    }
}

fn find(
    request: &Request<'_>,
    view: &View<'_>,
    question: &Question<ParsedName<&[u8]>>,
    now: u64,
) -> Result<Vec<u8>, PushError> {
    let place = view.place(question.qname());
    let rtype = question.qtype();
    let transfers = matches!(rtype, Rtype::AXFR | Rtype::IXFR);
    if matches!(place, Place::Outside) || question.qclass() != Class::IN || transfers {
        return request.fail(Rcode::REFUSED, false);
    }
    let rcode = if matches!(place, Place::Missing) { Rcode::NXDOMAIN } else { Rcode::NOERROR };
    let mut records = view.records(place, rtype, now);
    if rtype == Rtype::ANY
        && let Some(first) = records.first().map(|(_, data)| data.rtype())
    {
        records.retain(|(_, data)| data.rtype() == first);
    }
    match write(request, view, question, rcode, &records) {
        Ok(answer) => Ok(answer),
        // What does not fit goes over TCP (RFC 2181 section 9).
        Err(_too_long) => {
            let mut answer = request.start().start_answer(&request.message, rcode)?;
            answer.header_mut().set_aa(true);
            answer.header_mut().set_tc(true);
            request.finish(answer.additional(), false)
        }
    }
}

fn write(
    request: &Request<'_>,
    view: &View<'_>,
    question: &Question<ParsedName<&[u8]>>,
    rcode: Rcode,
    records: &[(Ttl, Data<'_>)],
) -> Result<Vec<u8>, PushError> {
    let mut answer = request.start().start_answer(&request.message, rcode)?;
    answer.header_mut().set_aa(true);
    let owner = question.qname();
    for (ttl, data) in records {
        match data {
            Data::A(address) => answer.push((owner, *ttl, A::new(*address)))?,
            Data::Aaaa(address) => answer.push((owner, *ttl, Aaaa::new(*address)))?,
            Data::Ns(ns) => answer.push((owner, *ttl, ns))?,
            Data::Soa(soa) => answer.push((owner, *ttl, soa))?,
            Data::Txt(signed) => answer.push((owner, *ttl, text(signed).ok_or(PushError::ShortBuf)?))?,
        }
    }
    let mut authority = answer.authority();
    if records.is_empty() {
        let soa = view.soa();
        authority.push((&view.zone.apex_name, soa.minimum(), soa))?;
    }
    request.finish(authority.additional(), false)
}

/// What every resolver takes (RFC 1035 section 2.3.4).
const SMALLEST: u16 = 512;
/// The length of an OPT record without options (RFC 6891 section 6.1.2).
const OPT_LENGTH: usize = 11;

#[cfg(test)]
mod tests;
