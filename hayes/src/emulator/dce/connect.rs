//! What the modem says when both modems are connected: `+MCR` and its like, `CARRIER` and its like, `CONNECT`.
//!
//! What stands after `CONNECT` is the kind's own text: `{rate}` is the rate of the line, `{dte}` that of the terminal,
//! `{carrier}` the modulation (`V34`). `W` and S95 take its place where they say otherwise.

use super::Dce;
use crate::profile::RingStyle;
use crate::reply::ResultCode;

/// The modulation for a rate up to this one (V.250 6.4.1): the slowest that reaches it.
const MODULATIONS: [(u32, &str); 7] =
    [(300, "V21"), (1200, "V22"), (2400, "V22B"), (9600, "V32"), (14_400, "V32B"), (33_600, "V34"), (56_000, "V90")];
/// The highest rate of each modulation that `+MS` selects.
const CARRIER_RATES: [(&str, u32); 8] = [
    ("V21", 300),
    ("V22", 1200),
    ("V22B", 2400),
    ("V32", 9600),
    ("V32B", 14_400),
    ("V34", 33_600),
    ("V90", 56_000),
    ("V92", 56_000),
];
/// What modems take for the terminal's rate before it has typed anything.
const TERMINAL_RATE: u32 = 115_200;
/// `CONNECT` with a rate as a number (`V0`), as Rockwell has it; other rates are 1.
const ROCKWELL_CONNECT: [(u32, u8); 18] = [
    (1200, 5),
    (2400, 10),
    (4800, 11),
    (9600, 12),
    (7200, 13),
    (12_000, 14),
    (14_400, 15),
    (19_200, 16),
    (38_400, 17),
    (57_600, 18),
    (115_200, 19),
    (16_800, 61),
    (21_600, 62),
    (24_000, 63),
    (26_400, 64),
    (28_800, 65),
    (33_600, 84),
    (31_200, 91),
];
/// `CONNECT` with a rate as a number, as U.S. Robotics has it.
const ROBOTICS_CONNECT: [(u32, u8); 14] = [
    (1200, 5),
    (2400, 10),
    (9600, 13),
    (4800, 18),
    (7200, 20),
    (12_000, 21),
    (14_400, 25),
    (16_800, 43),
    (19_200, 85),
    (21_600, 91),
    (24_000, 99),
    (26_400, 103),
    (28_800, 107),
    (33_600, 155),
];
/// `CARRIER` with a rate as a number, as Rockwell has it; other rates are told in words only.
const ROCKWELL_CARRIER: [(u32, u8); 16] = [
    (300, 40),
    (1200, 46),
    (2400, 47),
    (4800, 48),
    (7200, 49),
    (9600, 50),
    (12_000, 51),
    (14_400, 52),
    (16_800, 53),
    (19_200, 54),
    (21_600, 55),
    (24_000, 56),
    (26_400, 57),
    (28_800, 58),
    (31_200, 78),
    (33_600, 79),
];

impl Dce {
    /// Says that the modems are connected.
    pub(super) fn report_connection(&mut self, rate: u32) {
        let (control, compression) = (self.error_control(), self.compression());
        let terminal = self.rate_of_terminal();
        // V.250 6.4.3, 6.5.5, 6.6.2 and 6.2.13: whatever X says.
        let lines = [
            ("+MR", format!("+MCR: {}", modulation(rate))),
            ("+MR", format!("+MRR: {rate}")),
            ("+ER", format!("+ER: {control}")),
            ("+DR", format!("+DR: {compression}")),
            ("+ILRR", format!("+ILRR: {terminal}")),
        ];
        for (parameter, line) in &lines {
            if self.settings.number(parameter, 0) > 0 {
                self.unasked(line);
            }
        }
        if self.settings.call_progress() == 0 {
            return self.result(&ResultCode::Connect(String::new()));
        }
        self.report_carrier(rate, control, compression);
        let template = self.kind.emulation.connect.clone();
        let text = match (self.settings.letter(None, 'W'), self.extended_results()) {
            _ if template.is_empty() => String::new(),
            // What the kind says unless it is told otherwise.
            (w, 0) if (w == 0) == template.contains("{dte}") && w != 1 => {
                let filled = template.replace("{rate}", &rate.to_string()).replace("{dte}", &terminal.to_string());
                filled.replace("{carrier}", &modulation(rate))
            }
            (w, bits) => {
                let told = if w == 2 || bits & 1 != 0 { rate } else { terminal };
                let corrected = bits & 2 != 0 && control != "NONE";
                format!("{told}{}", if corrected { "/ARQ" } else { "" })
            }
        };
        self.result(&ResultCode::Connect(text));
    }

    /// The number of a `CONNECT` that names this rate first.
    pub(super) fn connect_number(&self, text: &str) -> u8 {
        let digits = text.find(|c: char| !c.is_ascii_digit()).map_or(text, |end| text.split_at(end).0);
        let table: &[(u32, u8)] = match self.kind.emulation.ring {
            RingStyle::Lettered => &ROBOTICS_CONNECT,
            RingStyle::Numbered | RingStyle::Cadence | RingStyle::Cring => &ROCKWELL_CONNECT,
        };
        let rate = digits.parse().unwrap_or(0);
        table.iter().find(|(known, _)| *known == rate).map_or(1, |(_, number)| *number)
    }

    /// The rate at which the modem and its terminal talk: `+IPR`, or what the tty says.
    pub(super) fn rate_of_terminal(&self) -> u32 {
        match self.settings.number("+IPR", 0) {
            0 => self.terminal_rate.unwrap_or(TERMINAL_RATE),
            rate => rate,
        }
    }

    /// The highest rate in bit/s that the terminal allows by `+MS`, or `None` where it leaves that to the modem.
    #[must_use]
    pub fn rate_limit(&self) -> Option<u32> {
        let selected = self.settings.parameter("+MS")?;
        let carrier = selected.split(',').next().unwrap_or_default();
        let by_carrier = CARRIER_RATES.iter().find(|(name, _)| *name == carrier).map(|(_, rate)| *rate);
        let by_rate = Some(self.settings.number("+MS", 3)).filter(|rate| *rate > 0);
        by_carrier.into_iter().chain(by_rate).min()
    }

    /// Whether the modem corrects errors where the far one does so as well.
    pub(in crate::emulator) fn corrects_errors(&self) -> bool {
        self.error_control() != "NONE"
    }

    /// The protocol between the modems (V.250 6.5.1: modes 0 and 1 have none).
    pub(super) fn error_control(&self) -> &'static str {
        match self.settings.number("+ES", 0) {
            0 | 1 | 6 | 7 => "NONE",
            4 => "ALT",
            _ => "LAPM",
        }
    }

    /// The compression between the modems (V.250 6.6.1): only over error control.
    pub(super) fn compression(&self) -> &'static str {
        if self.error_control() == "NONE" || self.settings.number("+DS", 0) == 0 { "NONE" } else { "V42B" }
    }

    /// S95, what each of its bits adds to the results (Rockwell): 0 the rate of the line, 1 `/ARQ`, 2 `CARRIER`, 3
    /// `PROTOCOL`, 5 `COMPRESSION`.
    fn extended_results(&self) -> u8 {
        self.settings.registers.read(95).unwrap_or(0)
    }

    /// `CARRIER`, `PROTOCOL` and `COMPRESSION`, by `W1` or S95.
    fn report_carrier(&mut self, rate: u32, control: &str, compression: &str) {
        let by_w = if self.settings.letter(None, 'W') == 1 { 0b10_1100 } else { 0 };
        let bits = self.extended_results() | by_w;
        let carrier = ROCKWELL_CARRIER.iter().find(|(known, _)| *known == rate).map(|(_, number)| *number);
        let (protocol, protocol_number) = match control {
            "LAPM" => ("LAP-M", 77),
            "ALT" => ("ALT", 80),
            _ => ("NONE", 70),
        };
        let (packing, packing_number) = if compression == "V42B" { ("V.42 BIS", 67) } else { ("NONE", 69) };
        let lines = [
            (2, format!("CARRIER {rate}"), carrier),
            (3, format!("PROTOCOL: {protocol}"), Some(protocol_number)),
            (5, format!("COMPRESSION: {packing}"), Some(packing_number)),
        ];
        for (bit, line, number) in &lines {
            if bits >> bit & 1 == 1 {
                self.worded(line, *number);
            }
        }
    }
}

/// The modulation that modems use at this rate.
pub(super) fn modulation(rate: u32) -> String {
    MODULATIONS.iter().find(|(highest, _)| rate <= *highest).map_or("V120", |(_, name)| name).to_owned()
}
