//! `ringup listen`: waits on its lines for a call that may wake this machine, brings the link up, registers, and goes
//! back to waiting when the link has been idle.
//!
//! One task a modem; what they share, the one link above all, is the `House`'s. Who wakes is the [`doorman`]'s to
//! decide; one wake, from first ring to hang-up, is a `session`.

pub mod doorman;
mod event;
mod house;
mod line;
mod session;
mod wakefulness;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::doorman::Policy;
use self::house::House;
use self::line::Line;
use crate::dns::Registrar;
use crate::exit::{Failure, Status};
use crate::link::Isp;
use crate::report::Report;
use crate::sleep::Sleep;

pub use self::event::Event;

/// What `ringup listen` works with.
pub struct Settings {
    /// The lines; at least one.
    pub lines: Vec<crate::line::Settings>,
    /// Who may wake, and how.
    pub policy: Policy,
    /// The provider to dial when woken.
    pub isp: Isp,
    /// How long the link may carry nothing.
    pub idle: Duration,
}

/// Listens until told to stop.
///
/// # Errors
/// When none of the lines and their modems can be had at the start. Otherwise each is tried for as long as it takes.
pub async fn run(
    settings: Settings,
    registrar: Registrar,
    sleep: Sleep,
    report: Report,
    shutdown: &CancellationToken,
) -> Result<(), Failure> {
    let settings_of_lines = settings.lines.clone();
    let house = Arc::new(House::new(settings, registrar, sleep, report, shutdown.clone()));
    let mut lines: Vec<Line> = settings_of_lines.into_iter().map(|line| Line::new(&house, line)).collect();
    let ready = tokio::select! {
        ready = join_all(lines.iter_mut().map(Line::ready)) => ready,
        () = shutdown.cancelled() => return Ok(()),
    };
    if let Some(Err(state)) = ready.iter().find(|_| ready.iter().all(Result::is_err)) {
        return Err(state.failure());
    }
    let mut tasks = JoinSet::new();
    let watched = Arc::clone(&house);
    tasks.spawn(async move {
        let house = watched;
        house.sleep.watch(|event| house.say_of_sleep(event), &house.shutdown).await;
    });
    for line in lines {
        tasks.spawn(line.serve());
    }
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(|error| Failure::caused(Status::Internal, &error))?;
    }
    Ok(())
}
