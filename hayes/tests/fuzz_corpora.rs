//! The corpora of the fuzz targets, replayed without a fuzzer.
#![cfg(feature = "emulator")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    unreachable_pub,
    reason = "test code, shared with the fuzz targets"
)]

use std::path::Path;

#[path = "../../fuzz/src/com_port.rs"]
mod com_port;
#[path = "../../fuzz/src/command.rs"]
mod command;
#[path = "../../fuzz/src/emulator.rs"]
mod emulator;
#[path = "../../fuzz/src/explain.rs"]
mod explain;
#[path = "../../fuzz/src/framing.rs"]
mod framing;
#[path = "../../fuzz/src/modem.rs"]
mod modem;
#[path = "../../fuzz/src/reply.rs"]
mod reply;
#[path = "../../fuzz/src/trunk.rs"]
mod trunk;

fn replay(target: &str, run: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut files: Vec<_> = std::fs::read_dir(&corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 10, "only {} files in {}", files.len(), corpus.display());
    for file in files {
        println!("{}", file.display());
        run(&std::fs::read(&file).unwrap());
    }
}

#[test]
fn com_port_corpus_holds() {
    replay("com_port", com_port::run);
}

#[test]
fn command_corpus_holds() {
    replay("command", command::run);
}

#[test]
fn emulator_corpus_holds() {
    replay("emulator", emulator::run);
}

#[test]
fn explain_corpus_holds() {
    replay("explain", explain::run);
}

#[test]
fn framing_corpus_holds() {
    replay("framing", framing::run);
}

#[test]
fn modem_corpus_holds() {
    replay("modem", modem::run);
}

#[test]
fn reply_corpus_holds() {
    replay("reply", reply::run);
}

#[test]
fn trunk_corpus_holds() {
    replay("trunk", trunk::run);
}
