//! The section `[exchange]`: what it may say, and the plan of the telephone network that comes of it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hayes::emulator::exchange::outside::Far;
use hayes::emulator::plan::{
    self, CallWaiting, CallerIdTime, Country, Dialling, Distinctive, LinePlan, Plan, Presentation, TrunkPlan,
};
use hayes::emulator::scenario::Scenario;
use hayes::profile::{Blacklisting, Catalogue, Profile};
use serde::Deserialize;

use super::value::{Span, Telephone};
use super::{Config, ConfigError};
use crate::exchange;

/// The telephone exchange.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Exchange {
    /// The folder in which each line's tty appears under the line's name.
    pub directory: PathBuf,
    /// Time from CONNECT being agreed until both modems say so.
    #[serde(default = "default_training")]
    pub training: Span,
    /// Time from the last digit until the called line rings.
    #[serde(default = "default_post_dial")]
    pub post_dial: Span,
    /// Whose telephones they are: how they ring, and when they are told who calls.
    #[serde(default)]
    pub country: CountryName,
    /// Another country's way of ringing.
    pub cadence: Option<CountryName>,
    /// When lines are told who calls, in place of the country's way.
    pub caller_id_time: Option<Moment>,
    /// How long an unanswered telephone rings.
    #[serde(default = "default_ring_limit")]
    pub ring_limit: Span,
    /// One-way delay of a connection.
    #[serde(default = "default_delay")]
    pub delay: Span,
    /// What is added to the delay at most, by chance.
    #[serde(default)]
    pub jitter: Span,
    /// Bit errors in a million bits.
    #[serde(default)]
    pub noise: u32,
    /// Where chance starts from.
    pub seed: Option<u64>,
    /// What befalls the exchange: a file.
    pub scenario: Option<PathBuf>,
    /// Where the log of calls is kept as well, one JSON object a line.
    pub log: Option<PathBuf>,
    /// The lines.
    #[serde(rename = "line")]
    pub lines: Vec<ExchangeLine>,
    /// Numbers with several lines behind them.
    #[serde(default, rename = "hunt-group")]
    pub hunt_groups: Vec<HuntGroup>,
    /// Where other exchanges may call in.
    pub trunk_listen: Option<SocketAddr>,
    /// Ways to other exchanges.
    #[serde(default, rename = "trunk")]
    pub trunks: Vec<Trunk>,
}

/// A country by its code.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(try_from = "String")]
pub struct CountryName(Country);

impl TryFrom<String> for CountryName {
    type Error = String;

    fn try_from(code: String) -> Result<Self, String> {
        code.parse().map(Self).map_err(|error: plan::UnknownCountry| error.to_string())
    }
}

/// When a line is told who calls.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    /// Between the first ring and the second.
    AfterFirstRing,
    /// Before the first ring.
    BeforeFirstRing,
}

/// A subscriber's line.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ExchangeLine {
    /// Its name: the tty's name in the exchange's folder.
    pub name: String,
    /// Its number.
    pub number: Telephone,
    /// Its modem: the id of a kind, or a file that describes one.
    #[serde(default)]
    pub modem: LineModem,
    /// Line rate in bit/s.
    #[serde(default = "default_line_rate")]
    pub rate: u32,
    /// Whether it is told who calls.
    #[serde(default = "yes")]
    pub caller_id: bool,
    /// When it is told, in place of the exchange's way.
    pub caller_id_time: Option<Moment>,
    /// The name that caller identification shows of it.
    pub caller_name: Option<String>,
    /// Whether its number is shown to those it calls.
    #[serde(default)]
    pub presentation: Shown,
    /// Further numbers, each of which rings in a way of its own.
    #[serde(default)]
    pub distinctive: Vec<Telephone>,
    /// What a second caller does to it.
    #[serde(default)]
    pub call_waiting: Waiting,
    /// Whether it is dead.
    #[serde(default)]
    pub dead: bool,
    /// When its modem refuses to go on dialling a number that fails.
    pub blacklisting: Option<Refusals>,
}

/// A country's rules for calls that fail, as its modems keep to them.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Refusals {
    /// How many calls to one number may fail.
    pub attempts: u32,
    /// How long the same number is delayed after a call that failed.
    #[serde(default = "default_redial_delay")]
    pub delay: Span,
    /// How long a number stays on the list; without it until the exchange ends.
    pub lasts: Option<Span>,
    /// How many numbers the list holds.
    #[serde(default = "default_blacklist")]
    pub numbers: usize,
}

/// Which modem is on a line.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub enum LineModem {
    /// One that hayes knows, by its id.
    Known(String),
    /// One that the owner describes in a file.
    File(PathBuf),
}

impl Default for LineModem {
    fn default() -> Self {
        Self::Known(hayes::profile::DEFAULT_ID.to_owned())
    }
}

impl TryFrom<String> for LineModem {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let catalogue = Catalogue::built_in();
        if catalogue.find(&text).is_some() {
            return Ok(Self::Known(text));
        }
        if Path::new(&text).extension().is_some_and(|extension| extension == "toml") {
            return Ok(Self::File(PathBuf::from(text)));
        }
        let known: Vec<&str> = catalogue.iter().map(|profile| profile.id.as_str()).collect();
        let known = known.join(", ");
        Err(format!("`{text}` is no kind of modem; expected a file such as \"./cellar.toml\", or one of {known}"))
    }
}

/// Whether a line's number is shown to those it calls.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shown {
    /// It is.
    #[default]
    Allowed,
    /// It withholds it.
    Withheld,
    /// The network does not know it.
    Unavailable,
}

/// What a second caller does to a line in a call.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Waiting {
    /// He hears that it is busy.
    #[default]
    Off,
    /// A tone tells of him.
    Tone,
    /// A tone that modems do not bear.
    Disturbing,
}

/// A number with several lines behind it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct HuntGroup {
    /// The number.
    pub number: Telephone,
    /// The lines' names, in the order they are tried.
    pub lines: Vec<String>,
}

/// A way to another exchange.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Trunk {
    /// Its name in the log of calls.
    pub name: String,
    /// The digits with which numbers behind it start.
    #[serde(default)]
    pub prefix: String,
    /// Whether those digits are taken off.
    #[serde(default)]
    pub strip: bool,
    /// The other exchange, `host:port`.
    pub to: String,
    /// Whether there is a program or a person in place of the other exchange.
    #[serde(default)]
    pub plain: bool,
}

impl Config {
    /// What `ringup exchange` works with.
    ///
    /// # Errors
    /// When the section is missing or wrong.
    pub fn exchange(&self) -> Result<exchange::Settings, ConfigError> {
        let section = self.section("exchange", self.file().exchange.as_ref())?;
        let mut plan = section.plan();
        for (index, (line, planned)) in section.lines.iter().zip(&mut plan.lines).enumerate() {
            let wrong = |error| self.wrong(&format!("exchange.line[{index}].modem"), error);
            planned.modem = line.modem.profile().map_err(wrong)?;
            if let Some(refusals) = &line.blacklisting {
                Arc::make_mut(&mut planned.modem).emulation.blacklisting = Some(refusals.rules());
            }
        }
        plan.check().map_err(|error| self.wrong("exchange", error.to_string()))?;
        if let Some(path) = &section.scenario {
            let wrong = |error: String| self.wrong("exchange.scenario", format!("{}: {error}", path.display()));
            let text = std::fs::read_to_string(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
            let scenario = Scenario::from_toml(&text).map_err(|error| wrong(error.to_string()))?;
            scenario.check(&plan).map_err(|error| wrong(error.to_string()))?;
            plan.scenario = Some(Arc::new(scenario));
        }
        let mut trunks = Vec::new();
        for (index, trunk) in section.trunks.iter().enumerate() {
            let port = trunk.to.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port);
            if port.and_then(|port| port.parse::<u16>().ok()).is_none_or(|port| port == 0) {
                let said = format!("`{}` is no host with a port; expected such as \"192.0.2.1:5190\"", trunk.to);
                return Err(self.wrong(&format!("exchange.trunk[{index}].to"), said));
            }
            trunks.push(exchange::Trunk { name: trunk.name.clone(), to: trunk.to.clone() });
        }
        Ok(exchange::Settings {
            plan,
            directory: section.directory.clone(),
            log: section.log.clone(),
            trunks,
            trunk_listen: section.trunk_listen,
        })
    }
}

impl Exchange {
    /// Makes its paths absolute.
    pub(super) fn resolve(&mut self, join: impl Fn(&mut PathBuf)) {
        join(&mut self.directory);
        self.scenario.iter_mut().chain(&mut self.log).for_each(&join);
        for line in &mut self.lines {
            if let LineModem::File(path) = &mut line.modem {
                join(path);
            }
        }
    }

    fn plan(&self) -> Plan {
        let groups = self.hunt_groups.iter();
        let groups = groups.map(|group| plan::HuntGroup { number: dialled(&group.number), lines: group.lines.clone() });
        let trunks = self.trunks.iter().map(|trunk| TrunkPlan {
            name: trunk.name.clone(),
            prefix: trunk.prefix.clone(),
            strip: trunk.strip,
            far: if trunk.plain { Far::Plain } else { Far::Exchange },
        });
        let country = self.country.0;
        Plan {
            lines: self.lines.iter().map(ExchangeLine::plan).collect(),
            hunt_groups: groups.collect(),
            trunks: trunks.collect(),
            cadence: self.cadence.map_or(country, |cadence| cadence.0).cadence(),
            caller_id_time: self.caller_id_time.map_or_else(|| country.caller_id_time(), Moment::time),
            dialling: Dialling { post_dial: self.post_dial.duration(), ..Dialling::default() },
            training: self.training.duration(),
            ring_limit: self.ring_limit.duration(),
            delay: self.delay.duration(),
            jitter: self.jitter.duration(),
            noise: self.noise,
            seed: self.seed.unwrap_or_else(exchange::some_seed),
            ..Plan::default()
        }
    }
}

impl ExchangeLine {
    fn plan(&self) -> LinePlan {
        let distinctive = self.distinctive.iter().zip(1..);
        LinePlan {
            name: self.name.clone(),
            number: dialled(&self.number),
            caller_id: self.caller_id,
            caller_id_time: self.caller_id_time.map(Moment::time),
            caller_name: self.caller_name.clone(),
            presentation: match self.presentation {
                Shown::Allowed => Presentation::Allowed,
                Shown::Withheld => Presentation::Withheld,
                Shown::Unavailable => Presentation::Unavailable,
            },
            rate: self.rate,
            dead: self.dead,
            distinctive: distinctive
                .map(|(number, pattern)| Distinctive { number: dialled(number), pattern })
                .collect(),
            call_waiting: match self.call_waiting {
                Waiting::Off => CallWaiting::Off,
                Waiting::Tone => CallWaiting::Tone,
                Waiting::Disturbing => CallWaiting::Disturbing,
            },
            ..LinePlan::default()
        }
    }
}

impl Refusals {
    fn rules(&self) -> Blacklisting {
        Blacklisting {
            attempts: self.attempts,
            delay: self.delay.duration().as_secs(),
            lasts: self.lasts.map_or(0, |lasts| lasts.duration().as_secs()),
            numbers: self.numbers,
        }
    }
}

impl LineModem {
    fn profile(&self) -> Result<Arc<Profile>, String> {
        match self {
            Self::Known(id) => Ok(Catalogue::built_in().find(id).unwrap_or_else(Profile::default_profile)),
            Self::File(path) => {
                let told = |error: String| format!("{}: {error}", path.display());
                let text = std::fs::read_to_string(path).map_err(|error| told(format!("cannot be read: {error}")))?;
                Profile::from_toml(&text).map(Arc::new).map_err(|error| told(error.to_string()))
            }
        }
    }
}

impl Moment {
    fn time(self) -> CallerIdTime {
        match self {
            Self::AfterFirstRing => CallerIdTime::AfterFirstRing,
            Self::BeforeFirstRing => CallerIdTime::BeforeFirstRing,
        }
    }
}

fn dialled(number: &Telephone) -> String {
    number.number().dial_string().to_owned()
}

fn yes() -> bool {
    true
}

fn default_training() -> Span {
    Span::seconds(1)
}

fn default_post_dial() -> Span {
    Span::milliseconds(500)
}

fn default_ring_limit() -> Span {
    Span::seconds(120)
}

fn default_delay() -> Span {
    Span::milliseconds(20)
}

/// What approval rules of the nineties had in common: a minute between calls to a number that fails.
fn default_redial_delay() -> Span {
    Span::seconds(60)
}

fn default_blacklist() -> usize {
    10
}

fn default_line_rate() -> u32 {
    33_600
}
