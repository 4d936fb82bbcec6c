//! The units under packaging/systemd: understood by systemd whole, and as tight as they say.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests; clippy exempts only the tests themselves")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// How much a unit may be exposed, in tenths, by systemd's own scale from 0 to 100: today's figure and no more.
const UNITS: [(&str, u32); 5] = [
    ("ringup-directory", 16),
    ("ringup-exchange", 20),
    ("ringup-listen", 32),
    ("ringup-provide", 28),
    ("ringup-watch", 15),
];

/// A unit with the tests' own program in place of the installed one, in a folder that is gone with it.
struct Unit(PathBuf);

impl Unit {
    fn of(name: &str, purpose: &str) -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("packaging/systemd/{name}.service"));
        let text = std::fs::read_to_string(source).unwrap();
        assert!(text.contains("ExecStart=/usr/local/bin/ringup "), "{name} starts something else");
        let text = text.replace("/usr/local/bin/ringup", env!("CARGO_BIN_EXE_ringup"));
        let folder = std::env::temp_dir().join(format!("ringup-units-{}-{purpose}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.service")), text).unwrap();
        Self(folder.join(format!("{name}.service")))
    }

    fn analyse(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("systemd-analyze");
        command.args(arguments).arg(&self.0).env("SYSTEMD_PAGER", "");
        command.output().unwrap_or_else(|error| panic!("this test needs systemd-analyze (Debian: systemd): {error}"))
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        std::fs::remove_dir_all(self.0.parent().unwrap()).unwrap();
    }
}

#[test]
fn systemd_understands_every_unit_whole() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/systemd");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), UNITS.len(), "a unit is not tested");
    for (name, _exposure) in UNITS {
        let output = Unit::of(name, "verify").analyse(&["verify", "--man=no"]);
        let said = String::from_utf8_lossy(&output.stderr);
        let ours: Vec<&str> = said.lines().filter(|line| line.contains(name)).collect();
        assert!(output.status.success() && ours.is_empty(), "{said}");
    }
}

#[test]
fn no_unit_is_more_exposed_than_it_was() {
    for (name, exposure) in UNITS {
        let threshold = format!("--threshold={exposure}");
        let output = Unit::of(name, "security").analyse(&["security", "--offline=true", "--no-pager", &threshold]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}
