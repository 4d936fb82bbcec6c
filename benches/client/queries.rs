//! One question, asked by several programs over the wire: how many round trips it takes, and how many bytes.

use std::process::Stdio;
use std::time::{Duration, Instant};

use super::place::{DIRECTORY, HOST, Place};
use super::spread;
use super::wire::ONE_WAY;

/// How often each asks.
const RUNS: usize = 7;

pub(crate) async fn measure(place: &mut Place) -> String {
    let program = env!("CARGO_BIN_EXE_ringup");
    let (server, name) = (format!("@{DIRECTORY}"), format!("_ringup.{HOST}"));
    let url = format!("https://{DIRECTORY}:8053/v1/hosts/{HOST}");
    let query: &[&str] = &[program, "--config", "client.toml", "query", "home"];
    let dig = |kind: &'static str, name: &str| -> Vec<String> {
        ["dig", "+short", &server, kind, name].map(str::to_owned).to_vec()
    };
    let curl = ["curl", "-s", "--cacert", "certificate.pem", &url].map(str::to_owned).to_vec();
    let query: Vec<String> = query.iter().map(|word| (*word).to_owned()).collect();
    let asked = [
        ("ringup query, online", query.clone(), true, "203.0.113.10"),
        ("ringup query, asleep", query, false, "asleep"),
        ("dig TXT, its record", dig("TXT", &name), true, "ringup1"),
        ("dig A, its address alone", dig("A", HOST), true, "203.0.113.10"),
        ("curl, JSON over TLS", curl, true, "203.0.113.10"),
    ];
    let mut table = format!(
        "A query over a wire with a round trip of {} ms: least, median and greatest of {RUNS}.\n\n{:<26}{:>21}{:>10}{:>10}\n",
        2 * ONE_WAY.as_millis(),
        "",
        "round trips",
        "packets",
        "bytes"
    );
    for (what, command, online, expected) in asked {
        if online {
            place.register([203, 0, 113, 10].into()).await;
        } else {
            place.withdraw().await;
        }
        let (mut trips, mut packets, mut octets) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..RUNS {
            settle(place).await;
            let output = place.far().args(&command).stdin(Stdio::null()).stderr(Stdio::inherit()).output().unwrap();
            let over = Instant::now();
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success() && said.contains(expected), "{command:?}: {said}");
            // Ends of connections are part of the price.
            tokio::time::sleep(ONE_WAY * 6).await;
            let passed = place.wire.take().unwrap();
            trips.push((over - passed.first).as_secs_f64() / (2 * ONE_WAY).as_secs_f64());
            packets.push(passed.packets);
            octets.push(passed.octets);
        }
        packets.sort_unstable();
        octets.sort_unstable();
        let (packets, octets) = (packets[RUNS / 2], octets[RUNS / 2]);
        table.push_str(&format!("{what:<26}{}{packets:>10}{octets:>10}\n", spread(trips, 2)));
    }
    table.push_str(
        "\nround trips: from the program's first packet until it ends, in round trips of the wire; its own work is in it\n\
         bytes: of IP packets both ways, headers and ends of connections included\n",
    );
    table
}

/// Waits until nothing passes any more.
async fn settle(place: &Place) {
    loop {
        tokio::time::sleep(Duration::from_millis(150)).await;
        if place.wire.take().is_none() {
            return;
        }
    }
}
