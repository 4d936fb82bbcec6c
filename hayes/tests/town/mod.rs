//! An exchange under a virtual clock, as its subscribers see it.
#![allow(dead_code, reason = "no file of tests needs all of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use std::time::{Duration, Instant};

use hayes::emulator::calllog::CallEventKind;
use hayes::emulator::exchange::outside::{OutsideEvent, OutsideId};
use hayes::emulator::exchange::{Exchange, LineId, Output};
use hayes::emulator::plan::{LinePlan, Plan};

/// An exchange, a clock, and for each line what its terminal has shown.
pub(crate) struct Town {
    pub(crate) exchange: Exchange,
    pub(crate) start: Instant,
    pub(crate) now: Instant,
    screens: Vec<(LineId, Vec<u8>)>,
    pub(crate) log: Vec<(u128, CallEventKind)>,
    /// What parties outside were told and have not taken.
    pub(crate) outside: Vec<(OutsideId, OutsideEvent)>,
}

pub(crate) fn line(name: &str, number: &str) -> LinePlan {
    LinePlan { name: name.to_owned(), number: number.to_owned(), ..LinePlan::default() }
}

/// Alice 100, Bob 200, Carol 300.
pub(crate) fn plan() -> Plan {
    Plan { lines: vec![line("alice", "100"), line("bob", "200"), line("carol", "300")], ..Plan::default() }
}

impl Town {
    /// Every terminal switched on, without echo.
    pub(crate) fn new(plan: Plan) -> Self {
        let exchange = Exchange::new(plan).unwrap();
        let start = tokio::time::Instant::now().into_std();
        let lines: Vec<LineId> = exchange.lines().map(|(line, _)| line).collect();
        let screens = lines.iter().map(|line| (*line, Vec::new())).collect();
        let mut town = Self { exchange, start, now: start, screens, log: Vec::new(), outside: Vec::new() };
        // 2026-03-21 14:05 UTC
        town.exchange.handle_wall_clock(Duration::from_secs(1_774_101_900), start);
        for line in lines {
            town.exchange.handle_dtr(line, true, start);
            town.exchange.handle_bytes(line, b"ATE0+VCID=1\r", start);
        }
        town.drain();
        for (_, screen) in &mut town.screens {
            screen.clear();
        }
        town
    }

    pub(crate) fn line(&self, name: &str) -> LineId {
        self.exchange.line(name).unwrap()
    }

    pub(crate) fn drain(&mut self) {
        while let Some(output) = self.exchange.poll_output() {
            match output {
                Output::Send { line, bytes } => {
                    self.screens.iter_mut().find(|(id, _)| *id == line).unwrap().1.extend(bytes);
                }
                Output::Outside { id, event } => self.outside.push((id, event)),
                Output::Report(event) => self.log.push(((event.at - self.start).as_millis(), event.kind)),
            }
        }
    }

    pub(crate) fn types(&mut self, name: &str, text: &str) {
        let line = self.line(name);
        self.exchange.handle_bytes(line, text.as_bytes(), self.now);
        self.drain();
    }

    pub(crate) fn dtr(&mut self, name: &str, on: bool) {
        let line = self.line(name);
        self.exchange.handle_dtr(line, on, self.now);
        self.drain();
    }

    /// Lets time pass, timer by timer.
    pub(crate) fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some((at, _)) = self.exchange.deadline().filter(|(at, _)| *at <= end) {
            self.now = at.max(self.now);
            self.exchange.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    pub(crate) fn wait_ms(&mut self, millis: u64) {
        self.wait(Duration::from_millis(millis));
    }

    /// What the terminal has shown since the last look.
    pub(crate) fn screen(&mut self, name: &str) -> String {
        String::from_utf8(self.bytes(name)).unwrap()
    }

    pub(crate) fn bytes(&mut self, name: &str) -> Vec<u8> {
        let line = self.line(name);
        std::mem::take(&mut self.screens.iter_mut().find(|(id, _)| *id == line).unwrap().1)
    }

    /// What parties outside were told since the last look.
    pub(crate) fn told(&mut self) -> Vec<OutsideEvent> {
        self.outside.drain(..).map(|(_, event)| event).collect()
    }

    /// The names of the logged events since the last look.
    pub(crate) fn log(&mut self) -> Vec<&'static str> {
        self.log.drain(..).map(|(_, kind)| kind.name()).collect()
    }

    /// Alice calls Bob, who answers at the first ring; both screens are clean afterwards.
    pub(crate) fn connect(plan: Plan) -> Self {
        let mut town = Self::new(plan);
        town.types("alice", "ATDT200\r");
        town.wait_ms(5000);
        assert_eq!(town.screen("bob"), "\r\nRING\r\n");
        town.types("bob", "ATA\r");
        town.wait_ms(7900);
        assert_eq!((town.screen("alice"), town.screen("bob")), (String::new(), String::new()));
        town.wait_ms(200);
        assert_eq!(town.screen("bob"), "\r\nCONNECT 33600\r\n");
        assert_eq!(town.screen("alice"), "\r\nCONNECT 33600\r\n");
        town
    }
}
