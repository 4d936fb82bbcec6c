//! What the benches that run in the lab share: how one is played and ends, where its figures are from, and the files of
//! its world.

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use ringup::demo::world::World;
use ringup::exit::{Failure, Status};

/// How many lines of each log are shown when something fails.
pub(crate) const LOG_TAIL: usize = 12;

/// Plays a bench and prints its table, or why there is none.
pub(crate) fn play(name: &str, measured: impl Future<Output = Result<String, Failure>>) -> ExitCode {
    let measured = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::caused(Status::Internal, &error))
        .and_then(|runtime| runtime.block_on(measured));
    match measured {
        Ok(table) => {
            say(&table);
            ExitCode::SUCCESS
        }
        Err(failure) => {
            let hint = failure.hint.as_deref().map_or_else(String::new, |hint| format!("\nhint: {hint}"));
            say(&format!("bench {name} FAILED: {failure}{hint}"));
            ExitCode::FAILURE
        }
    }
}

/// What is measured, or a failure once it has taken longer than a bench may.
pub(crate) async fn within<T>(
    bound: Duration,
    measured: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::time::timeout(bound, measured).await.unwrap_or_else(|_elapsed| {
        Err(Failure::new(Status::Internal, format!("not finished within {} s", bound.as_secs())))
    })
}

/// Shows how the logs end, of a bench that failed.
pub(crate) fn show_logs(logs: impl IntoIterator<Item = (impl Display, Vec<String>)>) {
    for (name, lines) in logs {
        say(&format!("\nthe end of the log of {name}"));
        lines.iter().for_each(|line| say(&format!("  {line}")));
    }
}

/// On what the figures were taken.
pub(crate) fn machine() -> String {
    let kernel = std::env::var("RINGUP_LAB_KERNEL").unwrap_or_else(|_unset| "an unknown kernel".to_owned());
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let host = std::env::var("RINGUP_BENCH_HOST").unwrap_or_else(|_unset| "an unknown machine".to_owned());
    format!("On {kernel}, {cores} processor(s); host: {host}.")
}

pub(crate) fn say(line: &str) {
    let mut stdout = std::io::stdout();
    if writeln!(stdout, "{line}").and_then(|()| stdout.flush()).is_err() {
        // Nobody reads; the exit status still tells.
    }
}

pub(crate) fn read(world: &World, name: &str) -> Result<String, Failure> {
    std::fs::read_to_string(world.folder().join(name)).map_err(|error| broken(&format!("cannot read {name}"), &error))
}

pub(crate) fn write(world: &World, name: &str, text: &str) -> Result<(), Failure> {
    std::fs::write(world.folder().join(name), text).map_err(|error| broken(&format!("cannot write {name}"), &error))
}

pub(crate) fn broken(what: &str, error: &std::io::Error) -> Failure {
    Failure::new(Status::Internal, format!("{what}: {error}"))
}
