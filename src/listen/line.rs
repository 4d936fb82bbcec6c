//! One line of the machine: waits for a call that wakes, has it served, and comes back for the next.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hayes::caller::{CallerId, CallerNumber};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::Event;
use super::answer::Answer;
use super::chronicle::give_up;
use super::doorman::{Doorman, Output, Reason};
use super::house::House;
use super::session::{Again, Left, Session, Stop, is_to_end};
use super::wakefulness::{Change, Wakefulness};
use crate::control::{Ask, Asked, PretendedRing, asks};
use crate::handshake::Verdict;
use crate::journal::Wake;
use crate::line::{Attended, Happening, LineState, Settings};

/// How long a line may take to come back after the machine has slept.
const RECOVER_WITHIN: Duration = Duration::from_secs(60);
/// How often it is looked whether a line that is waited for listens again.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How late a ring may come after its time: exchanges keep a cadence to a tenth.
pub(super) const CADENCE_MARGIN: Duration = Duration::from_millis(500);

/// A call that something is done about, by the moment of its first ring.
enum Call {
    IsAnswered(Instant),
    Wakes(Instant),
}

/// A line that is listened to.
pub(super) struct Line {
    house: Arc<House>,
    name: String,
    doorman: Doorman,
    line: Attended,
    wakefulness: Wakefulness,
    asks: mpsc::Receiver<Asked>,
    settings: watch::Receiver<Arc<super::Settings>>,
    /// Cancelled when the owner's settings do not have this line any more.
    retired: CancellationToken,
    /// A wake of this line that was cut off, and is to go on.
    cut_off: Option<Wake>,
}

impl Line {
    /// A line that is still to be opened.
    pub(super) fn new(house: &Arc<House>, settings: Settings, retired: CancellationToken) -> Self {
        let name = settings.line.port.display().to_string();
        if let Some(event) = house.sleep.arm(&settings.line.port) {
            house.say_of_sleep(&event);
        }
        let wakefulness = Wakefulness::new(&house.sleep);
        Self {
            doorman: Doorman::new(house.settings().policy.clone(), house.floodgate.clone()),
            asks: asks(&house.front().desk, &name),
            settings: house.follow_settings(),
            house: Arc::clone(house),
            name,
            line: Attended::new(settings),
            wakefulness,
            retired,
            cut_off: None,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Waits until the modem is ready, or the line is in trouble.
    pub(super) async fn ready(&mut self) -> Result<(), LineState> {
        self.line.ready().await
    }

    /// Has a wake of this line that was cut off go on as soon as the line is there.
    pub(super) fn go_on_with(&mut self, wake: Wake) {
        self.cut_off = Some(wake);
    }

    /// Listens until the house shuts, or the line is retired.
    pub(super) async fn serve(mut self) {
        let house = Arc::clone(&self.house);
        let retired = self.retired.clone();
        if let state @ LineState::Down { .. } = &*self.line.state().borrow() {
            tracing::warn!(line = self.name, "{state}; the others are listened to");
            house.chronicle.note_line(&self.name, state);
        }
        while !house.shutdown.is_cancelled() && !retired.is_cancelled() {
            let cut_off = self.cut_off.take();
            let waiting = async {
                match cut_off {
                    Some(_) => Call::Wakes(self.wait_for_silence().await),
                    None => self.wait_for_call().await,
                }
            };
            let call = tokio::select! {
                call = waiting => call,
                () = house.shutdown.cancelled() => break,
                () = retired.cancelled() => break,
            };
            match call {
                Call::IsAnswered(first_ring) => Box::pin(self.answer(&house, first_ring)).await,
                Call::Wakes(first_ring) => Box::pin(self.wake(&house, first_ring, cut_off)).await,
            }
        }
        if retired.is_cancelled() {
            house.front().board.forget(&self.name);
        }
    }

    /// Serves a call that wakes, or goes on with a wake that was cut off; again if the machine's sleep cuts that off, or the
    /// line has to be opened anew for it. The machine stays awake meanwhile.
    async fn wake(&mut self, house: &House, first_ring: Instant, cut_off: Option<Wake>) {
        let lost = |wake: &Option<Wake>| {
            if let Some(wake) = wake {
                give_up(&house.front().journal, wake);
            }
        };
        let Some(mut registrar) = house.claim() else {
            lost(&cut_off);
            tracing::info!(line = self.name, "a call that wakes nobody: the machine is online, or on its way there");
            return self.say(&Event::Refused { reason: Reason::AlreadyOnline });
        };
        let mut cut_off = cut_off;
        let mut again: Option<Again> = None;
        loop {
            let driver = match self.line.take().await {
                Ok(driver) => driver,
                Err(state) => {
                    lost(&cut_off);
                    tracing::warn!(line = self.name, %state, "a call that should wake, but the line is not to be had");
                    self.say(&Event::Failed { cause: state.to_string() });
                    return house.chronicle.wake_over(&self.name);
                }
            };
            let stop = Stop::new(house);
            let session = Session::new(house, &self.name, &mut registrar, first_ring, stop.clone(), &mut self.asks);
            let going_on = (cut_off.take(), again.take());
            let session = async {
                match &going_on {
                    (Some(wake), _) => session.go_on(driver, wake).await,
                    (None, Some(again)) => session.call_again(driver, *again).await,
                    (None, None) => session.run(driver).await,
                }
            };
            let (left, cut) = until_over(Box::pin(session), &stop, &mut self.wakefulness).await;
            self.line.give_back(left.line);
            // Whoever was told before that the host is asleep rings if he wants something.
            let is_wanted = cut.slept && (!cut.announced || registrar.is_exposed());
            if is_wanted && !house.shutdown.is_cancelled() {
                house.chronicle.wake_over(&self.name);
                tracing::warn!(line = self.name, "the machine has slept in the midst of a call; calling again");
                self.say(&Event::CutOff);
                self.recover().await;
                continue;
            }
            again = left.again.filter(|_again| !stop.is_ended());
            match again {
                Some(next) if self.wait_for_line(next.at).await => {}
                Some(_) | None => return house.chronicle.wake_over(&self.name),
            }
        }
    }

    /// Waits until the line that was opened anew is ready, nobody can be ringing, and the moment for a call has come; tells
    /// whether the call is to be made.
    async fn wait_for_line(&mut self, at: Instant) -> bool {
        let give_up = crate::clock::now().max(at) + RECOVER_WITHIN;
        let silence = self.house.settings().policy.cadence + CADENCE_MARGIN;
        let mut until = at;
        loop {
            tokio::select! {
                happening = self.line.next() => match happening {
                    Happening::Ring(_) => until = until.max(crate::clock::now() + silence),
                    Happening::Changed(state @ LineState::Down { .. }) => self.handle_state(state),
                    Happening::Changed(_) | Happening::Caller(_) | Happening::CallerGone => {}
                },
                () = crate::clock::sleep_until(Some(until)) => {
                    let now = crate::clock::now();
                    let listens = self.line.state().borrow().listens();
                    if listens || now >= give_up {
                        return true; // to say that the line is not to be had is the caller's
                    }
                    until = give_up.min(now + LOOK_EVERY);
                }
                asked = next(&mut self.asks) => if is_to_end(asked) {
                    self.say(&Event::HangingUp);
                    return false;
                },
                () = self.house.shutdown.cancelled() => return false,
            }
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
        // A RING that came while the modem was asked has been counted with the one before it.
        let rung = self.line.has_rung_unheard() && !self.doorman.is_in_call();
        let now = crate::clock::now();
        self.wakefulness.handle_resume(self.house.settings().policy.cadence, !calls.is_empty() || rung, now);
        if calls.is_empty() && rung {
            tracing::info!(line = self.name, "the line rang by its RI wire while the machine slept; it counts");
            self.doorman.handle_ring(now);
        }
        if let Some(call) = calls.into_iter().next() {
            tracing::info!(line = self.name, "a call rings that came while the machine slept");
            self.doorman.handle_ring(now);
            if call.number.is_some() {
                let caller = CallerId { number: call.number, ..CallerId::default() };
                self.house.chronicle.note_caller(&self.name, &caller);
                self.doorman.handle_caller(&caller, now);
            }
        }
    }

    /// Waits until nobody can be ringing any more, as before every call: to dial then would answer. Gives the moment at which
    /// the waiting began.
    async fn wait_for_silence(&mut self) -> Instant {
        let silence = self.house.settings().policy.cadence + CADENCE_MARGIN;
        let began = crate::clock::now();
        let mut until = began + silence;
        loop {
            tokio::select! {
                happening = self.line.next() => match happening {
                    Happening::Ring(_) => until = crate::clock::now() + silence,
                    Happening::Changed(state) => self.handle_state(state),
                    Happening::Caller(_) | Happening::CallerGone => {}
                },
                () = crate::clock::sleep_until(Some(until)) => {
                    if self.line.state().borrow().listens() {
                        return began;
                    }
                    // There is no line yet to be silent.
                    until = crate::clock::now() + silence;
                }
                asked = next(&mut self.asks) => asked.decline("a wake that was cut off goes on in a moment"),
            }
        }
    }

    /// Answers the call that rings.
    async fn answer(&mut self, house: &House, first_ring: Instant) {
        let settings = house.settings();
        let Some(answering) = &settings.answering else { return };
        let driver = match self.line.take().await {
            Ok(driver) => driver,
            Err(state) => {
                tracing::warn!(line = self.name, %state, "a call to be answered, but the line is not to be had");
                return self.say(&Event::Failed { cause: state.to_string() });
            }
        };
        let (left, verdict) = Answer::new(house, &self.name, answering).run(driver).await;
        self.line.give_back(left);
        if verdict == Some(Verdict::Waking) {
            self.doorman.handle_admitted(first_ring, answering.pause, crate::clock::now());
        }
    }

    /// Waits for a call that wakes or is to be answered.
    async fn wait_for_call(&mut self) -> Call {
        loop {
            while let Some(output) = self.doorman.poll_output() {
                match output {
                    Output::Rang(count) => self.say(&Event::Ring { count }),
                    Output::Accepted => self.say(&Event::Accepted),
                    Output::Refused { reason, again } => {
                        if !again {
                            let refusal = self.house.provider.refusal(crate::clock::now());
                            let why = refusal.filter(|_why| reason == Reason::ProviderRefused);
                            let why = why.unwrap_or_else(|| reason.to_string());
                            tracing::info!(line = self.name, reason = reason.as_str(), "no wake: {why}");
                        }
                        self.say(&Event::Refused { reason });
                    }
                    Output::MoreRefused { reason, more } => {
                        tracing::info!(line = self.name, reason = reason.as_str(), "no wake: {more} more calls");
                        self.say(&Event::MoreRefused { reason, more });
                    }
                    Output::Answer { first_ring } => return Call::IsAnswered(first_ring),
                    Output::Wake { first_ring } => return Call::Wakes(first_ring),
                }
            }
            self.wakefulness.settle(self.doorman.is_in_call(), crate::clock::now());
            let deadlines = [self.doorman.deadline().map(|(at, _why)| at), self.wakefulness.deadline()];
            tokio::select! {
                happening = self.line.next() => self.handle(happening),
                change = self.wakefulness.change() => if change == Change::Slept {
                    self.house.brief(&self.name, &mut self.doorman);
                    self.look_for_call().await;
                },
                () = crate::clock::sleep_until(deadlines.into_iter().flatten().min()) => {
                    self.house.brief(&self.name, &mut self.doorman);
                    self.doorman.handle_timeout(crate::clock::now());
                }
                asked = next(&mut self.asks) => self.handle_ask(asked),
                Ok(()) = self.settings.changed() => {
                    let policy = self.settings.borrow_and_update().policy.clone();
                    self.doorman.set_policy(policy);
                }
            }
        }
    }

    fn handle(&mut self, happening: Happening) {
        self.house.brief(&self.name, &mut self.doorman);
        let now = crate::clock::now();
        match happening {
            Happening::Ring(_) => {
                let cadence = self.house.settings().policy.cadence;
                if let Some(lost) = self.wakefulness.handle_ring(cadence, now) {
                    tracing::info!(line = self.name, "the ring that woke the machine was lost; it counts");
                    // Not when the machine woke up: the time between would pass for the network's cadence.
                    self.doorman.handle_ring(now.checked_sub(cadence).unwrap_or(lost));
                }
                self.doorman.handle_ring(now);
            }
            Happening::CallerGone => self.doorman.handle_gone(now),
            Happening::Caller(caller) => self.handle_caller(&caller),
            Happening::Changed(state) => self.handle_state(state),
        }
    }

    fn handle_state(&self, state: LineState) {
        self.house.chronicle.note_line(&self.name, &state);
        match state {
            LineState::Ready | LineState::StuckCarrier => self.say(&Event::Listening),
            LineState::Down { cause, .. } => self.say(&Event::Failed { cause }),
            LineState::Lent { .. } | LineState::SettingUp | LineState::Resetting | LineState::InCall => {}
        }
    }

    fn handle_caller(&mut self, caller: &CallerId) {
        let number = matches!(caller.number, Some(CallerNumber::Known(_)));
        self.house.chronicle.note_caller(&self.name, caller);
        self.say(&Event::Caller { number });
        self.doorman.handle_caller(caller, crate::clock::now());
    }

    fn handle_ask(&mut self, asked: Asked) {
        match &asked.ask {
            Ask::Alive => asked.answer(Ok("listening".to_owned())),
            Ask::HangUp => asked.decline("there is nothing to hang up on this line"),
            Ask::Ring(ring) => {
                let ring = ring.clone();
                let said = format!("{} rings, as far as ringup knows", self.name);
                tracing::info!(line = self.name, rings = ring.rings, "somebody pretends that it rings");
                self.pretend(ring);
                asked.answer(Ok(said));
            }
        }
    }

    /// Takes it that the line rang so; the doorman judges it as any other call.
    fn pretend(&mut self, ring: PretendedRing) {
        self.house.chronicle.note_pretended(&self.name);
        self.house.brief(&self.name, &mut self.doorman);
        if let Some(number) = ring.from {
            self.handle_caller(&CallerId { number: Some(CallerNumber::Known(number)), ..CallerId::default() });
        }
        for _ring in 0..ring.rings {
            self.doorman.handle_ring(crate::clock::now());
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
    mut session: Pin<Box<impl Future<Output = Left>>>,
    stop: &Stop,
    wakefulness: &mut Wakefulness,
) -> (Left, Cut) {
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

/// Waits for the next question; for ever when nobody can ask any more.
///
/// # Cancel safety
/// Nothing is lost when the future is dropped.
pub(super) async fn next(asks: &mut mpsc::Receiver<Asked>) -> Asked {
    match asks.recv().await {
        Some(asked) => asked,
        None => std::future::pending().await,
    }
}
