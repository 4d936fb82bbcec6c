//! Which of the several ports of a cellular stick takes AT commands.
//!
//! Owns the layouts of common ones. Where neither they nor udev's rules nor the interface's own name say, it stays
//! unknown: the one that answers `AT` is it.

use super::{Port, UsbPort};
use crate::profile::UsbId;

/// Vendor, product, and the interface that takes commands: as ModemManager's rules and the makers' manuals have them.
const LAYOUTS: [(UsbId, u8); 6] = [
    // Huawei E220, E1550 and the like.
    (UsbId { vendor: 0x12d1, product: 0x1001 }, 0),
    (UsbId { vendor: 0x12d1, product: 0x1003 }, 0),
    // SIMCom SIM7100, SIM7600: 0 diagnostics, 1 NMEA, 2 commands, 3 modem.
    (UsbId { vendor: 0x1e0e, product: 0x9001 }, 2),
    // Quectel EC21, EC25, EG25: likewise.
    (UsbId { vendor: 0x2c7c, product: 0x0121 }, 2),
    (UsbId { vendor: 0x2c7c, product: 0x0125 }, 2),
    (UsbId { vendor: 0x2c7c, product: 0x0296 }, 2),
];

/// Notes it on all ports that share a device with another.
pub(super) fn mark(ports: &mut [Port]) {
    let alone: Vec<bool> = ports
        .iter()
        .map(|port| !ports.iter().any(|other| other.name != port.name && other.shares_device_with(port)))
        .collect();
    for (port, alone) in ports.iter_mut().zip(alone) {
        let layout = port.usb.as_ref().filter(|_| !alone).and_then(known);
        port.takes_commands = if alone { None } else { port.takes_commands.or(layout) };
    }
}

fn known(usb: &UsbPort) -> Option<bool> {
    let interface = usb.interface?;
    let layout = LAYOUTS.iter().find(|(id, _)| *id == usb.id).map(|(_, commands)| *commands == interface);
    let named = || {
        let name = usb.interface_name.as_deref()?.to_ascii_uppercase();
        let is = |word: &str| name.split(|c: char| !c.is_ascii_alphanumeric()).any(|part| part == word);
        let other = ["GPS", "NMEA", "DIAG", "DIAGNOSTICS", "DM", "QCDM", "LOG"].iter().any(|word| is(word));
        (is("AT") || is("MODEM")).then_some(true).or_else(|| other.then_some(false))
    };
    layout.or_else(named)
}
