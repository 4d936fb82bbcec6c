//! ser2net: a console server of another house, in front of a line of the exchange.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use hayes::driver::{Driver, DriverError};
use hayes::line::{LineError, LineSettings};
use hayes::modem::{Event, Outcome, Settings};
use ringup::record::Identity;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::office::{Office, on_exchange};
use crate::program::{PATIENCE, Program};

/// Every octet there is, as PPP may send it.
const OCTETS: usize = 256;

/// A console server on a line; and where its port is.
fn serve(office: &Office, line: &str, protocol: &str) -> (Program, PathBuf) {
    // ser2net looks its own address up with AI_ADDRCONFIG, and finds none where there is no address but the loopback's.
    let address = ["address", "replace", "192.0.2.1/32", "dev", "lo"];
    assert!(Command::new("ip").args(address).status().unwrap().success());
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = office.write(
        &format!("{line}.yaml"),
        &format!(
            "connection: &modem\n  accepter: {protocol}tcp,127.0.0.1,{}\n  connector: serialdev,{},115200n81,local\n",
            free.port(),
            office.tty(line).display()
        ),
    );
    let mut ser2net = Command::new("ser2net");
    ser2net.args(["-n", "-d", "-c"]).arg(config).arg("-P").arg(office.path(&format!("{line}.pid")));
    let server = Program::start(&mut ser2net);
    let scheme = if protocol.is_empty() { "tcp+raw" } else { "tcp" };
    (server, PathBuf::from(format!("{scheme}://{free}")))
}

fn open(port: &Path) -> Driver {
    Driver::open(&LineSettings { port: port.to_owned(), rate: 115_200 }, Settings::default()).unwrap()
}

/// A modem that is ready; the server may still be about to listen.
async fn ready(port: &Path) -> Driver {
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        let mut driver = open(port);
        match driver.initialise().await {
            Err(DriverError::Line(LineError::Unreachable { .. })) if tokio::time::Instant::now() < until => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            done => {
                done.unwrap();
                return driver;
            }
        }
    }
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, test).await.unwrap() });
}

#[test]
fn a_modem_behind_ser2net_is_set_up_rings_dials_carries_every_octet_and_hangs_up() {
    let lines = [("alice", "5550101", "default", None), ("bob", "5550102", "default", None)];
    on_exchange(&lines, |office| {
        let (server, port) = serve(office, "alice", "telnet(rfc2217=true),");
        run(async {
            let mut alice = ready(&port).await;
            let mut refused = open(&port);
            let busy = refused.initialise().await;
            assert!(matches!(busy, Err(DriverError::Line(LineError::Busy { .. }))), "{busy:?}");
            drop(refused);

            let mut bob = open(&office.path("bob"));
            bob.initialise().await.unwrap();
            let (called, outcome) = tokio::join!(
                async {
                    while !matches!(bob.next_event().await.unwrap(), Event::Ring(_)) {}
                    bob.answer().await.unwrap()
                },
                async { alice.dial(&"5550102".parse().unwrap(), PATIENCE).await.unwrap() }
            );
            assert!(
                matches!((&called, &outcome), (Outcome::Connected(_), Outcome::Connected(_))),
                "{called:?} {outcome:?}"
            );
            let (mut alice, mut bob) = (alice.into_online(), bob.into_online());
            let octets: Vec<u8> = (0..=255).collect();
            assert_eq!(octets.len(), OCTETS);
            let mut heard = [0; OCTETS];
            alice.write_all(&octets).await.unwrap();
            bob.read_exact(&mut heard).await.unwrap();
            assert_eq!(heard[..], octets);
            bob.write_all(&octets).await.unwrap();
            alice.read_exact(&mut heard).await.unwrap();
            assert_eq!(heard[..], octets);
            let mut alice = alice.into_driver();
            alice.hang_up().await.unwrap();
            // And rings.
            let mut bob = bob.into_driver();
            bob.hang_up().await.unwrap();
            alice.initialise().await.unwrap();
            let (rang, _) =
                tokio::join!(async { while !matches!(alice.next_event().await.unwrap(), Event::Ring(_)) {} }, async {
                    bob.dial(&"5550101".parse().unwrap(), Duration::from_secs(4)).await.unwrap()
                });
            let () = rang;
        });
        server.stop();
    });
}

#[test]
fn a_modem_behind_a_port_that_passes_bytes_as_they_are_is_set_up_and_asked() {
    on_exchange(&[("alice", "5550101", "zyxel", None)], |office| {
        let (server, port) = serve(office, "alice", "");
        run(async {
            let mut alice = ready(&port).await;
            let lines = alice.ask("I").await.unwrap().lines;
            assert!(lines.iter().any(|line| line.contains("1496")), "{lines:?}");
            alice.probe().await.unwrap();
        });
        server.stop();
    });
}

#[test]
fn a_listener_whose_modem_is_behind_ser2net_asks_it_hears_it_ring_and_dials() {
    let lines = [("alice", "5550101", "default", None), ("bob", "5550102", "default", None)];
    on_exchange(&lines, |office| {
        let (server, port) = serve(office, "alice", "telnet(rfc2217=true),");
        let ringup = || Command::new(env!("CARGO_BIN_EXE_ringup"));
        // The first one waits until the server listens.
        run(async { drop(ready(&port).await) });
        let (status, said) = Program::start(ringup().args(["modem", "probe"]).arg(&port)).ends();
        assert!(status == 0 && said.contains("Emulated V.34 Modem"), "{status}: {said}");
        assert!(said.contains("ringup sends      ATZ"), "{said}");

        office.private("home/home.isp", "an invented secret\n");
        office.private("home/home.tsig", "aG9tZSBob21lIGhvbWUgaG9tZQ==\n");
        Identity::create(&office.path("home/home.identity")).unwrap();
        let config = office.write(
            "home/home.toml",
            &format!(
                "directory-servers = [\"127.0.0.1:9\"]\nstate-directory = \"state\"\nruntime-directory = \"run\"\n\
                 [modem]\nport = \"{}\"\n[isp]\nnumber = \"555-0199\"\nuser = \"home\"\nsecret = \"home.isp\"\n\
                 [host]\nname = \"home.dyn.example\"\nzone = \"dyn.example\"\nidentity = \"home.identity\"\n\
                 tsig = {{ name = \"home\", secret = \"home.tsig\" }}\n\
                 [listen]\ncallers = [\"any\"]\nrings = 1\ncadence = \"3s\"\n",
                port.display()
            ),
        );
        let mut home = Program::start(ringup().arg("--config").arg(config).args(["listen", "--json"]));
        home.expect("\"event\":\"listening\"");
        let mut bob = office.hand("bob");
        bob.types("ATD5550101\r");
        home.expect("\"event\":\"ring\"");
        bob.types("\r");
        bob.expect("NO CARRIER");
        home.expect("\"event\":\"dialling\"");
        let (status, said) = home.stop();
        assert_eq!(status, 0, "{said}");
        server.stop();
    });
}
