//! The whole road on real PPP, and every way in which it may break off. Each test has a world of its own; after it not
//! a process, interface, lock or file may be left.
//!
//! Runs as root in the lab only:
//!
//! ```text
//! CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER=$PWD/tests/lab/run cargo test --test lab -- --test-threads=1
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests fail by panicking, and print what the harness shows when they do"
)]

mod harness;
mod remains;
#[path = "../support/mod.rs"]
mod support;

mod answered;
mod breaks;
mod client;
mod datagrams;
mod directory;
mod faults;
mod hardened;
mod hooks;
mod identity;
mod interrupts;
mod link;
mod link_faults;
mod operation;
mod refusals;
mod registration;
mod road;
mod router;
mod soak;
mod ssh;
mod survival;
mod tunnel;
