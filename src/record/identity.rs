//! A host's Ed25519 identity (RFC 8032): its private half in one file of its own, its public half as one word.
//!
//! Refuses to overwrite an identity that exists, to read one that others can read, and to print a private half.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use data_encoding::BASE64URL_NOPAD;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::durable;
use crate::secret::{Secret, SecretError};

/// A host's private key, which can sign and cannot be printed.
pub struct Identity {
    pair: Ed25519KeyPair,
    seed: [u8; 32],
}

impl Identity {
    /// Makes a new identity in memory.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn generate() -> Result<Self, IdentityError> {
        let mut seed = [0; 32];
        SystemRandom::new().fill(&mut seed).map_err(|ring::error::Unspecified| IdentityError::NoRandomness)?;
        Self::from_seed(seed).ok_or(IdentityError::NoRandomness)
    }

    /// Makes a new identity and writes it to a new file of mode 0600, whole or not at all.
    ///
    /// # Errors
    /// When there is a file of that name already, or it cannot be written.
    pub fn create(path: &Path) -> Result<Self, IdentityError> {
        let identity = Self::generate()?;
        let line = format!("{FILE_PREFIX}{}\n", BASE64URL_NOPAD.encode(&identity.seed));
        durable::create(path, line.as_bytes()).map_err(|source| {
            let path = path.to_owned();
            if source.kind() == std::io::ErrorKind::AlreadyExists {
                IdentityError::Exists { path }
            } else {
                IdentityError::Unwritable { path, source }
            }
        })?;
        Ok(identity)
    }

    /// Reads an identity from its file.
    ///
    /// # Errors
    /// When the file is missing, open to others, or holds something else.
    pub fn load(path: &Path) -> Result<Self, IdentityError> {
        let secret = Secret::read(path)?;
        let seed = secret.expose().strip_prefix(FILE_PREFIX.as_bytes()).and_then(|text| {
            let bytes = BASE64URL_NOPAD.decode(text).ok()?;
            <[u8; 32]>::try_from(bytes).ok()
        });
        seed.and_then(Self::from_seed).ok_or_else(|| IdentityError::Malformed { path: path.to_owned() })
    }

    /// Gives the public half.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        let mut bytes = [0; 32];
        for (to, from) in bytes.iter_mut().zip(self.pair.public_key().as_ref()) {
            *to = *from;
        }
        PublicKey(bytes)
    }

    /// Signs a message for one purpose: a signature made in one context is worthless in every other.
    ///
    /// The signed bytes are the context, a zero byte, and the message.
    #[must_use]
    pub fn sign(&self, context: &str, message: &[u8]) -> Signature {
        let signed = self.pair.sign(&bind(context, message));
        let mut bytes = [0; 64];
        for (to, from) in bytes.iter_mut().zip(signed.as_ref()) {
            *to = *from;
        }
        Signature(bytes)
    }

    pub(crate) fn from_seed(seed: [u8; 32]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).ok()?;
        Some(Self { pair, seed })
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.public_key())
    }
}

/// A host's public key: what a client pins.
#[derive(Clone, Copy, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Takes the 32 bytes of an Ed25519 public key (RFC 8032 section 5.1.5).
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Gives the 32 bytes of the key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Tells whether the holder of this key signed the message in this context.
    #[must_use]
    pub fn verifies(&self, context: &str, message: &[u8], signature: &Signature) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(&bind(context, message), &signature.0).is_ok()
    }

    pub(super) fn to_base64(self) -> String {
        BASE64URL_NOPAD.encode(&self.0)
    }

    pub(super) fn from_base64(text: &str) -> Option<Self> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{KEY_PREFIX}{}", self.to_base64())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PublicKey {
    type Err = PublicKeyError;

    fn from_str(text: &str) -> Result<Self, PublicKeyError> {
        text.strip_prefix(KEY_PREFIX).and_then(Self::from_base64).ok_or(PublicKeyError)
    }
}

impl TryFrom<String> for PublicKey {
    type Error = PublicKeyError;

    fn try_from(text: String) -> Result<Self, PublicKeyError> {
        text.parse()
    }
}

/// A text is no public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a public key; expected ed25519: and 43 characters of base64url")]
pub struct PublicKeyError;

/// An Ed25519 signature: 64 bytes (RFC 8032 section 5.1.6).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

impl Signature {
    /// Takes the 64 bytes of a signature.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// Gives the 64 bytes of the signature.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }

    pub(super) fn to_base64(self) -> String {
        BASE64URL_NOPAD.encode(&self.0)
    }

    pub(super) fn from_base64(text: &str) -> Option<Self> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({})", self.to_base64())
    }
}

/// Why an identity could not be had.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file cannot be read, or others can.
    #[error("cannot load the identity")]
    Secret(#[from] SecretError),
    /// The file holds something else.
    #[error("{} holds no identity; expected the one line that ringup wrote there", path.display())]
    Malformed {
        /// The identity's file.
        path: PathBuf,
    },
    /// There is a file of that name already, and it is not overwritten.
    #[error("{} exists already; an identity is never overwritten", path.display())]
    Exists {
        /// The identity's file.
        path: PathBuf,
    },
    /// The new file cannot be written.
    #[error("cannot write the identity to {}", path.display())]
    Unwritable {
        /// The identity's file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The system gave no random numbers.
    #[error("the system gave no random numbers for a new identity")]
    NoRandomness,
}

fn bind(context: &str, message: &[u8]) -> Vec<u8> {
    [context.as_bytes(), &[0], message].concat()
}

const FILE_PREFIX: &str = "ringup-identity-1:";
const KEY_PREFIX: &str = "ed25519:";

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn an_identity_survives_its_file_and_is_private() {
        let folder = Scratch::new("identity");
        let path = folder.path("identity");
        let made = Identity::create(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let loaded = Identity::load(&path).unwrap();
        assert_eq!(loaded.public_key(), made.public_key());
        let signature = loaded.sign("test", b"hello");
        assert!(made.public_key().verifies("test", b"hello", &signature));
        assert!(!made.public_key().verifies("other", b"hello", &signature));
        assert!(!made.public_key().verifies("test", b"hellO", &signature));
        assert!(!format!("{loaded:?}").contains(&BASE64URL_NOPAD.encode(&loaded.seed)));
    }

    #[test]
    fn an_identity_is_never_overwritten_nor_read_when_exposed() {
        let folder = Scratch::new("identity-twice");
        let path = folder.path("identity");
        let first = Identity::create(&path).unwrap().public_key();
        assert!(matches!(Identity::create(&path), Err(IdentityError::Exists { .. })));
        assert_eq!(Identity::load(&path).unwrap().public_key(), first);
        assert_eq!(std::fs::read_dir(folder.root()).unwrap().count(), 1, "no partial file is left");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(Identity::load(&path), Err(IdentityError::Secret(SecretError::Exposed { .. }))));
    }

    #[test]
    fn a_public_key_is_one_strict_word() {
        let key = Identity::generate().unwrap().public_key();
        assert_eq!(key.to_string().parse(), Ok(key));
        let text = key.to_string();
        for bad in [&text[8..], &text[..text.len() - 1], &format!("{text}="), &text.to_uppercase()] {
            assert_eq!(bad.parse::<PublicKey>(), Err(PublicKeyError), "{bad}");
        }
    }
}
