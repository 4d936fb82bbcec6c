//! What real modems said they are, read as the driver reads it, and the profile that follows from it.
//!
//! The files are `tests/transcripts/ident_*`, in the form of the others there. `# expect:` names the profile, and may
//! name answers (`I4 = first line | second line`) and refusals (`+WIND? refused`). `# usb:` is the device's USB id.
//!
//! - `identify`: the answers of one modem, to the commands that whoever took them down had sent.
//! - `each`: every `< ` line is what another modem answers, to whichever of `ATI`, `ATI1`, `ATI3` and `ATI6`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use hayes::framing::Framer;
use hayes::profile::{Catalogue, Identification, Inquiry};
use hayes::reply::{Reply, ResultCode};

#[test]
fn every_modem_is_recognised_by_what_it_said() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut files: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.file_name().unwrap().to_str().unwrap().starts_with("ident_"));
    files.sort();
    let mut wrong = String::new();
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        let expected: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# expect: ")).collect();
        let meant = match header(&text, "play").unwrap() {
            "each" => each(&text),
            _ => identify(&text, &expected),
        };
        if expected != meant {
            writeln!(wrong, "== {}\n# expect: {}", file.display(), meant.join("\n# expect: ")).unwrap();
        }
    }
    assert!(files.len() >= 48, "only {} transcripts found", files.len());
    assert!(wrong.is_empty(), "these mean something else:\n{wrong}");
}

#[test]
fn no_two_entries_fit_one_modem_equally_well() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut backwards = Catalogue::built_in();
    let entries: Vec<_> = backwards.iter().rev().map(|entry| (**entry).clone()).collect();
    entries.into_iter().for_each(|entry| backwards.add(entry));
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        if header(&text, "play") == Some("identify") {
            let seen = inquire(&text, &answers(&text));
            assert_eq!(backwards.recognise(&seen).id, Catalogue::built_in().recognise(&seen).id, "{}", path.display());
        }
    }
}

fn header<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(&format!("# {name}: ")))
}

fn identify(text: &str, expected: &[&str]) -> Vec<String> {
    let answers = answers(text);
    let profile = Catalogue::built_in().recognise(&inquire(text, &answers));
    let mut meant = vec![format!("profile = {}", profile.id)];
    for asked in expected.iter().skip(1) {
        let command = asked.strip_suffix(" refused").or_else(|| Some(asked.split_once(" = ")?.0)).unwrap();
        meant.push(match &answers[command] {
            Answer::Lines(lines) => format!("{command} = {}", lines.join(" | ")),
            Answer::Refused => format!("{command} refused"),
        });
    }
    meant
}

fn each(text: &str) -> Vec<String> {
    let mut meant = Vec::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("< ")) {
        let Answer::Lines(lines) = hear("ATI\r", &[line]) else { panic!("{line} refuses") };
        let answers = ["I", "I1", "I3", "I6"].map(|command| (command.to_owned(), lines.clone())).into();
        let profile = Catalogue::built_in().recognise(&Identification { answers, usb: None });
        meant.push(format!("{} -> {}", lines.join(" | "), profile.id));
    }
    meant
}

/// Asks what the driver asks; the modem answers what it is known to have answered, and refuses the rest.
fn inquire(text: &str, answers: &BTreeMap<String, Answer>) -> Identification {
    let mut inquiry = Inquiry::new();
    while let Some(command) = inquiry.command() {
        match answers.get(command) {
            Some(Answer::Lines(lines)) => {
                lines.iter().for_each(|line| inquiry.handle_line(line));
                inquiry.handle_result(true);
            }
            Some(Answer::Refused) | None => inquiry.handle_result(false),
        }
    }
    Identification { usb: header(text, "usb").map(|usb| usb.parse().unwrap()), ..inquiry.finish() }
}

enum Answer {
    Lines(Vec<String>),
    Refused,
}

/// What came back for each command of a dialogue, by the command without `AT`; `I0` is `I`.
fn answers(text: &str) -> BTreeMap<String, Answer> {
    let mut answers = BTreeMap::new();
    let mut lines = text.lines().filter(|line| !line.starts_with('#')).peekable();
    while let Some(line) = lines.next() {
        let sent = line.strip_prefix("> ").unwrap();
        let mut heard = Vec::new();
        while let Some(answer) = lines.peek().and_then(|line| line.strip_prefix("< ")) {
            heard.push(answer);
            lines.next();
        }
        let command = sent.strip_prefix("AT").unwrap().trim_end_matches("\\r");
        let command = if command == "I0" { "I" } else { command };
        answers.insert(command.to_owned(), hear(sent, &heard));
    }
    answers
}

/// Reads the bytes that came back. A modem that forgets its final result code has accepted what it answered.
fn hear(sent: &str, heard: &[&str]) -> Answer {
    let mut framer = Framer::new();
    framer.note_sent(&unescape(sent));
    let bytes: Vec<u8> = heard.iter().flat_map(|part| unescape(part)).collect();
    let (mut taken, mut lines) = (0, Vec::new());
    while taken < bytes.len() {
        let (count, line) = framer.take_line(&bytes[taken..]);
        taken += count;
        let Some(line) = line else { continue };
        let reply = Reply::parse(&line.text);
        if reply == Reply::Result(ResultCode::Ok) {
            break;
        } else if reply == Reply::Result(ResultCode::Error) {
            return Answer::Refused;
        }
        lines.push(line.text);
    }
    Answer::Lines(lines)
}

fn unescape(text: &str) -> Vec<u8> {
    text.replace("\\r", "\r").replace("\\n", "\n").into_bytes()
}
