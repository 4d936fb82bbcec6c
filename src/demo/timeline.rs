//! What the demo's spectator sees: one line an event, with the seconds since the curtain rose.

use std::io::{IsTerminal, Write};

use super::daemon::{Heard, now};

/// Prints events as they come.
#[derive(Clone, Debug)]
pub(super) struct Timeline {
    started: u64,
    colours: bool,
}

impl Timeline {
    pub(super) fn new() -> Self {
        let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { started: now(), colours }
    }

    /// A phase begins.
    pub(super) fn heading(&self, text: &str) {
        let (bold, plain) = if self.colours { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
        write(&format!("\n{bold}{text}{plain}"));
    }

    /// Something that is no event of a program's.
    pub(super) fn say(&self, who: &str, what: &str) {
        self.line(now(), who, what);
    }

    /// Plain text under the timeline.
    pub(super) fn plain(&self, text: &str) {
        write(text);
    }

    /// An event, if it means something to a spectator.
    pub(super) fn heard(&self, heard: &Heard) {
        if let Some(words) = words(heard) {
            self.line(heard.at, heard.who, &words);
        }
    }

    /// Seconds since the start.
    pub(super) fn seconds(&self, at: u64) -> f64 {
        seconds_between(self.started, at)
    }

    fn line(&self, at: u64, who: &str, what: &str) {
        let (faint, colour, plain) = if self.colours { ("\x1b[2m", colour_of(who), "\x1b[0m") } else { ("", "", "") };
        write(&format!("{faint}{:7.2} s{plain}  {colour}{who:<10}{plain}{what}", self.seconds(at)));
    }
}

/// Seconds from one moment to another, both in milliseconds since 1970.
pub(super) fn seconds_between(from: u64, to: u64) -> f64 {
    std::time::Duration::from_millis(to.saturating_sub(from)).as_secs_f64()
}

fn write(line: &str) {
    let mut stdout = std::io::stdout();
    if let Err(error) = writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
        tracing::debug!(%error, "nobody watches");
    }
}

fn colour_of(who: &str) -> &'static str {
    match who {
        "exchange" => "\x1b[33m",
        "home" => "\x1b[32m",
        "client" => "\x1b[36m",
        "provider" => "\x1b[35m",
        "directory" => "\x1b[34m",
        "cabin" => "\x1b[92m",
        _ => "",
    }
}

/// An event in words; `None` for those that only machines need.
fn words(heard: &Heard) -> Option<String> {
    let field = |name: &str| heard.text(name);
    Some(match (heard.who, heard.event.as_str()) {
        ("exchange", "line") => format!("line {:<11} number {:<8} {}", field("line"), field("number"), field("tty")),
        ("exchange", "dialled") => format!("call {}: {} dials {}", field("call"), field("from"), field("to")),
        ("exchange", "ringing") => format!("call {}: {} rings ({})", field("call"), field("line"), field("ring")),
        ("exchange", "caller-id-sent") => format!("call {}: {} is told who calls", field("call"), field("line")),
        ("exchange", "answered") => format!("call {}: {} answers", field("call"), field("line")),
        ("exchange", "connected") => format!("call {}: connected at {} bit/s", field("call"), field("rate")),
        ("exchange", "hung-up") => format!("call {}: {} hangs up", field("call"), field("by")),
        ("exchange", event) => format!("call {}: {event}", field("call")),
        (_, "ring") => format!("RING ({})", field("count")),
        (_, "caller") if field("number") == "true" => "caller identification: a number is shown".to_owned(),
        (_, "caller") => "caller identification: no number".to_owned(),
        (_, "accepted") => "an allowed caller: will wake once the line is silent".to_owned(),
        (_, "refused") => format!("the call does not wake: {}", field("reason")),
        (_, "waking") => "the line is silent: waking".to_owned(),
        ("home", "dialling") => "dialling the provider".to_owned(),
        ("home", "connected") => "connected: pppd takes the line".to_owned(),
        ("home", "up") => format!("{} is up, lent {}", field("interface"), field("address")),
        ("provider", "ready") => format!("{} lines ready", field("lines")),
        ("provider", "answering") => format!("answering on {}", last_part(&field("line"))),
        ("provider", "up") => format!("{} proved its name, lent it {}", field("peer"), field("address")),
        ("provider", "full") => "no address is free".to_owned(),
        ("provider", "ended") => format!("{} is back in the pool ({})", field("address"), field("cause")),
        ("directory", "ready") => format!("answers at {}", field("addresses")),
        ("home", "registered") => format!("registered, record {}", field("seq")),
        ("cabin", "registered") => format!("registered {}, record {}", field("addresses"), field("seq")),
        ("cabin", "changed") if field("addresses").is_empty() => "lost its address".to_owned(),
        ("cabin", "changed") => format!("has a new address: {}", field("addresses")),
        ("cabin", "watching") => "watching its interface".to_owned(),
        (_, "idle") => "nothing has passed for long enough: idle".to_owned(),
        (_, "withdrawn") => format!("record withdrawn: asleep, record {}", field("seq")),
        (_, "ended") => format!("link down, line on hook ({})", field("cause")),
        (_, "listening") => "listening on its line".to_owned(),
        (_, "failed") => format!("FAILED: {}", field("cause")),
        ("client", "asking") => format!("asks the directory for {}", field("host")),
        ("client", "own-link-dialling") => "has no way to the directory: dials the provider".to_owned(),
        ("client", "own-link-up") => format!("own link up: {} on {}", field("address"), field("interface")),
        ("client", "own-link-down") => "own link down: the line is needed for the call".to_owned(),
        ("client", "asleep") => format!("{} is asleep (record {})", field("host"), field("seq")),
        ("client", "never-registered") => format!("{} has no record yet: asleep", field("host")),
        ("client", "ringing") => format!("rings {}", field("host")),
        ("client", "call-over") => "hung up; nobody had to answer".to_owned(),
        ("client", "waiting") if field("after") == "null" => "waits for the first record".to_owned(),
        ("client", "waiting") => format!("waits for a record newer than {}", field("after")),
        ("client", "proving") => format!("has {} prove to be {}", field("addresses"), field("host")),
        ("client", "online") => format!("{} is at {} (record {})", field("host"), field("address"), field("seq")),
        _ => return None,
    })
}

fn last_part(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
