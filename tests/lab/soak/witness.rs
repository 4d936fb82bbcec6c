//! What must hold at any time, whatever is killed: nothing acknowledged is lost, numbers only rise, nobody is sent to an
//! address that home has lost, and nothing is left over.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use ringup::demo::Heard;
use ringup::record::{Seq, SeqStore};
use tokio::time::Instant;

use super::super::harness::{Lab, number};
use super::super::remains::processes;

/// How much later than the lease's end an address may still be shown: queries and clocks take their time.
const SLACK: Duration = Duration::from_secs(3);

/// The roles whose processes are looked at, as their command lines have them.
const ROLES: [(&str, &str); 4] =
    [("home", " listen "), ("provider", " provide "), ("directory", " directory "), ("exchange", " exchange ")];

/// Remembers what was, to compare it with what is.
#[derive(Debug)]
pub(super) struct Witness {
    /// How long a registration holds.
    lease: Duration,
    /// Up to where the events are taken in.
    taken: usize,
    /// The newest registration that the directory has acknowledged: its number, and the address unless it is asleep.
    acknowledged: Option<(u64, Option<String>)>,
    /// The address that home was told last.
    lent: Option<String>,
    /// The number of the directory's record when it was last looked at.
    seen: u64,
    /// Since when home has certainly had no link.
    without_link: Option<Instant>,
    /// The open files of each role when nothing happens.
    files: BTreeMap<&'static str, Vec<String>>,
}

impl Witness {
    pub(super) fn new(lab: &Lab, lease: Duration) -> Self {
        Self {
            lease,
            taken: lab.moment(),
            acknowledged: None,
            lent: None,
            seen: 0,
            without_link: Some(Instant::now()),
            files: BTreeMap::new(),
        }
    }

    /// Takes in what home has said since the last time.
    pub(super) fn listen(&mut self, lab: &Lab) {
        for heard in lab.heard(self.taken, "home") {
            self.take(&heard);
        }
        self.taken = lab.moment();
    }

    fn take(&mut self, heard: &Heard) {
        match heard.event.as_str() {
            "up" => {
                self.lent = Some(heard.text("address"));
                self.without_link = None;
            }
            "registered" => self.acknowledge(number(heard, "seq"), self.lent.clone()),
            "withdrawn" => self.acknowledge(number(heard, "seq"), None),
            _ => {}
        }
    }

    fn acknowledge(&mut self, seq: u64, address: Option<String>) {
        let before = self.acknowledged.as_ref().map_or(0, |(seq, _address)| *seq);
        assert!(seq >= before, "number {seq} was acknowledged after {before}");
        self.acknowledged = Some((seq, address));
    }

    /// Home has no link from now on, or had none for longer already.
    pub(super) fn link_is_gone(&mut self) {
        self.without_link.get_or_insert_with(Instant::now);
    }

    /// Looks at the directory's record, and at home's own number.
    pub(super) async fn check_record(&mut self, lab: &mut Lab) {
        self.listen(lab);
        let record = lab.record().await;
        let seq = record["seq"].as_u64().unwrap();
        assert!(seq >= self.seen, "the directory's number fell from {} to {seq}", self.seen);
        self.seen = seq;
        if let Some((acknowledged, address)) = &self.acknowledged {
            assert!(seq >= *acknowledged, "the directory acknowledged {acknowledged}, and has {seq}");
            if seq == *acknowledged {
                let addresses: Vec<&str> =
                    record["addresses"].as_array().unwrap().iter().filter_map(|a| a.as_str()).collect();
                assert_eq!(addresses.first().copied(), address.as_deref(), "another record than the acknowledged one");
            }
        }
        let own = SeqStore::open(&lab.world.folder().join("home-state/seq")).unwrap().last();
        let own = own.map_or(0, Seq::number);
        assert!(own >= seq, "home's own number {own} is behind the directory's {seq}");
        let shown = shown_address(lab).await;
        let lost = self.without_link.map(|since| since.elapsed());
        if let (Some(address), Some(lost)) = (&shown, lost) {
            assert!(lost <= self.lease + SLACK, "{address} is shown {lost:?} after home has lost it");
        }
    }

    /// Waits until an address that home has lost is not shown any more, and fails when that takes longer than the lease.
    pub(super) async fn wait_for_lease(&mut self, lab: &mut Lab) {
        while shown_address(lab).await.is_some() {
            self.check_record(lab).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Looks at every role's open files; the first time they are remembered.
    pub(super) fn check_files(&mut self, lab: &Lab) {
        let folder = lab.world.folder().display().to_string();
        for (role, words) in ROLES {
            let found: Vec<_> =
                processes("ringup").into_iter().filter(|(_pid, command)| command.contains(words)).collect();
            let [(pid, _command)] = &found[..] else { panic!("not one{words}: {found:?}") };
            let now = open_files(&format!("/proc/{pid}/fd"), &folder);
            let before = self.files.entry(role).or_insert_with(|| now.clone());
            assert_eq!(*before, now, "the open files of {role}");
        }
        let pppds = processes("pppd");
        assert!(pppds.is_empty(), "left over: {pppds:?}");
    }
}

/// What a process has open, sorted, without what differs from one process to the next.
fn open_files(folder: &str, world: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
    let name = |path: &Path| {
        let path = path.display().to_string();
        let kind = path.split_once(':').filter(|_| !path.starts_with('/')).map(|(kind, _number)| kind.to_owned());
        kind.unwrap_or_else(|| path.replace(world, ""))
    };
    let mut files: Vec<String> = entries.map(|path| name(&path)).collect();
    files.sort();
    // SQLite keeps what it has closed of a database open for as long as another connection of the process has locks on it
    // (its "How To Corrupt", section 2.2): one more where the database has just been made.
    files.dedup_by(|one, next| one == next && one.ends_with(".sqlite"));
    files
}

/// The address that anybody would be given for home.
async fn shown_address(lab: &mut Lab) -> Option<String> {
    let mut command = lab.world.command(Some("directory"), Path::new("dig"));
    command.args(["+short", "+norecurse", "@192.0.2.6", "home.dyn.example", "A"]);
    let ran = lab.world.run("dig", command).await.unwrap();
    assert_eq!(ran.status, 0, "{}{}", ran.output, ran.errors);
    ran.output.lines().next().map(str::to_owned)
}
