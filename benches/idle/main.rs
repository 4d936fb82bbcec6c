//! What waiting costs: `ringup listen` with one line and with sixteen, beside one mgetty and sixteen, on the same
//! exchange over the same quiet time. Counted by the kernel: wake-ups, processor time, memory.
//!
//! Runs in the lab only: `make bench`, or `tests/lab/run` and the binary that `cargo bench --no-run` names.

mod count;
#[path = "../lab/mod.rs"]
mod lab;
mod mgetty;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use nix::unistd::Pid;
use ringup::demo::Timings;
use ringup::demo::world::World;
use ringup::exit::{Failure, Status};
use tokio_util::sync::CancellationToken;

use self::count::Usage;
use self::lab::{LOG_TAIL, broken, read, write};

/// How many lines the machines with many lines have.
const MANY: usize = 16;
/// How long nobody does anything before it counts.
const SETTLE: Duration = Duration::from_secs(5);
/// For how long it is counted.
const QUIET: Duration = Duration::from_secs(60);
/// The bench ends, one way or the other.
const BOUND: Duration = Duration::from_secs(240);
/// The kind of modem on every line.
const MODEM: &str = "usr";

/// Who waits, with the names of his lines.
const PEERS: [(&str, Peer, usize); 4] = [
    ("ringup, 1 line", Peer::Ringup("one"), 1),
    ("ringup, 16 lines", Peer::Ringup("many"), MANY),
    ("mgetty, 1 line", Peer::Mgetty("mgetty-one"), 1),
    ("mgetty, 16 lines", Peer::Mgetty("mgetty-many"), MANY),
];

#[derive(Clone, Copy)]
enum Peer {
    Ringup(&'static str),
    Mgetty(&'static str),
}

impl Peer {
    fn name(self) -> &'static str {
        match self {
            Self::Ringup(name) | Self::Mgetty(name) => name,
        }
    }
}

fn main() -> ExitCode {
    lab::play("idle", measure())
}

async fn measure() -> Result<String, Failure> {
    let timings = Timings { home_idle: 60, linger: 1 };
    let program = PathBuf::from(env!("CARGO_BIN_EXE_ringup"));
    let mut world = World::build(program, timings, |_heard| {}, &CancellationToken::new()).await?;
    let taken = lab::within(BOUND, take(&mut world)).await;
    if taken.is_err() {
        lab::show_logs(world.log_tails(LOG_TAIL));
    }
    world.end().await;
    Ok(table(&taken?))
}

async fn take(world: &mut World) -> Result<Vec<Usage>, Failure> {
    let mut plan = read(world, "exchange.toml")?;
    for (_label, peer, lines) in PEERS {
        for line in 0..lines {
            let number = 5_560_000 + 100 * plan.matches("[[exchange.line]]").count() + line;
            let name = line_name(peer, line);
            plan.push_str(&format!(
                "\n[[exchange.line]]\nname = \"{name}\"\nnumber = \"{number}\"\nmodem = \"{MODEM}\"\n"
            ));
        }
    }
    write(world, "exchange.toml", &plan)?;
    world.start_role("exchange", None, "exchange")?;
    world.until("exchange", "line").await?;
    for (_label, peer, lines) in PEERS {
        match peer {
            Peer::Ringup(name) => start_ringup(world, name, lines).await?,
            Peer::Mgetty(name) => mgetty::start(world, name, lines).await?,
        }
    }
    tokio::time::sleep(SETTLE).await;
    let groups = PEERS.map(|(_label, peer, _lines)| match peer {
        Peer::Ringup(name) => count::processes("ringup", &format!("/{name}.toml")),
        Peer::Mgetty(name) => count::processes("mgetty", &format!("{name} ")),
    });
    for ((label, peer, lines), pids) in PEERS.iter().zip(&groups) {
        let expected = match peer {
            Peer::Ringup(_) => 1,
            Peer::Mgetty(_) => *lines,
        };
        if pids.len() != expected {
            let told = format!("{label}: {} processes in place of {expected}", pids.len());
            return Err(Failure::new(Status::Internal, told));
        }
    }
    let usage = |pids: &Vec<Pid>| Usage::of(pids).map_err(|error| broken("cannot count", &error));
    let before = groups.iter().map(usage).collect::<Result<Vec<_>, _>>()?;
    tokio::time::sleep(QUIET).await;
    let after = groups.iter().map(usage).collect::<Result<Vec<_>, _>>()?;
    Ok(after.iter().zip(&before).map(|(after, before)| after.since(before)).collect())
}

/// The name of a peer's line.
fn line_name(peer: Peer, line: usize) -> String {
    format!("{}-{line}", peer.name())
}

async fn start_ringup(world: &mut World, name: &'static str, lines: usize) -> Result<(), Failure> {
    let home = read(world, "home.toml")?;
    let modem = |line: usize| {
        let port = world.folder().join("lines").join(line_name(Peer::Ringup(name), line));
        format!("port = \"{}\"\nkind = \"{MODEM}\"\n", port.display())
    };
    let (before, rest) =
        home.split_once("[modem]").ok_or_else(|| Failure::new(Status::Internal, "no modem at home"))?;
    let (_port, rest) = rest.split_once("\n\n").unwrap_or_default();
    let mut config = format!("{before}{rest}").replace("home-state", &format!("{name}-state"));
    config = config.replace("home-run", &format!("{name}-run"));
    for line in 0..lines {
        config.push_str(&format!("\n[[listen.line]]\n{}", modem(line)));
    }
    write(world, &format!("{name}.toml"), &config)?;
    world.start_role(name, Some("home"), "listen")?;
    for _line in 0..lines {
        world.until(name, "listening").await?;
    }
    Ok(())
}

/// A row of the table: its label, and a peer's figure in it.
type Row = (&'static str, fn(&Usage) -> String);

fn table(usages: &[Usage]) -> String {
    let seconds = QUIET.as_secs();
    let mut text = format!(
        "\nWaiting for a call: ringup beside mgetty, all at once on one exchange, for {seconds} s. Command: make bench\n\
         {}\n\n{:26}",
        lab::machine(),
        ""
    );
    for (label, _peer, _lines) in PEERS {
        text.push_str(&format!("{label:>18}"));
    }
    let rows: [Row; 8] = [
        ("processes", |usage| usage.processes.to_string()),
        ("threads", |usage| usage.threads.to_string()),
        ("wake-ups", |usage| usage.voluntary.to_string()),
        ("  taken off the processor", |usage| usage.involuntary.to_string()),
        ("processor time, ms", |usage| usage.processor.as_millis().to_string()),
        ("resident, kB", |usage| usage.resident.to_string()),
        ("proportional, kB", |usage| usage.proportional.map_or_else(|| "-".to_owned(), |pss| pss.to_string())),
        ("open files", |usage| usage.files.to_string()),
    ];
    for (label, figure) in rows {
        text.push_str(&format!("\n  {label:24}"));
        for usage in usages {
            text.push_str(&format!("{:>18}", figure(usage)));
        }
    }
    text.push_str(
        "\n\nWake-ups: how often a thread went to sleep again by itself (voluntary context switches). Proportional: what is\n\
         shared with other processes counts by its share (PSS).",
    );
    text
}
