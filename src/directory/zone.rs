//! What the zone holds at any name: the configured part, the registered part, and a view over both.
//!
//! Pure. Both the answers and the prerequisites of updates look through [`View`], so they cannot disagree.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use domain::base::iana::Rtype;
use domain::base::name::ToName;
use domain::base::rdata::ComposeRecordData;
use domain::base::{Name, Serial, Ttl};
use domain::rdata::{A, Aaaa, Ns, Soa, Txt};

use super::roll::{Credential, Proof, Roll};
use super::statement::Statement;
use super::{DirectoryError, Settings};
use crate::dns::message::LONGEST_TTL;
use crate::dns::tsig::TsigRecord;
use crate::dns::{TsigKey, name};
use crate::record::{HostName, PublicKey, Record, SignedRecord, State};

/// The part that does not come from registrations: the zone's own names, and who may register what.
#[derive(Debug)]
pub(super) struct Zone {
    pub(super) apex: HostName,
    pub(super) apex_name: Name<Vec<u8>>,
    nameserver: HostName,
    roll: RwLock<Roll>,
}

impl Zone {
    pub(super) fn new(settings: &Settings) -> Result<Self, DirectoryError> {
        let apex = settings.zone.clone();
        let mut roll = Roll::new(&apex);
        for binding in &settings.keys {
            if let Some(host) = binding.hosts.iter().find(|host| !host.is_within(&apex)) {
                return Err(DirectoryError::HostOutsideZone { host: host.clone(), zone: apex });
            }
            let key = binding.key.name();
            if roll.credential(key).is_some() {
                return Err(DirectoryError::DoubleKey { key: key.to_owned() });
            }
            roll.add_credential(Credential::from(binding));
        }
        if settings.nameserver.is_within(&apex) {
            roll.add_name(&settings.nameserver);
        }
        let nameserver = settings.nameserver.clone();
        Ok(Self { apex_name: name::of_host(&apex), apex, nameserver, roll: RwLock::new(roll) })
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

    /// Gives the key that a signature names.
    pub(super) fn key_of(&self, signature: &TsigRecord) -> Option<TsigKey> {
        match &self.roll().credential(&signature.key_name()?)?.proof {
            Proof::Tsig(key) => Some(key.clone()),
            Proof::Token(_) => None,
        }
    }

    /// Gives the identity that the administrator has given a host.
    pub(super) fn pinned(&self, host: &HostName) -> Option<PublicKey> {
        self.roll().hosting(host)?.identity
    }

    fn has_name(&self, name: &HostName) -> bool {
        self.roll().has_name(name)
    }
}

/// A host's last accepted registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) statement: Statement,
    /// When we accepted it, by our clock, in Unix seconds: leases run from here, as hosts' clocks may be wrong.
    pub(super) received: u64,
    /// The name of the credential that registered it.
    pub(super) key: String,
    /// The signature that it came with, if it came with one.
    pub(super) fence: Option<Fence>,
}

impl Entry {
    /// Gives for how many more seconds the record holds.
    pub(super) fn remaining(&self, now: u64) -> u32 {
        let age = now.saturating_sub(self.received);
        let lease = self.statement.record().map_or(0, Record::lease);
        lease.saturating_sub(u32::try_from(age).unwrap_or(u32::MAX))
    }
}

/// The signature of the last accepted update: what came before it is a replay, and itself is a retransmission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fence {
    pub(super) time_signed: u64,
    pub(super) mac: Vec<u8>,
}

/// The registered part, in memory.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// The zone's serial number (RFC 1982).
    pub(super) serial: u32,
    entries: HashMap<HostName, Entry>,
    /// Names with registrations at or below them that no credential is bound to any more.
    names: HashSet<HostName>,
}

impl Index {
    pub(super) fn new(serial: u32) -> Self {
        Self { serial, ..Self::default() }
    }

    pub(super) fn insert(&mut self, entry: Entry, zone: &Zone) {
        let host = entry.statement.host();
        if matches!(entry.statement, Statement::Removed(_)) {
            self.entries.remove(host);
            return;
        }
        if !zone.has_name(host) {
            insert_with_parents(&mut self.names, host, &zone.apex);
        }
        self.entries.insert(host.clone(), entry);
    }
}

/// The zone as one moment sees it: configured, registered, and decided but not yet on disk.
#[derive(Clone, Copy)]
pub(super) struct View<'v> {
    pub(super) zone: &'v Zone,
    pub(super) index: &'v Index,
    /// Decided in this batch; empty for everybody but the writer.
    pub(super) pending: Option<&'v HashMap<HostName, Entry>>,
}

impl<'v> View<'v> {
    pub(super) fn entry(&self, host: &HostName) -> Option<&'v Entry> {
        let entry = self.pending.and_then(|pending| pending.get(host)).or_else(|| self.index.entries.get(host));
        entry.filter(|entry| entry.statement.record().is_some())
    }

    /// Finds the place that a name means.
    pub(super) fn place<N: ToName>(&self, owner: &N) -> Place<'v> {
        if !owner.ends_with(&self.zone.apex_name) {
            return Place::Outside;
        }
        if let Some(host) = name::to_statement_host(owner) {
            return if self.is_host(&host) { Place::Statement(self.entry(&host)) } else { Place::Missing };
        }
        match name::to_host(owner) {
            Some(host) if host == self.zone.apex => Place::Apex(self.entry(&host)),
            Some(host) if self.is_known(&host) => Place::Host(self.entry(&host)),
            Some(_) | None => Place::Missing,
        }
    }

    /// Gives the records of one type at a place, or of all its types, with their time to live in seconds.
    pub(super) fn records(&self, place: Place<'v>, rtype: Rtype, now: u64) -> Vec<(Ttl, Data<'v>)> {
        let mut found = Vec::new();
        match place {
            Place::Apex(entry) => {
                found.push((Ttl::from_secs(CONFIGURED_TTL), Data::Soa(self.soa())));
                found.push((Ttl::from_secs(CONFIGURED_TTL), Data::Ns(Ns::new(name::of_host(&self.zone.nameserver)))));
                push_addresses(&mut found, entry, now);
            }
            Place::Host(entry) => push_addresses(&mut found, entry, now),
            Place::Statement(Some(entry)) => {
                // What nobody signed is no statement.
                if let Some(signed) = entry.statement.signed() {
                    let ttl = match signed.record().state() {
                        State::Asleep => SLEEPING_TTL,
                        State::Online => entry.remaining(now).clamp(SLEEPING_TTL, LONGEST_TTL),
                    };
                    found.push((Ttl::from_secs(ttl), Data::Txt(signed)));
                }
            }
            Place::Statement(None) | Place::Missing | Place::Outside => {}
        }
        found.retain(|(_, data)| rtype == Rtype::ANY || data.rtype() == rtype);
        found
    }

    /// Gives the zone's start of authority, whose minimum is how long an absence may be remembered.
    pub(super) fn soa(&self) -> Soa<Name<Vec<u8>>> {
        let mut mailbox = b"\x0ahostmaster".to_vec();
        mailbox.extend_from_slice(self.zone.apex_name.as_slice());
        let mailbox = Name::from_octets(mailbox).unwrap_or_else(|_long| self.zone.apex_name.clone());
        Soa::new(
            name::of_host(&self.zone.nameserver),
            mailbox,
            Serial(self.index.serial),
            Ttl::from_secs(3600),
            Ttl::from_secs(600),
            Ttl::from_secs(604_800),
            Ttl::from_secs(SLEEPING_TTL),
        )
    }

    fn is_host(&self, host: &HostName) -> bool {
        self.entry(host).is_some() || self.zone.has_name(host)
    }

    fn is_known(&self, host: &HostName) -> bool {
        self.entry(host).is_some() || self.zone.has_name(host) || self.index.names.contains(host)
    }
}

/// What kind of name it is, and the registration of its host, if any.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place<'v> {
    /// The zone's own name.
    Apex(Option<&'v Entry>),
    /// A host's name, or an empty name with hosts below it.
    Host(Option<&'v Entry>),
    /// The name of a host's statement.
    Statement(Option<&'v Entry>),
    /// A name in the zone that does not exist.
    Missing,
    /// A name that is not ours.
    Outside,
}

/// The data of one record.
pub(super) enum Data<'v> {
    A(Ipv4Addr),
    Aaaa(Ipv6Addr),
    Ns(Ns<Name<Vec<u8>>>),
    Soa(Soa<Name<Vec<u8>>>),
    Txt(&'v SignedRecord),
}

impl Data<'_> {
    pub(super) fn rtype(&self) -> Rtype {
        match self {
            Self::A(_) => Rtype::A,
            Self::Aaaa(_) => Rtype::AAAA,
            Self::Ns(_) => Rtype::NS,
            Self::Soa(_) => Rtype::SOA,
            Self::Txt(_) => Rtype::TXT,
        }
    }

    /// Gives the data in canonical form, to compare.
    pub(super) fn canonical(&self) -> Vec<u8> {
        match self {
            Self::A(address) => canonical(&A::new(*address)),
            Self::Aaaa(address) => canonical(&Aaaa::new(*address)),
            Self::Ns(ns) => canonical(ns),
            Self::Soa(soa) => canonical(soa),
            Self::Txt(signed) => text(signed).map(|text| canonical(&text)).unwrap_or_default(),
        }
    }
}

/// Gives a statement as TXT data; `None` is for texts longer than a message, which no record is.
pub(super) fn text(signed: &SignedRecord) -> Option<Txt<Vec<u8>>> {
    Txt::build_from_slice(signed.to_string().as_bytes()).ok()
}

/// Gives record data in canonical form (RFC 4034 section 6.2).
pub(super) fn canonical<D: ComposeRecordData>(data: &D) -> Vec<u8> {
    let mut bytes = Vec::new();
    match data.compose_canonical_rdata(&mut bytes) {
        Ok(()) => bytes,
        Err(never) => match never {},
    }
}

fn push_addresses(found: &mut Vec<(Ttl, Data<'_>)>, entry: Option<&Entry>, now: u64) {
    let Some(entry) = entry else { return };
    let remaining = entry.remaining(now);
    if remaining == 0 {
        return;
    }
    let ttl = Ttl::from_secs(remaining.min(LONGEST_TTL));
    let addresses = entry.statement.record().map_or(&[][..], Record::addresses);
    found.extend(addresses.iter().map(|address| match address {
        IpAddr::V4(address) => (ttl, Data::A(*address)),
        IpAddr::V6(address) => (ttl, Data::Aaaa(*address)),
    }));
}

fn insert_with_parents(names: &mut HashSet<HostName>, host: &HostName, apex: &HostName) {
    let mut next = Some(host.clone());
    while let Some(name) = next.take_if(|name| *name != *apex) {
        next = name.parent();
        names.insert(name);
    }
    // A host may have the zone's own name.
    if host == apex {
        names.insert(host.clone());
    }
}

const CONFIGURED_TTL: u32 = 3600;
/// Seconds for which an absence or a sleep may be remembered: a wake changes it, and its caller waits for that.
const SLEEPING_TTL: u32 = 5;
