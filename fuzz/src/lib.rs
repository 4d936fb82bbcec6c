//! What each fuzz target does with its input, and what must hold whatever that is.
//!
//! One module a target, used by the target itself and by the test that replays the corpora without a fuzzer.

pub mod com_port;
pub mod command;
pub mod directory;
pub mod emulator;
pub mod explain;
pub mod framing;
pub mod handshake;
pub mod identity;
pub mod modem;
pub mod reply;
pub mod trunk;
