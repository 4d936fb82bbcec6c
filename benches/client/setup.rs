//! What `ringup setup` takes of a newcomer's time: its whole dialogue on a terminal, with a modem on the exchange and a
//! real directory, answered as fast as it asks. What it takes by itself, how much there is to type, and whether `ringup
//! check` accepts what it wrote.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};

use super::exchange::MODEM;
use super::place::{DIRECTORY, HOST, Place, ringup};
use super::spread;

/// How often it is played.
const RUNS: usize = 7;
/// How long the terminal may stay silent, in milliseconds.
const PATIENCE: u16 = 60_000;
/// What a newcomer has for all of it.
const ALLOWED: Duration = Duration::from_secs(120);
/// How each question begins, and what is typed; nothing is Enter alone, which takes what is proposed.
const DIALOGUE: [(&str, &str); 7] = [
    ("Where does the directory answer?", DIRECTORY),
    ("Which port is the modem at?", MODEM),
    ("The host's full name?", HOST),
    ("What do you want to call it?", ""),
    ("Its telephone number?", "555-0102"),
    ("What wakes it?", ""),
    ("Is that what `ringup identity FILE` prints there", "yes"),
];

pub(crate) async fn measure(place: &mut Place) -> String {
    // The key is compared with the one by which the directory has a record.
    place.register([203, 0, 113, 10].into()).await;
    let mut own = Vec::new();
    for run in 0..RUNS {
        let config = format!("newcomer-{run}/client.toml");
        let began = Instant::now();
        play(place, &config);
        own.push(began.elapsed().as_secs_f64() * 1000.0);
        let checked = ringup(place.folder(), &config).arg("check").output().unwrap();
        let said = String::from_utf8_lossy(&checked.stdout).into_owned();
        assert!(checked.status.success() && said.contains("good for connect home"), "{checked:?}");
    }
    let keys: usize = DIALOGUE.iter().map(|(_question, answer)| answer.len() + 1).sum();
    let slowest = own.iter().copied().fold(0.0, f64::max) / 1000.0;
    let left = (ALLOWED.as_secs_f64() - slowest) / DIALOGUE.len() as f64;
    let row = |what: &str, figure: String| format!("{what:<46}{figure:>21}\n");
    [
        format!("Setting a client up, its dialogue played on a terminal: least, median and greatest of {RUNS}.\n\n"),
        row("its own share from start to end, in ms", spread(own, 0)),
        row("questions", DIALOGUE.len().to_string()),
        row("keys to press", keys.to_string()),
        row("left for each question, of two minutes, in s", format!("{left:.1}")),
        row("written, and accepted by ringup check", format!("{RUNS} of {RUNS}")),
        "\nits own share: each answer is typed the moment it is asked for; the test of the modem is in it, an emulated one\n\
         keys: with Enter, which alone takes what is proposed\n"
            .to_owned(),
    ]
    .concat()
}

/// Plays the dialogue once.
fn play(place: &Place, config: &str) {
    let mut terminal = Terminal::open();
    let mut command = ringup(place.folder(), config);
    command.arg("setup").stdin(terminal.end()).stdout(terminal.end()).stderr(terminal.end());
    let mut child = command.spawn().unwrap();
    // Its end shows once nobody else has the terminal.
    drop((command, terminal.tty.take()));
    for (question, answer) in DIALOGUE {
        let asked = terminal.until_asked().unwrap_or_else(|| panic!("not asked: {question}; {}", terminal.seen));
        assert!(asked.lines().next_back().is_some_and(|line| line.starts_with(question)), "{question}: {asked}");
        terminal.master.write_all(format!("{answer}\n").as_bytes()).unwrap();
    }
    let more = terminal.until_asked();
    assert!(child.wait().unwrap().success() && more.is_none(), "{}", terminal.seen);
}

struct Terminal {
    master: File,
    tty: Option<File>,
    seen: String,
    read: usize,
}

impl Terminal {
    fn open() -> Self {
        let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let path = ptsname_r(&master).unwrap();
        let tty = File::options().read(true).write(true).custom_flags(OFlag::O_NOCTTY.bits()).open(path).unwrap();
        Self { master: OwnedFd::from(master).into(), tty: Some(tty), seen: String::new(), read: 0 }
    }

    fn end(&self) -> Stdio {
        self.tty.as_ref().unwrap().try_clone().unwrap().into()
    }

    /// What is shown until an answer is waited for; nothing when the dialogue has ended.
    fn until_asked(&mut self) -> Option<String> {
        const ASKED: &str = "\r\n> ";
        loop {
            let fresh = self.seen.get(self.read..).unwrap_or_default();
            if let Some((before, _after)) = fresh.split_once(ASKED) {
                let before = before.to_owned();
                self.read += before.len() + ASKED.len();
                return Some(before);
            }
            let ready =
                poll(&mut [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)], PollTimeout::from(PATIENCE)).unwrap();
            assert!(ready > 0, "nothing is asked any more: {}", self.seen);
            let mut octets = [0; 4096];
            match self.master.read(&mut octets) {
                Ok(count) => self.seen.push_str(&String::from_utf8_lossy(&octets[..count])),
                // Nobody has the other end any more (Linux, EIO).
                Err(error) if error.raw_os_error() == Some(nix::libc::EIO) => return None,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}
