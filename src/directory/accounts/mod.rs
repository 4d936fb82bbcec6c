//! The hosts and credentials that the administrator keeps, beside those of the configuration: on disk first, then in the
//! roll, so that the next message already finds them.
//!
//! Refuses to touch what stands in the configuration, and shows a secret once, when it is made.

mod secret;
mod store;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

pub(super) use self::secret::hash;
use self::store::{AccountStore, CredentialRow, HostRow};
use super::roll::{Credential, Hosting, Proof, TokenHash};
use super::store::StoreError;
use super::zone::Zone;
use crate::dns::TsigKey;
use crate::dns::tsig::Algorithm;
use crate::record::{HostName, PublicKey};
use crate::secret::Secret;

/// The administrator's accounts, open.
#[derive(Debug)]
pub(super) struct Accounts {
    store: Mutex<AccountStore>,
    zone: Arc<Zone>,
}

/// A host that the administrator adds, or changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct NewHost {
    /// Its full name.
    pub host: String,
    /// Its public key; `none` for whichever is seen first, as with a new host. Left out, it stays as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// How long, in seconds, a record holds that the host did not sign. Left out, it stays as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncertified_lease: Option<u32>,
}

/// A credential that the administrator adds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct NewCredential {
    /// Its name: a login's user name, a TSIG key's name.
    pub name: String,
    /// `token`, `hmac-sha256`, `hmac-sha384` or `hmac-sha512`.
    pub kind: String,
    /// The hosts that it may change.
    pub hosts: Vec<String>,
    /// Until when, in Unix seconds, a host's first statement is taken by it; for ever if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrol_until: Option<u64>,
}

/// A credential as it is shown: everything but the secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CredentialInfo {
    /// Its name.
    pub name: String,
    /// `token`, or the algorithm of a TSIG key.
    pub kind: String,
    /// The hosts that it may change.
    pub hosts: Vec<String>,
    /// Whether it stands in the configuration, where alone it can be changed.
    pub configured: bool,
    /// When it was made, in Unix seconds.
    pub added: Option<u64>,
    /// Until when, in Unix seconds, a host's first statement is taken by it.
    pub enrol_until: Option<u64>,
}

/// A credential just made, with its secret, which is shown this once.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Made {
    /// The credential.
    #[serde(flatten)]
    pub credential: CredentialInfo,
    /// The token, or the TSIG secret in base64.
    pub secret: String,
}

/// Why an account is not changed.
#[derive(Debug, thiserror::Error)]
pub(super) enum AccountError {
    /// A value that is not what it should be.
    #[error("{0}")]
    Invalid(String),
    /// There is none of that name.
    #[error("there is no {0}")]
    Unknown(String),
    /// It exists already.
    #[error("{0} exists already")]
    Exists(String),
    /// It stands in the configuration.
    #[error("{0} stands in the directory's configuration; change it there")]
    Configured(String),
    /// The system gave no random numbers.
    #[error("the system gave no random numbers for a secret")]
    NoRandomness,
    /// It cannot be stored.
    #[error("the accounts cannot be stored")]
    Store(#[from] rusqlite::Error),
}

impl Accounts {
    /// Opens the accounts that go with a database, and enters them in the roll.
    pub(super) fn open(database: &Path, zone: Arc<Zone>) -> Result<Self, StoreError> {
        let store = AccountStore::open(database)?;
        let failed = |source| StoreError::Sqlite { path: store.path().to_owned(), source };
        let damaged = |what: String| StoreError::Accounts { path: store.path().to_owned(), what };
        {
            let mut roll = zone.roll_mut();
            for row in store.hosts().map_err(failed)? {
                let host = host_of(&row.host, &zone).map_err(|error| damaged(error.to_string()))?;
                let hosting = hosting(&row).map_err(|error| damaged(error.to_string()))?;
                roll.add_host(&host, hosting);
            }
            for row in store.credentials().map_err(failed)? {
                let credential = credential(&row, &zone).map_err(|error| damaged(error.to_string()))?;
                if roll.named_like(&credential.name).is_some() || zone.is_secondary_key(&credential.name) {
                    tracing::warn!(
                        credential = row.name,
                        "the configuration has a key of this name, which holds; rename that, or remove this credential"
                    );
                    continue;
                }
                roll.add_credential(credential);
            }
        }
        Ok(Self { store: Mutex::new(store), zone })
    }

    /// Adds a host, or changes what is said of it.
    pub(super) fn put_host(&self, new: &NewHost, now: u64) -> Result<(), AccountError> {
        let host = host_of(&new.host, &self.zone)?;
        let store = self.locked();
        let kept = store.host(host.as_str())?;
        let mut row = kept.unwrap_or_else(|| HostRow {
            host: host.to_string(),
            identity: None,
            lease: DEFAULT_LEASE,
            added: now,
        });
        if let Some(identity) = &new.identity {
            row.identity = Some(identity.clone()).filter(|identity| identity != NO_IDENTITY);
        }
        row.lease = new.uncertified_lease.unwrap_or(row.lease);
        let hosting = hosting(&row)?;
        store.put_host(&row)?;
        self.zone.roll_mut().add_host(&host, hosting);
        Ok(())
    }

    /// Takes a host out, with the credentials that were for it alone.
    pub(super) fn remove_host(&self, host: &HostName) -> Result<(), AccountError> {
        let mut store = self.locked();
        let is_bound = |credential: &Arc<Credential>| credential.configured && credential.hosts.contains(host);
        if self.zone.roll().credentials().any(is_bound) {
            return Err(AccountError::Configured(host.to_string()));
        }
        if !store.remove_host(host.as_str())? {
            return Err(AccountError::Unknown(format!("host {host}")));
        }
        self.zone.roll_mut().remove_host(host);
        Ok(())
    }

    /// Makes a credential; its secret is in the answer and nowhere else.
    pub(super) fn add_credential(&self, new: &NewCredential, now: u64) -> Result<Made, AccountError> {
        let mut store = self.locked();
        // As the wire has it: two names that differ in their case are one there.
        let name = if new.kind == TOKEN { new.name.clone() } else { wire_name(&new.name) };
        if self.zone.is_secondary_key(&name) {
            return Err(AccountError::Exists(format!("key {name} of a secondary")));
        }
        let is_kept = store.credentials()?.iter().any(|row| row.name.eq_ignore_ascii_case(&name));
        if is_kept || self.zone.roll().named_like(&name).is_some() {
            return Err(AccountError::Exists(format!("credential {name}")));
        }
        if new.hosts.is_empty() {
            return Err(AccountError::Invalid("a credential without a host; expected at least one".to_owned()));
        }
        let mut hosts = Vec::new();
        for name in &new.hosts {
            let host = host_of(name, &self.zone)?;
            if store.host(host.as_str())?.is_none() {
                return Err(AccountError::Unknown(format!("host {host} among those added; add it first")));
            }
            hosts.push(host.to_string());
        }
        let row = CredentialRow {
            name,
            kind: new.kind.clone(),
            secret: Vec::new(),
            added: now,
            enrol_until: new.enrol_until,
            hosts,
        };
        self.make(&mut store, row)
    }

    /// Gives a credential a new secret, and another end of enrolling if one is given; the old secret is worth nothing from
    /// the next message on.
    pub(super) fn rotate(&self, name: &str, enrol_until: Option<u64>, now: u64) -> Result<Made, AccountError> {
        let mut store = self.locked();
        let row = self.kept(&store, name)?;
        let enrol_until = enrol_until.or(row.enrol_until);
        self.make(&mut store, CredentialRow { added: now, enrol_until, ..row })
    }

    /// Takes a credential out.
    pub(super) fn remove_credential(&self, name: &str) -> Result<(), AccountError> {
        let store = self.locked();
        let _kept = self.kept(&store, name)?;
        store.remove_credential(name)?;
        self.zone.roll_mut().remove_credential(name);
        Ok(())
    }

    /// Lists every credential there is, the configuration's among them.
    pub(super) fn credentials(&self) -> Result<Vec<CredentialInfo>, AccountError> {
        let kept = self.locked().credentials()?;
        let roll = self.zone.roll();
        let configured = roll.credentials().filter(|credential| credential.configured);
        let mut found: Vec<CredentialInfo> = configured.map(|credential| configured_info(credential)).collect();
        let kept = kept.iter().filter(|row| !roll.credential(&row.name).is_some_and(|holds| holds.configured));
        found.extend(kept.map(info));
        found.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }

    fn kept(&self, store: &AccountStore, name: &str) -> Result<CredentialRow, AccountError> {
        if self.zone.credential(name).is_some_and(|credential| credential.configured) {
            return Err(AccountError::Configured(format!("credential {name}")));
        }
        let row = store.credentials()?.into_iter().find(|row| row.name == name);
        row.ok_or_else(|| AccountError::Unknown(format!("credential {name}")))
    }

    fn make(&self, store: &mut AccountStore, mut row: CredentialRow) -> Result<Made, AccountError> {
        let secret = if row.kind == TOKEN { secret::token()? } else { secret::tsig()? };
        row.secret = if row.kind == TOKEN { hash(secret.as_bytes()).to_vec() } else { secret.clone().into_bytes() };
        let credential = credential(&row, &self.zone)?;
        store.put_credential(&row)?;
        // One that a key of the configuration has taken the name of stays out until that is gone.
        if !self.zone.is_secondary_key(&row.name) {
            self.zone.roll_mut().add_credential(credential);
        }
        Ok(Made { credential: info(&row), secret })
    }

    fn locked(&self) -> MutexGuard<'_, AccountStore> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn info(row: &CredentialRow) -> CredentialInfo {
    CredentialInfo {
        name: row.name.clone(),
        kind: row.kind.clone(),
        hosts: row.hosts.clone(),
        configured: false,
        added: Some(row.added),
        enrol_until: row.enrol_until,
    }
}

fn configured_info(credential: &Credential) -> CredentialInfo {
    let hosts = credential.hosts.iter().map(ToString::to_string);
    CredentialInfo {
        name: credential.name.clone(),
        kind: match &credential.proof {
            Proof::Tsig(key) => key.algorithm().to_string(),
            Proof::Token(_) => TOKEN.to_owned(),
        },
        hosts: hosts.chain(credential.below.iter().map(|above| format!("*.{above}"))).collect(),
        configured: true,
        added: None,
        enrol_until: None,
    }
}

fn host_of(name: &str, zone: &Zone) -> Result<HostName, AccountError> {
    let host: HostName = name.parse().map_err(|error| AccountError::Invalid(format!("{error}")))?;
    if host.is_within(&zone.apex) {
        Ok(host)
    } else {
        Err(AccountError::Invalid(format!("{host} is not in the zone {}", zone.apex)))
    }
}

fn hosting(row: &HostRow) -> Result<Hosting, AccountError> {
    let identity = row.identity.as_deref().map(str::parse::<PublicKey>).transpose();
    let identity = identity.map_err(|error| AccountError::Invalid(format!("identity of {}: {error}", row.host)))?;
    if row.lease == 0 {
        return Err(AccountError::Invalid("a lease of 0 s; expected at least 1".to_owned()));
    }
    Ok(Hosting { identity, uncertified_lease: row.lease })
}

fn credential(row: &CredentialRow, zone: &Zone) -> Result<Credential, AccountError> {
    let invalid = |what: String| AccountError::Invalid(format!("credential {}: {what}", row.name));
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if row.name.is_empty() || row.name.len() > LONGEST_NAME || !row.name.bytes().all(is_name) {
        return Err(invalid(format!("expected a name of 1 to {LONGEST_NAME} letters, digits, points and hyphens")));
    }
    let (name, proof) = if row.kind == TOKEN {
        let hash = TokenHash::try_from(row.secret.as_slice());
        (row.name.clone(), Proof::Token(hash.map_err(|_length| invalid("its hash is cut short".to_owned()))?))
    } else {
        let algorithm: Algorithm = row.kind.parse().map_err(|_unknown| {
            invalid(format!("unknown kind {}; expected token, or hmac-sha256, -384 or -512", row.kind.escape_default()))
        })?;
        let key = TsigKey::new(&row.name, algorithm, &Secret::new(row.secret.clone()));
        let key = key.map_err(|error| invalid(error.to_string()))?;
        (key.name().to_owned(), Proof::Tsig(key))
    };
    let hosts = row.hosts.iter().map(|host| host_of(host, zone)).collect::<Result<_, _>>()?;
    Ok(Credential {
        name,
        proof,
        configured: false,
        hosts,
        below: Vec::new(),
        uncertified_lease: None,
        identity: None,
        enrol_until: row.enrol_until,
    })
}

/// The kind of a credential that is proved by showing it.
pub(super) const TOKEN: &str = "token";
/// What fits a TSIG key's name as well.
const LONGEST_NAME: usize = 200;

/// ddclient says nothing for 25 days where nothing changes, and inadyn for 30.
pub(super) const DEFAULT_LEASE: u32 = 35 * 86_400;

/// What takes back an identity that was given.
const NO_IDENTITY: &str = "none";

/// A TSIG key's name as the wire has it.
fn wire_name(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests;
