//! What a server says, byte by byte, and what is done about it.

use super::*;

const IAC: u8 = 255;
/// What ser2net 4.3 says first, and its word on what it is asked for then.
const GRANT: &[u8] = b"\xff\xfb\x03\xff\xfd\x03\xff\xfb\x01\xff\xfe\x01\xff\xfd\x00\xff\xfb\x00\xff\xfd\x2c";
/// Its confirmation of 115200 bit/s.
const RATE_SET: &[u8] = b"\xff\xfa\x2c\x65\x00\x01\xc2\x00\xff\xf0";

fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "an arbitrary instant to count from")]
    Instant::now()
}

struct Case {
    port: ComPort,
    now: Instant,
}

impl Case {
    fn new() -> Self {
        let now = now();
        let mut case = Self { port: ComPort::new(115_200, now), now };
        let asked = b"\xff\xfb\x2c\xff\xfb\x03\xff\xfd\x03\xff\xfb\x00\xff\xfd\x00".to_vec();
        assert_eq!(case.done(), [ComPortOutput::Send(asked)]);
        case
    }

    fn open() -> Self {
        let mut case = Self::new();
        case.hears(GRANT);
        case.hears(RATE_SET);
        assert_eq!(case.done().last(), Some(&ComPortOutput::Open));
        case
    }

    fn hears(&mut self, bytes: &[u8]) {
        self.port.handle_bytes(bytes, self.now).unwrap();
    }

    fn done(&mut self) -> Vec<ComPortOutput> {
        std::iter::from_fn(|| self.port.poll_output()).collect()
    }

    fn sent(&mut self) -> Vec<u8> {
        let send = |output| match output {
            ComPortOutput::Send(bytes) => Some(bytes),
            ComPortOutput::Open | ComPortOutput::Data(_) => None,
        };
        self.done().into_iter().filter_map(send).flatten().collect()
    }

    fn times_out(&mut self) -> Result<(), NoComPort> {
        let (at, _why) = self.port.deadline().unwrap();
        self.now = at;
        self.port.handle_timeout(at)
    }
}

fn told(commands: &[&[u8]]) -> Vec<u8> {
    commands.iter().flat_map(|said| [&[IAC, 250, 44], *said, &[IAC, 240]].concat()).collect()
}

#[test]
fn a_port_that_is_granted_is_set_up_and_open_once_its_rate_is_confirmed() {
    let mut case = Case::new();
    case.hears(GRANT);
    assert!(!case.port.is_open());
    let set_up = told(&[&[2, 8], &[3, 1], &[4, 1], &[5, 1], &[5, 11], &[5, 8], &[11, 255, 255], &[1, 0, 1, 194, 0]]);
    // The server offers to echo, which is its affair.
    assert_eq!(case.sent(), [&[IAC, 253, 1][..], &set_up].concat());
    case.port.write(b"AT\r");
    assert_eq!(case.done(), [], "nothing is sent to a port that is not open");
    case.hears(RATE_SET);
    assert_eq!(case.done(), [ComPortOutput::Open]);
    assert!(case.port.commands() && case.port.is_transparent());
    assert_eq!(case.port.deadline(), None);
    case.port.write(b"\xff\r");
    assert_eq!(case.sent(), b"\xff\xff\r");
    case.hears(b"\r\nOK\xff\xff\r\n");
    assert_eq!(case.done(), [ComPortOutput::Data(b"\r\nOK\xff\r\n".to_vec())]);
}

#[test]
fn dtr_rate_and_flow_control_are_the_servers_to_do() {
    let mut case = Case::open();
    case.port.set_dtr(false);
    assert_eq!(case.sent(), told(&[&[12, 2], &[5, 9]]));
    case.port.set_dtr(true);
    case.port.set_flow_control(true);
    case.port.set_rate(9600);
    assert_eq!(case.sent(), told(&[&[5, 8], &[5, 3], &[1, 0, 0, 0x25, 0x80]]));
    case.port.restore();
    let again = case.sent();
    assert!(again.ends_with(&told(&[&[1, 0, 0, 0x25, 0x80]])), "{again:?}");
    assert!(again.windows(2).any(|said| said == [5, 3]), "flow control is kept: {again:?}");
}

#[test]
fn the_modems_signals_are_what_the_server_says_and_unknown_before() {
    let mut case = Case::open();
    assert_eq!(case.port.modem_state(), None);
    case.hears(&told(&[&[107, 0b1011_1000]]));
    let state = ModemState { carrier: true, ring: false, modem_ready: true, clear_to_send: true };
    assert_eq!(case.port.modem_state(), Some(state));
    case.hears(&told(&[&[107, 0b0100_0100]]));
    assert_eq!(case.port.modem_state().map(|state| (state.carrier, state.ring)), Some((false, true)));
}

#[test]
fn a_server_can_stop_what_is_sent_to_it() {
    let mut case = Case::open();
    case.hears(&told(&[&[108]]));
    assert!(case.port.is_suspended());
    case.hears(&told(&[&[109]]));
    assert!(!case.port.is_suspended());
}

#[test]
fn a_telnet_server_without_rfc_2217_is_a_port_that_cannot_be_told_anything() {
    let mut case = Case::new();
    case.hears(b"\xff\xfe\x2c\xff\xfb\x03\xff\xfd\x03");
    assert!(!case.port.is_open(), "eight bits are not answered yet");
    case.hears(b"\xff\xfd\x00\xff\xfb\x00");
    assert_eq!(case.done(), [ComPortOutput::Open]);
    assert!(!case.port.commands() && case.port.is_transparent());
    case.port.set_dtr(false);
    case.port.set_rate(300);
    assert_eq!(case.sent(), b"");
}

#[test]
fn a_server_that_is_slow_to_answer_is_open_after_a_while() {
    let mut case = Case::new();
    case.hears(b"\xff\xfb\x03");
    assert_eq!(case.times_out(), Ok(()));
    assert!(case.port.is_open() && !case.port.commands() && !case.port.is_transparent());
    let mut case = Case::new();
    case.hears(GRANT);
    assert_eq!(case.times_out(), Ok(()));
    assert!(case.port.commands(), "it grants the port and confirms nothing");
}

#[test]
fn what_answers_no_negotiation_is_no_telnet() {
    let mut case = Case::new();
    case.hears(b"\r\nOK\r\n");
    assert_eq!(case.times_out(), Err(NoComPort::NotTelnet));
}

#[test]
fn what_a_server_says_before_its_port_is_open_is_its_own_word() {
    let mut case = Case::new();
    case.hears(&[GRANT, b"Port already in use\r\n"].concat());
    assert!(!case.done().iter().any(|output| matches!(output, ComPortOutput::Data(_))));
    assert_eq!(case.port.refusal(), "Port already in use");
    case.hears(&[b'x'; 5000]);
    assert_eq!(case.port.refusal().len(), REFUSAL - 1, "no more than that is kept");
}

#[test]
fn words_that_are_too_short_unknown_or_endless_do_no_harm() {
    let mut case = Case::open();
    case.hears(&told(&[&[], &[107], &[1, 2, 3], &[250, 1]]));
    assert_eq!((case.port.modem_state(), case.done()), (None, vec![]));
    let endless = [&[IAC, 250, 44][..], &[0; 4000]].concat();
    assert!(matches!(case.port.handle_bytes(&endless, case.now), Err(NoComPort::Garbled(_))));
}
