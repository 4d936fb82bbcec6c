//! The asynchronous driver: a [`Modem`] on a [`Line`].
//!
//! Owns the line, its lock, its neighbours and the clock; does what the machine says. Refuses to decide: whom to answer, how long to
//! ring, when to dial again. Bytes that came are in `self` before anything else is awaited, so that any of its futures
//! may be dropped without losing one.

mod neighbours;
mod online;
mod questions;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use thiserror::Error;

use self::neighbours::Neighbours;
pub use self::online::Online;
use crate::line::{self, Line, LineError, LineSettings, Lock, Signals};
use crate::modem::{Event, Kind, Modem, NoQuestion, Occupied, Outcome, Output, Request, Settings};
use crate::number::Number;
use crate::profile::Profile;
use crate::reply::Connect;

/// How much is read ahead in command state, in bytes; while the modem may connect it is one byte.
const READ_AHEAD: usize = 256;
/// How many events wait for [`Driver::next_event`] while something else is done; the oldest go first.
const EVENT_LIMIT: usize = 64;
/// How often the carrier signal is looked at while DTR is down: nothing tells of its fall (no TIOCMIWAIT in tokio).
const CARRIER_LOOK: Duration = Duration::from_millis(50);

/// Why the driver could not do what it was asked for.
#[derive(Debug, Error)]
pub enum DriverError {
    /// The line failed.
    #[error(transparent)]
    Line(#[from] LineError),
    /// The modem is in a call.
    #[error(transparent)]
    Occupied(#[from] Occupied),
    /// What was to be asked is no question.
    #[error(transparent)]
    NoQuestion(#[from] NoQuestion),
    /// The modem answers nothing.
    #[error("the modem on {} does not answer; is it switched on, and is this its tty?", port.display())]
    Silent {
        /// The tty.
        port: PathBuf,
    },
}

/// A modem on a line.
#[derive(Debug)]
pub struct Driver {
    line: Line,
    modem: Modem,
    lock: Option<Lock>,
    lock_directory: Option<PathBuf>,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    events: VecDeque<Event>,
    connect: Connect,
    neighbours: Neighbours,
    /// The log has been told which kind of modem it is.
    introduced: bool,
}

/// What a wait brought.
enum Happened {
    Read(usize),
    Wrote(usize),
    Time,
}

impl Driver {
    /// Opens the line; nothing is sent yet. A modem whose kind is to be found out is looked up on the USB.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`DriverError::Line`]: [`LineError::Busy`] too while another program has it locked, whom opening would disturb.
    pub fn open(line: &LineSettings, mut modem: Settings) -> Result<Self, DriverError> {
        if let Some(holder) = Lock::holder(&line.port)? {
            return Err(LineError::Busy { path: line.port.clone(), holder: Some(holder) }.into());
        }
        if let Kind::FindOut { usb, .. } = &mut modem.kind {
            *usb = usb.or_else(|| line::usb_id(&line.port));
        }
        let line = Line::open(line)?;
        Ok(Self {
            neighbours: Neighbours::of(&line),
            modem: Modem::new(modem).at_rate(line.rate()),
            line,
            lock: None,
            lock_directory: None,
            incoming: Vec::new(),
            outgoing: Vec::new(),
            events: VecDeque::new(),
            connect: Connect::default(),
            introduced: false,
        })
    }

    /// Uses this directory for lock files in place of the system's.
    #[must_use]
    pub fn with_lock_directory(mut self, directory: &Path) -> Self {
        self.lock_directory = Some(directory.to_owned());
        self
    }

    /// Locks the line against other programs, until [`unlock`](Self::unlock) or drop: by a lock file, and by TIOCEXCL
    /// for those that know none. Locked already is fine.
    ///
    /// # Errors
    ///
    /// [`LineError::Busy`] while another program has it, which is then waited for by [`next_event`](Self::next_event);
    /// else as [`Lock::take`].
    pub fn lock(&mut self) -> Result<(), DriverError> {
        if self.lock.is_some() {
            return Ok(());
        }
        let port = &self.line.settings().port;
        let lock = match &self.lock_directory {
            Some(directory) => Lock::take_in(directory, port),
            None => Lock::take(port),
        };
        match lock.and_then(|lock| self.line.set_exclusive(true).map(|()| lock)) {
            Ok(lock) => self.lock = Some(lock),
            Err(error) => {
                self.neighbours.waits |= matches!(error, LineError::Busy { .. });
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// Lets other programs have the line.
    pub fn unlock(&mut self) {
        if self.lock.is_some() {
            // Where that fails the line is gone, which the next read tells.
            self.line.set_exclusive(false).ok();
            self.neighbours.forget_past();
            self.lock = None;
        }
    }

    /// Claims the line for the one program that attends to it, until drop. Programs that only borrow it, by
    /// [`lock`](Self::lock) or a lock file, are not kept out.
    ///
    /// # Errors
    ///
    /// [`LineError::Attended`] if another has claimed it.
    pub fn claim(&mut self) -> Result<(), DriverError> {
        Ok(self.line.claim()?)
    }

    /// Returns the tty's path.
    #[must_use]
    pub fn port(&self) -> &Path {
        &self.line.settings().port
    }

    /// Returns the kind of the modem: what it was said to be or found to be, else plain V.250.
    #[must_use]
    pub fn profile(&self) -> &Arc<Profile> {
        self.modem.profile()
    }

    /// Returns the rate between computer and modem, in bit/s: the line's own, unless the modem was found at another and
    /// does not leave it.
    #[must_use]
    pub fn rate(&self) -> u32 {
        self.line.rate()
    }

    /// Reads the modem's own signals.
    pub fn signals(&mut self) -> Signals {
        self.line.signals()
    }

    /// How often the line has rung by its RI wire since the machine was started, wrapping; `None` where nobody counts.
    #[must_use]
    pub fn rings_counted(&self) -> Option<u32> {
        self.line.rings_counted()
    }

    /// Finds the modem, whatever state it is in, resets it and sets it up. Logs which kind it is, once, and what it
    /// was left without.
    ///
    /// # Errors
    ///
    /// [`DriverError::Silent`] if it does not answer, [`DriverError::Line`] if the line fails.
    ///
    /// # Cancel safety
    ///
    /// Safe: it may be called anew.
    pub async fn initialise(&mut self) -> Result<(), DriverError> {
        self.request(Request::Initialise).await?;
        loop {
            let event = self.progress_to_answer().await?;
            if event == Event::Ready {
                return Ok(());
            }
            self.keep(event);
        }
    }

    /// Waits for what the modem says unasked, rings and caller identification, and for the end of what was
    /// [begun](Self::begin).
    ///
    /// While the line is not locked, it is left to a program that locks or opens it: that is [`Event::Lent`], and when
    /// the program has gone, [`Event::Returned`]: the modem wants to be initialised again.
    ///
    /// # Errors
    ///
    /// [`DriverError::Line`] if the line fails.
    ///
    /// # Cancel safety
    ///
    /// Safe: no byte and no event is lost.
    pub async fn next_event(&mut self) -> Result<Event, DriverError> {
        match self.events.pop_front() {
            Some(event) => Ok(event),
            None => self.progress().await,
        }
    }

    /// Asks for something without waiting for it: its end comes as an [event](Self::next_event), as [`Request`] says.
    ///
    /// # Errors
    ///
    /// [`DriverError::Occupied`] in a call, [`DriverError::Line`] if the line fails.
    ///
    /// # Cancel safety
    ///
    /// Safe: unless it has returned, nothing has been asked for.
    pub async fn begin(&mut self, request: Request) -> Result<(), DriverError> {
        self.request(request).await
    }

    /// Takes the events that came while something else was done, so that [`next_event`](Self::next_event) tells none of
    /// the past: a ring among them is one that nobody has heard.
    #[must_use]
    pub fn take_events(&mut self) -> Vec<Event> {
        self.events.drain(..).collect()
    }

    /// Dials, lets it ring for at most `ring_for` from now, and hangs up then.
    ///
    /// # Errors
    ///
    /// [`DriverError::Occupied`] in a call, [`DriverError::Line`] if the line fails. How the call went is no error.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost, but the modem goes on dialling: [`hang_up`](Self::hang_up).
    pub async fn dial(&mut self, number: &Number, ring_for: Duration) -> Result<Outcome, DriverError> {
        tracing::debug!(port = %self.port().display(), %number, "dialling");
        let until = tokio::time::Instant::now().checked_add(ring_for);
        self.request(Request::Dial(number.clone())).await?;
        let call = self.call();
        let outcome = match until {
            Some(until) => match tokio::time::timeout_at(until, call).await {
                Ok(outcome) => outcome?,
                Err(_elapsed) => {
                    self.request(Request::HangUp).await?;
                    self.call().await?
                }
            },
            None => call.await?,
        };
        tracing::debug!(port = %self.port().display(), ?outcome, "dialled");
        Ok(outcome)
    }

    /// Answers the call that rings.
    ///
    /// # Errors
    ///
    /// As [`dial`](Self::dial).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost, but the modem goes on answering: [`hang_up`](Self::hang_up).
    pub async fn answer(&mut self) -> Result<Outcome, DriverError> {
        self.request(Request::Answer).await?;
        self.call().await
    }

    /// Puts the line on hook, whatever goes on.
    ///
    /// # Errors
    ///
    /// [`DriverError::Silent`] if the modem does not react, [`DriverError::Line`] if the line fails.
    ///
    /// # Cancel safety
    ///
    /// Safe: it may be called anew.
    pub async fn hang_up(&mut self) -> Result<(), DriverError> {
        self.request(Request::HangUp).await?;
        loop {
            let event = self.progress_to_answer().await?;
            if matches!(event, Event::HungUp | Event::Ended(_)) {
                return Ok(());
            }
            self.keep(event);
        }
    }

    /// Asks whether the modem is there.
    ///
    /// # Errors
    ///
    /// [`DriverError::Silent`] if not, [`DriverError::Occupied`] in a call, [`DriverError::Line`] if the line fails.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost, but until the modem has answered another request is [`DriverError::Occupied`].
    pub async fn probe(&mut self) -> Result<(), DriverError> {
        self.request(Request::Probe).await?;
        loop {
            let event = self.progress_to_answer().await?;
            if event == Event::Alive {
                return Ok(());
            }
            self.keep(event);
        }
    }

    /// Lets go of the lock and gives the bare line, for somebody who only listens to it.
    #[must_use]
    pub fn into_line(self) -> Line {
        self.line
    }

    /// Hands the data of the connected line out; the lock goes along.
    #[must_use]
    pub fn into_online(self) -> Online {
        Online::new(self)
    }

    /// Follows a call until it stands or has ended.
    async fn call(&mut self) -> Result<Outcome, DriverError> {
        loop {
            match self.progress().await? {
                Event::Connected(connect) => return Ok(Outcome::Connected(connect)),
                Event::Ended(outcome) => return Ok(outcome),
                Event::HungUp => return Ok(Outcome::NoCarrier),
                Event::Silent => return Ok(Outcome::Silent),
                event @ (Event::Ready
                | Event::Recognised(_)
                | Event::CommandRefused(_)
                | Event::CallerIdOff
                | Event::RateKept { .. }
                | Event::Ring(_)
                | Event::Caller(_)
                | Event::CallerGone
                | Event::CallWaiting(_)
                | Event::CallListed(_)
                | Event::CallsListed(_)
                | Event::Identified(_)
                | Event::Answered(_)
                | Event::Alive
                | Event::Lent { .. }
                | Event::Returned) => self.keep(event),
            }
        }
    }

    async fn request(&mut self, request: Request) -> Result<(), DriverError> {
        self.line.connected().await?;
        Ok(self.modem.request(request, now())?)
    }

    /// Keeps an event for [`next_event`](Self::next_event), unless it only tells of what was asked.
    fn keep(&mut self, event: Event) {
        if matches!(event, Event::Recognised(_) | Event::CommandRefused(_) | Event::RateKept { .. }) {
            return;
        }
        if self.events.len() == EVENT_LIMIT {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// Works until there is an event, which is an error if it is that the modem is silent.
    async fn progress_to_answer(&mut self) -> Result<Event, DriverError> {
        let event = self.progress().await?;
        if event == Event::Silent {
            return Err(DriverError::Silent { port: self.port().to_owned() });
        }
        Ok(event)
    }

    /// Works until there is an event.
    async fn progress(&mut self) -> Result<Event, DriverError> {
        loop {
            if let Some(event) = self.act()? {
                return Ok(event);
            }
            // Bytes on a line that is not locked may be for another program: look before reading.
            let shared = self.lock.is_none() && self.modem.is_idle() && self.modem.deadline().is_none();
            if shared && let Some(event) = self.share().await? {
                return Ok(event);
            }
            match self.wait(shared).await? {
                Happened::Read(count) => tracing::trace!(port = %self.port().display(), count, "read"),
                Happened::Wrote(count) => {
                    self.outgoing.drain(..count);
                }
                Happened::Time => {
                    if self.modem.watches_carrier() {
                        let carrier = self.line.carrier();
                        self.modem.handle_carrier(carrier, now());
                    }
                    let overdue = self.modem.deadline().is_some_and(|(at, _)| at <= now());
                    if overdue && !self.outgoing.is_empty() {
                        tracing::debug!(port = %self.port().display(), "the line takes nothing");
                        self.outgoing.clear();
                    }
                    self.modem.handle_timeout(now());
                }
            }
        }
    }

    /// Does all that needs no waiting; returns the first event.
    fn act(&mut self) -> Result<Option<Event>, DriverError> {
        while self.outgoing.is_empty() {
            match self.modem.poll_output() {
                Some(Output::Send(bytes)) => self.outgoing = bytes,
                Some(Output::SetDtr(raised)) => self.line.set_dtr(raised)?,
                Some(Output::SetRate(rate)) => self.line.change_rate(rate)?,
                Some(Output::SetFlowControl) => self.line.set_flow_control()?,
                Some(Output::Report(event)) => {
                    self.log(&event);
                    self.introduced |= event == Event::Ready;
                    if let Event::Connected(connect) = &event {
                        self.connect = connect.clone();
                        self.take_linefeed();
                    }
                    return Ok(Some(event));
                }
                None => {
                    let taken = self.modem.handle_bytes(&self.incoming, now());
                    self.incoming.drain(..taken);
                    if taken == 0 {
                        break;
                    }
                }
            }
        }
        Ok(None)
    }

    /// Tells the log what an owner wants to know of his modem.
    fn log(&self, event: &Event) {
        let port = self.port().display();
        if *event == Event::Ready && !self.introduced {
            let profile = self.profile();
            tracing::info!(%port, kind = profile.id, name = profile.name, "modem ready");
        } else if let Event::CommandRefused(command) = event {
            tracing::warn!(%port, command, "modem refused a setting");
        } else if *event == Event::CallerIdOff {
            tracing::warn!(%port, kind = self.profile().id, "caller identification could not be turned on");
        } else if let Event::RateKept { found, wanted } = event {
            tracing::warn!(%port, found, wanted, "modem does not leave the rate it was found at");
        }
    }

    /// Waits for the line or the clock, or only takes what is there. What was read is in `incoming`.
    async fn wait(&mut self, at_once: bool) -> Result<Happened, DriverError> {
        let deadline = self.modem.deadline().map(|(at, _)| at);
        let look = self.modem.watches_carrier().then(|| now().checked_add(CARRIER_LOOK)).flatten();
        let Self { line, modem, incoming, outgoing, .. } = self;
        let mut buffer = [0; READ_AHEAD];
        // Data that follows CONNECT belongs to whoever reads the line then, perhaps another process.
        let ahead = if modem.may_connect() { 1 } else { READ_AHEAD };
        let transfer = poll_fn(|cx| {
            if !outgoing.is_empty()
                && let Poll::Ready(result) = line.poll_write(cx, outgoing)
            {
                return Poll::Ready(result.map(Happened::Wrote));
            }
            if incoming.len() >= READ_AHEAD || modem.in_data() {
                return Poll::Pending;
            }
            let buffer = buffer.get_mut(..ahead).unwrap_or_default();
            match line.poll_read(cx, buffer) {
                Poll::Ready(Ok(count)) => {
                    incoming.extend(buffer.iter().take(count));
                    Poll::Ready(Ok(Happened::Read(count)))
                }
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Pending if at_once => Poll::Ready(Ok(Happened::Read(0))),
                Poll::Pending => Poll::Pending,
            }
        });
        let happened = match [deadline, look].into_iter().flatten().min() {
            Some(at) => tokio::time::timeout_at(at.into(), transfer).await.unwrap_or(Ok(Happened::Time)),
            None => transfer.await,
        };
        happened.map_err(|error| self.failed(error))
    }

    /// Takes the LF of `CONNECT` if it is there already, and no more than one byte.
    fn take_linefeed(&mut self) {
        let mut byte = [0];
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        if self.incoming.is_empty()
            && self.modem.linefeed_due()
            && let Poll::Ready(Ok(_)) = self.line.poll_read(&mut cx, &mut byte)
        {
            self.incoming.extend(byte);
        }
        let taken = self.modem.handle_bytes(&self.incoming, now());
        self.incoming.drain(..taken);
    }

    fn failed(&self, error: std::io::Error) -> DriverError {
        LineError::from_io(self.port(), error).into()
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
