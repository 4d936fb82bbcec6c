//! ringup: telephones a machine that has no fixed address, has it come online, and connects to it.
//!
//! A folder a role: [`connect`], [`listen`], [`directory`], [`provide`], [`watch`], [`exchange`], [`modem`], [`demo`]. They do not
//! import one another; what they share lies below them: [`record`] (the nouns), [`dns`] (a record on the wire), [`mod@line`]
//! (a modem line that is attended to) and [`link`] (PPP over a call). `docs/map.md` has the walks through them.

pub mod administration;
#[cfg(test)]
mod agreed;
pub mod budget;
pub mod cli;
pub mod clock;
pub mod config;
pub mod connect;
pub mod control;
pub mod demo;
pub mod directory;
pub mod dns;
pub mod durable;
pub mod exchange;
pub mod exit;
mod failures;
pub mod handshake;
pub mod identity;
pub mod journal;
pub mod line;
pub mod link;
pub mod listen;
pub mod logs;
pub mod modem;
pub mod provide;
pub mod record;
pub mod report;
pub mod roles;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod scratch;
pub mod secret;
pub mod shutdown;
pub mod sleep;
pub mod slots;
pub mod systemd;
pub mod tunnel;
pub mod watch;
