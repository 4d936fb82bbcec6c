//! What a modem tells by its wires (V.24), and that a carrier which was there has gone.

use crate::modem::Carrier;

/// The signals from a modem, as they are now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signals {
    /// The line carries a signal from the other end (V.24 circuit 109, DCD).
    pub carrier: Carrier,
    /// The line rings at this moment (circuit 125, RI); off in the pauses.
    pub ring: Signal,
    /// The modem is switched on (circuit 107, DSR).
    pub modem_ready: Signal,
    /// The modem takes bytes (circuit 106, CTS).
    pub clear_to_send: Signal,
}

/// One signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// It is on.
    On,
    /// It is off.
    Off,
    /// The tty has no such signal (a pty).
    Unknown,
}

impl Signals {
    /// Each signal under its usual name, `DCD`, `RI`, `DSR` and `CTS`: on or off; `None` where the tty has no such signal.
    #[must_use]
    pub fn named(&self) -> [(&'static str, Option<bool>); 4] {
        let carrier = match self.carrier {
            Carrier::Present => Some(true),
            Carrier::Absent => Some(false),
            Carrier::Unknown => None,
        };
        let state = |signal| match signal {
            Signal::On => Some(true),
            Signal::Off => Some(false),
            Signal::Unknown => None,
        };
        [
            ("DCD", carrier),
            ("RI", state(self.ring)),
            ("DSR", state(self.modem_ready)),
            ("CTS", state(self.clear_to_send)),
        ]
    }
}

impl Signal {
    pub(super) fn read(read: &Result<bool, tokio_serial::Error>) -> Self {
        match read {
            Ok(true) => Self::On,
            Ok(false) => Self::Off,
            Err(_) => Self::Unknown,
        }
    }
}

/// Watches for the carrier to fall. Some modems raise it only seconds after `CONNECT`: what was never there is not lost.
#[derive(Debug, Default)]
pub(crate) struct CarrierWatch {
    seen: bool,
    lost: bool,
}

impl CarrierWatch {
    /// Takes the carrier as it is now.
    pub(crate) fn note(&mut self, carrier: Carrier) {
        self.seen |= carrier == Carrier::Present;
        self.lost |= self.seen && carrier == Carrier::Absent;
    }

    /// Reports whether a carrier that was there has gone; it does not come back in the same call.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_that_the_tty_has_not_is_neither_on_nor_off() {
        let (ring, modem_ready, clear_to_send) = (Signal::On, Signal::Off, Signal::Unknown);
        let signals = Signals { carrier: Carrier::Absent, ring, modem_ready, clear_to_send };
        assert_eq!(signals.named(), [("DCD", Some(false)), ("RI", Some(true)), ("DSR", Some(false)), ("CTS", None)]);
    }

    #[test]
    fn a_carrier_is_lost_once_it_was_there_and_went() {
        let mut watch = CarrierWatch::default();
        for carrier in [Carrier::Absent, Carrier::Unknown, Carrier::Present, Carrier::Unknown] {
            watch.note(carrier);
            assert!(!watch.is_lost(), "{carrier:?}");
        }
        watch.note(Carrier::Absent);
        watch.note(Carrier::Present);
        assert!(watch.is_lost());
    }
}
