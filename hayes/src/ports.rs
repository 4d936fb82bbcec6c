//! The serial ports of a Linux machine, as its file systems show them.
//!
//! Owns the reading of `/sys`, `/dev`, `/run` and `/proc`, below a root that may be another than `/`. Refuses to open a
//! port: all is told without touching one. Ports without hardware behind them are left out.

mod access;
mod cellular;
mod claim;
mod holders;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use self::access::Access;
pub use self::claim::{Claim, ModemManager};
pub use self::holders::{Holders, Process};
use crate::profile::{Catalogue, DEFAULT_ID, Identification, Profile, UsbId};

/// How many directories a device is below its USB device at most.
const DEPTH_LIMIT: usize = 8;
/// The kernel's number for a port that has no UART (`PORT_UNKNOWN`).
const NO_UART: &str = "0";

/// A machine, by the root of its file systems.
#[derive(Clone, Debug)]
pub struct Machine {
    root: PathBuf,
}

/// A serial port.
#[derive(Clone, Debug)]
pub struct Port {
    /// Its name: `ttyUSB0`.
    pub name: String,
    /// Its path: `/dev/ttyUSB0`.
    pub path: PathBuf,
    /// Its names that survive re-plugging, under `/dev/serial`: by what it is, then by where it is plugged in.
    pub stable: Vec<PathBuf>,
    /// The kernel's driver: `cdc_acm`, `ftdi_sio`, `option1`, `serial`.
    pub driver: Option<String>,
    /// The chip of a port on board.
    pub uart: Option<&'static str>,
    /// What is known of it as a USB device.
    pub usb: Option<UsbPort>,
    /// Who uses it.
    pub holders: Holders,
    /// Whether this user may.
    pub access: Access,
    /// Whether ModemManager lays claim to it.
    pub claim: Claim,
    /// Whether it is the one of its device's several that takes AT commands, as far as that is known.
    pub takes_commands: Option<bool>,
}

/// A port of a USB device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsbPort {
    /// Vendor and product.
    pub id: UsbId,
    /// Who made it, in its own words.
    pub manufacturer: Option<String>,
    /// What it is, in its own words.
    pub product: Option<String>,
    /// Its serial number.
    pub serial: Option<String>,
    /// The number of the interface that this port is.
    pub interface: Option<u8>,
    /// What the interface calls itself.
    pub interface_name: Option<String>,
    /// Where the device is, below `/sys`: the same for all of its ports.
    device: PathBuf,
}

impl Machine {
    /// This one.
    #[must_use]
    pub fn here() -> Self {
        Self::at(Path::new("/"))
    }

    /// The one whose file systems are below this directory.
    #[must_use]
    pub fn at(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Its serial ports, in the order of their names. What cannot be read is taken for not there.
    #[must_use]
    pub fn ports(&self) -> Vec<Port> {
        let Ok(entries) = fs::read_dir(self.root.join("sys/class/tty")) else { return Vec::new() };
        let mut ports: Vec<Port> = entries.flatten().filter_map(|entry| self.port(&entry.path())).collect();
        ports.sort_by_cached_key(|port| natural(&port.name));
        let paths: Vec<PathBuf> = ports.iter().map(|port| port.path.clone()).collect();
        for (port, holders) in ports.iter_mut().zip(holders::find(&self.root, &paths)) {
            port.holders = holders;
        }
        cellular::mark(&mut ports);
        ports
    }

    /// Who uses these ttys, in their order: a pty too, which is no port of the machine.
    #[must_use]
    pub fn holders(&self, ttys: &[PathBuf]) -> Vec<Holders> {
        holders::find(&self.root, ttys)
    }

    /// Whether ModemManager is installed here, and runs.
    #[must_use]
    pub fn modem_manager(&self) -> ModemManager {
        claim::modem_manager(&self.root)
    }

    fn port(&self, class: &Path) -> Option<Port> {
        let name = class.file_name()?.to_str()?.to_owned();
        let device = class.join("device").canonicalize().ok()?;
        let uart = text(&class.join("type"));
        if uart.as_deref() == Some(NO_UART) {
            return None;
        }
        let path = Path::new("/dev").join(&name);
        let usb = UsbPort::of(&device);
        let udev = claim::Properties::of(&self.root, class, usb.as_ref().map(|usb| usb.device.as_path()));
        Some(Port {
            stable: self.stable_names(&name),
            driver: driver(&device),
            uart: uart.and_then(|number| uart_name(&number)),
            holders: Holders::default(),
            access: Access::of(&self.root, &path),
            claim: udev.claim(usb.is_some()),
            takes_commands: udev.takes_commands(),
            name,
            path,
            usb,
        })
    }

    fn stable_names(&self, name: &str) -> Vec<PathBuf> {
        let links = ["by-id", "by-path"].into_iter().flat_map(|folder| {
            let folder = Path::new("dev/serial").join(folder);
            let entries = fs::read_dir(self.root.join(&folder)).into_iter().flatten().flatten();
            let leads_here = |link: &fs::DirEntry| {
                fs::read_link(link.path()).is_ok_and(|target| target.file_name().is_some_and(|to| to == name))
            };
            let mut links: Vec<PathBuf> =
                entries.filter(leads_here).map(|link| Path::new("/").join(&folder).join(link.file_name())).collect();
            links.sort();
            links
        });
        links.collect()
    }
}

impl Port {
    /// The name to use in configurations: one that survives re-plugging, if there is one.
    #[must_use]
    pub fn best_name(&self) -> &Path {
        self.stable.first().unwrap_or(&self.path)
    }

    /// The kind of modem that its USB id names; `None` for adapters and ports on board, which tell nothing.
    #[must_use]
    pub fn suggested(&self, catalogue: &Catalogue) -> Option<Arc<Profile>> {
        let usb = self.usb.as_ref()?.id;
        let seen = Identification { usb: Some(usb), ..Identification::default() };
        Some(catalogue.recognise(&seen)).filter(|profile| profile.id != DEFAULT_ID)
    }

    /// Reports whether both are ports of one USB device.
    #[must_use]
    pub fn shares_device_with(&self, other: &Self) -> bool {
        matches!((&self.usb, &other.usb), (Some(own), Some(others)) if own.device == others.device)
    }
}

impl UsbPort {
    fn of(device: &Path) -> Option<Self> {
        let above = || device.ancestors().take(DEPTH_LIMIT);
        let interface = above().find(|folder| folder.join("bInterfaceNumber").exists());
        let device = above().find(|folder| folder.join("idVendor").exists())?;
        let read = |name: &str| text(&device.join(name));
        let number = interface.and_then(|interface| text(&interface.join("bInterfaceNumber")));
        Some(Self {
            id: format!("{}:{}", read("idVendor")?, read("idProduct")?).parse().ok()?,
            manufacturer: read("manufacturer"),
            product: read("product"),
            serial: read("serial"),
            interface: number.and_then(|number| u8::from_str_radix(&number, 16).ok()),
            interface_name: interface.and_then(|interface| text(&interface.join("interface"))),
            device: device.to_owned(),
        })
    }
}

/// The driver of a device; of the one above where the kernel has put its own port device in between (from Linux 6.6 on).
fn driver(device: &Path) -> Option<String> {
    let name = |folder: &Path, link: &str| {
        let target = fs::read_link(folder.join(link)).ok()?;
        Some(target.file_name()?.to_str()?.to_owned())
    };
    let own = device.ancestors().take(DEPTH_LIMIT).find(|folder| {
        name(folder, "subsystem").is_none_or(|subsystem| subsystem != "serial-base") && folder.join("driver").exists()
    });
    name(own?, "driver")
}

/// The content of a file of one line, if it says anything; control characters are left out.
fn text(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let text: String = text.trim().chars().filter(|c| !c.is_control()).collect();
    Some(text).filter(|text| !text.is_empty())
}

/// The kernel's numbers for UARTs (`include/uapi/linux/serial_core.h`), the common ones.
fn uart_name(number: &str) -> Option<&'static str> {
    Some(match number {
        "1" => "8250",
        "2" => "16450",
        "3" => "16550",
        "4" => "16550A",
        "7" => "16650V2",
        "8" => "16750",
        "10" => "16C950",
        "32" => "PL011",
        _ => return None,
    })
}

/// Sorts `ttyUSB10` behind `ttyUSB9`.
fn natural(name: &str) -> (String, u64) {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = name.get(stem.len()..).and_then(|digits| digits.parse().ok()).unwrap_or(0);
    (stem.to_owned(), number)
}

#[cfg(test)]
mod tests;
