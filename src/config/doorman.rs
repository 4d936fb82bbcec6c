//! Who may wake this machine: `callers` in `[listen]`, or a `[[listen.caller]]` each; and how often.

use std::fmt;

use hayes::number::CallingCode;
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::file::Listen;
use super::value::Span;
use super::{Config, ConfigError};
use crate::listen::doorman::{self, Calls, Policy, Rule, Who};

/// A rule of the doorman's.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Caller {
    /// Whose calls it is for.
    pub number: Callers,
    /// What such a call does.
    #[serde(default, rename = "do")]
    pub action: Action,
    /// How many rings it takes.
    pub rings: Option<u32>,
    /// How many calls it takes.
    #[serde(default = "default_calls")]
    pub calls: u32,
    /// Within which time the second call must come.
    #[serde(default = "default_within")]
    pub within: Span,
    /// How long after a wake further calls of theirs are ignored.
    pub cooldown: Option<Span>,
}

/// What a call does.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It is answered, and whoever proves to be allowed may wake.
    Answer,
    /// Nothing.
    Ignore,
    /// It wakes.
    #[default]
    Wake,
}

/// Callers: one or several of a number, the beginning of one, `withheld`, `unknown`, `any`.
#[derive(Clone, Debug, Default)]
pub struct Callers(pub Vec<Who>);

/// How many calls may wake or be answered.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limits {
    /// By one caller.
    #[serde(default = "default_per_caller")]
    pub per_caller: u32,
    /// By all together.
    #[serde(default = "default_in_all")]
    pub in_all: u32,
    /// Within this time.
    #[serde(default = "default_limits_within")]
    pub within: Span,
}

/// A country's calling code.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Code(CallingCode);

impl TryFrom<String> for Code {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map(Self).map_err(|error| format!("`{text}`: {error}"))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { per_caller: default_per_caller(), in_all: default_in_all(), within: default_limits_within() }
    }
}

impl<'de> Deserialize<'de> for Callers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMore;

        fn who<E: de::Error>(text: &str) -> Result<Who, E> {
            text.parse().map_err(|error| E::custom(format!("`{text}` is not a telephone number: {error}")))
        }

        impl<'de> Visitor<'de> for OneOrMore {
            type Value = Callers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a telephone number such as \"555-0101\" or \"+44 1632*\", \"withheld\", \"unknown\", \"any\", or a list of them")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Callers, E> {
                Ok(Callers(vec![who(text)?]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut texts: A) -> Result<Callers, A::Error> {
                let mut callers = Vec::new();
                while let Some(text) = texts.next_element::<String>()? {
                    callers.push(who(&text)?);
                }
                Ok(Callers(callers))
            }
        }

        deserializer.deserialize_any(OneOrMore)
    }
}

impl Config {
    /// The doorman's rules.
    pub(super) fn policy(&self, section: &Listen) -> Result<Policy, ConfigError> {
        if section.rings == 0 {
            return Err(self.wrong("listen.rings", "expected at least 1"));
        }
        let mut rules = Vec::new();
        for (index, caller) in section.rules.iter().enumerate() {
            rules.push(self.rule(section, caller, &|key| format!("listen.caller[{index}].{key}"))?);
        }
        match (section.callers.0.as_slice(), rules.is_empty()) {
            ([], true) => {
                return Err(
                    self.wrong("listen.callers", "nobody may wake this machine; expected numbers, or [\"any\"]")
                );
            }
            ([], false) => {}
            (callers, true) => rules.push(Rule {
                callers: callers.to_vec(),
                rings: section.rings,
                action: doorman::Action::Wake,
                calls: Calls::One,
                cooldown: section.cooldown.duration(),
            }),
            (_, false) => {
                let message = "callers are listed here and in [[listen.caller]]; expected the one or the other";
                return Err(self.wrong("listen.callers", message));
            }
        }
        let Limits { per_caller, in_all, within } = section.limits;
        for (key, tokens) in [("per-caller", per_caller), ("in-all", in_all)] {
            if tokens == 0 {
                return Err(self.wrong(&format!("listen.limits.{key}"), "expected at least 1"));
            }
        }
        let limits = doorman::Limits { per_caller, in_all, within: within.duration() };
        let home = section.country_code.map(|code| code.0);
        Ok(Policy { rules, home, cadence: section.cadence.duration(), limits })
    }

    fn rule(&self, section: &Listen, caller: &Caller, key: &dyn Fn(&str) -> String) -> Result<Rule, ConfigError> {
        if caller.number.0.is_empty() {
            return Err(self.wrong(&key("number"), "names nobody; expected a number, or \"any\""));
        }
        let rings = caller.rings.unwrap_or(section.rings);
        if rings == 0 {
            return Err(self.wrong(&key("rings"), "expected at least 1"));
        }
        let (action, calls) = match (caller.action, caller.calls) {
            (Action::Wake, 1) => (doorman::Action::Wake, Calls::One),
            (Action::Wake, 2) => (doorman::Action::Wake, Calls::Two { within: caller.within.duration() }),
            (Action::Wake, _) => return Err(self.wrong(&key("calls"), "expected 1 or 2")),
            (Action::Answer, 1) => (doorman::Action::Answer, Calls::One),
            (Action::Ignore, 1) => (doorman::Action::Ignore, Calls::One),
            (Action::Answer | Action::Ignore, _) => {
                return Err(self.wrong(&key("calls"), "only a rule that wakes counts calls; leave it out"));
            }
        };
        let cooldown = caller.cooldown.unwrap_or(section.cooldown).duration();
        Ok(Rule { callers: caller.number.0.clone(), rings, action, calls, cooldown })
    }
}

fn default_calls() -> u32 {
    1
}

fn default_within() -> Span {
    Span::seconds(120)
}

fn default_per_caller() -> u32 {
    20 // a client that redials by itself makes a handful
}

fn default_in_all() -> u32 {
    60
}

fn default_limits_within() -> Span {
    Span::seconds(3600)
}

#[cfg(test)]
mod tests {
    use super::super::tests::load;
    use super::*;

    fn policy(listen: &str) -> Result<Policy, String> {
        let config = load(&format!("[listen]\n{listen}\n")).map_err(|error| error.to_string())?;
        config.policy(config.file().listen.as_ref().unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_list_of_callers_is_one_rule_for_all() {
        let policy = policy("callers = [\"555-0101\", \"withheld\"]\nrings = 3\ncooldown = \"5s\"").unwrap();
        let [rule] = &policy.rules[..] else { panic!("{:?}", policy.rules) };
        assert_eq!(rule.callers, ["555-0101".parse().unwrap(), Who::Withheld]);
        assert_eq!((rule.rings, rule.action, rule.calls), (3, doorman::Action::Wake, Calls::One));
        assert_eq!(rule.cooldown, std::time::Duration::from_secs(5));
        assert_eq!(policy.limits.per_caller, 20);
    }

    #[test]
    fn rules_are_taken_in_order_and_fill_up_what_they_leave_out_from_listen() {
        let policy = policy(
            "rings = 3\n[[listen.caller]]\nnumber = \"+44 1632*\"\ncalls = 2\nwithin = \"1m\"\n\
             [[listen.caller]]\nnumber = [\"any\"]\ndo = \"ignore\"\nrings = 1",
        )
        .unwrap();
        let [first, last] = &policy.rules[..] else { panic!("{:?}", policy.rules) };
        assert_eq!((first.rings, first.cooldown.as_secs()), (3, 30));
        assert_eq!(first.calls, Calls::Two { within: std::time::Duration::from_secs(60) });
        assert_eq!((last.rings, last.action), (1, doorman::Action::Ignore));
        assert_eq!(last.callers, [Who::Any]);
    }

    #[test]
    fn what_cannot_be_meant_is_named_with_its_line() {
        let rule = "[[listen.caller]]\nnumber = \"any\"";
        for (listen, place, what) in [
            ("", "1: listen.callers", "nobody may wake"),
            ("callers = []", "2: listen.callers", "nobody may wake"),
            (&format!("callers = [\"any\"]\n{rule}"), "2: listen.callers", "the one or the other"),
            (&format!("{rule}\ncalls = 3"), "4: listen.caller[0].calls", "1 or 2"),
            (&format!("{rule}\nrings = 0"), "4: listen.caller[0].rings", "at least 1"),
            (&format!("{rule}\ndo = \"ignore\"\ncalls = 2"), "5: listen.caller[0].calls", "leave it out"),
            ("[[listen.caller]]\nnumber = []", "3: listen.caller[0].number", "names nobody"),
            ("callers = [\"555-01x\"]", "2: listen.callers", "'x' cannot be dialled"),
            ("callers = [\"*\"]", "2: listen.callers", "write \"any\""),
            ("[[listen.caller]]\nnumber = 5550101", "3: listen.caller[0].number", "expected a telephone number"),
            ("callers = [\"any\"]\ncountry-code = \"GB\"", "3: listen.country-code", "\"44\""),
            ("callers = [\"any\"]\n[listen.limits]\nin-all = 0", "4: listen.limits.in-all", "at least 1"),
        ] {
            let said = policy(listen).unwrap_err();
            assert!(said.contains(&format!("home.toml:{place}")) && said.contains(what), "{listen:?}: {said}");
        }
    }
}
