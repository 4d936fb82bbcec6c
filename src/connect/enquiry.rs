//! What `ringup query` and `ringup trust` find out: a host as the directory has it, checked as far as it can be without
//! going there.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::time::Instant;

use super::attempt::{not_its_own, rolled_back};
use super::{in_words, known, uncertified};
use crate::dns::Resolver;
use crate::exit::{Failure, Status};
use crate::record::{HostName, PublicKey, Reachability, Seq, SignedRecord, State};

/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How much later than the quickest of the directory's servers the others may be: as they may lag behind, all are
/// asked, and the newest record counts; one that is down must not hold up an answer for long.
const OTHERS_WITHIN: Duration = Duration::from_secs(1);

/// Who is asked about.
#[derive(Clone, Debug)]
pub struct Enquiry {
    /// The host's name.
    pub host: HostName,
    /// What it was called on the command line.
    pub called: String,
    /// Its key, if it is known.
    pub identity: Option<PublicKey>,
    /// Its newest record that was ever seen.
    pub seen: Option<Seq>,
    /// The servers to ask.
    pub directory: Vec<SocketAddr>,
}

/// A host as the directory has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Looked {
    /// By its own record.
    Certified(Box<SignedRecord>),
    /// A router registered it, or ddclient: it has addresses and no statement.
    Uncertified(HostName, Vec<IpAddr>),
}

impl Enquiry {
    /// Asks the directory, all of its servers at once: the newest record counts.
    ///
    /// # Errors
    /// When it does not answer, does not know the host, or has a record that is not the host's, or not its newest.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub async fn ask(&self) -> Result<Looked, Failure> {
        let deadline = Instant::now() + ANSWER_WITHIN;
        let resolver = Resolver::new(self.directory.clone()).expecting(self.identity, self.seen);
        let answer = resolver.newest(&self.host, OTHERS_WITHIN, deadline).await;
        let answer = answer.map_err(|error| Failure::from(&error))?;
        if let Some(signed) = known(answer, &self.host)? {
            return self.check(signed);
        }
        let addresses = resolver.addresses(&self.host, deadline).await.map_err(|error| Failure::from(&error))?;
        if addresses.is_empty() {
            return Err(self.never_registered());
        }
        Ok(Looked::Uncertified(self.host.clone(), addresses))
    }

    fn never_registered(&self) -> Failure {
        Failure::new(Status::NotRegistered, format!("{} has never registered", self.host))
            .hint("start `ringup listen` or `ringup watch` there; the directory must know its key")
    }

    fn check(&self, signed: SignedRecord) -> Result<Looked, Failure> {
        let (host, called) = (&self.host, &self.called);
        let expected = self.identity.unwrap_or_else(|| *signed.key());
        signed.verify(&expected).map_err(|error| not_its_own(host, called, &error))?;
        let seq = signed.record().seq();
        if let Some(seen) = self.seen.filter(|seen| seq < *seen) {
            return Err(rolled_back(host, seq, seen));
        }
        Ok(Looked::Certified(Box::new(signed)))
    }
}

impl Looked {
    /// The host's key.
    ///
    /// # Errors
    /// When it did not sign.
    pub fn key(&self) -> Result<PublicKey, Failure> {
        match self {
            Self::Certified(signed) => Ok(*signed.key()),
            Self::Uncertified(host, addresses) => Err(uncertified(host, addresses)
                .hint("there is no key to trust: `ringup listen` or `ringup watch` there signs with one")),
        }
    }

    /// For programs.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let signed = match self {
            Self::Certified(signed) => signed,
            Self::Uncertified(host, addresses) => {
                return serde_json::json!({
                    "host": host.to_string(), "state": "online", "certified": false, "addresses": addresses,
                });
            }
        };
        let record = signed.record();
        let services = record.services();
        serde_json::json!({
            "host": record.host().to_string(),
            "state": record.state().as_str(),
            "certified": true,
            "seq": record.seq().number(),
            "addresses": record.addresses(),
            "reachability": record.reachability().as_str(),
            "issued": record.issued(),
            "lease": record.lease(),
            "identity": signed.key().to_string(),
            "proof-port": services.proof_port,
            "ssh-host-key": services.ssh.map(|key| key.to_string()),
            "tls-pin": services.tls.map(|pin| pin.to_string()),
            "tunnel": services.tunnel.map(|tunnel| tunnel.to_string()),
        })
    }

    /// For a person, at this moment by the wall clock.
    #[must_use]
    pub fn in_words(&self, unix_now: u64) -> String {
        match self {
            Self::Certified(signed) => certified(signed, unix_now),
            Self::Uncertified(host, addresses) => format!(
                "{host} is online at {} (uncertified: the host did not sign this, so nothing proves it)",
                in_words(addresses)
            ),
        }
    }
}

/// A record for a person: an online one only counts for as long as its lease lasts, and only where it can be reached.
fn certified(signed: &SignedRecord, unix_now: u64) -> String {
    let record = signed.record();
    let (host, seq, key) = (record.host(), record.seq(), signed.key());
    if record.state() == State::Asleep {
        return format!("{host} is asleep (record {seq}, {key})");
    }
    let mut place = in_words(record.addresses());
    if record.reachability() != Reachability::Public {
        place.push_str(", where its own network alone can reach it");
    }
    if let Some(tunnel) = record.services().tunnel {
        place.push_str(&format!(", and through its tunnel at {}", tunnel.at()));
    }
    let end = record.issued().saturating_add(u64::from(record.lease()));
    match unix_now.checked_sub(end) {
        None | Some(0) => format!("{host} is online at {place} (record {seq}, {key})"),
        Some(seconds) => format!(
            "{host} was online at {place} until its lease ended, {} ago (record {seq}, {key})",
            if seconds < 120 { format!("{seconds} s") } else { format!("{} min", seconds / 60) }
        ),
    }
}

#[cfg(test)]
pub(super) use self::tests::{every_end, every_looked};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{FarEnd, Identity, Record, Services};
    use crate::samples::of_each;

    fn host() -> HostName {
        "home.dyn.example".parse().unwrap()
    }

    /// What may be found, for the snapshot of every message: told at this moment, in seconds since 1970.
    pub(in crate::connect) fn every_looked() -> (Vec<Looked>, u64) {
        const NOW: u64 = 10_000;
        let identity = Identity::generate().unwrap();
        let signed = |record: Record, services: Services| {
            let signed = SignedRecord::sign(record.with_services(services), &identity);
            let key = PublicKey::from_bytes([7; 32]);
            Box::new(SignedRecord::from_parts(signed.record().clone(), key, *signed.signature()))
        };
        let online = |address: &str, issued| {
            let addresses = vec![address.parse().unwrap(), "2001:db8::9".parse().unwrap()];
            Record::online(host(), addresses, Seq::new(8).unwrap(), issued, 600).unwrap()
        };
        let private = Record::online(host(), vec!["100.64.0.9".parse().unwrap()], Seq::FIRST, NOW, 600).unwrap();
        let pinned = Services {
            ssh: Some(crate::record::SshHostKey::from_bytes([7; 32])),
            tls: Some(crate::record::TlsPin::from_bytes([7; 32])),
            ..Services::default()
        };
        let tunnel = Services { tunnel: Some("198.51.100.7:2222/22".parse().unwrap()), ..Services::default() };
        let asleep = Record::asleep(host(), Seq::new(7).unwrap(), NOW, 600).unwrap();
        let looked = of_each! {
            Looked::Certified(_) => [
                Looked::Certified(signed(online("203.0.113.9", NOW), pinned)),
                Looked::Certified(signed(online("203.0.113.9", 0), Services::default())),
                Looked::Certified(signed(private.clone(), Services::default())),
                Looked::Certified(signed(private, tunnel)),
                Looked::Certified(signed(asleep, Services::default())),
            ],
            Looked::Uncertified(..) => [Looked::Uncertified(host(), vec!["203.0.113.9".parse().unwrap()])],
        };
        (looked, NOW)
    }

    /// Every failure of an enquiry's own, for the same.
    pub(in crate::connect) fn every_end() -> Vec<Failure> {
        let identity = Identity::generate().unwrap();
        let key = PublicKey::from_bytes([7; 32]);
        let record = Record::asleep(host(), Seq::new(7).unwrap(), 0, 600).unwrap();
        let signed = SignedRecord::sign(record.clone(), &identity);
        let by_another = SignedRecord::from_parts(record, key, *signed.signature());
        let enquiry = Enquiry {
            host: host(),
            called: "home".to_owned(),
            identity: Some(identity.public_key()),
            seen: Seq::new(9),
            directory: Vec::new(),
        };
        let (looked, _now) = every_looked();
        let unsigned = looked.iter().filter_map(|looked| looked.key().err());
        let refused = [by_another, signed].into_iter().filter_map(|signed| enquiry.check(signed).err());
        refused.chain([enquiry.never_registered()]).chain(unsigned).collect()
    }

    #[test]
    fn a_record_is_told_for_what_it_is_worth_now() {
        let identity = Identity::generate().unwrap();
        let (host, key): (HostName, _) = ("home.dyn.example".parse().unwrap(), identity.public_key());
        let said = |record: Record, now| certified(&SignedRecord::sign(record, &identity), now);
        let at = |addresses: &[&str]| {
            let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
            Record::online(host.clone(), addresses, Seq::FIRST, 1000, 600).unwrap()
        };
        let tunnel: FarEnd = "198.51.100.7:2222/22".parse().unwrap();
        let asleep = Record::asleep(host.clone(), Seq::FIRST, 1000, 600).unwrap();
        for (told, expected) in [
            (said(at(&["203.0.113.9", "2001:db8::9"]), 1600), "is online at 203.0.113.9, 2001:db8::9 (record 1"),
            (said(at(&["203.0.113.9"]), 1660), "was online at 203.0.113.9 until its lease ended, 60 s ago (record 1"),
            (
                said(at(&["203.0.113.9"]), 8200),
                "was online at 203.0.113.9 until its lease ended, 110 min ago (record 1",
            ),
            (
                said(at(&["100.64.0.9"]).with_services(Services { tunnel: Some(tunnel), ..Services::default() }), 1600),
                "is online at 100.64.0.9, where its own network alone can reach it, and through its tunnel at \
                 198.51.100.7:2222 (record 1",
            ),
            (said(asleep, 9999), "is asleep (record 1"),
        ] {
            assert_eq!(told, format!("home.dyn.example {expected}, {key})"));
        }
    }
}
