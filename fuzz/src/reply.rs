//! Lines into what they mean.

use std::time::Instant;

use hayes::caller::{CallerBlock, CallerId, CallerNumber};
use hayes::number::Number;
use hayes::reply::{CarrierReport, Connect, Reply};

/// Takes lines; each is read as it is and as hexadecimal of a data message, and all of them as one message.
pub fn run(data: &[u8]) {
    let lines: Vec<String> = data
        .split(|byte| *byte == b'\n')
        .flat_map(|line| [String::from_utf8_lossy(line).into_owned(), hexadecimal(line)])
        .collect();
    for line in &lines {
        check(line);
    }
    gather(&lines);
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

fn check(line: &str) {
    if let Reply::Result(code) = Reply::parse(line) {
        assert_eq!(Reply::parse(&code.to_string()), Reply::Result(code), "{line:?} does not read back");
    }
    let connect = Connect::from_text(line);
    assert_eq!(connect, Connect::from_text(&connect.text), "{line:?} does not read back");
    let mut report = CarrierReport::default();
    let told = report.note(line);
    assert_eq!(told, report != CarrierReport::default(), "{line:?} told something it did not");
    assert!(!report.note(line), "{line:?} told more the second time");
    if let Ok(number) = line.parse::<Number>() {
        let shown = number.to_string().chars().filter(char::is_ascii_digit).count();
        assert!(shown <= 2, "{shown} digits shown");
        assert_eq!(number.dial_string().parse(), Ok(number.clone()), "{line:?} does not read back");
    }
}

/// A block never outgrows its lines, closes when told to, and hands out text that is fit for a screen.
#[allow(clippy::disallowed_methods, reason = "an arbitrary instant to count from")]
fn gather(lines: &[String]) {
    let now = Instant::now();
    let mut block = CallerBlock::default();
    let mut callers: Vec<CallerId> = Vec::new();
    for line in lines {
        if block.continues_with(line) {
            callers.extend(block.add_part(line, now));
        } else if let Reply::Caller(fields) = Reply::parse(line) {
            callers.extend(fields.into_iter().filter_map(|field| block.add(field, now)));
        }
    }
    callers.extend(block.close());
    assert_eq!((block.close(), block.deadline()), (None, None), "a closed block holds something");
    for caller in callers {
        let number = match &caller.number {
            Some(CallerNumber::Known(number)) => Some(number),
            Some(CallerNumber::Withheld | CallerNumber::Unavailable) | None => None,
        };
        assert!(number.is_none_or(|number| number.bytes().any(|byte| byte.is_ascii_digit())), "{number:?}");
        for text in [number, caller.name.as_ref(), caller.date.as_ref(), caller.time.as_ref(), caller.called.as_ref()] {
            assert!(!text.is_some_and(|text| text.contains(char::is_control)), "{text:?} drives a terminal");
        }
    }
}
