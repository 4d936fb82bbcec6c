//! A link that somebody else has brought up: it is registered for as long as it stands, and withdrawn when it goes.
//! Nobody hangs it up here.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Event;
use super::house::House;
use super::telling::{tell, tell_tunnel, tell_withdrawal};
use crate::dns::Registrar;
use crate::link::{Adopted, AdoptedLink, Adoption};
use crate::tunnel::Tunnel;

/// How long the withdrawal may take where there is another way to the directory; without one it fails at once.
const WITHDRAW_WITHIN: Duration = Duration::from_secs(5);
/// How often what has passed on it is counted.
const COUNT_EVERY: Duration = Duration::from_secs(5);

/// Registers such links, one after the other, until the house shuts.
pub(super) async fn serve(house: Arc<House>, mut adoption: Adoption) {
    let mut settings = house.follow_settings();
    let mut standing = adoption.standing();
    loop {
        let link = match standing.take() {
            Some(link) => link,
            None => tokio::select! {
                link = adoption.next() => link,
                Ok(()) = settings.changed() => {
                    adoption.set_names(settings.borrow_and_update().adopt.clone());
                    standing = adoption.standing();
                    continue;
                }
                () = house.shutdown.cancelled() => return,
            },
        };
        // A wake of ours that is under way has the right to say where the machine is until it ends.
        let mut registrar = tokio::select! {
            registrar = house.claim_when_idle() => registrar,
            () = house.shutdown.cancelled() => return,
        };
        if link.is_there() {
            stay(&house, &adoption, link, &mut registrar).await;
        }
    }
}

async fn stay(house: &House, adoption: &Adoption, mut link: AdoptedLink, registrar: &mut Registrar) {
    let began = crate::clock::now();
    let name = link.interface().to_owned();
    let say = |event: &Event| house.say(&name, event);
    tracing::info!(interface = name, "a link that is not ours to hang up is registered");
    say(&Event::Adopted { interface: name.clone(), address: link.local() });
    house.set_place(Some(link.local()));
    let mut prover = registrar.prover();
    let settings = house.settings();
    let mut tunnel = Tunnel::new(settings.tunnel.clone(), registrar.identity());
    prover.stand_at(&link.addresses());
    registrar.announce(link.addresses());
    loop {
        tokio::select! {
            became = adoption.follow(&mut link) => match became {
                Adopted::Addresses => {
                    house.set_place(Some(link.local()));
                    prover.stand_at(&link.addresses());
                    registrar.announce(link.addresses());
                }
                Adopted::Gone => break,
            },
            progress = registrar.next() => tell(progress, since(began), say),
            happened = tunnel.next() => tell_tunnel(happened, settings.tunnel.as_ref(), say),
            () = tokio::time::sleep(COUNT_EVERY) => house.chronicle.note_traffic(&name, None, crate::clock::now()),
            () = house.shutdown.cancelled() => break,
        }
    }
    house.set_place(None);
    if registrar.is_exposed() {
        let withdrawal = registrar.withdraw(tokio::time::Instant::now() + WITHDRAW_WITHIN).await;
        tell_withdrawal(withdrawal, say);
    }
    registrar.rest();
    tunnel.close().await;
    if !house.shutdown.is_cancelled() {
        tracing::info!(interface = name, "the link that was not ours is gone");
        say(&Event::Ended { cause: "whoever brought the link up has taken it down".to_owned() });
    }
    house.chronicle.adoption_over(&name);
}

fn since(moment: Instant) -> u64 {
    let since = crate::clock::now().saturating_duration_since(moment);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
