//! Who is calling: the fields that caller identification carries.

/// The caller's number as the network presented it, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallerNumber {
    /// Digits as received, `+` and national forms untouched.
    Known(String),
    /// Withheld by the caller (`P`, presentation restricted).
    Withheld,
    /// Not available to the network (`O`, out of area).
    Unavailable,
}

/// Caller identification as delivered before, between or after rings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallerId {
    /// The caller's number, or why there is none; `None` when the message carried no number field at all.
    pub number: Option<CallerNumber>,
    /// The caller's name, if sent.
    pub name: Option<String>,
    /// Month and day as sent, `MMDD`.
    pub date: Option<String>,
    /// Hour and minute as sent, `HHMM`.
    pub time: Option<String>,
}
