//! One direction of an established call: bytes leave at the line's rate and arrive after its delay.
//!
//! Owns pacing, the bounded buffers of both modems and what disturbs the line: jitter, noise, silence. A terminal that
//! does not read stops the line, and so, in the end, the terminal that writes: as V.42 does it. Under V.42 a disturbed
//! block is sent again and only costs time; without it, the bits that the noise hit arrive turned over.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use oorandom::Rand64;

/// What the sending modem takes from its terminal ahead of the line.
const SEND_BUFFER: usize = 4096;
/// What the receiving modem holds for a terminal that does not read.
const RECEIVE_BUFFER: usize = 4096;
/// Bytes travel in blocks of this much line time (as V.42 frames do), so that a fast line costs few wake-ups.
const BLOCK_TIME: Duration = Duration::from_millis(10);

/// How often a disturbed block is sent again at most.
const MOST_REPEATS: u32 = 8;
/// More bit errors than this many in a million turn a byte over more often than not.
pub(super) const MOST_ERRORS: u32 = 100_000;

/// What a line does to all that passes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quality {
    /// One-way delay.
    pub(super) delay: Duration,
    /// What is added to the delay of a block at most.
    pub(super) jitter: Duration,
    /// Bit errors in a million bits.
    pub(super) noise: u32,
    /// Bits on the line for a byte.
    pub(super) bits: u8,
    /// Whether the modems correct errors.
    pub(super) corrected: bool,
}

/// One direction of a call.
#[derive(Clone, Debug)]
pub(super) struct Circuit {
    rate: u32,
    byte_time: Duration,
    block: usize,
    quality: Quality,
    /// More noise for a time.
    burst: Option<(u32, Option<Instant>)>,
    /// Nothing is sent now.
    held: bool,
    /// Whether bytes take no time: they have been paced elsewhere.
    passing: bool,
    random: Rand64,
    queue: VecDeque<u8>,
    sending: Option<(Instant, Vec<u8>)>,
    under_way: VecDeque<(Instant, Vec<u8>)>,
    /// Bytes in `sending` and `under_way`.
    travelling: usize,
    arrived: VecDeque<u8>,
}

impl Circuit {
    /// A silent line of `rate` bit/s.
    pub(super) fn new(rate: u32, quality: Quality, random: Rand64) -> Self {
        let mut circuit = Self {
            rate,
            byte_time: Duration::ZERO,
            block: 0,
            quality,
            burst: None,
            held: false,
            passing: false,
            random,
            queue: VecDeque::new(),
            sending: None,
            under_way: VecDeque::new(),
            travelling: 0,
            arrived: VecDeque::new(),
        };
        circuit.set_rate(rate);
        circuit
    }

    /// A line that only passes on what has been paced elsewhere, with the same buffers.
    pub(super) fn passing(random: Rand64) -> Self {
        let quality = Quality { delay: Duration::ZERO, jitter: Duration::ZERO, noise: 0, bits: 1, corrected: true };
        Self { passing: true, ..Self::new(u32::MAX, quality, random) }
    }

    /// Goes on at another rate in bit/s.
    pub(super) fn set_rate(&mut self, rate: u32) {
        self.rate = rate;
        let byte_time = Duration::from_nanos(u64::from(self.quality.bits) * 1_000_000_000 / u64::from(rate.max(1)));
        self.byte_time = byte_time.max(Duration::from_nanos(1));
        let block = usize::try_from(BLOCK_TIME.as_nanos() / self.byte_time.as_nanos()).unwrap_or(SEND_BUFFER);
        self.block = block.clamp(1, SEND_BUFFER);
    }

    /// Its rate in bit/s; what has been paced elsewhere knows none.
    pub(super) fn rate(&self) -> Option<u32> {
        Some(self.rate).filter(|_| !self.passing)
    }

    /// Sends nothing until told to go on; what is under way arrives.
    pub(super) fn hold(&mut self) {
        self.held = true;
    }

    /// Goes on after [`Self::hold`].
    pub(super) fn go_on(&mut self, now: Instant) {
        self.held = false;
        self.start(now);
    }

    /// Makes as many bit errors in a million bits, until then or for ever.
    pub(super) fn disturb(&mut self, noise: u32, until: Option<Instant>) {
        self.burst = Some((noise.min(MOST_ERRORS), until));
    }

    /// How many bytes the sending modem takes now.
    pub(super) fn room(&self) -> usize {
        SEND_BUFFER.saturating_sub(self.queue.len())
    }

    /// Takes bytes to send; what exceeds [`Self::room`] is lost, as in a modem whose flow control is ignored.
    pub(super) fn send(&mut self, bytes: &[u8], now: Instant) {
        self.queue.extend(bytes.iter().take(self.room()));
        self.start(now);
    }

    /// Moves bytes along the line up to `now`.
    pub(super) fn advance(&mut self, now: Instant) {
        loop {
            if let Some((done, block)) = self.sending.take_if(|(done, _)| *done <= now) {
                let arrival = done + self.quality.delay + self.jitter();
                let arrival = self.under_way.back().map_or(arrival, |(before, _)| arrival.max(*before));
                self.under_way.push_back((arrival, block));
                self.start(done);
                continue;
            }
            if self.under_way.front().is_none_or(|(arrival, _)| *arrival > now) {
                return;
            }
            if let Some((_, block)) = self.under_way.pop_front() {
                self.travelling = self.travelling.saturating_sub(block.len());
                self.arrived.extend(block);
            }
        }
    }

    /// Hands over what has arrived, and lets the line run on if it had to stop.
    pub(super) fn take_arrived(&mut self, now: Instant) -> Vec<u8> {
        let bytes = std::mem::take(&mut self.arrived).into();
        self.start(now);
        bytes
    }

    /// Whether nothing is left on the line or in either buffer.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.travelling == 0 && self.arrived.is_empty()
    }

    /// When the next block has been sent or has arrived.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let sent = self.sending.as_ref().map(|(done, _)| *done);
        let arrival = self.under_way.front().map(|(arrival, _)| *arrival);
        sent.into_iter().chain(arrival).min()
    }

    fn start(&mut self, at: Instant) {
        // What travels never exceeds what the receiving modem can hold plus what the delay keeps on the line.
        let longest = self.quality.delay + self.quality.jitter;
        let on_the_line = usize::try_from(longest.as_nanos() / self.byte_time.as_nanos()).unwrap_or(SEND_BUFFER);
        let window = RECEIVE_BUFFER.saturating_add(on_the_line).saturating_sub(self.travelling + self.arrived.len());
        if self.held {
            return;
        }
        if self.passing {
            return self.arrived.extend(self.queue.drain(..self.queue.len().min(window)));
        }
        let length = self.queue.len().min(self.block).min(window);
        if self.sending.is_some() || length == 0 {
            return;
        }
        let mut block: Vec<u8> = self.queue.drain(..length).collect();
        let bytes = u32::try_from(length).unwrap_or(u32::MAX);
        self.travelling += length;
        let mut time = self.byte_time.saturating_mul(bytes);
        let noise = self.noise(at);
        if noise > 0 && self.quality.corrected {
            // The receiver asks for it again, which takes a round trip.
            let mut repeats = 0;
            while repeats < MOST_REPEATS && self.turn_bits(noise, &mut block.clone()) {
                repeats += 1;
            }
            let again = self.byte_time.saturating_mul(bytes) + 2 * self.quality.delay;
            time += again.saturating_mul(repeats);
        } else if noise > 0 {
            self.turn_bits(noise, &mut block);
        }
        self.sending = Some((at + time, block));
    }

    fn noise(&mut self, at: Instant) -> u32 {
        let over = |until: &Option<Instant>| until.is_some_and(|until| until <= at);
        self.burst.take_if(|(_, until)| over(until));
        self.burst.map_or(self.quality.noise, |(noise, _)| noise.max(self.quality.noise))
    }

    fn jitter(&mut self) -> Duration {
        match u64::try_from(self.quality.jitter.as_nanos()) {
            Ok(jitter) if jitter > 0 => Duration::from_nanos(self.random.rand_range(0..jitter)),
            Ok(_) | Err(_) => Duration::ZERO,
        }
    }

    /// Turns over the bits that `noise` hits; answers whether there was any.
    fn turn_bits(&mut self, noise: u32, block: &mut [u8]) -> bool {
        let mut hit = false;
        for byte in block {
            // One bit a byte at most: at the noise that is allowed, more would make no difference to a program.
            if self.random.rand_range(0..1_000_000) < 8 * u64::from(noise.min(MOST_ERRORS)) {
                *byte ^= 1 << self.random.rand_range(0..8);
                hit = true;
            }
        }
        hit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet(delay: Duration) -> Quality {
        Quality { delay, jitter: Duration::ZERO, noise: 0, bits: 10, corrected: false }
    }

    fn circuit(rate: u32, quality: Quality) -> Circuit {
        Circuit::new(rate, quality, Rand64::new(1))
    }

    fn run(circuit: &mut Circuit, until: Instant) -> Vec<u8> {
        let mut received = Vec::new();
        while let Some(at) = circuit.deadline().filter(|at| *at <= until) {
            circuit.advance(at);
            received.extend(circuit.take_arrived(at));
        }
        received
    }

    #[test]
    fn bytes_take_their_bits_over_the_rate_and_then_the_delay() {
        let start = crate::emulator::an_instant();
        let mut circuit = circuit(2400, quiet(Duration::from_millis(100)));
        circuit.send(&[7; 240], start);
        let half = run(&mut circuit, start + Duration::from_millis(600));
        assert!((118..=120).contains(&half.len()), "{} bytes after half a second of line time", half.len());
        run(&mut circuit, start + Duration::from_millis(1099));
        assert!(!circuit.is_empty());
        run(&mut circuit, start + Duration::from_millis(1101));
        assert!(circuit.is_empty());
    }

    #[test]
    fn a_reader_that_stops_stops_the_writer_and_loses_nothing() {
        let start = crate::emulator::an_instant();
        let mut now = start;
        let mut circuit = circuit(33_600, quiet(Duration::from_millis(20)));
        let mut sent: usize = 0;
        for _ in 0..1000 {
            let room = circuit.room();
            circuit.send(&vec![b'x'; room], now);
            sent += room;
            now += Duration::from_millis(100);
            circuit.advance(now);
        }
        assert_eq!(circuit.room(), 0);
        assert!(sent <= SEND_BUFFER + RECEIVE_BUFFER + 200, "{sent} bytes taken");
        let mut received = circuit.take_arrived(now).len();
        received += run(&mut circuit, now + Duration::from_secs(60)).len();
        assert_eq!(received, sent);
    }

    #[test]
    fn bytes_beyond_the_room_are_lost() {
        let start = crate::emulator::an_instant();
        let mut circuit = circuit(33_600, quiet(Duration::ZERO));
        circuit.send(&vec![0; SEND_BUFFER + 500], start);
        assert_eq!(run(&mut circuit, start + Duration::from_secs(60)).len(), SEND_BUFFER);
    }

    #[test]
    fn jitter_spreads_arrivals_and_keeps_their_order() {
        let start = crate::emulator::an_instant();
        let jitter = Duration::from_millis(200);
        let mut circuit = circuit(33_600, Quality { jitter, ..quiet(Duration::from_millis(20)) });
        let sent: Vec<u8> = (0..=255).cycle().take(3000).collect();
        circuit.send(&sent, start);
        let mut received = Vec::new();
        let mut gaps = Vec::new();
        let mut last = start;
        while let Some(at) = circuit.deadline() {
            circuit.advance(at);
            let bytes = circuit.take_arrived(at);
            if !bytes.is_empty() {
                gaps.push(at - last);
                last = at;
                received.extend(bytes);
            }
        }
        assert_eq!(received, sent);
        assert!(gaps.iter().max() > Some(&Duration::from_millis(40)), "{gaps:?}");
    }

    #[test]
    fn noise_turns_bits_over_without_error_correction_and_costs_time_with_it() {
        let start = crate::emulator::an_instant();
        let through = |corrected, noise| {
            let mut circuit = circuit(33_600, Quality { corrected, noise, ..quiet(Duration::from_millis(20)) });
            circuit.send(&[0x55; 4000], start);
            let mut received = Vec::new();
            let mut end = start;
            while let Some(at) = circuit.deadline() {
                circuit.advance(at);
                received.extend(circuit.take_arrived(at));
                end = at;
            }
            (received.iter().filter(|byte| **byte != 0x55).count(), end - start, received.len())
        };
        let (quiet, noisy, corrected) = (through(false, 0), through(false, 1000), through(true, 1000));
        assert_eq!((quiet.0, quiet.2, noisy.2, corrected.2), (0, 4000, 4000, 4000));
        assert!((16..60).contains(&noisy.0), "{} of 32 bytes", noisy.0);
        assert_eq!(noisy.1, quiet.1);
        assert_eq!(corrected.0, 0);
        assert!(corrected.1 > quiet.1 + Duration::from_millis(500), "{:?}", corrected.1);
    }

    #[test]
    fn a_burst_of_noise_passes() {
        let start = crate::emulator::an_instant();
        let mut circuit = circuit(2400, quiet(Duration::ZERO));
        circuit.disturb(MOST_ERRORS, Some(start + Duration::from_secs(1)));
        circuit.send(&[0; 480], start);
        let received = run(&mut circuit, start + Duration::from_secs(3));
        let (during, after) = received.split_at(242);
        assert!(during.iter().filter(|byte| **byte != 0).count() > 100);
        assert!(after.iter().all(|byte| *byte == 0));
    }

    #[test]
    fn a_held_line_sends_nothing_and_loses_nothing() {
        let start = crate::emulator::an_instant();
        let mut circuit = circuit(2400, quiet(Duration::ZERO));
        circuit.hold();
        circuit.send(b"hello", start);
        assert_eq!(circuit.deadline(), None);
        circuit.go_on(start);
        assert_eq!(run(&mut circuit, start + Duration::from_secs(1)), b"hello");
    }
}
