//! Hayes and V.250 modems, from both ends of the serial cable.
//!
//! The cores ([`framing`], [`reply`], [`caller`], [`command`], [`profile`], [`modem`], [`narrator`], [`telnet`], and under `emulator` the
//! modem's own side and the telephone exchange) are plain state machines: no tokio, no sockets, no clock. Time is an
//! argument, effects are returned. The shells (`driver`, `line`, `emulator::switchboard`) own ttys, tasks and the clock.
#![cfg_attr(all(feature = "driver", feature = "emulator"), doc = "\n", doc = include_str!("../README.md"))]

pub mod caller;
pub mod command;
#[cfg(feature = "driver")]
pub mod driver;
#[cfg(feature = "emulator")]
pub mod emulator;
pub mod framing;
#[cfg(feature = "driver")]
pub mod line;
pub mod modem;
pub mod narrator;
pub mod number;
#[cfg(feature = "driver")]
pub mod ports;
pub mod profile;
#[cfg(any(feature = "driver", feature = "emulator"))]
mod readiness;
pub mod reply;
pub mod telnet;
pub mod transcript;
