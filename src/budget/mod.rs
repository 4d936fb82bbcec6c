//! What this machine may spend on calls of its own: so many calls and minutes a day and a month, as its owner allows.
//!
//! The [`Account`] decides, on local calendar days: whether a call may be made, and when a link must end. The ledger that it
//! counts in is a file of fixed size, so that a full disk cannot stop the counting ([`LedgerFile`]); [`Budget`] is the handle that
//! the rooms share. A call is counted durably before it is dialled, and a minute before it begins: `kill -9` may cost a minute
//! that was not used, and never gains one.

mod account;
mod file;
mod handle;
mod ledger;

pub use self::account::{Account, Allowance, Cap, Caps, Left, Output, View};
pub use self::file::{FileError, Found, LedgerFile};
pub use self::handle::{Budget, Opened, Reservation, peek};
pub use self::ledger::{Ledger, Used};

/// The ledger's file in the state directory.
pub const FILE: &str = "budget";
