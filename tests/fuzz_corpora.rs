//! The corpora of the fuzz targets that are ringup's own, replayed without a fuzzer.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    unreachable_pub,
    reason = "test code, shared with the fuzz targets"
)]

use std::path::Path;

#[path = "../fuzz/src/directory.rs"]
mod directory;
#[path = "../fuzz/src/handshake.rs"]
mod handshake;
#[path = "../fuzz/src/identity.rs"]
mod identity;

fn replay(target: &str, run: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<_> = std::fs::read_dir(&corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 10, "only {} files in {}", files.len(), corpus.display());
    for file in files {
        println!("{}", file.display());
        run(&std::fs::read(&file).unwrap());
    }
}

#[test]
fn directory_dyndns_corpus_holds() {
    replay("directory-dyndns", directory::dyndns);
}

#[test]
fn directory_json_corpus_holds() {
    replay("directory-json", directory::json);
}

#[test]
fn directory_message_corpus_holds() {
    replay("directory-message", directory::message);
}

#[test]
fn directory_signature_corpus_holds() {
    replay("directory-signature", directory::signature);
}

#[test]
fn directory_statement_corpus_holds() {
    replay("directory-statement", directory::statement);
}

#[test]
fn directory_update_corpus_holds() {
    replay("directory-update", directory::update);
}

#[test]
fn the_corpus_of_updates_has_some_that_are_accepted_and_some_that_come_too_late() {
    let world = ringup::directory::fuzzing::World::new().unwrap();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/directory-update");
    for (name, seq, changed) in [("statement-newer", 4, 1), ("statement-known", 3, 0), ("statement-older", 2, 0)] {
        let kept = std::fs::read(corpus.join(name)).unwrap();
        assert_eq!(kept, world.registration(seq).unwrap(), "{name} is not what the host says now");
        assert_eq!(world.update(&kept), changed, "{name}");
    }
}

#[test]
fn handshake_corpus_holds() {
    replay("handshake", handshake::run);
}

#[test]
fn identity_corpus_holds() {
    replay("identity", identity::run);
}
