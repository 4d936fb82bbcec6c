//! pppd at both ends: one has chat dial, the other has chat answer, and the kernel's packets cross the exchange.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;

use crate::office::{Office, on_exchange};
use crate::program::{PATIENCE, Program};

pub(crate) const PPPD: &str = "/usr/sbin/pppd";
const ALICE: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
pub(crate) const BOB: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);

/// A pppd that dials before it speaks PPP: its own address, or none, and the script of its chat.
pub(crate) fn dialling(office: &Office, line: &str, address: Option<Ipv4Addr>, script: &str) -> Command {
    let mut command = Command::new(PPPD);
    command.arg(office.path(line)).args(["115200", "lock", "nodetach", "noauth", "noipv6", "noccp", "logfd", "2"]);
    command.args(["nodefaultroute", "lcp-max-configure", "60", "connect-delay", "5000", "modem", "crtscts"]);
    command.arg("connect").arg(format!("/usr/sbin/chat -v -s -S TIMEOUT 90 {script}"));
    match address {
        Some(address) => command.arg(format!("{address}:")),
        None => command.arg("noipdefault"),
    };
    command
}

/// A machine of its own for a program: a network namespace that is gone with it.
fn elsewhere(program: &Command) -> Command {
    let mut command = Command::new("unshare");
    command.arg("--net").arg(program.get_program()).args(program.get_args());
    command
}

pub(crate) const DIAL: &str = "ABORT BUSY ABORT 'NO CARRIER' ABORT ERROR '' 'AT&F' OK ATDT5550102 CONNECT \\\\c";

#[test]
fn two_pppds_make_a_link_of_a_call_and_end_the_call_with_the_link() {
    on_exchange(&[("alice", "5550101", "usr", None), ("bob", "5550102", "zyxel", None)], |office| {
        let answer = "'' 'AT&F' OK '' RING ATA CONNECT \\\\c";
        let mut bob = dialling(office, "bob", Some(BOB), answer);
        bob.arg(format!(":{ALICE}"));
        let mut bob = Program::start(&mut elsewhere(&bob));
        let mut alice = Program::start(&mut dialling(office, "alice", None, DIAL));
        office.until_event("connected");
        alice.expect(&format!("local  IP address {ALICE}"));
        alice.expect(&format!("remote IP address {BOB}"));
        bob.expect(&format!("remote IP address {ALICE}"));
        assert!(crosses_to(BOB));
        // Told by its user to end (pppd(8), EXIT STATUS).
        let (status, said) = alice.stop();
        assert_eq!(status, 5, "{said}");
        // Told by LCP or by NO CARRIER, whichever is sooner.
        let (status, said) = bob.ends();
        assert!(matches!(status, 5 | 16), "{status}: {said}");
        office.until_event("hung-up");
    });
}

/// Whether a packet gets there and an answer back: a connection is asked for where nobody listens, and refused.
pub(crate) fn crosses_to(address: Ipv4Addr) -> bool {
    let refused = TcpStream::connect_timeout(&SocketAddr::from((address, 9)), PATIENCE);
    matches!(refused, Err(error) if error.kind() == ErrorKind::ConnectionRefused)
}

#[test]
fn a_pppd_that_meets_a_busy_line_says_so_by_its_status() {
    on_exchange(&[("alice", "5550101", "smartlink", None), ("bob", "5550102", "default", None)], |office| {
        let mut bob = office.hand("bob");
        bob.types("ATH1\r");
        bob.expect("\r\nOK\r\n");
        let (status, said) = Program::start(&mut dialling(office, "alice", None, DIAL)).ends();
        // The connect script failed (pppd(8), EXIT STATUS).
        assert_eq!(status, 8, "{said}");
        assert!(said.contains("Failed (BUSY)"), "{said}");
        assert!(office.log().contains(&"busy"));
    });
}
