//! What somebody who waits is told: a line a step, with the seconds that it takes while it takes them. Standard error,
//! since standard output belongs to the command; JSON lines there instead with `--json`, and nothing else.
//!
//! Quiet where nobody looks: when standard error is no terminal. Failures are told in any case.

mod event;
mod live;
#[cfg(test)]
mod snapshot;
mod words;

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

pub use self::event::{CallOver, Event};
use self::live::Live;
use crate::exit::{Failure, Status};
use crate::report::Report;

/// How much is told, and to whom.
#[derive(Clone, Copy, Debug, Default)]
pub struct Audience {
    /// Nothing but failures.
    pub quiet: bool,
    /// A program.
    pub json: bool,
    /// Somebody who wants to know more, or reads it later.
    pub verbose: bool,
    /// The commands of other hosts write on the same terminal meanwhile.
    pub shares_terminal: bool,
}

/// Tells steps as they come.
#[derive(Debug)]
pub struct Progress {
    started: Instant,
    with_evidence: bool,
    /// Whether somebody was told of an interrupt already.
    interrupted: AtomicBool,
    style: Style,
}

#[derive(Debug)]
enum Style {
    Quiet,
    /// A line a step, with the seconds since the start.
    Words,
    /// A line a step, with the seconds that it takes, as they pass.
    Live(Live),
    Json,
}

impl Progress {
    /// For a program, for a person who looks on or reads a log, or for nobody.
    #[must_use]
    pub fn new(audience: Audience) -> Self {
        let is_dumb = std::env::var_os("TERM").is_none_or(|terminal| terminal.is_empty() || terminal == "dumb");
        let style = match audience {
            Audience { json: true, .. } => Style::Json,
            Audience { quiet: true, .. } => Style::Quiet,
            Audience { verbose: true, .. } => Style::Words,
            _ if !std::io::stderr().is_terminal() => Style::Quiet,
            // Lines that move would be written over what a command writes.
            Audience { shares_terminal, .. } if shares_terminal || is_dumb => Style::Words,
            _ => Style::Live(Live::default()),
        };
        Self { started: Instant::now(), with_evidence: audience.verbose, interrupted: AtomicBool::new(false), style }
    }

    /// Tells a step on the way to a host.
    pub fn say(&self, host: &str, event: &Event) {
        match &self.style {
            Style::Quiet => {}
            Style::Json => Report::Stderr.say(event),
            Style::Words => line(self.started.elapsed(), &event.words()),
            Style::Live(live) => live.say(host, event),
        }
    }

    /// Ends the step that a host is at: whoever ends the program tells why.
    pub fn end(&self, host: &str) {
        match &self.style {
            Style::Live(live) => live.failed(Some(host), || {}),
            Style::Quiet | Style::Words | Style::Json => {}
        }
    }

    /// Tells a failure: of the way to a host, of what was to be done there, or of what is no host's affair.
    pub fn failed(&self, host: Option<&str>, failure: &Failure) {
        // One Ctrl-C ends the ways to all hosts.
        let is_known = failure.status == Status::Interrupted && self.interrupted.swap(true, Ordering::Relaxed);
        let told = if is_known { String::new() } else { failure.told(self.with_evidence) };
        match &self.style {
            Style::Json => Report::Stderr.say(&Event::of_failure(host, failure)),
            Style::Quiet | Style::Words => write(&told),
            Style::Live(live) => live.failed(host, || write(&told)),
        }
    }
}

/// Tells a step, and how long it took or when it was.
fn line(seconds: Duration, words: &str) {
    write(&format!("{:6.1} s   {words}\n", seconds.as_secs_f64()));
}

fn write(text: &str) {
    if let Err(error) = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes()) {
        tracing::debug!(%error, "nobody reads");
    }
}
