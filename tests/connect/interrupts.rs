//! Ctrl-C and SIGTERM at each step: it ends with 130, and nothing is left. Once the command runs they are the command's.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ringup::exit::Status;
use ringup::record::SignedRecord;
use tokio::net::UdpSocket;
use tokio::time::Instant;

use crate::support::BOUND;
use crate::world::{Client, NO_NUMBER, PARENT, RUNG, World, processes};

/// How often it is looked for what nobody tells.
const LOOK_EVERY: Duration = Duration::from_millis(5);

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
async fn while_the_directory_is_asked_without_any_need_to_connect() {
    let world = World::without_telephone(NO_NUMBER).await;
    let mute = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    world.client_of(mute.local_addr().unwrap(), NO_NUMBER);
    for signal in SIGNALS {
        for command in ["query", "trust"] {
            let client = world.client(&[command, "home"]);
            let (_length, _from) = mute.recv_from(&mut [0; 512]).await.unwrap();
            client.signal(signal);
            let ended = client.end().await;
            assert_eq!(ended.status, Some(Status::Interrupted.code().into()), "{command}: {ended:?}");
        }
    }
}

#[tokio::test]
async fn a_signal_that_is_ignored_from_the_start_stays_so_for_us_and_for_the_command() {
    let world = World::without_telephone(NO_NUMBER).await;
    world.host.register(&world.host.online(1)).await;
    let ringup = env!("CARGO_BIN_EXE_ringup");
    let script = format!(
        "trap '' HUP; exec {ringup} --config client.toml connect home --json -- sh -c 'echo started; read line; echo $line'"
    );
    let mut client = world.start_other("sh", &["-c", &script]);
    assert_eq!(client.says().await, "started");
    client.signal(Signal::SIGHUP);
    client.types("on\n").await;
    assert_eq!(client.says().await, "on");
    assert_eq!(client.end().await.status, Some(0));
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
async fn while_the_keeper_of_our_own_link_starts() {
    // With a modem that it dials on: it is there for as long as somebody looks for it.
    let world = World::new(NO_NUMBER, "", "").await;
    world.folder.secret("isp.secret", "an invented secret\n");
    // The kernel has no way to everybody for whoever does not ask for it.
    let isp = "[isp]\nnumber = \"555-0199\"\nuser = \"client\"\nsecret = \"isp.secret\"\n";
    world.client_of("255.255.255.255:53".parse().unwrap(), isp);
    let began = Instant::now();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGKILL] {
        let client = world.connect(&[]);
        let keeper = loop {
            let children = processes(PARENT, client.pid());
            let numbers = children.iter().filter_map(|stat| stat.split(' ').next()?.parse::<i32>().ok());
            if let Some(keeper) = numbers.into_iter().find(|number| is_keeper(*number)) {
                break Pid::from_raw(keeper);
            }
            assert!(began.elapsed() < BOUND, "it starts none");
            tokio::time::sleep(LOOK_EVERY).await;
        };
        // It gets no further until its starter has been told.
        kill(keeper, Signal::SIGSTOP).unwrap();
        client.signal(signal);
        kill(keeper, Signal::SIGCONT).unwrap();
        let ended = client.end().await;
        if signal == Signal::SIGKILL {
            while is_keeper(keeper.as_raw()) {
                assert!(began.elapsed() < BOUND, "it waits for somebody who is dead");
                tokio::time::sleep(LOOK_EVERY).await;
            }
        } else {
            assert!(!is_keeper(keeper.as_raw()), "it is there after {ended:?}");
            ended.failed(Status::Interrupted, "interrupted", "nothing is left behind");
        }
        world.leaves_nothing().await;
    }
}

/// Whether a process keeps our own link.
fn is_keeper(process: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{process}/cmdline")).is_ok_and(|words| words.contains("own-link"))
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
