//! The client's own part of a wake: a real client, directory, proof and exchange; home is played by this bench, which
//! registers as soon as it rings, so that nobody waits for PPP.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::Instant;

use super::exchange::Exchange;
use super::place::{DIRECTORY, Place, ringup};
use super::spread;

/// How often home is woken.
const RUNS: usize = 7;
/// A wake takes this long at the most.
const PATIENCE: Duration = Duration::from_secs(60);
/// What is run once home is there: it tells the time by the wall clock, in nanoseconds since 1970.
const COMMAND: [&str; 2] = ["date", "+%s%N"];

pub(crate) async fn measure(place: &mut Place, exchange: &mut Exchange) -> String {
    let mut prover = place.registrar.prover();
    prover.stand_at(&[DIRECTORY.parse().unwrap()]);

    let mut rows: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for _ in 0..RUNS {
        place.withdraw().await;
        let wake = tokio::time::timeout(PATIENCE, wake(place, exchange)).await.expect("a wake takes too long");
        for (row, milliseconds) in wake {
            rows.entry(row).or_default().push(milliseconds);
        }
    }
    let mut table = format!(
        "The client's own part of a wake, in ms: least, median and greatest of {RUNS}.\n\n{:<46}{:>21}\n",
        "", "ms"
    );
    for row in ROWS {
        table.push_str(&format!("{row:<46}{}\n", spread(rows.remove(row).unwrap(), 2)));
    }
    table.push_str(
        "\nleft out: the call, and the wait for the record: it is looked for ever more rarely, and seen at the next look\n\
         answer and proof: one question each over loopback, their signatures checked\n",
    );
    table
}

const ROWS: [&str; 8] = [
    "from its start until it asks the directory",
    "until the answer is checked",
    "until it turns to the modem",
    "from the challenge until home has proved itself",
    "until the command runs, and tells the time",
    "its own part, all of these",
    "processor time, the call included",
    "for comparison: the new record, until it is seen",
];

/// Wakes home once; gives the rows in milliseconds.
async fn wake(place: &mut Place, exchange: &mut Exchange) -> Vec<(&'static str, f64)> {
    let mut command = Command::from(ringup(place.folder(), "client.toml"));
    let arguments: Vec<_> = command.as_std().get_args().map(ToOwned::to_owned).collect();
    let program = command.as_std().get_program().to_owned();
    command = Command::new("bash");
    command.args(["-c", "\"$@\"; status=$?; times >&2; exit $status", "bash"]).arg(program).args(arguments);
    command.args(["connect", "home", "--json", "--"]).args(COMMAND).current_dir(place.folder());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let began = (Instant::now(), now());
    let mut client = command.spawn().unwrap();
    let mut said = BufReader::new(client.stderr.take().unwrap()).lines();
    let mut moments: BTreeMap<String, Instant> = BTreeMap::new();
    let (mut times, mut registered) = (Vec::new(), None);
    loop {
        tokio::select! {
            line = said.next_line() => match line.unwrap() {
                Some(line) => match serde_json::from_str::<Value>(&line) {
                    Ok(event) => {
                        let name = event["event"].as_str().unwrap().to_owned();
                        moments.entry(name).or_insert_with(Instant::now);
                    }
                    Err(_no_event) => times.push(line),
                },
                None => break,
            },
            event = exchange.event() => {
                if event["event"] == "ringing" && registered.is_none() {
                    place.register(DIRECTORY.parse().unwrap()).await;
                    registered = Some(Instant::now());
                }
            }
        }
    }
    let output = client.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{times:?}");
    let told: u128 = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap();
    let at = |event: &str| *moments.get(event).unwrap_or_else(|| panic!("no {event}: {moments:?} {times:?}"));
    let milliseconds = |from: Instant, to: Instant| (to - from).as_secs_f64() * 1000.0;
    let ran = began.0 + Duration::from_nanos(u64::try_from(told - began.1).unwrap());
    let processor = times.last().map_or(f64::NAN, |line| line.split_whitespace().map(seconds).sum::<f64>() * 1000.0);
    let own = [
        milliseconds(began.0, at("asking")),
        milliseconds(at("asking"), at("asleep")),
        milliseconds(at("asleep"), at("ringing")),
        milliseconds(at("proving"), at("online")),
        milliseconds(at("online"), ran),
    ];
    let seen = at("proving").saturating_duration_since(registered.expect("home never rang")).as_secs_f64() * 1000.0;
    let figures = own.into_iter().chain([own.iter().sum(), processor, seen]);
    ROWS.into_iter().zip(figures).collect()
}

/// The wall clock in nanoseconds since 1970.
fn now() -> u128 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos()
}

/// What `times` prints: `0m0.012s`.
fn seconds(text: &str) -> f64 {
    let (minutes, seconds) = text.trim_end_matches('s').split_once('m').unwrap();
    minutes.parse::<f64>().unwrap() * 60.0 + seconds.parse::<f64>().unwrap()
}
