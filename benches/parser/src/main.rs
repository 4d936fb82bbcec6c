//! How many bytes a second of what modems say are understood, beside the digester of `atat`, in turns in one run.
//!
//! What is read: every transcript of a real modem that is among the tests (`hayes/tests/transcripts`), and, because
//! `atat` knows few words, the chatter of a cellular modem in words that both know.

mod peer;
mod sample;

use std::hint::black_box;
use std::time::{Duration, Instant};

use hayes::framing::Framer;
use hayes::modem::{Modem, Settings};
use hayes::reply::Reply;

/// How often each is run; the first time does not count.
const RUNS: usize = 7;
/// How much is read in one go, as from a tty.
pub const READ: usize = 256;
/// About how many bytes a run reads.
const LENGTH: usize = 4_000_000;

/// Reads all of it; answers how many lines or events were understood.
type Reader = fn(&[u8]) -> usize;

fn main() {
    let transcripts = sample::transcripts(LENGTH);
    let chatter = sample::chatter(LENGTH);
    println!("Reading what modems say, in reads of {READ} bytes. Command: make bench");
    println!("Least, median and greatest of {RUNS} runs of {:.1} MB, taken in turns.", LENGTH as f64 / 1e6);
    println!("On {}.\n", std::env::var("RINGUP_BENCH_HOST").unwrap_or_else(|_| "this machine".to_owned()));
    println!("{:44}{:>24}{:>14}{:>12}", "", "MB/s", "ns an event", "events");
    let table: [(&str, &[u8], &[(&str, Reader)]); 2] = [
        (
            "transcripts of real modems",
            &transcripts,
            &[("lines", lines), ("lines and their meaning", meanings), ("the whole machine, idle on a line", machine)],
        ),
        (
            "a cellular modem's chatter",
            &chatter,
            &[("hayes: lines and their meaning", meanings), ("atat 0.25: digest", peer::digest)],
        ),
    ];
    for (heading, bytes, readers) in table {
        println!("{heading}");
        let mut figures = vec![Vec::new(); readers.len()];
        for run in 0..=RUNS {
            for ((_, reader), figures) in readers.iter().zip(&mut figures) {
                let begin = Instant::now();
                let events = black_box(reader(black_box(bytes)));
                if run > 0 {
                    figures.push((begin.elapsed(), events));
                }
            }
        }
        for ((name, _), mut figures) in readers.iter().zip(figures) {
            figures.sort();
            let rate = |index: usize| bytes.len() as f64 / 1e6 / figures[index].0.as_secs_f64();
            let (median, events) = figures[RUNS / 2];
            let rates = format!("{:.0} {:5.0} {:5.0}", rate(RUNS - 1), rate(RUNS / 2), rate(0));
            println!("  {name:42}{rates:>24}{:>14.0}{events:>12}", nanos(median) / events.max(1) as f64);
        }
    }
    println!("\nThe chatter holds {} events; what is missing was passed over unread.", sample::events(&chatter));
}

fn nanos(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9
}

fn lines(bytes: &[u8]) -> usize {
    let mut framer = Framer::new();
    each_line(&mut framer, bytes, |_| true)
}

fn meanings(bytes: &[u8]) -> usize {
    let mut framer = Framer::new();
    each_line(&mut framer, bytes, |text| !matches!(black_box(Reply::parse(text)), Reply::Text))
}

fn each_line(framer: &mut Framer, bytes: &[u8], mut understood: impl FnMut(&str) -> bool) -> usize {
    let mut count = 0;
    for mut read in bytes.chunks(READ) {
        while !read.is_empty() {
            let (taken, line) = framer.take_line(read);
            read = &read[taken..];
            count += usize::from(line.is_some_and(|line| understood(&line.text)));
        }
    }
    count
}

/// What connects is taken back at once: it is the machine's own reading that is measured.
fn machine(bytes: &[u8]) -> usize {
    let now = Instant::now();
    let mut modem = Modem::new(Settings::default());
    let mut count = 0;
    for mut read in bytes.chunks(READ) {
        while !read.is_empty() {
            read = &read[modem.handle_bytes(read, now)..];
            while modem.poll_output().is_some() {
                count += 1;
            }
            if modem.in_data() {
                modem = Modem::new(Settings::default());
            }
        }
    }
    count
}
