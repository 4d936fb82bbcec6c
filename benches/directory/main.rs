//! The directory beside BIND, Knot and NSD: one table, everything in it from one run, on one machine. The server has one
//! processor, the generator another.
//!
//!     cargo bench --bench directory                all of it: five minutes, and then a hundred thousand who wait
//!     cargo bench --bench directory -- quick       two seconds each, without a million hosts and those who wait
//!     cargo bench --bench directory -- ringup      without the others; their names choose as well
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench measures by the clock, and whatever fails ends it"
)]

mod load;
mod server;
mod table;
mod updates;
mod waiters;

use std::time::Duration;

use self::server::{Kind, Server};
use self::table::Table;
use self::updates::Update;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, count] = &arguments[..]
        && mode == waiters::ALONE
    {
        let [woken, each] = waiters::alone(count.parse().unwrap());
        return println!("{woken} {each}");
    }
    let quick = arguments.iter().any(|argument| argument == "quick");
    let named: Vec<Kind> =
        Kind::ALL.into_iter().filter(|kind| arguments.iter().any(|name| name == kind.name())).collect();
    let chosen = if named.is_empty() { &Kind::ALL[..] } else { &named };
    server::pin(std::process::id(), GENERATOR);
    let mut table = Table::new();
    let seconds = if quick { 2 } else { 5 };
    for &kind in chosen {
        println!("bench directory: {} with {HOSTS} hosts", kind.name());
        measure(kind, seconds, &mut table);
    }
    if !quick {
        for &kind in chosen {
            println!("bench directory: {} with {MANY} hosts", kind.name());
            let server = Server::start(kind, MANY);
            table.set("start-up, s, 1M hosts", kind, format!("{:.2}", server.started_in.as_secs_f64()));
            let rate = load::queries(server.address, MANY, [IN_FLIGHT, 1], Duration::from_secs(seconds));
            table.set("queries/s, 1M hosts", kind, format!("{:.0}", rate.per_second));
            table.set("resident, MiB, 1M hosts", kind, server.resident_mib());
        }
    }
    println!("\n{}{table}{LEGEND}", machine(seconds));
    if !quick && chosen.contains(&Kind::Ringup) {
        let mut table = Table::new();
        measure_many_waiting(&mut table);
        println!("{table}");
    }
}

/// What one server does with a hundred thousand hosts.
fn measure(kind: Kind, seconds: u64, table: &mut Table) {
    let mut server = Server::start(kind, HOSTS);
    table.set("start-up, s, 100k hosts", kind, format!("{:.2}", server.started_in.as_secs_f64()));
    for (ports, by) in [(1, "by one port"), (IN_FLIGHT, "by as many ports")] {
        let before = server.processor_time();
        let rate = load::queries(server.address, HOSTS, [IN_FLIGHT, ports], Duration::from_secs(seconds));
        let each = server.processor_time().saturating_sub(before).as_secs_f64() * 1e6 / rate.answered as f64;
        table.set(&format!("queries/s, {IN_FLIGHT} in flight {by}"), kind, format!("{:.0}", rate.per_second));
        table.set(&format!("  {by}: processor, us each"), kind, format!("{each:.1}"));
        table.set(&format!("  {by}: lost"), kind, rate.lost.to_string());
    }
    let lone = load::queries(server.address, HOSTS, [1, 1], Duration::from_secs(1));
    table.set("  one at a time, p50/p99 us", kind, lone.latencies());
    table.set("resident, MiB, 100k hosts", kind, server.resident_mib());
    for update in Update::ALL {
        if !update.suits(kind) {
            continue;
        }
        for in_flight in [1, 8, 64, IN_FLIGHT, 1024] {
            measure_updates(&mut server, kind, update, [in_flight, 1], seconds, table);
        }
        if update == Update::Address {
            measure_updates(&mut server, kind, update, [IN_FLIGHT, IN_FLIGHT], seconds, table);
        }
        let visible = updates::visible(&mut server, update, Duration::from_secs(seconds));
        table.set(&format!("{}, visible: p50/p99 us", update.name()), kind, visible.latencies());
    }
    if kind == Kind::Ringup {
        let mut waiting = waiters::Waiting::default();
        for count in [1, 1_000] {
            waiting.grow(&server, count);
            let woken = waiting.wake(&mut server, Duration::from_secs(seconds));
            show_waiting(count, [woken.latencies(), waiting.kib_for_each(&server)], table);
        }
    }
}

fn measure_updates(
    server: &mut Server,
    kind: Kind,
    update: Update,
    [in_flight, ports]: [usize; 2],
    seconds: u64,
    table: &mut Table,
) {
    let rate = updates::run(server, update, [in_flight, ports], Duration::from_secs(seconds));
    let by = if ports == 1 { "in flight" } else { "by as many ports" };
    let row = format!("{}, {in_flight} {by}", update.name());
    table.set(&row, kind, format!("{:.0}", rate.per_second));
    let lost = if rate.lost > 0 { format!(" {} lost", rate.lost) } else { String::new() };
    table.set(&format!("{row}: p50/p99 us"), kind, format!("{}{lost}", rate.latencies()));
}

/// Has a hundred thousand wait at once; in a guest kernel, and slowly, where a process may not have as many files open.
fn measure_many_waiting(table: &mut Table) {
    let here = waiters::have_room_for(HOSTS);
    println!("bench directory: ringup with {HOSTS} waiting{}", if here { "" } else { ", in a guest kernel" });
    let figures = if here { waiters::alone(HOSTS) } else { waiters::in_another_kernel(HOSTS) };
    show_waiting(HOSTS, figures, table);
}

fn show_waiting(count: u32, [woken, each]: [String; 2], table: &mut Table) {
    table.set(&format!("{count} waiting, woken: p50/p99 us"), Kind::Ringup, woken);
    table.set(&format!("{count} waiting: KiB for each"), Kind::Ringup, each);
}

fn machine(seconds: u64) -> String {
    let host = std::env::var("RINGUP_BENCH_HOST").unwrap_or_else(|_unset| "an unknown machine".to_owned());
    format!(
        "The directory beside name servers. Command: make bench\n\
         {seconds} s each over loopback; the server on processor {SERVER}, the generator on {GENERATOR}. On {host}.\n\n"
    )
}

const LEGEND: &str = "\
queries: A, nine in ten for a host that is there, one in ten for one that is not; EDNS as resolvers send it; by one port
  as from a load balancer: the generator hands its queries to the kernel by the dozen (UDP_SEGMENT); by as many ports as
  there are in flight, it needs a call for each, and sets the pace itself; processor: of the server, the kernel's work in it
addresses: an UPDATE that deletes the A records of a host and adds one, signed with TSIG (hmac-sha256), on disk when it
  is answered; ringup: a host that need not sign (uncertified-lease)
statements: the same by a host that signs its record (Ed25519), whose signature the directory checks: only ringup does
visible: from sending the UPDATE until a query that is sent after its answer gives the new address
woken: from sending a statement until the one who waits for its host by server-sent events has it; everybody waits for
  another host
BIND 1 thread, update-quota 1000; Knot 1 worker, journal-db-mode robust; NSD takes no updates
";

/// Hosts for most figures, and for memory.
const HOSTS: u32 = 100_000;
const MANY: u32 = 1_000_000;
/// Queries, or updates, at a time; of updates other numbers, too.
const IN_FLIGHT: usize = 256;
/// The processors.
const SERVER: usize = 0;
const GENERATOR: usize = 1;
