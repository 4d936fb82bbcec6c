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
    ///
    /// The fax modems of the early nineties know `+FMFR?`, `+FMDL?` and `+FREV?` (EIA-592) in place of the newer ones.
    pub const COMMANDS: [&str; 22] = [
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
        "+CGMI",
        "+CGMM",
        "+CGMR",
        "+FMI",
        "+FMM",
        "+FMR",
        "+FMFR?",
        "+FMDL?",
        "+FREV?",
        "+FCLASS=?",
        "+GCAP",
    ];
}

/// Asks a modem what it is: the commands one after another, and what came back.
///
/// Bounded: keeps at most [`LINES_KEPT`](Self::LINES_KEPT) lines of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inquiry {
    asked: usize,
    lines: Vec<String>,
    seen: Identification,
}

impl Inquiry {
    /// How many lines of one answer are kept: more than any modem's `ATI4`, less than what noise could bring.
    pub const LINES_KEPT: usize = 64;

    /// Begins with the first of [`Identification::COMMANDS`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The command to send next or that waits for its answer, without `AT`; `None` once all have been answered.
    #[must_use]
    pub fn command(&self) -> Option<&'static str> {
        Identification::COMMANDS.get(self.asked).copied()
    }

    /// Takes a line of the answer: anything but echo, a final result code and unasked ones such as `RING`.
    pub fn handle_line(&mut self, line: &str) {
        if self.command().is_some() && self.lines.len() < Self::LINES_KEPT {
            self.lines.push(line.to_owned());
        }
    }

    /// Takes the final result code, accepted or refused, and goes on to the next command.
    pub fn handle_result(&mut self, accepted: bool) {
        let lines = std::mem::take(&mut self.lines);
        if let Some(command) = self.command() {
            if accepted {
                self.seen.answers.insert(command.to_owned(), lines);
            }
            self.asked += 1;
        }
    }

    /// Takes that no final result code came in time, as with modems that forget it, and goes on to the next command.
    pub fn handle_silence(&mut self) {
        self.handle_result(!self.lines.is_empty());
    }

    /// What was learnt so far.
    #[must_use]
    pub fn finish(self) -> Identification {
        self.seen
    }
}

/// Texts that answers must contain, by the command; all of them must hold. Case does not count.
///
/// The command `*` stands for any of them; a text that begins with `=` is the whole line and not a part of it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(transparent)]
pub struct Rule(pub BTreeMap<String, String>);

impl Rule {
    /// Reports whether the rule asks for anything at all.
    pub(super) fn is_sound(&self) -> bool {
        !self.0.is_empty()
            && self.0.iter().all(|(command, text)| !command.is_empty() && !text.is_empty() && text != "=")
    }

    /// How much text the rule has matched, if it holds.
    pub(super) fn fit(&self, seen: &Identification) -> Option<usize> {
        if self.0.is_empty() {
            return None;
        }
        let holds = |(command, text): (&String, &String)| {
            find(command, text, seen).map(|_| text.strip_prefix('=').unwrap_or(text).len())
        };
        self.0.iter().map(holds).sum()
    }

    /// The answers that it matched: the commands, each with the line that told.
    pub(super) fn matches(&self, seen: &Identification) -> Vec<(String, String)> {
        let found = self.0.iter().filter_map(|(command, text)| find(command, text, seen));
        found.map(|(command, line)| (command.to_owned(), line.to_owned())).collect()
    }
}

/// The first line that has what one condition of a rule asks for, with the command that it answered.
fn find<'a>(command: &str, text: &str, seen: &'a Identification) -> Option<(&'a str, &'a str)> {
    let text = text.to_ascii_lowercase();
    let whole = text.strip_prefix('=');
    let same = |line: &&String| {
        let line = line.to_ascii_lowercase();
        whole.map_or_else(|| line.contains(&text), |whole| line == whole)
    };
    let mut answers: Vec<_> =
        seen.answers.iter().filter(|(asked, _)| command == "*" || command == asked.as_str()).collect();
    // What was asked first tells most.
    answers.sort_by_key(|(asked, _)| Identification::COMMANDS.iter().position(|command| command == asked));
    answers.into_iter().find_map(|(asked, lines)| Some((asked.as_str(), lines.iter().find(same)?.as_str())))
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
    fn an_inquiry_asks_everything_and_keeps_what_was_accepted() {
        let mut inquiry = Inquiry::new();
        let mut asked = Vec::new();
        while let Some(command) = inquiry.command() {
            asked.push(command);
            match command {
                "I" => {
                    inquiry.handle_line("5601");
                    inquiry.handle_result(true);
                }
                "I1" => inquiry.handle_result(true),
                "I2" => {
                    inquiry.handle_line("TEST OK");
                    inquiry.handle_silence();
                }
                "I3" => inquiry.handle_silence(),
                _ => {
                    inquiry.handle_line("of no use");
                    inquiry.handle_result(false);
                }
            }
        }
        assert_eq!(asked, Identification::COMMANDS);
        inquiry.handle_line("late");
        inquiry.handle_result(true);
        let answers: Vec<_> = inquiry.finish().answers.into_iter().collect();
        let line = |text: &str| vec![text.to_owned()];
        assert_eq!(
            answers,
            [("I".to_owned(), line("5601")), ("I1".to_owned(), vec![]), ("I2".to_owned(), line("TEST OK"))]
        );
    }

    #[test]
    fn an_endless_answer_is_cut() {
        let mut inquiry = Inquiry::new();
        for _ in 0..10_000 {
            inquiry.handle_line("noise");
        }
        inquiry.handle_result(true);
        assert_eq!(inquiry.finish().answers["I"].len(), Inquiry::LINES_KEPT);
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
        assert_eq!(rule(&[("I3", "=X2")]).fit(&seen), Some(2));
        assert_eq!(rule(&[("I3", "=courier")]).fit(&seen), None);
        assert_eq!(rule(&[]).fit(&seen), None);
    }
}
