//! What the zone holds at any name: the configured part, the registered part, and a view over both.
//!
//! Pure. Both the answers and the prerequisites of updates look through [`View`], so they cannot disagree.

mod configured;
pub(super) mod wire;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use domain::base::iana::Rtype;

pub(super) use self::configured::Each;
pub(super) use super::entry::{Entry, Fence, Known};
pub(super) use super::index::{Index, Pending};
use super::index::{Kept, Signatures};
use super::roll::{Credential, Proof, Roll};
use super::{DirectoryError, Settings};
use crate::dns::TsigKey;
use crate::dns::message::LONGEST_TTL;
use crate::dns::name::STATEMENT_LABEL;
use crate::dns::tsig::TsigRecord;
use crate::record::{HostName, PublicKey, State};

/// The part that does not come from registrations: the zone's own names, and who may register what.
#[derive(Debug)]
pub(super) struct Zone {
    pub(super) apex: HostName,
    /// The apex without its root, as all names here.
    pub(super) apex_wire: Vec<u8>,
    /// The keys of those that may take a copy of the zone.
    pub(super) secondary_keys: HashMap<String, TsigKey>,
    roll: RwLock<Roll>,
    /// The data of the NS records: this server's name first.
    nameservers: Vec<Vec<u8>>,
    /// The names and addresses of this server and of the secondaries, those that are in the zone.
    own: Vec<(Vec<u8>, Vec<IpAddr>)>,
    /// The beginning of the SOA's data: this server and the mailbox of who runs it.
    soa_names: Vec<u8>,
}

impl Zone {
    pub(super) fn new(settings: &Settings) -> Result<Self, DirectoryError> {
        let apex = settings.zone.clone();
        let apex_wire = wire::from_text(apex.as_str());
        let mut roll = Roll::new(&apex);
        for binding in &settings.keys {
            if let Some(host) = binding.hosts.iter().chain(&binding.below).find(|host| !host.is_within(&apex)) {
                return Err(DirectoryError::HostOutsideZone { host: host.clone(), zone: apex });
            }
            let key = binding.key.name();
            if roll.credential(key).is_some() {
                return Err(DirectoryError::DoubleKey { key: key.to_owned() });
            }
            roll.add_credential(Credential::from(binding));
        }
        let nameserver = wire::from_text(settings.nameserver.as_str());
        let mut secondary_keys = HashMap::new();
        let mut nameservers = vec![rooted(&nameserver)];
        let mut servers = vec![(&settings.nameserver, &settings.nameserver_addresses)];
        for secondary in &settings.secondaries {
            if let Some(key) = &secondary.key {
                if roll.credential(key.name()).is_some() {
                    return Err(DirectoryError::SharedKey { key: key.name().to_owned() });
                }
                secondary_keys.insert(key.name().to_owned(), key.clone());
            }
            let name = secondary.name.as_ref().map(|name| rooted(&wire::from_text(name.as_str())));
            nameservers.extend(name.filter(|name| !nameservers.contains(name)));
            servers.extend(secondary.name.as_ref().map(|name| (name, &secondary.addresses)));
        }
        let mut own: Vec<(Vec<u8>, Vec<IpAddr>)> = Vec::new();
        for (name, addresses) in servers {
            let Some(relative) = wire::before(&wire::from_text(name.as_str()), &apex_wire).map(<[u8]>::to_vec) else {
                continue;
            };
            match own.iter_mut().find(|(known, _)| *known == relative) {
                Some((_, known)) => known.extend(addresses),
                None => {
                    roll.add_name(name);
                    own.push((relative, addresses.clone()));
                }
            }
        }
        for (_, addresses) in &mut own {
            addresses.sort_unstable();
            addresses.dedup();
        }
        Ok(Self {
            soa_names: [&*rooted(&nameserver), b"\x0ahostmaster", &*rooted(&apex_wire)].concat(),
            own,
            apex,
            apex_wire,
            secondary_keys,
            roll: RwLock::new(roll),
            nameservers,
        })
    }

    /// Looks at who may register what.
    pub(super) fn roll(&self) -> RwLockReadGuard<'_, Roll> {
        self.roll.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes who may register what; it holds from the next message on.
    pub(super) fn roll_mut(&self) -> RwLockWriteGuard<'_, Roll> {
        self.roll.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a credential by its name.
    pub(super) fn credential(&self, name: &str) -> Option<Arc<Credential>> {
        self.roll().credential(name).cloned()
    }

    /// Gives the identity that the administrator has given a host.
    pub(super) fn pinned(&self, host: &HostName) -> Option<PublicKey> {
        self.roll().hosting(host)?.identity
    }

    /// Gives the key that a signature names: a registrant's, or a secondary's.
    pub(super) fn key_of(&self, signature: &TsigRecord) -> Option<TsigKey> {
        let name = signature.key_name()?;
        match self.roll().credential(&name).map(|credential| &credential.proof) {
            Some(Proof::Tsig(key)) => Some(key.clone()),
            Some(Proof::Token(_)) | None => self.secondary_keys.get(&name).cloned(),
        }
    }

    /// Tells whether a key is one that a copy of the zone is asked for with, and not one that changes hosts.
    pub(super) fn is_secondary_key(&self, name: &str) -> bool {
        self.secondary_keys.contains_key(&name.to_ascii_lowercase())
    }

    /// Tells whether a name is this server's or a secondary's own, which nobody may register.
    pub(super) fn is_own(&self, host: &HostName) -> bool {
        self.relative(host).is_some_and(|relative| self.own_addresses(&relative).is_some())
    }

    fn own_addresses(&self, relative: &[u8]) -> Option<&[IpAddr]> {
        self.own.iter().find(|(own, _)| own == relative).map(|(_, addresses)| addresses.as_slice())
    }

    /// Gives the part of a host's name before the zone's; `None` when it is not in the zone.
    pub(super) fn relative(&self, host: &HostName) -> Option<Vec<u8>> {
        let mut name = wire::from_text(host.as_str());
        let length = wire::before(&name, &self.apex_wire)?.len();
        name.truncate(length);
        Some(name)
    }

    /// Gives the host of a relative name; `None` for a name that no host can have.
    pub(super) fn host(&self, relative: &[u8]) -> Option<HostName> {
        wire::to_text(&[relative, &self.apex_wire].concat())?.parse().ok()
    }

    fn has_name(&self, relative: &[u8]) -> bool {
        self.roll().has_relative(relative)
    }
}

/// The zone as one moment sees it: configured, registered, and decided but not yet on disk.
#[derive(Clone, Copy)]
pub(super) struct View<'v> {
    pub(super) zone: &'v Zone,
    pub(super) index: &'v Index,
    /// Decided in this batch; `None` for everybody but the writer.
    pub(super) pending: Option<&'v Pending>,
}

impl<'v> View<'v> {
    /// Gives a host's registration, whole.
    pub(super) fn entry(&self, host: &HostName) -> Option<Known> {
        self.kept(host)?.known(host)
    }

    /// Gives a host's registration.
    pub(super) fn kept(&self, host: &HostName) -> Option<Kept<'v>> {
        self.find(&self.zone.relative(host)?)
    }

    /// Gives a host's registration, by its relative name.
    pub(super) fn find(&self, relative: &[u8]) -> Option<Kept<'v>> {
        let decided = self.pending.and_then(|pending| pending.find(relative));
        decided.unwrap_or_else(|| self.index.find(relative))
    }

    /// Gives what each key that has changed a host signed last.
    pub(super) fn signatures(&self, host: &HostName) -> Vec<Signatures<'v>> {
        let Some(name) = self.zone.relative(host) else { return Vec::new() };
        let decided = self.pending.into_iter().flat_map(|pending| pending.fences(&name));
        let last = self.find(&name).and_then(|kept| kept.signatures());
        last.into_iter().chain(self.index.fences(&name)).chain(decided).collect()
    }

    /// Finds the place that a name means: lower case, without its root.
    pub(super) fn place<'n>(&self, name: &'n [u8]) -> Place<'v, 'n> {
        let Some(relative) = wire::before(name, &self.zone.apex_wire) else { return Place::Outside };
        if let Some(host) = relative.strip_prefix(STATEMENT) {
            return match self.find(host) {
                Some(kept) => Place::Statement(host, Some(kept)),
                None if self.zone.has_name(host) => Place::Statement(host, None),
                None => Place::Missing,
            };
        }
        let kept = self.find(relative);
        if relative.is_empty() {
            Place::Apex(kept)
        } else if let Some(addresses) = self.zone.own_addresses(relative) {
            Place::Own(addresses)
        } else if kept.is_some() || self.zone.has_name(relative) || self.index.has_below(relative) {
            Place::Host(kept)
        } else {
            Place::Missing
        }
    }

    /// Hands out the records of one type at a place, or of all its types: type, time to live in seconds, and data in
    /// canonical form (RFC 4034 section 6.2).
    pub(super) fn records(
        &self,
        place: Place<'v, '_>,
        rtype: Rtype,
        now: u64,
        each: &mut dyn FnMut(Rtype, u32, &[u8]),
    ) {
        let wanted = |candidate| rtype == candidate || rtype == Rtype::ANY;
        match place {
            Place::Apex(kept) => {
                if wanted(Rtype::SOA) {
                    each(Rtype::SOA, CONFIGURED_TTL, &self.soa());
                }
                if wanted(Rtype::NS) {
                    self.zone.nameservers.iter().for_each(|name| each(Rtype::NS, CONFIGURED_TTL, name));
                }
                configured_addresses(self.zone.own_addresses(&[]).unwrap_or_default(), rtype, each);
                addresses(kept, rtype, now, each);
            }
            Place::Own(addresses) => configured_addresses(addresses, rtype, each),
            Place::Host(kept) => addresses(kept, rtype, now, each),
            Place::Statement(host, Some(kept)) if wanted(Rtype::TXT) && kept.is_certified() => {
                let ttl = match kept.state() {
                    State::Online if kept.remaining(now) > 0 => kept.remaining(now).min(LONGEST_TTL),
                    State::Asleep | State::Online => SLEEPING_TTL,
                };
                if let Some(text) = self.zone.host(host).and_then(|host| kept.statement(&host)) {
                    each(Rtype::TXT, ttl, &strings(&text));
                }
            }
            Place::Statement(..) | Place::Missing | Place::Outside => {}
        }
    }

    /// Gives the data of the start of authority, whose minimum is how long an absence may be remembered.
    pub(super) fn soa(&self) -> Vec<u8> {
        soa(self.zone, self.index.serial)
    }
}

/// Gives the data of the start of authority with a serial number.
pub(super) fn soa(zone: &Zone, serial: u32) -> Vec<u8> {
    let mut data = Vec::with_capacity(zone.soa_names.len() + 20);
    data.extend_from_slice(&zone.soa_names);
    for number in [serial, REFRESH, RETRY, EXPIRE, SLEEPING_TTL] {
        data.extend(number.to_be_bytes());
    }
    data
}

/// What kind of name it is, and the registration of its host, if any.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place<'v, 'n> {
    /// The zone's own name.
    Apex(Option<Kept<'v>>),
    /// This server's own name, or a secondary's, with its addresses.
    Own(&'v [IpAddr]),
    /// A host's name, or an empty name with hosts below it.
    Host(Option<Kept<'v>>),
    /// The name of a host's statement, with the host's relative name.
    Statement(&'n [u8], Option<Kept<'v>>),
    /// A name in the zone that does not exist.
    Missing,
    /// A name that is not ours.
    Outside,
}

/// Gives a statement as the data of a TXT record: strings of 255 octets at most (RFC 1035 section 3.3.14).
pub(super) fn strings(text: &str) -> Vec<u8> {
    let mut data = Vec::with_capacity(text.len() + 4);
    for string in text.as_bytes().chunks(255) {
        data.push(u8::try_from(string.len()).unwrap_or(u8::MAX));
        data.extend_from_slice(string);
    }
    data
}

fn addresses(kept: Option<Kept<'_>>, rtype: Rtype, now: u64, each: &mut dyn FnMut(Rtype, u32, &[u8])) {
    let Some(kept) = kept else { return };
    let ttl = kept.remaining(now).min(LONGEST_TTL);
    if ttl == 0 {
        return;
    }
    if rtype == Rtype::A || rtype == Rtype::ANY {
        kept.four().iter().for_each(|octets| each(Rtype::A, ttl, octets));
    }
    if rtype == Rtype::AAAA || rtype == Rtype::ANY {
        kept.six().iter().for_each(|octets| each(Rtype::AAAA, ttl, octets));
    }
}

fn configured_addresses(addresses: &[IpAddr], rtype: Rtype, each: &mut dyn FnMut(Rtype, u32, &[u8])) {
    for address in addresses {
        match address {
            IpAddr::V4(address) if matches!(rtype, Rtype::A | Rtype::ANY) => {
                each(Rtype::A, CONFIGURED_TTL, &address.octets());
            }
            IpAddr::V6(address) if matches!(rtype, Rtype::AAAA | Rtype::ANY) => {
                each(Rtype::AAAA, CONFIGURED_TTL, &address.octets());
            }
            IpAddr::V4(_) | IpAddr::V6(_) => {}
        }
    }
}

fn rooted(name: &[u8]) -> Vec<u8> {
    [name, &[0]].concat()
}

pub(super) const STATEMENT: &[u8] = b"\x07_ringup";
const _: () = assert!(STATEMENT_LABEL.len() == 7, "the label's length is in its octets");

pub(super) const CONFIGURED_TTL: u32 = 3600;
/// Seconds for which an absence or a sleep may be remembered: a wake changes it, and its caller waits for that.
pub(super) const SLEEPING_TTL: u32 = 5;
/// Seconds for which a copy's record of a host may be remembered: a copy cannot count down what is left of a lease. It is
/// the same at all times, as a change of the copy names the record as it was (RFC 1995 section 4).
pub(super) const COPIED_TTL: u32 = 5;
/// How often secondaries look for a newer zone where no NOTIFY reaches them, and again after a failure; when they give up:
/// leases end that they are not told of, so that is a matter of hours, not of days.
const REFRESH: u32 = 300;
const RETRY: u32 = 60;
const EXPIRE: u32 = 14_400;
