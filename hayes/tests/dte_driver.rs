//! The driver on a pty, with a scripted modem at the other end.

#![cfg(feature = "driver")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code outside of #[test]")]

mod far_end;

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Duration;

use hayes::caller::CallerNumber;
use hayes::driver::{Driver, DriverError};
use hayes::line::{LineError, LineSettings};
use hayes::modem::{Event, Outcome, Settings};
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::termios::{self, BaudRate};

use self::far_end::{FarEnd, LockDirectory, SOON, number};

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
    drop(tty);
    std::fs::remove_file(&lock).unwrap();
    assert_eq!(driver.next_event().await.unwrap(), Event::Returned);
    // And one that is not in anybody's way, but locks the line before it says a word.
    std::fs::write(&lock, "         1\n").unwrap();
    far.say(b"\r\nRING\r\n");
    assert_eq!(driver.next_event().await.unwrap(), Event::Lent { process: Some(1) });
    std::fs::remove_file(&lock).unwrap();
    assert_eq!(driver.next_event().await.unwrap(), Event::Returned);
    far.say(b"\r\nRING\r\n");
    assert!(matches!(driver.next_event().await.unwrap(), Event::Ring(_)));
}

#[tokio::test]
async fn a_program_that_knows_no_locks_has_the_line_while_it_has_it_open() {
    let (mut far, mut driver) = FarEnd::open();
    let mut tty = File::options().read(true).write(true).open(&far.port).unwrap();
    assert!(matches!(driver.next_event().await.unwrap(), Event::Lent { .. }));
    far.master.write_all(b"theirs").unwrap();
    let waiting = tokio::time::timeout(Duration::from_millis(50), driver.next_event()).await;
    assert!(waiting.is_err(), "{waiting:?}");
    let mut data = [0; 6];
    tty.read_exact(&mut data).unwrap();
    drop(tty);
    assert_eq!(driver.next_event().await.unwrap(), Event::Returned);
    // One that came and went between two looks.
    let tty = File::options().read(true).write(true).open(&far.port).unwrap();
    drop(tty);
    assert_eq!(driver.next_event().await.unwrap(), Event::Returned);
    // One that only looked.
    drop(File::open(&far.port).unwrap());
    far.say(b"\r\nRING\r\n");
    assert!(matches!(driver.next_event().await.unwrap(), Event::Ring(_)));
}

#[tokio::test]
async fn a_line_is_attended_to_by_one_and_lent_to_others_all_the_same() {
    let (far, mut driver) = FarEnd::open();
    driver.claim().unwrap();
    let settings = LineSettings { port: far.port.clone(), rate: 9600 };
    let mut other = Driver::open(&settings, Settings::default()).unwrap();
    let claimed = other.claim();
    assert!(matches!(claimed, Err(DriverError::Line(LineError::Attended { .. }))), "{claimed:?}");
    drop(driver);
    other.claim().unwrap();
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
