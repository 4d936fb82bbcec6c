//! From the file's sections to what each room works with: every cross-check, every secret read, every error pointing
//! at its key.

use std::path::Path;
use std::str::FromStr;

use hayes::modem::Purpose;

use super::answer::WakeBy;
use super::host::Account;
use super::modem::Modem;
use super::{Config, ConfigError};
use crate::connect::known::{Authority, KnownHosts};
use crate::connect::{self, own_link};
use crate::dns::TsigKey;
use crate::dns::tsig::Algorithm;
use crate::exit::{Failure, Status};
use crate::record::{HostName, PublicKey, Seq};
use crate::secret::Secret;
use crate::{line, listen, provide, watch};

/// The router in front of a machine is not asked more often.
const LEAST_ASK_EVERY: std::time::Duration = std::time::Duration::from_secs(5);

/// What `listen` works with.
pub struct HomeSettings {
    /// The line, the policy and the provider.
    pub listen: listen::Settings,
    /// The account with the directory.
    pub account: Account,
    /// What may be done about the machine's sleep.
    pub sleep: crate::sleep::Settings,
}

impl Config {
    /// What `ringup listen` works with.
    ///
    /// # Errors
    /// When a section is missing or wrong.
    pub fn listen(&self) -> Result<HomeSettings, ConfigError> {
        let section = self.section("listen", self.file().listen.as_ref())?;
        let lines = match section.lines.as_slice() {
            [] => vec![self.attended("modem", self.section("modem", self.file().modem.as_ref())?)?],
            lines => self.lines("listen.line", lines)?,
        };
        let policy = self.policy(section)?;
        let answering = self.answering(section, &policy)?;
        let isp = self.isp()?;
        let limits = listen::Limits {
            idle: section.idle.duration(),
            session: section.max_session.map(|session| session.duration()),
        };
        let peer = self.file().isp.as_ref().and_then(|isp| isp.peer.clone());
        let adopt = section.adopt.iter().cloned().chain(peer).collect();
        let keep_up = section.keep_up.clone();
        let tunnel = self.tunnel()?;
        let listen = listen::Settings { lines, policy, answering, isp, limits, keep_up, adopt, tunnel };
        self.caps()?;
        Ok(HomeSettings { listen, account: self.account()?, sleep: self.sleep()? })
    }

    /// What `ringup watch` works with.
    ///
    /// # Errors
    /// When a section is missing or wrong.
    pub fn watch(&self) -> Result<(watch::Settings, Account), ConfigError> {
        let section = self.section("watch", self.file().watch.as_ref())?;
        let (command, every) = (section.public_address.clone(), section.ask_every.duration());
        if every < LEAST_ASK_EVERY {
            return Err(self.wrong("watch.ask-every", "expected at least \"5s\""));
        }
        let outside = (!command.is_empty()).then_some(watch::OutsideSettings { command, every });
        let (interface, settle, tunnel) = (section.interface.clone(), section.settle.duration(), self.tunnel()?);
        let settings = watch::Settings { interface, settle, outside, tunnel };
        Ok((settings, self.account()?))
    }

    /// What `ringup connect` works with for one site; `None` when there is no such site.
    ///
    /// # Errors
    /// When a section is missing or wrong.
    pub fn connect(&self, name: &str) -> Result<Option<connect::Settings>, ConfigError> {
        let Some(site) = self.file().sites.get(name) else { return Ok(None) };
        let host: HostName = self.parsed(&format!("sites.{name}.host"), &site.host, "a host's full name")?;
        let known = self.known_hosts();
        let (identity, seen) = self.identity_of(name, &host)?;
        let plan = connect::attempt::Plan {
            host,
            identity,
            seen,
            has_number: site.number.is_some(),
            answers: site.wake == WakeBy::Answer,
            calls: site.calls,
            wait: site.wait.duration(),
            until: None,
            has_isp: self.file().isp.is_some(),
        };
        let authority = if site.identity.is_some() { Authority::Configuration } else { Authority::Memory };
        Ok(Some(connect::Settings { plan, directory: self.servers()?, call: self.call(name)?, known, authority }))
    }

    /// What is remembered of hosts.
    #[must_use]
    pub fn known_hosts(&self) -> KnownHosts {
        KnownHosts::new(&self.file().state_directory)
    }

    /// A site's key, as the file pins it or as it was remembered, and the newest record that it was seen with.
    ///
    /// # Errors
    /// When the key cannot be read, or what is remembered cannot.
    pub fn identity_of(&self, name: &str, host: &HostName) -> Result<(Option<PublicKey>, Option<Seq>), ConfigError> {
        let key = format!("sites.{name}.identity");
        let pinned = match self.file().sites.get(name).and_then(|site| site.identity.as_ref()) {
            Some(text) => Some(self.parsed::<PublicKey>(&key, text, "what `ringup identity` prints")?),
            None => None,
        };
        let remembered = match self.known_hosts().find(host) {
            Ok(remembered) => remembered,
            // What a pinned host was seen with only fences off its past.
            Err(error) if pinned.is_some() => {
                tracing::debug!(%error, "an old record would not be known as such");
                None
            }
            Err(error) => {
                return Err(self.wrong("state-directory", Failure::caused(Status::Configuration, &error).message));
            }
        };
        let seen = remembered.filter(|known| pinned.is_none_or(|pinned| pinned == known.key));
        Ok((pinned.or_else(|| remembered.map(|known| known.key)), seen.and_then(|known| known.seq)))
    }

    /// Our own link, for a machine that has a provider to dial.
    ///
    /// # Errors
    /// When a section is missing or wrong.
    pub fn own_link(&self) -> Result<Option<own_link::Settings>, ConfigError> {
        if self.file().isp.is_none() {
            return Ok(None);
        }
        let (line, _modem) = self.modem(Purpose::DialOnly)?;
        self.isp()?;
        self.purse()?;
        let runtime = &self.file().runtime_directory;
        let (socket, log) = (runtime.join("own-link.sock"), runtime.join("own-link.log"));
        Ok(Some(own_link::Settings { socket, log, config: self.path().to_owned(), port: line.port }))
    }

    /// How to ring a site; `None` when it has no number.
    ///
    /// # Errors
    /// When a section is missing or wrong.
    pub fn call(&self, name: &str) -> Result<Option<connect::call::Call>, ConfigError> {
        let Some(site) = self.file().sites.get(name) else { return Ok(None) };
        let Some(number) = site.number.as_ref().map(|number| number.number().clone()) else { return Ok(None) };
        let (line, modem) = self.modem(Purpose::DialOnly)?;
        let (ring_for, wake) = (site.ring_for.duration(), self.wake(name, site)?);
        Ok(Some(connect::call::Call { line, modem, number, ring_for, wake, purse: self.purse()? }))
    }

    /// What the keeper of our own link works with.
    ///
    /// # Errors
    /// When a section is missing or wrong.
    pub fn keeper(&self) -> Result<own_link::keeper::Settings, ConfigError> {
        let (line, modem) = self.modem(Purpose::DialOnly)?;
        let isp = self.isp()?;
        let linger = self.section("isp", self.file().isp.as_ref())?.linger.duration();
        let socket = self.file().runtime_directory.join("own-link.sock");
        Ok(own_link::keeper::Settings { socket, line, modem, isp, linger, purse: self.purse()? })
    }

    /// What `ringup provide` works with.
    ///
    /// # Errors
    /// When the section is missing or wrong.
    pub fn provide(&self) -> Result<provide::Settings, ConfigError> {
        let section = self.section("provide", self.file().provide.as_ref())?;
        if section.lines.is_empty() {
            return Err(self.wrong("provide.line", "no line to answer; expected at least one [[provide.line]]"));
        }
        let pool: Vec<_> = section.pool.iter().flat_map(|range| range.addresses()).collect();
        if pool.is_empty() {
            return Err(
                self.wrong("provide.pool", "no address to lend; expected such as [\"203.0.113.10-203.0.113.13\"]")
            );
        }
        if pool.contains(&section.local) {
            return Err(self.wrong("provide.pool", format!("{} is the provider's own address", section.local)));
        }
        Ok(provide::Settings {
            local: section.local,
            pool,
            database: section.database.clone(),
            quarantine: section.quarantine.duration(),
            name: section.name.clone(),
            link_within: section.link_within.duration(),
            lines: self.lines("provide.line", &section.lines)?,
            runtime: self.file().runtime_directory.clone(),
        })
    }

    /// Checks every section that is there, and gives the names of the roles they make up.
    ///
    /// # Errors
    /// With the first thing that is wrong.
    pub fn check(&self) -> Result<Vec<String>, ConfigError> {
        let file = self.file();
        let mut roles = Vec::new();
        if file.listen.is_some() {
            self.listen()?;
            roles.push("listen".to_owned());
        }
        if file.watch.is_some() {
            self.watch()?;
            roles.push("watch".to_owned());
        }
        if !file.sites.is_empty() {
            self.own_link()?;
        } else if file.connect.is_some() {
            return Err(self.wrong("connect", "goes with [sites], the hosts that can be woken from here"));
        }
        for site in file.sites.keys() {
            self.connect(site)?;
            roles.push(format!("connect {site}"));
        }
        if file.directory.is_some() {
            self.directory()?;
            roles.push("directory".to_owned());
        }
        if file.provide.is_some() {
            self.provide()?;
            roles.push("provide".to_owned());
        }
        if file.exchange.is_some() {
            self.exchange()?;
            roles.push("exchange".to_owned());
        }
        if roles.is_empty() {
            return Err(self.wrong(
                "",
                "describes no role; expected [listen], [watch], [sites], [directory], [provide] or [exchange]",
            ));
        }
        Ok(roles)
    }

    /// The directory's servers.
    ///
    /// # Errors
    /// When none is named.
    pub fn servers(&self) -> Result<Vec<std::net::SocketAddr>, ConfigError> {
        let servers = &self.file().directory_servers;
        if servers.is_empty() {
            return Err(self.wrong("directory-servers", "names no server; expected such as [\"198.51.100.53:53\"]"));
        }
        Ok(servers.clone())
    }

    pub(super) fn tsig(&self, key: &str, name: &str, algorithm: &str, secret: &Path) -> Result<TsigKey, ConfigError> {
        let algorithm: Algorithm =
            algorithm.parse().map_err(|error| self.wrong(&key.replace("secret", "algorithm"), format!("{error}")))?;
        let secret = self.secret(key, secret)?;
        TsigKey::new(name, algorithm, &secret).map_err(|error| self.wrong(key, error.to_string()).about_secret())
    }

    pub(super) fn secret(&self, key: &str, path: &Path) -> Result<Secret, ConfigError> {
        Secret::read(path)
            .map_err(|error| self.wrong(key, Failure::caused(Status::Secret, &error).message).about_secret())
    }

    /// The lines of a section that has one table a line, no tty twice.
    fn lines(&self, section: &str, modems: &[Modem]) -> Result<Vec<line::Settings>, ConfigError> {
        let mut lines: Vec<line::Settings> = Vec::new();
        for (index, modem) in modems.iter().enumerate() {
            let name = format!("{section}[{index}]");
            if lines.iter().any(|other| other.line.port == modem.port) {
                return Err(self.wrong(&format!("{name}.port"), "this tty has a line already"));
            }
            lines.push(self.attended(&name, modem)?);
        }
        Ok(lines)
    }

    pub(super) fn section<'file, T>(&self, name: &str, section: Option<&'file T>) -> Result<&'file T, ConfigError> {
        section.ok_or_else(|| self.wrong(name, "this section is needed and missing; docs/examples has annotated ones"))
    }

    pub(super) fn parsed<T: FromStr>(&self, key: &str, text: &str, expected: &str) -> Result<T, ConfigError>
    where
        T::Err: std::fmt::Display,
    {
        text.parse().map_err(|error| self.wrong(key, format!("`{text}` is not {expected}: {error}")))
    }
    pub(super) fn all<T: FromStr>(&self, key: &str, texts: &[String], expected: &str) -> Result<Vec<T>, ConfigError>
    where
        T::Err: std::fmt::Display,
    {
        texts.iter().map(|text| self.parsed(key, text, expected)).collect()
    }
}
