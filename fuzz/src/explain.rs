//! Captures into words: told the same however the bytes are cut, and nothing in it drives a terminal.

use std::time::Instant;

use hayes::narrator::{Narrator, Place};
use hayes::transcript::Entry;

/// Takes how many bytes a read has, and then a capture; or a transcript, if that number is odd.
pub fn run(data: &[u8]) {
    let Some((&step, capture)) = data.split_first() else { return };
    if step % 2 == 1 {
        transcript(&String::from_utf8_lossy(capture));
        return;
    }
    let whole = raw([capture]);
    let cut = raw(capture.chunks(usize::from(step / 2 % 32) + 1));
    assert_eq!(whole, cut, "what is told depends on how the bytes are cut");
    assert!(whole.len() <= 2 * capture.len() + 1, "more is told than was said");
}

#[allow(clippy::disallowed_methods, reason = "an arbitrary instant to count from")]
fn raw<'a>(reads: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
    let now = Instant::now();
    let mut narrator = Narrator::new(now);
    let (mut at, mut told) = (0, Vec::new());
    for read in reads {
        narrator.handle_heard(read, Place::Byte(at), now);
        at += read.len() as u64;
        drain(&mut narrator, &mut told);
    }
    narrator.handle_end();
    drain(&mut narrator, &mut told);
    told
}

#[allow(clippy::disallowed_methods, reason = "an arbitrary instant to count from")]
fn transcript(text: &str) {
    let now = Instant::now();
    let mut narrator = Narrator::new(now);
    let mut told = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        match Entry::parse(line) {
            Entry::Sent(bytes) => narrator.handle_sent(&bytes, Place::Line(number), now),
            Entry::Heard(bytes) => narrator.handle_heard(&bytes, Place::Line(number), now),
            Entry::Header("play", _) => narrator.handle_end(),
            Entry::Header(..) | Entry::Blank | Entry::Malformed => {}
        }
        drain(&mut narrator, &mut told);
    }
    narrator.handle_end();
    drain(&mut narrator, &mut told);
}

fn drain(narrator: &mut Narrator, into: &mut Vec<String>) {
    while let Some(told) = narrator.poll_output() {
        let said: Vec<&str> = told.said.iter().map(|said| said.text.as_str()).collect();
        let text = format!("{:?} {} {}: {}", told.by, told.statement.name(), said.join(" | "), told.statement);
        assert!(!text.contains(char::is_control), "{text:?} drives a terminal");
        into.push(text);
    }
    assert!(narrator.deadline().is_none_or(|(at, _)| at > narrator.moment()), "a deadline that has passed");
}
