//! Secrets that the directory makes: 160 random bits for a token, 256 for a TSIG key.

use data_encoding::{BASE64, Encoding, Specification};
use ring::rand::{SecureRandom, SystemRandom};

use super::AccountError;
use crate::directory::roll::TokenHash;

/// Makes a token: 32 letters and digits, which every router's password field takes.
pub(super) fn token() -> Result<String, AccountError> {
    Ok(base32().encode(&random::<20>()?))
}

/// Makes the secret of a TSIG key, in base64 as everybody writes it.
pub(super) fn tsig() -> Result<String, AccountError> {
    Ok(BASE64.encode(&random::<32>()?))
}

/// What is kept of a token.
pub(in crate::directory) fn hash(token: &[u8]) -> TokenHash {
    let digest = ring::digest::digest(&ring::digest::SHA256, token);
    let mut hash = TokenHash::default();
    for (to, from) in hash.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    hash
}

fn random<const LENGTH: usize>() -> Result<[u8; LENGTH], AccountError> {
    let mut bytes = [0; LENGTH];
    SystemRandom::new().fill(&mut bytes).map_err(|ring::error::Unspecified| AccountError::NoRandomness)?;
    Ok(bytes)
}

/// Lower case, and without the characters that are read as another: l, o, 0 and 1 (as in z-base-32).
#[expect(clippy::expect_used, reason = "32 distinct symbols are an encoding")]
fn base32() -> Encoding {
    let mut specification = Specification::new();
    specification.symbols.push_str("abcdefghijkmnpqrstuvwxyz23456789");
    specification.encoding().expect("32 distinct symbols are an encoding")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_160_bits_in_32_characters_and_never_comes_twice() {
        let (first, second) = (token().unwrap(), token().unwrap());
        assert_ne!(first, second);
        assert_eq!(base32().decode(first.as_bytes()).unwrap().len() * 8, 160);
        assert_eq!(first.len(), 32);
        assert_ne!(hash(first.as_bytes()), hash(second.as_bytes()));
    }
}
