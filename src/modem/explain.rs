//! `ringup modem explain`: what a capture says.

use std::path::Path;

use hayes::narrator::{Narrator, Place};
use hayes::transcript::{self, Entry};
use tokio_util::sync::CancellationToken;

use super::input::Input;
use super::telling::Telling;
use crate::clock;
use crate::exit::{Failure, Status};

/// How wide the column of places is.
const PLACE_WIDTH: usize = 7;
/// The longest line of a transcript; what is longer is no transcript.
const LINE_LIMIT: usize = 1 << 16;

/// Explains a file, or standard input if it is `None` or `-`, as its bytes come.
///
/// # Errors
/// When the file cannot be read, or nobody takes the output.
pub async fn run(file: Option<&Path>, raw: bool, json: bool, stop: &CancellationToken) -> Result<(), Failure> {
    let file = file.filter(|file| *file != Path::new("-"));
    let shown = file.map_or_else(|| "standard input".to_owned(), |file| file.display().to_string());
    let unreadable =
        |error: std::io::Error| Failure::new(Status::Internal, format!("{shown}: cannot be read: {error}"));
    let mut input = match file {
        Some(file) => Input::open(file),
        None => Input::standard(),
    }
    .map_err(unreadable)?;
    let mut explanation = Explanation::new(json, raw);
    loop {
        let (deadline, _) = explanation.narrator.deadline().unzip();
        tokio::select! {
            read = input.read() => {
                let bytes = read.map_err(unreadable)?;
                if bytes.is_empty() {
                    break;
                }
                explanation.take(&bytes)?;
                if explanation.telling.is_closed() {
                    return Ok(());
                }
            }
            () = clock::sleep_until(deadline) => explanation.pause()?,
            () = stop.cancelled() => break,
        }
    }
    explanation.end()
}

/// What the input turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Undecided,
    Raw,
    Transcript { each: bool },
}

struct Explanation {
    narrator: Narrator,
    telling: Telling,
    form: Form,
    /// What was not looked at yet: the first bytes, or a transcript's line that has no end yet.
    pending: Vec<u8>,
    /// Bytes taken so far, or lines.
    place: u64,
}

impl Explanation {
    fn new(json: bool, raw: bool) -> Self {
        let form = if raw { Form::Raw } else { Form::Undecided };
        let telling = Telling::new(json, PLACE_WIDTH);
        Self { narrator: Narrator::new(clock::now()), telling, form, pending: Vec::new(), place: 0 }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.pending.extend_from_slice(bytes);
        if self.form == Form::Undecided {
            match transcript::is_transcript(&self.pending) {
                None => return Ok(()),
                Some(true) => self.form = Form::Transcript { each: false },
                Some(false) => self.form = Form::Raw,
            }
        }
        if self.place == 0 {
            self.head()?;
        }
        if self.form == Form::Raw {
            return self.take_raw();
        }
        while let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
            let rest = self.pending.split_off(end + 1);
            let line = std::mem::replace(&mut self.pending, rest);
            self.take_line(&line)?;
        }
        if self.pending.len() > LINE_LIMIT {
            let line = std::mem::take(&mut self.pending);
            self.take_line(&line)?;
        }
        Ok(())
    }

    fn take_raw(&mut self) -> Result<(), Failure> {
        let bytes = std::mem::take(&mut self.pending);
        self.narrator.handle_heard(&bytes, Place::Byte(self.place), clock::now());
        self.place += bytes.len() as u64;
        self.tell()
    }

    fn take_line(&mut self, line: &[u8]) -> Result<(), Failure> {
        self.place += 1;
        let line = String::from_utf8_lossy(line);
        let at = Place::Line(self.place);
        // A transcript has no times: all of it is one moment.
        let Form::Transcript { each } = self.form else { return Ok(()) };
        let now = self.narrator.moment();
        match Entry::parse(line.trim_end_matches(['\n', '\r'])) {
            Entry::Header("play", how) => self.form = Form::Transcript { each: how.starts_with("each") },
            Entry::Header(..) | Entry::Blank => {}
            Entry::Sent(bytes) => self.narrator.handle_sent(&bytes, at, now),
            Entry::Heard(bytes) => {
                self.narrator.handle_heard(&bytes, at, now);
                if each {
                    self.narrator.handle_end();
                }
            }
            Entry::Malformed => {
                tracing::warn!(line = self.place, "left out: a line of a transcript begins with #, > or <");
            }
        }
        self.tell()
    }

    /// Nothing has come for a while.
    fn pause(&mut self) -> Result<(), Failure> {
        if self.form == Form::Raw {
            self.narrator.handle_timeout(clock::now());
        }
        self.tell()
    }

    fn end(mut self) -> Result<(), Failure> {
        let rest = std::mem::take(&mut self.pending);
        match self.form {
            Form::Transcript { .. } if !rest.is_empty() => self.take_line(&rest)?,
            Form::Undecided if !rest.is_empty() => {
                self.form = Form::Raw;
                self.head()?;
                self.pending = rest;
                self.take_raw()?;
            }
            Form::Transcript { .. } | Form::Undecided | Form::Raw => {}
        }
        self.narrator.handle_end();
        self.tell()
    }

    fn head(&self) -> Result<(), Failure> {
        let place = if self.form == Form::Raw { "byte" } else { "line" };
        self.telling.head(place).map_err(unwritable)
    }

    fn tell(&mut self) -> Result<(), Failure> {
        while let Some(told) = self.narrator.poll_output() {
            self.telling.tell(&told, None).map_err(unwritable)?;
        }
        Ok(())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(super) fn unwritable(error: std::io::Error) -> Failure {
    Failure::new(Status::Internal, format!("standard output: cannot be written: {error}"))
}
