//! The `ringup` command.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use ringup::cli::Cli;
use ringup::{logs, roles};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let lines = logs::start(cli.verbose, cli.command.serves(), cli.command.tells_steps());
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "cannot start");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(roles::run(&cli));
    drop(lines);
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            let mut told = format!("ringup: {failure}\nhint: {}\n", failure.advice());
            for heard in failure.evidence.iter().filter(|_heard| cli.verbose > 0) {
                told.push_str("  seen: ");
                told.push_str(heard);
                told.push('\n');
            }
            if let Err(error) = std::io::stderr().write_all(told.as_bytes()) {
                tracing::debug!(%error, "nobody reads");
            }
            ExitCode::from(failure.status.code())
        }
    }
}
