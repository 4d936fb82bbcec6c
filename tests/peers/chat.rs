//! chat, of Debian's package ppp: the dialler of nearly every PPP link there was.

use std::process::Command;

use crate::office::{Office, on_exchange};
use crate::program::Program;

fn chat(office: &Office, line: &str, script: &[&str]) -> Program {
    let mut command = Command::new("/usr/sbin/chat");
    // -s -S: what it has to say goes to standard error and not to the system's log.
    command.args(["-v", "-s", "-S"]).args(script);
    Program::start_on(&office.path(line), &mut command)
}

const ABORTS: [&str; 10] =
    ["ABORT", "BUSY", "ABORT", "NO CARRIER", "ABORT", "NO DIALTONE", "ABORT", "NO ANSWER", "ABORT", "ERROR"];

/// chat's exit status for the n-th ABORT string, from 0 (chat(8), EXIT CODES).
fn aborted(index: i32) -> i32 {
    4 + index
}

#[test]
fn chat_dials_answers_and_talks_through_modems_of_two_kinds() {
    on_exchange(&[("alice", "5550101", "conexant", None), ("bob", "5550102", "usr", None)], |office| {
        let answer = ["TIMEOUT", "60", "", "AT&F", "OK", "", "RING", "ATA", "CONNECT", "good day", "and to you", "\\c"];
        let bob = chat(office, "bob", &answer);
        let dial = ["TIMEOUT", "60", "", "AT&F", "OK", "ATDT555-0102", "CONNECT", "\\c"];
        let alice = chat(office, "alice", &[&ABORTS[..], &dial, &["good day", "and to you"]].concat());
        let (status, said) = alice.ends();
        assert_eq!(status, 0, "{said}");
        let (status, said) = bob.ends();
        assert_eq!(status, 0, "{said}");
        office.until_event("hung-up");
        assert_eq!(office.log()[..4], ["dialled", "ringing", "answered", "connected"]);
    });
}

#[test]
fn chat_tells_each_failure_by_its_own_status() {
    on_exchange(&[("alice", "5550101", "lucent", None), ("bob", "5550102", "default", None)], |office| {
        let failing = |dial: &str| {
            let script = ["TIMEOUT", "60", "", "ATZ", "OK", dial, "CONNECT", "\\c"];
            chat(office, "alice", &[&ABORTS[..], &script].concat()).ends()
        };
        // Its own number is busy; Bob does not answer, which `@` waits for; no command is called +NONSENSE.
        for (dial, index) in [("ATDT5550101", 0), ("ATS7=4DT5550102", 1), ("ATS7=4DT5550102@", 3), ("AT+NONSENSE", 4)] {
            let (status, said) = failing(dial);
            assert_eq!(status, aborted(index), "{dial}: {said}");
        }
        // Off hook, Bob is busy; and who hears no dial tone says so.
        let mut bob = office.hand("bob");
        bob.types("ATH1\r");
        bob.expect("\r\nOK\r\n");
        let (status, said) = failing("ATDT5550102");
        assert_eq!(status, aborted(0), "{said}");
    });
}
