//! Whose calls are meant: one number in any of its forms, or all that begin alike.
//!
//! Owns the comparison of a number that an owner wrote with one that a network showed. Networks show the same caller as
//! `+44 1632 960123`, `01632 960123`, `1632 960123` or `0044 1632 960123`.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::plan::CallingCode;
use super::{NUMBER_LIMIT, Number, NumberError};

/// A number, or the beginning of many, in international or national form.
///
/// ```
/// # use hayes::number::Pattern;
/// let county: Pattern = "+44 1632*".parse().unwrap();
/// assert!(county.matches("01632960123", None));
/// assert!(!county.matches("+442079460123", None));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Pattern {
    form: Form,
    /// Whether more digits may follow.
    open: bool,
}

/// A number by how it was written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Form {
    /// The digits behind `+`.
    International(String),
    /// Digits as they are dialled within a country.
    National(String),
}

/// Why a text is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PatternError {
    /// What stands before the `*` is no number.
    #[error(transparent)]
    Number(#[from] NumberError),
    /// A `*` stands elsewhere than at the end, or something that is dialled but never shown as a caller's number.
    #[error("a caller's number has digits and one `+` only; `*` at the end stands for any more of them")]
    NotShown,
    /// Nothing but a `*`.
    #[error("every number begins so; write \"any\" if whoever calls is meant")]
    Everybody,
}

/// The shortest national number that may be taken for one whose international form is known: less is an extension, and
/// says nothing of the rest.
const SHORTEST_NATIONAL: usize = 5;

impl Pattern {
    /// Reports whether a number that caller identification showed is meant.
    ///
    /// A national form is the same as an international one if it is that number within its own country. `home` is the
    /// country in which the calls come in: national forms are then its numbers alone.
    #[must_use]
    pub fn matches(&self, shown: &str, home: Option<CallingCode>) -> bool {
        let Some(shown) = Form::read(shown, home) else { return false };
        match (&self.form, &shown) {
            (Form::International(pattern), Form::International(shown)) => self.fits(pattern, shown),
            (Form::National(pattern), Form::National(shown)) => {
                self.fits(pattern, shown) || self.fits(without_prefix(pattern, home), without_prefix(shown, home))
            }
            (Form::International(pattern), Form::National(shown)) => CallingCode::split(pattern)
                .is_some_and(|(code, pattern)| self.fits_within(code, home, pattern, shown, shown.len())),
            (Form::National(pattern), Form::International(shown)) => CallingCode::split(shown)
                .is_some_and(|(code, shown)| self.fits_within(code, home, pattern, shown, pattern.len())),
        }
    }

    /// Compares a national form with the national part of a number of this country; `length` is the national form's.
    fn fits_within(
        &self,
        code: CallingCode,
        home: Option<CallingCode>,
        pattern: &str,
        shown: &str,
        length: usize,
    ) -> bool {
        let here = home.is_none_or(|home| home == code);
        let whole = length >= SHORTEST_NATIONAL || self.open;
        let prefix = code.trunk_prefix();
        let bare = |digits| without(digits, prefix).unwrap_or(digits);
        here && whole && (self.fits(pattern, shown) || self.fits(bare(pattern), bare(shown)))
    }

    fn fits(&self, pattern: &str, shown: &str) -> bool {
        if self.open { shown.starts_with(pattern) } else { shown == pattern }
    }
}

impl Form {
    fn read(text: &str, home: Option<CallingCode>) -> Option<Self> {
        let mut digits = String::new();
        let text = text.trim();
        for c in text.chars().filter(|c| !matches!(c, '+' | ' ' | '-' | '(' | ')' | '.' | '/')) {
            if !c.is_ascii_digit() || digits.len() >= NUMBER_LIMIT {
                return None;
            }
            digits.push(c);
        }
        if digits.is_empty() {
            return None;
        }
        if text.starts_with('+') {
            return Some(Self::International(digits));
        }
        let abroad = home.map_or("00", CallingCode::international_prefix);
        match digits.strip_prefix(abroad).filter(|rest| CallingCode::split(rest).is_some()) {
            Some(rest) => Some(Self::International(rest.to_owned())),
            None => Some(Self::National(digits)),
        }
    }
}

/// A national number without what is put before it in this country, or in most.
fn without_prefix(digits: &str, home: Option<CallingCode>) -> &str {
    without(digits, home.map_or("0", CallingCode::trunk_prefix)).unwrap_or(digits)
}

fn without<'digits>(digits: &'digits str, prefix: &str) -> Option<&'digits str> {
    // North American numbers have ten digits: a `1` before fewer is their own.
    let rest = digits.strip_prefix(prefix)?;
    (prefix != "1" || rest.len() == 10).then_some(rest)
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let text = text.trim();
        let (number, open) = match text.strip_suffix('*') {
            Some(beginning) => (beginning, true),
            None => (text, false),
        };
        if open && number.trim().trim_start_matches('+').is_empty() {
            return Err(PatternError::Everybody);
        }
        let number: Number = number.parse()?;
        let form = Form::read(number.dial_string(), None).ok_or(PatternError::NotShown)?;
        Ok(Self { form, open })
    }
}

impl TryFrom<String> for Pattern {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Self, PatternError> {
        text.parse()
    }
}

impl fmt::Debug for Pattern {
    /// Prints no more of the number than [`Number`] does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (plus, digits) = match &self.form {
            Form::International(digits) => ("+", digits),
            Form::National(digits) => ("", digits),
        };
        let open = if self.open { "*" } else { "" };
        match format!("{plus}{digits}").parse::<Number>() {
            Ok(number) => write!(f, "Pattern({number}{open})"),
            Err(_beginning) => write!(f, "Pattern(·{open})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        text.parse().unwrap()
    }

    fn code(text: &str) -> Option<CallingCode> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn every_form_of_one_number_is_the_same_number() {
        for forms in [
            &["+44 1632 960123", "01632 960123", "1632960123", "0044 1632 960123"][..],
            &["+1 212 555 0101", "212-555-0101", "1 (212) 555-0101"],
            &["+39 06 1234567", "06 1234567", "0039 06 1234567"],
            &["+36 1 234 5678", "06 1 234 5678"],
            &["+7 495 123 45 67", "8 495 123 45 67"],
            &["555-0101", "5550101"],
        ] {
            for written in forms {
                for shown in forms {
                    let shown = shown.replace([' ', '-', '(', ')'], "");
                    let same = pattern(written).matches(&shown, None);
                    let both_national = !written.starts_with(['+']) && !shown.starts_with('+');
                    // Two national forms need their country; 0 is most countries' prefix.
                    assert!(same || both_national, "{written} and {shown}");
                }
            }
        }
        assert!(pattern("1 212 555 0101").matches("2125550101", code("1")));
        assert!(pattern("06 1 234 5678").matches("12345678", code("36")));
        assert!(pattern("01632 960123").matches("1632960123", None));
        assert!(pattern("+44 1632 960123").matches("011441632960123", code("1")));
    }

    #[test]
    fn other_numbers_are_other_numbers() {
        for (written, shown) in [
            ("+44 1632 960123", "+44 1632 960124"),
            ("+44 1632 960123", "960123"),
            ("+1 212 555 0101", "5550101"),
            ("555-0101", "+12125550101"),
            ("555-0101", "15550101"),
            ("+44 123", "123"),
            ("5550101", "P"),
            ("5550101", ""),
            ("5550101", "0207####123"),
        ] {
            assert!(!pattern(written).matches(shown, None), "{written} and {shown}");
        }
    }

    #[test]
    fn a_national_form_is_of_the_country_in_which_the_call_comes_in() {
        let british = pattern("+44 1632 960123");
        assert!(british.matches("01632960123", None));
        assert!(british.matches("01632960123", code("44")));
        assert!(!british.matches("01632960123", code("49")), "the same digits in Germany");
        assert!(!pattern("01632 960123").matches("+441632960123", code("49")));
    }

    #[test]
    fn a_beginning_stands_for_all_that_begin_so() {
        let county = pattern("+44 1632*");
        for shown in ["+441632960123", "01632960123", "1632960123", "+441632"] {
            assert!(county.matches(shown, None), "{shown}");
        }
        for shown in ["+44163", "+49163212345", "0163", "+4471632960123"] {
            assert!(!county.matches(shown, None), "{shown}");
        }
        assert!(pattern("+4*").matches("+4930123456", None));
        assert!(pattern("030*").matches("+4930123456", None));
        assert!(pattern("555*").matches("5550101", None));
    }

    #[test]
    fn what_no_caller_has_is_no_pattern() {
        assert_eq!("*".parse::<Pattern>(), Err(PatternError::Everybody));
        assert_eq!("+*".parse::<Pattern>(), Err(PatternError::Everybody));
        assert_eq!("5*5".parse::<Pattern>(), Err(PatternError::NotShown));
        assert_eq!("T5550101".parse::<Pattern>(), Err(PatternError::NotShown));
        assert_eq!("555x".parse::<Pattern>(), Err(PatternError::Number(NumberError::Character('x'))));
        assert_eq!("".parse::<Pattern>(), Err(PatternError::Number(NumberError::Empty)));
    }

    #[test]
    fn a_pattern_prints_no_whole_number() {
        assert_eq!(format!("{:?}", pattern("+44 1632 960123")), "Pattern(···········23)");
        assert!(!format!("{:?}", pattern("+44 1632*")).contains("163"));
    }
}
