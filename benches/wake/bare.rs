//! The peers: Debian's pppd and Debian's chat at both ends of a call, no ringup in sight but for the exchange and for
//! the hook that stops the watch, which is the same program at the same moment as in ringup's own links.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ringup::demo::world::World;
use ringup::exit::{Failure, Status};
use ringup::link::hook::{HookEvent, PROGRAM_VARIABLE, SOCKET_VARIABLE};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::net::UnixDatagram;
use tokio::process::{Child, Command};

use super::ours::{is, logged_at};

/// How long any step of a bare call may take; the slowest takes a third of it.
const PATIENCE: Duration = Duration::from_secs(30);
/// More than a hook says.
const LARGEST_EVENT: usize = 4096;
/// The two lines, with their numbers.
const LINES: [(&str, &str); 2] = [("bare-calling", "555-0201"), ("bare-answering", "555-0202")];
/// What both ends are told in every case, so that the cases differ in nothing else: all that ringup tells its pppds,
/// but for the timers.
const COMMON: [&str; 6] = ["nodetach", "local", "noccp", "noipv6", "logfd", "2"];
/// ringup's own timers.
const QUICK: [&str; 4] = ["lcp-restart", "1", "ipcp-restart", "1"];

/// How the calling pppd comes to its line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum HandOver {
    /// It is there first, and has chat dial (`connect`), as Debian's pon does. 3 s until a request is sent again.
    Connector,
    /// The same, but 1 s until a request is sent again, as ringup has it.
    QuickConnector,
    /// chat dials first, and pppd starts on the open line, as ringup's does, but with nobody between them.
    Fresh,
}

/// Two pppds, and the socket on which the caller's hook reports.
pub(crate) struct Bare {
    hook: UnixDatagram,
    socket: PathBuf,
}

/// Adds the peers' lines to the exchange; to be called before it starts.
pub(crate) fn add_lines(world: &World) -> Result<(), Failure> {
    let path = world.folder().join("exchange.toml");
    let mut plan = std::fs::read_to_string(&path).map_err(|error| broken("cannot read the exchange's plan", &error))?;
    for (name, number) in LINES {
        plan.push_str(&format!("\n[[exchange.line]]\nname = \"{name}\"\nnumber = \"{number}\"\n"));
    }
    std::fs::write(&path, plan).map_err(|error| broken("cannot write the exchange's plan", &error))
}

/// The last lines of the peers' logs.
pub(crate) fn log_tails(world: &World, lines: usize) -> Vec<(String, Vec<String>)> {
    let tail = |name: &str| {
        let text = std::fs::read_to_string(log(world, name)).unwrap_or_default();
        let all: Vec<String> = text.lines().map(str::to_owned).collect();
        (name.to_owned(), all.get(all.len().saturating_sub(lines)..).unwrap_or_default().to_vec())
    };
    LINES.iter().map(|(name, _number)| tail(name)).collect()
}

impl Bare {
    pub(crate) fn new(world: &World) -> Result<Self, Failure> {
        let socket = world.folder().join("bare.sock");
        let hook = UnixDatagram::bind(&socket).map_err(|error| broken("cannot open the hook's socket", &error))?;
        Ok(Self { hook, socket })
    }

    /// One call from pppd to pppd; seconds from CONNECT, as the exchange logs it, to the caller's address, as its
    /// ip-up hook reports it.
    pub(crate) async fn call(&mut self, world: &mut World, hand_over: HandOver) -> Result<f64, Failure> {
        let mark = world.heard.len();
        let lines = world.folder().join("lines");
        let [calling, answering] = LINES.map(|(name, _number)| lines.join(name));
        let quick: &[&str] = if hand_over == HandOver::QuickConnector { &QUICK } else { &[] };
        let dial = format!("chat -v TIMEOUT 30 '' ATZ OK ATDT{} CONNECT '\\c'", LINES[1].1.replace('-', ""));
        // The answering side takes the call first and hands the open line to pppd, as mgetty does.
        let mut answer = on_open_line(world, "chat -v TIMEOUT 30 '' ATZ OK '\\c' RING ATA CONNECT '\\c'", &answering);
        answer.args(COMMON).args(quick).args(PROVIDER);
        let answering = self.spawn(world, LINES[1].0, answer)?;
        let mut call = match hand_over {
            HandOver::Connector | HandOver::QuickConnector => {
                let mut call = world.command(None, Path::new("pppd"));
                call.arg(&calling).arg("115200").arg("connect").arg(&dial);
                call
            }
            HandOver::Fresh => on_open_line(world, &dial, &calling),
        };
        call.args(COMMON).args(quick).args(self.subscriber(world));
        let calling = self.spawn(world, LINES[0].0, call)?;
        let up = self.up().await;
        end(calling, answering).await?;
        let up = up?;
        let of = |world: &World, event: &str| {
            let heard = world.heard.get(mark..).unwrap_or_default();
            let dialled = heard.iter().find(|one| is(one, "exchange", "dialled") && one.text("from") == LINES[0].0)?;
            let call = dialled.text("call");
            heard.iter().find(|one| is(one, "exchange", event) && one.text("call") == call).cloned()
        };
        while of(world, "hung-up").is_none() {
            world.until("exchange", "hung-up").await?;
        }
        let connected =
            of(world, "connected").ok_or_else(|| Failure::new(Status::Internal, "a call without CONNECT"))?;
        Ok(seconds(logged_at(&connected)?, up))
    }

    /// pppd to pppd over a pair of ptys; seconds from the start of one, with the other waiting, to its address.
    pub(crate) async fn without_modem(&mut self, world: &mut World) -> Result<f64, Failure> {
        let [calling, answering] = ["pair-calling", "pair-answering"].map(|name| world.folder().join(name));
        let pty = |link: &Path| format!("pty,raw,echo=0,link={}", link.display());
        let mut socat = world.command(None, Path::new("socat"));
        socat.args(["-d", "-d"]).arg(pty(&calling)).arg(pty(&answering)).stderr(Stdio::piped());
        let mut socat = socat.spawn().map_err(|error| broken("cannot start socat", &error))?;
        let _socat_says = wait_for_line(socat.stderr.take(), "starting data transfer loop").await?;
        let mut answer = world.command(None, Path::new("pppd"));
        answer.arg(&answering).arg("115200").args(COMMON).args(PROVIDER).arg("silent").stderr(Stdio::piped());
        let mut answer = answer.spawn().map_err(|error| broken("cannot start pppd", &error))?;
        let _pppd_says = wait_for_line(answer.stderr.take(), "Connect:").await?;
        let mut call = world.command(None, Path::new("pppd"));
        call.arg(&calling).arg("115200").args(COMMON).args(self.subscriber(world));
        let began = now();
        let call = self.spawn(world, LINES[0].0, call)?;
        let up = self.up().await;
        end(call, answer).await?;
        socat.kill().await.map_err(|error| broken("cannot end socat", &error))?;
        Ok(seconds(began, up?))
    }

    fn subscriber(&self, world: &World) -> Vec<String> {
        let mut options: Vec<String> =
            ["noauth", "noipdefault", "nodefaultroute", "user", "home", "remotename", "provider"]
                .map(str::to_owned)
                .into();
        let hook = [(SOCKET_VARIABLE, self.socket.as_path()), (PROGRAM_VARIABLE, world.program())];
        for (variable, path) in hook {
            options.extend(["set".to_owned(), format!("{variable}={}", path.display())]);
        }
        options
    }

    fn spawn(&self, world: &World, name: &str, mut command: Command) -> Result<Child, Failure> {
        let log = std::fs::File::create(log(world, name)).map_err(|error| broken("cannot make a log", &error))?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        command.spawn().map_err(|error| broken(&format!("cannot start {name}"), &error))
    }

    /// Waits for the caller's hook; milliseconds since 1970.
    async fn up(&self) -> Result<u64, Failure> {
        let mut buffer = vec![0; LARGEST_EVENT];
        loop {
            let heard = tokio::time::timeout(PATIENCE, self.hook.recv(&mut buffer)).await;
            let length = heard
                .map_err(|_elapsed| Failure::new(Status::Internal, "two pppds did not come to a link"))?
                .map_err(|error| broken("cannot hear the hook", &error))?;
            let at = now();
            // ip-down of the call before may come late.
            if let Ok(HookEvent::Up(_)) = serde_json::from_slice(buffer.get(..length).unwrap_or_default()) {
                return Ok(at);
            }
        }
    }
}

const PROVIDER: [&str; 6] = ["auth", "require-chap", "nodefaultroute", "name", "provider", "10.64.0.1:10.64.0.2"];

/// A dialler, and after it pppd on the line that the dialler leaves open; pppd's options are to be added.
fn on_open_line(world: &World, dialler: &str, line: &Path) -> Command {
    let mut command = world.command(None, Path::new("sh"));
    let script = format!("exec 0<>\"$1\" 1>&0; shift; {dialler} && exec pppd \"$@\"");
    command.arg("-c").arg(script).arg("call").arg(line);
    command
}

/// Takes a link down from the caller's side, and waits for both.
async fn end(mut calling: Child, mut answering: Child) -> Result<(), Failure> {
    let asked =
        calling.id().and_then(|pid| i32::try_from(pid).ok()).map(|pid| kill(Pid::from_raw(pid), Signal::SIGTERM));
    if let Some(Err(errno)) = asked {
        return Err(broken("cannot end pppd", &errno.into()));
    }
    for child in [&mut calling, &mut answering] {
        tokio::time::timeout(PATIENCE, child.wait())
            .await
            .map_err(|_elapsed| Failure::new(Status::Internal, "a pppd does not end"))?
            .map_err(|error| broken("cannot wait for pppd", &error))?;
    }
    Ok(())
}

/// Reads until a line has these words; gives the reader back, to be kept open for as long as the program runs.
async fn wait_for_line<R: AsyncRead + Unpin>(output: Option<R>, words: &str) -> Result<BufReader<R>, Failure> {
    let silent = || Failure::new(Status::Internal, format!("a program did not say {words:?}"));
    let mut reader = BufReader::new(output.ok_or_else(silent)?);
    let reading = async {
        let mut line = String::new();
        while !line.contains(words) {
            line.clear();
            if reader.read_line(&mut line).await.map_err(|error| broken("cannot read a program's log", &error))? == 0 {
                return Err(silent());
            }
        }
        Ok(())
    };
    tokio::time::timeout(PATIENCE, reading).await.map_err(|_elapsed| silent())??;
    Ok(reader)
}

fn log(world: &World, name: &str) -> PathBuf {
    world.folder().join(format!("{name}.log"))
}

fn now() -> u64 {
    u64::try_from(ringup::clock::since_epoch().as_millis()).unwrap_or(u64::MAX)
}

fn seconds(from: u64, to: u64) -> f64 {
    Duration::from_millis(to.saturating_sub(from)).as_secs_f64()
}

fn broken(what: &str, error: &std::io::Error) -> Failure {
    Failure::new(Status::Internal, format!("{what}: {error}"))
}
