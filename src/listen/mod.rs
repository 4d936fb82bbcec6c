//! `ringup listen`: waits on the line for a call that may wake this machine, brings its link up, registers, and goes
//! back to waiting when the link has been idle.
//!
//! Owns the line. Who wakes is the [`doorman`]'s to decide; one wake, from first ring to hang-up, is a `session`.

pub mod doorman;
mod session;

use std::time::{Duration, Instant};

use hayes::driver::{Driver, DriverError};
use hayes::line::LineSettings;
use hayes::modem::Event as ModemEvent;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use self::doorman::{Doorman, Output, Policy, Reason};
use crate::dns::Registrar;
use crate::exit::Failure;
use crate::link::{Isp, line_failure};
use crate::report::Report;

/// How long to wait before a line that was lost is tried again, at first and at most.
const REOPEN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// What `ringup listen` works with.
pub struct Settings {
    /// The modem's line.
    pub line: LineSettings,
    /// How to treat the modem.
    pub modem: hayes::modem::Settings,
    /// Who may wake, and how.
    pub policy: Policy,
    /// The provider to dial when woken.
    pub isp: Isp,
    /// How long the link may carry nothing.
    pub idle: Duration,
}

/// What happens on the line and after a wake.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Event {
    /// The modem is ready and waits for calls.
    Listening,
    /// The line rang.
    Ring {
        /// For which time in this call.
        count: u32,
    },
    /// Caller identification came; the number itself stays out of events.
    Caller {
        /// Whether it shows a number.
        number: bool,
    },
    /// The call will wake the machine once the line is silent.
    Accepted,
    /// The call is over and did not wake.
    Refused {
        /// Why not.
        reason: Reason,
    },
    /// The line is silent; the machine wakes.
    Waking {
        /// Milliseconds since the first ring.
        since_ring: u64,
    },
    /// The provider is being dialled.
    Dialling,
    /// The modems have agreed.
    Connected,
    /// The link is up.
    Up {
        /// The PPP interface.
        interface: String,
        /// The address it was lent.
        address: std::net::IpAddr,
    },
    /// The address is in the directory.
    Registered {
        /// The record's sequence number.
        seq: u64,
        /// Milliseconds since the first ring.
        since_ring: u64,
    },
    /// Nothing has passed for long enough.
    Idle,
    /// The record says asleep.
    Withdrawn {
        /// The record's sequence number.
        seq: u64,
    },
    /// The link is down and the line on hook.
    Ended {
        /// Why.
        cause: String,
    },
    /// Something failed.
    Failed {
        /// What, in one line.
        cause: String,
    },
}

/// Listens until told to stop.
///
/// # Errors
/// When the line or the modem cannot be had at the start. Later it tries again for as long as it takes.
pub async fn run(
    settings: &Settings,
    registrar: &mut Registrar,
    report: Report,
    shutdown: &CancellationToken,
) -> Result<(), Failure> {
    let mut driver = match ready(settings).await {
        Ok(driver) => Some(driver),
        Err(error) => return Err(line_failure(&error)),
    };
    let mut doorman = Doorman::new(settings.policy.clone());
    let mut pause = REOPEN.0;
    loop {
        let Some(mut line) = driver.take() else {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = shutdown.cancelled() => return Ok(()),
            }
            pause = (pause * 2).min(REOPEN.1);
            match ready(settings).await {
                Ok(ready) => driver = Some(ready),
                Err(error) => tracing::warn!(%error, retry_in = ?pause, "the line is not to be had"),
            }
            continue;
        };
        pause = REOPEN.0;
        report.say(&Event::Listening);
        tracing::info!(port = %settings.line.port.display(), "listening");
        let woken = tokio::select! {
            woken = wait_for_wake(&mut line, &mut doorman, report) => woken,
            () = shutdown.cancelled() => return Ok(()),
        };
        match woken {
            Ok(first_ring) => {
                let left = session::run(line, settings, registrar, first_ring, report, shutdown).await;
                if shutdown.is_cancelled() {
                    return Ok(());
                }
                driver = match left {
                    Some(line) => made_ready(line).await.inspect_err(|error| tracing::warn!(%error, "modem")).ok(),
                    None => None,
                };
            }
            Err(error) => {
                tracing::warn!(%error, "the line was lost");
                report.say(&Event::Failed { cause: error.to_string() });
            }
        }
    }
}

async fn ready(settings: &Settings) -> Result<Driver, DriverError> {
    made_ready(Driver::open(&settings.line, settings.modem.clone())?).await
}

/// Sets the modem up under lock, and leaves the line to others again.
async fn made_ready(mut driver: Driver) -> Result<Driver, DriverError> {
    driver.lock()?;
    driver.initialise().await?;
    driver.unlock();
    Ok(driver)
}

/// Waits for a call that wakes; gives the moment of its first ring.
async fn wait_for_wake(line: &mut Driver, doorman: &mut Doorman, report: Report) -> Result<Instant, DriverError> {
    loop {
        while let Some(output) = doorman.poll_output() {
            match output {
                Output::Rang(count) => report.say(&Event::Ring { count }),
                Output::Accepted => report.say(&Event::Accepted),
                Output::Refused(reason) => {
                    tracing::info!(?reason, "a call that does not wake");
                    report.say(&Event::Refused { reason });
                }
                Output::Wake { first_ring } => return Ok(first_ring),
            }
        }
        let deadline = doorman.deadline();
        let event = tokio::select! {
            event = line.next_event() => Some(event?),
            () = crate::clock::sleep_until(deadline.map(|(at, _why)| at)) => None,
        };
        let now = crate::clock::now();
        match event {
            None => doorman.handle_timeout(now),
            Some(ModemEvent::Ring(_)) => doorman.handle_ring(now),
            Some(ModemEvent::Caller(caller)) => {
                tracing::debug!(?caller, "caller identification");
                let number = matches!(caller.number, Some(hayes::caller::CallerNumber::Known(_)));
                report.say(&Event::Caller { number });
                doorman.handle_caller(caller, now);
            }
            Some(other) => tracing::debug!(?other, "the modem said something that is no ring"),
        }
    }
}
