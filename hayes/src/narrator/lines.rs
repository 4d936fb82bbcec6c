//! What one line of the modem means, by what it was asked and what came before.

use super::data::{Data, PppStart};
use super::question::Question;
use super::{Narrator, Said, State, Statement, cellular, meaning, shown};
use crate::caller::{CallerId, CallerNumber};
use crate::modem::times::RING_SPAN;
use crate::profile::{Catalogue, DEFAULT_ID, Identification, Inquiry};
use crate::reply::{CarrierReport, Connect, Reply, ResultCode, RingInfo};

/// Lines into events.
impl Narrator {
    pub(super) fn interpret(&mut self, text: &str, said: Said) {
        let echoed = self.echo.echoed(text.as_bytes());
        if echoed > 0 {
            self.close_block();
            let (echo, behind) = text.split_at_checked(echoed).unwrap_or((text, ""));
            let place = said.at.plus(echoed);
            self.tell(vec![Said { at: said.at, text: shown(echo) }], Statement::Echo { command: None });
            if !behind.is_empty() {
                self.numeric(Said { at: place, text: behind.to_owned() });
            }
            return;
        }
        if !self.both_sides
            && let Some(question) = Question::from_echo(text, self.question.as_ref())
        {
            self.close_block();
            let command = Some(question.describe());
            self.ask(question);
            self.tell(vec![said], Statement::Echo { command });
            return;
        }
        if self.continues_block(text) {
            self.add_hexadecimal(text, said);
            return;
        }
        let reply = Reply::parse(text);
        if let Reply::Caller(fields) = reply {
            // Some information only looks like it: `DATE: 97/09/22` in answer to ATI3.
            match &self.question {
                Some(question) if question.informs() => self.text(text, said),
                Some(_) | None => self.add_fields(text, fields, said),
            }
            return;
        }
        self.close_block();
        match reply {
            Reply::Caller(_) => {}
            Reply::Result(code) => self.result(code, false, said),
            Reply::Numeric(_) if self.question.as_ref().is_some_and(Question::informs) => self.answer(text, said),
            Reply::Numeric(_) => self.numeric(said),
            Reply::Voice => self.final_word(said, Statement::Voice),
            Reply::Ring(info, caller) => {
                self.ring(info, caller, said);
            }
            Reply::CallWaiting(caller) => self.tell(vec![said], Statement::CallWaiting(caller)),
            Reply::CallListed(call) => self.tell(vec![said], Statement::CallListed(call)),
            Reply::Digits(digits) => self.digits(&digits, said),
            Reply::Progress => self.progress(text, said),
            Reply::Text => self.text(text, said),
        }
    }

    fn result(&mut self, code: ResultCode, numeric: bool, said: Said) {
        if let ResultCode::Connect(text) = &code {
            let connect = Connect::from_text(text).with_report(std::mem::take(&mut self.report));
            let data = !self.question.as_ref().is_some_and(Question::dials_voice);
            self.final_word(said, Statement::Connected { connect, numeric, data });
            if data {
                let mut data = Data::new();
                data.linefeed_due = self.framer.linefeed_due() && !numeric;
                self.state = State::Data(data);
                self.ppp = PppStart::default();
            }
            return;
        }
        if code == ResultCode::Ring {
            self.ring(RingInfo::default(), None, said);
            return;
        }
        let cause = cellular::cause(&said.text);
        let dialled = self.question.as_ref().is_some_and(Question::dials);
        if code == ResultCode::Ringing {
            self.tell(vec![said], Statement::Result { code, numeric, cause, dialled });
            return;
        }
        let identifying = self.question.as_ref().is_some_and(Question::identifies);
        self.final_word(said, Statement::Result { code, numeric, cause, dialled });
        if identifying {
            self.recognise();
        }
    }

    /// The answer ended without a word of its own: another command, or the end.
    pub(super) fn leave_question(&mut self) {
        if self.question.take().is_some_and(|question| question.identifies()) {
            self.recognise();
        }
    }

    fn ring(&mut self, info: RingInfo, caller: Option<CallerNumber>, said: Said) {
        let over = self.rang.is_some_and(|rang| self.now.saturating_duration_since(rang) >= RING_SPAN);
        self.rings = if over { 1 } else { self.rings.saturating_add(1) };
        self.rang = Some(self.now);
        let count = self.rings;
        self.tell(vec![said], Statement::Ring { info, caller, count });
    }

    /// A final result code: the question has its answer.
    fn final_word(&mut self, said: Said, statement: Statement) {
        self.question = None;
        self.report = CarrierReport::default();
        self.tell(vec![said], statement);
    }

    pub(super) fn numeric(&mut self, said: Said) {
        self.close_block();
        match ResultCode::from_numeric(&said.text) {
            Some(code) => self.result(code, true, said),
            None => self.tell(vec![said], Statement::VendorCode),
        }
    }

    fn progress(&mut self, text: &str, said: Said) {
        let mut told = CarrierReport::default();
        if told.note(text) {
            self.report.note(text);
            self.tell(vec![said], Statement::Carrier(told));
        } else {
            self.tell(vec![said], Statement::Progress(meaning::progress(text)));
        }
    }

    fn digits(&mut self, digits: &str, said: Said) {
        match &self.question {
            Some(question) if question.dials() => self.tell(vec![said], Statement::Digits { dialled: true }),
            Some(question) if question.informs() => self.answer(digits, said),
            // ELINK 301: a line of digits between rings is the caller.
            Some(_) | None if self.rings > 0 => {
                let number = CallerNumber::parse(digits);
                self.tell(
                    vec![said],
                    Statement::Caller { caller: CallerId { number, ..CallerId::default() }, message: None },
                );
            }
            Some(_) | None => self.tell(vec![said], Statement::Digits { dialled: false }),
        }
    }

    fn text(&mut self, text: &str, said: Said) {
        let asked_for = self.question.as_ref().is_some_and(|question| question.is_answered_by(text));
        if !asked_for && let Some(meaning) = cellular::report(text) {
            self.tell(vec![said], Statement::Report { meaning });
        } else if self.question.as_ref().is_some_and(|question| !question.dials()) {
            self.answer(text, said);
        } else if meaning::is_garbage(text) {
            self.tell(vec![said], Statement::Garbage);
        } else if let Some(profile) = named_in(text) {
            self.tell(vec![said], profile);
        } else if self.both_sides || Question::from_echo(text, None).is_none() {
            self.tell(vec![said], Statement::Unknown);
        } else {
            self.tell(vec![said], Statement::Echo { command: None });
        }
    }

    fn answer(&mut self, text: &str, said: Said) {
        let Some(question) = &self.question else { return };
        if let Some(command) = question.identifying() {
            let lines = self.inquiry.seen.answers.entry(command.to_owned()).or_default();
            if lines.len() < Inquiry::LINES_KEPT {
                lines.push(text.to_owned());
            }
        }
        let (command, meaning) = (shown(question.command()), question.explain_answer(text));
        let statement = Statement::Answer { command, meaning, further: std::mem::replace(&mut self.answered, true) };
        self.tell(vec![said], statement);
    }

    /// Tells what kind of modem the answers so far name, when that is news.
    fn recognise(&mut self) {
        let profile = Catalogue::built_in().recognise(&self.inquiry.seen);
        if profile.id != DEFAULT_ID && self.inquiry.told.as_ref() != Some(&profile.id) {
            self.inquiry.told = Some(profile.id.clone());
            let (id, name) = (profile.id.clone(), profile.name.clone());
            self.tell(Vec::new(), Statement::Modem { id, name });
        }
    }

    pub(super) fn ask(&mut self, question: Question) {
        if question.dials() || question.answers_call() {
            self.report = CarrierReport::default();
        }
        self.question = Some(question);
        self.answered = false;
    }
}

/// The profile that a modem's own words name, without its having been asked.
fn named_in(text: &str) -> Option<Statement> {
    // A number may be anything.
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let answers = ["I", "I1", "I3", "I6"].map(|command| (command.to_owned(), vec![text.to_owned()])).into();
    let seen = Identification { answers, usb: None };
    let profile = Catalogue::built_in().recognise(&seen);
    (profile.id != DEFAULT_ID).then(|| Statement::Modem { id: profile.id.clone(), name: profile.name.clone() })
}
