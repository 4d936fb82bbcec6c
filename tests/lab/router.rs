//! A host with a private address, behind a router that passes ports on to it.

use std::path::Path;
use std::process::Stdio;

use ringup::demo::world::Ran;
use ringup::demo::{page_of, start_page};
use ringup::exit::Status;

use super::harness::{Lab, QUICK, code, in_lab, program};

/// The router's address on the Internet, and the host's behind it.
const ROUTER: &str = "198.51.100.1";
const HIDDEN: &str = "192.168.7.5";

impl Lab {
    /// Puts cabin behind a router that passes on its page and its proofs, and no more.
    async fn hide_cabin(&mut self) {
        for (machine, words) in [
            ("cable", "address add 192.168.7.1/24 dev to-cabin"),
            ("cabin", "address add 192.168.7.5/24 dev cable0"),
            ("cabin", "route add default via 192.168.7.1"),
            ("internet", "route add 192.168.7.0/24 via 192.0.2.10"),
        ] {
            let mut command = self.world.command(None, Path::new("ip"));
            command.args(["-n", machine]).args(words.split(' '));
            assert_eq!(self.world.run("ip", command).await.unwrap().status, 0, "{machine}: {words}");
        }
        for (name, from, to) in [
            ("page", format!("TCP-LISTEN:80,bind={ROUTER},reuseaddr,fork"), format!("TCP:{HIDDEN}:80")),
            ("proofs", format!("UDP4-RECVFROM:7464,bind={ROUTER},fork"), format!("UDP4-SENDTO:{HIDDEN}:7464")),
        ] {
            let mut socat = self.world.command(Some("cable"), Path::new("socat"));
            socat.args([from, to]).stdin(Stdio::null());
            self.world.start(name, socat).unwrap();
        }
    }

    /// Fetches cabin's page from the machine of the directory.
    async fn fetch_from_cabin(&mut self) -> Ran {
        let mut command = self.world.command(Some("directory"), &program());
        command.args([
            "--config",
            "client.toml",
            "connect",
            "cabin",
            "--",
            "curl",
            "-s",
            "--max-time",
            "30",
            "http://{}/",
        ]);
        self.world.run("connect", command).await.unwrap()
    }
}

#[test]
fn a_host_behind_a_router_is_met_at_the_routers_address_for_as_long_as_somebody_vouches_for_it() {
    in_lab(QUICK, async |lab| {
        lab.hide_cabin().await;
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

        // The router has another address, and what had come to the old one still comes.
        std::fs::write(&told, "198.51.100.77\n").unwrap();
        let changed = lab.until("cabin", "registered").await;
        assert_eq!(changed.fields["addresses"], serde_json::json!(["198.51.100.77"]));
    });
}
