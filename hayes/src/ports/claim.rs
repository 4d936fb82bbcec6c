//! Whether ModemManager takes a port for itself.
//!
//! Owns what udev's database says of it. Refuses to ask ModemManager, which may not run, or not yet.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::{holders, text};

/// ModemManager on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModemManager {
    /// It is not installed.
    Absent,
    /// It is installed and does not run; D-Bus may start it.
    Installed,
    /// It runs.
    Running,
}

/// What ModemManager will do with a port while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// A rule of udev tells it to leave the device or the port alone (`ID_MM_DEVICE_IGNORE`, `ID_MM_PORT_IGNORE`).
    Ignored,
    /// It is a port on board, which it leaves alone unless a rule says otherwise.
    OnBoard,
    /// It is a serial adapter, which it tries only when told to scan by hand (`ID_MM_TTY_MANUAL_SCAN_ONLY`).
    ByHand,
    /// No rule of udev has made it a candidate (`ID_MM_CANDIDATE`), which ModemManager's own rules do with every tty.
    Unnoticed,
    /// It sends AT commands to it as soon as it is plugged in, for 10 to 20 s, and keeps a modem for itself.
    Taken,
}

/// Where the program is.
const PROGRAMS: [&str; 2] = ["usr/sbin/ModemManager", "usr/bin/ModemManager"];
/// Its name in the kernel.
const PROCESS: &str = "ModemManager";
/// Properties that keep it away.
const IGNORED: [&str; 3] = ["ID_MM_DEVICE_IGNORE", "ID_MM_PORT_IGNORE", "ID_MM_TTY_BLACKLIST"];

pub(super) fn modem_manager(root: &Path) -> ModemManager {
    if holders::processes(root).any(|process| process.name.as_deref() == Some(PROCESS)) {
        ModemManager::Running
    } else if PROGRAMS.iter().any(|program| root.join(program).exists()) {
        ModemManager::Installed
    } else {
        ModemManager::Absent
    }
}

/// What udev's database has of a port and of its USB device.
#[derive(Debug)]
pub(super) struct Properties {
    values: BTreeMap<String, String>,
    /// The database has an entry for the port.
    noted: bool,
}

impl Properties {
    pub(super) fn of(root: &Path, class: &Path, device: Option<&Path>) -> Self {
        let mut values = BTreeMap::new();
        let mut noted = false;
        for folder in device.into_iter().chain([class]) {
            // The database's files are named by the numbers of the device.
            let Some(numbers) = text(&folder.join("dev")) else { continue };
            let file = root.join("run/udev/data").join(format!("c{numbers}"));
            let content = fs::read_to_string(file);
            noted |= folder == class && content.is_ok();
            let content = content.unwrap_or_default();
            let lines = content.lines().filter_map(|line| line.strip_prefix("E:")?.split_once('='));
            values.extend(lines.map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
        Self { values, noted }
    }

    fn is_set(&self, name: &str) -> bool {
        self.values.get(name).is_some_and(|value| value == "1")
    }

    pub(super) fn claim(&self, usb: bool) -> Claim {
        if IGNORED.iter().any(|name| self.is_set(name)) {
            Claim::Ignored
        } else if self.is_set("ID_MM_TTY_MANUAL_SCAN_ONLY") {
            Claim::ByHand
        } else if self.noted && !self.is_set("ID_MM_CANDIDATE") {
            Claim::Unnoticed
        } else if usb || self.is_set("ID_MM_DEVICE_PROCESS") {
            Claim::Taken
        } else {
            Claim::OnBoard
        }
    }

    /// What ModemManager's rules know of a device with several ports.
    pub(super) fn takes_commands(&self) -> Option<bool> {
        const OTHERS: [&str; 4] =
            ["ID_MM_PORT_TYPE_GPS", "ID_MM_PORT_TYPE_QCDM", "ID_MM_PORT_TYPE_AUDIO", "ID_MM_PORT_IGNORE"];
        if self.is_set("ID_MM_PORT_TYPE_AT_PRIMARY") {
            Some(true)
        } else if OTHERS.iter().any(|name| self.is_set(name)) {
            Some(false)
        } else {
            None
        }
    }
}
