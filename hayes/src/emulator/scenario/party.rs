//! Somebody who can be called: a number beyond the lines of the exchange.

use serde::Deserialize;

use super::action::{LONGEST_SPEECH, MOST_RINGS, check_name, check_number};
use super::moment::Span;

/// Who answers at a number, or does not.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Party {
    /// What the log of calls names it.
    pub name: String,
    /// The number.
    pub number: String,
    /// After how many rings it answers; it never does if no count is given.
    pub rings: Option<u32>,
    /// A person answers, who has no modem.
    #[serde(default)]
    pub voice: bool,
    /// The highest rate of its modem in bit/s; 33600.
    pub rate: Option<u32>,
    /// What it sends once the modems are connected, at most 4096 bytes.
    pub say: Option<String>,
    /// When it hangs up: so long after the modems are connected, or a person has answered.
    pub hang_up_after: Option<Span>,
    /// The line of the file where it stands, from 1.
    #[serde(skip)]
    pub(super) place: usize,
}

impl Party {
    pub(super) fn check(&self) -> Result<(), String> {
        check_name("party.name", &self.name)?;
        check_number("party.number", &self.number)?;
        if self.rings.is_some_and(|rings| !(1..=MOST_RINGS).contains(&rings)) {
            return Err("party.rings: expected 1 to 1000".into());
        }
        if self.say.as_ref().is_some_and(|say| say.len() > LONGEST_SPEECH || self.voice) {
            return Err("party.say: expected at most 4096 bytes, and no `voice`".into());
        }
        if self.rate.is_some_and(|rate| !(75..=10_000_000).contains(&rate)) {
            return Err("party.rate: expected 75 to 10000000".into());
        }
        Ok(())
    }
}
