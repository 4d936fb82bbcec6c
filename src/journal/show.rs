//! Entries and wakes as lines for people, and as JSON for programs. Numbers are redacted unless somebody asks for them.

use hayes::number::Number;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::note::{Caller, Note, Step, Wake};
use super::reader::Found;

/// Whether telephone numbers are shown whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// Only their last digits.
    Redacted,
    /// Whole.
    Shown,
}

/// An entry in one line.
#[must_use]
pub fn entry_line(found: &Found, numbers: Numbers, zone: &TimeZone) -> String {
    let wake = found.wake.map_or_else(String::new, |wake| format!("#{wake}"));
    let what = match &found.note {
        Ok(note) => told(note, numbers),
        Err(detail) => detail.clone(),
    };
    let line = found.line.as_deref().map_or_else(String::new, |line| format!("  [{line}]"));
    format!("{}  {wake:>5}  {:<10}  {what}{line}", moment(found.at, zone), found.kind).trim_end().to_owned()
}

/// An entry as one JSON object.
#[must_use]
pub fn entry_json(found: &Found, numbers: Numbers) -> Value {
    let mut value = match &found.note {
        Ok(note) => serde_json::to_value(note).unwrap_or_default(),
        Err(detail) => serde_json::from_str(detail).unwrap_or_else(|_not_json| json!({ "detail": detail })),
    };
    if let Some(object) = value.as_object_mut() {
        if let Some(Value::String(number)) = object.get_mut("number") {
            *number = shown(number, numbers);
        }
        object.insert("id".to_owned(), json!(found.id));
        object.insert("at".to_owned(), json!(found.at));
        object.insert("line".to_owned(), json!(found.line));
        object.insert("wake".to_owned(), json!(found.wake));
    }
    value
}

/// A wake in one line.
#[must_use]
pub fn wake_line(wake: &Wake, zone: &TimeZone) -> String {
    let online = match (wake.up, wake.step) {
        (Some(up), Step::Withdrawn | Step::Ended) => format!("online {}", span(wake.since.saturating_sub(up) / 1000)),
        (Some(_), _) => "online now".to_owned(),
        (None, Step::Ended) => "no link".to_owned(),
        (None, step) => step.as_str().to_owned(),
    };
    let address = wake.address.map_or_else(String::new, |address| address.to_string());
    let cause = wake.cause.as_deref().unwrap_or_default();
    let number = format!("#{}", wake.wake);
    format!("{number:>5}  {}  {online:<16}  {address:<15}  {cause}", moment(wake.begun, zone)).trim_end().to_owned()
}

/// A length of time in its two largest units: `3 d 4 h`, `1 h 5 min`, `2 min 10 s`, `9 s`.
#[must_use]
pub fn span(seconds: u64) -> String {
    let units = [(86_400, "d"), (3600, "h"), (60, "min"), (1, "s")];
    let place = units.iter().position(|(size, _name)| seconds >= *size).unwrap_or(units.len() - 1);
    let mut rest = seconds;
    let parts: Vec<String> = units
        .iter()
        .skip(place)
        .take(2)
        .enumerate()
        .filter_map(|(index, (size, name))| {
            let count = rest / size;
            rest %= size;
            (index == 0 || count > 0).then(|| format!("{count} {name}"))
        })
        .collect();
    parts.join(" ")
}

/// How long ago a moment was, in words.
#[must_use]
pub fn age(at: u64, now: u64) -> String {
    format!("{} ago", span(now.saturating_sub(at) / 1000))
}

fn moment(at: u64, zone: &TimeZone) -> String {
    let timestamp =
        i64::try_from(at).ok().and_then(|at| Timestamp::from_millisecond(at).ok()).unwrap_or(Timestamp::MAX);
    timestamp.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn told(note: &Note, numbers: Numbers) -> String {
    match note {
        Note::Started { version } => format!("ringup {version}"),
        Note::Stopped => "in good order".to_owned(),
        Note::Line { state, cause: None } => state.clone(),
        Note::Line { state, cause: Some(cause) } => format!("{state}: {cause}"),
        Note::Call { caller, rings, verdict, by, pretended } => {
            let by = by.as_deref().map_or_else(String::new, |by| format!(", proven to be {by}"));
            let pretended = if *pretended { ", pretended" } else { "" };
            let times = if *rings == 1 { "ring" } else { "rings" };
            format!("from {}, {rings} {times}{pretended}{by}: {verdict}", caller_told(caller, numbers))
        }
        Note::Wake { since_ring } => format!("{} after the first ring", seconds(*since_ring)),
        Note::CutOff { step, resumed: true } => format!("when {}; taken up again", step.as_str()),
        Note::CutOff { step, resumed: false } => format!("when {}; given up", step.as_str()),
        Note::Dialled => "the provider".to_owned(),
        Note::HungUp { seconds } => format!("after {}", span(*seconds)),
        Note::Up { interface, address } => format!("{address} on {interface}"),
        Note::Down { cause, received, sent } => format!("{cause}; {received} octets received, {sent} sent"),
        Note::Registered { seq } | Note::Withdrawn { seq } => format!("record {seq}"),
        Note::Tunnel { at: Some(at), .. } => format!("up: this machine is met at {at}"),
        Note::Tunnel { at: None, cause } => format!("down: {}", cause.as_deref().unwrap_or("nobody knows why")),
        Note::Budget { cause } | Note::Failed { cause } => cause.clone(),
        Note::Slept => "the machine".to_owned(),
        Note::Resumed { by, slept } => {
            let slept = slept.map_or_else(String::new, |seconds| format!(" after {}", span(seconds)));
            let by = by.as_deref().map_or_else(String::new, |by| format!(", by {by}"));
            format!("the machine{slept}{by}")
        }
        Note::Reloaded => "a new configuration".to_owned(),
    }
}

/// Who called, in words.
fn caller_told(caller: &Caller, numbers: Numbers) -> String {
    match (&caller.number, &caller.withheld) {
        (Some(number), _) => shown(number, numbers),
        (None, Some(why)) => format!("nobody known ({why})"),
        (None, None) => "nobody known".to_owned(),
    }
}

fn shown(number: &str, numbers: Numbers) -> String {
    match (numbers, number.parse::<Number>()) {
        (Numbers::Shown, _) => number.to_owned(),
        (Numbers::Redacted, Ok(number)) => number.to_string(),
        (Numbers::Redacted, Err(_)) => "…".to_owned(),
    }
}

fn seconds(milliseconds: u64) -> String {
    format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::WakeNumber;

    fn call() -> Found {
        let caller = Caller { number: Some("5550101".to_owned()), withheld: None };
        let note = Note::Call { caller, rings: 2, verdict: "accepted".to_owned(), by: None, pretended: false };
        Found {
            id: 9,
            at: 1_790_000_000_000,
            line: Some("/dev/ttyS0".to_owned()),
            wake: Some(WakeNumber(3)),
            kind: note.kind().to_owned(),
            note: Ok(note),
        }
    }

    #[test]
    fn a_number_is_whole_only_where_it_is_asked_for() {
        for (numbers, whole) in [(Numbers::Redacted, false), (Numbers::Shown, true)] {
            let line = entry_line(&call(), numbers, &TimeZone::UTC);
            assert_eq!(line.contains("5550101"), whole, "{line}");
            let json = entry_json(&call(), numbers).to_string();
            assert_eq!(json.contains("5550101"), whole, "{json}");
        }
    }

    #[test]
    fn an_entry_is_one_line_with_the_wake_and_what_happened() {
        let line = entry_line(&call(), Numbers::Shown, &TimeZone::UTC);
        assert_eq!(line, "2026-09-21 14:13:20     #3  call        from 5550101, 2 rings: accepted  [/dev/ttyS0]");
        assert_eq!(entry_json(&call(), Numbers::Shown)["wake"], 3);
    }

    #[test]
    fn a_resume_says_after_how_long_and_through_what_as_far_as_that_is_known() {
        let told =
            |by: Option<&str>, slept| told(&Note::Resumed { by: by.map(str::to_owned), slept }, Numbers::Redacted);
        assert_eq!(told(None, None), "the machine");
        assert_eq!(
            told(Some("interrupt 4 (ttyS0)"), Some(7500)),
            "the machine after 2 h 5 min, by interrupt 4 (ttyS0)"
        );
    }

    #[test]
    fn what_a_newer_ringup_noted_is_shown_as_it_is() {
        let found =
            Found { note: Err(r#"{"kind":"flown","to":"the moon"}"#.to_owned()), kind: "flown".to_owned(), ..call() };
        assert!(entry_line(&found, Numbers::Redacted, &TimeZone::UTC).contains("the moon"));
        assert_eq!(entry_json(&found, Numbers::Redacted)["to"], "the moon");
    }

    #[test]
    fn spans_have_their_two_largest_units() {
        let spans = [0, 9, 60, 130, 3600, 3900, 90_000, 273_600].map(span);
        assert_eq!(spans, ["0 s", "9 s", "1 min", "2 min 10 s", "1 h", "1 h 5 min", "1 d 1 h", "3 d 4 h"]);
    }
}
