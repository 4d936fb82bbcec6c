//! Ending calls: a character while dialling, DTR in data state, and `ATH` to make sure.

use std::time::Instant;

use super::finding::Means;
use super::setup::TurnOn;
use super::{Event, Goal, Modem, Outcome, Output, Step, times};

impl Modem {
    pub(super) fn hang_up(&mut self, now: Instant) {
        if self.step == Step::Dialling {
            self.give_up(Outcome::RangOut, now);
        } else if self.step == Step::Answering {
            self.break_off(None, now);
        } else if self.in_data() {
            self.goal = Goal::HangUp { outcome: None, means: Means::default() };
            self.drop_dtr(now);
        } else if !matches!(self.goal, Goal::HangUp { .. } | Goal::Restore { .. }) {
            let outcome = matches!(self.goal, Goal::Dial(_)).then_some(Outcome::RangOut);
            self.goal = Goal::HangUp { outcome, means: Means::default() };
            self.stop_searching();
            if matches!(self.step, Step::DtrLow { .. }) {
                self.output(Output::SetDtr(true));
            }
            self.ask(now);
        }
    }

    /// Ends a dial or an answer that has not come to anything yet.
    pub(super) fn give_up(&mut self, outcome: Outcome, now: Instant) {
        if self.dial_leaves_command_state() {
            self.break_off(Some(outcome), now);
        } else {
            self.goal = Goal::HangUp { outcome: Some(outcome), means: Means::default() };
            self.hook(now);
        }
    }

    /// Sends a character, which aborts what `ATD` and `ATA` began (V.250 5.6.1).
    fn break_off(&mut self, outcome: Option<Outcome>, now: Instant) {
        self.goal = Goal::HangUp { outcome, means: Means::default() };
        self.send(b"\r");
        self.enter(Step::Aborting, now, times::ABORT_WAIT, "end of an aborted call");
    }

    pub(super) fn aborted(&mut self, now: Instant) {
        if matches!(self.goal, Goal::HangUp { outcome: Some(Outcome::Glare), .. }) {
            // ATH would turn the incoming call away on a cellular modem.
            self.hung_up(now);
        } else {
            self.hook(now);
        }
    }

    pub(super) fn hook(&mut self, now: Instant) {
        let hang_up = self.profile.setup.hang_up.clone();
        self.command(&hang_up);
        self.enter(Step::Hooking, now, times::HOOK_WAIT, "OK to ATH");
    }

    pub(super) fn hooked(&mut self, now: Instant) {
        if matches!(self.goal, Goal::HangUp { .. }) {
            self.hung_up(now);
        } else {
            self.ask_again(1, false, now);
        }
    }

    /// `ATH` got no answer.
    pub(super) fn unhooked(&mut self, now: Instant) {
        if let Goal::HangUp { means, .. } = &self.goal {
            if means.dropped { self.finish(Event::Silent) } else { self.drop_dtr(now) }
        } else {
            self.ask(now);
        }
    }

    pub(super) fn drop_dtr(&mut self, now: Instant) {
        if let Goal::HangUp { means, .. } = &mut self.goal {
            means.dropped = true;
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

    pub(super) fn raise_dtr(&mut self, now: Instant) {
        self.output(Output::SetDtr(true));
        self.enter(Step::DtrHigh, now, times::DTR_RECOVERY, "modem after DTR rose");
    }

    fn hung_up(&mut self, now: Instant) {
        let outcome = if let Goal::HangUp { outcome, .. } = &mut self.goal { outcome.take() } else { None };
        self.call_over(outcome.map_or(Event::HungUp, Event::Ended), now);
    }

    /// A call is over. Where it made the modem forget caller identification, that is turned on before it is told.
    pub(super) fn call_over(&mut self, over: Event, now: Instant) {
        let forgets = self.profile.quirks.caller_id_lost_by_call;
        if forgets && !self.settings.caller_id(&self.profile).is_empty() {
            self.goal = Goal::Restore { over: Box::new(over), turn: TurnOn::default() };
            self.ask_again(1, false, now);
        } else {
            self.finish(over);
        }
    }

    /// Caller identification is on again, or is not to be had; now the call is over.
    pub(super) fn restored(&mut self, on: bool) {
        if let Goal::Restore { over, .. } = std::mem::take(&mut self.goal) {
            self.finish(*over);
            if !on {
                self.report(Event::CallerIdOff);
            }
        }
    }

    pub(super) fn dial_leaves_command_state(&self) -> bool {
        !matches!(&self.goal, Goal::Dial(number) if number.stays_in_command_state())
    }
}
