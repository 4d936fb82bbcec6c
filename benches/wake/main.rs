//! From the first RING to the registered address: ringup beside what people build today out of mgetty, chat, pppd and
//! nsupdate, and beside the floor below which nobody can come. One table, everything in it from one run, taken in
//! turns, on one kernel, one telephone exchange and one provider.
//!
//! Runs in the lab only: `make bench`, or `tests/lab/run` and the binary that `cargo bench --no-run` names.

mod calls;
mod floor;
#[path = "../lab/mod.rs"]
mod lab;
mod names;
mod ours;
mod phases;
mod scene;
mod stack;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use ringup::demo::Timings;
use ringup::demo::world::World;
use ringup::exit::Failure;
use tokio_util::sync::CancellationToken;

use self::floor::Floor;
use self::lab::LOG_TAIL;
use self::ours::Ours;
use self::phases::Figures;
use self::scene::Provider;
use self::stack::Stack;

/// How often each peer is woken.
const RUNS: usize = 5;
/// The bench ends, one way or the other.
const BOUND: Duration = Duration::from_secs(900);
/// Home's link may be idle for as long as the client needs for its own; the client's goes at once.
const TIMINGS: Timings = Timings { home_idle: 3, linger: 1 };

fn main() -> ExitCode {
    lab::play("wake", measure())
}

async fn measure() -> Result<String, Failure> {
    let mut world =
        World::build(PathBuf::from(env!("CARGO_BIN_EXE_ringup")), TIMINGS, |_heard| {}, &CancellationToken::new())
            .await?;
    let runs = runs();
    let mut figures = Figures::default();
    let taken = lab::within(BOUND, take(&mut figures, &mut world, runs)).await;
    if taken.is_err() {
        lab::show_logs(world.log_tails(LOG_TAIL).into_iter().chain(stack::log_tail(&world, LOG_TAIL)));
    }
    world.end().await;
    taken?;
    Ok(format!("\n{}\n{}\n{LEGEND}", heading(runs), figures.table()))
}

/// Wakes everybody in turns.
async fn take(figures: &mut Figures, world: &mut World, runs: usize) -> Result<(), Failure> {
    scene::prepare(world)?;
    scene::start(world).await?;
    let mut stack = Stack::start(world)?;
    for run in 1..=runs {
        figures.floor.push(Floor::take(world).await?);
        stack.ready().await?;
        figures.stack.push(stack.wake(world, Provider::Usual).await?);
        let (wake, round_trips) = ours::wake(world, Ours::Directory).await?;
        figures.ours.push(wake);
        figures.round_trips.extend(round_trips);
        stack.ready().await?;
        figures.stack_first.push(stack.wake(world, Provider::SpeaksFirst).await?);
        figures.ours_bind.push(ours::wake(world, Ours::Bind).await?.0);
        figures.ours_first.push(ours::wake(world, Ours::SpokenToFirst).await?.0);
        lab::say(&format!("bench wake: round {run} of {runs} done"));
    }
    figures.client = Some(ours::connect(world).await?);
    Ok(())
}

/// Fewer runs, for whoever works on the bench itself.
fn runs() -> usize {
    std::env::var("RINGUP_BENCH_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(RUNS)
}

/// What the columns are.
const LEGEND: &str = "\
floor: one cadence and 0.5 s after the last RING; then the least of this run of each: a bare ATDT to CONNECT; two pppds
  that only wait for their line, a pair of ptys, until there is an address; the bytes of one UPDATE and its answer, as a
  ping over home's link
ringup: `ringup listen` with `ringup directory`; with BIND: with a BIND that takes its updates
mgetty stack: mgetty, whose cid-program wakes; `pppd call isp` with chat, retried each second until the lock is free;
  /etc/ppp/ip-up is a script with nsupdate in it, to the same BIND; pppd's default timers
spoken to: the provider's pppd is there before the call and sends its first request at CONNECT. Else the provider is
  `ringup provide`, for all of them
dials: the number is dialled, as the exchange's log of calls has it. Address: the ip-up hook has run its first command";

/// What the figures are, where they are from, and how to get them again.
fn heading(runs: usize) -> String {
    format!(
        "From RING to registered: ringup, what people build today, and the floor. Command: make bench\n\
         Seconds: least, median, greatest of {runs} runs, taken in turns.\n\
         {}\n\
         A fork costs the guest about 60 ms: ratios within this table count, not the figures by themselves.\n",
        lab::machine()
    )
}
