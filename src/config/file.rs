//! The shape of the configuration file: one section a role, nothing in it that no role reads.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::Deserialize;

use super::answer::{Key, WakeBy};
use super::connect::Connect;
use super::directory::Directory;
use super::doorman::{Caller, Callers, Code, Limits};
use super::exchange::Exchange;
use super::host::Host;
use super::isp::Isp;
use super::modem::{Modem, ModemKind};
use super::operation::{BudgetSection, JournalSection};
use super::sleep::Sleep;
use super::value::{AddressRange, Span, Telephone};
use crate::listen::KeepUp;

/// A machine's whole configuration.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct File {
    /// Where the directory answers: the servers that this machine asks, and registers with.
    #[serde(default)]
    pub directory_servers: Vec<SocketAddr>,
    /// Where state that must survive a restart is kept.
    #[serde(default = "default_state_directory")]
    pub state_directory: PathBuf,
    /// Where sockets of running daemons are.
    #[serde(default = "default_runtime_directory")]
    pub runtime_directory: PathBuf,
    /// The modem of this machine.
    pub modem: Option<Modem>,
    /// The PPP provider that this machine dials for a link of its own.
    pub isp: Option<Isp>,
    /// This machine as the directory knows it.
    pub host: Option<Host>,
    /// `ringup listen`: whom to wake for.
    pub listen: Option<Listen>,
    /// `ringup listen`: the machine's sleep.
    pub sleep: Option<Sleep>,
    /// What `ringup listen` remembers.
    #[serde(default)]
    pub journal: JournalSection,
    /// `ringup watch`: a broadband interface to follow.
    pub watch: Option<Watch>,
    /// `ringup connect`: what its calls may cost.
    pub connect: Option<Connect>,
    /// The hosts that can be woken from here, by the names used on the command line.
    #[serde(default)]
    pub sites: std::collections::BTreeMap<String, Site>,
    /// `ringup directory`: the directory itself.
    pub directory: Option<Directory>,
    /// `ringup provide`: the PPP provider.
    pub provide: Option<Provide>,
    /// `ringup exchange`: the telephone exchange.
    pub exchange: Option<Exchange>,
}

/// A TSIG key (RFC 8945).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Tsig {
    /// Its name.
    pub name: String,
    /// `hmac-sha256`, `hmac-sha384` or `hmac-sha512`.
    #[serde(default = "default_algorithm")]
    pub algorithm: String,
    /// The file that holds the secret in base64.
    pub secret: PathBuf,
}

/// When to wake.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Listen {
    /// Who may wake this machine, where all may in the same way.
    #[serde(default)]
    pub callers: Callers,
    /// Who may wake this machine, each in a way of his own; the first that fits decides.
    #[serde(default, rename = "caller")]
    pub rules: Vec<Caller>,
    /// The country in which the calls come in.
    pub country_code: Option<Code>,
    /// How many calls may wake or be answered.
    #[serde(default)]
    pub limits: Limits,
    /// The clients that may wake this machine in an answered call.
    #[serde(default, rename = "key")]
    pub keys: Vec<Key>,
    /// The file that holds the secret of the codes by which a person may.
    pub codes: Option<PathBuf>,
    /// How long the line is left alone after an answered call.
    #[serde(default = "default_pause_after_answer")]
    pub pause_after_answer: Span,
    /// How many rings it takes.
    #[serde(default = "default_rings")]
    pub rings: u32,
    /// How long after a wake further calls are ignored.
    #[serde(default = "default_cooldown")]
    pub cooldown: Span,
    /// From the start of one ring to the start of the next: 6 s in North America, 3 s in the United Kingdom.
    #[serde(default = "default_cadence")]
    pub cadence: Span,
    /// How long the link may carry nothing before this machine withdraws its record and hangs up.
    #[serde(default = "default_idle")]
    pub idle: Span,
    /// What this machine may spend on its calls.
    #[serde(default)]
    pub budget: BudgetSection,
    /// How long a wake may last, whatever keeps the link up.
    pub max_session: Option<Span>,
    /// What keeps an idle link up.
    #[serde(default)]
    pub keep_up: KeepUp,
    /// Links that somebody else brings up and that are registered too, by peers file, linkname or ipparam.
    #[serde(default)]
    pub adopt: Vec<String>,
    /// The modems to listen on, where there are several; without any, this machine's `[modem]`.
    #[serde(default, rename = "line")]
    pub lines: Vec<Modem>,
}

/// What to watch.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Watch {
    /// The interface whose addresses are registered.
    pub interface: String,
    /// How long an address must stand before it is registered: one update a change.
    #[serde(default = "default_settle")]
    pub settle: Span,
    /// The command that tells the public address of a router that passes ports on to this machine.
    #[serde(default)]
    pub public_address: Vec<String>,
    /// How often it is asked.
    #[serde(default = "default_ask_every")]
    pub ask_every: Span,
}

/// A host that can be woken.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Site {
    /// Its full name in the directory.
    pub host: String,
    /// Its public key (`ringup identity FILE` on the host prints it); without it the first one that it proves to hold.
    pub identity: Option<String>,
    /// The number that wakes it; a host on broadband has none.
    pub number: Option<Telephone>,
    /// How a call wakes it.
    #[serde(default)]
    pub wake: WakeBy,
    /// The file that holds this client's identity, for a host that answers.
    pub key: Option<PathBuf>,
    /// How long it may take until a host that answers has answered.
    #[serde(default = "default_answer_within")]
    pub answer_within: Span,
    /// How long the call lasts, dialling included; then we hang up.
    #[serde(default = "default_ring_for")]
    pub ring_for: Span,
    /// How long to wait after a ring for its new record.
    #[serde(default = "default_wait")]
    pub wait: Span,
    /// How many wake-up calls at the most.
    #[serde(default = "default_calls")]
    pub calls: u32,
}

/// The PPP provider.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Provide {
    /// The provider's own end of every link.
    pub local: Ipv4Addr,
    /// The addresses it lends.
    pub pool: Vec<AddressRange>,
    /// The SQLite file that says who has which.
    pub database: PathBuf,
    /// How long a returned address rests before it is lent again.
    #[serde(default = "default_quarantine")]
    pub quarantine: Span,
    /// The server's name in CHAP: the second column of /etc/ppp/chap-secrets.
    #[serde(default = "default_provider_name")]
    pub name: String,
    /// From CONNECT until PPP has an address.
    #[serde(default = "default_link_within")]
    pub link_within: Span,
    /// The modems that answer.
    #[serde(rename = "line")]
    pub lines: Vec<Modem>,
}

pub(super) fn default_state_directory() -> PathBuf {
    PathBuf::from("/var/lib/ringup")
}

pub(super) fn default_runtime_directory() -> PathBuf {
    PathBuf::from(super::DEFAULT_RUNTIME_DIRECTORY)
}

pub(super) fn default_link_within() -> Span {
    Span::seconds(30) // pppd's own patience with default timers
}

pub(super) fn default_algorithm() -> String {
    "hmac-sha256".to_owned()
}

pub(super) fn default_lease() -> Span {
    Span::seconds(600)
}

fn default_rings() -> u32 {
    2
}

fn default_pause_after_answer() -> Span {
    Span::seconds(30) // as long as exchanges keep a line for a caller who has not hung up
}

fn default_cooldown() -> Span {
    Span::seconds(30)
}

fn default_cadence() -> Span {
    Span::seconds(6)
}

fn default_idle() -> Span {
    Span::seconds(300)
}

fn default_settle() -> Span {
    Span::milliseconds(500)
}

fn default_ask_every() -> Span {
    Span::seconds(60)
}

fn default_ring_for() -> Span {
    Span::seconds(15)
}

fn default_answer_within() -> Span {
    Span::seconds(60) // two rings, and half a minute in which the modems agree
}

fn default_wait() -> Span {
    Span::seconds(90)
}

fn default_calls() -> u32 {
    2
}

fn default_quarantine() -> Span {
    Span::seconds(60)
}

fn default_provider_name() -> String {
    "ringup".to_owned()
}

impl File {
    /// Where state and sockets are when nobody says otherwise.
    #[must_use]
    pub fn default_folders() -> [PathBuf; 2] {
        [default_state_directory(), default_runtime_directory()]
    }

    /// Makes every relative path relative to the configuration's own folder.
    pub(super) fn resolve(&mut self, folder: &std::path::Path) {
        let join = |path: &mut PathBuf| *path = folder.join(&*path);
        join(&mut self.state_directory);
        join(&mut self.runtime_directory);
        let lines = self.provide.iter_mut().flat_map(|provide| &mut provide.lines);
        let lines = lines.chain(self.listen.iter_mut().flat_map(|listen| &mut listen.lines));
        for modem in self.modem.iter_mut().chain(lines) {
            // A console server's address is no path.
            if !modem.port.starts_with("tcp:") {
                join(&mut modem.port);
            }
            if let ModemKind::File(path) = &mut modem.kind {
                join(path);
            }
        }
        if let Some(secret) = self.isp.as_mut().and_then(|isp| isp.secret.as_mut()) {
            join(secret);
        }
        if let Some(listen) = &mut self.listen {
            listen.keep_up.file.iter_mut().chain(&mut listen.keep_up.lock).for_each(join);
        }
        if let Some(host) = &mut self.host {
            host.resolve(join);
        }
        self.listen.iter_mut().filter_map(|listen| listen.codes.as_mut()).for_each(join);
        self.sites.values_mut().filter_map(|site| site.key.as_mut()).for_each(join);
        if let Some(directory) = &mut self.directory {
            directory.resolve(join);
        }
        if let Some(provide) = &mut self.provide {
            join(&mut provide.database);
        }
        if let Some(exchange) = &mut self.exchange {
            exchange.resolve(join);
        }
    }
}
