//! The peer: a mgetty a line, as init would start them.

use std::path::Path;
use std::time::Duration;

use ringup::demo::world::World;
use ringup::exit::{Failure, Status};

use super::lab::{broken, write};
use super::{Peer, line_name};

/// How long all of them may take until they wait for calls.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How often it is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Starts a mgetty on each line, and waits until all of them wait for calls. Each has `-i` and the peer's name on its
/// command line, by which it is found again.
pub(crate) async fn start(world: &mut World, name: &'static str, lines: usize) -> Result<(), Failure> {
    let folder = world.folder().join(name);
    for part in ["mgetty", "log/mgetty"] {
        std::fs::create_dir_all(folder.join(part)).map_err(|error| broken("cannot make a folder", &error))?;
    }
    let mut ports = Vec::new();
    for line in 0..lines {
        let tty = std::fs::read_link(world.folder().join("lines").join(line_name(Peer::Mgetty(name), line)));
        let tty = tty.map_err(|error| broken("mgetty has no line", &error))?;
        ports.push(tty.strip_prefix("/dev").unwrap_or(&tty).display().to_string());
    }
    write(
        world,
        &format!("{name}/mgetty/mgetty.config"),
        "debug 4\nspeed 115200\ndata-only y\nrings 2\ninit-chat \"\" AT&F OK AT#CID=1 OK\n",
    )?;
    write(world, &format!("{name}/mgetty/dialin.config"), "all\n")?;
    write(world, &format!("{name}/mgetty/login.config"), "")?;
    let script = format!(
        "trap 'kill -9 $mgettys; exit 0' TERM\n\
         mount --bind {0}/mgetty /etc/mgetty && mount --bind {0}/log /var/log || exit\n\
         for port; do mgetty -i /{name} $port & mgettys=\"$mgettys $!\"; done\n\
         while :; do wait; done",
        folder.display()
    );
    let mut command = world.command(Some("home"), Path::new("sh"));
    command.args(["-c", &script, "sh"]).args(&ports);
    world.start(name, command)?;
    let ready = || {
        let logs = std::fs::read_dir(folder.join("log/mgetty")).into_iter().flatten().flatten();
        let waits =
            |path: &Path| String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).contains(" waiting...");
        logs.filter(|log| waits(&log.path())).count()
    };
    let waiting = async {
        while ready() < lines {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(READY_WITHIN, waiting).await.map_err(|_elapsed| {
        Failure::new(Status::Internal, format!("only {} of {lines} mgettys wait for calls", ready()))
    })
}
