//! The host's side: says nothing until the first valid line, lets somebody prove who it is, and tells what will happen.
//!
//! | state | input | next |
//! |---|---|---|
//! | silent | `RINGUP` and a version | challenged |
//! | silent | `RINGUP`, typed | prompted |
//! | silent, prompted | a code that is next | spending: [`Output::Spend`] |
//! | spending | it is noted as used | deciding: [`Output::Admitted`] |
//! | challenged | both parts of a signature, by a key that may wake | deciding |
//! | challenged, prompted | a wrong signature or code | the same, a try less, another challenge; after the third telling |
//! | silent | a wrong code | silent; after the third, hung up |
//! | challenged | a garbled line | challenged: it is asked for again |
//! | deciding | the verdict | telling |
//! | telling | `BYE`, or time | hung up: [`Output::HangUp`] |
//! | any but telling | `NO CARRIER`, the modem's own word | hung up |
//! | silent | time | hung up |
//! | challenged, prompted | time | telling |

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::code::{Code, CodeKey, Counter};
use super::line::{LineReader, Typed};
use super::proof::{Nonce, proves};
use super::words::{FromCaller, FromHost, NotUnderstood, Refusal, Verdict};
use super::{AGAIN_LIMIT, LOST, PATIENCE, TRIES, VERSION};
use crate::record::{HostName, PublicKey};

/// How long the verdict may take to be heard: the slowest modems have 300 bit/s, at which 72 characters take 2.4 s.
const HEARD_WITHIN: Duration = Duration::from_secs(3);

/// Who is let in.
#[derive(Clone, Debug)]
pub struct Door {
    /// The host's names, for one of which a proof must be.
    pub names: Vec<HostName>,
    /// The keys of clients that may wake it, with the names that its owner gave them.
    pub keys: Vec<(String, PublicKey)>,
    /// The secret of the codes that a person may type; `None` if no person may.
    pub codes: Option<CodeKey>,
}

/// Who was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admitted {
    /// Whoever had the code of this number.
    Code(Counter),
    /// The client of this name.
    Key(String),
}

/// Whether a code could be noted as used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    /// It is, durably.
    Noted,
    /// It was used before.
    Before,
    /// It could not be written down.
    Failed,
}

/// How a conversation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The caller said goodbye before anything was decided.
    Left,
    /// The line was lost before anything was decided.
    Lost,
    /// The caller was told this.
    Told(Verdict),
    /// Nothing valid was heard.
    Unheard,
}

/// What the shell is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send these bytes.
    Send(Vec<u8>),
    /// Note the code of this number as used, and answer with [`Host::handle_spent`].
    Spend(Counter),
    /// Decide what to do for whom, and answer with [`Host::handle_verdict`].
    Admitted(Admitted),
    /// Hang up; the conversation is over.
    HangUp(Ending),
}

/// The host's side of one call.
#[derive(Debug)]
pub struct Host {
    door: Arc<Door>,
    /// The first code that is not used.
    next: Counter,
    nonces: [Nonce; TRIES],
    tries: usize,
    style: Style,
    state: State,
    reader: LineReader,
    agains: u32,
    outputs: VecDeque<Output>,
}

/// With whom it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// Nobody, so far.
    Nobody,
    Machine,
    Person,
}

#[derive(Debug)]
enum State {
    Listening { until: Instant, parts: [Option<String>; 2] },
    Spending(Counter),
    Deciding,
    Telling { verdict: Verdict, until: Instant },
    HungUp,
}

impl Host {
    /// Takes a call that has just been connected. Each of the nonces must never have been used before.
    #[must_use]
    pub fn new(door: Arc<Door>, next: Counter, nonces: [Nonce; TRIES], now: Instant) -> Self {
        Self {
            door,
            next,
            nonces,
            tries: 0,
            style: Style::Nobody,
            state: State::Listening { until: now + PATIENCE, parts: [None, None] },
            reader: LineReader::default(),
            agains: 0,
            outputs: VecDeque::new(),
        }
    }

    /// Takes what the caller sent.
    pub fn handle_bytes(&mut self, bytes: &[u8], now: Instant) {
        for byte in bytes {
            let typed = self.reader.push(*byte);
            let prompted = self.style == Style::Person && matches!(self.state, State::Listening { .. });
            match typed {
                Typed::Character(character) if prompted => self.send(&character.to_string()),
                Typed::Erased if prompted => self.send("\x08 \x08"),
                Typed::Line(line) => {
                    if prompted {
                        self.send("\r\n");
                    }
                    self.handle_line(&line.unwrap_or_default(), now);
                }
                Typed::Character(_) | Typed::Erased | Typed::Nothing => {}
            }
        }
    }

    /// The code was noted as used, or not.
    pub fn handle_spent(&mut self, spent: Spent, now: Instant) {
        let State::Spending(counter) = self.state else { return };
        match spent {
            Spent::Noted => {
                self.style = Style::Person;
                self.next = counter.after(1);
                self.state = State::Deciding;
                self.outputs.push_back(Output::Admitted(Admitted::Code(counter)));
            }
            Spent::Before => self.wrong(now),
            Spent::Failed => {
                self.style = Style::Person;
                self.tell(Verdict::Refused(Refusal::State), now);
            }
        }
    }

    /// What will be done for whom was let in.
    pub fn handle_verdict(&mut self, verdict: Verdict, now: Instant) {
        if let State::Deciding = self.state {
            self.tell(verdict, now);
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        match self.state {
            State::Listening { until, .. } if until <= now && self.style == Style::Nobody => {
                self.hang_up(Ending::Unheard);
            }
            State::Listening { until, .. } if until <= now => self.tell(Verdict::Refused(Refusal::Time), now),
            State::Telling { verdict, until } if until <= now => self.hang_up(Ending::Told(verdict)),
            State::Listening { .. } | State::Spending(_) | State::Deciding | State::Telling { .. } | State::HungUp => {}
        }
    }

    /// What to do next; to be drained after each input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Host::handle_timeout`] is due, and why.
    #[must_use]
    pub fn deadline(&self) -> Option<(Instant, &'static str)> {
        match self.state {
            State::Listening { until, .. } => Some((until, "the caller to prove who it is")),
            State::Telling { until, .. } => Some((until, "the caller to hear what will happen")),
            State::Spending(_) | State::Deciding | State::HungUp => None,
        }
    }

    fn handle_line(&mut self, line: &str, now: Instant) {
        if line == LOST {
            return self.hang_up(match self.state {
                State::Telling { verdict, .. } => Ending::Told(verdict),
                State::Listening { .. } | State::Spending(_) | State::Deciding | State::HungUp => Ending::Lost,
            });
        }
        match (&self.state, self.style) {
            (State::Listening { .. }, Style::Nobody) => self.handle_first(line, now),
            (State::Listening { .. }, Style::Person) => match Code::parse(line) {
                Some(code) => self.try_code(code, now),
                None => self.prompt("that is no code"),
            },
            (State::Listening { .. }, Style::Machine) => self.handle_word(line.parse(), now),
            (State::Telling { verdict, .. }, Style::Machine) => {
                let verdict = *verdict;
                match line.parse() {
                    Ok(FromCaller::Bye) => self.hang_up(Ending::Told(verdict)),
                    Ok(FromCaller::Again | FromCaller::Hello { .. } | FromCaller::Proof { .. })
                    | Err(NotUnderstood::Garbled) => self.repeat(&FromHost::Told(verdict)),
                    Err(NotUnderstood::Foreign) => {}
                }
            }
            (State::Spending(_) | State::Deciding | State::Telling { .. } | State::HungUp, _) => {}
        }
    }

    /// Takes a line to which nothing is said unless it is valid.
    fn handle_first(&mut self, line: &str, now: Instant) {
        if let Ok(FromCaller::Hello { version }) = line.parse() {
            self.style = Style::Machine;
            if version == VERSION { self.challenge() } else { self.tell(Verdict::Refused(Refusal::Version), now) }
        } else if self.door.codes.is_some() {
            if let Some(code) = Code::parse(line) {
                self.try_code(code, now);
            } else if line.eq_ignore_ascii_case("RINGUP") {
                self.style = Style::Person;
                self.prompt("\r\nringup: type the next code of your list, and Enter");
            }
        }
    }

    fn handle_word(&mut self, word: Result<FromCaller, NotUnderstood>, now: Instant) {
        match word {
            Ok(FromCaller::Again | FromCaller::Hello { .. }) => self.repeat(&FromHost::Challenge(self.nonce())),
            Ok(FromCaller::Bye) => self.hang_up(Ending::Left),
            Ok(FromCaller::Proof { part, digits }) => self.take_part(part, digits, now),
            Err(NotUnderstood::Garbled) => self.repeat(&FromHost::Again),
            Err(NotUnderstood::Foreign) => {}
        }
    }

    fn take_part(&mut self, part: usize, digits: String, now: Instant) {
        let State::Listening { parts, .. } = &mut self.state else { return };
        if let Some(place) = part.checked_sub(1).and_then(|index| parts.get_mut(index)) {
            *place = Some(digits);
        }
        let [Some(first), Some(second)] = parts else { return };
        let parts = [std::mem::take(first), std::mem::take(second)];
        let parts = [parts[0].as_str(), parts[1].as_str()];
        let nonce = self.nonce();
        let Door { keys, names, .. } = &*self.door;
        let known = keys.iter().find(|(_, key)| names.iter().any(|name| proves(key, name, nonce, parts)));
        match known.map(|(name, _)| name.clone()) {
            Some(name) => {
                self.state = State::Deciding;
                self.outputs.push_back(Output::Admitted(Admitted::Key(name)));
            }
            None => self.wrong(now),
        }
    }

    fn try_code(&mut self, code: Code, now: Instant) {
        match self.door.codes.as_ref().and_then(|codes| codes.find(code, self.next)) {
            Some(counter) => {
                self.state = State::Spending(counter);
                self.outputs.push_back(Output::Spend(counter));
            }
            None => self.wrong(now),
        }
    }

    /// What was said does not let anybody in.
    fn wrong(&mut self, now: Instant) {
        self.tries += 1;
        let left = TRIES.saturating_sub(self.tries);
        let until = match (&self.state, self.style) {
            // Who has not said anything valid gets no more time by guessing.
            (State::Listening { until, .. }, Style::Nobody) => *until,
            _ => now + PATIENCE,
        };
        self.state = State::Listening { until, parts: [None, None] };
        match (self.style, left) {
            (Style::Nobody, 0) => self.hang_up(Ending::Unheard),
            (Style::Nobody, _) => {}
            (Style::Machine | Style::Person, 0) => self.tell(Verdict::Refused(Refusal::Tries), now),
            (Style::Machine, _) => {
                self.say(&FromHost::Denied { left });
                self.challenge();
            }
            (Style::Person, _) => self.prompt(&format!("that was no code that is good now; tries left: {left}")),
        }
    }

    fn tell(&mut self, verdict: Verdict, now: Instant) {
        match self.style {
            Style::Nobody => {}
            Style::Machine => self.say(&FromHost::Told(verdict)),
            Style::Person => self.send(&format!("{verdict}\r\n")),
        }
        self.state = State::Telling { verdict, until: now + HEARD_WITHIN };
    }

    /// The nonce of this try.
    fn nonce(&self) -> Nonce {
        let [first, ..] = self.nonces;
        self.nonces.get(self.tries).copied().unwrap_or(first)
    }

    fn challenge(&mut self) {
        self.say(&FromHost::Challenge(self.nonce()));
    }

    fn prompt(&mut self, words: &str) {
        self.send(&format!("{words}\r\ncode: "));
    }

    fn say(&mut self, word: &FromHost) {
        self.send(&format!("{word}\r\n"));
    }

    /// Says a line that was not asked for by anything new; not without end.
    fn repeat(&mut self, word: &FromHost) {
        self.agains += 1;
        if self.agains <= AGAIN_LIMIT {
            self.say(word);
        }
    }

    fn send(&mut self, text: &str) {
        self.outputs.push_back(Output::Send(text.as_bytes().to_vec()));
    }

    fn hang_up(&mut self, ending: Ending) {
        if !matches!(self.state, State::HungUp) {
            self.state = State::HungUp;
            self.outputs.push_back(Output::HangUp(ending));
        }
    }
}

#[cfg(test)]
mod tests;
