//! Our own link to the Internet, for a machine that has none but its modem.
//!
//! A process of its own, the [`keeper`], holds the link, so that several `ringup connect` share one call and the link
//! may outlast the one that asked for it. Each of them is a lessee for as long as its connection to the keeper's
//! socket stands; when the last is gone, and the linger time with it, the keeper hangs up and ends.

pub mod keeper;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

use crate::exit::{Failure, Status};
use crate::link::Up;

/// How long a keeper may take to open its socket.
const START_WITHIN: Duration = Duration::from_secs(10);
/// How long a keeper may take to hang up and end when it is told to quit.
const QUIT_WITHIN: Duration = Duration::from_secs(10);
/// How many keepers may end under one lessee before it gives up.
const KEEPERS: u32 = 3;
/// Where to look when a keeper is gone.
const ITS_LOG: &str = "its log, own-link.log in runtime-directory, tells more";
/// The word on a keeper's standard output once its socket is open.
const READY: &str = "ready";

/// What a lessee wants of the keeper: one JSON object a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "want")]
enum Want {
    /// To know whether there is a link; answered by `Up`, by `Down`, or by how far the dialling is.
    Status,
    /// The link up; answered by `Up` or `Failed`.
    Up,
    /// The line free; answered by `Down` once nobody uses the link, and by `Used` before that if somebody does.
    Down,
    /// No link, and no linger time; the keeper closes the connection when the line is free, or others have it.
    Quit,
}

/// What the keeper says: one JSON object a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
enum Said {
    /// The provider is being dialled.
    Dialling,
    /// It could not be reached, and is dialled again after this many milliseconds.
    Pausing { why: Failure, pause_ms: u64 },
    /// The link is up.
    Up(Up),
    /// Others use the link.
    Used,
    /// There is no link, and the line is free.
    Down,
    /// What was wanted could not be done.
    Failed(Failure),
}

/// What is done while a link is wanted and not up yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The provider is being dialled.
    Dialling,
    /// It could not be reached, and is dialled again.
    Pausing {
        /// Why.
        why: Failure,
        /// After this time.
        pause: Duration,
    },
}

/// How to find the keeper, and how to start it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The keeper's socket.
    pub socket: PathBuf,
    /// Where a keeper that we start writes its log.
    pub log: PathBuf,
    /// The configuration that it is started with.
    pub config: PathBuf,
    /// The modem's line.
    pub port: PathBuf,
}

/// A lessee's end.
#[derive(Debug)]
pub struct OwnLink {
    settings: Settings,
    keeper: Option<BufReader<UnixStream>>,
    /// A keeper that we have started and that has not spoken to us yet. The end of its standard input, which is ours, tells
    /// it that we are gone, however that happens.
    started: Option<Child>,
    /// What was read of a line that is not whole yet.
    begun: Vec<u8>,
    /// Whether the link was up when the keeper last spoke.
    is_up: bool,
}

impl OwnLink {
    /// Nothing is connected or started yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, keeper: None, started: None, begun: Vec::new(), is_up: false }
    }

    /// The modem's line.
    #[must_use]
    pub fn port(&self) -> &Path {
        &self.settings.port
    }

    /// Becomes a lessee if a keeper is there, so that its link does not end under us.
    pub async fn join(&mut self) {
        if self.keeper.is_none() && !self.connect().await {
            return;
        }
        // A keeper that is just hanging up answers when it has: what there is then, we hold. One that dials has no link.
        if self.say(Want::Status).await.is_err() {
            tracing::debug!("our own link's keeper is gone");
        }
        drop(self.hear().await);
    }

    /// Has the link up, by a keeper that is there or a new one; `told` hears of the calls that it takes.
    ///
    /// # Errors
    /// With what stood in the way: port, modem, call or PPP.
    pub async fn bring_up(&mut self, mut told: impl FnMut(Step)) -> Result<Up, Failure> {
        for _try in 0..KEEPERS {
            if self.keeper.is_none() && !self.connect().await {
                self.start_keeper().await?;
                self.connect().await;
            }
            if self.say(Want::Up).await.is_err() {
                continue;
            }
            loop {
                match self.hear().await {
                    Ok(Said::Up(up)) => return Ok(up),
                    Ok(Said::Failed(failure)) => return Err(failure),
                    Ok(Said::Dialling) => told(Step::Dialling),
                    Ok(Said::Pausing { why, pause_ms }) => {
                        told(Step::Pausing { why, pause: Duration::from_millis(pause_ms) });
                    }
                    Ok(Said::Down | Said::Used) => {}
                    // It ended at this very moment, and its line is free again: the next keeper has it.
                    Err(_gone) => break,
                }
            }
        }
        Err(gone())
    }

    /// Whether the link was up when its keeper last spoke.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.is_up
    }

    /// Has the line free, if a keeper holds it; tells whether the link had to go for that. While others use it that is waited
    /// for, and `used` told.
    ///
    /// # Errors
    /// With what the keeper cannot do.
    pub async fn free_line(&mut self, used: impl FnOnce()) -> Result<bool, Failure> {
        self.join().await;
        let was_up = self.is_up;
        if self.keeper.is_none() || self.say(Want::Down).await.is_err() {
            return Ok(false);
        }
        let mut used = Some(used);
        loop {
            match self.hear().await {
                Ok(Said::Failed(failure)) => return Err(failure),
                Ok(Said::Used) => {
                    if let Some(used) = used.take() {
                        used();
                    }
                }
                Ok(Said::Up(_) | Said::Dialling | Said::Pausing { .. }) => {}
                // A keeper that is gone has left the line.
                Ok(Said::Down) | Err(_) => return Ok(was_up),
            }
        }
    }

    /// Waits until the link, if it is up, goes down without our having wanted that; for ever if it is not.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub async fn lost(&mut self) {
        if !self.is_up {
            return std::future::pending().await;
        }
        while self.is_up {
            drop(self.hear().await);
        }
    }

    /// Has the link down at once unless others use it, and leaves.
    pub async fn quit(&mut self) {
        let told = self.keeper.is_some() && self.say(Want::Quit).await.is_ok();
        let ended = async {
            if told {
                while self.hear().await.is_ok() {}
            }
            // One that never heard of us ends by itself.
            if let Some(mut keeper) = self.started.take() {
                drop(keeper.stdin.take());
                if let Err(error) = keeper.wait().await {
                    tracing::debug!(%error, "our own link's keeper cannot be waited for");
                }
            }
        };
        if tokio::time::timeout(QUIT_WITHIN, ended).await.is_err() {
            tracing::debug!("the keeper takes its time to quit");
        }
        self.keeper = None;
    }

    /// Connects to a keeper's socket; tells whether there is one.
    async fn connect(&mut self) -> bool {
        self.keeper = UnixStream::connect(&self.settings.socket).await.ok().map(BufReader::new);
        self.keeper.is_some()
    }

    async fn start_keeper(&mut self) -> Result<(), Failure> {
        if let Some(folder) = self.settings.log.parent() {
            std::fs::create_dir_all(folder).map_err(|error| not_started(&error))?;
        }
        let log = std::fs::File::create(&self.settings.log).map_err(|error| not_started(&error))?;
        // Of a process group of its own, and with no stream of ours: whoever waits for the end of our output need not wait
        // for the link's.
        let mut child = Command::new(std::env::current_exe().map_err(|error| not_started(&error))?)
            .arg("--config")
            .arg(&self.settings.config)
            .arg("own-link")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .process_group(0)
            .spawn()
            .map_err(|error| not_started(&error))?;
        let stdout = child.stdout.take();
        self.started = Some(child);
        let mut said = String::new();
        if let Some(stdout) = stdout {
            let mut stdout = BufReader::new(stdout);
            let heard = stdout.read_line(&mut said);
            tokio::time::timeout(START_WITHIN, heard).await.unwrap_or(Ok(0)).map_err(|error| not_started(&error))?;
        }
        if said.trim() == READY {
            return Ok(());
        }
        Err(did_not_start(&std::fs::read_to_string(&self.settings.log).unwrap_or_default()))
    }

    async fn say(&mut self, want: Want) -> Result<(), Failure> {
        let Some(keeper) = self.keeper.as_mut() else { return Err(gone()) };
        let said = keeper.get_mut().write_all(line(&want).as_bytes()).await;
        said.map_err(|_broken| {
            self.keeper = None;
            gone()
        })
    }

    async fn hear(&mut self) -> Result<Said, Failure> {
        let Some(keeper) = self.keeper.as_mut() else {
            self.is_up = false;
            return Err(gone());
        };
        let read = keeper.read_until(b'\n', &mut self.begun).await;
        let line = std::mem::take(&mut self.begun);
        let said = match read {
            Ok(_) if line.ends_with(b"\n") => serde_json::from_slice(&line).map_err(|_garbled| gone()),
            Ok(_) | Err(_) => {
                self.keeper = None;
                Err(gone())
            }
        };
        if said.is_ok() {
            self.started = None;
        }
        self.is_up = match &said {
            Ok(Said::Up(_)) => true,
            // We want it down, and others need it.
            Ok(Said::Failed(_) | Said::Used) => self.is_up,
            Ok(Said::Dialling | Said::Pausing { .. } | Said::Down) => false,
            Err(_gone) => self.is_up && self.keeper.is_some(),
        };
        said
    }
}

fn not_started(error: &std::io::Error) -> Failure {
    Failure::new(Status::Internal, format!("cannot start our own link: {error}"))
        .hint("runtime-directory must be writable: `ringup check` tries it")
}

/// The keeper ended before it was ready; its log tells why.
fn did_not_start(log: &str) -> Failure {
    let last = log.lines().last().unwrap_or("it said nothing");
    Failure::new(Status::Internal, format!("our own link's keeper did not start: {last}")).hint(ITS_LOG)
}

/// Every failure of the keeper's, but those of its calls, for the snapshot of every message.
#[cfg(test)]
pub(in crate::connect) fn every_end() -> Vec<Failure> {
    let denied = std::io::ErrorKind::PermissionDenied.into();
    vec![used_by_others(), not_started(&denied), did_not_start(""), gone()]
}

/// The line is wanted for a call, and others use the link that it carries.
pub(super) fn used_by_others() -> Failure {
    Failure::new(Status::PortBusy, "the line carries our own link, and another ringup uses it")
        .hint("wait until it has ended")
}

fn gone() -> Failure {
    Failure::new(Status::NoLink, "our own link's keeper is gone").hint(ITS_LOG)
}

fn line<T: Serialize>(message: &T) -> String {
    serde_json::to_string(message).map(|text| text + "\n").unwrap_or_default()
}
