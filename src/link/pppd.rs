//! The pppd process: its options in a file that only root may read, its log line by line, its end.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

/// The files of one link: its hooks' socket, pppd's options, and pppd's process number for whoever comes after us.
#[derive(Clone, Debug)]
pub(super) struct Files {
    pub(super) socket: PathBuf,
    pub(super) options: PathBuf,
    pub(super) pid: PathBuf,
}

impl Files {
    /// Files that no other link of this machine has.
    pub(super) fn new(runtime: &Path) -> Self {
        static LINKS: AtomicU32 = AtomicU32::new(0);
        let name = format!("link-{}-{}", std::process::id(), LINKS.fetch_add(1, Ordering::Relaxed));
        let file = |kind: &str| runtime.join(format!("{name}.{kind}"));
        Self { socket: file("sock"), options: file("options"), pid: file("pid") }
    }
}

/// A running pppd.
#[derive(Debug)]
pub(super) struct Pppd {
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
    files: Files,
    /// How it ended, `Some(None)` by a signal.
    status: Option<Option<i32>>,
}

/// What there is to hear of pppd.
#[derive(Debug)]
pub(super) enum Said {
    /// A line of its log.
    Line(String),
    /// It has ended with this status, `None` after a signal.
    Ended(Option<i32>),
}

/// How long the log is read on after pppd's end, while a hook still has it open.
const LAST_WORDS: Duration = Duration::from_millis(100);

impl Pppd {
    /// Starts pppd with these options, after the arguments before them; its standard input may be its line.
    pub(super) fn start(before: &[OsString], options: &str, stdin: Stdio, files: Files) -> io::Result<Self> {
        write_private(&files.options, options)?;
        let spawned = Command::new(program())
            .args(before)
            .arg("file")
            .arg(&files.options)
            .stdin(stdin)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0) // Ctrl-C is ours to act on: the record is withdrawn before the link goes
            .kill_on_drop(true)
            .spawn();
        let no_log = || io::Error::other("pppd's log is not to be had");
        let started = spawned.and_then(|mut child| {
            let log = BufReader::new(child.stderr.take().ok_or_else(no_log)?).lines();
            write_private(&files.pid, &format!("{}\n", child.id().unwrap_or_default()))?;
            Ok((child, log))
        });
        match started {
            Ok((child, log)) => Ok(Self { child, log, files, status: None }),
            Err(error) => {
                remove(&files.options);
                remove(&files.pid);
                Err(error)
            }
        }
    }

    /// Waits for the next line of the log, and after the last one for the end. The hooks inherit the log, so it may
    /// stay open for longer than pppd lives.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(super) async fn next(&mut self) -> Said {
        if self.status.is_none() {
            tokio::select! {
                biased;
                line = self.log.next_line() => if let Ok(Some(line)) = line {
                    return Said::Line(line);
                },
                status = self.child.wait() => self.status = Some(status.ok().and_then(|status| status.code())),
            }
        }
        if self.status.is_none() {
            self.status = Some(self.child.wait().await.ok().and_then(|status| status.code()));
        }
        // What pppd said last tells the cause: it was written before the end, so it is there now or never.
        match tokio::time::timeout(LAST_WORDS, self.log.next_line()).await {
            Ok(Ok(Some(line))) => Said::Line(line),
            Ok(Ok(None) | Err(_)) | Err(_) => Said::Ended(self.status.flatten()),
        }
    }

    /// Takes the options away once pppd has read them: they hold the secret.
    pub(super) fn forget_options(&self) {
        remove(&self.files.options);
    }

    /// Asks pppd to end the link in good order.
    pub(super) fn terminate(&self) {
        if let Some(pid) = self.child.id().and_then(|pid| i32::try_from(pid).ok())
            && let Err(error) = kill(Pid::from_raw(pid), Signal::SIGTERM)
        {
            tracing::debug!(%error, "pppd was gone already");
        }
    }

    /// Ends pppd by force.
    pub(super) fn kill(&mut self) {
        if let Err(error) = self.child.start_kill() {
            tracing::debug!(%error, "pppd was gone already");
        }
    }
}

impl Drop for Pppd {
    fn drop(&mut self) {
        remove(&self.files.options);
        remove(&self.files.pid);
    }
}

fn program() -> &'static Path {
    // A user's PATH often has no sbin.
    let usual = Path::new("/usr/sbin/pppd");
    if usual.exists() { usual } else { Path::new("pppd") }
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    remove(path);
    std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(text.as_bytes())
}

fn remove(path: &Path) {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, path = %path.display(), "cannot remove a file of a link that is over");
        }
        Ok(()) | Err(_) => {}
    }
}
