//! Several commands that want to ring at once: over one line, and to one host.

use hayes::line::Lock;
use nix::sys::signal::Signal;
use ringup::exit::Status;

use crate::world::{HOST, OFFICE, RUNG, World};

/// Rung, and given all the time that it needs.
const PATIENT: &str = "number = \"555-0102\"\nring-for = \"3s\"\nwait = \"90s\"\ncalls = 1\n";

#[tokio::test]
async fn two_that_want_the_same_host_have_it_rung_once() {
    let mut world = World::new(PATIENT, "", "").await;
    let mut first = world.connect(&[]);
    first.until("ringing").await;
    let mut second = world.connect(&[]);
    let waits = second.until("other-wakes").await;
    assert_eq!(waits["process"], first.pid(), "{waits}");
    first.until("waiting").await;
    world.host.register(&world.host.online(1)).await;
    first.end().await.found();
    let second = second.end().await;
    second.found();
    assert!(!second.steps().contains(&"ringing"), "{second:?}");
    assert_eq!(world.calls_made_to("5550102").await, 1);
}

#[tokio::test]
async fn who_waited_for_another_rings_itself_when_that_one_gives_up() {
    let world = World::new(PATIENT, "", "").await;
    let mut first = world.connect(&[]);
    first.until("ringing").await;
    let mut second = world.connect(&[]);
    second.until("other-wakes").await;
    first.signal(Signal::SIGINT);
    first.end().await.failed(Status::Interrupted, "interrupted", "nothing is left behind");
    second.until("waiting").await;
    world.host.register(&world.host.online(1)).await;
    let second = second.end().await;
    second.found();
    let steps = ["asking", "never-registered", "other-wakes", "asking", "never-registered", "ringing", "call-over"];
    assert_eq!(second.steps()[..7], steps);
    world.leaves_nothing().await;
}

#[tokio::test]
async fn two_hosts_are_woken_over_one_line_one_after_the_other() {
    let mut world = World::new(PATIENT, "", "").await;
    world.add_office(PATIENT);
    let mut first = world.connect(&[]);
    first.until("ringing").await;
    let mut second = world.client(&["connect", "office", "--json"]);
    let waits = second.until("line-busy").await;
    assert_eq!(waits["host"], OFFICE);
    let why = waits["why"].as_str().unwrap();
    assert!(why.ends_with(&format!("is in use by process {} (ringup)", first.pid())), "{why}");
    second.until("ringing").await;
    first.until("waiting").await;
    world.host.register(&world.host.online(1)).await;
    first.end().await.found();
    second.until("waiting").await;
    world.office.register(&world.office.online(1)).await;
    second.end().await.found();
    assert_eq!(world.calls_made_to("5550102").await, 2);
}

#[tokio::test]
async fn a_line_that_another_program_keeps_is_waited_for_as_long_as_is_allowed_and_taken_when_it_is_free() {
    let mut world = World::new(PATIENT, "", "").await;
    let lock = Lock::take(&world.folder.path("lines/client")).unwrap();
    let who = format!("is in use by process {} (", std::process::id());
    let ended = world.connect_with(&["--wait", "1s"], &[]).end().await;
    ended.failed(Status::PortBusy, &who, "it was not free in time: end what has it, or allow more with --wait");
    assert_eq!(ended.steps(), ["asking", "never-registered", "line-busy", "failed"]);
    let ended = world.connect_with(&["--timeout", "1s"], &[]).end().await;
    ended.failed(Status::TimedOut, &format!("{HOST} was not reached in time: "), "end what has the line");
    assert!(ended.events.last().unwrap()["message"].as_str().unwrap().contains(&who), "{ended:?}");

    // It may come online by itself.
    let mut client = world.connect(&[]);
    client.until("line-busy").await;
    world.host.register(&world.host.online(1)).await;
    client.end().await.found();

    world.host.fall_asleep(2).await;
    let mut client = world.connect(&[]);
    client.until("line-busy").await;
    drop(lock);
    client.until("waiting").await;
    world.host.register(&world.host.online(3)).await;
    client.end().await.found();
    assert_eq!(world.calls_made_to("5550102").await, 1);
}

#[tokio::test]
async fn who_waits_for_the_line_and_is_interrupted_leaves_it_to_whoever_has_it() {
    let world = World::new(RUNG, "", "").await;
    let lock = Lock::take(&world.folder.path("lines/client")).unwrap();
    let mut client = world.connect(&[]);
    client.until("line-busy").await;
    client.signal(Signal::SIGINT);
    client.end().await.failed(Status::Interrupted, "interrupted", "nothing is left behind");
    let holder = std::fs::read_to_string(world.lock_file()).unwrap();
    assert_eq!(holder.trim(), std::process::id().to_string());
    drop(lock);
    world.leaves_nothing().await;
}
