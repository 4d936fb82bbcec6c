//! One line of the provider: waits for a ring, answers, lends, serves, takes back.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hayes::driver::{Driver, DriverError, Online};
use hayes::modem::Outcome;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::pool::Pool;
use super::{Event, Settings};
use crate::line::{Attended, Happening, LineState};
use crate::link::{Link, LinkEnd, Side};
use crate::report::Report;

/// How long the words to a caller who gets no address may take to go out.
const SAY_WITHIN: Duration = Duration::from_secs(5);
/// How long those words may be on their way: the slowest modems have 300 bit/s, and as many characters are two seconds.
const HEARD_WITHIN: Duration = Duration::from_secs(2);
/// What such a caller is told before the line is hung up; a person with a terminal program reads it too.
const NO_ADDRESS_FREE: &[u8] = b"\r\nringup: no address is free, call again later\r\n";

/// How long pppd stands ready for the modems to agree: S7 is 50 to 90 s by default on real ones.
const TRAINING: Duration = Duration::from_secs(90);

/// A line that answers.
pub(super) struct Line {
    settings: Arc<Settings>,
    line: Attended,
    pool: Arc<Mutex<Pool>>,
    report: Report,
    name: String,
}

impl Line {
    /// A line that is still to be opened.
    pub(super) fn new(
        line: crate::line::Settings,
        settings: Arc<Settings>,
        pool: Arc<Mutex<Pool>>,
        report: Report,
    ) -> Self {
        let name = line.line.port.display().to_string();
        Self { settings, line: Attended::new(line), pool, report, name }
    }

    /// Waits until the modem is ready, or the line is in trouble.
    pub(super) async fn ready(&mut self) -> Result<(), LineState> {
        self.line.ready().await
    }

    /// Answers calls until told to stop.
    pub(super) async fn serve(mut self, shutdown: CancellationToken) {
        loop {
            let happening = tokio::select! {
                happening = self.line.next() => happening,
                () = shutdown.cancelled() => return,
            };
            if !matches!(happening, Happening::Ring(_)) {
                continue;
            }
            let taken = tokio::select! {
                taken = self.line.take() => taken,
                () = shutdown.cancelled() => return,
            };
            match taken {
                Ok(driver) => {
                    let left = Box::pin(self.take_call(driver, &shutdown)).await;
                    let left = left.inspect_err(|error| tracing::warn!(line = %self.name, %error, "the line was lost"));
                    self.line.give_back(left.unwrap_or_default());
                }
                Err(state) => tracing::warn!(line = %self.name, %state, "a call that is not answered"),
            }
            if shutdown.is_cancelled() {
                return;
            }
        }
    }

    /// Answers one call and serves it; gives the modem back, on hook. pppd gets ready while the modems train, so that it
    /// speaks at CONNECT.
    async fn take_call(&self, mut driver: Driver, shutdown: &CancellationToken) -> Result<Option<Driver>, DriverError> {
        self.report.say(&Event::Answering { line: self.name.clone() });
        let mut ready = self.lend().map(|lent| (lent, self.prepare(lent)));
        let outcome = tokio::select! {
            outcome = driver.answer() => Some(outcome),
            () = shutdown.cancelled() => None,
        };
        let Some(Ok(Outcome::Connected(connect))) = outcome else {
            if let Some((lent, link)) = ready.take() {
                if let Ok(link) = link {
                    link.close().await;
                }
                self.give_up(lent);
            }
            return match outcome {
                Some(Ok(outcome)) => {
                    tracing::info!(line = %self.name, ?outcome, "the caller was gone");
                    Ok(Some(driver))
                }
                Some(Err(error)) => Err(error),
                None => Ok(None),
            };
        };
        tracing::info!(line = %self.name, connect = connect.text, "answered");
        let online = driver.into_online();
        let driver = match ready {
            Some((lent, link)) => {
                let (end, driver) = match link {
                    Ok(link) => self.serve_call(link, online, lent, shutdown).await,
                    Err(end) => (end, Some(online.into_driver())),
                };
                self.take_back(lent);
                tracing::info!(line = %self.name, cause = %end, "call over");
                self.report.say(&Event::Ended { line: self.name.clone(), address: lent, cause: end.to_string() });
                driver
            }
            None => {
                tracing::warn!(line = %self.name, "no address is free");
                self.report.say(&Event::Full { line: self.name.clone() });
                Some(turn_away(online).await)
            }
        };
        let Some(mut driver) = driver else { return Ok(None) };
        driver.hang_up().await?;
        Ok(Some(driver))
    }

    fn prepare(&self, lent: Ipv4Addr) -> Result<Link, LinkEnd> {
        let side = Side::Provider { name: self.settings.name.clone(), local: self.settings.local, lent };
        Link::prepare(&side, &self.settings.runtime, TRAINING + self.settings.link_within)
    }

    async fn serve_call(
        &self,
        mut link: Link,
        online: Online,
        lent: Ipv4Addr,
        shutdown: &CancellationToken,
    ) -> (LinkEnd, Option<Driver>) {
        link.connect(online);
        let up = tokio::select! {
            up = link.come_up(Instant::now() + self.settings.link_within) => up,
            () = shutdown.cancelled() => Err(LinkEnd::Stopped),
        };
        let cause = match up {
            Ok(up) => {
                tracing::info!(line = %self.name, peer = up.peer.as_deref().unwrap_or_default(), "caller online");
                self.report.say(&Event::Up { line: self.name.clone(), address: lent, peer: up.peer });
                tokio::select! {
                    end = link.ended() => end,
                    () = shutdown.cancelled() => LinkEnd::Stopped,
                }
            }
            Err(end) => end,
        };
        let (_end, driver) = link.close().await;
        (cause, driver)
    }

    fn lend(&self) -> Option<Ipv4Addr> {
        let lent = self.pool().lend(&self.name, crate::clock::unix_seconds());
        lent.unwrap_or_else(|error| {
            tracing::error!(line = %self.name, %error, "nothing can be lent");
            None
        })
    }

    /// Gives back an address that nobody was told of.
    fn give_up(&self, lent: Ipv4Addr) {
        if let Err(error) = self.pool().give_up(lent) {
            tracing::error!(line = %self.name, %error, "an address could not be given back");
        }
    }

    fn take_back(&self, lent: Ipv4Addr) {
        if let Err(error) = self.pool().take_back(lent, crate::clock::unix_seconds()) {
            tracing::error!(line = %self.name, %error, "an address could not be taken back");
        }
    }

    fn pool(&self) -> std::sync::MutexGuard<'_, Pool> {
        // Every change of the pool is one transaction: after a panic elsewhere it is as whole as the database.
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn turn_away(mut online: Online) -> Driver {
    let said = async {
        online.write_all(NO_ADDRESS_FREE).await?;
        online.flush().await
    };
    if !matches!(tokio::time::timeout(SAY_WITHIN, said).await, Ok(Ok(()))) {
        tracing::debug!("the caller could not be told");
    }
    // What the modem has not sent is lost when DTR drops. The caller may hang up sooner; then the line falls silent.
    let mut unheard = [0; 256];
    let until = Instant::now() + HEARD_WITHIN;
    while let Ok(Ok(1..)) = tokio::time::timeout_at(until, online.read(&mut unheard)).await {}
    online.into_driver()
}
