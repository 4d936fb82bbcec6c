//! How the journal fares.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How the journal fares.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Health {
    /// Why it cannot be written, while it cannot.
    #[serde(default)]
    pub trouble: Option<String>,
    /// How many entries were lost to that.
    #[serde(default)]
    pub lost: u64,
    /// The damaged file that was put aside, and what was wrong with it.
    #[serde(default)]
    pub aside: Option<(PathBuf, String)>,
}

impl Health {
    pub(super) fn note_aside(&mut self, aside: Option<(PathBuf, String)>) -> bool {
        let Some((path, why)) = aside else { return false };
        tracing::error!(aside = %path.display(), why, "the journal could not be used and was put aside; a new one is begun");
        self.aside = Some((path, why));
        true
    }
}
