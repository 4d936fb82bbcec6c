//! Who asks: the peer behind trusted proxies, and the credential that a request shows.

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::{HeaderMap, header};
use data_encoding::BASE64;

use super::Desk;
use crate::directory::accounts::hash;
use crate::directory::roll::{Credential, Proof, TokenHash};

/// Where a connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// The directory's own socket, which only its owner may open: the administrator.
    Administrator,
    /// An address.
    Address(IpAddr),
}

/// Who a request is from, as far as it proves it.
#[derive(Clone, Debug)]
pub(super) enum Principal {
    /// Who may do everything.
    Administrator,
    /// Who may change some hosts.
    Holder(Arc<Credential>),
    /// Who shows nothing.
    Nobody,
}

/// A credential that is shown and is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rejected {
    /// Whether it is one too many of the kind.
    pub(super) too_many: bool,
}

impl Peer {
    /// The address of whoever asks: the connection's, or the one that a trusted proxy names.
    pub(super) fn client(self, headers: &HeaderMap, proxies: &[Network]) -> Option<IpAddr> {
        let Self::Address(peer) = self else { return None };
        let peer = peer.to_canonical();
        let is_trusted = |address: &IpAddr| proxies.iter().any(|network| network.contains(*address));
        if !is_trusted(&peer) {
            return Some(peer);
        }
        // The last proxy wrote the last name; what stands before a stranger's name is the stranger's own word.
        let named = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
        let named: Vec<IpAddr> = named
            .flat_map(|list| list.split(','))
            .map(|name| name.trim().parse::<IpAddr>().map(|address| address.to_canonical()))
            .map_while(Result::ok)
            .collect();
        named.iter().rev().find(|address| !is_trusted(address)).copied().or(Some(peer))
    }
}

impl Desk {
    /// Finds out who asks; a credential that is shown must be good.
    pub(super) fn principal(&self, peer: Peer, headers: &HeaderMap) -> Result<Principal, Rejected> {
        if peer == Peer::Administrator {
            return Ok(Principal::Administrator);
        }
        let shown = match headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()) {
            None if headers.contains_key(header::AUTHORIZATION) => Shown::default(),
            None => return Ok(Principal::Nobody),
            Some(text) => read_authorization(text),
        };
        if let Some(token) = &shown.token {
            let hash = hash(token);
            if shown.user.is_none() && self.settings.administrator.as_ref().is_some_and(|known| same(known, &hash)) {
                return Ok(Principal::Administrator);
            }
            if let Some(credential) = self.front.zone.roll().by_token(&hash).filter(|found| found.admits(&shown)) {
                return Ok(Principal::Holder(Arc::clone(credential)));
            }
        }
        let client = peer.client(headers, &self.settings.trusted_proxies);
        let too_many = self.throttle().failed(client, shown.user.as_deref(), crate::clock::now());
        self.metrics.failed_login();
        if !too_many {
            tracing::warn!(user = shown.user, "login failed");
            tracing::debug!(?client, "login failed from there");
        }
        Err(Rejected { too_many })
    }
}

/// What a request shows.
#[derive(Clone, Default, PartialEq, Eq)]
struct Shown {
    user: Option<String>,
    token: Option<Vec<u8>>,
}

impl Credential {
    /// A login's user name is the credential's name, or that of one of its hosts: routers ask for either.
    fn admits(&self, shown: &Shown) -> bool {
        let is_token = matches!(self.proof, Proof::Token(_));
        is_token
            && shown.user.as_ref().is_none_or(|user| {
                *user == self.name || self.hosts.iter().any(|host| host.as_str().eq_ignore_ascii_case(user))
            })
    }
}

/// Reads `Basic` (RFC 7617) or `Bearer` (RFC 6750).
fn read_authorization(text: &str) -> Shown {
    let (scheme, value) = text.trim().split_once(' ').unwrap_or_default();
    let value = value.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Shown { user: None, token: Some(value.as_bytes().to_vec()) };
    }
    if scheme.eq_ignore_ascii_case("basic")
        && let Ok(pair) = BASE64.decode(value.as_bytes())
        && let Some(colon) = pair.iter().position(|byte| *byte == b':')
        && let Some((user, password)) = pair.split_at_checked(colon)
    {
        let user = String::from_utf8_lossy(user).into_owned();
        return Shown { user: Some(user), token: password.get(1..).map(<[u8]>::to_vec) };
    }
    Shown::default()
}

/// Both are hashes: how long it takes tells nothing of the token.
fn same(known: &TokenHash, shown: &TokenHash) -> bool {
    known.iter().zip(shown).fold(0, |difference, (one, other)| difference | (one ^ other)) == 0
}

/// A network of addresses, written `192.0.2.0/24`, or `192.0.2.1` for one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    length: u32,
}

impl Network {
    pub(super) fn contains(self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - self.length).unwrap_or(0);
                u32::from(base) & mask == u32::from(address) & mask
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - self.length).unwrap_or(0);
                u128::from(base) & mask == u128::from(address) & mask
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl std::str::FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("`{text}` is no network; expected such as \"192.0.2.1\" or \"2001:db8::/48\"");
        let (base, length) = text.split_once('/').map_or((text, None), |(base, length)| (base, Some(length)));
        let base: IpAddr = base.parse().map_err(|_no_address| expected())?;
        let longest = if base.is_ipv4() { 32 } else { 128 };
        let length = match length {
            Some(length) => length.parse().ok().filter(|length| *length <= longest).ok_or_else(expected)?,
            None => longest,
        };
        Ok(Self { base, length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        let proxies = ["192.0.2.0/24".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        Peer::Address(peer.parse().unwrap()).client(&headers, &proxies).unwrap().to_string()
    }

    #[test]
    fn only_trusted_proxies_speak_for_others_and_only_the_last_word_counts() {
        assert_eq!(client("203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
        assert_eq!(client("192.0.2.7", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(client("192.0.2.7", &["10.0.0.1, 198.51.100.1", "192.0.2.8"]), "198.51.100.1");
        assert_eq!(client("::ffff:192.0.2.7", &["::ffff:198.51.100.1"]), "198.51.100.1");
        assert_eq!(client("2001:db8::1", &[]), "2001:db8::1");
        assert_eq!(client("2001:db8::2", &["198.51.100.1"]), "2001:db8::2");
        assert_eq!(client("192.0.2.7", &["nonsense"]), "192.0.2.7");
    }

    #[test]
    fn networks_hold_what_their_length_says() {
        let all: Network = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains("203.0.113.9".parse().unwrap()) && !all.contains("::1".parse().unwrap()));
        for bad in ["", "192.0.2.1/33", "192.0.2/24", "host", "::/129"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }

    #[test]
    fn credentials_are_read_as_both_schemes_have_them() {
        let basic = |pair: &str| read_authorization(&format!("basic {}", BASE64.encode(pair.as_bytes())));
        assert!(basic("cam:pass:word") == Shown { user: Some("cam".to_owned()), token: Some(b"pass:word".to_vec()) });
        assert!(read_authorization("Bearer  abc ").token == Some(b"abc".to_vec()));
        for bad in ["", "Basic", "Basic %%%", "Digest x", &format!("Basic {}", BASE64.encode(b"no colon"))] {
            assert!(read_authorization(bad) == Shown::default(), "{bad}");
        }
    }
}
