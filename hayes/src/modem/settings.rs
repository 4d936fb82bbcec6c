//! What the owner wants of a modem: which kind it is, what it is for, and what is to differ from that kind's setup.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

use crate::profile::{Catalogue, Check, Profile, UsbId};

/// How a modem is to be treated.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which kind it is.
    pub kind: Kind,
    /// What it is for.
    pub purpose: Purpose,
    /// The commands that turn caller identification on, in place of the kind's; without `AT`. Empty: it is left as it
    /// is.
    pub caller_id: Option<Vec<String>>,
    /// Whether the kind's command for flow control by RTS and CTS is given, and the tty told once it is accepted.
    pub flow_control: bool,
    /// Whether distinctive rings are told apart, where the kind can.
    pub distinctive_ring: bool,
    /// The country whose rules the modem keeps to; `None` leaves it where it is.
    pub country: Option<Country>,
    /// Further commands, without `AT`, sent after the kind's own.
    pub extra: Vec<String>,
    /// How to dial a number that does not say so itself.
    pub dialling: Dialling,
}

/// Which kind of modem it is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// This one.
    Known(Arc<Profile>),
    /// To be found out once, by asking the modem what it is: it takes a second, and up to
    /// [`INQUIRY_LIMIT`](super::times::INQUIRY_LIMIT) with a modem that does not answer questions.
    FindOut {
        /// What it may be.
        catalogue: Arc<Catalogue>,
        /// Its USB vendor and product, where it is a USB device.
        usb: Option<UsbId>,
    },
}

/// What a modem is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// It takes calls, and dials: caller identification is turned on.
    #[default]
    Calls,
    /// It only dials: nothing is done about callers, and a kind that is to be found out is what the USB id says, else
    /// [plain V.250](Profile::default_profile), unasked.
    DialOnly,
}

impl Settings {
    /// Those for a modem of this kind.
    #[must_use]
    pub fn for_kind(kind: Kind) -> Self {
        Self {
            kind,
            purpose: Purpose::default(),
            caller_id: None,
            flow_control: false,
            distinctive_ring: false,
            country: None,
            extra: Vec::new(),
            dialling: Dialling::default(),
        }
    }

    /// All that a modem of this kind is told when it is set up, in this order, without `AT`.
    #[must_use]
    pub fn commands(&self, profile: &Profile) -> Vec<String> {
        let reset = std::iter::once(profile.setup.reset.clone());
        reset.chain(self.plan(profile)).chain(self.caller_id(profile).iter().cloned()).collect()
    }

    /// What the modem is told after its reset, caller identification apart.
    pub(super) fn plan(&self, profile: &Profile) -> VecDeque<String> {
        let setup = &profile.setup;
        let mut plan: VecDeque<String> = setup.initialise.iter().cloned().collect();
        plan.extend(setup.flow_control.iter().filter(|_| self.flow_control).cloned());
        if let Some(country) = self.country {
            let form = setup.country.as_deref().unwrap_or(COUNTRY_OF_INSTALLATION);
            plan.push_back(form.replace("{}", &country.to_string()));
        }
        if self.purpose == Purpose::Calls && self.distinctive_ring {
            plan.extend(setup.distinctive_ring.iter().cloned());
        }
        plan.extend(self.extra.iter().cloned());
        plan
    }

    /// The commands that turn caller identification on; none where that is not wanted, or not needed.
    pub(super) fn caller_id<'a>(&'a self, profile: &'a Profile) -> &'a [String] {
        match (self.purpose, &self.caller_id) {
            (Purpose::DialOnly, _) => &[],
            (Purpose::Calls, Some(own)) => own,
            (Purpose::Calls, None) => &profile.setup.caller_id,
        }
    }

    /// How to see whether it is on. What the owner turned on in another way is not known to show in the same.
    pub(super) fn caller_id_check<'a>(&self, profile: &'a Profile) -> Option<&'a Check> {
        let own = self.caller_id.as_ref().is_some_and(|own| *own != profile.setup.caller_id);
        profile.setup.caller_id_check.as_ref().filter(|_| !own)
    }
}

impl Default for Settings {
    /// Those for a [plain V.250 modem](Profile::default_profile) that takes calls.
    fn default() -> Self {
        Self::for_kind(Kind::Known(Profile::default_profile()))
    }
}

/// The standard's command (V.250 6.1.11), for kinds of which no other is known.
const COUNTRY_OF_INSTALLATION: &str = "+GCI={}";

/// A country by its code in annex A of T.35, written as two hexadecimal digits: `B4` is the United Kingdom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Country(pub u8);

/// The text is no country code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected two hexadecimal digits (T.35), such as \"B4\" for the United Kingdom or \"42\" for Germany")]
pub struct NoCountry;

impl FromStr for Country {
    type Err = NoCountry;

    fn from_str(text: &str) -> Result<Self, NoCountry> {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        digits.then(|| u8::from_str_radix(text, 16).ok()).flatten().map(Self).ok_or(NoCountry)
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02X}", self.0)
    }
}

/// How digits are sent down the line (V.250 6.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialling {
    /// `ATDP`: pulses.
    Pulse,
    /// `ATDT`: tones.
    #[default]
    Tone,
    /// `ATD`: as the modem did last.
    Unspecified,
}

impl Dialling {
    pub(super) fn modifier(self) -> &'static str {
        match self {
            Self::Pulse => "P",
            Self::Tone => "T",
            Self::Unspecified => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_is_two_hexadecimal_digits() {
        assert_eq!("b4".parse(), Ok(Country(0xb4)));
        assert_eq!(Country(0x04).to_string(), "04");
        for text in ["", "4", "0b4", "GB", "+4"] {
            assert_eq!(text.parse::<Country>(), Err(NoCountry), "{text}");
        }
    }

    #[test]
    fn the_owners_wishes_come_after_the_kinds_own_and_a_dialler_wants_no_callers() {
        let conexant = Catalogue::built_in().find("conexant").unwrap();
        let mut settings = Settings::for_kind(Kind::Known(Arc::clone(&conexant)));
        assert_eq!(settings.plan(&conexant), ["E0V1Q0X4&C1&D2S0=0"]);
        settings.flow_control = true;
        settings.distinctive_ring = true;
        settings.country = Some(Country(0xb4));
        settings.extra = vec!["M0".to_owned()];
        assert_eq!(settings.plan(&conexant), ["E0V1Q0X4&C1&D2S0=0", "&K3", "+GCI=B4", "-SDR=7", "M0"]);
        assert_eq!(settings.caller_id(&conexant), ["+VCID=1"]);
        assert!(settings.caller_id_check(&conexant).is_some());
        settings.caller_id = Some(vec!["+VCID=2".to_owned()]);
        assert_eq!(settings.caller_id(&conexant), ["+VCID=2"]);
        assert!(settings.caller_id_check(&conexant).is_none());
        settings.purpose = Purpose::DialOnly;
        assert!(settings.caller_id(&conexant).is_empty());
        assert!(!settings.plan(&conexant).contains(&"-SDR=7".to_owned()));
    }
}
