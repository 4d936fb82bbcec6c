//! What the tests of the program share: a folder of a test's own, the program itself, and its events.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "each test crate uses its part; clippy exempts only the tests themselves, not their helpers"
)]

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::JoinSet;
use tokio::time::timeout;

pub mod http;
pub mod load;

/// How long anything may take on a slow machine under load before a test gives up on it.
pub const BOUND: Duration = Duration::from_secs(120);

/// A folder of a test's own, gone with the test.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("ringup-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub fn root(&self) -> &Path {
        &self.0
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file that anybody may read.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    /// Writes a file that only its owner may read.
    pub fn secret(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        std::io::Write::write_all(&mut file.unwrap(), text.as_bytes()).unwrap();
        path
    }

    /// Every file below the folder.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.0.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if entry.is_dir() {
                    folders.push(entry.clone());
                }
                found.push(entry);
            }
        }
        found.sort();
        found
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// A program that minds the signals which this process may have been started to ignore, as a job in the background is.
pub fn minding_signals(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("env");
    command.arg("--default-signal=HUP,INT,QUIT,TERM").arg(program);
    command
}

/// The program, in a folder, ended with the test.
pub fn ringup<S: AsRef<OsStr>>(folder: &Path, arguments: &[S]) -> Command {
    let mut command = minding_signals(env!("CARGO_BIN_EXE_ringup"));
    command.args(arguments).current_dir(folder).env_remove("RUST_LOG").env_remove("JOURNAL_STREAM");
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// How the program ended, and what it said.
pub struct Said {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs the program to its end.
pub async fn run<S: AsRef<OsStr>>(folder: &Path, arguments: &[S]) -> Said {
    let output = timeout(BOUND, ringup(folder, arguments).output()).await.unwrap().unwrap();
    Said {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A daemon of the program with `--json`, and its events as they come.
pub struct Daemon {
    child: Child,
    /// Reads its log as it comes, so that it never waits for a reader.
    log: JoinSet<String>,
    events: Lines<BufReader<ChildStdout>>,
    /// Every line of standard output so far.
    pub heard: Vec<String>,
}

impl Daemon {
    pub fn start(folder: &Path, config: &Path, role: &str) -> Self {
        Self::start_in(folder, config, role, &[])
    }

    /// Starts it with more in its environment.
    pub fn start_in(folder: &Path, config: &Path, role: &str, environment: &[(&str, &str)]) -> Self {
        let config = config.as_os_str();
        let arguments = [OsStr::new(role), OsStr::new("--json"), OsStr::new("--config"), config];
        let mut command = ringup(folder, &arguments);
        command.envs(environment.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let events = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut stderr = child.stderr.take().unwrap();
        let mut log = JoinSet::new();
        log.spawn(async move {
            let mut text = String::new();
            let _length = stderr.read_to_string(&mut text).await.unwrap();
            text
        });
        Self { child, log, events, heard: Vec::new() }
    }

    /// The next event.
    pub async fn event(&mut self) -> Value {
        match timeout(BOUND, self.events.next_line()).await {
            Ok(Ok(Some(line))) => {
                let event = serde_json::from_str(&line).unwrap();
                self.heard.push(line);
                event
            }
            Ok(ended) => {
                let log = self.last_words().await;
                panic!("no further event after {:?}: {ended:?}; {log}", self.heard)
            }
            Err(_elapsed) => panic!("no further event in {BOUND:?} after {:?}", self.heard),
        }
    }

    /// The next event, which is to be one of this name.
    pub async fn expect(&mut self, name: &str) -> Value {
        let event = self.event().await;
        assert_eq!(event["event"], name, "{event} after {:?}", self.heard);
        event
    }

    /// Tells it to stop, and gives its status and what it logged.
    pub async fn terminate(mut self) -> (ExitStatus, String) {
        let pid = nix::unistd::Pid::from_raw(self.child.id().unwrap().try_into().unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        let status = timeout(BOUND, self.child.wait()).await.unwrap().unwrap();
        (status, self.last_words().await)
    }

    /// Ends it unawares, as kill -9 does.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    pub fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    async fn last_words(&mut self) -> String {
        timeout(BOUND, self.log.join_next()).await.unwrap().unwrap().unwrap()
    }
}

/// Starts a directory, and waits until it answers.
pub async fn directory(folder: &Path, config: &Path) -> (Daemon, SocketAddr) {
    directory_in(folder, config, &[]).await
}

/// Starts one with more in its environment.
pub async fn directory_in(folder: &Path, config: &Path, environment: &[(&str, &str)]) -> (Daemon, SocketAddr) {
    let mut daemon = Daemon::start_in(folder, config, "directory", environment);
    let ready = daemon.expect("ready").await;
    let address = ready["addresses"][0].as_str().unwrap().parse().unwrap();
    (daemon, address)
}
