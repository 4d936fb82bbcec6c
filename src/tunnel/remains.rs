//! What a ringup that was killed has left behind: a tunnel's command that nobody watches, which may hold its port at the
//! relay for as long as it lives.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::Instant;

/// Names the ringup that has started it, in the environment of the command and of what it starts.
pub(super) const VARIABLE: &str = "RINGUP_TUNNEL_OF";

/// How long it may take to end by itself.
const GOODBYE: Duration = Duration::from_secs(2);
/// How often it is looked whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Ends what is left of the tunnels of a ringup that is gone. To be called before the first one is opened.
pub async fn mend() {
    let left = left_behind(Path::new("/proc"));
    if left.is_empty() {
        return;
    }
    tracing::warn!(processes = left.len(), "the tunnel of a ringup that was killed is still there; ending it");
    signal(&left, Signal::SIGTERM);
    let until = Instant::now() + GOODBYE;
    while !left_behind(Path::new("/proc")).is_empty() && Instant::now() < until {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    signal(&left_behind(Path::new("/proc")), Signal::SIGKILL);
}

/// The processes that say that they are of a ringup which is no more.
fn left_behind(processes: &Path) -> Vec<Pid> {
    let entries = std::fs::read_dir(processes).into_iter().flatten();
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let is_left = |pid: &i32| {
        let environment = std::fs::read(processes.join(pid.to_string()).join("environ")).unwrap_or_default();
        let mut words = environment.split(|byte| *byte == 0).filter_map(|word| std::str::from_utf8(word).ok());
        let owner = words.find_map(|word| word.strip_prefix(VARIABLE)?.strip_prefix('=')?.parse::<u32>().ok());
        owner.is_some_and(|owner| !is_ringup(processes, owner))
    };
    pids.filter(is_left).map(Pid::from_raw).collect()
}

/// Whether a process is a ringup that lives. This very program may have any name.
fn is_ringup(processes: &Path, pid: u32) -> bool {
    let name = |pid: u32| std::fs::read_to_string(processes.join(pid.to_string()).join("comm")).ok();
    pid == std::process::id() || name(pid).is_some_and(|other| Some(other) == name(std::process::id()))
}

fn signal(pids: &[Pid], signal: Signal) {
    for pid in pids {
        if let Err(error) = kill(*pid, signal) {
            tracing::debug!(%error, %pid, "it was gone already");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn only_what_says_that_its_ringup_is_gone_is_left_behind() {
        let folder = Scratch::new("tunnel-remains");
        let us = std::process::id();
        for (pid, environment) in [
            ("11", format!("A=b\0{VARIABLE}=2000000000\0")),
            ("12", format!("{VARIABLE}={us}\0")),
            ("13", "A=b\0".to_owned()),
            ("14", format!("{VARIABLE}=x\0")),
            ("self", format!("{VARIABLE}=2000000000\0")),
        ] {
            folder.write(&format!("{pid}/environ"), &environment);
        }
        assert_eq!(left_behind(folder.root()), [Pid::from_raw(11)]);
    }
}
