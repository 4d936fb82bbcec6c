//! What a step does.

use serde::Deserialize;

use super::super::exchange::fault::Treatment;
use super::moment::Span;

/// Something to do. A `line` that is left out is the one of the event.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Action {
    /// Somebody from outside calls a number.
    Call(CallFromOutside),
    /// That caller hangs up.
    HangUp {
        /// The line that was called.
        line: Option<String>,
    },
    /// The loop current fails for a moment.
    Drop {
        /// On this line.
        line: Option<String>,
    },
    /// The modems do not hear each other.
    CarrierLoss {
        /// In the call of this line.
        line: Option<String>,
        /// How long; for good if no time is given.
        lasts: Option<Span>,
    },
    /// The modems train again.
    Retrain {
        /// In the call of this line.
        line: Option<String>,
        /// How long that takes.
        lasts: Span,
        /// The rate in bit/s afterwards.
        rate: Option<u32>,
    },
    /// Noise.
    Noise {
        /// In the call of this line.
        line: Option<String>,
        /// Bit errors in a million bits.
        errors: u32,
        /// How long; to the end of the call if no time is given.
        lasts: Option<Span>,
    },
    /// A line goes dead.
    Dead {
        /// Which.
        line: Option<String>,
        /// How long; until `alive` if no time is given.
        lasts: Option<Span>,
    },
    /// A dead line works again.
    Alive {
        /// Which.
        line: Option<String>,
    },
    /// The next time the line goes off hook to dial, it meets a caller.
    Glare {
        /// Which line.
        line: Option<String>,
        /// The caller's number.
        number: Option<String>,
    },
    /// What becomes of calls that are dialled from now on.
    Calls {
        /// The number that is dialled; every one if none is given.
        to: Option<String>,
        /// How many of them; all that follow if no count is given.
        count: Option<u32>,
        /// `busy`, `congestion`, `unknown`, `no-answer`, `no-caller-id`, `garbled-caller-id`, `delayed-ring`, `normal`.
        #[serde(rename = "as")]
        treatment: String,
        /// How late the first ring comes, for `delayed-ring`.
        by: Option<Span>,
    },
}

/// A call from outside.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CallFromOutside {
    /// The number that is called.
    pub to: String,
    /// The caller's number.
    pub number: Option<String>,
    /// The caller's name, printable ASCII of at most 15 characters.
    pub name: Option<String>,
    /// Why no number is shown, if none is.
    pub presentation: Option<Withheld>,
    /// The highest rate of the caller's modem in bit/s; 33600.
    pub rate: Option<u32>,
    /// A person calls, who has no modem.
    #[serde(default)]
    pub voice: bool,
    /// The caller hangs up after so many rings.
    pub rings: Option<u32>,
    /// What the caller sends once the modems are connected, at most 4096 bytes.
    pub say: Option<String>,
    /// When the caller hangs up: so long after the modems are connected, or a person is answered.
    pub hang_up_after: Option<Span>,
}

/// Why no number is shown.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Withheld {
    /// The caller withholds it.
    Withheld,
    /// The network does not know it.
    Unavailable,
}

pub(super) const LONGEST_SPEECH: usize = 4096;
const LONGEST_NAME: usize = 15;
pub(super) const MOST_RINGS: u32 = 1000;

impl Action {
    /// The line that it names.
    pub(in crate::emulator) fn line(&self) -> Option<&str> {
        match self {
            Self::HangUp { line }
            | Self::Drop { line }
            | Self::CarrierLoss { line, .. }
            | Self::Retrain { line, .. }
            | Self::Noise { line, .. }
            | Self::Dead { line, .. }
            | Self::Alive { line }
            | Self::Glare { line, .. } => line.as_deref(),
            Self::Call(_) | Self::Calls { .. } => None,
        }
    }

    /// Whether it leaves it to an event to name the line.
    pub(super) fn needs_line(&self) -> bool {
        !matches!(self, Self::Call(_) | Self::Calls { .. }) && self.line().is_none()
    }

    /// What a treatment by this action is.
    pub(in crate::emulator) fn treatment(&self) -> Option<Treatment> {
        let Self::Calls { treatment, by, .. } = self else { return None };
        match by {
            Some(by) if treatment == "delayed-ring" => Some(Treatment::DelayedRing(by.0)),
            None => Treatment::named(treatment),
            Some(_) => None,
        }
    }

    pub(super) fn check(&self) -> Result<(), String> {
        match self {
            Self::Call(call) => call.check(),
            Self::Noise { errors, .. } if *errors > super::super::circuit::MOST_ERRORS => {
                Err(format!("step.do.noise.errors: {errors} in a million; expected at most 100000"))
            }
            Self::Retrain { rate: Some(rate), .. } if !matches!(rate, 75..=10_000_000) => {
                Err(format!("step.do.retrain.rate: {rate}; expected 75 to 10000000"))
            }
            Self::Glare { number: Some(number), .. } => check_number("step.do.glare.number", number),
            Self::Calls { to, treatment, by, .. } => {
                if let Some(to) = to {
                    check_number("step.do.calls.to", to)?;
                }
                match (treatment.as_str(), by) {
                    ("delayed-ring", None) => Err("step.do.calls.by: missing; expected how late the ring is".into()),
                    ("delayed-ring", Some(_)) => Ok(()),
                    (_, Some(_)) => Err("step.do.calls.by: belongs to `delayed-ring`".into()),
                    (name, None) if Treatment::named(name).is_none() => Err(format!(
                        "step.do.calls.as: {name:?} is no treatment; expected normal, busy, congestion, unknown, \
                         no-answer, no-caller-id, garbled-caller-id or delayed-ring"
                    )),
                    (_, None) => Ok(()),
                }
            }
            Self::HangUp { .. }
            | Self::Drop { .. }
            | Self::CarrierLoss { .. }
            | Self::Retrain { .. }
            | Self::Noise { .. }
            | Self::Dead { .. }
            | Self::Alive { .. }
            | Self::Glare { .. } => Ok(()),
        }
    }
}

impl CallFromOutside {
    fn check(&self) -> Result<(), String> {
        check_number("step.do.call.to", &self.to)?;
        if let Some(number) = &self.number {
            check_number("step.do.call.number", number)?;
        }
        let name = self.name.as_deref().unwrap_or_default();
        if name.len() > LONGEST_NAME || !name.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err(format!("step.do.call.name: {name:?}; expected printable ASCII of at most 15 characters"));
        }
        if self.rings.is_some_and(|rings| !(1..=MOST_RINGS).contains(&rings)) {
            return Err("step.do.call.rings: expected 1 to 1000".into());
        }
        if self.say.as_ref().is_some_and(|say| say.len() > LONGEST_SPEECH || self.voice) {
            return Err("step.do.call.say: expected at most 4096 bytes, and no `voice`".into());
        }
        if self.rate.is_some_and(|rate| !(75..=10_000_000).contains(&rate)) {
            return Err("step.do.call.rate: expected 75 to 10000000".into());
        }
        Ok(())
    }
}

pub(super) fn check_number(key: &str, number: &str) -> Result<(), String> {
    let good = |c: u8| c.is_ascii_digit() || matches!(c, b'*' | b'#' | b'+');
    if number.is_empty() || number.len() > 64 || !number.bytes().all(good) {
        return Err(format!("{key}: {number:?} is no number; expected 0-9, '*', '#' and '+'"));
    }
    Ok(())
}

pub(super) fn check_name(key: &str, name: &str) -> Result<(), String> {
    let good = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    if name.is_empty() || name.len() > 64 || !name.bytes().all(good) {
        return Err(format!("{key}: {name:?} is no name; expected a-z, 0-9 and '-'"));
    }
    Ok(())
}
