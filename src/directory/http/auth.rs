//! Who asks: the peer behind trusted proxies, and the credential that a request shows.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::http::{HeaderMap, header};
use data_encoding::BASE64;

use super::Desk;
use crate::directory::accounts::hash;
use crate::directory::bounds::network::Network;
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
    /// The address of whoever asks: the connection's, or the one that a trusted proxy names. `None` for the administrator,
    /// and where a proxy's word cannot be read: then it is nobody's address, least of all the proxy's.
    pub(super) fn client(self, headers: &HeaderMap, proxies: &[Network]) -> Option<IpAddr> {
        let Self::Address(peer) = self else { return None };
        let mut client = peer.to_canonical();
        let is_trusted = |address: IpAddr| proxies.iter().any(|network| network.contains(address));
        // Each proxy adds whom it has the request from. From the last one back, as far as they are trusted: what stands
        // before a stranger's name is the stranger's own word.
        for list in headers.get_all("x-forwarded-for").iter().rev() {
            for name in list.as_bytes().rsplit(|byte| *byte == b',') {
                if !is_trusted(client) {
                    return Some(client);
                }
                client = read_name(name)?;
            }
        }
        Some(client)
    }
}

/// Reads an address as proxies write it: bare, in brackets, or with a port.
fn read_name(name: &[u8]) -> Option<IpAddr> {
    let name = str::from_utf8(name).ok()?.trim();
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    let address = bare.parse::<IpAddr>().ok().or_else(|| Some(name.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address| address.to_canonical())
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

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn client(peer: &str, forwarded: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let proxies = ["192.0.2.0/24".parse().unwrap(), "2001:db8::1".parse().unwrap(), "127.0.0.1".parse().unwrap()];
        Peer::Address(peer.parse().unwrap()).client(&headers, &proxies).map(|client| client.to_string())
    }

    #[test]
    fn only_trusted_proxies_speak_for_others_and_only_the_last_word_counts() {
        for (peer, forwarded, expected) in [
            ("203.0.113.9", &["198.51.100.1"][..], "203.0.113.9"),
            ("192.0.2.7", &["198.51.100.1"], "198.51.100.1"),
            ("192.0.2.7", &["10.0.0.1, 198.51.100.1", "192.0.2.8"], "198.51.100.1"),
            ("192.0.2.7", &["192.0.2.9,192.0.2.8"], "192.0.2.9"),
            ("::ffff:192.0.2.7", &["::ffff:198.51.100.1"], "198.51.100.1"),
            ("2001:db8::1", &[], "2001:db8::1"),
            ("2001:db8::2", &["198.51.100.1"], "2001:db8::2"),
            ("2001:db8::2", &["nonsense"], "2001:db8::2"),
            ("192.0.2.7", &["198.51.100.1:4711"], "198.51.100.1"),
            ("192.0.2.7", &["[2001:db8::9]:443"], "2001:db8::9"),
            ("192.0.2.7", &["[2001:db8::9]"], "2001:db8::9"),
        ] {
            assert_eq!(client(peer, forwarded).as_deref(), Some(expected), "{peer} for {forwarded:?}");
        }
    }

    #[test]
    fn what_a_client_writes_itself_neither_hides_it_nor_makes_it_the_proxy() {
        for own_word in ["x, ", "127.0.0.1, ", ", ", "\u{e9}, ", "192.0.2.8,x,"] {
            let forwarded = format!("{own_word}203.0.113.5");
            assert_eq!(client("127.0.0.1", &[&forwarded]).as_deref(), Some("203.0.113.5"), "{own_word}");
            assert_eq!(client("127.0.0.1", &[own_word, "203.0.113.5"]).as_deref(), Some("203.0.113.5"), "{own_word}");
        }
        // A proxy whose word cannot be read speaks for nobody that is known.
        for nonsense in ["x", "", "unknown", "203.0.113.5, x", "198.51.100.1:99999", "\u{e9}"] {
            assert_eq!(client("127.0.0.1", &[nonsense]), None, "{nonsense}");
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
