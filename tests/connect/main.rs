//! `ringup connect` to each of its ends that needs no PPP: real exchange, real directory, real program; the host's part is
//! played. What needs a link is tried in tests/lab.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail by panicking; clippy exempts only the tests themselves"
)]

#[path = "../../src/agreed.rs"]
mod agreed;
#[path = "../support/mod.rs"]
mod support;
mod world;

mod calls;
mod dialogue;
mod directories;
mod interrupts;
mod ipv6;
mod keyboard;
mod lies;
mod looks;
mod proxy;
mod setup;
mod several;
mod turns;
mod words;
