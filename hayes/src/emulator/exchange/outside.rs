//! Parties of a call that are no line of this exchange: another exchange behind a trunk, a caller of a scenario, a
//! person at a socket.
//!
//! A call that leaves: a line dials what no line has and a trunk leads to; [`OutsideEvent::Called`] comes out, and the
//! shell says by [`OutsideAct`]s what becomes of it. A call that comes in starts with
//! [`Exchange::call_from_outside`]. [`OutsideAct`] and [`OutsideEvent`] mirror each other, so that two exchanges are
//! joined by handing the events of one to the other as acts.
//!
//! Who trains: where there is an exchange behind the outside party, the caller's exchange decides when the modems are
//! connected, and tells the other ([`OutsideEvent::Connected`], [`OutsideAct::Connected`]); a party without one
//! ([`Far::Plain`]) is trained here, whoever called. Who paces: each exchange paces, delays and disturbs what its own
//! lines send, and so what a plain party sends; what comes from another exchange has been paced there and passes.

use std::time::Instant;

use super::super::call::{Call, End, Phase};
use super::super::calllog::{CallEventKind, CallId};
use super::super::dce::Role;
use super::routing::Refusal;
use super::{Exchange, Output};
use crate::caller::CallerId;

/// A party of a call that is no line of this exchange. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutsideId(pub(super) u64);

/// Who calls from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutsideCaller {
    /// What the log of calls names it: the trunk, or what kind of caller it is. Only `[a-z0-9-]` of it is kept.
    pub name: String,
    /// What caller identification tells of it; the time of day is put in if it has none.
    pub id: CallerId,
    /// The highest rate of its modem in bit/s.
    pub rate: u32,
    /// Whether there is an exchange behind it.
    pub far: Far,
    /// What it does: [`Role::Originate`] for a modem, [`Role::Silent`] for a person. Of a caller behind another
    /// exchange only that exchange knows it, and this is not looked at.
    pub role: Role,
}

/// What is behind an outside party.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Far {
    /// Another exchange, which trains its modems and paces what they send.
    #[default]
    Exchange,
    /// Nothing but the party: this exchange does both.
    Plain,
}

/// What an outside party does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutsideAct {
    /// The called telephone rings.
    Ringing,
    /// The called line is engaged. The call is over.
    Busy,
    /// Nobody has the number. The call is over.
    Unknown,
    /// The called telephone has rung for too long. The call is over.
    NoAnswer,
    /// The called party is off hook, or does now something else off hook.
    Answer {
        /// What it does.
        role: Role,
        /// The highest rate of its modem in bit/s.
        rate: u32,
    },
    /// The caller's exchange says that the modems are connected.
    Connected {
        /// The rate in bit/s.
        rate: u32,
    },
    /// Data for the other end; beyond [`Exchange::outside_room`] it is lost.
    Data(Vec<u8>),
    /// Whether it takes data now; what comes meanwhile waits and holds up the other end.
    Flow(bool),
    /// It hangs up. The call is over.
    HangUp,
}

/// What an outside party is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutsideEvent {
    /// It is called.
    Called {
        /// Over which trunk.
        trunk: String,
        /// The number, without the trunk's prefix if that is stripped.
        to: String,
        /// What caller identification tells.
        caller: CallerId,
        /// The highest rate of the caller's modem in bit/s.
        rate: u32,
    },
    /// The telephone it called rings.
    Ringing,
    /// The line it called is engaged. The call is over.
    Busy,
    /// Nobody has the number it called. The call is over.
    Unknown,
    /// The telephone it called has rung for too long. The call is over.
    NoAnswer,
    /// The line it called is off hook, or does now something else off hook.
    Answered {
        /// What it does.
        role: Role,
        /// The highest rate that both modems have, in bit/s.
        rate: u32,
    },
    /// The modems are connected.
    Connected {
        /// The rate in bit/s.
        rate: u32,
    },
    /// Data from the other end.
    Data(Vec<u8>),
    /// The other end hung up. The call is over.
    HungUp,
}

/// An outside party of a call in progress.
#[derive(Clone, Debug)]
pub(super) struct Outside {
    pub(super) call: CallId,
    pub(super) name: String,
    pub(super) id: CallerId,
    pub(super) rate: u32,
    pub(super) far: Far,
    /// What it does off hook; `None` for a called party that has not answered.
    pub(super) role: Option<Role>,
    ready: bool,
}

impl Outside {
    pub(super) fn new(call: CallId, caller: OutsideCaller, role: Option<Role>) -> Self {
        let OutsideCaller { name, id, rate, far, role: _ } = caller;
        let name = log_name(name, "outside");
        Self { call, name, id, rate: rate.clamp(LOWEST_RATE, HIGHEST_RATE), far, role, ready: true }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.ready
    }
}

/// How many parties may be in calls at a time: whoever calls over a trunk must not fill the memory.
const MOST_PARTIES: usize = 4096;
const LONGEST_NAME: usize = 64;
const LOWEST_RATE: u32 = 75;
const HIGHEST_RATE: u32 = 10_000_000;

/// A name fit for the log of calls.
pub(super) fn log_name(mut name: String, otherwise: &str) -> String {
    name.retain(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    name.truncate(LONGEST_NAME);
    if name.is_empty() { otherwise.to_owned() } else { name }
}

impl Exchange {
    /// Starts a call from outside to a number of this exchange; calls do not pass on to another trunk. What becomes of
    /// it is told by [`Output::Outside`]s, which may be there at once.
    pub fn call_from_outside(&mut self, to: &str, caller: OutsideCaller, now: Instant) -> OutsideId {
        let call = self.new_call_id();
        let role = Some(caller.role);
        let id = self.admit(Outside::new(call, caller, role));
        self.place(to, id, call, now);
        self.settle(now);
        id
    }

    /// Puts a call from outside through.
    pub(super) fn place(&mut self, to: &str, id: OutsideId, call: CallId, now: Instant) {
        if self.outsides.len() > MOST_PARTIES {
            let _over = self.refuse(call, End::Outside(id), Refusal::Congestion, now);
            return;
        }
        let digits: String = to.chars().filter(|c| matches!(c, '0'..='9' | '*' | '#' | '+')).take(64).collect();
        if let Some(phase) = self.route(call, End::Outside(id), &digits, now) {
            self.calls.insert(call, Call { caller: End::Outside(id), phase });
        }
        self.reschedule(call);
    }

    /// Takes what an outside party does; acts of one whose call is over, or that make no sense now, do nothing.
    pub fn handle_outside(&mut self, id: OutsideId, act: OutsideAct, now: Instant) {
        let Some(outside) = self.outsides.get_mut(&id) else { return };
        let call = outside.call;
        let name = outside.name.clone();
        match act {
            OutsideAct::Ringing => {
                if self.is_seized(call, id) {
                    self.report(call, CallEventKind::Ringing { line: name, ring: 1 }, now);
                }
            }
            OutsideAct::Busy => self.fail_seized(call, id, Refusal::Busy, now),
            OutsideAct::Unknown => self.fail_seized(call, id, Refusal::Unknown, now),
            OutsideAct::NoAnswer => self.fail_seized(call, id, Refusal::NoAnswer, now),
            OutsideAct::Answer { role, rate } => {
                outside.role = Some(role);
                outside.rate = outside.rate.min(rate.max(LOWEST_RATE));
                if self.is_seized(call, id) {
                    if let Some(call) = self.calls.get_mut(&call) {
                        call.phase = Phase::Answered { callee: End::Outside(id) };
                    }
                    self.report(call, CallEventKind::Answered { line: name }, now);
                }
                self.train(call, now);
            }
            OutsideAct::Connected { rate } => {
                outside.rate = outside.rate.min(rate.max(LOWEST_RATE));
                self.connect_as_told(call, id, now);
            }
            OutsideAct::Data(bytes) => {
                if let Some(circuit) = self.calls.get_mut(&call).and_then(|call| call.outgoing(End::Outside(id))) {
                    circuit.send(&bytes, now);
                }
                self.deliver_all(call, now);
            }
            OutsideAct::Flow(ready) => {
                outside.ready = ready;
                self.deliver(call, End::Outside(id), now);
                self.finish_release(call, now);
            }
            OutsideAct::HangUp => self.hang_up(call, End::Outside(id), name, now),
        }
        self.reschedule(call);
        self.settle(now);
    }

    /// How many bytes of [`OutsideAct::Data`] are taken now without loss; none before the modems are connected.
    #[must_use]
    pub fn outside_room(&self, id: OutsideId) -> usize {
        let call = self.outsides.get(&id).and_then(|outside| self.calls.get(&outside.call));
        call.and_then(|call| call.room(End::Outside(id))).unwrap_or(0)
    }

    /// Gives an outside party its number.
    pub(super) fn admit(&mut self, outside: Outside) -> OutsideId {
        self.last_outside += 1;
        let id = OutsideId(self.last_outside);
        self.outsides.insert(id, outside);
        id
    }

    pub(super) fn tell_outside(&mut self, id: OutsideId, event: OutsideEvent, now: Instant) {
        if self.director.plays(id) {
            return self.direct_party(id, &event, now);
        }
        self.outputs.push_back(Output::Outside { id, event });
    }

    /// Tells an outside party its last event.
    pub(super) fn dismiss(&mut self, id: OutsideId, event: OutsideEvent, now: Instant) {
        if self.outsides.remove(&id).is_some() {
            self.tell_outside(id, event, now);
        }
    }

    fn is_seized(&self, call: CallId, id: OutsideId) -> bool {
        matches!(self.calls.get(&call).map(|call| &call.phase), Some(Phase::Seized { callee, .. }) if *callee == id)
    }

    /// The call over a trunk does not come about; the caller is given a tone.
    fn fail_seized(&mut self, call: CallId, id: OutsideId, why: Refusal, now: Instant) {
        if !self.is_seized(call, id) {
            return;
        }
        self.outsides.remove(&id);
        let Some(Call { caller, .. }) = self.calls.remove(&call) else { return };
        if let Some(phase) = self.refuse(call, caller, why, now) {
            self.calls.insert(call, Call { caller, phase });
        }
    }

    /// The caller's exchange has trained.
    fn connect_as_told(&mut self, id: CallId, by: OutsideId, now: Instant) {
        let Some(call) = self.calls.get(&id) else { return };
        let (caller, Phase::Answered { callee }) = (call.caller, &call.phase) else { return };
        let callee = *callee;
        let sings = matches!(self.role(callee), Some(Role::Answer | Role::Originate));
        if caller != End::Outside(by) || self.leads(caller, callee) || !sings {
            return;
        }
        let phase = self.connect(id, caller, callee, now);
        if let Some(call) = self.calls.get_mut(&id) {
            call.phase = phase;
        }
    }
}
