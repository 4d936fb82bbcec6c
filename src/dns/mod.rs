//! Records on the DNS wire: queries and updates (RFC 1035, RFC 2136), their signatures (RFC 8945), and who sends them.
//!
//! [`message`], [`name`] and [`tsig`] are pure: bytes and Unix seconds in, bytes out. [`Resolver`] and [`Registrar`] are
//! the shell: sockets, retransmission and the clock. They speak plain RFC 2136, so BIND, Knot or PowerDNS do as well as
//! `ringup directory`.

mod client;
mod clock;
mod exchange;
mod judging;
pub mod message;
pub mod name;
mod random;
mod registrar;
pub mod tsig;

pub use client::{Answer, QueryError, Resolver, UpdateError, Waited};
pub use clock::WallClock;
pub use exchange::Packets;
pub use random::jittered;
pub use registrar::{Directory, Progress, RegisterError, Registered, Registrar, Withdrawal};
pub use tsig::TsigKey;
