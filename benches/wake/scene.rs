//! What the bench adds to the demo's world: more lines, a BIND, and a provider whose pppd speaks first.

use std::path::Path;
use std::time::Duration;

use ringup::demo::world::World;
use ringup::exit::{Failure, Status};

use super::lab::{broken, read, write};
use super::names::{BARE_ANSWERING, BARE_CALLING, BIND, HOME, HOME_BIND, HOME_FIRST, MODEM, SPEAKS_FIRST, STACK, ZONE};

/// Whom a wake dials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Provider {
    /// `ringup provide`.
    Usual,
    /// A pppd that was there before the call, and sends its first request at CONNECT.
    SpeaksFirst,
}

/// How long a program may take until it is ready.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// How often it is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Writes every configuration that the demo's world has not.
pub(crate) fn prepare(world: &World) -> Result<(), Failure> {
    let mut exchange = read(world, "exchange.toml")?;
    let (_name, number) = HOME;
    let woken = format!("name = \"home\"\nnumber = \"{number}\"\n");
    exchange = replaced(&exchange, &woken, &format!("{woken}modem = \"{MODEM}\"\n"))?;
    for (name, number) in [HOME_BIND, HOME_FIRST, STACK, BARE_CALLING, BARE_ANSWERING] {
        exchange.push_str(&line(name, number, MODEM));
    }
    exchange.push_str(&line(SPEAKS_FIRST.0, SPEAKS_FIRST.1, "default"));
    write(world, "exchange.toml", &exchange)?;

    let home = read(world, "home.toml")?;
    let on_line = |name: &str| {
        let home = replaced(&home, "/lines/home\"", &format!("/lines/{name}\""))?;
        let home = replaced(&home, "\"home-state\"", &format!("\"{name}-state\""))?;
        replaced(&home, "\"home-run\"", &format!("\"{name}-run\""))
    };
    let (address, port) = BIND;
    let bind = replaced(&on_line(HOME_BIND.0)?, "\"192.0.2.6:53\"", &format!("\"{address}:{port}\""))?;
    write(world, &format!("{}.toml", HOME_BIND.0), &bind)?;
    // A host of its own: two daemons would overtake each other's numbers.
    let first = on_line(HOME_FIRST.0)?.replace("home.dyn", "cabin.dyn").replace("home.identity", "cabin.identity");
    let first =
        replaced(&first, "name = \"home\", secret = \"home.tsig\"", "name = \"cabin\", secret = \"cabin.tsig\"")?;
    let first = replaced(&first, "number = \"555-0199\"", &format!("number = \"{}\"", SPEAKS_FIRST.1))?;
    write(world, &format!("{}.toml", HOME_FIRST.0), &first)?;

    let mut client = read(world, "client.toml")?;
    let identity = client.lines().find(|line| line.starts_with("identity = ")).unwrap_or_default().to_owned();
    for (name, number) in [HOME_BIND, HOME_FIRST, STACK] {
        client.push_str(&format!(
            "\n[sites.{name}]\nhost = \"{name}.{ZONE}\"\n{identity}\nnumber = \"{number}\"\nring-for = \"8s\"\n"
        ));
    }
    write(world, "client.toml", &client)?;

    let tsig = read(world, "home.tsig")?;
    let key = format!("key \"home\" {{ algorithm hmac-sha256; secret \"{}\"; }};\n", tsig.trim());
    std::fs::create_dir_all(world.folder().join("bind")).map_err(|error| broken("cannot make a folder", &error))?;
    write(world, "bind/home.key", &key)?;
    write(world, "bind/zone", &zone())?;
    write(world, "bind/named.conf", &named(&world.folder().join("bind"), &key))
}

fn line(name: &str, number: &str, modem: &str) -> String {
    format!("\n[[exchange.line]]\nname = \"{name}\"\nnumber = \"{number}\"\nmodem = \"{modem}\"\n")
}

fn zone() -> String {
    format!("$TTL 60\n@ IN SOA ns.{ZONE}. admin.{ZONE}. 1 3600 600 86400 60\n@ IN NS ns.{ZONE}.\nns IN A {}\n", BIND.0)
}

fn named(folder: &Path, key: &str) -> String {
    let (address, port) = BIND;
    format!(
        "options {{\n  directory \"{}\";\n  listen-on port {port} {{ {address}; }};\n  listen-on-v6 {{ none; }};\n  \
         pid-file none;\n  session-keyfile none;\n  recursion no;\n  notify no;\n  dnssec-validation no;\n}};\n\
         controls {{ }};\n{key}zone \"{ZONE}\" {{ type primary; file \"zone\"; allow-update {{ key home; }}; }};\n",
        folder.display()
    )
}

/// Starts everything a wake needs.
pub(crate) async fn start(world: &mut World) -> Result<(), Failure> {
    for (name, machine, role, ready) in [
        ("exchange", None, "exchange", "line"),
        ("directory", Some("directory"), "directory", "ready"),
        ("provider", Some("provider"), "provide", "ready"),
        (HOME.0, Some("home"), "listen", "listening"),
        (HOME_BIND.0, Some("home"), "listen", "listening"),
        (HOME_FIRST.0, Some("home"), "listen", "listening"),
    ] {
        world.start_role(name, machine, role)?;
        world.until(name, ready).await?;
    }
    let mut bind = world.command(Some("directory"), Path::new("named"));
    bind.args(["-g", "-n", "1", "-c", "bind/named.conf"]);
    world.start("named", bind)?;
    logged(world, "named", "running").await?;
    start_first_speaker(world).await
}

/// A provider whose pppd waits for the call, and whose first request goes out at CONNECT.
async fn start_first_speaker(world: &mut World) -> Result<(), Failure> {
    let script = "trap 'kill $pppd; exit 0' TERM\n\
                  while :; do\n\
                  pppd \"$0\" 115200 connect \"chat -sv TIMEOUT 3600 '' ATZ OK '\\c' RING ATA TIMEOUT 30 CONNECT '\\c'\" \
                  connect-delay 1 nodetach local noccp noipv6 logfd 2 auth require-chap nodefaultroute name provider \
                  203.0.113.1:203.0.113.99 & pppd=$!\n\
                  wait $pppd\n\
                  done";
    let mut command = world.command(Some("provider"), Path::new("sh"));
    command.args(["-c", script]).arg(world.folder().join("lines").join(SPEAKS_FIRST.0));
    world.start(SPEAKS_FIRST.0, command)?;
    logged(world, SPEAKS_FIRST.0, "expect (RING)").await
}

/// Waits until a program's log has these words.
pub(crate) async fn logged(world: &World, name: &str, words: &str) -> Result<(), Failure> {
    let log = world.folder().join(format!("{name}.log"));
    appears(&log, words, 1).await
}

/// Waits until a file has these words so often.
pub(crate) async fn appears(file: &Path, words: &str, times: usize) -> Result<(), Failure> {
    let looking = async {
        while std::fs::read_to_string(file).unwrap_or_default().matches(words).count() < times {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let silent = || Failure::new(Status::Internal, format!("{} never said {words:?}", file.display()));
    tokio::time::timeout(READY_WITHIN, looking).await.map_err(|_elapsed| silent())
}

fn replaced(text: &str, old: &str, new: &str) -> Result<String, Failure> {
    if text.contains(old) {
        Ok(text.replacen(old, new, 1))
    } else {
        Err(Failure::new(Status::Internal, format!("no {old:?} in a configuration of the demo's")))
    }
}
