//! When a step's time has come: lengths of time, and events of the log of calls.

use std::time::Duration;

use serde::Deserialize;

use super::super::calllog::EVENTS;

/// A length of time, `250ms`, `2s`, `1m 30s`, `1h`; at most a day.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub struct Span(pub Duration);

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no length of time; expected one such as \"250ms\", \"2s\" or \"1m 30s\"");
        let mut millis: u64 = 0;
        for part in text.split_whitespace() {
            let digits = part.bytes().take_while(u8::is_ascii_digit).count();
            let (count, unit) = part.split_at_checked(digits).ok_or_else(wrong)?;
            let unit = match unit {
                "ms" => 1,
                "s" => 1000,
                "m" => 60_000,
                "h" => 3_600_000,
                _ => return Err(wrong()),
            };
            let part = count.parse::<u64>().ok().and_then(|count| count.checked_mul(unit)).ok_or_else(wrong)?;
            millis = millis.checked_add(part).ok_or_else(wrong)?;
        }
        if text.trim().is_empty() || millis > MOST_MILLIS {
            return Err(wrong());
        }
        Ok(Self(Duration::from_millis(millis)))
    }
}

const MOST_MILLIS: u64 = 24 * 3_600_000;

/// Something that happens: an event of the log of calls.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct On {
    /// The event's name in the log.
    pub event: EventName,
    /// Only on this line, trunk or caller from outside: the event's own, or else one that is in the call.
    pub line: Option<String>,
    /// Only in calls to this number.
    pub number: Option<String>,
    /// Only the n-th such event.
    pub nth: Option<u32>,
}

/// The name of an event of the log of calls.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub struct EventName(pub String);

impl TryFrom<String> for EventName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        if EVENTS.iter().any(|(known, _)| *known == name) {
            return Ok(Self(name));
        }
        let known: Vec<&str> = EVENTS.iter().map(|(known, _)| *known).collect();
        Err(format!("`{name}` is no event; expected one of {}", known.join(", ")))
    }
}
