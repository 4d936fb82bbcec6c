//! Exchanges joined over TCP, and persons and programs at either end, on real sockets and ptys.
#![cfg(feature = "emulator")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod office;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use hayes::emulator::calllog::CallEventKind;
use hayes::emulator::exchange::outside::Far;
use hayes::emulator::plan::{Plan, TrunkPlan};
use hayes::emulator::switchboard::{Switchboard, SwitchboardError, TrunkAddresses};
use nix::sys::termios::BaudRate;

use self::office::{Office, PATIENCE, Terminal, fresh_directory, plan};

fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

/// An exchange that others can call.
fn village(test: &str) -> Office {
    let addresses = TrunkAddresses { listen: Some(loopback()), ..TrunkAddresses::default() };
    Office::of(plan(), &addresses, &format!("{test}-village"))
}

fn trunk_plan(far: Far) -> Plan {
    let mut plan = plan();
    plan.lines[0].caller_name = Some("A LICE".into());
    plan.trunks = vec![TrunkPlan { name: "village".into(), prefix: "9".into(), strip: true, far }];
    plan
}

/// An exchange from which numbers that start with 9 lead to `address`.
fn town(address: SocketAddr, far: Far, test: &str) -> Office {
    let routes = BTreeMap::from([("village".to_owned(), address.to_string())]);
    Office::of(trunk_plan(far), &TrunkAddresses { listen: None, routes }, &format!("{test}-town"))
}

fn two(test: &str) -> (Office, Office) {
    let village = village(test);
    (town(village.address.unwrap(), Far::Exchange, test), village)
}

fn ready(office: &Office, name: &str) -> Terminal {
    let mut terminal = office.terminal(name);
    terminal.types("ATE0+VCID=1\r");
    terminal.expect("\r\nOK\r\n");
    terminal
}

/// Alice in town and Bob in the village, in a call that she made.
fn connected(town: &Office, village: &Office) -> (Terminal, Terminal) {
    let (mut alice, mut bob) = (ready(town, "alice"), ready(village, "bob"));
    alice.types("ATDT9200\r");
    bob.expect("\r\nRING\r\n");
    bob.expect("NMBR = 100\r\n");
    bob.expect("NAME = A LICE\r\n");
    bob.expect("\r\nRING\r\n");
    bob.types("ATA\r");
    bob.expect("\r\nCONNECT 33600\r\n");
    alice.expect("\r\nCONNECT 33600\r\n");
    (alice, bob)
}

#[test]
fn a_call_between_exchanges_tells_who_calls_and_carries_every_byte_both_ways() {
    let (town, village) = two("bytes");
    let (mut alice, mut bob) = connected(&town, &village);
    let there: Vec<u8> = (0..=255).cycle().take(12_800).collect();
    let back: Vec<u8> = (0..=255).rev().cycle().take(12_800).collect();
    let mut writer = Terminal { file: alice.file.try_clone().unwrap(), seen: vec![] };
    let written = there.clone();
    let writing = std::thread::spawn(move || writer.types(written));
    bob.types(&back);
    bob.expect(&there);
    alice.expect(&back);
    writing.join().unwrap();
}

#[test]
fn what_was_sent_before_hanging_up_arrives_and_then_the_carrier_is_gone() {
    let (town, village) = two("hang-up");
    let (mut alice, mut bob) = connected(&town, &village);
    let text = "0123456789".repeat(300);
    alice.types(&text);
    alice.types("bye");
    bob.expect(&text);
    bob.expect("bye");
    alice.set_speed(BaudRate::B0);
    bob.expect("\r\nNO CARRIER\r\n");
    alice.expect("\r\nNO CARRIER\r\n");
    alice.set_speed(BaudRate::B115200);
    alice.types("ATDT9200\r");
    bob.expect("\r\nRING\r\n");
    bob.types("ATA\r");
    bob.expect("\r\nCONNECT");
    alice.expect("\r\nCONNECT");
    bob.types("good night");
    drop(bob);
    alice.expect("good night");
    alice.expect("\r\nNO CARRIER\r\n");
}

#[test]
fn a_caller_who_gives_up_stops_the_bell_in_the_other_exchange() {
    let (town, village) = two("give-up");
    let (mut alice, mut bob) = (ready(&town, "alice"), ready(&village, "bob"));
    alice.types("ATDT9200\r");
    bob.expect("\r\nRING\r\n");
    alice.types("x");
    alice.expect("\r\nNO CARRIER\r\n");
    assert!(matches!(village.wait_for("hung-up"), CallEventKind::HungUp { by } if by == "trunk"));
}

#[test]
fn busy_is_heard_over_a_trunk_and_an_unknown_number_is_logged() {
    let (town, village) = two("busy");
    let mut bob = ready(&village, "bob");
    bob.types("ATH1\r");
    bob.expect("\r\nOK\r\n");
    let mut alice = ready(&town, "alice");
    alice.types("ATDT9200\r");
    alice.expect("\r\nBUSY\r\n");
    alice.types("ATDT9555\r");
    village.wait_for("number-unknown");
    town.wait_for("number-unknown");
}

#[test]
fn a_trunk_that_leads_nowhere_is_busy() {
    let gone = TcpListener::bind(loopback()).unwrap().local_addr().unwrap();
    let town = town(gone, Far::Exchange, "refused");
    let mut alice = ready(&town, "alice");
    alice.types("ATDT9200\r");
    alice.expect("\r\nBUSY\r\n");
    let office = Office::of(trunk_plan(Far::Exchange), &TrunkAddresses::default(), "no-route");
    let mut alice = ready(&office, "alice");
    alice.types("ATDT9200\r");
    alice.expect("\r\nBUSY\r\n");
}

#[test]
fn an_exchange_that_goes_away_takes_the_carrier_with_it() {
    let (town, village) = two("gone");
    let (mut alice, bob) = connected(&town, &village);
    drop(village);
    alice.expect("\r\nNO CARRIER\r\n");
    drop(bob);
}

#[test]
fn a_terminal_that_does_not_read_holds_up_the_far_terminal_and_nothing_is_lost() {
    let village_addresses = TrunkAddresses { listen: Some(loopback()), ..TrunkAddresses::default() };
    let fast = |mut plan: Plan| {
        plan.lines.iter_mut().for_each(|line| line.rate = 10_000_000);
        plan
    };
    let village = Office::of(fast(plan()), &village_addresses, "late-village");
    let routes = BTreeMap::from([("village".to_owned(), village.address.unwrap().to_string())]);
    let addresses = TrunkAddresses { listen: None, routes };
    let town = Office::of(fast(trunk_plan(Far::Exchange)), &addresses, "late-town");
    let (mut alice, mut bob) = (ready(&town, "alice"), ready(&village, "bob"));
    bob.types("ATS0=1\r");
    bob.expect("\r\nOK\r\n");
    alice.types("ATDT9200\r");
    bob.expect("\r\nCONNECT 10000000\r\n");
    alice.expect("\r\nCONNECT 10000000\r\n");
    let text: String = (0..2_000_000).map(|n| format!("{n:07}\n")).collect();
    let written = alice.types_until_stopped(text.as_bytes());
    assert!(written < text.len(), "nobody has stopped the writer");
    for block in text.as_bytes()[..written].chunks(4_000) {
        bob.expect(block);
    }
}

/// A person at a trunk's door, with a program that knows no telnet.
struct Person {
    stream: TcpStream,
    seen: Vec<u8>,
}

impl Person {
    fn at(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream, seen: Vec::new() }
    }

    fn types(&mut self, text: impl AsRef<[u8]>) {
        self.stream.write_all(text.as_ref()).unwrap();
    }

    fn expect(&mut self, wanted: impl AsRef<[u8]>) {
        let wanted = wanted.as_ref();
        loop {
            if let Some(at) = self.seen.windows(wanted.len()).position(|part| part == wanted) {
                self.seen.drain(..at + wanted.len());
                return;
            }
            assert_ne!(self.read(), 0, "waited for {:?}, saw {:?}", String::from_utf8_lossy(wanted), self.text());
        }
    }

    fn expect_end(&mut self) {
        while self.read() > 0 {}
    }

    fn read(&mut self) -> usize {
        let mut buffer = [0; 4096];
        let taken = self.stream.read(&mut buffer).unwrap_or_else(|error| panic!("{error}; saw {:?}", self.text()));
        self.seen.extend(&buffer[..taken]);
        taken
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.seen).into_owned()
    }
}

#[test]
fn a_person_calls_a_modem_through_the_door_and_talks_to_what_answers() {
    let village = village("person");
    let mut bob = ready(&village, "bob");
    let mut person = Person::at(village.address.unwrap());
    person.expect("hayes trunk 1: call NUMBER [from NUMBER] [name NAME]\r\n");
    person.types("cal 200\r\n");
    person.expect("error say: call NUMBER [from NUMBER] [name NAME]\r\n");
    person.types("call 200 from 5551234 name Jane\r\n");
    person.expect("ringing\r\n");
    bob.expect("NMBR = 5551234\r\n");
    bob.expect("NAME = Jane\r\n");
    bob.expect("\r\nRING\r\n");
    bob.types("ATA\r");
    person.expect("answered answer 33600\r\n");
    person.expect("connected 33600\r\n");
    bob.expect("\r\nCONNECT 33600\r\n");
    // What its program answers to the options that it is asked for.
    person.types([255, 253, 0, 255, 251, 0]);
    bob.types(b"login:\r\xff");
    person.expect(b"login:");
    person.expect(b"\xff\xff");
    person.types(b"guest\r\xff\xff");
    bob.expect(b"guest\r\xff");
    bob.set_speed(BaudRate::B0);
    person.expect_end();
}

#[test]
fn a_person_hears_busy_unknown_and_no_answer_and_may_hang_up() {
    let mut short = plan();
    short.ring_limit = std::time::Duration::from_millis(500);
    let addresses = TrunkAddresses { listen: Some(loopback()), ..TrunkAddresses::default() };
    let village = Office::of(short, &addresses, "words");
    let call = |number: &str| {
        let mut person = Person::at(village.address.unwrap());
        person.types(format!("call {number}\r\n"));
        person
    };
    let mut bob = ready(&village, "bob");
    bob.types("ATH1\r");
    bob.expect("\r\nOK\r\n");
    for (number, words) in [("200", "busy\r\n"), ("555", "unknown\r\n"), ("100", "no answer\r\n")] {
        let mut person = call(number);
        person.expect(words);
        person.expect_end();
    }
    bob.types("ATH\r");
    bob.expect("\r\nOK\r\n");
    drop(call("200"));
    assert!(matches!(village.wait_for("hung-up"), CallEventKind::HungUp { by } if by == "person"));
}

#[test]
fn strangers_who_do_not_speak_this_are_shown_the_door() {
    let village = village("stranger");
    let mut stranger = Person::at(village.address.unwrap());
    stranger.types("GET / HTTP/1.1\r\nHost: example.org\r\nA: b\r\nC: d\r\nE: f\r\nG: h\r\n\r\n");
    stranger.expect_end();
    assert_eq!(stranger.text().matches("error").count(), 5);
    let crowd: Vec<Person> = (0..64).map(|_| Person::at(village.address.unwrap())).collect();
    let mut late = Person::at(village.address.unwrap());
    late.expect("busy\r\n");
    late.expect_end();
    drop(crowd);
    let (mut alice, mut bob) = (ready(&village, "alice"), ready(&village, "bob"));
    alice.types("ATDT200\r");
    bob.expect("\r\nRING\r\n");
}

#[test]
fn a_plain_trunk_leads_to_a_telnet_program() {
    let program = TcpListener::bind(loopback()).unwrap();
    let town = town(program.local_addr().unwrap(), Far::Plain, "plain");
    let mut alice = ready(&town, "alice");
    alice.types("ATDT91\r");
    let (stream, _) = program.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut host = Person { stream, seen: vec![] };
    host.types(b"\xff\xfb\x01\xff\xfb\x03\xff\xfd\x18login: ");
    alice.expect("\r\nCONNECT 33600\r\n");
    alice.expect("login: ");
    alice.types("guest\r");
    host.expect(b"\xff\xfd\x01\xff\xfd\x03\xff\xfc\x18");
    host.expect("guest\r");
    drop(host);
    alice.expect("\r\nNO CARRIER\r\n");
}

#[test]
fn an_address_or_a_trunk_that_cannot_be_is_refused_by_name() {
    let directory = fresh_directory("refused-trunks");
    let taken = TcpListener::bind(loopback()).unwrap();
    let address = taken.local_addr().unwrap();
    let listen = TrunkAddresses { listen: Some(address), ..TrunkAddresses::default() };
    let refused = Switchboard::open(plan(), &directory).unwrap().with_trunks(&listen).unwrap_err();
    assert_eq!(refused.to_string(), format!("cannot listen for trunks at {address}"));
    let routes = BTreeMap::from([("moon".to_owned(), "127.0.0.1:1".to_owned())]);
    let elsewhere = TrunkAddresses { listen: None, routes };
    let refused = Switchboard::open(plan(), &directory).unwrap().with_trunks(&elsewhere).unwrap_err();
    assert!(matches!(refused, SwitchboardError::UnknownTrunk(name) if name == "moon"));
    std::fs::remove_dir_all(&directory).unwrap();
}
