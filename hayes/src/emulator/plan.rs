//! The telephone network on paper: lines, numbers, timings.
//!
//! Owns what can be configured, its defaults and its limits; [`Plan::check`] refuses what contradicts itself. Nothing
//! here acts.

mod country;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

pub use self::country::{Cadence, CallerIdTime, Country, UnknownCountry};
use super::circuit::MOST_ERRORS;
use super::exchange::outside::Far;
use super::scenario::{Scenario, ScenarioError};
use crate::profile::Profile;

/// An exchange and its lines.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The subscriber lines, each with its modem.
    pub lines: Vec<LinePlan>,
    /// Numbers that several lines share.
    pub hunt_groups: Vec<HuntGroup>,
    /// Ways to other exchanges, for numbers that no line and no hunt group has.
    pub trunks: Vec<TrunkPlan>,
    /// How the bell rings.
    pub cadence: Cadence,
    /// When caller identification is sent.
    pub caller_id_time: CallerIdTime,
    /// How long dialling takes.
    pub dialling: Dialling,
    /// From the answer until both modems are connected; 8 s, the middle of what V.34 takes.
    pub training: Duration,
    /// From the end of the first ring until caller identification is on the callee's screen, where it comes after the
    /// first ring; 1.5 s.
    pub caller_id_after: Duration,
    /// One-way delay of an established circuit; 20 ms, at most 2 s.
    pub delay: Duration,
    /// What is added to the delay of each block of data at most, by chance; none, at most 2 s.
    pub jitter: Duration,
    /// Bit errors in a million bits of data; none, at most 100000. Modems that correct errors lose time to them, others
    /// give wrong bytes.
    pub noise: u32,
    /// Bits on the line for a byte: 10 with start and stop bit (the default), 8 under V.42.
    pub bits_per_byte: u8,
    /// How long a modem takes to notice that the other one hung up, beyond `delay`; 500 ms.
    pub disconnect_notice: Duration,
    /// How long an unanswered telephone rings before the exchange gives up; 120 s.
    pub ring_limit: Duration,
    /// How long a busy tone or an announcement plays before the exchange drops the loop; 20 s.
    pub tone_limit: Duration,
    /// Minutes that local time, as caller identification tells it, is ahead of UTC; 0.
    pub utc_offset_minutes: i32,
    /// Where chance starts from: the same seed and the same inputs make the same calls; 0.
    pub seed: u64,
    /// What befalls the exchange and its lines.
    pub scenario: Option<Arc<Scenario>>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            lines: Vec::new(),
            hunt_groups: Vec::new(),
            trunks: Vec::new(),
            cadence: Cadence::default(),
            caller_id_time: CallerIdTime::default(),
            dialling: Dialling::default(),
            training: Duration::from_secs(8),
            caller_id_after: Duration::from_millis(1500),
            delay: Duration::from_millis(20),
            jitter: Duration::ZERO,
            noise: 0,
            bits_per_byte: 10,
            disconnect_notice: Duration::from_millis(500),
            ring_limit: Duration::from_secs(120),
            tone_limit: Duration::from_secs(20),
            utc_offset_minutes: 0,
            seed: 0,
            scenario: None,
        }
    }
}

/// One subscriber line and the modem on it.
#[derive(Clone, Debug)]
pub struct LinePlan {
    /// Its name, `[a-z0-9-]+`: the name of its device.
    pub name: String,
    /// Its telephone number, `[0-9*#+]+`.
    pub number: String,
    /// Whether the exchange tells it who calls; how its modem writes that is for [`Self::modem`].
    pub caller_id: bool,
    /// The name it presents when it calls, at most 15 characters.
    pub caller_name: Option<String>,
    /// Whether it presents its number when it calls.
    pub presentation: Presentation,
    /// The highest rate of its modem in bit/s; a connection runs at the lower rate of both ends. 33600.
    pub rate: u32,
    /// Whether the line is dead: no dial tone, and nobody reaches it.
    pub dead: bool,
    /// What kind of modem it has.
    pub modem: Arc<Profile>,
    /// When caller identification is sent to it, where that differs from the plan's.
    pub caller_id_time: Option<CallerIdTime>,
    /// Further numbers that ring it, each with a pattern of its own.
    pub distinctive: Vec<Distinctive>,
    /// Whether a second caller comes through while it is in a call.
    pub call_waiting: CallWaiting,
}

impl Default for LinePlan {
    fn default() -> Self {
        Self {
            name: String::new(),
            number: String::new(),
            caller_id: true,
            caller_name: None,
            presentation: Presentation::Allowed,
            rate: 33_600,
            dead: false,
            modem: Profile::default_profile(),
            caller_id_time: None,
            distinctive: Vec::new(),
            call_waiting: CallWaiting::Off,
        }
    }
}

/// A further number of a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Distinctive {
    /// The number.
    pub number: String,
    /// Which pattern it rings with: 1 to 3 (GR-506-CORE 14).
    pub pattern: u8,
}

/// What a second caller does to a line in a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CallWaiting {
    /// The caller hears busy tone.
    #[default]
    Off,
    /// A tone tells of the caller, which the modems bear; a flash of the hook takes the call.
    Tone,
    /// The same, and the tone drowns the carrier for two seconds: longer than a modem's S10 usually allows.
    Disturbing,
}

/// Whether a caller's number reaches the called party.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Presentation {
    /// It does.
    #[default]
    Allowed,
    /// The caller withholds it (`P`).
    Withheld,
    /// The network does not know it (`O`).
    Unavailable,
}

/// A number that rings the first free one of several lines.
#[derive(Clone, Debug, Default)]
pub struct HuntGroup {
    /// The number, `[0-9*#+]+`.
    pub number: String,
    /// The names of its lines, in the order they are tried.
    pub lines: Vec<String>,
}

/// A way to another exchange.
#[derive(Clone, Debug, Default)]
pub struct TrunkPlan {
    /// Its name, `[a-z0-9-]+`, unlike any line's.
    pub name: String,
    /// The digits that numbers behind it start with; empty for all numbers that lead nowhere else.
    pub prefix: String,
    /// Whether the prefix is taken off before the number goes out.
    pub strip: bool,
    /// What is behind it.
    pub far: Far,
}

/// How long dialling takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialling {
    /// The time of a digit; `None` for what the modem's S11 says (190 ms), or the pulses of the digit.
    pub digit: Option<Duration>,
    /// From the last digit of a number that exists until it rings or is busy; 2 s.
    pub post_dial: Duration,
    /// How long the exchange waits for further digits when the number does not exist; 4 s.
    pub interdigit: Duration,
}

impl Default for Dialling {
    fn default() -> Self {
        Self { digit: None, post_dial: Duration::from_secs(2), interdigit: Duration::from_secs(4) }
    }
}

/// Why a plan cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// There is nothing to run.
    #[error("the plan has no lines")]
    NoLines,
    /// A line's name is not usable as the name of its device.
    #[error("line name {0:?} is not made of a-z, 0-9 and '-'")]
    BadName(String),
    /// Two lines or trunks have one name.
    #[error("line name {0:?} is used twice")]
    DuplicateName(String),
    /// A number cannot be dialled.
    #[error("number {number:?} of {owner:?} is not made of 0-9, '*', '#' and '+'")]
    BadNumber {
        /// The line's name, or "hunt group".
        owner: String,
        /// The number.
        number: String,
    },
    /// Two trunks have one prefix.
    #[error("trunk prefix {0:?} is given twice")]
    DuplicatePrefix(String),
    /// Two lines or groups have one number.
    #[error("number {0:?} is given twice")]
    DuplicateNumber(String),
    /// A hunt group has no lines.
    #[error("hunt group {0:?} has no lines")]
    EmptyGroup(String),
    /// A hunt group names a line that is not there.
    #[error("hunt group {group:?} names unknown line {line:?}")]
    UnknownLine {
        /// The group's number.
        group: String,
        /// The name it gives.
        line: String,
    },
    /// A text that modems will show has characters beyond printable ASCII, or is too long.
    #[error("{what} of line {line:?} is not printable ASCII of at most {most} characters")]
    BadText {
        /// Which text.
        what: &'static str,
        /// The line's name.
        line: String,
        /// The most characters it may have.
        most: usize,
    },
    /// A setting is outside its limits.
    #[error("{what} must be {limits}")]
    OutOfRange {
        /// Which setting.
        what: &'static str,
        /// Its limits in words.
        limits: &'static str,
    },
    /// The scenario is for other lines than these.
    #[error("the scenario does not fit the plan")]
    Scenario(#[from] ScenarioError),
}

/// The longest name in caller identification (MDMF, parameter 7).
const LONGEST_CALLER_NAME: usize = 15;
const LONGEST_NAME: usize = 64;
const LONGEST_DELAY: Duration = Duration::from_secs(2);
/// No setting needs more, and sums of times stay far from overflow.
const LONGEST_TIME: Duration = Duration::from_secs(24 * 3600);

impl Plan {
    /// Checks that the plan can be carried out.
    ///
    /// # Errors
    ///
    /// The first contradiction found, see [`PlanError`].
    pub fn check(&self) -> Result<(), PlanError> {
        if self.lines.is_empty() {
            return Err(PlanError::NoLines);
        }
        self.check_settings()?;
        let mut names = BTreeSet::new();
        let mut numbers = BTreeSet::new();
        for line in &self.lines {
            line.check()?;
            if !names.insert(line.name.as_str()) {
                return Err(PlanError::DuplicateName(line.name.clone()));
            }
            if !numbers.insert(line.number.as_str()) {
                return Err(PlanError::DuplicateNumber(line.number.clone()));
            }
        }
        for distinctive in self.lines.iter().flat_map(|line| &line.distinctive) {
            if !numbers.insert(distinctive.number.as_str()) {
                return Err(PlanError::DuplicateNumber(distinctive.number.clone()));
            }
        }
        for group in &self.hunt_groups {
            check_number("hunt group", &group.number)?;
            if !numbers.insert(group.number.as_str()) {
                return Err(PlanError::DuplicateNumber(group.number.clone()));
            }
            if group.lines.is_empty() {
                return Err(PlanError::EmptyGroup(group.number.clone()));
            }
            if let Some(line) = group.lines.iter().find(|line| !names.contains(line.as_str())) {
                return Err(PlanError::UnknownLine { group: group.number.clone(), line: line.clone() });
            }
        }
        if let Some(scenario) = &self.scenario {
            scenario.check(self)?;
        }
        let mut prefixes = BTreeSet::new();
        for trunk in &self.trunks {
            check_name(&trunk.name)?;
            if !names.insert(trunk.name.as_str()) {
                return Err(PlanError::DuplicateName(trunk.name.clone()));
            }
            if !trunk.prefix.is_empty() {
                check_number(&trunk.name, &trunk.prefix)?;
            }
            if !prefixes.insert(trunk.prefix.as_str()) {
                return Err(PlanError::DuplicatePrefix(trunk.prefix.clone()));
            }
        }
        Ok(())
    }

    /// The trunk that leads to a number no line has: the one with the longest prefix.
    pub(super) fn trunk_to(&self, number: &str) -> Option<&TrunkPlan> {
        let leading = self.trunks.iter().filter(|trunk| number.starts_with(&trunk.prefix));
        leading.max_by_key(|trunk| trunk.prefix.len())
    }

    fn check_settings(&self) -> Result<(), PlanError> {
        let out_of_range = |what, limits| Err(PlanError::OutOfRange { what, limits });
        if !matches!(self.bits_per_byte, 8..=12) {
            return out_of_range("bits per byte", "8 to 12");
        }
        if self.delay > LONGEST_DELAY || self.jitter > LONGEST_DELAY {
            return out_of_range("delay and jitter", "at most 2 s");
        }
        if self.noise > MOST_ERRORS {
            return out_of_range("noise", "at most 100000 bit errors in a million");
        }
        let bursts_too_long = self.cadence.0.iter().any(|(on, off)| *on > LONGEST_TIME || *off > LONGEST_TIME);
        if self.cadence.0.len() > 8 || bursts_too_long || self.cadence.round() < Duration::from_millis(100) {
            return out_of_range("cadence", "one to eight bursts, a round of 100 ms or more");
        }
        let mut times = self.lines.iter().filter_map(|line| line.caller_id_time).chain([self.caller_id_time]);
        let after = times.any(|time| time == CallerIdTime::AfterFirstRing);
        if after && self.caller_id_after >= self.cadence.last_silence() {
            return out_of_range("the time of caller identification", "shorter than the silence after the first ring");
        }
        let times = [
            self.training,
            self.disconnect_notice,
            self.ring_limit,
            self.tone_limit,
            self.dialling.post_dial,
            self.dialling.interdigit,
            self.dialling.digit.unwrap_or_default(),
        ];
        if times.iter().any(|time| *time > LONGEST_TIME) {
            return out_of_range("every time", "at most a day");
        }
        if !matches!(self.utc_offset_minutes, -1440..=1440) {
            return out_of_range("the offset from UTC", "at most a day");
        }
        Ok(())
    }
}

impl LinePlan {
    fn check(&self) -> Result<(), PlanError> {
        check_name(&self.name)?;
        check_number(&self.name, &self.number)?;
        for distinctive in &self.distinctive {
            check_number(&self.name, &distinctive.number)?;
            if !matches!(distinctive.pattern, 1..=3) {
                return Err(PlanError::OutOfRange { what: "a distinctive ring's pattern", limits: "1 to 3" });
            }
        }
        if !matches!(self.rate, 75..=10_000_000) {
            return Err(PlanError::OutOfRange { what: "line rate", limits: "75 to 10000000 bit/s" });
        }
        let caller_name = self.caller_name.as_deref().unwrap_or_default();
        if caller_name.len() > LONGEST_CALLER_NAME || !caller_name.bytes().all(|c| matches!(c, b' '..=b'~')) {
            let (what, most) = ("caller name", LONGEST_CALLER_NAME);
            return Err(PlanError::BadText { what, line: self.name.clone(), most });
        }
        Ok(())
    }
}

fn check_name(name: &str) -> Result<(), PlanError> {
    let good = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(good) {
        return Err(PlanError::BadName(name.to_owned()));
    }
    Ok(())
}

fn check_number(owner: &str, number: &str) -> Result<(), PlanError> {
    let good = |c: u8| c.is_ascii_digit() || matches!(c, b'*' | b'#' | b'+');
    if number.is_empty() || number.len() > LONGEST_NAME || !number.bytes().all(good) {
        return Err(PlanError::BadNumber { owner: owner.to_owned(), number: number.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, number: &str) -> LinePlan {
        LinePlan { name: name.to_owned(), number: number.to_owned(), ..LinePlan::default() }
    }

    fn plan(lines: Vec<LinePlan>) -> Plan {
        Plan { lines, ..Plan::default() }
    }

    #[test]
    fn a_plain_plan_passes() {
        let group = HuntGroup { number: "700".into(), lines: vec!["a".into(), "b-2".into()] };
        let plan = Plan { hunt_groups: vec![group], ..plan(vec![line("a", "1"), line("b-2", "*2#")]) };
        assert_eq!(plan.check(), Ok(()));
        assert_eq!(Plan { cadence: Cadence::uk(), ..plan }.check(), Ok(()));
    }

    #[test]
    fn names_and_numbers_are_unique_and_well_formed() {
        assert_eq!(plan(vec![]).check(), Err(PlanError::NoLines));
        assert_eq!(plan(vec![line("a", "1"), line("a", "2")]).check(), Err(PlanError::DuplicateName("a".into())));
        assert_eq!(plan(vec![line("a", "1"), line("b", "1")]).check(), Err(PlanError::DuplicateNumber("1".into())));
        assert_eq!(plan(vec![line("../a", "1")]).check(), Err(PlanError::BadName("../a".into())));
        assert_eq!(
            plan(vec![line("a", "555-12")]).check(),
            Err(PlanError::BadNumber { owner: "a".into(), number: "555-12".into() })
        );
    }

    #[test]
    fn a_group_names_known_lines_only() {
        let group = HuntGroup { number: "700".into(), lines: vec!["c".into()] };
        let refused = Plan { hunt_groups: vec![group], ..plan(vec![line("a", "1")]) }.check();
        assert_eq!(refused, Err(PlanError::UnknownLine { group: "700".into(), line: "c".into() }));
        assert_eq!(refused.unwrap_err().to_string(), "hunt group \"700\" names unknown line \"c\"");
    }

    #[test]
    fn a_name_that_could_forge_modem_output_is_refused() {
        let forged = LinePlan { caller_name: Some("X\r\nRING".into()), ..line("a", "1") };
        assert!(matches!(plan(vec![forged]).check(), Err(PlanError::BadText { what: "caller name", .. })));
    }

    #[test]
    fn caller_identification_fits_between_the_rings() {
        let late = Plan { caller_id_after: Duration::from_secs(4), ..plan(vec![line("a", "1")]) };
        assert!(matches!(late.check(), Err(PlanError::OutOfRange { .. })));
    }

    #[test]
    fn numbers_names_and_prefixes_are_given_once_over_lines_groups_and_trunks() {
        let distinctive = |number: &str, pattern| vec![Distinctive { number: number.into(), pattern }];
        let twice = LinePlan { distinctive: distinctive("1", 1), ..line("b", "2") };
        assert_eq!(plan(vec![line("a", "1"), twice]).check(), Err(PlanError::DuplicateNumber("1".into())));
        let odd = LinePlan { distinctive: distinctive("3", 4), ..line("b", "2") };
        assert!(matches!(plan(vec![odd]).check(), Err(PlanError::OutOfRange { limits: "1 to 3", .. })));
        let trunk = |name: &str| TrunkPlan { name: name.into(), prefix: "9".into(), ..TrunkPlan::default() };
        let named = Plan { trunks: vec![trunk("a")], ..plan(vec![line("a", "1")]) };
        assert_eq!(named.check(), Err(PlanError::DuplicateName("a".into())));
        let prefixed = Plan { trunks: vec![trunk("b"), trunk("c")], ..plan(vec![line("a", "1")]) };
        assert_eq!(prefixed.check(), Err(PlanError::DuplicatePrefix("9".into())));
    }

    #[test]
    fn noise_and_jitter_have_their_limits() {
        let a = || vec![line("a", "1")];
        assert!(Plan { noise: 100_001, ..plan(a()) }.check().is_err());
        assert!(Plan { jitter: Duration::from_secs(3), ..plan(a()) }.check().is_err());
    }
}
