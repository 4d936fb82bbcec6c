//! What an exchange costs on which nothing happens, measured in a process of its own.

use std::process::Command;
use std::time::Duration;

use hayes::emulator::switchboard::Switchboard;
use tokio::sync::oneshot;

use super::office::{directory, plan};
use super::work::wait;

/// How long wake-ups are counted.
pub(crate) const WATCHED: Duration = Duration::from_secs(3);

/// What was measured.
pub(crate) struct Idle {
    pub(crate) kilobytes: f64,
    pub(crate) wakes: u64,
}

/// Starts this program again for an exchange of so many lines.
pub(crate) fn measure(lines: usize) -> Idle {
    let output = Command::new(std::env::current_exe().unwrap()).args(["idle", &lines.to_string()]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    let (kilobytes, wakes) = said.trim().split_once(' ').unwrap();
    Idle { kilobytes: kilobytes.parse().unwrap(), wakes: wakes.parse().unwrap() }
}

/// Measures this process: its exchange has the first thread to itself, another one looks at the clock.
pub(crate) fn measure_here(lines: usize) {
    let directory = directory(lines);
    let switchboard = Switchboard::open(plan(lines), &directory).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (shutdown, stop) = oneshot::channel::<()>();
    let watch = std::thread::spawn(move || {
        wait(Duration::from_millis(500));
        let before = switches();
        wait(WATCHED);
        println!("{:.0} {}", resident_kilobytes(), switches() - before);
        shutdown.send(()).ok();
    });
    runtime.block_on(switchboard.run(
        async {
            stop.await.ok();
        },
        |_| {},
    ));
    watch.join().unwrap();
    std::fs::remove_dir_all(&directory).ok();
}

/// How often the exchange's thread, the process's first, has gone to sleep.
fn switches() -> u64 {
    let first = format!("/proc/self/task/{}/status", std::process::id());
    field(&first, "voluntary_ctxt_switches:").parse().unwrap()
}

fn resident_kilobytes() -> f64 {
    field("/proc/self/status", "VmRSS:").trim_end_matches("kB").trim_end().parse().unwrap()
}

fn field(file: &str, name: &str) -> String {
    let status = std::fs::read_to_string(file).unwrap();
    status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned()
}
