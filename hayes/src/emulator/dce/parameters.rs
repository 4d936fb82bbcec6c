//! The parameters that extended commands set, read and test: V.250 6.2 to 6.6, T.31/T.32, V.253, 3GPP TS 27.007.
//!
//! Owns their names, ranges and factory values. What one of them does is for whoever reads it.

use super::settings::Settings;
use crate::command::Value;

/// A parameter.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) modems: Modems,
    form: Form,
    fields: &'static [Field],
}

/// Which modems have a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Modems {
    /// All.
    All,
    /// Those on a telephone line.
    Wired,
    /// Those that send faxes (`+FCLASS=1` or more).
    Fax,
    /// Those with a voice mode (`+FCLASS=8`).
    Voice,
    /// Those on a mobile network.
    Cellular,
}

/// How the values are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `+X: 1,2` (V.250, 3GPP TS 27.007).
    Named,
    /// `1,2` (T.31, V.253, and Rockwell's own).
    Bare,
}

/// One value of a parameter: what it may be, and what it is from the factory.
#[derive(Debug)]
enum Field {
    Number(&'static [(u32, u32)], u32),
    /// A word, with or without quotes.
    Word(&'static [&'static str], &'static str),
    /// A string constant out of these.
    Text(&'static [&'static str], &'static str),
    /// A string constant of at most so many characters, commas aside; empty from the factory.
    Name(usize),
}

use self::Field::{Name, Number, Text, Word};
use self::Form::{Bare, Named};
use self::Modems::{All, Cellular, Fax, Voice, Wired};

const FLAG: &[(u32, u32)] = &[(0, 1)];
const TO_2: &[(u32, u32)] = &[(0, 2)];
const TO_3: &[(u32, u32)] = &[(0, 3)];
const OCTET: &[(u32, u32)] = &[(0, 255)];
const RATES: &[(u32, u32)] = &[(0, 0), (300, 33_600)];
/// Countries of installation (T.35 annex A), as modems list them.
const COUNTRIES: &[&str] = &[
    "00", "04", "09", "0A", "0F", "16", "1B", "26", "2D", "31", "3C", "3D", "42", "46", "50", "51", "53", "54", "57",
    "58", "59", "61", "69", "73", "77", "7B", "7E", "82", "84", "89", "8A", "8B", "9C", "A0", "A5", "A6", "A9", "AE",
    "B3", "B4", "B5", "B7", "B8", "F6", "FD", "FE",
];
/// Rates of the terminal (V.250 6.2.10); 0 for automatic.
pub(super) const TERMINAL_RATES: [u32; 13] =
    [0, 300, 600, 1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800];
const TERMINAL_RATE: &[(u32, u32)] = &[
    (0, 0),
    (300, 300),
    (600, 600),
    (1200, 1200),
    (2400, 2400),
    (4800, 4800),
    (9600, 9600),
    (19_200, 19_200),
    (38_400, 38_400),
    (57_600, 57_600),
    (115_200, 115_200),
    (230_400, 230_400),
    (460_800, 460_800),
];

const fn row(name: &'static str, modems: Modems, form: Form, fields: &'static [Field]) -> Parameter {
    Parameter { name, modems, form, fields }
}

const PARAMETERS: &[Parameter] = &[
    // The terminal (V.250 6.2.10 to 6.2.13).
    row("+IPR", All, Named, &[Number(TERMINAL_RATE, 0)]),
    row("+ICF", All, Named, &[Number(&[(0, 6)], 3), Number(TO_3, 3)]),
    row("+IFC", All, Named, &[Number(TO_3, 2), Number(TO_2, 2)]),
    row("+ILRR", All, Named, &[Number(FLAG, 0)]),
    // The country (V.250 6.1.10).
    row("+GCI", Wired, Named, &[Word(COUNTRIES, "B5")]),
    // Modulation (V.250 6.4).
    row("+MS", Wired, Named, &[Word(CARRIERS, "V34"), Number(FLAG, 1), Number(RATES, 0), Number(RATES, 0)]),
    row("+MR", All, Named, &[Number(TO_2, 0)]),
    row("+MA", Wired, Named, &[Word(CARRIERS, ""), Word(CARRIERS, ""), Word(CARRIERS, "")]),
    // Error control and compression (V.250 6.5 and 6.6).
    row("+ES", All, Named, &[Number(&[(0, 7)], 3), Number(&[(0, 4)], 0), Number(&[(0, 6)], 2)]),
    row("+EB", Wired, Named, &[Number(TO_2, 1), Number(FLAG, 0), Number(&[(0, 254)], 30)]),
    row("+ER", All, Named, &[Number(FLAG, 0)]),
    row("+ESR", Wired, Named, &[Number(TO_2, 1)]),
    row("+EFCS", Wired, Named, &[Number(TO_2, 1)]),
    row("+ETBM", Wired, Named, &[Number(TO_2, 1), Number(TO_2, 1), Number(&[(0, 30)], 20)]),
    row("+EWIND", Wired, Named, &[Number(&[(1, 127)], 15), Number(&[(1, 127)], 15)]),
    row("+EFRAM", Wired, Named, &[Number(&[(1, 65_535)], 128), Number(&[(1, 65_535)], 128)]),
    row(
        "+DS",
        All,
        Named,
        &[Number(TO_3, 3), Number(FLAG, 0), Number(&[(512, 65_535)], 2048), Number(&[(6, 250)], 32)],
    ),
    row("+DR", All, Named, &[Number(FLAG, 0)]),
    row("+DCS", Wired, Named, &[Number(FLAG, 1), Number(FLAG, 1)]),
    // V.92 (V.250 6.8).
    row("+PCW", Wired, Named, &[Number(TO_2, 0)]),
    row("+PMH", Wired, Named, &[Number(FLAG, 1)]),
    row("+PIG", Wired, Named, &[Number(FLAG, 1)]),
    row("+PSS", Wired, Named, &[Number(TO_2, 0)]),
    // Fax (T.31, T.32).
    row("+FAA", Fax, Bare, &[Number(FLAG, 0)]),
    row("+FAE", Fax, Bare, &[Number(FLAG, 0)]),
    row("+FBO", Fax, Bare, &[Number(&[(0, 3)], 0)]),
    row("+FCR", Fax, Bare, &[Number(FLAG, 0)]),
    row("+FDCC", Fax, Bare, SESSION),
    row("+FDIS", Fax, Bare, SESSION),
    row("+FLID", Fax, Bare, &[Name(20)]),
    row("+FLO", Fax, Bare, &[Number(TO_2, 2)]),
    row("+FPR", Fax, Bare, &[Number(&[(0, 8)], 0)]),
    // Voice and rings (V.253; Rockwell).
    row("+VDR", Wired, Bare, &[Number(FLAG, 0), Number(OCTET, 0)]),
    row("+VGR", Voice, Bare, &[Number(OCTET, 128)]),
    row("+VGT", Voice, Bare, &[Number(OCTET, 128)]),
    row("+VIT", Voice, Bare, &[Number(OCTET, 0)]),
    row("-SCID", Wired, Bare, &[Number(FLAG, 0)]),
    row("-SDR", Wired, Bare, &[Number(&[(0, 7)], 0)]),
    row("-STE", Wired, Bare, &[Number(&[(0, 7)], 0)]),
    // Mobile networks (3GPP TS 27.007).
    row("+CBST", Cellular, Named, &[Number(&[(0, 134)], 0), Number(FLAG, 0), Number(TO_3, 1)]),
    row("+CLIP", Cellular, Named, &[Number(FLAG, 0)]),
    row("+CLIR", Cellular, Named, &[Number(TO_2, 0)]),
    row("+CMEE", Cellular, Named, &[Number(TO_2, 0)]),
    row("+CMGF", Cellular, Named, &[Number(FLAG, 0)]),
    row("+CR", Cellular, Named, &[Number(FLAG, 0)]),
    row("+CRC", Cellular, Named, &[Number(FLAG, 0)]),
    row("+CREG", Cellular, Named, &[Number(TO_2, 0)]),
    row("+CGREG", Cellular, Named, &[Number(TO_2, 0)]),
    row("+CCWA", Cellular, Named, &[Number(FLAG, 0), Number(TO_2, 1), Number(OCTET, 1)]),
    row("+CSCS", Cellular, Named, &[Text(&["GSM", "IRA", "UCS2", "8859-1"], "IRA")]),
    row("+CVHU", Cellular, Named, &[Number(FLAG, 0)]),
    row("+WS46", Cellular, Named, &[Number(&[(12, 12), (22, 22), (25, 25)], 25)]),
];
/// What a fax session may be like in class 2 (T.32 8.5.1): resolution, rate, width, length, compression, error
/// correction, binary transfer, time of a scan line.
const SESSION: &[Field] = &[
    Number(FLAG, 1),
    Number(&[(0, 5)], 5),
    Number(TO_2, 0),
    Number(TO_2, 2),
    Number(FLAG, 0),
    Number(TO_2, 0),
    Number(FLAG, 0),
    Number(&[(0, 7)], 0),
];
const CARRIERS: &[&str] = &["V21", "V22", "V22B", "V32", "V32B", "V34", "V90", "V92"];

/// The parameter of this name.
pub(super) fn find(name: &str) -> Option<&'static Parameter> {
    PARAMETERS.iter().find(|known| known.name == name)
}

/// Why values were not taken: too many of them, or one out of its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OutOfRange;

impl Parameter {
    /// The factory values, separated by commas.
    pub(super) fn factory(&self) -> String {
        let value = |field: &Field| match field {
            Number(_, value) => value.to_string(),
            Word(_, value) | Text(_, value) => (*value).to_owned(),
            Name(_) => String::new(),
        };
        self.fields.iter().map(value).collect::<Vec<_>>().join(",")
    }

    /// Checks `given` and fills what it leaves out with `present`, the values so far.
    pub(super) fn take(&self, given: &[Value], present: &str) -> Result<String, OutOfRange> {
        if given.len() > self.fields.len() {
            return Err(OutOfRange);
        }
        let mut present = present.split(',');
        let mut taken = Vec::new();
        for (index, field) in self.fields.iter().enumerate() {
            let present = present.next().unwrap_or_default().to_owned();
            taken.push(match given.get(index) {
                None | Some(Value::Omitted) => present,
                Some(value) => field.take(value).ok_or(OutOfRange)?,
            });
        }
        Ok(taken.join(","))
    }

    /// The answer to `+X?`.
    pub(super) fn read(&self, settings: &Settings) -> String {
        let factory = self.factory();
        let present = settings.parameter(self.name).unwrap_or(&factory);
        let written = |(field, value): (&Field, &str)| match field {
            Text(..) | Name(_) => format!("\"{value}\""),
            Number(..) | Word(..) => value.to_owned(),
        };
        let values: Vec<_> = self.fields.iter().zip(present.split(',')).map(written).collect();
        // Words that were never set, at the end, are not told.
        self.named(values.join(",").trim_end_matches(','))
    }

    /// The answer to `+X=?`.
    pub(super) fn test(&self) -> String {
        let range = |(least, most): &(u32, u32)| match most - least {
            0 => least.to_string(),
            1 => format!("{least},{most}"),
            _ => format!("{least}-{most}"),
        };
        let ranges = |field: &Field| match field {
            Number(ranges, _) => format!("({})", ranges.iter().map(range).collect::<Vec<_>>().join(",")),
            Word(words, _) => format!("({})", words.join(",")),
            Text(words, _) => format!("(\"{}\")", words.join("\",\"")),
            Name(most) => format!("({most})(32-43,45-126)"),
        };
        self.named(&self.fields.iter().map(ranges).collect::<Vec<_>>().join(","))
    }

    fn named(&self, text: &str) -> String {
        match self.form {
            Named => format!("{}: {text}", self.name),
            Bare => text.to_owned(),
        }
    }
}

impl Field {
    fn take(&self, value: &Value) -> Option<String> {
        match (self, value) {
            (Number(ranges, _), Value::Plain(text)) => {
                let number: u32 = text.parse().ok().filter(|_| text.bytes().all(|digit| digit.is_ascii_digit()))?;
                ranges.iter().any(|(least, most)| (*least..=*most).contains(&number)).then(|| number.to_string())
            }
            (Word(words, _), Value::Plain(text) | Value::Quoted(text)) | (Text(words, _), Value::Quoted(text)) => {
                words.iter().find(|word| word.eq_ignore_ascii_case(text)).map(|word| (*word).to_owned())
            }
            (Name(most), Value::Quoted(text)) => {
                let fits = text.len() <= *most && text.bytes().all(|c| matches!(c, b' '..=b'~') && c != b',');
                fits.then(|| text.clone())
            }
            (Number(..), Value::Quoted(_) | Value::Omitted)
            | (Text(..) | Name(_), Value::Plain(_) | Value::Omitted)
            | (Word(..), Value::Omitted) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::values;

    fn taken(name: &str, text: &str) -> Option<String> {
        let known = find(name)?;
        known.take(&values(text).ok()?, &known.factory()).ok()
    }

    #[test]
    fn values_left_out_stay_and_values_out_of_range_are_refused() {
        assert_eq!(taken("+MS", "v32b,,,14400").as_deref(), Some("V32B,1,0,14400"));
        assert_eq!(taken("+MS", "\"V22B\"").as_deref(), Some("V22B,1,0,0"));
        for (name, text) in [
            ("+MS", "V99"),
            ("+MS", "V34,2"),
            ("+ES", "8"),
            ("+DR", "1,1"),
            ("+IPR", "1201"),
            ("+DR", "+1"),
            ("+DR", "\"1\""),
        ] {
            assert_eq!(taken(name, text), None, "{name}={text}");
        }
    }

    #[test]
    fn every_parameter_takes_its_own_factory_values_and_is_named_once() {
        for known in PARAMETERS {
            let factory = known.factory();
            let again: String = factory
                .split(',')
                .zip(known.fields)
                .map(|(value, field)| match field {
                    Text(..) | Name(_) => format!("\"{value}\","),
                    Number(..) | Word(..) => format!("{value},"),
                })
                .collect();
            assert_eq!(taken(known.name, again.trim_end_matches(',')), Some(factory), "{}", known.name);
            assert_eq!(PARAMETERS.iter().filter(|other| other.name == known.name).count(), 1, "{}", known.name);
        }
    }

    #[test]
    fn the_rates_of_the_terminal_are_those_that_ipr_takes() {
        assert!(TERMINAL_RATES.iter().all(|rate| taken("+IPR", &rate.to_string()).is_some()));
    }
}
