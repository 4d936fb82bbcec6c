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

impl Setup {
    /// Every command in it, with `{}` where a country's code belongs.
    pub fn commands(&self) -> impl Iterator<Item = &str> {
        let lists = [&self.initialise, &self.caller_id, &self.distinctive_ring];
        let check = self.caller_id_check.as_ref().map(|check| &check.ask);
        let single = [&self.flow_control, &self.country, &self.call_list, &self.blacklist];
        let single = single.into_iter().filter_map(Option::as_ref).chain(check).chain([&self.reset, &self.hang_up]);
        lists.into_iter().flatten().chain(single).map(String::as_str)
    }
}

/// A question whose answer shows whether a setting has been kept.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Check {
    /// The question: `+VCID?`.
    pub ask: String,
    /// The first value of the answer when the setting holds: `1` for `1`, `+VCID: 1` and `+CLIP: 1,1`.
    pub expect: String,
}

impl Check {
    /// Reports whether this line of the answer shows that the setting holds.
    #[must_use]
    pub fn holds(&self, line: &str) -> bool {
        let name = self.ask.trim_end_matches('?');
        let values = line.strip_prefix(name).map_or(line, |rest| rest.trim_start_matches([':', ' ']));
        values.split(',').next().is_some_and(|first| first.trim() == self.expect)
    }
}

/// What has to be mended.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Quirks {
    /// Caller identification is lost by a call: it is turned on again after every one.
    pub caller_id_lost_by_call: bool,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_looks_at_the_first_value_of_the_answer() {
        let check = |ask: &str| Check { ask: ask.to_owned(), expect: "1".to_owned() };
        for (ask, line) in [("+VCID?", "1"), ("+VCID?", "+VCID: 1"), ("+CLIP?", "+CLIP: 1,2"), ("#CID?", "#CID:1")] {
            assert!(check(ask).holds(line), "{line}");
        }
        for line in ["0", "+VCID: 0", "+CLIP: 1", "10", "+VCID: (0,1)", ""] {
            assert!(!check("+VCID?").holds(line), "{line}");
        }
    }
}
