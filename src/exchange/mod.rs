//! `ringup exchange`: a telephone exchange of emulated modems on ttys, for a machine without a telephone line.
//!
//! All of it is `hayes::emulator`; this room says where each line is, writes the log of calls, and chooses a seed where
//! none is given.

use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use hayes::emulator::calllog::CallEvent;
use hayes::emulator::plan::{LinePlan, Plan};
use hayes::emulator::switchboard::{Switchboard, SwitchboardError, TrunkAddresses};
use tokio_util::sync::CancellationToken;

use crate::exit::{Failure, Status};

/// What `ringup exchange` works with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Lines, numbers and timings.
    pub plan: Plan,
    /// The folder in which each line's tty appears under the line's name.
    pub directory: PathBuf,
    /// Where the log of calls is kept as well.
    pub log: Option<PathBuf>,
    /// Where the trunks of the plan lead.
    pub trunks: Vec<Trunk>,
    /// Where other exchanges may call in.
    pub trunk_listen: Option<SocketAddr>,
}

/// Where a trunk leads.
#[derive(Clone, Debug)]
pub struct Trunk {
    /// Its name, as the plan has it.
    pub name: String,
    /// The other exchange, `host:port`.
    pub to: String,
}

/// A seed that differs from run to run.
#[must_use]
pub fn some_seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Runs the exchange until told to stop; prints where each line is, then the log of calls.
///
/// # Errors
/// When the ttys or the log cannot be made.
pub async fn run(settings: Settings, json: bool, shutdown: &CancellationToken) -> Result<(), Failure> {
    let unusable = |error: &dyn std::error::Error| {
        let folder = settings.directory.display();
        Failure::caused(Status::Internal, error).hint(format!("exchange.directory must be writable: {folder}"))
    };
    std::fs::create_dir_all(&settings.directory).map_err(|error| unusable(&error))?;
    let mut log = settings.log.as_deref().map(Log::open).transpose()?;
    let routes = settings.trunks.iter().map(|trunk| (trunk.name.clone(), trunk.to.clone())).collect();
    let trunks = TrunkAddresses { listen: settings.trunk_listen, routes };
    let board =
        Switchboard::open(settings.plan.clone(), &settings.directory).and_then(|board| board.with_trunks(&trunks));
    let board = board.map_err(|error| match &error {
        SwitchboardError::Listen { address, .. } => Failure::caused(Status::Internal, &error)
            .hint(format!("exchange.trunk-listen must be a free address of this machine: {address}")),
        SwitchboardError::Plan(_)
        | SwitchboardError::Terminal { .. }
        | SwitchboardError::UnknownTrunk(_)
        | SwitchboardError::Watch(_) => unusable(&error),
    })?;
    if let Some(address) = board.trunk_address() {
        let line = serde_json::json!({ "event": "trunk-listen", "address": address.to_string() });
        say(&if json { line.to_string() } else { format!("trunk calls come in at {address}") });
    }
    for (name, tty) in board.paths() {
        let place = settings.directory.join(name);
        if let Some(line) = settings.plan.lines.iter().find(|line| line.name == name) {
            say(&told(line, &place, tty, json));
        }
    }
    let on_event = |event: &CallEvent| {
        say(&if json { event.to_json() } else { event.to_string() });
        if let Some(log) = &mut log {
            log.write(event);
        }
    };
    board.run(shutdown.clone().cancelled_owned(), on_event).await;
    Ok(())
}

/// Where a line is, and what it has.
fn told(line: &LinePlan, place: &Path, tty: &Path, json: bool) -> String {
    let LinePlan { name, number, modem, .. } = line;
    if json {
        let (modem, kind) = (&modem.id, &modem.name);
        serde_json::json!({
            "event": "line", "line": name, "number": number, "modem": modem, "kind": kind, "tty": place, "pty": tty,
        })
        .to_string()
    } else {
        let modem = &modem.name;
        format!("line {name}  number {number}  modem {modem}  {} -> {}", place.display(), tty.display())
    }
}

/// The log of calls in a file, one JSON object a line.
#[derive(Debug)]
struct Log {
    path: PathBuf,
    /// None once it could not be written, which has been told.
    file: Option<File>,
}

impl Log {
    fn open(path: &Path) -> Result<Self, Failure> {
        let file = File::options().append(true).create(true).open(path);
        let file = file.map_err(|error| {
            Failure::caused(Status::Internal, &error).hint(format!("exchange.log must be writable: {}", path.display()))
        })?;
        Ok(Self { path: path.to_owned(), file: Some(file) })
    }

    fn write(&mut self, event: &CallEvent) {
        let Some(file) = &mut self.file else { return };
        // One write a line, so that no reader sees half of one.
        if let Err(error) = file.write_all(format!("{}\n", event.to_json()).as_bytes()) {
            tracing::error!(path = %self.path.display(), %error, "the log of calls ends here");
            self.file = None;
        }
    }
}

fn say(line: &str) {
    let mut stdout = std::io::stdout();
    if let Err(error) = writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
        tracing::debug!(%error, "nobody reads the log of calls");
    }
}
