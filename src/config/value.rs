//! The values that a configuration is made of: each parses itself, and says what it expected.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;
use std::time::Duration;

use hayes::number::Number;
use serde::Deserialize;

/// A length of time, written `90s`, `10m`, `1h 30m`, `400 days`; a day has 24 hours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Span(Duration);

impl Span {
    /// A span of whole seconds.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// A span of milliseconds.
    #[must_use]
    pub const fn milliseconds(milliseconds: u64) -> Self {
        Self(Duration::from_millis(milliseconds))
    }

    /// The span as the standard library has it.
    #[must_use]
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let expected = || format!("`{text}` is no length of time; expected one such as \"90s\", \"10m\" or \"1h 30m\"");
        let span: jiff::Span = text.parse().map_err(|_not_friendly: jiff::Error| expected())?;
        let signed = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_months| expected())?;
        Duration::try_from(signed).map(Self).map_err(|_negative| expected())
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", self.0.as_secs_f64())
    }
}

/// A run of IPv4 addresses, written `203.0.113.10` or `203.0.113.10-203.0.113.13`, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct AddressRange {
    first: Ipv4Addr,
    last: Ipv4Addr,
}

impl AddressRange {
    /// Every address of the range, in order.
    pub fn addresses(self) -> impl Iterator<Item = Ipv4Addr> {
        (u32::from(self.first)..=u32::from(self.last)).map(Ipv4Addr::from)
    }
}

impl FromStr for AddressRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected =
            || format!("`{text}` is no address range; expected \"203.0.113.10-203.0.113.13\" or one address");
        let address = |part: &str| part.trim().parse::<Ipv4Addr>().map_err(|_no_address| expected());
        let (first, last) = match text.split_once('-') {
            Some((first, last)) => (address(first)?, address(last)?),
            None => (address(text)?, address(text)?),
        };
        let size = u32::from(last).checked_sub(u32::from(first)).ok_or_else(expected)?;
        if size >= LARGEST_RANGE {
            return Err(format!("`{text}` has more than {LARGEST_RANGE} addresses; expected a smaller range"));
        }
        Ok(Self { first, last })
    }
}

impl TryFrom<String> for AddressRange {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// A telephone number, written as it is dialled; blanks, hyphens, points and brackets are for the eye.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Telephone(Number);

impl Telephone {
    /// The number.
    #[must_use]
    pub fn number(&self) -> &Number {
        &self.0
    }
}

impl TryFrom<String> for Telephone {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map(Self).map_err(|error| format!("`{text}`: {error}; expected such as \"555-0101\""))
    }
}

/// More than any bank of modems has lines; a slip of the pen is caught before it fills a table.
const LARGEST_RANGE: u32 = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_with_their_units() {
        assert_eq!(Span::try_from("90s".to_owned()), Ok(Span::seconds(90)));
        assert_eq!(Span::try_from("1h 30m".to_owned()), Ok(Span::seconds(5400)));
        assert_eq!(Span::try_from("250ms".to_owned()), Ok(Span::milliseconds(250)));
        assert_eq!(Span::try_from("400 days".to_owned()), Ok(Span::seconds(400 * 86_400)));
    }

    #[test]
    fn a_span_without_unit_or_below_zero_says_what_was_expected() {
        for text in ["90", "-5s", "soon", "", "2 months"] {
            let said = Span::try_from(text.to_owned()).unwrap_err();
            assert!(said.contains("expected"), "{said}");
        }
    }

    #[test]
    fn a_range_counts_both_its_ends() {
        let range: AddressRange = "203.0.113.10-203.0.113.13".parse().unwrap();
        assert_eq!(range.addresses().count(), 4);
        assert_eq!("203.0.113.10".parse::<AddressRange>().unwrap().addresses().count(), 1);
    }

    #[test]
    fn a_range_that_runs_backwards_or_too_far_is_refused() {
        assert!("203.0.113.13-203.0.113.10".parse::<AddressRange>().is_err());
        assert!("10.0.0.0-10.255.255.255".parse::<AddressRange>().is_err());
    }
}
