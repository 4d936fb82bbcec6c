//! What the lines of one machine share: its account with the directory, its provider, its sleep, its budget and journal, and that
//! it has one link at a time.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use tokio::sync::{Mutex, MutexGuard, watch};
use tokio_util::sync::CancellationToken;

use super::Settings;
use super::chronicle::Chronicle;
use super::doorman::{Doorman, Floodgate};
use super::event::{Event, OnLine};
use super::naps;
use super::provider::{NOT_CALLED, Provider};
use crate::budget::Allowance;
use crate::control::Front;
use crate::dns::Registrar;
use crate::handshake::{Ledger, LedgerError, Refusal, Verdict};
use crate::report::Report;
use crate::sleep::Sleep;

/// A machine that can be woken.
pub(super) struct House {
    pub(super) shutdown: CancellationToken,
    pub(super) sleep: Sleep,
    pub(super) chronicle: Chronicle,
    /// What the doormen of all lines know of floods.
    pub(super) floodgate: Floodgate,
    /// How the calls to the provider go.
    pub(super) provider: Provider,
    settings: watch::Sender<Arc<Settings>>,
    registrar: Mutex<Registrar>,
    /// Which codes are used, once it was read.
    codes: OnceLock<Ledger>,
    /// When the last wake that brought a link began, on whichever line.
    woken: watch::Sender<Option<Instant>>,
    /// Where it is online.
    place: watch::Sender<Option<IpAddr>>,
    report: Report,
}

impl House {
    pub(super) fn new(
        settings: Settings,
        registrar: Registrar,
        front: Front,
        sleep: Sleep,
        report: Report,
        shutdown: CancellationToken,
    ) -> Self {
        let floodgate = Floodgate::new(settings.policy.limits);
        let settings = watch::Sender::new(Arc::new(settings));
        let (woken, place) = (watch::Sender::new(None), watch::Sender::new(None));
        Self {
            shutdown,
            chronicle: Chronicle::new(front),
            floodgate,
            provider: Provider::default(),
            settings,
            sleep,
            registrar: Mutex::new(registrar),
            codes: OnceLock::new(),
            woken,
            place,
            report,
        }
    }

    /// The owner's settings as they are now.
    pub(super) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.borrow())
    }

    /// Follows the owner's changes to them.
    pub(super) fn follow_settings(&self) -> watch::Receiver<Arc<Settings>> {
        self.settings.subscribe()
    }

    /// Reads which codes are used, if a person may type one and it was not read before.
    pub(super) fn open_codes(&self) -> Result<(), LedgerError> {
        let settings = self.settings();
        let path = settings.answering.as_ref().and_then(|answering| answering.used_codes.as_ref());
        if let (Some(path), None) = (path, self.codes.get()) {
            let ledger = Ledger::open(path)?;
            // Whoever was sooner has read the same file.
            self.codes.get_or_init(|| ledger);
        }
        Ok(())
    }

    /// Which codes are used, where a person may type one.
    pub(super) fn codes(&self) -> Option<&Ledger> {
        self.codes.get()
    }

    /// The owner has changed them.
    pub(super) fn change_settings(&self, settings: Settings) {
        self.settings.send_replace(Arc::new(settings));
        self.provider.forgive();
        self.show_refusal();
        if let Err(error) = self.open_codes() {
            tracing::error!(%error, "no code is accepted");
        }
    }

    /// Shows whether a refusal of the provider's stands to whoever asks how things stand.
    pub(super) fn show_refusal(&self) {
        match self.provider.refusal(crate::clock::now()) {
            Some(refusal) => self.front().board.warn(NOT_CALLED, refusal),
            None => self.front().board.settle(NOT_CALLED),
        }
    }

    /// What is asked and told of this machine.
    pub(super) fn front(&self) -> &Front {
        self.chronicle.front()
    }

    /// Takes the machine's one link, and with it the right to say where the machine is; `None` while a line has it.
    pub(super) fn claim(&self) -> Option<MutexGuard<'_, Registrar>> {
        self.registrar.try_lock().ok()
    }

    /// Tells a line's doorman how things stand.
    pub(super) fn brief(&self, line: &str, doorman: &mut Doorman) {
        doorman.set_online(self.registrar.try_lock().is_err());
        doorman.set_allowance(self.chronicle.allowance(line));
        doorman.set_provider_refused(self.provider.refusal(crate::clock::now()).is_some());
        if let Some(at) = *self.woken.borrow() {
            doorman.note_wake(at);
        }
    }

    /// Waits until no line has the link, and takes it.
    pub(super) async fn claim_when_idle(&self) -> MutexGuard<'_, Registrar> {
        self.registrar.lock().await
    }

    /// A wake that began at that moment has brought a link.
    pub(super) fn note_woken(&self, at: Instant) {
        self.woken.send_replace(Some(at));
    }

    /// The machine is online there now, or not any more.
    pub(super) fn set_place(&self, place: Option<IpAddr>) {
        self.place.send_replace(place);
    }

    /// What is to be done for a caller who is let in on this line.
    pub(super) fn verdict(&self, line: &str) -> Verdict {
        let claimed = self.registrar.try_lock().is_err();
        match *self.place.borrow() {
            Some(address) if claimed => Verdict::Online(address),
            _ if claimed => Verdict::Refused(Refusal::Busy),
            _ if self.chronicle.allowance(line) != Allowance::Granted => Verdict::Refused(Refusal::Budget),
            _ if self.provider.refusal(crate::clock::now()).is_some() => Verdict::Refused(Refusal::Provider),
            _ => Verdict::Waking,
        }
    }

    /// Tells what happened on a line, to whoever follows along and for good.
    pub(super) fn say(&self, line: &str, event: &Event) {
        self.report.say(&OnLine { line, event });
        self.chronicle.note(line, event, crate::clock::now());
    }

    /// What was said of a line's wake on ring counts no more.
    pub(super) fn settle_arming(&self, line: &str) {
        naps::settle(line, self.front());
    }

    /// Tells what happened to the machine's sleep.
    pub(super) fn say_of_sleep(&self, event: &crate::sleep::Event) {
        self.report.say(event);
        self.chronicle.note_sleep(event);
    }
}
