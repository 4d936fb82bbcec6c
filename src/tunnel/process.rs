//! The tunnel's command: a process group of its own, what it says line by line, and its end.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStderr, Command};

use super::remains;

/// How long it may take to end by itself once it was told to.
const GOODBYE: Duration = Duration::from_secs(3);
/// The longest line that is kept whole: what a relay has its client say is up to the relay.
const LONGEST_LINE: usize = 500;
/// How long it is listened to after its end, while something else has its standard error open.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// A command that runs.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    group: Pid,
    stderr: Option<ChildStderr>,
    heard: Vec<u8>,
    ended: Option<String>,
    /// When it is ended by force.
    force: Option<tokio::time::Instant>,
}

/// What there is to hear of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// A line on its standard error.
    Line(String),
    /// It has ended so.
    Ended(String),
}

impl Process {
    pub(super) fn start(command: &[String]) -> io::Result<Self> {
        let Some((program, arguments)) = command.split_first() else { return Err(io::ErrorKind::InvalidInput.into()) };
        let mut child = Command::new(program)
            .args(arguments)
            .env(remains::VARIABLE, std::process::id().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0) // Ctrl-C is ours to act on; and what it starts itself ends with it
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("{program}: {error}")))?;
        let stderr = child.stderr.take();
        let group = child.id().and_then(|id| i32::try_from(id).ok()).unwrap_or_default();
        Ok(Self { child, group: Pid::from_raw(group), stderr, heard: Vec::new(), ended: None, force: None })
    }

    /// Waits for the next line, and after the last one for the end.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub(super) async fn next(&mut self) -> Said {
        loop {
            if let Some(line) = self.line() {
                return Said::Line(line);
            }
            if let Some(how) = &self.ended {
                let how = how.clone();
                // What it said last tells the cause: it was written before the end, so it is there now or never.
                let heard = tokio::time::timeout(LAST_WORDS, read(&mut self.stderr, &mut self.heard)).await;
                if heard.is_ok_and(|more| more) {
                    continue;
                }
                return match std::mem::take(&mut self.heard) {
                    rest if rest.is_empty() => Said::Ended(how),
                    rest => Said::Line(printable(&rest)),
                };
            }
            let has_stderr = self.stderr.is_some();
            tokio::select! {
                biased;
                more = read(&mut self.stderr, &mut self.heard), if has_stderr => if !more {
                    self.stderr = None;
                },
                status = self.child.wait() => {
                    self.ended = Some(status.map_or_else(|error| error.to_string(), told));
                    self.signal(Signal::SIGTERM); // what it may have started
                }
                () = forced(self.force) => {
                    self.force = None;
                    self.signal(Signal::SIGKILL);
                }
            }
        }
    }

    /// Asks it to end; by force, soon after, where that does not help.
    pub(super) fn terminate(&mut self) {
        self.force.get_or_insert_with(|| tokio::time::Instant::now() + GOODBYE);
        self.signal(Signal::SIGTERM);
    }

    /// Ends it and what it has started, and waits for that.
    pub(super) async fn end(mut self) {
        self.terminate();
        while let Said::Line(line) = self.next().await {
            tracing::debug!("tunnel: {line}");
        }
        // What it has started has our end of its standard error open, as a rule.
        let others = async { while read(&mut self.stderr, &mut self.heard).await {} };
        if tokio::time::timeout(GOODBYE, others).await.is_err() {
            self.signal(Signal::SIGKILL);
        }
    }

    /// One whole line of what was heard, or as much of it as is kept.
    fn line(&mut self) -> Option<String> {
        let end = self.heard.iter().position(|byte| *byte == b'\n');
        let length = end.map(|end| end + 1).or_else(|| (self.heard.len() >= LONGEST_LINE).then_some(LONGEST_LINE))?;
        let line: Vec<u8> = self.heard.drain(..length).collect();
        Some(printable(&line))
    }

    fn signal(&self, signal: Signal) {
        if self.group.as_raw() > 1
            && let Err(error) = killpg(self.group, signal)
        {
            tracing::trace!(%error, "the tunnel's command was gone already");
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended.is_none() {
            self.signal(Signal::SIGKILL);
        }
    }
}

/// Reads on; `false` when there is no more.
async fn read(stderr: &mut Option<ChildStderr>, heard: &mut Vec<u8>) -> bool {
    let Some(stderr) = stderr else { return false };
    heard.reserve(LONGEST_LINE);
    stderr.read_buf(heard).await.is_ok_and(|length| length > 0)
}

async fn forced(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn told(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("its command ended with status {code}"),
        (None, Some(signal)) => format!("its command was ended by signal {signal}"),
        (None, None) => "its command ended".to_owned(),
    }
}

fn printable(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    text.trim_end().chars().map(|c| if c.is_control() { '·' } else { c }).collect()
}
