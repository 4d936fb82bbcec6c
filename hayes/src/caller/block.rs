//! A message of caller identification out of its lines.
//!
//! Owns where one message ends and the next begins, whatever order its fields come in. Refuses to keep more than one.

use std::time::{Duration, Instant};

use super::message::{self, Message};
use super::{CallerField, CallerId, CallerNumber};

/// The silence after a field that ends its block. A whole MDMF burst takes less than a second at 1200 bit/s
/// (GR-30-CORE) and modems print it at once when it is over, so that half a second between two of its fields is long.
pub const BLOCK_GAP: Duration = Duration::from_millis(500);

/// Gathers the fields of one message, which come in any order, as lines of their own.
#[derive(Debug, Default)]
pub struct CallerBlock {
    fields: Option<CallerId>,
    dialable: Option<String>,
    /// The message is about a mailbox.
    no_call: bool,
    /// The lines so far of a message in hexadecimal.
    hexadecimal: String,
    closes: Option<Instant>,
}

impl CallerBlock {
    /// Adds a field that came at `now`; returns a message that is complete with it or before it.
    pub fn add(&mut self, field: CallerField, now: Instant) -> Option<CallerId> {
        if field == CallerField::End {
            return self.close();
        }
        let next = self.holds(&field);
        let done = if next { self.close() } else { None };
        self.closes = now.checked_add(BLOCK_GAP);
        let mut store = |field: fn(&mut CallerId) -> &mut Option<String>, value: String| {
            *field(self.fields.get_or_insert_default()) = Some(value);
        };
        match field {
            CallerField::Number(number) => self.fields.get_or_insert_default().number = Some(number),
            CallerField::Dialable(number) => self.dialable = Some(number),
            CallerField::Name(name) => store(|fields| &mut fields.name, name),
            CallerField::Date(date) => store(|fields| &mut fields.date, date),
            CallerField::Time(time) => store(|fields| &mut fields.time, time),
            CallerField::Called(number) => store(|fields| &mut fields.called, number),
            CallerField::DivertedFrom(number) => store(|fields| &mut fields.diverted_from, number),
            CallerField::MessageWaiting => self.no_call = true,
            CallerField::Part(hexadecimal) => self.hexadecimal = hexadecimal,
            CallerField::End => {}
        }
        done
    }

    /// Reports whether a line is the next part of a message in hexadecimal, whatever it would mean by itself.
    #[must_use]
    pub fn continues_with(&self, line: &str) -> bool {
        !self.hexadecimal.is_empty() && message::is_hexadecimal(line)
    }

    /// Adds the next part of a message in hexadecimal; returns the message if it is complete with it.
    pub fn add_part(&mut self, line: &str, now: Instant) -> Option<CallerId> {
        self.hexadecimal.push_str(line);
        match message::parse_line(&std::mem::take(&mut self.hexadecimal)) {
            Message::Whole(fields) => {
                let mut whole = None;
                for field in fields {
                    whole = self.add(field, now).or(whole);
                }
                whole
            }
            Message::Begun(so_far) => self.add(CallerField::Part(so_far), now),
            Message::Other => self.close(),
        }
    }

    /// Ends the message: another line came, or the [deadline](Self::deadline) has passed.
    pub fn close(&mut self) -> Option<CallerId> {
        let block = std::mem::take(self);
        let mut fields = block.fields;
        if let Some(dialable) = block.dialable {
            let fields = fields.get_or_insert_default();
            match fields.number {
                None => fields.number = CallerNumber::parse(&dialable),
                Some(_) => fields.called = fields.called.take().or(Some(dialable)),
            }
        }
        fields.filter(|_| !block.no_call)
    }

    /// Returns when the message counts as complete if nothing more comes.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.closes
    }

    fn holds(&self, field: &CallerField) -> bool {
        let held = |held: fn(&CallerId) -> bool| self.fields.as_ref().is_some_and(held);
        match field {
            CallerField::Number(_) => held(|fields| fields.number.is_some()),
            CallerField::Dialable(_) => self.dialable.is_some(),
            CallerField::Name(_) => held(|fields| fields.name.is_some()),
            CallerField::Date(_) => held(|fields| fields.date.is_some()),
            CallerField::Time(_) => held(|fields| fields.time.is_some()),
            CallerField::Called(_) => held(|fields| fields.called.is_some()),
            CallerField::DivertedFrom(_) => held(|fields| fields.diverted_from.is_some()),
            CallerField::MessageWaiting | CallerField::Part(_) | CallerField::End => false,
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "an arbitrary instant to count from")]
mod tests {
    use super::*;

    fn known(number: &str) -> CallerNumber {
        CallerNumber::Known(number.to_owned())
    }

    /// Everything that these lines say of callers.
    fn gather(lines: &[&str]) -> Vec<CallerId> {
        let now = Instant::now();
        let mut block = CallerBlock::default();
        let mut callers = Vec::new();
        for line in lines {
            if block.continues_with(line) {
                callers.extend(block.add_part(line, now));
            } else {
                for field in CallerField::parse(line).unwrap() {
                    callers.extend(block.add(field, now));
                }
            }
        }
        callers.extend(block.close());
        assert_eq!((block.close(), block.deadline()), (None, None));
        callers
    }

    #[test]
    fn a_block_closes_by_its_gap_or_by_the_next_one() {
        let start = Instant::now();
        let mut block = CallerBlock::default();
        assert_eq!(block.add(CallerField::Date("0321".to_owned()), start), None);
        assert_eq!(block.deadline(), Some(start + BLOCK_GAP));
        let callers = gather(&["DATE = 0321", "NMBR = 1", "NMBR = 2"]);
        assert_eq!(callers.len(), 2);
        assert_eq!((&callers[0].number, callers[0].date.as_deref()), (&Some(known("1")), Some("0321")));
        assert_eq!((&callers[1].number, callers[1].date.as_deref()), (&Some(known("2")), None));
    }

    #[test]
    fn the_called_and_the_diverting_number_belong_to_the_block() {
        let callers = gather(&["NMBR=5550001", "NDID=5550002", "Diverting number: 5550003"]);
        let expected = CallerId {
            number: Some(known("5550001")),
            called: Some("5550002".to_owned()),
            diverted_from: Some("5550003".to_owned()),
            ..CallerId::default()
        };
        assert_eq!(callers, [expected]);
    }

    #[test]
    fn a_dialable_number_is_the_callers_unless_there_is_another() {
        assert_eq!(gather(&["DDN_NMBR= 5550001"])[0].number, Some(known("5550001")));
        for lines in [["DDN_NMBR= 5550002", "NMBR = 5550001"], ["NMBR = 5550001", "MESG = 030735353530303032"]] {
            let callers = gather(&lines);
            assert_eq!(callers.len(), 1);
            assert_eq!(callers[0].number, Some(known("5550001")), "{lines:?}");
            assert_eq!(callers[0].called.as_deref(), Some("5550002"), "{lines:?}");
        }
    }

    #[test]
    fn messages_in_a_mailbox_are_no_caller() {
        assert_eq!(gather(&["DATE = 0321", "TIME = 1405", "NMBR = 5550001", "MESG = 110181"]), []);
        assert_eq!(gather(&["MESG = 0B01FF", "MESG = 130103"]), []);
        assert_eq!(gather(&["MESG = 110181", "DATE = 0321"]), []);
        assert_eq!(gather(&["MESG = 110101", "NMBR = 5550001"]).len(), 1, "an ordinary call");
    }

    #[test]
    fn hexadecimal_may_come_in_several_lines() {
        let whole = "8019010831313233313231300207353535313231320704414E4E45";
        for cuts in [[20, 36], [30, 50], [20, 22]] {
            let lines = [&whole[..cuts[0]], &whole[cuts[0]..cuts[1]], &whole[cuts[1]..]];
            let callers = gather(&lines);
            assert_eq!(callers.len(), 1, "{lines:?}");
            assert_eq!(callers[0].number, Some(known("5551212")), "{lines:?}");
            assert_eq!(callers[0].name.as_deref(), Some("ANNE"), "{lines:?}");
        }
        assert_eq!(gather(&[&whole[..30]]), [], "cut short");
    }
}
