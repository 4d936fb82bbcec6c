//! What the lines of one machine share: its account with the directory, its provider, and that it has one link at a time.

use tokio::sync::{Mutex, MutexGuard};
use tokio_util::sync::CancellationToken;

use super::Settings;
use super::event::{Event, OnLine};
use crate::dns::Registrar;
use crate::report::Report;

/// A machine that can be woken.
pub(super) struct House {
    pub(super) settings: Settings,
    pub(super) shutdown: CancellationToken,
    registrar: Mutex<Registrar>,
    report: Report,
}

impl House {
    pub(super) fn new(settings: Settings, registrar: Registrar, report: Report, shutdown: CancellationToken) -> Self {
        Self { settings, shutdown, registrar: Mutex::new(registrar), report }
    }

    /// Takes the machine's one link, and with it the right to say where the machine is; `None` while a line has it.
    pub(super) fn claim(&self) -> Option<MutexGuard<'_, Registrar>> {
        self.registrar.try_lock().ok()
    }

    /// Tells what happened on a line.
    pub(super) fn say(&self, line: &str, event: &Event) {
        self.report.say(&OnLine { line, event });
    }
}
