//! Waiting for what others decide: whoever has the line, whoever is waking the host already, and our own provider, which is
//! called again while there is time.

use std::time::Instant;

use super::state::{Queue, State, Then, Why};
use super::{Attempt, Callee, Failure, Note, Output};
use crate::connect::own_link::used_by_others;

impl Attempt {
    /// Another command is waking the host: what comes of that is waited for. `process` is the other's, where it tells.
    pub fn handle_other_wakes(&mut self, process: Option<u32>, now: Instant) {
        if self.state != State::Ringing {
            return;
        }
        // It was not made.
        self.calls = self.calls.saturating_sub(1);
        self.outputs.push_back(Output::Note(Note::OtherWakes { process }));
        self.queue(Queue::Waker, Output::AwaitWaker, now);
    }

    /// The line is free for the call, and whether our own link had to go for it; or the line cannot be had.
    pub fn handle_line_free(&mut self, result: Result<bool, Failure>) {
        if !matches!(self.state, State::Freeing | State::Queueing(Queue::ToFree(_), _)) {
            return;
        }
        match result {
            Ok(link_went) => {
                self.calls += 1;
                if link_went {
                    self.stop_watching();
                } else {
                    // Opened before the call: no record slips in between, and one that comes early ends the call.
                    self.watch();
                }
                self.go(State::Ringing, Output::Ring);
            }
            Err(failure) => self.fail(failure),
        }
    }

    /// Our own link, which has to go for the call, is used by other commands: that is waited for.
    pub fn handle_link_used(&mut self, now: Instant) {
        if self.state != State::Freeing {
            return;
        }
        let busy = used_by_others();
        self.outputs.push_back(Output::Note(Note::LineBusy { why: busy.message.clone() }));
        self.watch();
        self.state = State::Queueing(Queue::ToFree(busy), self.queue_until(now));
    }

    /// It may be our turn now.
    pub fn handle_turn(&mut self) {
        let State::Queueing(queue, _until) = self.state.clone() else { return };
        match queue {
            Queue::ToFree(_busy) => {}
            Queue::ToRing(_busy) => self.go(State::Ringing, Output::Ring),
            Queue::ToDial(_busy, then) => self.go(State::Linking(then), Output::BringUp),
            // It may be online by the other's call.
            Queue::Waker => self.go(State::Finding(Then::Ask(Why::ToKnow)), Output::FindWay),
        }
    }

    /// Our own provider could not be reached, and is called again after a pause.
    pub fn handle_redial(&mut self, why: Failure, now: Instant) {
        if matches!(self.state, State::Linking(_)) {
            self.refused = Some(why);
            self.stop_redialling(now);
        }
    }

    /// Gives up if the provider could not be reached, and the time for it is over.
    pub(super) fn stop_redialling(&mut self, now: Instant) {
        if self.redial_until.is_none_or(|until| now < until) {
            return;
        }
        let Some(why) = self.refused.take() else { return };
        self.let_link_go();
        let message = format!("{}; there is no time for another call", why.message);
        let hint = format!("allow more with --wait, which is over; or {}", why.advice());
        self.fail(Failure { message, ..why }.hint(hint).of_call_to(Callee::Provider));
    }

    /// Has nobody dial for us any more, if that is what is waited for.
    pub(super) fn let_link_go(&mut self) {
        if matches!(self.state, State::Linking(_)) {
            self.outputs.push_back(Output::LetLinkGo);
        }
    }

    /// The host came while our own link was to go for the call: it is needed to meet it.
    pub(super) fn keep_link(&mut self) {
        if matches!(self.state, State::Queueing(Queue::ToFree(_), _)) {
            self.outputs.push_back(Output::KeepLink);
        }
    }

    /// Somebody else has the line: it is waited for, as long as for a record after a call.
    pub(super) fn queue_for_line(&mut self, queue: Queue, now: Instant) {
        if let Queue::ToRing(busy) | Queue::ToDial(busy, _) = &queue
            && self.told_busy.as_ref() != Some(&busy.message)
        {
            let why = busy.message.split(';').next().unwrap_or_default().to_owned();
            self.outputs.push_back(Output::Note(Note::LineBusy { why }));
            self.told_busy = Some(busy.message.clone());
        }
        self.queue(queue, Output::AwaitLine, now);
    }

    /// The time for it is over.
    pub(super) fn leave_queue(&mut self, queue: Queue) {
        let too_long = |busy: Failure, callee| {
            let hint = "it was not free in time: end what has it, or allow more with --wait";
            busy.hint(hint).of_call_to(callee)
        };
        match queue {
            Queue::ToFree(busy) | Queue::ToRing(busy) => self.fail(too_long(busy, Callee::Host)),
            Queue::ToDial(busy, _then) => self.fail(too_long(busy, Callee::Provider)),
            Queue::Waker => {
                self.stop_watching();
                self.go(State::Finding(Then::Ask(Why::ToTell)), Output::FindWay);
            }
        }
    }

    /// It was our turn.
    pub(super) fn had_turn(&mut self) {
        (self.queued_until, self.told_busy) = (None, None);
    }

    fn queue(&mut self, queue: Queue, output: Output, now: Instant) {
        let until = self.queue_until(now);
        self.go(State::Queueing(queue, until), output);
    }

    /// Others may be quicker when it is free: that does not make the wait any longer.
    fn queue_until(&mut self, now: Instant) -> Instant {
        *self.queued_until.get_or_insert(now + self.plan.wait)
    }
}
