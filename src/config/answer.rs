//! Whom an answered call may be from, on the host (`[[listen.key]]`, `codes`); and how a client has a host wake
//! (`wake` in `[sites]`).

use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;

use super::file::{Listen, Site};
use super::{Config, ConfigError};
use crate::connect::call::Wake;
use crate::exit::{Failure, Status};
use crate::handshake::code::CodeKey;
use crate::handshake::host::Door;
use crate::listen::Answering;
use crate::listen::doorman::{self, Policy};
use crate::record::{HostName, Identity, PublicKey};

/// A client that may wake this machine.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Key {
    /// Its name, for the log.
    pub name: String,
    /// Its public key.
    pub key: String,
}

/// How a host is woken by telephone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WakeBy {
    /// It answers, and has us prove who we are.
    Answer,
    /// A ring that nobody answers.
    #[default]
    Ring,
    /// Two of them, one after the other.
    TwoCalls,
}

impl WakeBy {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Ring => "ring",
            Self::TwoCalls => "two-calls",
        }
    }
}

/// Where the codes of this machine are kept.
#[derive(Clone, Debug)]
pub struct CodeFiles {
    /// Their secret.
    pub secret: PathBuf,
    /// Which are used.
    pub used: PathBuf,
}

impl Config {
    /// Who is let in when a call is answered; `None` where no rule has any answered.
    pub(super) fn answering(&self, section: &Listen, policy: &Policy) -> Result<Option<Answering>, ConfigError> {
        let mut keys = Vec::new();
        for (index, Key { name, key }) in section.keys.iter().enumerate() {
            let at = |field: &str| format!("listen.key[{index}].{field}");
            let key: PublicKey = self.parsed(&at("key"), key, "what `ringup identity` prints")?;
            if keys.iter().any(|(other, _)| other == name) {
                return Err(self.wrong(&at("name"), format!("`{name}` is another key's name, too")));
            }
            keys.push((name.clone(), key));
        }
        let codes = match &section.codes {
            Some(path) => Some(CodeKey::load(path).map_err(|error| {
                let mut told = Failure::caused(Status::Secret, &error).message;
                if !path.exists() {
                    told.push_str("; make one with `ringup code`");
                }
                self.wrong("listen.codes", told).about_secret()
            })?),
            None => None,
        };
        let Some(index) = policy.rules.iter().position(|rule| rule.action == doorman::Action::Answer) else {
            return Ok(None);
        };
        if keys.is_empty() && codes.is_none() {
            let message = "nobody could prove to be allowed; expected a [[listen.key]], or `codes` in [listen]";
            return Err(self.wrong(&format!("listen.caller[{index}].do"), message));
        }
        let host = self.section("host", self.file().host.as_ref())?;
        let mut names: Vec<HostName> = vec![self.parsed("host.name", &host.name, "a host's full name")?];
        for (index, directory) in host.directories.iter().enumerate() {
            if let Some(name) = &directory.name {
                names.push(self.parsed(&format!("host.directory[{index}].name"), name, "a host's full name")?);
            }
        }
        let used_codes = codes.as_ref().map(|_| self.used_codes());
        let door = Arc::new(Door { names, keys, codes });
        Ok(Some(Answering { door, used_codes, pause: section.pause_after_answer.duration() }))
    }

    /// Where the codes of this machine are kept.
    ///
    /// # Errors
    /// When it has none.
    pub fn codes(&self) -> Result<CodeFiles, ConfigError> {
        let section = self.section("listen", self.file().listen.as_ref())?;
        let secret = section.codes.clone();
        let secret =
            secret.ok_or_else(|| self.wrong("listen.codes", "names no file; expected such as \"home.codes\""))?;
        Ok(CodeFiles { secret, used: self.used_codes() })
    }

    fn used_codes(&self) -> PathBuf {
        self.file().state_directory.join("codes")
    }

    /// How a site is woken.
    pub(super) fn wake(&self, name: &str, site: &Site) -> Result<Wake, ConfigError> {
        let at = |field: &str| format!("sites.{name}.{field}");
        match (site.wake, &site.key) {
            (WakeBy::Ring, None) => Ok(Wake::Ring),
            (WakeBy::TwoCalls, None) => Ok(Wake::TwoCalls),
            (WakeBy::Ring | WakeBy::TwoCalls, Some(_)) => {
                Err(self.wrong(&at("key"), "is of no use unless `wake = \"answer\"`"))
            }
            (WakeBy::Answer, None) => {
                Err(self.wrong(&at("key"), "is missing: the file that holds this client's identity"))
            }
            (WakeBy::Answer, Some(path)) => {
                let identity = Identity::load(path).map_err(|error| {
                    let mut told = Failure::caused(Status::Secret, &error).message;
                    if !path.exists() {
                        told.push_str(&format!("; make one with `ringup identity {}`", path.display()));
                    }
                    self.wrong(&at("key"), told).about_secret()
                })?;
                let host = self.parsed(&at("host"), &site.host, "a host's full name")?;
                Ok(Wake::Answer { identity: Arc::new(identity), host, within: site.answer_within.duration() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::load;
    use super::*;

    const KEY: &str = "ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    const RULE: &str = "[[listen.caller]]\nnumber = \"any\"\ndo = \"answer\"";

    fn answering(listen: &str) -> Result<Option<Answering>, String> {
        let host = "[host]\nname = \"home.dyn.example\"\nzone = \"dyn.example\"\nidentity = \"i\"\n\
                    tsig = { name = \"home\", secret = \"t\" }\n";
        let config = load(&format!("[listen]\n{listen}\n{host}")).map_err(|error| error.to_string())?;
        let section = config.file().listen.as_ref().unwrap();
        let policy = config.policy(section).map_err(|error| error.to_string())?;
        config.answering(section, &policy).map_err(|error| error.to_string())
    }

    #[test]
    fn who_is_let_in_is_known_by_name_where_a_rule_answers() {
        let key = format!("[[listen.key]]\nname = \"laptop\"\nkey = \"{KEY}\"");
        let answering = answering(&format!("pause-after-answer = \"5s\"\n{RULE}\n{key}")).unwrap().unwrap();
        assert_eq!(answering.door.keys, [("laptop".to_owned(), KEY.parse().unwrap())]);
        assert_eq!(answering.door.names, ["home.dyn.example".parse().unwrap()]);
        assert!(answering.door.codes.is_none() && answering.used_codes.is_none());
        assert_eq!(answering.pause.as_secs(), 5);
    }

    #[test]
    fn without_a_rule_that_answers_nobody_is_let_in() {
        let key = format!("[[listen.key]]\nname = \"laptop\"\nkey = \"{KEY}\"");
        assert!(answering(&format!("callers = [\"any\"]\n{key}")).unwrap().is_none());
    }

    #[test]
    fn what_cannot_work_is_named_with_its_line() {
        let key = |name: &str, key: &str| format!("[[listen.key]]\nname = \"{name}\"\nkey = \"{key}\"\n");
        for (listen, place, what) in [
            (RULE.to_owned(), "4: listen.caller[0].do", "expected a [[listen.key]], or `codes`"),
            (format!("{RULE}\n{}", key("a", "none")), "7: listen.key[0].key", "is not what `ringup identity` prints"),
            (format!("{RULE}\n{}{}", key("a", KEY), key("a", KEY)), "9: listen.key[1].name", "another key's name"),
            (format!("codes = \"no-such\"\n{RULE}"), "2: listen.codes", "make one with `ringup code`"),
        ] {
            let said = answering(&listen).unwrap_err();
            assert!(said.contains(&format!("home.toml:{place}")) && said.contains(what), "{listen:?}: {said}");
        }
    }

    #[test]
    fn a_site_that_answers_needs_a_key_and_others_need_none() {
        let wake = |keys: &str| {
            let config = load(&format!(
                "[sites.home]\nhost = \"home.dyn.example\"\nidentity = \"{KEY}\"\nnumber = \"555-0102\"\n{keys}\n"
            ))
            .map_err(|error| error.to_string())?;
            config.wake("home", &config.file().sites["home"]).map_err(|error| error.to_string())
        };
        assert!(matches!(wake(""), Ok(Wake::Ring)));
        assert!(matches!(wake("wake = \"two-calls\""), Ok(Wake::TwoCalls)));
        for (keys, place, what) in [
            ("wake = \"answer\"", "1: sites.home.key", "is missing"),
            ("key = \"k\"", "5: sites.home.key", "of no use"),
            ("wake = \"answer\"\nkey = \"no-such\"", "6: sites.home.key", "make one with `ringup identity"),
            ("wake = \"shout\"", "5: sites.home.wake", "two-calls"),
        ] {
            let said = wake(keys).unwrap_err();
            assert!(said.contains(&format!("home.toml:{place}")) && said.contains(what), "{keys:?}: {said}");
        }
    }
}
