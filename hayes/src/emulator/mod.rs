//! The modem's own side of the serial cable, and the telephone exchange that joins such modems.
//!
//! [`dce`] is one modem, [`exchange`] many of them with telephone numbers; both are sans-IO and run under any clock.
//! [`switchboard`] is the shell that puts an exchange on ptys.

pub mod calllog;
pub mod dce;
pub mod exchange;
pub mod plan;
pub mod registers;
pub mod scenario;
pub mod switchboard;
pub mod trunk;

mod agenda;
mod call;
mod caller;
mod circuit;
mod escape;
mod ioctls;
mod tty;
mod typing;

/// An invented moment for tests to count from.
#[cfg(test)]
fn an_instant() -> std::time::Instant {
    tokio::time::Instant::now().into_std()
}
