//! What a host says of its services, so that a client can make sure of them: where it proves its identity, its ssh host
//! key, the key of its TLS certificate, and where a tunnel of its own ends.
//!
//! Refuses every kind of ssh key but Ed25519: its 32 bytes are a whole key, not a fingerprint, and fit a datagram.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::str::FromStr;

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL_NOPAD};

/// The UDP port at which a host proves its identity unless its record names another: RING on a telephone's keys.
pub const PROOF_PORT: NonZeroU16 = match NonZeroU16::new(7464) {
    Some(port) => port,
    None => NonZeroU16::MIN,
};

/// What rides in a record beside the addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Services {
    /// The UDP port at which the host proves its identity (docs/identity.md).
    pub proof_port: NonZeroU16,
    /// The host key of its ssh server.
    pub ssh: Option<SshHostKey>,
    /// The key in its TLS certificate.
    pub tls: Option<TlsPin>,
    /// Where its tunnel ends, for those who cannot reach its addresses.
    pub tunnel: Option<FarEnd>,
}

impl Default for Services {
    fn default() -> Self {
        Self { proof_port: PROOF_PORT, ssh: None, tls: None, tunnel: None }
    }
}

impl Services {
    /// Writes the fields as in a record, each with a blank before it; nothing for what is as usual.
    #[must_use]
    pub fn fields(&self) -> String {
        let mut text = String::new();
        if self.proof_port != PROOF_PORT {
            text.push_str(&format!(" p={}", self.proof_port));
        }
        if let Some(SshHostKey(key)) = self.ssh {
            text.push_str(&format!(" h={}", BASE64URL_NOPAD.encode(&key)));
        }
        if let Some(TlsPin(digest)) = self.tls {
            text.push_str(&format!(" c={}", BASE64URL_NOPAD.encode(&digest)));
        }
        if let Some(tunnel) = self.tunnel {
            text.push_str(&format!(" v={tunnel}"));
        }
        text
    }

    /// Reads what [`Services::fields`] has written; `None` for anything else.
    #[must_use]
    pub fn read(fields: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(fields).ok()?;
        let mut fields = text.split(' ').skip(1).peekable();
        Self::take(&mut fields).filter(|read| read.fields() == text)
    }

    /// Takes the fields from the front of the rest of a record; `None` when one of them cannot be read.
    pub(super) fn take<'text, I>(fields: &mut std::iter::Peekable<I>) -> Option<Self>
    where
        I: Iterator<Item = &'text str>,
    {
        let mut next =
            |name: &str| fields.next_if(|field| field.starts_with(name)).map(|field| field.get(name.len()..));
        let proof_port = match next("p=") {
            Some(value) => value?.parse().ok()?,
            None => PROOF_PORT,
        };
        let ssh = match next("h=") {
            Some(value) => Some(SshHostKey(bytes(value?)?)),
            None => None,
        };
        let tls = match next("c=") {
            Some(value) => Some(TlsPin(bytes(value?)?)),
            None => None,
        };
        let tunnel = match next("v=") {
            Some(value) => Some(value?.parse().ok()?),
            None => None,
        };
        Some(Self { proof_port, ssh, tls, tunnel })
    }
}

/// The public Ed25519 host key of an ssh server (RFC 8709).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SshHostKey([u8; 32]);

impl SshHostKey {
    const KIND: &'static str = "ssh-ed25519";

    /// Takes the 32 bytes of the key.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for SshHostKey {
    /// Writes it as in a known_hosts file behind the names: `ssh-ed25519 AAAA…` (sshd(8)).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = Self::KIND.as_bytes();
        let blob = [&11_u32.to_be_bytes()[..], kind, &32_u32.to_be_bytes(), &self.0].concat();
        write!(f, "{} {}", Self::KIND, BASE64.encode(&blob))
    }
}

impl FromStr for SshHostKey {
    type Err = ServiceError;

    /// Reads a line as in `ssh_host_ed25519_key.pub`: kind, key, and perhaps a comment.
    fn from_str(line: &str) -> Result<Self, ServiceError> {
        let mut words = line.split_ascii_whitespace();
        if words.next() != Some(Self::KIND) {
            return Err(ServiceError::SshKind);
        }
        let blob = words.next().and_then(|text| BASE64.decode(text.as_bytes()).ok()).ok_or(ServiceError::SshKey)?;
        let head = [&11_u32.to_be_bytes()[..], Self::KIND.as_bytes(), &32_u32.to_be_bytes()].concat();
        let key = blob.strip_prefix(&head[..]).and_then(|key| key.try_into().ok());
        key.map(Self).ok_or(ServiceError::SshKey)
    }
}

/// The SHA-256 of the public key in a TLS certificate (its SubjectPublicKeyInfo, RFC 7469 section 2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsPin([u8; 32]);

impl TlsPin {
    /// Takes the 32 bytes of the digest.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for TlsPin {
    /// Writes it as curl's `--pinnedpubkey` takes it: `sha256//` and base64.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256//{}", BASE64.encode(&self.0))
    }
}

impl FromStr for TlsPin {
    type Err = ServiceError;

    fn from_str(text: &str) -> Result<Self, ServiceError> {
        let digest = text
            .strip_prefix("sha256//")
            .and_then(|text| BASE64_NOPAD.decode(text.trim_end_matches('=').as_bytes()).ok()?.try_into().ok());
        digest.map(Self).ok_or(ServiceError::Tls)
    }
}

/// The far end of a tunnel that the host has opened to a machine with a public address: whoever connects there over TCP
/// meets one service of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FarEnd {
    at: SocketAddr,
    service: NonZeroU16,
}

impl FarEnd {
    /// Takes the address and port at which the tunnel ends, and the port of the host's service that is met there; `None`
    /// when nobody could connect there.
    #[must_use]
    pub fn new(at: SocketAddr, service: NonZeroU16) -> Option<Self> {
        let address = at.ip().to_canonical();
        let connectable = at.port() != 0 && !address.is_unspecified() && !address.is_multicast();
        connectable.then(|| Self { at: SocketAddr::new(address, at.port()), service })
    }

    /// Gives the address and port at which it ends.
    #[must_use]
    pub fn at(&self) -> SocketAddr {
        self.at
    }

    /// Gives the port that the service has at the host itself.
    #[must_use]
    pub fn service(&self) -> u16 {
        self.service.get()
    }
}

impl fmt::Display for FarEnd {
    /// Writes it as in a record: `198.51.100.7:2222/22`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.at, self.service)
    }
}

impl FromStr for FarEnd {
    type Err = ServiceError;

    fn from_str(text: &str) -> Result<Self, ServiceError> {
        let (at, service) = text.split_once('/').ok_or(ServiceError::Tunnel)?;
        let (at, service) = at.parse().ok().zip(service.parse().ok()).ok_or(ServiceError::Tunnel)?;
        Self::new(at, service).ok_or(ServiceError::Tunnel)
    }
}

/// Why a text is no key of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// Another kind of ssh key.
    #[error("not an Ed25519 key; expected the line in /etc/ssh/ssh_host_ed25519_key.pub")]
    SshKind,
    /// The right kind, and then something else than a key.
    #[error("a damaged ssh key; expected the line in /etc/ssh/ssh_host_ed25519_key.pub")]
    SshKey,
    /// No digest.
    #[error("not a pin; expected sha256// and 44 characters of base64, as curl's --pinnedpubkey takes it")]
    Tls,
    /// No place of a tunnel.
    #[error("not the end of a tunnel; expected address:port/port, such as 198.51.100.7:2222/22")]
    Tunnel,
}

fn bytes(text: &str) -> Option<[u8; 32]> {
    BASE64URL_NOPAD.decode(text.as_bytes()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH";

    #[test]
    fn an_ssh_key_is_read_from_its_file_and_written_for_known_hosts() {
        let key: SshHostKey = format!("{LINE} root@home\n").parse().unwrap();
        assert_eq!(key, SshHostKey::from_bytes([7; 32]));
        assert_eq!(key.to_string(), LINE);
        assert_eq!("ssh-rsa AAAA".parse::<SshHostKey>(), Err(ServiceError::SshKind));
        for damaged in ["ssh-ed25519", "ssh-ed25519 AAAA", &LINE[..LINE.len() - 4]] {
            assert_eq!(damaged.parse::<SshHostKey>(), Err(ServiceError::SshKey), "{damaged}");
        }
    }

    #[test]
    fn a_tunnel_ends_where_one_can_connect_and_is_written_in_one_way() {
        for text in ["198.51.100.7:2222/22", "[2001:db8::7]:2222/443"] {
            assert_eq!(text.parse::<FarEnd>().unwrap().to_string(), text);
        }
        for text in ["198.51.100.7:2222", "198.51.100.7:0/22", "198.51.100.7:22/0", "0.0.0.0:22/22", "relay:22/22", ""]
        {
            assert_eq!(text.parse::<FarEnd>(), Err(ServiceError::Tunnel), "{text}");
        }
        let mapped: FarEnd = "[::ffff:198.51.100.7]:2222/22".parse().unwrap();
        assert_eq!(mapped.to_string(), "198.51.100.7:2222/22", "so a record that writes it so is refused");
    }

    #[test]
    fn a_tls_pin_is_curls() {
        let pin = TlsPin::from_bytes([7; 32]);
        assert_eq!(pin.to_string(), "sha256//BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=");
        assert_eq!(pin.to_string().parse(), Ok(pin));
        for bad in ["BwcH", "sha256//BwcH", "sha1//BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="] {
            assert_eq!(bad.parse::<TlsPin>(), Err(ServiceError::Tls), "{bad}");
        }
    }
}
