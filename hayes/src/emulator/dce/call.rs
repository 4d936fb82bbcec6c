//! A call's course: answering, data state, and its end.

use std::time::Instant;

use super::{Carrier, Dce, LineSignal, Role, State};
use crate::emulator::escape::EscapeWatch;
use crate::reply::ResultCode;

impl Dce {
    /// Goes off hook with the answer tone, or in voice mode without; a result that is there at once is returned.
    pub(super) fn answer(&mut self, now: Instant) -> Option<ResultCode> {
        self.incoming = true;
        self.caller = None;
        if self.is_in_voice_mode() {
            self.signal(LineSignal::OffHook(Role::Silent));
            self.state = State::OffHook { dialled: false };
            return Some(ResultCode::Ok);
        }
        self.signal(LineSignal::OffHook(Role::Answer));
        let until = now + self.settings.registers.completion_timeout();
        self.state = State::Awaiting { until, quiet_answer: false };
        None
    }

    /// Both modems hear each other.
    pub(super) fn go_online(&mut self, rate: u32, now: Instant) {
        self.resume(Carrier { rate, lost: None, active: now }, now);
    }

    /// Enters data state, for the first time or again.
    pub(super) fn resume(&mut self, carrier: Carrier, now: Instant) {
        self.state = State::Data { carrier: Carrier { active: now, ..carrier }, escape: EscapeWatch::new(now) };
        self.report_connection(carrier.rate);
    }

    /// When S10 has run out for a carrier that is away.
    pub(super) fn carrier_loss(&self, carrier: &Carrier) -> Option<Instant> {
        Some(carrier.lost? + self.settings.registers.carrier_loss()?)
    }

    /// When S30 has run out.
    pub(super) fn inactivity(&self, carrier: &Carrier) -> Option<Instant> {
        Some(carrier.active + self.settings.registers.inactivity()?)
    }

    /// Ends the call if its carrier has been away for S10.
    pub(super) fn give_up_carrier(&mut self, carrier: &Carrier, now: Instant) {
        let connected = matches!(self.state, State::Data { .. } | State::Escaped { .. });
        if connected && self.carrier_loss(carrier).is_some_and(|at| at <= now) {
            self.end_call(&ResultCode::NoCarrier, "LOSS OF CARRIER");
        }
    }

    /// Goes on hook and says why; `cause` is what the diagnostics tell of it later.
    pub(super) fn end_call(&mut self, why: &ResultCode, cause: &'static str) {
        self.hang_up(cause);
        self.result(why);
    }

    /// Ends a call that did not come about; one that was dialled counts against its number.
    pub(super) fn fail_call(&mut self, why: &ResultCode, now: Instant) {
        if let Some(rules) = self.kind.emulation.blacklisting.filter(|_| !self.incoming && !self.dialled.is_empty()) {
            self.blacklist.failed(&rules, &self.dialled, now);
        }
        self.end_call(why, "NO CONNECTION");
    }

    /// Ends whatever call there is, as DTR demands.
    pub(super) fn clear_down(&mut self) {
        match self.state {
            State::Idle => {}
            State::OffHook { .. } => self.hang_up("DTR DROPPED"),
            State::Dialling(_)
            | State::Awaiting { .. }
            | State::Collided { .. }
            | State::Data { .. }
            | State::Escaped { .. } => self.end_call(&ResultCode::NoCarrier, "DTR DROPPED"),
        }
    }

    /// Goes on hook. The line still carries what it has taken, so S38 has nothing to wait for.
    pub(super) fn hang_up(&mut self, cause: &'static str) {
        let rate = match &self.state {
            State::Idle => return,
            State::Data { carrier, .. } | State::Escaped { carrier } => carrier.rate,
            State::OffHook { .. } | State::Dialling(_) | State::Awaiting { .. } | State::Collided { .. } => 0,
        };
        self.last_call = Some((rate, cause));
        self.state = State::Idle;
        self.dial_tone = false;
        self.signal(LineSignal::OnHook);
    }
}
