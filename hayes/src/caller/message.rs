//! Caller identification as the network sends it, printed by the modem in hexadecimal (`+VCID=2`, `#CID=2`).
//!
//! Owns the single (SDMF) and multiple (MDMF) data message formats of GR-30-CORE. Refuses a message whose checksum is
//! wrong: it was garbled on the line.

use super::{CallerField, CallerNumber};

/// Message type of the single data message format: eight digits of date and time, then the number.
const SDMF: u8 = 0x04;
/// Message type of the multiple data message format: parameters of type, length and text.
const MDMF: u8 = 0x80;
/// Digits of date and time in SDMF: month, day, hour, minute.
const WHEN_DIGITS: usize = 8;

/// Reads a line that is a whole message; `None` for any other line, no fields for a garbled message.
pub(super) fn parse_line(line: &str) -> Option<Vec<CallerField>> {
    let bytes = from_hexadecimal(line).filter(|_| line.len().is_multiple_of(2))?;
    let (&kind, rest) = bytes.split_first().filter(|(kind, _)| matches!(**kind, SDMF | MDMF))?;
    let (&length, rest) = rest.split_first()?;
    let body = rest.get(..usize::from(length))?;
    match rest.get(usize::from(length)..)? {
        // Some modems keep the checksum to themselves.
        [] => {}
        [_] if bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)) == 0 => {}
        [_] => return Some(Vec::new()),
        _ => return None,
    }
    let mut fields = if kind == SDMF { single(body) } else { multiple(body) };
    fields.push(CallerField::End);
    Some(fields)
}

/// Reads the value of `MESG =`: one MDMF parameter that the modem has no tag for. Nonsense has no fields.
pub(super) fn parse_parameter(value: &str) -> Vec<CallerField> {
    from_hexadecimal(value).map(|bytes| multiple(&bytes)).unwrap_or_default()
}

fn single(body: &[u8]) -> Vec<CallerField> {
    let Some((when, number)) = body.split_at_checked(WHEN_DIGITS) else { return Vec::new() };
    let mut fields = date_and_time(when);
    fields.extend(CallerNumber::parse(&text(number)).map(CallerField::Number));
    fields
}

fn multiple(mut body: &[u8]) -> Vec<CallerField> {
    let mut fields = Vec::new();
    while let [kind, length, rest @ ..] = body {
        let Some((value, next)) = rest.split_at_checked(usize::from(*length)) else { break };
        match kind {
            0x01 => fields.extend(date_and_time(value)),
            // 02 the number, 03 the dialable directory number, 04 the reason for neither.
            0x02..=0x04 => fields.extend(CallerNumber::parse(&text(value)).map(CallerField::Number)),
            0x07 => fields.push(CallerField::Name(text(value))),
            _ => {}
        }
        body = next;
    }
    fields
}

fn date_and_time(value: &[u8]) -> Vec<CallerField> {
    let digits = text(value);
    match digits.split_at_checked(WHEN_DIGITS / 2) {
        Some((date, time)) => vec![CallerField::Date(date.to_owned()), CallerField::Time(time.to_owned())],
        None => Vec::new(),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

/// Reads pairs of digits; an odd one at the end is dropped, as manuals print such messages.
fn from_hexadecimal(text: &str) -> Option<Vec<u8>> {
    let nibbles: Option<Vec<u8>> =
        text.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    Some(nibbles?.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, nibble| byte << 4 | nibble)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(number: &str) -> CallerField {
        CallerField::Number(CallerNumber::Known(number.to_owned()))
    }

    fn when(date: &str, time: &str) -> Vec<CallerField> {
        vec![CallerField::Date(date.to_owned()), CallerField::Time(time.to_owned())]
    }

    fn hexadecimal(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02X}")).collect()
    }

    #[test]
    fn a_single_data_message_is_read_with_and_without_its_checksum() {
        let mut expected = when("0322", "2405");
        expected.extend([known("9145512345"), CallerField::End]);
        let bare = "0412303332323234303539313435353132333435";
        assert_eq!(parse_line(bare), Some(expected.clone()));
        let sum = from_hexadecimal(bare).unwrap().iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        assert_eq!(parse_line(&format!("{bare}{:02x}", sum.wrapping_neg())), Some(expected));
        assert_eq!(parse_line(&format!("{bare}{:02x}", sum.wrapping_neg().wrapping_add(1))), Some(Vec::new()));
    }

    #[test]
    fn a_multiple_data_message_is_read() {
        let mut message = b"\x80\x19\x01\x0811231210\x02\x075551212\x07\x04ANNE".to_vec();
        let mut expected = when("1123", "1210");
        expected.extend([known("5551212"), CallerField::Name("ANNE".to_owned()), CallerField::End]);
        assert_eq!(parse_line(&hexadecimal(&message)), Some(expected));
        message.truncate(9);
        assert_eq!(parse_line(&hexadecimal(&message)), None);
    }

    #[test]
    fn a_lone_parameter_is_read_and_nonsense_is_not() {
        assert_eq!(parse_parameter("030735353531323132"), [known("5551212")]);
        assert_eq!(parse_parameter("040150"), [CallerField::Number(CallerNumber::Withheld)]);
        for value in ["06034242431", "", "zz", "02FF31", "é"] {
            assert_eq!(parse_parameter(value), [], "{value}");
        }
        assert_eq!(parse_line("0412345678"), None, "a number that happens to begin like a message");
    }
}
