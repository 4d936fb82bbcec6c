//! `ringup exchange`: a telephone exchange of emulated modems on ttys, for a machine without a telephone line.
//!
//! All of it is `hayes::emulator`; this room says where each line is and writes the log of calls.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use hayes::emulator::calllog::CallEvent;
use hayes::emulator::plan::Plan;
use hayes::emulator::switchboard::Switchboard;
use tokio_util::sync::CancellationToken;

use crate::exit::{Failure, Status};

/// What `ringup exchange` works with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Lines, numbers and timings.
    pub plan: Plan,
    /// The folder in which each line's tty appears under the line's name.
    pub directory: PathBuf,
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

/// Runs the exchange until told to stop; prints where each line is, then the log of calls.
///
/// # Errors
/// When the ttys cannot be made.
pub async fn run(settings: Settings, json: bool, shutdown: &CancellationToken) -> Result<(), Failure> {
    let numbers: Vec<(String, String)> =
        settings.plan.lines.iter().map(|line| (line.name.clone(), line.number.clone())).collect();
    let unusable = |error: &dyn std::error::Error| {
        let folder = settings.directory.display();
        Failure::caused(Status::Internal, error).hint(format!("exchange.directory must be writable: {folder}"))
    };
    std::fs::create_dir_all(&settings.directory).map_err(|error| unusable(&error))?;
    let board = Switchboard::open(settings.plan.clone(), &settings.directory).map_err(|error| unusable(&error))?;
    for (name, tty) in board.paths() {
        let number = numbers.iter().find(|(line, _)| line == name).map_or("", |(_, number)| number.as_str());
        let place = settings.directory.join(name);
        if json {
            let line = serde_json::json!({ "event": "line", "line": name, "number": number, "tty": place });
            say(&line.to_string());
        } else {
            say(&format!("line {name}  number {number}  {} -> {}", place.display(), tty.display()));
        }
    }
    let log = |event: &CallEvent| if json { say(&event.to_json()) } else { say(&event.to_string()) };
    board.run(shutdown.clone().cancelled_owned(), log).await;
    Ok(())
}

fn say(line: &str) {
    let mut stdout = std::io::stdout();
    if let Err(error) = writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
        tracing::debug!(%error, "nobody reads the log of calls");
    }
}
