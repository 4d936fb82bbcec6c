//! The exchange at work: what happened goes in, what it wants is carried out, and then only who stirred is looked at.

use std::collections::BTreeSet;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use super::super::agenda::Agenda;
use super::super::calllog::CallEvent;
use super::super::exchange::{Exchange, Output};
use super::Party;
use super::annunciator::Annunciator;
use super::connection::Event;
use super::desk::{Desk, Input};
use super::opens::Doorkeeper;
use super::trunks::{ConnectionId, DOOR_PAUSE, Trunks};

/// What the loop of a switchboard works with.
pub(super) struct Shift<F> {
    exchange: Exchange,
    desks: Vec<Desk>,
    doorkeeper: Doorkeeper,
    trunks: Trunks,
    annunciator: Annunciator<Party>,
    at_the_door: Waker,
    /// Who is to be looked at.
    stirred: Vec<Party>,
    /// What terminals were seen to have done.
    inputs: Vec<(usize, Input)>,
    /// What connections were seen to have done.
    events: Vec<(ConnectionId, Event)>,
    /// Whose data waits for room on the line.
    stalled: BTreeSet<Party>,
    /// Who is not to be waited for any longer than this.
    agenda: Agenda<Party>,
    on_event: F,
}

impl<F: FnMut(&CallEvent)> Shift<F> {
    pub(super) fn new(
        exchange: Exchange,
        desks: Vec<Desk>,
        doorkeeper: Doorkeeper,
        trunks: Trunks,
        annunciator: Annunciator<Party>,
        on_event: F,
    ) -> Self {
        let at_the_door = annunciator.waker(Party::Door);
        annunciator.note(Party::Door);
        Self {
            exchange,
            inputs: (0..desks.len()).map(|desk| (desk, Input::Opened)).collect(),
            desks,
            doorkeeper,
            trunks,
            annunciator,
            at_the_door,
            stirred: Vec::new(),
            events: Vec::new(),
            stalled: BTreeSet::new(),
            agenda: Agenda::new(),
            on_event,
        }
    }

    /// Has the exchange take in all that happened, and carries out what it wants.
    pub(super) fn act(&mut self, now: Instant) {
        self.exchange.handle_wall_clock(since_1970(), now);
        self.exchange.handle_timeout(now);
        while let Some(party) = self.agenda.pop_due(now) {
            match party {
                Party::Desk(index) => self.inputs.push((index, Input::Closed)),
                Party::Door => self.annunciator.note(Party::Door),
                Party::Connection(id) => self.events.push((id, Event::Late)),
            }
        }
        for (index, input) in self.inputs.drain(..) {
            if let Some(desk) = self.desks.get_mut(index) {
                desk.handle(input, &mut self.exchange, now);
                // Whoever did something may have done more.
                self.annunciator.note(Party::Desk(index));
                let closing = desk.closing().map(|at| (at, "the last bytes of a closed terminal"));
                self.agenda.set(Party::Desk(index), closing);
            }
        }
        for (id, event) in self.events.drain(..) {
            self.trunks.handle(id, event, &mut self.exchange, now);
            self.annunciator.note(Party::Connection(id));
        }
        self.deliver(now);
        for party in &self.stalled {
            let has_room = match party {
                Party::Desk(index) => self.desks.get(*index).is_some_and(|desk| self.exchange.room(desk.line()) > 0),
                Party::Door => false,
                Party::Connection(id) => self.trunks.has_room(*id, &self.exchange),
            };
            if has_room {
                self.annunciator.note(*party);
            }
        }
    }

    /// Carries out what the exchange wants.
    fn deliver(&mut self, now: Instant) {
        while let Some(output) = self.exchange.poll_output() {
            match output {
                Output::Send { line, bytes } => {
                    if let Some(desk) = self.desks.get_mut(line.0) {
                        desk.send(&bytes, &mut self.exchange, now);
                    }
                }
                Output::Outside { id, event } => self.trunks.tell(id, event, &mut self.exchange, now),
                Output::Report(event) => {
                    tracing::debug!(%event, "call");
                    (self.on_event)(&event);
                }
            }
        }
    }

    /// When to act although nothing has happened.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let exchange = self.exchange.deadline().map(|(at, _reason)| at);
        let agenda = self.agenda.first().map(|(at, _reason)| at);
        exchange.into_iter().chain(agenda).min()
    }

    /// Waits until anybody did something. Only those that stirred are looked at.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut stirred = std::mem::take(&mut self.stirred);
        self.annunciator.take(cx, &mut stirred);
        let mut seen = Vec::new();
        let mut rescheduled = false;
        for party in stirred.drain(..) {
            let is_stalled = match party {
                Party::Desk(index) => {
                    let Some(desk) = self.desks.get_mut(index) else { continue };
                    let inputs = desk.poll(self.exchange.room(desk.line()));
                    seen.extend(inputs.into_iter().flatten().map(|input| (index, input)));
                    desk.is_stalled()
                }
                Party::Door => {
                    rescheduled |= self.open_the_door();
                    false
                }
                Party::Connection(id) => {
                    let events = self.trunks.poll(id, &self.exchange);
                    self.events.extend(events.into_iter().flatten().map(|event| (id, event)));
                    let deadline = self.trunks.deadline(id);
                    rescheduled |= deadline.map(|(at, _)| at) != self.agenda.of(party);
                    self.agenda.set(party, deadline);
                    self.trunks.is_stalled(id)
                }
            };
            if is_stalled {
                self.stalled.insert(party);
            } else {
                self.stalled.remove(&party);
            }
        }
        self.stirred = stirred;
        // Looked at after the terminals were read, and handled before: what was read may be a new client's first
        // command, and must not reach a modem that still serves the one before.
        self.doorkeeper.poll(&mut self.desks, cx, &mut self.inputs);
        self.inputs.append(&mut seen);
        if self.inputs.is_empty() && self.events.is_empty() && !rescheduled { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Lets in who waits; answers whether the door stays shut for a while instead.
    fn open_the_door(&mut self) -> bool {
        let now = tokio::time::Instant::now().into_std();
        let Err(error) = self.trunks.poll_door(&self.at_the_door, now, &mut self.events) else { return false };
        tracing::warn!(%error, "a trunk call could not be let in");
        self.agenda.set(Party::Door, Some((now + DOOR_PAUSE, "letting in trunk calls again")));
        true
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where this shell reads the wall clock")]
fn since_1970() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
