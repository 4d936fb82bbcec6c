//! `[connect]`: what the client may do on its own account.

use serde::Deserialize;

use super::operation::BudgetSection;
use super::{Config, ConfigError};
use crate::budget::{self, Purse};

/// What holds for every site.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Connect {
    /// What this machine may spend on the calls that it makes as a client.
    #[serde(default)]
    pub budget: BudgetSection,
}

impl Config {
    /// What the calls of this machine's client are paid from.
    ///
    /// # Errors
    /// When a cap leaves nothing at all.
    pub fn purse(&self) -> Result<Purse, ConfigError> {
        let budget = self.file().connect.clone().unwrap_or_default().budget;
        let caps = self.caps_of("connect.budget", &budget)?;
        let ledger = self.file().state_directory.join(budget::CLIENT_FILE);
        Ok(Purse::new(ledger, caps, || crate::clock::local().date()))
    }
}
