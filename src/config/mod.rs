//! One strict TOML file a machine: what is not understood is refused, with file, line, key and what was expected.

pub mod answer;
pub mod connect;
pub mod directory;
pub mod doorman;
pub mod draft;
pub mod exchange;
pub mod file;
pub mod folder;
pub mod host;
pub mod http;
pub mod isp;
pub mod modem;
pub mod operation;
mod roles;
pub mod sleep;
pub mod value;

use std::fmt;
use std::path::{Path, PathBuf};

use crate::exit::{Failure, Status};

pub use self::answer::CodeFiles;
pub use self::host::Account;
pub use self::roles::HomeSettings;

/// Where the configuration is when nobody says otherwise.
pub const DEFAULT_PATH: &str = "/etc/ringup/ringup.toml";

/// Where sockets of running daemons are when the configuration says nothing else.
pub const DEFAULT_RUNTIME_DIRECTORY: &str = "/run/ringup";

/// A configuration that has been read, with its text kept to point into.
#[derive(Debug)]
pub struct Config {
    path: PathBuf,
    text: String,
    file: file::File,
}

impl Config {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// When it cannot be read, or says something that is not understood.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let at = |line: Option<usize>, key: &str, message: String| ConfigError {
            path: path.to_owned(),
            line,
            key: key.to_owned(),
            message,
            secret: false,
        };
        let text = std::fs::read_to_string(path).map_err(|error| at(None, "", format!("cannot be read: {error}")))?;
        let syntax = |error: toml::de::Error| {
            at(error.span().map(|span| line_number(&text, span.start)), "", error.message().trim().to_owned())
        };
        let deserializer = toml::Deserializer::parse(&text).map_err(syntax)?;
        let mut file: file::File = serde_path_to_error::deserialize(deserializer).map_err(|error| {
            let key = error.path().to_string();
            let inner = error.into_inner();
            let line = inner.span().map(|span| line_number(&text, span.start));
            at(line, key.trim_matches('.'), inner.message().trim().to_owned())
        })?;
        // Absolute: pppd runs its hooks in the root directory, and they must find our socket.
        let whole = std::path::absolute(path).map_err(|error| at(None, "", format!("cannot be placed: {error}")))?;
        file.resolve(whole.parent().unwrap_or(&whole));
        Ok(Self { path: path.to_owned(), text, file })
    }

    /// The file as it was understood.
    #[must_use]
    pub fn file(&self) -> &file::File {
        &self.file
    }

    fn file_mut(&mut self) -> &mut file::File {
        &mut self.file
    }

    /// Where it was read from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// An error that points at a key of this file.
    fn wrong(&self, key: &str, message: impl Into<String>) -> ConfigError {
        ConfigError {
            path: self.path.clone(),
            line: self.line_of(key),
            key: key.to_owned(),
            message: message.into(),
            secret: false,
        }
    }

    /// The line of a key such as `isp.secret` or `provide.line[1].port`; of its nearest section when it is not there.
    fn line_of(&self, key: &str) -> Option<usize> {
        let root = toml::de::DeTable::parse(&self.text).ok()?;
        let mut line = None;
        let mut table = Some(root.get_ref());
        for part in key.split('.') {
            let (name, index) = match part.split_once('[') {
                Some((name, rest)) => (name, rest.trim_end_matches(']').parse::<usize>().ok()),
                None => (part, None),
            };
            let Some((found, value)) = table?.get_key_value(name) else { break };
            line = Some(line_number(&self.text, found.span().start));
            let mut value = value;
            if let (toml::de::DeValue::Array(items), Some(index)) = (value.get_ref(), index) {
                value = items.get(index)?;
                line = Some(line_number(&self.text, value.span().start));
            }
            table = match value.get_ref() {
                toml::de::DeValue::Table(inner) => Some(inner),
                toml::de::DeValue::String(_)
                | toml::de::DeValue::Integer(_)
                | toml::de::DeValue::Float(_)
                | toml::de::DeValue::Boolean(_)
                | toml::de::DeValue::Datetime(_)
                | toml::de::DeValue::Array(_) => None,
            };
        }
        line
    }
}

/// What is wrong with a configuration, and where.
#[derive(Debug)]
pub struct ConfigError {
    path: PathBuf,
    line: Option<usize>,
    key: String,
    message: String,
    secret: bool,
}

impl ConfigError {
    /// The same error, told as one about a secret.
    fn about_secret(mut self) -> Self {
        self.secret = true;
        self
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for ConfigError {}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let status = if error.secret { Status::Secret } else { Status::Configuration };
        let failure = Self::new(status, error.to_string());
        if error.line.is_none() && error.key.is_empty() {
            return failure.hint("name the file with --config FILE; `ringup setup` writes one for a client, docs/examples has annotated ones");
        }
        failure
    }
}

fn line_number(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A configuration file that is there for as long as the test.
    struct OnDisk(PathBuf);

    impl OnDisk {
        fn new(text: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("ringup-config-{}-{:p}", std::process::id(), text));
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("home.toml"), text).unwrap();
            Self(folder)
        }
    }

    impl Drop for OnDisk {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
    }

    pub(super) fn load(text: &str) -> Result<Config, ConfigError> {
        Config::load(&OnDisk::new(text).0.join("home.toml"))
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_what_was_expected() {
        let said = load("[modem]\nport = \"/dev/ttyS0\"\nspeed = 9600\n").unwrap_err().to_string();
        assert!(said.contains("home.toml:3"), "{said}");
        assert!(said.contains("speed") && said.contains("expected") && said.contains("`rate`"), "{said}");
    }

    #[test]
    fn a_wrong_value_is_named_with_its_key() {
        let said = load("[listen]\ncallers = []\nidle = \"soon\"\n").unwrap_err().to_string();
        assert!(said.contains("home.toml:3: listen.idle:") && said.contains("\"10m\""), "{said}");
    }

    #[test]
    fn broken_toml_is_named_with_its_line() {
        let said = load("[modem]\nport = \n").unwrap_err().to_string();
        assert!(said.contains("home.toml:2"), "{said}");
    }

    #[test]
    fn keys_are_found_inside_arrays_of_tables() {
        let config = load(
            "[provide]\nlocal = \"203.0.113.1\"\npool = []\ndatabase = \"p.sqlite\"\n[[provide.line]]\nport = \"a\"\n\
             [[provide.line]]\nport = \"b\"\n",
        )
        .unwrap();
        assert_eq!(config.line_of("provide.line[1].port"), Some(8));
        assert_eq!(config.line_of("provide.pool"), Some(3));
    }

    #[test]
    fn paths_are_relative_to_the_file() {
        let config = load("[modem]\nport = \"/dev/ttyS0\"\n[isp]\nnumber=\"1\"\nuser=\"u\"\nsecret=\"s\"\n").unwrap();
        let secret = &config.file().isp.as_ref().unwrap().secret;
        assert!(secret.as_ref().is_some_and(|secret| secret.is_absolute() && secret.ends_with("s")), "{secret:?}");
    }
}
