//! How telephones ring in a country, and when they are told who calls.
//!
//! Cadences: ITU-T E.180 supplement 2 (various tones used in national networks), as Asterisk's `indications.conf` has
//! them too. The time of caller identification: Telcordia GR-30-CORE and ETSI EN 300 659-1 after the first ring, BT SIN
//! 227 before it behind a reversal of the line; by tones before the first ring in Denmark, Finland, the Netherlands and
//! Sweden (ETSI EN 300 659-1 annex B); before it in Japan, behind a short ring of its own.

use std::str::FromStr;
use std::time::Duration;

/// The rhythm of the bell: bursts and the silence behind each, over and over. A whole round is one ring to a modem,
/// which bridges the short gap of a double ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cadence(pub Vec<(Duration, Duration)>);

impl Default for Cadence {
    fn default() -> Self {
        Self::us()
    }
}

impl Cadence {
    /// Two seconds on, four off.
    #[must_use]
    pub fn us() -> Self {
        Self::of(&[2000, 4000])
    }

    /// The British double ring: 0.4 on, 0.2 off, 0.4 on, 2 off.
    #[must_use]
    pub fn uk() -> Self {
        Self::of(&[400, 200, 400, 2000])
    }

    /// A distinctive ring's, from 1 to 3 (GR-506-CORE 14); the ordinary North American one otherwise.
    #[must_use]
    pub(in crate::emulator) fn distinctive(pattern: u8) -> Self {
        match pattern {
            1 => Self::of(&[800, 400, 800, 4000]),
            2 => Self::of(&[400, 200, 400, 200, 800, 4000]),
            3 => Self::of(&[300, 200, 1000, 200, 300, 4000]),
            _ => Self::us(),
        }
    }

    /// Bursts and silences in turn, in milliseconds.
    fn of(times: &[u64]) -> Self {
        let time = |of: Option<&u64>| Duration::from_millis(of.copied().unwrap_or_default());
        Self(times.chunks(2).map(|pair| (time(pair.first()), time(pair.get(1)))).collect())
    }

    /// How long a whole round takes.
    #[must_use]
    pub fn round(&self) -> Duration {
        self.0.iter().map(|(on, off)| *on + *off).sum()
    }

    /// The silence at the end of a round.
    pub(in crate::emulator) fn last_silence(&self) -> Duration {
        self.0.last().map_or(Duration::ZERO, |(_, off)| *off)
    }
}

/// When the exchange tells who calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CallerIdTime {
    /// Between the first ring and the second.
    #[default]
    AfterFirstRing,
    /// Before the first ring.
    BeforeFirstRing,
}

use CallerIdTime::{AfterFirstRing as After, BeforeFirstRing as Before};

/// A country whose telephones this exchange knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Country {
    code: &'static str,
    cadence: &'static [u64],
    caller_id: CallerIdTime,
}

const fn country(code: &'static str, cadence: &'static [u64], caller_id: CallerIdTime) -> Country {
    Country { code, cadence, caller_id }
}

/// By their codes (ISO 3166, but `uk`): bursts and silences of the bell in milliseconds, and when the caller is told.
const COUNTRIES: [Country; 25] = [
    country("at", &[1000, 5000], After),
    country("au", &[400, 200, 400, 2000], After),
    country("be", &[1000, 3000], After),
    country("br", &[1000, 4000], After),
    country("ca", &[2000, 4000], After),
    country("ch", &[1000, 4000], After),
    country("cn", &[1000, 4000], After),
    country("cz", &[1000, 4000], After),
    country("de", &[1000, 4000], After),
    country("dk", &[1000, 4000], Before),
    country("es", &[1500, 3000], After),
    country("fi", &[1000, 4000], Before),
    country("fr", &[1500, 3500], After),
    country("hu", &[1250, 3750], After),
    country("in", &[400, 200, 400, 2000], After),
    country("it", &[1000, 4000], After),
    country("jp", &[1000, 2000], Before),
    country("nl", &[1000, 4000], Before),
    country("no", &[1000, 4000], After),
    country("nz", &[400, 200, 400, 2000], After),
    country("pl", &[1000, 4000], After),
    country("pt", &[1000, 5000], After),
    country("se", &[1000, 5000], Before),
    country("uk", &[400, 200, 400, 2000], Before),
    country("us", &[2000, 4000], After),
];

/// No country has this code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no country {code:?} is known; expected one of {known}", known = Country::codes())]
pub struct UnknownCountry {
    /// What was given.
    pub code: String,
}

impl Country {
    /// Its code, `uk`.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.code
    }

    /// How the bell rings there.
    #[must_use]
    pub fn cadence(self) -> Cadence {
        Cadence::of(self.cadence)
    }

    /// When caller identification is sent there.
    #[must_use]
    pub fn caller_id_time(self) -> CallerIdTime {
        self.caller_id
    }

    /// All codes, separated by commas.
    fn codes() -> String {
        COUNTRIES.map(|country| country.code).join(", ")
    }
}

impl Default for Country {
    /// The United States.
    fn default() -> Self {
        country("us", &[2000, 4000], After)
    }
}

impl FromStr for Country {
    type Err = UnknownCountry;

    fn from_str(code: &str) -> Result<Self, UnknownCountry> {
        let code = if code == "gb" { "uk" } else { code };
        let known = COUNTRIES.iter().find(|country| country.code == code);
        known.copied().ok_or_else(|| UnknownCountry { code: code.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::plan::{LinePlan, Plan};

    #[test]
    fn every_country_makes_a_plan_that_passes() {
        for country in COUNTRIES {
            let line = LinePlan { name: "a".into(), number: "1".into(), ..LinePlan::default() };
            let (cadence, caller_id_time) = (country.cadence(), country.caller_id_time());
            let plan = Plan { lines: vec![line], cadence, caller_id_time, ..Plan::default() };
            assert_eq!(plan.check(), Ok(()), "{}", country.code());
            assert_eq!(country.code().parse(), Ok(country));
        }
        assert_eq!(Country::default().code().parse(), Ok(Country::default()));
    }

    #[test]
    fn a_country_that_is_not_known_names_those_that_are() {
        let said = "xx".parse::<Country>().unwrap_err().to_string();
        assert!(said.starts_with("no country \"xx\" is known; expected one of at, au, be"), "{said}");
    }
}
