//! The corpora of the fuzz targets that are ringup's own, replayed without a fuzzer.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    unreachable_pub,
    reason = "test code, shared with the fuzz targets"
)]

use std::path::Path;

#[path = "../fuzz/src/handshake.rs"]
mod handshake;

#[test]
fn handshake_corpus_holds() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/handshake");
    let mut files: Vec<_> = std::fs::read_dir(&corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 10, "only {} files in {}", files.len(), corpus.display());
    for file in files {
        println!("{}", file.display());
        handshake::run(&std::fs::read(&file).unwrap());
    }
}
