//! Caller identification as a modem writes it on its screen.

use crate::caller::{CallerId, CallerNumber};
use crate::profile::CallerIdStyle;

/// The lines a modem shows for `caller`: `DATE`, `TIME`, `NMBR`, `NAME`, those that are known.
pub(super) fn caller_id_lines(style: CallerIdStyle, caller: &CallerId) -> Vec<String> {
    let number = caller.number.as_ref().map(|number| match number {
        CallerNumber::Known(digits) => digits.as_str(),
        CallerNumber::Withheld => "P",
        CallerNumber::Unavailable => "O",
    });
    let fields = [
        ("DATE", caller.date.as_deref()),
        ("TIME", caller.time.as_deref()),
        ("NMBR", number),
        ("NAME", caller.name.as_deref()),
    ];
    let sign = match style {
        CallerIdStyle::Spaced => " = ",
        CallerIdStyle::Compact
        | CallerIdStyle::Zyxel
        | CallerIdStyle::FromTo
        | CallerIdStyle::ElsaRing
        | CallerIdStyle::Isdn4linux
        | CallerIdStyle::RingNumber
        | CallerIdStyle::Clip => "=",
    };
    fields.into_iter().filter_map(|(tag, value)| value.map(|value| format!("{tag}{sign}{value}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(number: CallerNumber) -> CallerId {
        CallerId {
            number: Some(number),
            name: Some("A N OTHER".into()),
            date: Some("0321".into()),
            time: Some("1405".into()),
        }
    }

    #[test]
    fn rockwell_sets_blanks_around_the_sign() {
        let lines = caller_id_lines(CallerIdStyle::Spaced, &caller(CallerNumber::Known("504551234".into())));
        assert_eq!(lines, ["DATE = 0321", "TIME = 1405", "NMBR = 504551234", "NAME = A N OTHER"]);
    }

    #[test]
    fn a_withheld_number_is_a_letter() {
        let lines = caller_id_lines(CallerIdStyle::Compact, &caller(CallerNumber::Withheld));
        assert_eq!(lines, ["DATE=0321", "TIME=1405", "NMBR=P", "NAME=A N OTHER"]);
        let lines =
            caller_id_lines(CallerIdStyle::Compact, &CallerId { name: None, ..caller(CallerNumber::Unavailable) });
        assert_eq!(lines, ["DATE=0321", "TIME=1405", "NMBR=O"]);
    }
}
