//! Wake on ring: tells every device between a tty and the machine's root that it may wake the machine.
//!
//! A ring wakes only if each hop passes it on: the port itself, the USB device, every hub above it, the host controller.
//! Owns nothing but these switches, /sys/…/power/wakeup; once on, they stay on until the next start.

use std::io;
use std::path::{Path, PathBuf};

/// A device between the tty and the root, and whether it passes a ring on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hop {
    /// The device, as a folder below /sys/devices.
    pub(super) device: PathBuf,
    pub(super) state: Armed,
}

/// Whether a device may wake the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Armed {
    /// It may now, and might not before.
    Now,
    /// It may since earlier.
    Already,
    /// It has the switch and refuses: the hardware or its driver cannot.
    Incapable,
    /// We may not.
    Denied(String),
}

/// Arms the way from a tty to the root; the tty's own hop comes first. Empty for a tty that can wake nobody.
pub(super) fn arm(sys: &Path, port: &Path) -> Vec<Hop> {
    let Some(start) = device_of(sys, port) else { return Vec::new() };
    let Ok(root) = sys.join("devices").canonicalize() else { return Vec::new() };
    let hops = start.ancestors().take_while(|folder| folder.starts_with(&root) && **folder != root);
    hops.filter_map(|device| Some(Hop { state: switch_on(&device.join("power/wakeup"))?, device: device.to_owned() }))
        .collect()
}

/// The tty in the tree of devices.
fn device_of(sys: &Path, port: &Path) -> Option<PathBuf> {
    let tty = port.canonicalize().ok()?;
    sys.join("class/tty").join(tty.file_name()?).canonicalize().ok()
}

/// Turns one switch on; `None` where there is none.
fn switch_on(switch: &Path) -> Option<Armed> {
    let state = match std::fs::read_to_string(switch) {
        Ok(state) => state,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => return Some(Armed::Denied(error.to_string())),
    };
    Some(match state.trim() {
        "enabled" => Armed::Already,
        // The kernel shows an empty line for what has no way to wake.
        "" => Armed::Incapable,
        _disabled => match std::fs::write(switch, "enabled") {
            Ok(()) => Armed::Now,
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Armed::Incapable,
            Err(error) => Armed::Denied(error.to_string()),
        },
    })
}

/// What to tell the owner of a way that does not pass a ring on; `None` when it does.
pub(super) fn complaint(hops: &[Hop]) -> Option<String> {
    if let Some(Hop { device, state: Armed::Denied(why) }) =
        hops.iter().find(|hop| matches!(hop.state, Armed::Denied(_)))
    {
        let device = device.display();
        return Some(format!(
            "a ring cannot wake this machine: {device}/power/wakeup: {why}; run as root, or write \"enabled\" there at each start"
        ));
    }
    let armed = hops.iter().filter(|hop| matches!(hop.state, Armed::Now | Armed::Already)).count();
    if armed == 0 {
        return Some("a ring cannot wake this machine: no device on the way from this tty to the root can; use a modem with the RI wire on a serial port, or a USB modem that can wake".to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::scratch::Scratch;

    /// /dev/null stands for a tty of that name.
    const PORT: &str = "/dev/null";

    fn tree(scratch: &Scratch, tty: &str, switches: &[(&str, &str)]) {
        for (device, state) in switches {
            scratch.write(&format!("devices/{device}/power/wakeup"), state);
        }
        std::fs::create_dir_all(scratch.root().join("devices").join(tty)).unwrap();
        std::fs::create_dir_all(scratch.root().join("class/tty")).unwrap();
        symlink(scratch.root().join("devices").join(tty), scratch.root().join("class/tty/null")).unwrap();
    }

    #[test]
    fn every_hop_of_a_usb_modem_is_armed_up_to_the_controller() {
        let scratch = Scratch::new("arm-usb");
        let usb = "pci0000:00/0000:00:14.0";
        tree(
            &scratch,
            &format!("{usb}/usb1/1-2/1-2.4/1-2.4:1.0/tty/ttyACM0"),
            &[
                (usb, "enabled\n"),
                (&format!("{usb}/usb1"), "disabled\n"),
                (&format!("{usb}/usb1/1-2"), "disabled\n"),
                (&format!("{usb}/usb1/1-2/1-2.4"), "disabled\n"),
                ("pci0000:00/0000:00:1f.0", "disabled\n"),
            ],
        );
        let hops = arm(scratch.root(), Path::new(PORT));
        let states: Vec<&Armed> = hops.iter().map(|hop| &hop.state).collect();
        assert_eq!(states, [&Armed::Now, &Armed::Now, &Armed::Now, &Armed::Already]);
        assert!(hops[0].device.ends_with("usb1/1-2/1-2.4"));
        for device in ["usb1/1-2/1-2.4", "usb1/1-2", "usb1"] {
            assert_eq!(scratch.read(&format!("devices/{usb}/{device}/power/wakeup")), "enabled");
        }
        assert_eq!(scratch.read("devices/pci0000:00/0000:00:1f.0/power/wakeup"), "disabled\n", "another device");
        assert_eq!(complaint(&hops), None);
    }

    #[test]
    fn a_serial_port_is_armed_at_the_port_and_at_its_device() {
        let scratch = Scratch::new("arm-uart");
        tree(
            &scratch,
            "pnp0/00:04/tty/ttyS0",
            &[("pnp0/00:04/tty/ttyS0", "disabled\n"), ("pnp0/00:04", "disabled\n"), ("pnp0", "\n")],
        );
        let hops = arm(scratch.root(), Path::new(PORT));
        let states: Vec<&Armed> = hops.iter().map(|hop| &hop.state).collect();
        assert_eq!(states, [&Armed::Now, &Armed::Now, &Armed::Incapable]);
        assert_eq!(arm(scratch.root(), Path::new(PORT))[0].state, Armed::Already, "once is enough");
        assert_eq!(complaint(&hops), None);
    }

    #[test]
    fn a_tty_that_cannot_wake_anybody_is_told_of() {
        let scratch = Scratch::new("arm-none");
        tree(&scratch, "virtual/tty/ttyX", &[]);
        let hops = arm(scratch.root(), Path::new(PORT));
        assert!(hops.is_empty());
        assert!(complaint(&hops).unwrap().contains("no device"));
        assert!(arm(scratch.root(), Path::new("/dev/no-such-tty")).is_empty());
    }

    #[test]
    fn a_switch_that_we_may_not_turn_is_told_with_what_to_do() {
        let hop =
            Hop { device: PathBuf::from("/sys/devices/pnp0"), state: Armed::Denied("Permission denied".to_owned()) };
        let told = complaint(&[hop]).unwrap();
        assert!(told.contains("/sys/devices/pnp0/power/wakeup") && told.contains("run as root"), "{told}");
    }
}
