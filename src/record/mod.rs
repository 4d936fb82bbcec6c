//! The nouns every room shares: host names, records, sequence numbers, identities and signatures.
//!
//! Owns what a record says, how it is written as one line of text, and what its signature covers (docs/record.md). Knows
//! nothing of DNS, sockets or clocks: time is an argument. It touches the disk only for the two files that belong to a
//! host, its identity and its last sequence number.

mod host;
mod identity;
mod reachability;
mod seq;
mod services;
mod statement;

pub use host::{HostName, HostNameError};
pub use identity::{Identity, IdentityError, PublicKey, PublicKeyError, Signature};
pub use reachability::Reachability;
pub use seq::{Seq, SeqError, SeqStore};
pub use services::{FarEnd, PROOF_PORT, ServiceError, Services, SshHostKey, TlsPin};
pub use statement::{Record, RecordError, SignedRecord, State, StatementError, VerifyError};
