//! Who may change what: the one decision every registration passes, whichever way it came.
//!
//! Pure, and atomic only in the writer's hands, which decides one change after another. Refuses names that the key is not
//! bound to, statements that their host did not sign, everything older than what is known, and plain address changes
//! without a statement: a name here always has its host's own word behind it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use domain::base::Name;
use domain::base::iana::Rtype;

use super::zone::{Entry, Fence, Place, View};
use crate::record::{HostName, Seq, SignedRecord, StatementError, VerifyError};

/// A change that somebody has been authenticated to ask for.
#[derive(Clone, Debug)]
pub(super) struct Change {
    /// The name of the key that signed the request.
    pub(super) by: String,
    pub(super) fence: Fence,
    /// What has to be so, or why that cannot be told.
    pub(super) prerequisites: Result<Vec<Prerequisite>, Refusal>,
    /// What is to be done, or why that cannot be told; `None` for nothing at all.
    pub(super) wanted: Result<Option<Wanted>, Refusal>,
}

/// What a change does to one host.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) host: HostName,
    pub(super) steps: Vec<Step>,
}

/// One record of an update section (RFC 2136 section 2.5), as far as a host has such records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    AddAddress(IpAddr),
    AddStatement(String),
    /// Delete the addresses of one type, or of both for [`Rtype::ANY`].
    DeleteAddresses(Rtype),
    DeleteAddress(IpAddr),
    /// Delete the statement; harmless, as a change brings another.
    DeleteStatement,
}

/// A condition on the zone (RFC 2136 section 2.4).
#[derive(Clone, Debug)]
pub(super) struct Prerequisite {
    pub(super) owner: Name<Vec<u8>>,
    pub(super) condition: Condition,
}

#[derive(Clone, Debug)]
pub(super) enum Condition {
    NameInUse,
    NameNotInUse,
    Exists(Rtype),
    Absent(Rtype),
    /// The canonical data of the whole RRset.
    Equals(Rtype, BTreeSet<Vec<u8>>),
}

/// Why a change is not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("the update is malformed")]
    Malformed,
    #[error("a name in the update is outside the zone")]
    OutsideZone,
    #[error("a name that has to exist does not")]
    NameMissing,
    #[error("a name that must not exist does")]
    NamePresent,
    #[error("records that have to exist do not")]
    RecordsMissing,
    #[error("records that must not exist do")]
    RecordsPresent,
    #[error("signed before the last accepted update of this host, at {last} s")]
    Replayed { last: u64 },
    #[error("the key is not bound to this host")]
    NotBound,
    #[error("the update names several hosts; expected one")]
    SeveralHosts,
    #[error("the update holds records other than addresses and the statement")]
    OtherRecords,
    #[error("an address change without the host's signed statement")]
    NoStatement,
    #[error("the statement cannot be read")]
    Statement(#[from] StatementError),
    #[error("the statement is not the host's own")]
    Unverified(#[from] VerifyError),
    #[error("the addresses differ from the statement's")]
    AddressesDiffer,
    #[error("the statement's seq {offered} is not above the known {known}")]
    Stale { offered: Seq, known: Seq },
}

/// Decides a change at a time in Unix seconds: gives the host's new entry, or `None` where nothing is left to be done.
pub(super) fn decide(view: &View<'_>, change: &Change, now: u64) -> Result<Option<Entry>, Refusal> {
    if let Ok(Some(wanted)) = &change.wanted
        && let Some(known) = view.entry(&wanted.host).filter(|known| known.key == change.by)
    {
        if known.fence == change.fence {
            return Ok(None);
        }
        if change.fence.time_signed < known.fence.time_signed {
            return Err(Refusal::Replayed { last: known.fence.time_signed });
        }
    }
    for prerequisite in change.prerequisites.as_ref().map_err(Clone::clone)? {
        check(view, prerequisite, now)?;
    }
    let Some(wanted) = change.wanted.as_ref().map_err(Clone::clone)? else { return Ok(None) };
    let binding = view.zone.binding(&change.by).filter(|binding| binding.hosts.contains(&wanted.host));
    let binding = binding.ok_or(Refusal::NotBound)?;
    let known = view.entry(&wanted.host);
    let signed = apply(wanted, known)?;
    let pinned = binding.identity.as_ref().or_else(|| known.map(|known| known.signed.key()));
    signed.verify(pinned.unwrap_or_else(|| signed.key()))?;
    if let Some(known) = known {
        if known.signed == signed {
            return Ok(None);
        }
        let (offered, known) = (signed.record().seq(), known.signed.record().seq());
        if offered <= known {
            return Err(Refusal::Stale { offered, known });
        }
    }
    Ok(Some(Entry { signed, received: now, key: change.by.clone(), fence: change.fence.clone() }))
}

/// Takes the steps in order and reads the statement they end with, whose addresses must be those they end with.
fn apply(wanted: &Wanted, known: Option<&Entry>) -> Result<SignedRecord, Refusal> {
    let mut addresses: BTreeSet<IpAddr> =
        known.map(|known| known.signed.record().addresses().iter().copied().collect()).unwrap_or_default();
    let mut statement = None;
    for step in &wanted.steps {
        match step {
            Step::AddAddress(address) => {
                addresses.insert(*address);
            }
            Step::AddStatement(text) => statement = Some(text),
            Step::DeleteAddresses(Rtype::A) => addresses.retain(IpAddr::is_ipv6),
            Step::DeleteAddresses(Rtype::AAAA) => addresses.retain(IpAddr::is_ipv4),
            Step::DeleteAddresses(_) => addresses.clear(),
            Step::DeleteAddress(address) => {
                addresses.remove(address);
            }
            Step::DeleteStatement => statement = None,
        }
    }
    let signed = SignedRecord::parse(&wanted.host, statement.ok_or(Refusal::NoStatement)?)?;
    if signed.record().addresses().iter().eq(&addresses) { Ok(signed) } else { Err(Refusal::AddressesDiffer) }
}

/// Checks a prerequisite (RFC 2136 section 3.2).
fn check(view: &View<'_>, prerequisite: &Prerequisite, now: u64) -> Result<(), Refusal> {
    let place = view.place(&prerequisite.owner);
    if matches!(place, Place::Outside) {
        return Err(Refusal::OutsideZone);
    }
    let present = |rtype| !view.records(place, rtype, now).is_empty();
    let (holds, refusal) = match &prerequisite.condition {
        Condition::NameInUse => (present(Rtype::ANY), Refusal::NameMissing),
        Condition::NameNotInUse => (!present(Rtype::ANY), Refusal::NamePresent),
        Condition::Exists(rtype) => (present(*rtype), Refusal::RecordsMissing),
        Condition::Absent(rtype) => (!present(*rtype), Refusal::RecordsPresent),
        Condition::Equals(rtype, expected) => {
            let found: BTreeSet<_> =
                view.records(place, *rtype, now).iter().map(|(_, data)| data.canonical()).collect();
            (found == *expected, Refusal::RecordsMissing)
        }
    };
    if holds { Ok(()) } else { Err(refusal) }
}

#[cfg(test)]
mod tests;
