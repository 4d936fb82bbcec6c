//! Who may change what: the one decision every registration passes, whichever way it came.
//!
//! Pure, and atomic only in the writer's hands, which decides one change after another. Refuses names that the key is not
//! bound to, statements that their host did not sign, and everything older than what is known. A change without a
//! statement is taken only from a front that says so, and only as long as the host has not spoken for itself: from then on
//! a name has its host's own word behind it for good.

use std::collections::BTreeSet;
use std::net::IpAddr;

use domain::base::Name;
use domain::base::iana::Rtype;

use super::statement::Statement;
use super::zone::{Entry, Fence, Place, View};
use crate::record::{HostName, Record, RecordError, Seq, SignedRecord, StatementError, VerifyError};

/// A change that somebody has been authenticated to ask for.
#[derive(Clone, Debug)]
pub(super) struct Change {
    /// The name of the credential that it came with.
    pub(super) by: String,
    /// The signature on the request, where it had one.
    pub(super) fence: Option<Fence>,
    /// The lease, in seconds, of a record without the host's statement; `None` where the statement is a must.
    pub(super) uncertified: Option<u32>,
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
    /// Take the host out of the directory. Only the administrator's front makes this step: no credential is asked for.
    Remove,
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
    #[error("the credential is not bound to this host")]
    NotBound,
    #[error("the update names several hosts; expected one")]
    SeveralHosts,
    #[error("the update holds records other than addresses and the statement")]
    OtherRecords,
    #[error("the time for enrolling this host with this credential is over")]
    EnrolmentOver,
    #[error("an address change without the host's signed statement")]
    NoStatement,
    #[error("the statement cannot be read")]
    Statement(#[from] StatementError),
    #[error("the statement is not the host's own")]
    Unverified(#[from] VerifyError),
    #[error("no record can be made of it")]
    Record(#[from] RecordError),
    #[error("the addresses differ from the statement's")]
    AddressesDiffer,
    #[error("the statement's seq {offered} is not above the known {known}")]
    Stale { offered: Seq, known: Seq },
}

/// Decides a change at a time in Unix seconds: gives the host's new entry, or `None` where nothing is left to be done.
pub(super) fn decide(view: &View<'_>, change: &Change, now: u64) -> Result<Option<Entry>, Refusal> {
    if let Ok(Some(wanted)) = &change.wanted
        && let Some(known) = view.entry(&wanted.host).filter(|known| known.key == change.by)
        && let (Some(last), Some(fence)) = (&known.fence, &change.fence)
    {
        if last == fence {
            return Ok(None);
        }
        if fence.time_signed < last.time_signed {
            return Err(Refusal::Replayed { last: last.time_signed });
        }
    }
    for prerequisite in change.prerequisites.as_ref().map_err(Clone::clone)? {
        check(view, prerequisite, now)?;
    }
    let Some(wanted) = change.wanted.as_ref().map_err(Clone::clone)? else { return Ok(None) };
    let known = view.entry(&wanted.host);
    let entry = |statement| Entry { statement, received: now, key: change.by.clone(), fence: change.fence.clone() };
    if wanted.steps.contains(&Step::Remove) {
        return Ok(known.map(|_| entry(Statement::Removed(wanted.host.clone()))));
    }
    let credential = view.zone.credential(&change.by).filter(|credential| credential.hosts.contains(&wanted.host));
    let credential = credential.ok_or(Refusal::NotBound)?;
    let certified = known.and_then(|known| known.statement.signed());
    let configured = view.zone.pinned(&wanted.host);
    let pinned = credential.identity.as_ref().or(configured.as_ref());
    let pinned = pinned.or_else(|| certified.map(SignedRecord::key));
    let (addresses, text) = apply(wanted, known.filter(|known| known.remaining(now) > 0));
    let Some(text) = text else {
        // Once a host has spoken for itself, nobody else does.
        let lease = change.uncertified.filter(|_| pinned.is_none()).ok_or(Refusal::NoStatement)?;
        let last = known.and_then(|known| known.statement.record()).map(Record::seq);
        let seq = last.map_or(Some(Seq::FIRST), Seq::next).ok_or(Refusal::Malformed)?;
        let addresses = addresses.into_iter().collect();
        return Ok(Some(entry(Statement::uncertified(&wanted.host, addresses, seq, now, lease)?)));
    };
    let signed = SignedRecord::parse(&wanted.host, &text)?;
    if !signed.record().addresses().iter().eq(&addresses) {
        return Err(Refusal::AddressesDiffer);
    }
    if pinned.is_none() && credential.enrol_until.is_some_and(|until| now >= until) {
        return Err(Refusal::EnrolmentOver);
    }
    signed.verify(pinned.unwrap_or_else(|| signed.key()))?;
    if let Some(certified) = certified {
        if *certified == signed {
            return Ok(None);
        }
        let (offered, known) = (signed.record().seq(), certified.record().seq());
        if offered <= known {
            return Err(Refusal::Stale { offered, known });
        }
    }
    Ok(Some(entry(Statement::Signed(signed))))
}

/// Takes the steps in order, and gives the addresses and the statement's text that they end with.
fn apply(wanted: &Wanted, known: Option<&Entry>) -> (BTreeSet<IpAddr>, Option<String>) {
    let record = known.and_then(|known| known.statement.record());
    let mut addresses: BTreeSet<IpAddr> =
        record.map(|record| record.addresses().iter().copied().collect()).unwrap_or_default();
    let mut statement = None;
    for step in &wanted.steps {
        match step {
            Step::AddAddress(address) => {
                addresses.insert(*address);
            }
            Step::AddStatement(text) => statement = Some(text.clone()),
            Step::DeleteAddresses(Rtype::A) => addresses.retain(IpAddr::is_ipv6),
            Step::DeleteAddresses(Rtype::AAAA) => addresses.retain(IpAddr::is_ipv4),
            Step::DeleteAddresses(_) => addresses.clear(),
            Step::DeleteAddress(address) => {
                addresses.remove(address);
            }
            Step::DeleteStatement => statement = None,
            Step::Remove => {}
        }
    }
    (addresses, statement)
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
