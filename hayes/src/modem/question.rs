//! Commands that only ask: what may be sent to a modem on a stranger's wish without anything happening on the line.
//!
//! Refuses whatever could go off hook, into data state or change a setting, and what it cannot read.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::command::{self, Action, Command};

/// The longest question, in characters: every modem takes as many in a command line.
const QUESTION_LIMIT: usize = 60;

/// A command line that only asks, without its `AT`: `I3`, `+FCLASS=?`, `S7?`, `&V`, `*B`, `+CLCC`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question(String);

/// The text is no command that only asks.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is no question; ask one that changes nothing, without AT, such as \"I3\", \"S7?\" or \"+FCLASS=?\"")]
pub struct NoQuestion(String);

impl Question {
    /// The command, without `AT`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Question {
    type Err = NoQuestion;

    fn from_str(text: &str) -> Result<Self, NoQuestion> {
        let printable = text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        let mut commands = command::commands(text.as_bytes()).peekable();
        let asks = commands.peek().is_some() && commands.all(|command| command.as_ref().is_ok_and(only_asks));
        if printable && asks && text.len() <= QUESTION_LIMIT {
            return Ok(Self(text.to_owned()));
        }
        Err(NoQuestion(text.chars().take(QUESTION_LIMIT).collect()))
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn only_asks(command: &Command) -> bool {
    match command {
        Command::Basic { family: None, letter, .. } => *letter == 'I',
        Command::Basic { family: Some('&'), letter, .. } => *letter == 'V',
        // Makers list with them (`*B`, `%B`, `\S`) and also answer, originate, reset or test.
        Command::Basic { family: Some(_), letter, .. } => matches!(letter, 'B' | 'I' | 'L' | 'Q' | 'S' | 'V'),
        Command::ReadRegister(_) | Command::ReadRegisterBit { .. } | Command::ReadNumber(_) => true,
        Command::Dial(_)
        | Command::SetRegister { .. }
        | Command::SetRegisterBit { .. }
        | Command::StoreNumber { .. } => false,
        Command::Extended { name, action } => match action {
            Action::Read | Action::Test => true,
            Action::Execute => TELLING.contains(&name.as_str()),
            Action::Set(_) => false,
        },
    }
}

/// The extended commands that tell something when carried out (V.250 6.1, T.31, 3GPP TS 27.007).
const TELLING: [&str; 26] = [
    "+CBC", "+CCID", "+CEER", "+CGMI", "+CGMM", "+CGMR", "+CGSN", "+CIMI", "+CLAC", "+CLCC", "+CNUM", "+COPN", "+CPAS",
    "+CSQ", "+FMI", "+FMM", "+FMR", "+GCAP", "+GMI", "+GMM", "+GMR", "+GOI", "+GSN", "+ICCID", "^HWVER", "^SYSINFO",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Catalogue, Identification};

    #[test]
    fn what_a_probe_asks_is_a_question() {
        for text in ["I3", "i", "+FCLASS=?", "&V", "S7?", "*B", "%B", "+VCID=?", "+VCID?", "+CLCC", "#CID?", "I3;+GMI"]
        {
            assert!(text.parse::<Question>().is_ok(), "{text}");
        }
        for command in Identification::COMMANDS {
            assert!(command.parse::<Question>().is_ok(), "{command}");
        }
        for profile in Catalogue::built_in().iter() {
            let lists = [&profile.setup.blacklist, &profile.setup.call_list].into_iter().flatten();
            let asks = lists.chain(profile.setup.caller_id_check.as_ref().map(|check| &check.ask));
            asks.for_each(|ask| assert!(ask.parse::<Question>().is_ok(), "{ask}"));
        }
    }

    #[test]
    fn what_could_take_the_line_or_change_the_modem_is_none() {
        for text in [
            "",
            "A",
            "ATA",
            "ATI3",
            "D5550002",
            "I3D5",
            "O",
            "H",
            "H1",
            "Z",
            "&F",
            "&W",
            "&T1",
            "E1",
            "S0=1",
            "S0",
            "+VCID=1",
            "+VLS=1",
            "+VRX",
            "+FDT",
            "+CGDATA",
            "+CGANS",
            "+CFUN",
            "A/",
            "I3\rATA",
            "I3\u{e9}",
            "\\O",
            "%A",
            "*D1",
            "\\A",
            "&Z0=5550002",
            "+CMGS=1",
            "#VLS",
            "$A",
        ] {
            assert!(text.parse::<Question>().is_err(), "{text:?}");
        }
        assert!("I".repeat(QUESTION_LIMIT + 1).parse::<Question>().is_err());
    }
}
