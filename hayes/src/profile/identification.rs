//! What a modem said it is, and rules that tell from it which kind it is.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use thiserror::Error;

/// What was learnt of a modem.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identification {
    /// The lines that each identifying command was answered with, by the command without `AT`: `I3`, `+GMM`. A command
    /// that the modem refused is missing.
    pub answers: BTreeMap<String, Vec<String>>,
    /// Its USB vendor and product, where it is a USB device.
    pub usb: Option<UsbId>,
}

impl Identification {
    /// The commands that identify a modem (V.250 6.1, T.31, 3GPP TS 27.007), without `AT`, in the order they are sent.
    pub const COMMANDS: [&str; 16] = [
        "I",
        "I1",
        "I2",
        "I3",
        "I4",
        "I5",
        "I6",
        "I7",
        "+GMI",
        "+GMM",
        "+GMR",
        "+FMI",
        "+FMM",
        "+FMR",
        "+FCLASS=?",
        "+GCAP",
    ];
}

/// Texts that answers must contain, by the command; all of them must hold. Case does not count.
///
/// The command `*` stands for any of them.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(transparent)]
pub struct Rule(pub BTreeMap<String, String>);

impl Rule {
    /// How much text the rule has matched, if it holds.
    pub(super) fn fit(&self, seen: &Identification) -> Option<usize> {
        if self.0.is_empty() {
            return None;
        }
        let holds = |(command, text): (&String, &String)| {
            let text = text.to_ascii_lowercase();
            let said = |lines: &Vec<String>| lines.iter().any(|line| line.to_ascii_lowercase().contains(&text));
            let found = match command.as_str() {
                "*" => seen.answers.values().any(said),
                command => seen.answers.get(command).is_some_and(said),
            };
            found.then_some(text.len())
        };
        self.0.iter().map(holds).sum()
    }
}

/// A USB device's vendor and product.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(try_from = "String")]
pub struct UsbId {
    /// idVendor.
    pub vendor: u16,
    /// idProduct.
    pub product: u16,
}

/// The text is no USB id.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is no USB id; expected such as \"0baf:0303\"")]
pub struct NoUsbId(String);

impl FromStr for UsbId {
    type Err = NoUsbId;

    fn from_str(text: &str) -> Result<Self, NoUsbId> {
        let part = |part: &str| {
            let digits = part.len() == 4 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
            digits.then(|| u16::from_str_radix(part, 16).ok()).flatten()
        };
        let (vendor, product) = text.split_once(':').unwrap_or_default();
        match (part(vendor), part(product)) {
            (Some(vendor), Some(product)) => Ok(Self { vendor, product }),
            _ => Err(NoUsbId(text.to_owned())),
        }
    }
}

impl TryFrom<String> for UsbId {
    type Error = NoUsbId;

    fn try_from(text: String) -> Result<Self, NoUsbId> {
        text.parse()
    }
}

impl fmt::Display for UsbId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:04x}", self.vendor, self.product)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usb_id_is_two_groups_of_four_digits() {
        let id: UsbId = "0BAF:0303".parse().unwrap();
        assert_eq!((id.vendor, id.product, id.to_string().as_str()), (0x0baf, 0x0303, "0baf:0303"));
        for text in ["", "0baf", "baf:0303", "0baf:+303", "0baf:0303:1"] {
            assert!(text.parse::<UsbId>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_rule_holds_when_all_of_it_does() {
        let mut seen = Identification::default();
        seen.answers.insert("I3".to_owned(), vec!["Courier V.Everything".to_owned(), "x2".to_owned()]);
        let rule = |pairs: &[(&str, &str)]| {
            Rule(pairs.iter().map(|(command, text)| ((*command).to_owned(), (*text).to_owned())).collect())
        };
        assert_eq!(rule(&[("I3", "courier")]).fit(&seen), Some(7));
        assert_eq!(rule(&[("*", "X2"), ("I3", "courier")]).fit(&seen), Some(9));
        assert_eq!(rule(&[("I3", "courier"), ("I4", "x2")]).fit(&seen), None);
        assert_eq!(rule(&[]).fit(&seen), None);
    }
}
