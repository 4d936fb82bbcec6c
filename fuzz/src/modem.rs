//! The terminal's side of a modem against whatever a modem, a clock and an owner can do to it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hayes::modem::{Carrier, Event, Kind, Modem, Output, Request, Settings};
use hayes::profile::Catalogue;

/// How many bytes a read has at most.
const READ: usize = 48;
/// More timers than it takes to give up on anything.
const TIMERS: usize = 100;
/// What a machine may want at one time: as many reports as it stores, and what one more line can lead to.
const OUTPUTS: usize = 64 + 16;
/// The longest command line sent.
const COMMAND: usize = 80;

/// Takes steps: a byte that says what happens, and what belongs to it.
pub fn run(data: &[u8]) {
    let mut world = World::new();
    let mut rest = data;
    while let Some((&step, after)) = rest.split_first() {
        rest = after;
        match step {
            0 => world.ask(Request::Initialise),
            1 => world.ask(Request::Answer),
            2 => world.ask(Request::HangUp),
            3 => world.ask(Request::Probe),
            4 => world.ask(Request::Dial("5550002".parse().unwrap())),
            5 => world.ask(Request::Dial("+15550002;".parse().unwrap())),
            6 => world.modem.handle_carrier(Carrier::Present, world.now),
            7 => world.modem.handle_carrier(Carrier::Absent, world.now),
            8 => world.modem.handle_carrier(Carrier::Unknown, world.now),
            9 => world.pass_deadline(),
            10 => world.pass(Duration::from_millis(100)),
            11 => world.pass(Duration::from_secs(6)),
            12 => world.hear(b"\r\nOK\r\n"),
            13 => world.hear(b"\r\nRING\r\n"),
            // The last numbers, so that older corpora keep their meaning.
            250 => world.modem = modem(Some("conexant")),
            251 => world.modem = modem(Some("gsm")),
            252 => world.modem = modem(None),
            253 => world.ask(Request::Identify),
            254 => world.ask(Request::Ask("+VCID?".parse().unwrap())),
            255 => world.ask(Request::ListCalls),
            _ => {
                let length = usize::from(step) % READ;
                let (bytes, after) = rest.split_at(length.min(rest.len()));
                rest = after;
                world.hear(bytes);
            }
        }
        world.drain();
    }
    world.comes_to_rest();
    world.can_be_set_up_again();
}

/// A machine for a modem of this kind, or of one that it is to find out; it may look for it at other rates.
fn modem(kind: Option<&str>) -> Modem {
    let catalogue = Catalogue::built_in();
    let kind = match kind {
        Some(id) => Kind::Known(catalogue.find(id).unwrap()),
        None => Kind::FindOut { catalogue: Arc::new(catalogue), usb: None },
    };
    Modem::new(Settings { flow_control: true, ..Settings::for_kind(kind) }).at_rate(9600)
}

struct World {
    modem: Modem,
    now: Instant,
    /// Command lines not answered yet.
    sent: usize,
    ready: bool,
}

impl World {
    #[allow(clippy::disallowed_methods, reason = "an arbitrary instant to count from")]
    fn new() -> Self {
        Self { modem: Modem::new(Settings::default()), now: Instant::now(), sent: 0, ready: false }
    }

    fn ask(&mut self, request: Request) {
        // A busy modem may refuse.
        let _refused = self.modem.request(request, self.now);
    }

    fn hear(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.modem.in_data() {
            let taken = self.modem.handle_bytes(bytes, self.now);
            assert!(taken <= bytes.len(), "more taken than there was");
            let outputs = self.drain();
            assert!(taken > 0 || outputs > 0 || self.modem.in_data(), "bytes are left and nothing is wanted");
            bytes = &bytes[taken..];
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.modem.handle_timeout(self.now);
    }

    fn pass_deadline(&mut self) {
        if let Some((at, _)) = self.modem.deadline() {
            self.now = self.now.max(at);
            self.modem.handle_timeout(self.now);
            assert!(self.modem.deadline().is_none_or(|(next, _)| next > self.now), "a deadline that does not pass");
        }
    }

    fn drain(&mut self) -> usize {
        let mut count = 0;
        while let Some(output) = self.modem.poll_output() {
            count += 1;
            match output {
                Output::Send(bytes) => {
                    assert!(bytes.len() <= COMMAND, "a command of {} bytes", bytes.len());
                    self.sent += 1;
                }
                Output::SetDtr(_) | Output::SetRate(_) | Output::SetFlowControl => {}
                Output::Report(event) => self.ready |= event == Event::Ready,
            }
        }
        assert!(count <= OUTPUTS, "{count} outputs at a time");
        count
    }

    /// Whatever was going on, a modem that falls silent leads to an idle machine or to data, and soon.
    fn comes_to_rest(&mut self) {
        for _ in 0..TIMERS {
            if self.modem.deadline().is_none() {
                break;
            }
            self.pass_deadline();
            self.drain();
        }
        assert!(self.modem.deadline().is_none(), "still waiting for {:?}", self.modem.deadline());
        assert!(self.modem.is_idle() || self.modem.in_data(), "neither idle nor in data, and no deadline");
    }

    /// And a modem that answers can be set up, whatever was said before.
    fn can_be_set_up_again(&mut self) {
        self.ready = false;
        self.ask(Request::Initialise);
        self.sent = 0;
        self.drain();
        for _ in 0..TIMERS {
            match self.sent.checked_sub(1) {
                Some(rest) => {
                    self.sent = rest;
                    self.hear(b"\r\nOK\r\n");
                }
                None => {
                    self.pass_deadline();
                    self.drain();
                }
            }
        }
        assert!(self.ready, "not ready although every command was answered");
    }
}
