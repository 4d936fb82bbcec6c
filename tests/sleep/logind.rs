//! elogind on a bus of its own, inside the guest: what systemd-logind is on most machines, without systemd.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::harness::Lab;

/// Where packaging/install-packages unpacks it; it cannot be installed beside systemd.
const UNPACKED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/elogind");
const BUS: &str = "unix:path=/run/dbus/system_bus_socket";

/// A bus on which everybody may do everything.
const POLICY: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
"#;

/// Starts both. elogind reads its configuration from /etc, which is the host's: it gets one of its own, in which it
/// sleeps as this kernel can, and a hierarchy of control groups.
const START: &str = r#"
set -e
mkdir -p /run/logind-etc/elogind
cp /etc/passwd /etc/group /etc/nsswitch.conf /run/logind-etc
printf '[Sleep]\nSuspendState=freeze\n' >/run/logind-etc/elogind/logind.conf
mount --bind /run/logind-etc /etc
mount -t tmpfs cgroup /sys/fs/cgroup
mkdir /sys/fs/cgroup/elogind
mount -t cgroup -o none,name=elogind cgroup /sys/fs/cgroup/elogind
exec "$0"
"#;

/// Starts the bus, and elogind on it, and waits until it answers.
pub(crate) async fn start(lab: &mut Lab) {
    let program =
        ["lib/elogind/elogind", "usr/libexec/elogind/elogind", "usr/libexec/elogind", "usr/lib/elogind/elogind"];
    let program = program.map(|path| Path::new(UNPACKED).join(path)).into_iter().find(|path| path.is_file());
    let program = program.unwrap_or_else(|| panic!("no elogind in {UNPACKED}: run packaging/install-packages tests"));
    std::fs::create_dir_all("/run/dbus").unwrap();
    std::fs::write("/run/dbus/policy.conf", POLICY).unwrap();
    let mut bus = Command::new("dbus-daemon");
    bus.args(["--config-file=/run/dbus/policy.conf", "--nofork", "--nopidfile"]).kill_on_drop(true);
    lab.world.start("bus", bus).unwrap();
    let mut logind = Command::new("unshare");
    logind.args(["--mount", "sh", "-c", START]).arg(&program).kill_on_drop(true);
    logind.env("LD_LIBRARY_PATH", libraries(&program));
    lab.world.start("logind", logind).unwrap();
    for _try in 0..100 {
        if call(lab, "CanSuspend", &[]).await == Some("s \"yes\"".to_owned()) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    panic!("elogind does not answer");
}

/// Calls one of logind's methods, as an administrator would; gives the answer.
pub(crate) async fn call(lab: &mut Lab, method: &str, arguments: &[&str]) -> Option<String> {
    let mut command = lab.world.command(None, Path::new("busctl"));
    command.arg(format!("--address={BUS}")).args(["call", "org.freedesktop.login1", "/org/freedesktop/login1"]);
    command.args(["org.freedesktop.login1.Manager", method]).args(arguments);
    let ran = lab.world.run("busctl", command).await.unwrap();
    (ran.status == 0).then(|| ran.output.trim().to_owned())
}

fn libraries(program: &Path) -> String {
    let mut folders: Vec<PathBuf> = vec![program.parent().unwrap().to_owned()];
    folders.extend(["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"].map(|path| Path::new(UNPACKED).join(path)));
    folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(":")
}
