//! What a ringup that was killed has left behind: a pppd that nobody watches, its files, the name servers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::Instant;

use super::resolving::Resolving;

/// How long such a pppd may take to say goodbye before it is ended by force.
const GOODBYE: Duration = Duration::from_secs(5);
/// How often it is looked whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Ends what is left of links whose ringup has gone, and removes their files. To be called before the first link.
pub async fn mend(runtime: &Path) {
    let dead = left_behind(runtime);
    if dead.is_empty() {
        return;
    }
    let pppds: Vec<Pid> = dead.iter().filter_map(|file| living_pppd(file)).collect();
    if !pppds.is_empty() {
        tracing::warn!(pppds = pppds.len(), "a pppd of a ringup that was killed is still there; ending it");
        signal(&pppds, Signal::SIGTERM);
        let until = Instant::now() + GOODBYE;
        while pppds.iter().any(|pid| is_pppd(*pid)) && Instant::now() < until {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        signal(&pppds, Signal::SIGKILL);
    }
    Resolving::mend(runtime);
    for file in dead {
        if let Err(error) = std::fs::remove_file(&file) {
            tracing::debug!(%error, file = %file.display(), "stays behind");
        }
    }
}

/// The files of links whose ringup is no more: `link-PID-N.KIND`.
fn left_behind(runtime: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(runtime).into_iter().flatten();
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.filter(|path| owner_of(path).is_some_and(|owner| !is_ringup(owner))).collect()
}

fn owner_of(path: &Path) -> Option<i32> {
    path.file_name()?.to_str()?.strip_prefix("link-")?.split('-').next()?.parse().ok()
}

/// The pppd of a `.pid` file, if it still runs with that link's options.
fn living_pppd(file: &Path) -> Option<Pid> {
    if file.extension()? != "pid" {
        return None;
    }
    let pid = Pid::from_raw(std::fs::read_to_string(file).ok()?.trim().parse().ok()?);
    let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
    let options = file.with_extension("options");
    (is_pppd(pid) && command.contains(options.to_str()?)).then_some(pid)
}

fn is_pppd(pid: Pid) -> bool {
    // One that has ended and waits for its parent has no command line any more.
    let alive = std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|command| !command.is_empty());
    alive && comm(pid.as_raw()).is_some_and(|name| name == "pppd")
}

fn is_ringup(pid: i32) -> bool {
    // This very program may have any name.
    comm(pid).is_some_and(|name| Some(name) == comm(std::process::id().try_into().unwrap_or_default()))
}

fn comm(pid: i32) -> Option<String> {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).ok().map(|name| name.trim().to_owned())
}

fn signal(pppds: &[Pid], signal: Signal) {
    for pid in pppds.iter().filter(|pid| is_pppd(**pid)) {
        if let Err(error) = kill(*pid, signal) {
            tracing::debug!(%error, %pid, "it was gone already");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn files_of_a_ringup_that_is_gone_are_removed_and_those_of_a_living_one_stay() {
        let folder = std::env::temp_dir().join(format!("ringup-mend-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let ours = format!("link-{}-0.options", std::process::id());
        // No process has such a number (proc(5), pid_max).
        let files = [ours.as_str(), "link-2000000000-0.options", "link-2000000000-0.pid", "own-link.log"];
        files.iter().for_each(|file| std::fs::write(folder.join(file), "2000000001\n").unwrap());
        mend(&folder).await;
        let mut left: Vec<String> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(left, [ours.as_str(), "own-link.log"]);
    }
}
