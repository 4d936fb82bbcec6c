//! What stands outside the machine's sleep: the exchange, the caller, and the wire that tells of a ring.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::harness::program;

/// How long the machine may take for anything, on a slow machine under load.
const PATIENCE: Duration = Duration::from_secs(180);
/// How often one looks whether the machine sleeps, and how often in a row it must not have moved: longer than the
/// second within which whatever runs in it does something.
const LOOK: (Duration, u32) = (Duration::from_millis(100), 30);
/// A modem says no more about a ring after so many milliseconds of silence; it begins within so many.
const SAID: (u16, u16) = (200, 10_000);
/// The lines that are the machine's serial ports, in order.
const PORTS: [&str; 3] = ["home", "provider-1", "provider-2"];

pub(crate) struct Outside {
    folder: PathBuf,
    exchange: Child,
    guest: Child,
    said: Receiver<String>,
    last: VecDeque<String>,
    /// The machine sleeps: of the next ring it only sees the wire.
    deaf: Arc<AtomicBool>,
}

/// Runs a test in a guest, as its process 1 would, and what belongs to it outside.
pub(crate) fn sleeping_machine(test: &str, inside: fn(), outside: impl FnOnce(&mut Outside)) {
    if std::env::var_os("RINGUP_IN_LAB").is_some() {
        return inside();
    }
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("sleep-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let mut machine = Outside::start(&folder, test);
    outside(&mut machine);
    machine.end();
    std::fs::remove_dir_all(&folder).unwrap();
}

impl Outside {
    fn start(folder: &Path, test: &str) -> Self {
        let lines = folder.join("lines");
        let mut text = format!(
            "[exchange]\ndirectory = \"{}\"\ntraining = \"200ms\"\npost-dial = \"200ms\"\ncadence = \"uk\"\n",
            lines.display()
        );
        for (line, number) in
            [("client", "555-0101"), ("home", "555-0102"), ("provider-1", "555-0191"), ("provider-2", "555-0192")]
        {
            text.push_str(&format!("[[exchange.line]]\nname = \"{line}\"\nnumber = \"{number}\"\n"));
        }
        text.push_str("[[exchange.hunt-group]]\nnumber = \"555-0199\"\nlines = [\"provider-1\", \"provider-2\"]\n");
        std::fs::write(folder.join("exchange.toml"), text).unwrap();
        let client = format!(
            "directory-servers = [\"127.0.0.1:9\"]\nstate-directory = \"state\"\nruntime-directory = \"run\"\n\
             [modem]\nport = \"{}\"\n[sites.home]\nhost = \"home.dyn.example\"\nnumber = \"555-0102\"\n\
             identity = \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"\nring-for = \"9s\"\n",
            lines.join("client").display()
        );
        std::fs::write(folder.join("client.toml"), client).unwrap();

        let mut exchange = Command::new(program());
        exchange.arg("--config").arg(folder.join("exchange.toml")).args(["exchange", "--json"]);
        let mut exchange = exchange.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut events = BufReader::new(exchange.stdout.take().unwrap()).lines();
        for _line in 0..4 {
            assert!(events.next().unwrap().unwrap().contains("\"line\""));
        }
        let serial: Vec<String> =
            PORTS.iter().map(|line| lines.join(line).canonicalize().unwrap().display().to_string()).collect();
        let pid_file = folder.join("guest.pid");
        let mut guest = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/run"));
        guest.arg(std::env::current_exe().unwrap()).args(["--exact", test, "--nocapture"]);
        guest.env("RINGUP_LAB", "guest").env("RINGUP_LAB_SERIAL", serial.join(" ")).env("RINGUP_LAB_PID", &pid_file);
        let mut guest = guest.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();

        // The wire that tells of a ring. What a modem says to a machine that sleeps is lost, as on the USB.
        let deaf = Arc::new(AtomicBool::new(false));
        let (hears_nothing, home) = (Arc::clone(&deaf), lines.join("home"));
        std::thread::spawn(move || {
            for event in events.map_while(Result::ok) {
                let event: Value = serde_json::from_str(&event).unwrap();
                if event["event"] == "ringing"
                    && event["line"] == "home"
                    && let Some(pid) = pid_in(&pid_file)
                {
                    if hears_nothing.swap(false, Ordering::Relaxed) {
                        lose_what_is_said(&home);
                    }
                    // One that has just ended needs no waking.
                    let _sent = kill(pid, Signal::SIGUSR1);
                }
            }
        });
        let (tell, said) = channel();
        let output = BufReader::new(guest.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                println!("{line}");
                if tell.send(line).is_err() {
                    break;
                }
            }
        });
        Self { folder: folder.to_owned(), exchange, guest, said, last: VecDeque::new(), deaf }
    }

    /// Waits until home says something; gives it.
    pub(crate) fn until(&mut self, event: &str) -> Value {
        loop {
            let line = match self.said.recv_timeout(PATIENCE) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => {
                    panic!("home did not say {event} within {PATIENCE:?}: {:#?}", self.last)
                }
                Err(RecvTimeoutError::Disconnected) => panic!("the guest ended before home said {event}"),
            };
            if self.last.len() == 40 {
                self.last.pop_front();
            }
            self.last.push_back(line.clone());
            let Some(heard) = line.trim_start().strip_prefix("home ") else { continue };
            let heard: Value = serde_json::from_str(heard.trim()).unwrap();
            if heard["event"] == event {
                return heard;
            }
        }
    }

    /// Waits until the machine sleeps: nothing in it moves any more.
    pub(crate) fn until_asleep(&self) {
        let pid = pid_in(&self.folder.join("guest.pid")).unwrap();
        let (mut last, mut still) = (None, 0);
        let looks = u32::try_from(PATIENCE.as_millis() / LOOK.0.as_millis()).unwrap();
        for _look in 0..looks {
            let moves = moves(pid);
            still = if moves == last { still + 1 } else { 0 };
            last = moves;
            if still == LOOK.1 {
                self.deaf.store(true, Ordering::Relaxed);
                return;
            }
            pause(LOOK.0);
        }
        panic!("the machine does not go to sleep within {PATIENCE:?}");
    }

    /// Rings home, and hangs up.
    pub(crate) fn ring(&self) {
        let mut ring = Command::new(program());
        ring.arg("--config").arg(self.folder.join("client.toml")).args(["wake", "home"]);
        let rang = ring.stdin(Stdio::null()).output().unwrap();
        assert!(rang.status.success(), "{}", String::from_utf8_lossy(&rang.stderr));
    }

    /// Wakes the machine without a ring, as a timer or a keyboard does.
    pub(crate) fn nudge(&self) {
        self.deaf.store(false, Ordering::Relaxed);
        if let Some(pid) = pid_in(&self.folder.join("guest.pid")) {
            let _sent = kill(pid, Signal::SIGUSR1);
        }
    }

    /// Waits for the machine's end, and has it awake for that.
    fn end(&mut self) {
        let looks = PATIENCE.as_secs();
        let mut status = None;
        for _look in 0..looks {
            status = self.guest.try_wait().unwrap();
            if status.is_some() {
                break;
            }
            self.nudge();
            pause(Duration::from_secs(1));
        }
        let status = status.expect("the guest does not end");
        assert!(status.success(), "what ran in the guest failed: {status}");
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        for child in [&mut self.guest, &mut self.exchange] {
            if child.try_wait().ok().flatten().is_none() {
                // tests/lab/run hangs up its guest on SIGTERM; the guest must be awake to hear of it.
                let _sent = kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGTERM);
            }
        }
        self.nudge();
        let _ended = self.exchange.wait();
        if std::thread::panicking()
            && let Some(pid) = pid_in(&self.folder.join("guest.pid"))
        {
            let _sent = kill(Pid::from_raw(-pid.as_raw()), Signal::SIGKILL);
        }
        let _ended = self.guest.wait();
    }
}

/// Takes what the modem of a line says of a ring before anybody hears it.
fn lose_what_is_said(line: &Path) {
    let mut options = File::options();
    let mut line = options.read(true).custom_flags(nix::libc::O_NOCTTY | nix::libc::O_NONBLOCK).open(line).unwrap();
    let (mut lost, mut patience) = (Vec::new(), SAID.1);
    while poll(&mut [PollFd::new(line.as_fd(), PollFlags::POLLIN)], patience).unwrap() > 0 {
        let mut said = [0; 256];
        let Ok(length) = line.read(&mut said) else { break };
        lost.extend_from_slice(&said[..length]);
        patience = SAID.0;
    }
    // Nothing, if the machine was only so slow that it seemed to sleep.
    println!("== lost, as the machine slept: {:?}", String::from_utf8_lossy(&lost));
}

fn pid_in(file: &Path) -> Option<Pid> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok().map(Pid::from_raw)
}

/// How often a process has gone to wait for something, or was made to.
fn moves(pid: Pid) -> Option<String> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some(status.lines().filter(|line| line.contains("ctxt_switches")).collect())
}

#[expect(clippy::disallowed_methods, reason = "nothing tells when another machine has fallen asleep")]
fn pause(pause: Duration) {
    std::thread::sleep(pause);
}
