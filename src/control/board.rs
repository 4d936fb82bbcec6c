//! How things stand, kept by those who do the work and read by those who ask.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::budget::View;
use crate::journal::{Health, Wake, WakeNumber};

/// What a line is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "phase")]
pub enum Phase {
    /// Its modem is being set up.
    #[default]
    Opening,
    /// It waits for calls.
    Listening,
    /// It rings.
    Ringing {
        /// For which time in this call.
        count: u32,
    },
    /// A call was accepted; once the line is silent the machine wakes.
    Accepted,
    /// The machine wakes.
    Waking,
    /// The provider is being called.
    Dialling,
    /// The modems have agreed; PPP negotiates.
    Connected,
    /// The link is up, and not yet registered.
    Up,
    /// The link is up and its address in the directory.
    Registered,
    /// The record says asleep; the link ends.
    Withdrawn,
    /// Another program has it for now.
    Lent {
        /// Its process, where that can be seen.
        process: Option<u32>,
        /// Its name.
        #[serde(default)]
        program: Option<String>,
    },
    /// Its modem does not answer, and is being reset.
    Resetting,
    /// It is not to be had.
    Lost {
        /// Why.
        cause: String,
    },
    /// What a newer ringup calls it.
    #[serde(other)]
    Other,
}

/// A line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LineStanding {
    /// What it is about.
    #[serde(flatten)]
    pub phase: Phase,
    /// Since when, in milliseconds since 1970.
    pub since: u64,
    /// The wake that it serves.
    #[serde(default)]
    pub wake: Option<WakeNumber>,
    /// What is wrong with it.
    #[serde(default)]
    pub trouble: Option<LineTrouble>,
}

/// What is wrong with a line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LineTrouble {
    /// Of which kind, for programs: `attended`, `busy`, `lent`, `silent`, `stuck-carrier`, `unplugged` or `unusable`.
    pub kind: String,
    /// What, in one line.
    pub cause: String,
    /// What its owner can do about it.
    pub advice: String,
}

/// The link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LinkStanding {
    /// The line that carries it.
    pub line: String,
    /// The PPP interface.
    pub interface: String,
    /// The address it was lent.
    pub address: IpAddr,
    /// Since when, in milliseconds since 1970.
    pub since: u64,
    /// Octets received.
    #[serde(default)]
    pub received: u64,
    /// Octets sent.
    #[serde(default)]
    pub sent: u64,
    /// Since when nothing has passed, in milliseconds since 1970, where that is known.
    #[serde(default)]
    pub quiet_since: Option<u64>,
}

/// The tunnel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TunnelStanding {
    /// `opening`, `up` or `down`.
    pub state: String,
    /// Where it ends, and the port of the service that is met there; not told while it is down.
    #[serde(default)]
    pub at: Option<String>,
    /// Since when, in milliseconds since 1970.
    pub since: u64,
    /// Why it is down.
    #[serde(default)]
    pub cause: Option<String>,
}

/// The record as the directory has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RecordStanding {
    /// `online` or `asleep`.
    pub state: String,
    /// Its sequence number.
    pub seq: u64,
    /// When the directory took it, in milliseconds since 1970.
    pub at: u64,
}

/// How things stand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Standing {
    /// The version of the daemon.
    pub version: String,
    /// Its process; 0 when there is none.
    pub pid: u32,
    /// When it started, in milliseconds since 1970.
    pub started: u64,
    /// When this was so, in milliseconds since 1970.
    pub at: u64,
    /// The machine's name in the directory.
    pub host: String,
    /// The lines by their names.
    #[serde(default)]
    pub lines: BTreeMap<String, LineStanding>,
    /// The link, while there is one.
    #[serde(default)]
    pub link: Option<LinkStanding>,
    /// The tunnel, while there is a link and one is configured.
    #[serde(default)]
    pub tunnel: Option<TunnelStanding>,
    /// The record as the directory last acknowledged it.
    #[serde(default)]
    pub record: Option<RecordStanding>,
    /// What was spent, and what is allowed.
    #[serde(default)]
    pub budget: View,
    /// Why the budget cannot be written down, while it cannot.
    #[serde(default)]
    pub budget_trouble: Option<String>,
    /// What this machine's client has spent, and may; the daemon does not know it, and whoever asks adds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<View>,
    /// How the journal fares.
    #[serde(default)]
    pub journal: Health,
    /// The last wakes, newest first.
    #[serde(default)]
    pub wakes: Vec<Wake>,
    /// What else is wrong, in one line each.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// The board on which everybody writes how things stand with them; clones are the same one.
#[derive(Clone, Debug)]
pub struct Board {
    standing: watch::Sender<Standing>,
    clock: fn() -> u64,
}

impl Board {
    /// An empty board of a machine of this name; `clock` tells milliseconds since 1970.
    #[must_use]
    pub fn new(host: &str, clock: fn() -> u64) -> Self {
        let standing = Standing {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started: clock(),
            host: host.to_owned(),
            ..Standing::default()
        };
        Self { standing: watch::Sender::new(standing), clock }
    }

    /// A line is in another phase, and nothing is wrong with it.
    pub fn line(&self, name: &str, phase: Phase, wake: Option<WakeNumber>) {
        self.troubled_line(name, phase, wake, None);
    }

    /// A line is in another phase, or something else is wrong with it.
    pub fn troubled_line(&self, name: &str, phase: Phase, wake: Option<WakeNumber>, trouble: Option<LineTrouble>) {
        let since = (self.clock)();
        self.standing.send_modify(|standing| {
            standing.lines.insert(name.to_owned(), LineStanding { phase, since, wake, trouble });
        });
    }

    /// Something is wrong that is no line's phase; `about` is how each warning of its kind begins, and the last one counts.
    pub fn warn(&self, about: &str, warning: String) {
        self.standing.send_modify(|standing| {
            standing.warnings.retain(|told| !told.starts_with(about));
            standing.warnings.push(warning);
        });
    }

    /// Nothing is wrong any more of which warnings begin so.
    pub fn settle(&self, about: &str) {
        self.standing.send_if_modified(|standing| {
            let before = standing.warnings.len();
            standing.warnings.retain(|told| !told.starts_with(about));
            standing.warnings.len() != before
        });
    }

    /// A line is no longer this machine's.
    pub fn forget(&self, name: &str) {
        self.standing.send_modify(|standing| {
            standing.lines.remove(name);
        });
    }

    /// Something else has changed.
    pub fn change(&self, change: impl FnOnce(&mut Standing)) {
        self.standing.send_modify(change);
    }

    /// Something has changed that nobody need be told of at once.
    pub fn change_quietly(&self, change: impl FnOnce(&mut Standing)) {
        self.standing.send_if_modified(|standing| {
            change(standing);
            false
        });
    }

    /// How things stand now.
    #[must_use]
    pub fn standing(&self) -> Standing {
        Standing { at: (self.clock)(), ..self.standing.borrow().clone() }
    }

    /// Follows every change.
    #[must_use]
    pub fn follow(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    /// Milliseconds since 1970, as on the board.
    #[must_use]
    pub fn now(&self) -> u64 {
        (self.clock)()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_that_a_newer_ringup_knows_is_no_reason_to_fail() {
        let line: LineStanding = serde_json::from_str(r#"{"phase": "answering", "since": 1}"#).unwrap();
        assert_eq!(line.phase, Phase::Other);
        let line: LineStanding = serde_json::from_str(r#"{"phase": "ringing", "count": 2, "since": 1}"#).unwrap();
        assert_eq!(line.phase, Phase::Ringing { count: 2 });
    }

    #[test]
    fn the_board_shows_the_last_word_on_each_line() {
        let board = Board::new("home.dyn.test", || 5);
        board.line("a", Phase::Listening, None);
        board.line("a", Phase::Dialling, Some(3.into()));
        let standing = board.standing();
        assert_eq!(
            standing.lines["a"],
            LineStanding { phase: Phase::Dialling, since: 5, wake: Some(3.into()), trouble: None }
        );
    }
}
