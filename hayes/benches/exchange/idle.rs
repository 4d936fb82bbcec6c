//! What an exchange costs on which nothing happens, measured in a process of its own.

use std::process::Command;
use std::time::Duration;

use hayes::emulator::switchboard::Switchboard;

use super::office::{directory, plan};

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

/// Measures this process.
pub(crate) fn measure_here(lines: usize) {
    let directory = directory(lines);
    let switchboard = Switchboard::open(plan(lines), &directory).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let watch = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let before = switches();
        tokio::time::sleep(WATCHED).await;
        // The one that ends this sleep is our own.
        println!("{:.0} {}", resident_kilobytes(), (switches() - before).saturating_sub(1));
    };
    runtime.block_on(switchboard.run(watch, |_| {}));
    std::fs::remove_dir_all(&directory).ok();
}

/// How often this thread has gone to sleep.
fn switches() -> u64 {
    status("voluntary_ctxt_switches:").parse().unwrap()
}

fn resident_kilobytes() -> f64 {
    status("VmRSS:").trim_end_matches("kB").trim_end().parse().unwrap()
}

fn status(field: &str) -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    status.lines().find_map(|line| line.strip_prefix(field)).unwrap().trim().to_owned()
}
