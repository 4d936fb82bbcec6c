//! A modem as its terminal sees it: command, dialling, data and online command state (V.250 5 and 6.3).
//!
//! Owns the terminal's side (echo, result codes, registers, escape, DTR) and its own timers (S6, S7, S8, S12). It
//! knows nothing of other modems: the telephone line is [`LineSignal`]s out and [`LineEvent`]s in. It refuses to be
//! clever: one final result code a command line, and none when the terminal asked for silence.
//!
//! An `ATD` on a line that is just being rung goes off hook and so answers the caller, as on a real line; two calling
//! modems then wait for each other's answer tone, so the dial ends in `NO CARRIER` at both ends.

mod orders;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::caller::caller_id_lines;
use super::escape::EscapeWatch;
use super::registers::{DtrDrop, Quiet, Switches};
use super::typing::{Typed, Typing};
use crate::caller::CallerId;
use crate::command::{DialStep, DialString};
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
    /// The far modem's carrier, or the loop current, is gone.
    Dropped,
}

/// An emulated modem.
#[derive(Clone, Debug)]
pub struct Dce {
    /// What kind of modem it is.
    kind: Arc<Profile>,
    /// The time of a dialled digit, where it is not left to S11.
    digit_time: Option<Duration>,
    profile: Switches,
    stored: [Switches; 2],
    typing: Typing,
    last_line: Vec<u8>,
    last_dialled: VecDeque<DialStep>,
    state: State,
    dtr: bool,
    /// Dial tone is on the line.
    dial_tone: bool,
    /// Whether this is, or was last, a call from outside (for `Q2`).
    incoming: bool,
    last_ring: Option<Instant>,
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
    Data { rate: u32, escape: EscapeWatch },
    /// Online command state: escaped from data state, the carrier still there.
    Escaped { rate: u32 },
}

#[derive(Clone, Debug)]
struct Dialling {
    rest: VecDeque<DialStep>,
    voice: bool,
    step: Step,
    until: Instant,
}

#[derive(Clone, Debug)]
enum Step {
    /// No dial tone yet; there is none if it does not come.
    AwaitTone,
    /// Sending these digits.
    Digits(String),
    /// Waiting, for whatever reason.
    Pause,
}

/// Bytes that come sooner after a dial or answer command do not abort it (V.250 5.6.1).
const ABORT_GUARD: Duration = Duration::from_millis(125);
/// How long `X2` and `X4` listen for dial tone.
const DIAL_TONE_WAIT: Duration = Duration::from_secs(5);
/// How long dial tone must be there to be taken for it.
const DIAL_TONE_RECOGNITION: Duration = Duration::from_secs(1);
/// How long a register recall is (V.250 6.3.1.1.4 leaves it to national rules).
const FLASH: Duration = Duration::from_millis(500);
/// How long a modem that met a caller listens for the answer tone that cannot come.
const COLLISION_WAIT: Duration = Duration::from_secs(5);
/// The ring count S1 is cleared this long after the last ring (Hayes).
const RING_MEMORY: Duration = Duration::from_secs(8);

impl Dce {
    /// A modem just switched on, with factory settings and DTR off.
    #[must_use]
    pub fn new(kind: Arc<Profile>, digit_time: Option<Duration>) -> Self {
        Self {
            kind,
            digit_time,
            profile: Switches::default(),
            stored: [Switches::default(), Switches::default()],
            typing: Typing::default(),
            last_line: Vec::new(),
            last_dialled: VecDeque::new(),
            state: State::Idle,
            dtr: false,
            dial_tone: false,
            incoming: false,
            last_ring: None,
            ordered_at: None,
            outputs: VecDeque::new(),
        }
    }

    /// Takes bytes from the terminal.
    pub fn handle_bytes(&mut self, bytes: &[u8], now: Instant) {
        let mut rest = bytes;
        while let Some((byte, after)) = rest.split_first() {
            match &mut self.state {
                State::Idle | State::OffHook { .. } | State::Escaped { .. } => self.type_byte(*byte, now),
                State::Dialling(_) | State::Awaiting { .. } | State::Collided { .. } => {
                    if self.ordered_at.is_none_or(|at| now.saturating_duration_since(at) >= ABORT_GUARD) {
                        self.end_call(&ResultCode::NoCarrier);
                    }
                }
                State::Data { escape, .. } => {
                    let registers = &self.profile.registers;
                    escape.observe(rest, registers.escape_character(), registers.escape_guard(), now);
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
        match self.profile.dtr_drop {
            DtrDrop::Ignore => return,
            DtrDrop::Escape => {
                if let State::Data { rate, .. } = self.state {
                    self.state = State::Escaped { rate };
                    self.result(&ResultCode::Ok);
                }
            }
            DtrDrop::HangUp => self.clear_down(),
            DtrDrop::Reset => {
                self.clear_down();
                self.recall(0);
            }
        }
        self.typing.clear();
    }

    /// Takes what the telephone line does.
    pub fn handle_line(&mut self, event: LineEvent, now: Instant) {
        match event {
            LineEvent::Ring { pattern: _ } => self.ring(now),
            LineEvent::CallerId { caller, called: _ } => {
                if self.profile.show_caller && matches!(self.state, State::Idle) {
                    self.information(&caller_id_lines(self.kind.emulation.caller_id, &caller));
                }
            }
            LineEvent::CallWaiting(_) | LineEvent::CarrierLost | LineEvent::CarrierBack => {}
            LineEvent::DialTone => {
                self.dial_tone = true;
                if let State::Dialling(dialling) = &mut self.state
                    && matches!(dialling.step, Step::AwaitTone)
                {
                    dialling.step = Step::Pause;
                    dialling.until = now + DIAL_TONE_RECOGNITION;
                }
            }
            LineEvent::Collision => {
                if matches!(self.state, State::Dialling(_)) {
                    self.state = State::Collided { until: now + COLLISION_WAIT };
                }
            }
            LineEvent::BusyTone => {
                let listening = matches!(self.state, State::Dialling(_) | State::Awaiting { .. });
                if listening && self.profile.hears_busy() {
                    self.end_call(&ResultCode::Busy);
                }
            }
            LineEvent::Connected(rate) => {
                if matches!(self.state, State::Awaiting { .. }) {
                    self.go_online(rate, now);
                }
            }
            LineEvent::Dropped => match self.state {
                State::Idle | State::OffHook { .. } => {}
                State::Dialling(_)
                | State::Awaiting { .. }
                | State::Collided { .. }
                | State::Data { .. }
                | State::Escaped { .. } => self.end_call(&ResultCode::NoCarrier),
            },
        }
    }

    /// Acts on every timer that has run out.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.ring_memory().is_some_and(|at| at <= now) {
            self.last_ring = None;
            self.profile.registers.set(1, 0);
        }
        match &self.state {
            State::Idle | State::OffHook { .. } | State::Escaped { .. } => {}
            State::Dialling(dialling) if dialling.until <= now => self.finish_step(now),
            State::Dialling(_) => {}
            State::Awaiting { until, quiet_answer } if *until <= now => {
                let silent = *quiet_answer && self.profile.hears_busy();
                self.end_call(if silent { &ResultCode::NoAnswer } else { &ResultCode::NoCarrier });
            }
            State::Awaiting { .. } => {}
            State::Collided { until } if *until <= now => self.end_call(&ResultCode::NoCarrier),
            State::Collided { .. } => {}
            State::Data { rate, escape } => {
                let (rate, escaped) = (*rate, escape.deadline(self.profile.registers.escape_guard()));
                if escaped.is_some_and(|at| at <= now) {
                    self.state = State::Escaped { rate };
                    self.result(&ResultCode::Ok);
                }
            }
        }
    }

    /// When the modem next wants [`Self::handle_timeout`], and what for.
    #[must_use]
    pub fn deadline(&self) -> Option<(Instant, &'static str)> {
        let state = match &self.state {
            State::Idle | State::OffHook { .. } | State::Escaped { .. } => None,
            State::Dialling(dialling) => Some((dialling.until, "dialling")),
            State::Awaiting { until, .. } => Some((*until, "S7: waiting for carrier")),
            State::Collided { until } => Some((*until, "collision with an incoming call")),
            State::Data { escape, .. } => {
                escape.deadline(self.profile.registers.escape_guard()).map(|at| (at, "S12: silence after the escape"))
            }
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

    fn ring_memory(&self) -> Option<Instant> {
        self.last_ring.map(|at| at + RING_MEMORY)
    }

    fn type_byte(&mut self, byte: u8, now: Instant) {
        if self.profile.echo {
            self.send(vec![byte]);
        }
        let registers = &self.profile.registers;
        match self.typing.push(byte, registers.line_termination(), registers.line_editing()) {
            Typed::Nothing => {}
            Typed::Line(body) => {
                self.last_line.clone_from(&body);
                self.carry_out(&body, now);
            }
            Typed::Overflow => self.result(&ResultCode::Error),
            Typed::Repeat => {
                let body = self.last_line.clone();
                self.carry_out(&body, now);
            }
        }
    }

    fn ring(&mut self, now: Instant) {
        if !matches!(self.state, State::Idle) {
            return;
        }
        self.incoming = true;
        self.last_ring = Some(now);
        let rings = self.profile.registers.read(1).unwrap_or(0).saturating_add(1);
        self.profile.registers.set(1, rings);
        self.result(&ResultCode::Ring);
        let wanted = self.profile.registers.auto_answer_rings();
        let terminal_ready = self.dtr || self.profile.dtr_drop == DtrDrop::Ignore;
        if wanted > 0 && rings >= wanted && terminal_ready {
            self.ordered_at = Some(now);
            self.answer(now);
        }
    }

    fn answer(&mut self, now: Instant) {
        self.incoming = true;
        self.signal(LineSignal::OffHook(Role::Answer));
        self.state = State::Awaiting { until: now + self.profile.registers.completion_timeout(), quiet_answer: false };
    }

    fn dial(&mut self, string: DialString, now: Instant) {
        let mut rest = string.steps;
        if string.redial {
            rest.clone_from(&self.last_dialled);
        } else {
            self.last_dialled.clone_from(&rest);
        }
        let in_call = matches!(self.state, State::OffHook { dialled: true });
        self.incoming = false;
        let (step, wait) = if in_call {
            (Step::Pause, Duration::ZERO)
        } else if !self.profile.hears_dial_tone() {
            (Step::Pause, self.profile.registers.blind_dial_pause())
        } else if self.dial_tone {
            (Step::Pause, DIAL_TONE_RECOGNITION)
        } else {
            (Step::AwaitTone, DIAL_TONE_WAIT)
        };
        self.state = State::Dialling(Dialling { rest, voice: string.voice, step, until: now + wait });
        self.signal(LineSignal::OffHook(Role::Originate));
    }

    /// Ends the present step of the dial string and starts the next one.
    fn finish_step(&mut self, now: Instant) {
        let State::Dialling(dialling) = &mut self.state else { return };
        match std::mem::replace(&mut dialling.step, Step::Pause) {
            Step::AwaitTone => return self.end_call(&ResultCode::NoDialTone),
            Step::Digits(digits) => {
                self.dial_tone = false;
                self.outputs.push_back(DceOutput::Line(LineSignal::Dial(digits)));
            }
            Step::Pause => {}
        }
        let completion = now + self.profile.registers.completion_timeout();
        loop {
            let Some(step) = dialling.rest.pop_front() else {
                if dialling.voice {
                    self.state = State::OffHook { dialled: true };
                    self.signal(LineSignal::OffHook(Role::Silent));
                    self.result(&ResultCode::Ok);
                } else {
                    self.state = State::Awaiting { until: completion, quiet_answer: false };
                }
                return;
            };
            let (step, wait) = match step {
                DialStep::Pulse => {
                    self.profile.pulse = true;
                    continue;
                }
                DialStep::Tone => {
                    self.profile.pulse = false;
                    continue;
                }
                DialStep::Digits(digits) => {
                    let wait = dialling_time(&digits, &self.profile, self.digit_time);
                    (Step::Digits(digits), wait)
                }
                DialStep::DialTone if self.dial_tone => continue,
                DialStep::DialTone => (Step::AwaitTone, self.profile.registers.completion_timeout()),
                DialStep::Pause => (Step::Pause, self.profile.registers.comma_pause()),
                DialStep::Flash => (Step::Pause, FLASH),
                // Only modems answer here, never with silence: what would follow is never dialled.
                DialStep::QuietAnswer => {
                    self.state = State::Awaiting { until: completion, quiet_answer: true };
                    return;
                }
            };
            dialling.step = step;
            dialling.until = now + wait;
            return;
        }
    }

    fn go_online(&mut self, rate: u32, now: Instant) {
        self.state = State::Data { rate, escape: EscapeWatch::new(now) };
        let text = if self.profile.call_progress == 0 { String::new() } else { rate.to_string() };
        self.result(&ResultCode::Connect(text));
    }

    /// Goes on hook and says why.
    fn end_call(&mut self, why: &ResultCode) {
        self.hang_up();
        self.result(why);
    }

    /// Ends whatever call there is, as DTR demands.
    fn clear_down(&mut self) {
        match self.state {
            State::Idle => {}
            State::OffHook { .. } => self.hang_up(),
            State::Dialling(_)
            | State::Awaiting { .. }
            | State::Collided { .. }
            | State::Data { .. }
            | State::Escaped { .. } => self.end_call(&ResultCode::NoCarrier),
        }
    }

    fn hang_up(&mut self) {
        if !matches!(self.state, State::Idle) {
            self.state = State::Idle;
            self.dial_tone = false;
            self.signal(LineSignal::OnHook);
        }
    }

    fn recall(&mut self, number: usize) {
        let rings = self.profile.registers.read(1).unwrap_or(0);
        self.profile = self.stored.get(number).cloned().unwrap_or_default();
        self.profile.registers.set(1, rings);
    }

    fn signal(&mut self, signal: LineSignal) {
        self.outputs.push_back(DceOutput::Line(signal));
    }

    fn send(&mut self, bytes: Vec<u8>) {
        if let Some(DceOutput::Send(pending)) = self.outputs.back_mut() {
            pending.extend(bytes);
        } else {
            self.outputs.push_back(DceOutput::Send(bytes));
        }
    }

    /// Sends a result code in the form that `Q`, `V`, S3 and S4 ask for (V.250 5.7.1, 6.2.6).
    fn result(&mut self, code: &ResultCode) {
        let silent = match self.profile.quiet {
            Quiet::Off => false,
            Quiet::On => true,
            Quiet::WhenAnswering => self.incoming,
        };
        if silent {
            return;
        }
        let (cr, lf) = self.framing();
        let bytes = if self.profile.verbose {
            [&[cr, lf], code.to_string().as_bytes(), &[cr, lf]].concat()
        } else {
            [code.numeric().to_string().as_bytes(), &[cr]].concat()
        };
        self.send(bytes);
    }

    /// Sends lines of information text (V.250 5.7.1).
    fn information<S: AsRef<str>>(&mut self, lines: &[S]) {
        let (cr, lf) = self.framing();
        let mut bytes = if self.profile.verbose { vec![cr, lf] } else { Vec::new() };
        for line in lines {
            bytes.extend(line.as_ref().bytes());
            bytes.extend([cr, lf]);
        }
        self.send(bytes);
    }

    fn framing(&self) -> (u8, u8) {
        (self.profile.registers.line_termination(), self.profile.registers.response_formatting())
    }
}

fn dialling_time(digits: &str, profile: &Switches, digit_time: Option<Duration>) -> Duration {
    let one = |digit: char| match (digit_time, digit.to_digit(10)) {
        (Some(time), _) => time,
        // Ten pulses a second and 0.7 s between digits.
        (None, Some(value)) if profile.pulse => {
            Duration::from_millis(u64::from(if value == 0 { 10 } else { value }) * 100 + 700)
        }
        (None, _) => profile.registers.tone_digit(),
    };
    digits.chars().map(one).sum()
}

#[cfg(test)]
#[path = "dce/tests.rs"]
mod tests;
