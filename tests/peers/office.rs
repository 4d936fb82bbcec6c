//! The exchange on a thread of its own, its log of calls, and a person's hand on one of its lines.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use hayes::emulator::calllog::CallEventKind;
use hayes::emulator::plan::{Cadence, Dialling, LinePlan, Plan};
use hayes::emulator::switchboard::Switchboard;
use hayes::profile::Catalogue;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::sys::termios::{BaudRate, LocalFlags, SetArg, cfmakeraw, cfsetspeed, tcgetattr, tcsetattr};
use tokio::sync::oneshot;

use crate::program::{Conversation, PATIENCE, gone};

/// One exchange at a time: what a test may have left is looked for on the whole machine.
static ALONE: Mutex<()> = Mutex::new(());
/// Whatever a test starts; `sh` and `sleep` live for moments only.
const PROGRAMS: [&str; 13] = [
    "chat",
    "cu",
    "efax",
    "fax",
    "gammu",
    "mgetty",
    "minicom",
    "pppd",
    "runscript",
    "ser2net",
    "socat",
    "wvdial",
    "wvdialconf",
];

/// A line of the exchange: its name, number, kind of modem, and the name that those are shown whom it calls.
pub(crate) type Line = (&'static str, &'static str, &'static str, Option<&'static str>);

/// An exchange at work.
pub(crate) struct Office {
    folder: PathBuf,
    shutdown: Option<oneshot::Sender<()>>,
    events: mpsc::Receiver<CallEventKind>,
    /// All calls' events so far.
    log: Vec<CallEventKind>,
    thread: Option<JoinHandle<()>>,
}

/// Runs a test on an exchange with these lines, and looks behind it.
pub(crate) fn on_exchange(lines: &[Line], test: impl FnOnce(&mut Office)) {
    let inside = std::env::var_os("RINGUP_IN_LAB").is_some();
    assert!(inside, "these tests need the lab: CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER=$PWD/tests/lab/run");
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut office = Office::open(lines);
    let outcome = catch_unwind(AssertUnwindSafe(|| test(&mut office)));
    office.read_log();
    let log = std::mem::take(&mut office.log);
    drop(office);
    let left = gone(remains);
    if let Err(panic) = outcome {
        let log: Vec<_> = log.iter().map(|event| format!("{event:?}")).collect();
        writeln_to_stderr(&format!("--- the log of calls\n{}", log.join("\n")));
        resume_unwind(panic);
    }
    assert_eq!(left, BTreeSet::new(), "left behind");
}

#[expect(clippy::print_stderr, reason = "the harness shows it when a test fails")]
fn writeln_to_stderr(text: &str) {
    eprintln!("{text}");
}

fn plan(lines: &[Line]) -> Plan {
    let profiles = Catalogue::built_in();
    let millis = Duration::from_millis;
    let line = |(name, number, kind, caller): &Line| LinePlan {
        name: (*name).to_owned(),
        number: (*number).to_owned(),
        caller_name: caller.map(str::to_owned),
        modem: profiles.find(kind).unwrap_or_else(|| panic!("no kind of modem is called {kind}")),
        ..LinePlan::default()
    };
    Plan {
        lines: lines.iter().map(line).collect(),
        cadence: Cadence::uk(),
        caller_id_after: millis(300),
        dialling: Dialling { digit: Some(millis(20)), post_dial: millis(200), interdigit: millis(400) },
        training: millis(300),
        disconnect_notice: millis(200),
        ..Plan::default()
    }
}

impl Office {
    fn open(lines: &[Line]) -> Self {
        let folder = std::env::temp_dir().join("exchange");
        fs::create_dir_all(&folder).unwrap();
        let switchboard = Switchboard::open(plan(lines), &folder).unwrap();
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
        Self { folder, shutdown: Some(shutdown), events, log: Vec::new(), thread: Some(thread) }
    }

    /// Where a line is found, or a file of the test's.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A line's tty, `/dev/pts/3`.
    pub(crate) fn tty(&self, name: &str) -> PathBuf {
        fs::read_link(self.path(name)).unwrap()
    }

    /// Writes a file of the test's.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// Writes a file that only its owner may read.
    pub(crate) fn private(&self, name: &str, text: &str) -> PathBuf {
        let path = self.write(name, text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// Writes a program.
    pub(crate) fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.write(name, text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// A person at a line's terminal.
    pub(crate) fn hand(&self, name: &str) -> Conversation {
        hand_on(&self.path(name))
    }

    /// Reads the log of calls until something has happened that is like this.
    pub(crate) fn until(&mut self, what: &str, wanted: impl Fn(&CallEventKind) -> bool) {
        loop {
            let event = self.events.recv_timeout(PATIENCE);
            let event = event.unwrap_or_else(|_| panic!("waited for {what}, but the log is {:?}", self.log));
            self.log.push(event.clone());
            if wanted(&event) {
                return;
            }
        }
    }

    /// Reads the log of calls until an event of this name.
    pub(crate) fn until_event(&mut self, name: &str) {
        self.until(name, |event| event.name() == name);
    }

    /// All that the log of calls has by now, by the names of the events.
    pub(crate) fn log(&mut self) -> Vec<&'static str> {
        self.read_log();
        self.log.iter().map(CallEventKind::name).collect()
    }

    /// How often the telephone has rung by now, and whether anybody has answered it.
    pub(crate) fn rings(&mut self) -> (usize, bool) {
        let log = self.log();
        (log.iter().filter(|name| **name == "ringing").count(), log.contains(&"answered"))
    }

    fn read_log(&mut self) {
        self.log.extend(self.events.try_iter());
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        drop(self.shutdown.take());
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
        fs::remove_dir_all(&self.folder).ok();
    }
}

/// Opens a tty as a terminal program does: raw, at a speed.
fn hand_on(tty: &Path) -> Conversation {
    let file = File::from(nix::fcntl::open(tty, OFlag::O_RDWR | OFlag::O_NOCTTY, Mode::empty()).unwrap());
    let mut settings = tcgetattr(&file).unwrap();
    cfmakeraw(&mut settings);
    settings.local_flags = LocalFlags::empty();
    cfsetspeed(&mut settings, BaudRate::B115200).unwrap();
    tcsetattr(&file, SetArg::TCSANOW, &settings).unwrap();
    Conversation::new(file)
}

/// What may never be left when an exchange has closed.
fn remains() -> BTreeSet<String> {
    let folders = ["/run/lock", "/run/tmp", "/run/ringup"].map(Path::new);
    let entries = folders.into_iter().flat_map(|folder| fs::read_dir(folder).into_iter().flatten());
    let files = entries.map(|entry| entry.unwrap().path().display().to_string());
    files.chain(processes()).collect()
}

/// The processes of all programs that tests start.
fn processes() -> Vec<String> {
    let folders = fs::read_dir("/proc").unwrap();
    let pids = folders.filter_map(|folder| folder.unwrap().file_name().to_str()?.parse::<u32>().ok());
    let one = |pid: u32| {
        let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).ok();
        // One that has ended and waits for its parent has no command line any more.
        let command = read("cmdline").filter(|command| !command.is_empty())?;
        let name = read("comm")?;
        PROGRAMS.contains(&name.trim()).then(|| format!("process {pid}: {}", command.replace('\0', " ")))
    };
    pids.filter_map(one).collect()
}
