//! The demo's world on paper: who has which number, who can reach whom, and each machine's configuration.
//!
//! Addresses are from the ranges that RFC 5737 sets aside for examples. None of them is known to client or home
//! beforehand but the directory's.

use std::path::Path;

/// Where the directory answers.
pub(super) const DIRECTORY: &str = "192.0.2.6:53";
/// The home server's name.
pub(super) const HOME: &str = "home.dyn.example";
/// The broadband host's name.
pub(super) const CABIN: &str = "cabin.dyn.example";
/// The provider's end of every PPP link.
pub(super) const PROVIDER: &str = "203.0.113.1";
/// The addresses the provider lends: fewer than it has subscribers.
pub(super) const POOL: &str = "203.0.113.10-203.0.113.15";
/// What the cable company's DHCP server lends before and after it renumbers.
pub(super) const CABLE_RANGES: [&str; 2] = ["198.51.100.20,198.51.100.29,2m", "198.51.100.120,198.51.100.129,2m"];
/// The interface at the broadband host.
pub(super) const CABLE_INTERFACE: &str = "cable0";

/// The network namespaces, each a machine of its own.
pub(super) const MACHINES: [&str; 7] = ["client", "home", "provider", "directory", "internet", "cable", "cabin"];

/// Commands for `ip -batch`, each batch on the machine named: every wire there is but the telephone's. Client and home
/// have none.
pub(super) fn wires() -> Vec<(Option<&'static str>, String)> {
    let mut outside = String::new();
    for machine in MACHINES {
        outside.push_str(&format!("netns add {machine}\n"));
    }
    let mut internet = String::from("link set lo up\n");
    let mut batches = Vec::new();
    for (machine, router, host) in [("provider", 1, 2), ("directory", 5, 6), ("cable", 9, 10)] {
        outside.push_str(&format!(
            "link add to-internet netns {machine} type veth peer name to-{machine} netns internet\n"
        ));
        internet.push_str(&format!("address add 192.0.2.{router}/30 dev to-{machine}\nlink set to-{machine} up\n"));
        let mut own = format!(
            "link set lo up\naddress add 192.0.2.{host}/30 dev to-internet\nlink set to-internet up\n\
             route add default via 192.0.2.{router}\n"
        );
        if machine == "cable" {
            own.push_str("address add 198.51.100.1/24 dev to-cabin\nlink set to-cabin up\n");
        }
        batches.push((Some(machine), own));
    }
    outside.push_str(&format!("link add {CABLE_INTERFACE} netns cabin type veth peer name to-cabin netns cable\n"));
    internet.push_str("route add 203.0.113.0/24 via 192.0.2.2\nroute add 198.51.100.0/24 via 192.0.2.10\n");
    batches.insert(0, (Some("internet"), internet));
    batches.insert(0, (None, outside));
    batches.push((Some("cabin"), format!("link set lo up\nlink set {CABLE_INTERFACE} up\n")));
    batches.push((Some("client"), "link set lo up\n".to_owned()));
    batches.push((Some("home"), "link set lo up\n".to_owned()));
    batches
}

/// The machines that pass on what is not for them.
pub(super) const ROUTERS: [&str; 3] = ["provider", "internet", "cable"];

/// Public keys that other machines' configurations name.
pub(super) struct Keys {
    pub(super) home: String,
    pub(super) cabin: String,
}

/// What the timings of a run are.
#[derive(Clone, Copy, Debug)]
pub struct Timings {
    /// How long home's link may be idle, in seconds.
    pub home_idle: u32,
    /// How long the client's own link lingers, in seconds.
    pub linger: u32,
}

/// Each machine's configuration, by the machine's name.
pub(super) fn configurations(folder: &Path, keys: &Keys, timings: Timings) -> Vec<(&'static str, String)> {
    let lines = folder.join("lines");
    let common = |machine: &str| {
        format!(
            "directory-servers = [\"{DIRECTORY}\"]\nstate-directory = \"{machine}-state\"\n\
             runtime-directory = \"{machine}-run\"\n\n"
        )
    };
    let modem = |line: &str| format!("[modem]\nport = \"{}\"\n\n", lines.join(line).display());
    let isp = |user: &str| {
        let linger = timings.linger;
        format!(
            "[isp]\nnumber = \"555-0199\"\nuser = \"{user}\"\nsecret = \"{user}.secret\"\nlinger = \"{linger}s\"\n\n"
        )
    };
    let host = |name: &str, machine: &str| {
        format!(
            "[host]\nname = \"{name}\"\nzone = \"dyn.example\"\nidentity = \"{machine}.identity\"\n\
             tsig = {{ name = \"{machine}\", secret = \"{machine}.tsig\" }}\nlease = \"2m\"\n\n"
        )
    };
    let home = format!(
        "{}{}{}{}[listen]\ncallers = [\"555-0101\"]\nrings = 1\ncooldown = \"5s\"\nidle = \"{}s\"\n",
        common("home"),
        modem("home"),
        isp("home"),
        host(HOME, "home"),
        timings.home_idle,
    );
    let client = format!(
        "{}{}{}[sites.home]\nhost = \"{HOME}\"\nidentity = \"{}\"\nnumber = \"555-0102\"\nring-for = \"8s\"\nwait = \"60s\"\n\n\
         [sites.cabin]\nhost = \"{CABIN}\"\nidentity = \"{}\"\n",
        common("client"),
        modem("client"),
        isp("client"),
        keys.home,
        keys.cabin,
    );
    let directory = format!(
        "[directory]\nlisten = [\"{DIRECTORY}\"]\ndatabase = \"directory.sqlite\"\nzone = \"dyn.example\"\n\
         nameserver = \"ns.dyn.example\"\n\n\
         [[directory.key]]\nname = \"home\"\nsecret = \"home.tsig\"\nhosts = [\"{HOME}\"]\nidentity = \"{}\"\n\n\
         [[directory.key]]\nname = \"cabin\"\nsecret = \"cabin.tsig\"\nhosts = [\"{CABIN}\"]\nidentity = \"{}\"\n",
        keys.home, keys.cabin
    );
    let provider = format!(
        "runtime-directory = \"provider-run\"\n\n\
         [provide]\nlocal = \"{PROVIDER}\"\npool = [\"{POOL}\"]\ndatabase = \"pool.sqlite\"\nquarantine = \"20s\"\n\
         name = \"provider\"\n\n[[provide.line]]\nport = \"{}\"\n\n[[provide.line]]\nport = \"{}\"\n",
        lines.join("provider-1").display(),
        lines.join("provider-2").display(),
    );
    let cabin = format!("{}{}[watch]\ninterface = \"{CABLE_INTERFACE}\"\n", common("cabin"), host(CABIN, "cabin"));
    let mut exchange = format!("[exchange]\ndirectory = \"{}\"\ntraining = \"1s\"\n", lines.display());
    for (line, number) in
        [("client", "555-0101"), ("home", "555-0102"), ("provider-1", "555-0191"), ("provider-2", "555-0192")]
    {
        exchange.push_str(&format!("\n[[exchange.line]]\nname = \"{line}\"\nnumber = \"{number}\"\n"));
    }
    exchange.push_str("\n[[exchange.hunt-group]]\nnumber = \"555-0199\"\nlines = [\"provider-1\", \"provider-2\"]\n");
    vec![
        ("home", home),
        ("client", client),
        ("directory", directory),
        ("provider", provider),
        ("cabin", cabin),
        ("exchange", exchange),
    ]
}
