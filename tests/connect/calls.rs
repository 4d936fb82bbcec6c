//! What may become of the wake-up call.

use nix::sys::signal::Signal;
use ringup::exit::Status;
use ringup::handshake::{FromHost, Nonce};
use ringup::record::Identity;
use tokio::net::UdpSocket;

use crate::support::Daemon;
use crate::world::{HOST, NO_NUMBER, RUNG, World};

/// The host is to answer, and nobody is at its line.
const ANSWERED: &str = "number = \"555-0102\"\nwake = \"answer\"\nkey = \"client.identity\"\nanswer-within = \"60s\"\n\
                        wait = \"5s\"\ncalls = 1\n";

/// What becomes of every call to home.
fn calls(become_: &str) -> String {
    format!("[[step]]\nat = \"0s\"\ndo.calls = {{ to = \"5550102\", as = \"{become_}\", count = 9 }}\n")
}

/// Somebody at home's number who is not home.
fn party(more: &str) -> String {
    format!("[[party]]\nname = \"somebody\"\nnumber = \"5550103\"\nrings = 1\n{more}")
}

#[tokio::test]
async fn no_dial_tone_is_said_at_once_and_not_tried_again() {
    // A modem takes its time to be sure that there is none.
    let site = RUNG.replace("calls = 1", "calls = 9").replace("ring-for = \"3s\"", "ring-for = \"60s\"");
    let world = World::new(&site, "dead = true\n", "").await;
    let ended = world.connect(&[]).end().await;
    ended.failed(Status::NoDialTone, "home.dyn.example could not be dialled: no dial tone", "check the cable");
    assert_eq!(ended.steps().iter().filter(|step| **step == "ringing").count(), 1);
    world.has_let_go();
}

#[tokio::test]
async fn a_busy_host_that_has_no_newer_record_is_said_to_be_busy() {
    let mut world = World::new(RUNG, "", &calls("busy")).await;
    world.fails(Status::Busy, "home.dyn.example is busy", "try again later").await;
    world.site(&RUNG.replace("calls = 1", "calls = 2"));
    let ended = world.fails(Status::Busy, "home.dyn.example is busy", "try again later").await;
    let steps = ended.steps();
    let paused = steps.iter().position(|step| *step == "pausing").unwrap();
    assert_eq!(steps[paused + 1..paused + 2], ["asking"], "the directory is asked before the next call: {steps:?}");
}

#[tokio::test]
async fn a_ring_by_itself_asks_no_directory_and_tells_how_it_went() {
    let mut world = World::new(RUNG, "", "").await;
    world.stop_directory().await;
    let ended = world.wake().end().await;
    assert_eq!((ended.status, ended.output.as_str(), ended.words.as_str()), (Some(0), "rang home\n", ""), "{ended:?}");
    assert_eq!(ended.steps(), ["ringing", "call-over"]);
    world.leaves_nothing().await;

    let mut world = World::new(RUNG, "", &calls("busy")).await;
    world.wake().end().await.failed(Status::Busy, "home.dyn.example is busy", "try again later");
    let mut client = world.wake();
    client.until("ringing").await;
    world.exchange_says("dialled").await;
    client.signal(Signal::SIGINT);
    client.end().await.failed(Status::Interrupted, "interrupted", "nothing is left behind");
    world.leaves_nothing().await;
}

#[tokio::test]
async fn a_busy_host_that_is_online_in_fact_is_found_without_another_call() {
    let mut world = World::new(&RUNG.replace("calls = 1", "calls = 2"), "", &calls("busy")).await;
    let client = world.connect(&[]);
    world.exchange_says("busy").await;
    world.host.register(&world.host.online(1)).await;
    let ended = client.end().await;
    ended.found();
    assert_eq!(world.calls_to("5550102"), 1);
    world.leaves_nothing().await;
}

#[tokio::test]
async fn the_record_is_said_to_be_waited_for_once_the_call_is_over_and_not_while_it_rings() {
    let world = World::new(&RUNG.replace("wait = \"5s\"", "wait = \"90s\""), "", "").await;
    let mut client = world.connect(&[]);
    client.until("waiting").await;
    world.host.register(&world.host.online(1)).await;
    let ended = client.end().await;
    ended.found();
    let steps = ["asking", "never-registered", "ringing", "call-over", "waiting", "unreachable", "proving", "online"];
    assert_eq!(ended.steps(), steps);
}

#[tokio::test]
async fn a_host_that_is_to_answer_and_does_not_is_said_so() {
    let mut world = World::new(&ANSWERED.replace("\"60s\"", "\"4s\""), "", "").await;
    let _created = Identity::create(&world.folder.path("client.identity")).unwrap();
    world.fails(Status::NoAnswer, "home.dyn.example did not answer", "do = \"answer\"").await;
}

#[tokio::test]
async fn a_call_that_is_lost_before_the_modems_agree_is_no_carrier() {
    let lost = "[[step]]\non = { event = \"answered\" }\nafter = \"50ms\"\ndo.drop = { line = \"client\" }\n";
    let scenario = format!("{lost}{}", party(""));
    let mut world = World::new(&ANSWERED.replace("0102", "0103"), "", &scenario).await;
    let _created = Identity::create(&world.folder.path("client.identity")).unwrap();
    world.fails(Status::NoCarrier, "home.dyn.example could not be reached: no carrier", "call it by hand").await;
}

#[tokio::test]
async fn a_modem_that_does_not_speak_as_a_host_does_is_no_host() {
    let mut world = World::new(&ANSWERED.replace("0102", "0103"), "", &party("hang-up-after = \"2s\"\n")).await;
    let _created = Identity::create(&world.folder.path("client.identity")).unwrap();
    let message = "somebody answered at the number of home.dyn.example, but not as a host that wakes does";
    world.fails(Status::NoHandshake, message, "is it the right number?").await;
}

#[tokio::test]
async fn a_number_that_the_modem_refuses_is_not_dialled_again() {
    let rules = "blacklisting = { attempts = 2, delay = \"1h\", lasts = \"2h\" }\n";
    let mut world = World::new(&RUNG.replace("calls = 1", "calls = 9"), rules, &calls("busy")).await;
    let ended = world
        .fails(Status::Blacklisted, "may not be dialled yet: the modem delays redialling", "wait a few minutes")
        .await;
    assert_eq!(ended.steps().iter().filter(|step| **step == "ringing").count(), 2, "once more, and no further");

    let rules = "blacklisting = { attempts = 1, delay = \"1s\", lasts = \"2h\" }\n";
    let mut world = World::new(RUNG, rules, &calls("busy")).await;
    world.fails(Status::Busy, "home.dyn.example is busy", "try again later").await;
    world.fails(Status::Blacklisted, "home.dyn.example is on the modem's blacklist", "switch the modem off").await;
}

#[tokio::test]
async fn a_budget_of_one_call_rings_once_and_refuses_the_next_by_name_whoever_makes_it() {
    let mut world = World::new(&RUNG.replace("wait = \"5s\"", "wait = \"90s\""), "", "").await;
    world.allow("calls-a-day = 1");
    let mut first = world.connect(&[]);
    first.until("waiting").await;
    world.host.register(&world.host.online(1)).await;
    first.end().await.found();
    // A host that is online needs no call.
    world.connect(&[]).end().await.found();

    world.host.fall_asleep(2).await;
    let message = "no call was made: today's calls are used up (connect.budget.calls-a-day): 1 of 1";
    for command in ["connect", "wake"] {
        let ended = world.client(&[command, "home", "--json"]).end().await;
        ended.failed(Status::Budget, message, "more is allowed tomorrow");
        assert_eq!(ended.events.last().unwrap()["callee"], "host");
    }
    assert_eq!(world.calls_made_to("5550102").await, 1, "nothing was dialled");

    let status = world.client(&["status"]).end().await;
    assert_eq!(status.status, Some(0), "{status:?}");
    assert!(status.output.contains("client  today       1 of 1 calls, 0 minutes\n"), "{status:?}");
    let json = world.client(&["status", "--json"]).end().await;
    let json: serde_json::Value = serde_json::from_str(&json.output).unwrap();
    assert_eq!(json["client"]["calls-today"], serde_json::json!({ "used": 1, "cap": 1 }));
}

#[tokio::test]
async fn two_calls_are_begun_only_if_both_may_be_made_and_an_answered_one_costs_its_minutes() {
    let mut world = World::new(&format!("wake = \"two-calls\"\n{RUNG}"), "", "").await;
    world.allow("calls-a-month = 1");
    let message = "this month's calls are used up (connect.budget.calls-a-month): 0 of 1, and this takes 2 calls";
    world.connect(&[]).end().await.failed(Status::Budget, message, "more is allowed next month");
    assert_eq!(world.calls_made_to("5550102").await, 0);

    let mut world = World::new(&ANSWERED.replace("0102", "0103"), "", &party("hang-up-after = \"2s\"\n")).await;
    let _created = Identity::create(&world.folder.path("client.identity")).unwrap();
    world.allow("minutes-a-day = 1");
    world.fails(Status::NoHandshake, "somebody answered at the number of home.dyn.example", "is it the right").await;
    let message = "today's minutes are used up (connect.budget.minutes-a-day): 1 of 1";
    world.fails(Status::Budget, message, "more is allowed tomorrow").await;
}

#[tokio::test]
async fn a_budget_that_cannot_be_kept_allows_no_call_and_one_that_leaves_nothing_is_no_budget() {
    let world = World::new(RUNG, "", "").await;
    world.allow("calls-a-day = 9");
    // A folder in the ledger's place: not even root can write to it.
    std::fs::create_dir_all(world.folder.path("client-state/client-budget")).unwrap();
    let message = "no call was made: the count of calls cannot be kept: cannot keep the budget in ";
    world.wake().end().await.failed(Status::Budget, message, "make state-directory writable");
    world.site(RUNG);
    assert_eq!(world.wake().end().await.status, Some(0), "where nothing is capped calls are made");

    world.allow("calls-a-day = 0");
    let checked = world.client(&["check"]).end().await;
    assert_eq!(checked.status, Some(Status::Configuration.code().into()));
    assert!(checked.words.contains("connect.budget.calls-a-day") && checked.words.contains("expected at least 1"));
}

/// A `ringup listen` at home's line, which answers the client's key.
async fn listener(world: &World) -> Daemon {
    let folder = &world.folder;
    let key = Identity::create(&folder.path("client.identity")).unwrap().public_key();
    folder.secret("home.isp", "an invented secret\n");
    let text = format!(
        "directory-servers = [\"127.0.0.1:9\"]\nstate-directory = \"home-state\"\nruntime-directory = \"home-run\"\n\
         [modem]\nport = \"{}\"\nkind = \"default\"\n\
         [isp]\nnumber = \"555-0199\"\nuser = \"home\"\nsecret = \"home.isp\"\n\
         [host]\nname = \"{HOST}\"\nzone = \"dyn.example\"\nidentity = \"home.identity\"\n\
         tsig = {{ name = \"home\", secret = \"home.tsig\" }}\n[sleep]\nwake-on-ring = false\n\
         [[listen.key]]\nname = \"client\"\nkey = \"{key}\"\n\
         [[listen.caller]]\nnumber = \"any\"\ndo = \"answer\"\n",
        folder.path("lines/home").display()
    );
    let config = folder.write("home.toml", &text);
    let mut home = Daemon::start(folder.root(), &config, "listen");
    home.expect("listening").await;
    home
}

#[tokio::test]
async fn a_call_that_breaks_off_while_the_host_asks_who_we_are_wakes_nobody() {
    // Before the host has heard a word.
    let lost = "[[step]]\non = { event = \"connected\" }\nafter = \"20ms\"\ndo.drop = { line = \"client\" }\n";
    let mut world = World::new(ANSWERED, "rate = 1200\n", lost).await;
    let mut home = listener(&world).await;
    let message = "somebody answered at the number of home.dyn.example, but not as a host that wakes does";
    world.fails(Status::NoHandshake, message, "is it the right number?").await;
    loop {
        let event = home.event().await;
        assert_ne!(event["event"], "admitted");
        if event["event"] == "answered" {
            assert_eq!(event["ending"], "lost");
            break;
        }
    }
    home.terminate().await;
}

#[tokio::test]
async fn a_call_that_breaks_off_while_we_say_who_we_are_may_have_woken_the_host_and_its_record_is_waited_for() {
    let challenge = FromHost::Challenge(Nonce::from_bytes([7; 16]));
    let host = party(&format!("say = \"{challenge}\\r\\n\"\nhang-up-after = \"2s\"\n"));
    let mut world = World::new(&ANSWERED.replace("0102", "0103"), "", &host).await;
    let _created = Identity::create(&world.folder.path("client.identity")).unwrap();
    let message = "the call to home.dyn.example broke off before it said what it would do, and it did not come online";
    let ended = world.fails(Status::NoHandshake, message, "tells how far it came").await;
    assert!(ended.events.iter().any(|event| event["outcome"] == "broke-off"), "{ended:?}");

    let mut client = world.connect(&[]);
    client.until("call-over").await;
    world.host.register(&world.host.online(1)).await;
    client.end().await.found();
}

#[tokio::test]
async fn whoever_waits_says_for_how_long() {
    let world = World::without_telephone(NO_NUMBER).await;
    let mute = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    world.client_of(mute.local_addr().unwrap(), NO_NUMBER);
    let ended = world.connect_with(&["--timeout", "1s"], &["touch", "ran"]).end().await;
    let message = "home.dyn.example was not reached in time: it ended while the directory was asked";
    ended.failed(Status::TimedOut, message, "allow more with --timeout");
    assert!(!world.folder.path("ran").exists());

    // In place of the hour that the configuration allows.
    let world = World::new(&RUNG.replace("wait = \"5s\"", "wait = \"60m\""), "", "").await;
    let ended = world.connect_with(&["--wait", "1s"], &[]).end().await;
    ended.failed(Status::NotRegistered, "home.dyn.example was rung, but did not come online in time", "ringup journal");
    world.leaves_nothing().await;
}
