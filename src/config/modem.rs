//! `[modem]` and each `[[provide.line]]`: the tty, the kind of modem on it, and what the owner wants of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hayes::line::{Address, LineSettings};
use hayes::modem::{Country, Kind, Purpose, Settings};
use hayes::profile::{Catalogue, Profile};
use serde::Deserialize;

use super::value::Span;
use super::{Config, ConfigError};
use crate::line::{self, Policy};

/// A modem and how to treat it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Modem {
    /// The tty, best by its stable name under /dev/serial/by-id; or `tcp://host:port` of a console server.
    pub port: PathBuf,
    /// Terminal rate in bit/s.
    #[serde(default = "default_rate")]
    pub rate: u32,
    /// Which kind of modem it is.
    #[serde(default)]
    pub kind: ModemKind,
    /// The command that turns caller identification on, in place of the kind's; empty to leave it as it is.
    pub caller_id: Option<CallerIdCommand>,
    /// The country whose rules the modem is to keep to.
    pub country: Option<CountryCode>,
    /// Whether modem and computer stop each other by RTS and CTS, where the kind is known to.
    #[serde(default = "default_flow_control")]
    pub flow_control: bool,
    /// How often a line that waits for calls is asked whether its modem is there; zero: never.
    #[serde(default = "default_probe_every")]
    pub probe_every: Span,
    /// Whether a modem on the USB that answers nothing is switched off and on.
    #[serde(default = "default_reset_usb")]
    pub reset_usb: bool,
}

/// Which kind of modem: `auto`, the id of a kind that is known, or a path to a profile of the owner's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum ModemKind {
    /// To be found out by asking the modem.
    #[default]
    Auto,
    /// One that hayes knows, by its id.
    Known(String),
    /// One that the owner describes in a file.
    File(PathBuf),
}

impl TryFrom<String> for ModemKind {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let catalogue = Catalogue::built_in();
        if text == "auto" {
            Ok(Self::Auto)
        } else if catalogue.find(&text).is_some() {
            Ok(Self::Known(text))
        } else if text.ends_with(".toml") {
            Ok(Self::File(PathBuf::from(text)))
        } else {
            let ids: Vec<&str> = catalogue.iter().map(|profile| profile.id.as_str()).collect();
            let known = ids.join(", ");
            Err(format!(
                "`{text}` is no known kind of modem; expected \"auto\", a profile such as \"./cellar.toml\", or one of {known}"
            ))
        }
    }
}

/// The command that turns caller identification on, without its AT; empty: none.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct CallerIdCommand(String);

impl TryFrom<String> for CallerIdCommand {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let printable = text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        let starts_with_at = text.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("AT"));
        if text.len() > LONGEST_COMMAND || !printable || starts_with_at {
            return Err(format!("`{text}` is no command; expected one without its AT, such as \"+VCID=1\""));
        }
        Ok(Self(text))
    }
}

/// A country by its T.35 code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct CountryCode(Country);

impl TryFrom<String> for CountryCode {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map(Self).map_err(|error| format!("`{text}` is no country: {error}"))
    }
}

impl Config {
    /// This machine's modem, and what it is for.
    ///
    /// # Errors
    /// When the section is missing or wrong.
    pub fn modem(&self, purpose: Purpose) -> Result<(LineSettings, Settings), ConfigError> {
        let modem = self.section("modem", self.file().modem.as_ref())?;
        self.line_and_modem("modem", modem, purpose)
    }

    /// The line of a modem in this section that waits for calls, and how it is looked after.
    pub(super) fn attended(&self, section: &str, modem: &Modem) -> Result<line::Settings, ConfigError> {
        let every = modem.probe_every.duration();
        if !every.is_zero() && every < SHORTEST_PROBE {
            return Err(self.wrong(
                &format!("{section}.probe-every"),
                format!("expected {} s or more, or \"0s\" for never", SHORTEST_PROBE.as_secs()),
            ));
        }
        let policy = Policy { probe_every: Some(every).filter(|every| !every.is_zero()), reset_usb: modem.reset_usb };
        let (line, modem) = self.line_and_modem(section, modem, Purpose::Calls)?;
        Ok(line::Settings { line, modem, policy })
    }

    /// The line and the settings of a modem in this section.
    fn line_and_modem(
        &self,
        section: &str,
        modem: &Modem,
        purpose: Purpose,
    ) -> Result<(LineSettings, Settings), ConfigError> {
        Address::of(&modem.port).map_err(|error| {
            self.wrong(&format!("{section}.port"), format!("`{}` names no line: {error}", modem.port.display()))
        })?;
        let kind = match &modem.kind {
            ModemKind::Auto => Kind::FindOut { catalogue: Arc::new(Catalogue::built_in()), usb: None },
            ModemKind::Known(id) => {
                Kind::Known(Catalogue::built_in().find(id).unwrap_or_else(Profile::default_profile))
            }
            ModemKind::File(path) => {
                let wrong =
                    |error: String| self.wrong(&format!("{section}.kind"), format!("{}: {error}", path.display()));
                let text = std::fs::read_to_string(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
                Kind::Known(Arc::new(Profile::from_toml(&text).map_err(|error| wrong(error.to_string()))?))
            }
        };
        let caller_id = modem.caller_id.as_ref();
        let settings = Settings {
            purpose,
            caller_id: caller_id.map(|own| Some(own.0.clone()).filter(|own| !own.is_empty()).into_iter().collect()),
            country: modem.country.map(|code| code.0),
            flow_control: modem.flow_control,
            ..Settings::for_kind(kind)
        };
        Ok((LineSettings { port: modem.port.clone(), rate: modem.rate }, settings))
    }
}

/// More than any modem takes in a command line, in characters.
const LONGEST_COMMAND: usize = 60;

fn default_rate() -> u32 {
    115_200
}

/// Less would keep the modem from hearing its line: it does not ring while it answers.
const SHORTEST_PROBE: Duration = Duration::from_secs(10);

fn default_flow_control() -> bool {
    true
}

fn default_probe_every() -> Span {
    Span::seconds(300)
}

fn default_reset_usb() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A configuration with these keys in `[modem]`, and two profiles beside it, there for as long as the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str, keys: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("ringup-modem-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&folder).unwrap();
            let cellar = "id = \"cellar\"\nname = \"Acme\"\n[setup]\ncaller-id = [\"#CID=1\"]\n";
            let home = format!("[modem]\nport = \"/dev/ttyS0\"\n{keys}\n");
            let broken = "id = \"cellar\"\nname = 1\n";
            for (file, text) in [("cellar.toml", cellar), ("broken.toml", broken), ("home.toml", &home)] {
                std::fs::write(folder.join(file), text).unwrap();
            }
            Self(folder)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn settings(name: &str, keys: &str) -> Result<Settings, String> {
        let folder = Folder::new(name, keys);
        let read = Config::load(&folder.0.join("home.toml")).and_then(|config| config.modem(Purpose::Calls));
        read.map(|(_, settings)| settings).map_err(|error| error.to_string())
    }

    #[test]
    fn a_kind_is_found_out_known_or_described_in_a_file() {
        assert!(matches!(settings("auto", "").unwrap().kind, Kind::FindOut { .. }));
        let id = |folder: &str, keys: &str| match settings(folder, keys).unwrap().kind {
            Kind::Known(profile) => profile.id.clone(),
            Kind::FindOut { .. } => panic!("{keys}"),
        };
        assert_eq!(id("known", "kind = \"conexant\""), "conexant");
        assert_eq!(id("file", "kind = \"./cellar.toml\""), "cellar");
    }

    #[test]
    fn a_kind_that_is_not_known_is_named_with_those_that_are() {
        let said = settings("unknown", "kind = \"connexant\"").unwrap_err();
        assert!(said.contains("home.toml:3: modem.kind: `connexant` is no known kind of modem"), "{said}");
        assert!(said.contains("\"auto\"") && said.contains("conexant, rockwell, usr"), "{said}");
    }

    #[test]
    fn a_profile_that_is_broken_or_missing_is_named_with_its_line() {
        let said = settings("broken", "kind = \"broken.toml\"").unwrap_err();
        assert!(said.contains("home.toml:3: modem.kind: ") && said.contains("broken.toml: line 2: "), "{said}");
        let said = settings("missing", "kind = \"no-such.toml\"").unwrap_err();
        assert!(said.contains("no-such.toml: cannot be read: "), "{said}");
    }

    #[test]
    fn the_owners_command_replaces_the_kinds_and_an_empty_one_leaves_it() {
        assert_eq!(settings("none", "").unwrap().caller_id, None);
        assert_eq!(settings("own", "caller-id = \"#CID=2\"").unwrap().caller_id, Some(vec!["#CID=2".to_owned()]));
        assert_eq!(settings("empty", "caller-id = \"\"").unwrap().caller_id, Some(vec![]));
        let said = settings("at", "caller-id = \"AT+VCID=1\"").unwrap_err();
        assert!(said.contains("home.toml:3: modem.caller-id: ") && said.contains("\"+VCID=1\""), "{said}");
    }

    #[test]
    fn a_line_at_a_console_server_is_named_by_its_address() {
        let folder = Folder::new("console", "");
        let load = |port: &str| {
            std::fs::write(folder.0.join("home.toml"), format!("[modem]\nport = \"{port}\"\n")).unwrap();
            let modem = Config::load(&folder.0.join("home.toml")).and_then(|config| config.modem(Purpose::Calls));
            modem.map(|(line, _)| line.port).map_err(|error| error.to_string())
        };
        assert_eq!(load("tcp://console:7001"), Ok(PathBuf::from("tcp://console:7001")));
        let said = load("tcp://console").unwrap_err();
        assert!(said.contains("home.toml:2: modem.port: `tcp://console` names no line"), "{said}");
    }

    #[test]
    fn a_line_is_probed_as_often_as_its_owner_wants() {
        let policy = |name: &str, keys: &str| {
            let folder = Folder::new(name, keys);
            let config = Config::load(&folder.0.join("home.toml")).unwrap();
            let attended = config.attended("modem", config.file().modem.as_ref().unwrap());
            attended.map(|settings| settings.policy).map_err(|error| error.to_string())
        };
        assert_eq!(policy("usual", ""), Ok(Policy::default()));
        let never = Policy { probe_every: None, reset_usb: false };
        assert_eq!(policy("never", "probe-every = \"0s\"\nreset-usb = false"), Ok(never));
        let said = policy("often", "probe-every = \"1s\"").unwrap_err();
        assert!(said.contains("home.toml:3: modem.probe-every: expected 10 s or more"), "{said}");
    }

    #[test]
    fn a_country_is_its_t35_code() {
        assert_eq!(settings("country", "country = \"b4\"").unwrap().country, Some(Country(0xb4)));
        let said = settings("no-country", "country = \"GB\"").unwrap_err();
        assert!(said.contains("modem.country: `GB` is no country: expected two hexadecimal digits"), "{said}");
    }
}
