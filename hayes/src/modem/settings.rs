//! What a modem is told when it is set up.

/// The commands that set a modem up, without the leading `AT`; one set for any modem that keeps to V.250.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Sent one by one after the reset. What a modem refuses is reported and left.
    pub initialise: Vec<String>,
    /// Switches caller identification on, last of all, for `ATZ` may forget it; `None` leaves it as it is.
    pub caller_id: Option<String>,
    /// How to dial a number that does not say so itself.
    pub dialling: Dialling,
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

impl Default for Settings {
    /// No echo, verbose results with all progress, carrier and DTR honoured, no auto-answer, formatted caller id.
    fn default() -> Self {
        Self {
            initialise: vec!["E0V1Q0X4&C1&D2S0=0".to_owned()],
            caller_id: Some("+VCID=1".to_owned()),
            dialling: Dialling::default(),
        }
    }
}
