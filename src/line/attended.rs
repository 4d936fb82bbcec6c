//! The line itself: does what its upkeep wants, and hands out what is heard.

use std::collections::VecDeque;
use std::path::Path;

use hayes::caller::CallerId;
use hayes::driver::{Driver, DriverError};
use hayes::line::{LineError, switch_usb, usb_id};
use hayes::modem::{Carrier, Event, Request};
use hayes::reply::{CallState, ListedCall, RingInfo};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::Settings;
use super::state::{LineState, Trouble};
use super::upkeep::{Output, Upkeep};
use crate::exit::{Failure, Status};

/// What happens on a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// The line is so from now on; a line that listens follows with what it hears.
    Changed(LineState),
    /// An incoming call alerts, once for every ring.
    Ring(RingInfo),
    /// Caller identification came.
    Caller(CallerId),
    /// The call that alerted is over: the network says so.
    CallerGone,
}

/// A line that is attended to. Other programs may borrow it while no call is made or taken.
///
/// It is only looked after while one of its futures is awaited.
#[derive(Debug)]
pub struct Attended {
    settings: Settings,
    upkeep: Upkeep,
    driver: Option<Driver>,
    /// The rings that the port's RI wire had counted when one was last heard of, where it counts.
    rings_counted: Option<u32>,
    /// What the upkeep wants and has not been done yet.
    due: Option<Output>,
    switching: Option<JoinHandle<std::io::Result<()>>>,
    happened: VecDeque<Happening>,
    state: watch::Sender<LineState>,
    /// Somebody waits for what happens.
    begun: bool,
}

/// How much may have happened that nobody has asked for; the oldest goes first.
const HAPPENED_LIMIT: usize = 64;

impl Attended {
    /// A line that [`next`](Self::next) will open.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let upkeep = Upkeep::new(settings.policy);
        let (state, _) = watch::channel(upkeep.state().clone());
        Self {
            settings,
            upkeep,
            driver: None,
            rings_counted: None,
            due: None,
            switching: None,
            happened: VecDeque::new(),
            state,
            begun: false,
        }
    }

    /// The name of its port.
    #[must_use]
    pub fn port(&self) -> &Path {
        &self.settings.line.port
    }

    /// How the line is, now and whenever that changes.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<LineState> {
        self.state.subscribe()
    }

    /// Waits until the modem is ready for the first time.
    ///
    /// # Errors
    /// With the first trouble there is. The line may be used all the same: it is tried again by [`next`](Self::next).
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn ready(&mut self) -> Result<(), LineState> {
        loop {
            match self.upkeep.state() {
                LineState::Ready | LineState::StuckCarrier => return Ok(()),
                LineState::SettingUp | LineState::Resetting | LineState::InCall => {}
                state @ (LineState::Lent { .. } | LineState::Down { .. }) => return Err(state.clone()),
            }
            self.work().await;
        }
    }

    /// Waits for what happens next, and looks after the line meanwhile.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Happening {
        self.begun = true;
        loop {
            if let Some(happening) = self.happened.pop_front() {
                return happening;
            }
            self.work().await;
        }
    }

    /// Takes the line for a call, locked against other programs. What else is being done with it is finished first:
    /// a few seconds at most. [`give_back`](Self::give_back) it.
    ///
    /// # Errors
    /// With how the line is, when that does not allow it.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn take(&mut self) -> Result<Driver, LineState> {
        self.settled().await?;
        let Some(mut driver) = self.driver.take() else { return Err(self.upkeep.state().clone()) };
        if let Err(error) = driver.lock() {
            self.driver = Some(driver);
            self.handle_error(&error);
            self.tell();
            return Err(self.upkeep.state().clone());
        }
        self.upkeep.handle_taken();
        self.tell();
        Ok(driver)
    }

    /// Gives the line back after a call, on hook if possible; `None` if it is gone.
    pub fn give_back(&mut self, driver: Option<Driver>) {
        self.driver = driver.map(|mut driver| {
            let missed = driver.take_events().iter().filter(|event| matches!(event, Event::Ring(_))).count();
            if missed > 0 {
                tracing::info!(line = %self.port().display(), rings = missed, "a call came in while the line was in use");
            }
            driver
        });
        self.count_rings();
        self.upkeep.handle_given_back(self.driver.is_some());
        self.tell();
    }

    /// Asks the modem which calls alert now, as after the machine has slept: a ring may have been lost. `None` if it has
    /// no list of calls (`+CLCC`), or does not listen now; then the next ring tells.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn ringing(&mut self) -> Option<Vec<ListedCall>> {
        self.settled().await.ok()?;
        let driver = self.driver.as_mut()?;
        let asked = match driver.lock() {
            Ok(()) => driver.list_calls().await,
            Err(error) => Err(error),
        };
        driver.unlock();
        match asked {
            Ok(calls) => {
                let rings = |call: &ListedCall| call.state == CallState::Incoming;
                calls.map(|calls| calls.into_iter().filter(rings).collect())
            }
            Err(error) => {
                self.handle_error(&error);
                None
            }
        }
    }

    /// Tells whether the port's RI wire has counted a ring of which the modem has said nothing, as after the machine has slept:
    /// it wakes the machine, and its RING is lost. Told once.
    pub fn has_rung_unheard(&mut self) -> bool {
        let before = self.rings_counted;
        self.count_rings();
        matches!((before, self.rings_counted), (Some(before), Some(now)) if before != now)
    }

    fn count_rings(&mut self) {
        self.rings_counted = self.driver.as_ref().and_then(Driver::rings_counted);
    }

    /// Waits until nothing is asked of the modem.
    async fn settled(&mut self) -> Result<(), LineState> {
        while !self.upkeep.is_idle() {
            match self.upkeep.state() {
                LineState::Ready | LineState::StuckCarrier | LineState::SettingUp | LineState::Resetting => {
                    self.work().await;
                }
                state @ (LineState::InCall | LineState::Lent { .. } | LineState::Down { .. }) => {
                    return Err(state.clone());
                }
            }
        }
        Ok(())
    }

    /// Does the next thing that is due, or waits for the next that happens.
    async fn work(&mut self) {
        self.tell();
        if let Some(due) = self.due.clone() {
            self.act(&due).await;
            self.due = None;
            return self.tell();
        }
        let deadline = self.upkeep.deadline().map(|(at, _why)| at);
        let Self { driver, switching, .. } = self;
        let happened = tokio::select! {
            event = heard(driver) => Happened::Event(event),
            switched = switched(switching) => Happened::Switched(switched),
            () = crate::clock::sleep_until(deadline) => Happened::Time,
        };
        match happened {
            Happened::Event(Ok(event)) => self.handle_event(event),
            Happened::Event(Err(error)) => self.handle_error(&error),
            Happened::Switched(switched) => self.handle_switched(&switched),
            Happened::Time => self.upkeep.handle_timeout(crate::clock::now()),
        }
        self.tell();
    }

    async fn act(&mut self, due: &Output) {
        match due {
            Output::Open => match self.open() {
                Ok(driver) => {
                    self.driver = Some(driver);
                    self.count_rings();
                    self.upkeep.handle_opened();
                }
                Err(error) => self.handle_error(&error),
            },
            Output::Close => self.driver = None,
            Output::SetUp => self.begin(Request::Initialise).await,
            Output::Probe => self.begin(Request::Probe).await,
            Output::SwitchUsb if usb_id(&self.settings.line.port).is_none() => self.switched(false),
            Output::SwitchUsb => {
                let port = self.settings.line.port.clone();
                tracing::warn!(line = %port.display(), "the modem does not answer: switching its USB device off and on");
                self.switching = Some(tokio::task::spawn_blocking(move || switch_usb(&port)));
            }
            Output::Changed(state) => self.publish(state.clone()),
        }
    }

    fn open(&self) -> Result<Driver, DriverError> {
        let mut driver = Driver::open(&self.settings.line, self.settings.modem.clone())?;
        driver.claim()?;
        Ok(driver)
    }

    /// Has something asked of the modem, under lock until it has answered.
    async fn begin(&mut self, request: Request) {
        let Some(driver) = &mut self.driver else { return };
        let begun = match driver.lock() {
            Ok(()) => driver.begin(request).await,
            Err(error) => Err(error),
        };
        if let Err(error) = begun {
            self.handle_error(&error);
        }
    }

    fn handle_event(&mut self, event: Event) {
        let now = crate::clock::now();
        match event {
            Event::Ready => {
                let stuck = self.driver.as_mut().is_some_and(|driver| driver.signals().carrier == Carrier::Present);
                self.unlock();
                self.upkeep.handle_ready(stuck, now);
            }
            Event::Alive => {
                self.unlock();
                self.upkeep.handle_alive(now);
            }
            Event::Silent => {
                self.unlock();
                let error = DriverError::Silent { port: self.settings.line.port.clone() };
                self.upkeep.handle_silent(error.to_string(), now);
            }
            Event::Lent { process } => self.upkeep.handle_lent(process),
            Event::Returned => self.upkeep.handle_returned(),
            Event::Ring(info) => {
                self.upkeep.handle_word(now);
                self.count_rings();
                self.happen(Happening::Ring(info));
            }
            Event::Caller(caller) => {
                self.upkeep.handle_word(now);
                tracing::debug!(?caller, "caller identification");
                self.happen(Happening::Caller(caller));
            }
            Event::CallerGone => self.happen(Happening::CallerGone),
            Event::Connected(_) => {
                tracing::warn!(line = %self.port().display(), "the modem answered a call by itself; hanging up");
                self.upkeep.handle_returned();
            }
            Event::CallsListed(_) => self.unlock(),
            Event::Recognised(_)
            | Event::CommandRefused(_)
            | Event::CallerIdOff
            | Event::RateKept { .. }
            | Event::CallWaiting(_)
            | Event::CallListed(_)
            | Event::Identified(_)
            | Event::Answered(_)
            | Event::Ended(_)
            | Event::HungUp => tracing::debug!(line = %self.port().display(), ?event, "heard"),
        }
    }

    /// The line failed, or is not to be had.
    fn handle_error(&mut self, error: &DriverError) {
        let trouble = Trouble::of(error);
        if let (DriverError::Line(LineError::Busy { holder, .. }), Some(_)) = (error, &self.driver) {
            // It is open, and comes back.
            return self.upkeep.handle_lent(*holder);
        }
        self.driver = None;
        self.upkeep.handle_down(trouble, Failure::caused(Status::Internal, error).message, crate::clock::now());
    }

    fn handle_switched(&mut self, switched: &std::io::Result<()>) {
        self.switching = None;
        if let Err(error) = switched {
            tracing::warn!(line = %self.port().display(), %error, "its USB device could not be switched off and on");
        }
        self.switched(switched.is_ok());
    }

    fn switched(&mut self, done: bool) {
        let cause = DriverError::Silent { port: self.settings.line.port.clone() }.to_string();
        self.upkeep.handle_switched(done, cause, crate::clock::now());
    }

    fn unlock(&mut self) {
        if let Some(driver) = &mut self.driver {
            driver.unlock();
        }
    }

    /// Tells at once how the line is; what else the upkeep wants is due.
    fn tell(&mut self) {
        while self.due.is_none() {
            self.due = self.upkeep.poll_output();
            let Some(Output::Changed(state)) = self.due.take_if(|due| matches!(due, Output::Changed(_))) else {
                return;
            };
            self.publish(state);
        }
    }

    fn publish(&mut self, state: LineState) {
        let port = self.port().display();
        match &state {
            LineState::SettingUp | LineState::InCall => tracing::debug!(line = %port, %state),
            LineState::Ready => tracing::info!(line = %port, "listening"),
            LineState::Lent { .. } => tracing::info!(line = %port, %state),
            // Whoever waits for the line at the start has it told.
            LineState::Down { .. } if !self.begun => {}
            LineState::StuckCarrier | LineState::Resetting | LineState::Down { .. } => {
                tracing::warn!(line = %port, advice = state.advice().unwrap_or_default(), "{state}");
            }
        }
        self.state.send_replace(state.clone());
        self.happen(Happening::Changed(state));
    }

    fn happen(&mut self, happening: Happening) {
        if self.happened.len() == HAPPENED_LIMIT {
            self.happened.pop_front();
        }
        self.happened.push_back(happening);
    }
}

/// What a wait brought.
enum Happened {
    Event(Result<Event, DriverError>),
    Switched(std::io::Result<()>),
    Time,
}

async fn heard(driver: &mut Option<Driver>) -> Result<Event, DriverError> {
    match driver {
        Some(driver) => driver.next_event().await,
        None => std::future::pending().await,
    }
}

async fn switched(switching: &mut Option<JoinHandle<std::io::Result<()>>>) -> std::io::Result<()> {
    match switching {
        Some(switching) => switching.await.unwrap_or_else(|error| Err(std::io::Error::other(error))),
        None => std::future::pending().await,
    }
}
