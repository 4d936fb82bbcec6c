//! What the two ends of a trunk tell each other, as lines of text that a person can type and read.
//!
//! Owns the words and their limits; what follows from them is for [`super::Trunk`].

use std::fmt;

use super::super::dce::Role;
use crate::caller::{CallerId, CallerNumber};

/// One line of signalling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// `call NUMBER …`: please connect me with this number.
    Call(Request),
    /// `ringing`: the called telephone rings.
    Ringing,
    /// `busy`: the called line is engaged.
    Busy,
    /// `unknown`: nobody has the number.
    Unknown,
    /// `no answer`: the called telephone has rung for too long.
    NoAnswer,
    /// `answered ROLE RATE`: the called party is off hook.
    Answered {
        /// What it does there: `answer`, `originate` or `silent`.
        role: Role,
        /// The highest rate of both modems in bit/s.
        rate: u32,
    },
    /// `connected RATE`: the modems are connected; data follows this line.
    Connected {
        /// The rate in bit/s.
        rate: u32,
    },
    /// `hang up`: the end of the call, where the connection cannot tell it by closing.
    HangUp,
    /// `error …`: the line before means nothing.
    Error(String),
}

/// A call as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The number, `[0-9*#+]+`.
    pub to: String,
    /// Who calls: `from NUMBER` or `presentation withheld`, and `name` with the rest of the line.
    pub caller: CallerId,
    /// The highest rate of the caller's modem in bit/s; 33600 for a person.
    pub rate: u32,
    /// Whether an exchange asks, `version 1`, and not a person.
    pub from_exchange: bool,
}

/// Why a line is not understood, for the person who has typed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It is too long.
    #[error("a line has at most {LONGEST_LINE} characters")]
    TooLong,
    /// It has characters that no line has.
    #[error("a line is made of printable ASCII")]
    NotText,
    /// It does not start with a word of this protocol.
    #[error("say: call NUMBER [from NUMBER] [name NAME]")]
    UnknownWord,
    /// A number is missing, or not one.
    #[error("a number is made of up to {LONGEST_NUMBER} of 0-9, '*', '#' and '+'")]
    BadNumber,
    /// A rate is missing, or none that a modem has.
    #[error("a rate is {LOWEST_RATE} to {HIGHEST_RATE} bit/s")]
    BadRate,
    /// A field of a person's call is not known.
    #[error("a call has the fields from and name")]
    UnknownField,
}

/// The longest line of signalling, without its end.
pub const LONGEST_LINE: usize = 256;
/// What a person is taken for who does not name a rate.
pub const PERSONS_RATE: u32 = 33_600;
/// The version that this is.
const VERSION: u32 = 1;
const LONGEST_NUMBER: usize = 64;
/// The longest name in caller identification (MDMF, parameter 7).
const LONGEST_NAME: usize = 15;
const LOWEST_RATE: u32 = 75;
pub(super) const HIGHEST_RATE: u32 = 10_000_000;

impl Signal {
    /// Reads a line, without its end.
    ///
    /// # Errors
    ///
    /// When it is none of this protocol; see [`Malformed`].
    pub fn parse(line: &[u8]) -> Result<Self, Malformed> {
        if line.len() > LONGEST_LINE {
            return Err(Malformed::TooLong);
        }
        let printable = line.iter().all(|byte| matches!(byte, b' '..=b'~'));
        let line = std::str::from_utf8(line).ok().filter(|_| printable).ok_or(Malformed::NotText)?;
        let (word, rest) = split_word(line);
        let (second, after) = split_word(rest);
        let is = |words: &str| words.eq_ignore_ascii_case(word) && rest.is_empty();
        let are = |first: &str, then: &str| {
            first.eq_ignore_ascii_case(word) && then.eq_ignore_ascii_case(second) && after.is_empty()
        };
        if word.eq_ignore_ascii_case("call") {
            Request::parse(rest).map(Self::Call)
        } else if word.eq_ignore_ascii_case("answered") {
            let role = role_named(second).ok_or(Malformed::UnknownWord)?;
            Ok(Self::Answered { role, rate: rate(after)? })
        } else if word.eq_ignore_ascii_case("connected") {
            Ok(Self::Connected { rate: rate(rest)? })
        } else if word.eq_ignore_ascii_case("error") {
            Ok(Self::Error(rest.to_owned()))
        } else if is("ringing") {
            Ok(Self::Ringing)
        } else if is("busy") {
            Ok(Self::Busy)
        } else if is("unknown") {
            Ok(Self::Unknown)
        } else if are("no", "answer") {
            Ok(Self::NoAnswer)
        } else if are("hang", "up") || is("bye") {
            Ok(Self::HangUp)
        } else {
            Err(Malformed::UnknownWord)
        }
    }
}

impl Request {
    fn parse(line: &str) -> Result<Self, Malformed> {
        let (to, mut rest) = split_word(line);
        let mut request = Self {
            to: number(to).ok_or(Malformed::BadNumber)?,
            caller: CallerId { number: Some(CallerNumber::Unavailable), ..CallerId::default() },
            rate: PERSONS_RATE,
            from_exchange: false,
        };
        while !rest.is_empty() {
            let (field, after) = split_word(rest);
            let (value, next) = split_word(after);
            rest = next;
            match field.to_ascii_lowercase().as_str() {
                "from" => {
                    let digits = number(value).ok_or(Malformed::BadNumber)?;
                    request.caller.number = Some(CallerNumber::Known(digits));
                }
                "presentation" if value == "withheld" => request.caller.number = Some(CallerNumber::Withheld),
                "rate" => request.rate = rate(value)?,
                "version" => request.from_exchange = true,
                "name" => {
                    let name: String = after.trim().chars().take(LONGEST_NAME).collect();
                    request.caller.name = Some(name).filter(|name| !name.is_empty());
                    rest = "";
                }
                // A later version may have more to say.
                _ if request.from_exchange => {}
                _ => return Err(Malformed::UnknownField),
            }
        }
        Ok(request)
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(request) => write!(f, "call {request}"),
            Self::Ringing => f.write_str("ringing"),
            Self::Busy => f.write_str("busy"),
            Self::Unknown => f.write_str("unknown"),
            Self::NoAnswer => f.write_str("no answer"),
            Self::Answered { role, rate } => write!(f, "answered {} {rate}", role_name(*role)),
            Self::Connected { rate } => write!(f, "connected {rate}"),
            Self::HangUp => f.write_str("hang up"),
            Self::Error(why) => write!(f, "error {why}"),
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to)?;
        if self.from_exchange {
            write!(f, " version {VERSION}")?;
        }
        if self.rate != PERSONS_RATE {
            write!(f, " rate {}", self.rate)?;
        }
        match &self.caller.number {
            Some(CallerNumber::Known(digits)) => write!(f, " from {digits}")?,
            Some(CallerNumber::Withheld) => f.write_str(" presentation withheld")?,
            Some(CallerNumber::Unavailable) | None => {}
        }
        match &self.caller.name {
            Some(name) => write!(f, " name {name}"),
            None => Ok(()),
        }
    }
}

fn split_word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    (word, rest.trim_start())
}

fn number(word: &str) -> Option<String> {
    let good = word.bytes().all(|c| c.is_ascii_digit() || matches!(c, b'*' | b'#' | b'+'));
    (good && !word.is_empty() && word.len() <= LONGEST_NUMBER).then(|| word.to_owned())
}

fn rate(word: &str) -> Result<u32, Malformed> {
    let digits = word.bytes().all(|c| c.is_ascii_digit());
    let rate = word.parse().ok().filter(|rate| digits && (LOWEST_RATE..=HIGHEST_RATE).contains(rate));
    rate.ok_or(Malformed::BadRate)
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Answer => "answer",
        Role::Originate => "originate",
        Role::Silent => "silent",
    }
}

fn role_named(word: &str) -> Option<Role> {
    [Role::Answer, Role::Originate, Role::Silent].into_iter().find(|role| role_name(*role) == word)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn call(line: &str) -> Result<Request, Malformed> {
        let signal = Signal::parse(line.as_bytes())?;
        let Signal::Call(request) = signal else { panic!("{signal:?}") };
        Ok(request)
    }

    #[test]
    fn a_person_types_a_number_and_says_who_it_is_if_it_likes() {
        let request = call("CALL 5550102").unwrap();
        assert_eq!((request.to.as_str(), request.rate, request.from_exchange), ("5550102", PERSONS_RATE, false));
        assert_eq!(request.caller.number, Some(CallerNumber::Unavailable));
        let request = call("call  5550102  from 5551234  name Jane Q. Public, of Ohio").unwrap();
        assert_eq!(request.caller.number, Some(CallerNumber::Known("5551234".into())));
        assert_eq!(request.caller.name.as_deref(), Some("Jane Q. Public,"));
    }

    #[test]
    fn what_is_no_call_is_refused_with_the_reason() {
        let refused = |line: &str| Signal::parse(line.as_bytes()).unwrap_err();
        assert_eq!(refused("call"), Malformed::BadNumber);
        assert_eq!(refused("call 555-0102"), Malformed::BadNumber);
        assert_eq!(refused("call 1 from x"), Malformed::BadNumber);
        assert_eq!(refused("call 1 colour red"), Malformed::UnknownField);
        assert_eq!(refused("call 1 rate 1e9"), Malformed::BadRate);
        assert_eq!(refused("call 1 rate 99999999"), Malformed::BadRate);
        assert_eq!(refused(&format!("call {}", "1".repeat(65))), Malformed::BadNumber);
        assert_eq!(refused("GET / HTTP/1.1"), Malformed::UnknownWord);
        assert_eq!(refused("ringing twice"), Malformed::UnknownWord);
        assert_eq!(refused(&"x".repeat(257)), Malformed::TooLong);
        assert_eq!(refused("call 1 name X\x07"), Malformed::NotText);
    }

    #[test]
    fn a_later_version_may_say_more() {
        let request = call("call 1 version 2 compression v44 rate 56000 from 2").unwrap();
        assert_eq!((request.rate, request.from_exchange), (56_000, true));
        assert_eq!(request.caller.number, Some(CallerNumber::Known("2".into())));
    }

    fn caller_number() -> impl Strategy<Value = Option<CallerNumber>> {
        prop_oneof![
            "[0-9*#+]{1,20}".prop_map(CallerNumber::Known),
            Just(CallerNumber::Withheld),
            Just(CallerNumber::Unavailable),
        ]
        .prop_map(Some)
    }

    prop_compose! {
        fn request()(
            to in "[0-9*#+]{1,64}",
            number in caller_number(),
            name in proptest::option::of("[!-~]([ -~]{0,13}[!-~])?"),
            rate in LOWEST_RATE..=HIGHEST_RATE,
            from_exchange in any::<bool>(),
        ) -> Request {
            Request { to, caller: CallerId { number, name, ..CallerId::default() }, rate, from_exchange }
        }
    }

    fn signal() -> impl Strategy<Value = Signal> {
        let role = prop_oneof![Just(Role::Answer), Just(Role::Originate), Just(Role::Silent)];
        prop_oneof![
            request().prop_map(Signal::Call),
            (role, LOWEST_RATE..=HIGHEST_RATE).prop_map(|(role, rate)| Signal::Answered { role, rate }),
            (LOWEST_RATE..=HIGHEST_RATE).prop_map(|rate| Signal::Connected { rate }),
            Just(Signal::Ringing),
            Just(Signal::Busy),
            Just(Signal::Unknown),
            Just(Signal::NoAnswer),
            Just(Signal::HangUp),
            "[!-~]([ -~]{0,40}[!-~])?".prop_map(Signal::Error),
        ]
    }

    proptest! {
        #[test]
        fn every_signal_is_read_as_it_was_written(signal in signal()) {
            let line = signal.to_string();
            prop_assert!(line.len() <= LONGEST_LINE);
            prop_assert_eq!(Signal::parse(line.as_bytes()), Ok(signal));
        }
    }
}
