//! The steps of the machine: what a line, an answer or a deadline leads to.

use std::time::{Duration, Instant};

use super::answers::is_unasked;
use super::{Event, Goal, Modem, Outcome, Output, Step, times};
use crate::caller::{CallerField, CallerId, CallerNumber};
use crate::framing::Line;
use crate::reply::{CarrierReport, Connect, Reply, ResultCode, RingInfo};

/// What came in, for the modem.
impl Modem {
    pub(super) fn handle_line(&mut self, line: &Line, now: Instant) {
        if self.caller.continues_with(&line.text) {
            let whole = self.caller.add_part(&line.text, now);
            return self.report_caller(whole);
        }
        let reply = if line.truncated { Reply::Text } else { Reply::parse(&line.text) };
        if self.is_questioning() && self.is_information(&line.text, &reply) {
            self.close_caller();
            return self.take_answer(&line.text, reply);
        }
        let digits_are_noise = self.verbose && matches!(self.step, Step::Dialling | Step::Answering | Step::Aborting);
        match reply {
            Reply::Ring(info, caller) => self.handle_ring(info, caller, now),
            Reply::Numeric(ResultCode::Ring) if !digits_are_noise => self.handle_ring(RingInfo::default(), None, now),
            Reply::Caller(fields) => {
                for field in fields {
                    let whole = self.caller.add(field, now);
                    self.report_caller(whole);
                }
            }
            Reply::Digits(number) if self.is_rung(now) => {
                self.close_caller();
                self.handle_caller(CallerNumber::parse(&number), now);
            }
            Reply::Result(code) => {
                self.close_caller();
                self.verbose = true;
                self.handle_result(code, now);
            }
            Reply::Numeric(code) if !digits_are_noise && self.step != Step::Idle => {
                self.close_caller();
                self.verbose = false;
                self.framer.expect_no_linefeed();
                self.handle_result(code, now);
            }
            Reply::Voice => {
                self.close_caller();
                if self.may_connect() {
                    self.give_up(Outcome::Voice, now);
                }
            }
            Reply::Progress => {
                self.close_caller();
                self.carrier_report.note(&line.text);
            }
            Reply::CallWaiting(caller) => {
                self.close_caller();
                self.report(Event::CallWaiting(caller));
            }
            Reply::Numeric(_) | Reply::CallListed(_) | Reply::Digits(_) | Reply::Text => self.close_caller(),
        }
    }

    /// Reports whether a line is part of the answer to the question that is being put: anything but result codes, and
    /// what comes unasked. A modem that speaks in words answers digits.
    fn is_information(&self, line: &str, reply: &Reply) -> bool {
        match reply {
            Reply::Ring(..) | Reply::Caller(_) | Reply::CallWaiting(_) | Reply::Result(_) => false,
            Reply::Numeric(_) => self.verbose,
            Reply::Voice | Reply::CallListed(_) | Reply::Digits(_) | Reply::Progress | Reply::Text => {
                !is_unasked(line, self.question_put())
            }
        }
    }

    fn handle_ring(&mut self, info: RingInfo, caller: Option<CallerNumber>, now: Instant) {
        self.close_caller();
        self.report(Event::Ring(info));
        self.handle_caller(caller, now);
        self.rang = Some(now);
        if matches!(self.goal, Goal::Dial(_)) {
            if self.step == Step::Dialling {
                self.give_up(Outcome::Glare, now);
            } else {
                self.finish(Event::Ended(Outcome::Glare));
            }
        }
    }

    /// Reports whether a call alerts, so that a line of digits is a caller's number and not the tail of an echo.
    fn is_rung(&self, now: Instant) -> bool {
        let silence = self.rang.map(|rang| now.saturating_duration_since(rang));
        let calls = self.may_connect() || self.in_data() || self.step == Step::Aborting;
        !calls && silence.is_some_and(|silence| silence < times::RING_SPAN)
    }

    /// Takes a caller's number that is the whole message.
    fn handle_caller(&mut self, number: Option<CallerNumber>, now: Instant) {
        if let Some(number) = number {
            let whole = self.caller.add(CallerField::Number(number), now);
            self.report_caller(whole);
            self.close_caller();
        }
    }

    fn handle_result(&mut self, code: ResultCode, now: Instant) {
        let accepted = matches!(code, ResultCode::Ok | ResultCode::Error);
        let released = accepted || code == ResultCode::NoCarrier;
        match self.step {
            Step::Asking { late: false, .. } if code == ResultCode::Ok => self.found(now),
            Step::Asking { late: true, .. } if code == ResultCode::Ok => self.settle(now),
            // Whatever else comes was asked for before.
            Step::Asking { tries, .. } => self.step = Step::Asking { tries, late: true },
            Step::Settling => self.settle(now),
            Step::Escaping if released => self.hook(now),
            Step::Resetting if accepted => self.ask_again(1, false, now),
            Step::Wording if accepted => self.put_question(now),
            Step::Inquiring | Step::Questioning | Step::Checking { .. } if accepted => {
                self.end_answer(Some(code == ResultCode::Ok), now);
            }
            Step::Telling if accepted => {
                self.told(code == ResultCode::Ok);
                self.proceed(now);
            }
            Step::TurningOn if accepted => {
                self.turned(code == ResultCode::Ok);
                self.turn_on(now);
            }
            Step::Retuning if code == ResultCode::Ok => self.retune(now),
            Step::Retuning if accepted => {
                self.keep_rate();
                self.proceed(now);
            }
            Step::Dialling | Step::Answering => self.handle_call_result(code, now),
            Step::Aborting if released => self.aborted(now),
            Step::Aborting => self.handle_late_result(&code, now),
            Step::Hooking if released => self.hooked(now),
            Step::DtrLow { .. } if released => self.call_ended(now),
            Step::Idle => {
                if let ResultCode::Connect(text) = code {
                    self.connected(&text);
                } else if code == ResultCode::NoCarrier && self.is_rung(now) {
                    self.rang = None;
                    self.report(Event::CallerGone);
                }
            }
            Step::Guarding
            | Step::Escaping
            | Step::Resetting
            | Step::Wording
            | Step::Inquiring
            | Step::Questioning
            | Step::Checking { .. }
            | Step::Telling
            | Step::TurningOn
            | Step::Retuning
            | Step::Retuned
            | Step::Data { .. }
            | Step::Hooking
            | Step::DtrLow { .. }
            | Step::DtrHigh => {}
        }
    }

    fn handle_call_result(&mut self, code: ResultCode, now: Instant) {
        if let ResultCode::Connect(text) = code {
            // Some cellular modems say so when a voice call is answered; no data state follows.
            if self.dial_leaves_command_state() {
                self.connected(&text);
            } else {
                self.give_up(Outcome::Voice, now);
            }
        } else if let Some(outcome) = failure(&code) {
            self.call_over(Event::Ended(outcome), now);
        }
    }

    /// The call came to its own end, or to a connection, while it was being given up.
    fn handle_late_result(&mut self, code: &ResultCode, now: Instant) {
        if let Some(reason) = failure(code) {
            if let Goal::HangUp { outcome: Some(outcome), .. } = &mut self.goal {
                *outcome = reason;
            }
            self.aborted(now);
        } else if let ResultCode::Connect(_) = code {
            self.drop_dtr(now);
        }
    }

    pub(super) fn handle_timer(&mut self, now: Instant) {
        match self.step {
            Step::Idle | Step::Data { .. } => {}
            Step::Asking { tries, .. } if self.not_asked_enough(tries) => self.ask_again(tries + 1, true, now),
            Step::Asking { .. } => self.unanswered(now),
            Step::Settling => self.found(now),
            Step::Guarding => {
                self.send(b"+++");
                self.enter(Step::Escaping, now, times::ESCAPE_WAIT, "OK to the escape sequence");
            }
            // It may have gone to command state without a word; if not, there is a surer way.
            Step::Escaping if matches!(self.goal, Goal::Initialise(_)) => self.unanswered(now),
            Step::Escaping => self.hook(now),
            Step::Resetting => self.ask(now),
            Step::Wording => self.put_question(now),
            Step::Inquiring | Step::Questioning | Step::Checking { .. } => self.end_answer(None, now),
            // Left without, if it is still there.
            Step::Telling => {
                self.told(false);
                self.ask(now);
            }
            Step::TurningOn => {
                self.turned(false);
                self.ask(now);
            }
            Step::Retuning => {
                self.keep_rate();
                self.ask(now);
            }
            Step::Retuned => self.ask_again(1, false, now),
            Step::Dialling => self.give_up(Outcome::Silent, now),
            Step::Answering => self.give_up(Outcome::NoCarrier, now),
            Step::Aborting => self.drop_dtr(now),
            Step::Hooking => self.unhooked(now),
            Step::DtrLow { ended: false, held: false } => {
                let rest = times::DTR_LIMIT.saturating_sub(times::DTR_HOLD);
                self.enter(Step::DtrLow { ended: false, held: true }, now, rest, "end of the call after DTR fell");
            }
            Step::DtrLow { .. } => self.raise_dtr(now),
            Step::DtrHigh => self.ask_again(1, false, now),
        }
    }
}

/// Where steps end, and what they are made of.
impl Modem {
    fn connected(&mut self, text: &str) {
        let connect = Connect::from_text(text).with_report(self.carrier_report);
        self.finish(Event::Connected(connect));
        self.step = Step::Data { carrier: false };
    }

    pub(super) fn finish(&mut self, event: Event) {
        self.goal = Goal::Listen;
        self.step = Step::Idle;
        self.timer = None;
        self.framer.forget_sent();
        self.report(event);
    }

    pub(super) fn enter(&mut self, step: Step, now: Instant, wait: Duration, reason: &'static str) {
        self.step = step;
        self.timer = now.checked_add(wait).map(|at| (at, reason));
    }

    /// Sends a command line with this body (V.250 5.2.1).
    pub(super) fn command(&mut self, body: &str) {
        self.carrier_report = CarrierReport::default();
        self.send(format!("AT{body}\r").as_bytes());
    }

    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.framer.note_sent(bytes);
        self.output(Output::Send(bytes.to_vec()));
    }

    pub(super) fn close_caller(&mut self) {
        let whole = self.caller.close();
        self.report_caller(whole);
    }

    fn report_caller(&mut self, caller: Option<CallerId>) {
        if let Some(caller) = caller {
            self.report(Event::Caller(caller));
        }
    }

    pub(super) fn report(&mut self, event: Event) {
        self.output(Output::Report(event));
    }

    pub(super) fn output(&mut self, output: Output) {
        self.outputs.push_back(output);
    }
}

/// The outcome that a result code means for a call; `None` for codes that decide nothing.
fn failure(code: &ResultCode) -> Option<Outcome> {
    Some(match code {
        ResultCode::NoCarrier => Outcome::NoCarrier,
        ResultCode::Error => Outcome::Refused,
        ResultCode::NoDialTone => Outcome::NoDialTone,
        ResultCode::Busy => Outcome::Busy,
        ResultCode::NoAnswer => Outcome::NoAnswer,
        ResultCode::Delayed => Outcome::Delayed,
        ResultCode::Blacklisted | ResultCode::BlacklistFull => Outcome::Blacklisted,
        ResultCode::Ok | ResultCode::Connect(_) | ResultCode::Ring | ResultCode::Ringing => return None,
    })
}
