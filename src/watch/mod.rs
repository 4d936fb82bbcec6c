//! `ringup watch`: follows an interface on broadband (ADSL, cable; DHCP or PPPoE) and registers each new address, one
//! update a change; withdraws the record when it stops. Behind a router that passes ports on to this machine, the router's
//! address is registered in place of its own.

mod interface;
mod outside;
mod settle;

use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::interface::Interface;
use self::outside::{Known, Outside, published};
use self::settle::Settle;
use crate::dns::{Progress, Registrar};
use crate::exit::{Failure, Status};
use crate::identity::KnownAs;
use crate::record::Reachability;
use crate::report::Report;
use crate::tunnel::{self, Tunnel};

pub use self::outside::Settings as OutsideSettings;

/// How long the record's withdrawal may hold up the end.
const WITHDRAW_WITHIN: Duration = Duration::from_secs(3);

/// What `ringup watch` works with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The interface.
    pub interface: String,
    /// How long an address must stand.
    pub settle: Duration,
    /// How the address of the router in front of this machine is learnt, where one passes connections on to it.
    pub outside: Option<outside::Settings>,
    /// The tunnel that is open while there is an address.
    pub tunnel: Option<tunnel::Settings>,
}

/// What happens to the interface and its record.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Event {
    /// The interface is being followed.
    Watching,
    /// Its addresses changed.
    Changed {
        /// All of global scope; none when it lost them.
        addresses: Vec<IpAddr>,
    },
    /// Nobody outside the provider's network can connect to any of them.
    Unreachable {
        /// From how far they can be reached: `carrier-nat`, `private`, `local`.
        reachability: &'static str,
        /// What can be done about it.
        advice: &'static str,
    },
    /// This machine can be met at the far end of its tunnel.
    TunnelUp {
        /// Where it ends, and the port of the service that is met there.
        at: String,
    },
    /// The tunnel is down, and is opened again after a pause.
    TunnelDown {
        /// Why.
        cause: String,
        /// In how many milliseconds it is opened again.
        again_ms: u64,
    },
    /// A directory has them.
    Registered {
        /// The record's sequence number.
        seq: u64,
        /// The addresses.
        addresses: Vec<IpAddr>,
        /// The directory: its zone and its servers.
        directory: String,
    },
    /// The record in a directory says asleep.
    Withdrawn {
        /// The record's sequence number.
        seq: u64,
        /// The directory: its zone and its servers.
        directory: String,
    },
    /// Something failed.
    Failed {
        /// What, in one line.
        cause: String,
    },
}

/// Follows the interface until told to stop.
///
/// # Errors
/// When the kernel's netlink socket cannot be had.
pub async fn run(
    settings: &Settings,
    registrar: &mut Registrar,
    report: Report,
    shutdown: &CancellationToken,
) -> Result<(), Failure> {
    let netlink = |error: std::io::Error| Failure::new(Status::Internal, format!("netlink failed: {error}"));
    let mut interface = Interface::follow(&settings.interface).map_err(netlink)?;
    let mut settle = Settle::new(settings.settle);
    let mut current: Vec<IpAddr> = Vec::new();
    let mut prover = registrar.prover();
    let (mut asking, mut known) = (JoinSet::new(), None);
    if let Some(outside) = settings.outside.clone().map(Outside::new) {
        known = Some(outside.follow());
        asking.spawn(outside.clone().keep_asking());
        prover = prover.behind(KnownAs::new(move |own| {
            let outside = outside.clone();
            async move { outside.confirmed(own).await }
        }));
    }
    // Without a router there is nothing to wait for.
    let mut router = settings.outside.is_none().then(Known::default);
    tunnel::mend().await;
    let tunnel_for = |addresses: &[IpAddr], registrar: &Registrar| {
        Tunnel::new(settings.tunnel.clone().filter(|_| !addresses.is_empty()), registrar.identity())
    };
    let (mut tunnel, mut closing) = (tunnel_for(&[], registrar), JoinSet::new());
    report.say(&Event::Watching);
    tracing::info!(interface = settings.interface, "watching");
    loop {
        let own = interface.addresses().await.map_err(netlink)?;
        if settings.outside.is_some() {
            prover.stand_at(&own);
        }
        if let Some(router) = &router {
            settle.handle_snapshot(published(&own, &router.addresses), crate::clock::now());
        }
        if let Some(addresses) = settle.poll_change(crate::clock::now()) {
            tracing::info!(count = addresses.len(), "addresses changed");
            report.say(&Event::Changed { addresses: addresses.clone() });
            current = addresses;
            if settings.outside.is_none() {
                prover.stand_at(&current);
            }
            // What went over the old address would hang for a long time; the new one is registered meanwhile.
            closing.spawn(std::mem::replace(&mut tunnel, tunnel_for(&current, registrar)).close());
            if current.is_empty() {
                // Without an address there is most likely no way to the directory either; the lease then runs out.
                withdraw(registrar, report).await;
            } else {
                announce(&current, settings.tunnel.is_some(), registrar, report);
            }
        }
        let settles = settle.deadline().map(|(at, _why)| at);
        tokio::select! {
            changed = interface.changed() => changed.map_err(netlink)?,
            now_known = learnt(&mut known) => {
                let before = router.replace(now_known.clone()).and_then(|before| before.trouble);
                if let Some(why) = now_known.trouble.filter(|why| before.as_ref() != Some(why)) {
                    tracing::warn!(%why, "the router's address is not told; see watch.public-address");
                    report.say(&Event::Failed { cause: format!("watch.public-address: {why}") });
                }
            }
            progress = registrar.next() => tell(progress, &current, report),
            happened = tunnel.next() => tell_tunnel(happened, settings.tunnel.as_ref(), report),
            Some(_closed) = closing.join_next() => {}
            () = crate::clock::sleep_until(settles) => {}
            () = shutdown.cancelled() => break,
        }
    }
    withdraw(registrar, report).await;
    tunnel.close().await;
    while closing.join_next().await.is_some() {}
    Ok(())
}

/// Waits for what is new of the router; for ever where there is none.
async fn learnt(known: &mut Option<watch::Receiver<Known>>) -> Known {
    if let Some(known) = known
        && known.changed().await.is_ok()
    {
        return known.borrow_and_update().clone();
    }
    std::future::pending().await
}

/// Wants the addresses registered, and says so at once when nobody will reach them, nor this machine through a tunnel.
fn announce(addresses: &[IpAddr], has_tunnel: bool, registrar: &mut Registrar, report: Report) {
    let reachability = Reachability::best_of(addresses);
    if let Some(advice) = reachability.advice().filter(|_| !has_tunnel) {
        tracing::warn!(%reachability, "{advice}");
        report.say(&Event::Unreachable { reachability: reachability.as_str(), advice });
    }
    registrar.announce(addresses.to_vec());
}

fn tell_tunnel(happened: tunnel::Event, settings: Option<&tunnel::Settings>, report: Report) {
    let at = settings.map(|tunnel| tunnel.far_end.to_string()).unwrap_or_default();
    match happened {
        tunnel::Event::Opening => {}
        tunnel::Event::Up => report.say(&Event::TunnelUp { at }),
        tunnel::Event::Down { cause, again } => {
            let again_ms = u64::try_from(again.as_millis()).unwrap_or(u64::MAX);
            report.say(&Event::TunnelDown { cause, again_ms });
        }
    }
}

fn tell(progress: Progress, addresses: &[IpAddr], report: Report) {
    match progress {
        Progress::Registered(done) => {
            let (directory, seq) = (done.directory.to_string(), done.seq.number());
            tracing::info!(directory, seq, "registered");
            report.say(&Event::Registered { seq, addresses: addresses.to_vec(), directory });
        }
        Progress::Failed { directory, error, again } => {
            let told = Failure::from(&error);
            let again_in = again.saturating_duration_since(Instant::now());
            let (directory, hint) = (directory.as_deref(), told.hint.as_deref().unwrap_or_default());
            tracing::warn!(directory, cause = %told, hint, ?again_in, "not registered");
            let at = directory.map(|directory| format!("{directory}: ")).unwrap_or_default();
            report.say(&Event::Failed { cause: format!("{at}{told}") });
        }
    }
}

/// Withdraws the record from every directory that may have it.
async fn withdraw(registrar: &mut Registrar, report: Report) {
    if !registrar.is_exposed() {
        return registrar.rest();
    }
    let withdrawal = registrar.withdraw(Instant::now() + WITHDRAW_WITHIN).await;
    for done in withdrawal.done {
        report.say(&Event::Withdrawn { seq: done.seq.number(), directory: done.directory.to_string() });
    }
    for (directory, error) in withdrawal.failed {
        tracing::warn!(directory = &*directory, %error, "not withdrawn; the lease will run out");
    }
}
