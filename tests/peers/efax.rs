//! efax: asks a modem what it is and which classes of fax it has.

use std::process::Command;

use crate::office::{Office, on_exchange};
use crate::program::Program;

/// Has efax look at a modem, before it waits for a fax.
fn efax(office: &Office, line: &str) -> Program {
    Program::start(Command::new("efax").args(["-v", "ewinxm", "-d"]).arg(office.path(line)))
}

#[test]
fn efax_finds_the_fax_class_of_a_modem_that_has_one_and_none_in_one_that_has_not() {
    on_exchange(&[("fax", "5550101", "conexant", None), ("data", "5550102", "default", None)], |office| {
        let mut finder = efax(office, "fax");
        finder.expect("using CX93001-EIS_V0.2013-V92 CONEXANT in class 2");
        // What a session may be like, as it leaves the factory: told, and not refused.
        let said = finder.expect("1,5,0,2,0,0,0,0");
        assert!(!said.contains("Error") && !said.contains("can't get modem capabilities"), "{said}");
        finder.stop();
        let (status, said) = efax(office, "data").ends();
        assert_eq!(status, 3, "{said}");
        assert!(said.contains("modem does not support fax"), "{said}");
    });
}
