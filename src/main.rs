//! The `ringup` command.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use ringup::cli::Cli;
use ringup::{logs, roles};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let lines = logs::start(cli.verbose, cli.command.log(), cli.command.serves());
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
            let told = failure.told(cli.verbose > 0);
            if let Err(error) = std::io::stderr().write_all(told.as_bytes()) {
                tracing::debug!(%error, "nobody reads");
            }
            ExitCode::from(failure.status.code())
        }
    }
}
