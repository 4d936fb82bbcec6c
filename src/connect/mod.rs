//! `ringup connect`, `proxy`, `wake` and `query`: from a name to a machine that has proved to be the one.
//!
//! The [`attempt`] decides; the road asks, dials, waits and challenges for it. Owns no policy.

pub mod attempt;
pub mod call;
pub mod command;
pub mod enquiry;
pub mod known;
pub mod own_link;
mod progress;
pub mod proxy;
mod road;
mod several;
pub mod turn;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hayes::modem::Outcome;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use self::attempt::{Plan, not_answered};
use self::call::{Call, Called};
use self::known::{Authority, KnownHosts};
use self::own_link::OwnLink;
use crate::dns::Answer;
use crate::exit::{Callee, Failure, Status};
use crate::link::call_failure;
use crate::record::{HostName, SignedRecord};

pub use self::progress::{Audience, CallOver, Event, Progress};
pub use self::road::{Reached, has_route, reach};
pub use self::several::each;

/// What `ringup connect` works with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The host, and what is allowed for it.
    pub plan: Plan,
    /// The servers to ask.
    pub directory: Vec<SocketAddr>,
    /// How to ring it, if it can be rung.
    pub call: Option<Call>,
    /// What is remembered of hosts.
    pub known: KnownHosts,
    /// Who says which key the host has.
    pub authority: Authority,
}

/// What the attempts of one command share: the line, and the link over it.
#[derive(Clone, Debug)]
pub struct Shared {
    /// Our own link, if we have a provider.
    own_link: Option<Arc<Mutex<OwnLink>>>,
    /// Whoever rings holds it.
    line_turn: Arc<Mutex<()>>,
    /// Whoever is on the way to a host over our own link holds it until that is decided, as it may have to go for a call.
    link_turn: Arc<Mutex<()>>,
}

impl Shared {
    /// With a link of our own, if we have a provider.
    #[must_use]
    pub fn new(own_link: Option<own_link::Settings>) -> Self {
        let own_link = own_link.map(|own| Arc::new(Mutex::new(OwnLink::new(own))));
        Self { own_link, line_turn: Arc::default(), link_turn: Arc::default() }
    }

    /// Has our own link down at once, unless others use it. Not while a command of ours may be using it.
    pub async fn quit(&self) {
        if let Some(own_link) = &self.own_link {
            own_link.lock().await.quit().await;
        }
    }
}

/// Wakes a host by telephone once, without asking any directory.
///
/// # Errors
/// When the line cannot be had, the call does not come about, or the host refuses.
pub async fn ring(
    host: &str,
    call: &Call,
    progress: &Progress,
    shutdown: &CancellationToken,
) -> Result<Called, Failure> {
    let rung = async {
        let line = call.open()?;
        progress.say(host, &Event::Ringing { host: host.to_owned() });
        call.make(line).await
    };
    let called = tokio::select! {
        called = rung => called.map_err(|failure| failure.of_call_to(Callee::Host))?,
        // The line closes with the future that is dropped, and the modem hangs up.
        () = shutdown.cancelled() => return Err(interrupted()),
    };
    progress.say(host, &Event::of_call(&called, host.to_owned()));
    progress.end(host);
    match called {
        Called::Ended(Outcome::RangOut | Outcome::NoAnswer) if call.wake.is_answered() => Err(not_answered(host)),
        Called::Ended(Outcome::RangOut | Outcome::NoAnswer | Outcome::Connected(_) | Outcome::Voice)
        | Called::Told(_) => Ok(called),
        Called::BrokeOff => Err(broke_off(host)),
        Called::Ended(
            outcome @ (Outcome::Busy
            | Outcome::NoDialTone
            | Outcome::NoCarrier
            | Outcome::Refused
            | Outcome::Delayed
            | Outcome::Blacklisted
            | Outcome::Glare
            | Outcome::Silent),
        ) => Err(call_failure(&outcome, host).of_call_to(Callee::Host)),
    }
}

/// The failure of a call that broke off once the host had asked who we are.
fn broke_off(host: &str) -> Failure {
    let message = format!("the call to {host} broke off before it said what it would do");
    Failure::new(Status::NoHandshake, message).hint("it may be waking all the same: ringup query; or call again")
}

/// The record in an answer; a host that the directory does not know at all is a failure of its own.
///
/// # Errors
/// When the directory does not know the host.
pub fn known(answer: Answer, host: &HostName) -> Result<Option<SignedRecord>, Failure> {
    if answer.record.is_none() && !answer.host_exists {
        let failure = Failure::new(Status::UnknownHost, format!("the directory does not know {host}"));
        return Err(failure.hint("check the name; on the directory, a host must be bound to a key"));
    }
    Ok(answer.record)
}

/// Addresses that a router or ddclient registered, and the host did not sign: they may be anybody's by now.
fn uncertified(host: &HostName, addresses: &[IpAddr]) -> Failure {
    let addresses = in_words(addresses);
    let told = format!("{host} is at {addresses}, but its record is uncertified: the host did not sign it");
    Failure::new(Status::WrongIdentity, told).hint(
        "on the host, `ringup listen` or `ringup watch` signs; or connect to that address yourself, without proof",
    )
}

fn in_words(addresses: &[IpAddr]) -> String {
    addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ")
}

/// Somebody pressed Ctrl-C.
#[must_use]
pub fn interrupted() -> Failure {
    Failure::new(Status::Interrupted, "interrupted")
}
