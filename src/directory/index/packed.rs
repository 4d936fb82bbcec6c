//! A registration in as few bytes as it goes into, and the reading of it without copying.
//!
//! The bytes never leave this process. The fence is kept as fingerprints: the disk has it whole.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::super::entry::{Entry, Known};
use super::super::statement::Statement;
use crate::record::{HostName, PublicKey, Record, Seq, Services, Signature, SignedRecord, State};

/// A registration as the index has it.
#[derive(Clone, Copy, Debug)]
pub(in crate::directory) struct Kept<'k> {
    flags: u8,
    pub(in crate::directory) received: u64,
    pub(in crate::directory) seq: u64,
    issued: u64,
    lease: u32,
    /// When the update was signed that brought it; zero where it was not signed.
    time_signed: u64,
    by: u32,
    /// The codes of that key in that second; none where it was not signed.
    macs: &'k [MacPrint],
    four: &'k [[u8; 4]],
    six: &'k [[u8; 16]],
    proof: Option<(&'k [u8; 32], &'k [u8; 64])>,
    /// What its record says of its services, as it is written there; mostly nothing.
    services: &'k [u8],
}

impl<'k> Kept<'k> {
    /// Gives how many seconds of the lease are left at a time in Unix seconds; none once it has been said that it ran out.
    pub(in crate::directory) fn remaining(&self, now: u64) -> u32 {
        if self.is_expired() {
            return 0;
        }
        let age = now.saturating_sub(self.received);
        self.lease.saturating_sub(u32::try_from(age).unwrap_or(u32::MAX))
    }

    /// Gives when the lease runs out, in Unix seconds.
    pub(in crate::directory) fn ends(&self) -> u64 {
        self.received.saturating_add(u64::from(self.lease))
    }

    pub(in crate::directory) fn state(&self) -> State {
        if self.flags & ONLINE == 0 { State::Asleep } else { State::Online }
    }

    /// Tells whether its lease is still to run out.
    pub(in crate::directory) fn is_leased(&self) -> bool {
        is_leased(&[self.flags])
    }

    /// Tells whether the zone has been told that the lease ran out.
    pub(in crate::directory) fn is_expired(&self) -> bool {
        self.flags & EXPIRED != 0
    }

    pub(in crate::directory) fn four(&self) -> &'k [[u8; 4]] {
        self.four
    }

    pub(in crate::directory) fn six(&self) -> &'k [[u8; 16]] {
        self.six
    }

    pub(in crate::directory) fn addresses(&self) -> impl Iterator<Item = IpAddr> + use<'k> {
        let four = self.four.iter().map(|octets| IpAddr::V4(Ipv4Addr::from(*octets)));
        four.chain(self.six.iter().map(|octets| IpAddr::V6(Ipv6Addr::from(*octets))))
    }

    /// Gives the signatures that its key made in the second of the last one, if it was signed.
    pub(in crate::directory) fn signatures(&self) -> Option<Signatures<'k>> {
        let (by, time_signed, macs) = (self.by, self.time_signed, self.macs);
        (!macs.is_empty()).then_some(Signatures { by, time_signed, macs })
    }

    /// Gives it whole again; `None` would mean that the bytes are not what was packed.
    pub(in crate::directory) fn known(&self, host: &HostName) -> Option<Known> {
        let statement = self.said(host)?;
        Some(Known { statement, received: self.received, expired: self.is_expired() })
    }

    fn said(&self, host: &HostName) -> Option<Statement> {
        let seq = Seq::new(self.seq)?;
        let record = match self.state() {
            State::Asleep => Record::asleep(host.clone(), seq, self.issued, self.lease),
            State::Online => Record::online(host.clone(), self.addresses().collect(), seq, self.issued, self.lease),
        };
        let record = record.ok()?.with_services(Services::read(self.services)?);
        Some(match self.proof {
            Some((key, signature)) => Statement::Signed(SignedRecord::from_parts(
                record,
                PublicKey::from_bytes(*key),
                Signature::from_bytes(*signature),
            )),
            None => Statement::Uncertified(record),
        })
    }

    /// Writes the host's own statement, if it is one.
    pub(in crate::directory) fn statement(&self, host: &HostName) -> Option<String> {
        self.said(host)?.signed().map(ToString::to_string)
    }

    pub(in crate::directory) fn is_certified(&self) -> bool {
        self.proof.is_some()
    }
}

/// The fingerprint of a signature's code.
pub(in crate::directory) type MacPrint = [u8; 6];

/// What a key has signed in one second, the last in which it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::directory) struct Signatures<'k> {
    /// The fingerprint of the key's name.
    pub(in crate::directory) by: u32,
    pub(in crate::directory) time_signed: u64,
    pub(in crate::directory) macs: &'k [MacPrint],
}

pub(super) fn fingerprint(hasher: &RandomState, by: &str, mac: &[u8]) -> (u32, MacPrint) {
    let [a, b, c, ..] = hasher.hash_one(by).to_be_bytes();
    let [mac @ .., _, _] = hasher.hash_one(mac).to_be_bytes();
    (u32::from_be_bytes([0, a, b, c]), mac)
}

/// Packs a registration that follows another.
pub(super) fn pack(entry: &Entry, before: Option<Kept<'_>>, hasher: &RandomState) -> Vec<u8> {
    // Nothing at all is what is left of a host that was removed.
    let Some(record) = entry.statement.record() else { return Vec::new() };
    let mut flags = if record.state() == State::Online { ONLINE } else { 0 };
    flags |= if entry.expired { EXPIRED } else { 0 };
    flags |= if entry.fence.is_some() { FENCED } else { 0 };
    flags |= if entry.statement.signed().is_some() { CERTIFIED } else { 0 };
    let services = record.services().fields();
    flags |= if services.is_empty() { 0 } else { SERVICES };
    let (mut four, mut six) = (Vec::new(), Vec::new());
    for address in record.addresses() {
        match address {
            IpAddr::V4(address) => four.push(address.octets()),
            IpAddr::V6(address) => six.push(address.octets()),
        }
    }
    // A record has at most eight addresses.
    let counts = u8::try_from(four.len() << 4 | six.len()).unwrap_or_default();
    let mut bytes = vec![flags, counts];
    push_difference(&mut bytes, entry.received, EPOCH);
    push_number(&mut bytes, u64::from(record.lease()));
    push_number(&mut bytes, record.seq().number());
    push_difference(&mut bytes, record.issued(), entry.received);
    let mac = entry.fence.as_ref().map_or(&[][..], |fence| &fence.mac);
    let (by, mac) = fingerprint(hasher, &entry.key, mac);
    let [_, by_print @ ..] = by.to_be_bytes();
    bytes.extend(by_print);
    if let Some(fence) = &entry.fence {
        push_difference(&mut bytes, fence.time_signed, entry.received);
        let same = before.and_then(|before| before.signatures());
        let same = same.filter(|same| (same.by, same.time_signed) == (by, fence.time_signed));
        if let Some(same) = same {
            flags |= CROWDED;
            push_number(&mut bytes, same.macs.len() as u64 + 1);
            bytes.extend(same.macs.as_flattened());
        }
        bytes.extend(mac);
    }
    bytes.extend(four.as_flattened());
    bytes.extend(six.as_flattened());
    if let Some(signed) = entry.statement.signed() {
        bytes.extend(signed.key().as_bytes());
        bytes.extend(signed.signature().as_bytes());
    }
    if let (false, Ok(length)) = (services.is_empty(), u64::try_from(services.len())) {
        push_number(&mut bytes, length);
        bytes.extend(services.as_bytes());
    }
    if let Some(first) = bytes.first_mut() {
        *first = flags;
    }
    bytes
}

pub(super) fn unpack(bytes: &[u8]) -> Option<Kept<'_>> {
    let mut reader = Reader(bytes);
    let [flags, counts] = reader.array().copied()?;
    let received = reader.difference(EPOCH);
    let lease = u32::try_from(reader.number()).unwrap_or(u32::MAX);
    let seq = reader.number();
    let issued = reader.difference(received);
    let [a, b, c] = reader.array().copied().unwrap_or_default();
    let by = u32::from_be_bytes([0, a, b, c]);
    let (mut time_signed, mut macs) = (0, &[][..]);
    if flags & FENCED != 0 {
        time_signed = reader.difference(received);
        let count = if flags & CROWDED == 0 { 1 } else { usize::try_from(reader.number()).unwrap_or_default() };
        macs = reader.arrays(count);
    }
    let four = reader.arrays(usize::from(counts >> 4));
    let six = reader.arrays(usize::from(counts & 15));
    let proof = if flags & CERTIFIED == 0 { None } else { reader.array().zip(reader.array()) };
    let services = if flags & SERVICES == 0 { &[] } else { reader.text() };
    Some(Kept { flags, received, seq, issued, lease, time_signed, by, macs, four, six, proof, services })
}

fn push_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 128 {
        bytes.push(number.to_le_bytes()[0] | 128);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

/// Most of our times are within a second of one another.
fn push_difference(bytes: &mut Vec<u8>, number: u64, from: u64) {
    let difference = number.wrapping_sub(from).cast_signed();
    push_number(bytes, ((difference << 1) ^ (difference >> 63)).cast_unsigned());
}

struct Reader<'k>(&'k [u8]);

impl<'k> Reader<'k> {
    fn number(&mut self) -> u64 {
        let (mut number, mut shift) = (0, 0);
        while let Some((byte, rest)) = self.0.split_first() {
            self.0 = rest;
            number |= u64::from(byte & 127) << shift;
            shift += 7;
            if *byte < 128 || shift > 63 {
                break;
            }
        }
        number
    }

    fn difference(&mut self, from: u64) -> u64 {
        let number = self.number();
        let difference = (number >> 1).cast_signed() ^ -(number & 1).cast_signed();
        from.wrapping_add(difference.cast_unsigned())
    }

    /// A number, and so many bytes.
    fn text(&mut self) -> &'k [u8] {
        let length = usize::try_from(self.number()).unwrap_or(usize::MAX);
        let Some((taken, rest)) = self.0.split_at_checked(length) else { return &[] };
        self.0 = rest;
        taken
    }

    fn array<const N: usize>(&mut self) -> Option<&'k [u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(array)
    }

    fn arrays<const N: usize>(&mut self, count: usize) -> &'k [[u8; N]] {
        let Some((taken, rest)) = self.0.split_at_checked(count.saturating_mul(N)) else { return &[] };
        self.0 = rest;
        taken.as_chunks().0
    }
}

/// Marks what was packed as expired.
/// Tells whether a packed registration's lease is still to run out.
pub(super) fn is_leased(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|flags| flags & (ONLINE | EXPIRED) == ONLINE)
}

pub(super) fn expire(bytes: &mut [u8]) {
    if let Some(flags) = bytes.first_mut() {
        *flags |= EXPIRED;
    }
}

/// Where times are counted from, in Unix seconds: within four years of it, either way, they take four octets.
const EPOCH: u64 = 1_830_000_000;
const ONLINE: u8 = 1;
const EXPIRED: u8 = 2;
const FENCED: u8 = 4;
const CERTIFIED: u8 = 8;
const SERVICES: u8 = 16;
/// Several signatures of one second.
const CROWDED: u8 = 32;
