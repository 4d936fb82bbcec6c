//! Caller identification as the network sends it, printed by the modem in hexadecimal (`+VCID=2`, `#CID=2`).
//!
//! Owns the single (SDMF) and multiple (MDMF) data message formats of GR-30-CORE and ETSI EN 300 659-3. Refuses a
//! message whose checksum is wrong, for it was garbled on the line, and those that are not about a call.

use super::{CallerField, CallerNumber, shown};

/// SDMF: eight digits of date and time, then the number.
const CALL_SDMF: u8 = 0x04;
/// MDMF: parameters of type, length and value.
const CALL_MDMF: u8 = 0x80;
/// Messages that wait (SDMF, MDMF), advice of charge, a short message: no calls.
const NO_CALL: [u8; 4] = [0x06, 0x82, 0x86, 0x89];
/// Digits of date and time: month, day, hour, minute.
const WHEN_DIGITS: usize = 8;
/// The fewest hexadecimal digits that are a message by their looks alone, without a checksum to prove it: a telephone
/// number has 15 at most (E.164), and some begin as messages do.
const PLAIN_DIGITS: usize = 20;
/// The value of parameter 11 that announces messages which wait, and no caller.
const MESSAGE_WAITING_CALL: &[u8] = &[0x81];

/// What a line in hexadecimal is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// A whole message with these fields; without any if it is garbled or about something else.
    Whole(Vec<CallerField>),
    /// The beginning of one, as it is.
    Begun(String),
    /// No message.
    Other,
}

/// Reads a line that is a message; with or without a checksum, for some modems keep that to themselves.
pub(super) fn parse_line(line: &str) -> Message {
    let line = without_blanks(line);
    if !is_hexadecimal(&line) {
        return Message::Other;
    }
    let bytes = from_hexadecimal(&line).unwrap_or_default();
    let [kind, length, rest @ ..] = bytes.as_slice() else { return Message::Other };
    let is_call = matches!(*kind, CALL_SDMF | CALL_MDMF);
    if !is_call && !NO_CALL.contains(kind) {
        return Message::Other;
    }
    let looks_long = line.len() >= PLAIN_DIGITS;
    let length = usize::from(*length);
    let Some((body, after)) = rest.split_at_checked(length) else {
        let begun = is_call && looks_long && begins_well(*kind, rest);
        return if begun { Message::Begun(line) } else { Message::Other };
    };
    let sum = bytes.iter().take(length + 3).fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    // Modems may print what they heard behind the checksum, too.
    let proven = !after.is_empty() && sum == 0;
    if !proven && (!looks_long || after.len() > 1) {
        return Message::Other;
    }
    let garbled = !proven && !after.is_empty();
    Message::Whole(match *kind {
        _ if garbled => Vec::new(),
        CALL_SDMF => whole(single(body)),
        CALL_MDMF => whole(multiple(body)),
        _ => Vec::new(),
    })
}

/// Whether a line is made of whole bytes in hexadecimal.
pub(super) fn is_hexadecimal(line: &str) -> bool {
    !line.is_empty() && line.len().is_multiple_of(2) && line.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Reads the value of `MESG =`: one MDMF parameter that the modem has no tag for. Nonsense has no fields.
pub(super) fn parse_parameter(value: &str) -> Vec<CallerField> {
    from_hexadecimal(value).map(|bytes| multiple(&bytes)).unwrap_or_default()
}

fn whole(mut fields: Vec<CallerField>) -> Vec<CallerField> {
    if fields.is_empty() || fields.contains(&CallerField::MessageWaiting) {
        return Vec::new();
    }
    fields.push(CallerField::End);
    fields
}

/// Whether the first bytes of a body are what this kind of message begins with.
fn begins_well(kind: u8, body: &[u8]) -> bool {
    if kind == CALL_SDMF {
        return body.iter().all(|byte| byte.is_ascii_graphic());
    }
    body.first().is_some_and(|parameter| (0x01..=0x1f).contains(parameter))
}

fn single(body: &[u8]) -> Vec<CallerField> {
    let Some((when, number)) = body.split_at_checked(WHEN_DIGITS) else { return Vec::new() };
    let mut fields = date_and_time(when);
    fields.extend(CallerNumber::parse(&text(number)).map(CallerField::Number));
    fields
}

fn multiple(mut body: &[u8]) -> Vec<CallerField> {
    let mut parameters = Vec::new();
    while let [kind, length, rest @ ..] = body {
        let Some((value, next)) = rest.split_at_checked(usize::from(*length)) else { break };
        parameters.push((*kind, value));
        body = next;
    }
    let find = |wanted: u8| parameters.iter().find(|(kind, _)| *kind == wanted).map(|(_, value)| *value);
    let filled = |wanted: u8| find(wanted).map(text).filter(|text| !text.is_empty());

    // 01 date and time.
    let mut fields = find(0x01).map(date_and_time).unwrap_or_default();
    // 02 the calling number, 04 why there is none.
    let number = filled(0x02).or_else(|| filled(0x04)).and_then(|text| CallerNumber::parse(&text));
    fields.extend(number.map(CallerField::Number));
    // 03 the dialable number of the caller (GR-30-CORE), or the called one (ETSI).
    fields.extend(filled(0x03).map(CallerField::Dialable));
    // 07 the calling name; 08, why there is none, is nothing to tell.
    fields.extend(filled(0x07).map(CallerField::Name));
    // 1A the last number that redirected the call, 12 the first.
    fields.extend(filled(0x1a).or_else(|| filled(0x12)).map(CallerField::DivertedFrom));
    // 11 the type of call.
    if find(0x11) == Some(MESSAGE_WAITING_CALL) {
        fields.push(CallerField::MessageWaiting);
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
    shown(String::from_utf8_lossy(bytes).trim())
}

/// Drops the blanks that some modems put between the bytes.
pub(super) fn without_blanks(line: &str) -> String {
    let spaced = line.contains(' ') && line.split(' ').all(|word| word.len() == 2);
    if spaced { line.replace(' ', "") } else { line.to_owned() }
}

/// Reads pairs of digits; an odd one at the end is dropped, as manuals print such messages.
pub(super) fn from_hexadecimal(text: &str) -> Option<Vec<u8>> {
    let nibbles: Option<Vec<u8>> =
        text.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    Some(nibbles?.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, nibble| byte << 4 | nibble)).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    /// A message with its length, and with its checksum off by this much.
    fn message(kind: u8, body: &[u8], wrong_by: u8) -> String {
        let mut bytes = vec![kind, u8::try_from(body.len()).unwrap()];
        bytes.extend(body);
        let sum = bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        bytes.push(sum.wrapping_neg().wrapping_add(wrong_by));
        hexadecimal(&bytes)
    }

    fn parameter(kind: u8, value: &[u8]) -> Vec<u8> {
        [&[kind, u8::try_from(value.len()).unwrap()], value].concat()
    }

    #[test]
    fn a_single_data_message_is_read_with_and_without_its_checksum() {
        let mut expected = when("0322", "2405");
        expected.extend([known("9145512345"), CallerField::End]);
        assert_eq!(parse_line("0412303332323234303539313435353132333435"), Message::Whole(expected.clone()));
        assert_eq!(parse_line(&message(CALL_SDMF, b"032224059145512345", 0)), Message::Whole(expected.clone()));
        assert_eq!(parse_line(&message(CALL_SDMF, b"032224059145512345", 1)), Message::Whole(Vec::new()));
        let behind = format!("{}FFFF", message(CALL_SDMF, b"032224059145512345", 0));
        assert_eq!(parse_line(&behind), Message::Whole(expected));
        let mut withheld = when("0322", "2405");
        withheld.extend([CallerField::Number(CallerNumber::Withheld), CallerField::End]);
        assert_eq!(parse_line(&message(CALL_SDMF, b"03222405P", 0)), Message::Whole(withheld));
    }

    #[test]
    fn every_parameter_that_tells_who_calls_is_read() {
        let body = [
            parameter(0x11, &[0x01]),
            parameter(0x01, b"11231210"),
            parameter(0x02, b"5551212"),
            parameter(0x03, b"5550002"),
            parameter(0x07, b"ANNE, B=C"),
            parameter(0x12, b"5550004"),
            parameter(0x15, &[0x03]),
            parameter(0x16, &[0x01]),
            parameter(0x1a, b"5550003"),
            parameter(0xe0, b"0330010001"),
        ]
        .concat();
        let mut expected = when("1123", "1210");
        expected.extend([
            known("5551212"),
            CallerField::Dialable("5550002".to_owned()),
            CallerField::Name("ANNE, B=C".to_owned()),
            CallerField::DivertedFrom("5550003".to_owned()),
            CallerField::End,
        ]);
        let line = message(CALL_MDMF, &body, 0);
        assert_eq!(parse_line(&line), Message::Whole(expected.clone()));
        assert_eq!(parse_line(&line.to_ascii_lowercase()), Message::Whole(expected.clone()));
        let spaced: Vec<&str> = line.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap()).collect();
        assert_eq!(parse_line(&spaced.join(" ")), Message::Whole(expected));
        assert_eq!(parse_line(&line[..30]), Message::Begun(line[..30].to_owned()));
    }

    #[test]
    fn the_reason_for_no_number_stands_in_its_place() {
        let read = |body: &[u8]| parse_line(&message(CALL_MDMF, body, 0));
        for (reason, number) in [(b"P", CallerNumber::Withheld), (b"O", CallerNumber::Unavailable)] {
            let expected = Message::Whole(vec![CallerField::Number(number), CallerField::End]);
            assert_eq!(read(&[parameter(0x04, reason), parameter(0x08, b"P")].concat()), expected);
            assert_eq!(read(&[parameter(0x02, b""), parameter(0x04, reason)].concat()), expected);
        }
        assert_eq!(read(&[parameter(0x07, b"A\x1b\r\nB"), parameter(0x02, b"1")].concat()), {
            Message::Whole(vec![known("1"), CallerField::Name("AB".to_owned()), CallerField::End])
        });
    }

    #[test]
    fn messages_that_wait_are_no_call() {
        let waiting = parameter(0x0b, &[0xff]);
        assert_eq!(parse_line(&message(0x82, &waiting, 0)), Message::Whole(Vec::new()));
        assert_eq!(parse_line(&message(0x06, &[0x42, 0x42, 0x42], 0)), Message::Whole(Vec::new()));
        let announced = [parameter(0x11, &[0x81]), parameter(0x02, b"5551212"), parameter(0x13, &[3])].concat();
        assert_eq!(parse_line(&message(CALL_MDMF, &announced, 0)), Message::Whole(Vec::new()));
        assert_eq!(parse_parameter("110181"), [CallerField::MessageWaiting]);
        assert_eq!(parse_parameter("110101"), []);
    }

    #[test]
    fn a_lone_parameter_is_read_and_nonsense_is_not() {
        assert_eq!(parse_parameter("030735353531323132"), [CallerField::Dialable("5551212".to_owned())]);
        assert_eq!(parse_parameter("040150"), [CallerField::Number(CallerNumber::Withheld)]);
        for value in ["06034242431", "", "zz", "02FF31", "é"] {
            assert_eq!(parse_parameter(value), [], "{value}");
        }
    }

    #[test]
    fn numbers_that_begin_like_a_message_are_none() {
        // Telephone numbers, a card's identity, a message without its end.
        for line in ["0412345678", "8003123456", "800312345678901", "89440000000000000006", "04", "8019", "", "é"] {
            assert_eq!(parse_line(line), Message::Other, "{line}");
        }
    }

    proptest! {
        #[test]
        fn what_an_exchange_sends_is_what_is_read(
            date in "[0-9]{4}",
            time in "[0-9]{4}",
            digits in "[1-9][0-9]{2,14}",
            name in proptest::option::of("[A-Z][A-Z ,=.]{0,12}[A-Z]"),
        ) {
            let mut expected = when(&date, &time);
            expected.push(known(&digits));
            let stamp = format!("{date}{time}");

            let single = message(CALL_SDMF, format!("{stamp}{digits}").as_bytes(), 0);
            let mut whole = expected.clone();
            whole.push(CallerField::End);
            prop_assert_eq!(parse_line(&single), Message::Whole(whole));

            let mut body = [parameter(0x01, stamp.as_bytes()), parameter(0x02, digits.as_bytes())].concat();
            if let Some(name) = name {
                body.extend(parameter(0x07, name.as_bytes()));
                expected.push(CallerField::Name(name));
            }
            expected.push(CallerField::End);
            prop_assert_eq!(parse_line(&message(CALL_MDMF, &body, 0)), Message::Whole(expected));
            prop_assert_eq!(parse_line(&message(CALL_MDMF, &body, 1)), Message::Whole(Vec::new()));
        }

        #[test]
        fn any_bytes_are_a_message_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..300), kind in 0_usize..3) {
            let kind = [CALL_SDMF, CALL_MDMF, 0x82].get(kind).copied().unwrap_or(0);
            parse_line(&hexadecimal(&[&[kind], bytes.as_slice()].concat()));
            parse_parameter(&hexadecimal(&bytes));
        }
    }
}
