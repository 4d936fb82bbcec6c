//! The provider's name servers, where the owner wants them: in /etc/resolv.conf, or with resolvconf(8).
//!
//! Where the distribution's own ip-up hook does the same, it is left to do it: two that keep the old file would each
//! bring back the other's.

use std::io::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::options::NameServers;

const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Debian's hooks, of the packages ppp and resolvconf: either takes care of `usepeerdns`.
const DISTRIBUTION: [&str; 2] = ["/etc/ppp/ip-up.d/0000usepeerdns", "/etc/ppp/ip-up.d/000resolvconf"];
/// Where resolvconf(8) is; a user's PATH often has no sbin.
const RESOLVCONF: [&str; 2] = ["/usr/sbin/resolvconf", "/sbin/resolvconf"];
/// What the file held before, for whoever comes after a ringup that was killed.
const KEPT: &str = "resolv.conf.before";

/// Has the provider's name servers used while the link is up.
#[derive(Debug)]
pub(super) struct Resolving {
    how: NameServers,
    file: PathBuf,
    kept: PathBuf,
    interface: String,
    servers: Vec<IpAddr>,
    changed: bool,
}

impl Resolving {
    pub(super) fn new(wanted: NameServers, runtime: &Path) -> Self {
        let theirs = DISTRIBUTION.iter().any(|hook| Path::new(hook).exists());
        let how = if theirs { NameServers::Ignore } else { wanted };
        Self::with_file(how, PathBuf::from(RESOLV_CONF), runtime)
    }

    fn with_file(how: NameServers, file: PathBuf, runtime: &Path) -> Self {
        let kept = runtime.join(KEPT);
        Self { how, file, kept, interface: String::new(), servers: Vec::new(), changed: false }
    }

    /// Brings back what a ringup that was killed has left changed.
    pub(super) fn mend(runtime: &Path) {
        let mut left = Self::with_file(NameServers::ResolvConf, PathBuf::from(RESOLV_CONF), runtime);
        left.changed = left.kept.exists();
        left.restore();
    }

    pub(super) fn note_interface(&mut self, interface: &str) {
        interface.clone_into(&mut self.interface);
    }

    /// The provider has named a server.
    pub(super) fn note_server(&mut self, server: IpAddr) {
        if !self.servers.contains(&server) {
            self.servers.push(server);
        }
        let done = match self.how {
            NameServers::Ignore => return,
            NameServers::ResolvConf => self.write_file(),
            NameServers::Resolvconf => self.tell(&["-a"], Some(&self.lines())),
        };
        match done {
            Ok(()) => self.changed = true,
            Err(error) => tracing::warn!(%error, "the provider's name servers are not used; see isp.dns"),
        }
    }

    /// The link is down: everything as before.
    pub(super) fn restore(&mut self) {
        if !std::mem::take(&mut self.changed) {
            return;
        }
        let done = match self.how {
            NameServers::Ignore => return,
            NameServers::ResolvConf => std::fs::read(&self.kept)
                .and_then(|before| std::fs::write(&self.file, before))
                .and_then(|()| std::fs::remove_file(&self.kept)),
            NameServers::Resolvconf => self.tell(&["-d"], None),
        };
        if let Err(error) = done {
            tracing::warn!(%error, "the provider's name servers stay behind");
        }
        self.servers.clear();
    }

    fn lines(&self) -> String {
        self.servers.iter().map(|server| format!("nameserver {server}\n")).collect()
    }

    /// Writes the file in place: in a container it is mounted, and cannot be replaced.
    fn write_file(&self) -> std::io::Result<()> {
        if self.file.is_symlink() {
            let told = "/etc/resolv.conf is another program's; use isp.dns = \"resolvconf\" or \"ignore\"";
            return Err(std::io::Error::other(told));
        }
        let before = match std::fs::read_to_string(&self.kept) {
            Ok(before) => before,
            Err(_first) => {
                let before = std::fs::read_to_string(&self.file).unwrap_or_default();
                std::fs::write(&self.kept, &before)?;
                before
            }
        };
        let others = before.lines().filter(|line| !line.trim_start().starts_with("nameserver"));
        let others: String = others.map(|line| format!("{line}\n")).collect();
        std::fs::write(&self.file, format!("{}{others}", self.lines()))
    }

    fn tell(&self, arguments: &[&str], text: Option<&str>) -> std::io::Result<()> {
        let program = RESOLVCONF.iter().map(Path::new).find(|path| path.exists());
        let program = program.ok_or_else(|| std::io::Error::other("resolvconf is not installed"))?;
        let mut command = Command::new(program);
        command.args(arguments).arg(format!("{}.ringup", self.interface));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        if let (Some(mut stdin), Some(text)) = (child.stdin.take(), text) {
            stdin.write_all(text.as_bytes())?;
        }
        child.wait().map(|_status| ())
    }
}

impl Drop for Resolving {
    fn drop(&mut self) {
        self.restore();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("ringup-resolving-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            std::fs::write(path.join("resolv.conf"), "search example\nnameserver 192.0.2.1\n").unwrap();
            Self(path)
        }

        fn resolving(&self) -> Resolving {
            Resolving::with_file(NameServers::ResolvConf, self.0.join("resolv.conf"), &self.0)
        }

        fn text(&self) -> String {
            std::fs::read_to_string(self.0.join("resolv.conf")).unwrap()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn the_providers_servers_stand_in_the_file_while_the_link_is_up_and_the_old_ones_afterwards() {
        let folder = Folder::new("up");
        let mut resolving = folder.resolving();
        resolving.note_server("192.0.2.53".parse().unwrap());
        resolving.note_server("192.0.2.54".parse().unwrap());
        assert_eq!(folder.text(), "nameserver 192.0.2.53\nnameserver 192.0.2.54\nsearch example\n");
        resolving.restore();
        assert_eq!(folder.text(), "search example\nnameserver 192.0.2.1\n");
    }

    #[test]
    fn what_a_killed_program_kept_is_not_taken_for_what_its_successor_found() {
        let folder = Folder::new("killed");
        let mut first = folder.resolving();
        first.note_server("192.0.2.53".parse().unwrap());
        first.changed = false; // it was killed: nothing is brought back
        drop(first);
        let mut second = folder.resolving();
        second.note_server("192.0.2.55".parse().unwrap());
        second.restore();
        assert_eq!(folder.text(), "search example\nnameserver 192.0.2.1\n");
    }

    #[test]
    fn a_file_that_is_another_programs_is_left_alone() {
        let folder = Folder::new("link");
        let theirs = folder.0.join("theirs");
        std::fs::rename(folder.0.join("resolv.conf"), &theirs).unwrap();
        std::os::unix::fs::symlink(&theirs, folder.0.join("resolv.conf")).unwrap();
        folder.resolving().note_server("192.0.2.53".parse().unwrap());
        assert_eq!(folder.text(), "search example\nnameserver 192.0.2.1\n");
    }
}
