//! An exchange of two lines against whatever two terminals and a clock can do to it.

use std::time::{Duration, Instant};

use hayes::caller::CallerId;
use hayes::command::{Command, commands};
use hayes::emulator::dce::Role;
use hayes::emulator::exchange::fault::{Fault, Treatment};
use hayes::emulator::exchange::outside::{Far, OutsideAct, OutsideCaller, OutsideId};
use hayes::emulator::exchange::{Exchange, LineId, Output};
use hayes::emulator::plan::{CallWaiting, LinePlan, Plan};
use hayes::reply::ResultCode;

/// How many bytes a terminal sends at most at a time.
const WRITE: usize = 64;
/// More timers than an exchange needs to come to rest.
const TIMERS: usize = 20_000;
/// Of what a modem says for one thing that happens: a whole listing of registers, and what a circuit holds.
const ANSWER: usize = 64 * 1024;

/// Takes one command line, or steps of both terminals: a byte that says what happens, and what belongs to it.
pub fn run(data: &[u8]) {
    match data.split_first() {
        Some((0, body)) => one_line_has_one_result(body),
        Some((_, steps)) => any_steps_come_to_rest(steps),
        None => {}
    }
}

fn any_steps_come_to_rest(mut rest: &[u8]) {
    let mut world = World::new();
    while let Some((&step, after)) = rest.split_first() {
        rest = after;
        let line = world.lines[usize::from(step & 1)];
        match step >> 1 {
            0 => world.exchange.handle_dtr(line, false, world.now),
            1 => world.exchange.handle_dtr(line, true, world.now),
            2 => world.exchange.handle_flow(line, false, world.now),
            3 => world.exchange.handle_flow(line, true, world.now),
            4 => world.pass_deadline(),
            5 => world.pass(Duration::from_millis(20)),
            6 => world.pass(Duration::from_secs(1)),
            7 => world.pass(Duration::from_secs(10)),
            8 => world.exchange.handle_bytes(line, b"ATD5550001\r", world.now),
            9 => world.exchange.handle_bytes(line, b"ATD5550002\r", world.now),
            10 => world.exchange.handle_bytes(line, b"ATA\r", world.now),
            11 => world.exchange.handle_bytes(line, b"ATS0=1\r", world.now),
            12 => world.exchange.handle_bytes(line, b"+++", world.now),
            120 => world.befall(Fault::CarrierLoss { line, lasts: Some(Duration::from_secs(1)) }),
            121 => world.befall(Fault::Noise { line, errors: 10_000, lasts: None }),
            122 => world.befall(Fault::Retrain { line, lasts: Duration::from_secs(2), rate: Some(2400) }),
            123 => world.befall(Fault::LoopDrop { line }),
            124 => world.befall(Fault::Treat { number: None, treatment: Treatment::NoAnswer, calls: Some(1) }),
            125 => world.befall(Fault::Glare { line, caller: caller() }),
            126 => world.outside = Some(world.exchange.call_from_outside("5550002", caller(), world.now)),
            127 => world.act_outside(if step & 1 == 0 { OutsideAct::HangUp } else { OutsideAct::Data(vec![7; 500]) }),
            length => {
                let (bytes, after) = rest.split_at((usize::from(length) % WRITE).min(rest.len()));
                rest = after;
                world.exchange.handle_bytes(line, bytes, world.now);
            }
        }
        world.drain();
    }
    world.act_outside(OutsideAct::HangUp);
    // Terminals that fall silent leave calls that stand or end, but nothing that goes on forever.
    world.comes_to_rest();
}

/// A line of commands gets its result code, and no other (V.250 5.7).
fn one_line_has_one_result(body: &[u8]) {
    if body.len() > 80 || body.iter().any(|byte| *byte < b' ' || *byte > b'~') || ends_otherwise(body) {
        return;
    }
    let mut world = World::new();
    let line = world.lines[0];
    world.exchange.handle_dtr(line, true, world.now);
    world.exchange.handle_bytes(line, b"ATE0V1Q0X4\r", world.now);
    world.comes_to_rest();
    world.heard.clear();
    world.exchange.handle_bytes(line, &[b"AT", body, b"\r"].concat(), world.now);
    world.comes_to_rest();
    let heard = String::from_utf8_lossy(&world.heard).into_owned();
    let results = heard.lines().filter_map(ResultCode::from_verbose).filter(is_final).count();
    assert_eq!(results, 1, "to AT{}: {heard:?}", String::from_utf8_lossy(body));
}

/// Whether the line changes how results are shown, asks for texts that look like one (`ATI5`), or leaves a call
/// behind whose end is told later.
fn ends_otherwise(body: &[u8]) -> bool {
    commands(body).flatten().any(|command| match command {
        Command::Basic { family, letter, .. } => match family {
            None => matches!(letter, 'Q' | 'V' | 'X' | 'E' | 'Z' | 'A' | 'O' | 'I'),
            Some(family) => family == '&' && matches!(letter, 'F' | 'V' | 'W' | 'Y'),
        },
        Command::SetRegister { register, .. } | Command::SetRegisterBit { register, .. } => register < 6,
        Command::Dial(dial) => dial.voice,
        Command::ReadNumber(_) => true,
        Command::ReadRegister(_)
        | Command::ReadRegisterBit { .. }
        | Command::StoreNumber { .. }
        | Command::Extended { .. } => false,
    })
}

fn caller() -> OutsideCaller {
    let name = "outside".to_owned();
    OutsideCaller { name, id: CallerId::default(), rate: 14_400, far: Far::Plain, role: Role::Originate }
}

fn is_final(code: &ResultCode) -> bool {
    match code {
        ResultCode::Ring | ResultCode::Ringing => false,
        ResultCode::Ok
        | ResultCode::Connect(_)
        | ResultCode::NoCarrier
        | ResultCode::Error
        | ResultCode::NoDialTone
        | ResultCode::Busy
        | ResultCode::NoAnswer
        | ResultCode::Delayed
        | ResultCode::Blacklisted
        | ResultCode::BlacklistFull => true,
    }
}

struct World {
    exchange: Exchange,
    lines: [LineId; 2],
    now: Instant,
    /// Who called last from outside.
    outside: Option<OutsideId>,
    /// What the first line said.
    heard: Vec<u8>,
}

impl World {
    #[allow(clippy::disallowed_methods, reason = "an arbitrary instant to count from")]
    fn new() -> Self {
        let line = |name: &str, number: &str| LinePlan {
            name: name.to_owned(),
            number: number.to_owned(),
            call_waiting: CallWaiting::Tone,
            ..LinePlan::default()
        };
        let lines = vec![line("a", "5550001"), line("b", "5550002")];
        let exchange = Exchange::new(Plan { lines, ..Plan::default() }).unwrap();
        let lines = [exchange.line("a").unwrap(), exchange.line("b").unwrap()];
        Self { exchange, lines, now: Instant::now(), outside: None, heard: Vec::new() }
    }

    fn befall(&mut self, fault: Fault) {
        self.exchange.inject(fault, "fuzz", self.now);
    }

    fn act_outside(&mut self, act: OutsideAct) {
        if let Some(id) = self.outside {
            self.exchange.handle_outside(id, act, self.now);
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.exchange.handle_timeout(self.now);
    }

    fn pass_deadline(&mut self) {
        if let Some((at, _)) = self.exchange.deadline() {
            self.now = self.now.max(at);
            self.exchange.handle_timeout(self.now);
            assert!(self.exchange.deadline().is_none_or(|(next, _)| next > self.now), "a deadline that does not pass");
        }
    }

    fn drain(&mut self) {
        let mut said = 0;
        while let Some(output) = self.exchange.poll_output() {
            match output {
                Output::Send { line, bytes } => {
                    said += bytes.len();
                    if line == self.lines[0] {
                        self.heard.extend(bytes);
                    }
                }
                Output::Outside { .. } | Output::Report(_) => said += 1,
            }
        }
        assert!(said <= ANSWER, "{said} bytes at a time");
    }

    fn comes_to_rest(&mut self) {
        self.drain();
        for _ in 0..TIMERS {
            if self.exchange.deadline().is_none() {
                return;
            }
            self.pass_deadline();
            self.drain();
        }
        panic!("the exchange still waits for {:?}", self.exchange.deadline());
    }
}
