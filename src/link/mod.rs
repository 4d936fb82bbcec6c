//! A PPP link over a telephone call: has pppd stand ready while the modem dials, hands it the open line, watches both, and
//! takes the line back afterwards; or has pppd do all of it by a peers file of the owner's.
//!
//! Owns pppd, its options, its hooks' socket and the relay between it and the line. Decides nothing about when a link
//! is wanted: `listen`, `connect` and `provide` do.

mod addresses;
mod adopt;
mod chance;
mod end;
mod frames;
pub mod hook;
mod isp;
mod log;
mod mend;
mod meter;
mod octets;
mod opening;
mod options;
mod peers;
mod pppd;
mod redial;
mod relay;
mod resolving;
mod supervision;

pub use self::adopt::{Adopted, AdoptedLink, Adoption};
pub use self::chance::chance;
pub use self::end::{LinkEnd, Next};
pub use self::hook::Up;
pub use self::isp::{CallFailure, CallStep, Isp, Way, call, call_failure, line_failure};
pub use self::mend::mend;
pub use self::meter::IdleClock;
pub use self::octets::octets;
pub use self::options::{Auth, DefaultRoute, NameServers, Side, Subscriber};
pub use self::peers::Peer;
pub(crate) use self::peers::is_peer_name;
pub use self::redial::{Redial, Verdict};
pub use self::supervision::{Link, LinkEvent};
