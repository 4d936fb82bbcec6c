//! What the doorman says of a call.

use std::fmt;
use std::time::Instant;

use serde::{Serialize, Serializer};

use crate::budget::Cap;

/// Why a call does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The machine is online, or on its way there.
    AlreadyOnline,
    /// The budget does not allow it.
    Budget(Cap),
    /// The last wake was too short a time ago.
    Cooldown,
    /// It was the first of the two calls that it takes.
    FirstOfTwo,
    /// The caller hung up before it was known that the call was to be answered.
    GoneBeforeAnswer,
    /// A rule says to ignore the caller.
    Ignored,
    /// The caller withheld the number, or the network had none, or caller identification never came; no rule is for that.
    NoCallerNumber,
    /// The provider has refused us, and is not called for now.
    ProviderRefused,
    /// It rang less often than it takes.
    TooFewRings,
    /// This caller, or all together, called more often than is good.
    TooManyCalls,
    /// No rule is for this caller.
    UnknownCaller,
}

impl Reason {
    /// The reason as programs read it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AlreadyOnline => "already-online",
            Self::Budget(Cap::CallsADay) => "budget-calls-a-day",
            Self::Budget(Cap::CallsAMonth) => "budget-calls-a-month",
            Self::Budget(Cap::MinutesADay) => "budget-minutes-a-day",
            Self::Budget(Cap::MinutesAMonth) => "budget-minutes-a-month",
            Self::Budget(Cap::NotKept) => "budget-not-kept",
            Self::Cooldown => "cooldown",
            Self::FirstOfTwo => "first-of-two",
            Self::GoneBeforeAnswer => "gone-before-answer",
            Self::Ignored => "ignored",
            Self::NoCallerNumber => "no-caller-number",
            Self::ProviderRefused => "provider-refused",
            Self::TooFewRings => "too-few-rings",
            Self::TooManyCalls => "too-many-calls",
            Self::UnknownCaller => "unknown-caller",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyOnline => f.write_str("the machine is online, or on its way there"),
            Self::Budget(cap) => f.write_str(&cap.told(crate::listen::BUDGET)),
            Self::Cooldown => f.write_str("the last wake was too short a time ago"),
            Self::FirstOfTwo => f.write_str("it was the first of the two calls that it takes"),
            Self::GoneBeforeAnswer => f.write_str("the caller hung up before it could be answered"),
            Self::Ignored => f.write_str("a rule says to ignore the caller"),
            Self::NoCallerNumber => f.write_str("no caller's number came, and no rule is for that"),
            Self::ProviderRefused => f.write_str("the provider has refused us, and is not called for now"),
            Self::TooFewRings => f.write_str("it rang less often than it takes"),
            Self::TooManyCalls => f.write_str("more calls came than [listen.limits] allow"),
            Self::UnknownCaller => f.write_str("no rule is for this caller"),
        }
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// What the doorman has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// The line rang, for the given time in this call.
    Rang(u32),
    /// The call will wake the machine as soon as the line is silent.
    Accepted,
    /// Answer the call, now, while it rings. The doorman has done with it.
    Answer {
        /// When the call first rang.
        first_ring: Instant,
    },
    /// The call is over, and does nothing.
    Refused {
        /// Why.
        reason: Reason,
        /// Whether it is one more of a series that the owner has been told of: not worth another line in the log.
        again: bool,
    },
    /// A series of refused calls is over, or has gone on for an hour.
    MoreRefused {
        /// Why they were refused.
        reason: Reason,
        /// How many there were that the owner was not told of.
        more: u32,
    },
    /// The line is silent: wake now. The first ring of the call was at the given instant.
    Wake {
        /// When the call first rang.
        first_ring: Instant,
    },
}
