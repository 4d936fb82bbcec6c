//! Who is calling: the fields that caller identification carries.
//!
//! Owns the dialects in which modems print them and the gathering of a message out of its lines. A message may come
//! before the first ring, between rings, or never. Refuses to match callers against anybody's list.

mod message;

use std::time::{Duration, Instant};

/// The caller's number as the network presented it, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallerNumber {
    /// Digits as received, `+` and national forms untouched.
    Known(String),
    /// Withheld by the caller (`P`, presentation restricted).
    Withheld,
    /// Not available to the network (`O`, out of area).
    Unavailable,
}

/// Caller identification as delivered before, between or after rings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallerId {
    /// The caller's number, or why there is none; `None` when the message carried no number field at all.
    pub number: Option<CallerNumber>,
    /// The caller's name, if sent.
    pub name: Option<String>,
    /// Month and day as sent, `MMDD`.
    pub date: Option<String>,
    /// Hour and minute as sent, `HHMM`.
    pub time: Option<String>,
}

impl CallerNumber {
    /// Reads what a modem put in place of the number; `None` where it is empty or a placeholder (`<NONE>`).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() || text.starts_with('<') {
            return None;
        }
        let spelt = text.to_ascii_uppercase();
        Some(match spelt.as_str() {
            "P" | "PRIVATE" | "PRIVDIROFF" | "RESTRICTED" | "WITHHELD" | "ANONYMOUS" => Self::Withheld,
            // Some exchanges send zeros in place of a number that the caller keeps back.
            _ if text.len() >= WITHHELD_ZEROS && text.bytes().all(|byte| byte == b'0') => Self::Withheld,
            // `O`, `Unavailable`, `OUT OF AREA`: without a digit it is no number.
            _ if !text.bytes().any(|byte| byte.is_ascii_digit()) => Self::Unavailable,
            _ => Self::Known(text.to_owned()),
        })
    }
}

/// How many zeros stand for a withheld number: as many as the shortest whole North American one has digits.
const WITHHELD_ZEROS: usize = 7;
/// The silence after a field that ends its block. A whole MDMF burst takes less than a second at 1200 bit/s
/// (GR-30-CORE) and modems print it at once when it is over, so that half a second between two of its fields is long.
pub const BLOCK_GAP: Duration = Duration::from_millis(500);

/// One field of caller identification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallerField {
    /// The caller's number, or why there is none.
    Number(CallerNumber),
    /// The caller's name.
    Name(String),
    /// Month and day, `MMDD`.
    Date(String),
    /// Hour and minute, `HHMM`.
    Time(String),
    /// The last of a message that is whole with this line: nothing more belongs to it.
    End,
}

impl CallerField {
    /// Reads a line of caller identification in any of the dialects known; `None` for any other line.
    ///
    /// A line whose tag is known but whose value says nothing (`NAME = `, `ANID=<NONE>`) has no fields.
    #[must_use]
    pub fn parse(line: &str) -> Option<Vec<Self>> {
        if let Some(rest) = line.strip_prefix("+CLIP:") {
            return Some(clip(rest));
        }
        if let Some(fields) = message::parse_line(line) {
            return Some(fields);
        }
        let (tag, value) = line.split_once(['=', ':'])?;
        let value = value.trim();
        let fields = match tag.trim_end() {
            "NMBR" | "DDN_NMBR" | "NBR" | "CallerID" | "CALLER NUMBER" | "CALLER'S NUMBER" | "CID" => number(value),
            // `FM:1234 TO:35655023`, `FM:1234 /sub/`.
            "FM" => number(value.split_whitespace().next().unwrap_or("")),
            "REASON FOR NO CALLER NUMBER" => {
                number(value).filter(|field| !matches!(field, Self::Number(CallerNumber::Known(_))))
            }
            "NAME" | "CALLER NAME" => text(value).filter(|name| !matches!(name.as_str(), "O" | "P")).map(Self::Name),
            "DATE" => text(value).map(Self::Date),
            "TIME" => return Some(time(value)),
            "MESG" => return Some(message::parse_parameter(value)),
            "CALLED NUMBER" | "NDID" | "ANID" | "CDID" | "USER" | "PASS" | "DAD" => None,
            "REASON FOR NO CALLER NAME" | "Diverting number" => None,
            _ => return None,
        };
        Some(fields.into_iter().collect())
    }
}

/// Gathers the fields of one message, which come in any order, as lines of their own.
#[derive(Debug, Default)]
pub struct CallerBlock {
    fields: Option<CallerId>,
    closes: Option<Instant>,
}

impl CallerBlock {
    /// Adds a field that came at `now`; returns a message that is complete with it or before it.
    pub fn add(&mut self, field: CallerField, now: Instant) -> Option<CallerId> {
        if field == CallerField::End {
            return self.close();
        }
        let next = self.fields.as_ref().is_some_and(|fields| holds(fields, &field));
        let done = if next { self.close() } else { None };
        let fields = self.fields.get_or_insert_with(CallerId::default);
        match field {
            CallerField::Number(number) => fields.number = Some(number),
            CallerField::Name(name) => fields.name = Some(name),
            CallerField::Date(date) => fields.date = Some(date),
            CallerField::Time(time) => fields.time = Some(time),
            CallerField::End => {}
        }
        self.closes = now.checked_add(BLOCK_GAP);
        done
    }

    /// Ends the message: another line came, or the [deadline](Self::deadline) has passed.
    pub fn close(&mut self) -> Option<CallerId> {
        self.closes = None;
        self.fields.take()
    }

    /// Returns when the message counts as complete if nothing more comes.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.closes
    }
}

fn holds(fields: &CallerId, field: &CallerField) -> bool {
    match field {
        // The reason for a missing number may follow the empty number.
        CallerField::Number(_) => fields.number.is_some(),
        CallerField::Name(_) => fields.name.is_some(),
        CallerField::Date(_) => fields.date.is_some(),
        CallerField::Time(_) => fields.time.is_some(),
        CallerField::End => false,
    }
}

fn text(value: &str) -> Option<String> {
    Some(value).filter(|value| !value.is_empty() && !value.starts_with('<')).map(str::to_owned)
}

fn number(value: &str) -> Option<CallerField> {
    CallerNumber::parse(value).map(CallerField::Number)
}

/// Reads `1405`, or ZyXEL's `MM-DD hh:mm`.
fn time(value: &str) -> Vec<CallerField> {
    let digits = |part: &str| part.replace(['-', ':'], "");
    match value.split_once(' ') {
        Some((date, time)) => vec![CallerField::Date(digits(date)), CallerField::Time(digits(time))],
        None => text(value).map(|time| CallerField::Time(digits(&time))).into_iter().collect(),
    }
}

/// Reads `"+27821231234",145,,,"name",0`: number, type, subaddress, its type, name, validity (3GPP TS 27.007 7.6).
fn clip(rest: &str) -> Vec<CallerField> {
    let parts = quoted_list(rest.trim());
    let part = |index: usize| parts.get(index).map_or("", String::as_str);
    let number = match part(5) {
        "1" => CallerNumber::Withheld,
        "2" => CallerNumber::Unavailable,
        _ => CallerNumber::parse(part(0)).unwrap_or(CallerNumber::Unavailable),
    };
    let name = text(part(4)).map(CallerField::Name);
    [Some(CallerField::Number(number)), name, Some(CallerField::End)].into_iter().flatten().collect()
}

/// Splits at commas outside of quotes, and drops the quotes.
fn quoted_list(text: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => parts.push(std::mem::take(&mut part)),
            _ => part.push(c),
        }
    }
    parts.push(part);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(number: &str) -> CallerField {
        CallerField::Number(CallerNumber::Known(number.to_owned()))
    }

    #[test]
    fn tags_are_read_with_and_without_blanks() {
        for line in ["NMBR = 0555", "NMBR=0555", "NMBR =0555", "DDN_NMBR= 0555", "CALLER NUMBER: 0555", "FM:0555 TO:9"]
        {
            assert_eq!(CallerField::parse(line), Some(vec![known("0555")]), "{line}");
        }
        for line in ["NAME = ", "ANID=<NONE>", "NMBR=<NONE>", "NDID=5550002", "Diverting number: 5550002", "NAME = O"] {
            assert_eq!(CallerField::parse(line), Some(Vec::new()), "{line}");
        }
        for line in ["+CIEV: 7,1", "S0 = 1", "FOO", "NAMES = 1"] {
            assert_eq!(CallerField::parse(line), None, "{line}");
        }
        assert_eq!(
            CallerField::parse("TIME: 11-23 12:10"),
            Some(vec![CallerField::Date("1123".to_owned()), CallerField::Time("1210".to_owned())])
        );
    }

    #[test]
    fn the_reasons_for_no_number_are_told_apart() {
        for text in ["P", "Private", "PrivDirOff", "0000000000", "Restricted"] {
            assert_eq!(CallerNumber::parse(text), Some(CallerNumber::Withheld), "{text}");
        }
        for text in ["O", "Unavailable", "OUT OF AREA"] {
            assert_eq!(CallerNumber::parse(text), Some(CallerNumber::Unavailable), "{text}");
        }
        assert_eq!(CallerNumber::parse("000"), Some(CallerNumber::Known("000".to_owned())));
    }

    #[test]
    fn clip_tells_number_name_and_validity() {
        assert_eq!(clip(" \"123\",129"), [known("123"), CallerField::End]);
        assert_eq!(
            clip(" \"+27\",145,,,\"Smith, J\",0"),
            [known("+27"), CallerField::Name("Smith, J".to_owned()), CallerField::End]
        );
        assert_eq!(clip(" \"\",128,,,,1"), [CallerField::Number(CallerNumber::Withheld), CallerField::End]);
        assert_eq!(clip(""), [CallerField::Number(CallerNumber::Unavailable), CallerField::End]);
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "an arbitrary instant to count from")]
    fn a_block_closes_by_its_gap_or_by_the_next_one() {
        let start = Instant::now();
        let mut block = CallerBlock::default();
        assert_eq!(block.add(CallerField::Date("0321".to_owned()), start), None);
        assert_eq!(block.add(known("1"), start), None);
        assert_eq!(block.deadline(), Some(start + BLOCK_GAP));
        let first = block.add(known("2"), start).unwrap();
        assert_eq!(first.number, Some(CallerNumber::Known("1".to_owned())));
        assert_eq!(first.date.as_deref(), Some("0321"));
        assert_eq!(block.close().unwrap().number, Some(CallerNumber::Known("2".to_owned())));
        assert_eq!((block.close(), block.deadline()), (None, None));
    }
}
