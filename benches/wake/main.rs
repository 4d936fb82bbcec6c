//! The phases of a wake, beside what two pppds need for the same link without ringup: one table, everything in it from
//! one run, taken in turns, on one kernel and one telephone exchange.
//!
//! Runs in the lab only: `make bench`, or `tests/lab/run` and the binary that `cargo bench --no-run` names.

mod bare;
mod ours;
mod table;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use ringup::demo::Timings;
use ringup::demo::world::World;
use ringup::exit::{Failure, Status};
use tokio_util::sync::CancellationToken;

use self::bare::{Bare, HandOver};
use self::ours::Wake;
use self::table::Table;

/// How often each peer runs.
const RUNS: usize = 5;
/// How often the client's own view is taken: it dials up itself, beside home, on the same processor.
const CONNECTS: usize = 1;
/// The bench ends, one way or the other.
const BOUND: Duration = Duration::from_secs(290);
/// Home's link may be idle for as long as the client needs for its own; the client's goes at once.
const TIMINGS: Timings = Timings { home_idle: 3, linger: 1 };
/// How many lines of each log are shown when something fails.
const LOG_TAIL: usize = 12;

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
            let hint = failure.hint.as_deref().map_or_else(String::new, |hint| format!("\nhint: {hint}"));
            write(&format!("bench wake FAILED: {failure}{hint}"));
            ExitCode::FAILURE
        }
    }
}

async fn measure() -> Result<String, Failure> {
    let mut world =
        World::build(PathBuf::from(env!("CARGO_BIN_EXE_ringup")), TIMINGS, |_heard| {}, &CancellationToken::new())
            .await?;
    let mut figures = Figures::default();
    let taken = tokio::time::timeout(BOUND, figures.take(&mut world)).await;
    let taken = taken.unwrap_or_else(|_elapsed| {
        Err(Failure::new(Status::Internal, format!("not finished within {} s", BOUND.as_secs())))
    });
    if taken.is_err() {
        for (name, lines) in world.log_tails(LOG_TAIL).into_iter().chain(bare::log_tails(&world, LOG_TAIL)) {
            write(&format!("\nthe end of the log of {name}"));
            lines.iter().for_each(|line| write(&format!("  {line}")));
        }
    }
    world.end().await;
    taken?;
    Ok(format!("\n{}\n{}\n{LEGEND}", machine(), figures.table()))
}

/// What the columns are.
const LEGEND: &str = "\
ringup: whole wakes by `ringup wake`, ringup at both ends of home's call; pppd starts at CONNECT, 1 s timers
A: pppd is there before CONNECT and has chat dial (connect); pppd's default timers, 3 s
B: as A, with lcp-restart 1 and ipcp-restart 1
C: chat dials, and pppd starts on the line then; default timers
D: a link over a pty pair, the other end waiting, from the start of pppd; default timers
A-C are answered by chat, then pppd. Address: the ip-up hook's report, the same program in all columns.";

/// Where the figures are from, and how to get them again.
fn machine() -> String {
    let kernel = std::env::var("RINGUP_LAB_KERNEL").unwrap_or_else(|_unset| "an unknown kernel".to_owned());
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let host = std::env::var("RINGUP_BENCH_HOST").unwrap_or_else(|_unset| "an unknown machine".to_owned());
    format!(
        "A wake by ringup, and pppd to pppd without it. Command: make bench\n\
         Seconds: least, median, greatest of {RUNS} runs, taken in turns; {CONNECTS} run for what the client knows.\n\
         On {kernel}, {cores} processor(s); host: {host}.\n\
         A fork costs the guest about 60 ms: ratios within this table count, not the figures by themselves.\n"
    )
}

/// What was measured.
#[derive(Default)]
struct Figures {
    wakes: Vec<Wake>,
    connects: Vec<Wake>,
    connector: Vec<f64>,
    quick: Vec<f64>,
    fresh: Vec<f64>,
    no_modem: Vec<f64>,
}

impl Figures {
    async fn take(&mut self, world: &mut World) -> Result<(), Failure> {
        bare::add_lines(world)?;
        ours::start(world).await?;
        let mut bare = Bare::new(world)?;
        for run in 1..=RUNS {
            self.wakes.push(ours::wake(world).await?);
            self.connector.push(bare.call(world, HandOver::Connector).await?);
            self.quick.push(bare.call(world, HandOver::QuickConnector).await?);
            self.fresh.push(bare.call(world, HandOver::Fresh).await?);
            self.no_modem.push(bare.without_modem(world).await?);
            write(&format!("bench wake: round {run} of {RUNS} done"));
        }
        for run in 1..=CONNECTS {
            self.connects.push(ours::connect(world).await?);
            write(&format!("bench wake: connect {run} of {CONNECTS} done"));
        }
        Ok(())
    }

    fn table(&self) -> Table {
        let mut table = Table::new(["ringup", "A pppd+chat", "B A, 1 s timers", "C chat, pppd", "D no modems"]);
        let ours = |phase: fn(&Wake) -> f64| self.wakes.iter().map(phase).collect::<Vec<_>>();
        table.heading("seconds after the first RING");
        table.own_row("the caller hangs up", ours(|wake| wake.caller_gone));
        table.own_row("home wakes", ours(|wake| wake.waking));
        table.own_row("CONNECT", ours(|wake| wake.connect));
        table.own_row("address", ours(|wake| wake.address));
        table.own_row("registered", ours(|wake| wake.registered));
        table.own_row("the client knows (connect)", self.connects.iter().filter_map(|wake| wake.client).collect());
        table.heading("seconds from one to the next");
        table.row(
            "CONNECT -> address",
            [
                ours(|wake| wake.address - wake.connect),
                self.connector.clone(),
                self.quick.clone(),
                self.fresh.clone(),
                self.no_modem.clone(),
            ],
        );
        table.own_row("address -> registered", ours(|wake| wake.registered - wake.address));
        table
    }
}

fn write(line: &str) {
    let mut stdout = std::io::stdout();
    if writeln!(stdout, "{line}").and_then(|()| stdout.flush()).is_err() {
        // Nobody reads; the exit status still tells.
    }
}
