//! Every transcript explained: what the driver understands of it a person is told, too.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "test code; an arbitrary instant to count from"
)]

use std::path::{Path, PathBuf};
use std::time::Instant;

use hayes::narrator::{Narrator, Place, Statement, Told};
use hayes::transcript::{Entry, is_transcript};

/// What means nothing to the driver either: noise that was put there as such, parts of a table, names without a question.
const NOT_UNDERSTOOD: [&str; 5] = ["Something extra", "echo echo", "this is valid", "and so is this", "FCLASS"];

fn transcripts() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut files: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 120, "only {} transcripts found", files.len());
    files
}

fn narrate(text: &str) -> Vec<Told> {
    let now = Instant::now();
    let mut narrator = Narrator::new(now);
    let mut each = false;
    for (line, number) in text.lines().zip(1..) {
        let at = Place::Line(number);
        match Entry::parse(line) {
            Entry::Header("play", how) => each = how.starts_with("each"),
            Entry::Header(..) | Entry::Blank => {}
            Entry::Sent(bytes) => narrator.handle_sent(&bytes, at, now),
            Entry::Heard(bytes) => {
                narrator.handle_heard(&bytes, at, now);
                if each {
                    narrator.handle_end();
                }
            }
            Entry::Malformed => panic!("line {number} is malformed: {line}"),
        }
    }
    narrator.handle_end();
    std::iter::from_fn(|| narrator.poll_output()).collect()
}

#[test]
fn nothing_that_the_driver_understands_is_left_unexplained() {
    for file in transcripts() {
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(is_transcript(text.as_bytes()), Some(true), "{}", file.display());
        // Names that modems answered to a command which is not there.
        if text.contains("# play: each") && file.file_name().unwrap().to_str().unwrap().starts_with("ident_") {
            continue;
        }
        for told in narrate(&text) {
            let vague = matches!(told.statement, Statement::Unknown | Statement::Unfinished | Statement::Garbage);
            let said = told.said.first().map_or("", |said| said.text.as_str());
            assert!(!vague || NOT_UNDERSTOOD.contains(&said), "{}: {told:?}", file.display());
        }
    }
}

#[test]
fn every_ring_caller_and_connection_that_the_driver_reports_is_told() {
    for file in transcripts() {
        let text = std::fs::read_to_string(&file).unwrap();
        if !text.contains("# play: whole") {
            continue;
        }
        let told = narrate(&text);
        let count = |wanted: fn(&Statement) -> bool| told.iter().filter(|told| wanted(&told.statement)).count();
        let expected =
            |start: &str| text.lines().filter(|line| line.starts_with(&format!("# expect: {start}"))).count();
        let rings = count(|statement| matches!(statement, Statement::Ring { .. }));
        assert_eq!(rings, expected("ring"), "rings of {}", file.display());
        let connections = count(|statement| matches!(statement, Statement::Connected { data: true, .. }));
        assert_eq!(connections, expected("connected"), "connections of {}", file.display());
        for line in text.lines().filter_map(|line| line.strip_prefix("# expect: caller number=")) {
            let number = line.split(' ').next().unwrap();
            let number = if number.bytes().any(|byte| byte.is_ascii_digit()) { number } else { "" };
            let shown = |told: &Told| told.statement.to_string().contains(number);
            assert!(told.iter().any(shown), "{number} is not told of {}", file.display());
        }
    }
}

#[test]
fn every_modem_that_is_recognised_by_its_answers_is_named() {
    for file in transcripts() {
        let text = std::fs::read_to_string(&file).unwrap();
        let expected = text.lines().find_map(|line| line.strip_prefix("# expect: profile = "));
        let by_usb = text.contains("# usb: ");
        if let Some(expected) = expected.filter(|id| *id != "default" && !by_usb) {
            let told = narrate(&text);
            let names = |told: &&Told| matches!(told.statement, Statement::Modem { .. });
            let named = told.iter().rfind(names).map(|told| told.statement.to_string()).unwrap_or_default();
            assert!(named.ends_with(&format!("(profile {expected})")), "{}: {named:?}", file.display());
        }
    }
}
