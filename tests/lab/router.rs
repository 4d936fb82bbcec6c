//! A host with a private address, behind a router that passes ports on to it.

use ringup::demo::world::Ran;
use ringup::demo::{page_of, start_page};
use ringup::exit::Status;

use super::harness::{Lab, QUICK, code, in_lab, program};

/// The router's address on the Internet, another that it is given later, and the host's behind it.
const ROUTER: &str = "198.51.100.1";
const RENUMBERED: &str = "198.51.100.77";
pub(crate) const HIDDEN: &str = "192.168.7.5";

impl Lab {
    /// Puts cabin behind a router whose address it goes out with, and which passes on to it what comes to these ports, and
    /// nothing else: no machine but the router knows of its network.
    pub(crate) async fn hide_cabin(&mut self, passed_on: &[(&str, &str)]) {
        for (machine, words) in [
            ("cable", "address add 192.168.7.1/24 dev to-cabin"),
            ("cabin", &format!("address add {HIDDEN}/24 dev cable0")),
            ("cabin", "route add default via 192.168.7.1"),
        ] {
            self.on(machine, "ip", &words.split(' ').collect::<Vec<_>>()).await;
        }
        // Not nft: the guest's kernel has no tables of it for IPv4.
        let outwards = ["-t", "nat", "-A", "POSTROUTING", "-o", "to-internet", "-j", "MASQUERADE"];
        self.on("cable", "iptables-legacy", &outwards).await;
        for (protocol, port) in passed_on {
            let inwards = ["-t", "nat", "-A", "PREROUTING", "-i", "to-internet", "-p", protocol, "--dport", port];
            let to = ["-j", "DNAT", "--to-destination", HIDDEN];
            self.on("cable", "iptables-legacy", &[&inwards[..], &to].concat()).await;
        }
    }

    /// `ringup connect cabin` on a machine that has another way to the Internet than a modem.
    pub(crate) async fn connect_to_cabin(&mut self, machine: &str, run: &[&str]) -> Ran {
        let mut command = self.world.command(Some(machine), &program());
        command.args(["--config", "client.toml", "connect", "cabin", "--"]).args(run);
        self.world.run("connect", command).await.unwrap()
    }

    /// Fetches cabin's page from the machine of the directory.
    async fn fetch_from_cabin(&mut self) -> Ran {
        self.connect_to_cabin("directory", &["curl", "-s", "--max-time", "30", "http://{}/"]).await
    }
}

#[test]
fn a_host_behind_a_router_is_met_at_the_routers_address_for_as_long_as_somebody_vouches_for_it() {
    in_lab(QUICK, async |lab| {
        lab.hide_cabin(&[("tcp", "80"), ("udp", "7464")]).await;
        let told = lab.world.folder().join("router");
        std::fs::write(&told, format!("{ROUTER}\n")).unwrap();
        let asks =
            format!("interface = \"cable0\"\npublic-address = [\"cat\", \"{}\"]\nask-every = \"5s\"", told.display());
        lab.edit("cabin", "interface = \"cable0\"", &asks);
        lab.world.start_role("directory", Some("directory"), "directory").unwrap();
        lab.until("directory", "ready").await;
        start_page(&mut lab.world, "cabin").unwrap();
        let began = lab.moment();
        lab.world.start_role("cabin", Some("cabin"), "watch").unwrap();
        let registered = lab.since(began, "cabin", "registered").await;
        assert_eq!(registered.fields["addresses"], serde_json::json!([ROUTER]));
        let ran = lab.fetch_from_cabin().await;
        assert_eq!((ran.status, ran.output), (0, page_of("cabin")), "{}", ran.errors);

        // Nobody knows any more whose address it is.
        let silent = lab.moment();
        std::fs::remove_file(&told).unwrap();
        lab.since(silent, "cabin", "failed").await;
        let ran = lab.fetch_from_cabin().await;
        assert_eq!((ran.status, ran.output.as_str()), (code(Status::Unreachable), ""), "{}", ran.errors);

        // The router has another address, and is met there.
        std::fs::write(&told, format!("{RENUMBERED}\n")).unwrap();
        let changed = lab.until("cabin", "registered").await;
        assert_eq!(changed.fields["addresses"], serde_json::json!([RENUMBERED]));
        let ran = lab.fetch_from_cabin().await;
        assert_eq!((ran.status, ran.output), (0, page_of("cabin")), "{}", ran.errors);
    });
}

#[test]
fn a_host_behind_a_router_that_nobody_vouches_for_is_said_to_be_out_of_reach() {
    in_lab(QUICK, async |lab| {
        lab.hide_cabin(&[]).await;
        lab.world.start_role("directory", Some("directory"), "directory").unwrap();
        lab.until("directory", "ready").await;
        let began = lab.moment();
        lab.world.start_role("cabin", Some("cabin"), "watch").unwrap();
        let said = lab.since(began, "cabin", "unreachable").await;
        assert_eq!(said.text("reachability"), "private");
        let registered = lab.since(began, "cabin", "registered").await;
        assert_eq!(registered.fields["addresses"], serde_json::json!([HIDDEN]));
        let ran = lab.fetch_from_cabin().await;
        assert_eq!((ran.status, ran.output.as_str()), (code(Status::BehindNat), ""), "{}", ran.errors);
        for words in
            [&format!("registered at {HIDDEN} (record "), ", where its own network alone can reach it (private)"]
        {
            assert!(ran.errors.contains(words), "{}", ran.errors);
        }
    });
}
