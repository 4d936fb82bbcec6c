//! Scenarios: what befalls an exchange and when, as a text file.
//!
//! Owns the form of the file and what can be wrong with it; [`super::exchange`] carries it out. A step names a moment
//! (`at`) or something that happens (`on`), and one thing to do; a party has a number and answers, or does not. Times have a unit: `250ms`, `2s`, `1m 30s`, `1h`.

mod action;
mod moment;
mod party;

use serde::Deserialize;
use toml::Spanned;

pub use self::action::{Action, CallFromOutside, Withheld};
pub use self::moment::{EventName, On, Span};
pub use self::party::Party;
use super::exchange::fault::Treatment;
use super::plan::Plan;

/// What befalls an exchange.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scenario {
    steps: Vec<Step>,
    parties: Vec<Party>,
}

/// One thing that befalls it.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What the log of calls names as the cause.
    pub name: String,
    /// When.
    pub when: When,
    /// How likely it is, from 0 to 1, each time.
    pub chance: f64,
    /// How many times it happens at most.
    pub times: u32,
    /// What is done.
    pub action: Action,
    /// The line of the file where it stands, from 1.
    place: usize,
}

/// When a step's time has come.
#[derive(Clone, Debug, PartialEq)]
pub enum When {
    /// So long after the exchange started, and then again and again.
    At {
        /// How long.
        at: Span,
        /// Time between repetitions.
        every: Option<Span>,
    },
    /// So long after something happened.
    On {
        /// What.
        on: On,
        /// How long.
        after: Span,
    },
}

/// What is wrong with a scenario.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct ScenarioError {
    /// Where, from 1.
    pub line: usize,
    /// What, with what was expected.
    pub what: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    #[serde(default, rename = "step")]
    steps: Vec<Spanned<RawStep>>,
    #[serde(default, rename = "party")]
    parties: Vec<Spanned<Party>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawStep {
    name: Option<String>,
    at: Option<Span>,
    every: Option<Span>,
    on: Option<On>,
    after: Option<Span>,
    chance: Option<f64>,
    times: Option<u32>,
    #[serde(rename = "do")]
    action: Action,
}

/// More steps than a person writes.
const MOST_STEPS: usize = 1000;

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    /// With the first thing that is wrong, and on which line.
    pub fn from_toml(text: &str) -> Result<Self, ScenarioError> {
        let line = |at: usize| text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
        let file: File = toml::from_str(text).map_err(|error| ScenarioError {
            line: error.span().map_or(1, |span| line(span.start)),
            what: error.message().trim().to_owned(),
        })?;
        let mut steps = Vec::new();
        for (index, raw) in file.steps.into_iter().enumerate() {
            let place = line(raw.span().start);
            let step = raw.into_inner().step(index, place);
            steps.push(step.map_err(|what| ScenarioError { line: place, what })?);
        }
        let mut parties: Vec<Party> = Vec::new();
        for raw in file.parties {
            let place = line(raw.span().start);
            let wrong = |what| ScenarioError { line: place, what };
            let mut party = raw.into_inner();
            party.place = place;
            party.check().map_err(wrong)?;
            if parties.len() == MOST_STEPS {
                return Err(wrong(format!("expected at most {MOST_STEPS} parties")));
            }
            if parties.iter().any(|known| known.number == party.number) {
                return Err(wrong(format!("party.number: {:?} is given twice", party.number)));
            }
            parties.push(party);
        }
        match steps.get(MOST_STEPS) {
            Some(step) => Err(ScenarioError { line: step.place, what: format!("expected at most {MOST_STEPS} steps") }),
            None => Ok(Self { steps, parties }),
        }
    }

    /// Its steps, in the order of the file.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Who answers at this number, or lets it ring.
    #[must_use]
    pub fn party(&self, number: &str) -> Option<&Party> {
        self.parties.iter().find(|party| party.number == number)
    }

    /// Checks that the lines it names are in the plan, and the numbers of its parties are not.
    ///
    /// # Errors
    /// With the first one that is wrong.
    pub fn check(&self, plan: &Plan) -> Result<(), ScenarioError> {
        for step in &self.steps {
            let acts_on = step.action.line().map(|line| ("do", line));
            let is_line = |name: &str| plan.lines.iter().any(|line| line.name == name);
            if let Some((key, line)) = acts_on.filter(|(_, line)| !is_line(line)) {
                let known: Vec<&str> = plan.lines.iter().map(|line| line.name.as_str()).collect();
                let what = format!("step.{key}: there is no line {line:?}; expected one of {}", known.join(", "));
                return Err(ScenarioError { line: step.place, what });
            }
        }
        for party in &self.parties {
            let mut lines = plan.lines.iter();
            let taken = lines.any(|line| {
                line.number == party.number || line.distinctive.iter().any(|more| more.number == party.number)
            }) || plan.hunt_groups.iter().any(|group| group.number == party.number);
            if taken {
                let what = format!("party.number: {:?} is a line's; expected one that is free", party.number);
                return Err(ScenarioError { line: party.place, what });
            }
        }
        Ok(())
    }
}

impl RawStep {
    fn step(self, index: usize, place: usize) -> Result<Step, String> {
        let name = self.name.unwrap_or_else(|| format!("step-{}", index + 1));
        action::check_name("step.name", &name)?;
        let when = match (self.at, self.on, self.every, self.after) {
            (Some(at), None, every, None) => When::At { at, every },
            (None, Some(on), None, after) => When::On { on, after: after.unwrap_or_default() },
            (Some(_), Some(_), ..) => return Err("step: both `at` and `on`; expected one of them".into()),
            (None, None, ..) => return Err("step: neither `at` nor `on`; expected one of them".into()),
            (Some(_), None, _, Some(_)) => return Err("step.after: belongs to `on`; `at` is a time already".into()),
            (None, Some(_), Some(_), _) => return Err("step.every: belongs to `at`; `on` repeats by itself".into()),
        };
        if matches!(&when, When::At { every: Some(every), .. } if every.0.as_millis() < 10) {
            return Err("step.every: expected 10ms or more".into());
        }
        let chance = self.chance.unwrap_or(1.0);
        if !(0.0..=1.0).contains(&chance) {
            return Err(format!("step.chance: {chance} is no probability; expected 0 to 1"));
        }
        let once = matches!(when, When::At { every: None, .. });
        if matches!(when, When::At { .. }) && self.action.needs_line() {
            return Err("step.do: no `line`; expected one, as no event gives it".into());
        }
        self.action.check()?;
        let times = self.times.unwrap_or(if once { 1 } else { u32::MAX });
        Ok(Step { name, when, chance, times, action: self.action, place })
    }
}

impl Treatment {
    /// A treatment by its name in scenarios, where it needs no more than that.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "normal" => Self::Normal,
            "busy" => Self::Busy,
            "congestion" => Self::Congestion,
            "unknown" => Self::Unknown,
            "no-answer" => Self::NoAnswer,
            "no-caller-id" => Self::NoCallerId,
            "garbled-caller-id" => Self::GarbledCallerId,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::plan::LinePlan;

    fn refused(text: &str) -> String {
        Scenario::from_toml(text).unwrap_err().to_string()
    }

    #[test]
    fn steps_are_read_with_their_moments_and_actions() {
        let text = "[[step]]\nat = \"10s\"\ndo.call = { to = \"200\", number = \"555\", rings = 2 }\n\n\
                    [[step]]\nname = \"flaky\"\non = { event = \"connected\", line = \"bob\", nth = 2 }\n\
                    after = \"1m 500ms\"\nchance = 0.5\ndo.carrier-loss = { lasts = \"2s\" }\n";
        let scenario = Scenario::from_toml(text).unwrap();
        let [first, second] = scenario.steps() else { panic!("two steps") };
        assert_eq!((first.name.as_str(), first.times), ("step-1", 1));
        assert!(matches!(&first.action, Action::Call(call) if call.rings == Some(2)));
        assert_eq!((second.name.as_str(), second.times, second.place), ("flaky", u32::MAX, 5));
        assert!(matches!(&second.when, When::On { after, .. } if after.0.as_millis() == 60_500));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_what_was_expected() {
        for (text, said) in [
            ("[[step]]\nat = \"1s\"\ndoes.drop = {}\n", "line 3: unknown field `does`, expected one of `name`, `at`"),
            ("[[step]]\nat = \"1s\"\ndo.explode = {}\n", "line 3: unknown variant `explode`, expected one of `call`"),
            ("[[step]]\nat = \"soon\"\ndo.alive = { line = \"a\" }\n", "line 2: `soon` is no length of time; expected"),
            ("\n[[step]]\ndo.alive = { line = \"a\" }\n", "line 2: step: neither `at` nor `on`"),
            ("[[step]]\nat = \"1s\"\ndo.drop = {}\n", "line 1: step.do: no `line`"),
            ("[[step]]\nat = \"1s\"\nchance = 2.0\ndo.drop = { line = \"a\" }\n", "line 1: step.chance: 2 is no"),
            ("[[step]]\non = { event = \"rang\" }\ndo.drop = {}\n", "line 2: `rang` is no event; expected one of"),
            ("[[step]]\nat = \"1s\"\ndo.call = { to = \"bob\" }\n", "line 1: step.do.call.to: \"bob\" is no number"),
            (
                "[[step]]\nat = \"1s\"\ndo.calls = { as = \"odd\" }\n",
                "line 1: step.do.calls.as: \"odd\" is no treatment",
            ),
            ("[[step]\n", "line 1: "),
            ("[[party]]\nname = \"Bbs\"\nnumber = \"1\"\n", "line 1: party.name: \"Bbs\" is no name; expected"),
            ("[[party]]\nname = \"a\"\nnumber = \"1\"\nrings = 0\n", "line 1: party.rings: expected 1 to 1000"),
        ] {
            let told = refused(text);
            assert!(told.starts_with(said), "{text}: {told}");
        }
    }

    #[test]
    fn a_line_that_is_not_in_the_plan_is_named() {
        let scenario = Scenario::from_toml("[[step]]\nat = \"1s\"\ndo.dead = { line = \"bob\" }\n").unwrap();
        let line = LinePlan { name: "alice".into(), number: "1".into(), ..LinePlan::default() };
        let refused = scenario.check(&Plan { lines: vec![line], ..Plan::default() }).unwrap_err();
        assert_eq!(refused.to_string(), "line 1: step.do: there is no line \"bob\"; expected one of alice");
        let scenario = Scenario::from_toml("[[party]]\nname = \"bbs\"\nnumber = \"1\"\n").unwrap();
        let line = LinePlan { name: "alice".into(), number: "1".into(), ..LinePlan::default() };
        let refused = scenario.check(&Plan { lines: vec![line], ..Plan::default() }).unwrap_err();
        assert_eq!(refused.to_string(), "line 1: party.number: \"1\" is a line's; expected one that is free");
    }
}
