//! The time online: has the address registered, decides when the link goes, and withdraws the record before it does.

use std::net::IpAddr;
use std::time::Duration;

use super::super::line::next;
use super::{Event, Session, is_to_end};
use crate::dns::Progress;
use crate::exit::Failure;
use crate::link::{IdleClock, Link, LinkEnd, LinkEvent};
use crate::record::Reachability;

/// How long the record's withdrawal may hold up the end of the link; after it the lease runs out by itself.
const WITHDRAW_WITHIN: Duration = Duration::from_secs(5);
/// How often the link's packets are counted.
const COUNT_EVERY: Duration = Duration::from_secs(1);

impl Session<'_> {
    /// Has the host registered for as long as the link stands, and withdraws in time. `None` when the link is to end.
    pub(super) async fn stay_online(&mut self, link: &mut Link) -> Option<LinkEnd> {
        let cause = self.serve(link).await;
        if cause.is_none() && !self.stop.is_given_up() && self.registrar.is_exposed() {
            self.withdraw().await;
        }
        self.registrar.rest();
        cause
    }

    /// Registers and renews until the link is idle, ends by itself, or the house shuts.
    async fn serve(&mut self, link: &mut Link) -> Option<LinkEnd> {
        let (house, stop) = (self.house, self.stop.clone());
        let idle = self.settings.idle;
        let mut clock = IdleClock::new(idle, crate::clock::now());
        self.announce(link.addresses());
        loop {
            tokio::select! {
                event = link.next() => match event {
                    LinkEvent::Ended(end) => return Some(end),
                    LinkEvent::Up(_) | LinkEvent::Addresses => self.announce(link.addresses()),
                },
                progress = self.registrar.next() => self.tell(progress),
                () = tokio::time::sleep(COUNT_EVERY) => {
                    let now = crate::clock::now();
                    clock.handle_packets(link.packets(), self.own_packets(), now);
                    let left = clock.deadline().0.saturating_duration_since(now);
                    house.chronicle.note_traffic(self.line, idle.saturating_sub(left), now);
                    if clock.expired(now) {
                        self.say(&Event::Idle);
                        tracing::info!("idle");
                        return None;
                    }
                }
                cap = house.front().budget.run_out() => {
                    tracing::warn!(line = self.line, "the link ends: {cap}");
                    self.say(&Event::Spent { cause: cap.to_string() });
                    return None;
                }
                asked = next(self.asks) => if is_to_end(asked) {
                    self.say(&Event::HangingUp);
                    return None;
                },
                () = stop.ended() => return None,
            }
        }
    }

    /// Wants the host known at the link's addresses, and says so at once when nobody will reach it there.
    fn announce(&mut self, addresses: Vec<IpAddr>) {
        let reachability = Reachability::best_of(&addresses);
        if let Some(advice) = reachability.advice() {
            tracing::warn!(%reachability, "{advice}");
            self.say(&Event::Unreachable { reachability: reachability.as_str(), advice });
        }
        self.registrar.announce(addresses);
    }

    fn tell(&self, progress: Progress) {
        match progress {
            Progress::Registered(done) => {
                let (seq, since_ring) = (done.seq.number(), self.since_ring());
                tracing::info!(directory = &*done.directory, seq, since_ring_ms = since_ring, "registered");
                self.say(&Event::Registered { seq, since_ring, directory: done.directory.to_string() });
            }
            Progress::Failed { directory, error, again } => {
                let told = Failure::from(&error);
                let again_in = again.saturating_duration_since(tokio::time::Instant::now());
                let (directory, hint) = (directory.as_deref(), told.hint.as_deref().unwrap_or_default());
                tracing::warn!(directory, cause = %told, hint, ?again_in, "not registered");
                let at = directory.map(|directory| format!("{directory}: ")).unwrap_or_default();
                self.say(&Event::Failed { cause: format!("{at}{told}") });
            }
        }
    }

    async fn withdraw(&mut self) {
        let withdrawal = self.registrar.withdraw(tokio::time::Instant::now() + WITHDRAW_WITHIN).await;
        for done in withdrawal.done {
            tracing::info!(directory = &*done.directory, seq = done.seq.number(), "withdrawn");
            self.say(&Event::Withdrawn { seq: done.seq.number(), directory: done.directory.to_string() });
        }
        for (directory, error) in withdrawal.failed {
            tracing::warn!(directory = &*directory, %error, "not withdrawn; the lease will run out");
        }
    }

    fn own_packets(&self) -> u64 {
        let packets = self.registrar.packets();
        packets.sent + packets.received
    }
}
