//! A home whose address nobody outside can connect to, met through a tunnel of ssh to a relay.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use ringup::demo::Heard;
use ringup::exit::Status;

use super::harness::{Lab, QUICK, code, in_lab, program};
use super::remains::{LOOK_EVERY, gone, kill_one, processes};
use super::router::HIDDEN;

/// Where the tunnel ends, on the directory's machine.
const FAR_END: &str = "192.0.2.6:2222";

impl Lab {
    /// Has the provider lend addresses that only its own network can reach.
    async fn hide_home(&mut self) {
        self.edit("provider", "203.0.113.10-203.0.113.15", "100.64.0.10-100.64.0.15");
        for (machine, route) in [("internet", "100.64.0.0/10 via 192.0.2.2"), ("client", "unreachable 100.64.0.0/10")] {
            let mut command = self.world.command(None, Path::new("ip"));
            command.args(["-n", machine, "route", "add"]).args(route.split(' '));
            assert_eq!(self.world.run("route", command).await.unwrap().status, 0);
        }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.world.folder().join(name)
    }

    async fn make_key(&mut self, name: &str) {
        let mut command = self.world.command(None, Path::new("ssh-keygen"));
        command.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(self.file(name));
        assert_eq!(self.world.run("ssh-keygen", command).await.unwrap().status, 0);
    }

    /// Starts an ssh server that lets in whoever holds the key of this name.
    fn start_sshd(&mut self, name: &'static str, machine: &str, port: u16, key: &str, more: &str) {
        std::fs::create_dir_all("/run/sshd").unwrap();
        let (host_key, authorized) = (self.file(&format!("{name}.host-key")), self.file(&format!("{key}.pub")));
        let config = format!(
            "Port {port}\nHostKey {}\nAuthorizedKeysFile {}\nPermitRootLogin yes\nPasswordAuthentication no\n\
             StrictModes no\nUsePAM no\nPidFile none\n{more}\n",
            host_key.display(),
            authorized.display()
        );
        std::fs::write(self.file(&format!("{name}.sshd")), config).unwrap();
        let mut command = self.world.command(Some(machine), Path::new("/usr/sbin/sshd"));
        command.args(["-D", "-e", "-f"]).arg(self.file(&format!("{name}.sshd")));
        self.world.start(name, command).unwrap();
    }

    fn start_relay(&mut self) {
        self.start_sshd("relay", "directory", 2022, "tunnel-key", "GatewayPorts clientspecified");
    }

    /// Starts a relay on the directory's machine, and an ssh server on a host, which is to open a tunnel from the one to the
    /// other.
    async fn set_up_tunnel(&mut self, host: &str) {
        for key in ["relay.host-key", "sshd.host-key", "tunnel-key", "client-key"] {
            self.make_key(key).await;
        }
        self.start_relay();
        self.start_sshd("sshd", host, 22, "client-key", "");
        let (key, hosts) = (self.file("tunnel-key"), self.file("tunnel.known_hosts"));
        let relay = std::fs::read_to_string(self.file("relay.host-key.pub")).unwrap();
        std::fs::write(&hosts, format!("[192.0.2.6]:2022 {relay}")).unwrap();
        let section = format!(
            "ssh-host-key = \"sshd.host-key.pub\"\n\n[host.tunnel]\ncommand = [\"ssh\", \"-N\", \"-T\", \"-F\", \"none\", \
             \"-i\", \"{}\", \"-o\", \"UserKnownHostsFile={}\", \"-o\", \"BatchMode=yes\", \"-o\", \
             \"ExitOnForwardFailure=yes\", \"-p\", \"2022\", \"-R\", \"0.0.0.0:2222:127.0.0.1:{{port}}\", \
             \"root@192.0.2.6\"]\nat = \"{FAR_END}\"\n",
            key.display(),
            hosts.display()
        );
        self.edit(host, "lease = \"2m\"\n", &format!("lease = \"2m\"\n{section}"));
    }

    async fn is_open_at_relay(&mut self) -> bool {
        let mut command = self.world.command(Some("directory"), Path::new("ss"));
        command.args(["-Hnlt", "sport = :2222"]);
        !self.world.run("ss", command).await.unwrap().output.is_empty()
    }
}

#[test]
fn a_host_behind_a_carriers_nat_is_reached_through_its_tunnel_and_nobody_else_at_the_relay_is() {
    in_lab(QUICK, async |lab| {
        lab.hide_home().await;
        lab.set_up_tunnel("home").await;
        lab.start().await;

        // Woken, and met by ssh through its tunnel, by the key in its record.
        let began = lab.moment();
        let key = lab.file("client-key").display().to_string();
        let ran = lab.connect(&["--", "ssh", "-F", "none", "-i", &key, "root@{}", "echo $SSH_CONNECTION"]).await;
        assert_eq!(ran.status, 0, "{}", ran.errors);
        assert!(ran.output.starts_with("127.0.0.1 ") && ran.output.ends_with(" 22\n"), "{}", ran.output);
        let online = lab.heard(began, "client").pop().unwrap();
        assert_eq!((online.text("address").as_str(), &online.fields["port"]), ("192.0.2.6", &serde_json::json!(2222)));
        lab.since(began, "home", "tunnel-up").await;
        assert!(!lab.names(began, "home").contains(&"unreachable".to_owned()));
        assert_eq!(lab.record().await["tunnel"], format!("{FAR_END}/22"));

        // Its own words about it.
        let told = lab.world.run_role("home", "home", &["status"]).await.unwrap();
        assert!(told.output.contains("  tunnel  up for ") && told.output.contains(FAR_END), "{}", told.output);
        let told = lab.world.run_role("home", "home", &["journal", "--kind", "tunnel"]).await.unwrap();
        assert!(told.output.contains(&format!("up: this machine is met at {FAR_END}/22")), "{}", told.output);

        // What would go to another port of the relay's is not run.
        let ran = lab.connect(&["--", "curl", "-s", "http://{}/"]).await;
        assert_eq!((ran.status, ran.output.as_str()), (code(Status::BehindNat), ""), "{}", ran.errors);
        assert!(ran.errors.contains("write {port:22} where the port belongs"), "{}", ran.errors);

        // One that is killed is opened again.
        let killed = lab.moment();
        kill_one("ssh", "ssh -N -T");
        let down = lab.since(killed, "home", "tunnel-down").await;
        assert!(down.text("cause").contains("ended by signal 9"), "{}", down.fields);
        lab.since(killed, "home", "tunnel-up").await;

        // A stranger has the port while the tunnel is down for good: he is asked, and gets nothing.
        let ended = lab.moment();
        let ran = lab.world.run_role("home", "home", &["hangup"]).await.unwrap();
        assert_eq!(ran.status, 0, "{}", ran.errors);
        lab.since(ended, "home", "ended").await;
        let order = lab.names(ended, "home");
        assert_eq!(order.iter().filter(|event| event.as_str() == "withdrawn").count(), 1, "{order:?}");
        assert_eq!(gone(|| processes("ssh")).await, [], "left behind");
        while lab.is_open_at_relay().await {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    });
}

#[test]
fn a_tunnel_whose_ringup_was_killed_is_ended_by_the_next_one_and_its_port_at_the_relay_refuses_clients() {
    in_lab(QUICK, async |lab| {
        lab.hide_home().await;
        // A relay on the directory's machine that takes whatever comes, and a command that outlives its ringup.
        let section = format!(
            "\n[host.tunnel]\ncommand = [\"sh\", \"-c\", \"trap '' HUP; echo no relay >&2; exec sleep 1000\", \"{{port}}\"]\n\
             at = \"{FAR_END}\"\n"
        );
        lab.edit("home", "lease = \"2m\"\n", &format!("lease = \"2m\"\n{section}"));
        let mut stranger = lab.world.command(Some("directory"), Path::new("socat"));
        stranger.args(["TCP-LISTEN:2222,reuseaddr,fork", "SYSTEM:echo SSH-2.0-OpenSSH_9.2"]);
        stranger.stdin(Stdio::null());
        lab.world.start("stranger", stranger).unwrap();
        lab.start().await;
        let number = lab.bring_home_online().await;
        assert!(number > 0);
        while processes("sleep").len() != 1 {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        lab.edit("client", "number = \"555-0102\"\n", "");
        let ran = lab.connect(&["--", "ssh", "{}"]).await;
        assert_eq!((ran.status, ran.output.as_str()), (code(Status::Impostor), ""), "{}", ran.errors);
        assert!(ran.errors.contains(&format!("{FAR_END} is not home.dyn.example any more")), "{}", ran.errors);

        lab.world.signal("home", Signal::SIGKILL);
        assert_eq!(lab.world.ended("home").await.unwrap(), 128 + 9);
        assert_eq!(processes("sleep").len(), 1, "it outlives its ringup");
        lab.start_home().await;
        assert_eq!(gone(|| processes("sleep")).await, []);
    });
}

#[test]
fn a_host_that_a_router_hides_is_met_through_its_tunnel_and_again_once_a_relay_that_died_is_back() {
    in_lab(QUICK, async |lab| {
        lab.hide_cabin(&[]).await;
        lab.set_up_tunnel("cabin").await;
        lab.world.start_role("directory", Some("directory"), "directory").unwrap();
        lab.until("directory", "ready").await;
        let began = lab.moment();
        lab.world.start_role("cabin", Some("cabin"), "watch").unwrap();
        let registered = lab.since(began, "cabin", "registered").await;
        assert_eq!(registered.fields["addresses"], serde_json::json!([HIDDEN]));
        assert_eq!(lab.since(began, "cabin", "tunnel-up").await.text("at"), format!("{FAR_END}/22"));
        assert!(!lab.names(began, "cabin").contains(&"unreachable".to_owned()));
        assert_eq!(lab.tunnel_of_cabin().await, format!("{FAR_END}/22"));
        lab.meets_cabin_through_its_tunnel().await;

        // The relay dies, its connections with it.
        let died = lab.moment();
        lab.world.stop("relay").await;
        for (pid, _words) in processes("sshd").iter().filter(|(_pid, words)| !words.contains("/usr/sbin/sshd")) {
            kill(*pid, Signal::SIGKILL).unwrap();
        }
        let is_refused = |one: &Heard| one.event == "tunnel-down" && one.text("cause").contains("Connection refused");
        while !lab.heard(died, "cabin").iter().any(is_refused) {
            lab.until("cabin", "tunnel-down").await;
        }
        let ran = lab.connect_to_cabin("provider", &["ssh", "{}"]).await;
        assert_eq!((ran.status, ran.output.as_str()), (code(Status::Unreachable), ""), "{}", ran.errors);
        // Its record is another one whenever its lease was renewed meanwhile.
        for words in
            [&format!("online behind a tunnel that ends at {FAR_END} (record "), ", but no tunnel ends there now"]
        {
            assert!(ran.errors.contains(words), "{}", ran.errors);
        }

        // It is back.
        let back = lab.moment();
        lab.start_relay();
        lab.since(back, "cabin", "tunnel-up").await;
        assert_eq!(lab.tunnel_of_cabin().await, format!("{FAR_END}/22"));
        lab.meets_cabin_through_its_tunnel().await;

        // Whoever ends it ends the tunnel, and the record does not lead there any more.
        let ended = lab.moment();
        lab.world.signal("cabin", Signal::SIGTERM);
        assert_eq!(lab.world.ended("cabin").await.unwrap(), 0);
        assert!(lab.names(ended, "cabin").contains(&"withdrawn".to_owned()));
        assert_eq!(gone(|| processes("ssh")).await, [], "left behind");
        assert_eq!(lab.tunnel_of_cabin().await, serde_json::Value::Null);
    });
}

impl Lab {
    /// Where cabin's tunnel ends, as its record says.
    async fn tunnel_of_cabin(&mut self) -> serde_json::Value {
        let words = ["--config", "client.toml", "query", "cabin", "--json"];
        let record = self.on("provider", &program().display().to_string(), &words).await;
        let record: serde_json::Value = serde_json::from_str(&record).unwrap();
        record["tunnel"].clone()
    }

    /// ssh meets cabin from the provider's machine, by the key in its record.
    async fn meets_cabin_through_its_tunnel(&mut self) {
        let key = self.file("client-key").display().to_string();
        let ssh = ["ssh", "-F", "none", "-i", &key, "root@{}", "echo $SSH_CONNECTION; hostname -I"];
        let ran = self.connect_to_cabin("provider", &ssh).await;
        assert_eq!(ran.status, 0, "{}", ran.errors);
        assert!(ran.output.starts_with("127.0.0.1 ") && ran.output.contains(HIDDEN), "{}", ran.output);
    }
}
