//! The section `[exchange]`: what it may say, and the plan of the telephone network that comes of it.

use std::net::SocketAddr;
use std::path::PathBuf;

use hayes::emulator::exchange::outside::Far;
use hayes::emulator::plan::{self, Dialling, LinePlan, Plan, Presentation, TrunkPlan};
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
    /// The ring cadence: `us` or `uk`.
    #[serde(default)]
    pub cadence: Cadence,
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

/// A ring cadence by country.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cadence {
    /// 2 s on, 4 s off.
    #[default]
    Us,
    /// A double ring, 0.4 s, 0.2 s apart, then 2 s off.
    Uk,
}

/// A subscriber's line.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ExchangeLine {
    /// Its name: the tty's name in the exchange's folder.
    pub name: String,
    /// Its number.
    pub number: Telephone,
    /// The name that caller identification shows.
    pub caller_name: Option<String>,
    /// Line rate in bit/s.
    #[serde(default = "default_line_rate")]
    pub rate: u32,
    /// Whether calls from it carry no number.
    #[serde(default)]
    pub withheld: bool,
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
        let plan = section.plan();
        plan.check().map_err(|error| self.wrong("exchange", error.to_string()))?;
        let mut trunks = Vec::new();
        for (index, trunk) in section.trunks.iter().enumerate() {
            let port = trunk.to.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port);
            if port.and_then(|port| port.parse::<u16>().ok()).is_none_or(|port| port == 0) {
                let said = format!("`{}` is no host with a port; expected such as \"192.0.2.1:5190\"", trunk.to);
                return Err(self.wrong(&format!("exchange.trunk[{index}].to"), said));
            }
            trunks.push(exchange::Trunk { name: trunk.name.clone(), to: trunk.to.clone() });
        }
        let directory = section.directory.clone();
        Ok(exchange::Settings { plan, directory, trunks, trunk_listen: section.trunk_listen })
    }
}

impl Exchange {
    fn plan(&self) -> Plan {
        let dialled = |number: &Telephone| number.number().dial_string().to_owned();
        let lines = self.lines.iter().map(|line| LinePlan {
            name: line.name.clone(),
            number: dialled(&line.number),
            caller_name: line.caller_name.clone(),
            presentation: if line.withheld { Presentation::Withheld } else { Presentation::Allowed },
            rate: line.rate,
            ..LinePlan::default()
        });
        let groups = self.hunt_groups.iter();
        let groups = groups.map(|group| plan::HuntGroup { number: dialled(&group.number), lines: group.lines.clone() });
        let trunks = self.trunks.iter().map(|trunk| TrunkPlan {
            name: trunk.name.clone(),
            prefix: trunk.prefix.clone(),
            strip: trunk.strip,
            far: if trunk.plain { Far::Plain } else { Far::Exchange },
        });
        Plan {
            lines: lines.collect(),
            hunt_groups: groups.collect(),
            trunks: trunks.collect(),
            cadence: match self.cadence {
                Cadence::Us => plan::Cadence::us(),
                Cadence::Uk => plan::Cadence::uk(),
            },
            dialling: Dialling { post_dial: self.post_dial.duration(), ..Dialling::default() },
            training: self.training.duration(),
            ..Plan::default()
        }
    }
}

fn default_training() -> Span {
    Span::seconds(1)
}

fn default_post_dial() -> Span {
    Span::milliseconds(500)
}

fn default_line_rate() -> u32 {
    33_600
}
