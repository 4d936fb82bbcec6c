//! The lines in which modems print caller identification.
//!
//! Owns the tags of analogue and ISDN modems, and `+CLIP` of cellular ones. Refuses lines without a tag: a run of
//! digits is a caller only while a line rings, which is not known here.

use std::borrow::Cow;

use super::message::{self, Message};
use super::{CallerField, CallerNumber, shown};

pub(super) fn parse(line: &str) -> Option<Vec<CallerField>> {
    if let Some(rest) = line.strip_prefix("+CLIP:") {
        return clip(rest.trim());
    }
    match message::parse_line(line) {
        Message::Whole(fields) => return Some(fields),
        Message::Begun(hexadecimal) => return Some(vec![CallerField::Part(hexadecimal)]),
        Message::Other => {}
    }
    let (tag, value) = line.split_once(['=', ':'])?;
    let value = value.trim();
    let field = match tag.trim_end() {
        "NMBR" | "NBR" | "CallerID" | "CALLER NUMBER" | "CALLER'S NUMBER" | "CID" => number(value),
        "DDN_NMBR" => match CallerNumber::parse(value) {
            Some(CallerNumber::Known(digits)) => Some(CallerField::Dialable(digits)),
            reason => reason.map(CallerField::Number),
        },
        "FM" => return Some(from_and_to(value)),
        "REASON FOR NO CALLER NUMBER" => {
            number(value).filter(|field| !matches!(field, CallerField::Number(CallerNumber::Known(_))))
        }
        "NAME" | "CALLER NAME" => text(value).filter(|name| !matches!(name.as_str(), "O" | "P")).map(CallerField::Name),
        "DATE" => text(value).map(CallerField::Date),
        "TIME" => return Some(time(value)),
        "MESG" => return Some(message::parse_parameter(value)),
        "CALLED NUMBER" | "NDID" | "DAD" => digits(value).map(CallerField::Called),
        "Diverting number" => digits(value).map(CallerField::DivertedFrom),
        "ANID" | "CDID" | "USER" | "PASS" | "REASON FOR NO CALLER NAME" => None,
        _ => return None,
    };
    Some(field.into_iter().collect())
}

/// Reads `"+27821231234",145,,,"name",0`: number, type, subaddress, its type, name, validity (3GPP TS 27.007 7.11);
/// `None` for the answer to a question, which begins with a status.
fn clip(rest: &str) -> Option<Vec<CallerField>> {
    let parts = quoted_list(rest);
    let part = |index: usize| parts.get(index).map_or("", |part| part.trim());
    if !rest.starts_with('"') && parts.len() == 2 && parts.iter().all(|part| part.trim().len() == 1) {
        return None;
    }
    let number = presented(part(0), part(1), part(5)).unwrap_or(CallerNumber::Unavailable);
    let name = text(part(4)).map(CallerField::Name);
    Some([Some(CallerField::Number(number)), name, Some(CallerField::End)].into_iter().flatten().collect())
}

/// The number of a cellular call: as printed, with its type of address and its validity; `None` if there is nothing.
pub(crate) fn presented(number: &str, kind: &str, validity: &str) -> Option<CallerNumber> {
    match validity {
        "1" => return Some(CallerNumber::Withheld),
        "2" | "3" | "4" => return Some(CallerNumber::Unavailable),
        _ => {}
    }
    let mut number = CallerNumber::parse(number)?;
    if let CallerNumber::Known(digits) = &mut number
        && is_international(kind)
        && !digits.starts_with('+')
    {
        digits.insert(0, '+');
    }
    Some(number)
}

/// Bits 5 to 7 of the type of address are the type of number, 1 is international (3GPP TS 24.008 10.5.4.7).
fn is_international(kind: &str) -> bool {
    kind.parse::<u8>().is_ok_and(|kind| kind >> 4 & 7 == 1)
}

/// Splits at commas outside of quotes, and drops the quotes and the blanks around each part.
pub(crate) fn quoted_list(text: &str) -> Vec<Cow<'_, str>> {
    let mut quoted = false;
    let comma = |c: char| {
        quoted ^= c == '"';
        c == ',' && !quoted
    };
    text.split(comma).map(bare).collect()
}

/// A part of a list without its quotes; control characters go with them.
fn bare(part: &str) -> Cow<'_, str> {
    let part = part.trim();
    let inner = part.strip_prefix('"').map_or(part, |rest| rest.strip_suffix('"').unwrap_or(rest));
    let odd = |c: char| c == '"' || c.is_control();
    if inner.contains(odd) { Cow::Owned(inner.replace(odd, "")) } else { Cow::Borrowed(inner) }
}

/// Reads what ZyXEL's ISDN modems say after `FM:`: `1234 TO:35655023`, `1234 /sub/`.
fn from_and_to(value: &str) -> Vec<CallerField> {
    let (from, to) = value.split_once("TO:").unwrap_or((value, ""));
    let first = |part: &str| part.split_whitespace().next().unwrap_or("").to_owned();
    number(&first(from)).into_iter().chain(digits(&first(to)).map(CallerField::Called)).collect()
}

/// Reads `1405`, or ZyXEL's `MM-DD hh:mm`.
fn time(value: &str) -> Vec<CallerField> {
    let digits = |part: &str| part.replace(['-', ':'], "");
    match text(value).as_deref().map(|text| text.split_once(' ').filter(|(date, _)| date.contains('-')).ok_or(text)) {
        Some(Ok((date, time))) => vec![CallerField::Date(digits(date)), CallerField::Time(digits(time))],
        Some(Err(time)) => vec![CallerField::Time(digits(time))],
        None => Vec::new(),
    }
}

fn number(value: &str) -> Option<CallerField> {
    CallerNumber::parse(value).map(CallerField::Number)
}

/// A number of somebody who is not the caller: why there is none is nothing to tell.
fn digits(value: &str) -> Option<String> {
    match CallerNumber::parse(value) {
        Some(CallerNumber::Known(digits)) => Some(digits),
        Some(CallerNumber::Withheld | CallerNumber::Unavailable) | None => None,
    }
}

/// A value that is neither empty nor a placeholder.
fn text(value: &str) -> Option<String> {
    Some(shown(value)).filter(|value| !value.is_empty() && !value.starts_with('<'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn known(number: &str) -> CallerField {
        CallerField::Number(CallerNumber::Known(number.to_owned()))
    }

    #[test]
    fn tags_are_read_with_and_without_blanks() {
        for line in [
            "NMBR = 0555",
            "NMBR=0555",
            "NMBR =0555",
            "NBR=0555",
            "CallerID: 0555",
            "CID: 0555",
            "CALLER NUMBER: 0555",
            "CALLER'S NUMBER: 0555",
            "FM:0555",
            "FM: 0555 /12/",
        ] {
            assert_eq!(parse(line), Some(vec![known("0555")]), "{line}");
        }
        for line in [
            "NAME = ",
            "ANID=<NONE>",
            "NMBR=<NONE>",
            "NDID=",
            "Diverting number:",
            "NAME = O",
            "FM:",
            "TIME=",
            "DATE =",
        ] {
            assert_eq!(parse(line), Some(Vec::new()), "{line}");
        }
        for line in ["+CIEV: 7,1", "S0 = 1", "FOO", "NAMES = 1", "", "=", "nmbr = 1"] {
            assert_eq!(parse(line), None, "{line}");
        }
        assert_eq!(parse("NAME = A=B, C: D"), Some(vec![CallerField::Name("A=B, C: D".to_owned())]));
        assert_eq!(parse("NAME = A\x1b[2J\x07B"), Some(vec![CallerField::Name("A[2JB".to_owned())]));
    }

    #[test]
    fn the_called_number_is_no_caller() {
        let called = CallerField::Called("9".to_owned());
        for line in ["NDID=9", "CALLED NUMBER: 9", "DAD: 9", "FM: TO:9"] {
            assert_eq!(parse(line), Some(vec![called.clone()]), "{line}");
        }
        assert_eq!(parse("FM:0555 TO:9"), Some(vec![known("0555"), called]));
        assert_eq!(parse("Diverting number: 9"), Some(vec![CallerField::DivertedFrom("9".to_owned())]));
    }

    #[test]
    fn zyxel_tells_date_and_time_in_one() {
        let when =
            |date: &str, time: &str| Some(vec![CallerField::Date(date.to_owned()), CallerField::Time(time.to_owned())]);
        assert_eq!(parse("TIME: 11-23 12:10"), when("1123", "1210"));
        assert_eq!(parse("TIME = 12541"), Some(vec![CallerField::Time("12541".to_owned())]));
        assert_eq!(parse("TIME = 12:05 PM"), Some(vec![CallerField::Time("1205 PM".to_owned())]));
    }

    #[test]
    fn clip_tells_number_name_and_validity() {
        let clip = |rest: &str| parse(&format!("+CLIP:{rest}"));
        let number = |number: &str| Some(vec![known(number), CallerField::End]);
        assert_eq!(clip(" \"123\",129"), number("123"));
        assert_eq!(clip("\"27821231234\",145,,,,0"), number("+27821231234"));
        assert_eq!(clip(" \"+27821231234\",145"), number("+27821231234"));
        assert_eq!(clip(" \"27821231234\",161"), number("27821231234"));
        assert_eq!(clip(" \"123"), number("123"), "cut short");
        let name = CallerField::Name("Smith, J".to_owned());
        assert_eq!(clip(" \"+27\",145,,,\"Smith, J\",0"), Some(vec![known("+27"), name, CallerField::End]));
        for (rest, why) in [
            (" \"\",128,,,,1", CallerNumber::Withheld),
            (" \"+27821231234\",145,,,,1", CallerNumber::Withheld),
            (" \"\",128,,,,2", CallerNumber::Unavailable),
            (" \"\",128", CallerNumber::Unavailable),
            ("", CallerNumber::Unavailable),
        ] {
            assert_eq!(clip(rest), Some(vec![CallerField::Number(why), CallerField::End]), "{rest}");
        }
        assert_eq!(clip(" 1,1"), None, "the answer to AT+CLIP?");
    }

    proptest! {
        #[test]
        fn no_line_is_too_strange(tag in "NMBR|NAME|TIME|DATE|MESG|FM|\\+CLIP|\\PC{0,8}", rest in "[=: ]{0,3}\\PC{0,60}") {
            for field in parse(&format!("{tag}{rest}")).unwrap_or_default() {
                if let CallerField::Number(CallerNumber::Known(number)) = field {
                    prop_assert!(number.bytes().any(|byte| byte.is_ascii_digit()));
                }
            }
        }
    }
}
