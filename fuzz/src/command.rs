//! Command lines into commands: an end, an order, and no more in a command than was typed.

use hayes::command::{Action, Command, DialStep, commands};

/// Takes the body of a command line.
pub fn run(data: &[u8]) {
    let mut count = 0;
    let mut malformed = false;
    for command in commands(data) {
        assert!(!malformed, "a command after the one that could not be read");
        count += 1;
        match command {
            Ok(command) => check(&command, data),
            Err(_) => malformed = true,
        }
    }
    assert!(count <= data.len(), "{count} commands in {} bytes", data.len());
    // Blanks do not count (V.250 5.2.2), but for those in quotes.
    if !data.contains(&b'"') {
        let spaced: Vec<u8> = data.iter().flat_map(|byte| [*byte, b' ']).collect();
        assert!(commands(data).eq(commands(&spaced)), "blanks change what is read");
    }
}

fn check(command: &Command, typed: &[u8]) {
    match command {
        Command::Basic { family, letter, .. } => {
            assert!(letter.is_ascii_uppercase(), "{letter:?} is no letter");
            assert!(family.is_none_or(|family| family.is_ascii_punctuation()), "{family:?} is no family");
        }
        Command::Dial(dial) => {
            let digits: usize = dial.steps.iter().map(length).sum();
            assert!(digits <= typed.len(), "more dialled than typed");
        }
        Command::SetRegisterBit { bit, .. } | Command::ReadRegisterBit { bit, .. } => {
            assert!(*bit < 8, "bit {bit} of a byte");
        }
        Command::StoreNumber { number, .. } => assert!(number.len() <= typed.len(), "more stored than typed"),
        Command::ReadRegister(_) | Command::SetRegister { .. } | Command::ReadNumber(_) => {}
        Command::Extended { name, action } => {
            assert!(name.len() > 1 && name.len() <= typed.len(), "{name:?} is no name");
            assert!(!name.contains(|c: char| c.is_ascii_lowercase()), "{name:?} is not in upper case");
            match action {
                Action::Set(value) => assert!(value.len() <= typed.len() * 3, "more set than typed"),
                Action::Execute | Action::Read | Action::Test => {}
            }
        }
    }
}

fn length(step: &DialStep) -> usize {
    match step {
        DialStep::Digits(digits) => {
            assert!(!digits.is_empty(), "no digits to dial");
            digits.len()
        }
        DialStep::Pulse
        | DialStep::Tone
        | DialStep::DialTone
        | DialStep::Pause
        | DialStep::QuietAnswer
        | DialStep::Flash
        | DialStep::CardTone
        | DialStep::Stored(_) => 1,
    }
}
