//! What the fuzz targets call: each takes any bytes, and panics where a core breaks a promise.

use std::net::IpAddr;

use super::accounts::{NewCredential, NewHost};
use super::answer::{Transport, answer};
use super::book::{Step, decide};
use super::entry::{Entry, Fence};
use super::http::dyndns::{MOST_HOSTS, Update};
use super::http::hosts::asked_for;
use super::index::Index;
use super::request::Request;
use super::statement::Statement;
use super::update::{Outcome, Received, receive};
use super::zone::{View, Zone};
use super::{KeyBinding, Settings};
use crate::dns::message::{self, UDP_PAYLOAD};
use crate::dns::tsig::{self, Algorithm, TsigKey};
use crate::record::{HostName, Identity, Record, Seq, SignedRecord};
use crate::secret::Secret;

/// A zone with one host that has signed its record and may be changed by one key.
pub struct World {
    zone: Zone,
    index: Index,
    key: TsigKey,
    identity: Identity,
}

impl World {
    /// Makes one; `None` would mean that its own names are wrong.
    #[must_use]
    pub fn new() -> Option<Self> {
        let home: HostName = "home.dyn.test".parse().ok()?;
        let key = TsigKey::new("home", Algorithm::HmacSha256, &Secret::new(b"aG9tZSBob21lIGhvbWU=".to_vec())).ok()?;
        let binding = KeyBinding { hosts: vec![home.clone()], ..KeyBinding::of(key.clone()) };
        let routers = "routers.dyn.test".parse().ok()?;
        let binding = KeyBinding { below: vec![routers], uncertified_lease: Some(600), ..binding };
        let listen = vec!["192.0.2.53:53".parse().ok()?];
        let mut settings =
            Settings::new(listen, "unused".into(), "dyn.test".parse().ok()?, "ns.dyn.test".parse().ok()?);
        settings.keys = vec![binding];
        let (zone, mut index) = (Zone::new(&settings).ok()?, Index::new(7));
        // Always the same, so that what fits it can be kept.
        let identity = Identity::from_seed([7; 32])?;
        let statement = Statement::Signed(statement_of(home, &identity, 3)?);
        let fence = Some(Fence::new(NOW - 10, &[1; 32]));
        let entry = Entry { fence, ..Entry::new(statement, NOW, "home") };
        index.insert(&entry, &zone);
        Some(Self { zone, index, key, identity })
    }

    /// Any datagram: what is answered is an answer to it, and fits.
    pub fn message(&self, bytes: &[u8]) {
        let Some(request) = Request::read(bytes) else { return };
        let view = View { zone: &self.zone, index: &self.index, pending: None };
        for (transport, most) in [(Transport::Udp, usize::from(UDP_PAYLOAD)), (Transport::Tcp, usize::from(u16::MAX))] {
            let mut out = Vec::new();
            answer(&request, &view, NOW, transport, 0, &mut out);
            assert!(out.len() <= most, "{} bytes are too many", out.len());
            assert_eq!(out.get(..2), bytes.get(..2), "the identifier is another");
            assert!(out.get(2).is_some_and(|flags| flags & 128 != 0), "it is no answer");
            let parsed = domain::base::Message::from_octets(out);
            assert!(parsed.is_ok_and(|parsed| parsed.iter().all(|record| record.is_ok())), "it cannot be read");
        }
        let _changed = self.received(&request);
    }

    /// Any message as an update that the key has signed: nobody else's host is changed. Gives how many hosts are.
    pub fn update(&self, bytes: &[u8]) -> usize {
        let mut signed = bytes.to_vec();
        let _mac = tsig::sign_request(&mut signed, &self.key, NOW);
        Request::read(&signed).map_or(0, |request| self.received(&request))
    }

    /// The update, not yet signed by the key, in which the host says something under a number; the one it has said last
    /// has the number 3.
    #[must_use]
    pub fn registration(&self, seq: u64) -> Option<Vec<u8>> {
        let signed = statement_of("home.dyn.test".parse().ok()?, &self.identity, seq)?;
        Some(message::update(3, &self.zone.apex, &signed))
    }

    /// Any message as one that may be signed: none but ours is taken for it.
    pub fn signature(&self, bytes: &[u8]) {
        let Ok(Some(signed)) = tsig::take_off(bytes) else { return };
        let checked = tsig::check_request(&signed, std::slice::from_ref(&self.key), NOW);
        let is_timely = signed.tsig.time_signed().abs_diff(NOW) <= u64::from(tsig::FUDGE);
        assert!(checked.is_err() || is_timely, "signed at another time");
        let _answered = tsig::check_answer(&signed, &self.key, signed.tsig.mac(), NOW);
    }

    fn received(&self, request: &Request<'_>) -> usize {
        let Received::Change(pending) = receive(request, &self.zone, NOW) else { return 0 };
        let view = View { zone: &self.zone, index: &self.index, pending: None };
        let mut changed = 0;
        let outcome = match decide(&view, &pending.change, NOW) {
            Ok(entries) => {
                changed = entries.len();
                for entry in &entries {
                    let host = entry.statement.host().as_str();
                    let is_ours = host == "home.dyn.test" || host.ends_with(".routers.dyn.test");
                    assert!(is_ours, "{host} was changed");
                }
                Outcome::Done
            }
            Err(refusal) => Outcome::Refused(refusal),
        };
        assert!(!pending.asker.answer(&outcome, NOW).is_empty(), "who signs gets an answer");
        changed
    }
}

fn statement_of(host: HostName, identity: &Identity, seq: u64) -> Option<SignedRecord> {
    let addresses = vec!["203.0.113.9".parse().ok()?, "2001:db8::9".parse().ok()?];
    Some(SignedRecord::sign(Record::online(host, addresses, Seq::new(seq)?, NOW, 600).ok()?, identity))
}

/// Any text as a host's statement: what is read is written the same.
pub fn statement(bytes: &[u8]) {
    let (Ok(text), Ok(host)) = (std::str::from_utf8(bytes), "home.dyn.test".parse()) else { return };
    if let Ok(signed) = SignedRecord::parse(&host, text) {
        assert_eq!(signed.to_string(), text);
    }
    if let Some(statement) = Statement::parse(&host, text) {
        assert_eq!(statement.to_string(), text);
    }
}

/// Any parameters of a `/nic/update`, those of a form after the first new line: whatever is answered is one line a host,
/// each a known code with at most addresses after it.
pub fn dyndns(bytes: &[u8]) {
    let (query, form) = bytes.split_at(bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len()));
    let query = String::from_utf8_lossy(query);
    let peer: Option<IpAddr> = form.is_empty().then(|| [198, 51, 100, 7].into());
    let form = form.get(1..).unwrap_or_default();
    let update = match Update::read(&query, form, peer) {
        Ok(update) => update,
        Err(whole) => return assert!(matches!(whole.body(), "notfqdn\n" | "numhost\n"), "{}", whole.body()),
    };
    assert!((1..=MOST_HOSTS).contains(&update.hosts.len()), "{} hosts", update.hosts.len());
    let known = [IpAddr::from([203, 0, 113, 1]), IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1])];
    for known in [&[][..], &known[..1], &known[1..], &known] {
        let mut body = String::new();
        update.apply(known).map_or_else(|line| line, |(_steps, line)| line).push_to(&mut body);
        let said = body.trim_end_matches('\n');
        let (code, addresses) = said.split_once(' ').unwrap_or((said, ""));
        assert!(matches!(code, "dnserr" | "good" | "nochg"), "{body}");
        let addresses = addresses.split(',').filter(|address| !address.is_empty());
        assert!(addresses.map(str::parse::<IpAddr>).all(|address| address.is_ok()), "{body}");
        assert!(body.ends_with('\n') && body.matches('\n').count() == 1, "{body:?}");
    }
}

/// Any body that a program may post: what is read says the same again, and a change puts in its host's place what the
/// statement in it says, and nothing else.
pub fn json(bytes: &[u8]) {
    let Ok(host) = "home.dyn.test".parse() else { return };
    for change in [false, true].into_iter().filter_map(|is_json| asked_for(&host, bytes, is_json)) {
        let steps: Vec<&Step> = change.wanted.iter().flat_map(|wanted| &wanted.steps).collect();
        assert!(matches!(steps.last(), Some(Step::AddStatement(_))), "{steps:?}");
        let Some((Step::AddStatement(Ok(certified)), before)) = steps.split_last() else { continue };
        let said = certified.signed().record().addresses().iter().map(|address| Step::AddAddress(*address));
        assert!(before.iter().skip(1).copied().eq(said.collect::<Vec<_>>().iter()), "{steps:?}");
    }
    said_again::<NewHost>(bytes);
    said_again::<NewCredential>(bytes);
}

fn said_again<T: serde::Serialize + serde::de::DeserializeOwned + PartialEq>(bytes: &[u8]) {
    if let Ok(read) = serde_json::from_slice::<T>(bytes) {
        let written = serde_json::to_vec(&read).unwrap_or_default();
        assert!(serde_json::from_slice::<T>(&written).is_ok_and(|again| again == read), "it is not the same again");
    }
}

const NOW: u64 = 1_789_000_000;
