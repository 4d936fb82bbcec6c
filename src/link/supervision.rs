//! One link under watch: pppd, its log, its hooks and the relay, joined into events; every wait has an end of our own.

use std::net::IpAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use hayes::driver::{Driver, Online};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::addresses::Ipv6Watch;
use super::end::{KernelPpp, LinkEnd, classify};
use super::hook::{Hook, HookEvent, Up};
use super::log::{LogFacts, Told};
use super::meter::{self, Meter};
use super::options::{self, Hooks, Side};
use super::peers::Peer;
use super::pppd::{Files, Pppd, Said};
use super::relay::{self, RelayEnd};
use super::resolving::Resolving;

/// How long pppd may take to say goodbye: its peer's answer to a Terminate-Request takes one round trip, two at worst.
const GOODBYE: Duration = Duration::from_secs(5);
/// How long after "local IP address" in the log the hook may take: two forks and a datagram, on a slow machine.
const HOOK_PATIENCE: Duration = Duration::from_secs(15);
/// How long after CONNECT the peer may take until its first word of LCP; it sends one each second or three.
const LCP_PATIENCE: Duration = Duration::from_secs(10);
/// How often the link's IPv6 addresses are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What happened to a link.
#[derive(Debug)]
pub enum LinkEvent {
    /// It is up; or, of a link that was up, it has other addresses now.
    Up(Up),
    /// Its IPv6 addresses have changed: [`Link::addresses`] has all of them.
    Addresses,
    /// It has ended; only [`Link::close`] is left to do.
    Ended(LinkEnd),
}

/// A link, from before CONNECT to hang-up.
#[derive(Debug)]
pub struct Link {
    pppd: Pppd,
    /// Where the line goes once there is one.
    give: Option<oneshot::Sender<Online>>,
    relay: JoinSet<(Option<Online>, RelayEnd)>,
    relayed: Option<Online>,
    /// A line that this link does not use.
    spare: Option<Driver>,
    hook: Hook,
    meter: Arc<Meter>,
    stop: CancellationToken,
    facts: LogFacts,
    resolving: Resolving,
    ipv6: Option<Ipv6Watch>,
    look_at: Option<Instant>,
    /// A provider waits for the hook, which alone tells whom it serves; what the log told meanwhile.
    awaits_hook: bool,
    logged: Option<Up>,
    up: Option<Up>,
    connected_at: Option<Instant>,
    address_seen: Option<Instant>,
    hung_up: Option<Instant>,
    ended: Option<LinkEnd>,
}

impl Link {
    /// Has pppd stand ready on its side of a line that is still to come. `patience` is how long that and the link may
    /// take together.
    ///
    /// # Errors
    /// When pppd or its pty cannot be had.
    pub fn prepare(side: &Side, runtime: &Path, patience: Duration) -> Result<Self, LinkEnd> {
        tracing::debug!("pppd gets ready");
        let files = Files::new(runtime);
        let prepared = (|| {
            let hook = Hook::open(files.socket.clone())?;
            let (master, slave) = relay::pty()?;
            let program = std::env::current_exe()?;
            let options = side.options(patience, &Hooks { socket: hook.path(), program: &program });
            let pppd = Pppd::start(&[], &options, Stdio::from(slave), files)?;
            std::io::Result::Ok((hook, master, pppd))
        })();
        let (hook, master, pppd) = prepared.map_err(|error| LinkEnd::NoPppd(error.to_string()))?;
        let mut link = Self::new(pppd, hook, Resolving::new(side.name_servers(), runtime));
        let (give, given) = oneshot::channel();
        link.give = Some(give);
        link.relay.spawn(relay::run(master, given, Arc::clone(&link.meter), link.stop.clone()));
        link.awaits_hook = matches!(side, Side::Provider { .. });
        link.ipv6 = side.asks_for_ipv6().then(Ipv6Watch::default);
        Ok(link)
    }

    /// Hands a line in data state to the pppd that stands ready.
    pub fn connect(&mut self, online: Online) {
        self.connected_at = Some(Instant::now());
        if let Some(give) = self.give.take()
            && let Err(online) = give.send(online)
        {
            self.relayed = Some(online); // pppd has gone: its end is about to be heard
        }
    }

    /// Has pppd bring up a link by a peers file of the owner's.
    ///
    /// # Errors
    /// When pppd cannot be had, or the file asks for what cannot be watched.
    pub fn start_peer(peer: &Peer, runtime: &Path) -> Result<Self, LinkEnd> {
        peer.check()?;
        let files = Files::new(runtime);
        let prepared = (|| {
            let hook = Hook::open(files.socket.clone())?;
            let program = std::env::current_exe()?;
            let hooks = Hooks { socket: hook.path(), program: &program };
            let options = options::beside_peers_file(&peer.options, peer.asks_for_echoes(), &hooks);
            let before = ["call".into(), peer.name.clone().into()];
            let pppd = Pppd::start(&before, &options, Stdio::null(), files)?;
            std::io::Result::Ok((hook, pppd))
        })();
        let (hook, pppd) = prepared.map_err(|error| LinkEnd::NoPppd(error.to_string()))?;
        let mut link = Self::new(pppd, hook, Resolving::new(peer.dns, runtime));
        link.ipv6 = Some(Ipv6Watch::default());
        Ok(link)
    }

    /// Keeps a line that this link does not use for whoever closes the link.
    pub fn keep(&mut self, spare: Option<Driver>) {
        self.spare = spare;
    }

    fn new(pppd: Pppd, hook: Hook, resolving: Resolving) -> Self {
        Self {
            pppd,
            give: None,
            relay: JoinSet::new(),
            relayed: None,
            spare: None,
            hook,
            meter: Arc::new(Meter::default()),
            stop: CancellationToken::new(),
            facts: LogFacts::default(),
            resolving,
            ipv6: None,
            look_at: None,
            awaits_hook: false,
            logged: None,
            up: None,
            connected_at: None,
            address_seen: None,
            hung_up: None,
            ended: None,
        }
    }

    /// Waits until the link comes up, changes its addresses, or ends.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> LinkEvent {
        loop {
            if let Some(end) = &self.ended {
                return LinkEvent::Ended(end.clone());
            }
            let (deadline, due) = self.deadline();
            let told = tokio::select! {
                event = self.hook.next() => match event {
                    HookEvent::Up(up) => Some(up),
                    HookEvent::Down { interface, .. } => {
                        tracing::debug!(interface, "ip-down");
                        None
                    }
                },
                said = self.pppd.next() => match said {
                    Said::Line(line) => self.handle_line(&line),
                    Said::Ended(status) => {
                        self.finish(status, false);
                        None
                    }
                },
                Some(ended) = self.relay.join_next() => {
                    if let Ok((online, end)) = ended {
                        tracing::debug!(?end, "the relay ended");
                        self.relayed = online;
                        // With our end of its line closed, pppd sees a hang-up and ends by itself, or it hangs.
                        self.hung_up = Some(Instant::now());
                    }
                    None
                }
                () = crate::clock::sleep_until(deadline.map(Instant::into_std)) => match self.handle_due(due) {
                    Some(event) => return event,
                    None => None,
                },
            };
            if let Some(event) = told.and_then(|up| self.note_up(up)) {
                return event;
            }
        }
    }

    /// The next moment at which something is due, and what.
    fn deadline(&self) -> (Option<Instant>, Due) {
        let coming_up = self.up.is_none();
        let silent = self.connected_at.filter(|_| coming_up && !self.meter.lcp_heard());
        [
            (self.address_seen.filter(|_| coming_up).map(|seen| seen + HOOK_PATIENCE), Due::Hook),
            (silent.map(|at| at + LCP_PATIENCE), Due::Lcp),
            (self.hung_up.map(|at| at + GOODBYE), Due::Goodbye),
            (self.look_at, Due::Look),
        ]
        .into_iter()
        .filter(|(at, _due)| at.is_some())
        .min_by_key(|(at, _due)| *at)
        .unwrap_or((None, Due::Look))
    }

    fn handle_due(&mut self, due: Due) -> Option<LinkEvent> {
        match due {
            Due::Hook => {
                let Some(up) = self.logged.take() else { return Some(LinkEvent::Ended(LinkEnd::HookMissing)) };
                tracing::warn!("the ip-up hook has not reported: nobody knows who calls; see docs/link.md");
                return self.note_up(up);
            }
            Due::Lcp => return Some(LinkEvent::Ended(LinkEnd::NoPpp)),
            Due::Goodbye => {
                tracing::warn!("pppd does not notice the hang-up; killing it");
                self.hung_up = None;
                self.pppd.kill();
            }
            Due::Look => {
                self.look_at = Some(Instant::now() + LOOK_EVERY);
                let interface = self.up.as_ref().map(|up| up.interface.as_str());
                if let (Some(watch), Some(interface)) = (&mut self.ipv6, interface)
                    && watch.look(interface)
                {
                    return Some(LinkEvent::Addresses);
                }
            }
        }
        None
    }

    /// Takes in that IP is up, from the log or the hook, whichever is first; the other tells nothing new.
    fn note_up(&mut self, up: Up) -> Option<LinkEvent> {
        let known = self.up.as_ref().is_some_and(|known| known.local == up.local && known.interface == up.interface);
        if known {
            return None;
        }
        self.pppd.forget_options();
        self.look_at = self.ipv6.is_some().then(Instant::now);
        self.up = Some(up.clone());
        Some(LinkEvent::Up(up))
    }

    /// Waits until the link is up.
    ///
    /// # Errors
    /// When it ends first, or is not up by the deadline; [`Link::close`] then gives the line back.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn come_up(&mut self, deadline: Instant) -> Result<Up, LinkEnd> {
        let coming = async {
            loop {
                match self.next().await {
                    LinkEvent::Up(up) => return Ok(up),
                    LinkEvent::Ended(end) => return Err(end),
                    LinkEvent::Addresses => {}
                }
            }
        };
        match tokio::time::timeout_at(deadline, coming).await {
            Ok(done) => done,
            Err(_elapsed) if self.facts.address => Err(LinkEnd::HookMissing),
            Err(_elapsed) => Err(LinkEnd::TimedOut),
        }
    }

    /// Waits until the link has ended.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn ended(&mut self) -> LinkEnd {
        loop {
            if let LinkEvent::Ended(end) = self.next().await {
                return end;
            }
        }
    }

    /// The link's addresses as they are now: the one that was lent, and those of IPv6 that hold everywhere.
    #[must_use]
    pub fn addresses(&self) -> Vec<IpAddr> {
        let lent = self.up.iter().map(|up| up.local);
        lent.chain(self.ipv6.iter().flat_map(Ipv6Watch::addresses)).collect()
    }

    /// How many packets have passed, both ways.
    #[must_use]
    pub fn packets(&self) -> u64 {
        match (&self.up, self.connected_at) {
            // No relay carries the packets of a peers file's link.
            (Some(up), None) => meter::interface_packets(&up.interface),
            _ => self.meter.packets(),
        }
    }

    /// What the other side said in plain text before any PPP: a banner, or why it will not serve us.
    #[must_use]
    pub fn words(&self) -> Option<String> {
        self.meter.words()
    }

    /// The last lines of pppd's log.
    #[must_use]
    pub fn last_lines(&self) -> Vec<String> {
        self.facts.last_lines.iter().cloned().collect()
    }

    /// Ends the link if it still stands, and gives the line back, to be hung up.
    pub async fn close(mut self) -> (LinkEnd, Option<Driver>) {
        if self.ended.is_none() {
            if self.connected_at.is_none() {
                // There is nobody to say goodbye to: without its line pppd ends at once.
                self.stop.cancel();
            }
            self.pppd.terminate();
            if timeout(GOODBYE, self.finish_by_itself()).await.is_err() {
                tracing::warn!("pppd does not end when asked to; killing it");
                self.pppd.kill();
                self.finish_by_itself().await;
            }
        }
        self.stop.cancel();
        while let Some(ended) = self.relay.join_next().await {
            self.relayed = ended.ok().and_then(|(online, _end)| online);
        }
        self.resolving.restore();
        let line = self.relayed.take().map(Online::into_driver).or_else(|| self.spare.take());
        (self.ended.take().unwrap_or(LinkEnd::Stopped), line)
    }

    async fn finish_by_itself(&mut self) {
        loop {
            match self.pppd.next().await {
                Said::Line(line) => drop(self.handle_line(&line)),
                Said::Ended(status) => return self.finish(status, true),
            }
        }
    }

    fn finish(&mut self, status: Option<i32>, stopped: bool) {
        let end = classify(status, &self.facts, self.up.is_some(), stopped, kernel_ppp);
        tracing::debug!(?status, ?end, "pppd ended");
        self.resolving.restore();
        self.ended = Some(end);
    }

    fn handle_line(&mut self, line: &str) -> Option<Up> {
        tracing::debug!(target: "ringup::pppd", "{line}");
        let routed = self.facts.route_kept;
        let told = self.facts.handle_line(line);
        if self.facts.route_kept && !routed {
            tracing::warn!("{line}; the link carries only what is meant for its other end: see isp.default-route");
        }
        if self.facts.address && self.address_seen.is_none() {
            self.address_seen = Some(Instant::now());
        }
        match told? {
            Told::Addresses { interface, local, remote } => {
                self.resolving.note_interface(&interface);
                let up = Up { interface, local, remote, peer: None, names: Vec::new() };
                if self.awaits_hook && self.up.is_none() {
                    self.logged = Some(up);
                    return None;
                }
                Some(up)
            }
            Told::NameServer(server) => {
                self.resolving.note_server(server);
                None
            }
        }
    }
}

/// What is due.
#[derive(Clone, Copy, Debug)]
enum Due {
    /// The ip-up hook should have reported.
    Hook,
    /// The peer should have spoken LCP.
    Lcp,
    /// pppd should have noticed that its line is gone.
    Goodbye,
    /// The IPv6 addresses are to be looked at.
    Look,
}

/// Why pppd says that there is no PPP: it calls a lack of rights by the same name.
fn kernel_ppp() -> KernelPpp {
    match std::fs::OpenOptions::new().read(true).write(true).open("/dev/ppp") {
        Ok(_there) => KernelPpp::There,
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => KernelPpp::Forbidden,
        Err(_missing) => KernelPpp::Missing,
    }
}
