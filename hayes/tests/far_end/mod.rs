//! A pty with the driver at one end and a scripted modem at the other.
#![allow(dead_code, unreachable_pub, reason = "each test crate uses its part")]

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use hayes::driver::Driver;
use hayes::line::LineSettings;
use hayes::modem::Settings;
use hayes::number::Number;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::termios::{self, BaudRate};

/// PPP's first frame begins so, right after `CONNECT`; the LF in it is data.
pub const PPP: &[u8] = b"~\xff}#\xc0!}!\n\r\n\x11\x13~";
pub const SOON: Duration = Duration::from_secs(10);

/// The modem's end of the pty.
pub struct FarEnd {
    pub master: File,
    pub port: PathBuf,
    heard: Vec<u8>,
}

impl FarEnd {
    pub fn open() -> (Self, Driver) {
        Self::open_with(Settings::default())
    }

    pub fn open_with(modem: Settings) -> (Self, Driver) {
        let pty = nix::pty::openpty(None, None).unwrap();
        let port = nix::unistd::ttyname(&pty.slave).unwrap();
        let settings = LineSettings { port: port.clone(), rate: 115_200 };
        // The driver would see it being closed, and take it for another program's.
        drop(pty.slave);
        let driver = Driver::open(&settings, modem).unwrap();
        (Self { master: pty.master.into(), port, heard: Vec::new() }, driver)
    }

    /// A modem behind a console server, at the other end of a connection.
    pub fn on(connection: TcpStream) -> Self {
        Self { master: OwnedFd::from(connection).into(), port: PathBuf::new(), heard: Vec::new() }
    }

    /// Plays the modem in a thread of its own.
    pub fn play<T: Send + 'static>(
        mut self,
        script: impl FnOnce(&mut Self) -> T + Send + 'static,
    ) -> JoinHandle<(Self, T)> {
        std::thread::spawn(move || {
            let end = script(&mut self);
            (self, end)
        })
    }

    /// Reads until this was heard.
    pub fn hear(&mut self, text: &[u8]) {
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

    pub fn say(&mut self, bytes: &[u8]) {
        self.master.write_all(bytes).unwrap();
    }

    pub fn answer(&mut self, command: &str, result: &str) {
        self.hear(command.as_bytes());
        self.say(format!("\r\n{result}\r\n").as_bytes());
    }

    pub fn set_up(&mut self) {
        self.answer("AT\r", "OK");
        self.hear(b"ATZ\r");
        self.say(b"ATZ\r\r\nOK\r\n");
        self.hear(b"AT\r");
        self.say(b"AT\r\r\nOK\r\n");
        self.answer("ATE0V1Q0X4&C1&D2S0=0\r", "OK");
        self.answer("AT+VCID=1\r", "OK");
    }

    pub fn take_dial(&mut self) {
        self.answer("AT\r", "OK");
        self.hear(b"ATDT5550002\r");
    }

    /// Watches the speed that the driver's side set; a pty tells of it only when asked.
    pub fn wait_for_speed(&self, wanted: impl Fn(BaudRate) -> bool) {
        for _ in 0..2000 {
            if wanted(termios::cfgetospeed(&termios::tcgetattr(&self.master).unwrap())) {
                return;
            }
            nix::poll::poll(&mut [], 5_u8).unwrap();
        }
        panic!("the speed stayed as it was");
    }

    pub fn take_hang_up(&mut self) {
        self.wait_for_speed(|speed| speed == BaudRate::B0);
        self.say(b"\r\nNO CARRIER\r\n");
        self.answer("AT\r", "OK");
        self.wait_for_speed(|speed| speed == BaudRate::B115200);
        self.answer("ATH\r", "OK");
    }
}

/// A lock directory of its own, removed at the end.
pub struct LockDirectory(pub PathBuf);

impl LockDirectory {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("hayes-{}-{name}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn file(&self, port: &Path) -> PathBuf {
        let name = port.strip_prefix("/dev").unwrap().to_string_lossy().replace('/', "_");
        self.0.join(format!("LCK..{name}"))
    }
}

impl Drop for LockDirectory {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

pub fn number() -> Number {
    "5550002".parse().unwrap()
}
