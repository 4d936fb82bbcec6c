//! `[sleep]`: what `ringup listen` may do about the machine's sleep.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::value::Span;
use super::{Config, ConfigError};
use crate::sleep::{self, WakeOnRing};

/// The machine's sleep.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Sleep {
    /// Whether the machine is suspended when nothing has happened for long enough.
    #[serde(default)]
    pub mode: Mode,
    /// How long nothing must have happened.
    #[serde(default = "default_after")]
    pub after: Span,
    /// The state to sleep in, where the kernel is asked directly.
    #[serde(default)]
    pub state: State,
    /// Whether sleep is held off from the first ring until the link is down.
    #[serde(default = "yes")]
    pub inhibit: bool,
    /// Whether the modems' ports are told to wake the machine; where nobody says so, those that can are.
    pub wake_on_ring: Option<bool>,
    /// A file that keeps the machine awake while it is there; in the runtime directory unless it has a path.
    pub stay_awake_file: Option<PathBuf>,
}

/// Who puts the machine to sleep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Somebody else, or nobody.
    #[default]
    Never,
    /// This program.
    Suspend,
}

/// A state of the kernel's in which it sleeps (/sys/power/state).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Everything off but the memory, as far as the machine can.
    #[default]
    Mem,
    /// Only the processors idle.
    Freeze,
    /// In between.
    Standby,
    /// Off, with the memory on the disk; no serial port wakes from that.
    Disk,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Mem => "mem",
            Self::Freeze => "freeze",
            Self::Standby => "standby",
            Self::Disk => "disk",
        }
    }
}

impl Default for Sleep {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            after: default_after(),
            state: State::default(),
            inhibit: true,
            wake_on_ring: None,
            stay_awake_file: None,
        }
    }
}

impl Config {
    /// What `ringup listen` may do about the machine's sleep.
    ///
    /// # Errors
    /// When the section is wrong.
    pub fn sleep(&self) -> Result<sleep::Settings, ConfigError> {
        let section = self.file().sleep.clone().unwrap_or_default();
        if section.after.duration() < SHORTEST_AFTER {
            let told = "expected at least \"5s\": who has woken the machine must have time to ring again";
            return Err(self.wrong("sleep.after", told));
        }
        let wake_on_ring = match (section.wake_on_ring, section.mode) {
            (Some(false), _) => WakeOnRing::No,
            (Some(true), _) | (None, Mode::Suspend) => WakeOnRing::Wanted,
            (None, Mode::Never) => WakeOnRing::WherePossible,
        };
        let stay_awake = section.stay_awake_file.unwrap_or_else(|| PathBuf::from("stay-awake"));
        Ok(sleep::Settings {
            suspend_after: (section.mode == Mode::Suspend).then(|| section.after.duration()),
            state: section.state.as_str().to_owned(),
            inhibit: section.inhibit,
            wake_on_ring,
            stay_awake: self.file().runtime_directory.join(stay_awake),
            sys: PathBuf::from("/sys"),
        })
    }
}

fn default_after() -> Span {
    Span::seconds(60)
}

fn yes() -> bool {
    true
}

/// Less than the time in which a caller rings again, and a machine that was just woken would miss him.
const SHORTEST_AFTER: Duration = Duration::from_secs(5);
