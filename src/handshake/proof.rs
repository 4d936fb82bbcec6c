//! What a client signs to be let in: a nonce that was never used before, for this host, in this role.

use std::fmt;

use ring::rand::{SecureRandom, SystemRandom};

use super::{VERSION, base32};
use crate::record::{HostName, Identity, PublicKey, Signature};

/// 128 bits that the host has never sent before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Nonce([u8; 16]);

/// The system gave no random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gave no random numbers for a challenge")]
pub struct NoRandomness;

/// The signature's digits in the first of its two lines; the rest is in the second.
const FIRST_PART: usize = 52;

impl Nonce {
    /// Draws a nonce.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn generate() -> Result<Self, NoRandomness> {
        let mut bytes = [0; 16];
        SystemRandom::new().fill(&mut bytes).map_err(|ring::error::Unspecified| NoRandomness)?;
        Ok(Self(bytes))
    }

    /// Takes bytes that were drawn already.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        base32::decode(text).map(Self)
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base32::encode(&self.0))
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nonce({self})")
    }
}

/// Signs a challenge of this host; gives the two parts in which the signature travels.
pub(super) fn prove(identity: &Identity, host: &HostName, nonce: Nonce) -> [String; 2] {
    let signature = identity.sign(&context(), &message(host, nonce));
    let mut first = base32::encode(signature.as_bytes());
    let second = first.split_off(FIRST_PART);
    [first, second]
}

/// Whether the holder of this key signed this challenge of this host.
pub(super) fn proves(key: &PublicKey, host: &HostName, nonce: Nonce, parts: [&str; 2]) -> bool {
    let signature = base32::decode(&parts.concat()).map(Signature::from_bytes);
    signature.is_some_and(|signature| key.verifies(&context(), &message(host, nonce), &signature))
}

fn context() -> String {
    format!("ringup answered wake {VERSION}")
}

fn message(host: &HostName, nonce: Nonce) -> Vec<u8> {
    [b"caller\0", host.as_str().as_bytes(), b"\0", &nonce.0].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str) -> HostName {
        name.parse().unwrap()
    }

    #[test]
    fn a_proof_is_good_for_its_key_host_and_nonce_alone() {
        let identity = Identity::generate().unwrap();
        let (key, other) = (identity.public_key(), Identity::generate().unwrap().public_key());
        let (nonce, home) = (Nonce::generate().unwrap(), host("home.dyn.example"));
        let [first, second] = prove(&identity, &home, nonce);
        assert_eq!((first.len(), second.len()), (52, 51));
        let parts = [first.as_str(), second.as_str()];
        assert!(proves(&key, &home, nonce, parts));
        assert!(!proves(&other, &home, nonce, parts));
        assert!(!proves(&key, &host("cabin.dyn.example"), nonce, parts));
        assert!(!proves(&key, &home, Nonce::generate().unwrap(), parts));
        assert!(!proves(&key, &home, nonce, [parts[1], parts[0]]));
        assert!(!proves(&key, &home, nonce, ["", ""]));
    }

    #[test]
    fn a_proof_is_no_signature_of_anything_else() {
        let identity = Identity::generate().unwrap();
        let (nonce, home) = (Nonce::from_bytes([7; 16]), host("home.dyn.example"));
        let [first, second] = prove(&identity, &home, nonce);
        let signature = Signature::from_bytes(base32::decode(&(first + &second)).unwrap());
        let message = message(&home, nonce);
        assert!(identity.public_key().verifies("ringup answered wake 1", &message, &signature));
        assert!(!identity.public_key().verifies("ringup record 1", &message, &signature));
    }
}
