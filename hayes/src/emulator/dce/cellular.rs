//! What a modem on a mobile network knows beyond the others (3GPP TS 27.007): its network, its card, its calls.

use super::orders::{ERROR, Obeyed};
use super::{Dce, State};
use crate::caller::CallerNumber;
use crate::command::Action;
use crate::profile::{CallerIdStyle, RingStyle};

/// Questions with an answer that does not change: there is a card, a network and a signal.
const ANSWERS: [(&str, Action, &str); 9] = [
    ("+CFUN", Action::Read, "+CFUN: 1"),
    ("+CGATT", Action::Read, "+CGATT: 1"),
    ("+COPS", Action::Read, "+COPS: 0,0,\"Exchange\""),
    ("+COPS", Action::Test, "+COPS: (2,\"Exchange\",\"EXCH\",\"00101\"),,(0-4),(0-2)"),
    ("+CPIN", Action::Read, "+CPIN: READY"),
    ("+CSQ", Action::Execute, "+CSQ: 20,99"),
    ("+CSQ", Action::Test, "+CSQ: (0-31,99),(0-7,99)"),
    ("+CPIN", Action::Test, ""),
    ("+CHUP", Action::Test, ""),
];
/// Settings that are taken without effect: a data context, the operator, new messages, full function.
const WITHOUT_EFFECT: [&str; 5] = ["+CGDCONT", "+COPS", "+CNMI", "+CFUN", "+CPMS"];

impl Dce {
    /// Whether the modem is on a mobile network rather than a telephone line.
    pub(super) fn is_cellular(&self) -> bool {
        let emulation = &self.kind.emulation;
        emulation.caller_id == CallerIdStyle::Clip || emulation.ring == RingStyle::Cring
    }

    /// Carries out a command of mobile modems that is no parameter.
    pub(super) fn cellular(&mut self, name: &str, action: &Action) -> Obeyed {
        if let Some((.., text)) = ANSWERS.iter().find(|(known, asked, _)| (*known, asked) == (name, action)) {
            if !text.is_empty() {
                self.information(&[text]);
            }
            return Obeyed::Next;
        }
        match (name, action) {
            ("+CHUP", Action::Execute) => self.hang_up("HANG UP"),
            ("+CLCC", Action::Execute) => {
                let calls: Vec<_> = self.current_call().into_iter().collect();
                self.information(&calls);
            }
            ("+CPAS", Action::Execute) => {
                let activity = match (&self.state, self.last_ring) {
                    (State::Idle, None) => 0,
                    (State::Idle, Some(_)) => 3,
                    (_, _) => 4,
                };
                self.information(&[format!("+CPAS: {activity}")]);
            }
            (_, Action::Set(_)) if WITHOUT_EFFECT.contains(&name) => {}
            (_, _) => return ERROR,
        }
        Obeyed::Next
    }

    /// The call there is, as `+CLCC` lists it (3GPP TS 27.007 7.18).
    fn current_call(&self) -> Option<String> {
        let status = match &self.state {
            State::Idle => self.last_ring.map(|_| 4)?,
            State::OffHook { dialled: false } | State::Collided { .. } => return None,
            State::OffHook { dialled: true } | State::Data { .. } | State::Escaped { .. } => 0,
            State::Dialling(_) => 2,
            State::Awaiting { .. } => 3,
        };
        let incoming = status == 4 || self.incoming;
        let number = match (&self.last_caller, incoming) {
            (Some(caller), true) => caller.number.clone(),
            (None, true) => None,
            (_, false) => Some(CallerNumber::Known(self.dialled.clone())),
        };
        let mode = u8::from(matches!(self.state, State::Data { .. } | State::Escaped { .. }));
        let direction = u8::from(incoming);
        Some(match number {
            Some(CallerNumber::Known(digits)) => {
                let kind = if digits.starts_with('+') { 145 } else { 129 };
                format!("+CLCC: 1,{direction},{status},{mode},0,\"{digits}\",{kind}")
            }
            Some(CallerNumber::Withheld | CallerNumber::Unavailable) | None => {
                format!("+CLCC: 1,{direction},{status},{mode},0")
            }
        })
    }
}
