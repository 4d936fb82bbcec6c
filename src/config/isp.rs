//! `[isp]`: the provider that this machine reaches the Internet by, and what the link to it is like.

use std::path::PathBuf;

use serde::Deserialize;

use super::value::{Span, Telephone};
use super::{Config, ConfigError};
use crate::link::{Auth, DefaultRoute, Isp as Provider, NameServers, Peer, Side, Subscriber, Way, is_peer_name};

/// A PPP provider as its subscriber sees it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Isp {
    /// The number to dial.
    pub number: Option<Telephone>,
    /// The name to give in PAP or CHAP.
    pub user: Option<String>,
    /// The file that holds the password.
    pub secret: Option<PathBuf>,
    /// In place of these three, the peers file by which pppd brings the link up.
    pub peer: Option<String>,
    /// The kinds of authentication that we are willing to give.
    #[serde(default = "default_auth")]
    pub auth: Vec<Auth>,
    /// What becomes of the route to everywhere.
    #[serde(default)]
    pub default_route: Route,
    /// Its metric.
    pub route_metric: Option<u32>,
    /// What becomes of the provider's name servers.
    #[serde(default)]
    pub dns: NameServers,
    /// Whether IPv6 is asked for as well.
    #[serde(default = "default_ipv6")]
    pub ipv6: bool,
    /// The longest packet, in octets.
    pub mtu: Option<u16>,
    /// Further options for pppd.
    #[serde(default)]
    pub options: Vec<String>,
    /// How often the provider is called for one link, at most.
    #[serde(default = "default_calls")]
    pub calls: u32,
    /// How long a call may take until CONNECT.
    #[serde(default = "default_connect_within")]
    pub connect_within: Span,
    /// How long from CONNECT until PPP has an address.
    #[serde(default = "super::file::default_link_within")]
    pub link_within: Span,
    /// `connect`: how long its own link stays up after the last user has left, ready for the next.
    #[serde(default = "default_linger")]
    pub linger: Span,
}

/// What becomes of the route to everywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Route {
    /// It goes over the link, unless there is one already.
    #[default]
    Add,
    /// It stays as it is.
    Keep,
    /// It goes over the link in place of the one there is, which comes back afterwards.
    Replace,
}

impl Config {
    /// The provider.
    pub(super) fn isp(&self) -> Result<Provider, ConfigError> {
        let section = self.section("isp", self.file().isp.as_ref())?;
        Ok(Provider {
            way: match &section.peer {
                Some(name) => Way::Peer(self.peer(section, name)?),
                None => self.dialled(section)?,
            },
            calls: section.calls.max(1),
            connect_within: section.connect_within.duration(),
            link_within: section.link_within.duration(),
            runtime: self.file().runtime_directory.clone(),
        })
    }

    fn dialled(&self, section: &Isp) -> Result<Way, ConfigError> {
        let missing = |key: &str| self.wrong(key, "is needed, unless isp.peer names a peers file that dials");
        let number = section.number.as_ref().ok_or_else(|| missing("isp.number"))?.number().clone();
        let user = section.user.clone().ok_or_else(|| missing("isp.user"))?;
        let secret = section.secret.as_ref().ok_or_else(|| missing("isp.secret"))?;
        let secret = self.secret("isp.secret", secret)?;
        if section.auth.is_empty() {
            return Err(self.wrong("isp.auth", "allows nothing; expected such as [\"mschap-v2\", \"chap\"]"));
        }
        if section.mtu.is_some_and(|mtu| mtu < SHORTEST_MTU) {
            return Err(self.wrong("isp.mtu", format!("expected at least {SHORTEST_MTU}")));
        }
        let route = match (section.default_route, section.route_metric) {
            (Route::Add, metric) => DefaultRoute::Add(metric),
            (Route::Keep, None) => DefaultRoute::Keep,
            (Route::Replace, None) => DefaultRoute::Replace,
            (Route::Keep | Route::Replace, Some(_)) => {
                return Err(self.wrong("isp.route-metric", "goes with isp.default-route = \"add\" only"));
            }
        };
        let side = Side::Subscriber(Subscriber {
            user,
            secret,
            auth: section.auth.clone(),
            route,
            dns: section.dns,
            ipv6: section.ipv6,
            mtu: section.mtu,
            options: self.options(section)?,
        });
        Ok(Way::Dial { number, side })
    }

    fn peer(&self, section: &Isp, name: &str) -> Result<Peer, ConfigError> {
        if !is_peer_name(name) {
            return Err(self.wrong("isp.peer", "expected the name of a file below /etc/ppp/peers"));
        }
        let others = [
            ("isp.number", section.number.is_some()),
            ("isp.user", section.user.is_some()),
            ("isp.secret", section.secret.is_some()),
            ("isp.mtu", section.mtu.is_some()),
            ("isp.route-metric", section.route_metric.is_some()),
        ];
        if let Some((key, _)) = others.into_iter().find(|(_key, given)| *given) {
            return Err(self.wrong(key, "is the peers file's to say, which isp.peer names; take one of the two out"));
        }
        Ok(Peer { name: name.to_owned(), options: self.options(section)?, dns: section.dns })
    }

    /// The owner's own options for pppd: none that would take the link out of our hands, none with a second line.
    fn options(&self, section: &Isp) -> Result<Vec<String>, ConfigError> {
        for option in &section.options {
            let word = option.split_whitespace().next().unwrap_or_default();
            if option.contains('\n') || word.is_empty() {
                return Err(self.wrong("isp.options", "expected one option of pppd's in each, with its arguments"));
            }
            if WATCHED.contains(&word) {
                return Err(self.wrong("isp.options", format!("`{word}` would take the link out of ringup's hands")));
            }
        }
        Ok(section.options.clone())
    }
}

/// What would have pppd leave us, or start again by itself.
const WATCHED: [&str; 7] = ["updetach", "demand", "persist", "logfile", "logfd", "nologfd", "detach"];
/// What every host must be able to take (RFC 791 3.1).
const SHORTEST_MTU: u16 = 68;

fn default_auth() -> Vec<Auth> {
    vec![Auth::MsChapV2, Auth::Chap]
}

fn default_ipv6() -> bool {
    true
}

fn default_connect_within() -> Span {
    Span::seconds(90) // S7 is 50 to 90 s by default on real modems
}

fn default_calls() -> u32 {
    4 // with the pauses between them, as long as whoever waits for a wake has patience
}

fn default_linger() -> Span {
    Span::seconds(0)
}
