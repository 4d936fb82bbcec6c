//! The two datagrams: a challenge, and the proof that answers it. Bytes in, bytes out.
//!
//! A challenge is longer than its proof, so nobody can have a host send more to a third party than he sends himself.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::record::{Identity, PublicKey, Signature};

/// The length of a challenge in bytes; what lies behind the nonce is zero.
pub const CHALLENGE_LENGTH: usize = 192;
/// The length of a proof in bytes.
pub const PROOF_LENGTH: usize = SIGNED + 64;

/// What begins every datagram.
const MAGIC: [u8; 4] = *b"RGUP";
const VERSION: u8 = 1;
const CHALLENGE: u8 = 1;
const PROOF: u8 = 2;
/// Magic, version, kind, two bytes of zero.
const HEAD: usize = 8;
const NONCE: usize = 32;
const ENDPOINT: usize = 18;
/// How many of a proof's bytes are signed: all before the signature.
const SIGNED: usize = HEAD + NONCE + 32 + 2 * ENDPOINT;
const CONTEXT: &str = "ringup identity 1";

/// 256 bits that were never used before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Nonce([u8; NONCE]);

impl Nonce {
    /// Takes bytes that were drawn for this one challenge.
    #[must_use]
    pub fn from_bytes(bytes: [u8; NONCE]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nonce({})", data_encoding::HEXLOWER.encode(self.0.get(..8).unwrap_or_default()))
    }
}

/// Writes a challenge.
#[must_use]
pub fn challenge(nonce: Nonce) -> Vec<u8> {
    let mut bytes = head(CHALLENGE);
    bytes.extend(nonce.0);
    bytes.resize(CHALLENGE_LENGTH, 0);
    bytes
}

/// Reads a challenge; `None` for anything else.
#[must_use]
pub fn read_challenge(datagram: &[u8]) -> Option<Nonce> {
    let (nonce, padding) = body(datagram, CHALLENGE)?.split_first_chunk()?;
    (datagram.len() == CHALLENGE_LENGTH && padding.iter().all(|byte| *byte == 0)).then_some(Nonce(*nonce))
}

/// Whether a stream that begins so begins with a challenge; `None` while there is too little of it to tell.
#[must_use]
pub fn begins_challenge(stream: &[u8]) -> Option<bool> {
    let length = stream.len().min(MAGIC.len());
    let is_ours = MAGIC.get(..length) == stream.get(..length);
    (!is_ours || length == MAGIC.len()).then_some(is_ours)
}

/// The host's signed word that it holds a key, at an address, to whoever asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The challenge that it answers.
    pub nonce: Nonce,
    /// The key that the host says it has.
    pub key: PublicKey,
    /// Where the host received the challenge: one of its own addresses.
    pub host: SocketAddr,
    /// Where it came from, as the host saw it.
    pub client: SocketAddr,
    signed: Vec<u8>,
    signature: Signature,
}

impl Proof {
    /// Writes the proof that answers a challenge.
    #[must_use]
    pub fn sign(identity: &Identity, nonce: Nonce, host: SocketAddr, client: SocketAddr) -> Vec<u8> {
        let mut bytes = head(PROOF);
        bytes.extend(nonce.0);
        bytes.extend(identity.public_key().as_bytes());
        bytes.extend(endpoint(host));
        bytes.extend(endpoint(client));
        let signature = identity.sign(CONTEXT, &bytes);
        bytes.extend(signature.as_bytes());
        bytes
    }

    /// Reads a proof; `None` for anything else. [`Proof::is_genuine`] tells whether its signature is good.
    #[must_use]
    pub fn read(datagram: &[u8]) -> Option<Self> {
        let (nonce, rest) = body(datagram, PROOF)?.split_first_chunk()?;
        let (key, rest) = rest.split_first_chunk()?;
        let (host, rest) = read_endpoint(rest)?;
        let (client, rest) = read_endpoint(rest)?;
        Some(Self {
            nonce: Nonce(*nonce),
            key: PublicKey::from_bytes(*key),
            host,
            client,
            signed: datagram.get(..SIGNED)?.to_vec(),
            signature: Signature::from_bytes(rest.try_into().ok()?),
        })
    }

    /// Whether the holder of the key in it has signed it.
    #[must_use]
    pub fn is_genuine(&self) -> bool {
        self.key.verifies(CONTEXT, &self.signed, &self.signature)
    }
}

fn head(kind: u8) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(CHALLENGE_LENGTH);
    bytes.extend(MAGIC);
    bytes.extend([VERSION, kind, 0, 0]);
    bytes
}

/// What is behind the head of a datagram of this kind.
fn body(datagram: &[u8], kind: u8) -> Option<&[u8]> {
    datagram.strip_prefix(&MAGIC)?.strip_prefix(&[VERSION, kind, 0, 0])
}

/// 16 bytes of address, an IPv4 one as RFC 4291 section 2.5.5.2 maps it, and two of port.
fn endpoint(at: SocketAddr) -> Vec<u8> {
    let address = match at.ip() {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    [&address.octets()[..], &at.port().to_be_bytes()].concat()
}

fn read_endpoint(bytes: &[u8]) -> Option<(SocketAddr, &[u8])> {
    let (address, rest) = bytes.split_first_chunk::<16>()?;
    let (port, rest) = rest.split_first_chunk::<2>()?;
    let address = IpAddr::V6(Ipv6Addr::from(*address)).to_canonical();
    Some((SocketAddr::new(address, u16::from_be_bytes(*port)), rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NONCE: Nonce = Nonce([9; 32]);

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn proof(identity: &Identity) -> Vec<u8> {
        Proof::sign(identity, NONCE, at("203.0.113.10:7464"), at("[2001:db8::7]:40000"))
    }

    #[test]
    fn a_challenge_is_longer_than_its_proof() {
        let identity = Identity::generate().unwrap();
        assert_eq!(challenge(NONCE).len(), CHALLENGE_LENGTH);
        assert_eq!(proof(&identity).len(), PROOF_LENGTH);
        const { assert!(PROOF_LENGTH < CHALLENGE_LENGTH) };
    }

    #[test]
    fn both_datagrams_are_read_as_they_were_written() {
        let identity = Identity::generate().unwrap();
        assert_eq!(read_challenge(&challenge(NONCE)), Some(NONCE));
        let read = Proof::read(&proof(&identity)).unwrap();
        assert_eq!((read.nonce, read.key), (NONCE, identity.public_key()));
        assert_eq!((read.host, read.client), (at("203.0.113.10:7464"), at("[2001:db8::7]:40000")));
        assert!(read.is_genuine());
        assert_eq!(read_challenge(&proof(&identity)), None);
        assert_eq!(Proof::read(&challenge(NONCE)), None);
    }

    #[test]
    fn every_changed_byte_breaks_a_proof() {
        let whole = proof(&Identity::generate().unwrap());
        for index in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[index] ^= 1;
            assert!(Proof::read(&bytes).is_none_or(|proof| !proof.is_genuine()), "byte {index}");
        }
    }

    #[test]
    fn a_short_challenge_which_would_be_amplified_is_none() {
        let whole = challenge(NONCE);
        assert_eq!(read_challenge(&whole[..CHALLENGE_LENGTH - 1]), None);
        assert_eq!(read_challenge(&[&whole[..], &[0]].concat()), None);
        let mut filled = whole;
        filled[CHALLENGE_LENGTH - 1] = 1;
        assert_eq!(read_challenge(&filled), None);
    }

    #[test]
    fn a_stream_is_told_from_a_challenge_by_its_first_bytes() {
        assert_eq!(begins_challenge(&challenge(NONCE)), Some(true));
        assert_eq!((begins_challenge(b""), begins_challenge(b"RGU")), (None, None));
        for other in [&b"SSH-2.0-OpenSSH_9.2"[..], b"RGUX", b"RX", b"G", b"\x16\x03\x01"] {
            assert_eq!(begins_challenge(other), Some(false));
        }
    }

    #[test]
    fn a_proof_is_no_signature_of_anything_else() {
        let identity = Identity::generate().unwrap();
        let bytes = proof(&identity);
        let signature = Signature::from_bytes(bytes[SIGNED..].try_into().unwrap());
        assert!(identity.public_key().verifies("ringup identity 1", &bytes[..SIGNED], &signature));
        assert!(!identity.public_key().verifies("ringup record 1", &bytes[..SIGNED], &signature));
    }

    proptest! {
        #[test]
        fn no_datagram_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), kind in 0_u8..4) {
            let mut datagram = head(kind);
            datagram.extend(bytes);
            prop_assert!(Proof::read(&datagram).is_none_or(|proof| !proof.is_genuine()));
            let _nonce = read_challenge(&datagram);
        }
    }
}
