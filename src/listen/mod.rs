//! `ringup listen`: waits on its lines for a call that may wake this machine, brings the link up, registers, and goes
//! back to waiting when the link has been idle.
//!
//! One task a modem; what they share, the one link above all, is the `House`'s. Who wakes is the [`doorman`]'s to
//! decide; one wake, from first ring to hang-up, is a `session`.

mod adopted;
mod answer;
mod chronicle;
pub mod doorman;
mod event;
mod house;
mod keep_up;
mod line;
mod naps;
mod provider;
mod reload;
mod session;
mod standing;
mod stay;
mod telling;
mod vigil;
mod wakefulness;

use std::sync::Arc;

use futures_util::future::join_all;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::doorman::Policy;
use self::house::House;
use self::line::Line;
use self::reload::Lines;
use crate::control::{self, Front, Socket};
use crate::dns::Registrar;
use crate::exit::{Failure, Status};
use crate::journal::Note;
use crate::link::{self, Adoption, Isp};
use crate::report::Report;
use crate::sleep::Sleep;
use crate::systemd::Notifier;
use crate::tunnel;

pub use self::answer::Answering;
pub use self::event::Event;
pub use self::keep_up::KeepUp;
pub use self::reload::{Fresh, Reloads};
pub use self::stay::Limits;

/// The section of the configuration that caps what is spent on calls.
const BUDGET: &str = "listen.budget";

/// What `ringup listen` works with.
pub struct Settings {
    /// The lines; at least one.
    pub lines: Vec<crate::line::Settings>,
    /// Who may wake, and how.
    pub policy: Policy,
    /// Who is let in where a rule has calls answered; `None` where none has.
    pub answering: Option<Answering>,
    /// The provider to dial when woken.
    pub isp: Isp,
    /// How long a wake may last.
    pub limits: Limits,
    /// What keeps an idle link up.
    pub keep_up: KeepUp,
    /// The names of links that somebody else brings up, and that are registered too.
    pub adopt: Vec<String>,
    /// The tunnel that is opened while there is a link.
    pub tunnel: Option<tunnel::Settings>,
}

/// What a listener is embedded in.
pub struct Surroundings {
    /// Journal, budget, and how things stand.
    pub front: Front,
    /// The machine's sleep.
    pub sleep: Sleep,
    /// Where it can be asked; nowhere when that could not be had.
    pub socket: Option<Socket>,
    /// The service manager.
    pub notifier: Notifier,
    /// How its configuration changes.
    pub reloads: Reloads,
}

/// Listens until told to stop.
///
/// # Errors
/// When none of the lines and their modems can be had at the start. Otherwise each is tried for as long as it takes.
pub async fn run(
    settings: Settings,
    registrar: Registrar,
    surroundings: Surroundings,
    report: Report,
    shutdown: &CancellationToken,
) -> Result<(), Failure> {
    let front = surroundings.front.clone();
    front.journal.note(None, None, Note::Started { version: env!("CARGO_PKG_VERSION").to_owned() });
    let ended = Box::pin(keep_house(settings, registrar, surroundings, report, shutdown)).await;
    front.journal.note(
        None,
        None,
        match &ended {
            Ok(()) => Note::Stopped,
            Err(failure) => Note::Failed { cause: failure.to_string() },
        },
    );
    tokio::join!(front.journal.close(), front.budget.flush());
    ended
}

async fn keep_house(
    settings: Settings,
    registrar: Registrar,
    surroundings: Surroundings,
    report: Report,
    shutdown: &CancellationToken,
) -> Result<(), Failure> {
    let Surroundings { front, sleep, socket, notifier, mut reloads } = surroundings;
    let house = Arc::new(House::new(settings, registrar, front.clone(), sleep, report, shutdown.clone()));
    house.open_codes().map_err(|error| Failure::caused(Status::Secret, &error))?;
    tunnel::mend().await;
    link::mend(&house.settings().isp.runtime).await;
    let mut lines = Lines::new(&house);
    let opened = tokio::select! {
        opened = open(&house, &mut lines) => opened?,
        () = shutdown.cancelled() => return Ok(()),
    };
    for line in opened {
        lines.start(line);
    }
    let notifier = Arc::new(notifier);
    let mut others = JoinSet::new();
    if let Some(socket) = socket {
        others.spawn(control::serve(socket, front.clone(), shutdown.clone()));
    }
    let watched = Arc::clone(&house);
    others.spawn(async move {
        watched.sleep.watch(|event| watched.say_of_sleep(event), &watched.shutdown).await;
    });
    let (runtime, names) = (house.settings().isp.runtime.clone(), house.settings().adopt.clone());
    match Adoption::open(&runtime, names) {
        Ok(adoption) => drop(others.spawn(adopted::serve(Arc::clone(&house), adoption))),
        Err(error) => tracing::warn!(%error, "links that somebody else brings up are not heard of"),
    }
    others.spawn(vigil::keep(front.clone(), Arc::clone(&notifier), shutdown.clone()));
    let mut accounts = JoinSet::new();
    loop {
        tokio::select! {
            ended = lines.next_ended() => match ended {
                Some(ended) => ended.map_err(|error| Failure::caused(Status::Internal, &error))?,
                None => break,
            },
            Some(()) = reloads.asked.recv(), if !shutdown.is_cancelled() => {
                reload::told(&notifier, || reload::reload(&house, &mut lines, &mut reloads, &mut accounts));
            }
        }
    }
    accounts.abort_all();
    while others.join_next().await.is_some() {}
    Ok(())
}

/// Opens the lines; the one whose wake was cut off when the program last ended is to go on with it.
async fn open(house: &Arc<House>, lines: &mut Lines) -> Result<Vec<Line>, Failure> {
    let mut opened: Vec<Line> = house.settings().lines.iter().map(|line| lines.line(line)).collect();
    let ready = join_all(opened.iter_mut().map(Line::ready)).await;
    if let Some(Err(state)) = ready.iter().find(|_| ready.iter().all(Result::is_err)) {
        return Err(state.failure());
    }
    let mut cut_off = chronicle::take_stock(&house.front().journal, crate::clock::unix_milliseconds());
    for line in &mut opened {
        if let Some(wake) = cut_off.take_if(|wake| wake.line == line.name()) {
            line.go_on_with(wake);
        }
    }
    if let Some(wake) = cut_off {
        chronicle::give_up(&house.front().journal, &wake);
    }
    Ok(opened)
}
