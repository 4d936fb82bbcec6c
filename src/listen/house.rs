//! What the lines of one machine share: its account with the directory, its provider, its sleep, and that it has one link
//! at a time.

use std::time::Instant;

use tokio::sync::{Mutex, MutexGuard, watch};
use tokio_util::sync::CancellationToken;

use super::Settings;
use super::doorman::Doorman;
use super::event::{Event, OnLine};
use crate::dns::Registrar;
use crate::report::Report;
use crate::sleep::Sleep;

/// A machine that can be woken.
pub(super) struct House {
    pub(super) settings: Settings,
    pub(super) shutdown: CancellationToken,
    pub(super) sleep: Sleep,
    registrar: Mutex<Registrar>,
    /// When a call last woke the machine, on whichever line.
    woken: watch::Sender<Option<Instant>>,
    report: Report,
}

impl House {
    pub(super) fn new(
        settings: Settings,
        registrar: Registrar,
        sleep: Sleep,
        report: Report,
        shutdown: CancellationToken,
    ) -> Self {
        let woken = watch::Sender::new(None);
        Self { settings, shutdown, sleep, registrar: Mutex::new(registrar), woken, report }
    }

    /// Takes the machine's one link, and with it the right to say where the machine is; `None` while a line has it.
    pub(super) fn claim(&self) -> Option<MutexGuard<'_, Registrar>> {
        let claimed = self.registrar.try_lock().ok()?;
        self.woken.send_replace(Some(crate::clock::now()));
        Some(claimed)
    }

    /// Tells a doorman how things stand.
    pub(super) fn brief(&self, doorman: &mut Doorman) {
        doorman.set_online(self.registrar.try_lock().is_err());
        if let Some(at) = *self.woken.borrow() {
            doorman.note_wake(at);
        }
    }

    /// Tells what happened on a line.
    pub(super) fn say(&self, line: &str, event: &Event) {
        self.report.say(&OnLine { line, event });
    }

    /// Tells what happened to the machine's sleep.
    pub(super) fn say_of_sleep(&self, event: &crate::sleep::Event) {
        self.report.say(event);
    }
}
