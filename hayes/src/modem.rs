//! The terminal's side of a modem: finds it, sets it up, listens for rings, dials, answers, hangs up.
//!
//! Owns the order of commands, the meaning of answers in each state and every time limit; what it is doing is one
//! `Step` towards one `Goal`. What a kind of modem is told is its [`Profile`]'s. Refuses data: after `CONNECT` not one
//! byte more is taken. No clock, no tty: bytes and time come in, [`Output`]s go out.
//!
//! | goal | its steps, where all goes well |
//! |---|---|
//! | initialise | `AT`, reset, `AT`, what are you?, settings, caller identification on, and is it? |
//! | dial | `AT`, `ATD`, result |
//! | answer | `ATA`, result |
//! | hang up | a character while dialling, DTR in data state, else `AT`; then `ATH` |
//! | after a call, where the kind forgets it | `AT`, caller identification on, and is it? |
//! | identify, ask, list calls | the question, its lines, `OK` |
//!
//! Where `AT` brings nothing, or only garbage, the modem is thought to be in data state, then to be at another rate:
//! `+++`, DTR, the usual rates one by one; then it is silent.

mod answers;
mod ending;
mod finding;
mod question;
mod settings;
mod setup;
mod steps;
pub mod times;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use thiserror::Error;

use self::answers::{Asked, Asking};
use self::finding::{Means, Rates};
pub use self::question::{NoQuestion, Question};
pub use self::settings::{Country, Dialling, Kind, NoCountry, Purpose, Settings};
use self::setup::{Initialising, TurnOn};
use crate::caller::{CallerBlock, CallerId};
use crate::framing::Framer;
use crate::number::Number;
use crate::profile::{Identification, Profile};
use crate::reply::{CarrierReport, Connect, ListedCall, RingInfo};

/// How many outputs may wait: a modem that talks on is not listened to until they are fetched.
const OUTPUT_LIMIT: usize = 64;

/// What a modem can be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Find the modem, reset it and set it up; ends in [`Event::Ready`] or [`Event::Silent`].
    Initialise,
    /// Ask the modem what it is; ends in [`Event::Identified`] or [`Event::Silent`].
    Identify,
    /// Ask it one thing; ends in [`Event::Answered`] or [`Event::Silent`].
    Ask(Question),
    /// Ask which calls there are; ends in [`Event::CallsListed`] or [`Event::Silent`].
    ListCalls,
    /// Dial; ends in [`Event::Connected`] or [`Event::Ended`].
    Dial(Number),
    /// Answer the call that rings; ends in [`Event::Connected`] or [`Event::Ended`].
    Answer,
    /// Put the line on hook, whatever goes on. Ends a dial in [`Event::Ended`], all else in [`Event::HungUp`]; in
    /// [`Event::Silent`] if the modem does not react at all.
    HangUp,
    /// Ask whether the modem is there; ends in [`Event::Alive`] or [`Event::Silent`].
    Probe,
}

/// The modem is busy with another request, or in a call; only `HangUp` and `Initialise` are possible at any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the modem is busy with something else; hang up first")]
pub struct Occupied;

/// What the machine wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Write these bytes to the modem.
    Send(Vec<u8>),
    /// Raise (`true`) or drop DTR (V.24 circuit 108/2).
    SetDtr(bool),
    /// Go to this rate between computer and modem, in bit/s. Only wanted of a machine that knows
    /// [its rate](Modem::at_rate).
    SetRate(u32),
    /// Keep to flow control by RTS and CTS from here on: the modem does.
    SetFlowControl,
    /// Tell the owner.
    Report(Event),
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The modem answers and is set up, as [its kind](Modem::profile) wants.
    Ready,
    /// It was found out, while setting up, to be of this kind.
    Recognised(Arc<Profile>),
    /// The modem refused this command while being set up, or did not answer it, and was left without.
    CommandRefused(String),
    /// Caller identification is off, as far as the modem tells, and could not be turned on: it refused to, or says that
    /// it is off after it was turned on twice.
    CallerIdOff,
    /// The modem was found at another rate than wanted, and does not leave it.
    RateKept {
        /// The rate between computer and modem now, in bit/s.
        found: u32,
        /// The one that was wanted.
        wanted: u32,
    },
    /// An incoming call alerts, once for every ring.
    Ring(RingInfo),
    /// Caller identification came, before, between or after rings.
    Caller(CallerId),
    /// The call that alerted is over before anybody answered: the network says so (`NO CARRIER` of cellular modems).
    CallerGone,
    /// Another call comes in while one stands (`+CCWA`).
    CallWaiting(CallerId),
    /// One call of the list that was asked for.
    CallListed(ListedCall),
    /// The list is at its end; `false` if the modem has none.
    CallsListed(bool),
    /// What the modem says it is.
    Identified(Identification),
    /// What it answered to a question.
    Answered(Answer),
    /// The modem is in data state.
    Connected(Connect),
    /// A call ended or came to nothing.
    Ended(Outcome),
    /// The line is on hook and the modem in command state.
    HungUp,
    /// The modem answers nothing.
    Silent,
    /// The modem answers.
    Alive,
    /// Another program has taken the line, and is left alone with it. Only a driver reports it.
    Lent {
        /// Its process, where that can be seen.
        process: Option<u32>,
    },
    /// Another program has used the line and is done: the modem is to be initialised anew. Only a driver reports it.
    Returned,
}

/// The answer to a [`Question`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Its lines, without the final result code and what came unasked in between.
    pub lines: Vec<String>,
    /// Whether the modem ended it in `OK` or in `ERROR`; `None` if no such code came in time.
    pub accepted: Option<bool>,
}

/// How dialling or answering went. None of these is an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A data connection stands.
    Connected(Connect),
    /// It rang until we hung up.
    RangOut,
    /// `BUSY`.
    Busy,
    /// `NO ANSWER`: the modem's own limit (S7) passed.
    NoAnswer,
    /// `NO DIALTONE`: the line at this end is dead or in use.
    NoDialTone,
    /// `NO CARRIER`: no connection came about, or it ended.
    NoCarrier,
    /// A person, an answering machine or a fax answered.
    Voice,
    /// `ERROR`: the modem does not dial this.
    Refused,
    /// `DELAYED`: the modem forbids this number for now.
    Delayed,
    /// `BLACKLISTED` or `BLACKLISTFULL`: the modem forbids this number until it is reset.
    Blacklisted,
    /// An incoming call met the outgoing one; the dial was given up.
    Glare,
    /// The modem answered nothing.
    Silent,
}

impl Outcome {
    /// One word for it, for programs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Connected(_) => "connected",
            Self::RangOut => "rang-out",
            Self::Busy => "busy",
            Self::NoAnswer => "no-answer",
            Self::NoDialTone => "no-dial-tone",
            Self::NoCarrier => "no-carrier",
            Self::Voice => "voice",
            Self::Refused => "refused",
            Self::Delayed => "delayed",
            Self::Blacklisted => "blacklisted",
            Self::Glare => "glare",
            Self::Silent => "silent",
        }
    }
}

/// The state of the received line signal detector (V.24 circuit 109, DCD).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// The signal is on.
    Present,
    /// The signal is off.
    Absent,
    /// The tty has no such signal (a pty).
    Unknown,
}

/// What the steps lead to.
#[derive(Debug, Default)]
enum Goal {
    /// Nothing asked for: the modem may ring.
    #[default]
    Listen,
    Initialise(Box<Initialising>),
    Dial(Number),
    Answer,
    /// With the outcome of the dial that is being given up, if it is one, and the means already used.
    HangUp {
        outcome: Option<Outcome>,
        means: Means,
    },
    Probe,
    Identify(Box<Asking>),
    Ask(Question, Asked),
    ListCalls(Asked),
    /// A call is over; before that is told, what the call made the modem forget is turned on again.
    Restore {
        over: Box<Event>,
        turn: TurnOn,
    },
}

/// Where the machine stands; each waiting step has the one timer set by [`Modem::enter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// In command state with nothing outstanding.
    Idle,
    /// `AT` sent; `late` once anything came that was no answer to it.
    Asking { tries: u8, late: bool },
    /// Answered, but out of step: waits until no more comes.
    Settling,
    /// Keeps silence before `+++`.
    Guarding,
    /// `+++` sent.
    Escaping,
    /// The reset sent.
    Resetting,
    /// Words and no echo asked for, before the first question.
    Wording,
    /// A question sent that identifies the modem.
    Inquiring,
    /// The first command of the plan sent.
    Telling,
    /// A command that turns caller identification on sent.
    TurningOn,
    /// Asked whether it is on; `holds` once a line said so.
    Checking { holds: bool },
    /// Another question sent.
    Questioning,
    /// The wanted rate asked for.
    Retuning,
    /// At the wanted rate, if the modem followed.
    Retuned,
    /// `ATD` sent.
    Dialling,
    /// `ATA` sent.
    Answering,
    /// In data state; `carrier` once it was seen.
    Data { carrier: bool },
    /// A character sent to break off a dial.
    Aborting,
    /// `ATH` sent.
    Hooking,
    /// DTR dropped; `ended` once the modem showed it, `held` once it was low for long enough.
    DtrLow { ended: bool, held: bool },
    /// DTR raised again.
    DtrHigh,
}

/// The terminal's side of one modem, a state machine without tty and clock.
///
/// After every `request` or `handle_*` fetch all [outputs](Self::poll_output), then sleep until the
/// [deadline](Self::deadline) or more input.
#[derive(Debug)]
pub struct Modem {
    settings: Settings,
    /// The kind that the modem is, or is taken for until that is found out.
    profile: Arc<Profile>,
    recognised: bool,
    rates: Option<Rates>,
    framer: Framer,
    caller: CallerBlock,
    /// What was said of the connection that is being made.
    carrier_report: CarrierReport,
    goal: Goal,
    step: Step,
    timer: Option<(Instant, &'static str)>,
    /// The modem speaks in words: a lone digit while it dials is no result code.
    verbose: bool,
    /// When the last ring came.
    rang: Option<Instant>,
    outputs: VecDeque<Output>,
}

impl Modem {
    /// Makes a machine for a modem in an unknown state.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let (profile, recognised) = match (&settings.kind, settings.purpose) {
            (Kind::Known(profile), _) => (Arc::clone(profile), true),
            (Kind::FindOut { .. }, Purpose::Calls) => (Profile::default_profile(), false),
            (Kind::FindOut { catalogue, usb }, Purpose::DialOnly) => {
                (catalogue.recognise(&Identification { usb: *usb, ..Identification::default() }), true)
            }
        };
        Self {
            settings,
            profile,
            recognised,
            rates: None,
            framer: Framer::new(),
            caller: CallerBlock::default(),
            carrier_report: CarrierReport::default(),
            goal: Goal::Listen,
            step: Step::Idle,
            timer: None,
            verbose: false,
            rang: None,
            outputs: VecDeque::new(),
        }
    }

    /// Tells the machine the rate between computer and modem, in bit/s, and that it can be changed: a modem that does
    /// not answer at it is looked for at others.
    #[must_use]
    pub fn at_rate(mut self, rate: u32) -> Self {
        self.rates = Some(Rates::new(rate));
        self
    }

    /// Returns the kind of the modem: what it was said or found to be, else [plain V.250](Profile::default_profile).
    #[must_use]
    pub fn profile(&self) -> &Arc<Profile> {
        &self.profile
    }

    /// Asks for something to be done.
    ///
    /// # Errors
    ///
    /// [`Occupied`] unless the modem is idle in command state, but for `Initialise` and `HangUp`.
    pub fn request(&mut self, request: Request, now: Instant) -> Result<(), Occupied> {
        match request {
            Request::Initialise => self.initialise(now),
            Request::HangUp => self.hang_up(now),
            _ if self.step != Step::Idle => return Err(Occupied),
            Request::Dial(number) => {
                self.goal = Goal::Dial(number);
                self.ask(now);
            }
            Request::Answer => {
                self.goal = Goal::Answer;
                self.command("A");
                self.enter(Step::Answering, now, times::ANSWER_LIMIT, "connection after ATA");
            }
            Request::Probe => {
                self.goal = Goal::Probe;
                self.ask(now);
            }
            Request::Identify => {
                self.goal = Goal::Identify(Box::new(Asking::new(now)));
                self.ask(now);
            }
            Request::Ask(question) => self.question(Goal::Ask(question, Asked::default()), now),
            Request::ListCalls if self.profile.setup.call_list.is_none() => self.finish(Event::CallsListed(false)),
            Request::ListCalls => self.question(Goal::ListCalls(Asked::default()), now),
        }
        Ok(())
    }

    /// Takes bytes from the modem and returns how many.
    ///
    /// Fewer than all are taken when the modem went into data state, where the rest is data and only the LF of
    /// `CONNECT` is still taken if it comes next; or when outputs have piled up: fetch them and hand the rest in again.
    pub fn handle_bytes(&mut self, bytes: &[u8], now: Instant) -> usize {
        let mut taken = 0;
        while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
            if self.in_data() {
                return taken + self.framer.swallow_linefeed(rest);
            }
            if self.outputs.len() >= OUTPUT_LIMIT {
                break;
            }
            let (count, line) = self.framer.take_line(rest);
            taken += count;
            if let Some(line) = line {
                self.handle_line(&line, now);
            }
        }
        taken
    }

    /// Takes the state of the carrier signal, whenever it may have changed.
    pub fn handle_carrier(&mut self, carrier: Carrier, now: Instant) {
        match (self.step, carrier) {
            (Step::Data { .. }, Carrier::Present) => self.step = Step::Data { carrier: true },
            // Some modems raise it only seconds after CONNECT: what was never there can not be lost.
            (Step::Data { carrier: true }, Carrier::Absent) => {
                self.call_over(Event::Ended(Outcome::NoCarrier), now);
            }
            (Step::DtrLow { .. }, Carrier::Absent) => self.call_ended(now),
            _ => {}
        }
    }

    /// Acts on the deadline, if it has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.caller.deadline().is_some_and(|closes| closes <= now) {
            self.close_caller();
        }
        if self.timer.take_if(|(at, _)| *at <= now).is_some() {
            self.handle_timer(now);
        }
    }

    /// Returns the next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Returns when [`handle_timeout`](Self::handle_timeout) is to be called, and what is being waited for.
    #[must_use]
    pub fn deadline(&self) -> Option<(Instant, &'static str)> {
        let caller = self.caller.deadline().map(|closes| (closes, "rest of the caller identification"));
        [caller, self.timer].into_iter().flatten().min()
    }

    /// Reports whether the modem is in data state, and bytes belong to someone else.
    #[must_use]
    pub fn in_data(&self) -> bool {
        matches!(self.step, Step::Data { .. })
    }

    /// Reports whether nothing is asked of the modem.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.step == Step::Idle
    }

    /// Reports whether the next line may be `CONNECT`, so that reading ahead would take data.
    #[must_use]
    pub fn may_connect(&self) -> bool {
        matches!(self.step, Step::Dialling | Step::Answering)
    }

    /// Reports whether the line of `CONNECT` lacks its LF still, so that one that comes next is no data.
    #[must_use]
    pub fn linefeed_due(&self) -> bool {
        self.in_data() && self.framer.linefeed_due()
    }

    /// Reports whether the carrier signal matters now.
    #[must_use]
    pub fn watches_carrier(&self) -> bool {
        matches!(self.step, Step::DtrLow { ended: false, .. })
    }
}

#[cfg(test)]
mod tests;
