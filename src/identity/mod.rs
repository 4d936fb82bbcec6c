//! The proof that the machine at an address is the host that its record says: a challenge to the address itself, over
//! UDP, one round trip, before anything of the user's goes there (docs/identity.md).
//!
//! Addresses are lent to strangers within minutes. [`wire`] has the two datagrams, [`answerer`] decides on the host's side
//! and [`challenger`] on the client's; [`Prover`] and [`challenge`] are their shells. Refuses to send more than it was
//! sent, to sign what is not addressed to the very machine that signs, and to believe any key but the pinned one.

pub mod answerer;
mod ask;
pub mod challenger;
pub mod gate;
mod prover;
pub mod wire;

pub use self::ask::challenge;
pub use self::challenger::{Finding, Unproven};
pub use self::prover::{KnownAs, Prover};
