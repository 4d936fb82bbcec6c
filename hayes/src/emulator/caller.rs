//! Caller identification as a modem writes it on its screen.
//!
//! Owns each family's spelling and the hexadecimal form. When it is written, and whether, is for the modem to know.

use crate::caller::{CallerId, CallerNumber};
use crate::profile::CallerIdStyle;

/// The lines a modem shows for `caller`, those fields that are known; `called` is the number that was dialled, where
/// the network told it.
pub(super) fn caller_id_lines(style: CallerIdStyle, caller: &CallerId, called: &str) -> Vec<String> {
    let number = caller.number.as_ref();
    match style {
        CallerIdStyle::Spaced => tagged(caller, " = "),
        CallerIdStyle::Compact => tagged(caller, "="),
        CallerIdStyle::Zyxel => zyxel(caller),
        CallerIdStyle::FromTo => {
            let to = if called.is_empty() { String::new() } else { format!(" TO:{called}") };
            vec![format!("FM:{}{to}", digits(number))]
        }
        // They write it in place of RING.
        CallerIdStyle::ElsaRing | CallerIdStyle::RingNumber => Vec::new(),
        CallerIdStyle::Isdn4linux => {
            let digits = digits(number);
            vec![format!("CALLER NUMBER: {}", if digits.is_empty() { "0" } else { digits })]
        }
        CallerIdStyle::Clip => vec![format!("+CLIP: {}", line_identification(number, ",,,"))],
    }
}

/// What stands in place of `RING` in the families that tell the numbers there.
pub(super) fn ring_text(style: CallerIdStyle, caller: &CallerId, called: &str) -> String {
    let number = digits(caller.number.as_ref());
    match style {
        CallerIdStyle::ElsaRing => format!("RING;{number};{called}"),
        CallerIdStyle::Isdn4linux if !called.is_empty() => format!("RING/{called}"),
        CallerIdStyle::RingNumber if !number.is_empty() => format!("RING {number}"),
        CallerIdStyle::Isdn4linux
        | CallerIdStyle::RingNumber
        | CallerIdStyle::Spaced
        | CallerIdStyle::Compact
        | CallerIdStyle::Zyxel
        | CallerIdStyle::FromTo
        | CallerIdStyle::Clip => "RING".to_owned(),
    }
}

/// `"+441234",145` and what else there is to say: number, its type and the validity (3GPP TS 27.007 7.6, 7.12).
pub(super) fn line_identification(number: Option<&CallerNumber>, between: &str) -> String {
    let (digits, kind, validity) = match number {
        Some(CallerNumber::Known(digits)) if digits.starts_with('+') => (digits.as_str(), 145, 0),
        Some(CallerNumber::Known(digits)) => (digits.as_str(), 129, 0),
        Some(CallerNumber::Withheld) => ("", 128, 1),
        Some(CallerNumber::Unavailable) | None => ("", 128, 2),
    };
    format!("\"{digits}\",{kind},{between}{validity}")
}

/// The message as the network sent it, in hexadecimal with its checksum: single data format, or multiple data format
/// where there is a name (GR-30-CORE).
pub(super) fn caller_id_hexadecimal(caller: &CallerId) -> String {
    let when = format!("{}{}", caller.date.as_deref().unwrap_or_default(), caller.time.as_deref().unwrap_or_default());
    let number = letter_for(caller.number.as_ref()).unwrap_or("O");
    let (kind, body) = match &caller.name {
        None => (0x04, [when.as_bytes(), number.as_bytes()].concat()),
        Some(name) => {
            let number_kind = if matches!(caller.number, Some(CallerNumber::Known(_))) { 0x02 } else { 0x04 };
            let parameters = [(0x01, when.as_str()), (number_kind, number), (0x07, name)];
            let written = parameters.iter().filter(|(_, text)| !text.is_empty()).flat_map(|(kind, text)| {
                let text = text.get(..text.len().min(usize::from(u8::MAX))).unwrap_or_default();
                [&[*kind, u8::try_from(text.len()).unwrap_or(u8::MAX)], text.as_bytes()].concat()
            });
            (0x80, written.collect())
        }
    };
    let mut message = vec![kind, u8::try_from(body.len()).unwrap_or(u8::MAX)];
    message.extend(body.iter().take(usize::from(u8::MAX)));
    let sum = message.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    message.push(sum.wrapping_neg());
    message.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// The fields in Rockwell's words.
fn tagged(caller: &CallerId, sign: &str) -> Vec<String> {
    let fields = [
        ("DATE", caller.date.as_deref()),
        ("TIME", caller.time.as_deref()),
        ("NMBR", letter_for(caller.number.as_ref())),
        ("NAME", caller.name.as_deref()),
    ];
    fields.into_iter().filter_map(|(tag, value)| value.map(|value| format!("{tag}{sign}{value}"))).collect()
}

fn zyxel(caller: &CallerId) -> Vec<String> {
    let halves = |text: &Option<String>, sign: &str| {
        let (first, second) = text.as_deref()?.split_at_checked(2)?;
        Some(format!("{first}{sign}{second}"))
    };
    let when = match (halves(&caller.date, "-"), halves(&caller.time, ":")) {
        (Some(date), Some(time)) => Some(format!("TIME: {date} {time}")),
        (Some(_) | None, _) => None,
    };
    let number = caller.number.as_ref().map(|number| match number {
        CallerNumber::Known(digits) => format!("CALLER NUMBER: {digits}"),
        CallerNumber::Withheld => "REASON FOR NO CALLER NUMBER: PRIVATE".to_owned(),
        CallerNumber::Unavailable => "REASON FOR NO CALLER NUMBER: OUT OF AREA".to_owned(),
    });
    let name = caller.name.as_ref().map(|name| format!("CALLER NAME: {name}"));
    [when, number, name].into_iter().flatten().collect()
}

/// The number, or the letter that stands for its absence.
fn letter_for(number: Option<&CallerNumber>) -> Option<&str> {
    number.map(|number| match number {
        CallerNumber::Known(digits) => digits.as_str(),
        CallerNumber::Withheld => "P",
        CallerNumber::Unavailable => "O",
    })
}

/// The number, or nothing.
fn digits(number: Option<&CallerNumber>) -> &str {
    match number {
        Some(CallerNumber::Known(digits)) => digits,
        Some(CallerNumber::Withheld | CallerNumber::Unavailable) | None => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::{CallerBlock, CallerField};

    fn caller(number: CallerNumber) -> CallerId {
        CallerId {
            number: Some(number),
            name: Some("A N OTHER".into()),
            date: Some("0321".into()),
            time: Some("1405".into()),
            ..CallerId::default()
        }
    }

    fn known() -> CallerId {
        caller(CallerNumber::Known("504551234".into()))
    }

    #[test]
    fn each_family_spells_a_known_caller_its_own_way() {
        let cases: [(CallerIdStyle, &str, &[&str]); 8] = [
            (CallerIdStyle::Spaced, "RING", &["DATE = 0321", "TIME = 1405", "NMBR = 504551234", "NAME = A N OTHER"]),
            (CallerIdStyle::Compact, "RING", &["DATE=0321", "TIME=1405", "NMBR=504551234", "NAME=A N OTHER"]),
            (
                CallerIdStyle::Zyxel,
                "RING",
                &["TIME: 03-21 14:05", "CALLER NUMBER: 504551234", "CALLER NAME: A N OTHER"],
            ),
            (CallerIdStyle::FromTo, "RING", &["FM:504551234 TO:999"]),
            (CallerIdStyle::ElsaRing, "RING;504551234;999", &[]),
            (CallerIdStyle::Isdn4linux, "RING/999", &["CALLER NUMBER: 504551234"]),
            (CallerIdStyle::RingNumber, "RING 504551234", &[]),
            (CallerIdStyle::Clip, "RING", &["+CLIP: \"504551234\",129,,,,0"]),
        ];
        for (style, ring, lines) in cases {
            assert_eq!(ring_text(style, &known(), "999"), ring);
            assert_eq!(caller_id_lines(style, &known(), "999"), lines, "{style:?}");
        }
    }

    #[test]
    fn each_family_spells_the_absence_of_a_number_its_own_way() {
        let cases = [
            (CallerIdStyle::Compact, "NMBR=P", "NMBR=O"),
            (CallerIdStyle::Zyxel, "REASON FOR NO CALLER NUMBER: PRIVATE", "REASON FOR NO CALLER NUMBER: OUT OF AREA"),
            (CallerIdStyle::FromTo, "FM:", "FM:"),
            (CallerIdStyle::Isdn4linux, "CALLER NUMBER: 0", "CALLER NUMBER: 0"),
            (CallerIdStyle::Clip, "+CLIP: \"\",128,,,,1", "+CLIP: \"\",128,,,,2"),
        ];
        for (style, withheld, unavailable) in cases {
            for (number, line) in [(CallerNumber::Withheld, withheld), (CallerNumber::Unavailable, unavailable)] {
                let lines = caller_id_lines(style, &CallerId { number: Some(number), ..CallerId::default() }, "");
                assert_eq!(lines, [line], "{style:?}");
            }
        }
        assert_eq!(ring_text(CallerIdStyle::ElsaRing, &caller(CallerNumber::Withheld), "9"), "RING;;9");
        assert_eq!(ring_text(CallerIdStyle::RingNumber, &caller(CallerNumber::Withheld), "9"), "RING");
    }

    #[test]
    fn a_single_data_message_is_that_of_the_manual_with_its_checksum() {
        let caller = CallerId {
            number: Some(CallerNumber::Known("9145512345".into())),
            name: None,
            date: Some("0322".into()),
            time: Some("2405".into()),
            ..CallerId::default()
        };
        assert_eq!(caller_id_hexadecimal(&caller), "041230333232323430353931343535313233343551");
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "an arbitrary instant to count from")]
    fn what_is_written_in_hexadecimal_reads_back() {
        let now = std::time::Instant::now();
        for number in [CallerNumber::Known("5551212".into()), CallerNumber::Withheld, CallerNumber::Unavailable] {
            for name in [None, Some("ANNE".to_owned())] {
                let written = CallerId { name, ..caller(number.clone()) };
                let mut block = CallerBlock::default();
                let fields = CallerField::parse(&caller_id_hexadecimal(&written)).unwrap();
                let read = fields.into_iter().filter_map(|field| block.add(field, now)).last();
                assert_eq!(read, Some(written));
            }
        }
    }
}
