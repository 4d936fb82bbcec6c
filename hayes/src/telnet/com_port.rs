//! A serial port at the far end of a telnet connection, as a modem's terminal uses it (RFC 2217, the client's side).
//!
//! Sans-IO: `handle_*(.., now)`, then drain [`ComPort::poll_output`], then sleep until [`ComPort::deadline`]. Owns the
//! negotiation, the port's rate, framing, flow control and DTR, and what the server tells of the modem's signals.
//! Refuses to know sockets, and modems.
//!
//! | stage | input | next | output |
//! |---|---|---|---|
//! | asking | the server grants COM-PORT-OPTION | setting | rate, 8N1, flow control, DTR, notifications |
//! | asking | it refuses, and has answered all else | open, without command of the port | Open |
//! | asking | time, it has spoken telnet | the same | Open |
//! | asking | time, it has said nothing that is telnet | over | `NotTelnet` |
//! | setting | it confirms a rate, or time | open | Open |
//! | open | data, a change of the modem's signals | open | Data; signals are read |
//!
//! What the server sends before the port is open is no word of the modem: a server whose port is in use says so in text
//! and closes the connection.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{EndlessParameters, Telnet};

/// A serial port at the far end of a connection.
#[derive(Clone, Debug)]
pub struct ComPort {
    telnet: Telnet,
    rate: u32,
    flow_control: bool,
    dtr: bool,
    stage: Stage,
    /// The signals as the server last told them.
    modem_state: Option<ModemState>,
    /// The server has asked not to be sent data.
    suspended: bool,
    /// What the server said in plain text before the port was open.
    refusal: Vec<u8>,
    timer: Option<(Instant, &'static str)>,
    outputs: VecDeque<ComPortOutput>,
}

/// What is wanted of whoever owns the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ComPortOutput {
    /// Send these bytes.
    Send(Vec<u8>),
    /// The port can be used.
    Open,
    /// Data came from the modem.
    Data(Vec<u8>),
}

/// Why the far end is no serial port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoComPort {
    /// It answers no negotiation: its bytes are not telnet's.
    #[error("it does not speak telnet")]
    NotTelnet,
    /// It began telnet and does not keep to it.
    #[error(transparent)]
    Garbled(#[from] EndlessParameters),
}

/// The modem's signals, as the server tells them (RFC 2217, NOTIFY-MODEMSTATE).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModemState {
    /// DCD.
    pub carrier: bool,
    /// RI.
    pub ring: bool,
    /// DSR.
    pub modem_ready: bool,
    /// CTS.
    pub clear_to_send: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Asking,
    Setting,
    Open { commands: bool },
}

/// For the server's word on COM-PORT-OPTION, and then on the rate: round trips to the other end of the world, on a server
/// that is busy.
const PATIENCE: Duration = Duration::from_secs(10);
/// How much of what a server says in refusal is kept, in bytes.
const REFUSAL: usize = 200;

/// Commands (RFC 2217); the server's own are greater by [`FROM_SERVER`].
const SET_BAUDRATE: u8 = 1;
const SET_DATASIZE: u8 = 2;
const SET_PARITY: u8 = 3;
const SET_STOPSIZE: u8 = 4;
const SET_CONTROL: u8 = 5;
const NOTIFY_MODEMSTATE: u8 = 7;
const FLOWCONTROL_SUSPEND: u8 = 8;
const FLOWCONTROL_RESUME: u8 = 9;
const SET_MODEMSTATE_MASK: u8 = 11;
const PURGE_DATA: u8 = 12;
const FROM_SERVER: u8 = 100;
/// Values of them.
const NO_PARITY: u8 = 1;
const ONE_STOP_BIT: u8 = 1;
const NO_FLOW_CONTROL: u8 = 1;
const HARDWARE_FLOW_CONTROL: u8 = 3;
const DTR_ON: u8 = 8;
const DTR_OFF: u8 = 9;
const RTS_ON: u8 = 11;
const PURGE_TRANSMIT: u8 = 2;

impl ComPort {
    /// Asks a server for its port at this rate, in bit/s, with DTR raised.
    #[must_use]
    pub fn new(rate: u32, now: Instant) -> Self {
        let mut port = Self {
            telnet: Telnet::new(),
            rate,
            flow_control: false,
            dtr: true,
            stage: Stage::Asking,
            modem_state: None,
            suspended: false,
            refusal: Vec::new(),
            timer: now.checked_add(PATIENCE).map(|at| (at, "word on the serial port")),
            outputs: VecDeque::new(),
        };
        let mut wire = Vec::new();
        port.telnet.negotiate_port(&mut wire);
        port.outputs.push_back(ComPortOutput::Send(wire));
        port
    }

    /// Takes bytes from the server.
    ///
    /// # Errors
    ///
    /// [`NoComPort::Garbled`].
    pub fn handle_bytes(&mut self, bytes: &[u8], now: Instant) -> Result<(), NoComPort> {
        let (mut data, mut wire) = (Vec::new(), Vec::new());
        self.telnet.decode(bytes, &mut data, &mut wire)?;
        self.send(wire);
        if self.stage == Stage::Asking {
            match self.telnet.grants_port() {
                Some(true) => self.set_up(now),
                // Eight bits may still be granted, without which a CR is not one byte.
                Some(false) if self.telnet.is_settled() => self.open(false),
                Some(false) | None => {}
            }
        }
        while let Some(said) = self.telnet.poll_port() {
            self.handle_word(&said);
        }
        if let Stage::Open { .. } = self.stage {
            if !data.is_empty() {
                self.outputs.push_back(ComPortOutput::Data(data));
            }
        } else {
            let room = REFUSAL.saturating_sub(self.refusal.len());
            self.refusal.extend(data.into_iter().take(room));
        }
        Ok(())
    }

    /// Acts on the deadline, if it has come.
    ///
    /// # Errors
    ///
    /// [`NoComPort::NotTelnet`].
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), NoComPort> {
        if self.timer.take_if(|(at, _)| *at <= now).is_some() {
            match self.stage {
                Stage::Asking if !self.telnet.has_spoken() => return Err(NoComPort::NotTelnet),
                Stage::Asking => self.open(false),
                Stage::Setting => self.open(true),
                Stage::Open { .. } => {}
            }
        }
        Ok(())
    }

    /// When [`handle_timeout`](Self::handle_timeout) is wanted, and what is waited for.
    #[must_use]
    pub fn deadline(&self) -> Option<(Instant, &'static str)> {
        self.timer
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<ComPortOutput> {
        self.outputs.pop_front()
    }

    /// Reports whether data passes.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open { .. })
    }

    /// Reports whether the server does as it is told with its port; not before it is open.
    #[must_use]
    pub fn commands(&self) -> bool {
        self.stage == Stage::Open { commands: true }
    }

    /// Reports whether all bytes pass unchanged both ways; without it PPP does not.
    #[must_use]
    pub fn is_transparent(&self) -> bool {
        self.telnet.is_transparent()
    }

    /// The modem's signals, as far as the server tells them.
    #[must_use]
    pub fn modem_state(&self) -> Option<ModemState> {
        self.modem_state
    }

    /// Reports whether the server wants no data for now.
    #[must_use]
    pub fn is_suspended(&self) -> bool {
        self.suspended
    }

    /// What the server said in plain text before the port was open, in one line; empty if nothing.
    #[must_use]
    pub fn refusal(&self) -> String {
        let text = String::from_utf8_lossy(&self.refusal);
        text.split(char::is_control).map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
    }

    /// Sends data to the modem; nothing before the port is open.
    pub fn write(&mut self, data: &[u8]) {
        if self.is_open() {
            let mut wire = Vec::with_capacity(data.len() + data.len() / 64 + 8);
            self.telnet.encode(data, &mut wire);
            self.send(wire);
        }
    }

    /// Goes to another rate, in bit/s.
    pub fn set_rate(&mut self, rate: u32) {
        self.rate = rate;
        self.command(SET_BAUDRATE, &rate.to_be_bytes());
    }

    /// Turns flow control by RTS and CTS on or off.
    pub fn set_flow_control(&mut self, on: bool) {
        self.flow_control = on;
        self.command(SET_CONTROL, &[if on { HARDWARE_FLOW_CONTROL } else { NO_FLOW_CONTROL }]);
    }

    /// Raises or drops DTR; dropping it has the server throw away what it has not sent yet.
    pub fn set_dtr(&mut self, raised: bool) {
        self.dtr = raised;
        if !raised {
            self.command(PURGE_DATA, &[PURGE_TRANSMIT]);
        }
        self.command(SET_CONTROL, &[if raised { DTR_ON } else { DTR_OFF }]);
    }

    /// Tells the server again all that is wanted of its port.
    pub fn restore(&mut self) {
        self.command(SET_DATASIZE, &[8]);
        self.command(SET_PARITY, &[NO_PARITY]);
        self.command(SET_STOPSIZE, &[ONE_STOP_BIT]);
        self.set_flow_control(self.flow_control);
        self.command(SET_CONTROL, &[RTS_ON]);
        self.set_dtr(self.dtr);
        self.command(SET_MODEMSTATE_MASK, &[0xFF]);
        // Last: its confirmation shows that all else was heard.
        self.set_rate(self.rate);
    }

    fn set_up(&mut self, now: Instant) {
        self.stage = Stage::Setting;
        self.timer = now.checked_add(PATIENCE).map(|at| (at, "confirmation of the rate"));
        self.restore();
    }

    fn open(&mut self, commands: bool) {
        self.stage = Stage::Open { commands };
        self.timer = None;
        self.outputs.push_back(ComPortOutput::Open);
    }

    fn handle_word(&mut self, said: &[u8]) {
        match said.split_first().map(|(command, value)| (command.checked_sub(FROM_SERVER), value)) {
            Some((Some(SET_BAUDRATE), _)) if self.stage == Stage::Setting => self.open(true),
            Some((Some(NOTIFY_MODEMSTATE), [state, ..])) => self.modem_state = Some(ModemState::from_octet(*state)),
            Some((Some(FLOWCONTROL_SUSPEND), _)) => self.suspended = true,
            Some((Some(FLOWCONTROL_RESUME), _)) => self.suspended = false,
            // Confirmations, the state of the line, and the server's name.
            Some(_) | None => {}
        }
    }

    fn command(&mut self, command: u8, value: &[u8]) {
        if matches!(self.stage, Stage::Setting | Stage::Open { commands: true }) {
            let mut wire = Vec::new();
            self.telnet.tell_port(command, value, &mut wire);
            self.send(wire);
        }
    }

    fn send(&mut self, wire: Vec<u8>) {
        if wire.is_empty() {
            return;
        }
        match self.outputs.back_mut() {
            Some(ComPortOutput::Send(waiting)) => waiting.extend(wire),
            Some(ComPortOutput::Open | ComPortOutput::Data(_)) | None => {
                self.outputs.push_back(ComPortOutput::Send(wire));
            }
        }
    }
}

impl ModemState {
    fn from_octet(octet: u8) -> Self {
        let bit = |place: u8| octet & (1 << place) != 0;
        Self { carrier: bit(7), ring: bit(6), modem_ready: bit(5), clear_to_send: bit(4) }
    }
}

#[cfg(test)]
mod tests;
