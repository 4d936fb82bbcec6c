//! The second way to have a dynamic address: a host on a cable company's network, whose DHCP server renumbers once.

use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::sys::signal::Signal;

use super::plan::{CABLE_INTERFACE, CABLE_RANGES};
use super::world::World;
use crate::exit::{Failure, Status};

/// What udhcpc runs when it has or loses a lease. Debian's own script would change the host's /etc/resolv.conf.
const LEASE_SCRIPT: &str = r#"#!/bin/sh
case $1 in
deconfig) ip address flush dev "$interface" ;;
bound | renew)
  ip address replace "$ip/$mask" dev "$interface"
  ip route replace default via "${router%% *}" dev "$interface"
  ;;
esac
"#;

/// Starts the cable company's DHCP server on its first or second range.
pub(super) fn start_dhcp_server(world: &mut World, range: usize) -> Result<(), Failure> {
    let range = CABLE_RANGES.get(range).copied().unwrap_or_default();
    let mut command = world.command(Some("cable"), Path::new("/usr/sbin/dnsmasq"));
    command.args(["--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--user=root", "--pid-file="]);
    command.args(["--interface=to-cabin", "--bind-interfaces", "--dhcp-authoritative", "--no-ping", "--log-dhcp"]);
    command.arg(format!("--dhcp-range={range}")).arg("--dhcp-option=3,198.51.100.1").arg("--log-facility=-");
    command.arg(format!("--dhcp-leasefile={}", world.folder().join("leases").display()));
    world.start("dhcp server", command)
}

/// Starts the host's DHCP client.
pub(super) fn start_dhcp_client(world: &mut World) -> Result<(), Failure> {
    use std::io::Write;
    let script = world.folder().join("lease");
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o755)
        .open(&script)
        .and_then(|mut file| file.write_all(LEASE_SCRIPT.as_bytes()));
    written.map_err(|error| Failure::new(Status::Internal, format!("cannot write the lease script: {error}")))?;
    let mut command = world.command(Some("cabin"), Path::new("udhcpc"));
    command.args(["-f", "-i", CABLE_INTERFACE, "-t", "10", "-T", "1", "-s"]).arg(script);
    world.start("dhcp client", command)
}

/// The cable company renumbers: another range, and no knowledge of the old leases. The client asks to renew, is
/// refused (DHCPNAK), and starts afresh.
pub(super) async fn renumber(world: &mut World) -> Result<(), Failure> {
    world.stop("dhcp server").await;
    start_dhcp_server(world, 1)?;
    world.signal("dhcp client", Signal::SIGUSR1);
    Ok(())
}
