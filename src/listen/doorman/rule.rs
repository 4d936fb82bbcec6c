//! The owner's rules: whose call, how many rings, and what then. The first rule that fits the caller decides.
//!
//! Owns what can be said of a caller before it is known who it is. Refuses to believe it: caller identification is a
//! filter, and whoever knows a number that may wake can pretend to have it (RFC 2196 4.5.4).

use std::str::FromStr;
use std::time::Duration;

use hayes::caller::CallerNumber;
use hayes::number::{CallingCode, Pattern, PatternError};

/// A rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Whose calls it is for.
    pub callers: Vec<Who>,
    /// How many rings it takes.
    pub rings: u32,
    /// What a call does.
    pub action: Action,
    /// How many calls it takes, one after the other.
    pub calls: Calls,
    /// How long after one wake the next is ignored.
    pub cooldown: Duration,
}

/// Whose call a rule is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// Whoever calls.
    Any,
    /// A caller whose number fits.
    Number(Pattern),
    /// A caller who does not want to be known.
    Withheld,
    /// A caller whose number the network does not know, or does not tell.
    Unknown,
}

/// What a call does that a rule is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Action {
    /// It is answered, and whoever proves to be allowed may wake the machine.
    Answer,
    /// Nothing.
    Ignore,
    /// It wakes the machine, unanswered.
    #[default]
    Wake,
}

/// How many calls it takes to wake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Calls {
    /// One.
    #[default]
    One,
    /// Two: the caller hangs up, and calls again within this time from the last ring of the first call.
    Two {
        /// That time.
        within: Duration,
    },
}

/// What is known of who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    /// Caller identification may still come.
    Awaited,
    /// This number.
    Known(String),
    /// The caller withheld it.
    Withheld,
    /// The network had none, or told nothing.
    Unknown,
}

/// Which rule a call falls under.
#[derive(Debug)]
pub(super) enum Found<'rules> {
    /// This one.
    Rule(&'rules Rule),
    /// None.
    NoRule,
    /// That depends on who calls.
    NotYet,
}

impl Caller {
    pub(super) fn of(number: Option<&CallerNumber>) -> Self {
        match number {
            Some(CallerNumber::Known(digits)) => Self::Known(digits.clone()),
            Some(CallerNumber::Withheld) => Self::Withheld,
            Some(CallerNumber::Unavailable) | None => Self::Unknown,
        }
    }
}

impl Who {
    /// Whether it is this caller; `None` while that cannot be told.
    fn fits(&self, caller: &Caller, home: Option<CallingCode>) -> Option<bool> {
        match (self, caller) {
            (Self::Any, _) => Some(true),
            (Self::Number(_) | Self::Withheld | Self::Unknown, Caller::Awaited) => None,
            (Self::Number(pattern), Caller::Known(digits)) => Some(pattern.matches(digits, home)),
            (Self::Withheld, Caller::Withheld) | (Self::Unknown, Caller::Unknown) => Some(true),
            (Self::Number(_), Caller::Withheld | Caller::Unknown)
            | (Self::Withheld, Caller::Known(_) | Caller::Unknown)
            | (Self::Unknown, Caller::Known(_) | Caller::Withheld) => Some(false),
        }
    }
}

impl FromStr for Who {
    type Err = PatternError;

    /// Reads `any`, `withheld`, `unknown`, or a number or the beginning of one.
    fn from_str(text: &str) -> Result<Self, PatternError> {
        Ok(match text {
            "any" => Self::Any,
            "withheld" => Self::Withheld,
            "unknown" => Self::Unknown,
            number => Self::Number(number.parse()?),
        })
    }
}

impl Rule {
    fn fits(&self, caller: &Caller, home: Option<CallingCode>) -> Option<bool> {
        let mut told = Some(false);
        for who in &self.callers {
            match who.fits(caller, home) {
                Some(true) => return Some(true),
                Some(false) => {}
                None => told = None,
            }
        }
        told
    }
}

/// The first rule for this caller.
pub(super) fn find<'rules>(rules: &'rules [Rule], caller: &Caller, home: Option<CallingCode>) -> Found<'rules> {
    for rule in rules {
        match rule.fits(caller, home) {
            Some(true) => return Found::Rule(rule),
            Some(false) => {}
            None => return Found::NotYet,
        }
    }
    Found::NoRule
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(callers: &[Who], rings: u32) -> Rule {
        let callers = callers.to_vec();
        Rule { callers, rings, action: Action::Wake, calls: Calls::One, cooldown: Duration::ZERO }
    }

    fn number(text: &str) -> Who {
        Who::Number(text.parse().unwrap())
    }

    fn rings(rules: &[Rule], caller: &Caller) -> Option<u32> {
        match find(rules, caller, None) {
            Found::Rule(rule) => Some(rule.rings),
            Found::NoRule => Some(0),
            Found::NotYet => None,
        }
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let rules = [
            rule(&[number("+44 1632 960123")], 1),
            rule(&[number("+44 1632*"), Who::Withheld], 2),
            rule(&[Who::Unknown], 3),
            rule(&[Who::Any], 4),
        ];
        let known = |digits: &str| Caller::Known(digits.to_owned());
        assert_eq!(rings(&rules, &known("01632960123")), Some(1));
        assert_eq!(rings(&rules, &known("+441632960124")), Some(2));
        assert_eq!(rings(&rules, &Caller::Withheld), Some(2));
        assert_eq!(rings(&rules, &Caller::Unknown), Some(3));
        assert_eq!(rings(&rules, &known("5550101")), Some(4));
        assert_eq!(rings(&rules[..1], &known("5550101")), Some(0));
    }

    #[test]
    fn a_rule_that_needs_the_number_is_waited_for_and_one_that_does_not_is_not() {
        assert_eq!(rings(&[rule(&[Who::Any], 1), rule(&[number("5550101")], 2)], &Caller::Awaited), Some(1));
        assert_eq!(rings(&[rule(&[number("5550101")], 1), rule(&[Who::Any], 2)], &Caller::Awaited), None);
        assert_eq!(rings(&[rule(&[Who::Withheld], 1)], &Caller::Awaited), None);
        assert_eq!(rings(&[rule(&[Who::Withheld, Who::Any], 1)], &Caller::Awaited), Some(1));
        assert_eq!(rings(&[], &Caller::Awaited), Some(0));
    }
}
