//! Questions and their answers: what a modem is, which calls there are, and anything else that may be asked.
//!
//! Owns which lines are part of an answer. A modem that forgets the final result code is given its time, and asked with
//! `AT` whether it is still there before anything else is sent: a late answer is nobody else's.

use std::time::Instant;

use super::{Answer, Event, Goal, Modem, Step, times};
use crate::profile::{Identification, Inquiry};
use crate::reply::Reply;

/// How many lines of an answer are kept: more than the longest known (`AT+CLAC`).
pub(super) const LINES_KEPT: usize = 512;

/// A modem being asked what it is.
#[derive(Debug)]
pub(super) struct Asking {
    inquiry: Inquiry,
    until: Option<Instant>,
}

impl Asking {
    pub(super) fn new(now: Instant) -> Self {
        Self { inquiry: Inquiry::new(), until: now.checked_add(times::INQUIRY_LIMIT) }
    }

    pub(super) fn finish(self) -> Identification {
        self.inquiry.finish()
    }
}

/// What has come of an answer.
#[derive(Debug, Default)]
pub(super) struct Asked {
    answer: Answer,
    done: bool,
}

impl Modem {
    /// Puts a question; first makes sure that the modem speaks in words, for digits may be an answer.
    pub(super) fn question(&mut self, goal: Goal, now: Instant) {
        self.goal = goal;
        if self.verbose { self.put_question(now) } else { self.ask(now) }
    }

    /// The modem answers: has it speak in words if it does not.
    pub(super) fn heard_before_asking(&mut self, now: Instant) {
        if self.verbose {
            self.put_question(now);
        } else {
            self.command("E0Q0V1");
            self.enter(Step::Wording, now, times::SETTING_WAIT, "OK to words");
        }
    }

    pub(super) fn put_question(&mut self, now: Instant) {
        if let Goal::Ask(_, asked) | Goal::ListCalls(asked) = &self.goal
            && asked.done
        {
            return self.answered();
        }
        let command = if let Goal::Ask(question, _) = &self.goal {
            question.as_str().to_owned()
        } else if let Goal::ListCalls(_) = &self.goal {
            self.profile.setup.call_list.clone().unwrap_or_default()
        } else {
            return self.inquire(now);
        };
        self.command(&command);
        self.enter(Step::Questioning, now, times::ANSWER_WAIT, "answer to a question");
    }

    /// Sends the next question that identifies the modem, or ends.
    pub(super) fn inquire(&mut self, now: Instant) {
        let Some(asking) = self.asking() else { return };
        let in_time = asking.until.is_none_or(|until| now < until);
        if let Some(command) = asking.inquiry.command().filter(|_| in_time) {
            self.command(command);
            return self.enter(Step::Inquiring, now, times::INQUIRY_WAIT, "answer to what the modem is");
        }
        if let Goal::Identify(asking) = &mut self.goal {
            let seen = std::mem::take(&mut asking.inquiry).finish();
            self.finish(Event::Identified(seen));
        } else {
            self.recognise(now);
        }
    }

    /// Whether the lines that come are the answer to a question.
    pub(super) fn is_questioning(&self) -> bool {
        matches!(self.step, Step::Inquiring | Step::Questioning | Step::Checking { .. })
    }

    /// The question that waits for its answer, without `AT`.
    pub(super) fn question_put(&self) -> &str {
        if let Goal::Ask(question, _) = &self.goal { question.as_str() } else { "" }
    }

    /// Takes a line of an answer.
    pub(super) fn take_answer(&mut self, line: &str, reply: Reply) {
        if let Step::Checking { holds } = self.step {
            let check = self.settings.caller_id_check(&self.profile);
            let holds = holds || check.is_some_and(|check| check.holds(line));
            self.step = Step::Checking { holds };
        } else if let Some(asking) = self.asking() {
            asking.inquiry.handle_line(line);
        } else if let Goal::Ask(_, Asked { answer, .. }) = &mut self.goal
            && answer.lines.len() < LINES_KEPT
        {
            answer.lines.push(line.to_owned());
        } else if let (Goal::ListCalls(_), Reply::CallListed(call)) = (&self.goal, reply) {
            self.report(Event::CallListed(call));
        }
    }

    /// An answer is at its end: `OK`, `ERROR`, or nothing more came in time.
    pub(super) fn end_answer(&mut self, accepted: Option<bool>, now: Instant) {
        if let Step::Checking { holds } = self.step {
            if !self.checked(holds && accepted == Some(true)) {
                return;
            }
        } else if let Some(asking) = self.asking() {
            match accepted {
                Some(accepted) => asking.inquiry.handle_result(accepted),
                None => asking.inquiry.handle_silence(),
            }
        } else if let Goal::Ask(_, asked) | Goal::ListCalls(asked) = &mut self.goal {
            asked.answer.accepted = accepted;
            asked.done = true;
        }
        match accepted {
            None => self.ask(now),
            Some(_) if self.step == Step::Questioning => self.answered(),
            Some(_) if self.step == Step::Inquiring => self.inquire(now),
            Some(_) => self.turn_on(now),
        }
    }

    fn answered(&mut self) {
        if let Goal::Ask(_, asked) = &mut self.goal {
            let answer = std::mem::take(&mut asked.answer);
            self.finish(Event::Answered(answer));
        } else if let Goal::ListCalls(asked) = &self.goal {
            let accepted = asked.answer.accepted == Some(true);
            self.finish(Event::CallsListed(accepted));
        }
    }
}

/// Whether a line that is no answer to this command comes unasked: the state of a cellular modem and its network.
pub(super) fn is_unasked(line: &str, command: &str) -> bool {
    let name = line.split(':').next().unwrap_or(line).trim_end();
    UNASKED.contains(&name) && !command.to_ascii_uppercase().starts_with(name)
}

/// The names of unasked reports (3GPP TS 27.007 and makers' own).
const UNASKED: [&str; 28] = [
    "+CIEV",
    "+CREG",
    "+CGREG",
    "+CEREG",
    "+CGEV",
    "+CMTI",
    "+CMT",
    "+CDSI",
    "+CUSD",
    "+CTZV",
    "+CTZE",
    "+CSSU",
    "+CSSI",
    "+CPIN",
    "+QIND",
    "+QUSIM",
    "+ZUSIMR",
    "+PACSP0",
    "^RSSI",
    "^HCSQ",
    "^MODE",
    "^SRVST",
    "^SIMST",
    "^BOOT",
    "^DSFLOWRPT",
    "^STIN",
    "RDY",
    "*EMRDY",
];
