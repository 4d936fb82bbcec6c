//! Waiting for a host: one answer when it comes (long poll), or every change as it comes (server-sent events).
//!
//! Events are the last thing on their connection, to its end. So the answer to who asks for them is only its head; its
//! connection is then taken from HTTP's machinery and its buffers, which are most of what a waiter would cost, and
//! [`Follower::tell`] writes the events.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Version, header};
use axum::response::Response;
use futures_util::stream;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

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
    fn holds(self, view: &HostView, since: Seen) -> bool {
        Seen::of(view) > since && (self == Self::Change || view.is_online())
    }
}

/// How far somebody has followed a host: up to a record, or to the end of its lease, which is later. As the identifier of
/// an event, `17` and `17.expired`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Seen {
    seq: u64,
    is_expired: bool,
}

impl Seen {
    /// A record, and not the end of its lease.
    pub(super) fn record(seq: u64) -> Self {
        Self { seq, is_expired: false }
    }

    fn of(view: &HostView) -> Self {
        Self { seq: view.seq(), is_expired: view.is_expired() }
    }

    /// Reads an event's identifier.
    pub(super) fn read(id: &str) -> Option<Self> {
        let seq = id.strip_suffix(EXPIRED);
        Some(Self { seq: seq.unwrap_or(id).parse().ok()?, is_expired: seq.is_some() })
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.seq, if self.is_expired { EXPIRED } else { "" })
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
        if view.seq() > since && until.holds(&view, Seen::record(since)) {
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

/// Answers with the head of the events, and the [`Follower`] who has them: of every record, and of a lease that runs out.
pub(super) fn events(desk: &Arc<Desk>, host: &HostName, until: Until, since: Seen) -> Result<Response, Problem> {
    let listening = desk.listen(host)?;
    let follower = Follower { desk: Arc::clone(desk), host: host.clone(), until, since, listening, told: None };
    let mut head = Response::new(Body::from_stream(stream::empty::<Result<Bytes, Infallible>>()));
    // In HTTP/1.0 what follows has no length and no chunks, and ends with the connection.
    *head.version_mut() = Version::HTTP_10;
    head.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    head.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    head.extensions_mut().insert(Arc::new(follower));
    Ok(head)
}

/// One who is told of a host's records as they come.
#[derive(Debug)]
pub(super) struct Follower {
    desk: Arc<Desk>,
    host: HostName,
    until: Until,
    since: Seen,
    listening: Listening,
    /// What was told last.
    told: Option<Seen>,
}

impl Follower {
    /// Writes every event, until the client goes away or the directory stops.
    pub(super) async fn tell<S: AsyncRead + AsyncWrite + Unpin>(mut self, stream: &mut S) {
        loop {
            let event = tokio::select! {
                view = self.next() => match view {
                    Some(view) => event(&view),
                    None => return,
                },
                () = sleep(KEEP_ALIVE) => ": still here\n\n".to_owned(),
                () = gone(stream) => return,
            };
            let written = async {
                stream.write_all(event.as_bytes()).await?;
                stream.flush().await
            };
            if written.await.is_err() {
                return;
            }
        }
    }

    async fn next(&mut self) -> Option<HostView> {
        loop {
            let view = self.desk.view(&self.host)?;
            let now = Seen::of(&view);
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

/// A view is plain data, which always has a JSON text, in one line.
fn event(view: &HostView) -> String {
    format!("event: record\nid: {}\ndata: {}\n\n", Seen::of(view), serde_json::to_string(view).unwrap_or_default())
}

/// Waits until a client has gone; whatever it says meanwhile is passed over.
async fn gone<S: AsyncRead + Unpin>(stream: &mut S) {
    let mut unheeded = [0; 256];
    while stream.read(&mut unheeded).await.is_ok_and(|length| length > 0) {}
}

async fn sleep_until_some(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

const EXPIRED: &str = ".expired";
/// How long a poll waits at the most: what proxies and telephone links bear.
pub(super) const LONGEST_POLL: Duration = Duration::from_secs(600);
/// How long it waits when the client does not say.
pub(super) const DEFAULT_POLL: Duration = Duration::from_secs(60);
/// Often enough for the address translation of a mobile network to remember the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(25);

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::directory::fixture::{Fixture, host};
    use crate::directory::http::fixture::World;

    fn follower(world: &World, last_event: &str) -> Follower {
        let seen = Seen::read(last_event).unwrap();
        let mut head = events(&world.desk, &host("home.dyn.test"), Until::Change, seen).unwrap();
        Arc::into_inner(head.extensions_mut().remove::<Arc<Follower>>().unwrap()).unwrap()
    }

    #[tokio::test]
    async fn who_comes_back_after_a_lease_ran_out_is_told_so_once() {
        let mut fixture = Fixture::new();
        fixture.register(1, &["203.0.113.9"]);
        let world = World::new("wait", fixture);
        assert!(follower(&world, "1").next().now_or_never().is_none(), "that was told before");
        world.pass(600);
        let mut follower_again = follower(&world, "1");
        let told = follower_again.next().now_or_never().expect("the end of the lease is told").unwrap();
        assert!(told.is_expired());
        let event = event(&told);
        assert!(event.starts_with("event: record\nid: 1.expired\ndata: {"), "{event}");
        assert!(follower_again.next().now_or_never().is_none(), "told twice");
        assert!(follower(&world, "1.expired").next().now_or_never().is_none(), "told again");
        assert!(follower(&world, "0").next().now_or_never().is_some());
    }

    #[test]
    fn an_event_is_named_by_its_record_or_by_the_end_of_its_lease() {
        for id in ["0", "17", "17.expired"] {
            assert_eq!(Seen::read(id).unwrap().to_string(), id);
        }
        assert!(Seen::read("17.expired") > Seen::read("17") && Seen::read("18") > Seen::read("17.expired"));
        assert!(["", "x", "17.", ".expired", "17.expired.expired"].iter().all(|id| Seen::read(id).is_none()));
    }
}
