//! What real modems said, played to the machine.
//!
//! Each file in `tests/transcripts` is a dialogue with where it was seen (`# source:`), how to play it (`# play:`) and
//! what it means (`# expect:`, one line an event, in order). `> ` is computer to modem, `< ` modem to computer.
//!
//! - `whole`: an idle modem; each `ATD` begins a dial. Ends at `CONNECT`, for what follows is data.
//! - `each`: every `< ` line is the answer to a dial of its own, of 5550002; one `# expect:` line for each.
//! - `each numeric`: the same with a modem that speaks in digits.
//!
//! What modems say they are (`ident_*`) is in `ident_transcripts.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "test code; an arbitrary instant to count from"
)]

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use hayes::caller::{CallerId, CallerNumber};
use hayes::modem::{Event, Modem, Outcome, Output, Request, Settings};
use hayes::number::Number;
use hayes::reply::{CarrierReport, RingInfo, RingVariant};

#[test]
fn every_transcript_means_what_it_says() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut files: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| !file.file_name().unwrap().to_str().unwrap().starts_with("ident_"));
    files.sort();
    let mut wrong = String::new();
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        let expected: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# expect: ")).collect();
        let meant = play(&text);
        if expected != meant {
            writeln!(wrong, "== {}\n# expect: {}", file.display(), meant.join("\n# expect: ")).unwrap();
        }
    }
    assert!(files.len() > 70, "only {} transcripts found", files.len());
    assert!(wrong.is_empty(), "these mean something else:\n{wrong}");
}

fn play(text: &str) -> Vec<String> {
    let how = text.lines().find_map(|line| line.strip_prefix("# play: ")).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let mut meant = Vec::new();
    if how == "whole" {
        let mut player = Player::verbose();
        for line in lines {
            if let Some(sent) = line.strip_prefix("> ") {
                player.command(&unescape(sent));
            } else {
                player.hear(&unescape(&line[2..]));
            }
        }
        player.obey();
        player.pass(Duration::from_secs(5));
        meant.extend(player.events);
        if meant.is_empty() {
            meant.push("nothing".to_owned());
        }
    } else {
        for line in lines {
            let mut player = if how == "each" { Player::verbose() } else { Player::numeric() };
            player.dial(&"5550002".parse().unwrap());
            let mut bytes = unescape(&line[2..]);
            if !bytes.ends_with(b"\n") && !bytes.ends_with(b"\r") {
                bytes.extend(b"\r\n");
            }
            player.hear(&bytes);
            player.obey();
            let heard = if player.events.is_empty() { "nothing".to_owned() } else { player.events.join(", ") };
            meant.push(format!("{} -> {heard}", &line[2..]));
        }
    }
    meant
}

/// A modem machine at the other end of a dialogue.
struct Player {
    modem: Modem,
    now: Instant,
    events: Vec<String>,
    commands: Vec<Vec<u8>>,
    ok: &'static [u8],
}

impl Player {
    fn verbose() -> Self {
        let mut player = Self::new(b"\r\nOK\r\n");
        player.modem.request(Request::Initialise, player.now).unwrap();
        player.obey();
        // Only then is it known that no answer to another program is to come.
        let (at, _) = player.modem.deadline().unwrap();
        player.now = at;
        player.modem.handle_timeout(at);
        player.obey();
        assert_eq!(player.events, ["ready"]);
        player.events.clear();
        player
    }

    fn numeric() -> Self {
        Self::new(b"0\r")
    }

    fn new(ok: &'static [u8]) -> Self {
        let modem = Modem::new(Settings::default());
        Self { modem, now: Instant::now(), events: Vec::new(), commands: Vec::new(), ok }
    }

    fn command(&mut self, command: &[u8]) {
        let command = String::from_utf8_lossy(command).into_owned();
        let number = command.strip_prefix("ATD").or_else(|| Some(command.split_once("DT")?.1));
        if let Some(number) = number {
            self.dial(&number.trim_start_matches('T').parse().unwrap());
        }
    }

    fn dial(&mut self, number: &Number) {
        self.modem.request(Request::Dial(number.clone()), self.now).unwrap();
        self.drain();
        assert_eq!(self.commands, [b"AT\r"]);
        self.commands.clear();
        self.hear(self.ok);
        assert_eq!(self.commands, [format!("ATDT{}\r", number.dial_string()).into_bytes()]);
        self.commands.clear();
    }

    /// Answers every command as a modem does.
    fn obey(&mut self) {
        self.drain();
        while !self.commands.is_empty() {
            let answer = if self.commands.remove(0) == b"\r" { b"\r\nNO CARRIER\r\n" } else { self.ok };
            self.hear(answer);
        }
    }

    fn hear(&mut self, bytes: &[u8]) {
        let mut taken = 0;
        loop {
            let count = self.modem.handle_bytes(&bytes[taken..], self.now);
            taken += count;
            self.drain();
            if taken == bytes.len() || (count == 0 && self.modem.in_data()) {
                break;
            }
        }
        self.pass(Duration::from_millis(100));
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.modem.handle_timeout(self.now);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.modem.poll_output() {
            match output {
                Output::Send(bytes) => self.commands.push(bytes),
                Output::SetDtr(_) | Output::SetRate(_) | Output::SetFlowControl => {}
                Output::Report(event) => self.events.push(describe(&event)),
            }
        }
    }
}

fn describe(event: &Event) -> String {
    match event {
        Event::Ring(info) => ring(info),
        Event::Caller(caller) => describe_caller(caller),
        Event::Connected(connect) => {
            let speed = connect.speed.map_or_else(|| "unknown".to_owned(), |speed| speed.to_string());
            format!("connected {:?} speed={speed}{}", connect.text, describe_carrier(&connect.carrier))
        }
        Event::Ended(Outcome::Connected(_)) => panic!("connected is no end"),
        Event::Ended(outcome) => format!("ended {outcome:?}"),
        Event::CommandRefused(command) => format!("refused {command}"),
        Event::CallWaiting(caller) => describe_caller(caller).replacen("caller", "waiting", 1),
        Event::CallerGone => "caller gone".to_owned(),
        Event::Ready | Event::HungUp | Event::Silent | Event::Alive | Event::Returned => {
            format!("{event:?}").to_lowercase()
        }
        Event::Lent { .. }
        | Event::Recognised(_)
        | Event::CallerIdOff
        | Event::RateKept { .. }
        | Event::CallListed(_)
        | Event::CallsListed(_)
        | Event::Identified(_)
        | Event::Answered(_) => panic!("nobody asked for {event:?}"),
    }
}

fn describe_carrier(carrier: &CarrierReport) -> String {
    let fields = [
        carrier.line_rate.map(|rate| format!(" line={rate}")),
        carrier.tty_rate.map(|rate| format!(" tty={rate}")),
        carrier.modulation.map(|modulation| format!(" modulation={modulation:?}")),
        carrier.error_control.map(|control| format!(" errors={control:?}")),
        carrier.compression.map(|compression| format!(" compression={compression:?}")),
    ];
    fields.into_iter().flatten().collect()
}

fn ring(info: &RingInfo) -> String {
    let mut text = match &info.variant {
        RingVariant::Plain => "ring".to_owned(),
        RingVariant::Distinctive(name) => format!("ring cadence={name}"),
        RingVariant::Service(name) => format!("ring service={name}"),
    };
    if let Some(called) = &info.called {
        write!(text, " called={called}").unwrap();
    }
    text
}

fn describe_caller(caller: &CallerId) -> String {
    let number = match &caller.number {
        Some(CallerNumber::Known(digits)) => digits.as_str(),
        Some(CallerNumber::Withheld) => "withheld",
        Some(CallerNumber::Unavailable) => "unavailable",
        None => "none",
    };
    let mut text = format!("caller number={number}");
    for (tag, field) in [
        ("name", &caller.name),
        ("date", &caller.date),
        ("time", &caller.time),
        ("called", &caller.called),
        ("diverted from", &caller.diverted_from),
    ] {
        if let Some(field) = field {
            write!(text, " {tag}={field:?}").unwrap();
        }
    }
    text
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        (rest, _) = match (byte, after.first()) {
            (b'\\', Some(b'r')) => (&after[1..], bytes.push(b'\r')),
            (b'\\', Some(b'n')) => (&after[1..], bytes.push(b'\n')),
            (b'\\', Some(b'\\')) => (&after[1..], bytes.push(b'\\')),
            (b'\\', Some(b'x')) => {
                let digits = std::str::from_utf8(&after[1..3]).unwrap();
                (&after[3..], bytes.push(u8::from_str_radix(digits, 16).unwrap()))
            }
            _ => (after, bytes.push(byte)),
        };
    }
    bytes
}
