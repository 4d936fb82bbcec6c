//! What each part of a wake takes by itself, with nobody in between: the least there is.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use ringup::demo::world::World;
use ringup::exit::{Failure, Status};
use ringup::link::hook::{HookEvent, PROGRAM_VARIABLE, SOCKET_VARIABLE};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::net::UnixDatagram;
use tokio::net::unix::pipe;
use tokio::process::Child;

use super::calls::{is, logged_at, now, since};
use super::lab::broken;
use super::names::{BARE_ANSWERING, BARE_CALLING};

/// How long any step may take; the slowest takes a third of it.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked whether a pppd waits.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// More than a hook says.
const LARGEST_EVENT: usize = 4096;
/// What both pppds are told: all that ringup tells its own, but for the timers.
const COMMON: [&str; 6] = ["nodetach", "local", "noccp", "noipv6", "logfd", "2"];
const PROVIDER: [&str; 6] = ["auth", "require-chap", "nodefaultroute", "name", "provider", "10.64.0.1:10.64.0.2"];
const SUBSCRIBER: [&str; 7] = ["noauth", "noipdefault", "nodefaultroute", "user", "home", "remotename", "provider"];

/// The floor of one round, in seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Floor {
    /// From ATDT, typed to a modem that is ready, to the dialled number.
    pub(crate) to_dialled: f64,
    /// From there to CONNECT, with a modem that answers at the first ring.
    pub(crate) to_connect: f64,
    /// From the moment at which a pppd that waits for its line gets it, a pair of ptys with another pppd waiting at the
    /// end, to its address.
    pub(crate) to_address: f64,
}

impl Floor {
    pub(crate) async fn take(world: &mut World) -> Result<Self, Failure> {
        let (to_dialled, to_connect) = bare_dial(world).await?;
        Ok(Self { to_dialled, to_connect, to_address: without_modem(world).await? })
    }
}

/// One call between two lines that nobody but the bench holds.
async fn bare_dial(world: &mut World) -> Result<(f64, f64), Failure> {
    let moment = world.heard.len();
    let socat = |line: &str, world: &World| {
        let mut socat = world.command(None, Path::new("socat"));
        socat.arg("-").arg(format!("{},raw,echo=0", world.folder().join("lines").join(line).display()));
        socat.stdin(Stdio::piped()).stdout(Stdio::piped());
        socat.spawn().map_err(|error| broken("cannot start socat", &error))
    };
    let (mut answering, mut calling) = (socat(BARE_ANSWERING.0, world)?, socat(BARE_CALLING.0, world)?);
    say(&mut answering, "ATZ\r", "OK").await?;
    say(&mut answering, "ATS0=1\r", "OK").await?;
    say(&mut calling, "ATZ\r", "OK").await?;
    let began = now();
    say(&mut calling, &format!("ATDT{}\r", BARE_ANSWERING.1.replace('-', "")), "CONNECT").await?;
    for mut hand in [calling, answering] {
        hand.kill().await.map_err(|error| broken("cannot end socat", &error))?;
    }
    while !since(world, moment).iter().any(|one| is(one, "exchange", "hung-up")) {
        world.until("exchange", "hung-up").await?;
    }
    let at = |event: &'static str| {
        let found = since(world, moment).iter().find(|one| is(one, "exchange", event));
        found.ok_or_else(|| Failure::new(Status::Internal, format!("a bare call without {event}"))).and_then(logged_at)
    };
    let (dialled, connected) = (at("dialled")?, at("connected")?);
    Ok((seconds(began, dialled), seconds(dialled, connected)))
}

/// Types a line, and waits for a line with these words.
async fn say(child: &mut Child, text: &str, wanted: &str) -> Result<(), Failure> {
    let gone = || Failure::new(Status::Internal, "socat has no input");
    let input = child.stdin.as_mut().ok_or_else(gone)?;
    let written = async {
        input.write_all(text.as_bytes()).await?;
        input.flush().await
    };
    written.await.map_err(|error| broken("cannot type to a modem", &error))?;
    let output = child.stdout.take();
    let reader = wait_for_line(output, wanted).await?;
    child.stdout = Some(reader.into_inner());
    Ok(())
}

/// pppd to pppd over a pair of ptys; seconds from the moment at which one gets its line, with the other waiting, to its
/// address.
async fn without_modem(world: &mut World) -> Result<f64, Failure> {
    let socket = world.folder().join("bare.sock");
    let hook = UnixDatagram::bind(&socket).map_err(|error| broken("cannot open the hook's socket", &error))?;
    let [calling, answering] = ["pair-calling", "pair-answering"].map(|name| world.folder().join(name));
    let pty = |link: &Path| format!("pty,raw,echo=0,link={}", link.display());
    let mut socat = world.command(None, Path::new("socat"));
    socat.args(["-d", "-d"]).arg(pty(&calling)).arg(pty(&answering)).stderr(Stdio::piped());
    let mut socat = socat.spawn().map_err(|error| broken("cannot start socat", &error))?;
    let _socat_says = wait_for_line(socat.stderr.take(), "starting data transfer loop").await?;
    let mut answer = world.command(None, Path::new("pppd"));
    answer.arg(&answering).arg("115200").args(COMMON).args(PROVIDER).arg("silent").stderr(Stdio::piped());
    answer.stdout(Stdio::null());
    let mut answer = answer.spawn().map_err(|error| broken("cannot start pppd", &error))?;
    let _pppd_says = wait_for_line(answer.stderr.take(), "Connect:").await?;
    let mut call = world.command(None, Path::new("pppd"));
    let line_is_open = world.folder().join("line-is-open");
    mkfifo(&line_is_open, Mode::S_IRWXU).map_err(|errno| broken("cannot make a FIFO", &errno.into()))?;
    call.arg(&calling).arg("115200").args(COMMON).args(SUBSCRIBER);
    call.args(["connect-delay", "1", "connect"]).arg(format!("read line <{}", line_is_open.display()));
    for (variable, path) in [(SOCKET_VARIABLE, socket.as_path()), (PROGRAM_VARIABLE, world.program())] {
        call.arg("set").arg(format!("{variable}={}", path.display()));
    }
    call.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let call = call.spawn().map_err(|error| broken("cannot start pppd", &error))?;
    let mut open = waiting_at(&line_is_open).await?;
    let began = now();
    open.write_all(b"\n").await.map_err(|error| broken("cannot write to a FIFO", &error))?;
    let up = up(&hook).await;
    end(call, answer).await?;
    socat.kill().await.map_err(|error| broken("cannot end socat", &error))?;
    for path in [&socket, &line_is_open] {
        std::fs::remove_file(path).map_err(|error| broken("cannot remove a file", &error))?;
    }
    Ok(seconds(began, up?))
}

/// Waits until somebody reads from a FIFO.
async fn waiting_at(fifo: &Path) -> Result<pipe::Sender, Failure> {
    let opening = async {
        loop {
            match pipe::OpenOptions::new().open_sender(fifo) {
                Err(error) if error.raw_os_error() == Some(Errno::ENXIO as i32) => tokio::time::sleep(LOOK_EVERY).await,
                opened => return opened,
            }
        }
    };
    let opened = tokio::time::timeout(PATIENCE, opening).await;
    let opened = opened.map_err(|_elapsed| Failure::new(Status::Internal, "pppd does not run its connect script"))?;
    opened.map_err(|error| broken("cannot open a FIFO", &error))
}

/// Waits for the caller's hook; milliseconds since 1970.
async fn up(hook: &UnixDatagram) -> Result<u64, Failure> {
    let mut buffer = vec![0; LARGEST_EVENT];
    loop {
        let heard = tokio::time::timeout(PATIENCE, hook.recv(&mut buffer)).await;
        let length = heard
            .map_err(|_elapsed| Failure::new(Status::Internal, "two pppds did not come to a link"))?
            .map_err(|error| broken("cannot hear the hook", &error))?;
        let at = now();
        if let Ok(HookEvent::Up(_)) = serde_json::from_slice(buffer.get(..length).unwrap_or_default()) {
            return Ok(at);
        }
    }
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
            if reader.read_line(&mut line).await.map_err(|error| broken("cannot read a program", &error))? == 0 {
                return Err(silent());
            }
        }
        Ok(())
    };
    tokio::time::timeout(PATIENCE, reading).await.map_err(|_elapsed| silent())??;
    Ok(reader)
}

fn seconds(from: u64, to: u64) -> f64 {
    Duration::from_millis(to.saturating_sub(from)).as_secs_f64()
}
