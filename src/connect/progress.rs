//! What a person sees while a host is woken: one line a step, with the seconds since the start. Standard error, since
//! standard output belongs to the command; JSON lines there instead with `--json`.

use std::io::Write;
use std::net::IpAddr;

use serde::Serialize;
use tokio::time::Instant;

use crate::report::Report;

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
    /// The host is being rung.
    Ringing {
        /// Its name.
        host: String,
    },
    /// The wake-up call is over.
    CallOver {
        /// How it ended.
        outcome: String,
    },
    /// The host answered the wake-up call, and said what it does.
    Told {
        /// What.
        words: String,
    },
    /// The directory is watched for a newer record.
    Waiting {
        /// The host's name.
        host: String,
        /// Newer than this one; `None` when it had none.
        after: Option<u64>,
    },
    /// The host is there.
    Online {
        /// Its name.
        host: String,
        /// Its record's sequence number.
        seq: u64,
        /// Where it is.
        addresses: Vec<IpAddr>,
    },
}

impl Event {
    /// The step in words.
    fn words(&self) -> String {
        match self {
            Self::Asking { host } => format!("asking the directory for {host}"),
            Self::OwnLinkDialling => "no way to the directory: dialling our provider".to_owned(),
            Self::OwnLinkUp { interface, address } => format!("our own link is up: {address} on {interface}"),
            Self::OwnLinkDown => "our own link is down: the line is needed for the call".to_owned(),
            Self::Asleep { host, seq } => format!("{host} is asleep (record {seq})"),
            Self::NeverRegistered { host } => format!("{host} has no record yet: it is asleep"),
            Self::Ringing { host } => format!("ringing {host}"),
            Self::CallOver { outcome } if outcome == "RangOut" => "it rang; hung up before anybody answered".to_owned(),
            Self::CallOver { outcome } => format!("the call is over: {outcome}"),
            Self::Told { words } => format!("it answered: {words}"),
            Self::Waiting { host, after: Some(seq) } => format!("waiting for a record of {host} newer than {seq}"),
            Self::Waiting { host, after: None } => format!("waiting for {host} to register"),
            Self::Online { host, seq, addresses } => {
                let addresses: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
                format!("{host} is online at {} (record {seq})", addresses.join(", "))
            }
        }
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
    Words,
    Json,
}

impl Progress {
    /// For a person, a program, or nobody.
    #[must_use]
    pub fn new(quiet: bool, json: bool) -> Self {
        let style = match (json, quiet) {
            (true, _) => Style::Json,
            (false, true) => Style::Quiet,
            (false, false) => Style::Words,
        };
        Self { started: Instant::now(), style }
    }

    /// Tells a step.
    pub fn say(&self, event: &Event) {
        match self.style {
            Style::Quiet => {}
            Style::Json => Report::Stderr.say(event),
            Style::Words => {
                let seconds = self.started.elapsed().as_secs_f64();
                if let Err(error) = writeln!(std::io::stderr(), "{seconds:6.1} s  {}", event.words()) {
                    tracing::debug!(%error, "nobody reads");
                }
            }
        }
    }
}
