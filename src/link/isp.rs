//! A call to the PPP provider: dial, hand over, wait for an address. The same for the home server that was woken and
//! for the client that has no other way out.

use std::path::PathBuf;
use std::time::Duration;

use hayes::driver::{Driver, DriverError};
use hayes::modem::Outcome;
use hayes::number::Number;
use tokio::time::Instant;

use super::{Link, LinkEnd, Peer, Side, Up};
use crate::exit::{Failure, Status};

/// A provider, as its subscriber reaches it.
#[derive(Clone, Debug)]
pub struct Isp {
    /// How it is reached.
    pub way: Way,
    /// How often it is called for one link, at most.
    pub calls: u32,
    /// How long a call may take until CONNECT.
    pub connect_within: Duration,
    /// How long from CONNECT until there is an address.
    pub link_within: Duration,
    /// Where the link's socket and options file go.
    pub runtime: PathBuf,
}

/// How a provider is reached.
#[derive(Clone, Debug)]
pub enum Way {
    /// We dial, and hand pppd the open line.
    Dial {
        /// Its number.
        number: Number,
        /// Our account there.
        side: Side,
    },
    /// pppd does all of it, by a peers file of the owner's.
    Peer(Peer),
}

impl Isp {
    /// Whether it is dialled on a line of ours.
    #[must_use]
    pub fn needs_line(&self) -> bool {
        matches!(self.way, Way::Dial { .. })
    }
}

/// Why a call to the provider brought no link.
#[derive(Debug)]
pub enum CallFailure {
    /// There is no line to dial on.
    NoLine,
    /// The line or the modem failed.
    Line(DriverError),
    /// The call ended so.
    Call(Outcome),
    /// The call stood, or was not even begun, but there was no link.
    Link {
        /// Why.
        end: LinkEnd,
        /// What the provider said in plain text, if it did.
        said: Option<String>,
        /// The end of pppd's log.
        log: Vec<String>,
    },
}

/// The moments of a call to the provider, for whoever measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallStep {
    /// The number is being dialled, and pppd gets ready.
    Dialling,
    /// The modems have agreed.
    Connected,
}

/// Dials the provider with a modem that is ready, or has pppd do it, and waits for an address. Only a peers file may do
/// without a line of ours.
///
/// # Errors
/// With the cause, and the modem, on hook again, unless the line itself is gone or pppd had it for itself.
///
/// # Cancel safety
/// When dropped the line is closed, which drops DTR: the modem hangs up. Prefer to let it end.
pub async fn call(
    driver: Option<Driver>,
    isp: &Isp,
    step: impl FnMut(CallStep),
) -> Result<(Link, Up), (CallFailure, Option<Driver>)> {
    Box::pin(reach(driver, isp, step)).await // a call is much to carry about for whoever waits for it
}

async fn reach(
    driver: Option<Driver>,
    isp: &Isp,
    mut step: impl FnMut(CallStep),
) -> Result<(Link, Up), (CallFailure, Option<Driver>)> {
    step(CallStep::Dialling);
    let (link, deadline) = match &isp.way {
        Way::Dial { number, side } => {
            let Some(driver) = driver else { return Err((CallFailure::NoLine, None)) };
            let link = dial(driver, number, side, isp).await?;
            step(CallStep::Connected);
            (link, Instant::now() + isp.link_within)
        }
        Way::Peer(peer) => {
            // pppd opens the tty itself, and would wait for our lock on it.
            let spare = driver.filter(|driver| !peer.uses(driver.port()));
            let mut link = match Link::start_peer(peer, &isp.runtime) {
                Ok(link) => link,
                Err(end) => return Err((CallFailure::Link { end, said: None, log: Vec::new() }, spare)),
            };
            link.keep(spare);
            (link, Instant::now() + isp.connect_within + isp.link_within)
        }
    };
    wait_until_up(link, deadline).await
}

/// Dials with pppd standing by, so that not a moment is lost at CONNECT.
async fn dial(
    mut driver: Driver,
    number: &Number,
    side: &Side,
    isp: &Isp,
) -> Result<Link, (CallFailure, Option<Driver>)> {
    let mut link = match Link::prepare(side, &isp.runtime, isp.connect_within + isp.link_within) {
        Ok(link) => link,
        Err(end) => return Err((CallFailure::Link { end, said: None, log: Vec::new() }, Some(driver))),
    };
    let outcome = tokio::select! {
        outcome = driver.dial(number, isp.connect_within) => Ok(outcome),
        end = link.ended() => Err(end),
    };
    let failure = match outcome {
        Ok(Ok(Outcome::Connected(connect))) => {
            tracing::info!(connect = connect.text, "the provider answered");
            link.connect(driver.into_online());
            return Ok(link);
        }
        Ok(Ok(outcome)) => CallFailure::Call(outcome),
        Ok(Err(error)) => CallFailure::Line(error),
        // pppd cannot do its part: the call is given up before it costs anything.
        Err(end) => {
            let driver = hung_up(Some(driver)).await;
            link.close().await;
            return Err((CallFailure::Link { end, said: None, log: Vec::new() }, driver));
        }
    };
    link.close().await;
    Err((failure, Some(driver)))
}

async fn wait_until_up(mut link: Link, deadline: Instant) -> Result<(Link, Up), (CallFailure, Option<Driver>)> {
    match link.come_up(deadline).await {
        Ok(up) => Ok((link, up)),
        Err(end) => {
            let (said, log) = (link.words(), link.last_lines());
            let (_end, driver) = link.close().await;
            Err((CallFailure::Link { end, said, log }, hung_up(driver).await))
        }
    }
}

/// Hangs a line up, as far as there still is one.
async fn hung_up(driver: Option<Driver>) -> Option<Driver> {
    let mut driver = driver?;
    match driver.hang_up().await {
        Ok(()) => Some(driver),
        Err(error) => {
            tracing::warn!(%error, "the line did not hang up");
            None
        }
    }
}

impl From<&CallFailure> for Failure {
    fn from(failure: &CallFailure) -> Self {
        match failure {
            CallFailure::NoLine => Self::new(Status::NoPort, "there is no line to dial on"),
            CallFailure::Line(error) => line_failure(error),
            CallFailure::Call(outcome) => call_failure(outcome, "the provider"),
            CallFailure::Link { end, said, log } => {
                let pppd = log.iter().map(|line| format!("pppd: {line}")).collect();
                let mut failure = Self::from(end).heard_before(pppd);
                if let Some(said) = said {
                    // It answered and gave a reason: that the call then ended is no cause of its own.
                    if failure.status == Status::NoCarrier {
                        failure.status = Status::NoLink;
                    }
                    failure.message.push_str(&format!("; the provider said \"{said}\""));
                    // Where PPP was spoken, its words are a greeting.
                    if matches!(end, LinkEnd::NoPpp | LinkEnd::CarrierLost | LinkEnd::TimedOut) {
                        failure = failure.hint(
                            "its words are the reason: ask the provider; where it asks for a name in words, `peer` in [isp] \
                             and a chat script answer",
                        );
                    }
                } else if *end == LinkEnd::CarrierLost {
                    "the call to the provider was lost before the link was up".clone_into(&mut failure.message);
                    failure = failure.hint("call again; if it is lost again, the line is bad or the provider hangs up");
                }
                failure
            }
        }
    }
}

/// An unsuccessful call, told with whom it was to reach.
#[must_use]
pub fn call_failure(outcome: &Outcome, whom: &str) -> Failure {
    let (status, what, hint) = match outcome {
        Outcome::Connected(_) => (Status::Internal, "answered the call", None),
        Outcome::RangOut | Outcome::NoAnswer => {
            (Status::NoAnswer, "did not answer", Some("is the number right? call it by hand, and listen"))
        }
        Outcome::Voice => (Status::NoCarrier, "was called, and a voice answered, not a modem", None),
        Outcome::Busy => (Status::Busy, "is busy", Some("try again later")),
        Outcome::NoDialTone => (Status::NoDialTone, "could not be dialled: no dial tone", None),
        Outcome::NoCarrier => (Status::NoCarrier, "could not be reached: no carrier", None),
        Outcome::Refused => (Status::NoCarrier, "could not be dialled: the modem does not take the number", None),
        Outcome::Delayed => {
            (Status::Blacklisted, "may not be dialled yet: the modem delays redialling", Some("wait a few minutes"))
        }
        Outcome::Blacklisted => (Status::Blacklisted, "is on the modem's blacklist", None),
        Outcome::Glare => {
            (Status::Busy, "could not be dialled: a call came in at that moment", Some("try again in a minute"))
        }
        Outcome::Silent => (Status::ModemSilent, "could not be dialled: the modem stopped answering", None),
    };
    let failure = Failure::new(status, format!("{whom} {what}"));
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// A line or modem that failed.
#[must_use]
pub fn line_failure(error: &DriverError) -> Failure {
    use hayes::line::LineError;
    let status = match error {
        DriverError::Silent { .. } => Status::ModemSilent,
        DriverError::Occupied(_) | DriverError::NoQuestion(_) => Status::Internal,
        DriverError::Line(LineError::Busy { .. } | LineError::Attended { .. }) => Status::PortBusy,
        DriverError::Line(_) => Status::NoPort,
    };
    let failure = Failure::caused(status, error);
    let DriverError::Line(error) = error else { return failure };
    match error {
        LineError::Missing { .. } | LineError::NotATty { .. } | LineError::Gone { .. } | LineError::Io { .. } => {
            failure
        }
        LineError::Busy { .. } => failure.hint("wait until it is free; `ringup modem list` shows who has which port"),
        LineError::Attended { .. } => failure.hint("one line has one listener; `ringup modem list` shows who has it"),
        LineError::Denied { .. } => failure.hint("whoever is added to a group has it from the next login on"),
        LineError::NoAddress { .. } | LineError::Unreachable { .. } | LineError::NoComPort { .. } => {
            failure.hint("check `port` in [modem], and how the console server is set up")
        }
    }
}
