//! Who may register what: the hosts of the zone and the credentials bound to them, as the configuration and the
//! database have them, changed while the directory runs.
//!
//! Pure. Knows tokens by their SHA-256 only.

use std::collections::HashMap;
use std::sync::Arc;

use super::KeyBinding;
use super::accounts::DEFAULT_LEASE;
use super::zone::wire;
use crate::dns::TsigKey;
use crate::record::{HostName, PublicKey};

/// The SHA-256 of a token: what is kept of it.
pub type TokenHash = [u8; 32];

/// Something by which a registrant proves that it may change hosts.
#[derive(Clone, Debug)]
pub(super) struct Credential {
    /// The name under which it stands in the log, the history and every list.
    pub(super) name: String,
    pub(super) proof: Proof,
    /// It stands in the configuration, where alone it can be changed.
    pub(super) configured: bool,
    /// The hosts that it may change, and no others.
    pub(super) hosts: Vec<HostName>,
    /// It may change every host below these names, too.
    pub(super) below: Vec<HostName>,
    /// How long, in seconds, a record holds that its host did not sign; `None` where the host has to sign.
    pub(super) uncertified_lease: Option<u32>,
    /// The identity that signs these hosts' statements; without it, the first one seen of each host is kept.
    pub(super) identity: Option<PublicKey>,
    /// Until when, in Unix seconds, a host's first statement is taken by it; `None` for ever.
    pub(super) enrol_until: Option<u64>,
}

impl Credential {
    /// Tells whether it may change a host.
    pub(super) fn covers(&self, host: &HostName) -> bool {
        self.hosts.contains(host) || self.below.iter().any(|above| host != above && host.is_within(above))
    }
}

/// How it is proved.
#[derive(Clone, Debug)]
pub(super) enum Proof {
    /// By a signature on the wire (RFC 8945).
    Tsig(TsigKey),
    /// By showing it.
    Token(TokenHash),
}

impl From<&KeyBinding> for Credential {
    fn from(binding: &KeyBinding) -> Self {
        Self {
            name: binding.key.name().to_owned(),
            proof: Proof::Tsig(binding.key.clone()),
            configured: true,
            hosts: binding.hosts.clone(),
            below: binding.below.clone(),
            uncertified_lease: binding.uncertified_lease,
            identity: binding.identity,
            enrol_until: None,
        }
    }
}

/// The hosts and credentials there are.
#[derive(Debug)]
pub(super) struct Roll {
    /// The zone's name on the wire, without its root.
    apex: Vec<u8>,
    credentials: HashMap<String, Arc<Credential>>,
    tokens: HashMap<TokenHash, Arc<Credential>>,
    hosts: HashMap<HostName, Hosting>,
    /// Names that exist because a host has them or lies below them, and for how many hosts they do; relative to the
    /// zone, on the wire.
    names: HashMap<Box<[u8]>, usize>,
}

/// How a host is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hosting {
    /// The identity that signs its statements; without it, the first one seen is kept.
    pub(super) identity: Option<PublicKey>,
    /// How long, in seconds, a record holds that the host did not sign.
    pub(super) uncertified_lease: u32,
}

impl Default for Hosting {
    fn default() -> Self {
        Self { identity: None, uncertified_lease: DEFAULT_LEASE }
    }
}

impl Roll {
    pub(super) fn new(apex: &HostName) -> Self {
        Self {
            apex: wire::from_text(apex.as_str()),
            credentials: HashMap::new(),
            tokens: HashMap::new(),
            hosts: HashMap::new(),
            names: HashMap::new(),
        }
    }

    /// Adds a host, or changes how it is kept.
    pub(super) fn add_host(&mut self, host: &HostName, hosting: Hosting) {
        if self.hosts.insert(host.clone(), hosting).is_none() {
            self.add_name(host);
        }
    }

    /// Makes a name exist, with those above it as far as the zone goes.
    pub(super) fn add_name(&mut self, host: &HostName) {
        for name in self.with_parents(host) {
            *self.names.entry(name).or_default() += 1;
        }
    }

    /// Takes a host out, and every credential that is left without one.
    pub(super) fn remove_host(&mut self, host: &HostName) {
        if self.hosts.remove(host).is_none() {
            return;
        }
        for name in self.with_parents(host) {
            if let Some(count) = self.names.get_mut(&name) {
                *count -= 1;
                if *count == 0 {
                    self.names.remove(&name);
                }
            }
        }
        let touched: Vec<_> =
            self.credentials.values().filter(|credential| credential.hosts.contains(host)).cloned().collect();
        for credential in touched {
            self.remove_credential(&credential.name);
            let mut left = Credential::clone(&credential);
            left.hosts.retain(|other| other != host);
            if !left.hosts.is_empty() {
                self.add_credential(left);
            }
        }
    }

    /// Adds a credential, in place of one of its name.
    pub(super) fn add_credential(&mut self, credential: Credential) {
        self.remove_credential(&credential.name);
        for host in &credential.hosts {
            if !self.hosts.contains_key(host) {
                self.add_host(host, Hosting::default());
            }
        }
        let credential = Arc::new(credential);
        if let Proof::Token(hash) = &credential.proof {
            self.tokens.insert(*hash, Arc::clone(&credential));
        }
        self.credentials.insert(credential.name.clone(), credential);
    }

    pub(super) fn remove_credential(&mut self, name: &str) {
        if let Some(credential) = self.credentials.remove(name)
            && let Proof::Token(hash) = &credential.proof
        {
            self.tokens.remove(hash);
        }
    }

    pub(super) fn credential(&self, name: &str) -> Option<&Arc<Credential>> {
        self.credentials.get(name)
    }

    /// Gives a credential whose name differs from this one in its case at most.
    pub(super) fn named_like(&self, name: &str) -> Option<&Arc<Credential>> {
        self.credentials.values().find(|credential| credential.name.eq_ignore_ascii_case(name))
    }

    pub(super) fn credentials(&self) -> impl Iterator<Item = &Arc<Credential>> {
        self.credentials.values()
    }

    /// Finds the credential that a token is; its SHA-256 is what is compared, so time tells nothing.
    pub(super) fn by_token(&self, hash: &TokenHash) -> Option<&Arc<Credential>> {
        self.tokens.get(hash)
    }

    pub(super) fn hosting(&self, host: &HostName) -> Option<&Hosting> {
        self.hosts.get(host)
    }

    pub(super) fn hosts(&self) -> impl Iterator<Item = &HostName> {
        self.hosts.keys()
    }

    /// Tells whether a name exists, be it only for what lies below it.
    #[cfg(test)]
    pub(super) fn has_name(&self, name: &HostName) -> bool {
        wire::before(&wire::from_text(name.as_str()), &self.apex).is_some_and(|relative| self.has_relative(relative))
    }

    /// Tells whether a name exists, which is given in lower case and without the zone's.
    pub(super) fn has_relative(&self, name: &[u8]) -> bool {
        self.names.contains_key(name)
    }

    /// The name and those above it, without the zone's own unless it is the name.
    fn with_parents(&self, host: &HostName) -> Vec<Box<[u8]>> {
        let name = wire::from_text(host.as_str());
        let relative = wire::before(&name, &self.apex).unwrap_or_default();
        std::iter::once(relative).chain(wire::ancestors(relative)).map(Into::into).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::fixture::{host, key};

    fn token(name: &str, byte: u8, hosts: &[&str]) -> Credential {
        let hosts = hosts.iter().map(|name| host(name)).collect();
        let proof = Proof::Token([byte; 32]);
        Credential {
            name: name.to_owned(),
            proof,
            configured: false,
            hosts,
            below: Vec::new(),
            uncertified_lease: None,
            identity: None,
            enrol_until: None,
        }
    }

    #[test]
    fn names_exist_as_long_as_a_host_is_at_or_below_them() {
        let mut roll = Roll::new(&host("dyn.test"));
        roll.add_host(&host("a.site.dyn.test"), Hosting::default());
        roll.add_host(&host("b.site.dyn.test"), Hosting::default());
        roll.add_host(&host("b.site.dyn.test"), Hosting { uncertified_lease: 60, ..Hosting::default() });
        roll.remove_host(&host("a.site.dyn.test"));
        assert!(roll.has_name(&host("site.dyn.test")) && !roll.has_name(&host("a.site.dyn.test")));
        roll.remove_host(&host("b.site.dyn.test"));
        assert!(!roll.has_name(&host("site.dyn.test")) && !roll.has_name(&host("dyn.test")));
        roll.add_host(&host("dyn.test"), Hosting::default());
        assert!(roll.has_name(&host("dyn.test")) && !roll.has_name(&host("test")));
    }

    #[test]
    fn a_credential_may_cover_all_that_lies_below_a_name() {
        let site = Credential { below: vec![host("site.dyn.test")], ..token("site", 1, &["cam.dyn.test"]) };
        for (name, covered) in [
            ("cam.dyn.test", true),
            ("a.site.dyn.test", true),
            ("b.a.site.dyn.test", true),
            ("site.dyn.test", false),
            ("other.dyn.test", false),
        ] {
            assert_eq!(site.covers(&host(name)), covered, "{name}");
        }
    }

    #[test]
    fn a_rotated_token_is_no_longer_known_and_the_new_one_is() {
        let mut roll = Roll::new(&host("dyn.test"));
        roll.add_credential(token("router", 1, &["cam.dyn.test"]));
        roll.add_credential(token("router", 2, &["cam.dyn.test"]));
        assert!(roll.by_token(&[1; 32]).is_none());
        assert_eq!(roll.by_token(&[2; 32]).unwrap().name, "router");
    }

    #[test]
    fn a_host_takes_the_credentials_along_that_were_for_it_alone() {
        let mut roll = Roll::new(&host("dyn.test"));
        roll.add_credential(token("both", 1, &["cam.dyn.test", "home.dyn.test"]));
        roll.add_credential(token("cam", 2, &["cam.dyn.test"]));
        let binding = KeyBinding { hosts: vec![host("cam.dyn.test")], ..KeyBinding::of(key()) };
        roll.add_credential(Credential::from(&binding));
        roll.remove_host(&host("cam.dyn.test"));
        let left: Vec<_> = roll.credentials().map(|credential| (credential.name.as_str(), &credential.hosts)).collect();
        assert_eq!(left, [("both", &vec![host("home.dyn.test")])]);
        assert!(roll.by_token(&[2; 32]).is_none() && roll.by_token(&[1; 32]).is_some());
    }
}
