//! One wake: dial the provider, register the address it lends, stay until idle, withdraw, hang up.

mod dial;
mod online;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hayes::driver::Driver;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::house::House;
use super::{Event, Settings};
use crate::control::{Ask, Asked};
use crate::dns::Registrar;
use crate::exit::Failure;
use crate::journal::Wake;
use crate::link::{Link, LinkEnd, Next, Up};

/// One wake, from its first ring on.
pub(super) struct Session<'house> {
    house: &'house House,
    /// The line's port.
    line: &'house str,
    registrar: &'house mut Registrar,
    first_ring: Instant,
    began: Instant,
    stop: Stop,
    asks: &'house mut mpsc::Receiver<Asked>,
    /// As they were when it began.
    settings: Arc<Settings>,
    /// How often the provider was called for the link that is wanted now.
    calls: u32,
    /// What has kept the idle link up, as it was told last.
    kept_by: Option<&'static str>,
}

/// What a session leaves.
pub(super) struct Left {
    /// The line, on hook and unlocked, unless it is gone.
    pub(super) line: Option<Driver>,
    /// The link is still wanted, but the line has to be opened anew for it.
    pub(super) again: Option<Again>,
}

/// A call that is to be made on a line that is opened anew.
#[derive(Clone, Copy, Debug)]
pub(super) struct Again {
    /// When.
    pub(super) at: Instant,
    /// How many were made before.
    calls: u32,
}

/// Ends a wake from outside.
#[derive(Clone, Debug)]
pub(super) struct Stop {
    token: CancellationToken,
    link_is_dead: Arc<AtomicBool>,
}

impl Stop {
    /// One that ends with the house.
    pub(super) fn new(house: &House) -> Self {
        Self { token: house.shutdown.child_token(), link_is_dead: Arc::default() }
    }

    /// Ends the wake in good order.
    pub(super) fn end(&self) {
        self.token.cancel();
    }

    /// Ends the wake at once: nothing that was sent over its link would arrive.
    pub(super) fn give_up(&self) {
        self.link_is_dead.store(true, Ordering::Relaxed);
        self.token.cancel();
    }

    fn is_given_up(&self) -> bool {
        self.link_is_dead.load(Ordering::Relaxed)
    }

    /// Whether the wake was ended from outside.
    pub(super) fn is_ended(&self) -> bool {
        self.token.is_cancelled()
    }

    async fn ended(&self) {
        self.token.cancelled().await;
    }
}

impl<'house> Session<'house> {
    /// The wake that a call on this line is.
    pub(super) fn new(
        house: &'house House,
        line: &'house str,
        registrar: &'house mut Registrar,
        first_ring: Instant,
        stop: Stop,
        asks: &'house mut mpsc::Receiver<Asked>,
    ) -> Self {
        let (settings, began) = (house.settings(), crate::clock::now());
        Self { settings, house, line, registrar, first_ring, began, stop, asks, calls: 0, kept_by: None }
    }

    /// Runs the wake to its end.
    pub(super) async fn run(self, line: Driver) -> Left {
        self.say(&Event::Waking { since_ring: self.since_ring() });
        tracing::info!(line = self.line, "waking");
        self.serve_wake(line).await
    }

    /// Goes on with a wake that was cut off, from its first step: what stood then has fallen.
    pub(super) async fn go_on(self, line: Driver, wake: &Wake) -> Left {
        self.house.chronicle.resume(self.line, wake);
        self.say(&Event::Resuming { step: wake.step.as_str() });
        tracing::warn!(line = self.line, wake = %wake.wake, step = wake.step.as_str(), "going on with a wake that was cut off");
        self.serve_wake(line).await
    }

    /// Goes on with a wake whose line had to be opened anew.
    pub(super) async fn call_again(mut self, line: Driver, again: Again) -> Left {
        self.calls = again.calls;
        self.serve_wake(line).await
    }

    async fn serve_wake(mut self, line: Driver) -> Left {
        let mut line = Some(line);
        loop {
            let (link, up) = match self.dial(line).await {
                Ok(linked) => linked,
                Err(left) => {
                    if left.again.is_none() {
                        self.tell_no_link();
                    }
                    return left;
                }
            };
            let (left, again) = self.serve_link(link, &up).await;
            line = left;
            match again {
                Some(at) if line.is_none() => return Left { line, again: Some(Again { at, calls: self.calls }) },
                Some(at) if self.pause(&mut line, at).await => {}
                Some(_) | None => return self.leave(line),
            }
        }
    }

    /// Stays online until the link ends; gives the line back, and when to call again if the link is still wanted.
    async fn serve_link(&mut self, mut link: Link, up: &Up) -> (Option<Driver>, Option<Instant>) {
        self.calls = 0;
        self.house.provider.handle_up(crate::clock::now());
        self.house.show_refusal();
        tracing::info!(interface = %up.interface, "link up");
        tracing::debug!(address = %up.local, "lent");
        self.say(&Event::Up { interface: up.interface.clone(), address: up.local });
        self.house.note_woken(self.began);
        self.house.set_place(Some(up.local));
        let lost = self.stay_online(&mut link).await;
        self.house.set_place(None);
        let (end, line) = link.close().await;
        let cause = lost.as_ref().unwrap_or(&end);
        let line = hang_up(line).await;
        tracing::info!(%cause, "link down");
        self.say(&Event::Ended { cause: cause.to_string() });
        let next = lost.as_ref().map_or(Next::Sleep, LinkEnd::next);
        let again = self.after(next, &Failure::from(cause));
        if let Some(at) = again {
            let within = at.saturating_duration_since(crate::clock::now());
            tracing::info!(?within, "the link is still wanted: calling again");
            self.say(&Event::Redialling { within: u64::try_from(within.as_millis()).unwrap_or(u64::MAX) });
        }
        (line, again)
    }

    /// What follows an end: when to call again, if at all, and if the owner's limit leaves time for it.
    fn after(&self, next: Next, told: &Failure) -> Option<Instant> {
        let again = self.house.provider.handle_end(next, told, crate::clock::now());
        let until = self.settings.limits.session.map(|session| self.first_ring + session);
        again.filter(|at| until.is_none_or(|until| *at < until))
    }

    /// Tells when whoever wants this machine may ring again.
    fn tell_no_link(&self) {
        self.house.show_refusal();
        let now = crate::clock::now();
        let until = self.house.provider.refused_until(now);
        let again = until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        if again.is_zero() {
            tracing::warn!(line = self.line, "no link; whoever rings again is served at once");
        } else {
            tracing::warn!(
                line = self.line,
                ?again,
                "no link, and no call wakes before that is over, or ringup reloads"
            );
        }
        self.say(&Event::NoLink { again: u64::try_from(again.as_millis()).unwrap_or(u64::MAX) });
    }

    /// Lets go of the line: nobody is called any more.
    fn leave(&self, mut line: Option<Driver>) -> Left {
        if let Some(line) = &mut line {
            line.unlock();
        }
        Left { line, again: None }
    }

    fn since_ring(&self) -> u64 {
        let since = crate::clock::now().saturating_duration_since(self.first_ring);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn say(&self, event: &Event) {
        self.house.say(self.line, event);
    }
}

/// Answers a question that a busy line is asked; tells whether the wake is to end.
pub(super) fn is_to_end(asked: Asked) -> bool {
    let to_end = match asked.ask {
        Ask::HangUp => true,
        Ask::Alive | Ask::Ring(_) => false,
    };
    if to_end {
        asked.answer(Ok("the link is being taken down".to_owned()));
    } else {
        asked.decline("the machine is online, or on its way there: nothing has to wake it");
    }
    to_end
}

async fn hang_up(line: Option<Driver>) -> Option<Driver> {
    let mut line = line?;
    match line.hang_up().await {
        Ok(()) => Some(line),
        Err(error) => {
            tracing::warn!(%error, "the line did not hang up");
            None
        }
    }
}
