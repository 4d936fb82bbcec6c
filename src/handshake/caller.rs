//! The caller's side: says who calls until it is challenged, signs, and hears what the host will do.
//!
//! Refuses to believe more than it must: what the host says is told to whoever waits, and the host's own record proves it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::line::LineReader;
use super::proof::{Nonce, prove};
use super::words::{FromCaller, FromHost, NotUnderstood, Verdict};
use super::{AGAIN_LIMIT, LOST, PATIENCE, VERSION};
use crate::record::{HostName, Identity};

/// How often the first line is said: the host's modem may be ready a second or two after ours.
const HELLO_EVERY: Duration = Duration::from_secs(2);
/// How often the signature is sent: at 300 bit/s its two lines take 4.6 s.
const PROOF_EVERY: Duration = Duration::from_secs(6);
/// How long it may all take. The host hangs up by itself before.
const LIMIT: Duration = Duration::from_secs(PATIENCE.as_secs() + 10);

/// What came of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The host broke off, or the line did, before it said what it would do.
    BrokenOff,
    /// Our signature did not let us in.
    Denied,
    /// Whoever answered did not speak as a host does.
    Silent,
    /// The host said this.
    Told(Verdict),
}

/// What the shell is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send these bytes.
    Send(Vec<u8>),
    /// Hang up, once all was sent; this came of it.
    Done(Answer),
}

/// The caller's side of one call.
#[derive(Debug)]
pub struct Caller {
    identity: Arc<Identity>,
    host: HostName,
    challenge: Option<Nonce>,
    reader: LineReader,
    until: Instant,
    again_at: Instant,
    agains: u32,
    done: bool,
    outputs: VecDeque<Output>,
}

impl Caller {
    /// Speaks on a call that has just been connected, to this host.
    #[must_use]
    pub fn new(identity: Arc<Identity>, host: HostName, now: Instant) -> Self {
        let mut caller = Self {
            identity,
            host,
            challenge: None,
            reader: LineReader::default(),
            until: now + LIMIT,
            again_at: now,
            agains: 0,
            done: false,
            outputs: VecDeque::new(),
        };
        caller.speak(now);
        caller
    }

    /// Takes what the host sent.
    pub fn handle_bytes(&mut self, bytes: &[u8], now: Instant) {
        for line in self.reader.lines(bytes) {
            if self.done {
                return;
            }
            if line == LOST {
                return self.handle_lost();
            }
            self.handle_line(line.parse(), now);
        }
    }

    /// The line is gone.
    pub fn handle_lost(&mut self) {
        self.finish(self.unanswered());
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.done {
            return;
        }
        if self.until <= now {
            self.finish(self.unanswered());
        } else if self.again_at <= now {
            self.speak(now);
        }
    }

    /// What to do next; to be drained after each input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Caller::handle_timeout`] is due, and why.
    #[must_use]
    pub fn deadline(&self) -> Option<(Instant, &'static str)> {
        let why = if self.challenge.is_some() { "the host to say what it will do" } else { "the host's challenge" };
        (!self.done).then(|| (self.again_at.min(self.until), why))
    }

    fn handle_line(&mut self, word: Result<FromHost, NotUnderstood>, now: Instant) {
        match word {
            Ok(FromHost::Again) => self.repeat(now),
            Ok(FromHost::Challenge(nonce)) if self.challenge == Some(nonce) => self.repeat(now),
            Ok(FromHost::Challenge(nonce)) => {
                self.challenge = Some(nonce);
                self.speak(now);
            }
            Ok(FromHost::Denied { .. }) => self.say_goodbye(Answer::Denied),
            Ok(FromHost::Told(verdict)) => self.say_goodbye(Answer::Told(verdict)),
            // Before the host has spoken it may be anybody's garbage.
            Err(NotUnderstood::Garbled) if self.challenge.is_some() => {
                self.agains += 1;
                if self.agains <= AGAIN_LIMIT {
                    self.say(&FromCaller::Again);
                }
            }
            Err(NotUnderstood::Garbled | NotUnderstood::Foreign) => {}
        }
    }

    /// Says what is to be said now.
    fn speak(&mut self, now: Instant) {
        match self.challenge {
            None => {
                self.say(&FromCaller::Hello { version: VERSION });
                self.again_at = now + HELLO_EVERY;
            }
            Some(nonce) => {
                let parts = prove(&self.identity, &self.host, nonce);
                for (index, digits) in parts.into_iter().enumerate() {
                    self.say(&FromCaller::Proof { part: index + 1, digits });
                }
                self.again_at = now + PROOF_EVERY;
            }
        }
    }

    fn repeat(&mut self, now: Instant) {
        self.agains += 1;
        if self.agains <= AGAIN_LIMIT {
            self.speak(now);
        }
    }

    fn unanswered(&self) -> Answer {
        if self.challenge.is_some() { Answer::BrokenOff } else { Answer::Silent }
    }

    fn say_goodbye(&mut self, answer: Answer) {
        self.say(&FromCaller::Bye);
        self.finish(answer);
    }

    fn finish(&mut self, answer: Answer) {
        if !std::mem::replace(&mut self.done, true) {
            self.outputs.push_back(Output::Done(answer));
        }
    }

    fn say(&mut self, word: &FromCaller) {
        self.outputs.push_back(Output::Send(format!("{word}\r\n").into_bytes()));
    }
}
