//! What the two sides can say, and how each of it is written (docs/handshake.md). Every line has a checksum, and whatever
//! a person may see is words.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::line::{checked, unchecked};
use super::proof::Nonce;

/// A line of the caller's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromCaller {
    /// Say the last line again: what came failed its checksum.
    Again,
    /// That is all.
    Bye,
    /// I speak this version, and want to wake you.
    Hello {
        /// The version.
        version: u32,
    },
    /// A part of the signature.
    Proof {
        /// Which part, 1 or 2.
        part: usize,
        /// Its digits.
        digits: String,
    },
}

/// A line of the host's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FromHost {
    /// Say the last line again: what came failed its checksum.
    Again,
    /// Sign this.
    Challenge(Nonce),
    /// That was not right.
    Denied {
        /// How many tries are left.
        left: usize,
    },
    /// What will happen.
    Told(Verdict),
}

/// What the host will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It comes online.
    Waking,
    /// It is online already, there.
    Online(IpAddr),
    /// Nothing.
    Refused(Refusal),
}

/// Why a host does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// Its owner's budget does not allow it.
    Budget,
    /// It is coming online, or going to sleep: the call is too late or too early.
    Busy,
    /// Its provider has refused it, and is not called for now.
    Provider,
    /// It could not note down that a code is used.
    State,
    /// Nothing right was said in time.
    Time,
    /// Nothing right was said as often as one may try.
    Tries,
    /// It does not speak the caller's version.
    Version,
}

impl Refusal {
    const ALL: [Self; 7] =
        [Self::Budget, Self::Busy, Self::Provider, Self::State, Self::Time, Self::Tries, Self::Version];

    /// The refusal as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Budget => "BUDGET",
            Self::Busy => "BUSY",
            Self::Provider => "PROVIDER",
            Self::State => "STATE",
            Self::Time => "TIME",
            Self::Tries => "TRIES",
            Self::Version => "VERSION",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Budget => "the budget of calls or minutes is spent",
            Self::Busy => "its line is about to be used, try again",
            Self::Provider => "its provider refuses it for now",
            Self::State => "it cannot note the code as used",
            Self::Time => "nothing right was said in time",
            Self::Tries => "nothing right was said in three tries",
            Self::Version => "it speaks another version",
        })
    }
}

impl fmt::Display for Verdict {
    /// In words, for a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waking => f.write_str("waking: hang up now, it comes online by itself"),
            Self::Online(address) => write!(f, "already online at {address}"),
            Self::Refused(refusal) => write!(f, "refused: {refusal}"),
        }
    }
}

impl fmt::Display for FromCaller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&checked(&match self {
            Self::Again => "AGAIN".to_owned(),
            Self::Bye => "BYE".to_owned(),
            Self::Hello { version } => format!("RINGUP {version}"),
            Self::Proof { part, digits } => format!("PROOF {part} {digits}"),
        }))
    }
}

impl fmt::Display for FromHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&checked(&match self {
            Self::Again => "AGAIN".to_owned(),
            Self::Challenge(nonce) => format!("CHALLENGE {nonce}"),
            Self::Denied { left } => format!("DENIED {left} tries left"),
            Self::Told(Verdict::Waking) => "WAKING hang up, it comes online now".to_owned(),
            Self::Told(Verdict::Online(address)) => format!("ONLINE {address}"),
            Self::Told(Verdict::Refused(refusal)) => format!("REFUSED {} {refusal}", refusal.as_str()),
        }))
    }
}

/// Why a line was not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotUnderstood {
    /// It has no checksum, or another one than its text.
    #[error("the line was garbled")]
    Garbled,
    /// It is whole, and none of the lines that are known.
    #[error("the line is none that is known")]
    Foreign,
}

impl FromStr for FromCaller {
    type Err = NotUnderstood;

    fn from_str(line: &str) -> Result<Self, NotUnderstood> {
        let text = unchecked(line).ok_or(NotUnderstood::Garbled)?;
        let words: Vec<&str> = text.split(' ').collect();
        match words.as_slice() {
            ["AGAIN"] => Ok(Self::Again),
            ["BYE"] => Ok(Self::Bye),
            ["RINGUP", version] => {
                version.parse().map(|version| Self::Hello { version }).map_err(|_no_number| NotUnderstood::Foreign)
            }
            ["PROOF", part @ ("1" | "2"), digits] => {
                let part = if *part == "1" { 1 } else { 2 };
                Ok(Self::Proof { part, digits: (*digits).to_owned() })
            }
            _ => Err(NotUnderstood::Foreign),
        }
    }
}

impl FromStr for FromHost {
    type Err = NotUnderstood;

    fn from_str(line: &str) -> Result<Self, NotUnderstood> {
        let text = unchecked(line).ok_or(NotUnderstood::Garbled)?;
        let mut words = text.split(' ');
        let (first, second) = (words.next().unwrap_or_default(), words.next());
        let known = match (first, second) {
            ("AGAIN", None) => Some(Self::Again),
            ("CHALLENGE", Some(nonce)) => Nonce::parse(nonce).map(Self::Challenge),
            ("DENIED", Some(left)) => left.parse().ok().map(|left| Self::Denied { left }),
            ("WAKING", _) => Some(Self::Told(Verdict::Waking)),
            ("ONLINE", Some(address)) => address.parse().ok().map(|address| Self::Told(Verdict::Online(address))),
            ("REFUSED", Some(word)) => {
                let refusal = Refusal::ALL.into_iter().find(|refusal| refusal.as_str() == word);
                refusal.map(|refusal| Self::Told(Verdict::Refused(refusal)))
            }
            _ => None,
        };
        known.ok_or(NotUnderstood::Foreign)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::LINE_LIMIT;
    use super::*;

    fn every_word_of_the_host() -> Vec<FromHost> {
        let longest: IpAddr = "2001:db8:1234:5678:9abc:def0:1234:5678".parse().unwrap();
        let refusals = Refusal::ALL.map(|refusal| FromHost::Told(Verdict::Refused(refusal)));
        let others = [
            FromHost::Again,
            FromHost::Challenge(Nonce::from_bytes([0xa5; 16])),
            FromHost::Denied { left: 2 },
            FromHost::Told(Verdict::Waking),
            FromHost::Told(Verdict::Online(longest)),
        ];
        others.into_iter().chain(refusals).collect()
    }

    #[test]
    fn every_line_fits_is_plain_and_reads_back() {
        for word in every_word_of_the_host() {
            let line = word.to_string();
            assert!(line.len() <= LINE_LIMIT && line.is_ascii(), "{line}");
            assert_eq!(line.parse(), Ok(word), "{line}");
        }
        let digits = "Z".repeat(52);
        let caller = [
            FromCaller::Again,
            FromCaller::Bye,
            FromCaller::Hello { version: u32::MAX },
            FromCaller::Proof { part: 1, digits },
        ];
        for word in caller {
            let line = word.to_string();
            assert!(line.len() <= LINE_LIMIT && line.is_ascii(), "{line}");
            assert_eq!(line.parse(), Ok(word), "{line}");
        }
    }

    #[test]
    fn what_a_person_is_told_fits_too() {
        for word in every_word_of_the_host() {
            if let FromHost::Told(verdict) = word {
                assert!(verdict.to_string().len() <= LINE_LIMIT, "{verdict}");
            }
        }
    }

    #[test]
    fn neither_side_takes_its_own_words_for_the_others() {
        for word in [FromCaller::Hello { version: 1 }, FromCaller::Bye] {
            assert_eq!(word.to_string().parse::<FromHost>(), Err(NotUnderstood::Foreign));
        }
        for word in every_word_of_the_host().into_iter().filter(|word| *word != FromHost::Again) {
            assert_eq!(word.to_string().parse::<FromCaller>(), Err(NotUnderstood::Foreign));
        }
    }

    proptest! {
        #[test]
        fn what_is_understood_was_said(text in "(AGAIN|BYE|RINGUP|PROOF|CHALLENGE|DENIED|ONLINE|REFUSED)( [0-9A-Z]{0,8}){0,3}") {
            let line = checked(&text);
            if let Ok(word) = line.parse::<FromCaller>() {
                prop_assert_eq!(word.to_string().parse(), Ok(word));
            }
            if let Ok(word) = line.parse::<FromHost>() {
                prop_assert_eq!(word.to_string().parse(), Ok(word));
            }
        }
    }
}
