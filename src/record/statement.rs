//! The record itself, and the signed line of text that carries it (docs/record.md).
//!
//! There is exactly one text for a record: the parser writes what it read anew and refuses any difference, so the signed
//! bytes, the stored bytes and the compared bytes are the same ones.

use std::fmt;
use std::net::IpAddr;

use super::{HostName, Identity, PublicKey, Reachability, Seq, Services, Signature};

/// Whether a host has its link up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// The link is down, and a ring wakes the host.
    Asleep,
    /// The link is up at the record's addresses.
    Online,
}

impl State {
    /// Gives the one word used on the wire: `asleep` or `online`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Asleep => "asleep",
            Self::Online => "online",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a host says of itself: whether and where it is, since when, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    host: HostName,
    state: State,
    addresses: Vec<IpAddr>,
    seq: Seq,
    issued: u64,
    lease: u32,
    /// Nothing where all is as usual: a directory keeps a million of these.
    services: Option<Box<Services>>,
}

impl Record {
    /// The most addresses in one record.
    pub const MOST_ADDRESSES: usize = 8;

    /// Says that the host is online at these addresses (kept sorted and without doubles), from `issued` (Unix seconds) for
    /// `lease` seconds.
    ///
    /// # Errors
    /// When there is no address, too many, or one that cannot be connected to; or when the lease is zero.
    pub fn online(
        host: HostName,
        mut addresses: Vec<IpAddr>,
        seq: Seq,
        issued: u64,
        lease: u32,
    ) -> Result<Self, RecordError> {
        for address in &mut addresses {
            *address = address.to_canonical();
            if address.is_unspecified() || address.is_multicast() {
                return Err(RecordError::Unconnectable(*address));
            }
        }
        addresses.sort_unstable();
        addresses.dedup();
        match addresses.len() {
            0 => Err(RecordError::NoAddress),
            1..=Self::MOST_ADDRESSES => Self::new(host, State::Online, addresses, seq, issued, lease),
            more => Err(RecordError::TooManyAddresses(more)),
        }
    }

    /// Says that the host is asleep, from `issued` (Unix seconds) for `lease` seconds.
    ///
    /// # Errors
    /// When the lease is zero.
    pub fn asleep(host: HostName, seq: Seq, issued: u64, lease: u32) -> Result<Self, RecordError> {
        Self::new(host, State::Asleep, Vec::new(), seq, issued, lease)
    }

    fn new(
        host: HostName,
        state: State,
        addresses: Vec<IpAddr>,
        seq: Seq,
        issued: u64,
        lease: u32,
    ) -> Result<Self, RecordError> {
        if lease == 0 {
            Err(RecordError::NoLease)
        } else {
            Ok(Self { host, state, addresses, seq, issued, lease, services: None })
        }
    }

    /// Says what clients can make sure of at these addresses; a host that is asleep has nothing there.
    #[must_use]
    pub fn with_services(mut self, services: Services) -> Self {
        let is_said = self.state == State::Online && services != Services::default();
        self.services = is_said.then(|| Box::new(services));
        self
    }

    /// Gives the host that speaks.
    #[must_use]
    pub fn host(&self) -> &HostName {
        &self.host
    }

    /// Tells whether the host is online.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Gives the addresses, sorted, IPv4 first: at least one online, none asleep.
    #[must_use]
    pub fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// Gives what clients can make sure of at the addresses.
    #[must_use]
    pub fn services(&self) -> Services {
        self.services.as_deref().copied().unwrap_or_default()
    }

    /// Judges how far the best of the addresses can be reached from.
    #[must_use]
    pub fn reachability(&self) -> Reachability {
        Reachability::best_of(&self.addresses)
    }

    /// Gives the record's place in its host's history.
    #[must_use]
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// Gives the time of signing by the host's own clock, in Unix seconds; a machine just woken may be wrong about it.
    #[must_use]
    pub fn issued(&self) -> u64 {
        self.issued
    }

    /// Gives for how many seconds the record holds unless it is renewed.
    #[must_use]
    pub fn lease(&self) -> u32 {
        self.lease
    }

    fn canonical(&self, key: &PublicKey) -> String {
        let mut text = format!("{VERSION} s={} q={}", self.state, self.seq);
        for (index, address) in self.addresses.iter().enumerate() {
            text.push_str(if index == 0 { " a=" } else { "," });
            text.push_str(&address.to_string());
        }
        text.push_str(&format!(
            " t={} l={}{} k={}",
            self.issued,
            self.lease,
            self.services().fields(),
            key.to_base64()
        ));
        text
    }
}

/// Why a record cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// An online record without an address.
    #[error("a host that is online has no address; expected at least one")]
    NoAddress,
    /// More than [`Record::MOST_ADDRESSES`].
    #[error("a record has {0} addresses; expected at most {max}", max = Record::MOST_ADDRESSES)]
    TooManyAddresses(usize),
    /// An unspecified or multicast address.
    #[error("nobody can connect to {0}; expected an address of one machine")]
    Unconnectable(IpAddr),
    /// A lease of zero seconds.
    #[error("a record has a lease of 0 s; expected at least 1")]
    NoLease,
}

/// A record with its host's public key and signature: it certifies itself, so any store may carry it.
///
/// Having one does not mean that the signature is good: [`SignedRecord::verify`] tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedRecord {
    record: Record,
    key: PublicKey,
    signature: Signature,
}

impl SignedRecord {
    /// Signs a record with its host's identity.
    #[must_use]
    pub fn sign(record: Record, identity: &Identity) -> Self {
        let key = identity.public_key();
        let signature = identity.sign(CONTEXT, &signed_bytes(&record, &key));
        Self { record, key, signature }
    }

    /// Puts together what was taken apart; whether the signature fits, [`SignedRecord::verify`] tells.
    #[must_use]
    pub fn from_parts(record: Record, key: PublicKey, signature: Signature) -> Self {
        Self { record, key, signature }
    }

    /// Reads the text of a record that was found under its host's name.
    ///
    /// # Errors
    /// When the text is not exactly what [`SignedRecord`]'s `Display` would write.
    pub fn parse(host: &HostName, text: &str) -> Result<Self, StatementError> {
        let version = text.split(' ').next().unwrap_or_default();
        if version != VERSION {
            return Err(if version.starts_with("ringup") { StatementError::Version } else { StatementError::Foreign });
        }
        let parsed = parse_fields(host, text).ok_or(StatementError::Malformed)?;
        if parsed.to_string() == text { Ok(parsed) } else { Err(StatementError::Malformed) }
    }

    /// Gives the record, signed by [`SignedRecord::key`] only if [`SignedRecord::verify`] says so.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Gives the key that claims to have signed.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Gives the signature.
    #[must_use]
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Checks that the holder of the pinned key, and nobody else, made this record.
    ///
    /// # Errors
    /// When another key signed it, or the signature does not fit the record.
    pub fn verify(&self, pinned: &PublicKey) -> Result<(), VerifyError> {
        if self.key != *pinned {
            return Err(VerifyError::OtherKey { found: self.key });
        }
        if pinned.verifies(CONTEXT, &signed_bytes(&self.record, &self.key), &self.signature) {
            Ok(())
        } else {
            Err(VerifyError::BadSignature)
        }
    }
}

impl fmt::Display for SignedRecord {
    /// Writes the one text of this record; the host's name is not in it, being where the text is found.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} g={}", self.record.canonical(&self.key), self.signature.to_base64())
    }
}

/// Why a text is no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// The text does not begin as a record does.
    #[error("not a ringup record; expected a text that begins with {VERSION}")]
    Foreign,
    /// The text begins as one of another version.
    #[error("a ringup record of an unknown version; expected {VERSION}")]
    Version,
    /// A field is missing, double, out of order or range, or not written canonically.
    #[error("a malformed ringup record")]
    Malformed,
}

/// Why a record is not the pinned host's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// Another key signed it.
    #[error("the record is signed by another identity, {found}")]
    OtherKey {
        /// The key in the record.
        found: PublicKey,
    },
    /// The signature does not fit.
    #[error("the record's signature is bad")]
    BadSignature,
}

/// The host comes first, so a record cannot be carried from one name to another.
fn signed_bytes(record: &Record, key: &PublicKey) -> Vec<u8> {
    format!("{}\0{}", record.host, record.canonical(key)).into_bytes()
}

fn parse_fields(host: &HostName, text: &str) -> Option<SignedRecord> {
    let mut fields = text.split(' ').skip(1).peekable();
    let state = match value(fields.next(), "s=")? {
        "asleep" => State::Asleep,
        "online" => State::Online,
        _ => return None,
    };
    let seq = Seq::new(value(fields.next(), "q=")?.parse().ok()?)?;
    let addresses = match fields.next_if(|field| field.starts_with("a=")) {
        Some(field) => {
            let list: Result<Vec<_>, _> = value(Some(field), "a=")?.split(',').map(str::parse).collect();
            list.ok()?
        }
        None => Vec::new(),
    };
    let issued = value(fields.next(), "t=")?.parse().ok()?;
    let lease = value(fields.next(), "l=")?.parse().ok()?;
    let services = Services::take(&mut fields)?;
    let key = PublicKey::from_base64(value(fields.next(), "k=")?)?;
    let signature = Signature::from_base64(value(fields.next(), "g=")?)?;
    if fields.next().is_some() {
        return None;
    }
    let record = match state {
        State::Asleep if addresses.is_empty() => Record::asleep(host.clone(), seq, issued, lease),
        State::Asleep => return None,
        State::Online => Record::online(host.clone(), addresses, seq, issued, lease),
    };
    Some(SignedRecord { record: record.ok()?.with_services(services), key, signature })
}

fn value<'t>(field: Option<&'t str>, name: &str) -> Option<&'t str> {
    field?.strip_prefix(name)
}

const VERSION: &str = "ringup1";
const CONTEXT: &str = "ringup record 1";

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use proptest::prelude::*;

    use super::*;
    use crate::record::{SshHostKey, TlsPin};

    fn host() -> HostName {
        "home.dyn.test".parse().unwrap()
    }

    fn online(addresses: &[&str]) -> Record {
        let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
        Record::online(host(), addresses, Seq::new(17).unwrap(), 1_789_000_000, 3600).unwrap()
    }

    #[test]
    fn a_record_survives_its_text_and_fits_one_string() {
        let identity = Identity::generate().unwrap();
        let asleep = Record::asleep(host(), Seq::FIRST, 0, 1).unwrap();
        for record in
            [online(&["203.0.113.9"]), online(&["2001:db8:1234:5678:9abc:def0:1234:5678", "203.0.113.9"]), asleep]
        {
            let signed = SignedRecord::sign(record, &identity);
            let text = signed.to_string();
            assert!(text.len() <= 255, "{} characters: {text}", text.len());
            let read = SignedRecord::parse(&host(), &text).unwrap();
            assert_eq!(read, signed);
            assert_eq!(read.verify(&identity.public_key()), Ok(()));
        }
    }

    #[test]
    fn services_ride_along_and_only_what_is_not_as_usual_takes_room() {
        let identity = Identity::generate().unwrap();
        let services = Services {
            proof_port: NonZeroU16::new(7465).unwrap(),
            ssh: Some(SshHostKey::from_bytes([1; 32])),
            tls: Some(TlsPin::from_bytes([2; 32])),
            tunnel: Some("[2001:db8::7]:2222/22".parse().unwrap()),
        };
        let signed = SignedRecord::sign(online(&["203.0.113.9"]).with_services(services), &identity);
        let text = signed.to_string();
        let read = SignedRecord::parse(&host(), &text).unwrap();
        assert_eq!(read.record().services(), services);
        assert_eq!(read.verify(&identity.public_key()), Ok(()));
        assert!(!SignedRecord::sign(online(&["203.0.113.9"]), &identity).to_string().contains("p="));
        for (from, to) in [
            (" p=7465", " p=7464"),
            (" p=7465", " p=0"),
            (" p=7465", " p=65536"),
            (" h=", " c="),
            (":2222/22", ":2222"),
            (":2222/22", ":2222/022"),
            ("[2001:db8::7]", "[2001:db8::0:7]"),
        ] {
            let changed = text.replace(from, to);
            assert_ne!(changed, text);
            assert_eq!(SignedRecord::parse(&host(), &changed), Err(StatementError::Malformed), "{changed}");
        }
        let asleep = Record::asleep(host(), Seq::FIRST, 0, 1).unwrap().with_services(services);
        assert_eq!(asleep.services(), Services::default());
    }

    #[test]
    fn every_changed_character_breaks_the_record() {
        let identity = Identity::generate().unwrap();
        let text = SignedRecord::sign(online(&["203.0.113.9"]), &identity).to_string();
        for index in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[index] = if bytes[index] == b'1' { b'2' } else { b'1' };
            let changed = String::from_utf8(bytes).unwrap();
            let survives = SignedRecord::parse(&host(), &changed)
                .is_ok_and(|signed| signed.verify(&identity.public_key()).is_ok());
            assert!(!survives, "{changed}");
        }
    }

    #[test]
    fn a_record_cannot_be_carried_to_another_name_or_key() {
        let identity = Identity::generate().unwrap();
        let text = SignedRecord::sign(online(&["203.0.113.9"]), &identity).to_string();
        let moved = SignedRecord::parse(&"away.dyn.test".parse().unwrap(), &text).unwrap();
        assert_eq!(moved.verify(&identity.public_key()), Err(VerifyError::BadSignature));
        let stranger = Identity::generate().unwrap().public_key();
        let read = SignedRecord::parse(&host(), &text).unwrap();
        assert_eq!(read.verify(&stranger), Err(VerifyError::OtherKey { found: identity.public_key() }));
    }

    #[test]
    fn only_the_one_text_is_accepted() {
        let identity = Identity::generate().unwrap();
        let text = SignedRecord::sign(online(&["192.0.2.7", "203.0.113.9"]), &identity).to_string();
        for (from, to) in [
            ("q=17", "q=017"),
            ("q=17", "q=+17"),
            ("a=192.0.2.7,203.0.113.9", "a=203.0.113.9,192.0.2.7"),
            ("a=192.0.2.7,", "a=192.0.2.7,192.0.2.7,"),
            ("a=192.0.2.7,", "a=::ffff:192.0.2.7,"),
            ("s=online", "s=asleep"),
            (" l=3600", ""),
            (" l=3600", " l=3600 l=3600"),
            (" l=3600", "  l=3600"),
            (" l=3600", " l=0"),
            (" k=", " x=1 k="),
        ] {
            let changed = text.replace(from, to);
            assert_ne!(changed, text);
            assert_eq!(SignedRecord::parse(&host(), &changed), Err(StatementError::Malformed), "{changed}");
        }
        assert_eq!(SignedRecord::parse(&host(), &format!("{text} ")), Err(StatementError::Malformed));
        assert_eq!(SignedRecord::parse(&host(), &text.replace("ringup1", "ringup2")), Err(StatementError::Version));
        assert_eq!(SignedRecord::parse(&host(), "v=spf1 -all"), Err(StatementError::Foreign));
    }

    #[test]
    fn an_online_record_needs_addresses_one_can_connect_to() {
        let make = |addresses: Vec<IpAddr>| Record::online(host(), addresses, Seq::FIRST, 0, 60);
        assert_eq!(make(vec![]), Err(RecordError::NoAddress));
        assert!(matches!(make(vec!["0.0.0.0".parse().unwrap()]), Err(RecordError::Unconnectable(_))));
        let many = (0..9).map(|last| IpAddr::from([192, 0, 2, last])).collect();
        assert_eq!(make(many), Err(RecordError::TooManyAddresses(9)));
        assert_eq!(online(&["100.64.0.1"]).reachability(), Reachability::CarrierNat);
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_parses_is_canonical(text in "ringup1( [sqatlphcvkg]=[a-zA-Z0-9:.,_-]{0,90}){0,9}") {
            if let Ok(read) = SignedRecord::parse(&host(), &text) {
                prop_assert_eq!(read.to_string(), text);
            }
        }

        #[test]
        fn arbitrary_text_never_panics(text in any::<String>()) {
            prop_assert!(SignedRecord::parse(&host(), &text).is_err());
        }

        #[test]
        fn any_record_survives_its_text(
            addresses in proptest::collection::vec(any::<IpAddr>(), 0..9), seq in 1..=i64::MAX.unsigned_abs(),
            issued: u64, lease in 1u32..
        ) {
            let seq = Seq::new(seq).unwrap();
            let record = Record::online(host(), addresses, seq, issued, lease)
                .or_else(|_| Record::asleep(host(), seq, issued, lease)).unwrap();
            let identity = Identity::generate().unwrap();
            let signed = SignedRecord::sign(record, &identity);
            let read = SignedRecord::parse(&host(), &signed.to_string()).unwrap();
            prop_assert_eq!(read.verify(&identity.public_key()), Ok(()));
            prop_assert_eq!(read, signed);
        }
    }
}
