//! The code that enrols a host: one word that carries everything its machine needs to register with a directory.
//!
//! It is a secret as long as nobody has used it. The directory keeps the identity that comes with its first use, and takes
//! none after its time; from then on the code alone changes nothing.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use data_encoding::BASE64URL_NOPAD;

use crate::dns::TsigKey;
use crate::dns::tsig::Algorithm;
use crate::record::HostName;
use crate::secret::Secret;

/// What a code says.
#[derive(Clone)]
pub struct EnrolmentCode {
    /// Where the directory answers.
    pub servers: Vec<SocketAddr>,
    /// The zone that the host is in.
    pub zone: HostName,
    /// The host.
    pub host: HostName,
    /// The name of its TSIG key.
    pub key: String,
    /// The key's algorithm.
    pub algorithm: Algorithm,
    /// The key's secret in base64.
    pub secret: Secret,
}

impl EnrolmentCode {
    /// Writes the code.
    #[must_use]
    pub fn to_code(&self) -> String {
        let servers: Vec<String> = self.servers.iter().map(ToString::to_string).collect();
        let secret = String::from_utf8_lossy(self.secret.expose());
        let (servers, zone, host, key) = (servers.join(","), &self.zone, &self.host, &self.key);
        let text = format!("{servers} {zone} {host} {key} {} {secret}", self.algorithm);
        let mut bytes = checksum(text.as_bytes()).to_vec();
        bytes.extend_from_slice(text.as_bytes());
        format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&bytes))
    }

    /// Gives the key to sign with.
    ///
    /// # Errors
    /// When there is no such key, which no code that was read has.
    pub fn tsig(&self) -> Result<TsigKey, crate::dns::tsig::KeyError> {
        TsigKey::new(&self.key, self.algorithm, &self.secret)
    }
}

impl fmt::Debug for EnrolmentCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EnrolmentCode({} …)", self.host)
    }
}

impl FromStr for EnrolmentCode {
    type Err = CodeError;

    fn from_str(code: &str) -> Result<Self, CodeError> {
        let encoded = code.trim().strip_prefix(PREFIX).ok_or(CodeError::Foreign)?;
        let bytes = BASE64URL_NOPAD.decode(encoded.as_bytes()).map_err(|_mistyped| CodeError::Damaged)?;
        let (sum, text) = bytes.split_at_checked(CHECKSUM).ok_or(CodeError::Damaged)?;
        if checksum(text) != sum {
            return Err(CodeError::Damaged);
        }
        read(text).ok_or(CodeError::Damaged)
    }
}

/// Why a text is no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// It does not begin as one does.
    #[error("no enrolment code; expected what `ringup host enrol` printed, which begins with {PREFIX}")]
    Foreign,
    /// Part of it is missing or mistyped.
    #[error("the enrolment code is damaged; copy all of it once more")]
    Damaged,
}

fn read(text: &[u8]) -> Option<EnrolmentCode> {
    let mut fields = std::str::from_utf8(text).ok()?.split(' ');
    let servers = fields.next()?.split(',').map(str::parse).collect::<Result<Vec<_>, _>>().ok()?;
    let (zone, host): (HostName, HostName) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let (key, algorithm) = (fields.next()?.to_owned(), fields.next()?.parse().ok()?);
    let secret = Secret::new(fields.next()?.as_bytes().to_vec());
    let code = EnrolmentCode { servers, zone, host, key, algorithm, secret };
    let is_whole = fields.next().is_none() && code.host.is_within(&code.zone) && code.tsig().is_ok();
    is_whole.then_some(code)
}

fn checksum(text: &[u8]) -> [u8; CHECKSUM] {
    let digest = ring::digest::digest(&ring::digest::SHA256, text);
    let mut sum = [0; CHECKSUM];
    for (to, from) in sum.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    sum
}

/// Told from a typing error by one chance in four thousand million.
const CHECKSUM: usize = 4;
const PREFIX: &str = "ringup-enrol-1:";

#[cfg(test)]
mod tests {
    use super::*;

    fn code() -> EnrolmentCode {
        EnrolmentCode {
            servers: vec!["198.51.100.53:53".parse().unwrap(), "[2001:db8::53]:53".parse().unwrap()],
            zone: "dyn.example".parse().unwrap(),
            host: "home.dyn.example".parse().unwrap(),
            key: "home.dyn.example".to_owned(),
            algorithm: Algorithm::HmacSha256,
            secret: Secret::new(b"aG9tZSBob21lIGhvbWUgaG9tZQ==".to_vec()),
        }
    }

    #[test]
    fn a_code_carries_everything_in_one_word() {
        let text = code().to_code();
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_:".contains(&byte)), "{text}");
        let read: EnrolmentCode = format!(" {text}\n").parse().unwrap();
        assert_eq!((read.servers, read.host, read.zone), (code().servers, code().host, code().zone));
        assert_eq!(read.secret.expose(), code().secret.expose());
        assert!(!format!("{:?}", code()).contains("aG9t"));
    }

    #[test]
    fn a_slip_of_the_pen_is_noticed() {
        let text = code().to_code();
        for index in PREFIX.len()..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[index] = if bytes[index] == b'x' { b'y' } else { b'x' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(changed.parse::<EnrolmentCode>().unwrap_err(), CodeError::Damaged, "{changed}");
        }
        assert_eq!(text[..text.len() - 2].parse::<EnrolmentCode>().unwrap_err(), CodeError::Damaged);
        assert_eq!("hello".parse::<EnrolmentCode>().unwrap_err(), CodeError::Foreign);
    }
}
