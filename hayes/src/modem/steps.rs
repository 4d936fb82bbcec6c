//! The steps of the machine: what an answer, a deadline or a wish leads to.

use std::time::{Duration, Instant};

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
        let digits_are_noise = self.verbose && matches!(self.step, Step::Dialling | Step::Answering | Step::Aborting);
        match if line.truncated { Reply::Text } else { Reply::parse(&line.text) } {
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
            Reply::Numeric(_) | Reply::CallWaiting(_) | Reply::CallListed(_) | Reply::Digits(_) | Reply::Text => {
                self.close_caller();
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
        self.step == Step::Idle && silence.is_some_and(|silence| silence < times::RING_SPAN)
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
            Step::Resetting if accepted => self.ask(now),
            Step::Setting(index) if accepted => {
                if code == ResultCode::Error {
                    let command = self.setting(index).unwrap_or_default().to_owned();
                    self.report(Event::CommandRefused(command));
                }
                self.set(index + 1, now);
            }
            Step::Dialling | Step::Answering => self.handle_call_result(code, now),
            Step::Aborting if released => self.aborted(now),
            Step::Aborting => self.handle_late_result(&code, now),
            Step::Hooking if released => self.hooked(now),
            Step::DtrLow { .. } if released => self.call_ended(now),
            Step::Idle => {
                if let ResultCode::Connect(text) = code {
                    self.connected(&text);
                }
            }
            Step::Guarding
            | Step::Escaping
            | Step::Resetting
            | Step::Setting(_)
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
            self.finish(Event::Ended(outcome));
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
            Step::Asking { tries, .. } if tries < times::ASK_TRIES => self.ask_again(tries + 1, now),
            Step::Asking { .. } => self.unanswered(now),
            Step::Settling => self.found(now),
            Step::Guarding => {
                self.send(b"+++");
                self.enter(Step::Escaping, now, times::ESCAPE_WAIT, "OK to the escape sequence");
            }
            // It may have gone to command state without a word.
            Step::Escaping => self.hook(now),
            Step::Resetting => self.ask(now),
            Step::Setting(_) => self.finish(Event::Silent),
            Step::Dialling => self.give_up(Outcome::Silent, now),
            Step::Answering => self.give_up(Outcome::NoCarrier, now),
            Step::Aborting => self.drop_dtr(now),
            Step::Hooking => self.unhooked(now),
            Step::DtrLow { ended: false, held: false } => {
                let rest = times::DTR_LIMIT.saturating_sub(times::DTR_HOLD);
                self.enter(Step::DtrLow { ended: false, held: true }, now, rest, "end of the call after DTR fell");
            }
            Step::DtrLow { .. } => self.raise_dtr(now),
            Step::DtrHigh => self.ask(now),
        }
    }
}

/// Finding a modem and setting it up.
impl Modem {
    /// Sends `AT`, the first of a few.
    pub(super) fn ask(&mut self, now: Instant) {
        self.ask_again(1, now);
    }

    fn ask_again(&mut self, tries: u8, now: Instant) {
        self.command("");
        self.enter(Step::Asking { tries, late: tries > 1 }, now, times::ASK_WAIT, "OK to AT");
    }

    fn settle(&mut self, now: Instant) {
        self.enter(Step::Settling, now, times::SETTLE, "end of late answers");
    }

    /// The modem is in command state and in step.
    fn found(&mut self, now: Instant) {
        match &mut self.goal {
            Goal::Initialise { reset: true, .. } => self.set(0, now),
            Goal::Initialise { reset, .. } => {
                *reset = true;
                self.verbose = false;
                self.command("Z");
                self.enter(Step::Resetting, now, times::RESET_WAIT, "OK to ATZ");
            }
            Goal::Dial(number) => {
                let modifier = if number.chooses_tone_or_pulse() { "" } else { self.settings.dialling.modifier() };
                let dial = format!("D{modifier}{}", number.dial_string());
                self.command(&dial);
                self.enter(Step::Dialling, now, times::DIAL_LIMIT, "result of dialling");
            }
            // DTR alone may have left the call standing (&D0, &D1).
            Goal::HangUp { .. } => self.hook(now),
            Goal::Probe | Goal::Answer | Goal::Listen => self.finish(Event::Alive),
        }
    }

    /// `AT` got no `OK`: perhaps the modem is in data state and passes it on.
    fn unanswered(&mut self, now: Instant) {
        match &mut self.goal {
            Goal::Initialise { escaped, .. } | Goal::HangUp { escaped, .. } if !*escaped => {
                *escaped = true;
                self.enter(Step::Guarding, now, times::ESCAPE_GUARD, "silence before the escape sequence");
            }
            Goal::Dial(_) => self.finish(Event::Ended(Outcome::Silent)),
            Goal::Listen | Goal::Initialise { .. } | Goal::Answer | Goal::HangUp { .. } | Goal::Probe => {
                self.finish(Event::Silent);
            }
        }
    }

    /// Sends the setting of this index, or ends the setting up if there is none.
    fn set(&mut self, index: usize, now: Instant) {
        match self.setting(index).map(str::to_owned) {
            Some(command) => {
                self.command(&command);
                self.enter(Step::Setting(index), now, times::SETTING_WAIT, "OK to a setting");
            }
            None => self.finish(Event::Ready),
        }
    }

    fn setting(&self, index: usize) -> Option<&str> {
        self.settings.initialise.iter().chain(&self.settings.caller_id).nth(index).map(String::as_str)
    }
}

/// Ending calls.
impl Modem {
    pub(super) fn hang_up(&mut self, now: Instant) {
        if self.step == Step::Dialling {
            self.give_up(Outcome::RangOut, now);
        } else if self.step == Step::Answering {
            self.break_off(None, now);
        } else if self.in_data() {
            self.goal = Goal::HangUp { outcome: None, dropped: false, escaped: false };
            self.drop_dtr(now);
        } else if !matches!(self.goal, Goal::HangUp { .. }) {
            let outcome = matches!(self.goal, Goal::Dial(_)).then_some(Outcome::RangOut);
            self.goal = Goal::HangUp { outcome, dropped: false, escaped: false };
            self.ask(now);
        }
    }

    /// Ends a dial or an answer that has not come to anything yet.
    fn give_up(&mut self, outcome: Outcome, now: Instant) {
        if self.dial_leaves_command_state() {
            self.break_off(Some(outcome), now);
        } else {
            self.goal = Goal::HangUp { outcome: Some(outcome), dropped: false, escaped: false };
            self.hook(now);
        }
    }

    /// Sends a character, which aborts what `ATD` and `ATA` began (V.250 5.6.1).
    fn break_off(&mut self, outcome: Option<Outcome>, now: Instant) {
        self.goal = Goal::HangUp { outcome, dropped: false, escaped: false };
        self.send(b"\r");
        self.enter(Step::Aborting, now, times::ABORT_WAIT, "end of an aborted call");
    }

    fn aborted(&mut self, now: Instant) {
        if matches!(self.goal, Goal::HangUp { outcome: Some(Outcome::Glare), .. }) {
            // ATH would turn the incoming call away on a cellular modem.
            self.hung_up();
        } else {
            self.hook(now);
        }
    }

    fn hook(&mut self, now: Instant) {
        self.command("H");
        self.enter(Step::Hooking, now, times::HOOK_WAIT, "OK to ATH");
    }

    fn hooked(&mut self, now: Instant) {
        if matches!(self.goal, Goal::HangUp { .. }) {
            self.hung_up();
        } else {
            self.ask(now);
        }
    }

    /// `ATH` got no answer.
    fn unhooked(&mut self, now: Instant) {
        match self.goal {
            Goal::HangUp { dropped: false, .. } => self.drop_dtr(now),
            Goal::HangUp { .. } => self.finish(Event::Silent),
            Goal::Listen | Goal::Initialise { .. } | Goal::Dial(_) | Goal::Answer | Goal::Probe => self.ask(now),
        }
    }

    fn drop_dtr(&mut self, now: Instant) {
        if let Goal::HangUp { dropped, .. } = &mut self.goal {
            *dropped = true;
        }
        self.output(Output::SetDtr(false));
        self.enter(Step::DtrLow { ended: false, held: false }, now, times::DTR_HOLD, "modem to notice DTR");
    }

    /// The modem showed that it noticed DTR.
    pub(super) fn call_ended(&mut self, now: Instant) {
        if matches!(self.step, Step::DtrLow { held: true, .. }) {
            self.raise_dtr(now);
        } else {
            self.step = Step::DtrLow { ended: true, held: false };
        }
    }

    fn raise_dtr(&mut self, now: Instant) {
        self.output(Output::SetDtr(true));
        self.enter(Step::DtrHigh, now, times::DTR_RECOVERY, "modem after DTR rose");
    }

    fn hung_up(&mut self) {
        let outcome = match std::mem::take(&mut self.goal) {
            Goal::HangUp { outcome, .. } => outcome,
            Goal::Listen | Goal::Initialise { .. } | Goal::Dial(_) | Goal::Answer | Goal::Probe => None,
        };
        self.finish(outcome.map_or(Event::HungUp, Event::Ended));
    }

    fn dial_leaves_command_state(&self) -> bool {
        !matches!(&self.goal, Goal::Dial(number) if number.stays_in_command_state())
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

    fn send(&mut self, bytes: &[u8]) {
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

    fn report(&mut self, event: Event) {
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
