//! Thousands of calls from dialler to answerer through the exchange, each from a seed, smooth ones and rough ones.
//!
//! A seed that fails is told with the command that plays it again, with a transcript of all that was said. More than
//! the usual number of seeds: `HAYES_PAIR_SEEDS=100000 cargo test -p hayes --release --test pair`.
#![cfg(feature = "emulator")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    unreachable_pub,
    reason = "test code, which fails by panicking"
)]

mod cable;
mod calls;
mod dice;
mod faults;
mod station;
mod world;

use calls::{Tally, play};

/// How many worlds are played, each of some eight calls.
const SEEDS: u64 = 700;

/// Says how to play a seed again if it panics.
struct Replay(u64);

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let seed = self.0;
            eprintln!(
                "again, with a transcript: HAYES_PAIR_SEED={seed} cargo test -p hayes --test pair -- --nocapture"
            );
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

#[test]
fn whatever_happens_to_calls_both_ends_and_the_exchange_agree_and_the_next_call_connects() {
    if let Some(seed) = number("HAYES_PAIR_SEED") {
        println!("{:?}", play(seed, true));
        return;
    }
    let mut tally = Tally::default();
    for seed in 0..number("HAYES_PAIR_SEEDS").unwrap_or(SEEDS) {
        let replay = Replay(seed);
        tally += play(seed, false);
        drop(replay);
    }
    println!("{tally:?}");
    assert!(tally.connected * 3 > tally.calls, "most calls are to connect: {tally:?}");
    assert!(tally.faults > 0);
}

#[test]
fn a_seed_plays_the_same_calls_every_time() {
    for seed in 0..5 {
        let tallies = [play(seed, false), play(seed, false)].map(|tally| format!("{tally:?}"));
        assert_eq!(tallies[0], tallies[1]);
    }
}
