//! `[directory.http]`: where the directory speaks HTTP.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::{Config, ConfigError};
use crate::directory::{self, HttpSettings};

/// The directory over HTTP.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Http {
    /// Addresses to answer on.
    pub listen: Vec<SocketAddr>,
    /// The certificate and the chain that leads to it, in PEM.
    pub certificate: Option<PathBuf>,
    /// The certificate's key, in PEM.
    pub key: Option<PathBuf>,
    /// Networks of proxies that may say for whom they ask.
    #[serde(default)]
    pub trusted_proxies: Vec<String>,
    /// The file that holds the administrator's token.
    pub administrator: Option<PathBuf>,
    /// How many connections there may be at a time.
    #[serde(default = "default_connections")]
    pub connections: usize,
    /// How many of them from one IPv4 address or IPv6 /64.
    #[serde(default = "default_connections_per_address")]
    pub connections_per_address: usize,
}

fn default_connections() -> usize {
    10_000
}

fn default_connections_per_address() -> usize {
    256
}

impl Http {
    pub(super) fn resolve(&mut self, join: impl Fn(&mut PathBuf)) {
        [&mut self.certificate, &mut self.key, &mut self.administrator].into_iter().flatten().for_each(join);
    }
}

impl Config {
    pub(super) fn http(&self, section: &Http) -> Result<HttpSettings, ConfigError> {
        if section.listen.is_empty() {
            return Err(self.wrong("directory.http.listen", "no address; expected such as [\"127.0.0.1:8053\"]"));
        }
        let tls = match (&section.certificate, &section.key) {
            (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
            (None, None) => None,
            (Some(_), None) => return Err(self.wrong("directory.http.certificate", "a certificate without its key")),
            (None, Some(_)) => return Err(self.wrong("directory.http.key", "a key without its certificate")),
        };
        if let (None, Some(open)) = (&tls, section.listen.iter().find(|address| !address.ip().is_loopback())) {
            let why = format!(
                "{open} is not loopback, and passwords would cross the network in the clear; expected a certificate and its key"
            );
            return Err(self.wrong("directory.http.listen", why));
        }
        let administrator = match &section.administrator {
            Some(path) => {
                let token = self.secret("directory.http.administrator", path)?;
                if token.expose().len() < SHORTEST_TOKEN {
                    let expected = format!("too short to be safe; expected {SHORTEST_TOKEN} characters at least");
                    return Err(self.wrong("directory.http.administrator", expected).about_secret());
                }
                Some(directory::token_hash(token.expose()))
            }
            None => None,
        };
        if section.connections == 0 || section.connections_per_address == 0 {
            return Err(self.wrong("directory.http.connections", "expected at least 1"));
        }
        Ok(HttpSettings {
            listen: section.listen.clone(),
            tls,
            trusted_proxies: self.all("directory.http.trusted-proxies", &section.trusted_proxies, "a network")?,
            administrator,
            connections: section.connections,
            connections_per_address: section.connections_per_address,
        })
    }
}

/// 20 characters of base64 are 120 bits.
const SHORTEST_TOKEN: usize = 20;
