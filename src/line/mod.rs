//! An attended modem line: opened, set up, listened to, looked after, lent to other programs, lost and found again.
//!
//! Owns the line for as long as the process runs; `listen` and `provide` take it for a call and give it back. Decides
//! nothing about calls. What is done when is the `Upkeep`'s to say, a core; `Attended` does it.

mod attended;
mod state;
mod upkeep;

use hayes::line::LineSettings;

pub use self::attended::{Attended, Happening};
pub use self::state::{LineState, Trouble};
pub use self::upkeep::Policy;

/// A line, its modem, and how it is looked after.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The modem's port.
    pub line: LineSettings,
    /// How to treat the modem.
    pub modem: hayes::modem::Settings,
    /// What is done while there is no call.
    pub policy: Policy,
}
