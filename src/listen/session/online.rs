//! The time online: has the address registered, decides when the link goes, and withdraws the record before it does.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::super::BUDGET;
use super::super::line::next;
use super::super::stay::{Advice, Leave, Stay};
use super::super::telling::{tell, tell_tunnel, tell_withdrawal};
use super::{Event, Session, is_to_end};
use crate::dns::Progress;
use crate::identity::Prover;
use crate::link::{Link, LinkEnd, LinkEvent};
use crate::record::Reachability;
use crate::tunnel::Tunnel;

/// How long the record's withdrawal may hold up the end of the link; after it the lease runs out by itself.
const WITHDRAW_WITHIN: Duration = Duration::from_secs(5);
/// How often the link's packets are counted.
const COUNT_EVERY: Duration = Duration::from_secs(1);

impl Session<'_> {
    /// Has the host registered for as long as the link stands, and withdraws in time. `None` when the link is to end.
    pub(super) async fn stay_online(&mut self, link: &mut Link) -> Option<LinkEnd> {
        let mut tunnel = Tunnel::new(self.settings.tunnel.clone(), self.registrar.identity());
        let cause = self.serve(link, &mut tunnel).await;
        if cause.is_none() && !self.stop.is_given_up() && self.registrar.is_exposed() {
            self.withdraw().await;
        }
        self.registrar.rest();
        tunnel.close().await;
        cause
    }

    /// Registers and renews until the link is idle, ends by itself, or the house shuts.
    async fn serve(&mut self, link: &mut Link, tunnel: &mut Tunnel) -> Option<LinkEnd> {
        let (house, stop, settings) = (self.house, self.stop.clone(), Arc::clone(&self.settings));
        let mut stay = Stay::new(&settings.limits, self.first_ring, crate::clock::now());
        let mut looking: Option<Look<'_>> = None;
        let mut prover = self.registrar.prover();
        self.announce(link.addresses(), &mut prover);
        loop {
            tokio::select! {
                event = link.next() => match event {
                    LinkEvent::Ended(end) => return Some(end),
                    LinkEvent::Up(_) | LinkEvent::Addresses => self.announce(link.addresses(), &mut prover),
                },
                progress = self.registrar.next() => {
                    if matches!(progress, Progress::Registered(_)) {
                        stay.handle_registered(crate::clock::now());
                    }
                    tell(progress, self.since_ring(), |event| self.say(event));
                }
                happened = tunnel.next() => {
                    tell_tunnel(happened, settings.tunnel.as_ref(), |event| self.say(event));
                }
                () = tokio::time::sleep(COUNT_EVERY) => {
                    let now = crate::clock::now();
                    let advice = stay.handle_packets(link.packets(), self.own_packets(), now);
                    house.chronicle.note_traffic(self.line, Some(stay.quiet(now)), now);
                    match advice {
                        Advice::Stay => {}
                        Advice::Look if looking.is_none() => looking = Some(Box::pin(settings.keep_up.reason())),
                        Advice::Look => {}
                        Advice::Leave(why) => return self.leave_for(why),
                    }
                }
                kept_by = looked(&mut looking) => {
                    looking = None;
                    self.note_kept(kept_by);
                    if let Advice::Leave(why) = stay.handle_look(kept_by.is_some(), crate::clock::now()) {
                        return self.leave_for(why);
                    }
                }
                cap = house.front().budget.run_out() => {
                    let cause = cap.told(BUDGET);
                    tracing::warn!(line = self.line, "the link ends: {cause}");
                    self.say(&Event::Spent { cause });
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

    /// Tells once what keeps the idle link up.
    fn note_kept(&mut self, kept_by: Option<&'static str>) {
        let before = std::mem::replace(&mut self.kept_by, kept_by);
        if let Some(by) = kept_by.filter(|_by| kept_by != before) {
            tracing::info!(by, "idle, but kept up");
            self.say(&Event::Kept { by });
        }
    }

    /// The link is to end, by nobody's failure.
    fn leave_for(&self, why: Leave) -> Option<LinkEnd> {
        match why {
            Leave::Idle => {
                tracing::info!("idle");
                self.say(&Event::Idle);
            }
            Leave::Limit => {
                tracing::info!("the wake has lasted for as long as listen.max-session allows");
                self.say(&Event::Limit);
            }
        }
        None
    }

    /// Proves the host's identity at the link's addresses, wants it known there, and says so at once when nobody will reach it
    /// there, nor through a tunnel.
    fn announce(&mut self, addresses: Vec<IpAddr>, prover: &mut Prover) {
        let reachability = Reachability::best_of(&addresses);
        if let Some(advice) = reachability.advice().filter(|_| self.settings.tunnel.is_none()) {
            tracing::warn!(%reachability, "{advice}");
            self.say(&Event::Unreachable { reachability: reachability.as_str(), advice });
        }
        prover.stand_at(&addresses);
        self.registrar.announce(addresses);
    }

    async fn withdraw(&mut self) {
        let withdrawal = self.registrar.withdraw(tokio::time::Instant::now() + WITHDRAW_WITHIN).await;
        tell_withdrawal(withdrawal, |event| self.say(event));
    }

    fn own_packets(&self) -> u64 {
        let packets = self.registrar.packets();
        packets.sent + packets.received
    }
}

/// A look at what keeps the link up; the owner's command may take its time.
type Look<'settings> = Pin<Box<dyn Future<Output = Option<&'static str>> + Send + 'settings>>;

/// Waits for the end of a look; for ever where there is none.
async fn looked(looking: &mut Option<Look<'_>>) -> Option<&'static str> {
    match looking {
        Some(look) => look.await,
        None => std::future::pending().await,
    }
}
