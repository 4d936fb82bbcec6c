//! The sections of a machine that is left alone for years: what it may spend, and how long it remembers.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::value::Span;
use super::{Config, ConfigError};
use crate::budget::{Budget, Caps, Opened};
use crate::control::{Board, Desk, Front, Whose};
use crate::exit::{Failure, Status};
use crate::journal::{self, Journal, Reader};

/// What this machine may spend on calls of its own.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BudgetSection {
    /// How many calls it may make in a day.
    pub calls_a_day: Option<u32>,
    /// How many minutes it may be online in a day.
    pub minutes_a_day: Option<u32>,
    /// How many calls it may make in a month.
    pub calls_a_month: Option<u32>,
    /// How many minutes it may be online in a month.
    pub minutes_a_month: Option<u32>,
}

/// The journal of rings, wakes, calls, links and registrations.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct JournalSection {
    /// How long entries are kept.
    #[serde(default = "default_keep")]
    pub keep: Span,
}

impl Default for JournalSection {
    fn default() -> Self {
        Self { keep: default_keep() }
    }
}

fn default_keep() -> Span {
    Span::seconds(400 * 86_400)
}

/// Where the daemon of a configuration is to be asked, even while the file is being mended: a running daemon goes by the last
/// good one.
///
/// # Errors
/// When the file says too little to find a daemon, or there is none: what is wrong with it.
pub fn whose(path: &Path) -> Result<Whose, ConfigError> {
    let wrong = match Config::load(path).and_then(|config| config.whose()) {
        Ok(whose) => return Ok(whose),
        Err(wrong) => wrong,
    };
    let Some(table) = std::fs::read_to_string(path).ok().and_then(|text| text.parse::<toml::Table>().ok()) else {
        return Err(wrong);
    };
    let folder = std::path::absolute(path).ok().and_then(|path| path.parent().map(Path::to_owned)).unwrap_or_default();
    let place = |key: &str, default: PathBuf| {
        table.get(key).and_then(|value| value.as_str()).map_or(default, |named| folder.join(named))
    };
    let runtime = place("runtime-directory", super::file::default_runtime_directory());
    let state = place("state-directory", super::file::default_state_directory());
    let whose = Whose {
        socket: runtime.join(crate::control::SOCKET),
        journal: state.join(journal::FILE),
        ledger: state.join(crate::budget::FILE),
        caps: Caps::default(),
        host: String::new(),
        listens: true,
        purse: None,
    };
    if whose.socket.exists() { Ok(whose) } else { Err(wrong) }
}

/// What a running daemon cannot change: where its files are, and how long its journal remembers.
#[derive(Clone, Debug)]
pub struct Fixtures {
    state: PathBuf,
    runtime: PathBuf,
    keep: Span,
}

impl Config {
    /// What a daemon that is started with this configuration cannot change.
    #[must_use]
    pub fn fixtures(&self) -> Fixtures {
        let file = self.file();
        Fixtures {
            state: file.state_directory.clone(),
            runtime: file.runtime_directory.clone(),
            keep: file.journal.keep,
        }
    }

    /// Leaves those as they were when the daemon was started; gives the keys that say something else.
    pub fn keep(&mut self, started: &Fixtures) -> Vec<&'static str> {
        let file = self.file_mut();
        let mut changed = Vec::new();
        if file.state_directory != started.state {
            file.state_directory.clone_from(&started.state);
            changed.push("state-directory");
        }
        if file.runtime_directory != started.runtime {
            file.runtime_directory.clone_from(&started.runtime);
            changed.push("runtime-directory");
        }
        if file.journal.keep.duration() != started.keep.duration() {
            file.journal.keep = started.keep;
            changed.push("journal.keep");
        }
        changed
    }

    /// What this machine's listener may spend.
    ///
    /// # Errors
    /// When a cap leaves nothing at all.
    pub fn caps(&self) -> Result<Caps, ConfigError> {
        let budget = self.file().listen.as_ref().map(|listen| listen.budget.clone()).unwrap_or_default();
        self.caps_of("listen.budget", &budget)
    }

    /// What a section allows.
    pub(super) fn caps_of(&self, section: &str, budget: &BudgetSection) -> Result<Caps, ConfigError> {
        let caps = [
            ("calls-a-day", budget.calls_a_day),
            ("minutes-a-day", budget.minutes_a_day),
            ("calls-a-month", budget.calls_a_month),
            ("minutes-a-month", budget.minutes_a_month),
        ];
        if let Some((key, _none)) = caps.iter().find(|(_key, cap)| *cap == Some(0)) {
            let key = format!("{section}.{key}");
            return Err(self.wrong(&key, "0 would never let this machine make a call; expected at least 1, or no cap"));
        }
        Ok(Caps {
            calls_a_day: budget.calls_a_day,
            minutes_a_day: budget.minutes_a_day,
            calls_a_month: budget.calls_a_month,
            minutes_a_month: budget.minutes_a_month,
        })
    }

    /// Opens the journal and the budget of this machine, and a board for how things stand.
    ///
    /// # Errors
    /// When the state directory or the budget's ledger cannot be had. A journal that cannot be used is no error.
    pub fn front(&self) -> Result<Front, ConfigError> {
        let whose = self.whose()?;
        let wrong = |error: &dyn std::error::Error| {
            self.wrong("state-directory", Failure::caused(Status::Internal, error).message)
        };
        std::fs::create_dir_all(&self.file().state_directory).map_err(|error| wrong(&error))?;
        let keep = self.file().journal.keep.duration();
        let journal =
            Journal::open(&whose.journal, keep, crate::clock::unix_milliseconds).map_err(|error| wrong(&error))?;
        let spent = || {
            let reader = Reader::open(&whose.journal).ok()?;
            reader.spent(crate::clock::local_day).ok()?
        };
        let today = || crate::clock::local().date();
        let (budget, opened) = Budget::open(&whose.ledger, whose.caps, today, spent).map_err(|error| wrong(&error))?;
        let board = Board::new(&whose.host, crate::clock::unix_milliseconds);
        match opened {
            Opened::Whole => {}
            Opened::Rebuilt => tracing::warn!("the count of calls was lost, and is taken from the journal"),
            Opened::Assumed => {
                let warning =
                    "the count of calls was damaged and there is no journal: today's budget counts as used up";
                tracing::error!("{warning}");
                board.change(|standing| standing.warnings.push(warning.to_owned()));
            }
        }
        Ok(Front { board, desk: Desk::default(), budget, journal })
    }

    /// Where the daemon of this configuration is to be asked, and what it leaves behind.
    ///
    /// # Errors
    /// When its budget is wrong.
    pub fn whose(&self) -> Result<Whose, ConfigError> {
        let file = self.file();
        Ok(Whose {
            socket: file.runtime_directory.join(crate::control::SOCKET),
            journal: file.state_directory.join(journal::FILE),
            ledger: file.state_directory.join(crate::budget::FILE),
            caps: self.caps()?,
            host: file.host.as_ref().map(|host| host.name.clone()).unwrap_or_default(),
            listens: file.listen.is_some() || file.sites.is_empty(),
            purse: if file.sites.is_empty() { None } else { Some(self.purse()?) },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn what_a_running_daemon_cannot_change_stays_and_is_named() {
        let folder = Scratch::new("fixtures");
        let load = |text: &str| {
            folder.write("ringup.toml", text);
            Config::load(&folder.path("ringup.toml")).unwrap()
        };
        let started = load("state-directory = \"state\"\nruntime-directory = \"run\"\n").fixtures();
        let mut changed = load("state-directory = \"other\"\nruntime-directory = \"run\"\n[journal]\nkeep = \"24h\"\n");
        assert_eq!(changed.keep(&started), ["state-directory", "journal.keep"]);
        assert_eq!(changed.file().state_directory, folder.path("state"));
        assert_eq!(changed.keep(&started), Vec::<&str>::new());
    }
}
