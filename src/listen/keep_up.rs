//! What keeps an idle link up: a file, a lock, a session of ssh, or whatever a command of the owner's says.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde::Deserialize;
use tokio::process::Command;

/// How long the owner's command may take; one that takes longer keeps nothing up.
const COMMAND_WITHIN: Duration = Duration::from_secs(10);

/// What the owner wants to keep the link up, as `[listen.keep-up]` has it; any one is enough.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct KeepUp {
    /// While this file exists.
    pub file: Option<PathBuf>,
    /// While somebody holds this lock: by flock(2), or as a UUCP lock file with the number of a living process in it.
    pub lock: Option<PathBuf>,
    /// While somebody is logged in by ssh.
    pub ssh: bool,
    /// While this command ends with status 0.
    pub command: Vec<String>,
}

impl KeepUp {
    /// Gives what keeps the link up now, if anything does.
    pub(super) async fn reason(&self) -> Option<&'static str> {
        if self.file.as_ref().is_some_and(|file| file.exists()) {
            return Some("file");
        }
        if self.lock.as_ref().is_some_and(|lock| is_held(lock)) {
            return Some("lock");
        }
        if self.ssh && somebody_is_logged_in(Path::new("/proc")) {
            return Some("ssh");
        }
        if succeeds(&self.command).await {
            return Some("command");
        }
        None
    }
}

fn is_held(lock: &Path) -> bool {
    let Ok(file) = std::fs::OpenOptions::new().read(true).open(lock) else { return false };
    match Flock::lock(file, FlockArg::LockSharedNonblock) {
        Err((_file, Errno::EWOULDBLOCK)) => true,
        Err(_) => false,
        Ok(_ours) => std::fs::read_to_string(lock).is_ok_and(|text| names_a_living_process(&text)),
    }
}

/// Whether a lock file's text is the number of a process that lives (Filesystem Hierarchy Standard 5.9).
fn names_a_living_process(text: &str) -> bool {
    let pid = text.trim().parse::<i32>().ok().filter(|pid| *pid > 0);
    pid.is_some_and(|pid| !matches!(kill(Pid::from_raw(pid), None), Err(Errno::ESRCH)))
}

/// Whether sshd serves a session: its processes have the user's name in their title, `sshd: name@pts/0`, or
/// `sshd-session: name@notty` since OpenSSH 9.8.
fn somebody_is_logged_in(proc: &Path) -> bool {
    let entries = std::fs::read_dir(proc).into_iter().flatten().filter_map(Result::ok);
    let mut titles = entries
        .filter(|entry| entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit))
        .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    titles.any(|title| is_session(&String::from_utf8_lossy(&title)))
}

fn is_session(title: &str) -> bool {
    let whom = title.strip_prefix("sshd: ").or_else(|| title.strip_prefix("sshd-session: "));
    whom.is_some_and(|whom| whom.contains('@'))
}

async fn succeeds(command: &[String]) -> bool {
    let [program, arguments @ ..] = command else { return false };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    match tokio::time::timeout(COMMAND_WITHIN, command.status()).await {
        Ok(Ok(status)) => status.success(),
        Ok(Err(error)) => {
            tracing::warn!(%error, program, "cannot be run; see listen.keep-up.command");
            false
        }
        Err(_elapsed) => {
            tracing::warn!(program, within = ?COMMAND_WITHIN, "does not end; see listen.keep-up.command");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[tokio::test]
    async fn a_file_keeps_the_link_up_while_it_exists() {
        let folder = Scratch::new("keep-up-file");
        let file = folder.path("stay");
        let keep_up = KeepUp { file: Some(file.clone()), ..KeepUp::default() };
        assert_eq!(keep_up.reason().await, None);
        std::fs::write(&file, "").unwrap();
        assert_eq!(keep_up.reason().await, Some("file"));
    }

    #[tokio::test]
    async fn a_lock_keeps_the_link_up_while_it_is_held_by_either_kind_of_holder() {
        let folder = Scratch::new("keep-up-lock");
        let path = folder.path("lock");
        let keep_up = KeepUp { lock: Some(path.clone()), ..KeepUp::default() };
        assert_eq!(keep_up.reason().await, None, "there is none");
        std::fs::write(&path, "").unwrap();
        assert_eq!(keep_up.reason().await, None, "nobody holds it");
        let held = Flock::lock(std::fs::File::open(&path).unwrap(), FlockArg::LockExclusiveNonblock).unwrap();
        assert_eq!(keep_up.reason().await, Some("lock"));
        drop(held);
        std::fs::write(&path, format!("{:>10}\n", std::process::id())).unwrap();
        assert_eq!(keep_up.reason().await, Some("lock"));
        std::fs::write(&path, "2000000000\n").unwrap(); // no process has such a number
        assert_eq!(keep_up.reason().await, None);
    }

    #[tokio::test]
    async fn a_command_keeps_the_link_up_when_it_succeeds() {
        for (command, reason) in [(vec!["true"], Some("command")), (vec!["false"], None), (vec!["/no/such"], None)] {
            let command = command.into_iter().map(str::to_owned).collect();
            assert_eq!(KeepUp { command, ..KeepUp::default() }.reason().await, reason);
        }
    }

    #[test]
    fn a_session_of_ssh_is_told_by_its_title_and_the_daemon_itself_is_none() {
        assert!(is_session("sshd: ada@pts/0\0") && is_session("sshd-session: ada@notty\0"));
        assert!(!is_session("sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups\0"));
        assert!(!is_session("sshd: ada [priv]\0") && !is_session("vi sshd: a@b\0"));
    }
}
