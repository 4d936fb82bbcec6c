//! One call: who is in it, how far it has come, and when it wants attention next.

use std::time::Instant;

use super::circuit::Circuit;
use super::exchange::LineId;
use super::exchange::outside::OutsideId;

/// One end of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// A line of this exchange.
    Line(LineId),
    /// A party that is no line of this exchange.
    Outside(OutsideId),
}

/// A call in progress.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) caller: End,
    pub(super) phase: Phase,
}

/// How far a call has come.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    /// Digits have come and more may follow.
    Dialling { digits: String, until: Instant },
    /// The caller hears a busy tone or an announcement.
    Tone { until: Instant },
    /// The call has left over a trunk, and nobody has answered yet.
    Seized { callee: OutsideId, until: Instant },
    /// The called telephone rings.
    Ringing(Ringing),
    /// The caller hears it ring, but no telephone does.
    Lost { until: Instant },
    /// The called party is off hook, but the two modems do not answer each other.
    Answered { callee: End },
    /// The modems train.
    Training { callee: End, until: Instant },
    /// Data flows.
    Connected { callee: End, to_caller: Box<Circuit>, to_callee: Box<Circuit>, interruption: Option<Interruption> },
    /// One side has hung up; the other gets what is still on its way and is then told.
    Releasing(Releasing),
}

/// Something that stops the data of a call.
#[derive(Clone, Debug)]
pub(super) struct Interruption {
    /// When it is over, unless it is for good.
    pub(super) until: Option<Instant>,
    /// The modems train again, and then have this rate in bit/s; without it they do not hear each other.
    pub(super) retrain: Option<u32>,
    /// What it is called, and on which line.
    pub(super) name: &'static str,
    pub(super) line: String,
}

/// The bell of the called telephone, or the tone in its ear when it is in another call.
#[derive(Clone, Debug)]
pub(super) struct Ringing {
    pub(super) callee: LineId,
    /// The number that leads to it.
    pub(super) number: String,
    pub(super) pattern: u8,
    /// It is in another call: there is a tone in place of the bell.
    pub(super) waiting: bool,
    /// The caller is not told as it should be.
    pub(super) garbled: bool,
    pub(super) rings: u32,
    pub(super) next_ring: Instant,
    pub(super) caller_id_at: Option<Instant>,
    pub(super) until: Instant,
}

/// The end of a call, as the side sees it that did not hang up.
#[derive(Clone, Debug)]
pub(super) struct Releasing {
    pub(super) survivor: End,
    pub(super) remaining: Option<Box<Circuit>>,
    pub(super) notice: Instant,
    /// What has not been taken by now is lost (as with S38).
    pub(super) forced: Instant,
}

impl Call {
    /// When the call next wants attention, and what for.
    pub(super) fn deadline(&self) -> Option<(Instant, &'static str)> {
        match &self.phase {
            Phase::Dialling { until, .. } => Some((*until, "routing a dialled number")),
            Phase::Tone { until } => Some((*until, "end of the tone")),
            Phase::Lost { until } => Some((*until, "end of ringing")),
            Phase::Seized { until, .. } => Some((*until, "answer from a trunk")),
            Phase::Ringing(ringing) => {
                let ring = (ringing.next_ring.min(ringing.until), "next ring");
                let caller_id = ringing.caller_id_at.map(|at| (at, "caller identification"));
                caller_id.into_iter().chain([ring]).min_by_key(|(at, _)| *at)
            }
            Phase::Answered { .. } => None,
            Phase::Training { until, .. } => Some((*until, "training")),
            Phase::Connected { to_caller, to_callee, interruption, .. } => {
                let next = to_caller.deadline().into_iter().chain(to_callee.deadline()).min();
                let next = next.map(|at| (at, "data on the line"));
                let until = interruption.as_ref().and_then(|interruption| interruption.until);
                next.into_iter().chain(until.map(|at| (at, "end of an interruption"))).min_by_key(|(at, _)| *at)
            }
            Phase::Releasing(releasing) => Some((releasing.deadline(), "telling the other side")),
        }
    }

    /// The called party, once it is part of the call.
    pub(super) fn callee(&self) -> Option<End> {
        match &self.phase {
            Phase::Dialling { .. } | Phase::Tone { .. } | Phase::Lost { .. } | Phase::Releasing(_) => None,
            Phase::Seized { callee, .. } => Some(End::Outside(*callee)),
            Phase::Ringing(ringing) => Some(End::Line(ringing.callee)),
            Phase::Answered { callee } | Phase::Training { callee, .. } | Phase::Connected { callee, .. } => {
                Some(*callee)
            }
        }
    }

    /// How much of what `end` sends the call takes now, once data flows.
    pub(super) fn room(&self, end: End) -> Option<usize> {
        let Phase::Connected { to_caller, to_callee, .. } = &self.phase else { return None };
        Some(if end == self.caller { to_callee.room() } else { to_caller.room() })
    }

    /// The circuit that carries what `end` sends.
    pub(super) fn outgoing(&mut self, end: End) -> Option<&mut Circuit> {
        let from_caller = end == self.caller;
        match &mut self.phase {
            Phase::Connected { to_caller, to_callee, .. } => Some(if from_caller { to_callee } else { to_caller }),
            Phase::Dialling { .. }
            | Phase::Tone { .. }
            | Phase::Lost { .. }
            | Phase::Seized { .. }
            | Phase::Ringing(_)
            | Phase::Answered { .. }
            | Phase::Training { .. }
            | Phase::Releasing(_) => None,
        }
    }

    /// The circuit that carries what `end` receives.
    pub(super) fn incoming(&mut self, end: End) -> Option<&mut Circuit> {
        let to_the_caller = end == self.caller;
        match &mut self.phase {
            Phase::Connected { to_caller, to_callee, .. } => Some(if to_the_caller { to_caller } else { to_callee }),
            Phase::Releasing(releasing) if releasing.survivor == end => releasing.remaining.as_deref_mut(),
            Phase::Dialling { .. }
            | Phase::Tone { .. }
            | Phase::Lost { .. }
            | Phase::Seized { .. }
            | Phase::Ringing(_)
            | Phase::Answered { .. }
            | Phase::Training { .. }
            | Phase::Releasing(_) => None,
        }
    }
}

impl Releasing {
    /// Whether the survivor is to be told now.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        now >= self.forced || (now >= self.notice && self.remaining.as_ref().is_none_or(|circuit| circuit.is_empty()))
    }

    fn deadline(&self) -> Instant {
        match &self.remaining {
            Some(circuit) if !circuit.is_empty() => circuit.deadline().unwrap_or(self.forced).min(self.forced),
            Some(_) | None => self.notice,
        }
    }
}
