//! Transaction signatures (RFC 8945): signing and checking, at both ends, on whole messages as bytes.
//!
//! Owns its HMACs rather than using the `domain` crate's transactions, because the directory needs what those hide or
//! get wrong in 0.12.3: the MAC and the time signed (for the replay fence), BADSIG as error 16 (not 1), algorithm names
//! in any case, and Other Data of six octets, not eight, in the MAC of a BADTIME answer. Refuses truncated MACs, MD5 and
//! SHA-1.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use data_encoding::BASE64;
use domain::base::iana::{Class, Rtype};
use domain::base::name::ToName;
use domain::base::{Message, Ttl};
use domain::rdata::tsig::Tsig;
use ring::hmac;

use crate::secret::Secret;

/// Seconds by which two clocks may differ (RFC 8945 section 10).
pub const FUDGE: u16 = 300;

/// The fewest octets that a code may be cut to, if it is not half of them (RFC 8945 section 5.2.2.1).
const SHORTEST_MAC: usize = 10;

/// A keyed hash that signs transactions (RFC 8945 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// `hmac-sha256`, which everybody has.
    HmacSha256,
    /// `hmac-sha384`.
    HmacSha384,
    /// `hmac-sha512`.
    HmacSha512,
}

impl Algorithm {
    /// Gives the name in configurations and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HmacSha256 => "hmac-sha256",
            Self::HmacSha384 => "hmac-sha384",
            Self::HmacSha512 => "hmac-sha512",
        }
    }

    fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::HmacSha256 => hmac::HMAC_SHA256,
            Self::HmacSha384 => hmac::HMAC_SHA384,
            Self::HmacSha512 => hmac::HMAC_SHA512,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        [Self::HmacSha256, Self::HmacSha384, Self::HmacSha512]
            .into_iter()
            .find(|algorithm| algorithm.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| KeyError::Algorithm(text.to_owned()))
    }
}

/// A shared secret with its name, as both ends of a transaction know it; clones are the same one.
#[derive(Clone)]
pub struct TsigKey(Arc<Known>);

struct Known {
    name: Arc<str>,
    wire_name: Box<[u8]>,
    wire_algorithm: Box<[u8]>,
    algorithm: Algorithm,
    hmac: hmac::Key,
}

impl TsigKey {
    /// Makes a key of the name, algorithm and base64 secret that `tsig-keygen` prints; case and a final dot do not count.
    ///
    /// # Errors
    /// When the name is no domain name of letters, digits, hyphens and underscores, or the secret is not base64.
    pub fn new(name: &str, algorithm: Algorithm, secret: &Secret) -> Result<Self, KeyError> {
        let lowered = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let wire_name = wire_of(&lowered).ok_or_else(|| KeyError::Name(name.to_owned()))?;
        let bytes =
            BASE64.decode(secret.expose()).map_err(|source| KeyError::Secret { key: lowered.clone(), source })?;
        if bytes.is_empty() {
            return Err(KeyError::Name(name.to_owned()));
        }
        Ok(Self(Arc::new(Known {
            name: lowered.into(),
            wire_name: wire_name.into(),
            wire_algorithm: wire_of(algorithm.as_str()).unwrap_or_default().into(),
            algorithm,
            hmac: hmac::Key::new(algorithm.hmac(), &bytes),
        })))
    }

    /// Gives the key's name, lower case, without a final dot.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Gives the key's name to keep.
    pub(crate) fn shared_name(&self) -> Arc<str> {
        Arc::clone(&self.0.name)
    }

    /// Gives the key's algorithm.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.0.algorithm
    }

    fn is_named_by(&self, signature: &TsigRecord) -> bool {
        *self.0.wire_name == *signature.key_name && *self.0.wire_algorithm == *signature.algorithm_name
    }
}

impl fmt::Debug for TsigKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TsigKey({} {} …)", self.0.name, self.0.algorithm)
    }
}

/// Why a TSIG key cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// An algorithm that is unknown or too weak.
    #[error("unknown tsig algorithm \"{}\"; expected hmac-sha256, hmac-sha384 or hmac-sha512", .0.escape_default())]
    Algorithm(String),
    /// A name that is no domain name, or a secret of no bytes.
    #[error("bad tsig key \"{}\"; expected a name of letters, digits, hyphens and dots, and a secret", .0.escape_default())]
    Name(String),
    /// A secret that is not base64.
    #[error("the secret of tsig key {key} is not base64; expected what tsig-keygen prints")]
    Secret {
        /// The key's name.
        key: String,
        /// Where it stops being base64.
        source: data_encoding::DecodeError,
    },
}

/// A message authentication code, which the answer's code covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mac(Vec<u8>);

impl Mac {
    /// Takes the bytes of a code.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Gives the bytes of the code.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Signs a request at a time in Unix seconds, and gives the code that its answer will cover.
#[must_use]
pub fn sign_request(message: &mut Vec<u8>, key: &TsigKey, now: u64) -> Mac {
    sign(message, key, None, &Moment::at(now))
}

/// Signs the answer to a request; gives the code, which the next message of a longer answer covers.
pub fn sign_answer(message: &mut Vec<u8>, key: &TsigKey, request: &Mac, now: u64) -> Mac {
    sign(message, key, Some(request), &Moment::at(now))
}

/// Signs the next message of an answer of several (RFC 8945 section 5.3.1); gives the code that its next will cover.
pub fn sign_next(message: &mut Vec<u8>, key: &TsigKey, last: &Mac, now: u64) -> Mac {
    let moment = Moment::at(now);
    let digested =
        [&length(&last.0)[..], &last.0, message, &octets(moment.time_signed), &moment.fudge.to_be_bytes()].concat();
    let mac = Mac(hmac::sign(&key.0.hmac, &digested).as_ref().to_vec());
    append(message, &key.0.wire_name, &key.0.wire_algorithm, &moment, &mac);
    mac
}

/// Signs an answer that tells the client that its code is too short for us (RFC 8945 section 5.2.4).
///
/// The rcode in `message` is to be NOTAUTH.
pub fn sign_bad_trunc(message: &mut Vec<u8>, key: &TsigKey, request: &TsigRecord, now: u64) {
    let moment = Moment { error: Error::BadTrunc.code(), ..Moment::at(now) };
    sign(message, key, Some(&request.mac), &moment);
}

/// Signs an answer that tells the client the server's time, so that it can sign once more (RFC 8945 section 5.2.3).
///
/// The rcode in `message` is to be NOTAUTH.
pub fn sign_bad_time(message: &mut Vec<u8>, key: &TsigKey, request: &TsigRecord, server_time: u64) {
    let other = octets(server_time);
    let moment = Moment { error: Error::BadTime.code(), other: &other, ..Moment::of(request) };
    sign(message, key, Some(&request.mac), &moment);
}

/// Appends the unsigned TSIG record that says why the request's signature was not accepted (RFC 8945 section 5.3.2).
///
/// The rcode in `message` is to be NOTAUTH.
pub fn append_unsigned(message: &mut Vec<u8>, request: &TsigRecord, error: Error) {
    let moment = Moment { error: error.code(), other: &[], ..Moment::of(request) };
    append(message, &request.key_name, &request.algorithm_name, &moment, &Mac(Vec::new()));
}

/// A TSIG record as received (RFC 8945 section 4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TsigRecord {
    key_name: Box<[u8]>,
    algorithm_name: Box<[u8]>,
    time_signed: u64,
    fudge: u16,
    mac: Mac,
    original_id: u16,
    error: u16,
    other: Box<[u8]>,
}

impl TsigRecord {
    /// Gives the time of signing in Unix seconds.
    #[must_use]
    pub fn time_signed(&self) -> u64 {
        self.time_signed
    }

    /// Gives the name of the key, lower case, without a final dot; `None` for one that no [`TsigKey`] has.
    #[must_use]
    pub fn key_name(&self) -> Option<String> {
        let mut name = String::with_capacity(self.key_name.len());
        let mut rest = &*self.key_name;
        while let Some((&length, tail)) = rest.split_first().filter(|(length, _)| **length != 0) {
            let (label, next) = tail.split_at_checked(length.into())?;
            if !name.is_empty() {
                name.push('.');
            }
            name.push_str(std::str::from_utf8(label).ok()?);
            rest = next;
        }
        Some(name)
    }

    /// Gives the message authentication code.
    #[must_use]
    pub fn mac(&self) -> &Mac {
        &self.mac
    }

    fn is_timely(&self, now: u64) -> bool {
        // Whoever asks for more only asks for more replays (RFC 8945 section 10).
        now.abs_diff(self.time_signed) <= u64::from(self.fudge.min(FUDGE))
    }

    /// Gives the server's time out of a BADTIME answer.
    fn server_time(&self) -> Option<u64> {
        let bytes: [u8; 6] = (*self.other).try_into().ok()?;
        Some(bytes.iter().fold(0, |time, byte| (time << 8) | u64::from(*byte)))
    }
}

/// A message with its TSIG record taken off, as it was when its sender signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The message without its signature.
    pub message: Vec<u8>,
    /// The signature.
    pub tsig: TsigRecord,
}

/// Takes the TSIG record off a message; `None` when there is none.
///
/// # Errors
/// When the message or its signature is malformed, or the signature is not the last record (RFC 8945 section 5.2).
pub fn take_off(bytes: &[u8]) -> Result<Option<Signed>, Malformed> {
    let message = Message::from_octets(bytes).map_err(|_short| Malformed)?;
    let mut section = message.additional().map_err(|_parse| Malformed)?;
    loop {
        let start = section.pos();
        let Some(record) = section.next() else { return Ok(None) };
        let record = record.map_err(|_parse| Malformed)?;
        if record.rtype() != Rtype::TSIG {
            continue;
        }
        if section.next().is_some() || section.pos() != bytes.len() {
            return Err(Malformed);
        }
        let record = record.into_record::<Tsig<_, _>>().map_err(|_parse| Malformed)?.ok_or(Malformed)?;
        if record.class() != Class::ANY || record.ttl() != Ttl::ZERO {
            return Err(Malformed);
        }
        let data = record.data();
        let tsig = TsigRecord {
            key_name: canonical(record.owner()),
            algorithm_name: canonical(data.algorithm()),
            time_signed: data.time_signed().into(),
            fudge: data.fudge(),
            mac: Mac(data.mac_slice().to_vec()),
            original_id: data.original_id(),
            error: data.error().to_int(),
            other: AsRef::<[u8]>::as_ref(data.other()).into(),
        };
        let mut unsigned = bytes.get(..start).ok_or(Malformed)?.to_vec();
        let mut header = message.header_section();
        header.header_mut().set_id(tsig.original_id);
        let others = header.counts().arcount().saturating_sub(1);
        header.counts_mut().set_arcount(others);
        unsigned.splice(..header.as_slice().len(), header.as_slice().iter().copied());
        return Ok(Some(Signed { message: unsigned, tsig }));
    }
}

/// Checks a request's key, then its code, then its time (RFC 8945 section 5.2), and gives the key that signed it. A code
/// that is cut short is not enough for us, be it cut as the standard allows.
///
/// # Errors
/// What is wrong with it; a request that fails on its time alone was signed by its key all the same.
pub fn check_request<'k>(signed: &Signed, keys: &'k [TsigKey], now: u64) -> Result<&'k TsigKey, Rejected<'k>> {
    let key = keys.iter().find(|key| key.is_named_by(&signed.tsig)).ok_or(Rejected::BadKey)?;
    let (offered, whole) = (signed.tsig.mac.0.len(), key.0.algorithm.hmac().digest_algorithm().output_len());
    if offered > whole || offered < SHORTEST_MAC.max(whole / 2) {
        return Err(Rejected::Malformed);
    }
    if offered < whole {
        return Err(if starts_mac(signed, key) { Rejected::BadTrunc(key) } else { Rejected::BadSig });
    }
    if !mac_fits(signed, key, None) {
        return Err(Rejected::BadSig);
    }
    if signed.tsig.is_timely(now) { Ok(key) } else { Err(Rejected::BadTime(key)) }
}

/// Checks the answer to a request signed with `key`.
///
/// # Errors
/// What is wrong with it, or what the server says was wrong with the request.
pub fn check_answer(signed: &Signed, key: &TsigKey, request: &Mac, now: u64) -> Result<(), AnswerFault> {
    let tsig = &signed.tsig;
    if tsig.mac.0.is_empty() {
        return Err(match tsig.error {
            error if error == Error::BadKey.code() => AnswerFault::ServerBadKey,
            // BIND and Knot say 16; servers built on `domain` 0.12 say 1 (FORMERR).
            error if error == Error::BadSig.code() || error == 1 => AnswerFault::ServerBadSig,
            _ => AnswerFault::Forged,
        });
    }
    if !key.is_named_by(tsig) || !mac_fits(signed, key, Some(request)) {
        return Err(AnswerFault::Forged);
    }
    if tsig.error == Error::BadTime.code() {
        return Err(tsig.server_time().map_or(AnswerFault::Forged, |server| AnswerFault::ServerBadTime { server }));
    }
    if tsig.is_timely(now) { Ok(()) } else { Err(AnswerFault::Late { server: tsig.time_signed }) }
}

/// A TSIG error (RFC 8945 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// No error.
    None,
    /// The code does not fit.
    BadSig,
    /// The key is unknown.
    BadKey,
    /// The clocks differ too much, or a later request came first.
    BadTime,
    /// The code fits as far as it goes.
    BadTrunc,
}

impl Error {
    /// Gives the number on the wire.
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            Self::None => 0,
            Self::BadSig => 16,
            Self::BadKey => 17,
            Self::BadTime => 18,
            Self::BadTrunc => 22,
        }
    }
}

/// The message cannot be read, or carries its signature in the wrong place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed message or misplaced signature")]
pub struct Malformed;

/// Why a request was not accepted.
#[derive(Debug)]
pub enum Rejected<'k> {
    /// No such key, or another algorithm.
    BadKey,
    /// The code does not fit.
    BadSig,
    /// The code fits, the clocks do not.
    BadTime(&'k TsigKey),
    /// The code fits as far as it goes, which is not enough.
    BadTrunc(&'k TsigKey),
    /// The code is of a length that no code has (RFC 8945 section 5.2.2.1).
    Malformed,
}

/// Why an answer was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerFault {
    /// The server does not know our key.
    ServerBadKey,
    /// The server finds our code wrong: the secrets differ.
    ServerBadSig,
    /// The server finds our clock wrong, and says so under its signature.
    ServerBadTime {
        /// The server's time in Unix seconds.
        server: u64,
    },
    /// The answer is signed, but by a clock far from ours.
    Late {
        /// The time of signing in Unix seconds.
        server: u64,
    },
    /// The answer is not from our server.
    Forged,
}

/// The variables of a signature (RFC 8945 section 4.3.3).
struct Moment<'m> {
    time_signed: u64,
    fudge: u16,
    error: u16,
    other: &'m [u8],
}

impl<'m> Moment<'m> {
    fn at(now: u64) -> Self {
        Self { time_signed: now, fudge: FUDGE, error: Error::None.code(), other: &[] }
    }

    fn of(tsig: &'m TsigRecord) -> Self {
        Self { time_signed: tsig.time_signed, fudge: tsig.fudge, error: tsig.error, other: &tsig.other }
    }
}

fn sign(message: &mut Vec<u8>, key: &TsigKey, request: Option<&Mac>, moment: &Moment<'_>) -> Mac {
    let mac = Mac(hmac::sign(&key.0.hmac, &digested(message, key, request, moment)).as_ref().to_vec());
    append(message, &key.0.wire_name, &key.0.wire_algorithm, moment, &mac);
    mac
}

/// Checks in constant time, and only codes of full length.
fn mac_fits(signed: &Signed, key: &TsigKey, request: Option<&Mac>) -> bool {
    let digested = digested(&signed.message, key, request, &Moment::of(&signed.tsig));
    hmac::verify(&key.0.hmac, &digested, &signed.tsig.mac.0).is_ok()
}

/// Tells whether a code that is cut short is the beginning of the right one. What it is compared for is refused anyway.
fn starts_mac(signed: &Signed, key: &TsigKey) -> bool {
    let whole = hmac::sign(&key.0.hmac, &digested(&signed.message, key, None, &Moment::of(&signed.tsig)));
    whole.as_ref().starts_with(&signed.tsig.mac.0)
}

fn digested(message: &[u8], key: &TsigKey, request: Option<&Mac>, moment: &Moment<'_>) -> Vec<u8> {
    let (request_length, request_mac) = request.map_or((None, &[][..]), |mac| (Some(length(&mac.0)), &mac.0));
    [
        request_length.as_ref().map_or(&[][..], <[u8; 2]>::as_slice),
        request_mac,
        message,
        &key.0.wire_name,
        &Class::ANY.to_int().to_be_bytes(),
        &0u32.to_be_bytes(),
        &key.0.wire_algorithm,
        &octets(moment.time_signed),
        &moment.fudge.to_be_bytes(),
        &moment.error.to_be_bytes(),
        &length(moment.other),
        moment.other,
    ]
    .concat()
}

/// Appends a TSIG record with its names uncompressed, for servers that do not expect otherwise.
fn append(message: &mut Vec<u8>, key_name: &[u8], algorithm_name: &[u8], moment: &Moment<'_>, mac: &Mac) {
    let data = [
        algorithm_name,
        &octets(moment.time_signed),
        &moment.fudge.to_be_bytes(),
        &length(&mac.0),
        &mac.0,
        message.get(..2).unwrap_or(&[0, 0]),
        &moment.error.to_be_bytes(),
        &length(moment.other),
        moment.other,
    ]
    .concat();
    message.extend_from_slice(key_name);
    message.extend_from_slice(&Rtype::TSIG.to_int().to_be_bytes());
    message.extend_from_slice(&Class::ANY.to_int().to_be_bytes());
    message.extend_from_slice(&0u32.to_be_bytes());
    message.extend_from_slice(&length(&data));
    message.extend_from_slice(&data);
    if let Some([high, low]) = message.get_mut(10..12) {
        [*high, *low] = u16::from_be_bytes([*high, *low]).saturating_add(1).to_be_bytes();
    }
}

fn length(bytes: &[u8]) -> [u8; 2] {
    u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes()
}

/// The time as 48 bits; the 16 above them stay unused for nine million years.
fn octets(time: u64) -> [u8; 6] {
    let [_, _, low @ ..] = time.to_be_bytes();
    low
}

fn canonical<N: ToName>(name: &N) -> Box<[u8]> {
    let mut wire = Vec::new();
    for label in name.iter_labels() {
        wire.push(u8::try_from(label.len()).unwrap_or_default());
        wire.extend(label.as_slice().iter().map(u8::to_ascii_lowercase));
    }
    wire.into()
}

fn wire_of(name: &str) -> Option<Vec<u8>> {
    let mut wire = Vec::with_capacity(name.len() + 2);
    for label in name.split('.') {
        let fine = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if !(1..=63).contains(&label.len()) || !label.bytes().all(fine) {
            return None;
        }
        wire.push(u8::try_from(label.len()).ok()?);
        wire.extend_from_slice(label.as_bytes());
    }
    wire.push(0);
    (wire.len() <= 255).then_some(wire)
}

#[cfg(test)]
mod tests;
