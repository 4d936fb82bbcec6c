//! One line of the machine: waits for a call that wakes, has it served, and comes back for the next.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hayes::caller::CallerNumber;
use hayes::driver::{Driver, DriverError};
use hayes::line::LineSettings;
use hayes::modem::Event as ModemEvent;

use super::Event;
use super::doorman::{Doorman, Output, Reason};
use super::house::House;
use super::session::Session;

/// How long to wait before a line that was lost is tried again, at first and at most.
const REOPEN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// A line that is listened to.
pub(super) struct Line {
    house: Arc<House>,
    port: LineSettings,
    modem: hayes::modem::Settings,
    name: String,
    doorman: Doorman,
    driver: Option<Driver>,
}

impl Line {
    /// Opens the line and sets its modem up.
    pub(super) async fn open(
        house: &Arc<House>,
        port: LineSettings,
        modem: hayes::modem::Settings,
    ) -> Result<Self, DriverError> {
        let doorman = Doorman::new(house.settings.policy.clone());
        let name = port.port.display().to_string();
        let mut line = Self { house: Arc::clone(house), port, modem, name, doorman, driver: None };
        line.driver = Some(line.ready().await?);
        Ok(line)
    }

    /// Listens until the house shuts.
    pub(super) async fn serve(mut self) {
        let house = Arc::clone(&self.house);
        let mut pause = REOPEN.0;
        while !house.shutdown.is_cancelled() {
            let Some(driver) = self.driver.take() else {
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = house.shutdown.cancelled() => return,
                }
                pause = (pause * 2).min(REOPEN.1);
                match self.ready().await {
                    Ok(driver) => self.driver = Some(driver),
                    Err(error) => {
                        tracing::warn!(line = self.name, %error, retry_in = ?pause, "the line is not to be had");
                    }
                }
                continue;
            };
            pause = REOPEN.0;
            house.say(&self.name, &Event::Listening);
            tracing::info!(line = self.name, "listening");
            match self.listen(driver).await {
                Ok(driver) => self.driver = driver,
                Err(error) => {
                    tracing::warn!(line = self.name, %error, "the line was lost");
                    house.say(&self.name, &Event::Failed { cause: error.to_string() });
                }
            }
        }
    }

    /// Waits for one call that wakes, and serves it; gives the modem back, ready for the next, unless it is gone.
    async fn listen(&mut self, mut driver: Driver) -> Result<Option<Driver>, DriverError> {
        let house = Arc::clone(&self.house);
        let first_ring = tokio::select! {
            first_ring = self.wait_for_wake(&mut driver) => first_ring?,
            () = house.shutdown.cancelled() => return Ok(None),
        };
        let Some(mut registrar) = house.claim() else {
            tracing::info!(line = self.name, "a call that wakes nobody: the machine is online, or on its way there");
            house.say(&self.name, &Event::Refused { reason: Reason::AlreadyOnline });
            return Ok(Some(driver));
        };
        let left = Session::new(&house, &self.name, &mut registrar, first_ring).run(driver).await;
        drop(registrar);
        match left {
            Some(driver) if !house.shutdown.is_cancelled() => made_ready(driver).await.map(Some),
            Some(_) | None => Ok(None),
        }
    }

    /// Waits for a call that wakes; gives the moment of its first ring.
    async fn wait_for_wake(&mut self, driver: &mut Driver) -> Result<Instant, DriverError> {
        loop {
            while let Some(output) = self.doorman.poll_output() {
                match output {
                    Output::Rang(count) => self.say(&Event::Ring { count }),
                    Output::Accepted => self.say(&Event::Accepted),
                    Output::Refused { reason, again } => {
                        if !again {
                            tracing::info!(line = self.name, reason = reason.as_str(), "no wake: {reason}");
                        }
                        self.say(&Event::Refused { reason });
                    }
                    Output::MoreRefused { reason, more } => {
                        tracing::info!(line = self.name, reason = reason.as_str(), "no wake: {more} more calls");
                        self.say(&Event::MoreRefused { reason, more });
                    }
                    Output::Answer { .. } => {}
                    Output::Wake { first_ring } => return Ok(first_ring),
                }
            }
            let deadline = self.doorman.deadline();
            let event = tokio::select! {
                event = driver.next_event() => Some(event?),
                () = crate::clock::sleep_until(deadline.map(|(at, _why)| at)) => None,
            };
            let now = crate::clock::now();
            self.house.brief(&mut self.doorman);
            match event {
                None => self.doorman.handle_timeout(now),
                Some(ModemEvent::Ring(_)) => self.doorman.handle_ring(now),
                Some(ModemEvent::CallerGone) => self.doorman.handle_gone(now),
                Some(ModemEvent::Caller(caller)) => {
                    tracing::debug!(?caller, "caller identification");
                    let number = matches!(caller.number, Some(CallerNumber::Known(_)));
                    self.say(&Event::Caller { number });
                    self.doorman.handle_caller(&caller, now);
                }
                Some(other) => tracing::debug!(?other, "the modem said something that is no ring"),
            }
        }
    }

    fn say(&self, event: &Event) {
        self.house.say(&self.name, event);
    }

    async fn ready(&self) -> Result<Driver, DriverError> {
        made_ready(Driver::open(&self.port, self.modem.clone())?).await
    }
}

/// Sets the modem up under lock, and leaves the line to others again.
async fn made_ready(mut driver: Driver) -> Result<Driver, DriverError> {
    driver.lock()?;
    driver.initialise().await?;
    driver.unlock();
    Ok(driver)
}
