//! Telnet: bytes that pass unchanged through telnet programs (RFC 854, 856, 857, 858), and what is said between them.
//!
//! Owns the doubling of IAC, the line ends of the network virtual terminal, and the negotiation of four options: BINARY,
//! SUPPRESS-GO-AHEAD, ECHO where the far end of a call does it, and COM-PORT-OPTION where it was asked for, as
//! [`com_port`] has it. Every other option is refused, its subnegotiations are skipped, and a reply is never longer than
//! what it replies to. An option is answered only where its state changes or a request is refused (the method of RFC
//! 1143 without its queue, for nothing here is ever asked for and then unasked), so that two ends cannot keep each other
//! busy.

pub mod com_port;

use std::collections::VecDeque;

/// One end's codec, for both directions of one connection.
#[derive(Clone, Debug, Default)]
pub struct Telnet {
    reading: Reading,
    /// The last byte that came was CR; LF or NUL behind it belongs to it.
    came_cr: bool,
    /// The last byte that went out was CR, and neither LF nor NUL has followed.
    sent_cr: bool,
    /// What this end does: BINARY, ECHO, SUPPRESS-GO-AHEAD, COM-PORT-OPTION.
    ours: [Willing; 4],
    /// What the far end does of the same.
    theirs: [Willing; 4],
    /// Whether this end offers to echo.
    echoes: bool,
    /// Whether this end wants a serial port at the far one.
    wants_port: bool,
    /// The far end has said something that only telnet has.
    spoken: bool,
    /// The subnegotiation that is being read.
    parameters: Vec<u8>,
    /// What the far end said of its serial port, without the option's number.
    said: VecDeque<Vec<u8>>,
}

/// How far an option has been agreed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Willing {
    #[default]
    No,
    /// Asked for, not answered.
    Asked,
    Yes,
}

#[derive(Clone, Copy, Debug, Default)]
enum Reading {
    #[default]
    Data,
    /// After IAC.
    Command,
    /// After IAC and this verb.
    Option(u8),
    /// Within a subnegotiation.
    Parameters,
    /// Within a subnegotiation, after IAC.
    ParametersCommand,
}

/// A subnegotiation that does not end: the peer does not speak telnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a telnet subnegotiation of more than {LONGEST_PARAMETERS} bytes")]
pub struct EndlessParameters;

const IAC: u8 = 255;
const DONT: u8 = 254;
const DO: u8 = 253;
const WONT: u8 = 252;
const WILL: u8 = 251;
const SB: u8 = 250;
const SE: u8 = 240;
const BINARY: u8 = 0;
const ECHO: u8 = 1;
const SUPPRESS_GO_AHEAD: u8 = 3;
const COM_PORT: u8 = 44;
const OPTIONS: [u8; 4] = [BINARY, ECHO, SUPPRESS_GO_AHEAD, COM_PORT];
/// Where COM-PORT-OPTION stands among them.
const PORT_PLACE: usize = 3;
const CR: u8 = b'\r';
const LF: u8 = b'\n';
const NUL: u8 = 0;
/// No option that is common has more to say.
const LONGEST_PARAMETERS: usize = 1024;

impl Telnet {
    /// An end of a connection on which nothing has been negotiated.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for what a call to a telnet program wants: eight bits both ways, a character at a time, and no echo but
    /// the called system's own.
    pub fn negotiate(&mut self, wire: &mut Vec<u8>) {
        self.echoes = true;
        for (place, option) in OPTIONS.into_iter().enumerate().take(PORT_PLACE) {
            ask(self.ours.get_mut(place), WILL, option, wire);
            if option != ECHO {
                ask(self.theirs.get_mut(place), DO, option, wire);
            }
        }
    }

    /// Asks for what a serial port at the far end wants: command of it (RFC 2217), and eight bits both ways.
    pub fn negotiate_port(&mut self, wire: &mut Vec<u8>) {
        self.wants_port = true;
        for (place, option) in OPTIONS.into_iter().enumerate().rev().filter(|(_, option)| *option != ECHO) {
            ask(self.ours.get_mut(place), WILL, option, wire);
            if option != COM_PORT {
                ask(self.theirs.get_mut(place), DO, option, wire);
            }
        }
    }

    /// Whether the far end gives command of its serial port; `None` until it has said.
    #[must_use]
    pub fn grants_port(&self) -> Option<bool> {
        match self.ours.get(PORT_PLACE) {
            Some(Willing::Yes) => Some(true),
            Some(Willing::No) if self.wants_port => Some(false),
            Some(Willing::No | Willing::Asked) | None => None,
        }
    }

    /// Whether all that was asked for has been answered.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        !self.ours.iter().chain(&self.theirs).any(|state| *state == Willing::Asked)
    }

    /// Whether the far end has said anything that only telnet has.
    #[must_use]
    pub fn has_spoken(&self) -> bool {
        self.spoken
    }

    /// Whether eight bits pass both ways.
    #[must_use]
    pub fn is_transparent(&self) -> bool {
        self.is_binary(true) && self.is_binary(false)
    }

    /// Says something of the serial port.
    pub fn tell_port(&mut self, command: u8, value: &[u8], wire: &mut Vec<u8>) {
        wire.extend([IAC, SB, COM_PORT, command]);
        for byte in value {
            wire.push(*byte);
            if *byte == IAC {
                wire.push(IAC);
            }
        }
        wire.extend([IAC, SE]);
    }

    /// The next thing that the far end said of its serial port: a command and its value.
    pub fn poll_port(&mut self) -> Option<Vec<u8>> {
        self.said.pop_front()
    }

    /// Takes BINARY as agreed on for what this end sends, as between exchanges it is without a word.
    pub fn send_binary(&mut self) {
        self.set(true, Willing::Yes);
        self.sent_cr = false;
    }

    /// Takes BINARY as agreed on for what comes.
    pub fn receive_binary(&mut self) {
        self.set(false, Willing::Yes);
    }

    /// Writes data as it goes over the wire.
    pub fn encode(&mut self, data: &[u8], wire: &mut Vec<u8>) {
        if self.is_binary(true) {
            for run in data.split_inclusive(|byte| *byte == IAC) {
                wire.extend_from_slice(run);
                if run.last() == Some(&IAC) {
                    wire.push(IAC);
                }
            }
            return;
        }
        for byte in data {
            // RFC 854: a CR that does not start a new line is followed by NUL.
            if std::mem::replace(&mut self.sent_cr, *byte == CR) && *byte != LF {
                wire.push(NUL);
            }
            wire.push(*byte);
            if *byte == IAC {
                wire.push(IAC);
            }
        }
    }

    /// Reads what came over the wire: data is added to `data`, and what must be answered to `wire`.
    ///
    /// # Errors
    ///
    /// When the peer does not speak telnet; what it sends then means nothing.
    pub fn decode(&mut self, came: &[u8], data: &mut Vec<u8>, wire: &mut Vec<u8>) -> Result<(), EndlessParameters> {
        let mut rest = came;
        while let Some((&byte, after)) = rest.split_first() {
            if matches!(self.reading, Reading::Data) && self.is_binary(false) && !self.came_cr {
                let plain = rest.iter().position(|byte| *byte == IAC).unwrap_or(rest.len());
                let (run, next) = rest.split_at(plain);
                data.extend_from_slice(run);
                rest = next;
                if plain > 0 {
                    continue;
                }
                self.reading = Reading::Command;
                rest = after;
                continue;
            }
            rest = after;
            self.reading = match self.reading {
                Reading::Data if byte == IAC => Reading::Command,
                Reading::Data => {
                    self.take(byte, data);
                    Reading::Data
                }
                Reading::Command => match byte {
                    IAC => {
                        self.take(IAC, data);
                        Reading::Data
                    }
                    WILL | WONT | DO | DONT => Reading::Option(byte),
                    SB => {
                        self.parameters.clear();
                        Reading::Parameters
                    }
                    // The others (NOP, DM, BRK, IP, AO, AYT, EC, EL, GA) have nothing to say to a modem.
                    _ => Reading::Data,
                },
                Reading::Option(verb) => {
                    self.answer(verb, byte, wire);
                    Reading::Data
                }
                Reading::Parameters | Reading::ParametersCommand if self.parameters.len() > LONGEST_PARAMETERS => {
                    return Err(EndlessParameters);
                }
                Reading::Parameters if byte == IAC => Reading::ParametersCommand,
                Reading::ParametersCommand if byte == SE => {
                    self.take_parameters();
                    Reading::Data
                }
                Reading::Parameters | Reading::ParametersCommand => {
                    self.parameters.push(byte);
                    Reading::Parameters
                }
            };
        }
        Ok(())
    }

    /// Takes a byte of data. A new line and a bare CR are both what a person's Enter sends, and so CR (RFC 1123 3.3.1).
    fn take(&mut self, byte: u8, data: &mut Vec<u8>) {
        let ends_line = std::mem::take(&mut self.came_cr) && matches!(byte, LF | NUL);
        if !ends_line {
            self.came_cr = byte == CR && !self.is_binary(false);
            data.push(byte);
        }
    }

    fn take_parameters(&mut self) {
        self.spoken = true;
        let parameters = std::mem::take(&mut self.parameters);
        if let Some((&COM_PORT, said)) = parameters.split_first()
            && self.grants_port() == Some(true)
        {
            self.said.push_back(said.to_vec());
        }
    }

    fn answer(&mut self, verb: u8, option: u8, wire: &mut Vec<u8>) {
        let place = OPTIONS.iter().position(|known| *known == option);
        self.spoken = true;
        let (echoes, wants_port) = (self.echoes, self.wants_port);
        let (states, may, yes, no) = match verb {
            // Whoever is called may echo; an echo of what a modem says to it would be in nobody's interest.
            WILL | WONT => (&mut self.theirs, !matches!(option, ECHO if echoes) && option != COM_PORT, DO, DONT),
            _ => (&mut self.ours, !matches!(option, ECHO if !echoes) && (option != COM_PORT || wants_port), WILL, WONT),
        };
        let Some(state) = place.and_then(|place| states.get_mut(place)).filter(|_| may) else {
            if matches!(verb, WILL | DO) {
                wire.extend([IAC, no, option]);
            }
            return;
        };
        let agreed = matches!(verb, WILL | DO);
        match (*state, agreed) {
            (Willing::No, true) => wire.extend([IAC, yes, option]),
            (Willing::Yes, false) => wire.extend([IAC, no, option]),
            (Willing::Asked, _) | (Willing::Yes, true) | (Willing::No, false) => {}
        }
        *state = if agreed { Willing::Yes } else { Willing::No };
        if option == BINARY && verb == DO && agreed {
            // What stands before this was sent as the network virtual terminal has it.
            self.sent_cr = false;
        }
    }

    fn is_binary(&self, sending: bool) -> bool {
        let [binary, ..] = if sending { &self.ours } else { &self.theirs };
        *binary == Willing::Yes
    }

    fn set(&mut self, sending: bool, state: Willing) {
        let [binary, ..] = if sending { &mut self.ours } else { &mut self.theirs };
        *binary = state;
    }
}

fn ask(state: Option<&mut Willing>, verb: u8, option: u8, wire: &mut Vec<u8>) {
    if let Some(state) = state.filter(|state| **state == Willing::No) {
        *state = Willing::Asked;
        wire.extend([IAC, verb, option]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(telnet: &mut Telnet, wire: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let (mut data, mut reply) = (Vec::new(), Vec::new());
        telnet.decode(wire, &mut data, &mut reply).unwrap();
        (data, reply)
    }

    fn encoded(telnet: &mut Telnet, data: &[u8]) -> Vec<u8> {
        let mut wire = Vec::new();
        telnet.encode(data, &mut wire);
        wire
    }

    #[test]
    fn a_new_line_and_a_bare_cr_of_the_virtual_terminal_are_enter() {
        let mut telnet = Telnet::new();
        assert_eq!(decoded(&mut telnet, b"a\r\nb\r\0c\nd\r").0, b"a\rb\rc\nd\r");
        assert_eq!(decoded(&mut telnet, b"\0\0e").0, b"\0e");
    }

    #[test]
    fn a_cr_goes_out_with_what_tells_whether_a_line_ends() {
        let mut telnet = Telnet::new();
        assert_eq!(encoded(&mut telnet, b"a\r\nb\rc\r"), b"a\r\nb\r\0c\r");
        assert_eq!(encoded(&mut telnet, b"\nd\r"), b"\nd\r");
        assert_eq!(encoded(&mut telnet, b"\xff"), b"\0\xff\xff");
    }

    #[test]
    fn what_telnet_programs_say_in_between_is_no_data() {
        let mut telnet = Telnet::new();
        let wire = b"a\xff\xf1b\xff\xfa\x18\0x\xff\xffterm\xff\xf0c\xff\xf6d\xff\xff";
        assert_eq!(decoded(&mut telnet, wire), (b"abcd\xff".to_vec(), vec![]));
        let mut endless = vec![IAC, SB];
        endless.resize(2000, b'x');
        assert_eq!(telnet.decode(&endless, &mut Vec::new(), &mut Vec::new()), Err(EndlessParameters));
    }

    #[test]
    fn eight_bits_and_no_go_ahead_are_agreed_on_and_all_else_is_refused() {
        let mut telnet = Telnet::new();
        let wire = [IAC, DO, BINARY, IAC, WILL, SUPPRESS_GO_AHEAD, IAC, WILL, 24, IAC, DO, 31, IAC, DO, ECHO];
        let answer = [IAC, WILL, BINARY, IAC, DO, SUPPRESS_GO_AHEAD, IAC, DONT, 24, IAC, WONT, 31, IAC, WONT, ECHO];
        assert_eq!(decoded(&mut telnet, &wire), (vec![], answer.to_vec()));
        assert_eq!(encoded(&mut telnet, b"\r"), b"\r");
        assert_eq!(decoded(&mut telnet, &[IAC, DO, BINARY, IAC, WONT, 24]), (vec![], vec![]), "nothing has changed");
        assert_eq!(decoded(&mut telnet, &[IAC, DONT, BINARY]), (vec![], vec![IAC, WONT, BINARY]));
        assert_eq!(encoded(&mut telnet, b"\ra"), b"\r\0a");
    }

    #[test]
    fn what_was_asked_for_holds_once_it_is_granted() {
        let mut telnet = Telnet::new();
        let mut wire = Vec::new();
        telnet.negotiate(&mut wire);
        let asked = [WILL, BINARY, DO, BINARY, WILL, ECHO, WILL, SUPPRESS_GO_AHEAD, DO, SUPPRESS_GO_AHEAD];
        assert_eq!(wire, asked.chunks(2).flat_map(|pair| [IAC, pair[0], pair[1]]).collect::<Vec<u8>>());
        assert_eq!(decoded(&mut telnet, &[b'\r', b'\n', IAC, WILL, BINARY, b'\r', b'\n']).0, b"\r\r\n");
        assert_eq!(decoded(&mut telnet, &[IAC, DO, BINARY, IAC, DONT, ECHO]).1, b"");
        assert_eq!(encoded(&mut telnet, b"\rx"), b"\rx");
    }

    #[test]
    fn a_serial_port_is_spoken_of_only_where_it_was_asked_for_and_granted() {
        let said = b"\xff\xfa\x2c\x6b\xff\xff\xff\xf0";
        let mut telnet = Telnet::new();
        assert_eq!(decoded(&mut telnet, &[IAC, DO, COM_PORT]).1, [IAC, WONT, COM_PORT]);
        decoded(&mut telnet, said);
        assert_eq!((telnet.poll_port(), telnet.grants_port()), (None, None));
        let mut wire = Vec::new();
        telnet.negotiate_port(&mut wire);
        assert_eq!(wire[..3], [IAC, WILL, COM_PORT]);
        decoded(&mut telnet, said);
        assert_eq!((telnet.poll_port(), telnet.grants_port()), (None, None), "not granted yet");
        assert_eq!(decoded(&mut telnet, &[IAC, DO, COM_PORT]).1, b"", "it was asked for");
        assert_eq!(telnet.grants_port(), Some(true));
        decoded(&mut telnet, said);
        assert_eq!(telnet.poll_port(), Some(vec![0x6b, 0xff]));
        assert_eq!(decoded(&mut telnet, &[IAC, DONT, COM_PORT]).1, [IAC, WONT, COM_PORT]);
        assert_eq!(telnet.grants_port(), Some(false));
        let mut told = Vec::new();
        telnet.tell_port(1, &[0, 255], &mut told);
        assert_eq!(told, [IAC, SB, COM_PORT, 1, 0, 255, 255, IAC, SE]);
    }

    #[test]
    fn two_ends_that_both_ask_come_to_rest_with_eight_bits() {
        let (mut a, mut b) = (Telnet::new(), Telnet::new());
        let (mut to_a, mut to_b) = (Vec::new(), Vec::new());
        a.negotiate(&mut to_b);
        b.negotiate(&mut to_a);
        for _ in 0..3 {
            let from_b = decoded(&mut b, &std::mem::take(&mut to_b)).1;
            let from_a = decoded(&mut a, &std::mem::take(&mut to_a)).1;
            to_a.extend(from_b);
            to_b.extend(from_a);
        }
        assert_eq!((to_a, to_b), (vec![], vec![]));
        assert!([&a, &b].iter().all(|end| end.is_binary(true) && end.is_binary(false)));
    }

    fn pieces(bytes: &[u8], cuts: &[usize]) -> Vec<Vec<u8>> {
        let mut rest = bytes;
        let mut pieces = Vec::new();
        for cut in cuts {
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            pieces.push(piece.to_vec());
            rest = after;
        }
        pieces.push(rest.to_vec());
        pieces
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_pass_a_binary_connection_unchanged(
            bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(IAC), Just(CR), Just(LF)], 0..400),
            written in proptest::collection::vec(0_usize..40, 0..20),
            read in proptest::collection::vec(0_usize..40, 0..20),
        ) {
            let (mut sender, mut receiver) = (Telnet::new(), Telnet::new());
            sender.send_binary();
            receiver.receive_binary();
            let wire: Vec<u8> = pieces(&bytes, &written).iter().flat_map(|piece| encoded(&mut sender, piece)).collect();
            let came: Vec<u8> = pieces(&wire, &read).iter().flat_map(|piece| decoded(&mut receiver, piece).0).collect();
            prop_assert_eq!(came, bytes);
        }

        #[test]
        fn a_virtual_terminal_gets_every_byte_but_the_kind_of_line_end(
            bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(IAC), Just(CR), Just(LF)], 0..400),
            written in proptest::collection::vec(0_usize..40, 0..20),
        ) {
            let (mut sender, mut receiver) = (Telnet::new(), Telnet::new());
            let wire: Vec<u8> = pieces(&bytes, &written).iter().flat_map(|piece| encoded(&mut sender, piece)).collect();
            let text = bytes.iter().zip(std::iter::once(&0).chain(&bytes));
            let expected: Vec<u8> =
                text.filter(|(byte, before)| **before != CR || **byte != LF).map(|(byte, _)| *byte).collect();
            prop_assert_eq!(decoded(&mut receiver, &wire).0, expected);
        }

        #[test]
        fn hostile_bytes_never_bring_forth_more_than_they_are(
            wire in proptest::collection::vec(prop_oneof![any::<u8>(), Just(IAC), 240_u8..=255], 0..1200),
            asks in any::<bool>(),
        ) {
            let mut telnet = Telnet::new();
            if asks {
                telnet.negotiate(&mut Vec::new());
            }
            let (mut data, mut reply) = (Vec::new(), Vec::new());
            if telnet.decode(&wire, &mut data, &mut reply).is_ok() {
                prop_assert!(data.len() + reply.len() <= wire.len());
            }
        }
    }
}
