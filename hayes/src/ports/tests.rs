use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// A machine made of files, gone with the test.
struct Tree(PathBuf);

impl Tree {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("hayes-ports-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let tree = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(tree.0.join("sys/class/tty")).unwrap();
        tree
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn link(&self, target: &str, path: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }

    /// A tty of the class on this device, relative to `/sys/devices`, with these numbers.
    fn tty(&self, name: &str, device: &str, numbers: &str) {
        self.write(&format!("sys/devices/{device}/tty/{name}/dev"), &format!("{numbers}\n"));
        self.link(&format!("../../devices/{device}/tty/{name}"), &format!("sys/class/tty/{name}"));
        self.link("../..", &format!("sys/devices/{device}/tty/{name}/device"));
        self.write(&format!("dev/{name}"), "");
    }

    fn driver(&self, device: &str, driver: &str) {
        let up = "../".repeat(device.split('/').count() + 1);
        fs::create_dir_all(self.0.join(format!("sys/bus/drivers/{driver}"))).unwrap();
        self.link(&format!("{up}bus/drivers/{driver}"), &format!("sys/devices/{device}/driver"));
    }

    fn usb(&self, device: &str, id: &str, words: [&str; 3]) {
        let (vendor, product) = id.split_once(':').unwrap();
        for (file, text) in [("idVendor", vendor), ("idProduct", product)] {
            self.write(&format!("sys/devices/{device}/{file}"), &format!("{text}\n"));
        }
        for (file, text) in ["manufacturer", "product", "serial"].into_iter().zip(words) {
            self.write(&format!("sys/devices/{device}/{file}"), &format!("{text}\n"));
        }
        self.write(&format!("sys/devices/{device}/dev"), "189:4\n");
    }

    fn ports(&self) -> Vec<Port> {
        Machine::at(&self.0).ports()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

const USB: &str = "pci0000:00/0000:00:14.0/usb1/1-2";

/// A USB modem as cdc_acm has it.
fn modem(tree: &Tree) {
    tree.usb(USB, "0572:1340", ["Conexant", "USB Modem", "12345678"]);
    let interface = format!("{USB}/1-2:1.0");
    tree.write(&format!("sys/devices/{interface}/bInterfaceNumber"), "00\n");
    tree.tty("ttyACM0", &interface, "166:0");
    tree.driver(&interface, "cdc_acm");
    tree.link("../../ttyACM0", "dev/serial/by-id/usb-Conexant_USB_Modem_12345678-if00");
    tree.link("../../ttyACM0", "dev/serial/by-path/pci-0000:00:14.0-usb-0:2:1.0");
}

#[test]
fn a_usb_modem_is_told_with_its_names_and_its_kind() {
    let tree = Tree::new();
    modem(&tree);
    let ports = tree.ports();
    let [port] = ports.as_slice() else { panic!("{ports:?}") };
    assert_eq!((port.name.as_str(), port.path.as_path()), ("ttyACM0", Path::new("/dev/ttyACM0")));
    assert_eq!(port.driver.as_deref(), Some("cdc_acm"));
    let usb = port.usb.as_ref().unwrap();
    assert_eq!(usb.id.to_string(), "0572:1340");
    let words = [&usb.manufacturer, &usb.product, &usb.serial].map(|word| word.as_deref().unwrap());
    assert_eq!((words, usb.interface), (["Conexant", "USB Modem", "12345678"], Some(0)));
    assert_eq!(port.best_name(), Path::new("/dev/serial/by-id/usb-Conexant_USB_Modem_12345678-if00"));
    assert_eq!(port.stable.len(), 2);
    assert_eq!(port.suggested(&Catalogue::built_in()).unwrap().id, "conexant");
    assert_eq!((port.claim, port.takes_commands), (Claim::Taken, None));
}

#[test]
fn ports_on_board_are_told_by_their_chip_and_those_without_one_are_left_out() {
    let tree = Tree::new();
    // Linux before 6.6, a pnp device; then one behind the kernel's own port device; then one of the 8250's placeholders.
    tree.tty("ttyS0", "pnp0/00:04", "4:64");
    tree.driver("pnp0/00:04", "serial");
    tree.write("sys/devices/pnp0/00:04/tty/ttyS0/type", "4\n");
    tree.tty("ttyS1", "pnp0/00:05/00:05:0/00:05:0.0", "4:65");
    tree.driver("pnp0/00:05", "serial");
    tree.driver("pnp0/00:05/00:05:0/00:05:0.0", "port");
    tree.link("../../../../../bus/serial-base", "sys/devices/pnp0/00:05/00:05:0/00:05:0.0/subsystem");
    tree.write("sys/devices/pnp0/00:05/00:05:0/00:05:0.0/tty/ttyS1/type", "4\n");
    tree.tty("ttyS2", "platform/serial8250", "4:66");
    tree.write("sys/devices/platform/serial8250/tty/ttyS2/type", "0\n");
    tree.write("sys/devices/virtual/tty/tty0/dev", "4:0\n");
    tree.link("../../devices/virtual/tty/tty0", "sys/class/tty/tty0");
    let ports = tree.ports();
    let told: Vec<_> = ports.iter().map(|port| (port.name.as_str(), port.driver.as_deref(), port.uart)).collect();
    assert_eq!(told, [("ttyS0", Some("serial"), Some("16550A")), ("ttyS1", Some("serial"), Some("16550A"))]);
    assert!(ports.iter().all(|port| port.claim == Claim::OnBoard && port.usb.is_none()));
}

#[test]
fn an_adapter_names_no_kind_and_is_left_to_scans_by_hand() {
    let tree = Tree::new();
    tree.usb(USB, "0403:6001", ["FTDI", "FT232R USB UART", "A50285BI"]);
    tree.write(&format!("sys/devices/{USB}/1-2:1.0/bInterfaceNumber"), "00\n");
    tree.tty("ttyUSB10", &format!("{USB}/1-2:1.0/ttyUSB10"), "188:10");
    tree.driver(&format!("{USB}/1-2:1.0/ttyUSB10"), "ftdi_sio");
    tree.write("run/udev/data/c188:10", "S:serial/by-id/x\nE:ID_MM_TTY_MANUAL_SCAN_ONLY=1\nE:ID_MM_CANDIDATE=1\n");
    let ports = tree.ports();
    assert_eq!(ports[0].driver.as_deref(), Some("ftdi_sio"));
    assert_eq!(ports[0].claim, Claim::ByHand);
    assert!(ports[0].suggested(&Catalogue::built_in()).is_none());
    assert_eq!(ports[0].best_name(), Path::new("/dev/ttyUSB10"), "there is no other");
}

#[test]
fn the_port_of_a_stick_that_takes_commands_is_told_from_the_others() {
    let tree = Tree::new();
    tree.usb(USB, "1e0e:9001", ["SIMCOM", "SIM7600", "0123"]);
    for interface in 0..4 {
        let device = format!("{USB}/1-2:1.{interface}");
        tree.write(&format!("sys/devices/{device}/bInterfaceNumber"), &format!("0{interface}\n"));
        tree.tty(&format!("ttyUSB{interface}"), &format!("{device}/ttyUSB{interface}"), &format!("188:{interface}"));
        tree.driver(&format!("{device}/ttyUSB{interface}"), "option1");
    }
    let takes: Vec<_> = tree.ports().iter().map(|port| port.takes_commands).collect();
    assert_eq!(takes, [Some(false), Some(false), Some(true), Some(false)]);

    // What udev's rules say is newer than any table.
    tree.write("run/udev/data/c188:3", "E:ID_MM_PORT_TYPE_AT_PRIMARY=1\n");
    assert_eq!(tree.ports()[3].takes_commands, Some(true));
}

#[test]
fn a_rule_on_the_device_keeps_modem_manager_away() {
    let tree = Tree::new();
    modem(&tree);
    assert_eq!(Machine::at(&tree.0).modem_manager(), ModemManager::Absent);
    tree.write("usr/sbin/ModemManager", "");
    assert_eq!(Machine::at(&tree.0).modem_manager(), ModemManager::Installed);
    tree.write("proc/77/comm", "ModemManager\n");
    assert_eq!(Machine::at(&tree.0).modem_manager(), ModemManager::Running);
    for file in ["run/udev/data/c166:0", "run/udev/data/c189:4"] {
        tree.write(file, "E:ID_MM_DEVICE_IGNORE=1\n");
        assert_eq!(tree.ports()[0].claim, Claim::Ignored, "{file}");
        fs::remove_file(tree.0.join(file)).unwrap();
    }
    for (properties, claim) in [("E:ID_MM_CANDIDATE=1\n", Claim::Taken), ("E:ID_BUS=usb\n", Claim::Unnoticed)] {
        tree.write("run/udev/data/c166:0", properties);
        assert_eq!(tree.ports()[0].claim, claim, "{properties}");
    }
}

#[test]
fn who_holds_a_port_is_told_by_lock_and_by_open_files() {
    let tree = Tree::new();
    modem(&tree);
    tree.write("proc/4242/comm", "mgetty\n");
    tree.link("/dev/ttyACM0", "proc/4242/fd/3");
    tree.write("proc/4243/comm", "cat\n");
    tree.link("/dev/null", "proc/4243/fd/0");
    tree.write("run/lock/LCK..ttyACM0", "      4242\n");
    let mgetty = Process { id: 4242, name: Some("mgetty".to_owned()) };
    let expected = Holders { lock: Some(mgetty.clone()), open: vec![mgetty], more_may_be: false };
    assert_eq!(tree.ports()[0].holders, expected);

    // A lock whose process is gone holds nothing; a process whose files are hidden may.
    tree.write("run/lock/LCK..ttyACM0", "      9999\n");
    tree.write("proc/1/cmdline", "/sbin/init\0");
    let holders = &tree.ports()[0].holders;
    assert_eq!((&holders.lock, holders.more_may_be), (&None, true));
}

#[test]
fn the_group_that_opens_a_port_is_named() {
    let tree = Tree::new();
    modem(&tree);
    let node = tree.0.join("dev/ttyACM0");
    let group = fs::metadata(&node).unwrap().gid();
    let mode = |mode: u32| fs::set_permissions(&node, fs::Permissions::from_mode(mode)).unwrap();
    let stranger = |groups: &str| {
        tree.write(
            "proc/self/status",
            &format!("Uid:\t4000\t4000\t4000\t4000\nGid:\t4000\t4000\t4000\t4000\nGroups:\t{groups}\n"),
        );
        tree.ports()[0].access.clone()
    };
    tree.write("etc/group", &format!("staff:x:50000:\ndialout:x:{group}:somebody\n"));
    mode(0o660);
    assert_eq!(stranger("50000"), Access::Group("dialout".to_owned()));
    assert_eq!(stranger(&format!("50000 {group}")), Access::Allowed);
    mode(0o600);
    assert_eq!(stranger("50000"), Access::Owner);
    mode(0o666);
    assert_eq!(stranger(""), Access::Allowed);
    fs::remove_file(&node).unwrap();
    assert_eq!(stranger(""), Access::Missing);
}

#[test]
fn a_machine_without_ports_has_none() {
    assert!(Tree::new().ports().is_empty());
    assert!(Machine::at(Path::new("/nonexistent")).ports().is_empty());
}
