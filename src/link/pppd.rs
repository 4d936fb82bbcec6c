//! The pppd process: its options in a file that only root may read, its log line by line, its end.

use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

use super::hook;
use crate::secret::Secret;

/// Which side of PPP we are, and with what.
#[derive(Clone, Debug)]
pub enum Side {
    /// A provider's subscriber: gives a name and secret, takes the address it is lent, routes everything there.
    Subscriber {
        /// The name to give.
        user: String,
        /// The secret that goes with it.
        secret: Secret,
    },
    /// The provider: asks for CHAP (RFC 1994) and lends an address.
    Provider {
        /// The server's name in CHAP.
        name: String,
        /// Our own end.
        local: Ipv4Addr,
        /// The address that is lent.
        lent: Ipv4Addr,
    },
}

/// A running pppd.
#[derive(Debug)]
pub(super) struct Pppd {
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
    options: PathBuf,
    /// How it ended, `Some(None)` by a signal.
    status: Option<Option<i32>>,
}

/// What there is to hear of pppd.
#[derive(Debug)]
pub(super) enum Said {
    /// A line of its log.
    Line(String),
    /// It has ended with this status, `None` after a signal.
    Ended(Option<i32>),
}

/// How long the log is read on after pppd's end, while a hook still has it open.
const LAST_WORDS: Duration = Duration::from_millis(100);

impl Pppd {
    /// Starts pppd on a line that is already open.
    pub(super) fn start(side: &Side, line: OwnedFd, options: PathBuf, socket: &Path) -> io::Result<Self> {
        write_options(&options, &options_for(side, socket)?)?;
        let spawned = Command::new(program())
            .arg("file")
            .arg(&options)
            .stdin(Stdio::from(line))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0) // Ctrl-C is ours to act on: the record is withdrawn before the link goes
            .kill_on_drop(true)
            .spawn();
        let no_log = || io::Error::other("pppd's log is not to be had");
        let started = spawned.and_then(|mut child| {
            let log = BufReader::new(child.stderr.take().ok_or_else(no_log)?).lines();
            Ok((child, log))
        });
        match started {
            Ok((child, log)) => Ok(Self { child, log, options, status: None }),
            Err(error) => {
                remove(&options);
                Err(error)
            }
        }
    }

    /// Waits for the next line of the log, and after the last one for the end. The hooks inherit the log, so it may
    /// stay open for longer than pppd lives.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(super) async fn next(&mut self) -> Said {
        if self.status.is_none() {
            tokio::select! {
                biased;
                line = self.log.next_line() => if let Ok(Some(line)) = line {
                    return Said::Line(line);
                },
                status = self.child.wait() => self.status = Some(status.ok().and_then(|status| status.code())),
            }
        }
        if self.status.is_none() {
            self.status = Some(self.child.wait().await.ok().and_then(|status| status.code()));
        }
        // What pppd said last tells the cause: it was written before the end, so it is there now or never.
        match tokio::time::timeout(LAST_WORDS, self.log.next_line()).await {
            Ok(Ok(Some(line))) => Said::Line(line),
            Ok(Ok(None) | Err(_)) | Err(_) => Said::Ended(self.status.flatten()),
        }
    }

    /// Takes the options away once pppd has read them: they hold the secret.
    pub(super) fn forget_options(&self) {
        remove(&self.options);
    }

    /// Asks pppd to end the link in good order.
    pub(super) fn terminate(&self) {
        if let Some(pid) = self.child.id().and_then(|pid| i32::try_from(pid).ok()) {
            let pid = nix::unistd::Pid::from_raw(pid);
            if let Err(error) = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM) {
                tracing::debug!(%error, "pppd was gone already");
            }
        }
    }

    /// Ends pppd by force.
    pub(super) fn kill(&mut self) {
        if let Err(error) = self.child.start_kill() {
            tracing::debug!(%error, "pppd was gone already");
        }
    }
}

impl Drop for Pppd {
    fn drop(&mut self) {
        remove(&self.options);
    }
}

fn program() -> &'static Path {
    // A user's PATH often has no sbin.
    let usual = Path::new("/usr/sbin/pppd");
    if usual.exists() { usual } else { Path::new("pppd") }
}

fn options_for(side: &Side, socket: &Path) -> io::Result<String> {
    let program = std::env::current_exe()?;
    let mut options = format!(
        "nodetach\nlogfd 2\nlocal\nnoccp\nnoipv6\nlcp-restart 1\nlcp-max-configure 10\nipcp-restart 1\n\
         lcp-echo-interval 5\nlcp-echo-failure 3\nset {}={}\nset {}={}\n",
        hook::SOCKET_VARIABLE,
        quoted(&socket.display().to_string()),
        hook::PROGRAM_VARIABLE,
        quoted(&program.display().to_string()),
    );
    match side {
        Side::Subscriber { user, secret } => {
            let secret = String::from_utf8_lossy(secret.expose());
            options.push_str(&format!(
                "noauth\nnoipdefault\ndefaultroute\nrefuse-eap\nuser {}\npassword {}\n",
                quoted(user),
                quoted(&secret)
            ));
        }
        Side::Provider { name, local, lent } => {
            options.push_str(&format!(
                "auth\nrequire-chap\nrefuse-eap\nnodefaultroute\nname {}\n{local}:{lent}\n",
                quoted(name)
            ));
        }
    }
    Ok(options)
}

/// A word as pppd's option files have it (pppd(8), OPTIONS FILES).
fn quoted(word: &str) -> String {
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
}

fn write_options(path: &Path, options: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    remove(path);
    std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(options.as_bytes())
}

fn remove(path: &Path) {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, path = %path.display(), "cannot remove pppd's options");
        }
        Ok(()) | Err(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_with_quotes_and_blanks_reaches_pppd_whole() {
        assert_eq!(quoted(r#"a "b" \c"#), r#""a \"b\" \\c""#);
    }

    #[test]
    fn the_subscriber_takes_no_address_of_its_own_and_never_authenticates_its_provider() {
        let side = Side::Subscriber { user: "home".to_owned(), secret: Secret::new(b"s3cret".to_vec()) };
        let options = options_for(&side, Path::new("/run/x.sock")).unwrap();
        for line in ["noauth", "noipdefault", "defaultroute", "user \"home\"", "password \"s3cret\""] {
            assert!(options.lines().any(|option| option == line), "{line}");
        }
    }

    #[test]
    fn the_provider_asks_for_chap_and_lends_one_address() {
        let side = Side::Provider {
            name: "isp".to_owned(),
            local: Ipv4Addr::new(203, 0, 113, 1),
            lent: Ipv4Addr::new(203, 0, 113, 10),
        };
        let options = options_for(&side, Path::new("/run/x.sock")).unwrap();
        assert!(options.lines().any(|option| option == "require-chap"));
        assert!(options.lines().any(|option| option == "203.0.113.1:203.0.113.10"));
    }
}
