//! Telephone numbers as they are dialled.
//!
//! Owns what may follow `ATD` (V.250 6.3.1), that a number never appears whole in a message or a log, and which forms of
//! a number are the same subscriber's ([`Pattern`]). Refuses to change what is dialled: country codes and trunk prefixes
//! are neither added nor removed.

mod pattern;
mod plan;

use std::fmt::{self, Write};
use std::str::FromStr;

use thiserror::Error;

pub use self::pattern::{Pattern, PatternError};
pub use self::plan::{CallingCode, NoCallingCode};

/// The longest dial string accepted, in characters; most modems take as many in a command line.
pub const NUMBER_LIMIT: usize = 60;

/// A dial string: digits and modifiers, checked, upper-cased and free of blanks and punctuation (V.250 6.3.1).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Number(String);

/// Why a text is no dial string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NumberError {
    /// The text has no digit, `*` or `#` to dial.
    #[error("there is nothing to dial in it")]
    Empty,
    /// The text has a character that no modem dials.
    #[error("{0:?} cannot be dialled")]
    Character(char),
    /// The text is longer than [`NUMBER_LIMIT`].
    #[error("it is longer than {NUMBER_LIMIT} characters")]
    TooLong,
}

impl Number {
    /// Returns the characters to send after `ATD`; the one place where the number is whole.
    #[must_use]
    pub fn dial_string(&self) -> &str {
        &self.0
    }

    /// Reports whether the number says itself how to dial (`T` or `P` first).
    pub(crate) fn chooses_tone_or_pulse(&self) -> bool {
        self.0.starts_with(['T', 'P'])
    }

    /// Reports whether the modem returns to command state right after dialling (`;`, V.250 6.3.1).
    pub(crate) fn stays_in_command_state(&self) -> bool {
        self.0.ends_with(';')
    }
}

impl FromStr for Number {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Self, NumberError> {
        let mut dial = String::new();
        for c in text.trim().chars() {
            match c.to_ascii_uppercase() {
                ' ' | '-' | '(' | ')' | '.' => {}
                '+' if dial.contains(|c: char| c.is_ascii_digit()) => return Err(NumberError::Character('+')),
                c @ ('0'..='9' | '+' | '*' | '#' | 'A'..='D' | 'P' | 'T' | 'W' | ',' | '!' | '@') => dial.push(c),
                ';' if !dial.ends_with(';') => dial.push(';'),
                _ => return Err(NumberError::Character(c)),
            }
            if dial.len() > NUMBER_LIMIT {
                return Err(NumberError::TooLong);
            }
        }
        match dial.find(';') {
            Some(at) if at + 1 < dial.len() => Err(NumberError::Character(';')),
            _ if dial.contains(is_dialled) => Ok(Self(dial)),
            _ => Err(NumberError::Empty),
        }
    }
}

impl TryFrom<String> for Number {
    type Error = NumberError;

    fn try_from(text: String) -> Result<Self, NumberError> {
        text.parse()
    }
}

impl fmt::Display for Number {
    /// Prints the number with all but its last two digits as `·`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.chars().filter(|c| is_dialled(*c)).count();
        let hidden = if digits > 2 { digits - 2 } else { digits };
        let mut seen = 0;
        for c in self.0.chars() {
            if is_dialled(c) {
                seen += 1;
            }
            f.write_char(if seen <= hidden { '·' } else { c })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Number {
    /// Prints the number as [`Display`](fmt::Display) does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Number({self})")
    }
}

fn is_dialled(c: char) -> bool {
    c.is_ascii_digit() || matches!(c, '*' | '#')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        text.parse().unwrap()
    }

    #[test]
    fn punctuation_is_dropped_and_letters_are_raised() {
        assert_eq!(number(" (0821) 123-45.67 ").dial_string(), "08211234567");
        assert_eq!(number("t0,w5550001@").dial_string(), "T0,W5550001@");
        assert_eq!(number("*99***1#").dial_string(), "*99***1#");
        assert_eq!(number("+27 82 123 1234;").dial_string(), "+27821231234;");
    }

    #[test]
    fn what_no_modem_dials_is_refused() {
        assert_eq!("555\rATH".parse::<Number>(), Err(NumberError::Character('\r')));
        assert_eq!("555;6".parse::<Number>(), Err(NumberError::Character(';')));
        assert_eq!("5;;".parse::<Number>(), Err(NumberError::Character(';')));
        assert_eq!("55+5".parse::<Number>(), Err(NumberError::Character('+')));
        assert_eq!("٣".parse::<Number>(), Err(NumberError::Character('٣')));
        assert_eq!(" W, ".parse::<Number>(), Err(NumberError::Empty));
        assert_eq!("+".parse::<Number>(), Err(NumberError::Empty));
        assert_eq!("1".repeat(61).parse::<Number>(), Err(NumberError::TooLong));
        assert_eq!(Number::try_from("1".repeat(60)).unwrap().dial_string().len(), 60);
    }

    #[test]
    fn a_number_prints_only_its_last_two_digits() {
        assert_eq!(number("+27821231234").to_string(), "··········34");
        assert_eq!(format!("{:?}", number("T0,555 0001;")), "Number(········01;)");
        assert_eq!(number("12").to_string(), "··");
        assert_eq!(number("T7;").to_string(), "···");
    }
}
