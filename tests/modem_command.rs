//! `ringup modem` as somebody uses it who has a modem that does not do what it should: the program itself, on captures,
//! on the emulated modems of an exchange, and on ttys with nobody at their other end.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests; clippy exempts only the tests themselves"
)]

mod support;

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread::JoinHandle;

use hayes::emulator::plan::{LinePlan, Plan};
use hayes::emulator::switchboard::Switchboard;
use hayes::ports::Machine;
use hayes::profile::Catalogue;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ringup::exit::Status;
use ringup::modem::list::Listing;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use self::support::{BOUND, Said, Scratch, ringup, run};

fn transcript(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("hayes/tests/transcripts");
    folder.join(name).display().to_string()
}

/// An exchange on ptys, with these kinds of modems on its lines, named after them: 5550100 and up.
struct Board {
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
    folder: PathBuf,
}

impl Board {
    fn with(folder: &Scratch, kinds: &[&str]) -> Self {
        let lines = kinds.iter().zip(5_550_100..).map(|(kind, number)| LinePlan {
            name: (*kind).to_owned(),
            number: number.to_string(),
            caller_name: Some("A CLIENT".to_owned()),
            modem: Catalogue::built_in().find(kind).unwrap(),
            ..LinePlan::default()
        });
        let plan = Plan { lines: lines.collect(), ..Plan::default() };
        let folder = folder.path("lines");
        std::fs::create_dir(&folder).unwrap();
        let stop = CancellationToken::new();
        let shutdown = stop.clone();
        let (opened, open) = std::sync::mpsc::channel();
        let lines = folder.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let _guard = runtime.enter();
            let board = Switchboard::open(plan, &lines).unwrap();
            opened.send(()).unwrap();
            runtime.block_on(board.run(shutdown.cancelled_owned(), |_| {}));
        });
        open.recv().unwrap();
        Self { stop, thread: Some(thread), folder }
    }

    fn line(&self, kind: &str) -> String {
        self.folder.join(kind).display().to_string()
    }

    /// Dials from one of its lines, which stays open as long as what this gives.
    fn dial(&self, kind: &str, number: &str) -> File {
        let mut line = open_tty(&self.folder.join(kind));
        line.write_all(format!("ATDT{number}\r").as_bytes()).unwrap();
        line
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        self.stop.cancel();
        self.thread.take().unwrap().join().unwrap();
    }
}

fn open_tty(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK).open(path).unwrap()
}

/// Reads from a line until it has said this.
fn hear(line: &mut File, wanted: &str) {
    let mut heard = Vec::new();
    while !String::from_utf8_lossy(&heard).contains(wanted) {
        let mut polled = [PollFd::new(line.as_fd(), PollFlags::POLLIN)];
        let ready = poll(&mut polled, PollTimeout::try_from(BOUND).unwrap()).unwrap();
        assert!(ready > 0, "no {wanted} in {BOUND:?}");
        let mut byte = [0];
        line.read_exact(&mut byte).unwrap();
        heard.extend(byte);
    }
}

/// A tty whose other end the test holds, under a stable name.
struct Terminal {
    master: File,
    _slave: OwnedFd,
    tty: PathBuf,
}

impl Terminal {
    fn open(link: &Path) -> Self {
        let pair = nix::pty::openpty(None, None).unwrap();
        let tty = nix::unistd::ttyname(&pair.slave).unwrap();
        for end in [&pair.master, &pair.slave] {
            // Or every program that is run meanwhile keeps it open.
            let flag = FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC);
            fcntl(end, flag).unwrap();
        }
        symlink(&tty, link).unwrap();
        Self { master: pair.master.into(), _slave: pair.slave, tty }
    }

    fn lock(&self) -> PathBuf {
        let locks = ["/run/lock", "/var/lock"].map(Path::new);
        let folder = locks.into_iter().find(|folder| folder.is_dir()).unwrap();
        folder.join(format!("LCK..{}", self.tty.strip_prefix("/dev").unwrap().to_string_lossy().replace('/', "_")))
    }
}

/// The program, running, with what it prints as it comes.
struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    fn start(folder: &Scratch, arguments: &[&str]) -> Self {
        let mut command = ringup(folder.root(), arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    async fn line(&mut self) -> String {
        timeout(BOUND, self.lines.next_line()).await.unwrap().unwrap().unwrap()
    }

    /// The next event of this name; others are passed over.
    async fn event(&mut self, name: &str) -> Value {
        loop {
            let event: Value = serde_json::from_str(&self.line().await).unwrap();
            if event["event"] == name {
                return event;
            }
        }
    }

    async fn interrupt(mut self) -> Option<i32> {
        let pid = nix::unistd::Pid::from_raw(self.child.id().unwrap().try_into().unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
        timeout(BOUND, self.child.wait()).await.unwrap().unwrap().code()
    }
}

async fn explain(folder: &Scratch, arguments: &[&str]) -> String {
    let said = run(folder.root(), &[&["modem", "explain"], arguments].concat()).await;
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""));
    said.stdout
}

#[tokio::test]
async fn a_transcript_is_explained_line_by_line() {
    let folder = Scratch::new();
    let told = explain(&folder, &[&transcript("ring_mgetty_live_log.txt")]).await;
    assert_eq!(
        told,
        "   line  said                              it means
      7  > ATQ0V1H0                        say result codes; result codes in words; hang up
      8  ATQ0V1H0                          echo of what it was sent
      8  OK                                done
      9  > AT                              are you there?
     10  AT                                echo of what it was sent
     10  OK                                done
     11  RING                              a call comes in: ring 1
     12  DATE = 1123
     12  TIME = 1210
     12  NMBR = 5551212
     12  NAME = SMITH JOHN                 caller: 5551212, SMITH JOHN, 23 Nov 12:10
     13  > ATA                             answer
     14  ATA                               echo of what it was sent
     14  CONNECT 33600/ARQ/V34/LAPM/V42BIS
                                           connected: line 33600 bit/s, V.34, error control LAPM, compression V.42bis
"
    );
}

#[tokio::test]
async fn a_raw_capture_is_explained_byte_by_byte_with_what_to_do() {
    let folder = Scratch::new();
    let capture =
        b"ATDT5550102\r\r\nNO DIALTONE\r\n\r\nRING\r\n\r\nCONNECT 33600\r\n~\xff}#\xc0!}!}!} }4~\r\nNO CARRIER\r\n";
    std::fs::write(folder.path("capture"), capture).unwrap();
    let told = explain(&folder, &["capture"]).await;
    let lines: Vec<&str> = told.lines().map(str::trim_end).collect();
    assert_eq!(
        lines,
        [
            "   byte  said                              it means",
            "      0  ATDT5550102                       it was asked: dial 5550102 by tones",
            "     14  NO DIALTONE                       the line is dead, or another telephone on it is off hook",
            "                                           hint: is the cable in the wall, and no other telephone off hook? behind a PBX or on VoIP: ATX3",
            "     29  RING                              a call comes in: ring 1",
            "     37  CONNECT 33600                     connected: line 33600 bit/s",
            "     52  ~\u{ff}}#\u{c0}!                            LCP: PPP has begun",
            "     52                                    PPP, 15 bytes",
            "     69  NO CARRIER                        the call is over",
        ]
    );
}

#[tokio::test]
async fn programs_are_told_in_json_an_object_a_line() {
    let folder = Scratch::new();
    let told = explain(&folder, &["--json", &transcript("ring_mdmf_hex_in_lines.txt")]).await;
    let events: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), 3);
    assert_eq!((&events[0]["event"], &events[0]["count"], &events[0]["line"]), (&"ring".into(), &1.into(), &7.into()));
    let caller = &events[1];
    assert_eq!(caller["event"], "caller");
    assert_eq!([&caller["number"], &caller["name"], &caller["checksum"]], ["5551212", "ANNE", "right"]);
    assert_eq!([&caller["date"], &caller["clock"]], ["1123", "1210"]);
    assert_eq!(caller["said"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn every_event_and_field_that_programs_meet_is_documented() {
    let folder = Scratch::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/modem-command.md")).unwrap();
    let mut all = String::new();
    for entry in std::fs::read_dir(root.join("hayes/tests/transcripts")).unwrap() {
        all.push_str(&std::fs::read_to_string(entry.unwrap().path()).unwrap());
        all.push('\n');
    }
    std::fs::write(folder.path("all"), all).unwrap();
    let told = explain(&folder, &["--json", "all"]).await;
    let mut names = std::collections::BTreeSet::new();
    for event in told.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        names.insert(event["event"].as_str().unwrap().to_owned());
        names.extend(event.as_object().unwrap().keys().cloned());
    }
    assert!(names.len() > 40, "{names:?}");
    for name in names {
        assert!(page.contains(&format!("`{name}`")), "{name} is not in docs/modem-command.md");
    }
}

#[tokio::test]
async fn standard_input_is_explained_as_it_comes() {
    let folder = Scratch::new();
    let mut running = Running::start(&folder, &["modem", "explain", "--json", "-"]);
    let mut stdin = running.child.stdin.take().unwrap();
    stdin.write_all(b"\r\nRING\r\n").await.unwrap();
    assert_eq!(running.event("ring").await["byte"], 2);
    stdin.write_all(b"NMBR = 5551212\r\n").await.unwrap();
    // Nothing more comes: a message is over when it has been silent for long enough.
    assert_eq!(running.event("caller").await["number"], "5551212");
    drop(stdin);
    assert_eq!(timeout(BOUND, running.child.wait()).await.unwrap().unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_reader_that_has_had_enough_is_no_failure() {
    let folder = Scratch::new();
    std::fs::write(folder.path("capture"), "\r\nRING\r\n".repeat(20_000)).unwrap();
    let mut child = ringup(folder.root(), &["modem", "explain", "capture"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = timeout(BOUND, child.wait_with_output()).await.unwrap().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[tokio::test]
async fn a_capture_that_cannot_be_read_is_named() {
    let folder = Scratch::new();
    for (file, reason) in [("absent", "No such file"), (".", "directory")] {
        let Said { code, stdout, stderr } = run(folder.root(), &["modem", "explain", file]).await;
        assert_eq!((code, stdout.as_str()), (Some(1), ""));
        assert!(
            stderr.starts_with(&format!("ringup: {file}: cannot be read: ")) && stderr.contains(reason),
            "{stderr}"
        );
    }
}

#[tokio::test]
async fn a_machine_is_listed_with_its_ports_their_kinds_and_what_to_mind() {
    let folder = Scratch::new();
    let write = |path: &str, text: &str| {
        let path = folder.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let usb = "sys/devices/usb1/1-2";
    for (file, text) in
        [("idVendor", "0572"), ("idProduct", "1340"), ("manufacturer", "Conexant"), ("product", "USB Modem")]
    {
        write(&format!("{usb}/{file}"), text);
    }
    write(&format!("{usb}/1-2:1.0/bInterfaceNumber"), "00");
    write(&format!("{usb}/1-2:1.0/tty/ttyACM0/dev"), "166:0");
    std::fs::create_dir_all(folder.path("sys/class/tty")).unwrap();
    symlink("../..", folder.path(&format!("{usb}/1-2:1.0/tty/ttyACM0/device"))).unwrap();
    symlink("../../devices/usb1/1-2/1-2:1.0/tty/ttyACM0", folder.path("sys/class/tty/ttyACM0")).unwrap();
    std::fs::create_dir_all(folder.path("sys/bus/usb/drivers/cdc_acm")).unwrap();
    symlink("../../../../bus/usb/drivers/cdc_acm", folder.path(&format!("{usb}/1-2:1.0/driver"))).unwrap();
    std::fs::create_dir_all(folder.path("dev/serial/by-id")).unwrap();
    write("dev/ttyACM0", "");
    symlink("../../ttyACM0", folder.path("dev/serial/by-id/usb-Conexant_USB_Modem-if00")).unwrap();
    write("proc/4242/comm", "mgetty\n");
    write("run/lock/LCK..ttyACM0", "      4242\n");
    write("proc/7/comm", "ModemManager\n");

    let listing = Listing::of(&Machine::at(folder.root()), None);
    assert_eq!(
        listing.to_text(),
        "PORT          DRIVER   DEVICE                        KIND      IN USE BY
/dev/ttyACM0  cdc_acm  0572:1340 Conexant USB Modem  conexant  mgetty 4242 (lock)
  /dev/serial/by-id/usb-Conexant_USB_Modem-if00
  hint: ModemManager runs, and takes it: packaging/udev/78-ringup-modem.rules keeps it away
"
    );
    let json: Value = serde_json::from_str(&listing.to_json()).unwrap();
    assert_eq!([&json[0]["port"], &json[0]["kind"], &json[0]["lock"]["name"]], ["/dev/ttyACM0", "conexant", "mgetty"]);
    assert_eq!(json[0]["modem-manager"]["claim"], "taken");
    assert_eq!(json[0]["best-name"], "/dev/serial/by-id/usb-Conexant_USB_Modem-if00");

    let nothing = Listing::of(&Machine::at(&folder.path("sys/bus")), None);
    assert_eq!(nothing.to_json(), "[]");
    assert!(nothing.to_text().starts_with("no serial port with hardware behind it\nhint: "), "{}", nothing.to_text());
}

#[tokio::test]
async fn the_lines_of_a_running_exchange_are_listed_too() {
    let folder = Scratch::new();
    let _board = Board::with(&folder, &["usr"]);
    folder.write(
        "exchange.toml",
        "[exchange]\ndirectory = \"lines\"\n[[exchange.line]]\nname = \"usr\"\nnumber = \"5550100\"\n",
    );
    let Said { code, stdout, stderr } = run(folder.root(), &["modem", "list", "--json", "-c", "exchange.toml"]).await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let ports: Vec<Value> = serde_json::from_str(&stdout).unwrap();
    let line = ports.iter().find(|port| port["emulated"] == true).unwrap();
    assert!(line["port"].as_str().unwrap().ends_with("lines/usr"), "{line}");
}

#[tokio::test]
async fn emulated_modems_of_every_kind_are_probed_for_what_they_are() {
    let folder = Scratch::new();
    let kinds = ["conexant", "usr", "zyxel", "huawei", "spandsp"];
    let board = Board::with(&folder, &kinds);
    for kind in kinds {
        let Said { code, stdout, stderr } = run(folder.root(), &["modem", "probe", "--json", &board.line(kind)]).await;
        assert_eq!(code, Some(0), "{stderr}");
        assert!(stderr.contains("resetting the modem"), "it was not said beforehand: {stderr}");
        let found: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!([&found["profile"], &found["recognised"]["by"]], [kind, "answers"], "{found}");
        let profile = Catalogue::built_in().find(kind).unwrap();
        let commands: Vec<&str> = found["caller-id"]["commands"]
            .as_array()
            .unwrap()
            .iter()
            .map(|command| command.as_str().unwrap())
            .collect();
        assert_eq!(commands, profile.setup.caller_id);
        if profile.setup.caller_id_check.is_some() {
            assert_eq!(found["caller-id"]["after-reset"], false, "{kind}");
            assert_eq!(found["caller-id"]["turned-on"], true, "{kind}");
        }
        assert_eq!(found["registers"]["S0"], 0, "{kind}");
    }
}

#[tokio::test]
async fn a_modem_that_is_stuck_in_a_call_is_found_all_the_same() {
    let folder = Scratch::new();
    let board = Board::with(&folder, &["conexant", "usr"]);
    let mut called = open_tty(&board.folder.join("usr"));
    called.write_all(b"ATS0=1\r").unwrap();
    hear(&mut called, "OK");
    // Whoever dialled keeps the line open, and has gone.
    let mut caller = board.dial("conexant", "5550101");
    hear(&mut caller, "CONNECT");
    let Said { code, stdout, stderr } =
        run(folder.root(), &["modem", "probe", "--json", &board.line("conexant")]).await;
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("looking for it by +++"), "{stderr}");
    let found: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&found["profile"], &found["searched"]), (&"conexant".into(), &true.into()));
}

#[tokio::test]
async fn a_probe_tells_people_in_a_table() {
    let folder = Scratch::new();
    let board = Board::with(&folder, &["conexant"]);
    let said = run(folder.root(), &["modem", "probe", "--no-reset", &board.line("conexant")]).await;
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""));
    for expected in [
        "rate              answers at 115200 bit/s\n",
        "kind              Conexant (profile conexant)\n",
        "recognised        AT+GMI says \"CONEXANT\"\n",
        "caller id         by AT+VCID=1; off when found\n",
        "flow control      AT&K3\n",
        "distinctive ring  AT-SDR=7\n",
        "signals           none: this tty has no modem lines\n",
        "mind              a call turns caller identification off",
    ] {
        assert!(said.stdout.contains(expected), "{expected:?} is not in\n{}", said.stdout);
    }
}

#[tokio::test]
async fn a_port_that_is_missing_busy_or_silent_has_its_own_status() {
    let folder = Scratch::new();
    let failed = async |arguments: &[&str], status: Status| {
        let Said { code, stdout, stderr } = run(folder.root(), &[&["modem"], arguments].concat()).await;
        assert_eq!((code, stdout.as_str()), (Some(i32::from(status.code())), ""), "{stderr}");
        stderr
    };
    for command in ["probe", "monitor"] {
        let told = failed(&[command, "no-modem"], Status::NoPort).await;
        assert!(told.starts_with("ringup: there is no no-modem; is the modem plugged in?"), "{told}");
    }
    let terminal = Terminal::open(&folder.path("tty"));
    std::fs::write(terminal.lock(), format!("{:>10}\n", std::process::id())).unwrap();
    for arguments in [&["probe", "tty"][..], &["monitor", "tty"], &["monitor", "--passive", "tty"]] {
        let told = failed(arguments, Status::PortBusy).await;
        assert!(told.contains(&format!("in use by process {}", std::process::id())), "{told}");
    }
    std::fs::remove_file(terminal.lock()).unwrap();
    let told = failed(&["probe", "--no-reset", "tty"], Status::ModemSilent).await;
    assert!(told.contains("does not answer") && told.contains("\nhint: without --no-reset"), "{told}");
    assert!(!terminal.lock().exists(), "its lock is left behind");
}

#[tokio::test]
async fn a_call_is_seen_by_a_monitor_with_who_makes_it() {
    let folder = Scratch::new();
    let board = Board::with(&folder, &["usr", "conexant"]);
    let mut monitor = Running::start(&folder, &["modem", "monitor", "--json", &board.line("conexant")]);
    assert_eq!(monitor.event("ready").await["profile"], "conexant");
    monitor.event("listening").await;
    let _caller = board.dial("usr", "5550101");
    let ring = monitor.event("ring").await;
    assert_eq!(ring["count"], 1);
    assert!(ring["time"].as_str().unwrap().len() >= "2026-11-26T12:00:00.000Z".len(), "{ring}");
    assert_eq!(monitor.event("caller").await["number"], "5550100");
    assert_eq!(monitor.interrupt().await, Some(0));
}

#[tokio::test]
async fn a_passive_monitor_sends_nothing_and_lives_through_a_re_plugging() {
    let folder = Scratch::new();
    let link = folder.path("modem");
    let mut terminal = Terminal::open(&link);
    let mut monitor = Running::start(&folder, &["modem", "monitor", "--passive", "--json", "modem"]);
    monitor.event("listening").await;
    terminal.master.write_all(b"\r\nRING\r\n").unwrap();
    monitor.event("ring").await;
    fcntl(&terminal.master, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    let sent = terminal.master.read(&mut [0; 64]);
    assert_eq!(sent.unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "it sent something");

    drop(terminal);
    std::fs::remove_file(&link).unwrap();
    monitor.event("gone").await;
    let mut terminal = Terminal::open(&link);
    monitor.event("back").await;
    monitor.event("listening").await;
    terminal.master.write_all(b"\r\n+CREG: 2\r\n").unwrap();
    assert_eq!(monitor.event("report").await["meaning"], "looking for the network");
    assert_eq!(monitor.interrupt().await, Some(0));
}

#[tokio::test]
async fn a_line_that_another_program_locks_is_left_to_it() {
    let folder = Scratch::new();
    let mut terminal = Terminal::open(&folder.path("modem"));
    let mut monitor = Running::start(&folder, &["modem", "monitor", "--passive", "--json", "modem"]);
    monitor.event("listening").await;
    std::fs::write(terminal.lock(), format!("{:>10}\n", std::process::id())).unwrap();
    terminal.master.write_all(b"\r\nOK\r\n").unwrap();
    assert_eq!(monitor.event("lent").await["process"], std::process::id());
    std::fs::remove_file(terminal.lock()).unwrap();
    monitor.event("back").await;
    assert_eq!(monitor.interrupt().await, Some(0));
}
