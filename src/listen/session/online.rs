//! The time online: registers the address, renews the lease, decides when the link goes, and withdraws before it does.

use std::time::Duration;

use super::{Event, Session};
use crate::exit::Failure;
use crate::link::{IdleClock, Link, LinkEnd, LinkEvent, Up};

/// How long one attempt to register may take before the link is looked at again.
const REGISTER_WITHIN: Duration = Duration::from_secs(20);
/// How long the record's withdrawal may hold up the end of the link; after it the lease runs out by itself.
const WITHDRAW_WITHIN: Duration = Duration::from_secs(5);
/// How often the link's packets are counted.
const COUNT_EVERY: Duration = Duration::from_secs(1);

impl Session<'_> {
    /// Registers, renews, and withdraws in time. `None` when the link ended by itself.
    pub(super) async fn stay_online(&mut self, link: &mut Link, up: &Up) -> Option<LinkEnd> {
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
}
