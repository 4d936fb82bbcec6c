//! A program of the demo's: started in a machine's namespace, its events read from standard output, its log kept.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// How long a program may take to end when it is asked to.
const END_WITHIN: Duration = Duration::from_secs(10);

/// An event of one of the programs.
#[derive(Clone, Debug)]
pub struct Heard {
    /// Whose.
    pub who: &'static str,
    /// When, in milliseconds since 1970: as the program says, else when it was read.
    pub at: u64,
    /// The event's name.
    pub event: String,
    /// All of it.
    pub fields: Value,
}

impl Heard {
    /// Reads a line that one of the programs wrote; `None` when it is no event.
    pub(super) fn parse(who: &'static str, line: &str) -> Option<Self> {
        let fields: Value = serde_json::from_str(line).ok()?;
        let event = fields.get("event")?.as_str()?.to_owned();
        let at = fields.get("at").and_then(Value::as_u64).unwrap_or_else(now);
        Some(Self { who, at, event, fields })
    }

    /// A field as text; empty when there is none.
    #[must_use]
    pub fn text(&self, field: &str) -> String {
        match self.fields.get(field) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned))
                .collect::<Vec<_>>()
                .join(", "),
            Some(other) => other.to_string(),
            None => String::new(),
        }
    }
}

/// A running program.
#[derive(Debug)]
pub(super) struct Daemon {
    pub(super) name: &'static str,
    pub(super) log: PathBuf,
    child: Child,
    readers: JoinSet<()>,
}

impl Daemon {
    /// Starts a program; standard error goes to a log file in the folder.
    pub(super) fn start(
        name: &'static str,
        mut command: Command,
        folder: &Path,
        events: mpsc::UnboundedSender<Heard>,
    ) -> io::Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let errors = std::fs::OpenOptions::new().create(true).append(true).open(&log)?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let mut readers = JoinSet::new();
        if let Some(stdout) = child.stdout.take() {
            readers.spawn(async move {
                let mut lines = BufReader::new(stdout).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    if let Some(heard) = Heard::parse(name, &line)
                        && events.send(heard).is_err()
                    {
                        return;
                    }
                }
            });
        }
        Ok(Self { name, log, child, readers })
    }

    /// Sends a signal.
    pub(super) fn signal(&self, signal: Signal) {
        if let Some(pid) = self.child.id().and_then(|pid| i32::try_from(pid).ok())
            && let Err(error) = kill(Pid::from_raw(pid), signal)
        {
            tracing::debug!(%error, name = self.name, "gone already");
        }
    }

    /// Whether the program has ended by itself.
    pub(super) fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Waits until the program has ended by itself and all it said is read; gives its exit status, 128 + n after
    /// signal n.
    pub(super) async fn ended(&mut self) -> io::Result<i32> {
        let status = self.child.wait().await?;
        while self.readers.join_next().await.is_some() {}
        Ok(status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1))
    }

    /// Asks the program to end, and ends it.
    pub(super) async fn end(mut self) {
        self.signal(Signal::SIGTERM);
        if tokio::time::timeout(END_WITHIN, self.child.wait()).await.is_err() {
            tracing::warn!(name = self.name, "does not end when asked to; killing it");
            if let Err(error) = self.child.kill().await {
                tracing::warn!(%error, name = self.name, "cannot be killed");
            }
        }
    }
}

/// Milliseconds since 1970.
pub(super) fn now() -> u64 {
    u64::try_from(crate::clock::since_epoch().as_millis()).unwrap_or(u64::MAX)
}
