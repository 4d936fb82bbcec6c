//! Ctrl-C and SIGTERM at each step: it ends with 130, and nothing is left. Once the command runs they are the command's.

use nix::sys::signal::Signal;
use ringup::exit::Status;
use ringup::record::SignedRecord;
use tokio::net::UdpSocket;

use crate::world::{Client, NO_NUMBER, RUNG, World};

/// What asks a program to end.
const SIGNALS: [Signal; 2] = [Signal::SIGINT, Signal::SIGTERM];

/// Sends a signal, and has it end by that.
async fn interrupt(client: Client, signal: Signal, world: &World) {
    client.signal(signal);
    client.end().await.failed(Status::Interrupted, "interrupted", "nothing is left behind");
    world.leaves_nothing().await;
}

#[tokio::test]
async fn while_the_directory_is_asked() {
    let world = World::without_telephone(NO_NUMBER).await;
    let mute = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    world.client_of(mute.local_addr().unwrap(), NO_NUMBER);
    for signal in SIGNALS {
        let mut client = world.connect(&[]);
        client.until("asking").await;
        interrupt(client, signal, &world).await;
    }
}

#[tokio::test]
async fn while_the_host_is_rung_and_while_its_record_is_waited_for() {
    let mut world = World::new(RUNG, "", "").await;
    for signal in SIGNALS {
        let mut client = world.connect(&[]);
        client.until("ringing").await;
        world.exchange_says("ringing").await;
        interrupt(client, signal, &world).await;

        let mut client = world.connect(&[]);
        client.until("call-over").await;
        interrupt(client, signal, &world).await;
    }
}

#[tokio::test]
async fn while_a_busy_host_is_left_in_peace() {
    let busy = "[[step]]\nat = \"0s\"\ndo.calls = { to = \"5550102\", as = \"busy\", count = 9 }\n";
    let world = World::new(&RUNG.replace("calls = 1", "calls = 9"), "", busy).await;
    for signal in SIGNALS {
        let mut client = world.connect(&[]);
        client.until("pausing").await;
        interrupt(client, signal, &world).await;
    }
}

#[tokio::test]
async fn while_the_host_is_to_prove_itself() {
    let world = World::without_telephone(NO_NUMBER).await;
    let silent = UdpSocket::bind("127.0.0.3:0").await.unwrap();
    let record = world.host.record(1, silent.local_addr().unwrap());
    world.host.register(&SignedRecord::sign(record, &world.host.identity)).await;
    for signal in SIGNALS {
        let mut client = world.connect(&[]);
        client.until("proving").await;
        interrupt(client, signal, &world).await;
    }
}

#[tokio::test]
async fn a_command_that_runs_decides_what_a_signal_means_and_its_end_is_ours() {
    let world = World::without_telephone(NO_NUMBER).await;
    world.host.register(&world.host.online(1)).await;
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        // One that does nothing about it.
        let mut client = world.connect(&["sh", "-c", "echo started; exec sleep 1000"]);
        assert_eq!(client.says().await, "started");
        client.signal(signal);
        let ended = client.end().await;
        assert_eq!((ended.status, ended.words.as_str()), (Some(128 + signal as i32), ""), "{ended:?}");

        // One that puts things in order first.
        let tidy = "trap 'echo tidied; exit 7' INT TERM HUP; echo started; while :; do read line; done";
        let mut client = world.connect(&["sh", "-c", tidy]);
        assert_eq!(client.says().await, "started");
        client.signal(signal);
        let ended = client.end().await;
        assert_eq!((ended.status, ended.output.as_str()), (Some(7), "tidied\n"), "{ended:?}");

        // One that goes on.
        let mut client =
            world.connect(&["sh", "-c", "trap 'echo no' INT TERM HUP; echo started; read line; read line"]);
        assert_eq!(client.says().await, "started");
        client.signal(signal);
        assert_eq!(client.says().await, "no");
        client.types("and\non\n").await;
        assert_eq!(client.end().await.status, Some(0));
        world.leaves_nothing().await;
    }
}
