//! A PPP link over a telephone call: hands the open line to pppd, watches both, and takes the line back afterwards.
//!
//! Owns pppd, its options, its hooks' socket and the relay between it and the line. Decides nothing about when a link
//! is wanted: `listen`, `connect` and `provide` do.

mod end;
mod frames;
pub mod hook;
mod isp;
mod meter;
mod octets;
mod pppd;
mod relay;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hayes::driver::{Driver, Online};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use self::end::{LogFacts, classify};
use self::hook::{Hook, HookEvent};
use self::meter::Meter;
use self::pppd::{Pppd, Said};
use self::relay::RelayEnd;

pub use self::end::LinkEnd;
pub use self::hook::Up;
pub use self::isp::{CallFailure, CallStep, Isp, call, call_failure, line_failure};
pub use self::meter::IdleClock;
pub use self::octets::octets;
pub use self::pppd::Side;

/// How long pppd may take to say goodbye: its peer's answer to a Terminate-Request takes one round trip, two at worst.
const GOODBYE: Duration = Duration::from_secs(5);
/// How long after "local IP address" in the log the hook may take: two forks and a datagram, on a slow machine.
const HOOK_PATIENCE: Duration = Duration::from_secs(15);

/// What happened to a link.
#[derive(Debug)]
pub enum LinkEvent {
    /// It is up.
    Up(Up),
    /// It has ended; only [`Link::close`] is left to do.
    Ended(LinkEnd),
}

/// A link, from CONNECT to hang-up.
#[derive(Debug)]
pub struct Link {
    pppd: Pppd,
    relay: JoinSet<(Online, RelayEnd)>,
    relayed: Option<Online>,
    hook: Hook,
    meter: Arc<Meter>,
    stop: CancellationToken,
    facts: LogFacts,
    last_line: String,
    up: bool,
    address_seen: Option<Instant>,
    hung_up: Option<Instant>,
    ended: Option<LinkEnd>,
}

impl Link {
    /// Hands a line in data state to pppd.
    ///
    /// # Errors
    /// When pppd or its pty cannot be had; the line comes back with the reason.
    pub fn start(online: Online, side: &Side, runtime: &Path) -> Result<Self, (Box<Online>, LinkEnd)> {
        let (hook_path, options) = paths(runtime);
        let prepared = (|| {
            let hook = Hook::open(hook_path)?;
            let (master, slave) = relay::pty()?;
            let pppd = Pppd::start(side, slave, options, hook.path())?;
            std::io::Result::Ok((hook, master, pppd))
        })();
        let (hook, master, pppd) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return Err((Box::new(online), LinkEnd::NoPppd(error.to_string()))),
        };
        let meter = Arc::new(Meter::default());
        let stop = CancellationToken::new();
        let mut relay = JoinSet::new();
        relay.spawn(relay::run(online, master, Arc::clone(&meter), stop.clone()));
        Ok(Self {
            pppd,
            relay,
            relayed: None,
            hook,
            meter,
            stop,
            facts: LogFacts::default(),
            last_line: String::new(),
            up: false,
            address_seen: None,
            hung_up: None,
            ended: None,
        })
    }

    /// Waits until the link comes up or ends.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> LinkEvent {
        loop {
            if let Some(end) = &self.ended {
                return LinkEvent::Ended(end.clone());
            }
            let patience = self.address_seen.filter(|_| !self.up).map(|seen| seen + HOOK_PATIENCE);
            let goodbye = self.hung_up.map(|at| at + GOODBYE);
            tokio::select! {
                event = self.hook.next() => match event {
                    HookEvent::Up(up) => {
                        self.up = true;
                        self.pppd.forget_options();
                        return LinkEvent::Up(up);
                    }
                    HookEvent::Down { interface } => tracing::debug!(interface, "ip-down"),
                },
                said = self.pppd.next() => match said {
                    Said::Line(line) => self.handle_line(line),
                    Said::Ended(status) => self.finish(status, false),
                },
                Some(ended) = self.relay.join_next(), if self.relayed.is_none() => {
                    if let Ok((online, end)) = ended {
                        tracing::debug!(?end, "the relay ended");
                        self.relayed = Some(online);
                        // With our end of its line closed, pppd sees a hang-up and ends by itself, or it hangs.
                        self.hung_up = Some(Instant::now());
                    }
                }
                () = crate::clock::sleep_until(patience.map(Instant::into_std)) => {
                    return LinkEvent::Ended(LinkEnd::HookMissing);
                }
                () = crate::clock::sleep_until(goodbye.map(Instant::into_std)) => {
                    tracing::warn!("pppd does not notice the hang-up; killing it");
                    self.hung_up = None;
                    self.pppd.kill();
                }
            }
        }
    }

    /// Waits until the link is up.
    ///
    /// # Errors
    /// When it ends first, or is not up by the deadline; [`Link::close`] then gives the line back.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn come_up(&mut self, deadline: Instant) -> Result<Up, LinkEnd> {
        match tokio::time::timeout_at(deadline, self.next()).await {
            Ok(LinkEvent::Up(up)) => Ok(up),
            Ok(LinkEvent::Ended(end)) => Err(end),
            Err(_elapsed) if self.facts.address => Err(LinkEnd::HookMissing),
            Err(_elapsed) => Err(LinkEnd::TimedOut),
        }
    }

    /// How many frames with network-layer packets have passed, both ways.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.meter.packets()
    }

    /// What the other side said in plain text before any PPP: a banner, or why it will not serve us.
    #[must_use]
    pub fn words(&self) -> Option<String> {
        self.meter.words()
    }

    /// Ends the link if it still stands, and gives the line back, to be hung up.
    pub async fn close(mut self) -> (LinkEnd, Option<Driver>) {
        if self.ended.is_none() {
            self.pppd.terminate();
            if timeout(GOODBYE, self.finish_by_itself()).await.is_err() {
                tracing::warn!("pppd does not end when asked to; killing it");
                self.pppd.kill();
                self.finish_by_itself().await;
            }
        }
        self.stop.cancel();
        if self.relayed.is_none()
            && let Some(Ok((online, _end))) = self.relay.join_next().await
        {
            self.relayed = Some(online);
        }
        (self.ended.take().unwrap_or(LinkEnd::Stopped), self.relayed.take().map(Online::into_driver))
    }

    async fn finish_by_itself(&mut self) {
        loop {
            match self.pppd.next().await {
                Said::Line(line) => self.handle_line(line),
                Said::Ended(status) => return self.finish(status, true),
            }
        }
    }

    fn finish(&mut self, status: Option<i32>, stopped: bool) {
        self.ended = Some(classify(status, self.facts, self.up, stopped, &self.last_line));
    }

    fn handle_line(&mut self, line: String) {
        tracing::debug!(target: "ringup::pppd", "{line}");
        self.facts.handle_line(&line);
        if self.facts.address && self.address_seen.is_none() {
            self.address_seen = Some(Instant::now());
        }
        self.last_line = line;
    }
}

/// A socket and an options file that no other link of this machine has.
fn paths(runtime: &Path) -> (PathBuf, PathBuf) {
    static LINKS: AtomicU32 = AtomicU32::new(0);
    let name = format!("link-{}-{}", std::process::id(), LINKS.fetch_add(1, Ordering::Relaxed));
    (runtime.join(format!("{name}.sock")), runtime.join(format!("{name}.options")))
}
