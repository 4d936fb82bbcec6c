//! The directory over HTTP: a JSON API, waiting for a host, dyndns2, and the administrator's accounts.
//!
//! Speaks HTTP/1.0 and 1.1, over TLS or on loopback, and on a socket of its own beside the database, whose owner is the
//! administrator. Owns what passes between that wire and the cores: the book decides, the writer writes. Never redirects.
//! `docs/directory-http.md` has all of it for users, `docs/openapi.json` for programs.

mod administration;
mod auth;
mod connection;
pub(crate) mod dyndns;
#[cfg(test)]
mod fixture;
mod history;
pub(super) mod hosts;
mod metrics;
mod nic;
mod router;
mod shapes;
mod status;
mod throttle;
mod tls;
mod wait;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use self::connection::DoorError;
pub(super) use self::connection::{open_doors, serve};
use self::metrics::Metrics;
use self::shapes::{HostView, Problem};
use self::throttle::Throttle;
pub use self::tls::TlsError;
use super::accounts::Accounts;
use super::bounds::network::Network;
use super::front::Front;
use super::roll::TokenHash;
use super::waiters::Listening;
use super::zone::View;
use crate::record::HostName;

/// Where and how to speak HTTP.
#[derive(Clone, Debug, Default)]
pub struct HttpSettings {
    /// The addresses to answer at; port 0 takes a free one.
    pub listen: Vec<SocketAddr>,
    /// The certificate's chain and its key, both in PEM; without them, loopback only.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Who may say for whom they ask, in `X-Forwarded-For`.
    pub trusted_proxies: Vec<Network>,
    /// The SHA-256 of the administrator's token, where he may come over the network.
    pub administrator: Option<TokenHash>,
    /// How many connections there may be at a time.
    pub connections: usize,
    /// How many of them from one network: an IPv4 address, an IPv6 /64.
    pub connections_per_address: usize,
}

/// The SHA-256 of a token, as [`HttpSettings::administrator`] has it.
#[must_use]
pub fn token_hash(token: &[u8]) -> TokenHash {
    super::accounts::hash(token)
}

/// Where the administrator's socket is: beside the database.
#[must_use]
pub fn socket_of(database: &Path) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(".socket");
    path.into()
}

/// What every request is answered from.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) front: Arc<Front>,
    pub(super) accounts: Accounts,
    pub(super) settings: HttpSettings,
    pub(super) database: PathBuf,
    pub(super) shutdown: CancellationToken,
    throttle: Mutex<Throttle>,
    metrics: Metrics,
}

impl Desk {
    pub(super) fn new(
        front: Arc<Front>,
        accounts: Accounts,
        settings: HttpSettings,
        database: PathBuf,
        shutdown: CancellationToken,
    ) -> Self {
        Self { front, accounts, settings, database, shutdown, throttle: Mutex::default(), metrics: Metrics::default() }
    }

    fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks a host up; `None` for one that is neither on the roll nor registered.
    fn view(&self, host: &HostName) -> Option<HostView> {
        self.look(|view, now| {
            let entry = view.entry(host);
            let is_known = entry.is_some() || self.front.zone.roll().hosting(host).is_some();
            is_known.then(|| HostView::of(host, entry.as_ref(), now))
        })
    }

    /// The addresses that are answered for a host at this moment.
    fn addresses(&self, host: &HostName) -> Vec<IpAddr> {
        self.look(|view, now| {
            let entry = view.entry(host).filter(|entry| entry.remaining(now) > 0);
            entry.and_then(|entry| Some(entry.statement.record()?.addresses().to_vec()))
        })
        .unwrap_or_default()
    }

    /// When the lease of a host that is online runs out.
    fn expiry(&self, host: &HostName) -> Option<Instant> {
        let remaining = self.look(|view, now| view.entry(host).map(|entry| entry.remaining(now)))?;
        (remaining > 0).then(|| Instant::now() + Duration::from_secs(remaining.into()))
    }

    fn look<T>(&self, with: impl FnOnce(&View<'_>, u64) -> T) -> T {
        let now = self.front.clock.now();
        with(&View { zone: &self.front.zone, index: &self.front.read(), pending: None }, now)
    }

    fn listen(&self, host: &HostName) -> Result<Listening, Problem> {
        match self.view(host) {
            Some(_) => Ok(self.front.waiters.listen(host)),
            None => Err(Problem::unknown_host(host.as_str())),
        }
    }
}

/// Reads a request's body: bounded in length and in time.
async fn body_of(body: axum::body::Body) -> Result<Bytes, Problem> {
    let status = axum::http::StatusCode::PAYLOAD_TOO_LARGE;
    match tokio::time::timeout(BODY_WITHIN, axum::body::to_bytes(body, LONGEST_BODY)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(Problem::new(status, "too-long", format!("a body of more than {LONGEST_BODY} bytes"))),
        Err(_elapsed) => {
            Err(Problem::new(axum::http::StatusCode::REQUEST_TIMEOUT, "too-slow", "the body did not come in time"))
        }
    }
}

/// A statement has a few hundred bytes, and so has everything else.
const LONGEST_BODY: usize = 16 * 1024;
const BODY_WITHIN: Duration = Duration::from_secs(10);
