//! What waiting costs: `ringup listen` with one line and with sixteen, beside one mgetty and sixteen, on the same
//! exchange over the same quiet time. Counted by the kernel: wake-ups, processor time, memory.
//!
//! Runs in the lab only: `make bench`, or `tests/lab/run` and the binary that `cargo bench --no-run` names.

mod count;
mod mgetty;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use nix::unistd::Pid;
use ringup::demo::Timings;
use ringup::demo::world::World;
use ringup::exit::{Failure, Status};
use tokio_util::sync::CancellationToken;

use self::count::Usage;

/// How many lines the machines with many lines have.
const MANY: usize = 16;
/// How long nobody does anything before it counts.
const SETTLE: Duration = Duration::from_secs(5);
/// For how long it is counted.
const QUIET: Duration = Duration::from_secs(60);
/// The bench ends, one way or the other.
const BOUND: Duration = Duration::from_secs(240);
/// How many lines of each log are shown when something fails.
const LOG_TAIL: usize = 12;
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
    let measured = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::caused(Status::Internal, &error))
        .and_then(|runtime| runtime.block_on(measure()));
    match measured {
        Ok(table) => {
            write(&table);
            ExitCode::SUCCESS
        }
        Err(failure) => {
            write(&format!("bench idle FAILED: {failure}"));
            ExitCode::FAILURE
        }
    }
}

async fn measure() -> Result<String, Failure> {
    let timings = Timings { home_idle: 60, linger: 1 };
    let program = PathBuf::from(env!("CARGO_BIN_EXE_ringup"));
    let mut world = World::build(program, timings, |_heard| {}, &CancellationToken::new()).await?;
    let taken = tokio::time::timeout(BOUND, take(&mut world)).await;
    let taken = taken.unwrap_or_else(|_elapsed| {
        Err(Failure::new(Status::Internal, format!("not finished within {} s", BOUND.as_secs())))
    });
    if taken.is_err() {
        for (name, lines) in world.log_tails(LOG_TAIL) {
            write(&format!("\nthe end of the log of {name}"));
            lines.iter().for_each(|line| write(&format!("  {line}")));
        }
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
    write_file(world, "exchange.toml", &plan)?;
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
    write_file(world, &format!("{name}.toml"), &config)?;
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
    let kernel = std::env::var("RINGUP_LAB_KERNEL").unwrap_or_else(|_unset| "an unknown kernel".to_owned());
    let host = std::env::var("RINGUP_BENCH_HOST").unwrap_or_else(|_unset| "an unknown machine".to_owned());
    let mut text = format!(
        "\nWaiting for a call: ringup beside mgetty, all at once on one exchange, for {seconds} s. Command: make bench\n\
         On {kernel}; host: {host}.\n\n{:26}",
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

fn read(world: &World, name: &str) -> Result<String, Failure> {
    std::fs::read_to_string(world.folder().join(name)).map_err(|error| broken(&format!("cannot read {name}"), &error))
}

fn write_file(world: &World, name: &str, text: &str) -> Result<(), Failure> {
    std::fs::write(world.folder().join(name), text).map_err(|error| broken(&format!("cannot write {name}"), &error))
}

fn broken(what: &str, error: &std::io::Error) -> Failure {
    Failure::new(Status::Internal, format!("{what}: {error}"))
}

fn write(line: &str) {
    let mut stdout = std::io::stdout();
    if writeln!(stdout, "{line}").and_then(|()| stdout.flush()).is_err() {
        // Nobody reads; the exit status still tells.
    }
}
