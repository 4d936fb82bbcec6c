//! How many whole calls a second the simulated telephone network makes: dialler, two modems, exchange, answerer, under
//! a virtual clock, with faults, every call checked (`hayes/tests/pair`).
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    unreachable_pub,
    reason = "a bench, and test code that it shares"
)]

use std::time::{Duration, Instant};

#[path = "../tests/pair/cable.rs"]
mod cable;
#[path = "../tests/pair/calls.rs"]
mod calls;
#[path = "../tests/pair/dice.rs"]
mod dice;
#[path = "../tests/pair/faults.rs"]
mod faults;
#[path = "../tests/pair/station.rs"]
mod station;
#[path = "../tests/pair/world.rs"]
mod world;

use calls::{Tally, play};

/// How often it is measured; the first time does not count.
const RUNS: u64 = 7;
/// How many worlds a run plays, of some eight calls each.
const SEEDS: u64 = 500;

fn main() {
    // The harness's own arguments (`--bench`) mean nothing here.
    let mut runs: Vec<(Duration, Tally)> = (0..=RUNS).map(run).skip(1).collect();
    runs.sort_by_key(|(took, _)| *took);
    let rate = |index: usize| runs[index].1.calls as f64 / runs[index].0.as_secs_f64();
    let (took, tally) = &runs[runs.len() / 2];
    let last = runs.len() - 1;
    println!("Simulated calls, dialler to answerer, one processor. Command: make bench");
    println!("Least, median and greatest of {RUNS} runs of {SEEDS} seeds, each run with seeds of its own.");
    println!("On {}.\n", std::env::var("RINGUP_BENCH_HOST").unwrap_or_else(|_| "this machine".to_owned()));
    println!("  calls a second          {:.0} {:.0} {:.0}", rate(last), rate(last / 2), rate(0));
    let share = |part: u64| 100 * part / tally.calls.max(1);
    println!(
        "  of a run's calls        {}: {} % connected, {} % with faults",
        tally.calls,
        share(tally.connected),
        share(tally.faults)
    );
    println!("  carried in a run        {:.1} MB", tally.bytes as f64 / 1e6);
    let times = tally.time.as_secs_f64() / took.as_secs_f64();
    println!(
        "  telephone time          {:.0} h in {:.2} s, {times:.0} times as fast",
        tally.time.as_secs_f64() / 3600.0,
        took.as_secs_f64()
    );
}

fn run(number: u64) -> (Duration, Tally) {
    let begin = Instant::now();
    let mut tally = Tally::default();
    for seed in number * SEEDS..(number + 1) * SEEDS {
        tally += play(seed, false);
    }
    (begin.elapsed(), tally)
}
