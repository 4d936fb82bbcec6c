//! The line of a call: handed over after `CONNECT` without a byte lost, and taken back at the end.

#![cfg(feature = "driver")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code outside of #[test]")]

mod far_end;

use std::fs::File;
use std::io::Read;
use std::pin::pin;
use std::sync::mpsc;
use std::time::Duration;

use hayes::driver::DriverError;
use hayes::line::{Signal, Signals};
use hayes::modem::{Carrier, Outcome};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use self::far_end::{FarEnd, LockDirectory, PPP, SOON, number};

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
async fn not_a_byte_after_connect_is_lost_however_the_bytes_come() {
    let all = [b"\r\nCARRIER 33600\r\n\r\nCONNECT 33600\r\n", PPP].concat();
    for cut in 1..all.len() {
        let (far, mut driver) = FarEnd::open();
        let (go_on, wait) = mpsc::channel();
        let (first, rest) = (all[..cut].to_vec(), all[cut..].to_vec());
        let modem = far.play(move |far| {
            far.take_dial();
            far.say(&first);
            wait.recv().unwrap();
            far.say(&rest);
        });
        let number = number();
        // Time to have read the first part; where a slow machine has not, both come at once, which is to be no matter.
        let outcome = {
            let mut dial = pin!(driver.dial(&number, SOON));
            let connected = tokio::time::timeout(Duration::from_millis(10), &mut dial).await;
            go_on.send(()).unwrap();
            if let Ok(outcome) = connected { outcome } else { dial.await }
        };
        assert!(matches!(outcome.unwrap(), Outcome::Connected(_)), "{cut}");
        let mut data = vec![0; PPP.len()];
        driver.into_online().read_exact(&mut data).await.unwrap();
        assert_eq!(data, PPP, "cut at {cut}");
        modem.join().unwrap();
    }
}

#[tokio::test]
async fn the_next_command_works_although_no_carrier_comes_late() {
    let (far, mut driver) = FarEnd::open();
    let modem = far.play(|far| {
        far.take_dial();
        far.say(&[b"\r\nCONNECT\r\n", PPP].concat());
        far.hear(b"AT\r");
        far.say(b"A\r\nNO CARRIER\r\nT\r\r\nOK\r\n");
        far.answer("ATH\r", "OK");
        far.answer("ATI3\r", "CX93001\r\n\r\nOK");
        far.take_dial();
        far.say(b"\r\nBUSY\r\n");
    });
    assert!(matches!(driver.dial(&number(), SOON).await.unwrap(), Outcome::Connected(_)));
    let mut online = driver.into_online();
    let mut data = [0; 1];
    online.read_exact(&mut data).await.unwrap();
    let mut driver = online.into_driver();
    driver.hang_up().await.unwrap();
    assert_eq!(driver.ask("I3").await.unwrap().lines, ["CX93001"]);
    assert_eq!(driver.dial(&number(), SOON).await.unwrap(), Outcome::Busy);
    modem.join().unwrap();
}

#[tokio::test]
async fn the_signals_of_a_pty_are_unknown() {
    let (_far, mut driver) = FarEnd::open();
    let unknown = Signals {
        carrier: Carrier::Unknown,
        ring: Signal::Unknown,
        modem_ready: Signal::Unknown,
        clear_to_send: Signal::Unknown,
    };
    assert_eq!(driver.signals(), unknown);
    assert_eq!(driver.into_online().signals(), unknown);
}
