//! `ringup connect`, `wake` and `query`: from a name to a machine that answers.
//!
//! The [`attempt`] decides; this shell asks, dials and waits for it. Owns no policy.

pub mod attempt;
pub mod call;
pub mod command;
pub mod own_link;
mod progress;

use std::net::SocketAddr;
use std::time::Duration;

use hayes::modem::Outcome;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::attempt::{Attempt, Output, Plan, not_answered};
use self::call::{Call, Called};
use self::own_link::OwnLink;
use crate::dns::{Answer, Resolver, Waited};
use crate::exit::{Failure, Status};
use crate::link::call_failure;
use crate::record::{HostName, Seq, SignedRecord};

pub use self::progress::{Event, Progress};

/// How long the directory may take to answer one question, retransmissions included.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// What `ringup connect` works with.
#[derive(Debug)]
pub struct Settings {
    /// The host, and what is allowed for it.
    pub plan: Plan,
    /// The servers to ask.
    pub directory: Vec<SocketAddr>,
    /// How to ring it, if it can be rung.
    pub call: Option<Call>,
    /// Our own link, if we have a provider.
    pub own_link: Option<own_link::Settings>,
}

/// A host that is there, and our own link if it goes over that: to be kept while the host is in use.
#[derive(Debug)]
pub struct Reached {
    /// The host's record, checked.
    pub record: SignedRecord,
    /// The lease on our own link.
    pub own_link: Option<OwnLink>,
}

/// Reaches a host, waking it if need be.
///
/// # Errors
/// With the one cause, typed, and nothing left half-open.
pub async fn reach(settings: &Settings, progress: &Progress, shutdown: &CancellationToken) -> Result<Reached, Failure> {
    let mut road = Road {
        settings,
        progress,
        resolver: Resolver::new(settings.directory.clone()),
        own_link: settings.own_link.clone().map(OwnLink::new),
    };
    let mut attempt = Attempt::new(settings.plan.clone());
    let result = tokio::select! {
        result = road.walk(&mut attempt) => result,
        () = shutdown.cancelled() => Err(Failure::new(Status::Interrupted, "interrupted")),
    };
    match result {
        Ok(record) => Ok(Reached { record, own_link: road.own_link }),
        Err(failure) => {
            if let Some(mut own_link) = road.own_link {
                own_link.quit().await;
            }
            Err(failure)
        }
    }
}

/// Wakes a host by telephone once, without asking any directory.
///
/// # Errors
/// When the line cannot be had, the call does not come about, or the host refuses.
pub async fn ring(call: &Call, shutdown: &CancellationToken) -> Result<Called, Failure> {
    let called = tokio::select! {
        called = call.make() => called?,
        // The line closes with the future that is dropped, and the modem hangs up.
        () = shutdown.cancelled() => return Err(Failure::new(Status::Interrupted, "interrupted")),
    };
    match called {
        Called::Ended(Outcome::RangOut | Outcome::NoAnswer) if call.wake.is_answered() => Err(not_answered("the host")),
        Called::Ended(Outcome::RangOut | Outcome::NoAnswer | Outcome::Connected(_) | Outcome::Voice)
        | Called::Told(_) => Ok(called),
        Called::Ended(
            outcome @ (Outcome::Busy
            | Outcome::NoDialTone
            | Outcome::NoCarrier
            | Outcome::Refused
            | Outcome::Delayed
            | Outcome::Blacklisted
            | Outcome::Glare
            | Outcome::Silent),
        ) => Err(call_failure(&outcome, "the host")),
    }
}

/// The shell around an attempt.
struct Road<'run> {
    settings: &'run Settings,
    progress: &'run Progress,
    resolver: Resolver,
    own_link: Option<OwnLink>,
}

impl Road<'_> {
    async fn walk(&mut self, attempt: &mut Attempt) -> Result<SignedRecord, Failure> {
        loop {
            let deadline = attempt.deadline();
            let Some(output) = attempt.poll_output() else {
                let Some((at, _why)) = deadline else {
                    return Err(Failure::new(Status::Internal, "the attempt waits for nothing"));
                };
                tokio::time::sleep_until(at.into()).await;
                attempt.handle_timeout(crate::clock::now());
                continue;
            };
            match output {
                Output::FindWay => {
                    let there_is = self.way_to_directory().await;
                    attempt.handle_way(there_is, crate::clock::now());
                }
                Output::BringUp => {
                    let result = self.bring_up().await;
                    attempt.handle_own_link(result, crate::clock::now());
                }
                Output::FreeLine => attempt.handle_line_free(self.free_line().await),
                Output::Ask => attempt.handle_answer(self.ask().await),
                Output::Ring => {
                    let result = self.ring().await;
                    attempt.handle_call(result, crate::clock::now());
                }
                Output::Await(after) => {
                    let until = deadline.map_or_else(Instant::now, |(at, _why)| at.into());
                    match self.newer_than(after, until).await {
                        Ok(Some(record)) => attempt.handle_newer(Ok(record)),
                        Ok(None) => attempt.handle_timeout(crate::clock::now()),
                        Err(failure) => attempt.handle_newer(Err(failure)),
                    }
                }
                Output::Found(record) => {
                    self.progress.say(&Event::Online {
                        host: record.record().host().to_string(),
                        seq: record.record().seq().number(),
                        addresses: record.record().addresses().to_vec(),
                    });
                    return Ok(*record);
                }
                Output::Failed(failure) => return Err(failure),
            }
        }
    }

    /// Whether the kernel has a route to any of the directory's servers: asking it costs no packet.
    async fn way_to_directory(&mut self) -> bool {
        if let Some(own_link) = self.own_link.as_mut() {
            // If that way is our own link, it must not end under us.
            own_link.join().await;
        }
        self.settings.directory.iter().any(has_route)
    }

    async fn bring_up(&mut self) -> Result<(), Failure> {
        let Some(own_link) = self.own_link.as_mut() else {
            return Err(Failure::new(Status::Internal, "no provider is configured"));
        };
        let progress = self.progress;
        let up = own_link.bring_up(|| progress.say(&Event::OwnLinkDialling)).await?;
        self.progress.say(&Event::OwnLinkUp { interface: up.interface, address: up.local });
        Ok(())
    }

    async fn free_line(&mut self) -> Result<(), Failure> {
        if let Some(own_link) = self.own_link.as_mut()
            && own_link.free_line().await?
        {
            self.progress.say(&Event::OwnLinkDown);
        }
        Ok(())
    }

    async fn ask(&mut self) -> Result<Option<SignedRecord>, Failure> {
        let host = &self.settings.plan.host;
        self.progress.say(&Event::Asking { host: host.to_string() });
        let answer =
            self.resolver.query(host, Instant::now() + ANSWER_WITHIN).await.map_err(|error| Failure::from(&error))?;
        let record = known(answer, host)?;
        if record.is_none() && !self.settings.plan.has_number {
            let deadline = Instant::now() + ANSWER_WITHIN;
            let plain = self.resolver.addresses(host, deadline).await.map_err(|error| Failure::from(&error))?;
            if let Some(address) = plain.first() {
                return Err(uncertified(host, *address));
            }
        }
        match &record {
            None => self.progress.say(&Event::NeverRegistered { host: host.to_string() }),
            Some(signed) if signed.record().state() == crate::record::State::Asleep => {
                self.progress.say(&Event::Asleep { host: host.to_string(), seq: signed.record().seq().number() });
            }
            Some(_online) => {}
        }
        Ok(record)
    }

    async fn ring(&mut self) -> Result<Called, Failure> {
        let Some(call) = &self.settings.call else {
            return Err(Failure::new(Status::Internal, "there is no number to ring"));
        };
        self.progress.say(&Event::Ringing { host: self.settings.plan.host.to_string() });
        let called = call.make().await?;
        self.progress.say(&match &called {
            Called::Ended(outcome) => Event::CallOver { outcome: format!("{outcome:?}") },
            Called::Told(verdict) => Event::Told { words: verdict.to_string() },
        });
        Ok(called)
    }

    async fn newer_than(&mut self, after: Option<Seq>, until: Instant) -> Result<Option<SignedRecord>, Failure> {
        let host = &self.settings.plan.host;
        self.progress.say(&Event::Waiting { host: host.to_string(), after: after.map(Seq::number) });
        match self.resolver.newer_than(host, after, until).await {
            Ok(Waited::Online(record)) => Ok(Some(*record)),
            Ok(Waited::TimedOut(_answer)) => Ok(None),
            Err(error) => Err(Failure::from(&error)),
        }
    }
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

/// An address that a router or ddclient registered, and the host did not sign: it may be anybody's by now.
fn uncertified(host: &HostName, address: std::net::IpAddr) -> Failure {
    let told = format!("{host} is at {address}, but its record is uncertified: the host did not sign it");
    Failure::new(Status::WrongIdentity, told).hint(
        "on the host, `ringup listen` or `ringup watch` signs; or connect to that address yourself, without proof",
    )
}

fn has_route(server: &SocketAddr) -> bool {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (std::net::Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    std::net::UdpSocket::bind(any).and_then(|socket| socket.connect(server)).is_ok()
}
