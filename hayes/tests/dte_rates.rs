//! A modem at another rate than its tty, looked for on a pty. The clock is the test's: it goes on when nothing is said.

#![cfg(feature = "driver")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code outside of #[test]")]

mod far_end;

use std::io::Read;
use std::os::fd::AsFd;
use std::time::Duration;

use hayes::driver::{Driver, DriverError};
use hayes::modem::{Settings, times};
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::stat::Mode;
use nix::sys::termios::{self, BaudRate, FlowArg};
use tokio::sync::mpsc;
use tokio::time::Instant;

use self::far_end::FarEnd;

/// How much the clock goes on at a time: no wait of the driver is so short that one would be missed.
const STEP: Duration = Duration::from_millis(100);
/// How long, on the wall, nothing is said before the clock goes on: while nothing is to be said, and after an answer.
const QUIET: (u16, u16) = (10, 200);

/// A modem that hears at one rate; `answer` tells what it says to a command, and may change the rate.
fn listen_at(
    far: &mut FarEnd,
    clock: &mpsc::Sender<Duration>,
    mut rate: BaudRate,
    answer: fn(&str, &mut BaudRate) -> &'static str,
) {
    let (mut typed, mut quiet) = (String::new(), QUIET.0);
    loop {
        let mut fds = [PollFd::new(far.master.as_fd(), PollFlags::POLLIN)];
        if nix::poll::poll(&mut fds, PollTimeout::from(quiet)).unwrap() == 0 {
            quiet = QUIET.0;
            if clock.blocking_send(STEP).is_err() {
                return;
            }
            continue;
        }
        let mut buffer = [0; 256];
        // The driver has closed its end.
        let Ok(count) = far.master.read(&mut buffer) else { return };
        let at = termios::cfgetospeed(&termios::tcgetattr(&far.master).unwrap());
        typed.push_str(&String::from_utf8_lossy(&buffer[..count]));
        while let Some((command, rest)) = typed.clone().split_once('\r') {
            rest.clone_into(&mut typed);
            if at == rate {
                let said = answer(command, &mut rate);
                far.say(format!("\r\n{said}\r\n").as_bytes());
                quiet = QUIET.1;
            }
        }
        if at != rate {
            typed.clear();
        }
    }
}

/// Initialises while that modem is at the other end.
async fn initialise(
    rate: BaudRate,
    answer: fn(&str, &mut BaudRate) -> &'static str,
) -> (Driver, Result<(), DriverError>, BaudRate) {
    let (mut far, mut driver) = FarEnd::open_with(Settings::default());
    let (clock, mut steps) = mpsc::channel(1);
    // While it runs, the paused clock does not go on by itself.
    let modem = tokio::task::spawn_blocking(move || {
        listen_at(&mut far, &clock, rate, answer);
        far
    });
    let time = async {
        while let Some(step) = steps.recv().await {
            tokio::time::advance(step).await;
        }
    };
    let result = tokio::select! {
        result = driver.initialise() => result,
        () = time => panic!("the modem has gone"),
    };
    drop(steps);
    let far = modem.await.unwrap();
    let speed = termios::cfgetospeed(&termios::tcgetattr(&far.master).unwrap());
    (driver, result, speed)
}

#[tokio::test(start_paused = true)]
async fn a_modem_at_another_rate_is_found_and_brought_to_the_wanted_one() {
    let (driver, result, speed) = initialise(BaudRate::B9600, |command, rate| {
        if command == "AT+IPR=115200" {
            *rate = BaudRate::B115200;
        }
        "OK"
    })
    .await;
    result.unwrap();
    assert_eq!((driver.rate(), speed), (115_200, BaudRate::B115200));
}

#[tokio::test(start_paused = true)]
async fn a_modem_that_does_not_leave_its_rate_is_driven_there() {
    let (driver, result, speed) =
        initialise(BaudRate::B19200, |command, _| if command.starts_with("AT+IPR") { "ERROR" } else { "OK" }).await;
    result.unwrap();
    assert_eq!((driver.rate(), speed), (19_200, BaudRate::B19200));
}

#[tokio::test(start_paused = true)]
async fn a_modem_that_answers_at_no_rate_is_silent_in_bounded_time() {
    let began = Instant::now();
    let (driver, result, _speed) = initialise(BaudRate::B0, |_, _| "OK").await;
    assert!(matches!(result, Err(DriverError::Silent { .. })), "{result:?}");
    assert!(began.elapsed() <= times::SILENT_LIMIT, "{:?}", began.elapsed());
    assert_eq!(driver.rate(), 115_200, "the next attempt begins where it should be");
}

#[tokio::test(start_paused = true)]
async fn a_line_that_takes_nothing_is_a_silent_modem_in_bounded_time() {
    let (far, mut driver) = FarEnd::open();
    let tty = nix::fcntl::open(&far.port, OFlag::O_RDWR | OFlag::O_NOCTTY, Mode::empty()).unwrap();
    termios::tcflow(&tty, FlowArg::TCOOFF).unwrap();
    let began = Instant::now();
    let result = driver.initialise().await;
    assert!(matches!(result, Err(DriverError::Silent { .. })), "{result:?}");
    assert!(began.elapsed() <= times::SILENT_LIMIT, "{:?}", began.elapsed());
}
