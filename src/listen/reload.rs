//! A new configuration while the lines are listened to: policy at once, lines and account as soon as nothing uses them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Settings;
use super::house::House;
use super::line::Line;
use crate::budget::Caps;
use crate::dns::Registrar;
use crate::exit::Failure;
use crate::journal::Note;
use crate::sleep;
use crate::systemd::Notifier;

/// What a configuration says anew.
pub struct Fresh {
    /// The lines, who may wake, the provider.
    pub settings: Settings,
    /// What may be spent.
    pub caps: Caps,
    /// What may be done about the machine's sleep.
    pub sleep: sleep::Settings,
    /// The machine's name in the directory.
    pub host: String,
    /// The keys that have changed and are taken up at the next start only.
    pub at_next_start: Vec<&'static str>,
    /// Opens the account with the directories, once the old one is not in use.
    pub registrar: Box<dyn FnOnce() -> Result<Registrar, Failure> + Send>,
}

/// How a listener hears that its configuration has changed, and reads it.
pub struct Reloads {
    /// One word each time it is to be read again (SIGHUP).
    pub asked: mpsc::Receiver<()>,
    /// Reads and checks it, whole.
    pub read: Box<dyn FnMut() -> Result<Fresh, Failure> + Send>,
}

/// The lines' tasks, by the lines' settings.
pub(super) struct Lines {
    house: Arc<House>,
    tasks: JoinSet<()>,
    running: BTreeMap<String, Running>,
}

struct Running {
    /// What the line was started with, in full.
    settings: String,
    retired: CancellationToken,
}

impl Lines {
    pub(super) fn new(house: &Arc<House>) -> Self {
        Self { house: Arc::clone(house), tasks: JoinSet::new(), running: BTreeMap::new() }
    }

    /// A line that is still to be started.
    pub(super) fn line(&mut self, settings: &crate::line::Settings) -> Line {
        let retired = CancellationToken::new();
        let line = Line::new(&self.house, settings.clone(), retired.clone());
        let running = Running { settings: format!("{settings:?}"), retired };
        self.running.insert(line.name().to_owned(), running);
        line
    }

    /// Has rings on the lines wake the machine, as its owner wants it now.
    fn arm(&self) {
        for name in self.running.keys() {
            let line = Path::new(name);
            self.house.settle_arming(name);
            if let Some(event) = self.house.sleep.arm(line) {
                self.house.say_of_sleep(&event);
            }
        }
    }

    /// Has a line listened to.
    pub(super) fn start(&mut self, line: Line) {
        self.tasks.spawn(line.serve());
    }

    /// Waits for a line's task to end; `None` when there is none left.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(super) async fn next_ended(&mut self) -> Option<Result<(), tokio::task::JoinError>> {
        self.tasks.join_next().await
    }

    /// Retires the lines that are no longer there or have changed, and starts the new ones. A line that has a link keeps it to
    /// its end.
    fn change(&mut self, lines: &[crate::line::Settings]) {
        let wanted: Vec<String> = lines.iter().map(|line| format!("{line:?}")).collect();
        self.running.retain(|name, running| {
            let stays = wanted.contains(&running.settings);
            if !stays {
                tracing::info!(line = name, "the configuration has changed: this line is closed");
                running.retired.cancel();
            }
            stays
        });
        for line in lines {
            if !self.running.contains_key(&line.line.port.display().to_string()) {
                let line = self.line(line);
                self.start(line);
            }
        }
    }
}

/// Reads the configuration again and puts it in force, or says why not.
pub(super) fn reload(house: &Arc<House>, lines: &mut Lines, reloads: &mut Reloads, accounts: &mut JoinSet<()>) {
    let front = house.front();
    match (reloads.read)() {
        Ok(Fresh { settings, caps, sleep, host, at_next_start, registrar }) => {
            front.budget.set_caps(caps);
            if house.sleep.set_settings(sleep) {
                lines.arm();
            }
            lines.change(&settings.lines);
            house.change_settings(settings);
            let shared = Arc::clone(house);
            // The newest account is the one that counts.
            accounts.abort_all();
            accounts.spawn(async move {
                let mut account = shared.claim_when_idle().await;
                match registrar() {
                    Ok(registrar) => *account = registrar,
                    Err(failure) => tracing::error!(%failure, "the account with the directory stays as it was"),
                }
            });
            tracing::info!("the new configuration is in force");
            front.journal.note(None, None, Note::Reloaded);
            front.board.settle(KEPT);
            front.board.change(|standing| standing.host = host);
            if at_next_start.is_empty() {
                front.board.settle(AT_NEXT_START);
            } else {
                let warning = format!("{AT_NEXT_START}: {}", at_next_start.join(", "));
                tracing::warn!("{warning}");
                front.journal.note(None, None, Note::Failed { cause: warning.clone() });
                front.board.warn(AT_NEXT_START, warning);
            }
        }
        Err(failure) => {
            tracing::error!(%failure, "the new configuration is wrong; the old one stays in force");
            let warning = format!("{KEPT}: {failure}");
            front.journal.note(None, None, Note::Failed { cause: warning.clone() });
            front.board.warn(KEPT, warning);
        }
    }
}

/// Says that the service manager's reload begins, and that it is over.
pub(super) fn told(notifier: &Notifier, reload: impl FnOnce()) {
    notifier.reloading(crate::clock::monotonic_microseconds());
    reload();
    notifier.ready();
}

const KEPT: &str = "the old configuration is kept";
const AT_NEXT_START: &str = "changed, and taken up at the next start of ringup listen only";
