//! `ringup exchange` as a user starts it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

/// A folder and the exchange that runs in it, both gone with the test.
struct Office {
    folder: PathBuf,
    running: Option<Child>,
}

impl Office {
    fn new(name: &str, config: &str, scenario: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("exchange-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("exchange.toml"), config).unwrap();
        std::fs::write(folder.join("day.scenario"), scenario).unwrap();
        Self { folder, running: None }
    }

    fn ringup(&self, role: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringup"));
        command.arg(role).arg("--config").arg(self.folder.join("exchange.toml"));
        command
    }

    /// Starts the exchange; gives what it prints up to the line that says so.
    fn prints_until(&mut self, arguments: &[&str], end: &str) -> Vec<String> {
        let mut child = self.ringup("exchange").args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        self.running = Some(child);
        let mut printed = Vec::new();
        for line in stdout.lines() {
            printed.push(line.unwrap());
            if printed.last().is_some_and(|line| line.contains(end)) {
                return printed;
            }
        }
        panic!("it ended after {printed:?}");
    }

    fn refuses(&self) -> String {
        let Output { status, stderr, .. } = self.ringup("check").output().unwrap();
        assert!(!status.success());
        String::from_utf8(stderr).unwrap()
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        if let Some(child) = &mut self.running {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        std::fs::remove_dir_all(&self.folder).unwrap();
    }
}

const LINES: &str = "[exchange]\ndirectory = \"lines\"\nseed = 7\nscenario = \"day.scenario\"\nlog = \"calls.jsonl\"\n\
                     [[exchange.line]]\nname = \"a\"\nnumber = \"100\"\nmodem = \"usr\"\n";
const A_CALL: &str = "[[step]]\nat = \"0s\"\ndo.call = { to = \"100\", number = \"5550187\" }\n";

#[test]
fn it_prints_each_line_the_seed_and_the_log_and_keeps_the_log_in_a_file() {
    let mut office = Office::new("text", LINES, A_CALL);
    let printed = office.prints_until(&[], "ringing");
    let link = office.folder.join("lines/a");
    let pty = std::fs::read_link(&link).unwrap();
    let [line, started, dialled, ringing] = printed.as_slice() else { panic!("{printed:?}") };
    assert!(line.starts_with("line a  number 100  modem U.S. Robotics"), "{line}");
    assert!(line.ends_with(&format!("  {} -> {}", link.display(), pty.display())), "{line}");
    assert!(started.ends_with(" call 0 started seed=7"), "{started}");
    assert!(dialled.ends_with(" call 1 dialled from=step-1 to=100"), "{dialled}");
    assert!(ringing.ends_with(" call 1 ringing line=a ring=1"), "{ringing}");
    let kept = std::fs::read_to_string(office.folder.join("calls.jsonl")).unwrap();
    assert!(kept.contains("\"event\":\"dialled\",\"from\":\"step-1\",\"to\":\"100\"}\n"), "{kept}");
}

#[test]
fn its_lines_of_json_name_the_modem_and_both_paths() {
    let mut office = Office::new("json", LINES, A_CALL);
    let printed = office.prints_until(&["--json"], "\"event\":\"line\"");
    let line: serde_json::Value = serde_json::from_str(printed.last().unwrap()).unwrap();
    assert_eq!((&line["line"], &line["number"], &line["modem"]), (&"a".into(), &"100".into(), &"usr".into()));
    assert!(line["pty"].as_str().unwrap().starts_with("/dev/pts/"));
    assert!(line["tty"].as_str().unwrap().ends_with("/lines/a"));
}

#[test]
fn a_modem_or_a_country_that_is_not_known_is_refused_with_those_that_are() {
    let refused = Office::new("modem", &LINES.replace("\"usr\"", "\"usb\""), "").refuses();
    assert!(
        refused.contains("exchange.toml:9: exchange.line[0].modem: `usb` is no kind of modem; expected"),
        "{refused}"
    );
    assert!(refused.contains("default, conexant, rockwell"), "{refused}");
    let refused = Office::new("country", &LINES.replace("seed = 7", "country = \"xx\""), "").refuses();
    assert!(refused.contains("exchange.toml:3: exchange.country: no country \"xx\" is known; expected"), "{refused}");
}

#[test]
fn a_scenario_that_is_not_understood_is_refused_with_its_line() {
    let refused = Office::new("scenario", LINES, "[[step]]\nat = \"1s\"\ndo.dead = { line = \"b\" }\n").refuses();
    assert!(refused.contains("exchange.toml:4: exchange.scenario: "), "{refused}");
    assert!(refused.contains("day.scenario: line 1: step.do: there is no line \"b\"; expected one of a"), "{refused}");
}

#[test]
fn a_modem_may_be_described_in_a_file_of_the_owners() {
    let mut office = Office::new("own", &LINES.replace("\"usr\"", "\"own.toml\""), A_CALL);
    std::fs::write(office.folder.join("own.toml"), "id = \"own\"\nname = \"Cellar modem\"\n").unwrap();
    let printed = office.prints_until(&[], "line a");
    assert!(printed.last().unwrap().contains("  modem Cellar modem  "), "{printed:?}");
}

#[test]
fn a_modem_that_is_to_keep_to_a_countrys_rules_refuses_a_number_that_fails() {
    let rules = "blacklisting = { attempts = 1, delay = \"1s\", lasts = \"1h\" }\n";
    let dead = "[[exchange.line]]\nname = \"b\"\nnumber = \"200\"\ndead = true\n";
    let mut office = Office::new("blacklist", &format!("{LINES}{rules}{dead}"), "");
    office.prints_until(&[], "line b");
    let open = OpenOptions::new().read(true).write(true).custom_flags(nix::libc::O_NOCTTY).to_owned();
    let mut tty = open.open(office.folder.join("lines/a")).unwrap();
    says(&mut tty, "ATDT200\r", "BUSY");
    says(&mut tty, "ATDT200\r", "BLACKLISTED");
}

/// Types on a tty, and reads until this is said.
fn says(tty: &mut File, typed: &str, answer: &str) {
    tty.write_all(typed.as_bytes()).unwrap();
    let mut said = Vec::new();
    while !String::from_utf8_lossy(&said).contains(answer) {
        let mut byte = [0];
        assert_eq!(tty.read(&mut byte).unwrap(), 1, "the line ended");
        said.extend(byte);
        assert!(said.len() < 1000, "{}", String::from_utf8_lossy(&said));
    }
}

#[test]
fn a_person_may_ring_a_line_through_the_trunks_door_and_is_told_that_it_rings() {
    let config = LINES.replace("seed = 7\n", "seed = 7\ntrunk-listen = \"127.0.0.1:0\"\n");
    let mut office = Office::new("door", &config, "");
    let printed = office.prints_until(&[], "line a");
    let door = printed.iter().find_map(|line| line.strip_prefix("trunk calls come in at ")).unwrap();
    let mut person = BufReader::new(std::net::TcpStream::connect(door).unwrap());
    let mut heard = String::new();
    person.read_line(&mut heard).unwrap();
    assert!(heard.contains("call NUMBER"), "{heard}");
    person.get_mut().write_all(b"call 100 from 5550187\r\n").unwrap();
    heard.clear();
    person.read_line(&mut heard).unwrap();
    assert_eq!(heard, "ringing\r\n");
}
