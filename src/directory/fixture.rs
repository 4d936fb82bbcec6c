//! A zone, an identity and registrations for the tests of the cores.

use super::statement::Statement;
use super::zone::{Entry, Fence, Index, View, Zone};
use super::{KeyBinding, Settings};
use crate::dns::TsigKey;
use crate::dns::tsig::Algorithm;
use crate::record::{HostName, Identity, Record, Seq, SignedRecord};
use crate::secret::Secret;

pub(super) const NOW: u64 = 1_789_000_000;

pub(super) fn host(name: &str) -> HostName {
    name.parse().unwrap()
}

pub(super) fn key() -> TsigKey {
    TsigKey::new("home", Algorithm::HmacSha256, &Secret::new(b"aG9tZSBob21lIGhvbWU=".to_vec())).unwrap()
}

/// The zone `dyn.test` with `home.dyn.test` and `deep.site.dyn.test`, and what the tests register in it.
pub(super) struct Fixture {
    pub(super) zone: Zone,
    pub(super) index: Index,
    pub(super) identity: Identity,
}

impl Fixture {
    pub(super) fn new() -> Self {
        let hosts = vec![host("home.dyn.test"), host("deep.site.dyn.test")];
        let listen = vec!["192.0.2.53:53".parse().unwrap(), "[2001:db8::53]:53".parse().unwrap()];
        let mut settings = Settings::new(listen, "unused".into(), host("dyn.test"), host("ns.dyn.test"));
        settings.keys = vec![KeyBinding { hosts, ..KeyBinding::of(key()) }];
        let zone = Zone::new(&settings);
        Self { zone: zone.unwrap(), index: Index::new(7), identity: Identity::generate().unwrap() }
    }

    pub(super) fn view(&self) -> View<'_> {
        View { zone: &self.zone, index: &self.index, pending: None }
    }

    pub(super) fn statement(&self, seq: u64, addresses: &[&str]) -> SignedRecord {
        let (name, seq) = (host("home.dyn.test"), Seq::new(seq).unwrap());
        let record = if addresses.is_empty() {
            Record::asleep(name, seq, NOW, 600)
        } else {
            Record::online(name, addresses.iter().map(|text| text.parse().unwrap()).collect(), seq, NOW, 600)
        };
        SignedRecord::sign(record.unwrap(), &self.identity)
    }

    /// Registers at [`NOW`].
    pub(super) fn register(&mut self, seq: u64, addresses: &[&str]) {
        self.insert(Statement::Signed(self.statement(seq, addresses)));
    }

    /// Registers at [`NOW`], without the host's signature.
    pub(super) fn register_uncertified(&mut self, seq: u64, addresses: &[&str]) {
        self.insert(Statement::Uncertified(self.statement(seq, addresses).record().clone()));
    }

    fn insert(&mut self, statement: Statement) {
        let entry = Entry { fence: Some(Fence::new(NOW, &[1; 32])), ..Entry::new(statement, NOW, "home") };
        self.index.insert(&entry, &self.zone);
    }
}
