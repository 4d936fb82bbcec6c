//! The many ways to say that an incoming call alerts.
//!
//! Owns the `RING` dialects of analogue, ISDN and cellular modems. Refuses `RINGING`, which is about the other end.

use crate::caller::CallerNumber;

/// What a modem said with one ring.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RingInfo {
    /// How the ring was announced.
    pub variant: RingVariant,
    /// The number called, where the modem tells (ISDN).
    pub called: Option<String>,
}

/// How a ring was announced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RingVariant {
    /// `RING`, with no further distinction.
    #[default]
    Plain,
    /// `RING 1`, `RING A`: a distinctive cadence, by its name.
    Distinctive(String),
    /// `+CRING: VOICE`: the bearer service of the call (3GPP TS 27.007 6.11).
    Service(String),
}

/// The longest name of a cadence; a longer run of digits is a caller's number.
const CADENCE_LIMIT: usize = 2;

pub(super) fn parse(line: &str) -> Option<(RingInfo, Option<CallerNumber>)> {
    if let Some(service) = line.strip_prefix("+CRING:") {
        let variant = RingVariant::Service(service.trim().to_owned());
        return Some((RingInfo { variant, called: None }, None));
    }
    // V.253 voice mode shields its events with DLE.
    if line == "\x10R" {
        return Some((RingInfo::default(), None));
    }
    let rest = line.strip_prefix("RING")?;
    let mut chars = rest.chars();
    match chars.next() {
        None => Some((RingInfo::default(), None)),
        Some(' ') => Some(spaced(chars.as_str().trim())),
        Some('/') => {
            let called = Some(chars.as_str().trim().to_owned());
            Some((RingInfo { variant: RingVariant::Plain, called }, None))
        }
        Some(';') => {
            let (caller, called) = chars.as_str().split_once(';').unwrap_or((chars.as_str(), ""));
            let called = Some(called.trim()).filter(|called| !called.is_empty()).map(str::to_owned);
            Some((RingInfo { variant: RingVariant::Plain, called }, CallerNumber::parse(caller)))
        }
        Some(':') => Some(zoom(chars.as_str())),
        Some(_) => None,
    }
}

/// Reads what follows `RING `: the cadence (Rockwell's 1 to 3, U.S. Robotics' A to C), or the caller (USR ISDN).
fn spaced(text: &str) -> (RingInfo, Option<CallerNumber>) {
    match text.len() {
        0 => (RingInfo::default(), None),
        1..=CADENCE_LIMIT => (RingInfo { variant: RingVariant::Distinctive(text.to_owned()), called: None }, None),
        _ => (RingInfo::default(), known(text)),
    }
}

/// A number; words that stand where one is expected are no reason for there being none.
fn known(text: &str) -> Option<CallerNumber> {
    CallerNumber::parse(text).filter(|number| matches!(number, CallerNumber::Known(_)))
}

/// Reads what Zoom's MX/S says after `RING:`, `3 DN9 8888`: a count, the cadence, the caller.
fn zoom(text: &str) -> (RingInfo, Option<CallerNumber>) {
    let mut words = text.split_whitespace().skip(1);
    let variant = match words.next().map(|word| word.strip_prefix("DN").unwrap_or(word)) {
        Some(cadence) => RingVariant::Distinctive(cadence.to_owned()),
        None => RingVariant::Plain,
    };
    (RingInfo { variant, called: None }, words.next().and_then(CallerNumber::parse))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(number: &str) -> Option<CallerNumber> {
        Some(CallerNumber::Known(number.to_owned()))
    }

    #[test]
    fn every_dialect_is_a_ring() {
        let plain = RingInfo::default();
        let distinctive = |name: &str| RingVariant::Distinctive(name.to_owned()).into();
        let service = |name: &str| RingVariant::Service(name.to_owned()).into();
        let called = |called: &str| RingInfo { called: Some(called.to_owned()), ..RingInfo::default() };
        for (line, info, caller) in [
            ("RING", plain.clone(), None),
            ("\x10R", plain.clone(), None),
            ("RING 2", distinctive("2"), None),
            ("RING A", distinctive("A"), None),
            ("RING C", distinctive("C"), None),
            ("RING 090909", plain.clone(), caller("090909")),
            ("RING +4912345", plain.clone(), caller("+4912345")),
            ("RING OFF HOOK", plain, None),
            ("RING/0666", called("0666"), None),
            ("RING;717171;999999", called("999999"), caller("717171")),
            ("RING;;999999", called("999999"), None),
            ("RING: 3 DN9 8888", distinctive("9"), caller("8888")),
            ("RING: 3", RingInfo::default(), None),
            ("+CRING: VOICE", service("VOICE"), None),
            ("+CRING: REL ASYNC", service("REL ASYNC"), None),
            ("+CRING:GPRS \"PPP\",,,\"internet\"", service("GPRS \"PPP\",,,\"internet\""), None),
        ] {
            assert_eq!(parse(line), Some((info, caller)), "{line:?}");
        }
    }

    #[test]
    fn the_other_end_ringing_is_no_ring() {
        for line in ["RINGING", "RRING", "RINGBACK", "\x10r", "+CRINGS", ""] {
            assert_eq!(parse(line), None, "{line:?}");
        }
    }

    impl From<RingVariant> for RingInfo {
        fn from(variant: RingVariant) -> Self {
            Self { variant, called: None }
        }
    }
}
