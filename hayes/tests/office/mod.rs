//! A switchboard on a thread of its own, and terminals opened as any program opens a modem: what tests on real ptys
//! start from.
#![allow(dead_code, unreachable_pub, reason = "each test takes what it needs")]

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use hayes::emulator::calllog::CallEventKind;
use hayes::emulator::plan::{Cadence, Dialling, LinePlan, Plan};
use hayes::emulator::switchboard::{Switchboard, TrunkAddresses};
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::termios::{BaudRate, LocalFlags, SetArg, cfmakeraw, cfsetspeed, tcgetattr, tcsetattr};
use tokio::sync::oneshot;

/// Longer than anything here takes, even on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A switchboard on a thread of its own.
pub struct Office {
    pub directory: PathBuf,
    /// Where other exchanges may call in.
    pub address: Option<std::net::SocketAddr>,
    shutdown: Option<oneshot::Sender<()>>,
    events: mpsc::Receiver<CallEventKind>,
    thread: Option<JoinHandle<()>>,
}

pub fn plan() -> Plan {
    let line =
        |name: &str, number: &str| LinePlan { name: name.to_owned(), number: number.to_owned(), ..LinePlan::default() };
    let millis = Duration::from_millis;
    Plan {
        lines: vec![line("alice", "100"), line("bob", "200")],
        cadence: Cadence(vec![(millis(200), millis(800))]),
        caller_id_after: millis(200),
        dialling: Dialling { digit: Some(millis(10)), post_dial: millis(100), interdigit: millis(200) },
        training: millis(300),
        disconnect_notice: millis(100),
        ..Plan::default()
    }
}

pub fn fresh_directory(test: &str) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("hayes-{}-{test}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    directory
}

impl Office {
    pub fn open(test: &str) -> Self {
        Self::of(plan(), &TrunkAddresses::default(), test)
    }

    pub fn of(plan: Plan, trunks: &TrunkAddresses, test: &str) -> Self {
        let directory = fresh_directory(test);
        let switchboard = Switchboard::open(plan, &directory).unwrap().with_trunks(trunks).unwrap();
        let address = switchboard.trunk_address();
        let (shutdown, stop) = oneshot::channel();
        let (report, events) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(switchboard.run(
                async {
                    stop.await.ok();
                },
                |event| {
                    report.send(event.kind.clone()).ok();
                },
            ));
        });
        Self { directory, address, shutdown: Some(shutdown), events, thread: Some(thread) }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Opens a line as a program does: raw, at a speed.
    pub fn terminal(&self, name: &str) -> Terminal {
        let terminal = Terminal::open(&self.path(name));
        terminal.set_speed(BaudRate::B115200);
        terminal
    }

    pub fn wait_for(&self, wanted: &str) -> CallEventKind {
        loop {
            let event = self.events.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no {wanted} in time"));
            if event.name() == wanted {
                return event;
            }
        }
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        drop(self.shutdown.take());
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
        fs::remove_dir_all(&self.directory).ok();
    }
}

pub struct Terminal {
    pub file: File,
    pub seen: Vec<u8>,
}

impl Terminal {
    pub fn open(path: &Path) -> Self {
        let file = nix::fcntl::open(path, OFlag::O_RDWR | OFlag::O_NOCTTY, nix::sys::stat::Mode::empty()).unwrap();
        Self { file: File::from(file), seen: Vec::new() }
    }

    pub fn set_speed(&self, speed: BaudRate) {
        let mut settings = tcgetattr(&self.file).unwrap();
        cfmakeraw(&mut settings);
        // As minicom and pppd do, who start from nothing.
        settings.local_flags = LocalFlags::empty();
        cfsetspeed(&mut settings, speed).unwrap();
        tcsetattr(&self.file, SetArg::TCSANOW, &settings).unwrap();
    }

    pub fn types(&mut self, text: impl AsRef<[u8]>) {
        self.file.write_all(text.as_ref()).unwrap();
    }

    /// Writes until flow control has stopped it for good, and answers how much was taken.
    pub fn types_until_stopped(&mut self, bytes: &[u8]) -> usize {
        let flags = OFlag::O_RDWR | OFlag::O_NONBLOCK;
        nix::fcntl::fcntl(&self.file, nix::fcntl::FcntlArg::F_SETFL(flags)).unwrap();
        let mut written = 0;
        while written < bytes.len() {
            match self.file.write(&bytes[written..]) {
                Ok(taken) => written += taken,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    let mut fds = [PollFd::new(self.file.as_fd(), PollFlags::POLLOUT)];
                    if poll(&mut fds, 500_u16).unwrap() == 0 {
                        break;
                    }
                }
            }
        }
        written
    }

    /// Reads until `wanted` has come, and forgets everything up to its end.
    pub fn expect(&mut self, wanted: impl AsRef<[u8]>) {
        let wanted = wanted.as_ref();
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            let found = self.seen.windows(wanted.len()).position(|part| part == wanted);
            if let Some(at) = found {
                self.seen.drain(..at + wanted.len());
                return;
            }
            let left = end.saturating_duration_since(tokio::time::Instant::now());
            assert!(
                !left.is_zero(),
                "waited for {:?}, saw {:?}",
                String::from_utf8_lossy(wanted),
                String::from_utf8_lossy(&self.seen)
            );
            let mut fds = [PollFd::new(self.file.as_fd(), PollFlags::POLLIN)];
            poll(&mut fds, u16::try_from(left.as_millis()).unwrap()).unwrap();
            if fds[0].any() == Some(true) {
                let mut buffer = [0; 4096];
                let taken = self.file.read(&mut buffer).unwrap();
                assert_ne!(taken, 0, "end of file while waiting for {:?}", String::from_utf8_lossy(wanted));
                self.seen.extend(&buffer[..taken]);
            }
        }
    }
}
