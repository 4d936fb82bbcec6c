//! `ringup modem`: which modems there are, what they are, what they say.
//!
//! Each is a tool for somebody who has a modem in front of him that does not do what it should. stdout is data, hints
//! are lines of their own.

pub mod explain;
mod findings;
mod input;
pub mod list;
pub mod monitor;
pub mod probe;
mod table;
mod telling;
