//! ringup: telephones a machine that has no fixed address, has it come online, and connects to it.

pub mod directory;
pub mod dns;
pub mod record;
pub mod secret;
