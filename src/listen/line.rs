//! One line of the machine: waits for a call that wakes, has it served, and comes back for the next.

use std::sync::Arc;
use std::time::Instant;

use hayes::caller::CallerNumber;

use super::Event;
use super::doorman::{Doorman, Output, Reason};
use super::house::House;
use super::session::Session;
use crate::line::{Attended, Happening, LineState, Settings};

/// A line that is listened to.
pub(super) struct Line {
    house: Arc<House>,
    name: String,
    doorman: Doorman,
    line: Attended,
}

impl Line {
    /// A line that is still to be opened.
    pub(super) fn new(house: &Arc<House>, settings: Settings) -> Self {
        let doorman = Doorman::new(house.settings.policy.clone());
        let name = settings.line.port.display().to_string();
        Self { house: Arc::clone(house), name, doorman, line: Attended::new(settings) }
    }

    /// Waits until the modem is ready, or the line is in trouble.
    pub(super) async fn ready(&mut self) -> Result<(), LineState> {
        self.line.ready().await
    }

    /// Listens until the house shuts.
    pub(super) async fn serve(mut self) {
        let house = Arc::clone(&self.house);
        if let state @ LineState::Down { .. } = &*self.line.state().borrow() {
            tracing::warn!(line = self.name, "{state}; the others are listened to");
        }
        loop {
            let first_ring = tokio::select! {
                first_ring = self.wait_for_wake() => first_ring,
                () = house.shutdown.cancelled() => return,
            };
            self.wake(&house, first_ring).await;
            if house.shutdown.is_cancelled() {
                return;
            }
        }
    }

    /// Serves a call that wakes.
    async fn wake(&mut self, house: &House, first_ring: Instant) {
        let Some(mut registrar) = house.claim() else {
            tracing::info!(line = self.name, "a call that wakes nobody: the machine is online, or on its way there");
            return self.say(&Event::Refused { reason: Reason::AlreadyOnline });
        };
        let driver = match self.line.take().await {
            Ok(driver) => driver,
            Err(state) => {
                tracing::warn!(line = self.name, %state, "a call that should wake, but the line is not to be had");
                return self.say(&Event::Failed { cause: state.to_string() });
            }
        };
        let left = Session::new(house, &self.name, &mut registrar, first_ring).run(driver).await;
        self.line.give_back(left);
    }

    /// Waits for a call that wakes; gives the moment of its first ring.
    async fn wait_for_wake(&mut self) -> Instant {
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
                    Output::Wake { first_ring } => return first_ring,
                }
            }
            let deadline = self.doorman.deadline();
            let happening = tokio::select! {
                happening = self.line.next() => Some(happening),
                () = crate::clock::sleep_until(deadline.map(|(at, _why)| at)) => None,
            };
            let now = crate::clock::now();
            self.house.brief(&mut self.doorman);
            match happening {
                None => self.doorman.handle_timeout(now),
                Some(Happening::Ring(_)) => self.doorman.handle_ring(now),
                Some(Happening::CallerGone) => self.doorman.handle_gone(now),
                Some(Happening::Caller(caller)) => {
                    let number = matches!(caller.number, Some(CallerNumber::Known(_)));
                    self.say(&Event::Caller { number });
                    self.doorman.handle_caller(&caller, now);
                }
                Some(Happening::Changed(LineState::Ready | LineState::StuckCarrier)) => self.say(&Event::Listening),
                Some(Happening::Changed(LineState::Down { cause, .. })) => self.say(&Event::Failed { cause }),
                Some(Happening::Changed(LineState::SettingUp | LineState::InCall | LineState::Lent { .. })) => {}
            }
        }
    }

    fn say(&self, event: &Event) {
        self.house.say(&self.name, event);
    }
}
