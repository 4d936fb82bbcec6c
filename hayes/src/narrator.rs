//! What a capture of a modem says, told event by event for a person.
//!
//! Owns the reading of a dialogue from outside: bytes that came from a modem, and those that went to it where they are
//! known, become [`Told`]s with the place where each began. Refuses to take part: it sends nothing, and needs nothing
//! of the line but its bytes. Where only the modem's side is there, its echo tells what it was asked.
//!
//! Bounded whatever comes: a line, a message, the beginning of data and a command are kept, and no more.

mod callers;
mod cellular;
mod data;
mod lines;
mod meaning;
mod question;
mod statement;

use std::collections::VecDeque;
use std::time::Instant;

pub use self::cellular::report as explain_report;
use self::data::{Data, PppStart};
use self::question::Question;
pub use self::question::{classes, register_name};
pub use self::statement::{Content, Side, Statement};
use crate::caller::{BLOCK_GAP, CallerBlock};
use crate::framing::Framer;
use crate::profile::Identification;
use crate::reply::CarrierReport;

/// The longest command line of the terminal that is kept, in bytes.
const SENT_LIMIT: usize = 256;
/// How many lines one message of caller identification may have; the ones after it begin another.
const BLOCK_LINES: usize = 24;
/// How much hexadecimal of one message is kept: 2 + 255 + 1 bytes (GR-30-CORE), and what modems print behind it.
const HEX_LIMIT: usize = 1024;
/// The longest line that may be a numeric result code.
const NUMERIC_DIGITS: usize = 2;

const CR: u8 = b'\r';
const LF: u8 = b'\n';

/// Where something stands in a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// So many bytes after the first.
    Byte(u64),
    /// In this line of a text, from 1.
    Line(u64),
}

impl Place {
    /// The place of the byte that is this far behind this one; all bytes of a text's line share theirs.
    fn plus(self, bytes: usize) -> Self {
        match self {
            Self::Byte(at) => Self::Byte(at.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX))),
            Self::Line(_) => self,
        }
    }

    /// The place of the byte that is this far before this one.
    fn minus(self, bytes: usize) -> Self {
        match self {
            Self::Byte(at) => Self::Byte(at.saturating_sub(u64::try_from(bytes).unwrap_or(u64::MAX))),
            Self::Line(_) => self,
        }
    }
}

/// One line as it was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Where it begins.
    pub at: Place,
    /// Its text, fit for a screen: control characters stand as `\x10`.
    pub text: String,
}

/// One event: what was said, and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Who said it.
    pub by: Side,
    /// The lines, one for most events; more for a message of several.
    pub said: Vec<Said>,
    /// What it means.
    pub statement: Statement,
}

/// Tells what a dialogue says. After each input fetch all that it [tells](Self::poll_output).
#[derive(Debug)]
pub struct Narrator {
    /// Is never told what was sent, so that echo comes out as lines, too.
    framer: Framer,
    /// Asked only what is echo.
    echo: Framer,
    state: State,
    ppp: PppStart,
    began: Option<Place>,
    /// Digits that ended in CR: a result code unless LF follows.
    held: Option<Said>,
    sent: Vec<u8>,
    /// The terminal's side is known: nothing has to be guessed from echo.
    both_sides: bool,
    question: Option<Question>,
    /// The answer has begun.
    answered: bool,
    block: Option<Block>,
    report: CarrierReport,
    rings: u32,
    inquiry: Inquiries,
    told: VecDeque<Told>,
    /// The moment of the last input.
    now: Instant,
    rang: Option<Instant>,
}

#[derive(Debug)]
enum State {
    Command,
    Data(Data),
}

/// Caller identification that is not complete yet.
#[derive(Debug, Default)]
struct Block {
    said: Vec<Said>,
    fields: CallerBlock,
    hexadecimal: String,
    waiting: bool,
}

/// What the modem said it is, so far.
#[derive(Debug, Default)]
struct Inquiries {
    seen: Identification,
    told: Option<String>,
}

impl Narrator {
    /// Begins with a modem in command state of which nothing is known.
    ///
    /// Of a capture without times all input may come at the same moment: a message then ends with the line after it.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            framer: Framer::new(),
            echo: Framer::new(),
            state: State::Command,
            ppp: PppStart::default(),
            began: None,
            held: None,
            sent: Vec::new(),
            both_sides: false,
            question: None,
            answered: false,
            block: None,
            report: CarrierReport::default(),
            rings: 0,
            inquiry: Inquiries::default(),
            told: VecDeque::new(),
            now,
            rang: None,
        }
    }

    /// Takes bytes that came from the modem, the first of which stands at this place.
    pub fn handle_heard(&mut self, bytes: &[u8], at: Place, now: Instant) {
        self.handle_timeout(now);
        for (index, byte) in bytes.iter().enumerate() {
            self.hear(*byte, at.plus(index));
        }
    }

    /// Takes bytes that went to the modem.
    pub fn handle_sent(&mut self, bytes: &[u8], at: Place, now: Instant) {
        self.handle_timeout(now);
        self.both_sides = true;
        self.settle_digits();
        self.end_line();
        if let State::Data(data) = &mut self.state {
            let escape = bytes == b"+++";
            data.escape |= escape;
            let statement = if escape { Statement::Escape } else { Statement::Typed { bytes: bytes.len() } };
            self.tell_sent(bytes, at, statement);
            return;
        }
        self.echo.note_sent(bytes);
        for byte in bytes {
            if *byte == CR {
                let line = std::mem::take(&mut self.sent);
                self.command_sent(&line, at);
            } else if self.sent.len() < SENT_LIMIT {
                self.sent.push(*byte);
            }
        }
        // Neither has an end of line (V.250 5.2.4, Hayes).
        if self.sent == b"+++" {
            self.sent.clear();
            self.tell_sent(b"+++", at, Statement::Escape);
        } else if self.sent.eq_ignore_ascii_case(b"A/") {
            self.sent.clear();
            self.tell_sent(b"A/", at, Statement::Repeat);
        }
    }

    /// Acts on the deadline, if it has come: what waited for more is told.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.deadline().is_some_and(|(at, _)| at <= now) {
            self.settle_digits();
            self.close_block();
        }
        self.now = now;
    }

    /// Takes that the capture ends here; what comes next is another one.
    pub fn handle_end(&mut self) {
        self.settle_digits();
        let known = self.told.len();
        self.end_line();
        self.mark_unfinished(known);
        self.close_block();
        if let State::Data(data) = std::mem::replace(&mut self.state, State::Command) {
            let (data, ended) = data.finish();
            self.tell_data(&data);
            if let Some(at) = ended {
                self.call_over(at);
            }
        }
        self.leave_question();
        let told = std::mem::take(&mut self.told);
        *self = Self { told, both_sides: self.both_sides, ..Self::new(self.now) };
    }

    /// The next event.
    pub fn poll_output(&mut self) -> Option<Told> {
        self.told.pop_front()
    }

    /// The moment of the last input.
    #[must_use]
    pub fn moment(&self) -> Instant {
        self.now
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called, and what is being waited for.
    #[must_use]
    pub fn deadline(&self) -> Option<(Instant, &'static str)> {
        let pause = self.now.checked_add(BLOCK_GAP);
        let held = self.held.as_ref().and(pause).map(|at| (at, "end of the line behind digits"));
        let block = self.block.as_ref().and(pause).map(|at| (at, "rest of the caller identification"));
        held.or(block)
    }

    /// Reports whether the modem is in data state: what comes is from the other end of the call.
    #[must_use]
    pub fn in_data(&self) -> bool {
        matches!(self.state, State::Data(_))
    }
}

/// Bytes into lines.
impl Narrator {
    fn hear(&mut self, byte: u8, at: Place) {
        if let Some(held) = self.held.take() {
            if byte == LF {
                self.interpret(&held.text.clone(), held);
                return;
            }
            self.numeric(held);
        }
        let ppp = self.ppp.begins_with(byte);
        let State::Data(data) = &mut self.state else {
            self.hear_command(byte, at, ppp);
            return;
        };
        let heard = data.hear(byte, at);
        if ppp && !data.is_ppp() {
            data.set_ppp();
            self.tell_ppp(at.minus(data::LCP_HEADER - 1), true);
        }
        match heard {
            data::Heard::Data => {}
            data::Heard::Ended(line) => self.end_data(|narrator| narrator.call_over(line)),
            data::Heard::Returned(line) => self.end_data(|narrator| {
                narrator.question = None;
                let said = Said { at: line, text: "OK".to_owned() };
                narrator.tell(vec![said], Statement::CommandState);
            }),
            data::Heard::Ring(line) => {
                self.end_data(|narrator| narrator.line("RING", false, line, false));
            }
        }
    }

    fn hear_command(&mut self, byte: u8, at: Place, ppp: bool) {
        if ppp {
            // PPP without a CONNECT: the capture began after it.
            self.framer = Framer::new();
            let began = at.minus(data::LCP_HEADER - 1);
            self.began = None;
            self.close_block();
            let mut data = Data::new();
            data.begin_with_ppp(began);
            self.state = State::Data(data);
            self.tell_ppp(began, false);
            return;
        }
        if self.began.is_none() && !matches!(byte, CR | LF | 0 | b' ' | b'\t') {
            self.began = Some(at);
        }
        let (_, line) = self.framer.take_line(&[byte]);
        if let Some(line) = line {
            let began = self.began.take().unwrap_or(at);
            self.line(&line.text, line.truncated, began, byte == CR);
        } else if matches!(byte, CR | LF) {
            self.began = None;
        }
    }

    fn line(&mut self, text: &str, truncated: bool, at: Place, carriage_return: bool) {
        let said = Said { at, text: shown(text) };
        if truncated {
            self.close_block();
            self.tell(vec![said], Statement::Overlong);
        } else if carriage_return && text.len() <= NUMERIC_DIGITS && is_digits(text) && !self.continues_block(text) {
            self.held = Some(Said { at, text: text.to_owned() });
        } else {
            self.interpret(text, said);
        }
    }

    /// A line lacks its end, and nothing more of it will come.
    fn end_line(&mut self) {
        if matches!(self.state, State::Command)
            && let (Some(at), (_, Some(line))) = (self.began.take(), self.framer.take_line(&[LF]))
        {
            self.line(&line.text, line.truncated, at, false);
        }
    }

    /// No LF came behind the digits: they are a result code.
    fn settle_digits(&mut self) {
        if let Some(held) = self.held.take() {
            self.numeric(held);
        }
    }
}

/// What is told.
impl Narrator {
    fn tell(&mut self, said: Vec<Said>, statement: Statement) {
        self.told.push_back(Told { by: Side::Modem, said, statement });
    }

    fn tell_sent(&mut self, bytes: &[u8], at: Place, statement: Statement) {
        let text = shown(&String::from_utf8_lossy(bytes.get(..SENT_LIMIT).unwrap_or(bytes)));
        self.told.push_back(Told { by: Side::Terminal, said: vec![Said { at, text }], statement });
    }

    fn command_sent(&mut self, line: &[u8], at: Place) {
        self.close_block();
        self.leave_question();
        let text = String::from_utf8_lossy(line);
        let statement = match Question::from_sent(&text) {
            Some(question) => {
                let described = question.describe();
                self.ask(question);
                Statement::Command { meaning: described }
            }
            None => Statement::Typed { bytes: line.len() },
        };
        self.tell_sent(line, at, statement);
    }

    fn tell_ppp(&mut self, at: Place, announced: bool) {
        let said = Said { at, text: "~\u{ff}}#\u{c0}!".chars().flat_map(shown_character).collect() };
        self.tell(vec![said], Statement::Ppp { announced });
    }

    fn end_data(&mut self, then: impl FnOnce(&mut Self)) {
        if let State::Data(data) = std::mem::replace(&mut self.state, State::Command) {
            self.framer = Framer::new();
            self.echo.forget_sent();
            self.began = None;
            self.tell_data(&data);
        }
        then(self);
    }

    fn tell_data(&mut self, data: &Data) {
        if let (Some(began), bytes @ 1..) = (data.began, data.bytes) {
            let text = data.excerpt();
            let said = Said { at: began, text: shown(&text) };
            self.tell(vec![said], Statement::Data { bytes, content: data.content() });
        }
    }

    fn call_over(&mut self, at: Place) {
        self.question = None;
        self.tell(vec![Said { at, text: "NO CARRIER".to_owned() }], Statement::CallOver);
    }

    /// The last line had no end: it may lack its tail, unless it meant something as it was.
    fn mark_unfinished(&mut self, from: usize) {
        for told in self.told.iter_mut().skip(from) {
            if told.statement == Statement::Unknown {
                told.statement = Statement::Unfinished;
            }
        }
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The text with control characters as escapes: it comes from strangers and goes to a screen.
fn shown(text: &str) -> String {
    text.chars().flat_map(shown_character).collect()
}

fn shown_character(c: char) -> Vec<char> {
    match c {
        '\r' => vec!['\\', 'r'],
        '\n' => vec!['\\', 'n'],
        _ if !c.is_control() => vec![c],
        _ => format!("\\x{:02x}", u32::from(c)).chars().collect(),
    }
}

#[cfg(test)]
mod tests;
