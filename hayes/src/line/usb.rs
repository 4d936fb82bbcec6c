//! Which USB device a tty belongs to, as the kernel tells under /sys.

use std::fs;
use std::path::Path;

use crate::profile::UsbId;

/// How far above a tty its USB device is at most: tty, interface, device.
const DEPTH: usize = 4;

/// Returns the vendor and product of the USB device that a tty belongs to; `None` for any other tty.
#[must_use]
pub fn usb_id(port: &Path) -> Option<UsbId> {
    find(Path::new("/sys/class/tty"), port)
}

fn find(class: &Path, port: &Path) -> Option<UsbId> {
    let tty = port.canonicalize().ok()?;
    let device = class.join(tty.file_name()?).join("device").canonicalize().ok()?;
    device.ancestors().take(DEPTH).find_map(|folder| {
        let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
        format!("{}:{}", read("idVendor")?.trim(), read("idProduct")?.trim()).parse().ok()
    })
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
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(found, "0572:1340".parse().ok());
        assert_eq!(other, None);
        assert_eq!(usb_id(Path::new("/dev/no-modem")), None);
    }
}
