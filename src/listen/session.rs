//! One wake: dial the provider, register the address it lends, stay until idle, withdraw, hang up.

use std::time::{Duration, Instant};

use hayes::driver::Driver;
use hayes::modem::Outcome;
use tokio_util::sync::CancellationToken;

use super::{Event, Settings};
use crate::dns::Registrar;
use crate::exit::Failure;
use crate::link::{self, CallFailure, CallStep, IdleClock, Link, LinkEnd, LinkEvent, Up};
use crate::report::Report;

/// How often the provider is called for one wake, and the pauses between: a busy or noisy line often clears at once,
/// and the caller gives up after a minute or so.
const REDIAL_AFTER: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(15)];
/// How long one attempt to register may take before the link is looked at again.
const REGISTER_WITHIN: Duration = Duration::from_secs(20);
/// How long the record's withdrawal may hold up the end of the link; after it the lease runs out by itself.
const WITHDRAW_WITHIN: Duration = Duration::from_secs(5);
/// How often the link's packets are counted.
const COUNT_EVERY: Duration = Duration::from_secs(1);

/// Runs one wake to its end; gives the line back unless it is gone.
pub(super) async fn run(
    line: Driver,
    settings: &Settings,
    registrar: &mut Registrar,
    first_ring: Instant,
    report: Report,
    shutdown: &CancellationToken,
) -> Option<Driver> {
    report.say(&Event::Waking { since_ring: since(first_ring) });
    tracing::info!("waking");
    let (mut link, up) = match dial(line, settings, report, shutdown).await {
        Ok(linked) => linked,
        Err(line) => return line,
    };
    tracing::info!(interface = %up.interface, "link up");
    tracing::debug!(address = %up.local, "lent");
    report.say(&Event::Up { interface: up.interface.clone(), address: up.local });
    let cause = stay_online(&mut link, &up, settings.idle, registrar, first_ring, report, shutdown).await;
    let (end, line) = link.close().await;
    let cause = cause.unwrap_or(end);
    let line = hang_up(line).await;
    tracing::info!(%cause, "link down");
    report.say(&Event::Ended { cause: cause.to_string() });
    line
}

/// Calls the provider, again where that may help. `Err` holds the line, if it is still there.
async fn dial(
    mut line: Driver,
    settings: &Settings,
    report: Report,
    shutdown: &CancellationToken,
) -> Result<(Link, Up), Option<Driver>> {
    if let Err(error) = line.lock() {
        tracing::warn!(%error, "somebody else has the line");
        report.say(&Event::Failed { cause: error.to_string() });
        return Err(Some(line));
    }
    let mut pauses = REDIAL_AFTER.into_iter();
    loop {
        let step = |step| match step {
            CallStep::Dialling => report.say(&Event::Dialling),
            CallStep::Connected => report.say(&Event::Connected),
        };
        let failure = tokio::select! {
            called = link::call(line, &settings.isp, step) => match called {
                Ok(linked) => return Ok(linked),
                Err((failure, left)) => (failure, left),
            },
            () = shutdown.cancelled() => return Err(None),
        };
        let (failure, left) = failure;
        let told = Failure::from(&failure);
        tracing::warn!(cause = %told, hint = told.hint.as_deref().unwrap_or_default(), "no link");
        report.say(&Event::Failed { cause: told.to_string() });
        let Some(left) = left else { return Err(None) };
        line = left;
        let pause = if worth_redialling(&failure) { pauses.next() } else { None };
        let Some(pause) = pause else {
            line.unlock();
            return Err(Some(line));
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.cancelled() => return Err(None),
        }
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

/// Registers, renews, and withdraws in time. `None` when the link ended by itself.
async fn stay_online(
    link: &mut Link,
    up: &Up,
    idle: Duration,
    registrar: &mut Registrar,
    first_ring: Instant,
    report: Report,
    shutdown: &CancellationToken,
) -> Option<LinkEnd> {
    let mut clock = IdleClock::new(idle, crate::clock::now());
    let mut due = Some(tokio::time::Instant::now());
    let mut registered = false;
    let cause = loop {
        if due.is_some_and(|at| at <= tokio::time::Instant::now()) {
            let deadline = tokio::time::Instant::now() + REGISTER_WITHIN;
            let result = tokio::select! {
                result = registrar.register(vec![up.local], deadline) => result,
                event = link.next() => match event {
                    LinkEvent::Ended(end) => break Some(end),
                    LinkEvent::Up(_) => continue,
                },
                () = shutdown.cancelled() => break None,
            };
            match result {
                Ok(done) => {
                    registered = true;
                    let since_ring = since(first_ring);
                    tracing::info!(seq = done.seq.number(), since_ring_ms = since_ring, "registered");
                    report.say(&Event::Registered { seq: done.seq.number(), since_ring });
                    due = registrar.renew_at();
                }
                Err(error) => {
                    let told = Failure::from(&error);
                    tracing::warn!(cause = %told, "not registered");
                    report.say(&Event::Failed { cause: told.to_string() });
                    // The registrar has backed off already within its deadline; a refusal will not change by the second.
                    due = Some(tokio::time::Instant::now() + REGISTER_WITHIN);
                }
            }
        }
        tokio::select! {
            event = link.next() => if let LinkEvent::Ended(end) = event { break Some(end) },
            () = tokio::time::sleep(COUNT_EVERY) => {
                clock.handle_packets(link.packets(), own_packets(registrar), crate::clock::now());
                if clock.expired(crate::clock::now()) {
                    report.say(&Event::Idle);
                    tracing::info!("idle");
                    break None;
                }
            }
            () = shutdown.cancelled() => break None,
        }
    };
    if cause.is_none() && registered {
        let deadline = tokio::time::Instant::now() + WITHDRAW_WITHIN;
        match registrar.withdraw(deadline).await {
            Ok(done) => {
                tracing::info!(seq = done.seq.number(), "withdrawn");
                report.say(&Event::Withdrawn { seq: done.seq.number() });
            }
            Err(error) => tracing::warn!(%error, "not withdrawn; the lease will run out"),
        }
    }
    cause
}

fn own_packets(registrar: &Registrar) -> u64 {
    let packets = registrar.packets();
    packets.sent + packets.received
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

fn since(moment: Instant) -> u64 {
    u64::try_from(crate::clock::now().saturating_duration_since(moment).as_millis()).unwrap_or(u64::MAX)
}
