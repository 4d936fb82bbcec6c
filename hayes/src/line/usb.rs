//! Which USB device a tty belongs to, as the kernel tells under /sys, and switching it off and on.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::profile::UsbId;

/// How far above a tty its USB device is at most: tty, interface, device.
const DEPTH: usize = 4;

/// Returns the vendor and product of the USB device that a tty belongs to; `None` for any other tty.
#[must_use]
pub fn usb_id(port: &Path) -> Option<UsbId> {
    find(Path::new("/sys/class/tty"), port)
}

/// Switches the USB device that a tty belongs to off and on, as if it had been unplugged: it is enumerated anew, and the
/// tty comes back within some seconds, perhaps under another number. Blocks for a moment.
///
/// # Errors
///
/// `NotFound` for any other tty; `PermissionDenied` unless this user may write the device's `authorized` under /sys.
pub fn switch_usb(port: &Path) -> io::Result<()> {
    switch(Path::new("/sys/class/tty"), port)
}

fn switch(class: &Path, port: &Path) -> io::Result<()> {
    let none = || io::Error::new(ErrorKind::NotFound, format!("{} is not on the USB", port.display()));
    let authorized = device(class, port).ok_or_else(none)?.join("authorized");
    let write = |value: &str| {
        let told = fs::write(&authorized, value);
        told.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", authorized.display())))
    };
    write("0")?;
    write("1")
}

fn find(class: &Path, port: &Path) -> Option<UsbId> {
    let device = device(class, port)?;
    let read = |name: &str| fs::read_to_string(device.join(name)).ok();
    format!("{}:{}", read("idVendor")?.trim(), read("idProduct")?.trim()).parse().ok()
}

fn device(class: &Path, port: &Path) -> Option<PathBuf> {
    let tty = port.canonicalize().ok()?;
    let device = class.join(tty.file_name()?).join("device").canonicalize().ok()?;
    device.ancestors().take(DEPTH).find(|folder| folder.join("idVendor").exists()).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_device_is_found_above_the_interface() {
        let root = std::env::temp_dir().join(format!("hayes-usb-{}", std::process::id()));
        let interface = root.join("devices/usb1/1-2/1-2:1.0");
        fs::create_dir_all(&interface).unwrap();
        fs::write(root.join("devices/usb1/1-2/idVendor"), "0572\n").unwrap();
        fs::write(root.join("devices/usb1/1-2/idProduct"), "1340\n").unwrap();
        fs::create_dir_all(root.join("class/null")).unwrap();
        symlink(&interface, root.join("class/null/device")).unwrap();
        let found = find(&root.join("class"), Path::new("/dev/null"));
        let other = find(&root.join("class"), Path::new("/dev/zero"));
        fs::write(root.join("devices/usb1/1-2/authorized"), "").unwrap();
        switch(&root.join("class"), Path::new("/dev/null")).unwrap();
        let authorized = fs::read_to_string(root.join("devices/usb1/1-2/authorized")).unwrap();
        let elsewhere = switch(&root.join("class"), Path::new("/dev/zero")).unwrap_err();
        fs::remove_dir_all(&root).unwrap();
        assert_eq!((authorized.as_str(), elsewhere.kind()), ("1", ErrorKind::NotFound));
        assert_eq!(found, "0572:1340".parse().ok());
        assert_eq!(other, None);
        assert_eq!(usb_id(Path::new("/dev/no-modem")), None);
    }
}
