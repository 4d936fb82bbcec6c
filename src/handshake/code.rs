//! One-time codes that a person types: eight digits each, every one good once (HOTP, RFC 4226, with HMAC-SHA-256).
//!
//! Owns how a code follows from the secret and its number, and how far ahead of the last one used a code may be. Refuses
//! to keep count: which codes are used is the [`Ledger`](super::Ledger)'s to remember.

use std::fmt;
use std::path::Path;

use data_encoding::BASE64URL_NOPAD;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

use super::NoRandomness;
use crate::durable;
use crate::secret::{Secret, SecretError};

/// How many codes may have been lost since the last one used: a line crossed out by mistake, a call that broke off.
pub const LOOK_AHEAD: u64 = 10;
/// Digits of a code: eight, of which RFC 4226 5.3 allows six to eight.
const DIGITS: usize = 8;
const FILE_PREFIX: &str = "ringup-codes-1:";

/// The number of a code, from 1: it goes up by one from code to code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Counter(u64);

impl Counter {
    /// The first code's.
    pub const FIRST: Self = Self(1);

    /// Takes a number; `None` for 0 and for the last of all, which has no next.
    #[must_use]
    pub fn new(number: u64) -> Option<Self> {
        (1..u64::MAX).contains(&number).then_some(Self(number))
    }

    /// The bare number.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }

    /// The counter so many codes later.
    #[must_use]
    pub fn after(self, codes: u64) -> Self {
        Self(self.0.saturating_add(codes).min(u64::MAX - 1))
    }
}

/// A code, as a person types it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Code(u32);

impl Code {
    /// Reads eight digits, with blanks or hyphens where the eye wants them; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits: String = text.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
        let whole = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
        whole.then(|| digits.parse().ok().map(Self)).flatten()
    }
}

impl fmt::Display for Code {
    /// Writes two groups of four digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04} {:04}", self.0 / 10_000, self.0 % 10_000)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(…)")
    }
}

/// The secret from which the codes follow.
#[derive(Clone)]
pub struct CodeKey(hmac::Key);

impl CodeKey {
    fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// Reads the secret from its file.
    ///
    /// # Errors
    /// When the file is missing, open to others, or holds something else.
    pub fn load(path: &Path) -> Result<Self, CodeKeyError> {
        let secret = Secret::read(path)?;
        let text = secret.expose().strip_prefix(FILE_PREFIX.as_bytes());
        let bytes = text.and_then(|text| BASE64URL_NOPAD.decode(text).ok()).filter(|bytes| bytes.len() == 32);
        bytes.map(|bytes| Self::new(&bytes)).ok_or_else(|| CodeKeyError::Malformed { path: path.to_owned() })
    }

    /// Makes a new secret and writes it to a new file of mode 0600, whole or not at all.
    ///
    /// # Errors
    /// When there is a file of that name already, it cannot be written, or the system gives no random numbers.
    pub fn create(path: &Path) -> Result<Self, CodeKeyError> {
        let mut secret = [0; 32];
        SystemRandom::new().fill(&mut secret).map_err(|ring::error::Unspecified| NoRandomness)?;
        let line = format!("{FILE_PREFIX}{}\n", BASE64URL_NOPAD.encode(&secret));
        let unwritable = |source| CodeKeyError::Unwritable { path: path.to_owned(), source };
        durable::create(path, line.as_bytes()).map_err(unwritable)?;
        Ok(Self::new(&secret))
    }

    /// The code of this number (RFC 4226 5.3).
    #[must_use]
    pub fn code(&self, counter: Counter) -> Code {
        let tag = hmac::sign(&self.0, &counter.0.to_be_bytes());
        let tag = tag.as_ref();
        let offset = usize::from(tag.last().copied().unwrap_or_default() & 0x0f);
        let four = tag.get(offset..offset + 4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok()).unwrap_or_default();
        Code((u32::from_be_bytes(four) & 0x7fff_ffff) % 100_000_000)
    }

    /// The number of a code that may be used now, where `next` is the first that is not used.
    #[must_use]
    pub fn find(&self, code: Code, next: Counter) -> Option<Counter> {
        (0..LOOK_AHEAD).map(|ahead| next.after(ahead)).find(|counter| self.code(*counter) == code)
    }
}

impl fmt::Debug for CodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeKey(…)")
    }
}

/// Why the secret of the codes could not be had.
#[derive(Debug, thiserror::Error)]
pub enum CodeKeyError {
    /// The file cannot be read, or others can.
    #[error("cannot load the secret of the codes")]
    Secret(#[from] SecretError),
    /// The file holds something else.
    #[error("{} holds no secret of codes; expected the one line that `ringup code` wrote there", path.display())]
    Malformed {
        /// The secret's file.
        path: std::path::PathBuf,
    },
    /// The new file cannot be written.
    #[error("cannot write the secret of the codes to {}", path.display())]
    Unwritable {
        /// The secret's file.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The system gave no random numbers.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_standards_own_examples() {
        // RFC 6238 appendix B, whose counters are times: HMAC-SHA-256, eight digits.
        let key = CodeKey::new(b"12345678901234567890123456789012");
        for (counter, code) in [
            (0x1, "46119246"),
            (0x0235_23ec, "68084774"),
            (0x0235_23ed, "67062674"),
            (0x0273_ef07, "91819424"),
            (0x03f9_40aa, "90698825"),
            (0x27bc_86aa, "77737706"),
        ] {
            assert_eq!(Some(key.code(Counter::new(counter).unwrap())), Code::parse(code), "{counter:x}");
        }
    }

    #[test]
    fn a_code_is_eight_digits_however_they_are_grouped() {
        let code = Code::parse("00012345").unwrap();
        assert_eq!(code.to_string(), "0001 2345");
        assert_eq!(Code::parse(" 0001-2345 "), Some(code));
        for bad in ["", "1234567", "123456789", "1234567x", "RINGUP 1", "+1234567"] {
            assert_eq!(Code::parse(bad), None, "{bad:?}");
        }
        assert!(!format!("{code:?}").contains("12345"));
    }

    #[test]
    fn a_code_is_found_from_the_next_on_and_not_far_behind_it() {
        let key = CodeKey::new(b"a secret");
        let at = |number| Counter::new(number).unwrap();
        assert_eq!(key.find(key.code(at(5)), at(5)), Some(at(5)));
        assert_eq!(key.find(key.code(at(14)), at(5)), Some(at(14)));
        assert_eq!(key.find(key.code(at(15)), at(5)), None, "too far ahead");
        assert_eq!(key.find(key.code(at(4)), at(5)), None, "used");
    }
}
