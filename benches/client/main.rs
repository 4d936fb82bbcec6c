//! What the client costs: a query beside `dig` and `curl`, in round trips and in bytes on the wire; the client's own
//! part of a wake, everything but line, PPP and waiting; and what its setup takes of a newcomer's time. One table,
//! everything in it from one run, with a real directory and a real exchange.
//!
//! Lays a wire of its own between two network namespaces, and needs no rights for it: `cargo bench --bench client`.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench measures by the clock, and whatever fails ends it"
)]

mod exchange;
mod place;
mod queries;
mod setup;
mod wake;
mod wire;

use std::process::{Command, ExitCode};

use self::exchange::Exchange;
use self::place::Place;

/// Says that the namespaces are there.
const INSIDE: &str = "RINGUP_BENCH_INSIDE";

fn main() -> ExitCode {
    if std::env::var_os(INSIDE).is_none() {
        let mut again = Command::new("unshare");
        again.args([
            "--user",
            "--map-root-user",
            "--net",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
        ]);
        let status = again.arg(std::env::current_exe().unwrap()).env(INSIDE, "1").status().unwrap();
        return if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let table = runtime.block_on(async {
        let mut place = Place::build().await;
        let queries = queries::measure(&mut place).await;
        let mut exchange = Exchange::start(&place).await;
        let wake = wake::measure(&mut place, &mut exchange).await;
        let setup = setup::measure(&mut place).await;
        exchange.end().await;
        place.end();
        format!("{queries}\n{wake}\n{setup}")
    });
    let host = std::env::var("RINGUP_BENCH_HOST").unwrap_or_else(|_unset| "an unknown machine".to_owned());
    println!("\nWhat the client costs. Command: make bench\nOn {host}.\n\n{table}");
    ExitCode::SUCCESS
}

/// The least, the median and the greatest.
fn spread(mut figures: Vec<f64>, decimals: usize) -> String {
    figures.sort_by(f64::total_cmp);
    let [least, .., greatest] = figures[..] else { panic!("too few figures") };
    let median = figures[figures.len() / 2];
    [least, median, greatest].map(|figure| format!("{figure:>7.decimals$}")).concat()
}
