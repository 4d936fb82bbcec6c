//! wvdial: sets a modem up by its own commands, dials, and reads the outcome.

use std::process::Command;

use crate::office::{Office, on_exchange};
use crate::program::Program;

fn wvdial(office: &Office, line: &str) -> Program {
    // Stupid mode: PPP as soon as there is a carrier. It asks the tty for DCD otherwise, which no pty has.
    let config = format!(
        "[Dialer Defaults]\nModem = {}\nBaud = 115200\nInit1 = ATZ\nInit2 = ATQ0 V1 E1 S0=0 &C1 &D2 +FCLASS=0\n\
         Phone = 5550102\nUsername = alice\nPassword = none\nStupid Mode = yes\nCarrier Check = no\n\
         Auto Reconnect = off\nDial Attempts = 1\n",
        office.path(line).display()
    );
    let config = office.private("wvdial.conf", &config);
    Program::start(Command::new("wvdial").arg("-C").arg(config))
}

#[test]
fn wvdial_sets_a_modem_up_in_one_line_dials_and_finds_the_carrier() {
    on_exchange(&[("alice", "5550101", "conexant", None), ("bob", "5550102", "multitech", None)], |office| {
        let mut bob = office.hand("bob");
        let mut wvdial = wvdial(office, "alice");
        wvdial.expect("Sending: ATQ0 V1 E1 S0=0 &C1 &D2 +FCLASS=0");
        wvdial.expect("Modem initialized.");
        bob.expect("\r\nRING\r\n");
        bob.types("ATA\r");
        bob.expect("\r\nCONNECT ");
        wvdial.expect("Carrier detected.");
        wvdial.stop();
        bob.expect("\r\nNO CARRIER\r\n");
    });
}

#[test]
fn wvdial_knows_a_busy_line() {
    on_exchange(&[("alice", "5550101", "usr", None), ("bob", "5550102", "default", None)], |office| {
        let mut bob = office.hand("bob");
        bob.types("ATH1\r");
        bob.expect("\r\nOK\r\n");
        let mut wvdial = wvdial(office, "alice");
        wvdial.expect("The line is busy.");
        wvdial.stop();
        assert!(office.log().contains(&"busy"));
    });
}
