//! The switchboard on real ptys, opened as any program opens a modem.
#![cfg(feature = "emulator")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod office;

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Stdio};

use hayes::emulator::calllog::CallEventKind;
use hayes::emulator::plan::{Plan, PlanError};
use hayes::emulator::switchboard::{Switchboard, SwitchboardError, TrunkAddresses};
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::termios::BaudRate;

use self::office::{Office, Terminal, fresh_directory, plan};

/// Alice and Bob in a call.
fn connected(office: &Office) -> (Terminal, Terminal) {
    let (mut alice, mut bob) = (office.terminal("alice"), office.terminal("bob"));
    bob.types("AT+VCID=1\r");
    bob.expect("\r\nOK\r\n");
    alice.types("ATZ\r");
    alice.expect("\r\nOK\r\n");
    alice.types("ATDT200\r");
    bob.expect("\r\nRING\r\n");
    bob.expect("NMBR = 100\r\n");
    bob.expect("\r\nRING\r\n");
    bob.types("ATA\r");
    bob.expect("\r\nCONNECT 33600\r\n");
    alice.expect("\r\nCONNECT 33600\r\n");
    (alice, bob)
}

#[test]
fn two_programs_call_each_other_talk_and_hang_up_by_speed_zero() {
    let office = Office::open("call");
    let (mut alice, mut bob) = connected(&office);
    alice.types("hello bob\x00\x11\x13\u{7f}");
    bob.expect("hello bob\x00\x11\x13\u{7f}");
    bob.types("hello alice");
    alice.expect("hello alice");
    alice.set_speed(BaudRate::B0);
    bob.expect("\r\nNO CARRIER\r\n");
    alice.expect("\r\nNO CARRIER\r\n");
    // The same again: the settings are still watched after a client has replaced them twice.
    alice.set_speed(BaudRate::B38400);
    alice.types("ATDT200\r");
    bob.expect("\r\nRING\r\n");
    alice.set_speed(BaudRate::B0);
    assert!(matches!(office.wait_for("hung-up"), CallEventKind::HungUp { by } if by == "alice"));
}

#[test]
fn a_client_that_follows_at_once_keeps_the_call_it_dials() {
    let office = Office::open("follow");
    for _ in 0..200 {
        let mut alice = office.terminal("alice");
        for command in ["ATE0\r", "ATV1\r", "AT&C1\r", "AT&D2\r"] {
            alice.types(command);
            alice.expect("\r\nOK\r\n");
        }
        // Nothing may end it but the close that follows; the tone alone takes a second.
        alice.types("ATDT200\r");
        let mut fds = [PollFd::new(alice.file.as_fd(), PollFlags::POLLIN)];
        let silent = poll(&mut fds, 5_u16).unwrap() == 0;
        assert!(silent, "the last client's hang-up ended the next client's call");
    }
}

#[test]
fn the_last_close_hangs_up_and_the_next_client_starts_clean() {
    let office = Office::open("close");
    let (alice, mut bob) = connected(&office);
    drop(alice);
    bob.expect("\r\nNO CARRIER\r\n");
    office.wait_for("hung-up");
    for _ in 0..2 {
        let mut alice = office.terminal("alice");
        alice.types("ATE0\r");
        alice.expect("ATE0\r\r\nOK\r\n");
        assert_eq!(alice.seen, b"");
        alice.types("ATE1\r");
        alice.expect("\r\nOK\r\n");
        alice.types("ATDT200\r");
        bob.expect("\r\nRING\r\n");
        drop(alice);
        office.wait_for("hung-up");
    }
}

#[test]
fn a_client_that_closes_and_opens_at_once_has_hung_up() {
    let office = Office::open("reopen");
    let (alice, mut bob) = connected(&office);
    drop(alice);
    let mut alice = office.terminal("alice");
    bob.expect("\r\nNO CARRIER\r\n");
    alice.types("AT\r");
    alice.expect("\r\nOK\r\n");
}

#[test]
fn a_command_left_by_a_client_that_is_gone_is_carried_out() {
    let office = Office::open("left");
    let mut bob = office.terminal("bob");
    Terminal::open(&office.path("bob")).types("ATS0=1\r");
    bob.expect("\r\nOK\r\n");
    drop(bob);
    Terminal::open(&office.path("alice")).types("ATE0&D0DT200\r");
    assert!(
        matches!(office.wait_for("dialled"), CallEventKind::Dialled { from, to } if from == "alice" && to == "200")
    );
}

#[test]
fn a_second_client_that_comes_and_goes_does_not_hang_up() {
    let office = Office::open("second");
    let (mut alice, mut bob) = connected(&office);
    drop(Terminal::open(&office.path("alice")));
    alice.types("still here");
    bob.expect("still here");
}

#[test]
fn a_line_that_nobody_has_open_rings_and_counts() {
    let office = Office::open("away");
    let mut alice = office.terminal("alice");
    alice.types("ATDT200\r");
    while !matches!(office.wait_for("ringing"), CallEventKind::Ringing { ring: 3, .. }) {}
    let mut bob = office.terminal("bob");
    bob.expect("\r\nRING\r\n");
    bob.types("ATS1?\r");
    bob.expect("ATS1?\r\r\n00");
    bob.types("ATA\r");
    alice.expect("\r\nCONNECT");
}

#[test]
fn bulk_data_crosses_whole_in_both_directions() {
    let office = Office::open("bulk");
    let (mut alice, mut bob) = connected(&office);
    let text: String = (0..2000).map(|n| format!("{n:07}\n")).collect();
    alice.types(&text[..8000]);
    bob.types(&text[8000..]);
    bob.expect(&text[..8000]);
    alice.expect(&text[8000..]);
}

#[test]
fn a_terminal_that_reads_late_on_a_fast_line_loses_nothing() {
    let mut fast = plan();
    fast.lines.iter_mut().for_each(|line| line.rate = 10_000_000);
    let office = Office::of(fast, &TrunkAddresses::default(), "late-reader");
    let (mut alice, mut bob) = (office.terminal("alice"), office.terminal("bob"));
    bob.types("ATS0=1\r");
    bob.expect("\r\nOK\r\n");
    alice.types("ATDT200\r");
    alice.expect("\r\nCONNECT 10000000\r\n");
    bob.expect("\r\nCONNECT 10000000\r\n");
    let text: String = (0..100_000).map(|n| format!("{n:07}\n")).collect();
    let written = alice.types_until_stopped(text.as_bytes());
    assert!(written < text.len(), "nobody has stopped the writer");
    for block in text.as_bytes()[..written].chunks(4_000) {
        bob.expect(std::str::from_utf8(block).unwrap());
    }
}

#[test]
fn what_a_client_wrote_before_it_closed_still_crosses_the_slow_line() {
    let office = Office::open("late");
    let (mut alice, mut bob) = connected(&office);
    let text: String = (0..1250).map(|n| format!("{n:07}\n")).collect();
    alice.types(&text);
    drop(alice);
    bob.expect(&text);
    bob.expect("\r\nNO CARRIER\r\n");
}

#[test]
fn links_replace_stale_ones_and_go_with_the_switchboard() {
    let directory = fresh_directory("links");
    std::os::unix::fs::symlink("/nowhere", directory.join("alice")).unwrap();
    let switchboard = Switchboard::open(plan(), &directory).unwrap();
    for (name, slave) in switchboard.paths() {
        assert_eq!(fs::read_link(directory.join(name)).unwrap(), slave);
    }
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 2);
    drop(switchboard);
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
    fs::remove_dir(&directory).unwrap();
}

#[test]
fn a_plan_or_a_directory_that_cannot_be_used_is_refused_by_name() {
    let refused = Switchboard::open(Plan::default(), Path::new("/")).unwrap_err();
    assert!(matches!(refused, SwitchboardError::Plan(PlanError::NoLines)));
    let refused = Switchboard::open(plan(), Path::new("/nowhere/at/all")).unwrap_err();
    assert_eq!(refused.to_string(), "no terminal for line \"alice\" at /nowhere/at/all/alice");
    let SwitchboardError::Terminal { source, .. } = refused else { panic!("{refused:?}") };
    assert_eq!(source.kind(), ErrorKind::NotFound);
}

#[test]
fn chat_dials_out_and_answers() {
    const CHAT: &str = "/usr/sbin/chat";
    assert!(Path::new(CHAT).exists(), "this test needs {CHAT}: install Debian's package ppp");
    let office = Office::open("chat");
    let chat = |name: &str, script: &[&str]| {
        let line = File::options().read(true).write(true).open(office.path(name)).unwrap();
        let output = line.try_clone().unwrap();
        Command::new(CHAT).args(script).stdin(line).stdout(output).stderr(Stdio::null()).spawn().unwrap()
    };
    let mut bob =
        chat("bob", &["TIMEOUT", "30", "", "ATZ", "OK", "", "RING", "ATA", "CONNECT", "hello", "good", "\\c"]);
    let dial = ["ABORT", "BUSY", "ABORT", "NO CARRIER", "TIMEOUT", "30", "", "ATZ", "OK", "ATDT200", "CONNECT", "\\c"];
    let mut alice = chat("alice", &[dial.as_slice(), &["hello", "good bye"]].concat());
    assert!(alice.wait().unwrap().success());
    assert!(bob.wait().unwrap().success());
    let mut busy = chat("alice", &["ABORT", "BUSY", "TIMEOUT", "30", "", "ATDT100", "CONNECT", "\\c"]);
    assert_eq!(busy.wait().unwrap().code(), Some(4), "the first ABORT string");
}
