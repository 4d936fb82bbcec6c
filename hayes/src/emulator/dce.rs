//! A modem as its terminal sees it: command, dialling, data and online command state (V.250 5 and 6.3).
//!
//! Owns the terminal's side (echo, result codes, settings, escape, DTR) and its own timers (S6, S7, S8, S10, S12, S30).
//! It knows nothing of other modems: the telephone line is [`LineSignal`]s out and [`LineEvent`]s in. It refuses to be
//! clever: one final result code a command line, and none when the terminal asked for silence. How its kind of modem
//! differs from others is in its [`Profile`], not here.
//!
//! An `ATD` on a line that is just being rung goes off hook and so answers the caller, as on a real line; two calling
//! modems then wait for each other's answer tone, so the dial ends in `NO CARRIER` at both ends. An answer is always a
//! modem's: `@` never hears the silence it waits for, and what follows it is never dialled.

mod answers;
mod blacklist;
mod cable;
mod call;
mod cellular;
mod connect;
mod dial;
mod extended;
mod line;
mod listing;
mod orders;
mod parameters;
mod ring;
mod settings;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::blacklist::Blacklist;
use self::cable::Direction;
use self::dial::Dialling;
use self::ring::Caller;
use self::settings::Settings;
use super::escape::EscapeWatch;
use super::registers::DtrDrop;
use super::typing::{Typed, Typing};
use crate::caller::CallerId;
use crate::command::DialStep;
use crate::profile::Profile;
use crate::reply::ResultCode;

/// What the modem wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DceOutput {
    /// Bytes for the terminal.
    Send(Vec<u8>),
    /// A signal on the telephone line.
    Line(LineSignal),
}

/// What the modem does to the telephone line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineSignal {
    /// It is off hook and plays this role from now on.
    OffHook(Role),
    /// It has dialled these digits.
    Dial(String),
    /// It sends data over the established connection.
    Data(Vec<u8>),
    /// It opens the loop for a moment, a register recall: takes the waiting call (`!`, V.250 6.3.1.1.4).
    Flash,
    /// It is on hook.
    OnHook,
}

/// What a modem that is off hook does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Sends the answer tone.
    Answer,
    /// Waits for the answer tone.
    Originate,
    /// Neither: `ATH1`, or after a dial string that ended with `;`.
    Silent,
}

/// What the telephone line does to the modem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineEvent {
    /// A ring begins.
    Ring {
        /// Which of the line's ring patterns it is: 0 the ordinary one, from 1 on distinctive ones.
        pattern: u8,
    },
    /// Caller identification has been received: from an analogue exchange between rings or before the first, from an
    /// ISDN or cellular network always before the first.
    CallerId {
        /// Who calls.
        caller: CallerId,
        /// The number that was dialled, as the network tells an ISDN subscriber.
        called: String,
    },
    /// The call-waiting tone sounds on the line of a call in progress: another caller would like to come through.
    CallWaiting(CallerId),
    /// The far modem's carrier is not heard any more; the modem waits for S10 before it gives the call up.
    CarrierLost,
    /// The far modem's carrier is heard again.
    CarrierBack,
    /// There is dial tone.
    DialTone,
    /// Going off hook met an incoming call instead of dial tone.
    Collision,
    /// There is busy tone.
    BusyTone,
    /// Both modems are connected at this rate in bit/s.
    Connected(u32),
    /// The far modem's carrier, or the loop current, is gone; or who rang has hung up.
    Dropped,
}

/// An emulated modem.
#[derive(Clone, Debug)]
pub struct Dce {
    /// What kind of modem it is.
    kind: Arc<Profile>,
    /// The time of a dialled digit, where it is not left to S11.
    digit_time: Option<Duration>,
    settings: Settings,
    /// What `&W` stored; nothing where the settings are still those of the factory.
    stored: [Option<Box<Settings>>; 2],
    /// What `&Z` stored, by its place.
    numbers: BTreeMap<u8, Box<str>>,
    typing: Typing,
    last_line: Vec<u8>,
    last_dialled: VecDeque<DialStep>,
    blacklist: Blacklist,
    state: State,
    dtr: bool,
    /// The rate of the terminal's tty, if it has been told.
    terminal_rate: Option<u32>,
    /// The rate that `+IPR` fixes; 0 if the modem follows its terminal.
    fixed_rate: u32,
    /// Dial tone is on the line.
    dial_tone: bool,
    /// Whether this is, or was last, a call from outside (for `Q2`).
    incoming: bool,
    last_ring: Option<Instant>,
    /// Who rings now.
    caller: Option<Box<Caller>>,
    /// Who rang last.
    last_caller: Option<Box<CallerId>>,
    /// The number of the call that was dialled last.
    dialled: String,
    /// How the last call came to its end, and at which rate it ran.
    last_call: Option<(u32, &'static str)>,
    /// When the last command line was complete.
    ordered_at: Option<Instant>,
    outputs: VecDeque<DceOutput>,
}

#[derive(Clone, Debug)]
enum State {
    /// On hook, taking commands.
    Idle,
    /// Off hook without a carrier, taking commands; `dialled` when it is in a call it dialled with `;`.
    OffHook { dialled: bool },
    /// Working through a dial string.
    Dialling(Dialling),
    /// Waiting for the far modem until S7 runs out.
    Awaiting { until: Instant, quiet_answer: bool },
    /// Went off hook to dial and met a caller.
    Collided { until: Instant },
    /// Data state.
    Data { carrier: Carrier, escape: EscapeWatch },
    /// Online command state: escaped from data state, the carrier still there.
    Escaped { carrier: Carrier },
}

/// The connection with the far modem.
#[derive(Clone, Copy, Debug)]
struct Carrier {
    /// Its rate in bit/s.
    rate: u32,
    /// Since when it is not heard, if it is not.
    lost: Option<Instant>,
    /// When data passed last (for S30).
    active: Instant,
}

/// Bytes that come sooner after a dial or answer command do not abort it (V.250 5.6.1).
const ABORT_GUARD: Duration = Duration::from_millis(125);

impl Dce {
    /// A modem just switched on, with factory settings and DTR off.
    #[must_use]
    pub fn new(kind: Arc<Profile>, digit_time: Option<Duration>) -> Self {
        Self {
            settings: Settings::factory(&kind),
            kind,
            digit_time,
            stored: [None, None],
            numbers: BTreeMap::new(),
            typing: Typing::default(),
            last_line: Vec::new(),
            last_dialled: VecDeque::new(),
            blacklist: Blacklist::default(),
            state: State::Idle,
            dtr: false,
            terminal_rate: None,
            fixed_rate: 0,
            dial_tone: false,
            incoming: false,
            last_ring: None,
            caller: None,
            last_caller: None,
            dialled: String::new(),
            last_call: None,
            ordered_at: None,
            outputs: VecDeque::new(),
        }
    }

    /// Takes bytes from the terminal.
    pub fn handle_bytes(&mut self, bytes: &[u8], now: Instant) {
        match self.misheard(bytes, Direction::ToModem) {
            Some(heard) => self.take_bytes(&heard, now),
            None => self.take_bytes(bytes, now),
        }
    }

    fn take_bytes(&mut self, bytes: &[u8], now: Instant) {
        let mut rest = bytes;
        while let Some((byte, after)) = rest.split_first() {
            match &mut self.state {
                State::Idle | State::OffHook { .. } | State::Escaped { .. } => self.type_byte(*byte, now),
                State::Dialling(_) | State::Awaiting { .. } | State::Collided { .. } => {
                    if self.ordered_at.is_none_or(|at| now.saturating_duration_since(at) >= ABORT_GUARD) {
                        self.end_call(&ResultCode::NoCarrier, "ABORTED");
                    }
                }
                State::Data { escape, carrier } => {
                    let registers = &self.settings.registers;
                    escape.observe(rest, registers.escape_character(), registers.escape_guard(), now);
                    carrier.active = now;
                    self.signal(LineSignal::Data(rest.to_vec()));
                    return;
                }
            }
            rest = after;
        }
    }

    /// Takes a change of the terminal's DTR (V.250 6.2.9).
    pub fn handle_dtr(&mut self, on: bool) {
        let dropped = self.dtr && !on;
        self.dtr = on;
        if !dropped {
            return;
        }
        match self.settings.dtr_drop() {
            DtrDrop::Ignore => return,
            DtrDrop::Escape => {
                if let State::Data { carrier, .. } = self.state {
                    self.state = State::Escaped { carrier };
                    self.result(&ResultCode::Ok);
                }
            }
            DtrDrop::HangUp => self.clear_down(),
            DtrDrop::Reset => {
                self.clear_down();
                self.recall(usize::from(self.settings.letter(Some('&'), 'Y')));
            }
        }
        self.typing.clear();
        self.settle_rate();
    }

    /// Takes the rate of the terminal's tty in bit/s, which results name after `CONNECT` in some settings; it counts
    /// while `+IPR=0` holds (V.250 6.2.10).
    pub fn handle_rate(&mut self, rate: u32) {
        self.terminal_rate = Some(rate);
    }

    /// Takes that data from the far modem has been given to the terminal: the line is not inactive (S30).
    pub fn handle_received(&mut self, now: Instant) {
        if let State::Data { carrier, .. } = &mut self.state {
            carrier.active = now;
        }
    }

    /// Acts on every timer that has run out.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.forget_rings(now);
        match &self.state {
            State::Idle | State::OffHook { .. } => {}
            State::Dialling(dialling) if dialling.until <= now => self.finish_step(now),
            State::Dialling(_) => {}
            State::Awaiting { until, quiet_answer } if *until <= now => {
                let silent = *quiet_answer && self.settings.hears_busy();
                self.fail_call(if silent { &ResultCode::NoAnswer } else { &ResultCode::NoCarrier }, now);
            }
            State::Awaiting { .. } => {}
            State::Collided { until } if *until <= now => self.end_call(&ResultCode::NoCarrier, "COLLISION"),
            State::Collided { .. } => {}
            State::Data { carrier, escape } => {
                let (carrier, escaped) = (*carrier, escape.deadline(self.settings.registers.escape_guard()));
                if escaped.is_some_and(|at| at <= now) {
                    self.state = State::Escaped { carrier };
                    self.result(&ResultCode::Ok);
                } else if self.inactivity(&carrier).is_some_and(|at| at <= now) {
                    self.end_call(&ResultCode::NoCarrier, "INACTIVITY TIMEOUT");
                }
                self.give_up_carrier(&carrier, now);
            }
            State::Escaped { carrier } => {
                let carrier = *carrier;
                self.give_up_carrier(&carrier, now);
            }
        }
    }

    /// When the modem next wants [`Self::handle_timeout`], and what for.
    #[must_use]
    pub fn deadline(&self) -> Option<(Instant, &'static str)> {
        let state = match &self.state {
            State::Idle | State::OffHook { .. } => None,
            State::Dialling(dialling) => Some((dialling.until, "dialling")),
            State::Awaiting { until, .. } => Some((*until, "S7: waiting for carrier")),
            State::Collided { until } => Some((*until, "collision with an incoming call")),
            State::Data { escape, carrier } => {
                let escaped = escape.deadline(self.settings.registers.escape_guard());
                let escaped = escaped.map(|at| (at, "S12: silence after the escape"));
                let inactive = self.inactivity(carrier).map(|at| (at, "S30: no data"));
                let lost = self.carrier_loss(carrier).map(|at| (at, "S10: no carrier"));
                escaped.into_iter().chain(inactive).chain(lost).min_by_key(|(at, _)| *at)
            }
            State::Escaped { carrier } => self.carrier_loss(carrier).map(|at| (at, "S10: no carrier")),
        };
        let rings = self.ring_memory().map(|at| (at, "S1: rings forgotten"));
        state.into_iter().chain(rings).min_by_key(|(at, _)| *at)
    }

    /// The next thing the modem wants done.
    pub fn poll_output(&mut self) -> Option<DceOutput> {
        self.outputs.pop_front()
    }

    /// Whether bytes from and to the terminal are data now.
    #[must_use]
    pub fn is_in_data_state(&self) -> bool {
        matches!(self.state, State::Data { .. })
    }

    fn type_byte(&mut self, byte: u8, now: Instant) {
        if self.settings.echo() {
            self.send(vec![byte]);
        }
        let registers = &self.settings.registers;
        match self.typing.push(byte, registers.line_termination(), registers.line_editing()) {
            Typed::Nothing => {}
            Typed::Line(body) => {
                self.last_line.clone_from(&body);
                self.carry_out(&body, now);
                self.settle_rate();
            }
            Typed::Overflow => self.result(&ResultCode::Error),
            Typed::Repeat => {
                let body = self.last_line.clone();
                self.carry_out(&body, now);
                self.settle_rate();
            }
        }
    }

    /// Brings back what is stored there; the count of rings is no setting.
    fn recall(&mut self, number: usize) {
        let rings = self.settings.registers.read(1).unwrap_or(0);
        let stored = self.stored.get(number).and_then(Option::as_deref).cloned();
        self.settings = stored.unwrap_or_else(|| Settings::factory(&self.kind));
        self.settings.registers.set(1, rings);
    }

    fn signal(&mut self, signal: LineSignal) {
        self.outputs.push_back(DceOutput::Line(signal));
    }
}

#[cfg(test)]
mod tests;
