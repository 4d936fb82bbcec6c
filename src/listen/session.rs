//! One wake: dial the provider, register the address it lends, stay until idle, withdraw, hang up.

use std::time::{Duration, Instant};

use super::Event;
use super::house::House;
use crate::dns::Registrar;
use crate::exit::Failure;
use crate::link::{self, CallFailure, CallStep, IdleClock, Link, LinkEnd, LinkEvent, Up};
use hayes::driver::Driver;
use hayes::modem::Outcome;

/// How often the provider is called for one wake, and the pauses between: a busy or noisy line often clears at once,
/// and the caller gives up after a minute or so.
const REDIAL_AFTER: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(15)];
/// How long one attempt to register may take before the link is looked at again.
const REGISTER_WITHIN: Duration = Duration::from_secs(20);
/// How long the record's withdrawal may hold up the end of the link; after it the lease runs out by itself.
const WITHDRAW_WITHIN: Duration = Duration::from_secs(5);
/// How often the link's packets are counted.
const COUNT_EVERY: Duration = Duration::from_secs(1);

/// One wake, from its first ring on.
pub(super) struct Session<'house> {
    house: &'house House,
    /// The line's port.
    line: &'house str,
    registrar: &'house mut Registrar,
    first_ring: Instant,
}

impl<'house> Session<'house> {
    /// The wake that a call on this line is.
    pub(super) fn new(
        house: &'house House,
        line: &'house str,
        registrar: &'house mut Registrar,
        first_ring: Instant,
    ) -> Self {
        Self { house, line, registrar, first_ring }
    }

    /// Runs the wake to its end; gives the line back unless it is gone.
    pub(super) async fn run(mut self, line: Driver) -> Option<Driver> {
        self.say(&Event::Waking { since_ring: self.since_ring() });
        tracing::info!(line = self.line, "waking");
        let (mut link, up) = match self.dial(line).await {
            Ok(linked) => linked,
            Err(line) => return line,
        };
        tracing::info!(interface = %up.interface, "link up");
        tracing::debug!(address = %up.local, "lent");
        self.say(&Event::Up { interface: up.interface.clone(), address: up.local });
        let cause = self.stay_online(&mut link, &up).await;
        let (end, line) = link.close().await;
        let cause = cause.unwrap_or(end);
        let line = hang_up(line).await;
        tracing::info!(%cause, "link down");
        self.say(&Event::Ended { cause: cause.to_string() });
        line
    }

    /// Calls the provider, again where that may help. `Err` holds the line, if it is still there.
    async fn dial(&self, mut line: Driver) -> Result<(Link, Up), Option<Driver>> {
        if let Err(error) = line.lock() {
            tracing::warn!(%error, "somebody else has the line");
            self.say(&Event::Failed { cause: error.to_string() });
            return Err(Some(line));
        }
        let mut pauses = REDIAL_AFTER.into_iter();
        loop {
            let step = |step| match step {
                CallStep::Dialling => self.say(&Event::Dialling),
                CallStep::Connected => self.say(&Event::Connected),
            };
            let (failure, left) = tokio::select! {
                called = link::call(line, &self.house.settings.isp, step) => match called {
                    Ok(linked) => return Ok(linked),
                    Err((failure, left)) => (failure, left),
                },
                () = self.house.shutdown.cancelled() => return Err(None),
            };
            let told = Failure::from(&failure);
            tracing::warn!(cause = %told, hint = told.hint.as_deref().unwrap_or_default(), "no link");
            self.say(&Event::Failed { cause: told.to_string() });
            let Some(left) = left else { return Err(None) };
            line = left;
            let pause = if worth_redialling(&failure) { pauses.next() } else { None };
            let Some(pause) = pause else {
                line.unlock();
                return Err(Some(line));
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.house.shutdown.cancelled() => return Err(None),
            }
        }
    }

    /// Registers, renews, and withdraws in time. `None` when the link ended by itself.
    async fn stay_online(&mut self, link: &mut Link, up: &Up) -> Option<LinkEnd> {
        let mut registered = false;
        let cause = self.serve(link, up, &mut registered).await;
        if cause.is_none() && registered {
            self.withdraw().await;
        }
        cause
    }

    /// Registers and renews until the link is idle, ends by itself, or the house shuts.
    async fn serve(&mut self, link: &mut Link, up: &Up, registered: &mut bool) -> Option<LinkEnd> {
        let house = self.house;
        let mut clock = IdleClock::new(house.settings.idle, crate::clock::now());
        let mut due = Some(tokio::time::Instant::now());
        loop {
            if due.is_some_and(|at| at <= tokio::time::Instant::now()) {
                let deadline = tokio::time::Instant::now() + REGISTER_WITHIN;
                let result = tokio::select! {
                    result = self.registrar.register(vec![up.local], deadline) => result,
                    event = link.next() => match event {
                        LinkEvent::Ended(end) => return Some(end),
                        LinkEvent::Up(_) => continue,
                    },
                    () = house.shutdown.cancelled() => return None,
                };
                match result {
                    Ok(done) => {
                        *registered = true;
                        let since_ring = self.since_ring();
                        tracing::info!(seq = done.seq.number(), since_ring_ms = since_ring, "registered");
                        self.say(&Event::Registered { seq: done.seq.number(), since_ring });
                        due = self.registrar.renew_at();
                    }
                    Err(error) => {
                        let told = Failure::from(&error);
                        tracing::warn!(cause = %told, "not registered");
                        self.say(&Event::Failed { cause: told.to_string() });
                        // The registrar has backed off already within its deadline; a refusal will not change by the
                        // second.
                        due = Some(tokio::time::Instant::now() + REGISTER_WITHIN);
                    }
                }
            }
            tokio::select! {
                event = link.next() => if let LinkEvent::Ended(end) = event { return Some(end) },
                () = tokio::time::sleep(COUNT_EVERY) => {
                    clock.handle_packets(link.packets(), self.own_packets(), crate::clock::now());
                    if clock.expired(crate::clock::now()) {
                        self.say(&Event::Idle);
                        tracing::info!("idle");
                        return None;
                    }
                }
                () = house.shutdown.cancelled() => return None,
            }
        }
    }

    async fn withdraw(&mut self) {
        let deadline = tokio::time::Instant::now() + WITHDRAW_WITHIN;
        match self.registrar.withdraw(deadline).await {
            Ok(done) => {
                tracing::info!(seq = done.seq.number(), "withdrawn");
                self.say(&Event::Withdrawn { seq: done.seq.number() });
            }
            Err(error) => tracing::warn!(%error, "not withdrawn; the lease will run out"),
        }
    }

    fn own_packets(&self) -> u64 {
        let packets = self.registrar.packets();
        packets.sent + packets.received
    }

    fn since_ring(&self) -> u64 {
        let since = crate::clock::now().saturating_duration_since(self.first_ring);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn say(&self, event: &Event) {
        self.house.say(self.line, event);
    }
}

/// A refused secret, a missing program or a blacklisted number does not get better by calling again.
fn worth_redialling(failure: &CallFailure) -> bool {
    match failure {
        CallFailure::Line(_) => false,
        CallFailure::Call(outcome) => {
            matches!(
                outcome,
                Outcome::Busy | Outcome::NoAnswer | Outcome::RangOut | Outcome::NoCarrier | Outcome::Glare
            )
        }
        CallFailure::Link { end, .. } => {
            matches!(
                end,
                LinkEnd::NoPpp
                    | LinkEnd::NotNegotiated
                    | LinkEnd::TimedOut
                    | LinkEnd::PeerEnded
                    | LinkEnd::CarrierLost
                    | LinkEnd::EchoLost
            )
        }
    }
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
