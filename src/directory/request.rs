//! The outline of a message to the directory: header, question, EDNS and whether it is signed. Reads no more than it must,
//! copies nothing but the name, and takes what it cannot read for what it is.

use domain::base::iana::Rtype;

use super::zone::wire::Lowered;

/// A message's outline.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'m> {
    pub(super) bytes: &'m [u8],
    pub(super) opcode: u8,
    /// The one question; `None` when there is none, several, or one that cannot be read.
    pub(super) question: Option<Question<'m>>,
    pub(super) edns: Option<Edns>,
    /// Its last record is a signature.
    pub(super) is_signed: bool,
    /// A record cannot be read, or stands where it must not (RFC 6891 section 6.1.1, RFC 8945 section 5.1).
    pub(super) is_garbled: bool,
    /// The data of the SOA in the authority section, with which IXFR says what it has (RFC 1995 section 3).
    pub(super) serial: Option<u32>,
}

/// A question (RFC 1035 section 4.1.2).
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'m> {
    /// As it was asked, to be repeated in the same case.
    pub(super) bytes: &'m [u8],
    pub(super) name: Lowered,
    pub(super) rtype: Rtype,
    pub(super) class: u16,
}

/// What an OPT record says (RFC 6891 section 6.1.3).
#[derive(Clone, Copy, Debug)]
pub(super) struct Edns {
    pub(super) payload: u16,
    pub(super) version: u8,
    /// DNSSEC OK, which an answer repeats (RFC 3225 section 3).
    pub(super) dnssec_ok: bool,
}

impl<'m> Request<'m> {
    /// Reads a message; `None` for what is no request, and gets no answer.
    pub(super) fn read(bytes: &'m [u8]) -> Option<Self> {
        let (header, body) = bytes.split_first_chunk::<HEADER>()?;
        let [_, _, flags, _, counts @ ..] = header;
        if flags & RESPONSE != 0 {
            return None;
        }
        let [questions, before, authorities, additionals] = read_counts(counts);
        let before = before + authorities;
        let mut request = Self {
            bytes,
            opcode: (flags >> 3) & 15,
            question: None,
            edns: None,
            is_signed: false,
            is_garbled: false,
            serial: None,
        };
        if questions != 1 {
            return Some(request);
        }
        let Some((question, mut rest)) = Question::read(body) else { return Some(request) };
        request.question = Some(question);
        let records = before + additionals;
        for number in 0..records {
            let Some((record, after)) = Item::read(rest) else {
                request.is_garbled = true;
                return Some(request);
            };
            rest = after;
            let is_additional = number >= before;
            match record.rtype {
                Rtype::OPT if is_additional && record.is_root && request.edns.is_none() => {
                    let [_, version, flags, _] = record.ttl;
                    let dnssec_ok = flags & 128 != 0;
                    request.edns = Some(Edns { payload: record.class, version, dnssec_ok });
                }
                Rtype::TSIG if number + 1 == records && is_additional => request.is_signed = true,
                Rtype::OPT | Rtype::TSIG => request.is_garbled = true,
                Rtype::SOA if number < before && request.serial.is_none() => {
                    // Two names, however written, then the serial and four more numbers.
                    let numbers = record.data.len().checked_sub(20).and_then(|at| record.data.get(at..at + 4));
                    request.serial = numbers.and_then(|four| four.try_into().ok()).map(u32::from_be_bytes);
                }
                _ => {}
            }
        }
        Some(request)
    }
}

impl<'m> Question<'m> {
    fn read(body: &'m [u8]) -> Option<(Self, &'m [u8])> {
        let (name, rest) = Lowered::read(body)?;
        let ([high, low, class @ ..], rest) = rest.split_first_chunk::<4>()?;
        let bytes = body.get(..body.len() - rest.len())?;
        let rtype = Rtype::from_int(u16::from_be_bytes([*high, *low]));
        Some((Self { bytes, name, rtype, class: u16::from_be_bytes(*class) }, rest))
    }
}

/// A record that is only passed over, or nearly.
struct Item<'m> {
    rtype: Rtype,
    class: u16,
    ttl: [u8; 4],
    data: &'m [u8],
    is_root: bool,
}

impl<'m> Item<'m> {
    fn read(bytes: &'m [u8]) -> Option<(Self, &'m [u8])> {
        let mut rest = bytes;
        let is_root = bytes.first() == Some(&0);
        loop {
            let (&label, after) = rest.split_first()?;
            rest = after;
            match label {
                0 => break,
                1..=63 => rest = rest.get(usize::from(label)..)?,
                192.. => {
                    rest = rest.get(1..)?;
                    break;
                }
                _ => return None,
            }
        }
        let ([t0, t1, c0, c1, ttl @ .., l0, l1], rest) = rest.split_first_chunk::<10>()?;
        let (data, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([*l0, *l1])))?;
        let rtype = Rtype::from_int(u16::from_be_bytes([*t0, *t1]));
        Some((Self { rtype, class: u16::from_be_bytes([*c0, *c1]), ttl: *ttl, data, is_root }, rest))
    }
}

fn read_counts(header: &[u8]) -> [usize; 4] {
    let mut counts = [0; 4];
    for (count, pair) in counts.iter_mut().zip(header.as_chunks::<2>().0) {
        *count = usize::from(u16::from_be_bytes(*pair));
    }
    counts
}

/// The length of a header (RFC 1035 section 4.1.1).
pub(super) const HEADER: usize = 12;
const RESPONSE: u8 = 128;
