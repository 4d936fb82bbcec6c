//! The peer: a machine that is woken by a ring as people build it today. mgetty learns who calls and starts a program of
//! its owner's; that calls the provider with pppd and chat as soon as mgetty leaves the line; pppd's ip-up runs nsupdate.
//!
//! Everything that is a matter of taste is decided in its favour. The program is mgetty's cid-program, for which one ring
//! is enough: a cnd-program that is to know the caller waits for a second one, and one that need not, at `rings 1`, has the
//! line a second and a half later, since mgetty then waits for longer until the telephone has fallen silent. ip-up is
//! the owner's script itself, without Debian's run-parts in between, and nsupdate is told server and zone, so that it need
//! not ask for them.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use ringup::demo::world::World;
use ringup::exit::{Failure, Status};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::unix::pipe;

use super::calls::{Calls, is, now, ring, since};
use super::lab::{broken, read, write};
use super::names::{BIND, PROVIDER, SPEAKS_FIRST, STACK, ZONE};
use super::phases::Wake;
use super::scene::{Provider, appears};

/// How long a wake may take after the caller has hung up.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is looked whether pppd has gone.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// What mgetty logs when it has set the modem up.
const WAITING: &str = " waiting...";
/// Where pppd leaves its process number, by its option linkname.
const PID: &str = "/run/ppp-isp.pid";

/// The stack, at work.
pub(crate) struct Stack {
    tells: Lines<BufReader<pipe::Receiver>>,
    log: PathBuf,
    /// How often mgetty was ready when it was last waited for.
    waits: usize,
}

impl Stack {
    /// Writes its configuration, and starts its mgetty as init would.
    pub(crate) fn start(world: &mut World) -> Result<Self, Failure> {
        let folder = world.folder().join("stack");
        for part in ["mgetty", "ppp/peers", "log/mgetty"] {
            std::fs::create_dir_all(folder.join(part)).map_err(|error| broken("cannot make a folder", &error))?;
        }
        let tty = std::fs::read_link(world.folder().join("lines").join(STACK.0));
        let tty = tty.map_err(|error| broken("the stack has no line", &error))?;
        let port = tty.strip_prefix("/dev").unwrap_or(&tty).display().to_string();
        let fifo = folder.join("tells");
        mkfifo(&fifo, Mode::S_IRWXU).map_err(|errno| broken("cannot make a FIFO", &errno.into()))?;
        let tells = pipe::OpenOptions::new().read_write(true).open_receiver(&fifo);
        let tells = BufReader::new(tells.map_err(|error| broken("cannot open a FIFO", &error))?).lines();

        write(
            world,
            "stack/mgetty/mgetty.config",
            &format!(
                "debug 6\nport {port}\nspeed 115200\ndata-only y\nrings 2\ninit-chat \"\" AT&F OK AT#CID=1 OK\n\
                 cid-program {0}/wake\n",
                folder.display()
            ),
        )?;
        write(world, "stack/mgetty/dialin.config", "all\n")?;
        write(world, "stack/mgetty/login.config", "")?;
        program(
            world,
            "stack/wake",
            "#!/bin/sh\n(until pppd call isp; [ $? != 6 ]; do sleep 1; done) </dev/null >/dev/null 2>&1 &\n",
        )?;
        let (server, server_port) = BIND;
        let key = world.folder().join("bind/home.key");
        program(
            world,
            "stack/ppp/ip-up",
            &format!(
                "#!/bin/sh\nexec 3>{}\necho up >&3\nnsupdate -k {} <<END && echo registered >&3\nserver {server} \
                 {server_port}\nzone {ZONE}.\nupdate delete {name}.{ZONE}. A\nupdate add {name}.{ZONE}. 60 A $4\nsend\nEND\n",
                fifo.display(),
                key.display(),
                name = STACK.0
            ),
        )?;
        write(world, "stack/ppp/options", "")?;
        let secret = read(world, "home.secret")?;
        write(world, "stack/ppp/chap-secrets", &format!("home provider {}\n", secret.trim()))?;
        dial(world, &tty, Provider::Usual)?;

        let script = format!(
            "trap 'kill -9 $mgetty; exit 0' TERM\n\
             for folder in mgetty ppp; do mount --bind {0}/$folder /etc/$folder || exit; done\n\
             mount --bind {0}/log /var/log || exit\n\
             while :; do mgetty {port} & mgetty=$!; wait $mgetty; done",
            folder.display()
        );
        let mut command = world.command(Some("home"), Path::new("sh"));
        command.args(["-c", &script]);
        world.start(STACK.0, command)?;
        let log = folder.join(format!("log/mgetty/mg_{}.log", port.replace('/', "-")));
        Ok(Self { tells, log, waits: 0 })
    }

    /// Waits until mgetty has come back to the line after the wake before.
    pub(crate) async fn ready(&mut self) -> Result<(), Failure> {
        appears(&self.log, WAITING, self.waits + 1).await?;
        self.waits = std::fs::read_to_string(&self.log).unwrap_or_default().matches(WAITING).count();
        Ok(())
    }

    /// Rings it once, and ends its link as soon as it is registered.
    pub(crate) async fn wake(&mut self, world: &mut World, provider: Provider) -> Result<Wake, Failure> {
        let tty = std::fs::read_link(world.folder().join("lines").join(STACK.0));
        dial(world, &tty.map_err(|error| broken("the stack has no line", &error))?, provider)?;
        let moment = world.heard.len();
        ring(world, STACK.0).await?;
        let address = self.told("up").await?;
        let registered = self.told("registered").await?;
        // Its mgetty was ready once more in the midst of the wake, between the last ring and pppd.
        self.waits = std::fs::read_to_string(&self.log).unwrap_or_default().matches(WAITING).count();
        end_pppd().await?;
        while !since(world, moment).iter().any(|one| is(one, "exchange", "hung-up") && one.text("by") == STACK.0) {
            world.until("exchange", "hung-up").await?;
        }
        Ok(Wake::new(&Calls::of(since(world, moment), STACK.0)?, address, registered))
    }

    /// Waits until ip-up tells this; gives the moment.
    async fn told(&mut self, wanted: &str) -> Result<u64, Failure> {
        let silent = || Failure::new(Status::Internal, format!("the mgetty stack's ip-up never said {wanted:?}"));
        let told = tokio::time::timeout(PATIENCE, self.tells.next_line()).await.map_err(|_elapsed| silent())?;
        match told.map_err(|error| broken("cannot read a FIFO", &error))? {
            Some(told) if told == wanted => Ok(now()),
            Some(_) | None => Err(silent()),
        }
    }
}

/// Writes the peers file that `pppd call isp` reads.
fn dial(world: &World, tty: &Path, provider: Provider) -> Result<(), Failure> {
    let number = match provider {
        Provider::Usual => PROVIDER,
        Provider::SpeaksFirst => SPEAKS_FIRST.1,
    };
    let peer = format!(
        "{}\n115200\nlock\nlocal\nnodetach\nlinkname isp\n\
         connect \"chat ABORT BUSY ABORT 'NO CARRIER' ABORT 'NO DIALTONE' TIMEOUT 60 '' ATZ OK ATDT{} CONNECT '\\c'\"\n\
         noauth\nnoipdefault\ndefaultroute\nnoccp\nnoipv6\nuser home\nremotename provider\n",
        tty.display(),
        number.replace('-', "")
    );
    write(world, "stack/ppp/peers/isp", &peer)
}

async fn end_pppd() -> Result<(), Failure> {
    let pid = std::fs::read_to_string(PID).map_err(|error| broken("pppd left no process number", &error))?;
    let pid = pid.lines().next().and_then(|pid| pid.trim().parse().ok()).map(Pid::from_raw);
    let pid = pid.ok_or_else(|| Failure::new(Status::Internal, "pppd left no process number"))?;
    kill(pid, Signal::SIGTERM).map_err(|errno| broken("cannot end pppd", &errno.into()))?;
    let going = async {
        while kill(pid, None).is_ok() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let stays = || Failure::new(Status::Internal, "the stack's pppd does not end");
    tokio::time::timeout(PATIENCE, going).await.map_err(|_elapsed| stays())
}

fn program(world: &World, name: &str, text: &str) -> Result<(), Failure> {
    write(world, name, text)?;
    let runs = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(world.folder().join(name), runs).map_err(|error| broken("cannot write a program", &error))
}

/// The last lines of mgetty's log.
pub(crate) fn log_tail(world: &World, lines: usize) -> Vec<(String, Vec<String>)> {
    let logs = std::fs::read_dir(world.folder().join("stack/log/mgetty")).into_iter().flatten().flatten();
    let tail = |path: &Path| {
        let text = std::fs::read(path).unwrap_or_default();
        let all: Vec<String> = String::from_utf8_lossy(&text).lines().map(str::to_owned).collect();
        all.get(all.len().saturating_sub(lines)..).unwrap_or_default().to_vec()
    };
    logs.map(|log| ("mgetty".to_owned(), tail(&log.path()))).collect()
}
