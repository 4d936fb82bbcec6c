//! What a test may leave behind, which is nothing: processes, machines, locks, files.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::Instant;

/// Within this, whatever is to go must be gone: a hang-up, pppd's goodbye and the last process's end.
pub(crate) const GONE_WITHIN: Duration = Duration::from_secs(10);

/// How often it is looked for what nobody tells.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What the road consists of; `ip` and `sh` live for moments only.
const PROGRAMS: [&str; 9] = ["ringup", "pppd", "socat", "dnsmasq", "udhcpc", "radvd", "ssh", "sshd", "tcpdump"];

/// Looks until nothing is found any more; gives what does not go.
pub(crate) async fn gone<T>(look: impl Fn() -> Vec<T>) -> Vec<T> {
    let deadline = Instant::now() + GONE_WITHIN;
    loop {
        let found = look();
        if found.is_empty() || Instant::now() >= deadline {
            return found;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Every process of a program, with its command line.
pub(crate) fn processes(program: &str) -> Vec<(Pid, String)> {
    let folders = std::fs::read_dir("/proc").unwrap();
    let pids = folders.filter_map(|folder| folder.unwrap().file_name().to_str()?.parse::<i32>().ok());
    let one = |pid: i32| {
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).ok();
        // One that has ended and waits for its parent has no command line any more.
        let command = read("cmdline").filter(|command| !command.is_empty())?;
        (read("comm")?.trim() == program).then(|| (Pid::from_raw(pid), command.replace('\0', " ")))
    };
    pids.filter_map(one).collect()
}

/// The pppds that serve a machine.
pub(crate) fn pppd_of(machine: &str) -> Vec<String> {
    let ours = format!("{machine}-run/");
    processes("pppd").into_iter().map(|(_pid, command)| command).filter(|command| command.contains(&ours)).collect()
}

/// The processes that hold the client's own link.
pub(crate) fn keepers() -> Vec<String> {
    processes("ringup")
        .into_iter()
        .map(|(_pid, command)| command)
        .filter(|command| command.contains("own-link"))
        .collect()
}

/// Kills the one process of a program whose command line has the given words.
pub(crate) fn kill_one(program: &str, words: &str) {
    let found: Vec<_> = processes(program).into_iter().filter(|(_pid, command)| command.contains(words)).collect();
    let [(pid, _command)] = &found[..] else { panic!("not one {program} with {words}: {found:?}") };
    kill(*pid, Signal::SIGKILL).unwrap();
}

pub(crate) fn files_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path().display().to_string()).collect()
}

/// What may never be left when a world has ended.
pub(crate) fn remains() -> Vec<String> {
    let processes = PROGRAMS.into_iter().flat_map(processes).map(|(pid, command)| format!("process {pid}: {command}"));
    let folders = ["/run/netns", "/run/lock", "/run/tmp"];
    processes.chain(folders.into_iter().flat_map(|folder| files_in(Path::new(folder)))).collect()
}
