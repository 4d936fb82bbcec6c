//! `ringup watch`: follows an interface on broadband (ADSL, cable; DHCP or PPPoE) and registers each new address, one
//! update a change; withdraws the record when it stops.

mod interface;
mod settle;

use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::interface::Interface;
use self::settle::Settle;
use crate::dns::Registrar;
use crate::exit::{Failure, Status};
use crate::report::Report;

/// How long one attempt to register may take before the interface is looked at again, and how long the next one waits
/// after a failure.
const REGISTER_WITHIN: Duration = Duration::from_secs(20);
/// How long the record's withdrawal may hold up the end.
const WITHDRAW_WITHIN: Duration = Duration::from_secs(3);

/// What `ringup watch` works with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The interface.
    pub interface: String,
    /// How long an address must stand.
    pub settle: Duration,
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
    /// The directory has them.
    Registered {
        /// The record's sequence number.
        seq: u64,
        /// The addresses.
        addresses: Vec<IpAddr>,
    },
    /// The record says asleep.
    Withdrawn {
        /// The record's sequence number.
        seq: u64,
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
    let mut current: Option<Vec<IpAddr>> = None;
    let mut due: Option<Instant> = None;
    let mut registered = false;
    report.say(&Event::Watching);
    tracing::info!(interface = settings.interface, "watching");
    loop {
        let snapshot = interface.addresses().await.map_err(netlink)?;
        settle.handle_snapshot(snapshot, crate::clock::now());
        if let Some(addresses) = settle.poll_change(crate::clock::now()) {
            tracing::info!(count = addresses.len(), "addresses changed");
            report.say(&Event::Changed { addresses: addresses.clone() });
            current = Some(addresses);
            due = Some(Instant::now());
        }
        if let (Some(addresses), Some(at)) = (&current, due)
            && at <= Instant::now()
        {
            let done = tokio::select! {
                done = announce(addresses, registered, registrar, report) => done,
                () = shutdown.cancelled() => break,
            };
            registered |= done && !addresses.is_empty();
            due = match (done, addresses.is_empty()) {
                (true, true) => None,
                (true, false) => registrar.renew_at(),
                (false, _) => Some(Instant::now() + REGISTER_WITHIN),
            };
            continue;
        }
        let settles = settle.deadline().map(|(at, _why)| at);
        tokio::select! {
            changed = interface.changed() => changed.map_err(netlink)?,
            () = crate::clock::sleep_until([settles, due.map(Instant::into_std)].into_iter().flatten().min()) => {}
            () = shutdown.cancelled() => break,
        }
    }
    if registered {
        withdraw(registrar, report).await;
    }
    Ok(())
}

/// Registers the addresses, or withdraws the record when there are none.
async fn announce(addresses: &[IpAddr], registered: bool, registrar: &mut Registrar, report: Report) -> bool {
    if addresses.is_empty() {
        // Without an address there is most likely no way to the directory either; the lease then runs out by itself.
        return !registered || withdraw(registrar, report).await;
    }
    match registrar.register(addresses.to_vec(), Instant::now() + REGISTER_WITHIN).await {
        Ok(done) => {
            tracing::info!(seq = done.seq.number(), "registered");
            report.say(&Event::Registered { seq: done.seq.number(), addresses: addresses.to_vec() });
            true
        }
        Err(error) => {
            let told = Failure::from(&error);
            tracing::warn!(cause = %told, "not registered");
            report.say(&Event::Failed { cause: told.to_string() });
            false
        }
    }
}

async fn withdraw(registrar: &mut Registrar, report: Report) -> bool {
    match registrar.withdraw(Instant::now() + WITHDRAW_WITHIN).await {
        Ok(done) => {
            report.say(&Event::Withdrawn { seq: done.seq.number() });
            true
        }
        Err(error) => {
            tracing::warn!(%error, "not withdrawn; the lease will run out");
            false
        }
    }
}
