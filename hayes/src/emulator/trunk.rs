//! One end of a call between exchanges, or between a person and an exchange: lines of signalling, then data.
//!
//! Sans-IO: `handle_*(.., now)`, then drain [`Trunk::poll_output`], then sleep until [`Trunk::deadline`]. A call is a
//! connection of its own. Who is called greets; who calls says `call NUMBER`; `ringing`, `busy`, `unknown`, `no answer`
//! and `answered` say what becomes of it. Each end's last line is `connected RATE`, and all it sends thereafter is data
//! as [`telnet`](crate::telnet) has it. The end of the connection is the end of the call: what was sent before it still arrives.
//!
//! Two exchanges tell each other by `version 1` that they are such; then data is eight bits wide without any
//! negotiation. A person is greeted with what to type, may mistype a few times, and is asked for telnet's options once
//! connected; see [`Request::from_exchange`] for who trains the modems.
//!
//! Owns what is said, in which order, and how long a silent or senseless peer is borne with. Refuses to know numbers,
//! lines and sockets.

pub mod signal;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use self::signal::{HIGHEST_RATE, LONGEST_LINE, Malformed, Request, Signal};
use super::dce::Role;
use crate::telnet::Telnet;

/// One end of one call.
#[derive(Clone, Debug)]
pub struct Trunk {
    side: Side,
    telnet: Telnet,
    /// The line that is being read.
    line: Vec<u8>,
    /// This end has said `connected`.
    sends_data: bool,
    /// The far end has.
    receives_data: bool,
    until: Option<(Instant, &'static str)>,
    over: bool,
    outputs: VecDeque<TrunkOutput>,
}

/// What a trunk wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrunkOutput {
    /// Send these bytes to the far end.
    Send(Vec<u8>),
    /// The far end says this; never [`Signal::Error`].
    Signal(Signal),
    /// Data came for the modem.
    Data(Vec<u8>),
    /// All is said: close the connection when everything has been sent.
    Finish,
}

#[derive(Clone, Debug)]
enum Side {
    /// Is connected with a program that knows nothing of exchanges.
    Plain,
    /// Calls; this is what it will ask for once it is greeted.
    Calling(Option<Request>),
    /// Is called by whom it does not know yet, after so many lines that made no sense.
    Greeting { mistakes: u8 },
    /// Is called by an exchange, or by a person.
    Called { by_exchange: bool },
}

/// What the called end says first.
const GREETING: &str = "hayes trunk 1: call NUMBER [from NUMBER] [name NAME]";
/// How that starts in all versions.
const GREETING_START: &[u8] = b"hayes trunk ";
/// How long a caller may take to say whom it calls: a person types it.
const HEADER_TIME: Duration = Duration::from_secs(60);
/// How long a called exchange may take to greet.
const GREETING_TIME: Duration = Duration::from_secs(10);
/// How often a person may mistype.
const MISTAKES: u8 = 5;

impl Trunk {
    /// The calling end of a new connection.
    #[must_use]
    pub fn calling(request: Request, now: Instant) -> Self {
        Self::new(Side::Calling(Some(request)), now + GREETING_TIME, "greeting of the called exchange")
    }

    /// A new connection to a telnet program, which is data from the start: it counts as a modem that answers.
    #[must_use]
    pub fn plain() -> Self {
        let answered = Signal::Answered { role: Role::Answer, rate: HIGHEST_RATE };
        let outputs = VecDeque::from([TrunkOutput::Signal(answered)]);
        Self {
            side: Side::Plain,
            telnet: Telnet::new(),
            line: Vec::new(),
            sends_data: true,
            receives_data: true,
            until: None,
            over: false,
            outputs,
        }
    }

    /// The called end of a new connection; greets.
    #[must_use]
    pub fn called(now: Instant) -> Self {
        let mut trunk = Self::new(Side::Greeting { mistakes: 0 }, now + HEADER_TIME, "number that is called");
        trunk.send_line(GREETING);
        trunk
    }

    fn new(side: Side, until: Instant, reason: &'static str) -> Self {
        Self {
            side,
            telnet: Telnet::new(),
            line: Vec::new(),
            sends_data: false,
            receives_data: false,
            until: Some((until, reason)),
            over: false,
            outputs: VecDeque::new(),
        }
    }

    /// Takes bytes from the far end.
    pub fn handle_bytes(&mut self, bytes: &[u8], _now: Instant) {
        let mut rest = bytes;
        while !rest.is_empty() && !self.over {
            // Until data comes each byte may be the last before it.
            let (part, after) = rest.split_at(if self.receives_data { rest.len() } else { 1 });
            rest = after;
            let (mut data, mut reply) = (Vec::new(), Vec::new());
            let decoded = self.telnet.decode(part, &mut data, &mut reply);
            if !reply.is_empty() {
                self.outputs.push_back(TrunkOutput::Send(reply));
            }
            if decoded.is_err() {
                return self.give_up(Signal::HangUp);
            }
            if self.receives_data {
                if !data.is_empty() {
                    self.outputs.push_back(TrunkOutput::Data(data));
                }
            } else {
                self.take_text(&data);
            }
        }
    }

    /// Takes that the far end has closed its side, or that the connection is gone.
    pub fn handle_end(&mut self) {
        self.give_up(Signal::HangUp);
    }

    /// Takes what this side's exchange has to say; what makes no sense now is not said.
    pub fn handle_signal(&mut self, signal: &Signal) {
        if self.over || self.sends_data && *signal != Signal::HangUp {
            return;
        }
        match signal {
            Signal::Call(_) | Signal::Error(_) => {}
            Signal::Ringing | Signal::Answered { .. } => self.send_line(&signal.to_string()),
            Signal::Busy | Signal::Unknown | Signal::NoAnswer => {
                self.send_line(&signal.to_string());
                self.finish();
            }
            Signal::Connected { .. } => {
                self.send_line(&signal.to_string());
                self.sends_data = true;
                if let Side::Called { by_exchange: false } = self.side {
                    self.receives_data = true;
                    self.line.clear();
                    let mut asked = Vec::new();
                    self.telnet.negotiate(&mut asked);
                    self.outputs.push_back(TrunkOutput::Send(asked));
                } else {
                    self.telnet.send_binary();
                }
            }
            Signal::HangUp => self.finish(),
        }
    }

    /// Takes data from this side's modem; lost before the modems are connected.
    pub fn handle_data(&mut self, data: &[u8]) {
        if self.sends_data && !self.over {
            let mut wire = Vec::with_capacity(data.len() + data.len() / 64 + 8);
            self.telnet.encode(data, &mut wire);
            self.outputs.push_back(TrunkOutput::Send(wire));
        }
    }

    /// Gives up a peer that has been silent for too long.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.until.take_if(|(at, _)| *at <= now).is_some() {
            self.give_up(Signal::HangUp);
        }
    }

    /// When the trunk next wants [`Self::handle_timeout`], and what for.
    #[must_use]
    pub fn deadline(&self) -> Option<(Instant, &'static str)> {
        self.until
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<TrunkOutput> {
        self.outputs.pop_front()
    }

    /// Whether what comes now is data, of which no more may be read than this side's modem has room for.
    #[must_use]
    pub fn is_receiving_data(&self) -> bool {
        self.receives_data
    }

    /// Takes the text of signalling, at most the byte after which data may follow.
    fn take_text(&mut self, text: &[u8]) {
        for byte in text {
            match byte {
                b'\r' | b'\n' if self.line.is_empty() => {}
                b'\r' | b'\n' => {
                    let line = std::mem::take(&mut self.line);
                    self.take_line(&line);
                }
                // A person has corrected itself.
                0x08 | 0x7F => drop(self.line.pop()),
                _ if self.line.len() <= LONGEST_LINE => self.line.push(*byte),
                _ => {}
            }
        }
    }

    fn take_line(&mut self, line: &[u8]) {
        if let Side::Calling(request @ Some(_)) = &mut self.side {
            let greeted = line.starts_with(GREETING_START);
            if matches!(Signal::parse(line), Ok(Signal::Busy)) {
                return self.give_up(Signal::Busy);
            }
            match request.take().filter(|_| greeted) {
                Some(request) => {
                    self.until = None;
                    self.send_line(&Signal::Call(request).to_string());
                }
                None => self.give_up(Signal::HangUp),
            }
            return;
        }
        match Signal::parse(line) {
            Ok(signal) => self.take_signal(signal),
            Err(malformed) => self.object(malformed),
        }
    }

    fn take_signal(&mut self, signal: Signal) {
        match (&self.side, signal) {
            (Side::Greeting { .. }, Signal::Call(request)) => {
                self.until = None;
                self.side = Side::Called { by_exchange: request.from_exchange };
                self.outputs.push_back(TrunkOutput::Signal(Signal::Call(request)));
            }
            (Side::Greeting { .. } | Side::Called { .. } | Side::Calling(_) | Side::Plain, Signal::HangUp) => {
                self.give_up(Signal::HangUp);
            }
            (Side::Calling(_), signal @ (Signal::Ringing | Signal::Answered { .. })) => {
                self.outputs.push_back(TrunkOutput::Signal(signal));
            }
            (Side::Calling(_), signal @ (Signal::Busy | Signal::Unknown | Signal::NoAnswer)) => self.give_up(signal),
            // The called exchange has taken our word for it; its data follows.
            (Side::Calling(_), Signal::Connected { .. }) if self.sends_data => self.receive_data(),
            (Side::Called { by_exchange: true }, Signal::Connected { rate }) => {
                self.receive_data();
                self.handle_signal(&Signal::Connected { rate });
                self.outputs.push_back(TrunkOutput::Signal(Signal::Connected { rate }));
            }
            // A person talks while it waits.
            (Side::Called { by_exchange: false }, _) => {}
            (Side::Greeting { .. }, _) => self.object(Malformed::UnknownWord),
            (Side::Calling(_) | Side::Called { by_exchange: true } | Side::Plain, _) => self.give_up(Signal::HangUp),
        }
    }

    fn receive_data(&mut self) {
        self.receives_data = true;
        self.telnet.receive_binary();
    }

    /// Bears with a line that makes no sense, from a person.
    fn object(&mut self, malformed: Malformed) {
        match &mut self.side {
            Side::Greeting { mistakes } if *mistakes < MISTAKES => {
                *mistakes += 1;
                self.send_line(&Signal::Error(malformed.to_string()).to_string());
            }
            Side::Called { by_exchange: false } => {}
            Side::Greeting { .. } | Side::Called { .. } | Side::Calling(_) | Side::Plain => {
                self.give_up(Signal::HangUp);
            }
        }
    }

    /// Ends the call for the far end's reason.
    fn give_up(&mut self, why: Signal) {
        if self.over {
            return;
        }
        // Nobody has heard of a call yet that has not been asked for.
        if !matches!(self.side, Side::Greeting { .. }) {
            self.outputs.push_back(TrunkOutput::Signal(why));
        }
        self.finish();
    }

    fn finish(&mut self) {
        self.over = true;
        self.until = None;
        self.outputs.push_back(TrunkOutput::Finish);
    }

    fn send_line(&mut self, line: &str) {
        self.outputs.push_back(TrunkOutput::Send(format!("{line}\r\n").into_bytes()));
    }
}

#[cfg(test)]
mod tests;
