//! Real servers of ssh and of web pages: home's are reached by each of the ways that the documentation shows, and those of
//! whoever has home's old address get nothing by any of them.

use std::path::Path;

use nix::sys::signal::Signal;
use ringup::demo::world::Ran;
use ringup::exit::Status;

use super::harness::{Lab, QUICK, code, in_lab};
use super::identity::Helpers;
use super::remains::{gone, pppd_of};

/// What would be told to a stranger.
const SECRET: &str = "between-home-and-me";

impl Lab {
    /// Makes a pair of ssh keys.
    async fn make_ssh_keys(&mut self, name: &str) {
        let mut command = self.world.command(None, Path::new("ssh-keygen"));
        command.args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"]).arg(self.file(name));
        let ran = self.world.run("keys", command).await.unwrap();
        assert_eq!(ran.status, 0, "{}", ran.errors);
    }

    /// Starts a shell server on a machine, which lets our key in.
    fn start_shell_server(&mut self, name: &'static str, machine: &str, key: &str, address: &str) {
        std::fs::create_dir_all("/run/sshd").unwrap();
        let mut command = self.world.command(Some(machine), Path::new("/usr/sbin/sshd"));
        command.args(["-D", "-e", "-f", "/dev/null", "-h"]).arg(self.file(key));
        let keys = format!("AuthorizedKeysFile={}", self.file("user.pub").display());
        let listen = format!("ListenAddress={address}");
        let strict = "StrictModes=no"; // the lab's folder for temporary files is everybody's
        for option in [&keys, &listen, strict, "UsePAM=no", "PidFile=none", "PermitRootLogin=prohibit-password"] {
            command.args(["-o", option]);
        }
        self.world.start(name, command).unwrap();
    }

    /// The command after `ringup connect home --`, with the words that it is to pass on.
    fn ssh_to_address(&self, words: &str) -> Vec<String> {
        let key = self.file("user").display().to_string();
        ["--", "ssh", "-F", "none", "-i", &key, "-l", "root", "-o", "BatchMode=yes", "{}", words]
            .map(str::to_owned)
            .to_vec()
    }

    /// Plain `ssh home`, by the Host block that the documentation shows.
    async fn plain_ssh(&mut self, words: &str) -> Ran {
        let (program, folder) = (self.world.program().display(), self.world.folder().display());
        let text = format!(
            "Host home\n    ProxyCommand {program} --config {folder}/client.toml proxy %n %p\n    \
             HostKeyAlias home.dyn.example\n    User root\n    IdentityFile {folder}/user\n    BatchMode yes\n    \
             UserKnownHostsFile {folder}/client-state/known/home.dyn.example.ssh\n    StrictHostKeyChecking yes\n"
        );
        std::fs::write(self.file("ssh_config"), text).unwrap();
        let mut command = self.world.command(Some("client"), Path::new("ssh"));
        command.arg("-F").arg(self.file("ssh_config")).args(["home", words]);
        self.world.run("ssh", command).await.unwrap()
    }

    async fn connect_by(&mut self, command: &[String]) -> Ran {
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        self.connect(&command).await
    }

    /// A way to home is to fail as one to an impostor does.
    fn is_refused(ran: &Ran, status: i32, address: &str) {
        assert_eq!((ran.status, ran.output.as_str()), (status, ""), "{}", ran.errors);
        let told = format!("ringup: {address} is not home.dyn.example any more");
        assert!(ran.errors.contains(&told), "{}", ran.errors);
    }
}

#[test]
fn homes_own_servers_are_reached_and_those_at_its_old_address_get_not_one_byte() {
    in_lab(QUICK, async |lab| {
        for name in ["home_ssh", "impostor_ssh", "user"] {
            lab.make_ssh_keys(name).await;
        }
        lab.edit("home", "tsig = {", "ssh-host-key = \"home_ssh.pub\"\ntsig = {");
        lab.start().await;
        lab.start_shell_server("home ssh", "home", "home_ssh", "0.0.0.0");
        let began = lab.moment();
        let command = lab.ssh_to_address("echo reached; exit 3");
        let ran = lab.connect_by(&command).await;
        assert_eq!((ran.status, ran.output.as_str()), (3, "reached\n"), "{}", ran.errors);
        let online = lab.heard(began, "client").pop().unwrap();
        let old = online.text("address");
        let pinned = std::fs::read_to_string(lab.file("home_ssh.pub")).unwrap();
        let known_hosts = lab.file("client-state/known/home.dyn.example.ssh");
        let known = || std::fs::read_to_string(&known_hosts).unwrap();
        assert_eq!(known().trim(), format!("home.dyn.example {}", pinned.trim()));
        // As at the first use by plain ssh.
        std::fs::remove_file(&known_hosts).unwrap();
        let ran = lab.plain_ssh("cat; echo reached").await;
        assert_eq!((ran.status, ran.output.as_str()), (0, "reached\n"), "{}", ran.errors);
        assert!(!ran.errors.contains("ringup: "), "nothing is amiss, and nothing is said: {}", ran.errors);

        // What the kernel still had to say over those connections was for home.
        while !lab.on("client", "ss", &["-Hnt", "state", "connected", "exclude", "time-wait"]).await.is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }

        // Cut off, home cannot withdraw its record; its address is lent to somebody who has the same servers.
        lab.world.signal("home", Signal::SIGKILL);
        assert_eq!(lab.world.ended("home").await.unwrap(), 128 + 9);
        assert_eq!(gone(|| pppd_of("home")).await, Vec::<String>::new());
        lab.until("provider", "ended").await;
        lab.edit("client", "number = \"555-0102\"\n", "");
        lab.on_provider("ip", &["address", "add", &format!("{old}/32"), "dev", "lo"]).await;
        lab.start_shell_server("impostor ssh", "provider", "impostor_ssh", &old);
        let mut helpers = Helpers::none();
        let mut pages = lab.world.command(Some("provider"), Path::new("busybox"));
        pages.args(["httpd", "-f", "-h"]).arg(lab.world.folder()).args(["-p", &format!("{old}:80")]);
        helpers.start(pages);
        for port in [22, 80] {
            lab.until_open(&old, "-t", port).await;
        }
        let (capturing, capture) = lab.capture(&old).await;

        let command = lab.ssh_to_address(SECRET);
        let ran = lab.connect_by(&command).await;
        Lab::is_refused(&ran, code(Status::Impostor), &old);
        let ran = lab.connect(&["--", "curl", "-s", "--data", SECRET, "http://{}/"]).await;
        Lab::is_refused(&ran, code(Status::Impostor), &old);
        let mut proxy = lab.world.command(Some("client"), Path::new("sh"));
        proxy.args(["-c", &format!("echo {SECRET} | \"$0\" --config client.toml proxy home 80")]);
        proxy.arg(lab.world.program());
        let ran = lab.world.run("proxy", proxy).await.unwrap();
        Lab::is_refused(&ran, code(Status::Impostor), &old);
        let ran = lab.plain_ssh(SECRET).await;
        Lab::is_refused(&ran, 255, &old);
        let known = std::fs::read_to_string(lab.file("client-state/known/home.dyn.example.ssh")).unwrap();
        assert_eq!(known.trim(), format!("home.dyn.example {}", pinned.trim()), "his key was taken for home's");

        capturing.stop().await;
        lab.got_challenges_alone(&capture, &old, 4).await;
        let bytes = std::fs::read(&capture).unwrap();
        assert!(!bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()));
        lab.world.stop("impostor ssh").await;
        helpers.stop().await;
        assert_eq!(lab.traces("client").await, Vec::<String>::new());
        // Who was killed has left the line's lock: the next one takes it over.
        lab.start_home().await;
    });
}
