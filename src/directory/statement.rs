//! What a registration rests on: the host's own signed word, or only the word of whoever knew its password.
//!
//! A router or ddclient cannot sign. Its record is kept as *uncertified*: the directory numbers it, answers its addresses,
//! gives out no statement for it, and everybody who asks is told. It has a text of its own, which no reader of signed
//! statements can mistake for one.

use std::fmt;

use crate::record::{HostName, Record, Seq, SignedRecord, State};

/// What the directory knows of a host, as it is kept on disk and in the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Statement {
    /// The host was taken out of the directory; what follows begins anew.
    Removed(HostName),
    /// The host's own signed record.
    Signed(SignedRecord),
    /// A record that nobody signed, numbered by the directory.
    Uncertified(Record),
}

impl Statement {
    /// The host that it is about.
    pub(super) fn host(&self) -> &HostName {
        match self {
            Self::Removed(host) => host,
            Self::Signed(signed) => signed.record().host(),
            Self::Uncertified(record) => record.host(),
        }
    }

    /// What it says, signed or not.
    pub(super) fn record(&self) -> Option<&Record> {
        match self {
            Self::Removed(_) => None,
            Self::Signed(signed) => Some(signed.record()),
            Self::Uncertified(record) => Some(record),
        }
    }

    /// The host's own word.
    pub(super) fn signed(&self) -> Option<&SignedRecord> {
        match self {
            Self::Signed(signed) => Some(signed),
            Self::Removed(_) | Self::Uncertified(_) => None,
        }
    }

    /// Its place in the host's history; 0 for a removal.
    pub(super) fn seq(&self) -> u64 {
        self.record().map_or(0, |record| record.seq().number())
    }

    /// Reads the text that was kept under the host's name; `None` for what this program did not write.
    pub(super) fn parse(host: &HostName, text: &str) -> Option<Self> {
        if text == REMOVED {
            return Some(Self::Removed(host.clone()));
        }
        let Some(fields) = text.strip_prefix(UNCERTIFIED) else {
            return SignedRecord::parse(host, text).ok().map(Self::Signed);
        };
        let mut fields = fields.split(' ');
        let mut field = |name: &str| fields.next()?.strip_prefix(name);
        let state = field("s=")?;
        let seq = Seq::new(field("q=")?.parse().ok()?)?;
        let addresses = field("a=")?.split(',').filter(|text| !text.is_empty());
        let addresses = addresses.map(str::parse).collect::<Result<Vec<_>, _>>().ok()?;
        let (issued, lease) = (field("t=")?.parse().ok()?, field("l=")?.parse().ok()?);
        let record = match state {
            "asleep" if addresses.is_empty() => Record::asleep(host.clone(), seq, issued, lease),
            "online" => Record::online(host.clone(), addresses, seq, issued, lease),
            _ => return None,
        };
        let read = Self::Uncertified(record.ok()?);
        (read.to_string() == text).then_some(read)
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Removed(_) => f.write_str(REMOVED),
            Self::Signed(signed) => signed.fmt(f),
            Self::Uncertified(record) => {
                let addresses: Vec<String> = record.addresses().iter().map(ToString::to_string).collect();
                let (state, seq, addresses) = (record.state(), record.seq(), addresses.join(","));
                write!(f, "{UNCERTIFIED}s={state} q={seq} a={addresses} t={} l={}", record.issued(), record.lease())
            }
        }
    }
}

impl Statement {
    /// Makes the record of a host that cannot sign: online at the addresses, or asleep without any.
    pub(super) fn uncertified(
        host: &HostName,
        addresses: Vec<std::net::IpAddr>,
        seq: Seq,
        now: u64,
        lease: u32,
    ) -> Result<Self, crate::record::RecordError> {
        let state = if addresses.is_empty() { State::Asleep } else { State::Online };
        let record = match state {
            State::Asleep => Record::asleep(host.clone(), seq, now, lease),
            State::Online => Record::online(host.clone(), addresses, seq, now, lease),
        };
        record.map(Self::Uncertified)
    }
}

const REMOVED: &str = "removed";
const UNCERTIFIED: &str = "uncertified ";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::fixture::{Fixture, NOW, host};

    #[test]
    fn every_kind_survives_its_text_and_none_reads_as_another() {
        let (fixture, home) = (Fixture::new(), host("home.dyn.test"));
        let plain = |addresses: &[&str]| {
            let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
            Statement::uncertified(&home, addresses, Seq::FIRST, NOW, 600).unwrap()
        };
        for statement in [
            Statement::Removed(home.clone()),
            Statement::Signed(fixture.statement(1, &["203.0.113.9"])),
            plain(&["2001:db8::1", "203.0.113.9"]),
            plain(&[]),
        ] {
            let text = statement.to_string();
            assert_eq!(Statement::parse(&home, &text), Some(statement.clone()), "{text}");
            assert_eq!(SignedRecord::parse(&home, &text).is_ok(), statement.signed().is_some(), "{text}");
        }
    }

    #[test]
    fn only_the_one_text_is_read() {
        let home = host("home.dyn.test");
        for text in [
            "uncertified s=online q=1 a= t=1 l=1",
            "uncertified s=asleep q=1 a=203.0.113.9 t=1 l=1",
            "uncertified s=online q=01 a=203.0.113.9 t=1 l=1",
            "uncertified s=online q=1 a=203.0.113.9 t=1 l=1 x=1",
            "removed ",
        ] {
            assert_eq!(Statement::parse(&home, text), None, "{text}");
        }
    }
}
