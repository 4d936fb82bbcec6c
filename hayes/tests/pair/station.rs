//! One end of a call: the terminal's side of a modem, and an owner with a will of his own.

use std::time::{Duration, Instant};

use hayes::emulator::exchange::{Exchange, LineId};
use hayes::modem::{Event, Modem, Outcome, Output, Request, Settings};
use hayes::reply::Connect;

use super::cable::Cable;
use super::dice::Dice;

/// What an owner does with a call.
#[derive(Clone, Debug, Default)]
pub struct Will {
    /// At which ring he answers.
    pub answer_at: Option<u32>,
    /// How long after that ring, or the connection, he acts.
    pub reaction: Duration,
    /// What he sends once connected.
    pub send: Vec<u8>,
    /// When he hangs up.
    pub end: End,
}

/// When an owner hangs up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// After the other one.
    #[default]
    Second,
    /// First, once all is sent and this much has come.
    Received(usize),
    /// At this moment, whatever goes on.
    At(Instant),
}

/// What came of a call at this end.
#[derive(Clone, Debug, Default)]
pub struct Course {
    pub rings: u32,
    pub callers: Vec<String>,
    pub connected: Option<Connect>,
    pub outcome: Option<Outcome>,
    pub received: Vec<u8>,
    pub hung_up: bool,
}

/// A terminal with a modem.
pub struct Station {
    pub line: LineId,
    pub modem: Modem,
    pub to_modem: Cable,
    pub from_modem: Cable,
    pub will: Will,
    pub course: Course,
    /// What the machine did, for the transcript, if there is to be one.
    pub told: Option<Vec<String>>,
    pub silent: bool,
    pub ready: bool,
    pub caller_id_off: bool,
    unread: Vec<u8>,
    sent: usize,
    answer_due: Option<Instant>,
    end_due: Option<Instant>,
}

/// Most bytes written at once.
const WRITE: usize = 256;
/// What a modem says, in data state, of a call that the other end finished.
const NO_CARRIER: &[u8] = b"\r\nNO CARRIER\r\n";

impl Station {
    pub fn new(line: LineId, settings: Settings, tell: bool) -> Self {
        Self {
            line,
            modem: Modem::new(settings),
            to_modem: Cable::default(),
            from_modem: Cable::default(),
            will: Will::default(),
            course: Course::default(),
            told: tell.then(Vec::new),
            silent: false,
            ready: false,
            caller_id_off: false,
            unread: Vec::new(),
            sent: 0,
            answer_due: None,
            end_due: None,
        }
    }

    /// Begins a call, or waits for one.
    pub fn resolve(&mut self, will: Will) {
        self.end_due = if let End::At(at) = will.end { Some(at) } else { None };
        self.will = will;
        self.course = Course::default();
        self.sent = 0;
        self.answer_due = None;
    }

    /// The program is killed and started again: nothing is known of the modem any more.
    pub fn restart(&mut self, settings: Settings) {
        self.modem = Modem::new(settings);
        self.unread.clear();
        self.ready = false;
        self.resolve(Will::default());
    }

    pub fn ask(&mut self, request: Request, now: Instant) {
        if request == Request::Initialise {
            (self.ready, self.silent, self.caller_id_off) = (false, false, false);
        }
        self.modem.request(request, now).expect("the machine takes this now");
    }

    /// Does all there is to do now; true if anything was done.
    pub fn act(&mut self, exchange: &mut Exchange, dice: &mut Dice, now: Instant) -> bool {
        let mut acted = false;
        while let Some(bytes) = self.to_modem.take_arrived(now) {
            exchange.handle_bytes(self.line, &bytes, now);
            acted = true;
        }
        while let Some(bytes) = self.from_modem.take_arrived(now) {
            self.unread.extend(bytes);
        }
        acted |= self.read(now);
        if self.modem.deadline().is_some_and(|(at, _)| at <= now) {
            self.modem.handle_timeout(now);
            acted = true;
        }
        while let Some(output) = self.modem.poll_output() {
            acted = true;
            match output {
                Output::Send(bytes) => {
                    self.to_modem.send(&bytes, dice, now);
                    self.tell(|| format!("> {:?}", String::from_utf8_lossy(&bytes)));
                }
                Output::SetDtr(on) => {
                    exchange.handle_dtr(self.line, on, now);
                    self.tell(|| format!("DTR {}", if on { "on" } else { "off" }));
                }
                Output::SetRate(_) | Output::SetFlowControl => {}
                Output::Report(event) => self.note(event, now),
            }
        }
        acted | self.live(exchange, dice, now)
    }

    pub fn deadline(&self) -> Option<Instant> {
        let modem = self.modem.deadline().map(|(at, _)| at);
        let cables = [self.to_modem.deadline(), self.from_modem.deadline()];
        cables.into_iter().chain([modem, self.answer_due, self.end_due]).flatten().min()
    }

    /// Nothing is under way, and nothing more is intended.
    pub fn is_at_rest(&self) -> bool {
        self.modem.is_idle() && self.deadline().is_none()
    }

    /// Gives the machine what came; in data state all but the end of CONNECT's line is the owner's.
    fn read(&mut self, now: Instant) -> bool {
        let taken = self.modem.handle_bytes(&self.unread, now);
        self.unread.drain(..taken);
        let data = if self.modem.in_data() { std::mem::take(&mut self.unread) } else { Vec::new() };
        self.course.received.extend_from_slice(&data);
        taken + data.len() > 0
    }

    fn note(&mut self, event: Event, now: Instant) {
        self.tell(|| format!("* {event:?}"));
        match event {
            Event::Ready => self.ready = true,
            Event::Silent => self.silent = true,
            Event::Ring(_) => {
                self.course.rings += 1;
                if self.will.answer_at == Some(self.course.rings) {
                    self.answer_due = Some(now + self.will.reaction);
                }
            }
            Event::Caller(caller) => self.course.callers.push(format!("{:?}", caller.number)),
            Event::Connected(connect) => self.course.connected = Some(connect),
            Event::Ended(outcome) => self.course.outcome = Some(outcome),
            Event::HungUp => self.course.hung_up = true,
            Event::CallerIdOff => self.caller_id_off = true,
            Event::RateKept { .. } | Event::CommandRefused(_) | Event::Recognised(_) | Event::Alive => {}
            Event::CallWaiting(_) | Event::CallListed(_) | Event::CallsListed(_) => {}
            Event::CallerGone | Event::Lent { .. } | Event::Returned => {}
            Event::Identified(_) | Event::Answered(_) => {}
        }
    }

    fn tell(&mut self, what: impl FnOnce() -> String) {
        if let Some(told) = &mut self.told {
            told.push(what());
        }
    }

    /// What the owner does of himself.
    fn live(&mut self, exchange: &Exchange, dice: &mut Dice, now: Instant) -> bool {
        if self.answer_due.take_if(|at| *at <= now).is_some() && self.modem.is_idle() {
            self.ask(Request::Answer, now);
            return true;
        }
        if self.end_due.take_if(|at| *at <= now).is_some() {
            if self.modem.is_idle() {
                return false;
            }
            self.ask(Request::HangUp, now);
            return true;
        }
        if !self.modem.in_data() {
            return false;
        }
        let sent = self.write(exchange, dice, now);
        let over = match self.will.end {
            End::Second | End::At(_) => self.course.received.ends_with(NO_CARRIER),
            End::Received(count) => {
                self.sent == self.will.send.len()
                    && self.to_modem.len() == 0
                    && (self.course.received.len() >= count || self.course.received.ends_with(NO_CARRIER))
            }
        };
        if over && self.end_due.is_none() {
            self.end_due = Some(now + self.will.reaction);
        }
        sent
    }

    /// Writes as much as the modem has room for (its CTS).
    fn write(&mut self, exchange: &Exchange, dice: &mut Dice, now: Instant) -> bool {
        let room = exchange.room(self.line).saturating_sub(self.to_modem.len());
        let rest = &self.will.send[self.sent..];
        let count = rest.len().min(room).min(WRITE);
        self.to_modem.send(&rest[..count], dice, now);
        self.sent += count;
        count > 0
    }
}
