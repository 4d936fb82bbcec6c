//! What this machine may spend on calls of its own: so many calls and minutes a day and a month, as its owner allows.
//!
//! The [`Account`] decides, on local calendar days: whether a call may be made, and when a link must end. The ledger that it
//! counts in is a file of fixed size, so that a full disk cannot stop the counting ([`LedgerFile`]). A daemon that has its ledger
//! for itself shares a [`Budget`] among its rooms; programs that come and go pay from one [`Purse`]. A call is counted durably before it is dialled, and a minute before it begins: `kill -9` may cost a minute
//! that was not used, and never gains one.

mod account;
mod file;
mod handle;
mod ledger;
mod purse;

pub use self::account::{Account, Allowance, Cap, Caps, Left, Output, View};
pub use self::file::{FileError, Found, LedgerFile};
pub use self::handle::{Budget, Opened, Reservation, peek};
pub use self::ledger::{Ledger, Used};
pub use self::purse::{Fare, Purse, Toll, Unpaid};

/// The listener's ledger in the state directory.
pub const FILE: &str = "budget";
/// The client's ledger in the state directory.
pub const CLIENT_FILE: &str = "client-budget";
