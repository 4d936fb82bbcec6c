//! One line of the machine: waits for a call that wakes, has it served, and comes back for the next.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hayes::caller::{CallerId, CallerNumber};
use hayes::driver::Driver;

use super::Event;
use super::doorman::{Doorman, Output, Reason};
use super::house::House;
use super::session::{Session, Stop};
use super::wakefulness::{Change, Wakefulness};
use crate::line::{Attended, Happening, LineState, Settings};

/// How long a line may take to come back after the machine has slept.
const RECOVER_WITHIN: Duration = Duration::from_secs(60);

/// A line that is listened to.
pub(super) struct Line {
    house: Arc<House>,
    name: String,
    doorman: Doorman,
    line: Attended,
    wakefulness: Wakefulness,
}

impl Line {
    /// A line that is still to be opened.
    pub(super) fn new(house: &Arc<House>, settings: Settings) -> Self {
        let doorman = Doorman::new(house.settings.policy.clone());
        let name = settings.line.port.display().to_string();
        if let Some(event) = house.sleep.arm(&settings.line.port) {
            house.say_of_sleep(&event);
        }
        let wakefulness = Wakefulness::new(&house.sleep);
        Self { house: Arc::clone(house), name, doorman, line: Attended::new(settings), wakefulness }
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

    /// Serves a call that wakes, again if the machine's sleep cuts that off. The machine stays awake meanwhile.
    async fn wake(&mut self, house: &House, first_ring: Instant) {
        let Some(mut registrar) = house.claim() else {
            tracing::info!(line = self.name, "a call that wakes nobody: the machine is online, or on its way there");
            return self.say(&Event::Refused { reason: Reason::AlreadyOnline });
        };
        loop {
            let driver = match self.line.take().await {
                Ok(driver) => driver,
                Err(state) => {
                    tracing::warn!(line = self.name, %state, "a call that should wake, but the line is not to be had");
                    return self.say(&Event::Failed { cause: state.to_string() });
                }
            };
            let stop = Stop::new(house);
            let session = Session::new(house, &self.name, &mut registrar, first_ring, stop.clone()).run(driver);
            let (left, cut) = until_over(Box::pin(session), &stop, &mut self.wakefulness).await;
            self.line.give_back(left);
            // Whoever was told before that the host is asleep rings if he wants something.
            let is_wanted = cut.slept && (!cut.announced || registrar.is_exposed());
            if !is_wanted || house.shutdown.is_cancelled() {
                return;
            }
            tracing::warn!(line = self.name, "the machine has slept in the midst of a call; calling again");
            self.say(&Event::CutOff);
            self.recover().await;
        }
    }

    /// Waits until the line is ready again after a sleep; a modem on the USB takes some seconds to come back.
    async fn recover(&mut self) {
        let deadline = crate::clock::now() + RECOVER_WITHIN;
        while self.line.ready().await.is_err() {
            tokio::select! {
                _happening = self.line.next() => {}
                () = crate::clock::sleep_until(Some(deadline)) => return,
                () = self.house.shutdown.cancelled() => return,
            }
        }
    }

    /// The machine has slept: a call may be ringing of which the first ring was lost.
    async fn look_for_call(&mut self) {
        let calls = self.line.ringing().await.unwrap_or_default();
        let now = crate::clock::now();
        self.wakefulness.handle_resume(self.house.settings.policy.cadence, !calls.is_empty(), now);
        if let Some(call) = calls.into_iter().next() {
            tracing::info!(line = self.name, "a call rings that came while the machine slept");
            self.doorman.handle_ring(now);
            if call.number.is_some() {
                self.doorman.handle_caller(&CallerId { number: call.number, ..CallerId::default() }, now);
            }
        }
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
            self.wakefulness.settle(self.doorman.is_in_call(), crate::clock::now());
            let deadlines = [self.doorman.deadline().map(|(at, _why)| at), self.wakefulness.deadline()];
            let happening = tokio::select! {
                happening = self.line.next() => Some(happening),
                change = self.wakefulness.change() => {
                    if change == Change::Slept {
                        self.house.brief(&mut self.doorman);
                        self.look_for_call().await;
                    }
                    continue;
                }
                () = crate::clock::sleep_until(deadlines.into_iter().flatten().min()) => None,
            };
            let now = crate::clock::now();
            self.house.brief(&mut self.doorman);
            match happening {
                None => self.doorman.handle_timeout(now),
                Some(Happening::Ring(_)) => {
                    let cadence = self.house.settings.policy.cadence;
                    if let Some(lost) = self.wakefulness.handle_ring(cadence, now) {
                        tracing::info!(line = self.name, "the ring that woke the machine was lost; it counts");
                        // Not when the machine woke up: the time between would pass for the network's cadence.
                        self.doorman.handle_ring(now.checked_sub(cadence).unwrap_or(lost));
                    }
                    self.doorman.handle_ring(now);
                }
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

/// What the machine's sleep did to a wake.
#[derive(Clone, Copy, Debug, Default)]
struct Cut {
    /// It was told of the sleep beforehand.
    announced: bool,
    /// The machine has slept before it was over.
    slept: bool,
}

/// Waits for a wake's end; tells what the machine's sleep did to it.
async fn until_over(
    mut session: Pin<Box<impl Future<Output = Option<Driver>>>>,
    stop: &Stop,
    wakefulness: &mut Wakefulness,
) -> (Option<Driver>, Cut) {
    let mut cut = Cut::default();
    loop {
        tokio::select! {
            left = &mut session => return (left, cut),
            change = wakefulness.change() => match change {
                Change::Going => {
                    cut.announced = true;
                    stop.end();
                }
                Change::Slept => {
                    cut.slept = true;
                    stop.give_up();
                }
            }
        }
    }
}
