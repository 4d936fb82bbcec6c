//! Ctrl-C as a person types it: at an interactive shell on a terminal, whose kernel sends it to all that stand in its
//! foreground.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::process::Stdio;
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::termios::{Termios, tcgetattr};
use ringup::record::SignedRecord;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UdpSocket;
use tokio::net::unix::pipe;
use tokio::process::Child;
use tokio::time::{Instant, timeout};

use crate::support::{BOUND, minding_signals};
use crate::world::{NO_NUMBER, RUNG, SESSION, World, processes};

/// What is typed for `ringup connect home`.
pub const CONNECT: &str = "\"$RINGUP\" --config client.toml connect home";

/// How often it is looked for what nobody tells.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A terminal with a shell on it.
pub struct Terminal {
    shell: Child,
    keyboard: pipe::Sender,
    screen: pipe::Receiver,
    /// Held for its modes, which would be gone with the last who has it open.
    tty: File,
    /// What is on the screen, and how far it was read.
    seen: Vec<u8>,
    read: usize,
}

impl Terminal {
    pub async fn open(world: &World) -> Self {
        // Not openpty(3): no program that is started here may inherit the master, or the terminal would never go away.
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let master = posix_openpt(flags).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let path = ptsname_r(&master).unwrap();
        let tty = File::options().read(true).write(true).custom_flags(OFlag::O_NOCTTY.bits()).open(path).unwrap();
        // A session of its own, and this terminal in charge of it.
        let mut shell = minding_signals("setsid");
        shell.args(["--ctty", "sh", "-i"]).current_dir(world.folder.root()).kill_on_drop(true);
        shell.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", world.folder.root());
        shell.env("TERM", "xterm").env("PS1", "ready> ").env("RINGUP", env!("CARGO_BIN_EXE_ringup"));
        let end = || Stdio::from(tty.try_clone().unwrap());
        let shell = shell.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        let master = File::from(OwnedFd::from(master));
        let keyboard = pipe::Sender::from_file_unchecked(master.try_clone().unwrap()).unwrap();
        let screen = pipe::Receiver::from_file_unchecked(master).unwrap();
        let mut terminal = Self { shell, keyboard, screen, tty, seen: Vec::new(), read: 0 };
        terminal.shows("ready> ").await;
        terminal.types("stty rows 24 columns 120\n").await;
        terminal.shows("ready> ").await;
        terminal
    }

    pub async fn types(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).await.unwrap();
    }

    /// Waits until these words are on the screen; gives all that came before them.
    pub async fn shows(&mut self, words: &str) -> String {
        loop {
            let fresh = String::from_utf8_lossy(&self.seen[self.read..]);
            if let Some((before, _after)) = fresh.split_once(words) {
                let before = before.to_owned();
                self.read += before.len() + words.len();
                return before;
            }
            let read = timeout(BOUND, self.screen.read_buf(&mut self.seen)).await;
            let screen = String::from_utf8_lossy(&self.seen);
            assert!(matches!(read, Ok(Ok(1..))), "it never showed {words:?}: {read:?}; {screen}");
        }
    }

    pub fn modes(&self) -> Termios {
        tcgetattr(&self.tty).unwrap()
    }

    /// Waits for the end of what was typed; gives its exit status.
    pub async fn status(&mut self) -> String {
        self.shows("ready> ").await;
        self.types("echo status $?.\n").await;
        self.shows("\nstatus ").await;
        self.shows(".").await
    }

    /// What runs in the terminal's session, beside the shell.
    fn others(&self) -> Vec<String> {
        let shell = self.shell.id().unwrap();
        let mut all = processes(SESSION, shell);
        all.retain(|stat| !stat.starts_with(&format!("{shell} ")));
        all
    }

    /// Types Ctrl-C, which is to end `ringup connect` in order, with nothing left.
    async fn interrupts(&mut self, world: &World, usual: &Termios) {
        self.types("\x03").await;
        let told = self.shows("hint: nothing is left behind").await;
        assert!(told.contains("ringup: interrupted"), "{told}");
        assert_eq!(self.status().await, "130");
        let screen = String::from_utf8_lossy(&self.seen);
        let cursor = |end: &str| screen.matches(&format!("\x1b[?25{end}")).count();
        assert_eq!((cursor("l"), &self.modes()), (cursor("h"), usual), "{screen}");
        assert_eq!(self.others(), Vec::<String>::new());
        world.leaves_nothing().await;
    }
}

#[tokio::test]
async fn while_the_directory_is_asked() {
    let world = World::without_telephone(NO_NUMBER).await;
    let mute = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    world.client_of(mute.local_addr().unwrap(), NO_NUMBER);
    let mut terminal = Terminal::open(&world).await;
    let usual = terminal.modes();
    terminal.types(&format!("{CONNECT}\n")).await;
    terminal.shows("asking the directory for home.dyn.example").await;
    terminal.interrupts(&world, &usual).await;
}

#[tokio::test]
async fn while_the_host_is_rung_and_while_its_record_is_waited_for() {
    let mut world = World::new(&RUNG.replace("wait = \"5s\"", "wait = \"90s\""), "", "").await;
    let mut terminal = Terminal::open(&world).await;
    let usual = terminal.modes();
    terminal.types(&format!("{CONNECT} -- touch ran\n")).await;
    terminal.shows("ringing home.dyn.example").await;
    world.exchange_says("ringing").await;
    terminal.interrupts(&world, &usual).await;

    terminal.types(&format!("{CONNECT} -- touch ran\n")).await;
    terminal.shows("hung up before anybody answered").await;
    terminal.interrupts(&world, &usual).await;
    assert!(!world.folder.path("ran").exists());
}

#[tokio::test]
async fn while_the_host_is_to_prove_itself() {
    let world = World::without_telephone(NO_NUMBER).await;
    let silent = UdpSocket::bind("127.0.0.3:0").await.unwrap();
    let record = world.host.record(1, silent.local_addr().unwrap());
    world.host.register(&SignedRecord::sign(record, &world.host.identity)).await;
    let mut terminal = Terminal::open(&world).await;
    let usual = terminal.modes();
    terminal.types(&format!("{CONNECT}\n")).await;
    terminal.shows("having 127.0.0.3 prove to be home.dyn.example").await;
    terminal.interrupts(&world, &usual).await;
}

#[tokio::test]
async fn while_a_command_runs_it_gets_ctrl_c_once_and_its_end_is_ours() {
    let world = World::without_telephone(NO_NUMBER).await;
    world.host.register(&world.host.online(1)).await;
    let mut terminal = Terminal::open(&world).await;
    let usual = terminal.modes();
    // One that does nothing about it.
    terminal.types(&format!("{CONNECT} -- sh -c 'echo st\"\"arted; exec sleep 1000'\n")).await;
    terminal.shows("started").await;
    terminal.types("\x03").await;
    assert_eq!(terminal.status().await, "130");

    // One that puts things in order first.
    world.folder.write("tidy.sh", "trap 'echo tidied; exit 7' INT\necho started\nwhile :; do read line; done\n");
    terminal.types(&format!("{CONNECT} -- sh tidy.sh\n")).await;
    terminal.shows("started").await;
    terminal.types("\x03").await;
    terminal.shows("tidied").await;
    assert_eq!(terminal.status().await, "7");

    // One that goes on, and counts how often it was told, each time at once.
    let text = "$SIG{INT} = sub { $told++ };\nprint \"started\\n\";\nselect undef, undef, undef, 0.1 until $told;\n\
                print \"going on\\n\";\nsysread STDIN, $line, 9 until $line eq \"on\\n\";\nprint \"told $told times\\n\";\n\
                exit 3;\n";
    world.folder.write("goes-on.pl", &format!("$| = 1;\n{text}"));
    terminal.types(&format!("PERL_SIGNALS=unsafe {CONNECT} -- perl goes-on.pl\n")).await;
    terminal.shows("started").await;
    terminal.types("\x03").await;
    terminal.shows("going on").await;
    terminal.types("and\non\n").await;
    terminal.shows("told ").await;
    assert_eq!(terminal.shows(" times").await, "1");
    assert_eq!(terminal.status().await, "3");
    assert_eq!((terminal.modes(), terminal.others()), (usual, Vec::new()));
    world.leaves_nothing().await;
}

#[tokio::test]
async fn each_step_is_left_as_a_line_of_its_own_and_whole_however_narrow_the_terminal_is() {
    let world = World::without_telephone(NO_NUMBER).await;
    world.host.register(&world.host.online(1)).await;
    let mut terminal = Terminal::open(&world).await;
    terminal.types("stty columns 40\n").await;
    terminal.shows("ready> ").await;
    terminal.types(&format!("{CONNECT}\n")).await;
    // What a person is to know of an address that nobody outside can reach is longer than the terminal is wide.
    terminal.shows("0.0 s   home.dyn.example cannot be reached from everywhere: the link has no address").await;
    terminal.shows("look at what the provider assigns (IPCP)\r\n").await;
    terminal.shows(" s   having 127.0.0.1 prove to be home.dyn.example\r\n").await;
    terminal.shows(" s   home.dyn.example is online at 127.0.0.1 (record 1)\r\n127.0.0.1\r\nready> ").await;
    world.leaves_nothing().await;
}

#[tokio::test]
async fn a_ring_by_itself_shows_what_it_waits_for() {
    let world = World::new(RUNG, "", "").await;
    let mut terminal = Terminal::open(&world).await;
    terminal.types("\"$RINGUP\" --config client.toml wake home\n").await;
    terminal.shows(" s   ringing home.dyn.example\r\n").await;
    terminal.shows(" s   home.dyn.example was rung; hung up before anybody answered\r\nrang home\r\nready> ").await;
    world.leaves_nothing().await;
}

#[tokio::test]
async fn while_a_newcomer_is_asked_for_what_is_not_shown() {
    let world = World::new(RUNG, "", "").await;
    let mut terminal = Terminal::open(&world).await;
    let usual = terminal.modes();
    terminal.types("\"$RINGUP\" --config new.toml setup\n").await;
    let port = world.folder.path("lines/client");
    // The kernel has no way to everybody for whoever does not ask for it: there has to be a provider.
    for (question, answer) in [
        ("Where does the directory answer?", "255.255.255.255:53"),
        ("Which port is the modem at?", &port.display().to_string()),
        ("The provider's telephone number?", "555-0199"),
        ("Your name there?", "me"),
    ] {
        terminal.shows(question).await;
        terminal.shows("\r\n> ").await;
        terminal.types(&format!("{answer}\n")).await;
    }
    terminal.shows("it is not shown\r\n> ").await;
    assert_ne!(terminal.modes(), usual);
    terminal.types("geheim\x03").await;
    let shown = terminal.shows("ringup: interrupted\r\n").await;
    assert_eq!(shown, "\r\n");
    assert_eq!(terminal.status().await, "130");
    assert_eq!((terminal.modes(), world.folder.path("new.toml").exists()), (usual, false));
    world.leaves_nothing().await;
}

#[tokio::test]
async fn a_terminal_that_goes_away_while_the_host_is_rung_ends_the_call() {
    let mut world = World::new(&RUNG.replace("ring-for = \"3s\"", "ring-for = \"60s\""), "", "").await;
    let mut terminal = Terminal::open(&world).await;
    terminal.types(&format!("{CONNECT} -- touch ran\n")).await;
    terminal.shows("ringing home.dyn.example").await;
    world.exchange_says("ringing").await;
    let shell = terminal.shell.id().unwrap();
    let Terminal { shell: mut child, keyboard, screen, tty, .. } = terminal;
    drop((keyboard, screen, tty));
    timeout(BOUND, child.wait()).await.unwrap().unwrap();
    let began = Instant::now();
    while !processes(SESSION, shell).is_empty() {
        assert!(began.elapsed() < BOUND, "it goes on without anybody: {:?}", processes(SESSION, shell));
        tokio::time::sleep(LOOK_EVERY).await;
    }
    assert!(!world.folder.path("ran").exists());
    world.leaves_nothing().await;
}
