//! Who signed a request (RFC 8945 section 5.2): the key, or why there is none, and the answer that this gets.

use std::fmt;

use super::answer::{Code, failure};
use super::request::Request;
use super::update::NOTAUTH;
use super::zone::Zone;
use crate::dns::TsigKey;
use crate::dns::tsig::{self, Rejected, Signed};

/// A request that nobody is known to have signed.
#[derive(Debug)]
pub(super) struct Unauthenticated {
    pub(super) answer: Vec<u8>,
    pub(super) reason: Reason,
    /// The key that it names; whoever sent it may have made that up.
    pub(super) key: Option<String>,
    /// Whether there is a key of that name.
    pub(super) is_known: bool,
}

/// What is wrong with a request's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Reason {
    BadKey,
    BadSig,
    BadTime,
    BadTrunc,
    Malformed,
    Unsigned,
}

impl Reason {
    pub(super) const ALL: [Self; 6] =
        [Self::BadKey, Self::BadSig, Self::BadTime, Self::BadTrunc, Self::Malformed, Self::Unsigned];

    /// One word for programs.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::BadKey => "badkey",
            Self::BadSig => "badsig",
            Self::BadTime => "badtime",
            Self::BadTrunc => "badtrunc",
            Self::Malformed => "malformed",
            Self::Unsigned => "unsigned",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadKey => "there is no key of this name and algorithm",
            Self::BadSig => "the key's secret is another here",
            Self::BadTime => "signed by a clock that differs from ours",
            Self::BadTrunc => "the signature is cut short",
            Self::Malformed => "the signature cannot be read",
            Self::Unsigned => "it is not signed",
        })
    }
}

/// Takes the signature off a request and checks it at a time in Unix seconds.
pub(super) fn authenticate(
    request: &Request<'_>,
    zone: &Zone,
    now: u64,
) -> Result<(Signed, TsigKey), Box<Unauthenticated>> {
    let unreadable = |code, reason| {
        let mut answer = Vec::with_capacity(request.bytes.len() + 64);
        failure(request, code, &mut answer);
        Err(Unauthenticated { answer, reason, key: None, is_known: false }.into())
    };
    let signed = match tsig::take_off(request.bytes) {
        Ok(Some(signed)) => signed,
        Ok(None) => return unreadable(Code::REFUSED, Reason::Unsigned),
        Err(tsig::Malformed) => return unreadable(Code::FORMERR, Reason::Malformed),
    };
    let known = zone.key_of(&signed.tsig);
    let unsigned = |error| {
        let mut answer = Vec::with_capacity(request.bytes.len() + 64);
        failure(request, NOTAUTH, &mut answer);
        tsig::append_unsigned(&mut answer, &signed.tsig, error);
        answer
    };
    let (answer, reason) = match tsig::check_request(&signed, known.as_slice(), now) {
        Ok(key) => {
            let key = key.clone();
            return Ok((signed, key));
        }
        Err(Rejected::BadKey) => (unsigned(tsig::Error::BadKey), Reason::BadKey),
        Err(Rejected::BadSig) => (unsigned(tsig::Error::BadSig), Reason::BadSig),
        Err(Rejected::BadTime(key)) => (bad_time(&signed, key, now), Reason::BadTime),
        Err(Rejected::BadTrunc(key)) => (bad_trunc(&signed, key, now), Reason::BadTrunc),
        Err(Rejected::Malformed) => return unreadable(Code::FORMERR, Reason::Malformed),
    };
    Err(Unauthenticated { answer, reason, key: signed.tsig.key_name(), is_known: known.is_some() }.into())
}

/// Writes the signed answer that tells a client the time to sign by.
pub(super) fn bad_time(request: &Signed, key: &TsigKey, server_time: u64) -> Vec<u8> {
    not_authentic(request, |answer| tsig::sign_bad_time(answer, key, &request.tsig, server_time))
}

fn bad_trunc(request: &Signed, key: &TsigKey, now: u64) -> Vec<u8> {
    not_authentic(request, |answer| tsig::sign_bad_trunc(answer, key, &request.tsig, now))
}

fn not_authentic(request: &Signed, sign: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut answer = Vec::with_capacity(192);
    if let Some(outline) = Request::read(&request.message) {
        failure(&outline, NOTAUTH, &mut answer);
        sign(&mut answer);
    }
    answer
}
