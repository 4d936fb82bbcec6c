//! What an exchange on ptys takes and gives with 2, 50 and 500 lines in one process (a call has two of them), and how
//! fast the codec of its trunks is. `cargo bench -p hayes --bench exchange`; ends within a minute and a half.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench fails by panicking, and prints"
)]

mod idle;
mod office;
mod table;
mod work;

use std::time::{Duration, Instant};

use hayes::telnet::Telnet;

use self::office::{Office, Wire};
use self::table::Table;

/// How many lines there are.
const SIZES: [usize; 3] = [2, 50, 500];
/// How often each is measured.
const RUNS: usize = 3;
/// How long a run of calls or of data takes.
const RUN: Duration = Duration::from_millis(1000);
/// How often a byte is echoed in a run.
const ECHOES: usize = 100;

fn main() {
    if let Some(lines) = std::env::args().skip_while(|argument| argument != "idle").nth(1) {
        return idle::measure_here(lines.parse().expect("how many lines are idle"));
    }
    office::check_limits(SIZES[2]);
    println!("An exchange on ptys in one process. Command: make bench");
    println!(
        "Least, median and greatest of {RUNS} runs. All configured delays are zero, every line has 10 Mbit/s. Each pair"
    );
    println!(
        "of lines makes one call after the other; the modem's second of listening to the dial tone is in each of them."
    );
    println!("Beside it a pair of ttys with nothing but socat between them. The clients are on the same processors.");
    println!("On {}.\n", std::env::var("RINGUP_BENCH_HOST").unwrap_or_else(|_| "this machine".to_owned()));
    let [two, fifty, many] = SIZES.map(|lines| format!("{lines} lines"));
    let mut table = Table::new(["a wire of socat".to_owned(), two, fifty, many]);
    let mut rows: [[Vec<f64>; 4]; 7] = Default::default();
    let [calls, time, data, silent, silent_99, busy, busy_99] = &mut rows;
    let wire = Wire::open();
    let pair = [wire.ends()];
    work::without_waiting(&pair[0]);
    for _ in 0..RUNS {
        data[0].push(work::bytes_a_second(&pair, RUN) / 1e6);
        note([&mut silent[0], &mut silent_99[0]], work::echo(&pair, false, ECHOES));
    }
    drop((pair, wire));
    for (place, lines) in SIZES.into_iter().enumerate().map(|(place, lines)| (place + 1, lines)) {
        let office = Office::open(lines);
        for _ in 0..RUNS {
            let [rate, worked] = work::calls(&office, RUN);
            calls[place].push(rate);
            time[place].push(worked);
        }
        let connected = work::connect_all(&office);
        for _ in 0..RUNS {
            data[place].push(work::bytes_a_second(&connected, RUN) / 1e6);
            note([&mut silent[place], &mut silent_99[place]], work::echo(&connected, false, ECHOES));
            note([&mut busy[place], &mut busy_99[place]], work::echo(&connected, true, ECHOES));
        }
    }
    let labels = [
        "calls a second",
        "processor time, ms a call",
        "data, MB/s, all directions",
        "echo, ms, others silent, p50",
        "                         p99",
        "echo, ms, others busy, p50",
        "                       p99",
    ];
    for (label, figures) in labels.into_iter().zip(rows) {
        table.row(label, figures);
    }
    println!("{table}");
    let idle = [1, SIZES[1], SIZES[2]].map(|lines| (lines, idle::measure(lines)));
    for (lines, idle) in &idle {
        let label = format!("idle with {lines} line{}", if *lines == 1 { "" } else { "s" });
        println!("  {label:24}{:.0} kB resident, {} wake-ups in {:?}", idle.kilobytes, idle.wakes, idle::WATCHED);
    }
    let more = idle[2].1.kilobytes - idle[0].1.kilobytes;
    println!("  a line more             {:.1} kB", more / (idle[2].0 - idle[0].0) as f64);
    codec();
}

/// Adds a run's figures, in milliseconds.
fn note(rows: [&mut Vec<f64>; 2], figures: [Duration; 2]) {
    for (row, figure) in rows.into_iter().zip(figures) {
        row.push(figure.as_secs_f64() * 1e3);
    }
}

/// Every byte value, through a trunk's codec and back.
fn codec() {
    let data: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
    let (mut sender, mut receiver) = (Telnet::new(), Telnet::new());
    sender.send_binary();
    receiver.receive_binary();
    let mut speeds: Vec<f64> = (0..15)
        .map(|_| {
            let (mut wire, mut came, mut reply) = (Vec::new(), Vec::new(), Vec::new());
            let start = Instant::now();
            for block in data.chunks(2048) {
                sender.encode(block, &mut wire);
            }
            for block in wire.chunks(2048) {
                receiver.decode(block, &mut came, &mut reply).expect("what was encoded");
            }
            let took = start.elapsed();
            assert_eq!(came, data);
            data.len() as f64 / 1e6 / took.as_secs_f64()
        })
        .collect();
    speeds.sort_by(f64::total_cmp);
    println!("  trunk codec, there and back   {:.0} {:.0} {:.0} MB/s", speeds[0], speeds[7], speeds[14]);
}
