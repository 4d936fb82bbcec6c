//! What is on the disk, and what is not.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::directory::fixture::{Fixture, NOW, host};
use crate::directory::index::Signatures;
use crate::scratch::Scratch;

fn open(folder: &Scratch, zone: &Zone) -> Result<(Store, Index), StoreError> {
    let path = folder.path("directory.db");
    Store::open(&path, lock(&path)?, zone)
}

fn commit(store: &mut Store, fixture: &Fixture, seq: u64, received: u64, serial: u32) {
    let statement = Statement::Signed(fixture.statement(seq, &[&format!("203.0.113.{seq}")]));
    let entry = Entry { fence: Some(Fence::new(received, &[1; 32])), ..Entry::new(statement, received, "home") };
    store.commit(std::iter::once(&entry), &[], serial).unwrap();
}

fn rows(store: &Store, table: &str) -> i64 {
    store.connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

#[test]
fn entries_and_their_history_are_there_after_reopening() {
    let (folder, fixture) = (Scratch::new("reopen"), Fixture::new());
    let (mut store, _) = open(&folder, &fixture.zone).unwrap();
    for seq in 1..=3 {
        commit(&mut store, &fixture, seq, NOW, u32::try_from(seq).unwrap() + 40);
    }
    drop(store);
    let (mut store, index) = open(&folder, &fixture.zone).unwrap();
    let view = crate::directory::zone::View { zone: &fixture.zone, index: &index, pending: None };
    let entry = view.entry(&host("home.dyn.test")).unwrap();
    assert_eq!((entry.statement.signed(), entry.received), (Some(&fixture.statement(3, &["203.0.113.3"])), NOW));
    let (by, mac) = index.fingerprint("home", &[1; 32]);
    assert_eq!(view.signatures(&host("home.dyn.test")), [Signatures { by, time_signed: NOW, macs: &[mac; 3] }]);
    assert_eq!((index.serial, rows(&store, "history")), (43, 3));
    store.expire(std::iter::once(&host("home.dyn.test")), NOW, 44).unwrap();
    drop(store);
    let (_, index) = open(&folder, &fixture.zone).unwrap();
    assert!(index.find(b"\x04home").unwrap().is_expired() && index.serial == 44);
}

#[test]
fn what_changed_since_a_serial_is_told_until_it_is_forgotten() {
    let (folder, fixture) = (Scratch::new("changes"), Fixture::new());
    let (mut store, _) = open(&folder, &fixture.zone).unwrap();
    for (seq, serial) in [(1, 2), (2, 3), (3, 4)] {
        commit(&mut store, &fixture, seq, NOW + seq, serial);
    }
    let since = |serial| {
        let mut connection = open_to_read(&folder.path("directory.db")).unwrap();
        let snapshot = Snapshot::take(&mut connection).unwrap();
        assert_eq!(snapshot.serial, 4);
        snapshot.changes(serial).unwrap()
    };
    let said = |seq: u64| (Statement::Signed(fixture.statement(seq, &[&format!("203.0.113.{seq}")])), false);
    assert_eq!(since(1), Some(vec![(None, said(3))]));
    assert_eq!(since(3), Some(vec![(Some(said(2)), said(3))]));
    assert_eq!(since(4), Some(vec![]));
    assert_eq!(since(9), None, "nobody has ever seen it");
    assert_eq!(store.prune(NOW + 3, 100).unwrap(), 1);
    assert_eq!((since(1), since(2)), (None, None), "forgotten");
    assert_eq!(since(3), Some(vec![(Some(said(2)), said(3))]));
    assert_eq!(store.prune(NOW + 3, 100).unwrap(), 0);
}

/// What is left of each host's history, newest first, by the way that leads from row to row.
fn chains(store: &Store) -> Vec<(String, Vec<i64>)> {
    let mut hosts = store.connection.prepare("SELECT host, latest FROM host ORDER BY host").unwrap();
    let hosts = hosts.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let mut previous = store.connection.prepare("SELECT previous FROM history WHERE id = ?1").unwrap();
    let chain = |(host, latest): (String, Option<i64>)| {
        let next = |id: &i64| previous.query_row([id], |row| row.get(0)).unwrap();
        (host, std::iter::successors(latest, next).collect())
    };
    hosts.map(Result::unwrap).map(chain).collect()
}

#[test]
fn a_history_is_a_chain_from_which_old_links_are_taken_out() {
    let (folder, fixture) = (Scratch::new("chains"), Fixture::new());
    let (mut store, _) = open(&folder, &fixture.zone).unwrap();
    // The clock was set back for the third.
    for (host, received) in [("a", 1), ("b", 1), ("a", 9), ("a", 2), ("b", 3), ("a", 4), ("b", 5)] {
        let statement = Statement::Removed(format!("{host}.dyn.test").parse().unwrap());
        store.commit(std::iter::once(&Entry::new(statement, received, "admin")), &[], 2).unwrap();
    }
    let renewal = Entry { renews: true, ..Entry::new(Statement::Removed(host("a.dyn.test")), 5, "admin") };
    store.commit(std::iter::once(&renewal), &[], 2).unwrap();
    let left = |store: &Store| chains(store).into_iter().map(|(_, chain)| chain).collect::<Vec<_>>();
    assert_eq!(left(&store), [vec![6, 4, 3, 1], vec![7, 5, 2]]);
    assert_eq!(store.prune(5, 1).unwrap(), 1);
    assert_eq!(left(&store), [vec![6, 4, 3, 1], vec![7, 5]]);
    assert_eq!(store.prune(5, 9).unwrap(), 1);
    assert_eq!(left(&store), [vec![6, 3, 1], vec![7, 5]], "what seems to be newer stays");
    assert_eq!(store.prune(5, 9).unwrap(), 0);
    assert_eq!(store.prune(10, 9).unwrap(), 3);
    assert_eq!(left(&store), [vec![6], vec![7]]);
    assert_eq!(rows(&store, "history"), 2);
}

#[test]
fn a_copy_is_whole_while_the_directory_goes_on() {
    let (folder, fixture) = (Scratch::new("backup"), Fixture::new());
    let (mut store, _) = open(&folder, &fixture.zone).unwrap();
    commit(&mut store, &fixture, 1, NOW, 2);
    let (path, copy) = (folder.path("directory.db"), folder.path("copy.db"));
    back_up(&path, &copy).unwrap();
    commit(&mut store, &fixture, 2, NOW, 3);
    let (copied, index) = Store::open(&copy, lock(&copy).unwrap(), &fixture.zone).unwrap();
    assert_eq!((rows(&copied, "history"), index.serial), (1, 2));
    assert!(matches!(back_up(&path, &copy), Err(StoreError::Backup { .. })), "it overwrites nothing");
}

#[test]
fn a_damaged_database_is_moved_away_and_no_empty_one_takes_its_place() {
    let (folder, fixture) = (Scratch::new("damage"), Fixture::new());
    let (mut store, _) = open(&folder, &fixture.zone).unwrap();
    commit(&mut store, &fixture, 1, NOW, 2);
    drop(store);
    let path = folder.path("directory.db");
    let mut bytes = fs::read(&path).unwrap();
    bytes[4096..].fill(0x5a);
    fs::write(&path, &bytes).unwrap();
    let Err(StoreError::Damaged { moved, .. }) = open(&folder, &fixture.zone) else { panic!("it was served") };
    assert_eq!(fs::read(&moved).unwrap(), bytes, "kept as it was");
    assert!(!path.exists());
    assert!(matches!(open(&folder, &fixture.zone), Err(StoreError::Quarantined { .. })));
    fs::remove_file(&moved).unwrap();
    assert!(open(&folder, &fixture.zone).is_ok(), "who removed it wants to begin anew");
    fs::write(&path, b"this is no database at all, but some text that somebody put there").unwrap();
    assert!(matches!(open(&folder, &fixture.zone), Err(StoreError::Damaged { .. })));
}

#[test]
fn a_database_of_the_first_version_is_brought_up_to_date() {
    let (folder, fixture) = (Scratch::new("migrate"), Fixture::new());
    let connection = Connection::open(folder.path("directory.db")).unwrap();
    schema::first_version(&connection, &fixture.statement(5, &["203.0.113.5"]).to_string());
    drop(connection);
    let (mut store, index) = open(&folder, &fixture.zone).unwrap();
    assert_eq!(chains(&store), [("home.dyn.test".to_owned(), vec![2, 1])]);
    assert_eq!((index.find(b"\x04home").unwrap().seq, index.serial), (5, 8), "what was configured is new to it");
    commit(&mut store, &fixture, 6, NOW, 9);
    let mut connection = open_to_read(&folder.path("directory.db")).unwrap();
    let changes = Snapshot::take(&mut connection).unwrap().changes(8).unwrap().unwrap();
    assert_eq!(changes[0].0, Some((Statement::Signed(fixture.statement(5, &["203.0.113.5"])), false)));
}

#[test]
fn a_second_directory_is_kept_away() {
    let (folder, fixture) = (Scratch::new("second"), Fixture::new());
    let first = open(&folder, &fixture.zone).unwrap();
    assert!(matches!(open(&folder, &fixture.zone), Err(StoreError::InUse { .. })));
    drop(first);
    assert!(open(&folder, &fixture.zone).is_ok());
}

#[test]
fn other_versions_other_programs_and_bad_rows_are_refused() {
    let (folder, fixture) = (Scratch::new("versions"), Fixture::new());
    let change = |sql: &str| {
        let (store, _) = open(&folder, &fixture.zone).unwrap();
        store.connection.execute_batch(sql).unwrap();
        drop(store);
        open(&folder, &fixture.zone).map(|_| ())
    };
    let bad_row = "INSERT INTO host VALUES ('home.dyn.test', 'ringup1 s=online', 1, 'home', 1, x'00', 0, NULL)";
    assert!(matches!(change(bad_row), Err(StoreError::Damaged { .. })));
    for (name, pragma) in [("newer", "PRAGMA user_version = 99"), ("other", "PRAGMA application_id = 7")] {
        let folder = Scratch::new(name);
        let (store, _) = open(&folder, &fixture.zone).unwrap();
        store.connection.execute_batch(pragma).unwrap();
        drop(store);
        assert!(matches!(open(&folder, &fixture.zone), Err(StoreError::Version { .. })), "{name}");
    }
}

#[test]
fn a_changed_configuration_is_a_new_serial_from_which_copies_are_whole() {
    let folder = Scratch::new("configured");
    let fixture = Fixture::new();
    let changes = |since| {
        let mut connection = open_to_read(&folder.path("directory.db")).unwrap();
        Snapshot::take(&mut connection).unwrap().changes(since).unwrap().map(|changes| changes.len())
    };
    let (mut store, index) = open(&folder, &fixture.zone).unwrap();
    assert_eq!(index.serial, 1);
    commit(&mut store, &fixture, 1, NOW, 2);
    drop(store);
    let (store, index) = open(&folder, &fixture.zone).unwrap();
    assert_eq!((index.serial, changes(1)), (2, Some(1)), "nothing has changed");
    drop(store);
    let listen = vec!["192.0.2.99:53".parse().unwrap()];
    let moved = crate::directory::Settings::new(listen, "unused".into(), host("dyn.test"), host("ns.dyn.test"));
    let moved = Zone::new(&moved).unwrap();
    for _starts in 0..2 {
        let (_store, index) = open(&folder, &moved).unwrap();
        assert_eq!((index.serial, changes(1), changes(2), changes(3)), (3, None, None, Some(0)));
    }
}

#[test]
fn nobody_else_may_read_a_database_or_its_copy() {
    let (folder, fixture) = (Scratch::new("private"), Fixture::new());
    let path = folder.path("directory.db");
    // One of an earlier version, which others could read.
    fs::write(&path, b"").unwrap();
    let (mut store, _) = open(&folder, &fixture.zone).unwrap();
    commit(&mut store, &fixture, 1, NOW, 2);
    fs::copy(&path, folder.path("directory.db.accounts")).unwrap();
    back_up(&path, &folder.path("copy.db")).unwrap();
    for file in fs::read_dir(folder.root()).unwrap().map(Result::unwrap) {
        let mode = file.metadata().unwrap().permissions().mode();
        let is_ours = file.file_name() != "directory.db.accounts";
        assert!(!is_ours || mode & 0o077 == 0, "{}: {mode:o}", file.path().display());
    }
    assert!(folder.path("copy.db.accounts").exists());
    fs::remove_file(folder.path("copy.db")).unwrap();
    assert!(matches!(back_up(&path, &folder.path("copy.db")), Err(StoreError::Backup { .. })));
    assert!(!folder.path("copy.db").exists(), "half a copy is left");
    fs::remove_file(folder.path("copy.db.accounts")).unwrap();
    fs::remove_file(folder.path("directory.db.accounts")).unwrap();
    back_up(&path, &folder.path("copy.db")).unwrap();
}
