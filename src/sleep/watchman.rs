//! The one task that watches over the machine's sleep: takes logind's locks and gives them back, suspends, and notices
//! that the machine was away.

use std::io;
use std::time::{Duration, Instant};

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::bus::BusError;
use super::clock_set::ClockSet;
use super::doze::Doze;
use super::logind::{Lock, Logind, Mode};
use super::{Event, Sleep};

/// How long announced sleep waits for the link's end. logind waits 5 s (`InhibitDelayMaxSec`), then sleeps anyway.
const GOODBYE: Duration = Duration::from_millis(4500);
/// When a bus that went away is tried again; logind and the bus are restarted in moments.
const RECONNECT: Duration = Duration::from_secs(30);
/// How often one looks for a resume while something is going on, where nothing else tells of it.
const LOOK: Duration = Duration::from_secs(1);

pub(super) struct Watchman<Say> {
    sleep: Sleep,
    say: Say,
    doze: Doze,
    logind: Option<Logind>,
    reconnect: Option<Instant>,
    /// Sleep is refused while this is held.
    block: Option<Lock>,
    /// Sleep waits for this.
    delay: Option<Lock>,
    naps: u64,
    /// logind has been asked to suspend, and has not yet said that it is over. The kernel counts a sleep only after it
    /// has let programs run again, so nothing else is a sign of that.
    suspending: bool,
    /// The cause of the last complaint, told once.
    told: Option<String>,
}

/// What the watchman woke up for.
enum Woken {
    Held,
    Settings,
    Announced(Result<bool, BusError>),
    Jumped,
    Time,
    Stop,
}

impl<Say: Fn(&Event) + Send> Watchman<Say> {
    pub(super) fn new(sleep: Sleep, say: Say) -> Self {
        let doze = Doze::new(sleep.settings().suspend_after, crate::clock::now());
        let naps = sleep.look().naps;
        Self {
            sleep,
            say,
            doze,
            logind: None,
            reconnect: None,
            block: None,
            delay: None,
            naps,
            suspending: false,
            told: None,
        }
    }

    pub(super) async fn run(mut self, shutdown: &CancellationToken) {
        let mut holds = self.sleep.shared.holds.subscribe();
        let mut settings = self.sleep.shared.settings.subscribe();
        let clock = ClockSet::new().inspect_err(|error| tracing::debug!(%error, "no news of the clock")).ok();
        self.connect().await;
        self.held().await;
        loop {
            let looks = self.sleep.is_held().then(|| crate::clock::now() + LOOK);
            let deadline =
                [self.doze.deadline().map(|(at, _why)| at), self.reconnect, looks].into_iter().flatten().min();
            let woken = tokio::select! {
                Ok(()) = holds.changed() => Woken::Held,
                Ok(()) = settings.changed() => Woken::Settings,
                comes = announced(&mut self.logind) => Woken::Announced(comes),
                () = jumped(clock.as_ref()) => Woken::Jumped,
                () = crate::clock::sleep_until(deadline) => Woken::Time,
                () = shutdown.cancelled() => Woken::Stop,
            };
            match woken {
                Woken::Stop => break,
                Woken::Held => self.held().await,
                Woken::Settings => self.settings_changed().await,
                Woken::Announced(Ok(true)) => self.goodbye().await,
                Woken::Announced(Ok(false)) => self.welcome().await,
                Woken::Announced(Err(error)) => self.lost(&error),
                Woken::Jumped | Woken::Time => {}
            }
            self.look();
            let now = crate::clock::now();
            if self.reconnect.is_some_and(|at| at <= now) {
                self.connect().await;
            }
            self.doze.handle_timeout(now);
            if self.doze.poll_output() {
                tokio::select! {
                    () = self.suspend() => {}
                    () = shutdown.cancelled() => break,
                }
            }
        }
        self.sleep.shared.power.keep_awake(false);
    }

    /// Notices a resume, however it came about.
    fn look(&mut self) {
        let naps = self.sleep.look().naps;
        if naps != self.naps {
            self.naps = naps;
            tracing::info!("the machine has slept, and is awake again");
            let slept = self.sleep.nap_length().as_secs();
            (self.say)(&Event::Resumed { by: self.sleep.shared.power.woken_by(), slept });
            self.doze.handle_woken(crate::clock::now());
        }
    }

    /// The owner wants something else of the machine's sleep.
    async fn settings_changed(&mut self) {
        let settings = self.sleep.settings();
        self.doze.set_after(settings.suspend_after, crate::clock::now());
        self.told = None;
        if !settings.inhibit {
            (self.block, self.delay) = (None, None);
            self.sleep.shared.power.keep_awake(false);
        } else if self.delay.is_none() {
            self.delay().await;
        }
        self.held().await;
    }

    /// Something began or ended that keeps the machine awake.
    async fn held(&mut self) {
        let held = self.sleep.is_held();
        self.doze.handle_held(held || self.suspending, crate::clock::now());
        if !self.sleep.settings().inhibit {
            return;
        }
        if !held {
            if self.block.take().is_some() {
                tracing::debug!("sleep is free again");
            }
            self.sleep.shared.power.keep_awake(false);
            return;
        }
        if self.block.is_some() {
            return;
        }
        self.sleep.shared.power.keep_awake(true);
        if self.logind.is_none() {
            self.connect().await;
        }
        let Some(logind) = &mut self.logind else { return };
        match logind.inhibit(Mode::Block, "somebody rings, or the link is up").await {
            Ok(lock) => {
                tracing::debug!("sleep is held off");
                self.told = None;
                self.block = Some(lock);
            }
            Err(BusError::Refused { name, text }) => {
                let cause = format!(
                    "logind does not let this program hold sleep off: {name}: {text}; run it as root, or have polkit \
                     allow org.freedesktop.login1.inhibit-block-sleep to its user"
                );
                self.complain(cause, |cause| Event::NotInhibited { cause });
            }
            Err(error @ BusError::Gone { .. }) => self.lost(&error),
        }
    }

    /// Sleep has been announced: whoever has a link has a few seconds to end it in good order.
    async fn goodbye(&mut self) {
        if self.sleep.is_held() {
            tracing::warn!("the machine is being put to sleep though there is a call or a link; it is given up");
            (self.say)(&Event::SleepAnnounced);
        }
        self.sleep.shared.moment.send_modify(|moment| moment.going = true);
        let mut holds = self.sleep.shared.holds.subscribe();
        match timeout(GOODBYE, holds.wait_for(|holds| *holds == 0)).await {
            Ok(_nothing_held) => {}
            Err(_elapsed) => tracing::warn!("sleep does not wait any longer for the link to end"),
        }
        self.block = None;
        self.delay = None;
    }

    /// Sleep is over, or did not come to pass.
    async fn welcome(&mut self) {
        self.sleep.shared.moment.send_modify(|moment| moment.going = false);
        self.suspending = false;
        self.delay().await;
        self.held().await;
        self.doze.handle_woken(crate::clock::now());
    }

    async fn connect(&mut self) {
        self.reconnect = None;
        match Logind::connect().await {
            Ok(logind) => {
                tracing::debug!("logind is there");
                self.logind = Some(logind);
                self.delay().await;
            }
            Err(error) => tracing::debug!(%error, "no logind; sleep is the kernel's alone"),
        }
    }

    /// Takes the standing lock for which announced sleep waits.
    async fn delay(&mut self) {
        if !self.sleep.settings().inhibit {
            return;
        }
        let Some(logind) = &mut self.logind else { return };
        match logind.inhibit(Mode::Delay, "to say that this machine is asleep before it is").await {
            Ok(lock) => self.delay = Some(lock),
            Err(BusError::Refused { name, text }) => {
                let cause = format!("sleep will not wait for the record to be withdrawn: {name}: {text}");
                self.complain(cause, |cause| Event::NotInhibited { cause });
            }
            Err(error @ BusError::Gone { .. }) => self.lost(&error),
        }
    }

    /// The bus went away, and with it what it told; locks that are held stay so, as logind knows them by their files.
    fn lost(&mut self, error: &BusError) {
        tracing::warn!(%error, "lost logind");
        self.logind = None;
        self.suspending = false;
        self.doze.handle_held(self.sleep.is_held(), crate::clock::now());
        self.sleep.shared.moment.send_if_modified(|moment| std::mem::take(&mut moment.going));
        self.reconnect = Some(crate::clock::now() + RECONNECT);
    }

    /// Puts the machine to sleep, unless there is a reason not to.
    async fn suspend(&mut self) {
        if self.logind.is_none() {
            self.connect().await;
        }
        let stay_awake = self.sleep.settings().stay_awake.clone();
        let failure = if stay_awake.exists() {
            Some(format!("{} keeps it awake", stay_awake.display()))
        } else if self.logind.is_some() {
            self.suspend_by_logind().await
        } else {
            self.suspend_by_kernel().await
        };
        let Some(cause) = failure else { return };
        let again = self.doze.handle_failed(crate::clock::now());
        let again_in = again.saturating_duration_since(crate::clock::now());
        tracing::debug!(cause, ?again_in, "not suspended");
        self.complain(format!("the machine does not go to sleep: {cause}"), |cause| Event::NotSuspended { cause });
    }

    async fn suspend_by_logind(&mut self) -> Option<String> {
        let logind = self.logind.as_mut()?;
        let outcome = match logind.blocked_by().await {
            Ok(Some(blocker)) => {
                return Some(format!("{blocker} holds it off (loginctl or systemd-inhibit --list shows it)"));
            }
            Ok(None) => {
                (self.say)(&Event::Suspending { by: "logind" });
                tracing::info!(by = "logind", "suspending");
                logind.suspend().await
            }
            Err(error) => Err(error),
        };
        match outcome {
            // What follows is announced: sleep, and its end.
            Ok(()) => {
                self.suspending = true;
                self.doze.handle_held(true, crate::clock::now());
                None
            }
            Err(BusError::Refused { name, text }) => Some(format!(
                "logind: {name}: {text}; polkit must allow org.freedesktop.login1.suspend to this program's user"
            )),
            Err(error @ BusError::Gone { .. }) => {
                self.lost(&error);
                Some(error.to_string())
            }
        }
    }

    async fn suspend_by_kernel(&mut self) -> Option<String> {
        let state = self.sleep.settings().state.clone();
        let (power, sleep) = (self.sleep.shared.power.clone(), self.sleep.clone());
        if !power.can(&state) {
            return Some(format!("the kernel has no state \"{state}\"; /sys/power/state shows which it has"));
        }
        (self.say)(&Event::Suspending { by: "kernel" });
        tracing::info!(by = "kernel", state, "suspending");
        let asleep = tokio::task::spawn_blocking(move || power.suspend(&state, || sleep.is_held()));
        match asleep.await.map_err(io::Error::other).and_then(|outcome| outcome) {
            Ok(()) => {
                self.doze.handle_woken(crate::clock::now());
                self.told = None;
                None
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                tracing::info!("something came in between; not suspended");
                self.doze.handle_raced(crate::clock::now());
                (self.say)(&Event::NotSuspended { cause: "not suspended: something came in between".to_owned() });
                None
            }
            Err(error) => Some(format!("/sys/power/state: {error}")),
        }
    }

    /// Tells of a failure; of one that goes on, once.
    fn complain(&mut self, cause: String, event: impl FnOnce(String) -> Event) {
        if self.told.as_ref() != Some(&cause) {
            tracing::warn!("{cause}");
            self.told = Some(cause.clone());
            (self.say)(&event(cause));
        }
    }
}

/// Waits for logind's word; for ever where there is none.
async fn announced(logind: &mut Option<Logind>) -> Result<bool, BusError> {
    match logind {
        Some(logind) => logind.sleep_comes().await,
        None => std::future::pending().await,
    }
}

/// Waits for the clock to jump; for ever where that is not told.
async fn jumped(clock: Option<&ClockSet>) {
    match clock {
        Some(clock) => {
            if let Err(error) = clock.jumped().await {
                tracing::debug!(%error, "no more news of the clock");
                std::future::pending::<()>().await;
            }
        }
        None => std::future::pending().await,
    }
}
