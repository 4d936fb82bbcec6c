//! A program of another house: started, talked to, waited for, and ended with the test.

use std::fmt::Debug;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, killpg};
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::Pid;
use tokio::time::Instant;

/// Longer than anything here takes, even on a slow and busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// Within this, whatever is to go must be gone.
const GONE_WITHIN: Duration = Duration::from_secs(20);
/// How often it is looked for, in milliseconds.
const LOOK_EVERY: u16 = 100;

/// A program that is running.
pub(crate) struct Program {
    name: String,
    child: Child,
    talk: Conversation,
}

impl Program {
    /// Starts it with nothing to read, both its outputs to be heard.
    pub(crate) fn start(command: &mut Command) -> Self {
        let (reader, writer) = std::io::pipe().unwrap();
        command.stdin(Stdio::null()).stdout(writer.try_clone().unwrap()).stderr(writer);
        Self::spawn(command, File::from(OwnedFd::from(reader)))
    }

    /// Starts it with a tty as its standard input and output, its standard error to be heard.
    pub(crate) fn start_on(tty: &Path, command: &mut Command) -> Self {
        let (reader, writer) = std::io::pipe().unwrap();
        let line = File::options().read(true).write(true).open(tty).unwrap();
        command.stdin(line.try_clone().unwrap()).stdout(line).stderr(writer);
        Self::spawn(command, File::from(OwnedFd::from(reader)))
    }

    /// Starts it as from a keyboard and a screen, which are the test's.
    pub(crate) fn start_at_screen(command: &mut Command) -> Self {
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(&size, None).unwrap();
        // So that Enter stays a carriage return for programs that make the keyboard raw later than they greet.
        let mut settings = tcgetattr(&pty.slave).unwrap();
        cfmakeraw(&mut settings);
        tcsetattr(&pty.slave, SetArg::TCSANOW, &settings).unwrap();
        command.stdin(pty.slave.try_clone().unwrap()).stdout(pty.slave.try_clone().unwrap()).stderr(pty.slave);
        command.env("TERM", "vt100");
        Self::spawn(command, File::from(pty.master))
    }

    fn spawn(command: &mut Command, screen: File) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.process_group(0).spawn();
        let child = child.unwrap_or_else(|error| panic!("{name}: {error}; run packaging/install-packages"));
        // The command keeps the other end of the screen open until its files are replaced.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self { name, child, talk: Conversation::new(screen) }
    }

    /// Types at its keyboard.
    pub(crate) fn types(&mut self, text: &str) {
        self.talk.types(text);
    }

    /// Waits until it has said this; gives what it said since the last time, up to the end of this.
    pub(crate) fn expect(&mut self, wanted: &str) -> String {
        self.talk.expect(wanted)
    }

    /// Waits until it has said all of these, in any order; gives what it said since the last time, up to the last of them.
    pub(crate) fn expect_each(&mut self, wanted: &[&str]) -> String {
        let mut said = String::new();
        for part in wanted {
            if !said.contains(part) {
                said.push_str(&self.talk.expect(part));
            }
        }
        said
    }

    /// Waits until it has ended; gives its exit status, 128 + n after signal n, and what it said last.
    pub(crate) fn ends(mut self) -> (i32, String) {
        let rest = self.talk.rest();
        let status = self.child.wait().unwrap();
        (status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap(), rest)
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(self) -> (i32, String) {
        self.signal(Signal::SIGTERM);
        self.ends()
    }

    /// Ends it and all that it has started at once.
    pub(crate) fn kill(self) {
        self.signal(Signal::SIGKILL);
        self.ends();
    }

    fn signal(&self, signal: Signal) {
        match killpg(Pid::from_raw(self.child.id().try_into().unwrap()), signal) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(error) => panic!("{} cannot be sent {signal}: {error}", self.name),
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal(Signal::SIGKILL);
            self.child.wait().ok();
        }
    }
}

/// The near end of a tty or pipe.
pub(crate) struct Conversation {
    file: File,
    seen: Vec<u8>,
}

impl Conversation {
    pub(crate) fn new(file: File) -> Self {
        Self { file, seen: Vec::new() }
    }

    pub(crate) fn types(&mut self, text: &str) {
        self.file.write_all(text.as_bytes()).unwrap();
    }

    /// Reads until `wanted` has come; gives what came up to its end.
    pub(crate) fn expect(&mut self, wanted: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.seen.windows(wanted.len()).position(|part| part == wanted.as_bytes()) {
                return text(&self.seen.drain(..at + wanted.len()).collect::<Vec<_>>());
            }
            let more = self.read_more(end);
            assert!(more, "waited for {wanted:?}, saw {:?}", String::from_utf8_lossy(&self.seen));
        }
    }

    /// Reads to the end of file.
    fn rest(&mut self) -> String {
        let end = Instant::now() + PATIENCE;
        while self.read_more(end) {}
        assert!(Instant::now() < end, "it does not end; saw {:?}", String::from_utf8_lossy(&self.seen));
        text(&std::mem::take(&mut self.seen))
    }

    /// Reads what comes next; answers whether anything came before the end of file, or of patience.
    fn read_more(&mut self, end: Instant) -> bool {
        let left = end.saturating_duration_since(Instant::now());
        let mut fds = [PollFd::new(self.file.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::try_from(left).unwrap()).unwrap();
        if fds[0].any() != Some(true) {
            return false;
        }
        let mut buffer = [0; 4096];
        match self.file.read(&mut buffer) {
            Ok(taken) => {
                self.seen.extend(&buffer[..taken]);
                taken > 0
            }
            // The last program has closed the pty.
            Err(error) if error.raw_os_error() == Some(Errno::EIO as i32) => false,
            Err(error) if error.kind() == ErrorKind::Interrupted => true,
            Err(error) => panic!("cannot read on: {error}"),
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Looks until nothing is found any more; gives what does not go.
pub(crate) fn gone<T: Default + Debug + PartialEq>(look: impl Fn() -> T) -> T {
    let end = Instant::now() + GONE_WITHIN;
    loop {
        let found = look();
        if found == T::default() || Instant::now() >= end {
            return found;
        }
        poll(&mut [], LOOK_EVERY).unwrap();
    }
}
