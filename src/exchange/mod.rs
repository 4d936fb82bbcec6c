//! `ringup exchange`: a telephone exchange of emulated modems on ttys, for a machine without a telephone line.
//!
//! All of it is `hayes::emulator`; this room maps the configuration onto it and writes the log of calls.

use std::io::Write;
use std::path::PathBuf;

use hayes::emulator::calllog::CallEvent;
use hayes::emulator::plan::{Cadence, Dialling, HuntGroup, LinePlan, Plan, Presentation};
use hayes::emulator::switchboard::Switchboard;
use tokio_util::sync::CancellationToken;

use crate::config::file;
use crate::exit::{Failure, Status};

/// What `ringup exchange` works with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Lines, numbers and timings.
    pub plan: Plan,
    /// The folder in which each line's tty appears under the line's name.
    pub directory: PathBuf,
}

/// The plan that a configuration's section describes.
#[must_use]
pub fn plan(section: &file::Exchange) -> Plan {
    let lines = section.lines.iter().map(|line| LinePlan {
        name: line.name.clone(),
        number: line.number.number().dial_string().to_owned(),
        caller_name: line.caller_name.clone(),
        presentation: if line.withheld { Presentation::Withheld } else { Presentation::Allowed },
        rate: line.rate,
        ..LinePlan::default()
    });
    let hunt_groups = section
        .hunt_groups
        .iter()
        .map(|group| HuntGroup { number: group.number.number().dial_string().to_owned(), lines: group.lines.clone() });
    Plan {
        lines: lines.collect(),
        hunt_groups: hunt_groups.collect(),
        cadence: match section.cadence {
            file::Cadence::Us => Cadence::us(),
            file::Cadence::Uk => Cadence::uk(),
        },
        dialling: Dialling { post_dial: section.post_dial.duration(), ..Dialling::default() },
        training: section.training.duration(),
        ..Plan::default()
    }
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
