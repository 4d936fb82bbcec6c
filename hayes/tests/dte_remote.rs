//! The driver on a line of a console server, with a scripted server and modem at the other end.

#![cfg(feature = "driver")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code outside of #[test]")]

mod far_end;

use std::net::TcpListener;
use std::path::PathBuf;

use hayes::driver::{Driver, DriverError};
use hayes::line::{LineError, LineSettings, Signal};
use hayes::modem::{Carrier, Event, Outcome, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use self::far_end::{FarEnd, PPP, SOON, number};

/// What the driver asks for, and the server's word on it.
const ASKED: &[u8] = b"\xff\xfb\x2c\xff\xfb\x03\xff\xfd\x03\xff\xfb\x00\xff\xfd\x00";
const GRANT: &[u8] = b"\xff\xfb\x03\xff\xfd\x03\xff\xfb\x01\xff\xfe\x01\xff\xfd\x00\xff\xfb\x00\xff\xfd\x2c";
const DTR_OFF: &[u8] = b"\xff\xfa\x2c\x05\x09\xff\xf0";
const DTR_ON: &[u8] = b"\xff\xfa\x2c\x05\x08\xff\xf0";
const SET_RATE: &[u8] = b"\xff\xfa\x2c\x01\x00\x01\xc2\x00\xff\xf0";
const RATE_SET: &[u8] = b"\xff\xfa\x2c\x65\x00\x01\xc2\x00\xff\xf0";
/// DCD, DSR and CTS on; and without DCD.
const CARRIER: &[u8] = b"\xff\xfa\x2c\x6b\xb8\xff\xf0";
const NO_CARRIER: &[u8] = b"\xff\xfa\x2c\x6b\x38\xff\xf0";

/// A console server with one line.
struct Console(TcpListener);

impl Console {
    fn open() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn driver(&self, scheme: &str) -> Driver {
        let port = PathBuf::from(format!("{scheme}://{}", self.0.local_addr().unwrap()));
        Driver::open(&LineSettings { port, rate: 115_200 }, Settings::default()).unwrap()
    }

    /// Plays the server and the modem on its line in a thread of its own.
    fn play(self, script: impl FnOnce(&mut FarEnd) + Send + 'static) -> std::thread::JoinHandle<()> {
        std::thread::spawn(move || {
            let (stream, _) = self.0.accept().unwrap();
            script(&mut FarEnd::on(stream));
        })
    }
}

fn grant(far: &mut FarEnd) {
    far.hear(ASKED);
    far.say(GRANT);
    far.hear(SET_RATE);
    far.say(RATE_SET);
}

/// Bytes as telnet has them.
fn doubled(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|byte| std::iter::repeat_n(*byte, 1 + usize::from(*byte == 255))).collect()
}

#[tokio::test]
async fn a_modem_at_an_rfc_2217_server_rings_dials_and_hangs_up_by_dtr() {
    let console = Console::open();
    let mut driver = console.driver("tcp");
    driver.lock().unwrap();
    driver.claim().unwrap();
    let modem = console.play(|far| {
        grant(far);
        far.set_up();
        far.say(&[NO_CARRIER, b"\r\nRING\r\n"].concat());
        far.take_dial();
        far.say(&[b"\r\nCONNECT 33600\r\n", CARRIER, &doubled(PPP)].concat());
        far.hear(&doubled(PPP));
        far.say(NO_CARRIER);
        far.hear(DTR_OFF);
        far.hear(DTR_ON);
        far.answer("AT\r", "OK");
        far.answer("ATH\r", "OK");
    });
    driver.initialise().await.unwrap();
    assert!(matches!(driver.next_event().await.unwrap(), Event::Ring(_)));
    assert_eq!((driver.signals().carrier, driver.signals().modem_ready), (Carrier::Absent, Signal::On));
    assert!(matches!(driver.dial(&number(), SOON).await.unwrap(), Outcome::Connected(_)));
    let mut online = driver.into_online();
    let mut data = vec![0; PPP.len()];
    online.read_exact(&mut data).await.unwrap();
    assert_eq!(data, PPP);
    assert_eq!(online.carrier(), Carrier::Present);
    assert!(online.duplicate().is_err(), "there is no tty to hand over");
    online.write_all(PPP).await.unwrap();
    let end = tokio::time::timeout(SOON, online.read(&mut data)).await.unwrap().unwrap();
    assert_eq!(end, 0, "the carrier fell");
    online.into_driver().hang_up().await.unwrap();
    modem.join().unwrap();
}

#[tokio::test]
async fn a_line_that_is_dropped_has_the_server_drop_dtr() {
    let console = Console::open();
    let mut driver = console.driver("tcp");
    let (done, wait) = std::sync::mpsc::channel();
    let modem = console.play(move |far| {
        grant(far);
        far.set_up();
        wait.recv().unwrap();
        far.hear(DTR_OFF);
    });
    driver.initialise().await.unwrap();
    drop(driver);
    done.send(()).unwrap();
    modem.join().unwrap();
}

#[tokio::test]
async fn bytes_pass_as_they_are_where_the_name_says_so() {
    let console = Console::open();
    let mut driver = console.driver("tcp+raw");
    let modem = console.play(|far| {
        far.set_up();
        far.take_dial();
        far.say(&[b"\r\nCONNECT\r\n", PPP].concat());
        far.hear(PPP);
    });
    driver.initialise().await.unwrap();
    assert!(matches!(driver.dial(&number(), SOON).await.unwrap(), Outcome::Connected(_)));
    let mut online = driver.into_online();
    assert_eq!(online.carrier(), Carrier::Unknown);
    let mut data = vec![0; PPP.len()];
    online.read_exact(&mut data).await.unwrap();
    online.write_all(&data).await.unwrap();
    assert_eq!(data, PPP);
    modem.join().unwrap();
    let end = tokio::time::timeout(SOON, online.read(&mut data)).await.unwrap();
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
}

#[tokio::test]
async fn a_server_without_rfc_2217_still_gives_a_line() {
    let console = Console::open();
    let mut driver = console.driver("tcp");
    let modem = console.play(|far| {
        far.hear(ASKED);
        far.say(b"\xff\xfe\x2c\xff\xfd\x03\xff\xfb\x03\xff\xfd\x00\xff\xfb\x00");
        far.set_up();
    });
    driver.initialise().await.unwrap();
    assert_eq!(driver.signals().clear_to_send, Signal::Unknown);
    modem.join().unwrap();
}

#[tokio::test]
async fn a_server_that_is_not_there_whose_port_is_in_use_or_that_goes_away_is_named() {
    let failure = |outcome| match outcome {
        Err(DriverError::Line(error)) => error,
        other => panic!("{other:?}"),
    };
    let console = Console::open();
    let mut driver = console.driver("tcp");
    drop(console);
    let error = failure(driver.initialise().await);
    assert!(matches!(error, LineError::Unreachable { .. }), "{error:?}");

    let console = Console::open();
    let mut driver = console.driver("tcp");
    let server = console.play(|far| far.say(&[GRANT, b"Port already in use\r\n"].concat()));
    let error = failure(driver.initialise().await);
    assert!(matches!(error, LineError::Busy { holder: None, .. } | LineError::Gone { .. }), "{error:?}");
    server.join().unwrap();

    let console = Console::open();
    let mut driver = console.driver("tcp");
    let server = console.play(|far| {
        grant(far);
        far.set_up();
    });
    driver.initialise().await.unwrap();
    server.join().unwrap();
    let gone = tokio::time::timeout(SOON, driver.next_event()).await.unwrap();
    assert!(matches!(gone, Err(DriverError::Line(LineError::Gone { .. }))), "{gone:?}");

    let port = PathBuf::from("tcp://console");
    let opened = Driver::open(&LineSettings { port, rate: 9600 }, Settings::default());
    assert!(matches!(opened, Err(DriverError::Line(LineError::NoAddress { .. }))), "{opened:?}");
}
