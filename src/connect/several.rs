//! Several hosts by one command: each is used as soon as it has proved itself, whatever becomes of the others.
//!
//! Hosts that need neither our own link nor the line go their ways side by side. Where our own link is the way, it has to
//! go for each call to another host: who is there already waits then until no call can come any more, and proves itself
//! once more before it is used, as an address may be lent to somebody else meanwhile. Refuses to ring it again for that.

use std::ops::AsyncFn;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::attempt::{Found, Plan};
use super::{Event, Progress, Settings, Shared, reach};
use crate::exit::Failure;

/// Reaches the hosts, and does with each what is to be done as soon as it may, by its place among them; tells each failure
/// as it comes, and gives how each host has ended, in their order. Our own link stays as it is then.
pub async fn each(
    hosts: &[Settings],
    shared: &Shared,
    progress: &Progress,
    shutdown: &CancellationToken,
    end: impl AsyncFn(usize, &Settings, &Found) -> Result<u8, Failure>,
) -> Vec<Result<u8, Failure>> {
    let undecided = watch::Sender::new(hosts.len());
    let reached = async |settings: &Settings| {
        let reached = reach(settings, shared, progress, shutdown).await;
        undecided.send_modify(|left| *left = left.saturating_sub(1));
        let reached = reached?;
        if !reached.over_own_link || *undecided.borrow() == 0 {
            return Ok(reached.found);
        }
        let host = settings.plan.host.to_string();
        progress.say(&host, &Event::Queued { host: host.clone() });
        let mut left = undecided.subscribe();
        if let Err(error) = left.wait_for(|left| *left == 0).await {
            tracing::debug!(%error, "nobody counts any more");
        }
        let once_more = once_more(settings, &reached.found);
        reach(&once_more, shared, progress, shutdown).await.map(|reached| reached.found)
    };
    let one = async |(place, settings): (usize, &Settings)| {
        let host = settings.plan.host.as_str();
        let ended = match reached(settings).await {
            Ok(found) => {
                progress.say(host, &Event::online(&found));
                end(place, settings, &found).await
            }
            Err(failure) => Err(failure),
        };
        ended.inspect_err(|failure| progress.failed(Some(host), failure))
    };
    join_all(hosts.iter().enumerate().map(one)).await
}

/// The way to a host that was there a moment ago: by the key that it has proved to hold, and without a call.
fn once_more(settings: &Settings, found: &Found) -> Settings {
    let identity = Some(*found.record.key());
    let seen = settings.plan.seen.max(Some(found.record.record().seq()));
    Settings { plan: Plan { identity, seen, calls: 0, ..settings.plan.clone() }, ..settings.clone() }
}
