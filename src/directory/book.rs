//! Who may change what: the one decision every registration passes, whichever way it came.
//!
//! Pure, and atomic only in the writer's hands, which decides one change after another. Refuses names that the key is not
//! bound to, statements that their host did not sign, and everything older than what is known. A change without a
//! statement is taken only from a front that says so, and only as long as the host has not spoken for itself: from then on
//! a name has its host's own word behind it for good.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use domain::base::iana::Rtype;

use super::bounds::pace::TooOften;
use super::entry::{Certified, Entry, Fence, Known, Remembered};
use super::index::Kept;
use super::roll::Credential;
use super::statement::Statement;
use super::zone::{Place, View};
use crate::record::{HostName, Record, RecordError, Seq, StatementError, VerifyError};

/// A change that somebody has been authenticated to ask for.
#[derive(Clone, Debug)]
pub(super) struct Change {
    /// The name of the credential that it came with.
    pub(super) by: Arc<str>,
    /// The signature on the request, where it had one.
    pub(super) fence: Option<Fence>,
    /// The lease, in seconds, of a record without the host's statement; `None` where the statement is a must.
    pub(super) uncertified: Option<u32>,
    /// What has to be so, in the order of the request.
    pub(super) prerequisites: Vec<Prerequisite>,
    /// Why what comes after these cannot be told, if something does.
    pub(super) premise: Result<(), Refusal>,
    /// What is to be done, host by host: all of it or nothing.
    pub(super) wanted: Vec<Wanted>,
    /// Why it is not what is to be done, whoever asks.
    pub(super) form: Result<(), Refusal>,
}

impl Change {
    /// A change without a signature, prerequisites, and anything wrong with its form.
    pub(super) fn of(by: impl Into<Arc<str>>, wanted: Vec<Wanted>) -> Self {
        let (by, prerequisites) = (by.into(), Vec::new());
        Self { by, fence: None, uncertified: None, prerequisites, premise: Ok(()), wanted, form: Ok(()) }
    }
}

/// What a change does to one host; nothing where it deletes what hosts do not have (RFC 2136 section 3.4.2.3).
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) host: HostName,
    pub(super) steps: Vec<Step>,
}

impl Wanted {
    fn is_removal(&self) -> bool {
        self.steps == [Step::Remove]
    }
}

/// One record of an update section (RFC 2136 section 2.5), as far as a host has such records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    AddAddress(IpAddr),
    /// A statement that was found certified, or why it was not.
    AddStatement(Result<Certified, Refusal>),
    /// Delete the addresses of one type, or of both for [`Rtype::ANY`].
    DeleteAddresses(Rtype),
    DeleteAddress(IpAddr),
    /// Delete the statement: what the change said before this does not count. Where nothing comes after it, a host that
    /// has spoken for itself would be left without its word, which is refused.
    DeleteStatement,
    /// Take the host out of the directory. Only the administrator's front makes this step: no credential is asked for.
    Remove,
}

/// A condition on the zone (RFC 2136 section 2.4).
#[derive(Clone, Debug)]
pub(super) struct Prerequisite {
    /// In lower case, without its root.
    pub(super) owner: Vec<u8>,
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
    #[error("the update names too many hosts; expected at most {MOST_HOSTS}")]
    TooManyHosts,
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
    #[error("the host changes too often; it may again in {again_in} s")]
    TooOften { again_in: u32, is_news: bool },
    #[error("the statement's seq {offered} is not above the known {known}")]
    Stale { offered: Seq, known: Seq },
}

impl Refusal {
    /// Tells whether the same request may come to something else later, though nothing was wrong with it.
    fn is_of_the_moment(&self) -> bool {
        matches!(self, Self::NameMissing | Self::NamePresent | Self::RecordsMissing | Self::RecordsPresent)
    }
}

impl From<TooOften> for Refusal {
    fn from(TooOften { again_in, is_news }: TooOften) -> Self {
        Self::TooOften { again_in, is_news }
    }
}

/// Decides a change at a time in Unix seconds, in the order of RFC 2136 section 3: gives the new entries of its hosts, none
/// where nothing is left to be done.
pub(super) fn decide(view: &View<'_>, change: &Change, now: u64) -> Result<Vec<Entry>, Refusal> {
    let passed = change.fence.as_ref().map_or(Ok(Passed::Now), |fence| pass(view, change, fence))?;
    if passed == Passed::Done {
        return Ok(Vec::new());
    }
    check_all(view, change, now)?;
    if let (Passed::Refused, Some(fence)) = (passed, &change.fence) {
        // It was told that it is not so; that it is by now, it has to ask anew.
        return Err(Refusal::Replayed { last: fence.time_signed.saturating_add(1) });
    }
    let credential = view.zone.credential(&change.by);
    for wanted in &change.wanted {
        permit(view, credential.as_deref(), wanted)?;
    }
    change.form.clone()?;
    let mut entries = Vec::new();
    for wanted in &change.wanted {
        let kept = view.kept(&wanted.host);
        let decided = match &credential {
            Some(credential) if !wanted.is_removal() => register(view, change, wanted, credential, kept, now)?,
            Some(_) | None => kept.map(|_registered| (Statement::Removed(wanted.host.clone()), false)),
        };
        let Some((statement, renews)) = decided else { continue };
        let fence = change.fence.clone();
        let displaces = displaces(view, change, kept);
        entries.push(Entry { fence, displaces, renews, ..Entry::new(statement, now, Arc::clone(&change.by)) });
    }
    Ok(entries)
}

/// Gives what is to be remembered of a change that was decided and leaves some of its hosts as they are: its signature, where
/// it might come to something another time.
pub(super) fn remember(view: &View<'_>, change: &Change, decided: &Result<Vec<Entry>, Refusal>) -> Vec<Remembered> {
    let Some(given) = &change.fence else { return Vec::new() };
    let (entries, fence) = match decided {
        Ok(entries) if entries.len() == change.wanted.len() => return Vec::new(),
        Ok(entries) => (entries.as_slice(), given.clone()),
        Err(refusal) if refusal.is_of_the_moment() => (&[][..], given.of_refused()),
        Err(_) => return Vec::new(),
    };
    let credential = view.zone.credential(&change.by);
    let is_new = pass(view, change, given) == Ok(Passed::Now);
    let left = change.wanted.iter().filter(|wanted| {
        is_new
            && credential.as_ref().is_some_and(|credential| credential.covers(&wanted.host))
            && entries.iter().all(|entry| *entry.statement.host() != wanted.host)
    });
    let by = || Arc::clone(&change.by);
    left.map(|wanted| Remembered { host: wanted.host.clone(), by: by(), fence: fence.clone() }).collect()
}

/// Whether a request was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Passed {
    /// It was done.
    Done,
    /// It was refused for what was so then.
    Refused,
    /// It is a new one.
    Now,
}

/// Holds a request against what its key has signed for these hosts before.
fn pass(view: &View<'_>, change: &Change, fence: &Fence) -> Result<Passed, Refusal> {
    let (by, done) = view.index.fingerprint(&change.by, &fence.mac);
    let signatures = change.wanted.iter().flat_map(|wanted| view.signatures(&wanted.host));
    let (mut earliest, mut passed) = (0, Passed::Now);
    for signed in signatures.filter(|signed| signed.by == by) {
        if signed.time_signed == fence.time_signed {
            if signed.macs.contains(&done) {
                return Ok(Passed::Done);
            }
            let (_, refused) = view.index.fingerprint(&change.by, &fence.of_refused().mac);
            if signed.macs.contains(&refused) {
                passed = Passed::Refused;
            }
        }
        // So many in one second are told to sign in the next.
        let is_full = signed.macs.len() >= MOST_A_SECOND;
        earliest = earliest.max(signed.time_signed.saturating_add(is_full.into()));
    }
    if passed == Passed::Now && fence.time_signed < earliest {
        return Err(Refusal::Replayed { last: earliest });
    }
    Ok(passed)
}

/// Tells whether a change takes the place of what another key has signed.
fn displaces(view: &View<'_>, change: &Change, kept: Option<Kept<'_>>) -> bool {
    let Some(last) = kept.and_then(|kept| kept.signatures()) else { return false };
    change.fence.is_none() || last.by != view.index.fingerprint(&change.by, &[]).0
}

/// Tells whether a credential may change a host (RFC 2136 section 3.3); to take one out, none is asked for.
fn permit(view: &View<'_>, credential: Option<&Credential>, wanted: &Wanted) -> Result<(), Refusal> {
    let is_bound = credential.is_some_and(|credential| credential.covers(&wanted.host));
    let may = wanted.is_removal() || (is_bound && !view.zone.is_own(&wanted.host));
    if may { Ok(()) } else { Err(Refusal::NotBound) }
}

/// What is written of a host, and whether that says to everybody else what they know already.
type Decided = Option<(Statement, bool)>;

/// Decides about one host; `None` where there is nothing to be done.
fn register(
    view: &View<'_>,
    change: &Change,
    wanted: &Wanted,
    credential: &Credential,
    kept: Option<Kept<'_>>,
    now: u64,
) -> Result<Decided, Refusal> {
    if wanted.steps.is_empty() {
        return Ok(None);
    }
    let known = kept.and_then(|kept| kept.known(&wanted.host));
    let certified = known.as_ref().and_then(|known| known.statement.signed());
    let pinned = credential.identity.or_else(|| view.zone.pinned(&wanted.host));
    let pinned = pinned.or_else(|| certified.map(|signed| *signed.key()));
    let (addresses, statement) = apply(wanted, known.as_ref().filter(|known| known.remaining(now) > 0));
    let Some(statement) = statement else {
        // Once a host has spoken for itself, nobody else does.
        let lease = change.uncertified.or(credential.uncertified_lease).filter(|_| pinned.is_none());
        let lease = lease.ok_or(Refusal::NoStatement)?;
        // What was never there is not deleted.
        let has_nothing = known.is_none() && addresses.is_empty();
        if has_nothing || wanted.steps.iter().all(|step| *step == Step::DeleteStatement) {
            return Ok(None);
        }
        let last = known.as_ref().and_then(|known| known.statement.record()).map(Record::seq);
        let seq = last.map_or(Some(Seq::FIRST), Seq::next).ok_or(Refusal::Malformed)?;
        let statement = Statement::uncertified(&wanted.host, addresses.into_iter().collect(), seq, now, lease)?;
        let renews = known.is_some_and(|known| known.is_renewed_by(&statement, now));
        return Ok(Some((statement, renews)));
    };
    let signed = statement.as_ref().map_err(Clone::clone)?.signed();
    if !signed.record().addresses().iter().eq(&addresses) {
        return Err(Refusal::AddressesDiffer);
    }
    if pinned.is_none() && credential.enrol_until.is_some_and(|until| now >= until) {
        return Err(Refusal::EnrolmentOver);
    }
    if pinned.is_some_and(|pinned| pinned != *signed.key()) {
        return Err(VerifyError::OtherKey { found: *signed.key() }.into());
    }
    if let Some(certified) = certified {
        if certified == signed {
            return Ok(None);
        }
        let (offered, known) = (signed.record().seq(), certified.record().seq());
        if offered <= known {
            return Err(Refusal::Stale { offered, known });
        }
    }
    Ok(Some((Statement::Signed(signed.clone()), false)))
}

/// Takes the steps in order, and gives the addresses and the statement that they end with.
fn apply<'w>(wanted: &'w Wanted, known: Option<&Known>) -> (BTreeSet<IpAddr>, Option<&'w Result<Certified, Refusal>>) {
    let record = known.and_then(|known| known.statement.record());
    let mut addresses: BTreeSet<IpAddr> =
        record.map(|record| record.addresses().iter().copied().collect()).unwrap_or_default();
    let mut statement = None;
    for step in &wanted.steps {
        match step {
            Step::AddAddress(address) => {
                addresses.insert(*address);
            }
            Step::AddStatement(read) => statement = Some(read),
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

/// Checks the prerequisites in their order, and then those that name data: their RRsets are compared when all of them have
/// been read (RFC 2136 section 3.2.5).
fn check_all(view: &View<'_>, change: &Change, now: u64) -> Result<(), Refusal> {
    let has_data = |prerequisite: &Prerequisite| matches!(prerequisite.condition, Condition::Equals(..));
    for prerequisite in &change.prerequisites {
        if matches!(view.place(&prerequisite.owner), Place::Outside) {
            return Err(Refusal::OutsideZone);
        }
        if !has_data(prerequisite) {
            check(view, prerequisite, now)?;
        }
    }
    change.premise.clone()?;
    let mut data = change.prerequisites.iter().filter(|prerequisite| has_data(prerequisite));
    data.try_for_each(|prerequisite| check(view, prerequisite, now))
}

/// Checks a prerequisite (RFC 2136 section 3.2).
fn check(view: &View<'_>, prerequisite: &Prerequisite, now: u64) -> Result<(), Refusal> {
    let place = view.place(&prerequisite.owner);
    let found = |rtype| {
        let mut found = BTreeSet::new();
        view.records(place, rtype, now, &mut |_, _, data| {
            found.insert(data.to_vec());
        });
        found
    };
    let present = |rtype| !found(rtype).is_empty();
    let (holds, refusal) = match &prerequisite.condition {
        Condition::NameInUse => (present(Rtype::ANY), Refusal::NameMissing),
        Condition::NameNotInUse => (!present(Rtype::ANY), Refusal::NamePresent),
        Condition::Exists(rtype) => (present(*rtype), Refusal::RecordsMissing),
        Condition::Absent(rtype) => (!present(*rtype), Refusal::RecordsPresent),
        Condition::Equals(rtype, expected) => (found(*rtype) == *expected, Refusal::RecordsMissing),
    };
    if holds { Ok(()) } else { Err(refusal) }
}

/// The most hosts that one request may change.
pub(super) const MOST_HOSTS: usize = 64;
/// The most changes of one host that a key may sign within one second.
const MOST_A_SECOND: usize = 64;

#[cfg(test)]
mod replays;
#[cfg(test)]
mod tests;
