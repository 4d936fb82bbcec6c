//! The name of a host: validated once, compared as bytes ever after.
//!
//! Refuses everything that could be confused with another name: capitals, final dots, underscores (the statement's own
//! label is `_ringup`), and names too long to have that label put before them.

use std::fmt;
use std::str::FromStr;

/// An absolute DNS host name in lower case without its final dot, at most 200 characters (RFC 1123 section 2.1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct HostName(Box<str>);

impl HostName {
    /// The longest name accepted, in characters: what leaves room for labels put before it (RFC 1035 section 2.3.4).
    pub const LONGEST: usize = 200;

    /// Gives the name as text, lower case, without a final dot.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Gives the labels from left to right; there is at least one and none is empty.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.0.split('.')
    }

    /// Tells whether this name is `zone` itself or lies below it.
    #[must_use]
    pub fn is_within(&self, zone: &Self) -> bool {
        self.0.strip_suffix(&*zone.0).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }

    /// Gives the name one label up, or `None` for a single label.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.0.split_once('.').map(|(_, parent)| Self(parent.into()))
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for HostName {
    type Err = HostNameError;

    /// Reads a name in any case, with or without its final dot.
    fn from_str(text: &str) -> Result<Self, HostNameError> {
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        if name.is_empty() {
            return Err(HostNameError::Empty);
        }
        if name.len() > Self::LONGEST {
            return Err(HostNameError::TooLong(name.len()));
        }
        match name.split('.').find(|label| !is_label(label)) {
            Some(label) => Err(HostNameError::BadLabel(label.to_owned())),
            None => Ok(Self(name.into())),
        }
    }
}

impl TryFrom<String> for HostName {
    type Error = HostNameError;

    fn try_from(text: String) -> Result<Self, HostNameError> {
        text.parse()
    }
}

/// Why a text is no host name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostNameError {
    /// There is nothing there.
    #[error("a host name is empty; expected a name such as home.dyn.example.net")]
    Empty,
    /// More than [`HostName::LONGEST`] characters.
    #[error("a host name has {0} characters; expected at most {max}", max = HostName::LONGEST)]
    TooLong(usize),
    /// A label that is empty, too long, or not letters, digits and inner hyphens.
    #[error("bad label \"{}\" in a host name; expected 1 to 63 letters, digits and inner hyphens", .0.escape_default())]
    BadLabel(String),
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lowered_and_lose_the_final_dot() {
        let name: HostName = "Home.DYN.test.".parse().unwrap();
        assert_eq!(name.as_str(), "home.dyn.test");
        assert_eq!(name, "home.dyn.test".parse().unwrap());
        assert_eq!(name.parent().unwrap().as_str(), "dyn.test");
    }

    #[test]
    fn names_that_could_be_mistaken_are_refused() {
        for bad in ["", ".", "a..b", "-a.test", "a-.test", "_ringup.home.test", "hö.test", "a b", "a.test..", "a\0b"] {
            assert!(bad.parse::<HostName>().is_err(), "{bad:?}");
        }
        assert!("a".repeat(64).parse::<HostName>().is_err());
        assert!(vec!["a"; 101].join(".").parse::<HostName>().is_err());
        assert!(vec!["a"; 100].join(".").parse::<HostName>().is_ok());
    }

    #[test]
    fn a_name_lies_within_its_zone_by_whole_labels_only() {
        let zone: HostName = "dyn.test".parse().unwrap();
        for (name, within) in [("dyn.test", true), ("home.dyn.test", true), ("homedyn.test", false), ("test", false)] {
            assert_eq!(name.parse::<HostName>().unwrap().is_within(&zone), within, "{name}");
        }
    }
}
