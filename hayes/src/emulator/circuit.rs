//! One direction of an established call: bytes leave at the line's rate and arrive after its delay.
//!
//! Owns pacing and the bounded buffers of both modems. A terminal that does not read stops the line, and so, in the
//! end, the terminal that writes: as V.42 does it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What the sending modem takes from its terminal ahead of the line.
const SEND_BUFFER: usize = 4096;
/// What the receiving modem holds for a terminal that does not read.
const RECEIVE_BUFFER: usize = 4096;
/// Bytes travel in blocks of this much line time (as V.42 frames do), so that a fast line costs few wake-ups.
const BLOCK_TIME: Duration = Duration::from_millis(10);

/// One direction of a call.
#[derive(Clone, Debug)]
pub(super) struct Circuit {
    byte_time: Duration,
    block: usize,
    delay: Duration,
    /// Whether bytes take no time: they have been paced elsewhere.
    passing: bool,
    queue: VecDeque<u8>,
    sending: Option<(Instant, Vec<u8>)>,
    under_way: VecDeque<(Instant, Vec<u8>)>,
    /// Bytes in `sending` and `under_way`.
    travelling: usize,
    arrived: VecDeque<u8>,
}

impl Circuit {
    /// A silent line of `rate` bit/s with `bits` on the line for each byte.
    pub(super) fn new(rate: u32, bits: u8, delay: Duration) -> Self {
        let byte_time = Duration::from_nanos(u64::from(bits) * 1_000_000_000 / u64::from(rate.max(1)));
        let byte_time = byte_time.max(Duration::from_nanos(1));
        let block = usize::try_from(BLOCK_TIME.as_nanos() / byte_time.as_nanos()).unwrap_or(SEND_BUFFER);
        Self {
            byte_time,
            block: block.clamp(1, SEND_BUFFER),
            delay,
            passing: false,
            queue: VecDeque::new(),
            sending: None,
            under_way: VecDeque::new(),
            travelling: 0,
            arrived: VecDeque::new(),
        }
    }

    /// A line that only passes on what has been paced elsewhere, with the same buffers.
    pub(super) fn passing() -> Self {
        Self { passing: true, ..Self::new(u32::MAX, 1, Duration::ZERO) }
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
                self.under_way.push_back((done + self.delay, block));
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
        let on_the_line = usize::try_from(self.delay.as_nanos() / self.byte_time.as_nanos()).unwrap_or(SEND_BUFFER);
        let window = RECEIVE_BUFFER.saturating_add(on_the_line).saturating_sub(self.travelling + self.arrived.len());
        if self.passing {
            return self.arrived.extend(self.queue.drain(..self.queue.len().min(window)));
        }
        let length = self.queue.len().min(self.block).min(window);
        if self.sending.is_some() || length == 0 {
            return;
        }
        let block: Vec<u8> = self.queue.drain(..length).collect();
        let bytes = u32::try_from(length).unwrap_or(u32::MAX);
        self.travelling += length;
        self.sending = Some((at + self.byte_time.saturating_mul(bytes), block));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let mut circuit = Circuit::new(2400, 10, Duration::from_millis(100));
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
        let mut circuit = Circuit::new(33_600, 10, Duration::from_millis(20));
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
        let mut circuit = Circuit::new(33_600, 10, Duration::ZERO);
        circuit.send(&vec![0; SEND_BUFFER + 500], start);
        assert_eq!(run(&mut circuit, start + Duration::from_secs(60)).len(), SEND_BUFFER);
    }
}
