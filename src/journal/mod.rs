//! What happened on this machine, for years: every ring, wake, outgoing call, link and registration, in SQLite.
//!
//! Nobody waits for the journal: notes go to a writer on a thread of its own, which commits them in groups. When the disk is
//! full or the file damaged, ringup goes on and says so once. Owns the schema and its migrations, pruning, and what is known of
//! a wake that was cut off. Refuses to be the budget's only witness: that has a file of its own ([`crate::budget`]).

mod handle;
mod health;
mod note;
mod reader;
mod resume;
mod schema;
mod show;
mod store;
mod writer;

pub use self::handle::Journal;
pub use self::health::Health;
pub use self::note::{Caller, Entry, Note, Step, Wake, WakeNumber};
pub use self::reader::{Filter, Found, JournalError, Reader};
pub use self::resume::{Resume, decide};
pub use self::show::{Numbers, age, entry_json, entry_line, span, wake_line};

/// The journal's file in the state directory.
pub const FILE: &str = "journal.sqlite";
