//! What cellular modems tell of calls beside `+CRING` and `+CLIP`.
//!
//! Owns call waiting (3GPP TS 27.007 7.12) and the list of current calls (7.18). Refuses answers to questions that
//! only look alike (`+CCWA: 1,1`).

use crate::caller::{CallerId, CallerNumber, presented, quoted_list};

/// One call in the list that `AT+CLCC` asks for (3GPP TS 27.007 7.18).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedCall {
    /// Its number in the list, from 1.
    pub index: u8,
    /// Who began it.
    pub direction: CallDirection,
    /// How far it is.
    pub state: CallState,
    /// What it carries.
    pub mode: CallMode,
    /// Whether it is part of a conference.
    pub multiparty: bool,
    /// The other party, where known.
    pub number: Option<CallerNumber>,
    /// The other party's name in the modem's own telephone book.
    pub name: Option<String>,
}

/// Who began a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallDirection {
    /// This end dialled it.
    Outgoing,
    /// It came in.
    Incoming,
}

/// How far a listed call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallState {
    /// Both ends are connected.
    Active,
    /// Connected, and on hold.
    Held,
    /// This end dials.
    Dialling,
    /// The other end is alerted.
    Alerting,
    /// This end is alerted.
    Incoming,
    /// It comes in while another call stands.
    Waiting,
}

/// What a listed call carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallMode {
    /// Speech.
    Voice,
    /// Data.
    Data,
    /// A fax.
    Fax,
    /// One after the other, or unknown to the modem.
    Other,
}

impl ListedCall {
    /// Reads `+CLCC: 1,1,4,0,0,"+27821231234",145,"name"`; `None` for any other line and for values unheard of.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let parts = quoted_list(line.strip_prefix("+CLCC:")?.trim());
        let part = |index: usize| parts.get(index).map_or("", |part| part.trim());
        let direction = match part(1) {
            "0" => CallDirection::Outgoing,
            "1" => CallDirection::Incoming,
            _ => return None,
        };
        let state = match part(2) {
            "0" => CallState::Active,
            "1" => CallState::Held,
            "2" => CallState::Dialling,
            "3" => CallState::Alerting,
            "4" => CallState::Incoming,
            "5" => CallState::Waiting,
            _ => return None,
        };
        let mode = match part(3) {
            "0" => CallMode::Voice,
            "1" => CallMode::Data,
            "2" => CallMode::Fax,
            "3" | "4" | "5" | "6" | "7" | "8" | "9" => CallMode::Other,
            _ => return None,
        };
        let name = Some(part(7)).filter(|name| !name.is_empty()).map(str::to_owned);
        let number = presented(part(5), part(6), "");
        let multiparty = part(4) == "1";
        Some(Self { index: part(0).parse().ok()?, direction, state, mode, multiparty, number, name })
    }
}

/// Reads `+CCWA: "+27821231234",145,1,"name",0`: number, type, class, name, validity.
pub(super) fn call_waiting(line: &str) -> Option<CallerId> {
    let rest = line.strip_prefix("+CCWA:")?.trim();
    // The answer to a question begins with a status.
    if !rest.starts_with('"') {
        return None;
    }
    let parts = quoted_list(rest);
    let part = |index: usize| parts.get(index).map_or("", |part| part.trim());
    let number = presented(part(0), part(1), part(4)).or(Some(CallerNumber::Unavailable));
    let name = Some(part(3)).filter(|name| !name.is_empty()).map(str::to_owned);
    Some(CallerId { number, name, ..CallerId::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(number: &str) -> Option<CallerNumber> {
        Some(CallerNumber::Known(number.to_owned()))
    }

    #[test]
    fn a_listed_call_is_read() {
        let call = ListedCall {
            index: 1,
            direction: CallDirection::Incoming,
            state: CallState::Incoming,
            mode: CallMode::Voice,
            multiparty: false,
            number: known("+27821231234"),
            name: None,
        };
        assert_eq!(ListedCall::parse("+CLCC: 1,1,4,0,0,\"27821231234\",145"), Some(call.clone()));
        let data = ListedCall {
            index: 2,
            direction: CallDirection::Outgoing,
            state: CallState::Active,
            mode: CallMode::Data,
            multiparty: true,
            number: known("123456789"),
            name: Some("Smith, J".to_owned()),
        };
        assert_eq!(ListedCall::parse("+CLCC: 2,0,0,1,1,\"123456789\",161,\"Smith, J\",0"), Some(data));
        assert_eq!(ListedCall::parse("+CLCC: 1,1,4,0,0"), Some(ListedCall { number: None, ..call }));
        for line in ["+CLCC:", "+CLCC: (0-7)", "+CLCC: 1,2,0,0,0", "+CLCC: 1,1,9,0,0", "+CLCC: 999,1,0,0,0", "+CLCC=1"]
        {
            assert_eq!(ListedCall::parse(line), None, "{line}");
        }
    }

    #[test]
    fn a_waiting_call_is_told_from_the_answer_to_a_question() {
        let waiting = |line: &str| call_waiting(line).map(|caller| caller.number);
        assert_eq!(waiting("+CCWA: \"+441234\",145,1"), Some(known("+441234")));
        assert_eq!(waiting("+CCWA:\"441234\",145,1,\"ANNE\""), Some(known("+441234")));
        assert_eq!(waiting("+CCWA: \"\",128,1,,1"), Some(Some(CallerNumber::Withheld)));
        assert_eq!(waiting("+CCWA: \"\",128,1"), Some(Some(CallerNumber::Unavailable)));
        for line in ["+CCWA: 1,1", "+CCWA: 0", "+CCWA:", "+CCWAV: \"1\""] {
            assert_eq!(waiting(line), None, "{line}");
        }
    }
}
