//! `[directory]`: the directory itself, who may register with it, and who has copies of its zone.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::file::default_algorithm;
use super::http::Http;
use super::value::Span;
use super::{Config, ConfigError};
use crate::directory::{self, KeyBinding, Settings};
use crate::record::HostName;

/// The directory.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Directory {
    /// Addresses to answer on, UDP and TCP.
    pub listen: Vec<SocketAddr>,
    /// The SQLite file.
    pub database: PathBuf,
    /// The zone it is authoritative for.
    pub zone: String,
    /// The name of this server, for SOA and NS.
    pub nameserver: String,
    /// The addresses that the zone has for that name; without them, those of `listen`.
    pub nameserver_addresses: Option<Vec<IpAddr>>,
    /// How many answers a network of strangers gets by UDP in a second; 0 for any number.
    #[serde(default = "default_answers")]
    pub answers_per_second: u32,
    /// How often a host may change in a minute, and at once; 0 for any number.
    #[serde(default = "default_updates")]
    pub updates_per_minute: u32,
    /// For how many days what hosts said before is remembered; 0 for ever.
    #[serde(default = "default_history")]
    pub history_days: u32,
    /// Who may register what.
    #[serde(default, rename = "key")]
    pub keys: Vec<DirectoryKey>,
    /// Where it speaks HTTP.
    pub http: Option<Http>,
    /// Who has copies of the zone.
    #[serde(default, rename = "secondary")]
    pub secondaries: Vec<DirectorySecondary>,
}

/// A credential and the hosts bound to it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DirectoryKey {
    /// The TSIG key's name.
    pub name: String,
    /// `hmac-sha256`, `hmac-sha384` or `hmac-sha512`.
    #[serde(default = "default_algorithm")]
    pub algorithm: String,
    /// The file that holds the secret in base64.
    pub secret: PathBuf,
    /// The hosts that it may register, and no others; `*.NAME` for all below a name.
    pub hosts: Vec<String>,
    /// How long an address holds that its host did not sign; without it, every host has to sign.
    pub uncertified_lease: Option<Span>,
    /// The host's public key; without it the first one seen is kept.
    pub identity: Option<String>,
}

/// A server that has a copy of the zone.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DirectorySecondary {
    /// Where it is told of changes.
    pub address: SocketAddr,
    /// Its name, for the zone's NS records.
    pub name: Option<String>,
    /// The addresses that the zone has for that name; without them, that of `address`.
    pub addresses: Option<Vec<IpAddr>>,
    /// The TSIG key that signs what passes between it and the directory.
    pub key: Option<super::file::Tsig>,
}

impl Directory {
    /// Makes every relative path relative to the configuration's own folder.
    pub(super) fn resolve(&mut self, join: impl Fn(&mut PathBuf)) {
        join(&mut self.database);
        self.keys.iter_mut().for_each(|key| join(&mut key.secret));
        self.http.iter_mut().for_each(|http| http.resolve(&join));
        self.secondaries
            .iter_mut()
            .filter_map(|secondary| secondary.key.as_mut())
            .for_each(|key| join(&mut key.secret));
    }
}

impl Config {
    /// What `ringup directory` works with.
    ///
    /// # Errors
    /// When the section is missing or wrong.
    pub fn directory(&self) -> Result<Settings, ConfigError> {
        let section = self.section("directory", self.file().directory.as_ref())?;
        if section.listen.is_empty() {
            return Err(self.wrong("directory.listen", "no address to answer on; expected such as [\"0.0.0.0:53\"]"));
        }
        let zone: HostName = self.parsed("directory.zone", &section.zone, "a zone's name")?;
        let nameserver = self.parsed("directory.nameserver", &section.nameserver, "a host's full name")?;
        let mut settings = Settings::new(section.listen.clone(), section.database.clone(), zone, nameserver);
        if let Some(addresses) = &section.nameserver_addresses {
            settings.nameserver_addresses.clone_from(addresses);
        }
        if let Some(http) = &section.http {
            settings.http = self.http(http)?;
        }
        settings.answers_a_second = section.answers_per_second;
        settings.updates_a_minute = section.updates_per_minute;
        let days = Some(section.history_days).filter(|days| *days > 0);
        settings.history = days.map(|days| Duration::from_secs(u64::from(days) * 86_400));
        for (index, key) in section.keys.iter().enumerate() {
            settings.keys.push(self.binding(&format!("directory.key[{index}]"), key, &settings)?);
        }
        for (index, secondary) in section.secondaries.iter().enumerate() {
            let at = |field: &str| format!("directory.secondary[{index}].{field}");
            let name = secondary.name.as_ref();
            let key = secondary.key.as_ref();
            settings.secondaries.push(directory::Secondary {
                address: secondary.address,
                name: name.map(|name| self.parsed(&at("name"), name, "a server's full name")).transpose()?,
                addresses: secondary.addresses.clone().unwrap_or_else(|| vec![secondary.address.ip()]),
                key: key.map(|key| self.tsig(&at("key.secret"), &key.name, &key.algorithm, &key.secret)).transpose()?,
            });
        }
        Ok(settings)
    }

    fn binding(&self, at: &str, key: &DirectoryKey, settings: &Settings) -> Result<KeyBinding, ConfigError> {
        let (mut hosts, mut below) = (Vec::new(), Vec::new());
        let named = format!("{at}.hosts");
        for text in &key.hosts {
            let (names, text) = match text.strip_prefix("*.") {
                Some(above) => (&mut below, above),
                None => (&mut hosts, text.as_str()),
            };
            let host: HostName =
                self.parsed(&named, text, "a host's full name, or *. and a name that hosts are below")?;
            if !host.is_within(&settings.zone) {
                return Err(self.wrong(&named, format!("{host} is not in the zone {}", settings.zone)));
            }
            names.push(host);
        }
        let seconds = |lease: Span| u32::try_from(lease.duration().as_secs()).unwrap_or(u32::MAX);
        let uncertified_lease = key.uncertified_lease.map(seconds);
        if uncertified_lease == Some(0) {
            return Err(self.wrong(&format!("{at}.uncertified-lease"), "no time at all; expected such as \"960h\""));
        }
        let identity = key.identity.as_ref();
        let identity =
            identity.map(|text| self.parsed(&format!("{at}.identity"), text, "what `ringup identity` prints"));
        let identity = identity.transpose()?;
        let key = self.tsig(&format!("{at}.secret"), &key.name, &key.algorithm, &key.secret)?;
        Ok(KeyBinding { key, hosts, below, uncertified_lease, identity })
    }
}

fn default_answers() -> u32 {
    1000
}

fn default_updates() -> u32 {
    60
}

/// A year, and a month to look back at it.
fn default_history() -> u32 {
    400
}
