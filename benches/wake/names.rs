//! Who has which line and number in the bench, beyond what the demo's world has.

/// Woken by ringup, registers with `ringup directory`; the demo's own.
pub(crate) const HOME: (&str, &str) = ("home", "555-0102");
/// Woken by ringup, registers with BIND.
pub(crate) const HOME_BIND: (&str, &str) = ("home-bind", "555-0104");
/// Woken by ringup, and its provider speaks first at CONNECT.
pub(crate) const HOME_FIRST: (&str, &str) = ("home-first", "555-0105");
/// Woken by mgetty.
pub(crate) const STACK: (&str, &str) = ("stack", "555-0106");
/// The provider's; answered by a pppd that speaks first.
pub(crate) const SPEAKS_FIRST: (&str, &str) = ("provider-first", "555-0198");
/// Calls for the floor.
pub(crate) const BARE_CALLING: (&str, &str) = ("bare-calling", "555-0201");
/// Answers for the floor.
pub(crate) const BARE_ANSWERING: (&str, &str) = ("bare-answering", "555-0202");
/// The provider's hunt group, answered by `ringup provide`.
pub(crate) const PROVIDER: &str = "555-0199";

/// The BIND beside the directory.
pub(crate) const BIND: (&str, u16) = ("192.0.2.6", 5353);
/// The zone that both have.
pub(crate) const ZONE: &str = "dyn.example";
/// The kind of modem on every line that is woken or calls for the floor: one that tells mgetty, too, who calls.
pub(crate) const MODEM: &str = "usr";
