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

/// What a modem was recognised by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// What it answered: the commands without `AT`, each with the line that told.
    Answers(Vec<(String, String)>),
    /// Its USB id.
    Usb(UsbId),
    /// Nothing: it is taken for a plain V.250 modem.
    None,
}

/// Why a text is no profile.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProfileError {
    /// It is no TOML, or has a field that is missing, unknown or of another type.
    #[error("line {line}: {what}")]
    Form {
        /// The line where it went wrong, from 1.
        line: usize,
        /// What is wrong there.
        what: String,
    },
    /// A field's content makes no sense.
    #[error("{field}: {what}")]
    Content {
        /// The field, as it is called in the text.
        field: &'static str,
        /// What is wrong with it.
        what: String,
    },
}

/// The profile for a modem that nothing else fits.
pub const DEFAULT_ID: &str = "default";

/// The entries that come with this crate.
const BUILT_IN: [&str; 24] = [
    include_str!("../profiles/default.toml"),
    include_str!("../profiles/conexant.toml"),
    include_str!("../profiles/rockwell.toml"),
    include_str!("../profiles/usr.toml"),
    include_str!("../profiles/usr-usb.toml"),
    include_str!("../profiles/lucent.toml"),
    include_str!("../profiles/multitech.toml"),
    include_str!("../profiles/zoom.toml"),
    include_str!("../profiles/smartlink.toml"),
    include_str!("../profiles/zyxel.toml"),
    include_str!("../profiles/elsa.toml"),
    include_str!("../profiles/spandsp.toml"),
    include_str!("../profiles/isdn.toml"),
    include_str!("../profiles/isdn4linux.toml"),
    include_str!("../profiles/usr-isdn.toml"),
    include_str!("../profiles/zyxel-isdn.toml"),
    include_str!("../profiles/elsa-isdn.toml"),
    include_str!("../profiles/gsm.toml"),
    include_str!("../profiles/huawei.toml"),
    include_str!("../profiles/quectel.toml"),
    include_str!("../profiles/sierra.toml"),
    include_str!("../profiles/simcom.toml"),
    include_str!("../profiles/telit.toml"),
    include_str!("../profiles/u-blox.toml"),
];

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
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<Profile>> {
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
        self.judge(seen).0
    }

    /// The profile that fits best, and what it was recognised by.
    #[must_use]
    pub fn judge(&self, seen: &Identification) -> (Arc<Profile>, Evidence) {
        let fit = |profile: &&Arc<Profile>| profile.best_rule(seen).map(|(_, fit)| fit);
        let by_answers = self.profiles.iter().filter(|profile| fit(profile).is_some()).max_by_key(fit);
        if let Some((profile, (rule, _))) = by_answers.and_then(|profile| Some((profile, profile.best_rule(seen)?))) {
            return (Arc::clone(profile), Evidence::Answers(rule.matches(seen)));
        }
        let by_usb = seen.usb.and_then(|usb| Some((self.iter().find(|profile| profile.usb.contains(&usb))?, usb)));
        match by_usb {
            Some((profile, usb)) => (Arc::clone(profile), Evidence::Usb(usb)),
            None => (Profile::default_profile(), Evidence::None),
        }
    }
}

impl Profile {
    /// Reads an entry.
    ///
    /// # Errors
    ///
    /// [`ProfileError`], which says where the text is wrong and what was expected.
    pub fn from_toml(text: &str) -> Result<Self, ProfileError> {
        let profile: Self = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let what = error.message().lines().collect::<Vec<_>>().join(", ");
            ProfileError::Form { line: before.matches('\n').count() + 1, what }
        })?;
        profile.check()?;
        Ok(profile)
    }

    fn check(&self) -> Result<(), ProfileError> {
        let wrong = |field, what: String| Err(ProfileError::Content { field, what });
        let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if self.id.is_empty() || !self.id.bytes().all(known) {
            return wrong("id", format!("{:?} is not of small letters, digits and hyphens", self.id));
        }
        if let Some(rule) = self.recognise.iter().find(|rule| !rule.is_sound()) {
            return wrong(
                "recognise",
                format!("{rule:?} would fit any modem; name a command and a text in its answer"),
            );
        }
        if let Some(command) = self.setup.commands().find(|command| !is_command(command)) {
            return wrong("setup", format!("{command:?} is no command; write it without AT, in printable characters"));
        }
        let register = |number: &&String| number.parse::<u8>().is_err();
        match self.emulation.registers.keys().find(register) {
            Some(number) => wrong("registers", format!("there is no register {number:?}; they go from 0 to 255")),
            None => Ok(()),
        }
    }

    /// The rule that matches the most text, and how much.
    fn best_rule(&self, seen: &Identification) -> Option<(&Rule, usize)> {
        self.recognise.iter().filter_map(|rule| Some((rule, rule.fit(seen)?))).max_by_key(|(_, fit)| *fit)
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

/// One line for the modem that holds nothing but itself, and does not say `AT` again.
fn is_command(command: &str) -> bool {
    let starts_with_at = command.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("AT"));
    !command.is_empty() && !starts_with_at && command.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identified(profile: &Profile) -> Identification {
        let mut inquiry = Inquiry::new();
        while let Some(command) = inquiry.command() {
            let answer = profile.emulation.answers.get(command);
            answer.into_iter().flatten().for_each(|line| inquiry.handle_line(line));
            inquiry.handle_result(answer.is_some());
        }
        inquiry.finish()
    }

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
    fn every_entry_of_the_folder_is_built_in() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles");
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let id = path.file_stem().unwrap().to_str().unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            assert_eq!(Profile::from_toml(&text).unwrap().id, id, "the file is named after the entry");
            assert!(text.starts_with("# "), "{id} says first which modems it is about");
            assert_eq!(*Catalogue::built_in().find(id).expect(id), Profile::from_toml(&text).unwrap());
        }
    }

    #[test]
    fn every_emulated_modem_is_recognised_as_what_it_is() {
        let catalogue = Catalogue::built_in();
        for profile in catalogue.iter() {
            assert_eq!(catalogue.recognise(&identified(profile)).id, profile.id);
        }
    }

    #[test]
    fn the_order_of_entries_does_not_decide_what_an_emulated_modem_is() {
        let mut catalogue = Catalogue::built_in();
        catalogue.profiles.reverse();
        for profile in catalogue.iter() {
            assert_eq!(catalogue.recognise(&identified(profile)).id, profile.id);
        }
    }

    #[test]
    fn every_usb_id_belongs_to_one_entry_and_leads_to_it() {
        let catalogue = Catalogue::built_in();
        for profile in catalogue.iter() {
            for &usb in &profile.usb {
                let seen = Identification { usb: Some(usb), ..Identification::default() };
                assert_eq!(catalogue.recognise(&seen).id, profile.id, "{usb}");
            }
        }
    }

    #[test]
    fn what_an_entry_tells_its_modem_turns_caller_identification_on() {
        for profile in Catalogue::built_in().iter() {
            let told: Vec<&str> = profile.setup.caller_id.iter().flat_map(|line| line.split(';')).collect();
            let turned_on = profile.emulation.caller_id_by.iter().any(|by| told.contains(&by.as_str()));
            assert!(turned_on || profile.emulation.caller_id_by.is_empty(), "{}", profile.id);
            let distinct = &profile.setup.distinctive_ring;
            assert!(
                distinct.is_empty() || profile.emulation.distinctive_ring_by.iter().any(|by| distinct.contains(by)),
                "{}",
                profile.id
            );
        }
    }

    #[test]
    fn a_wrong_entry_says_what_is_wrong_and_where() {
        let wrong = |text: &str| Profile::from_toml(text).unwrap_err().to_string();
        let entry = |rest: &str| wrong(&format!("id = \"x\"\nname = \"X\"\n{rest}"));
        assert_eq!(wrong("id = \"x\""), "line 1: missing field `name`");
        assert!(entry("colour = 1").starts_with("line 3: unknown field `colour`, expected one of"));
        assert!(entry("[setup]\n\nreset = 1").starts_with("line 5: invalid type: integer `1`"));
        assert_eq!(entry("usb = [\"572:1329\"]"), "line 3: \"572:1329\" is no USB id; expected such as \"0baf:0303\"");
        assert_eq!(
            wrong("id = \"My modem\"\nname = \"X\""),
            "id: \"My modem\" is not of small letters, digits and hyphens"
        );
        assert!(entry("recognise = [{}]").starts_with("recognise: "));
        assert!(entry("recognise = [{ I3 = \"\" }]").starts_with("recognise: "));
        assert!(entry("[setup]\nreset = \"ATZ\"").starts_with("setup: \"ATZ\" is no command"));
        assert!(entry("[setup]\ncaller-id = [\"+VCID=1\\rATD1\"]").starts_with("setup: "));
        assert!(entry("[emulation.registers]\n256 = 1").starts_with("registers: there is no register \"256\""));
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

    #[test]
    fn what_a_modem_was_recognised_by_is_told() {
        let catalogue = Catalogue::built_in();
        let mut seen = Identification { usb: Some("0572:1340".parse().unwrap()), ..Identification::default() };
        assert_eq!(catalogue.judge(&seen).1, Evidence::Usb("0572:1340".parse().unwrap()));
        seen.answers.insert("I4".to_owned(), vec!["Settings".to_owned(), "U.S. Robotics 56K".to_owned()]);
        let (profile, evidence) = catalogue.judge(&seen);
        assert_eq!(profile.id, "usr");
        assert_eq!(evidence, Evidence::Answers(vec![("I4".to_owned(), "U.S. Robotics 56K".to_owned())]));
        assert_eq!(catalogue.judge(&Identification::default()).1, Evidence::None);
    }
}
