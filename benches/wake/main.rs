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

use self::bare::{Bare, Timers};
use self::ours::Wake;
use self::table::Table;

/// How often each peer runs.
const RUNS: usize = 5;
/// How often the client's own view is taken: it dials up itself, beside home, on the same processor.
const CONNECTS: usize = 2;
/// The bench ends, one way or the other.
const BOUND: Duration = Duration::from_secs(290);
/// Home's link may be idle for as long as the client needs for its own; the client's goes at once.
const TIMINGS: Timings = Timings { home_idle: 4, linger: 1 };
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
    let mut world = World::build(PathBuf::from(env!("CARGO_BIN_EXE_ringup")), TIMINGS, |_heard| {}).await?;
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
    Ok(figures.table().to_string())
}

/// What was measured.
#[derive(Default)]
struct Figures {
    wakes: Vec<Wake>,
    connects: Vec<Wake>,
    bare: Vec<f64>,
    bare_quick: Vec<f64>,
    no_modem: Vec<f64>,
}

impl Figures {
    async fn take(&mut self, world: &mut World) -> Result<(), Failure> {
        bare::add_lines(world)?;
        ours::start(world).await?;
        let mut bare = Bare::new(world)?;
        for run in 1..=RUNS {
            self.wakes.push(ours::wake(world).await?);
            self.bare.push(bare.call(world, Timers::Default).await?);
            self.bare_quick.push(bare.call(world, Timers::OneSecond).await?);
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
        let mut table = Table::new(["ringup", "pppd, chat", "same, timers 1 s", "no modems"]);
        let ours = |phase: fn(&Wake) -> f64| self.wakes.iter().map(phase).collect::<Vec<_>>();
        table.heading("seconds after the first RING");
        table.row("the caller hangs up", [ours(|wake| wake.caller_gone), vec![], vec![], vec![]]);
        table.row("home wakes", [ours(|wake| wake.waking), vec![], vec![], vec![]]);
        table.row("CONNECT", [ours(|wake| wake.connect), vec![], vec![], vec![]]);
        table.row("address", [ours(|wake| wake.address), vec![], vec![], vec![]]);
        table.row("registered", [ours(|wake| wake.registered), vec![], vec![], vec![]]);
        let seen = self.connects.iter().filter_map(|wake| wake.client).collect();
        table.row("the client has the record (connect)", [seen, vec![], vec![], vec![]]);
        table.heading("seconds from one to the next");
        table.row(
            "CONNECT -> address",
            [
                ours(|wake| wake.address - wake.connect),
                self.bare.clone(),
                self.bare_quick.clone(),
                self.no_modem.clone(),
            ],
        );
        table.row("address -> registered", [ours(|wake| wake.registered - wake.address), vec![], vec![], vec![]]);
        table
    }
}

fn write(line: &str) {
    let mut stdout = std::io::stdout();
    if writeln!(stdout, "{line}").and_then(|()| stdout.flush()).is_err() {
        // Nobody reads; the exit status still tells.
    }
}
