//! One wake: dial the provider, register the address it lends, stay until idle, withdraw, hang up.

mod dial;
mod online;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use hayes::driver::Driver;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::house::House;
use super::{Event, Settings};
use crate::control::{Ask, Asked};
use crate::dns::Registrar;
use crate::journal::Wake;

/// One wake, from its first ring on.
pub(super) struct Session<'house> {
    house: &'house House,
    /// The line's port.
    line: &'house str,
    registrar: &'house mut Registrar,
    first_ring: Instant,
    stop: Stop,
    asks: &'house mut mpsc::Receiver<Asked>,
    /// As they were when it began.
    settings: Arc<Settings>,
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
        Self { settings: house.settings(), house, line, registrar, first_ring, stop, asks }
    }

    /// Runs the wake to its end; gives the line back unless it is gone.
    pub(super) async fn run(self, line: Driver) -> Option<Driver> {
        self.say(&Event::Waking { since_ring: self.since_ring() });
        tracing::info!(line = self.line, "waking");
        self.serve_wake(line).await
    }

    /// Goes on with a wake that was cut off, from its first step: what stood then has fallen.
    pub(super) async fn go_on(self, line: Driver, wake: &Wake) -> Option<Driver> {
        self.house.chronicle.resume(self.line, wake);
        self.say(&Event::Resuming { step: wake.step.as_str() });
        tracing::warn!(line = self.line, wake = %wake.wake, step = wake.step.as_str(), "going on with a wake that was cut off");
        self.serve_wake(line).await
    }

    async fn serve_wake(mut self, line: Driver) -> Option<Driver> {
        let (mut link, up) = match self.dial(line).await {
            Ok(linked) => linked,
            Err(line) => return line,
        };
        tracing::info!(interface = %up.interface, "link up");
        tracing::debug!(address = %up.local, "lent");
        self.say(&Event::Up { interface: up.interface.clone(), address: up.local });
        self.house.set_place(Some(up.local));
        let cause = self.stay_online(&mut link).await;
        self.house.set_place(None);
        let (end, line) = link.close().await;
        let cause = cause.unwrap_or(end);
        let line = hang_up(line).await;
        tracing::info!(%cause, "link down");
        self.say(&Event::Ended { cause: cause.to_string() });
        line
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
fn is_to_end(asked: Asked) -> bool {
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
        Ok(()) => {
            line.unlock();
            Some(line)
        }
        Err(error) => {
            tracing::warn!(%error, "the line did not hang up");
            None
        }
    }
}
