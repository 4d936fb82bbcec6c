//! The international numbering plan, as far as telling forms of one number apart needs it (ITU-T E.164).
//!
//! Owns where a country's code ends, and the digit that is put before a number within a country. Refuses area codes:
//! which of them there are changes by the year.

use std::str::FromStr;

use thiserror::Error;

/// The code of a country or of a group of them: `1` of North America, `44` of the United Kingdom (ITU-T E.164.D).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallingCode(u16);

/// A text is no calling code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no country has this calling code; expected such as \"1\", \"44\" or \"420\"")]
pub struct NoCallingCode;

/// Codes of two digits; but for `1` and `7` all others have three.
const OF_TWO_DIGITS: [u16; 44] = [
    20, 27, 30, 31, 32, 33, 34, 36, 39, 40, 41, 43, 44, 45, 46, 47, 48, 49, 51, 52, 53, 54, 55, 56, 57, 58, 60, 61, 62,
    63, 64, 65, 66, 81, 82, 84, 86, 90, 91, 92, 93, 94, 95, 98,
];

/// Countries in which a number has no digit before it that is left out from abroad: there is none, or it is the number's
/// own, as Italy's zero.
const WITHOUT_TRUNK_PREFIX: [u16; 14] = [30, 34, 39, 45, 47, 48, 351, 352, 356, 357, 372, 377, 378, 420];

impl CallingCode {
    /// Splits the digits of an international number, without its `+`, into code and national number; `None` where they
    /// are too few to tell.
    #[must_use]
    pub fn split(digits: &str) -> Option<(Self, &str)> {
        let length = match digits.as_bytes() {
            [b'1' | b'7', ..] => 1,
            [_, _, ..] if digits.get(..2)?.parse().is_ok_and(|code| OF_TWO_DIGITS.contains(&code)) => 2,
            [b'2'..=b'9', _, _, ..] => 3,
            _ => return None,
        };
        Some((Self(digits.get(..length)?.parse().ok()?), digits.get(length..)?))
    }

    /// What is put before a number within this country, and left out from abroad.
    #[must_use]
    pub fn trunk_prefix(self) -> &'static str {
        match self.0 {
            1 => "1",
            7 => "8",
            36 => "06",
            code if WITHOUT_TRUNK_PREFIX.contains(&code) => "",
            _ => "0",
        }
    }

    /// What is dialled in this country before a foreign country's code.
    #[must_use]
    pub fn international_prefix(self) -> &'static str {
        match self.0 {
            1 => "011",
            7 => "810",
            61 => "0011",
            81 => "010",
            _ => "00",
        }
    }
}

impl FromStr for CallingCode {
    type Err = NoCallingCode;

    /// Reads a code with or without its `+`.
    fn from_str(text: &str) -> Result<Self, NoCallingCode> {
        let digits = text.trim().trim_start_matches('+');
        let whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        match Self::split(digits) {
            Some((code, "")) if whole => Ok(code),
            _ => Err(NoCallingCode),
        }
    }
}

impl TryFrom<String> for CallingCode {
    type Error = NoCallingCode;

    fn try_from(text: String) -> Result<Self, NoCallingCode> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_ends_where_the_plan_says() {
        for (digits, code, national) in [
            ("12125550101", 1, "2125550101"),
            ("74951234567", 7, "4951234567"),
            ("441632960123", 44, "1632960123"),
            ("420123456789", 420, "123456789"),
            ("35312345678", 353, "12345678"),
        ] {
            assert_eq!(CallingCode::split(digits), Some((CallingCode(code), national)), "{digits}");
        }
        for digits in ["", "4", "42", "0441"] {
            assert_eq!(CallingCode::split(digits), None, "{digits}");
        }
    }

    #[test]
    fn only_a_code_is_a_code() {
        assert_eq!("+44".parse(), Ok(CallingCode(44)));
        assert_eq!("1".parse(), Ok(CallingCode(1)));
        for text in ["", "+", "4", "441", "x", "0", "4a", "99999"] {
            assert_eq!(text.parse::<CallingCode>(), Err(NoCallingCode), "{text:?}");
        }
    }
}
