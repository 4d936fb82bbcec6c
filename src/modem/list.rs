//! `ringup modem list`: the serial ports of this machine, and what is to be known of each without touching it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use hayes::ports::{Access, Claim, Holders, Machine, ModemManager, Port, Process};
use hayes::profile::Catalogue;
use serde_json::{Value, json};

use super::table::Table;

/// The line of a telephone exchange that runs here, as a tty.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Emulated {
    name: PathBuf,
    tty: PathBuf,
    holders: Holders,
}

/// All that is to be listed.
#[derive(Debug)]
pub struct Listing {
    ports: Vec<Port>,
    emulated: Vec<Emulated>,
    manager: ModemManager,
}

impl Listing {
    /// Looks at a machine; and at the folder in which an exchange of its has its lines, if it has one.
    #[must_use]
    pub fn of(machine: &Machine, exchange: Option<&Path>) -> Self {
        Self {
            ports: machine.ports(),
            emulated: exchange.map(|folder| emulated(machine, folder)).unwrap_or_default(),
            manager: machine.modem_manager(),
        }
    }

    /// For programs: an array of ports.
    #[must_use]
    pub fn to_json(&self) -> String {
        let ports = self.ports.iter().map(|port| as_json(port, self.manager));
        let emulated = self.emulated.iter().map(|line| {
            json!({
                "port": line.name, "tty": line.tty, "driver": "pty", "emulated": true,
                "lock": process(line.holders.lock.as_ref()), "open": processes(&line.holders.open),
            })
        });
        Value::Array(ports.chain(emulated).collect()).to_string()
    }

    /// For people: a table, under each port its other names and what to mind.
    #[must_use]
    pub fn to_text(&self) -> String {
        if self.ports.is_empty() && self.emulated.is_empty() {
            return "no serial port with hardware behind it\n\
                hint: is the modem plugged in and switched on? `dmesg` shows whether the kernel saw it\n\
                hint: without a modem, `ringup exchange` makes emulated ones (docs/examples/exchange.toml)\n"
                .to_owned();
        }
        let mut table = Table::new(["PORT", "DRIVER", "DEVICE", "KIND", "IN USE BY"]);
        let catalogue = Catalogue::built_in();
        for port in &self.ports {
            let kind = port.suggested(&catalogue).map_or_else(|| "-".to_owned(), |profile| profile.id.clone());
            let driver = port.driver.clone().unwrap_or_else(|| "-".to_owned());
            table.row([port.path.display().to_string(), driver, device(port), kind, users(&port.holders)]);
            for name in &port.stable {
                table.note(&name.display().to_string());
            }
            for hint in hints(port, self.manager) {
                table.note(&format!("hint: {hint}"));
            }
        }
        for line in &self.emulated {
            let device = format!("line of an exchange, {}", line.tty.display());
            table.row([line.name.display().to_string(), "pty".into(), device, "-".into(), users(&line.holders)]);
        }
        let mut text = table.to_string();
        let hidden = self.ports.iter().map(|port| &port.holders).chain(self.emulated.iter().map(|line| &line.holders));
        if hidden.into_iter().any(|holders| holders.more_may_be) {
            text.push_str("hint: other users' programs may have a port open unseen; root sees all\n");
        }
        text
    }
}

/// The lines of an exchange: links to ptys, under the lines' names.
fn emulated(machine: &Machine, folder: &Path) -> Vec<Emulated> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut lines: Vec<(PathBuf, PathBuf)> = entries
        .filter_map(|entry| Some((entry.path(), std::fs::read_link(entry.path()).ok()?)))
        .filter(|(_, tty)| tty.starts_with("/dev/pts") && tty.exists())
        .collect();
    lines.sort();
    let ttys: Vec<PathBuf> = lines.iter().map(|(_, tty)| tty.clone()).collect();
    let holders = machine.holders(&ttys);
    lines.into_iter().zip(holders).map(|((name, tty), holders)| Emulated { name, tty, holders }).collect()
}

fn device(port: &Port) -> String {
    let Some(usb) = &port.usb else {
        return port.uart.map_or_else(|| "on board".to_owned(), |uart| format!("on board, {uart}"));
    };
    let mut text = usb.id.to_string();
    // Many a product begins with its maker's name.
    let maker = usb.manufacturer.as_deref().filter(|maker| {
        let product = usb.product.as_deref().unwrap_or_default().to_lowercase();
        !product.starts_with(&maker.to_lowercase())
    });
    for word in [maker, usb.product.as_deref(), usb.serial.as_deref()].into_iter().flatten() {
        put(&mut text, format_args!(" {word}"));
    }
    if let (Some(interface), Some(takes_commands)) = (usb.interface, port.takes_commands) {
        let what = if takes_commands { "takes commands" } else { "no commands" };
        put(&mut text, format_args!(" (interface {interface}, {what})"));
    }
    text
}

fn put(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    #[expect(clippy::expect_used, reason = "a String takes whatever is written")]
    text.write_fmt(arguments).expect("a String takes whatever is written");
}

fn users(holders: &Holders) -> String {
    let locker = holders.lock.iter().map(|process| format!("{} (lock)", shown(process)));
    let others = holders.open.iter().filter(|process| holders.lock.as_ref() != Some(process)).map(shown);
    let users: Vec<String> = locker.chain(others).collect();
    match (users.is_empty(), holders.more_may_be) {
        (true, true) => "?".to_owned(),
        (true, false) => "-".to_owned(),
        (false, _) => users.join(", "),
    }
}

fn shown(process: &Process) -> String {
    format!("{} {}", process.name.as_deref().unwrap_or("process"), process.id)
}

fn hints(port: &Port, manager: ModemManager) -> Vec<String> {
    let mut hints = Vec::new();
    match &port.access {
        Access::Allowed => {}
        Access::Group(group) => {
            hints.push(format!("this user may not open it: `sudo usermod -aG {group} $USER`, then log in again"));
        }
        Access::Owner => hints.push("only its owner may open it: a rule of udev can give it to a group".to_owned()),
        Access::Missing => hints.push("it is not in /dev: does udev run?".to_owned()),
    }
    if port.claim == Claim::Taken {
        match manager {
            ModemManager::Absent => {}
            ModemManager::Installed => hints.push(
                "ModemManager would take it if it ran: packaging/udev/78-ringup-modem.rules keeps it away".to_owned(),
            ),
            ModemManager::Running => hints
                .push("ModemManager runs, and takes it: packaging/udev/78-ringup-modem.rules keeps it away".to_owned()),
        }
    }
    hints
}

fn as_json(port: &Port, manager: ModemManager) -> Value {
    let usb = port.usb.as_ref().map(|usb| {
        json!({
            "id": usb.id.to_string(), "manufacturer": usb.manufacturer, "product": usb.product, "serial": usb.serial,
            "interface": usb.interface, "interface-name": usb.interface_name,
        })
    });
    let access = match &port.access {
        Access::Allowed => json!({ "allowed": true }),
        Access::Group(group) => json!({ "allowed": false, "group": group }),
        Access::Owner | Access::Missing => json!({ "allowed": false }),
    };
    let claim = match port.claim {
        Claim::Ignored => "ignored",
        Claim::OnBoard => "on-board",
        Claim::ByHand => "by-hand",
        Claim::Unnoticed => "unnoticed",
        Claim::Taken => "taken",
    };
    let state = match manager {
        ModemManager::Absent => "absent",
        ModemManager::Installed => "installed",
        ModemManager::Running => "running",
    };
    json!({
        "port": port.path, "best-name": port.best_name(), "stable-names": port.stable, "driver": port.driver,
        "uart": port.uart, "usb": usb, "kind": port.suggested(&Catalogue::built_in()).map(|profile| profile.id.clone()),
        "takes-commands": port.takes_commands, "lock": process(port.holders.lock.as_ref()),
        "open": processes(&port.holders.open), "open-unseen": port.holders.more_may_be, "access": access,
        "modem-manager": { "state": state, "claim": claim }, "emulated": false,
        "hints": hints(port, manager),
    })
}

fn process(process: Option<&Process>) -> Value {
    process.map_or(Value::Null, |process| json!({ "pid": process.id, "name": process.name }))
}

fn processes(all: &[Process]) -> Value {
    all.iter().map(|one| process(Some(one))).collect()
}
