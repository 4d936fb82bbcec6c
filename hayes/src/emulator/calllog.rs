//! The log of calls: what happened on the exchange, as a line of text or of JSON.

use std::fmt;
use std::time::{Duration, Instant};

/// A call, numbered from 1 in the order of dialling; 0 stands for none, where something happens to a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// A moment of wall time: the time since 1970 in UTC, or since the exchange started when nobody told it the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct WallTime(pub Duration);

/// Something that happened to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallEvent {
    /// When, on the monotonic clock.
    pub at: Instant,
    /// When, on the wall clock.
    pub time: WallTime,
    /// To which call.
    pub call: CallId,
    /// What.
    pub kind: CallEventKind,
}

/// What happened to a call. Lines are given by name; in their place may be a trunk, or a caller from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallEventKind {
    /// The exchange works, and something in it is left to chance.
    Started {
        /// Where chance starts from.
        seed: u64,
    },
    /// A line dialled a number.
    Dialled {
        /// The calling line.
        from: String,
        /// The digits.
        to: String,
    },
    /// The call left over a trunk.
    Seized {
        /// The trunk.
        trunk: String,
    },
    /// No line has the number.
    NumberUnknown,
    /// All lines of the number are engaged.
    Busy,
    /// The network has no way left for the call: fast busy.
    Congestion,
    /// A ring began at the called line.
    Ringing {
        /// The called line.
        line: String,
        /// Which ring, from 1.
        ring: u32,
    },
    /// The called line was told who calls.
    CallerIdSent {
        /// The called line.
        line: String,
    },
    /// The called line went off hook.
    Answered {
        /// The called line.
        line: String,
    },
    /// The called line went off hook to dial and met this call instead.
    Glare {
        /// The called line.
        line: String,
    },
    /// Both modems are connected.
    Connected {
        /// The rate in bit/s.
        rate: u32,
    },
    /// The called line was rung for the longest time and did not answer.
    NoAnswer,
    /// One side hung up.
    HungUp {
        /// The line that did.
        by: String,
    },
    /// The exchange dropped a caller who kept listening to a tone.
    Dropped,
    /// A line in a call was told that another caller waits.
    CallWaiting {
        /// The line.
        line: String,
    },
    /// A line left this call for its other one, which goes on meanwhile.
    Held {
        /// The line.
        line: String,
    },
    /// A line came back to this call.
    Resumed {
        /// The line.
        line: String,
    },
    /// The modems have trained again.
    Retrained {
        /// The rate in bit/s from now on.
        rate: u32,
    },
    /// Something went wrong on purpose.
    Fault {
        /// What.
        fault: &'static str,
        /// On which line; none where it meets a number.
        line: Option<String>,
        /// Why: what the scenario calls its step, or what the program said that asked for it.
        cause: String,
    },
    /// It is over.
    FaultOver {
        /// What.
        fault: &'static str,
        /// On which line.
        line: String,
    },
}

/// Every event of the log and the fields it may have beyond `time`, `call` and `event`.
pub const EVENTS: [(&str, &[&str]); 20] = [
    ("started", &["seed"]),
    ("dialled", &["from", "to"]),
    ("seized", &["trunk"]),
    ("number-unknown", &[]),
    ("busy", &[]),
    ("congestion", &[]),
    ("ringing", &["line", "ring"]),
    ("caller-id-sent", &["line"]),
    ("answered", &["line"]),
    ("glare", &["line"]),
    ("connected", &["rate"]),
    ("no-answer", &[]),
    ("hung-up", &["by"]),
    ("dropped", &[]),
    ("call-waiting", &["line"]),
    ("held", &["line"]),
    ("resumed", &["line"]),
    ("retrained", &["rate"]),
    ("fault", &["fault", "line", "cause"]),
    ("fault-over", &["fault", "line"]),
];

impl CallEventKind {
    /// The event's name in the log.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::Dialled { .. } => "dialled",
            Self::Seized { .. } => "seized",
            Self::NumberUnknown => "number-unknown",
            Self::Busy => "busy",
            Self::Congestion => "congestion",
            Self::Ringing { .. } => "ringing",
            Self::CallerIdSent { .. } => "caller-id-sent",
            Self::Answered { .. } => "answered",
            Self::Glare { .. } => "glare",
            Self::Connected { .. } => "connected",
            Self::NoAnswer => "no-answer",
            Self::HungUp { .. } => "hung-up",
            Self::Dropped => "dropped",
            Self::CallWaiting { .. } => "call-waiting",
            Self::Held { .. } => "held",
            Self::Resumed { .. } => "resumed",
            Self::Retrained { .. } => "retrained",
            Self::Fault { .. } => "fault",
            Self::FaultOver { .. } => "fault-over",
        }
    }

    /// The line it happened to, if it happened to one: the calling line of a call that is dialled.
    #[must_use]
    pub fn line(&self) -> Option<&str> {
        match self {
            Self::Dialled { from: line, .. }
            | Self::Ringing { line, .. }
            | Self::CallerIdSent { line }
            | Self::Answered { line }
            | Self::Glare { line }
            | Self::CallWaiting { line }
            | Self::Held { line }
            | Self::Resumed { line }
            | Self::HungUp { by: line }
            | Self::FaultOver { line, .. } => Some(line),
            Self::Fault { line, .. } => line.as_deref(),
            Self::Started { .. }
            | Self::Seized { .. }
            | Self::NumberUnknown
            | Self::Busy
            | Self::Congestion
            | Self::Connected { .. }
            | Self::NoAnswer
            | Self::Dropped
            | Self::Retrained { .. } => None,
        }
    }

    /// Calls `field` for each detail, with whether its value is a number.
    fn details(&self, mut field: impl FnMut(&str, &dyn fmt::Display, bool) -> fmt::Result) -> fmt::Result {
        match self {
            Self::Dialled { from, to } => {
                field("from", from, false)?;
                field("to", to, false)
            }
            Self::Seized { trunk } => field("trunk", trunk, false),
            Self::Ringing { line, ring } => {
                field("line", line, false)?;
                field("ring", ring, true)
            }
            Self::CallerIdSent { line }
            | Self::Answered { line }
            | Self::Glare { line }
            | Self::CallWaiting { line }
            | Self::Held { line }
            | Self::Resumed { line } => field("line", line, false),
            Self::Started { seed } => field("seed", seed, true),
            Self::Connected { rate } | Self::Retrained { rate } => field("rate", rate, true),
            Self::HungUp { by } => field("by", by, false),
            Self::Fault { fault, line, cause } => {
                field("fault", fault, false)?;
                if let Some(line) = line {
                    field("line", line, false)?;
                }
                field("cause", cause, false)
            }
            Self::FaultOver { fault, line } => {
                field("fault", fault, false)?;
                field("line", line, false)
            }
            Self::NumberUnknown | Self::Busy | Self::Congestion | Self::NoAnswer | Self::Dropped => Ok(()),
        }
    }
}

impl fmt::Display for CallEvent {
    /// One line of text: `2026-01-02T03:04:05.678Z call 7 dialled from=alice to=5551234`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} call {} {}", self.time, self.call.0, self.kind.name())?;
        self.kind.details(|name, value, _| write!(f, " {name}={value}"))
    }
}

impl CallEvent {
    /// One line of JSON: `{"time":"...","call":7,"event":"dialled","from":"alice","to":"5551234"}`.
    #[must_use]
    pub fn to_json(&self) -> String {
        struct Json<'a>(&'a CallEvent);
        impl fmt::Display for Json<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let event = self.0;
                let (time, call, name) = (event.time, event.call.0, event.kind.name());
                write!(f, "{{\"time\":\"{time}\",\"call\":{call},\"event\":\"{name}\"")?;
                // Plans and scenarios are checked, names from outside stripped, dial strings parsed: nothing is left in names
                // and numbers that JSON would escape.
                event.kind.details(|name, value, number| {
                    if number { write!(f, ",\"{name}\":{value}") } else { write!(f, ",\"{name}\":\"{value}\"") }
                })?;
                f.write_str("}")
            }
        }
        Json(self).to_string()
    }
}

impl fmt::Display for WallTime {
    /// RFC 3339 in UTC with milliseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CivilTime { year, month, day, hour, minute, second } = self.civil();
        let millis = self.0.subsec_millis();
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
}

/// A moment as a calendar and a clock show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CivilTime {
    pub(super) year: u64,
    pub(super) month: u64,
    pub(super) day: u64,
    pub(super) hour: u64,
    pub(super) minute: u64,
    pub(super) second: u64,
}

/// Days of 400 Gregorian years.
const DAYS_OF_ERA: u64 = 146_097;

impl WallTime {
    /// This moment on the calendar.
    pub(super) fn civil(self) -> CivilTime {
        let seconds = self.0.as_secs();
        let mut days = seconds / 86_400;
        let mut year = 1970 + 400 * (days / DAYS_OF_ERA);
        days %= DAYS_OF_ERA;
        let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        while days >= 365 + u64::from(leap(year)) {
            days -= 365 + u64::from(leap(year));
            year += 1;
        }
        let february = 28 + u64::from(leap(year));
        let mut month = 1;
        for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
            if days < length {
                break;
            }
            days -= length;
            month += 1;
        }
        CivilTime {
            year,
            month,
            day: days + 1,
            hour: seconds / 3600 % 24,
            minute: seconds / 60 % 60,
            second: seconds % 60,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: CallEventKind) -> CallEvent {
        let time = WallTime(Duration::from_millis(1_772_323_445_678));
        CallEvent { at: crate::emulator::an_instant(), time, call: CallId(7), kind }
    }

    #[test]
    fn wall_times_know_leap_years() {
        let shown: Vec<_> = [0, 951_782_400, 1_709_164_799, 4_107_542_400, 16_725_225_600]
            .map(|s| WallTime(Duration::from_secs(s)).to_string())
            .into();
        assert_eq!(
            shown,
            [
                "1970-01-01T00:00:00.000Z",
                "2000-02-29T00:00:00.000Z",
                "2024-02-28T23:59:59.000Z",
                "2100-03-01T00:00:00.000Z",
                "2500-01-01T00:00:00.000Z"
            ]
        );
    }

    #[test]
    fn an_event_is_one_line_of_text_or_json() {
        let dialled = event(CallEventKind::Dialled { from: "alice".into(), to: "5551234".into() });
        assert_eq!(dialled.to_string(), "2026-03-01T00:04:05.678Z call 7 dialled from=alice to=5551234");
        assert_eq!(
            dialled.to_json(),
            r#"{"time":"2026-03-01T00:04:05.678Z","call":7,"event":"dialled","from":"alice","to":"5551234"}"#
        );
        let connected = event(CallEventKind::Connected { rate: 33_600 });
        assert_eq!(
            connected.to_json(),
            r#"{"time":"2026-03-01T00:04:05.678Z","call":7,"event":"connected","rate":33600}"#
        );
    }

    #[test]
    fn every_event_stands_in_the_list_with_its_fields() {
        let line = || String::from("a");
        let each = [
            CallEventKind::Started { seed: 1 },
            CallEventKind::Dialled { from: line(), to: "1".into() },
            CallEventKind::Seized { trunk: line() },
            CallEventKind::NumberUnknown,
            CallEventKind::Busy,
            CallEventKind::Congestion,
            CallEventKind::Ringing { line: line(), ring: 1 },
            CallEventKind::CallerIdSent { line: line() },
            CallEventKind::Answered { line: line() },
            CallEventKind::Glare { line: line() },
            CallEventKind::Connected { rate: 300 },
            CallEventKind::NoAnswer,
            CallEventKind::HungUp { by: line() },
            CallEventKind::Dropped,
            CallEventKind::CallWaiting { line: line() },
            CallEventKind::Held { line: line() },
            CallEventKind::Resumed { line: line() },
            CallEventKind::Retrained { rate: 300 },
            CallEventKind::Fault { fault: "noise", line: Some(line()), cause: line() },
            CallEventKind::FaultOver { fault: "noise", line: line() },
        ];
        let told = each.map(|kind| {
            let mut fields = Vec::new();
            kind.details(|field, _, _| {
                fields.push(field.to_owned());
                Ok(())
            })
            .unwrap();
            (kind.name(), fields)
        });
        let listed = EVENTS.map(|(name, fields)| (name, fields.iter().map(ToString::to_string).collect()));
        assert_eq!(told, listed);
    }
}
