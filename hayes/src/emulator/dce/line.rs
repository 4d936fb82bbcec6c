//! What the telephone line does to the modem.

use std::time::{Duration, Instant};

use super::{Dce, LineEvent, State};
use crate::reply::ResultCode;

/// How long a modem that met a caller listens for the answer tone that cannot come.
const COLLISION_WAIT: Duration = Duration::from_secs(5);

impl Dce {
    /// Takes what the telephone line does.
    pub fn handle_line(&mut self, event: LineEvent, now: Instant) {
        match event {
            LineEvent::Ring { pattern } => self.ring(pattern, now),
            LineEvent::CallerId { caller, called } => self.take_caller(caller, called, now),
            LineEvent::CallWaiting(caller) => self.tell_waiting(&caller),
            LineEvent::CarrierLost => {
                if let State::Data { carrier, .. } | State::Escaped { carrier } = &mut self.state {
                    carrier.lost.get_or_insert(now);
                }
            }
            LineEvent::CarrierBack => {
                if let State::Data { carrier, .. } | State::Escaped { carrier } = &mut self.state {
                    carrier.lost = None;
                }
            }
            LineEvent::DialTone => self.hear_dial_tone(now),
            LineEvent::Collision => {
                if matches!(self.state, State::Dialling(_)) {
                    self.state = State::Collided { until: now + COLLISION_WAIT };
                }
            }
            LineEvent::BusyTone => {
                let listening = matches!(self.state, State::Dialling(_) | State::Awaiting { .. });
                if listening && self.settings.hears_busy() {
                    self.fail_call(&ResultCode::Busy, now);
                }
            }
            LineEvent::Connected(rate) => match &mut self.state {
                State::Awaiting { .. } => {
                    if !self.incoming {
                        self.blacklist.succeeded(&self.dialled);
                    }
                    self.go_online(rate, now);
                }
                // After a retrain the modems may have agreed on another rate, which they do not tell.
                State::Data { carrier, .. } | State::Escaped { carrier } => {
                    carrier.rate = rate;
                    carrier.lost = None;
                }
                State::Idle | State::OffHook { .. } | State::Dialling(_) | State::Collided { .. } => {}
            },
            LineEvent::Dropped => match self.state {
                // A telephone line only falls silent; a mobile network says that its caller has gone.
                State::Idle if self.is_cellular() && self.incoming && self.last_ring.take().is_some() => {
                    self.incoming = false;
                    self.caller = None;
                    self.settings.registers.set(1, 0);
                    self.result(&ResultCode::NoCarrier);
                }
                State::Idle | State::OffHook { .. } => {}
                State::Dialling(_) | State::Awaiting { .. } => self.fail_call(&ResultCode::NoCarrier, now),
                State::Collided { .. } => self.end_call(&ResultCode::NoCarrier, "COLLISION"),
                State::Data { .. } | State::Escaped { .. } => self.end_call(&ResultCode::NoCarrier, "LOSS OF CARRIER"),
            },
        }
    }
}
