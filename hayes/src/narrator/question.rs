//! What a modem was asked, and what its answer then says.
//!
//! Owns the commands in words, several in a line too, and the answers whose form is known. Refuses to know what
//! makers' own commands do.

use super::cellular;
use crate::command::{self, Action, Command, DialStep, DialString};
use crate::profile::Identification;

/// A command line that waits for its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// Without `AT`, in upper case, blanks dropped.
    body: String,
    commands: Vec<Command>,
    malformed: bool,
}

/// How many commands of one line are looked at; no modem takes as many.
const COMMANDS_READ: usize = 64;

impl Question {
    /// Reads what the terminal sent; `None` if it is no command line.
    pub(super) fn from_sent(line: &str) -> Option<Self> {
        // Blanks before it, and what stood in the buffer of a modem that was off.
        let line = line.trim_start_matches(|c: char| c.is_control() || c == ' ');
        let body = line.strip_prefix("AT").or_else(|| line.strip_prefix("at")).or_else(|| line.strip_prefix("At"))?;
        let mut commands = Vec::new();
        let mut malformed = false;
        for command in command::commands(body.as_bytes()).take(COMMANDS_READ) {
            match command {
                Ok(command) => commands.push(command),
                Err(command::Malformed) => malformed = true,
            }
        }
        Some(Self { body: body.trim().to_owned(), commands, malformed })
    }

    /// Reads a line that may be the echo of a command; a modem's own words may begin likewise (`AT&T Paradyne`).
    pub(super) fn from_echo(line: &str, pending: Option<&Self>) -> Option<Self> {
        let body = line.strip_prefix("AT").or_else(|| line.strip_prefix("at"))?;
        let begins_well = body.chars().next().is_none_or(|c| c.is_ascii_graphic() || c == ' ');
        let unquoted = body.split('"').step_by(2);
        let lower = |c: char| c.is_ascii_lowercase();
        let upper = |c: char| c.is_ascii_uppercase();
        let mixed =
            unquoted.clone().any(|part| part.contains(lower)) && unquoted.clone().any(|part| part.contains(upper));
        let spoken = mixed || line.starts_with("AT") && unquoted.clone().any(|part| part.contains(lower));
        // AT&T is a maker, and a command: after a question it is the maker.
        if spoken || !begins_well || pending.is_some_and(Self::identifies) && body.starts_with("&T") {
            return None;
        }
        Self::from_sent(line)
    }

    /// The command, without `AT`.
    pub(super) fn command(&self) -> &str {
        &self.body
    }

    pub(super) fn dials(&self) -> bool {
        self.commands.iter().any(|command| matches!(command, Command::Dial(_)))
    }

    pub(super) fn dials_voice(&self) -> bool {
        self.commands.iter().any(|command| matches!(command, Command::Dial(dial) if dial.voice))
    }

    pub(super) fn answers_call(&self) -> bool {
        self.commands.iter().any(|command| matches!(command, Command::Basic { family: None, letter: 'A', .. }))
    }

    /// Whether the answer is more than a result code.
    pub(super) fn informs(&self) -> bool {
        self.commands.iter().any(|command| match command {
            Command::ReadRegister(_) | Command::ReadRegisterBit { .. } | Command::ReadNumber(_) => true,
            Command::Extended { action: Action::Read | Action::Test | Action::Execute, .. } => true,
            Command::Basic { family: None, letter, .. } => *letter == 'I' || *letter == 'J',
            Command::Basic { family: Some('&'), letter, .. } => *letter == 'V',
            Command::Basic { family: Some('*' | '%'), letter, .. } => *letter == 'B',
            Command::Basic { .. }
            | Command::Dial(_)
            | Command::SetRegister { .. }
            | Command::SetRegisterBit { .. }
            | Command::StoreNumber { .. }
            | Command::Extended { action: Action::Set(_), .. } => false,
        })
    }

    /// The identifying command that this is, by its name in [`Identification::COMMANDS`].
    pub(super) fn identifying(&self) -> Option<&'static str> {
        let body = self.body.to_ascii_uppercase();
        let body = if body == "I0" { "I" } else { body.as_str() };
        Identification::COMMANDS.into_iter().find(|command| *command == body)
    }

    pub(super) fn identifies(&self) -> bool {
        self.identifying().is_some()
    }

    /// Whether a line with a tag is what was asked for, and no report of its own (`+CREG: 0,5` after `AT+CREG?`).
    pub(super) fn is_answered_by(&self, line: &str) -> bool {
        let tag = line.split_once(':').map(|(tag, _)| tag);
        self.commands
            .iter()
            .any(|command| matches!(command, Command::Extended { name, .. } if Some(name.as_str()) == tag))
    }

    /// What the command line asks for, in words.
    pub(super) fn describe(&self) -> String {
        if self.body.is_empty() {
            return "are you there?".to_owned();
        }
        let mut words: Vec<String> = self.commands.iter().map(describe).collect();
        if self.malformed {
            words.push("something that is no command".to_owned());
        }
        words.join("; ")
    }

    /// What a line of the answer says, beyond its own words.
    pub(super) fn explain_answer(&self, line: &str) -> Option<String> {
        if let Some((tag, value)) = line.split_once(':')
            && let Some(meaning) = cellular::explain(tag, value.trim())
        {
            return Some(meaning);
        }
        let command = self.commands.last()?;
        match command {
            Command::ReadRegister(register) => {
                let value = line.trim_start_matches('0');
                let value = if value.is_empty() { "0" } else { value };
                Some(format!("S{register} ({}) is {value}", register_name(*register)))
            }
            Command::Extended { name, action: Action::Test } if name == "+FCLASS" => Some(classes(line)),
            Command::Extended { name, action: Action::Read } if matches!(name.as_str(), "+VCID" | "#CID" | "+CLIP") => {
                let value = line.strip_prefix(name.as_str()).unwrap_or(line).trim_start_matches([':', ' ']);
                let off = value.split(',').next().is_some_and(|first| first.trim() == "0");
                let state = if off { "off: nobody's number will be shown" } else { "on" };
                Some(format!("caller identification is {state}"))
            }
            Command::Basic { .. }
            | Command::Dial(_)
            | Command::ReadRegisterBit { .. }
            | Command::SetRegister { .. }
            | Command::SetRegisterBit { .. }
            | Command::StoreNumber { .. }
            | Command::ReadNumber(_)
            | Command::Extended { .. } => None,
        }
    }
}

fn describe(command: &Command) -> String {
    match command {
        Command::Basic { family, letter, value } => basic(*family, *letter, *value),
        Command::Dial(dial) => dialling(dial),
        Command::ReadRegister(register) => format!("what is S{register} ({})?", register_name(*register)),
        Command::ReadRegisterBit { register, bit } => format!("what is bit {bit} of S{register}?"),
        Command::SetRegister { register, value } => format!("S{register} ({}) to {value}", register_name(*register)),
        Command::SetRegisterBit { register, bit, on } => {
            format!("bit {bit} of S{register} {}", if *on { "on" } else { "off" })
        }
        Command::StoreNumber { place, .. } => format!("store a number in place {place}"),
        Command::ReadNumber(place) => format!("which number is stored in place {place}?"),
        Command::Extended { name, action } => extended(name, action),
    }
}

/// The Hayes and V.250 letters; makers' own stand as they are.
fn basic(family: Option<char>, letter: char, value: u32) -> String {
    let known = match (family, letter, value) {
        (None, 'A', _) => "answer",
        (None, 'E', 0) => "no echo",
        (None, 'E', 1) => "echo",
        (None, 'H', 0) => "hang up",
        (None, 'H', 1) => "go off hook",
        (None, 'I', 0) => "which product are you?",
        (None, 'I', 3) => "which firmware, or name?",
        (None, 'I', _) => "what are you?",
        (None, 'L', _) => "loudness",
        (None, 'M', 0) => "loudspeaker off",
        (None, 'M', _) => "loudspeaker on",
        (None, 'O', _) => "back to data",
        (None, 'P', _) => "dial by pulses",
        (None, 'Q', 0) => "say result codes",
        (None, 'Q', _) => "keep result codes back",
        (None, 'T', _) => "dial by tones",
        (None, 'V', 0) => "result codes as numbers",
        (None, 'V', 1) => "result codes in words",
        (None, 'X', 0) => "CONNECT without a rate, no dial tone and busy",
        (None, 'X', 3) => "do not wait for dial tone, hear busy",
        (None, 'X', 4) => "wait for dial tone, hear busy",
        (None, 'Z', _) => "reset to the stored settings",
        (Some('&'), 'C', 0) => "DCD always on",
        (Some('&'), 'C', 1) => "DCD follows the carrier",
        (Some('&'), 'D', 0) => "DTR ignored",
        (Some('&'), 'D', 1) => "a drop of DTR leads to command state",
        (Some('&'), 'D', 2) => "a drop of DTR hangs up",
        (Some('&'), 'D', 3) => "a drop of DTR resets",
        (Some('&'), 'F', _) => "reset to the factory's settings",
        (Some('&'), 'V', _) => "list the settings",
        (Some('&'), 'W', _) => "store the settings",
        (Some('*' | '%'), 'B', _) => "list the blacklisted numbers",
        _ => return format!("{}{letter}{value}", family.map(String::from).unwrap_or_default()),
    };
    known.to_owned()
}

fn dialling(dial: &DialString) -> String {
    if dial.redial {
        return "dial the last number again".to_owned();
    }
    let mut number = String::new();
    let mut how = "";
    for step in &dial.steps {
        match step {
            DialStep::Digits(digits) => number.push_str(digits),
            DialStep::Pulse => how = " by pulses",
            DialStep::Tone => how = " by tones",
            DialStep::DialTone => number.push('W'),
            DialStep::Pause => number.push(','),
            DialStep::QuietAnswer => number.push('@'),
            DialStep::Flash => number.push('!'),
            DialStep::CardTone => number.push('$'),
            DialStep::Stored(place) => number.push_str(&format!("the number in place {place}")),
        }
    }
    let voice = if dial.voice { ", and stay in command state" } else { "" };
    format!("dial {number}{how}{voice}")
}

fn extended(name: &str, action: &Action) -> String {
    let what = match name {
        "+VCID" | "#CID" | "+CLIP" => "caller identification",
        "+CRC" => "rings with the kind of call",
        "+FCLASS" => "fax and voice classes",
        "+GMI" | "+CGMI" | "+FMI" | "+FMFR" => "manufacturer",
        "+GMM" | "+CGMM" | "+FMM" | "+FMDL" => "model",
        "+GMR" | "+CGMR" | "+FMR" | "+FREV" => "revision",
        "+GCAP" => "capabilities",
        "+GCI" => "country",
        "+CREG" | "+CGREG" | "+CEREG" => "registration with the network",
        "+CSQ" => "signal",
        "+CPIN" => "the SIM's PIN",
        "+CLCC" => "list of calls",
        "+CGDCONT" => "packet connection",
        "+IFC" => "flow control",
        "+IPR" => "rate of the tty",
        "+CVHU" => "how voice calls are hung up",
        "-SDR" | "+VDR" => "distinctive ring",
        "+MS" => "modulation",
        _ => "",
    };
    let what = if what.is_empty() { name.to_owned() } else { format!("{what} ({name})") };
    match action {
        Action::Execute => format!("{what}?"),
        Action::Read => format!("{what}: how is it set?"),
        Action::Test => format!("{what}: what is possible?"),
        Action::Set(value) => format!("{what} to {value}"),
    }
}

/// What a register of V.250 or Hayes is for.
#[must_use]
pub fn register_name(register: u8) -> &'static str {
    match register {
        0 => "rings before answering by itself, 0 is never",
        1 => "rings so far",
        2 => "escape character",
        3 => "end of command lines",
        4 => "line feed",
        5 => "backspace",
        6 => "seconds before dialling without dial tone",
        7 => "seconds to wait for a carrier",
        8 => "seconds of a comma",
        9 => "tenths of a second until a carrier counts",
        10 => "tenths of a second until its loss counts",
        11 => "milliseconds of a tone",
        12 => "guard time of +++ in 20 ms",
        25 => "hundredths of a second until DTR counts",
        30 => "tens of seconds without data until it hangs up",
        _ => "the maker's own",
    }
}

/// The classes that `AT+FCLASS=?` names, in words: `0,1,1.0,2,8`, `(0,1,2)` (T.31, T.32, V.253).
#[must_use]
pub fn classes(line: &str) -> String {
    let line = line.strip_prefix("+FCLASS:").unwrap_or(line);
    let words = line.split(',').map(|class| match class.trim().trim_matches(['(', ')', '"']) {
        "0" => "data".to_owned(),
        "1" => "fax class 1".to_owned(),
        "1.0" => "fax class 1.0".to_owned(),
        "2" => "fax class 2".to_owned(),
        "2.0" => "fax class 2.0".to_owned(),
        "2.1" => "fax class 2.1".to_owned(),
        "8" | "80" => "voice".to_owned(),
        other => other.to_owned(),
    });
    words.collect::<Vec<_>>().join(", ")
}
