//! Waiting for a host: one answer when it comes (long poll), or every change as it comes (server-sent events).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::Desk;
use super::shapes::{HostView, Problem};
use crate::directory::waiters::Listening;
use crate::record::HostName;

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Until {
    /// Any record that is newer.
    Change,
    /// One that says that the host is online.
    Online,
}

impl Until {
    fn holds(self, view: &HostView, since: u64) -> bool {
        view.seq() > since && (self == Self::Change || view.is_online())
    }
}

/// Waits for one record; answers 204 when the time is over before.
pub(super) async fn once(
    desk: &Desk,
    host: &HostName,
    until: Until,
    since: u64,
    within: Duration,
) -> Result<Option<HostView>, Problem> {
    let mut listening = desk.listen(host)?;
    let deadline = Instant::now() + within.min(LONGEST_POLL);
    loop {
        let view = desk.view(host).ok_or_else(|| Problem::unknown_host(host.as_str()))?;
        if until.holds(&view, since) {
            return Ok(Some(view));
        }
        let ended = tokio::select! {
            heard = timeout_at(deadline, listening.changed()) => heard.is_err(),
            () = desk.shutdown.cancelled() => true,
        };
        if ended {
            return Ok(None);
        }
    }
}

/// Tells of every record, and of a lease that runs out, until the client goes away or the directory stops.
pub(super) fn events(desk: &Arc<Desk>, host: &HostName, until: Until, since: u64) -> Result<Response, Problem> {
    let listening = desk.listen(host)?;
    let follower = Follower { desk: Arc::clone(desk), host: host.clone(), until, since, listening, told: None };
    let stream = stream::unfold(follower, |mut follower| async move {
        let view = follower.next().await?;
        let event = Event::default().event("record").id(view.seq().to_string());
        // A view is plain data, which always has a JSON text.
        let event = event.json_data(&view).unwrap_or_default();
        Some((Ok::<_, Infallible>(event), follower))
    });
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE).text("still here");
    Ok(Sse::new(stream).keep_alive(keep_alive).into_response())
}

struct Follower {
    desk: Arc<Desk>,
    host: HostName,
    until: Until,
    since: u64,
    listening: Listening,
    /// The seq and the state told last.
    told: Option<(u64, bool)>,
}

impl Follower {
    async fn next(&mut self) -> Option<HostView> {
        loop {
            let view = self.desk.view(&self.host)?;
            let now = (view.seq(), view.is_online());
            if self.until.holds(&view, self.since) && self.told != Some(now) {
                self.told = Some(now);
                return Some(view);
            }
            let expiry = self.desk.expiry(&self.host);
            tokio::select! {
                () = self.listening.changed() => {}
                () = sleep_until_some(expiry) => {}
                () = self.desk.shutdown.cancelled() => return None,
            }
        }
    }
}

async fn sleep_until_some(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// How long a poll waits at the most: what proxies and telephone links bear.
pub(super) const LONGEST_POLL: Duration = Duration::from_secs(600);
/// How long it waits when the client does not say.
pub(super) const DEFAULT_POLL: Duration = Duration::from_secs(60);
/// Often enough for the address translation of a mobile network to remember the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(25);
