//! minicom with a script (runscript), at a screen, ended by the keys that people press.

use std::process::Command;

use crate::office::on_exchange;
use crate::program::Program;

#[test]
fn minicom_dials_by_script_talks_by_keyboard_and_hangs_up_by_its_menu() {
    on_exchange(&[("alice", "5550101", "zyxel", None), ("bob", "5550102", "multitech", None)], |office| {
        let script = "verbose on\ntimeout 100\nsend \"ATZ\"\nexpect {\n  \"OK\"\n  timeout 60 exit 1\n}\n\
                      send \"ATDT5550102\"\nexpect {\n  \"CONNECT\"\n  \"BUSY\" exit 2\n  \"NO CARRIER\" exit 3\n  \
                      timeout 90 exit 4\n}\nexpect {\n  \"name?\"\n  timeout 60 exit 5\n}\nsend \"minicom\"\nexit 0\n";
        let script = office.write("dial.script", script);
        let mut minicom = Command::new("minicom");
        minicom.arg("-D").arg(office.path("alice")).args(["-b", "115200", "-a", "off", "-C"]);
        let capture = office.path("capture");
        minicom.arg(&capture).arg("-S").arg(script).env("HOME", office.path("home")).env_remove("MINICOM");
        // It knows one way to drop DTR, an ioctl that no pty has; what it has for modems without DTR is the escape.
        office.write("home/.minirc.dfl", "pu mdropdtr No\n");

        let mut bob = office.hand("bob");
        let mut minicom = Program::start_at_screen(&mut minicom);
        bob.expect("\r\nRING\r\n");
        bob.types("ATA\r");
        bob.expect("\r\nCONNECT ");
        bob.expect("\r\n");
        bob.types("your name? ");
        bob.expect("minicom\r");
        bob.types("welcome, minicom\r\n");
        minicom.expect("welcome, minicom");
        minicom.types("typed by hand");
        bob.expect("typed by hand");
        // Ctrl-A H hangs up, after asking: a pause, +++, a pause, ATH.
        minicom.types("\u{1}h");
        minicom.expect("Yes");
        minicom.types("\r");
        bob.expect("\r\nNO CARRIER\r\n");
        // Ctrl-A X leaves, after asking.
        minicom.types("\u{1}x");
        minicom.expect("Yes");
        minicom.types("\r");
        let (status, said) = minicom.ends();
        assert_eq!(status, 0, "{said}");
        let captured = std::fs::read_to_string(capture).unwrap();
        assert!(captured.contains("welcome, minicom"), "{captured}");
    });
}
