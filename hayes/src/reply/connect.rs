//! What the modem says of the connection it made.
//!
//! Owns the text of `CONNECT` in every vendor's form, and the lines that some modems send before it (V.250 6.4.2 and
//! 6.5.5, Rockwell's `W1`). Refuses to guess: what neither tells stays unknown.

use std::fmt;

/// What the modem said with `CONNECT` (`33600/ARQ/V34`), and before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connect {
    /// The text after `CONNECT`, empty when bare.
    pub text: String,
    /// The rate named first in the text, in bit/s; some modems name the rate of the line, some that of the tty.
    pub speed: Option<u32>,
    /// What is known of the connection.
    pub carrier: CarrierReport,
}

/// The properties of a connection, gathered from `CONNECT` and the lines before it; `None` is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CarrierReport {
    /// The rate of the line in bit/s, towards this modem where the directions differ.
    pub line_rate: Option<u32>,
    /// The rate of the tty in bit/s.
    pub tty_rate: Option<u32>,
    /// How the line is modulated.
    pub modulation: Option<Modulation>,
    /// What protects the data on the line.
    pub error_control: Option<ErrorControl>,
    /// What compresses it.
    pub compression: Option<Compression>,
}

/// How a line is modulated, by the names that modems use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Modulation {
    /// Bell 103, 300 bit/s.
    Bell103,
    /// Bell 212A, 1200 bit/s.
    Bell212a,
    /// U.S. Robotics' HST, up to 16800 bit/s one way.
    Hst,
    /// Rockwell's and Lucent's K56flex.
    K56Flex,
    /// V.110 rate adaption on an ISDN channel.
    V110,
    /// V.120 on an ISDN channel.
    V120,
    /// V.21, 300 bit/s.
    V21,
    /// V.22, 1200 bit/s.
    V22,
    /// V.22bis, 2400 bit/s.
    V22Bis,
    /// V.23, 1200 and 75 bit/s.
    V23,
    /// V.32, up to 9600 bit/s.
    V32,
    /// V.32bis, up to 14400 bit/s.
    V32Bis,
    /// V.34, up to 33600 bit/s.
    V34,
    /// V.90, up to 56000 bit/s one way.
    V90,
    /// V.92, up to 56000 and 48000 bit/s.
    V92,
    /// V.FC, up to 28800 bit/s.
    VFc,
    /// U.S. Robotics' x2.
    X2,
    /// X.75 on an ISDN channel.
    X75,
}

/// What protects data on the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorControl {
    /// Nothing does.
    None,
    /// Something does, which is not told (`ARQ`, `REL`, `EC`).
    Unnamed,
    /// LAPM (V.42).
    Lapm,
    /// MNP 2 to 4, or 10 (V.42 annex A).
    Mnp,
    /// The radio link protocol of a cellular network.
    Rlp,
}

/// What compresses data on the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Nothing does.
    None,
    /// Something does, which is not told (`COMPRESSED`).
    Unnamed,
    /// MNP 5.
    Mnp5,
    /// V.42bis.
    V42Bis,
    /// V.44.
    V44,
}

impl fmt::Display for Modulation {
    /// Its name in the standards.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bell103 => "Bell 103",
            Self::Bell212a => "Bell 212A",
            Self::Hst => "HST",
            Self::K56Flex => "K56flex",
            Self::V110 => "V.110",
            Self::V120 => "V.120",
            Self::V21 => "V.21",
            Self::V22 => "V.22",
            Self::V22Bis => "V.22bis",
            Self::V23 => "V.23",
            Self::V32 => "V.32",
            Self::V32Bis => "V.32bis",
            Self::V34 => "V.34",
            Self::V90 => "V.90",
            Self::V92 => "V.92",
            Self::VFc => "V.FC",
            Self::X2 => "x2",
            Self::X75 => "X.75",
        })
    }
}

impl fmt::Display for ErrorControl {
    /// Its short name: `LAPM`; `none`, `unnamed`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Unnamed => "unnamed",
            Self::Lapm => "LAPM",
            Self::Mnp => "MNP",
            Self::Rlp => "RLP",
        })
    }
}

impl fmt::Display for Compression {
    /// Its name in the standards: `V.42bis`; `none`, `unnamed`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Unnamed => "unnamed",
            Self::Mnp5 => "MNP 5",
            Self::V42Bis => "V.42bis",
            Self::V44 => "V.44",
        })
    }
}

impl Connect {
    /// Reads the text after the word `CONNECT`.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        let mut carrier = CarrierReport::default();
        let mut speed = None;
        let mut rates = 0;
        for word in text.split(|c: char| c.is_whitespace() || matches!(c, '/' | ',' | ';')) {
            // `33600:TX`, `31200:RX`.
            let (word, direction) = word.split_once(':').unwrap_or((word, ""));
            let Some(rate) = rate(word) else {
                carrier.note_word(word);
                continue;
            };
            speed = speed.or(Some(rate));
            match (direction, rates, belongs_to(rate)) {
                ("RX", ..) => carrier.line_rate = Some(rate),
                ("TX", ..) | (_, 0, Some(Side::Line)) => carrier.line_rate = carrier.line_rate.or(Some(rate)),
                (_, 0, Some(Side::Tty)) => carrier.tty_rate = Some(rate),
                (_, 0, None) => {}
                // ZyXEL: `38400/V.32bis 14400/V.42bis`, the tty before the line.
                (_, 1, _) => {
                    carrier.tty_rate = carrier.tty_rate.or(carrier.line_rate).or(speed);
                    carrier.line_rate = Some(rate);
                }
                _ => {}
            }
            rates += usize::from(direction.is_empty());
        }
        Self { text: text.to_owned(), speed, carrier }
    }

    /// Adds what was said before `CONNECT`, where the text itself is silent.
    #[must_use]
    pub fn with_report(mut self, before: CarrierReport) -> Self {
        let own = self.carrier;
        self.carrier = CarrierReport {
            line_rate: before.line_rate.or(own.line_rate),
            tty_rate: own.tty_rate.or(before.tty_rate),
            modulation: own.modulation.or(before.modulation),
            error_control: before.error_control.or(own.error_control),
            compression: own.compression.or(before.compression),
        };
        self
    }
}

impl CarrierReport {
    /// Reads a line that came before `CONNECT` (`+MRR: 33600`, `PROTOCOL: LAPM`); reports whether it told anything.
    pub fn note(&mut self, line: &str) -> bool {
        let before = *self;
        let (tag, value) = line.split_once([':', ' ']).unwrap_or((line, ""));
        let value = value.trim();
        match tag {
            "+MCR" => self.modulation = modulation(&plain(value)).or(self.modulation),
            // `+MRR: 31200,49333` is sending, then receiving; `CARRIER 75TX/1200RX` and `CARRIER 1200/75` likewise.
            "+MRR" | "CARRIER" => {
                let mut rates = value.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok());
                self.line_rate = rates.next_back().or(self.line_rate);
            }
            "+ILRR" => self.tty_rate = value.split(',').next().and_then(rate).or(self.tty_rate),
            "+ER" => self.error_control = error_control(&plain(value)).or(self.error_control),
            "+DR" | "COMPRESSION" => self.note_compression(value),
            "PROTOCOL" => self.note_protocol(value),
            _ => {}
        }
        before != *self
    }

    fn note_word(&mut self, word: &str) {
        let word = plain(word);
        if let Some(found) = modulation(&word) {
            self.modulation = self.modulation.or(Some(found));
        } else if let Some(found) = compression(&word) {
            self.compression = self.compression.or(Some(found));
        } else if let Some(found) = error_control(&word) {
            match (found, self.error_control) {
                // `ARQ/.../LAPM`: the name says more.
                (_, None | Some(ErrorControl::Unnamed)) => self.error_control = Some(found),
                // `LAPM/NONE`: the second word of its kind is about compression.
                (ErrorControl::None, Some(_)) => self.compression = self.compression.or(Some(Compression::None)),
                _ => {}
            }
        }
    }

    fn note_compression(&mut self, value: &str) {
        // `V42B RD`: receiving only.
        let first = plain(value.split_whitespace().next().unwrap_or(""));
        self.compression = match first.as_str() {
            "NONE" => Some(Compression::None),
            "ALT" | "CLASS" => Some(Compression::Mnp5),
            _ => compression(&plain(value)).or_else(|| compression(&first)).or(self.compression),
        };
    }

    /// Reads `LAPM`, `NONE`, `ALTERNATE, +CLASS 4`; with Silicon Laboratories `V42bis` and `V.44`, which say both.
    fn note_protocol(&mut self, value: &str) {
        let word = plain(value.split(',').next().unwrap_or(""));
        if let Some(found) = compression(&word) {
            self.compression = Some(found);
            self.error_control = self.error_control.or(Some(ErrorControl::Lapm));
        } else {
            self.error_control = error_control(&word).or(self.error_control);
        }
        if value.ends_with("CLASS 5") {
            self.compression = Some(Compression::Mnp5);
        }
    }
}

/// The shortest number taken for a rate, in digits: `V42` and `V90` hold shorter ones, and V.23's 75 bit/s is no rate
/// that anybody waits for.
const RATE_DIGITS: usize = 3;

/// Reads a number that stands on its own, or with the letter of `9.6K` (ISDN adapters).
fn rate(word: &str) -> Option<u32> {
    if let Some(thousands) = word.strip_suffix(['K', 'k']) {
        let (whole, tenth) = thousands.split_once('.').unwrap_or((thousands, "0"));
        let digit = Some(tenth).filter(|tenth| tenth.len() == 1).and_then(number)?;
        // `56K` is a modulation.
        return number(whole)?.checked_mul(1000)?.checked_add(digit * 100).filter(|rate| *rate != 56_000);
    }
    number(word).filter(|_| word.len() >= RATE_DIGITS)
}

fn number(digits: &str) -> Option<u32> {
    digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))
}

enum Side {
    Line,
    Tty,
}

/// Whose rate it is; `None` for those that lines and ttys have in common.
fn belongs_to(rate: u32) -> Option<Side> {
    match rate {
        0..=1200 | 2400 | 4800 | 9600 | 19_200 => None,
        38_400 | 57_600 | 76_800 | 115_200 | 230_400 | 460_800 | 921_600 => Some(Side::Tty),
        _ => Some(Side::Line),
    }
}

/// The word without what vendors differ in: `V.42 bis`, `v42bis`, `LAP-M`.
fn plain(word: &str) -> String {
    word.chars().filter(|c| c.is_ascii_alphanumeric()).map(|c| c.to_ascii_uppercase()).collect()
}

fn modulation(word: &str) -> Option<Modulation> {
    Some(match word {
        "B103" | "BELL103" => Modulation::Bell103,
        "B212" | "B212A" | "BELL212" | "BELL212A" => Modulation::Bell212a,
        "HST" => Modulation::Hst,
        "K56" | "K56FLEX" | "K56F" => Modulation::K56Flex,
        "V110" => Modulation::V110,
        "V120" => Modulation::V120,
        "V21" => Modulation::V21,
        "V22" => Modulation::V22,
        "V22B" | "V22BIS" => Modulation::V22Bis,
        "V23" | "V23C" | "V23S" => Modulation::V23,
        "V32" => Modulation::V32,
        "V32B" | "V32BIS" => Modulation::V32Bis,
        "V34" | "V34B" | "V34BIS" => Modulation::V34,
        "V90" => Modulation::V90,
        "V92" => Modulation::V92,
        "VFC" | "VFAST" => Modulation::VFc,
        "X2" => Modulation::X2,
        "X75" => Modulation::X75,
        _ => return None,
    })
}

fn error_control(word: &str) -> Option<ErrorControl> {
    Some(match word {
        "NONE" | "NOEC" | "DIRECT" => ErrorControl::None,
        "ARQ" | "EC" | "REL" => ErrorControl::Unnamed,
        "LAPM" | "V42" => ErrorControl::Lapm,
        "MNP" | "MNP2" | "MNP3" | "MNP4" | "MNP10" | "ALT" | "ALTERNATE" | "ALTCELLULAR" => ErrorControl::Mnp,
        "RLP" => ErrorControl::Rlp,
        _ => return None,
    })
}

fn compression(word: &str) -> Option<Compression> {
    Some(match word {
        "COMP" | "COMPRESSED" => Compression::Unnamed,
        "MNP5" => Compression::Mnp5,
        "V42B" | "V42BIS" => Compression::V42Bis,
        "V44" => Compression::V44,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(
        line_rate: u32,
        tty_rate: u32,
        modulation: Option<Modulation>,
        error_control: Option<ErrorControl>,
        compression: Option<Compression>,
    ) -> CarrierReport {
        let some = |rate: u32| Some(rate).filter(|rate| *rate > 0);
        CarrierReport { line_rate: some(line_rate), tty_rate: some(tty_rate), modulation, error_control, compression }
    }

    #[test]
    fn the_rate_is_found_in_every_dialect() {
        for (text, speed) in [
            ("", None),
            ("FAX", None),
            ("115200", Some(115_200)),
            ("150000000", Some(150_000_000)),
            ("49333/ARQ/V90/LAPM/V42BIS", Some(49_333)),
            ("37333 V42bis", Some(37_333)),
            ("ARQ/V34/28800", Some(28_800)),
            ("9.6K", Some(9_600)),
            ("64K", Some(64_000)),
            ("99999999999", None),
            ("+300", None),
        ] {
            assert_eq!(Connect::from_text(text).speed, speed, "{text}");
        }
    }

    #[test]
    fn the_text_of_every_vendor_tells_what_the_connection_is() {
        use Compression::{Mnp5, Unnamed, V42Bis, V44};
        use ErrorControl::{Lapm, Mnp, Rlp};
        use Modulation::{V32Bis, V34, V90};
        for (text, expected) in [
            ("", CarrierReport::default()),
            ("FAX", CarrierReport::default()),
            ("9600", CarrierReport::default()),
            ("115200", report(0, 115_200, None, None, None)),
            ("49333/ARQ/V90/LAPM/V42BIS", report(49_333, 0, Some(V90), Some(Lapm), Some(V42Bis))),
            ("33600/ARQ/V34/LAPM/V42BIS", report(33_600, 0, Some(V34), Some(Lapm), Some(V42Bis))),
            ("44000/LAPM", report(44_000, 0, None, Some(Lapm), None)),
            ("37333 V42bis", report(37_333, 0, None, None, Some(V42Bis))),
            ("28800/ARQ", report(28_800, 0, None, Some(ErrorControl::Unnamed), None)),
            ("28800/NONE", report(28_800, 0, None, Some(ErrorControl::None), None)),
            ("33600/V34/LAPM/NONE", report(33_600, 0, Some(V34), Some(Lapm), Some(Compression::None))),
            ("14400/ARQ/MNP5", report(14_400, 0, None, Some(ErrorControl::Unnamed), Some(Mnp5))),
            ("14400/MNP4 COMPRESSED", report(14_400, 0, None, Some(Mnp), Some(Unnamed))),
            ("38400/V.32bis 14400/V.42bis", report(14_400, 38_400, Some(V32Bis), None, Some(V42Bis))),
            ("9600/V.32bis 4800/LAP-M", report(4_800, 9_600, Some(V32Bis), Some(Lapm), None)),
            ("115200/V.90/LAPM/V44/28800:TX/49333:RX", report(49_333, 115_200, Some(V90), Some(Lapm), Some(V44))),
            ("9600/RLP", report(0, 0, None, Some(Rlp), None)),
            ("33600/BLUE/V33/V4", report(33_600, 0, None, None, None)),
        ] {
            assert_eq!(Connect::from_text(text).carrier, expected, "{text}");
        }
    }

    #[test]
    fn the_lines_before_connect_add_what_it_leaves_out() {
        let gather = |lines: &[&str]| {
            let mut report = CarrierReport::default();
            for line in lines {
                assert!(report.note(line), "{line} told nothing");
            }
            report
        };
        let standard = gather(&["+MCR: V34", "+MRR: 31200,33600", "+ER: LAPM", "+DR: V42B", "+ILRR: 115200,19200"]);
        let expected =
            report(33_600, 115_200, Some(Modulation::V34), Some(ErrorControl::Lapm), Some(Compression::V42Bis));
        assert_eq!(standard, expected);
        assert_eq!(Connect::from_text("").with_report(standard).carrier, expected);

        let rockwell = gather(&["CARRIER 28800", "PROTOCOL: ALTERNATE, +CLASS 5"]);
        assert_eq!(rockwell, report(28_800, 0, None, Some(ErrorControl::Mnp), Some(Compression::Mnp5)));
        let connect = Connect::from_text("57600").with_report(rockwell);
        assert_eq!((connect.carrier.line_rate, connect.carrier.tty_rate), (Some(28_800), Some(57_600)));

        let lapm = gather(&["CARRIER 75TX/1200RX", "PROTOCOL: LAP-M", "COMPRESSION: V.42 bis"]);
        assert_eq!(lapm, report(1200, 0, None, Some(ErrorControl::Lapm), Some(Compression::V42Bis)));
        assert_eq!(gather(&["PROTOCOL: V42bis"]).compression, Some(Compression::V42Bis));
        assert_eq!(gather(&["+DR: NONE"]).compression, Some(Compression::None));
    }

    #[test]
    fn a_line_that_tells_nothing_changes_nothing() {
        let mut report = CarrierReport::default();
        for line in ["", "DIALING", "+MCR:", "+MRR: ", "CARRIER", "PROTOCOL: ", "+ER: X", "+MRR: 99999999999", "é: é"]
        {
            assert!(!report.note(line), "{line}");
        }
        assert_eq!(report, CarrierReport::default());
    }
}
