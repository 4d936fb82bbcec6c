//! Programs of other houses on the emulated exchange: each must take it for the real thing.
//!
//! Every test has an exchange of its own, with kinds of modems of its own, and starts the programs as their owners
//! would; after it not a process, lock or file may be left. Needs root and a kernel with PPP, so it runs in the lab
//! only:
//!
//! ```text
//! packaging/run-lab-tests peers
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod chat;
mod cu;
mod efax;
mod mgetty;
mod minicom;
mod office;
mod pppd;
mod program;
mod ser2net;
mod wvdial;
