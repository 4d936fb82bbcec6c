//! The driver on a pty, with a scripted modem at the other end.

#![cfg(feature = "driver")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code outside of #[test]")]

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use hayes::caller::CallerNumber;
use hayes::driver::{Driver, DriverError};
use hayes::line::{LineError, LineSettings};
use hayes::modem::{Carrier, Event, Outcome, Settings};
use hayes::number::Number;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::termios::{self, BaudRate};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// PPP's first frame begins so, right after `CONNECT`; the LF in it is data.
const PPP: &[u8] = b"~\xff}#\xc0!}!\n\r\n\x11\x13~";
const SOON: Duration = Duration::from_secs(10);

/// The modem's end of the pty.
struct FarEnd {
    master: File,
    port: PathBuf,
    heard: Vec<u8>,
}

impl FarEnd {
    fn open() -> (Self, Driver) {
        let pty = nix::pty::openpty(None, None).unwrap();
        let port = nix::unistd::ttyname(&pty.slave).unwrap();
        let settings = LineSettings { port: port.clone(), rate: 115_200 };
        let driver = Driver::open(&settings, Settings::default()).unwrap();
        (Self { master: pty.master.into(), port, heard: Vec::new() }, driver)
    }

    /// Plays the modem in a thread of its own.
    fn play<T: Send + 'static>(
        mut self,
        script: impl FnOnce(&mut Self) -> T + Send + 'static,
    ) -> JoinHandle<(Self, T)> {
        std::thread::spawn(move || {
            let end = script(&mut self);
            (self, end)
        })
    }

    /// Reads until this was heard.
    fn hear(&mut self, text: &[u8]) {
        while !self.heard.windows(text.len()).any(|window| window == text) {
            let mut fds = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
            let ready = nix::poll::poll(&mut fds, PollTimeout::try_from(SOON).unwrap()).unwrap();
            assert!(ready > 0, "waited for {text:?}, heard {:?}", String::from_utf8_lossy(&self.heard));
            let mut buffer = [0; 256];
            let count = self.master.read(&mut buffer).unwrap();
            self.heard.extend(&buffer[..count]);
        }
        let at = self.heard.windows(text.len()).position(|window| window == text).unwrap();
        self.heard.drain(..at + text.len());
    }

    fn say(&mut self, bytes: &[u8]) {
        self.master.write_all(bytes).unwrap();
    }

    fn answer(&mut self, command: &str, result: &str) {
        self.hear(command.as_bytes());
        self.say(format!("\r\n{result}\r\n").as_bytes());
    }

    fn set_up(&mut self) {
        self.answer("AT\r", "OK");
        self.hear(b"ATZ\r");
        self.say(b"ATZ\r\r\nOK\r\n");
        self.hear(b"AT\r");
        self.say(b"AT\r\r\nOK\r\n");
        self.answer("ATE0V1Q0X4&C1&D2S0=0\r", "OK");
        self.answer("AT+VCID=1\r", "OK");
    }

    fn take_dial(&mut self) {
        self.answer("AT\r", "OK");
        self.hear(b"ATDT5550002\r");
    }

    /// Watches the speed that the driver's side set; a pty tells of it only when asked.
    fn wait_for_speed(&self, wanted: impl Fn(BaudRate) -> bool) {
        for _ in 0..2000 {
            if wanted(termios::cfgetospeed(&termios::tcgetattr(&self.master).unwrap())) {
                return;
            }
            nix::poll::poll(&mut [], 5_u8).unwrap();
        }
        panic!("the speed stayed as it was");
    }

    fn take_hang_up(&mut self) {
        self.wait_for_speed(|speed| speed == BaudRate::B0);
        self.say(b"\r\nNO CARRIER\r\n");
        self.answer("AT\r", "OK");
        self.wait_for_speed(|speed| speed == BaudRate::B115200);
        self.answer("ATH\r", "OK");
    }
}

/// A lock directory of its own, removed at the end.
struct LockDirectory(PathBuf);

impl LockDirectory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("hayes-{}-{name}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self, port: &Path) -> PathBuf {
        let name = port.strip_prefix("/dev").unwrap().to_string_lossy().replace('/', "_");
        self.0.join(format!("LCK..{name}"))
    }
}

impl Drop for LockDirectory {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

fn number() -> Number {
    "5550002".parse().unwrap()
}

#[tokio::test]
async fn a_modem_is_set_up_and_its_ring_heard_with_the_caller() {
    let (far, mut driver) = FarEnd::open();
    let modem = far.play(|far| {
        far.set_up();
        far.say(b"\r\nRING\r\n\r\nDATE = 1123\r\nTIME = 1210\r\nNMBR = 5550001\r\nNAME = ANNE\r\n\r\nRI");
    });
    driver.initialise().await.unwrap();
    assert!(matches!(driver.next_event().await.unwrap(), Event::Ring(_)));
    let Event::Caller(caller) = driver.next_event().await.unwrap() else { panic!("no caller") };
    assert_eq!(caller.number, Some(CallerNumber::Known("5550001".to_owned())));
    let (mut far, ()) = modem.join().unwrap();

    let cancelled = tokio::time::timeout(Duration::from_millis(20), driver.next_event()).await;
    assert!(cancelled.is_err(), "half a ring is none");
    far.say(b"NG\r\n");
    assert!(matches!(driver.next_event().await.unwrap(), Event::Ring(_)));
}

#[tokio::test]
async fn not_a_byte_after_connect_is_lost() {
    let (far, mut driver) = FarEnd::open();
    let modem = far.play(|far| {
        far.set_up();
        far.take_dial();
        far.say(b"\r\nRINGING\r\n");
        far.say(&[b"\r\nCONNECT 33600/ARQ\r\n", PPP].concat());
        far.hear(PPP);
        far.say(b"\nNO CARRIER\r\n");
    });
    driver.initialise().await.unwrap();
    let outcome = driver.dial(&number(), SOON).await.unwrap();
    assert!(matches!(outcome, Outcome::Connected(_)), "{outcome:?}");
    let mut online = driver.into_online();
    assert_eq!(online.connect().speed, Some(33_600));
    assert_eq!(online.carrier(), Carrier::Unknown);
    let mut data = vec![0; PPP.len()];
    online.read_exact(&mut data).await.unwrap();
    assert_eq!(data, PPP);
    online.write_all(PPP).await.unwrap();
    let mut data = vec![0; 13];
    online.read_exact(&mut data).await.unwrap();
    assert_eq!(data, b"\nNO CARRIER\r\n");
    modem.join().unwrap();
}

#[tokio::test]
async fn the_linefeed_of_connect_may_come_late() {
    let (far, mut driver) = FarEnd::open();
    let (connected, wait) = mpsc::channel();
    let modem = far.play(move |far| {
        far.take_dial();
        far.say(b"\r\nCONNECT\r");
        wait.recv().unwrap();
        far.say(b"\n\n~");
    });
    driver.dial(&number(), SOON).await.unwrap();
    let mut online = driver.into_online();
    connected.send(()).unwrap();
    let mut data = [0; 2];
    online.read_exact(&mut data).await.unwrap();
    assert_eq!(&data, b"\n~");
    modem.join().unwrap();
}

#[tokio::test]
async fn a_program_that_gets_the_open_line_reads_the_first_byte_of_data() {
    let (far, mut driver) = FarEnd::open();
    let modem = far.play(|far| {
        far.take_dial();
        far.say(&[b"\r\nCONNECT\r\n", PPP].concat());
    });
    driver.dial(&number(), SOON).await.unwrap();
    let mut online = driver.into_online();
    assert!(online.take_leftover().is_empty());
    let _far = modem.join().unwrap();
    let mut data = vec![0; PPP.len()];
    File::from(online.duplicate().unwrap()).read_exact(&mut data).unwrap();
    assert_eq!(data, PPP);
}

#[tokio::test]
async fn busy_is_an_outcome_and_the_modem_stays_usable() {
    let (far, mut driver) = FarEnd::open();
    let modem = far.play(|far| {
        far.take_dial();
        far.say(b"\r\nBUSY\r\n");
        far.answer("AT\r", "OK");
    });
    assert_eq!(driver.dial(&number(), SOON).await.unwrap(), Outcome::Busy);
    driver.probe().await.unwrap();
    modem.join().unwrap();
}

#[tokio::test]
async fn ringing_long_enough_ends_in_hanging_up() {
    let (far, mut driver) = FarEnd::open();
    let modem = far.play(|far| {
        far.take_dial();
        far.say(b"\r\nRINGING\r\n");
        far.answer("\r", "NO CARRIER");
        far.answer("ATH\r", "OK");
    });
    assert_eq!(driver.dial(&number(), Duration::from_millis(50)).await.unwrap(), Outcome::RangOut);
    modem.join().unwrap();
}

#[tokio::test]
async fn a_line_taken_back_hangs_up_by_b0_and_starts_anew_under_its_lock() {
    let locks = LockDirectory::new("take-back");
    let (far, driver) = FarEnd::open();
    let lock = locks.file(&far.port);
    let mut driver = driver.with_lock_directory(&locks.0);
    let modem = far.play(|far| {
        far.answer("ATA\r", "CONNECT 9600");
        far.say(PPP);
        far.take_hang_up();
        far.set_up();
    });
    driver.lock().unwrap();
    assert!(matches!(driver.answer().await.unwrap(), Outcome::Connected(_)));
    assert!(matches!(driver.probe().await, Err(DriverError::Occupied(_))));
    let online = driver.into_online();
    assert_eq!(std::fs::read_to_string(&lock).unwrap().trim(), std::process::id().to_string());
    let mut driver = online.into_driver();
    driver.hang_up().await.unwrap();
    driver.initialise().await.unwrap();
    assert!(lock.exists());
    driver.unlock();
    assert!(!lock.exists());
    modem.join().unwrap();
}

#[tokio::test]
async fn bytes_for_a_program_that_locked_the_line_are_left_to_it() {
    let locks = LockDirectory::new("lent");
    let (mut far, driver) = FarEnd::open();
    let mut driver = driver.with_lock_directory(&locks.0);
    let lock = locks.file(&far.port);
    std::fs::write(&lock, "         1\n").unwrap();
    let busy = driver.lock();
    assert!(matches!(busy, Err(DriverError::Line(LineError::Busy { holder: Some(1), .. }))), "{busy:?}");
    let mut tty = File::open(&far.port).unwrap();
    far.say(b"theirs");
    let mut fds = [PollFd::new(tty.as_fd(), PollFlags::POLLIN)];
    assert_eq!(nix::poll::poll(&mut fds, PollTimeout::try_from(SOON).unwrap()).unwrap(), 1);
    let waiting = tokio::time::timeout(Duration::from_millis(50), driver.next_event()).await;
    assert!(waiting.is_err(), "{waiting:?}");
    let mut data = [0; 6];
    tty.read_exact(&mut data).unwrap();
    assert_eq!(&data, b"theirs");
    std::fs::remove_file(&lock).unwrap();
    assert_eq!(driver.next_event().await.unwrap(), Event::Returned);
    far.say(b"\r\nRING\r\n");
    assert!(matches!(driver.next_event().await.unwrap(), Event::Ring(_)));
}

#[tokio::test]
async fn a_line_that_goes_away_is_gone_and_does_not_spin() {
    let (far, mut driver) = FarEnd::open();
    let port = far.port.clone();
    drop(far);
    let gone = tokio::time::timeout(SOON, driver.next_event()).await.unwrap();
    assert!(matches!(gone, Err(DriverError::Line(LineError::Gone { ref path })) if *path == port), "{gone:?}");
    assert!(driver.hang_up().await.is_err());
}

#[tokio::test]
async fn the_end_of_the_line_is_the_end_of_the_data() {
    let (far, mut driver) = FarEnd::open();
    let modem = far.play(|far| {
        far.take_dial();
        far.say(b"\r\nCONNECT\r\n~");
    });
    driver.dial(&number(), SOON).await.unwrap();
    let mut online = driver.into_online();
    let mut data = [0; 1];
    online.read_exact(&mut data).await.unwrap();
    drop(modem.join().unwrap());
    let end = tokio::time::timeout(SOON, online.read(&mut data)).await.unwrap();
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
}

#[tokio::test]
async fn what_can_not_be_opened_says_why() {
    let open = |port: &str| {
        let settings = LineSettings { port: PathBuf::from(port), rate: 9600 };
        match Driver::open(&settings, Settings::default()) {
            Err(DriverError::Line(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    assert!(matches!(open("/dev/no-modem"), LineError::Missing { .. }));
    assert!(matches!(open("/dev/null"), LineError::NotATty { .. }));
}

#[tokio::test]
async fn the_tty_is_raw_and_at_its_rate() {
    let (far, driver) = FarEnd::open();
    let termios = termios::tcgetattr(&far.master).unwrap();
    assert_eq!(termios::cfgetospeed(&termios), BaudRate::B115200);
    assert!(!termios.local_flags.intersects(termios::LocalFlags::ECHO | termios::LocalFlags::ICANON));
    assert!(!termios.output_flags.contains(termios::OutputFlags::OPOST));
    assert!(termios.control_flags.contains(
        termios::ControlFlags::CLOCAL
            | termios::ControlFlags::CREAD
            | termios::ControlFlags::CS8
            | termios::ControlFlags::HUPCL
    ));
    drop(driver);
}
