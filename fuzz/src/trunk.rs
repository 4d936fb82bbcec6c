//! Either end of a trunk against whatever a stranger can send, and two ends against each other.

use std::time::Instant;

use hayes::caller::CallerId;
use hayes::emulator::dce::Role;
use hayes::emulator::trunk::signal::{Request, Signal};
use hayes::emulator::trunk::{Trunk, TrunkOutput};

/// What a trunk says of its own accord: a greeting, a call, what became of it, and the options it wants.
const SAID: usize = 1024;
/// How many bytes a stranger sends at most at a time.
const WRITE: usize = 64;
/// The longest answer to a byte: a line that makes no sense is objected to.
const OBJECTION: usize = 80;

/// Takes bytes for one end, or data for both ends of a call, with a byte that says which.
pub fn run(data: &[u8]) {
    match data.split_first() {
        Some((0, stranger)) => survives(Trunk::called(now()), stranger),
        Some((1, stranger)) => survives(Trunk::calling(request(), now()), stranger),
        Some((2.., data)) => carries(data),
        None => {}
    }
}

#[allow(clippy::disallowed_methods, reason = "an arbitrary instant to count from")]
fn now() -> Instant {
    Instant::now()
}

fn request() -> Request {
    Request { to: "5550102".into(), caller: CallerId::default(), rate: 33_600, from_exchange: true }
}

/// No bytes bring forth more than they are, and once the end has come nothing follows.
fn survives(mut trunk: Trunk, stranger: &[u8]) {
    let now = now();
    let (mut said, mut data, mut over) = (0, 0, false);
    let mut rest = stranger;
    while let Some((&step, after)) = rest.split_first() {
        rest = after;
        let mut received = 0;
        match step {
            0 => trunk.handle_signal(&Signal::Ringing),
            1 => trunk.handle_signal(&Signal::Answered { role: Role::Answer, rate: 33_600 }),
            2 => trunk.handle_signal(&Signal::Connected { rate: 33_600 }),
            3 => trunk.handle_signal(&Signal::HangUp),
            4 => trunk.handle_end(),
            5 => trunk.handle_timeout(trunk.deadline().map_or(now, |(at, _)| at)),
            length => {
                let (bytes, after) = rest.split_at((usize::from(length) % WRITE).min(rest.len()));
                rest = after;
                received = bytes.len();
                trunk.handle_bytes(bytes, now);
            }
        }
        let budget = SAID + received * OBJECTION;
        while let Some(output) = trunk.poll_output() {
            assert!(!over, "{output:?} after the end");
            match output {
                TrunkOutput::Send(bytes) => said += bytes.len(),
                TrunkOutput::Data(bytes) => data += bytes.len(),
                TrunkOutput::Signal(signal) => assert!(!matches!(signal, Signal::Error(_))),
                TrunkOutput::Finish => over = true,
            }
        }
        assert!(said <= budget, "{said} bytes to {received}");
        assert!(data <= received, "{data} bytes of data out of {received}");
        (said, data) = (0, 0);
    }
    assert!(!over || trunk.deadline().is_none(), "waits for something after the end");
}

/// What one end sends arrives at the other, byte by byte, in pieces of a size that the first byte says.
fn carries(data: &[u8]) {
    let Some((&size, data)) = data.split_first() else { return };
    let now = now();
    let mut ends = [Trunk::calling(request(), now), Trunk::called(now)];
    let mut arrived = [vec![], vec![]];
    let at_a_time = usize::from(size).max(1);
    exchange(&mut ends, &mut arrived, at_a_time, now);
    ends[0].handle_signal(&Signal::Connected { rate: 33_600 });
    exchange(&mut ends, &mut arrived, at_a_time, now);
    for piece in data.chunks(at_a_time) {
        ends[0].handle_data(piece);
        ends[1].handle_data(piece);
    }
    exchange(&mut ends, &mut arrived, at_a_time, now);
    assert_eq!(arrived, [data, data]);
}

fn exchange(ends: &mut [Trunk; 2], arrived: &mut [Vec<u8>; 2], at_a_time: usize, now: Instant) {
    loop {
        let mut quiet = true;
        for from in [0, 1] {
            while let Some(output) = ends[from].poll_output() {
                quiet = false;
                match output {
                    TrunkOutput::Send(bytes) => {
                        bytes.chunks(at_a_time).for_each(|part| ends[1 - from].handle_bytes(part, now));
                    }
                    TrunkOutput::Data(bytes) => arrived[from].extend(bytes),
                    TrunkOutput::Signal(_) => {}
                    TrunkOutput::Finish => panic!("a call between two exchanges ended by itself"),
                }
            }
        }
        if quiet {
            return;
        }
    }
}
