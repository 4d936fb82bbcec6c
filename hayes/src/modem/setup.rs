//! Setting a modem up: reset, what it is, what its kind is told, and caller identification last of all, for a reset,
//! a call or another setting may turn it off again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::answers::Asking;
use super::finding::Means;
use super::{Event, Goal, Kind, Modem, Output, Step, times};

/// A modem being initialised.
#[derive(Debug, Default)]
pub(super) struct Initialising {
    pub(super) means: Means,
    phase: Phase,
}

impl Initialising {
    fn asking(&mut self) -> Option<&mut Asking> {
        if let Phase::Inquire(asking) = &mut self.phase { Some(asking) } else { None }
    }

    fn turn(&mut self) -> Option<&mut TurnOn> {
        if let Phase::TurnOn(turn) = &mut self.phase { Some(turn) } else { None }
    }
}

/// What comes next once the modem answers.
#[derive(Debug, Default)]
enum Phase {
    #[default]
    Reset,
    Recognise,
    Inquire(Asking),
    Tell(VecDeque<String>),
    TurnOn(TurnOn),
}

/// Caller identification being turned on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TurnOn {
    next: usize,
    accepted: bool,
    again: bool,
}

impl Modem {
    pub(super) fn initialise(&mut self, now: Instant) {
        self.stop_searching();
        self.output(Output::SetDtr(true));
        self.goal = Goal::Initialise(Box::default());
        self.verbose = false;
        // A program before this one may have asked it something just now: whose answer comes first is not known.
        self.ask_again(1, true, now);
    }

    /// The modem is in command state with nothing outstanding: does what comes next.
    pub(super) fn proceed(&mut self, now: Instant) {
        let Goal::Initialise(initialising) = &mut self.goal else { return self.found(now) };
        match &mut initialising.phase {
            Phase::Reset => {
                initialising.phase = Phase::Recognise;
                // The reset may bring it back to a rate or a state that it has stored.
                initialising.means = Means::default();
                self.verbose = false;
                let reset = self.profile.setup.reset.clone();
                self.command(&reset);
                self.enter(Step::Resetting, now, times::RESET_WAIT, "OK to the reset");
            }
            Phase::Recognise if self.recognised => {
                initialising.phase = Phase::Tell(self.settings.plan(&self.profile));
                self.proceed(now);
            }
            Phase::Recognise => {
                initialising.phase = Phase::Inquire(Asking::new(now));
                self.heard_before_asking(now);
            }
            Phase::Inquire(_) => self.inquire(now),
            Phase::Tell(plan) => match plan.front().cloned() {
                Some(command) => {
                    self.command(&command);
                    self.enter(Step::Telling, now, times::SETTING_WAIT, "OK to a setting");
                }
                None => {
                    initialising.phase = Phase::TurnOn(TurnOn::default());
                    self.turn_on(now);
                }
            },
            Phase::TurnOn(_) => self.turn_on(now),
        }
    }

    /// The answers to what identifies the modem are being gathered here, if they are.
    pub(super) fn asking(&mut self) -> Option<&mut Asking> {
        match &mut self.goal {
            Goal::Identify(asking) => Some(asking),
            Goal::Initialise(initialising) => initialising.asking(),
            Goal::Listen
            | Goal::Dial(_)
            | Goal::Answer
            | Goal::HangUp { .. }
            | Goal::Probe
            | Goal::Ask(..)
            | Goal::ListCalls(_)
            | Goal::Restore { .. } => None,
        }
    }

    /// All has been asked: chooses the kind, and goes on by it.
    pub(super) fn recognise(&mut self, now: Instant) {
        let Goal::Initialise(initialising) = &mut self.goal else { return };
        let Phase::Inquire(asking) = std::mem::replace(&mut initialising.phase, Phase::Recognise) else { return };
        self.recognised = true;
        if let Kind::FindOut { catalogue, usb } = &self.settings.kind {
            let mut seen = asking.finish();
            seen.usb = *usb;
            self.profile = catalogue.recognise(&seen);
            self.report(Event::Recognised(Arc::clone(&self.profile)));
        }
        self.proceed(now);
    }

    /// The command of the plan that was sent is done with.
    pub(super) fn told(&mut self, accepted: bool) {
        let Goal::Initialise(initialising) = &mut self.goal else { return };
        let Phase::Tell(plan) = &mut initialising.phase else { return };
        let Some(command) = plan.pop_front() else { return };
        if !accepted {
            self.report(Event::CommandRefused(command));
        } else if self.profile.setup.flow_control.as_ref() == Some(&command) {
            self.output(Output::SetFlowControl);
        }
    }

    fn turn(&mut self) -> Option<&mut TurnOn> {
        match &mut self.goal {
            Goal::Restore { turn, .. } => Some(turn),
            Goal::Initialise(initialising) => initialising.turn(),
            Goal::Listen
            | Goal::Dial(_)
            | Goal::Answer
            | Goal::HangUp { .. }
            | Goal::Probe
            | Goal::Identify(_)
            | Goal::Ask(..)
            | Goal::ListCalls(_) => None,
        }
    }

    /// Sends the next command that turns caller identification on, or asks whether it is.
    pub(super) fn turn_on(&mut self, now: Instant) {
        let Some(turn) = self.turn() else { return };
        let (next, accepted) = (turn.next, turn.accepted);
        let commands = self.settings.caller_id(&self.profile);
        if let Some(command) = commands.get(next).cloned() {
            self.command(&command);
            return self.enter(Step::TurningOn, now, times::SETTING_WAIT, "OK to caller identification");
        }
        let wanted = !commands.is_empty();
        match self.settings.caller_id_check(&self.profile).map(|check| check.ask.clone()) {
            Some(ask) if wanted => {
                self.command(&ask);
                let step = Step::Checking { holds: false };
                self.enter(step, now, times::SETTING_WAIT, "whether caller identification is on");
            }
            _ => self.turned_on(accepted || !wanted),
        }
    }

    /// The command that was sent is done with. That it was refused is told once.
    pub(super) fn turned(&mut self, accepted: bool) {
        let Some(turn) = self.turn() else { return };
        let (index, again) = (turn.next, turn.again);
        turn.next += 1;
        turn.accepted |= accepted;
        let refused = self.settings.caller_id(&self.profile).get(index).filter(|_| !accepted && !again).cloned();
        if let Some(command) = refused.filter(|_| matches!(self.goal, Goal::Initialise(_))) {
            self.report(Event::CommandRefused(command));
        }
    }

    /// The answer shows that it is on, or not: then it is turned on once more. Returns whether that is to be tried.
    pub(super) fn checked(&mut self, holds: bool) -> bool {
        match self.turn() {
            Some(turn) if !holds && !turn.again => {
                *turn = TurnOn { again: true, ..TurnOn::default() };
                true
            }
            _ => {
                self.turned_on(holds);
                false
            }
        }
    }

    fn turned_on(&mut self, on: bool) {
        if matches!(self.goal, Goal::Restore { .. }) {
            return self.restored(on);
        }
        if !on {
            self.report(Event::CallerIdOff);
        }
        self.finish(Event::Ready);
    }
}
