//! What somebody who waits is told: a line a step, with the seconds that it takes while it takes them. Standard error,
//! since standard output belongs to the command; JSON lines there instead with `--json`.
//!
//! Quiet where nobody looks: when standard error is no terminal. Failures are told in any case, by whoever ends the program.

#[cfg(test)]
mod snapshot;
mod words;

use std::io::IsTerminal;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use serde::Serialize;
use tokio::time::Instant;

use super::attempt::Note;
use super::call::Called;
use crate::exit::Failure;
use crate::report::Report;

/// How often the seconds on a terminal move on.
const TICK: Duration = Duration::from_millis(100);

/// A step on the way to a host.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Event {
    /// The directory is asked for the host.
    Asking {
        /// The host's name.
        host: String,
    },
    /// There is no way to the directory: our provider is dialled.
    OwnLinkDialling,
    /// Our own link is up.
    OwnLinkUp {
        /// The interface.
        interface: String,
        /// Our address on it.
        address: IpAddr,
    },
    /// Our own link is down, for the line to be free.
    OwnLinkDown,
    /// Our own link went down by itself while it was needed.
    OwnLinkLost,
    /// The host is asleep.
    Asleep {
        /// Its name.
        host: String,
        /// Its record's sequence number.
        seq: u64,
    },
    /// The host is known, but has never registered.
    NeverRegistered {
        /// Its name.
        host: String,
    },
    /// The directory has an older record than was seen before.
    RolledBack {
        /// The host's name.
        host: String,
        /// The record's sequence number.
        seq: u64,
        /// The greatest one that was seen.
        seen: u64,
    },
    /// The host is being rung.
    Ringing {
        /// Its name.
        host: String,
    },
    /// The wake-up call is over.
    CallOver {
        /// The host's name.
        host: String,
        /// How it ended, in one word.
        outcome: &'static str,
    },
    /// The host answered the wake-up call, and said what it does.
    Told {
        /// The host's name.
        host: String,
        /// What.
        words: String,
    },
    /// The number could not be reached; after a pause the directory is asked, and then it is rung again.
    Pausing {
        /// The host's name.
        host: String,
        /// Why.
        why: String,
        /// How long the pause is, in milliseconds.
        pause_ms: u64,
    },
    /// The directory is watched for a newer record.
    Waiting {
        /// The host's name.
        host: String,
        /// Newer than this one; `None` when it had none.
        after: Option<u64>,
    },
    /// The host is to prove that it is the one.
    Proving {
        /// Its name.
        host: String,
        /// Where.
        addresses: Vec<IpAddr>,
        /// Or here, where its tunnel ends, if it has one.
        #[serde(skip_serializing_if = "Option::is_none")]
        tunnel: Option<SocketAddr>,
    },
    /// Nobody outside the host's network can connect to it.
    Unreachable {
        /// The host's name.
        host: String,
        /// From how far it can be reached: `carrier-nat`, `private`, `local`.
        reachability: &'static str,
        /// What can be done about it.
        advice: &'static str,
    },
    /// The host is not where its record says any more.
    Gone {
        /// Its name.
        host: String,
        /// What is there.
        why: String,
    },
    /// The host's key was not known before, and is from now on.
    FirstUse {
        /// The host's name.
        host: String,
        /// Its key.
        key: String,
    },
    /// The host is there, and has proved that it is the one.
    Online {
        /// Its name.
        host: String,
        /// Its record's sequence number.
        seq: u64,
        /// The address at which it has proved it.
        address: IpAddr,
        /// The port there, where it is met through its tunnel.
        #[serde(skip_serializing_if = "Option::is_none")]
        port: Option<u16>,
        /// All that its record has.
        addresses: Vec<IpAddr>,
    },
    /// The host was not reached.
    Failed {
        /// Its name.
        host: String,
        /// The cause's name, as in docs/outcomes.md.
        cause: &'static str,
        /// The exit status that goes with it.
        status: u8,
        /// What happened.
        message: String,
        /// What to do.
        hint: String,
    },
}

impl Event {
    /// What an attempt notes, as an event.
    pub(super) fn of_note(note: &Note, host: String) -> Self {
        match note {
            Note::RolledBack { found, seen } => Self::RolledBack { host, seq: found.number(), seen: seen.number() },
            Note::Unreachable(reachability) => Self::Unreachable {
                host,
                reachability: reachability.as_str(),
                advice: reachability.advice().unwrap_or_default(),
            },
            Note::LinkLost => Self::OwnLinkLost,
            Note::Gone { why } => Self::Gone { host, why: why.clone() },
            Note::Pausing { why, pause } => {
                let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
                Self::Pausing { host, why: why.clone(), pause_ms }
            }
        }
    }

    /// What a wake-up call came to, as an event.
    pub(super) fn of_call(called: &Called, host: String) -> Self {
        match called {
            Called::Ended(outcome) => Self::CallOver { host, outcome: outcome.name() },
            Called::Told(verdict) => Self::Told { host, words: verdict.to_string() },
            Called::BrokeOff => Self::CallOver { host, outcome: "broke-off" },
        }
    }

    /// A failure, as an event.
    fn of_failure(host: &str, failure: &Failure) -> Self {
        Self::Failed {
            host: host.to_owned(),
            cause: failure.status.name(),
            status: failure.status.code(),
            message: failure.message.clone(),
            hint: failure.advice().to_owned(),
        }
    }

    /// Whether something is waited for once this has been told.
    fn begins_a_wait(&self) -> bool {
        !matches!(self, Self::Online { .. } | Self::Failed { .. } | Self::FirstUse { .. } | Self::Unreachable { .. })
    }
}

/// Tells steps as they come.
#[derive(Debug)]
pub struct Progress {
    started: Instant,
    style: Style,
}

#[derive(Debug)]
enum Style {
    Quiet,
    /// A line a step, with the seconds since the start.
    Words,
    /// A line a step, with the seconds that it takes, as they pass.
    Live(Mutex<Option<Waiting>>),
    Json,
}

/// What is waited for, as it shows on a terminal meanwhile: no longer than the terminal is wide.
#[derive(Debug)]
struct Waiting {
    bar: ProgressBar,
    words: String,
}

impl Waiting {
    fn begin(words: String) -> Self {
        let bar = ProgressBar::new_spinner().with_style(style()).with_message(words.clone());
        bar.enable_steady_tick(TICK);
        Self { bar, words }
    }

    /// Leaves it as a line, whole.
    fn end(self) {
        let took = self.bar.elapsed();
        self.bar.finish_and_clear();
        line(took, &self.words);
    }
}

impl Progress {
    /// For a program, for a person who looks on or reads a log, or for nobody.
    #[must_use]
    pub fn new(quiet: bool, json: bool, verbose: bool) -> Self {
        let style = match (json, quiet, verbose) {
            (true, ..) => Style::Json,
            (false, true, _) => Style::Quiet,
            (false, false, true) => Style::Words,
            (false, false, false) if std::io::stderr().is_terminal() => Style::Live(Mutex::new(None)),
            (false, false, false) => Style::Quiet,
        };
        Self { started: Instant::now(), style }
    }

    /// Tells a step.
    pub fn say(&self, event: &Event) {
        match &self.style {
            Style::Quiet => {}
            Style::Json => Report::Stderr.say(event),
            Style::Words => {
                line(self.started.elapsed(), &event.words());
            }
            Style::Live(current) => {
                let mut current = current.lock().unwrap_or_else(PoisonError::into_inner);
                current.take().into_iter().for_each(Waiting::end);
                if event.begins_a_wait() {
                    *current = Some(Waiting::begin(event.words()));
                } else if !matches!(event, Event::Failed { .. }) {
                    // A failure is told when the program ends.
                    line(Duration::ZERO, &event.words());
                }
            }
        }
    }

    /// Nothing is waited for any more.
    pub(super) fn rest(&self) {
        if let Style::Live(current) = &self.style {
            current.lock().unwrap_or_else(PoisonError::into_inner).take().into_iter().for_each(Waiting::end);
        }
    }

    /// Tells that a host was not reached.
    pub fn failed(&self, host: &str, failure: &Failure) {
        self.say(&Event::of_failure(host, failure));
    }
}

/// Tells a step, and how long it took or when it was.
fn line(seconds: Duration, words: &str) {
    let line = format!("{:6.1} s   {words}\n", seconds.as_secs_f64());
    if let Err(error) = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()) {
        tracing::debug!(%error, "nobody reads");
    }
}

/// Seconds, then words; the spinner's colour is left off with NO_COLOR (no-color.org).
fn style() -> ProgressStyle {
    let seconds = |state: &ProgressState, line: &mut dyn std::fmt::Write| {
        if write!(line, "{:6.1} s", state.elapsed().as_secs_f64()).is_err() {
            tracing::trace!("no room for the seconds");
        }
    };
    let style = ProgressStyle::with_template("{seconds} {spinner:.cyan} {wide_msg}");
    style
        .unwrap_or_else(|_malformed| ProgressStyle::default_spinner())
        .tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ ")
        .with_key("seconds", seconds)
}
