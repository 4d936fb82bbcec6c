//! `kill -9` of a directory under load, again and again on one database: every registration that was acknowledged is there
//! afterwards, and none is there by half.
//!
//! The rounds are drawn from a seed. `make soak` plays a thousand; `RINGUP_KILLS_SEED` and `RINGUP_KILLS_ROUNDS` play any
//! run again.
#![allow(clippy::print_stdout, reason = "it says which rounds it plays")]

mod support;

use self::support::Scratch;
use self::support::load::{Load, configuration, consistent, number_from};

/// How many rounds there are in the tests.
const SAMPLE: u64 = 4;
/// What they are drawn from.
const SAMPLE_SEED: u64 = 7;
/// Acknowledgements before the kill: at least one, at most so many.
const MOST_ACKNOWLEDGED: u64 = 400;

#[tokio::test]
async fn whatever_was_acknowledged_before_a_kill_is_there_whole() {
    let seed = number_from("RINGUP_KILLS_SEED").unwrap_or(SAMPLE_SEED);
    let rounds = number_from("RINGUP_KILLS_ROUNDS").unwrap_or(SAMPLE);
    println!("kills: RINGUP_KILLS_SEED={seed} RINGUP_KILLS_ROUNDS={rounds}");
    let folder = Scratch::new();
    let config = configuration(&folder, "directory.db", "");
    let mut load = Load::new(seed);
    let mut acknowledged = 0;
    for round in 1..=rounds {
        let (daemon, address) = support::directory(folder.root(), &config).await;
        load.inspect(address).await;
        let before_kill = 1 + load.below(MOST_ACKNOWLEDGED);
        let mut running = load.start(address);
        running.hear(before_kill).await;
        daemon.kill().await;
        load = running.end().await;
        consistent(&folder.path("directory.db"));
        acknowledged += before_kill;
        println!("kills: round {round} of {rounds}: after {before_kill} acknowledgements");
    }
    let (daemon, address) = support::directory(folder.root(), &config).await;
    load.inspect(address).await;
    let (status, log) = daemon.terminate().await;
    assert!(status.success(), "{log}");
    println!("kills: {rounds} rounds, {acknowledged} acknowledged and more, none lost, none by half");
}
