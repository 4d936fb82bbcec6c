//! cu, of Taylor UUCP: a terminal program that is its line's owner and locks it as UUCP does.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::Command;

use crate::office::on_exchange;
use crate::program::Program;

/// The user uucp, who has this number on every Debian.
const UUCP: u32 = 10;

#[test]
fn cu_locks_the_line_talks_to_its_modem_dials_and_hangs_up_by_closing() {
    on_exchange(&[("alice", "5550101", "zyxel", None), ("bob", "5550102", "lucent", None)], |office| {
        let tty = office.tty("alice");
        chown(&tty, Some(UUCP), None).unwrap();
        std::fs::set_permissions("/run/lock", Permissions::from_mode(0o1777)).unwrap();
        let mut bob = office.hand("bob");
        let mut cu = Program::start_at_screen(Command::new("cu").args(["-s", "115200", "-l"]).arg(&tty));
        cu.expect("Connected.");
        cu.types("ATI\r");
        cu.expect("1496");
        cu.expect("OK");
        // LCK..3 for /dev/pts/3, where others write LCK..pts_3.
        let lock = format!("/run/lock/LCK..{}", tty.file_name().unwrap().display());
        assert!(std::fs::exists(&lock).unwrap(), "{lock} is missing");
        cu.types("ATDT5550102\r");
        bob.expect("\r\nRING\r\n");
        bob.types("ATA\r");
        bob.expect("\r\nCONNECT ");
        cu.expect("CONNECT ");
        bob.types("good day\r\n");
        cu.expect("good day");
        cu.types("\r~.");
        bob.expect("\r\nNO CARRIER\r\n");
        let (status, said) = cu.ends();
        assert_eq!(status, 0, "{said}");
    });
}
