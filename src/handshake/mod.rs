//! The words of an answered wake, from CONNECT until one side hangs up (docs/handshake.md): a client proves who it is,
//! or a person types a code, and the host says what it will do.
//!
//! Owns both sides as machines without line or clock, what is signed, and the one-time codes. Refuses to decide whether
//! the machine wakes: the host's side asks, once somebody is admitted. Until a first valid line the host says nothing:
//! whoever dials through all numbers finds a modem that is dead.

mod base32;
pub mod caller;
pub mod code;
pub mod host;
mod ledger;
mod line;
mod proof;
mod words;

use std::time::Duration;

pub use self::ledger::{Ledger, LedgerError, SpendError};
pub use self::line::{LINE_LIMIT, LineReader, checked, unchecked};
pub use self::proof::{NoRandomness, Nonce};
pub use self::words::{FromCaller, FromHost, NotUnderstood, Refusal, Verdict};

/// The version of the words, and of what is signed.
pub const VERSION: u32 = 1;
/// How often somebody may try to be admitted in one call.
pub const TRIES: usize = 3;
/// How long each try may take.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// What the modem says when the call has ended, where the line has no signal for it. A caller who says it himself has
/// ended the call, too.
const LOST: &str = "NO CARRIER";
/// How many lines of one call may be asked for again; a line with more noise than that is hung up.
const AGAIN_LIMIT: u32 = 16;
