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

use hayes::emulator::trunk::telnet::Telnet;

use self::office::Office;
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
    println!("An exchange on ptys in one process. Command: cargo bench -p hayes --bench exchange");
    println!("Least, median and greatest of {RUNS} runs. All configured delays are zero, every line has 10 Mbit/s.");
    println!("On {}.\n", std::env::var("RINGUP_BENCH_HOST").unwrap_or_else(|_| "this machine".to_owned()));
    let mut table = Table::new(SIZES.map(|lines| format!("{lines} lines")));
    let mut calls = SIZES.map(|_| Vec::new());
    let mut data = SIZES.map(|_| Vec::new());
    let mut idle_echo = [SIZES.map(|_| Vec::new()), SIZES.map(|_| Vec::new())];
    let mut busy_echo = [SIZES.map(|_| Vec::new()), SIZES.map(|_| Vec::new())];
    for (place, lines) in SIZES.into_iter().enumerate() {
        let office = Office::open(lines);
        for _ in 0..RUNS {
            calls[place].push(work::calls_a_second(&office, RUN));
        }
        let connected = work::connect_all(&office);
        for _ in 0..RUNS {
            data[place].push(work::bytes_a_second(&connected, RUN) / 1e6);
            for (figures, busy) in [(&mut idle_echo, false), (&mut busy_echo, true)] {
                let [p50, p99] = work::echo(&connected, busy, ECHOES);
                figures[0][place].push(p50.as_secs_f64() * 1e3);
                figures[1][place].push(p99.as_secs_f64() * 1e3);
            }
        }
    }
    table.row("calls a second", calls);
    table.row("data, MB/s, all directions", data);
    let [p50, p99] = idle_echo;
    table.row("echo, ms, others silent, p50", p50);
    table.row("                         p99", p99);
    let [p50, p99] = busy_echo;
    table.row("echo, ms, others busy, p50", p50);
    table.row("                       p99", p99);
    println!("{table}");
    let [few, many] = [1, SIZES[2]].map(idle::measure);
    println!(
        "  idle with 1 line        {:.0} kB resident, {} wake-ups in {:?}",
        few.kilobytes,
        few.wakes,
        idle::WATCHED
    );
    println!("  idle with {} lines     {:.0} kB resident, {} wake-ups", SIZES[2], many.kilobytes, many.wakes);
    println!("  a line more             {:.1} kB", (many.kilobytes - few.kilobytes) / (SIZES[2] - 1) as f64);
    codec();
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
