//! systemd's side of a daemon: readiness, what it is about, and that it lives (sd_notify(3), systemd.service(5)).
//!
//! Owns the datagram socket of the service manager; without one everything here does nothing. Refuses to feed the watchdog on
//! anybody's word but the lines' own.

mod notify;
mod watchdog;

pub use self::notify::Notifier;
pub use self::watchdog::{Pulse, interval};
