//! What happens, as one JSON object a line, for programs that follow along (`--json`). People read the log instead.

use std::io::Write;

use serde::Serialize;

/// Where events go: nowhere, standard output, or standard error when standard output belongs to somebody else.
#[derive(Clone, Copy, Debug, Default)]
pub enum Report {
    /// Nobody follows.
    #[default]
    Off,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// An event with the moment it happened at.
#[derive(Serialize)]
struct Line<'event, E> {
    /// Milliseconds since 1970.
    at: u64,
    #[serde(flatten)]
    event: &'event E,
}

impl Report {
    /// Writes an event; a reader that went away is no reason to stop.
    pub fn say<E: Serialize>(self, event: &E) {
        let mut sink: Box<dyn Write> = match self {
            Self::Off => return,
            Self::Stdout => Box::new(std::io::stdout()),
            Self::Stderr => Box::new(std::io::stderr()),
        };
        let at = u64::try_from(crate::clock::since_epoch().as_millis()).unwrap_or(u64::MAX);
        let written = serde_json::to_string(&Line { at, event })
            .map_err(std::io::Error::from)
            .and_then(|line| writeln!(sink, "{line}").and_then(|()| sink.flush()));
        if let Err(error) = written {
            tracing::debug!(%error, "nobody reads the events");
        }
    }
}
