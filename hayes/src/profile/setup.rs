//! What a kind of modem is told, and what has to be mended with it. Commands stand without their `AT`.

use serde::Deserialize;

/// The commands for a kind of modem.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Setup {
    /// Restores its stored settings (V.250 6.1.1).
    pub reset: String,
    /// Sent one by one after the reset; what is refused is reported and left.
    pub initialise: Vec<String>,
    /// Turns flow control by RTS and CTS on (V.24 105/133 and 106), if it can.
    pub flow_control: Option<String>,
    /// Turns caller identification on: sent in this order, all of them.
    pub caller_id: Vec<String>,
    /// Asks whether caller identification is on.
    pub caller_id_check: Option<Check>,
    /// Turns the naming of distinctive rings on.
    pub distinctive_ring: Vec<String>,
    /// Sets the country of installation; `{}` stands for its T.35 code, two hexadecimal digits.
    pub country: Option<String>,
    /// Puts the line on hook (V.250 6.3.6).
    pub hang_up: String,
    /// Lists calls, with one that still alerts (3GPP TS 27.007 7.18).
    pub call_list: Option<String>,
    /// Lists the numbers that the modem refuses to dial.
    pub blacklist: Option<String>,
}

/// A question whose answer shows whether a setting has been kept.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Check {
    /// The question: `+VCID?`.
    pub ask: String,
    /// What a line of the answer is when the setting holds, without a prefix such as `+VCID: `.
    pub expect: String,
}

/// What has to be mended.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Quirks {
    /// Caller identification is lost by a call: it is turned on again after every one.
    pub caller_id_lost_by_call: bool,
    /// How long it hears nothing after a reset or a drop of DTR, in milliseconds.
    pub deaf_after_reset: u64,
    /// It knows no data calls: `CONNECT` means that a person answered.
    pub voice_only: bool,
    /// `ATH` is not obeyed while a call is being made: only DTR ends it.
    pub hangs_up_by_dtr: bool,
}

impl Default for Setup {
    /// What any V.250 modem takes: no echo, words, all call progress, carrier and DTR honoured, no auto-answer.
    fn default() -> Self {
        Self {
            reset: "Z".to_owned(),
            initialise: vec!["E0V1Q0X4&C1&D2S0=0".to_owned()],
            flow_control: None,
            caller_id: vec!["+VCID=1".to_owned()],
            caller_id_check: None,
            distinctive_ring: Vec::new(),
            country: None,
            hang_up: "H".to_owned(),
            call_list: None,
            blacklist: None,
        }
    }
}
