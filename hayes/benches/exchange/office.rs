//! A switchboard on a thread of its own, and its terminals.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::JoinHandle;
use std::time::Duration;

use hayes::emulator::plan::{Cadence, Dialling, LinePlan, Plan};
use hayes::emulator::switchboard::Switchboard;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::termios::{BaudRate, LocalFlags, SetArg, cfmakeraw, cfsetspeed, tcgetattr, tcsetattr};
use tokio::sync::oneshot;

use super::work::wait;

pub(crate) struct Office {
    directory: PathBuf,
    pub(crate) lines: usize,
    shutdown: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// The thread as the system knows it.
    task: i32,
}

/// No delays, but a bell that rings at once and then every tenth of a second, the shortest there is.
pub(crate) fn plan(lines: usize) -> Plan {
    let line = |index: usize| LinePlan {
        name: format!("line-{index}"),
        number: format!("{}", 1000 + index),
        caller_id: false,
        rate: 10_000_000,
        ..LinePlan::default()
    };
    let zero = Duration::ZERO;
    Plan {
        lines: (0..lines).map(line).collect(),
        cadence: Cadence(vec![(Duration::from_millis(1), Duration::from_millis(99))]),
        caller_id_after: zero,
        dialling: Dialling { digit: Some(zero), post_dial: zero, interdigit: zero },
        training: zero,
        disconnect_notice: zero,
        delay: zero,
        ..Plan::default()
    }
}

pub(crate) fn directory(lines: usize) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("hayes-bench-{}-{lines}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    directory
}

/// Says clearly what the system does not allow.
pub(crate) fn check_limits(lines: usize) {
    let number = |path: &str| fs::read_to_string(path).unwrap().trim().parse::<usize>().unwrap();
    let ptys = number("/proc/sys/kernel/pty/max").saturating_sub(number("/proc/sys/kernel/pty/nr"));
    assert!(ptys >= lines, "{lines} lines need as many ptys, and {ptys} are left: raise /proc/sys/kernel/pty/max");
    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let files: usize = files.split_whitespace().next().unwrap().parse().unwrap_or(usize::MAX);
    let needed = 4 * lines + 100;
    assert!(files >= needed, "{needed} open files are needed, and {files} allowed: raise ulimit -n");
}

impl Office {
    pub(crate) fn open(lines: usize) -> Self {
        let directory = directory(lines);
        let switchboard = Switchboard::open(plan(lines), &directory).unwrap();
        let (shutdown, stop) = oneshot::channel::<()>();
        let (tell, task) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            tell.send(nix::unistd::gettid().as_raw()).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(switchboard.run(
                async {
                    stop.await.ok();
                },
                |_| {},
            ));
        });
        Self { directory, lines, shutdown: Some(shutdown), thread: Some(thread), task: task.recv().unwrap() }
    }

    /// How long the exchange has had a processor.
    pub(crate) fn worked(&self) -> Duration {
        let statistics = fs::read_to_string(format!("/proc/self/task/{}/schedstat", self.task)).unwrap();
        Duration::from_nanos(statistics.split_whitespace().next().unwrap().parse().unwrap())
    }

    pub(crate) fn terminal(&self, index: usize) -> Terminal {
        let terminal = Terminal::open(&self.directory.join(format!("line-{index}")));
        terminal.set_speed(BaudRate::B115200);
        terminal
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        drop(self.shutdown.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
        fs::remove_dir_all(&self.directory).ok();
    }
}

pub(crate) struct Terminal {
    pub(crate) file: File,
    seen: Vec<u8>,
}

impl Terminal {
    fn open(path: &Path) -> Self {
        let file = nix::fcntl::open(path, OFlag::O_RDWR | OFlag::O_NOCTTY, nix::sys::stat::Mode::empty()).unwrap();
        Self { file: File::from(file), seen: Vec::new() }
    }

    pub(crate) fn set_speed(&self, speed: BaudRate) {
        let mut settings = tcgetattr(&self.file).unwrap();
        cfmakeraw(&mut settings);
        settings.local_flags = LocalFlags::empty();
        cfsetspeed(&mut settings, speed).unwrap();
        tcsetattr(&self.file, SetArg::TCSANOW, &settings).unwrap();
    }

    pub(crate) fn types(&mut self, text: &str) {
        self.file.write_all(text.as_bytes()).unwrap();
    }

    pub(crate) fn expect(&mut self, wanted: &str) {
        loop {
            if let Some(at) = self.seen.windows(wanted.len()).position(|part| part == wanted.as_bytes()) {
                self.seen.drain(..at + wanted.len());
                return;
            }
            let mut fds = [PollFd::new(self.file.as_fd(), PollFlags::POLLIN)];
            let silent = poll(&mut fds, 10_000_u16).unwrap() == 0;
            assert!(!silent, "waited for {wanted:?}, saw {:?}", String::from_utf8_lossy(&self.seen));
            let mut buffer = [0; 1024];
            let taken = self.file.read(&mut buffer).unwrap();
            assert_ne!(taken, 0, "end of a terminal");
            self.seen.extend(&buffer[..taken]);
        }
    }
}

/// Two terminals and nothing between them but socat: what ptys and a program that copies cost.
pub(crate) struct Wire {
    directory: PathBuf,
    socat: Child,
}

impl Wire {
    pub(crate) fn open() -> Self {
        let directory = directory(0);
        let end = |name: &str| format!("PTY,raw,echo=0,link={}", directory.join(name).display());
        let socat =
            Command::new("socat").args([end("a"), end("b")]).spawn().expect("socat is needed: apt-get install socat");
        while !(directory.join("a").exists() && directory.join("b").exists()) {
            wait(Duration::from_millis(10));
        }
        Self { directory, socat }
    }

    pub(crate) fn ends(&self) -> (Terminal, Terminal) {
        let ends = ["a", "b"].map(|name| Terminal::open(&self.directory.join(name)));
        ends.iter().for_each(|end| end.set_speed(BaudRate::B115200));
        let [a, b] = ends;
        (a, b)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.socat.kill().unwrap();
        self.socat.wait().unwrap();
        fs::remove_dir_all(&self.directory).ok();
    }
}
