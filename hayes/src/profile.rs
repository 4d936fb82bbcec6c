//! Kinds of modems, as data: how to recognise one, what to tell it, how it answers.
//!
//! Owns the entries of `profiles/`, their form and the choice among them. Refuses to talk to a modem: the terminal's
//! side ([`crate::modem`]) asks and sets up by what an entry says, the emulated modem answers by the same entry. Adding
//! a modem is adding an entry.

mod emulation;
mod identification;
mod setup;

use std::sync::{Arc, LazyLock};

use serde::Deserialize;
use thiserror::Error;

pub use self::emulation::{Blacklisting, CallerIdMoment, CallerIdStyle, Emulation, RingStyle};
pub use self::identification::{Identification, Inquiry, NoUsbId, Rule, UsbId};
pub use self::setup::{Check, Quirks, Setup};

/// One kind of modem.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Profile {
    /// Its short name, `[a-z0-9-]+`, as configuration files give it.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// What its answers look like; one rule that holds is enough.
    #[serde(default)]
    pub recognise: Vec<Rule>,
    /// Its USB vendor and product, where they tell more than that a serial adapter is in between.
    #[serde(default)]
    pub usb: Vec<UsbId>,
    /// What it is told.
    #[serde(default)]
    pub setup: Setup,
    /// What has to be mended.
    #[serde(default)]
    pub quirks: Quirks,
    /// How it answers, for the emulator.
    #[serde(default)]
    pub emulation: Emulation,
}

/// Why a text is no profile.
#[derive(Debug, Error)]
#[error("not a modem profile: {0}")]
pub struct ProfileError(#[from] toml::de::Error);

/// The profile for a modem that nothing else fits.
pub const DEFAULT_ID: &str = "default";

/// The entries that come with this crate.
const BUILT_IN: [&str; 2] = [include_str!("../profiles/default.toml"), include_str!("../profiles/conexant.toml")];

/// Profiles to choose from; never empty, for the default is always among them.
#[derive(Clone, Debug)]
pub struct Catalogue {
    profiles: Vec<Arc<Profile>>,
}

impl Catalogue {
    /// The profiles that come with this crate.
    #[must_use]
    pub fn built_in() -> Self {
        static PROFILES: LazyLock<Vec<Arc<Profile>>> = LazyLock::new(|| {
            let read = |text: &&str| Profile::from_toml(text).map(Arc::new);
            #[expect(clippy::expect_used, reason = "a test reads every entry that comes with the crate")]
            BUILT_IN.iter().map(read).collect::<Result<_, _>>().expect("the entries are well-formed")
        });
        Self { profiles: PROFILES.clone() }
    }

    /// Adds a profile, in place of the one of the same id if there is one.
    pub fn add(&mut self, profile: Profile) {
        self.profiles.retain(|known| known.id != profile.id);
        self.profiles.push(Arc::new(profile));
    }

    /// All profiles.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Profile>> {
        self.profiles.iter()
    }

    /// The profile of this id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<Arc<Profile>> {
        self.profiles.iter().find(|profile| profile.id == id).cloned()
    }

    /// The profile that fits best: the one whose rule matches the most text, then the one with the USB id, then the
    /// default.
    #[must_use]
    pub fn recognise(&self, seen: &Identification) -> Arc<Profile> {
        let fit = |profile: &&Arc<Profile>| profile.recognise.iter().filter_map(|rule| rule.fit(seen)).max();
        let by_answers = self.profiles.iter().filter(|profile| fit(profile).is_some()).max_by_key(fit);
        let by_usb = || self.profiles.iter().find(|profile| seen.usb.is_some_and(|usb| profile.usb.contains(&usb)));
        by_answers.or_else(by_usb).cloned().unwrap_or_else(Profile::default_profile)
    }
}

impl Profile {
    /// Reads an entry.
    ///
    /// # Errors
    ///
    /// [`ProfileError`], which says where the text is wrong and what was expected.
    pub fn from_toml(text: &str) -> Result<Self, ProfileError> {
        Ok(toml::from_str(text)?)
    }

    /// The sound choice for a modem that is not known: plain V.250.
    #[must_use]
    pub fn default_profile() -> Arc<Self> {
        Catalogue::built_in().find(DEFAULT_ID).unwrap_or_else(|| {
            Arc::new(Self {
                id: DEFAULT_ID.to_owned(),
                name: "V.250 modem".to_owned(),
                recognise: Vec::new(),
                usb: Vec::new(),
                setup: Setup::default(),
                quirks: Quirks::default(),
                emulation: Emulation::default(),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_well_formed_and_named_once() {
        let mut ids: Vec<String> = BUILT_IN.iter().map(|text| Profile::from_toml(text).unwrap().id).collect();
        let count = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), count);
        assert!(ids.contains(&DEFAULT_ID.to_owned()));
    }

    #[test]
    fn the_longest_match_wins_then_usb_then_the_default() {
        let mut catalogue = Catalogue::built_in();
        let entry = |id: &str, rules: &str| {
            Profile::from_toml(&format!("id = \"{id}\"\nname = \"x\"\nrecognise = [{rules}]\nusb = [\"0001:00a2\"]"))
                .unwrap()
        };
        catalogue.add(entry("maker", "{ \"+GMI\" = \"Acme\" }"));
        catalogue.add(entry("model", "{ \"+GMI\" = \"acme\", I3 = \"V.90\" }"));
        let chosen = |answers: &[(&str, &str)], usb: Option<&str>| {
            let mut seen = Identification { usb: usb.map(|usb| usb.parse().unwrap()), ..Identification::default() };
            for (command, line) in answers {
                seen.answers.insert((*command).to_owned(), vec![(*line).to_owned()]);
            }
            catalogue.recognise(&seen).id.clone()
        };
        assert_eq!(chosen(&[("+GMI", "ACME Inc"), ("I3", "33600")], None), "maker");
        assert_eq!(chosen(&[("+GMI", "ACME Inc"), ("I3", "v.90 model")], None), "model");
        assert_eq!(chosen(&[("+GMI", "Other")], Some("0001:00A2")), "maker");
        assert_eq!(chosen(&[("+GMI", "Other")], None), DEFAULT_ID);
    }
}
