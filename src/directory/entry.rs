//! A host's last accepted registration, as it goes to the disk and into the index.

use std::sync::Arc;

use super::book::Refusal;
use super::statement::Statement;
use crate::record::{HostName, Record, SignedRecord, State};

/// A host's last accepted registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) statement: Statement,
    /// When we accepted it, by our clock, in Unix seconds: leases run from here, as hosts' clocks may be wrong.
    pub(super) received: u64,
    /// The name of the credential that registered it.
    pub(super) key: Arc<str>,
    /// The signature that it came with, if it came with one.
    pub(super) fence: Option<Fence>,
    /// The lease ran out, and the zone says so to those who have copies of it.
    pub(super) expired: bool,
    /// It takes the place of one that another key has signed, whose signature is to be remembered beside it.
    pub(super) displaces: bool,
    /// It says what everybody knows already, for longer: neither the zone nor the history has anything new.
    pub(super) renews: bool,
}

impl Entry {
    /// A registration without a signature on its way here, which takes no signed one's place.
    pub(super) fn new(statement: Statement, received: u64, key: impl Into<Arc<str>>) -> Self {
        Self { statement, received, key: key.into(), fence: None, expired: false, displaces: false, renews: false }
    }
}

/// The signature of an update: what its key signed earlier is a replay, and itself is a retransmission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fence {
    pub(super) time_signed: u64,
    /// What is kept of the code: enough to tell it from every other.
    pub(super) mac: Vec<u8>,
}

impl Fence {
    /// Takes a signature's time, in Unix seconds, and its code.
    pub(super) fn new(time_signed: u64, mac: &[u8]) -> Self {
        Self { time_signed, mac: mac.get(..Self::KEPT).unwrap_or(mac).to_vec() }
    }

    /// Gives what is remembered of a signature on a request that was refused: its code in reverse, so that the request is not
    /// taken for one that was done.
    pub(super) fn of_refused(&self) -> Self {
        Self { time_signed: self.time_signed, mac: self.mac.iter().rev().copied().collect() }
    }

    /// Octets kept of a code: all that the shortest has.
    pub(super) const KEPT: usize = 32;
}

/// A signature on what changed nothing of a host: without it, whoever overheard that could send it again once it would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Remembered {
    pub(super) host: HostName,
    /// The name of the credential.
    pub(super) by: Arc<str>,
    pub(super) fence: Fence,
}

/// What the index knows of a host: the disk has the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) statement: Statement,
    /// When we accepted it, by our clock, in Unix seconds.
    pub(super) received: u64,
    /// The zone has been told that the lease ran out, whatever the clock says now.
    pub(super) expired: bool,
}

impl Known {
    /// Tells whether an uncertified record that follows this one differs in nothing but its number and its time.
    pub(super) fn is_renewed_by(&self, next: &Statement, now: u64) -> bool {
        let (Some(one), Some(next)) = (self.statement.record(), next.record()) else { return false };
        let says = |record: &Record| (record.state(), record.addresses().to_vec(), record.lease());
        says(one) == says(next) && (one.state() == State::Asleep || self.remaining(now) > 0)
    }

    /// Gives for how many more seconds the record holds.
    pub(super) fn remaining(&self, now: u64) -> u32 {
        if self.expired {
            return 0;
        }
        let age = now.saturating_sub(self.received);
        let lease = self.statement.record().map_or(0, Record::lease);
        lease.saturating_sub(u32::try_from(age).unwrap_or(u32::MAX))
    }
}

/// A host's statement whose signature has been found to fit the key that it names.
///
/// Whether that key is the host's is for the book to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Certified(SignedRecord);

impl Certified {
    /// Reads a statement found under its host's name and checks its signature: some fifty microseconds of work, which is
    /// why a front does it, and not the writer.
    pub(super) fn read(host: &HostName, text: &str) -> Result<Self, Refusal> {
        let signed = SignedRecord::parse(host, text)?;
        signed.verify(signed.key())?;
        Ok(Self(signed))
    }

    pub(super) fn signed(&self) -> &SignedRecord {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::fixture::{Fixture, host};

    #[test]
    fn a_statement_whose_signature_does_not_fit_is_not_certified() {
        let signed = Fixture::new().statement(5, &["203.0.113.9"]).to_string();
        let home = host("home.dyn.test");
        assert!(Certified::read(&home, &signed).is_ok());
        let forged = Certified::read(&home, &signed.replace(".9 ", ".8 "));
        assert_eq!(forged, Err(Refusal::Unverified(crate::record::VerifyError::BadSignature)));
    }
}
